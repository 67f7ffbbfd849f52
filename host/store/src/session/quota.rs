//! How much one deployment may keep: keys and bytes, over all its revisions, buckets and sessions.
//!
//! The store that writes also counts, at the place where one write comes after the other: so a quota is exact however many write at
//! once, and what expires or is removed gives its room back. Usage is not stored: it is counted from the rows before the first write after a
//! start, so it can never differ from them for longer than a process lives.

use super::StoreError;
use crate::key::deployment;
use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// The most that a deployment may keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// Keys.
    pub keys: u64,
    /// Bytes of keys, as stored, and values together.
    pub bytes: u64,
}

/// What a deployment keeps. What has expired counts until it is swept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// Keys.
    pub keys: u64,
    /// Bytes of keys, as stored, and values together.
    pub bytes: u64,
}

impl Usage {
    /// Counts one row more.
    pub(super) fn add(&mut self, key: usize, value: usize) {
        self.keys += 1;
        self.bytes += (key + value) as u64;
    }

    fn less(self, key: usize, value: usize) -> Self {
        Self {
            keys: self.keys.saturating_sub(1),
            bytes: self.bytes.saturating_sub((key + value) as u64),
        }
    }
}

#[derive(Debug)]
struct Account {
    quota: Quota,
    /// Not known before the first write, nor after a write that may have been done or not.
    usage: Option<Usage>,
}

/// The accounts of the deployments that have a quota. Only the store's one writer changes usage.
#[derive(Debug, Default)]
pub(super) struct Quotas(Mutex<HashMap<Vec<u8>, Account>>);

impl Quotas {
    /// Sets a deployment's quota. One that is lower than what is kept takes nothing away; it refuses what would be more.
    pub(super) fn set(&self, deployment: &[u8], quota: Quota) {
        let mut accounts = self.accounts();
        match accounts.get_mut(deployment) {
            Some(account) => account.quota = quota,
            None => {
                accounts.insert(deployment.to_vec(), Account { quota, usage: None });
            }
        }
    }

    /// What a deployment keeps, if it has a quota and has been counted.
    pub(super) fn usage(&self, deployment: &[u8]) -> Option<Usage> {
        self.accounts().get(deployment)?.usage
    }

    /// Takes the room that a write needs, before it is made. `old` and `new` are lengths of the value: of the row that is there, live or not, and of
    /// the one that takes its place. `count` counts the rows of a deployment; it is asked where usage is not known.
    pub(super) fn take(
        &self,
        key: &[u8],
        old: Option<usize>,
        new: usize,
        count: impl FnOnce(&[u8]) -> Result<Usage, StoreError>,
    ) -> Result<(), StoreError> {
        let deployment = deployment(key);
        let Some((quota, known)) = self.accounts().get(deployment).map(|account| (account.quota, account.usage)) else {
            return Ok(());
        };
        // Not under the lock: counting takes its time, and nobody else writes meanwhile.
        let before = known.map_or_else(|| count(deployment), Ok)?;
        let mut after = old.map_or(before, |old| before.less(key.len(), old));
        after.add(key.len(), new);
        let full = if after.keys > before.keys.max(quota.keys) {
            Some(("keys", quota.keys))
        } else if after.bytes > before.bytes.max(quota.bytes) {
            Some(("bytes", quota.bytes))
        } else {
            None
        };
        self.set_usage(deployment, if full.is_some() { before } else { after });
        full.map_or(Ok(()), |(what, limit)| Err(StoreError::Full { what, limit }))
    }

    /// Gives back the room of a row that was removed.
    pub(super) fn give_back(&self, key: &[u8], value: usize) {
        if let Some(usage) = self.accounts().get_mut(deployment(key)).and_then(|account| account.usage.as_mut()) {
            *usage = usage.less(key.len(), value);
        }
    }

    /// Forgets the usage of every deployment: a write may have been done or not.
    pub(super) fn recount(&self) {
        for account in self.accounts().values_mut() {
            account.usage = None;
        }
    }

    fn set_usage(&self, deployment: &[u8], usage: Usage) {
        if let Some(account) = self.accounts().get_mut(deployment) {
            account.usage = Some(usage);
        }
    }

    /// No change is left half made, so a poisoned lock guards sound accounts.
    fn accounts(&self) -> MutexGuard<'_, HashMap<Vec<u8>, Account>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
