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
        Expect, Page, SWEEP_MAX, StoreError, Swept, Version, Versioned,
        list::{Pager, start},
        quota::{Piece, Quotas, Refused},
        record::{Record, sum, value_len},
    },
};
use bytes::Bytes;
use std::{fs::File, ops::Bound, sync::Arc};

/// Rows that are counted at once, and bytes of them: about a millisecond of a writer that others wait for.
const PIECE_ROWS: u64 = 1_000;
const PIECE_BYTES: u64 = 1 << 20;

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

    /// `None` changes nothing: its deployment has to be counted first.
    pub(super) fn put(&self, key: &Key, value: &[u8], expect: Expect, expires: u64, now: u64) -> Result<Option<Version>, StoreError> {
        let stored = self.values.get(key.as_bytes())?;
        let current = self.decode(key.as_bytes(), stored.as_deref());
        expect.check(current.filter(|record| record.live(now)).as_ref())?;
        if !self.reserve(key.as_bytes(), stored.as_deref(), value.len(), now)? {
            return Ok(None);
        }
        self.write(key.as_bytes(), current, value, expires).map(Some)
    }

    /// `None` changes nothing: its deployment has to be counted first.
    pub(super) fn increment(&self, key: &Key, delta: i64, now: u64) -> Result<Option<i64>, StoreError> {
        let stored = self.values.get(key.as_bytes())?;
        let current = self.decode(key.as_bytes(), stored.as_deref());
        let live = current.filter(|record| record.live(now));
        let sum = sum(live.as_ref(), delta)?;
        let text = sum.to_string();
        if !self.reserve(key.as_bytes(), stored.as_deref(), text.len(), now)? {
            return Ok(None);
        }
        self.write(
            key.as_bytes(),
            current,
            text.as_bytes(),
            live.map_or(NEVER, |record| record.expires),
        )?;
        Ok(Some(sum))
    }

    pub(super) fn remove(&self, key: &Key, expect: Expect, now: u64) -> Result<bool, StoreError> {
        let stored = self.values.get(key.as_bytes())?;
        let current = self.decode(key.as_bytes(), stored.as_deref());
        let live = current.filter(|record| record.live(now));
        expect.check(live.as_ref())?;
        if let Some(stored) = &stored {
            self.erase(key.as_bytes(), value_len(stored))?;
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
                self.erase(key, value_len(&stored))?;
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

    /// Counts the next rows of the deployment that this key is of; says whether it is all counted.
    pub(super) fn census(&self, key: &Key) -> Result<bool, StoreError> {
        self.quotas.census(key.as_bytes(), |deployment, after| {
            let from = after.map_or(Bound::Included(deployment), Bound::Excluded);
            let mut piece = Piece::default();
            for row in self.values.range::<&[u8], _>((from, Bound::Unbounded)) {
                let (key, stored) = row?;
                if !key.starts_with(deployment) {
                    break;
                }
                if piece.usage.keys == PIECE_ROWS || piece.usage.bytes >= PIECE_BYTES {
                    return Ok(piece);
                }
                piece.usage.add(key.len(), value_len(&stored));
                piece.last = Some(key.to_vec());
            }
            piece.last = None;
            Ok(piece)
        })
    }

    /// Takes the room that a write needs from its deployment's quota; says whether that could be: it cannot before the deployment is counted.
    fn reserve(&self, key: &[u8], stored: Option<&[u8]>, new: usize, now: u64) -> Result<bool, StoreError> {
        let mut taken = self.quotas.take(key, stored.map(value_len), new);
        if matches!(taken, Err(Refused::Full { .. })) && self.sweep(now, SWEEP_MAX)?.removed > 0 {
            let stored = self.values.get(key)?;
            taken = self.quotas.take(key, stored.as_deref().map(value_len), new);
        }
        match taken {
            Ok(()) => Ok(true),
            Err(Refused::Uncounted) => Ok(false),
            Err(full) => Err(full.into()),
        }
    }

    fn erase(&self, key: &[u8], value: usize) -> Result<(), StoreError> {
        self.values.remove(key).inspect_err(|_| self.quotas.forget(key))?;
        self.quotas.give_back(key, value);
        Ok(())
    }

    fn write(&self, key: &[u8], replaced: Option<Record<'_>>, value: &[u8], expires: u64) -> Result<Version, StoreError> {
        // Else the room stays taken for what was not written, or not for what was.
        self.write_row(key, replaced, value, expires)
            .inspect_err(|_| self.quotas.forget(key))
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
