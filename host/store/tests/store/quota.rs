//! What a deployment may keep: exact, whoever writes, and given back when it is freed.

use crate::{at, contract::Store, key, scoped, who};
use bytes::Bytes;
use std::{sync::Arc, time::SystemTime};
use tollgate_config::DeploymentId;
use tollgate_store::{Expect, Key, Quota, SessionStore, SledStore, StoreError, Usage};

/// No bound worth speaking of.
const MUCH: u64 = 1 << 40;

fn limit(store: &dyn SessionStore, keys: u64, bytes: u64) {
    store.limit(&who("local", "acme"), &DeploymentId::new("support").unwrap(), Quota { keys, bytes });
}

fn usage(store: &dyn SessionStore) -> Option<Usage> {
    store.usage(&who("local", "acme"), &DeploymentId::new("support").unwrap())
}

/// Writes so many bytes; says what is full, if anything is.
async fn put(store: &dyn SessionStore, key: &Key, length: usize, expires: Option<SystemTime>, now: SystemTime) -> Option<&'static str> {
    match store.put(key, Bytes::from(vec![b'1'; length]), Expect::Any, expires, now).await {
        Ok(_) => None,
        Err(StoreError::Full { what, .. }) => Some(what),
        Err(error) => panic!("{error}"),
    }
}

/// One key and so many bytes of value, as usage counts them.
fn weight(length: usize) -> u64 {
    (key("a").as_bytes().len() + length) as u64
}

/// The contract's part about quotas, one case after the other on one store.
pub(crate) async fn hold(store: Store) {
    keys_are_bounded_over_all_revisions(&*store).await;
    bytes_are_bounded_and_what_shrinks_passes(&*store).await;
    counters_count_too(&*store).await;
    what_has_expired_makes_room(&*store).await;
    many_writers_together_take_no_more_than_there_is(&store).await;
}

async fn clear(store: &dyn SessionStore) {
    limit(store, MUCH, MUCH);
    for name in store.list(&key(""), None, usize::MAX, at(0)).await.unwrap().keys {
        store.remove(&key(&name), Expect::Any, at(0)).await.unwrap();
    }
}

async fn keys_are_bounded_over_all_revisions(store: &dyn SessionStore) {
    limit(store, 2, MUCH);
    let later = scoped("local", "acme", "support", "r2", "default", "a");
    assert_eq!(put(store, &key("a"), 1, None, at(0)).await, None);
    assert_eq!(put(store, &later, 1, None, at(0)).await, None);
    assert_eq!(put(store, &key("b"), 1, None, at(0)).await, Some("keys"));
    assert!(store.get(&key("b"), at(0)).await.unwrap().is_none(), "it was written");
    assert_eq!(
        put(store, &key("a"), 2, None, at(0)).await,
        None,
        "what is there may be written again"
    );
    for other in [
        scoped("local", "beta", "support", "r1", "default", "b"),
        scoped("local", "acme", "support2", "r1", "default", "b"),
        scoped("prod", "acme", "support", "r1", "default", "b"),
    ] {
        assert_eq!(put(store, &other, 1, None, at(0)).await, None, "{other} has another account");
    }
    store.remove(&later, Expect::Any, at(0)).await.unwrap();
    assert_eq!(put(store, &key("b"), 1, None, at(0)).await, None, "the room was not given back");
    store.remove(&key("none"), Expect::Any, at(0)).await.unwrap();
    assert_eq!(
        usage(store),
        Some(Usage {
            keys: 2,
            bytes: weight(2) + weight(1)
        })
    );
    clear(store).await;
    assert_eq!(usage(store), Some(Usage::default()));
}

async fn bytes_are_bounded_and_what_shrinks_passes(store: &dyn SessionStore) {
    limit(store, MUCH, 2 * weight(10));
    for name in ["a", "b"] {
        assert_eq!(put(store, &key(name), 10, None, at(0)).await, None);
    }
    assert_eq!(put(store, &key("a"), 11, None, at(0)).await, Some("bytes"));
    assert_eq!(put(store, &key("a"), 9, None, at(0)).await, None);
    assert_eq!(put(store, &key("b"), 11, None, at(0)).await, None, "to the last byte");
    limit(store, MUCH, 1);
    assert_eq!(
        put(store, &key("b"), 11, None, at(0)).await,
        None,
        "what does not grow, under a lower quota"
    );
    assert_eq!(put(store, &key("b"), 10, None, at(0)).await, None);
    assert_eq!(put(store, &key("b"), 11, None, at(0)).await, Some("bytes"));
    clear(store).await;
}

async fn counters_count_too(store: &dyn SessionStore) {
    limit(store, 1, weight(1));
    assert_eq!(store.increment(&key("a"), 9, at(0)).await.unwrap(), 9);
    assert!(matches!(
        store.increment(&key("a"), 1, at(0)).await,
        Err(StoreError::Full { what: "bytes", .. })
    ));
    assert!(matches!(
        store.increment(&key("b"), 1, at(0)).await,
        Err(StoreError::Full { what: "keys", .. })
    ));
    assert_eq!(store.increment(&key("a"), -1, at(0)).await.unwrap(), 8);
    clear(store).await;
}

async fn what_has_expired_makes_room(store: &dyn SessionStore) {
    limit(store, 2, MUCH);
    for name in ["a", "b"] {
        assert_eq!(put(store, &key(name), 1, Some(at(10)), at(0)).await, None);
    }
    assert_eq!(put(store, &key("c"), 1, None, at(9)).await, Some("keys"));
    assert_eq!(
        put(store, &key("c"), 1, Some(at(20)), at(10)).await,
        None,
        "what was dead was in the way"
    );
    assert_eq!(usage(store).unwrap().keys, 1);
    store.sweep(at(20), 10).await.unwrap();
    assert_eq!(usage(store).unwrap().keys, 0, "a sweep gives back too");
    clear(store).await;
}

async fn many_writers_together_take_no_more_than_there_is(store: &Store) {
    limit(&**store, 10, MUCH);
    let writers: Vec<_> = (0..64)
        .map(|n| {
            let store = Arc::clone(store);
            tokio::spawn(async move { put(&*store, &key(&format!("k{n}")), 1, None, at(0)).await })
        })
        .collect();
    let mut written = 0;
    for writer in writers {
        written += usize::from(writer.await.unwrap().is_none());
    }
    let kept = store.list(&key(""), None, usize::MAX, at(0)).await.unwrap().keys.len();
    assert_eq!((written, kept, usage(&**store).unwrap().keys), (10, 10, 10));
}

#[tokio::test]
async fn while_a_large_deployment_is_counted_others_write() {
    const ROWS: u64 = 200;
    // A dozen pieces. On this one thread each write of the other deployment takes its turn with one of them.
    const LENGTH: usize = 60_000;
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(SledStore::open(folder.path()).unwrap());
    for n in 0..ROWS {
        assert_eq!(put(&*store, &key(&format!("{n:03}")), LENGTH, None, at(0)).await, None);
    }
    limit(&*store, ROWS + 1, MUCH);
    let first = tokio::spawn({
        let store = Arc::clone(&store);
        async move { put(&*store, &key("new"), 1, None, at(0)).await }
    });
    tokio::task::yield_now().await;
    let other = scoped("local", "beta", "support", "r1", "default", "a");
    for length in 1..4 {
        assert_eq!(put(&*store, &other, length, None, at(0)).await, None);
    }
    assert_eq!(usage(&*store), None, "the other one waited until all was counted");
    // Rows at both ends go meanwhile: what is counted, and what is not yet.
    for name in ["000", "199"] {
        store.remove(&key(name), Expect::Any, at(0)).await.unwrap();
    }
    assert_eq!(first.await.unwrap(), None);
    let kept = Usage {
        keys: ROWS - 1,
        bytes: (ROWS - 2) * (weight(LENGTH) + 2) + weight(1) + 2,
    };
    assert_eq!(usage(&*store), Some(kept));
}

#[tokio::test]
async fn a_restart_counts_what_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let store = SledStore::open(folder.path()).unwrap();
    // Without a quota nothing is counted, and nothing bounded.
    for n in 0..5 {
        assert_eq!(put(&store, &key(&n.to_string()), 1, None, at(0)).await, None);
    }
    assert_eq!(usage(&store), None);
    drop(store);
    let store = SledStore::open(folder.path()).unwrap();
    limit(&store, 5, MUCH);
    assert_eq!(put(&store, &key("5"), 1, None, at(0)).await, Some("keys"));
    assert_eq!(
        usage(&store),
        Some(Usage {
            keys: 5,
            bytes: 5 * weight(1)
        })
    );
    store.remove(&key("0"), Expect::Any, at(0)).await.unwrap();
    assert_eq!(put(&store, &key("5"), 1, None, at(0)).await, None);
}
