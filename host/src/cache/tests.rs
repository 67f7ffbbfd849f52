//! The cache over folders, entries and keys of every kind.
#![expect(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

use super::{
    disk::{FOLDER_MODE, KEY, KEY_MODE},
    *,
};
use crate::{Job, Profile, WarmUp};
use std::{
    fs::Permissions,
    os::unix::fs::{MetadataExt, PermissionsExt},
};

const NOW: SystemTime = SystemTime::UNIX_EPOCH;

fn open(folder: &Path, max_bytes: u64) -> Cache {
    let config = CacheConfig {
        max_bytes,
        ..CacheConfig::new(folder.to_owned())
    };
    Cache::open(config, &Engine::new(&Profile::Default.features()).unwrap()).unwrap()
}

fn job(component: &'static [u8]) -> Job {
    Job {
        component: Bytes::from_static(component),
        engine: Profile::Default,
        warm_up: WarmUp::none(),
    }
}

fn compiled(code: &[u8]) -> Compiled {
    Compiled::of(Ok(()), Bytes::copy_from_slice(code))
}

fn later(seconds: u64) -> SystemTime {
    NOW + Duration::from_secs(seconds)
}

#[test]
fn what_was_written_is_read_by_the_next_process_and_nothing_else_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cache");
    let cache = open(&path, 1 << 20);
    let name = cache.name(job(b"a").digest());
    assert_eq!(cache.load(name, NOW), None);
    cache.store(name, &compiled(b"code")).unwrap();
    let next = open(&path, 1 << 20);
    assert_eq!(next.load(next.name(job(b"a").digest()), NOW), Some(compiled(b"code")));
    assert_ne!(next.name(job(b"b").digest()), name);
    let warm = Job {
        warm_up: WarmUp::default(),
        ..job(b"a")
    };
    assert_ne!(next.name(warm.digest()), name, "another warm-up is another entry");
    let large = Job {
        engine: Profile::Large,
        ..job(b"a")
    };
    assert_ne!(next.name(large.digest()), name, "another engine is another entry");
    assert_eq!(cache.counters.misses.load(Ordering::Relaxed), 1);
    assert_eq!(next.counters.hits.load(Ordering::Relaxed), 1);
}

#[test]
fn any_other_byte_is_refused_and_removed() {
    let folder = tempfile::tempdir().unwrap();
    let cache = open(&folder.path().join("cache"), 1 << 20);
    let name = cache.name(job(b"a").digest());
    cache.store(name, &compiled(b"code")).unwrap();
    let path = cache.path(name);
    let whole = fs::read(&path).unwrap();
    let put = |bytes: &[u8]| {
        let _ = fs::remove_file(&path);
        fs::write(&path, bytes).unwrap();
    };
    let mut cases: Vec<Vec<u8>> = (0..whole.len())
        .map(|at| whole.iter().enumerate().map(|(i, byte)| byte ^ u8::from(i == at)).collect())
        .collect();
    cases.push(whole.iter().take(whole.len() - 1).copied().collect());
    cases.push([whole.as_slice(), b"x"].concat());
    cases.push(Vec::new());
    for bytes in &cases {
        put(bytes);
        assert_eq!(cache.load(name, NOW), None);
        assert!(!path.exists());
    }
    assert_eq!(cache.counters.corrupted.load(Ordering::Relaxed), cases.len() as u64);
    put(&whole);
    assert_eq!(cache.load(name, NOW), Some(compiled(b"code")), "as it was, it is right");
}

#[test]
fn an_entry_under_another_name_by_another_key_or_by_a_link_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (ours, theirs) = (folder.path().join("ours"), folder.path().join("theirs"));
    let (cache, other) = (open(&ours, 1 << 20), open(&theirs, 1 << 20));
    let (a, b) = (cache.name(job(b"a").digest()), cache.name(job(b"b").digest()));
    cache.store(a, &compiled(b"code")).unwrap();
    fs::copy(cache.path(a), cache.path(b)).unwrap();
    assert_eq!(cache.load(b, NOW), None);
    other.store(b, &compiled(b"code")).unwrap();
    fs::copy(other.path(b), cache.path(b)).unwrap();
    assert_eq!(cache.load(b, NOW), None);
    std::os::unix::fs::symlink(cache.path(a), cache.path(b)).unwrap();
    assert_eq!(cache.load(b, NOW), None);
    assert_eq!(cache.load(a, NOW), Some(compiled(b"code")));
}

#[test]
fn what_is_old_goes_and_then_what_was_not_used_for_longest() {
    let folder = tempfile::tempdir().unwrap();
    let cache = open(&folder.path().join("cache"), 2_500);
    let names = [b"a", b"b", b"c", b"d"].map(|component| cache.name(job(component).digest()));
    let code = compiled(&[0; 1_000]);
    let there = || names.map(|name| cache.path(name).exists());
    let set = |name: Name, time| File::open(cache.path(name)).unwrap().set_modified(time).unwrap();
    for (name, second) in names.into_iter().zip(1..3) {
        cache.store(name, &code).unwrap();
        set(name, later(second));
    }
    // Using one makes it young.
    assert!(cache.load(names[0], later(10)).is_some());
    cache.store(names[2], &code).unwrap();
    assert!(cache.make_room(later(11), []));
    assert_eq!(there(), [true, false, true, false]);
    set(names[2], later(11));
    let age = cache.max_age.as_secs();
    cache.store(names[3], &compiled(b"")).unwrap();
    assert!(cache.make_room(later(age + 11), []));
    assert_eq!(there(), [false, false, true, true], "only what is older than the most goes");
    assert_eq!(cache.counters.evicted.load(Ordering::Relaxed), 2);
}

#[test]
fn what_is_in_memory_is_in_use_however_long_ago_it_was_read() {
    let folder = tempfile::tempdir().unwrap();
    let cache = open(&folder.path().join("cache"), 2_500);
    let names = [b"a", b"b", b"c"].map(|component| cache.name(job(component).digest()));
    for (name, second) in names.into_iter().zip([1, 2, 5]) {
        cache.store(name, &compiled(&[0; 1_000])).unwrap();
        assert!(cache.note(name, later(second)));
    }
    let there = || names.map(|name| cache.path(name).exists());
    let age = cache.max_age + Duration::from_secs(3);
    assert!(cache.make_room(NOW + age, [names[0]]), "by age");
    assert_eq!(there(), [true, false, true], "and it does not count the one in memory");
    cache.store(names[1], &compiled(&[0; 1_000])).unwrap();
    assert!(cache.make_room(NOW, [names[0], names[1]]), "by size");
    assert_eq!(there(), [true, true, false]);
    cache.store(names[2], &compiled(&[0; 1_000])).unwrap();
    assert!(cache.make_room(NOW, names), "there is no other");
    assert_eq!(there(), [false, true, true], "the one that was not used for longest");
    assert!(!cache.note(names[0], NOW));
    assert!(!cache.make_room(NOW, names));
}

#[test]
fn a_key_or_a_folder_that_others_reach_is_no_cache() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cache");
    drop(open(&path, 1));
    let engine = Engine::new(&Profile::Default.features()).unwrap();
    let mode = |file: &Path| fs::metadata(file).unwrap().mode() & 0o777;
    assert_eq!((mode(&path), mode(&path.join(KEY))), (FOLDER_MODE, KEY_MODE));
    for (file, mode) in [(path.join(KEY), 0o644), (path.clone(), 0o777), (path.join(ENTRIES), 0o720)] {
        let before = fs::metadata(&file).unwrap().permissions();
        fs::set_permissions(&file, Permissions::from_mode(mode)).unwrap();
        assert!(Cache::open(CacheConfig::new(path.clone()), &engine).is_err(), "{}", file.display());
        fs::set_permissions(&file, before).unwrap();
    }
    fs::write(path.join(KEY), b"short").unwrap();
    let error = Cache::open(CacheConfig::new(path), &engine).map(drop).unwrap_err().to_string();
    assert!(error.contains("is no key"), "{error}");
}

/// Set in the process that runs [`what_does_not_fit_on_the_disk_leaves_nothing_of_itself`] once more, with no room for files.
const CRAMPED: &str = "TOLLGATE_TEST_CRAMPED";

#[test]
fn what_does_not_fit_on_the_disk_leaves_nothing_of_itself() {
    if std::env::var_os(CRAMPED).is_some() {
        return cramped();
    }
    // A file may have 8 KiB then, and writing more is an error, as on a full disk, instead of a signal.
    let script = "trap '' XFSZ; ulimit -f 16; exec \"$0\" --exact cache::tests::what_does_not_fit_on_the_disk_leaves_nothing_of_itself";
    let ran = std::process::Command::new("sh")
        .args(["-c", script])
        .arg(std::env::current_exe().unwrap())
        .env(CRAMPED, "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&ran.stdout);
    assert!(ran.status.success() && said.contains("1 passed"), "{said}");
}

fn cramped() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cache");
    let cache = open(&path, 1 << 20);
    let name = cache.name(job(b"a").digest());
    let entries = || fs::read_dir(path.join(ENTRIES)).unwrap().count();
    assert!(cache.store(name, &compiled(&[0; 100_000])).is_err());
    assert_eq!((entries(), cache.counters.not_stored.load(Ordering::Relaxed)), (0, 1));
    cache.store(name, &compiled(b"small")).unwrap();
    assert_eq!((entries(), cache.counters.stored.load(Ordering::Relaxed)), (1, 1));
    assert!(cache.store(name, &compiled(&[0; 100_000])).is_err());
    assert_eq!(cache.load(name, NOW), Some(compiled(b"small")), "what was there is there");
}
