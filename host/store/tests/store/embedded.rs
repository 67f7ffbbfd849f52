//! What is sled's own: its folder, its formats, its damage, its full disk.

use crate::{at, key, patiently};
use bytes::Bytes;
use std::{fs, path::Path};
use tollgate_store::{Expect, SessionStore, SledStore, StoreError, session::MAX_VALUE_BYTES};

async fn put(store: &SledStore, name: &str, value: Vec<u8>) -> Result<(), StoreError> {
    store.put(&key(name), Bytes::from(value), Expect::Any, None, at(0)).await.map(drop)
}

async fn get(store: &SledStore, name: &str) -> Option<Bytes> {
    store.get(&key(name), at(0)).await.unwrap().map(|found| found.value)
}

/// The trees as the store lays them out, for a test that damages them.
fn raw(folder: &Path) -> sled::Db {
    patiently(|| sled::Config::new().path(folder.join("sled")).segment_size(8 << 20).open())
}

async fn filled(folder: &Path) {
    let store = SledStore::open(folder).unwrap();
    for n in 0..50 {
        put(&store, &format!("k{n}"), vec![n; 100]).await.unwrap();
    }
}

#[tokio::test]
async fn values_and_versions_outlive_the_process_that_wrote_them() {
    let folder = tempfile::tempdir().unwrap();
    let store = SledStore::open(folder.path()).unwrap();
    let first = store
        .put(&key("k"), Bytes::from_static(b"v"), Expect::Any, Some(at(100)), at(0))
        .await
        .unwrap();
    drop(store);
    let store = SledStore::open(folder.path()).unwrap();
    assert_eq!(store.get(&key("k"), at(99)).await.unwrap().unwrap().version, first);
    store.remove(&key("k"), Expect::Version(first), at(0)).await.unwrap();
    drop(store);
    let store = SledStore::open(folder.path()).unwrap();
    let second = store
        .put(&key("k"), Bytes::from_static(b"v"), Expect::Absent, Some(at(100)), at(0))
        .await
        .unwrap();
    assert!(second > first, "{second:?} after {first:?}");
    drop(store);
    let swept = SledStore::open(folder.path()).unwrap().sweep(at(100), 10).await.unwrap();
    assert_eq!(swept.removed, 1, "the expiry was kept too");
}

#[tokio::test]
async fn one_process_holds_it() {
    let folder = tempfile::tempdir().unwrap();
    let held = SledStore::open(folder.path()).unwrap();
    let refused = SledStore::open(folder.path()).unwrap_err().to_string();
    assert!(refused.contains("another process holds the store"), "{refused}");
    drop(held);
    SledStore::open(folder.path()).unwrap();
}

#[tokio::test]
async fn the_folder_is_its_owners() {
    let folder = tempfile::tempdir().unwrap();
    let inner = folder.path().join("a/sessions");
    drop(SledStore::open(&inner).unwrap());
    #[cfg(unix)]
    assert_eq!(
        std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&inner).unwrap().permissions()) & 0o777,
        0o700
    );
}

#[tokio::test]
async fn a_snapshot_that_was_never_finished_does_no_harm() {
    let folder = tempfile::tempdir().unwrap();
    filled(folder.path()).await;
    let unfinished = folder.path().join("sled/snap.00000000000FFFFF.generating");
    fs::write(&unfinished, b"half a snapshot").unwrap();
    let store = SledStore::open(folder.path()).unwrap();
    assert!(!unfinished.exists());
    assert_eq!(get(&store, "k7").await.unwrap(), vec![7; 100]);
    assert_eq!(store.counts().moved_aside, 0);
}

#[tokio::test]
async fn a_database_that_cannot_be_read_is_moved_aside() {
    type Damage = fn(&Path);
    let cases: &[(&str, Damage)] = &[
        ("its configuration", |sled| {
            fs::write(sled.join("conf"), b"segment_size: none, garbage").unwrap()
        }),
        ("its snapshot", |sled| {
            let names = fs::read_dir(sled).unwrap().map(|entry| entry.unwrap().path());
            let snapshots: Vec<_> = names
                .filter(|path| path.file_name().unwrap().to_string_lossy().starts_with("snap."))
                .collect();
            assert!(!snapshots.is_empty(), "nothing to damage");
            snapshots.iter().for_each(|path| fs::write(path, [9; 64]).unwrap());
        }),
    ];
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    for (n, (name, damage)) in (1..).zip(cases) {
        // Sled writes a snapshot when it opens what was there.
        filled(folder).await;
        filled(folder).await;
        damage(&folder.join("sled"));
        let store = SledStore::open(folder).unwrap();
        assert_eq!(store.counts().moved_aside, 1, "{name}");
        assert_eq!(get(&store, "k7").await, None, "{name}: it starts empty");
        put(&store, "new", vec![1]).await.unwrap();
        assert!(
            folder.join(format!("sled.corrupt-{n}/db")).exists(),
            "{name}: what was there is kept"
        );
        drop(store);
        let again = SledStore::open(folder).unwrap();
        assert_eq!(
            (again.counts().moved_aside, get(&again, "new").await.is_some()),
            (0, true),
            "{name}"
        );
    }
}

#[tokio::test]
async fn a_damaged_log_costs_sessions_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    for at in [0, 100, 4096, 5000, 8000, 20_000] {
        let folder = folder.path().join(at.to_string());
        filled(&folder).await;
        let log = folder.join("sled/db");
        let mut bytes = fs::read(&log).unwrap();
        let end = bytes.len().min(at + 64);
        if let Some(hit) = bytes.get_mut(at..end) {
            hit.fill(0xA5);
        }
        fs::write(&log, bytes).unwrap();
        let store = SledStore::open(&folder).unwrap();
        for n in 0..50 {
            // Lost or right, never wrong.
            if let Ok(Some(found)) = store.get(&key(&format!("k{n}")), crate::at(0)).await {
                assert_eq!(found.value, vec![n; 100], "byte {at}");
            }
        }
    }
}

#[tokio::test]
async fn another_format_is_refused_and_left_alone() {
    type Change = fn(&sled::Db);
    let cases: &[(&str, Change, &str)] = &[
        (
            "newer",
            |db| drop(db.open_tree("meta").unwrap().insert("format", &7_u64.to_be_bytes()).unwrap()),
            "has format 7; this build reads 1",
        ),
        (
            "no format",
            |db| drop(db.open_tree("meta").unwrap().remove("format").unwrap()),
            "no session store of Tollgate",
        ),
        (
            "a format of nothing",
            |db| drop(db.open_tree("meta").unwrap().insert("format", b"x").unwrap()),
            "no session store of Tollgate",
        ),
    ];
    for (name, change, says) in cases {
        let folder = tempfile::tempdir().unwrap();
        filled(folder.path()).await;
        let db = raw(folder.path());
        change(&db);
        drop(db);
        for _ in 0..2 {
            let refused = SledStore::open(folder.path()).unwrap_err().to_string();
            assert!(refused.contains(says), "{name}: {refused}");
        }
        assert_eq!(raw(folder.path()).open_tree("values").unwrap().len(), 50, "{name}");
    }
}

#[tokio::test]
async fn a_record_that_does_not_decode_is_lost_and_counted() {
    let folder = tempfile::tempdir().unwrap();
    filled(folder.path()).await;
    let db = raw(folder.path());
    let values = db.open_tree("values").unwrap();
    values.insert(key("k1").as_bytes(), b"garbage").unwrap();
    let other = values.get(key("k2").as_bytes()).unwrap().unwrap();
    values.insert(key("k3").as_bytes(), other).unwrap();
    drop((values, db));

    let store = SledStore::open(folder.path()).unwrap();
    assert_eq!(get(&store, "k1").await, None);
    assert_eq!(get(&store, "k3").await, None, "another key's record");
    assert_eq!(store.counts().lost, 2);
    assert_eq!(store.list(&key(""), None, 100, at(0)).await.unwrap().keys.len(), 48);
    assert_eq!(store.increment(&key("k1"), 1, at(0)).await.unwrap(), 1, "it starts anew");
    store
        .put(&key("k3"), Bytes::from_static(b"v"), Expect::Absent, None, at(0))
        .await
        .unwrap();
    assert_eq!(get(&store, "k3").await.unwrap(), "v");
}

#[tokio::test]
async fn the_largest_values_stay_in_the_log() {
    let folder = tempfile::tempdir().unwrap();
    let store = SledStore::open(folder.path()).unwrap();
    for round in 0..3 {
        for n in 0..100 {
            put(&store, &format!("{n}{}", "k".repeat(1000)), vec![round; MAX_VALUE_BYTES])
                .await
                .unwrap();
        }
    }
    drop(store);
    let blobs = fs::read_dir(folder.path().join("sled/blobs")).unwrap().count();
    assert_eq!(
        blobs, 0,
        "values in files of their own, which sled neither syncs nor always removes"
    );
}

/// How far the child may let a file grow, in blocks of 512 bytes: a disk of 48 MiB.
#[cfg(unix)]
const FULL_AT_BLOCKS: u32 = 48 << 11;

/// The child's part: writes until the disk is full, sees it refused, makes room, goes on.
#[cfg(unix)]
pub(crate) async fn fill(folder: &Path) {
    let store = SledStore::open(folder).unwrap();
    let mut written = 0_u32;
    let refused = loop {
        let n = written;
        assert!(n < 10_000, "the disk never filled up");
        match put(&store, &format!("k{n}"), vec![n as u8; MAX_VALUE_BYTES]).await {
            Ok(()) => written += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(refused, StoreError::Unavailable(_)), "{refused}");
    assert!(
        matches!(store.get(&key("k0"), at(0)).await, Err(StoreError::Unavailable(_))),
        "closed until it is opened again"
    );

    let now = rustix::process::getrlimit(rustix::process::Resource::Fsize);
    rustix::process::setrlimit(
        rustix::process::Resource::Fsize,
        rustix::process::Rlimit {
            current: now.maximum,
            ..now
        },
    )
    .unwrap();
    let mut tries = 0_u32;
    while let Err(error) = put(&store, "after", vec![1]).await {
        tries += 1;
        // A refusal is answered at once: these are spread over the second that the store waits before it tries again.
        tokio::task::yield_now().await;
        assert!(tries < 1_000_000, "{error}");
    }
    for n in 0..written {
        assert_eq!(get(&store, &format!("k{n}")).await.unwrap(), vec![n as u8; MAX_VALUE_BYTES], "k{n}");
    }
    assert_eq!(
        (store.counts().reopened, store.counts().moved_aside, store.counts().lost),
        (1, 0, 0)
    );
    // One write: the test harness shares the line.
    std::io::Write::write_all(&mut std::io::stdout(), b"went on after it was full\n").unwrap();
}

#[cfg(unix)]
#[test]
fn a_full_disk_refuses_writes_and_costs_nothing_that_was_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let (program, arguments, role) = crate::crash::child_command("full", folder.path());
    // A write over the limit then fails with EFBIG instead of ending the process.
    let script = format!("trap '' XFSZ; ulimit -S -f {FULL_AT_BLOCKS}; exec \"$0\" \"$@\"");
    let output = std::process::Command::new("sh")
        .args(["-c", &script])
        .arg(program)
        .args(arguments)
        .env("TOLLGATE_STORE_CHILD", role)
        .output();
    let output = output.unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("went on after it was full"), "{said}");
}
