//! The trees of one sled database and what a call does to them.
//!
//! `values`: a key and its record. `expiry`: `expires (8 bytes, big-endian) | key`, empty values. `meta`: the format. Never
//! a tree for each tenant: sled's trees do not give back their space.
//!
//! Only one thread writes. The entry of `expiry` is written before the value that it speaks of, and removed after: sled's log
//! is recovered in order, so a crash leaves at worst an entry too many, and a sweep looks again before it removes.

use super::{Counters, count};
use crate::{
    Key,
    clock::NEVER,
    session::{
        Expect, Page, SWEEP_MAX, StoreError, Swept, Usage, Version, Versioned,
        list::{Pager, start},
        quota::Quotas,
        record::{Record, sum, value_len},
    },
};
use bytes::Bytes;
use std::{fs::File, ops::Bound, sync::Arc};

/// An open database.
pub(super) struct Database {
    pub(super) db: sled::Db,
    pub(super) values: sled::Tree,
    pub(super) expiry: sled::Tree,
    /// Sled's file, opened once more: fsync is of the inode, and sled offers none.
    pub(super) file: File,
    pub(super) counters: Arc<Counters>,
    pub(super) quotas: Arc<Quotas>,
}

impl From<sled::Error> for StoreError {
    fn from(error: sled::Error) -> Self {
        Self::Unavailable(error.to_string())
    }
}

impl Database {
    pub(super) fn get(&self, key: &Key, now: u64) -> Result<Option<Versioned>, StoreError> {
        let stored = self.values.get(key.as_bytes())?;
        let live = self.decode(key.as_bytes(), stored.as_deref()).filter(|record| record.live(now));
        Ok(live.map(|record| Versioned {
            value: Bytes::copy_from_slice(record.value),
            version: Version(record.version),
        }))
    }

    pub(super) fn put(&self, key: &Key, value: &[u8], expect: Expect, expires: u64, now: u64) -> Result<Version, StoreError> {
        let stored = self.values.get(key.as_bytes())?;
        let current = self.decode(key.as_bytes(), stored.as_deref());
        expect.check(current.filter(|record| record.live(now)).as_ref())?;
        self.reserve(key.as_bytes(), stored.as_deref(), value.len(), now)?;
        self.write(key.as_bytes(), current, value, expires)
    }

    pub(super) fn increment(&self, key: &Key, delta: i64, now: u64) -> Result<i64, StoreError> {
        let stored = self.values.get(key.as_bytes())?;
        let current = self.decode(key.as_bytes(), stored.as_deref());
        let live = current.filter(|record| record.live(now));
        let sum = sum(live.as_ref(), delta)?;
        let text = sum.to_string();
        self.reserve(key.as_bytes(), stored.as_deref(), text.len(), now)?;
        self.write(
            key.as_bytes(),
            current,
            text.as_bytes(),
            live.map_or(NEVER, |record| record.expires),
        )?;
        Ok(sum)
    }

    pub(super) fn remove(&self, key: &Key, expect: Expect, now: u64) -> Result<bool, StoreError> {
        let stored = self.values.get(key.as_bytes())?;
        let current = self.decode(key.as_bytes(), stored.as_deref());
        let live = current.filter(|record| record.live(now));
        expect.check(live.as_ref())?;
        if let Some(stored) = &stored {
            self.values.remove(key.as_bytes())?;
            self.quotas.give_back(key.as_bytes(), value_len(stored));
        }
        if let Some(record) = current {
            self.forget(record.expires, key.as_bytes())?;
        }
        Ok(live.is_some())
    }

    pub(super) fn list(&self, scope: &Key, after: Option<&str>, limit: usize, now: u64) -> Result<Page, StoreError> {
        let mut pager = Pager::new(scope, limit, now);
        for row in self.values.range::<Vec<u8>, _>((start(scope, after), Bound::Unbounded)) {
            let (key, stored) = row?;
            // A row past the scope is not this scope's to count as lost.
            let record = key.starts_with(scope.scope()).then(|| self.decode(&key, Some(&stored))).flatten();
            if !pager.row(&key, record) {
                break;
            }
        }
        Ok(pager.finish())
    }

    pub(super) fn sweep(&self, now: u64, budget: usize) -> Result<Swept, StoreError> {
        let mut swept = Swept::default();
        let expired = ..now.saturating_add(1).to_be_bytes().to_vec();
        let budget = budget.min(SWEEP_MAX);
        for (at, entry) in self.expiry.range(expired).enumerate() {
            if at == budget {
                swept.more = true;
                break;
            }
            let (entry, _) = entry?;
            if let Some((_, key)) = entry.split_first_chunk::<8>()
                && let Some(stored) = self.values.get(key)?
                && !self.decode(key, Some(&stored)).is_some_and(|record| record.live(now))
            {
                self.values.remove(key)?;
                self.quotas.give_back(key, value_len(&stored));
                swept.removed += 1;
            }
            self.expiry.remove(entry)?;
        }
        Ok(swept)
    }

    /// Past the page cache, as sled's flush does not.
    pub(super) fn sync(&self) -> Result<(), StoreError> {
        self.file.sync_data().map_err(|error| StoreError::Unavailable(error.to_string()))
    }

    /// Takes the room that a write needs from its deployment's quota.
    fn reserve(&self, key: &[u8], stored: Option<&[u8]>, new: usize, now: u64) -> Result<(), StoreError> {
        let count = |deployment: &[u8]| {
            let mut usage = Usage::default();
            for row in self.values.scan_prefix(deployment) {
                let (key, stored) = row?;
                usage.add(key.len(), value_len(&stored));
            }
            Ok(usage)
        };
        let reserved = self.quotas.take(key, stored.map(value_len), new, count);
        if !matches!(reserved, Err(StoreError::Full { .. })) || self.sweep(now, SWEEP_MAX)?.removed == 0 {
            return reserved;
        }
        let stored = self.values.get(key)?;
        self.quotas.take(key, stored.as_deref().map(value_len), new, count)
    }

    fn write(&self, key: &[u8], replaced: Option<Record<'_>>, value: &[u8], expires: u64) -> Result<Version, StoreError> {
        // Else the room stays taken for what was not written, or not for what was.
        self.write_row(key, replaced, value, expires).inspect_err(|_| self.quotas.recount())
    }

    fn write_row(&self, key: &[u8], replaced: Option<Record<'_>>, value: &[u8], expires: u64) -> Result<Version, StoreError> {
        let version = self.db.generate_id()?;
        if expires != NEVER {
            self.expiry.insert(entry(expires, key), &[])?;
        }
        self.values.insert(key, Record { expires, version, value }.encode(key))?;
        if let Some(old) = replaced
            && old.expires != expires
        {
            self.forget(old.expires, key)?;
        }
        Ok(Version(version))
    }

    fn forget(&self, expires: u64, key: &[u8]) -> Result<(), StoreError> {
        if expires != NEVER {
            self.expiry.remove(entry(expires, key))?;
        }
        Ok(())
    }

    /// A record that does not decode is a lost session, never an error: whoever asks starts anew.
    fn decode<'a>(&self, key: &[u8], stored: Option<&'a [u8]>) -> Option<Record<'a>> {
        let stored = stored?;
        let record = Record::decode(key, stored);
        if record.is_none() {
            count(&self.counters.lost);
            tracing::warn!(key = %String::from_utf8_lossy(key), "a session record does not decode and is lost");
        }
        record
    }
}

fn entry(expires: u64, key: &[u8]) -> Vec<u8> {
    [&expires.to_be_bytes(), key].concat()
}
