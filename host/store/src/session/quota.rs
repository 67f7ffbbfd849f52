//! How much one deployment may keep: keys and bytes, over all its revisions, buckets and sessions.
//!
//! The store that writes also counts, at the place where one write comes after the other: so a quota is exact however many write at
//! once, and what expires or is removed gives its room back. Usage is not stored: it is counted from the rows before the first write after a
//! start, so it can never differ from them for longer than a process lives.
//!
//! Counting goes from row to row in their order, in pieces ([`Quotas::census`]). Between two of them others write, and rows of the same deployment may
//! go: what lies before the place that was reached is then no longer counted, what lies behind it is not counted yet.

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
    known: Known,
}

/// What is known of what a deployment keeps.
#[derive(Debug)]
enum Known {
    /// The rows up to this one, with it; none before the first write, nor after a write that may have been done or not.
    UpTo(Option<Vec<u8>>, Usage),
    All(Usage),
}

impl Default for Known {
    fn default() -> Self {
        Self::UpTo(None, Usage::default())
    }
}

/// Why a write has no room.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// The deployment keeps as many of these as it may.
    Full { what: &'static str, limit: u64 },
    /// What it keeps is not known yet: [`Quotas::census`] comes first.
    Uncounted,
}

impl From<Refused> for StoreError {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Full { what, limit } => Self::Full { what, limit },
            Refused::Uncounted => Self::Unavailable("what the deployment keeps is not counted".to_owned()),
        }
    }
}

/// Some rows of a deployment, in their order.
#[derive(Debug, Default)]
pub(super) struct Piece {
    pub(super) usage: Usage,
    /// The last of them; nothing when there are no more.
    pub(super) last: Option<Vec<u8>>,
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
                let known = Known::default();
                accounts.insert(deployment.to_vec(), Account { quota, known });
            }
        }
    }

    /// What a deployment keeps, if it has a quota and has been counted.
    pub(super) fn usage(&self, deployment: &[u8]) -> Option<Usage> {
        match self.accounts().get(deployment)?.known {
            Known::All(usage) => Some(usage),
            Known::UpTo(..) => None,
        }
    }

    /// Takes the room that a write needs, before it is made. `old` and `new` are lengths of the value: of the row that is there, live or not, and of
    /// the one that takes its place.
    pub(super) fn take(&self, key: &[u8], old: Option<usize>, new: usize) -> Result<(), Refused> {
        let mut accounts = self.accounts();
        let Some(Account { quota, known }) = accounts.get_mut(deployment(key)) else {
            return Ok(());
        };
        let Known::All(before) = known else {
            return Err(Refused::Uncounted);
        };
        let mut after = old.map_or(*before, |old| before.less(key.len(), old));
        after.add(key.len(), new);
        if after.keys > before.keys.max(quota.keys) {
            return Err(Refused::Full {
                what: "keys",
                limit: quota.keys,
            });
        }
        if after.bytes > before.bytes.max(quota.bytes) {
            return Err(Refused::Full {
                what: "bytes",
                limit: quota.bytes,
            });
        }
        *before = after;
        Ok(())
    }

    /// Counts the next rows of the deployment that this key is of; says whether it is all counted. `rows` gives those after a key, or the first ones. Only
    /// for the one who writes: nothing is written meanwhile.
    pub(super) fn census(
        &self,
        key: &[u8],
        rows: impl FnOnce(&[u8], Option<&[u8]>) -> Result<Piece, StoreError>,
    ) -> Result<bool, StoreError> {
        let deployment = deployment(key);
        // Not under the lock, which those who ask for usage take too.
        let (after, counted) = match self.accounts().get(deployment).map(|account| &account.known) {
            Some(Known::UpTo(after, counted)) => (after.clone(), *counted),
            Some(Known::All(_)) | None => return Ok(true),
        };
        let Piece { usage, last } = rows(deployment, after.as_deref())?;
        let counted = Usage {
            keys: counted.keys + usage.keys,
            bytes: counted.bytes + usage.bytes,
        };
        let is_all = last.is_none();
        if let Some(account) = self.accounts().get_mut(deployment) {
            account.known = match last {
                Some(last) => Known::UpTo(Some(last), counted),
                None => Known::All(counted),
            };
        }
        Ok(is_all)
    }

    /// Gives back the room of a row that was removed.
    pub(super) fn give_back(&self, key: &[u8], value: usize) {
        let mut accounts = self.accounts();
        match accounts.get_mut(deployment(key)).map(|account| &mut account.known) {
            Some(Known::All(usage)) => *usage = usage.less(key.len(), value),
            Some(Known::UpTo(Some(last), usage)) if key <= last.as_slice() => *usage = usage.less(key.len(), value),
            _ => {}
        }
    }

    /// Forgets what the deployment of this key keeps: a write of it may have been done or not.
    pub(super) fn forget(&self, key: &[u8]) {
        if let Some(account) = self.accounts().get_mut(deployment(key)) {
            account.known = Known::default();
        }
    }

    /// Forgets it of all: another database may lie here now.
    pub(super) fn forget_all(&self) {
        for account in self.accounts().values_mut() {
            account.known = Known::default();
        }
    }

    /// No change is left half made, so a poisoned lock guards sound accounts.
    fn accounts(&self) -> MutexGuard<'_, HashMap<Vec<u8>, Account>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    const QUOTA: Quota = Quota { keys: 9, bytes: 1_000 };

    /// Rows, and pieces of two of them.
    #[derive(Default)]
    struct Rows(BTreeMap<Vec<u8>, usize>);

    impl Rows {
        fn of(names: &[&str]) -> Self {
            Self(names.iter().map(|name| (name.as_bytes().to_vec(), 10)).collect())
        }

        fn piece(&self, deployment: &[u8], after: Option<&[u8]>) -> Piece {
            let mut piece = Piece::default();
            let rows = self.0.iter().filter(|(key, _)| key.starts_with(deployment));
            let mut rows = rows.filter(|(key, _)| after.is_none_or(|after| key.as_slice() > after));
            for (key, value) in rows.by_ref().take(2) {
                piece.usage.add(key.len(), *value);
                piece.last = Some(key.clone());
            }
            if rows.next().is_none() {
                piece.last = None;
            }
            piece
        }

        fn remove(&mut self, quotas: &Quotas, key: &str) {
            let value = self.0.remove(key.as_bytes()).unwrap();
            quotas.give_back(key.as_bytes(), value);
        }

        /// Counts one piece.
        fn count(&self, quotas: &Quotas) -> bool {
            quotas
                .census(b"e/t/d/", |deployment, after| Ok(self.piece(deployment, after)))
                .unwrap()
        }
    }

    fn quotas() -> Quotas {
        let quotas = Quotas::default();
        for deployment in [b"e/t/d/", b"e/t/o/"] {
            quotas.set(deployment, QUOTA);
        }
        quotas
    }

    #[test]
    fn what_goes_between_two_pieces_is_counted_out_where_it_was_counted_in() {
        let quotas = quotas();
        let mut rows = Rows::of(&["e/t/d/a", "e/t/d/b", "e/t/d/c", "e/t/d/d", "e/t/d/e", "e/t/o/x"]);
        assert!(!rows.count(&quotas));
        assert_eq!(
            (quotas.usage(b"e/t/d/"), quotas.take(b"e/t/d/f", None, 1)),
            (None, Err(Refused::Uncounted))
        );
        for gone in ["e/t/d/b", "e/t/d/d"] {
            rows.remove(&quotas, gone);
        }
        assert!(rows.count(&quotas), "two are left");
        assert_eq!(quotas.usage(b"e/t/d/"), Some(Usage { keys: 3, bytes: 51 }));
        assert_eq!(quotas.take(b"e/t/d/f", None, 1), Ok(()));
        assert_eq!(quotas.usage(b"e/t/d/"), Some(Usage { keys: 4, bytes: 59 }));
    }

    #[test]
    fn a_write_that_failed_forgets_its_own_deployment_alone() {
        let quotas = quotas();
        for deployment in [b"e/t/d/", b"e/t/o/"] {
            assert!(quotas.census(deployment, |_, _| Ok(Piece::default())).unwrap());
        }
        quotas.forget(b"e/t/d/a");
        assert_eq!((quotas.usage(b"e/t/d/"), quotas.usage(b"e/t/o/")), (None, Some(Usage::default())));
        quotas.forget_all();
        assert_eq!(quotas.usage(b"e/t/o/"), None);
    }
}
