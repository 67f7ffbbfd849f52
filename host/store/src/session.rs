//! The session store: small values that expire, with versions for compare-and-swap.

use crate::Key;
use async_trait::async_trait;
use bytes::Bytes;
use std::{path::Path, time::SystemTime};

/// Counts the writes of one key; never reused while the key lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version(pub u64);

/// A value and its version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Versioned {
    /// The value.
    pub value: Bytes,
    /// Its version.
    pub version: Version,
}

/// What must be there for a write to happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expect {
    /// Anything.
    Any,
    /// Nothing.
    Absent,
    /// This version.
    Version(Version),
}

/// Keys in order, and where to go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The last part of each key (what the worker called it).
    pub keys: Vec<String>,
    /// Give this to go on after the last key; `None` at the end.
    pub next: Option<String>,
}

/// What a sweep found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Swept {
    /// Removed.
    pub removed: usize,
    /// Whether the budget ended before the expired keys did.
    pub more: bool,
}

/// Why the store did not do it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Something else is there than was expected.
    #[error("the value was changed by another writer")]
    Conflict,
    /// A value over the limit.
    #[error("a value of {size} bytes is over the limit of {limit}")]
    TooLarge {
        /// Found.
        size: usize,
        /// Accepted.
        limit: usize,
    },
    /// A value that is no counter was incremented, or the sum does not fit.
    #[error("the value is no counter that can take this")]
    NotACounter,
    /// The disk, or the database on it.
    #[error("the store is unavailable: {0}")]
    Unavailable(String),
}

/// The contract, run against every implementation by one test.
///
/// Dropping a future of a write leaves the write done or not done, never half.
#[async_trait]
pub trait SessionStore: Send + Sync + 'static {
    /// The live value.
    async fn get(&self, key: &Key, now: SystemTime) -> Result<Option<Versioned>, StoreError>;
    /// Writes, if what is there is as expected; `expires` bounds its life.
    async fn put(
        &self,
        key: &Key,
        value: Bytes,
        expect: Expect,
        expires: Option<SystemTime>,
        now: SystemTime,
    ) -> Result<Version, StoreError>;
    /// Adds to a counter kept as decimal text (absent counts as 0) and returns the sum. Atomic. Keeps the expiry that is there.
    async fn increment(&self, key: &Key, delta: i64, now: SystemTime) -> Result<i64, StoreError>;
    /// Removes; says whether something live was there.
    async fn remove(&self, key: &Key, expect: Expect, now: SystemTime) -> Result<bool, StoreError>;
    /// Live keys that share everything but the last part with `scope` (whose last part is ignored), after `after`.
    async fn list(&self, scope: &Key, after: Option<&str>, limit: usize, now: SystemTime) -> Result<Page, StoreError>;
    /// Removes up to `budget` expired keys.
    async fn sweep(&self, now: SystemTime, budget: usize) -> Result<Swept, StoreError>;
    /// Pushes what was written to the disk.
    async fn flush(&self) -> Result<(), StoreError>;
}

/// In memory: gone with the process.
#[derive(Debug, Default)]
pub struct MemoryStore {}

/// In an embedded sled database.
#[derive(Debug)]
pub struct SledStore {}

impl SledStore {
    /// Opens or creates the database in this folder.
    ///
    /// # Errors
    /// When another process holds it, or the folder cannot be written.
    pub fn open(folder: &Path) -> Result<Self, StoreError> {
        let _ = folder;
        todo!()
    }
}
