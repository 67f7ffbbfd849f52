//! What is the memory store's own: a size that all tenants share.

use crate::{at, scoped, who};
use bytes::Bytes;
use tollgate_config::DeploymentId;
use tollgate_store::{
    Expect, Key, MemoryStore, Quota, SessionStore, StoreError,
    session::{MAX_VALUE_BYTES, MEMORY_MAX_BYTES},
};

/// One deployment may keep a quarter, as by default.
const QUOTA: Quota = Quota {
    keys: 100_000,
    bytes: MEMORY_MAX_BYTES as u64 / 4,
};
/// How long what is to expire lives, in milliseconds.
const LIFE: u64 = 10;

fn store(tenants: &[&str]) -> MemoryStore {
    let store = MemoryStore::default();
    for tenant in tenants {
        for deployment in 0..4 {
            store.limit(&who("local", tenant), &deployment_id(deployment), QUOTA);
        }
    }
    store
}

fn deployment_id(n: usize) -> DeploymentId {
    DeploymentId::new(&format!("d{n}")).unwrap()
}

fn key(tenant: &str, deployment: usize, n: usize) -> Key {
    scoped("local", tenant, &format!("d{deployment}"), "r1", "default", &n.to_string())
}

/// Writes the largest values until the store refuses; says how many it took, and what it said at last. They share their bytes: only the store counts them.
async fn fill(store: &MemoryStore, tenant: &str, deployment: usize, expires: bool) -> (usize, StoreError) {
    let value = Bytes::from(vec![b'x'; MAX_VALUE_BYTES]);
    for n in 0.. {
        let expires = expires.then(|| at(LIFE));
        if let Err(error) = store
            .put(&key(tenant, deployment, n), value.clone(), Expect::Any, expires, at(0))
            .await
        {
            return (n, error);
        }
    }
    unreachable!("it is never full")
}

#[tokio::test]
async fn what_one_tenant_keeps_leaves_room_to_the_others() {
    let store = store(&["acme", "beta"]);
    let mut taken = 0;
    for deployment in 0..4 {
        let (count, error) = fill(&store, "acme", deployment, false).await;
        taken += count;
        let is_last = deployment == 3;
        assert_eq!(
            matches!(error, StoreError::Share { .. }),
            is_last,
            "deployment {deployment}: {error}"
        );
    }
    let sum = taken * MAX_VALUE_BYTES;
    assert!((MEMORY_MAX_BYTES / 3 * 2..MEMORY_MAX_BYTES / 4 * 3).contains(&sum), "{sum} bytes");
    assert!(fill(&store, "beta", 0, false).await.0 > 500, "more than 32 MiB for the next");
    assert!(
        fill(&store, "gamma", 0, false).await.0 > 100,
        "and for one that nobody had heard of"
    );

    let (there, full) = (key("acme", 0, 0), key("acme", 3, taken));
    let put = |key: Key, length| {
        let store = &store;
        async move {
            let value = Bytes::from(vec![b'y'; length]);
            store.put(&key, value, Expect::Any, None, at(0)).await.map(drop)
        }
    };
    put(there.clone(), MAX_VALUE_BYTES).await.unwrap();
    assert!(matches!(put(full.clone(), 1).await, Err(StoreError::Share { held }) if held > sum as u64));
    for n in 0..500 {
        store.remove(&key("acme", 0, n), Expect::Any, at(0)).await.unwrap();
        store.remove(&key("beta", 0, n), Expect::Any, at(0)).await.unwrap();
    }
    put(full, 1).await.unwrap();
}

#[tokio::test]
async fn a_tenant_that_is_alone_has_all_of_it() {
    let store = store(&["acme"]);
    for deployment in 0..4 {
        let (count, error) = fill(&store, "acme", deployment, false).await;
        assert!(
            count > 1_000 && matches!(error, StoreError::Full { what: "bytes", .. }),
            "{deployment}: {error}"
        );
    }
}

#[tokio::test]
async fn what_has_expired_makes_room_before_anything_is_refused() {
    let store = store(&["acme", "beta"]);
    for deployment in 0..4 {
        fill(&store, "acme", deployment, true).await;
    }
    let (beta, acme) = (key("beta", 0, 0), key("acme", 3, 9_999));
    let value = Bytes::from(vec![b'z'; MAX_VALUE_BYTES]);
    for (key, now) in [(&beta, LIFE - 1), (&acme, LIFE)] {
        store.put(key, value.clone(), Expect::Any, None, at(now)).await.unwrap();
        let kept = store.get(key, at(now)).await.unwrap().unwrap();
        assert_eq!(kept.value.len(), MAX_VALUE_BYTES, "{key}");
    }
    assert!(
        store.get(&key("acme", 0, 0), at(LIFE - 1)).await.unwrap().is_none(),
        "what is dead was swept"
    );
    assert!(store.get(&beta, at(LIFE)).await.unwrap().is_some(), "what lives stays");
}
