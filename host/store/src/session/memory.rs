//! Sessions in memory: for tests, and for environments that keep nothing.

use super::{
    Expect, Page, Quota, SWEEP_MAX, SessionStore, StoreError, Swept, Usage, Version, Versioned, check_size,
    list::{Pager, start},
    quota::{Piece, Quotas, Refused},
    record::{Record, sum},
};
use crate::{
    Key,
    clock::{NEVER, millis},
    key::{self, tenant},
};
use async_trait::async_trait;
use bytes::Bytes;
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    ops::Bound,
    sync::{Mutex, MutexGuard, PoisonError},
    time::SystemTime,
};
use tollgate_config::{DeploymentId, TenantCtx};

/// The most bytes of keys and values that it holds: callers name the keys, so without a bound they could fill the machine.
pub const MEMORY_MAX_BYTES: usize = 256 << 20;
/// How many times what is free one tenant may hold, where there are several: one that takes all it gets ends at three quarters and leaves 64 MiB to whoever
/// comes; of `n` such tenants each has the same part, and `1 / (1 + 3n)` stays free. The pool of instances is shared by the same rule.
const AHEAD: usize = 3;

/// In memory: gone with the process.
#[derive(Debug, Default)]
pub struct MemoryStore {
    state: Mutex<State>,
    quotas: Quotas,
}

#[derive(Debug)]
struct Entry {
    expires: u64,
    version: u64,
    value: Bytes,
}

impl Entry {
    fn record(&self) -> Record<'_> {
        Record {
            expires: self.expires,
            version: self.version,
            value: &self.value,
        }
    }
}

#[derive(Debug, Default)]
struct State {
    entries: BTreeMap<Vec<u8>, Entry>,
    expiry: BTreeSet<(u64, Vec<u8>)>,
    versions: u64,
    bytes: usize,
    /// What each tenant holds of them, also those that hold nothing yet.
    tenants: HashMap<Vec<u8>, usize>,
}

impl State {
    fn live(&self, key: &[u8], now: u64) -> Option<&Entry> {
        self.entries.get(key).filter(|entry| entry.record().live(now))
    }

    fn held(&self, tenant: &[u8]) -> usize {
        self.tenants.get(tenant).copied().unwrap_or_default()
    }

    /// Whether a row of this size may stand under the key. What does not grow always may.
    fn has_room(&self, key: &[u8], size: usize) -> bool {
        let old = self.entries.get(key).map_or(0, |old| key.len() + old.value.len());
        let (grown, tenant) = (size.saturating_sub(old), tenant(key));
        let is_alone = self.tenants.keys().all(|other| other == tenant);
        let left = MEMORY_MAX_BYTES.saturating_sub(self.bytes).checked_sub(grown);
        grown == 0 || left.is_some_and(|left| is_alone || self.held(tenant) + grown <= AHEAD * left)
    }

    /// Takes the room that a write needs.
    fn reserve(&self, quotas: &Quotas, key: &[u8], new: usize) -> Result<(), Refused> {
        let old = self.entries.get(key).map(|old| old.value.len());
        quotas.take(key, old, new)
    }

    /// All rows of a deployment, at once: they are in memory, and few when a quota is set before anything is written.
    fn census(&self, quotas: &Quotas, key: &[u8]) -> Result<bool, StoreError> {
        quotas.census(key, |deployment, _| {
            let rows = self.entries.range::<[u8], _>((Bound::Included(deployment), Bound::Unbounded));
            let mut piece = Piece::default();
            for (key, entry) in rows.take_while(|(key, _)| key.starts_with(deployment)) {
                piece.usage.add(key.len(), entry.value.len());
            }
            Ok(piece)
        })
    }

    fn write(&mut self, quotas: &Quotas, key: &Key, value: Bytes, expires: u64, now: u64) -> Result<Version, StoreError> {
        let key = key.as_bytes();
        let size = key.len() + value.len();
        if !self.has_room(key, size) && (self.sweep(quotas, now, SWEEP_MAX).removed == 0 || !self.has_room(key, size)) {
            return Err(StoreError::Share {
                held: self.held(tenant(key)) as u64,
            });
        }
        self.census(quotas, key)?;
        match self.reserve(quotas, key, value.len()) {
            Err(Refused::Full { .. }) if self.sweep(quotas, now, SWEEP_MAX).removed > 0 => self.reserve(quotas, key, value.len())?,
            reserved => reserved?,
        }
        self.take(key);
        self.versions += 1;
        self.bytes += size;
        *self.tenants.entry(tenant(key).to_vec()).or_default() += size;
        if expires != NEVER {
            self.expiry.insert((expires, key.to_vec()));
        }
        self.entries.insert(
            key.to_vec(),
            Entry {
                expires,
                version: self.versions,
                value,
            },
        );
        Ok(Version(self.versions))
    }

    fn take(&mut self, key: &[u8]) -> Option<Entry> {
        let entry = self.entries.remove(key)?;
        let size = key.len() + entry.value.len();
        self.bytes -= size;
        if let Some(held) = self.tenants.get_mut(tenant(key)) {
            *held -= size;
        }
        if entry.expires != NEVER {
            self.expiry.remove(&(entry.expires, key.to_vec()));
        }
        Some(entry)
    }

    fn remove(&mut self, quotas: &Quotas, key: &[u8]) {
        if let Some(entry) = self.take(key) {
            quotas.give_back(key, entry.value.len());
        }
    }

    fn sweep(&mut self, quotas: &Quotas, now: u64, budget: usize) -> Swept {
        let expired = |state: &Self| state.expiry.first().filter(|(at, _)| *at <= now).map(|(_, key)| key.clone());
        let mut swept = Swept::default();
        while swept.removed < budget.min(SWEEP_MAX)
            && let Some(key) = expired(self)
        {
            self.remove(quotas, &key);
            swept.removed += 1;
        }
        swept.more = expired(self).is_some();
        swept
    }
}

impl MemoryStore {
    /// Every change of the state is made whole before anything that could panic, so a poisoned lock guards a sound state.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl SessionStore for MemoryStore {
    async fn get(&self, key: &Key, now: SystemTime) -> Result<Option<Versioned>, StoreError> {
        let state = self.state();
        let entry = state.live(key.as_bytes(), millis(now));
        Ok(entry.map(|entry| Versioned {
            value: entry.value.clone(),
            version: Version(entry.version),
        }))
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
        let mut state = self.state();
        expect.check(state.live(key.as_bytes(), millis(now)).map(Entry::record).as_ref())?;
        state.write(&self.quotas, key, value, expires.map_or(NEVER, millis), millis(now))
    }

    async fn increment(&self, key: &Key, delta: i64, now: SystemTime) -> Result<i64, StoreError> {
        check_size(key, &[])?;
        let mut state = self.state();
        let live = state.live(key.as_bytes(), millis(now));
        let (sum, expires) = (
            sum(live.map(Entry::record).as_ref(), delta)?,
            live.map_or(NEVER, |entry| entry.expires),
        );
        state.write(&self.quotas, key, Bytes::from(sum.to_string()), expires, millis(now))?;
        Ok(sum)
    }

    async fn remove(&self, key: &Key, expect: Expect, now: SystemTime) -> Result<bool, StoreError> {
        let mut state = self.state();
        let live = state.live(key.as_bytes(), millis(now));
        expect.check(live.map(Entry::record).as_ref())?;
        let was_live = live.is_some();
        state.remove(&self.quotas, key.as_bytes());
        Ok(was_live)
    }

    async fn list(&self, scope: &Key, after: Option<&str>, limit: usize, now: SystemTime) -> Result<Page, StoreError> {
        let state = self.state();
        let mut pager = Pager::new(scope, limit, millis(now));
        for (key, entry) in state.entries.range((start(scope, after), Bound::Unbounded)) {
            if !pager.row(key, Some(entry.record())) {
                break;
            }
        }
        Ok(pager.finish())
    }

    async fn sweep(&self, now: SystemTime, budget: usize) -> Result<Swept, StoreError> {
        Ok(self.state().sweep(&self.quotas, millis(now), budget))
    }

    fn limit(&self, tenant: &TenantCtx, deployment: &DeploymentId, quota: Quota) {
        let scope = Key::deployment(tenant, deployment);
        self.state().tenants.entry(key::tenant(scope.as_bytes()).to_vec()).or_default();
        self.quotas.set(scope.as_bytes(), quota);
    }

    fn usage(&self, tenant: &TenantCtx, deployment: &DeploymentId) -> Option<Usage> {
        self.quotas.usage(Key::deployment(tenant, deployment).as_bytes())
    }

    async fn flush(&self) -> Result<(), StoreError> {
        Ok(())
    }
}
