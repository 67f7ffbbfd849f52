//! What workers keep: the one way from an interface to the store, by which each operation passes once. How often it may be asked is
//! [`Guest::ask_store`](crate::guest::Guest::ask_store)'s to say.

use crate::{Revision, limit::Limit};
use bytes::Bytes;
use std::{
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant, SystemTime},
};
use tollgate_store::{Expect, Key, Page, SessionStore, StoreError, Version, Versioned};

/// Between two lines about a store that does not answer: workers can ask it as often as they like, and the log is the operator's.
const SAY_EVERY: Duration = Duration::from_secs(10);

/// The store, and how often it did not answer.
pub(crate) struct Shelf {
    pub(crate) store: Arc<dyn SessionStore>,
    pub(crate) failures: Failures,
}

impl Shelf {
    pub(crate) fn new(store: Arc<dyn SessionStore>) -> Arc<Self> {
        Arc::new(Self {
            store,
            failures: Failures::default(),
        })
    }
}

impl fmt::Debug for Shelf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.failures.fmt(f)
    }
}

/// Operations that the store did not do, and which of them were told.
#[derive(Debug, Default)]
pub(crate) struct Failures {
    all: AtomicU64,
    /// When a line was written, and how many there were by then.
    told: Mutex<Option<(Instant, u64)>>,
}

impl Failures {
    pub(crate) fn all(&self) -> u64 {
        self.all.load(Relaxed)
    }

    /// Counts one; when it is time for a line, how many there were since the last one.
    fn add(&self, now: Instant) -> Option<u64> {
        let all = self.all.fetch_add(1, Relaxed) + 1;
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let before = match *told {
            Some((at, _)) if now.saturating_duration_since(at) < SAY_EVERY => return None,
            before => before.map_or(0, |(_, count)| count),
        };
        *told = Some((now, all.max(before)));
        Some(all.saturating_sub(before))
    }
}

/// The live value.
pub(crate) async fn read(revision: &Revision, key: &Key) -> Result<Option<Versioned>, StoreError> {
    let found = revision.shelf.store.get(key, SystemTime::now()).await;
    found.map_err(|error| told(revision, error))
}

/// Writes, if what is there is as expected. A dropped future leaves the write done or not done.
pub(crate) async fn write(
    revision: &Revision,
    key: &Key,
    value: Vec<u8>,
    expect: Expect,
    life: Option<std::time::Duration>,
) -> Result<Version, StoreError> {
    let now = SystemTime::now();
    let expires = life.map(|life| now + life);
    let written = revision.shelf.store.put(key, Bytes::from(value), expect, expires, now).await;
    written.map_err(|error| told(revision, error))
}

/// Removes; it is no error when nothing is there. A dropped future leaves it done or not done.
pub(crate) async fn remove(revision: &Revision, key: &Key) -> Result<(), StoreError> {
    let removed = revision.shelf.store.remove(key, Expect::Any, SystemTime::now()).await;
    removed.map(|_| ()).map_err(|error| told(revision, error))
}

/// Adds to a counter.
pub(crate) async fn increment(revision: &Revision, key: &Key, delta: i64) -> Result<i64, StoreError> {
    let sum = revision.shelf.store.increment(key, delta, SystemTime::now()).await;
    sum.map_err(|error| told(revision, error))
}

/// The keys beside this one, a page of them, in their order.
pub(crate) async fn list(revision: &Revision, beside: &Key, after: Option<&str>, most: usize) -> Result<Page, StoreError> {
    let page = revision.shelf.store.list(beside, after, most, SystemTime::now()).await;
    page.map_err(|error| told(revision, error))
}

/// Counts the deployment's quota where that is what stands in the way. A guest learns that the store does not answer; why is the operator's.
fn told(revision: &Revision, error: StoreError) -> StoreError {
    if let Some(limit) = Limit::of_store(&error) {
        revision.counters.limits.add(limit);
    }
    if let StoreError::Unavailable(reason) = &error
        && let Some(failures) = revision.shelf.failures.add(Instant::now())
    {
        tracing::error!(target: "store", reason, failures, "the session store does not answer");
    }
    error
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_that_does_not_answer_is_told_now_and_then_and_counted_always() {
        let (failures, began) = (Failures::default(), Instant::now());
        for (seconds, says) in [
            (0, Some(1)),
            (0, None),
            (1, None),
            (9, None),
            (10, Some(4)),
            (19, None),
            (60, Some(2)),
        ] {
            assert_eq!(failures.add(began + Duration::from_secs(seconds)), says, "after {seconds} s");
        }
        assert_eq!(failures.all(), 7);
    }
}
