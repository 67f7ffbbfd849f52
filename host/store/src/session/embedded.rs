//! Sessions in an embedded sled database.
//!
//! A folder with `lock` (held by the process), `sled/` and what was moved aside. One writer thread applies the writes in turn,
//! so a read-check-write needs no transaction, and flushes once for everything that was waiting ([`line`]). Reads go to a
//! few threads of their own. Nothing runs on the caller's thread: sled's calls may wait for the disk or for its locks, and
//! have been seen to wait for ever (sled issue 1412), so each call has a deadline.

mod line;
mod open;
mod table;

use super::{Expect, Page, Quota, SessionStore, StoreError, Swept, Usage, Version, Versioned, check_size, quota::Quotas};
use crate::{
    Key,
    clock::{NEVER, millis},
};
use async_trait::async_trait;
use bytes::Bytes;
use line::Lines;
use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::SystemTime,
};
use tollgate_config::{DeploymentId, TenantCtx};

/// In an embedded sled database.
#[derive(Debug)]
pub struct SledStore {
    lines: Lines,
    counters: Arc<Counters>,
    quotas: Arc<Quotas>,
}

/// What went wrong since the store was opened, for metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Records that did not decode: their sessions are lost and start anew.
    pub lost: u64,
    /// Databases that could not be read when the store was opened, moved aside to `sled.corrupt-<n>`.
    pub moved_aside: u64,
    /// Databases that stopped after an error of the disk and were opened again.
    pub reopened: u64,
    /// Calls that did not end in time.
    pub timeouts: u64,
}

#[derive(Debug, Default)]
struct Counters {
    lost: AtomicU64,
    moved_aside: AtomicU64,
    reopened: AtomicU64,
    timeouts: AtomicU64,
}

fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

impl SledStore {
    /// Opens or creates the database in this folder. A database that cannot be read is moved aside and an empty one takes its
    /// place: sessions can be made again, and must not keep a gateway from starting. That is loud: an error event, and [`Counts::moved_aside`].
    ///
    /// # Errors
    /// When another process holds it, the folder cannot be written, or its format is newer than this build's.
    pub fn open(folder: &Path) -> Result<Self, StoreError> {
        let counters = Arc::new(Counters::default());
        let (home, database) = open::open(folder, &counters)?;
        let quotas = Arc::clone(&database.quotas);
        Ok(Self {
            lines: Lines::start(home, database, Arc::clone(&counters))?,
            counters,
            quotas,
        })
    }

    /// What went wrong since it was opened.
    pub fn counts(&self) -> Counts {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Counts {
            lost: read(&self.counters.lost),
            moved_aside: read(&self.counters.moved_aside),
            reopened: read(&self.counters.reopened),
            timeouts: read(&self.counters.timeouts),
        }
    }
}

#[async_trait]
impl SessionStore for SledStore {
    async fn get(&self, key: &Key, now: SystemTime) -> Result<Option<Versioned>, StoreError> {
        let (key, now) = (key.clone(), millis(now));
        self.lines.read(move |database| database.get(&key, now)).await
    }

    async fn put(
        &self,
        key: &Key,
        value: Bytes,
        expect: Expect,
        expires: Option<SystemTime>,
        now: SystemTime,
    ) -> Result<Version, StoreError> {
        check_size(key, &value)?;
        let (key, expires, now) = (key.clone(), expires.map_or(NEVER, millis), millis(now));
        self.lines
            .counted(&key.clone(), move |database| database.put(&key, &value, expect, expires, now))
            .await
    }

    async fn increment(&self, key: &Key, delta: i64, now: SystemTime) -> Result<i64, StoreError> {
        check_size(key, &[])?;
        let (key, now) = (key.clone(), millis(now));
        self.lines
            .counted(&key.clone(), move |database| database.increment(&key, delta, now))
            .await
    }

    async fn remove(&self, key: &Key, expect: Expect, now: SystemTime) -> Result<bool, StoreError> {
        let (key, now) = (key.clone(), millis(now));
        self.lines.write(move |database| database.remove(&key, expect, now)).await
    }

    async fn list(&self, scope: &Key, after: Option<&str>, limit: usize, now: SystemTime) -> Result<Page, StoreError> {
        let (scope, after, now) = (scope.clone(), after.map(str::to_owned), millis(now));
        self.lines
            .read(move |database| database.list(&scope, after.as_deref(), limit, now))
            .await
    }

    async fn sweep(&self, now: SystemTime, budget: usize) -> Result<Swept, StoreError> {
        let now = millis(now);
        self.lines.write(move |database| database.sweep(now, budget)).await
    }

    fn limit(&self, tenant: &TenantCtx, deployment: &DeploymentId, quota: Quota) {
        self.quotas.set(Key::deployment(tenant, deployment).as_bytes(), quota);
    }

    fn usage(&self, tenant: &TenantCtx, deployment: &DeploymentId) -> Option<Usage> {
        self.quotas.usage(Key::deployment(tenant, deployment).as_bytes())
    }

    async fn flush(&self) -> Result<(), StoreError> {
        // The writer has flushed to the page cache before it answers; what is left is the fsync that sled's flush does not do.
        self.lines.write(|_| Ok(())).await?;
        self.lines.read(|database| database.sync()).await
    }
}
