//! What workers keep: the one way from an interface to the store, by which each operation passes once. How often it may be asked is
//! [`Guest::ask_store`](crate::guest::Guest::ask_store)'s to say.

use crate::{Revision, limit::Limit};
use bytes::Bytes;
use std::time::SystemTime;
use tollgate_store::{Expect, Key, Page, StoreError, Version, Versioned};

/// The live value.
pub(crate) async fn read(revision: &Revision, key: &Key) -> Result<Option<Versioned>, StoreError> {
    let found = revision.store.get(key, SystemTime::now()).await;
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
    let written = revision.store.put(key, Bytes::from(value), expect, expires, now).await;
    written.map_err(|error| told(revision, error))
}

/// Removes; it is no error when nothing is there. A dropped future leaves it done or not done.
pub(crate) async fn remove(revision: &Revision, key: &Key) -> Result<(), StoreError> {
    let removed = revision.store.remove(key, Expect::Any, SystemTime::now()).await;
    removed.map(|_| ()).map_err(|error| told(revision, error))
}

/// Adds to a counter.
pub(crate) async fn increment(revision: &Revision, key: &Key, delta: i64) -> Result<i64, StoreError> {
    let sum = revision.store.increment(key, delta, SystemTime::now()).await;
    sum.map_err(|error| told(revision, error))
}

/// The keys beside this one, a page of them, in their order.
pub(crate) async fn list(revision: &Revision, beside: &Key, after: Option<&str>, most: usize) -> Result<Page, StoreError> {
    let page = revision.store.list(beside, after, most, SystemTime::now()).await;
    page.map_err(|error| told(revision, error))
}

/// Counts the deployment's quota where that is what stands in the way. A guest learns that the store does not answer; why is the operator's.
fn told(revision: &Revision, error: StoreError) -> StoreError {
    if let Some(limit) = Limit::of_store(&error) {
        revision.counters.limits.add(limit);
    }
    if let StoreError::Unavailable(reason) = &error {
        tracing::error!(target: "store", reason, "the session store does not answer");
    }
    error
}
