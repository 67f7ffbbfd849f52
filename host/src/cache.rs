//! Compiled workers on disk, kept over restarts.
//!
//! An entry is machine code that will run in this process, so it is believed only with a MAC by a key of this machine over every byte of it and
//! its name. What is verified is what is loaded: the bytes are read once, into memory that no other process can write. An entry's name is made of
//! the component and its warm-up, the engine's settings and this very build, so a new build starts anew. What cannot be read, verified or loaded is
//! compiled again.

mod disk;

use crate::{Compiled, Job, wire};
use disk::{PARTIAL, key, own, program, read};
use hmac::{Hmac, Mac};
use sha2::Sha256;
use std::{
    fs::{self, File, Permissions},
    hash::{Hash, Hasher},
    io::{self, Write},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, SystemTime},
};
use wasmtime::Engine;

/// The first bytes of an entry: what it is, and the version of its format.
const MAGIC: &[u8; 16] = b"tollgate code/1\n";
/// Bytes of the key and of a MAC.
const MAC: usize = 32;
/// The entries' folder, in the cache's folder.
const ENTRIES: &str = "code";
/// Mode of an entry: nobody changes one.
const ENTRY_MODE: u32 = 0o400;
/// A partial entry this old has no writer any more: the longest compilation takes minutes, writing one seconds.
const ABANDONED: Duration = Duration::from_secs(3600);

/// Where compiled workers are kept, and how many.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CacheConfig {
    /// The folder; made when it is not there.
    pub path: PathBuf,
    /// Most bytes of all entries; the ones that were not used for the longest time go first.
    pub max_bytes: u64,
    /// An entry that was not used for so long goes.
    pub max_age: Duration,
}

impl CacheConfig {
    /// 2 GiB: thousands of ordinary workers, or a few dozen with an interpreter. 30 days: a rollback to last month's revision is quick.
    pub fn new(path: PathBuf) -> Self {
        Self {
            path,
            max_bytes: 2 << 30,
            max_age: Duration::from_secs(30 * 24 * 3600),
        }
    }
}

/// What the cache has counted since it was opened.
#[derive(Debug, Default)]
pub struct CacheCounters {
    /// Entries that were used.
    pub hits: AtomicU64,
    /// Entries that were not there.
    pub misses: AtomicU64,
    /// Entries that were there and not what was written; they were compiled again.
    pub corrupted: AtomicU64,
    /// Entries that went by age or size.
    pub evicted: AtomicU64,
}

/// The cache could not be opened.
#[derive(Debug, thiserror::Error)]
#[error("the cache of compiled workers in {}: {source}", path.display())]
pub struct CacheError {
    path: PathBuf,
    source: io::Error,
}

/// Compiled workers of one engine.
pub(crate) struct Cache {
    entries: PathBuf,
    max_bytes: u64,
    max_age: Duration,
    /// With the key of this machine.
    keyed: Hmac<Sha256>,
    build: [u8; MAC],
    pub(crate) counters: CacheCounters,
}

/// An entry's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Name([u8; MAC]);

/// Feeds blake3 with what implements [`Hash`].
struct Feed<'a>(&'a mut blake3::Hasher);

impl Hasher for Feed<'_> {
    fn finish(&self) -> u64 {
        0
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }
}

impl Cache {
    /// Opens the folder, or makes it, and the key.
    ///
    /// # Errors
    /// When others could read the key or write entries, or the disk says no.
    pub(crate) fn open(config: CacheConfig, engine: &Engine) -> Result<Self, CacheError> {
        let opened = || -> io::Result<Self> {
            let entries = config.path.join(ENTRIES);
            own(&config.path)?;
            own(&entries)?;
            let mut build = blake3::Hasher::new();
            build.update(program()?.as_bytes());
            engine.precompile_compatibility_hash().hash(&mut Feed(&mut build));
            Ok(Self {
                keyed: Hmac::new_from_slice(&key(&config.path)?).map_err(io::Error::other)?,
                entries,
                max_bytes: config.max_bytes,
                max_age: config.max_age,
                build: *build.finalize().as_bytes(),
                counters: CacheCounters::default(),
            })
        };
        opened().map_err(|source| CacheError {
            path: config.path.clone(),
            source,
        })
    }

    pub(crate) fn name(&self, job: &Job) -> Name {
        let mut hasher = blake3::Hasher::new_keyed(&self.build);
        hasher.update(job.digest().as_bytes());
        Name(*hasher.finalize().as_bytes())
    }

    /// An entry that is there and whole, as it was written.
    pub(crate) fn load(&self, name: Name, now: SystemTime) -> Option<Compiled> {
        let path = self.path(name);
        let read = read(&path, self.max_bytes);
        let Ok(bytes) = &read else {
            let counter = match read.map_err(|error| error.kind()) {
                Err(io::ErrorKind::NotFound) => &self.counters.misses,
                _ => &self.counters.corrupted,
            };
            counter.fetch_add(1, Ordering::Relaxed);
            return None;
        };
        let payload = self.verified(name, bytes);
        let Some(Ok(Ok(compiled))) = payload.map(wire::read) else {
            self.discard(name);
            return None;
        };
        self.counters.hits.fetch_add(1, Ordering::Relaxed);
        // Its age is counted from its last use. A disk that cannot note that only forgets it sooner.
        let _ = File::open(&path).and_then(|file| file.set_modified(now));
        Some(compiled)
    }

    /// Forgets an entry that is not what it should be.
    pub(crate) fn discard(&self, name: Name) {
        self.counters.corrupted.fetch_add(1, Ordering::Relaxed);
        let path = self.path(name);
        tracing::warn!(target: "cache", entry = %path.display(), "a compiled worker is not what was written, and is compiled again");
        let _ = fs::remove_file(path);
    }

    /// Writes an entry whole or not at all, then makes room.
    ///
    /// # Errors
    /// When the disk says no; the cache is as before.
    pub(crate) fn store(&self, name: Name, compiled: &Compiled, now: SystemTime) -> io::Result<()> {
        let payload = wire::write(&Ok(compiled.clone()));
        let mac = self.mac(name, &payload).finalize().into_bytes();
        let path = self.path(name);
        let partial = path.with_extension(format!("{}{PARTIAL}", std::process::id()));
        let written = File::create_new(&partial).and_then(|mut file| {
            file.set_permissions(Permissions::from_mode(ENTRY_MODE))?;
            for part in [MAGIC.as_slice(), &mac, &payload] {
                file.write_all(part)?;
            }
            file.sync_all()?;
            fs::rename(&partial, &path)
        });
        if written.is_err() {
            let _ = fs::remove_file(&partial);
        }
        written?;
        self.evict(now)
    }

    /// Removes what is too old, then what is too much.
    fn evict(&self, now: SystemTime) -> io::Result<()> {
        let mut found = Vec::new();
        for entry in fs::read_dir(&self.entries)? {
            let entry = entry?;
            // Another gateway may have been quicker.
            let Ok(metadata) = entry.metadata() else { continue };
            let used = metadata.modified()?;
            let age = now.duration_since(used).unwrap_or_default();
            let partial = entry.path().extension().is_some();
            if age > if partial { ABANDONED } else { self.max_age } {
                self.remove(&entry.path());
            } else if !partial {
                found.push((used, metadata.len(), entry.path()));
            }
        }
        found.sort();
        let mut total: u64 = found.iter().map(|(_, size, _)| size).sum();
        for (_, size, path) in found {
            if total <= self.max_bytes {
                break;
            }
            self.remove(&path);
            total -= size;
        }
        Ok(())
    }

    fn remove(&self, path: &Path) {
        if fs::remove_file(path).is_ok() {
            self.counters.evicted.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The payload of an entry whose MAC is right.
    fn verified<'a>(&self, name: Name, bytes: &'a [u8]) -> Option<&'a [u8]> {
        let rest = bytes.strip_prefix(MAGIC)?;
        let (mac, payload) = rest.split_at_checked(MAC)?;
        // In constant time.
        self.mac(name, payload).verify_slice(mac).ok()?;
        Some(payload)
    }

    fn mac(&self, name: Name, payload: &[u8]) -> Hmac<Sha256> {
        let mac = self.keyed.clone();
        mac.chain_update(MAGIC).chain_update(name.0).chain_update(payload)
    }

    fn path(&self, name: Name) -> PathBuf {
        self.entries.join(blake3::Hash::from_bytes(name.0).to_hex().as_str())
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failed unwrap fails the test")]
mod tests {
    use super::{
        disk::{FOLDER_MODE, KEY, KEY_MODE},
        *,
    };
    use crate::{Profile, WarmUp};
    use bytes::Bytes;
    use std::os::unix::fs::MetadataExt;

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
        Compiled::of(Ok(()), code.to_vec())
    }

    fn later(seconds: u64) -> SystemTime {
        NOW + Duration::from_secs(seconds)
    }

    #[test]
    fn what_was_written_is_read_by_the_next_process_and_nothing_else_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cache");
        let cache = open(&path, 1 << 20);
        let name = cache.name(&job(b"a"));
        assert_eq!(cache.load(name, NOW), None);
        cache.store(name, &compiled(b"code"), NOW).unwrap();
        let next = open(&path, 1 << 20);
        assert_eq!(next.load(next.name(&job(b"a")), NOW), Some(compiled(b"code")));
        assert_ne!(next.name(&job(b"b")), name);
        let warm = Job {
            warm_up: WarmUp::default(),
            ..job(b"a")
        };
        assert_ne!(next.name(&warm), name, "another warm-up is another entry");
        let large = Job {
            engine: Profile::Large,
            ..job(b"a")
        };
        assert_ne!(next.name(&large), name, "another engine is another entry");
        assert_eq!(cache.counters.misses.load(Ordering::Relaxed), 1);
        assert_eq!(next.counters.hits.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn any_other_byte_is_refused_and_removed() {
        let folder = tempfile::tempdir().unwrap();
        let cache = open(&folder.path().join("cache"), 1 << 20);
        let name = cache.name(&job(b"a"));
        cache.store(name, &compiled(b"code"), NOW).unwrap();
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
        let (a, b) = (cache.name(&job(b"a")), cache.name(&job(b"b")));
        cache.store(a, &compiled(b"code"), NOW).unwrap();
        fs::copy(cache.path(a), cache.path(b)).unwrap();
        assert_eq!(cache.load(b, NOW), None);
        other.store(b, &compiled(b"code"), NOW).unwrap();
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
        let names = [b"a", b"b", b"c", b"d"].map(|component| cache.name(&job(component)));
        let code = compiled(&[0; 1_000]);
        let there = || names.map(|name| cache.path(name).exists());
        let set = |name: Name, time| File::open(cache.path(name)).unwrap().set_modified(time).unwrap();
        for (name, second) in names.into_iter().zip(1..3) {
            cache.store(name, &code, later(second)).unwrap();
            set(name, later(second));
        }
        // Using one makes it young.
        assert!(cache.load(names[0], later(10)).is_some());
        cache.store(names[2], &code, later(11)).unwrap();
        assert_eq!(there(), [true, false, true, false]);
        set(names[2], later(11));
        let age = cache.max_age.as_secs();
        cache.store(names[3], &compiled(b""), later(age + 11)).unwrap();
        assert_eq!(there(), [false, false, true, true], "only what is older than the most goes");
        assert_eq!(cache.counters.evicted.load(Ordering::Relaxed), 2);
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
}
