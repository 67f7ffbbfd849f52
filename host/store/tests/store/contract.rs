//! One contract, run on every store: a table of named cases.

use crate::{at, key, quota, scoped};
use bytes::Bytes;
use std::{pin::Pin, sync::Arc, time::SystemTime};
use tollgate_store::{
    Expect, MemoryStore, SessionStore, SledStore, StoreError, Version,
    key::MAX_KEY_BYTES,
    session::{LIST_SCAN_MAX, MAX_VALUE_BYTES, SWEEP_MAX},
};

pub(crate) type Store = Arc<dyn SessionStore>;
type Case = fn(Store) -> Pin<Box<dyn Future<Output = ()> + Send>>;

macro_rules! cases {
    ($($name:ident),* $(,)?) => { &[$((stringify!($name), |store| Box::pin($name(store)))),*] };
}

const CASES: &[(&str, Case)] = cases![
    reads_what_was_written,
    checks_what_is_expected,
    gives_no_version_twice,
    expires_at_its_time,
    moves_and_drops_an_expiry,
    removes,
    counts,
    refuses_what_is_no_counter,
    keeps_the_expiry_of_a_counter,
    lists_in_pages,
    skips_the_expired_in_a_list,
    ends_a_page_of_expired_keys,
    keeps_scopes_apart,
    limits_sizes,
    sweeps_within_a_budget,
    sweeps_only_what_is_still_expired,
    lets_one_of_many_writers_win,
    adds_up_many_increments,
    quotas,
];

async fn quotas(store: Store) {
    quota::hold(store).await;
}

async fn run(open: impl Fn() -> Store) {
    for (name, case) in CASES {
        // In a task of its own, so that the name is there when it fails.
        if let Err(failure) = tokio::spawn(case(open())).await {
            panic!("{name}: {failure}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_keeps_the_contract() {
    run(|| Arc::new(MemoryStore::default())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sled_keeps_the_contract() {
    let folder = tempfile::tempdir().unwrap();
    let opened = std::sync::atomic::AtomicU32::new(0);
    run(|| {
        let n = opened.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        Arc::new(SledStore::open(&folder.path().join(n.to_string())).unwrap())
    })
    .await;
}

async fn put(store: &Store, name: &str, value: &str, expires: Option<SystemTime>) -> Version {
    store
        .put(&key(name), Bytes::copy_from_slice(value.as_bytes()), Expect::Any, expires, at(0))
        .await
        .unwrap()
}

async fn text(store: &Store, name: &str, now: SystemTime) -> Option<String> {
    store
        .get(&key(name), now)
        .await
        .unwrap()
        .map(|found| String::from_utf8(found.value.to_vec()).unwrap())
}

async fn names(store: &Store, now: SystemTime) -> Vec<String> {
    store.list(&key(""), None, usize::MAX, now).await.unwrap().keys
}

async fn reads_what_was_written(store: Store) {
    assert_eq!(text(&store, "k", at(0)).await, None);
    let first = put(&store, "k", "one", None).await;
    let second = put(&store, "k", "", None).await;
    assert!(second > first, "versions grow");
    let found = store.get(&key("k"), at(0)).await.unwrap().unwrap();
    assert_eq!((found.value.len(), found.version), (0, second));
    store.flush().await.unwrap();
}

async fn checks_what_is_expected(store: Store) {
    let write = |expect| {
        let store = Arc::clone(&store);
        async move { store.put(&key("k"), Bytes::from_static(b"v"), expect, None, at(0)).await }
    };
    assert!(
        matches!(write(Expect::Version(Version(1))).await, Err(StoreError::Conflict)),
        "a version of nothing"
    );
    let first = write(Expect::Absent).await.unwrap();
    assert!(
        matches!(write(Expect::Absent).await, Err(StoreError::Conflict)),
        "absent, but it is there"
    );
    let second = write(Expect::Version(first)).await.unwrap();
    assert!(
        matches!(write(Expect::Version(first)).await, Err(StoreError::Conflict)),
        "an old version"
    );
    assert_eq!(
        store.get(&key("k"), at(0)).await.unwrap().unwrap().version,
        second,
        "a refused write changed something"
    );
}

async fn gives_no_version_twice(store: Store) {
    let first = put(&store, "k", "one", None).await;
    assert!(store.remove(&key("k"), Expect::Any, at(0)).await.unwrap());
    let second = put(&store, "k", "two", None).await;
    assert_ne!(first, second, "a writer from before the removal would not notice");
}

async fn expires_at_its_time(store: Store) {
    put(&store, "k", "v", Some(at(100))).await;
    for (now, there) in [(0, true), (99, true), (100, false), (101, false)] {
        assert_eq!(text(&store, "k", at(now)).await.is_some(), there, "at {now}");
        assert_eq!(names(&store, at(now)).await.len(), usize::from(there), "listed at {now}");
    }
    assert!(!store.remove(&key("k"), Expect::Any, at(100)).await.unwrap(), "it was dead");
    put(&store, "k", "v", Some(at(100))).await;
    store
        .put(&key("k"), Bytes::from_static(b"new"), Expect::Absent, None, at(100))
        .await
        .expect("dead is absent");
    assert_eq!(text(&store, "k", at(1000)).await.as_deref(), Some("new"));
}

async fn moves_and_drops_an_expiry(store: Store) {
    put(&store, "k", "v", Some(at(100))).await;
    put(&store, "k", "v", Some(at(200))).await;
    assert_eq!(store.sweep(at(150), 10).await.unwrap().removed, 0, "the old expiry is gone");
    assert!(text(&store, "k", at(199)).await.is_some());
    put(&store, "k", "v", None).await;
    assert_eq!(store.sweep(at(1000), 10).await.unwrap().removed, 0, "it no longer expires");
    assert!(text(&store, "k", at(1000)).await.is_some());
}

async fn removes(store: Store) {
    assert!(!store.remove(&key("k"), Expect::Any, at(0)).await.unwrap());
    assert!(matches!(
        store.remove(&key("k"), Expect::Version(Version(1)), at(0)).await,
        Err(StoreError::Conflict)
    ));
    let version = put(&store, "k", "v", None).await;
    assert!(matches!(
        store.remove(&key("k"), Expect::Absent, at(0)).await,
        Err(StoreError::Conflict)
    ));
    assert!(matches!(
        store.remove(&key("k"), Expect::Version(Version(version.0 + 1)), at(0)).await,
        Err(StoreError::Conflict)
    ));
    assert!(store.remove(&key("k"), Expect::Version(version), at(0)).await.unwrap());
    assert_eq!(text(&store, "k", at(0)).await, None);
}

async fn counts(store: Store) {
    for (delta, sum) in [(1, 1), (5, 6), (-10, -4), (0, -4)] {
        assert_eq!(store.increment(&key("n"), delta, at(0)).await.unwrap(), sum);
    }
    assert_eq!(text(&store, "n", at(0)).await.as_deref(), Some("-4"), "kept as text");
}

async fn refuses_what_is_no_counter(store: Store) {
    let (most, least) = (i64::MAX.to_string(), i64::MIN.to_string());
    for (value, delta) in [
        ("x", 1),
        ("", 1),
        ("+1", 1),
        ("01", 1),
        (" 1", 1),
        ("-0", 1),
        ("9223372036854775808", 1),
        (&most, 1),
        (&least, -1),
    ] {
        put(&store, "n", value, None).await;
        let refused = store.increment(&key("n"), delta, at(0)).await;
        assert!(matches!(refused, Err(StoreError::NotACounter)), "{value:?} by {delta}: {refused:?}");
        assert_eq!(text(&store, "n", at(0)).await.as_deref(), Some(value), "it was changed");
    }
}

async fn keeps_the_expiry_of_a_counter(store: Store) {
    put(&store, "n", "7", Some(at(100))).await;
    assert_eq!(store.increment(&key("n"), 1, at(99)).await.unwrap(), 8);
    assert_eq!(text(&store, "n", at(100)).await, None, "the expiry went");
    assert_eq!(
        store.increment(&key("n"), 1, at(100)).await.unwrap(),
        1,
        "a dead counter starts anew"
    );
    assert_eq!(text(&store, "n", at(1000)).await.as_deref(), Some("1"), "and with no expiry");
}

async fn lists_in_pages(store: Store) {
    for n in 0..7 {
        put(&store, &format!("k{n}"), "v", None).await;
    }
    let (mut all, mut after, mut pages) = (Vec::new(), None, 0);
    loop {
        let page = store.list(&key("ignored"), after.as_deref(), 3, at(0)).await.unwrap();
        assert!(page.keys.len() <= 3);
        all.extend(page.keys);
        pages += 1;
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(all, (0..7).map(|n| format!("k{n}")).collect::<Vec<_>>());
    assert_eq!(pages, 3);
    let exact = store.list(&key(""), Some("k3"), 3, at(0)).await.unwrap();
    assert_eq!(
        (exact.keys.len(), exact.next),
        (3, None),
        "a page that ends with the scope has no next"
    );
    assert_eq!(
        store.list(&key(""), Some("k35"), 9, at(0)).await.unwrap().keys,
        ["k4", "k5", "k6"],
        "after a key that is not there"
    );
}

async fn skips_the_expired_in_a_list(store: Store) {
    for n in 0..6 {
        put(&store, &format!("k{n}"), "v", (n % 2 == 0).then(|| at(10))).await;
    }
    let page = store.list(&key(""), None, 2, at(10)).await.unwrap();
    assert_eq!(page.keys, ["k1", "k3"]);
    let rest = store.list(&key(""), page.next.as_deref(), 2, at(10)).await.unwrap();
    assert_eq!((rest.keys, rest.next), (vec!["k5".to_owned()], None));
}

async fn ends_a_page_of_expired_keys(store: Store) {
    let dead = LIST_SCAN_MAX + 5;
    let writes = (0..dead).map(|n| {
        let store = Arc::clone(&store);
        tokio::spawn(async move { put(&store, &format!("k{n:06}"), "v", Some(at(10))).await })
    });
    for write in writes.collect::<Vec<_>>() {
        write.await.unwrap();
    }
    put(&store, "z", "v", None).await;
    let page = store.list(&key(""), None, 10, at(10)).await.unwrap();
    assert!(page.keys.is_empty());
    let rest = store.list(&key(""), Some(&page.next.unwrap()), 10, at(10)).await.unwrap();
    assert_eq!(rest.keys, ["z"]);
}

async fn keeps_scopes_apart(store: Store) {
    let keys = [
        scoped("local", "acme", "support", "r1", "default", "k"),
        scoped("prod", "acme", "support", "r1", "default", "k"),
        scoped("local", "acme2", "support", "r1", "default", "k"),
        scoped("local", "acm", "support", "r1", "default", "k"),
        scoped("local", "acme", "support2", "r1", "default", "k"),
        scoped("local", "acme", "support", "r1/default", "default", "k"),
        scoped("local", "acme", "support", "r1", "default/k", "k"),
        scoped("local", "acme", "support", "r1", "default%2Fk", "k"),
        scoped("local", "acme", "support", "r1", "default", "a/b"),
        scoped("local", "acme", "support", "r1", "default", "a%2Fb"),
        scoped("local", "acme", "support", "r1", "default", "a%252Fb"),
        scoped("local", "acme", "support", "r1", "default", "../default/k"),
        scoped("local", "acme", "support", "r1", "default", ""),
        scoped("local", "acme", "support", "r1", "", "default/k"),
        scoped("local", "acme", "support", "r1", "default", "é\u{0}\n"),
    ];
    for (n, key) in keys.iter().enumerate() {
        store
            .put(key, Bytes::from(n.to_string()), Expect::Absent, None, at(0))
            .await
            .unwrap();
    }
    for (n, key) in keys.iter().enumerate() {
        assert_eq!(store.get(key, at(0)).await.unwrap().unwrap().value, n.to_string(), "{key}");
    }
    let mut listed = store.list(&keys[0], None, 100, at(0)).await.unwrap().keys;
    listed.sort();
    assert_eq!(
        listed,
        ["", "../default/k", "a%252Fb", "a%2Fb", "a/b", "k", "é\u{0}\n"],
        "its own names, as the worker called them"
    );
    let other = store
        .list(&scoped("local", "acme", "support", "r1", "default/", "x"), None, 100, at(0))
        .await
        .unwrap();
    assert!(other.keys.is_empty(), "{other:?}");
}

async fn limits_sizes(store: Store) {
    let write = |name: String, size: usize| {
        let store = Arc::clone(&store);
        async move {
            store
                .put(&key(&name), Bytes::from(vec![b'x'; size]), Expect::Any, None, at(0))
                .await
        }
    };
    write("k".to_owned(), MAX_VALUE_BYTES).await.unwrap();
    let refused = write("k".to_owned(), MAX_VALUE_BYTES + 1).await;
    assert!(
        matches!(refused, Err(StoreError::TooLarge { size, limit: MAX_VALUE_BYTES }) if size == MAX_VALUE_BYTES + 1),
        "{refused:?}"
    );
    let room = MAX_KEY_BYTES - key("").as_bytes().len();
    write("k".repeat(room), 1).await.unwrap();
    let refused = write("k".repeat(room + 1), 1).await;
    assert!(
        matches!(refused, Err(StoreError::TooLarge { limit: MAX_KEY_BYTES, .. })),
        "{refused:?}"
    );
    let counted = store.increment(&key(&"é".repeat(room / 6 + 1)), 1, at(0)).await;
    assert!(matches!(counted, Err(StoreError::TooLarge { .. })), "escapes count: {counted:?}");
    assert!(
        store.get(&key(&"k".repeat(room * 2)), at(0)).await.unwrap().is_none(),
        "a key that cannot be written is not there"
    );
}

async fn sweeps_within_a_budget(store: Store) {
    for n in 0..10 {
        put(&store, &format!("dead{n}"), "v", Some(at(n))).await;
    }
    put(&store, "alive", "v", Some(at(100))).await;
    put(&store, "forever", "v", None).await;
    let first = store.sweep(at(50), 4).await.unwrap();
    assert_eq!((first.removed, first.more), (4, true));
    let second = store.sweep(at(50), SWEEP_MAX + 1).await.unwrap();
    assert_eq!((second.removed, second.more), (6, false));
    assert_eq!(store.sweep(at(50), 4).await.unwrap(), tollgate_store::Swept::default());
    assert_eq!(names(&store, at(0)).await, ["alive", "forever"]);
}

async fn sweeps_only_what_is_still_expired(store: Store) {
    put(&store, "k", "v", Some(at(10))).await;
    store.remove(&key("k"), Expect::Any, at(0)).await.unwrap();
    put(&store, "k", "again", Some(at(100))).await;
    store.sweep(at(50), 10).await.unwrap();
    assert_eq!(text(&store, "k", at(50)).await.as_deref(), Some("again"));
}

async fn lets_one_of_many_writers_win(store: Store) {
    for round in 0..20 {
        let name = format!("k{round}");
        let version = put(&store, &name, "start", None).await;
        let writers: Vec<_> = (0..8)
            .map(|n| {
                let (store, key) = (Arc::clone(&store), key(&name));
                tokio::spawn(async move {
                    store
                        .put(&key, Bytes::from(format!("{n}")), Expect::Version(version), None, at(0))
                        .await
                })
            })
            .collect();
        let mut won = Vec::new();
        for (n, writer) in writers.into_iter().enumerate() {
            match writer.await.unwrap() {
                Ok(version) => won.push((n.to_string(), version)),
                Err(StoreError::Conflict) => {}
                Err(error) => panic!("{error}"),
            }
        }
        assert_eq!(won.len(), 1, "round {round}: {won:?}");
        let found = store.get(&key(&name), at(0)).await.unwrap().unwrap();
        assert_eq!((found.value, found.version), (Bytes::from(won[0].0.clone()), won[0].1));
    }
}

async fn adds_up_many_increments(store: Store) {
    let adders: Vec<_> = (0..8)
        .map(|_| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                let mut seen = Vec::new();
                for _ in 0..50 {
                    seen.push(store.increment(&key("n"), 1, at(0)).await.unwrap());
                }
                seen
            })
        })
        .collect();
    let mut seen = Vec::new();
    for adder in adders {
        seen.extend(adder.await.unwrap());
    }
    seen.sort_unstable();
    assert_eq!(seen, (1..=400).collect::<Vec<_>>(), "each sum is seen once");
}
