//! Compiled workers on disk, kept over restarts.
//!
//! An entry is machine code that will run in this process, so it is believed only with a MAC by a key of this machine over every byte of it and
//! its name. What is verified is what is loaded: the bytes are read once, into memory that no other process can write. An entry's name is made of
//! the component and its warm-up, the engine's settings and this very build, so a new build starts anew. What cannot be read, verified or loaded is
//! compiled again.

mod build_id;
mod disk;

use crate::{Compiled, wire};
use build_id::build_id;
use bytes::Bytes;
use disk::{key, own, read, write};
use std::{
    collections::HashSet,
    fs::{self, File},
    hash::{Hash, Hasher},
    io,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, SystemTime},
};
use wasmtime::Engine;

/// The first bytes of an entry: what it is, and the version of its format.
const MAGIC: &[u8; 16] = b"tollgate code/2\n";
/// Bytes of the key and of a MAC.
const MAC: usize = 32;
/// The entries' folder, in the cache's folder.
const ENTRIES: &str = "code";
/// A partial entry this old has no writer any more: the longest compilation takes minutes, writing one seconds.
const ABANDONED: Duration = Duration::from_secs(3600);

/// Where compiled workers are kept, and how many.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CacheConfig {
    /// The folder; made when it is not there.
    pub path: PathBuf,
    /// Most bytes of all entries; the ones that were not used for the longest time go first. What is in memory is in use.
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
    /// Entries that were written.
    pub stored: AtomicU64,
    /// Entries that could not be written, as on a full disk.
    pub not_stored: AtomicU64,
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
    keyed: blake3::Hasher,
    build: [u8; MAC],
    pub(crate) counters: CacheCounters,
}

/// An entry's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
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
            build.update(&build_id()?);
            engine.precompile_compatibility_hash().hash(&mut Feed(&mut build));
            Ok(Self {
                keyed: blake3::Hasher::new_keyed(&key(&config.path)?),
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

    /// Of the job with this digest.
    pub(crate) fn name(&self, digest: blake3::Hash) -> Name {
        let mut hasher = blake3::Hasher::new_keyed(&self.build);
        hasher.update(digest.as_bytes());
        Name(*hasher.finalize().as_bytes())
    }

    /// An entry that is there and whole, as it was written.
    pub(crate) fn load(&self, name: Name, now: SystemTime) -> Option<Compiled> {
        let path = self.path(name);
        let bytes = match read(&path, self.max_bytes) {
            Ok(bytes) => Bytes::from(bytes),
            Err(error) => {
                let counter = match error.kind() {
                    io::ErrorKind::NotFound => &self.counters.misses,
                    _ => &self.counters.corrupted,
                };
                counter.fetch_add(1, Ordering::Relaxed);
                return None;
            }
        };
        let payload = self.verified(name, &bytes);
        let Some(Ok(Ok(compiled))) = payload.map(|payload| wire::read(&bytes.slice_ref(payload))) else {
            self.discard(name);
            return None;
        };
        self.counters.hits.fetch_add(1, Ordering::Relaxed);
        self.note(name, now);
        Some(compiled)
    }

    /// Notes that an entry is in use; says whether it is there. Its age is counted from its last use.
    pub(crate) fn note(&self, name: Name, now: SystemTime) -> bool {
        let Ok(file) = File::open(self.path(name)) else { return false };
        // A disk that cannot note that only forgets it sooner.
        let _ = file.set_modified(now);
        true
    }

    /// Forgets an entry that is not what it should be.
    pub(crate) fn discard(&self, name: Name) {
        self.counters.corrupted.fetch_add(1, Ordering::Relaxed);
        let path = self.path(name);
        tracing::warn!(target: "cache", entry = %path.display(), "a compiled worker is not what was written, and is compiled again");
        let _ = fs::remove_file(path);
    }

    /// Writes an entry whole or not at all. [`Self::make_room`] comes next.
    ///
    /// # Errors
    /// When the disk says no, as a full one does; nothing of the entry is left, and the cache is as before.
    pub(crate) fn store(&self, name: Name, compiled: &Compiled) -> io::Result<()> {
        let payload = wire::write(&Ok(compiled.clone()));
        let mac = self.mac(name, &payload);
        let written = write(&self.path(name), &[MAGIC.as_slice(), mac.as_bytes(), &payload]);
        let counter = if written.is_ok() {
            &self.counters.stored
        } else {
            &self.counters.not_stored
        };
        counter.fetch_add(1, Ordering::Relaxed);
        written
    }

    /// Removes what is too old, then what is too much: of that what is not in memory, then what is. Room that cannot be made now is made the next time.
    /// Says whether something was removed.
    pub(crate) fn make_room(&self, now: SystemTime, in_memory: impl IntoIterator<Item = Name>) -> bool {
        let before = self.counters.evicted.load(Ordering::Relaxed);
        let in_memory = in_memory.into_iter().map(|name| self.path(name)).collect();
        if let Err(error) = self.evict(now, &in_memory) {
            tracing::warn!(target: "cache", %error, "old compiled workers cannot be removed");
        }
        self.counters.evicted.load(Ordering::Relaxed) > before
    }

    fn evict(&self, now: SystemTime, in_memory: &HashSet<PathBuf>) -> io::Result<()> {
        let mut found = Vec::new();
        for entry in fs::read_dir(&self.entries)? {
            let entry = entry?;
            // Another gateway may have been quicker.
            let Ok(metadata) = entry.metadata() else { continue };
            let used = metadata.modified()?;
            let age = now.duration_since(used).unwrap_or_default();
            let path = entry.path();
            let (partial, is_used) = (path.extension().is_some(), in_memory.contains(&path));
            if age > if partial { ABANDONED } else { self.max_age } && !is_used {
                self.remove(&path);
            } else if !partial {
                found.push((is_used, used, metadata.len(), path));
            }
        }
        found.sort();
        let mut total: u64 = found.iter().map(|(_, _, size, _)| size).sum();
        for (_, _, size, path) in found {
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
        let (mac, payload) = rest.split_first_chunk::<MAC>()?;
        // These compare in constant time.
        (self.mac(name, payload) == blake3::Hash::from_bytes(*mac)).then_some(payload)
    }

    /// BLAKE3 with a key is a MAC, several times as fast as HMAC: what is called for the first time waits for it.
    fn mac(&self, name: Name, payload: &[u8]) -> blake3::Hash {
        let mut mac = self.keyed.clone();
        mac.update(MAGIC).update(&name.0).update(payload);
        mac.finalize()
    }

    fn path(&self, name: Name) -> PathBuf {
        self.entries.join(blake3::Hash::from_bytes(name.0).to_hex().as_str())
    }
}

#[cfg(test)]
mod tests;
