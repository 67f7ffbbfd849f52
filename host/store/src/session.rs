//! The session store: small values that expire, with versions for compare-and-swap.

mod embedded;
mod list;
mod memory;
mod quota;
mod record;

pub use embedded::{Counts, SledStore};
pub use list::{LIST_MAX, LIST_SCAN_MAX};
pub use memory::{MEMORY_MAX_BYTES, MemoryStore};
pub use quota::{Quota, Usage};

use crate::{Key, key::MAX_KEY_BYTES};
use async_trait::async_trait;
use bytes::Bytes;
use std::time::SystemTime;
use tollgate_config::{DeploymentId, TenantCtx};

/// The largest value, in bytes. Sled keeps small values in its log and moves pages of large ones to files of their own, which it
/// neither syncs nor always removes (`docs/storage.md`).
pub const MAX_VALUE_BYTES: usize = 64 * 1024;

/// The most entries that one sweep looks at, whatever its budget: about five milliseconds of a writer that others wait for.
pub const SWEEP_MAX: usize = 1000;

/// Names one write of one key: grows with each, and one store never gives it twice, not even after a removal or a restart.
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
    /// A value or a key over its limit.
    #[error("{size} bytes are over the limit of {limit} for a value or its key")]
    TooLarge {
        /// Found.
        size: usize,
        /// Accepted.
        limit: usize,
    },
    /// A value that is no counter was incremented, or the sum does not fit.
    #[error("the value is no counter that can take this")]
    NotACounter,
    /// The deployment keeps as much as its [`Quota`] allows.
    #[error("the deployment keeps as many {what} as it may, {limit}; remove what is not needed, or raise limits.store.{what}")]
    Full {
        /// `keys` or `bytes`.
        what: &'static str,
        /// How many.
        limit: u64,
    },
    /// The tenant keeps as much as one of several may of a store that all share.
    #[error(
        "the tenant keeps {held} bytes in memory, as many as the others leave it; remove what is not needed, or keep state on disk by store.kind: sled"
    )]
    Share {
        /// Bytes that all of its deployments keep together.
        held: u64,
    },
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
    /// Adds to a counter kept as decimal text (absent counts as 0, and stays until removed) and returns the sum. Atomic.
    /// Keeps the expiry that is there.
    async fn increment(&self, key: &Key, delta: i64, now: SystemTime) -> Result<i64, StoreError>;
    /// Removes; says whether something live was there.
    async fn remove(&self, key: &Key, expect: Expect, now: SystemTime) -> Result<bool, StoreError>;
    /// Live keys that share everything but the last part with `scope` (whose last part is ignored), after `after`, in the order
    /// of their stored form. At most [`LIST_MAX`] and at least one are asked for; a page may be short, even empty, and still have a `next`.
    async fn list(&self, scope: &Key, after: Option<&str>, limit: usize, now: SystemTime) -> Result<Page, StoreError>;
    /// Removes up to `budget` expired keys, at most [`SWEEP_MAX`].
    async fn sweep(&self, now: SystemTime, budget: usize) -> Result<Swept, StoreError>;
    /// Bounds what a deployment keeps, from the next write on; without it there is no bound. A write that needs more is [`StoreError::Full`] and
    /// changes nothing; where there are expired rows, they are swept first.
    fn limit(&self, tenant: &TenantCtx, deployment: &DeploymentId, quota: Quota);
    /// What a deployment keeps; nothing for one without a quota, or whose first write since the start is yet to come.
    fn usage(&self, tenant: &TenantCtx, deployment: &DeploymentId) -> Option<Usage>;
    /// Pushes what was written to the disk, past the page cache: for a stop, or before a backup.
    async fn flush(&self) -> Result<(), StoreError>;
}

/// Refuses a key or value over its limit, before anything is queued or written.
fn check_size(key: &Key, value: &[u8]) -> Result<(), StoreError> {
    for (size, limit) in [(key.as_bytes().len(), MAX_KEY_BYTES), (value.len(), MAX_VALUE_BYTES)] {
        if size > limit {
            return Err(StoreError::TooLarge { size, limit });
        }
    }
    Ok(())
}
