//! What workers keep: the one way from an interface to the store. Each operation passes here once, so what an operation costs a deployment is said here.

use crate::Revision;
use bytes::Bytes;
use std::time::SystemTime;
use tollgate_store::{Expect, Key, StoreError, Version, Versioned};

/// The live value.
pub(crate) async fn read(revision: &Revision, key: &Key) -> Result<Option<Versioned>, StoreError> {
    revision.store.get(key, SystemTime::now()).await.map_err(told)
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
    written.map_err(told)
}

/// Removes; it is no error when nothing is there. A dropped future leaves it done or not done.
pub(crate) async fn remove(revision: &Revision, key: &Key) -> Result<(), StoreError> {
    let removed = revision.store.remove(key, Expect::Any, SystemTime::now()).await;
    removed.map(|_| ()).map_err(told)
}

/// A guest learns that the store does not answer; why is the operator's.
fn told(error: StoreError) -> StoreError {
    if let StoreError::Unavailable(reason) = &error {
        tracing::error!(target: "store", reason, "the session store does not answer");
    }
    error
}
