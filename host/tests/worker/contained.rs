//! Every limit of a call: reached by `hostile`, told by its name, counted.

use super::{body, emptied, get, hostile, limits, sample, spec, text, until};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};
use tollgate_config::{
    ByteSize, DeploymentId,
    manifest::{BreakerLimits, Limits, StoreLimits},
};
use tollgate_host::{BodyError, BreakerState, CallError, Host, HostConfig, Limit, RequestBody, RevisionSpec};
use tollgate_store::{Expect, Key, MemoryStore, SessionStore, SledStore, StoreError};

fn over(store: Arc<dyn SessionStore>) -> Host {
    let config = HostConfig {
        instances: 16,
        ..HostConfig::default()
    };
    Host::new(config, store).unwrap()
}

/// A breaker that the clock neither opens nor closes.
fn opening_after(failures: usize) -> Option<BreakerLimits> {
    Some(BreakerLimits {
        failures,
        window: Duration::from_secs(3600),
        open: Duration::from_secs(3600),
    })
}

#[tokio::test]
async fn each_limit_that_ends_a_call_is_counted_by_its_name() {
    for (path, limit) in [
        ("/cpu", Limit::Cpu),
        ("/memory", Limit::Memory),
        ("/deep", Limit::Stack),
        ("/headers", Limit::Fields),
        ("/fields", Limit::Fields),
        ("/handles", Limit::Handles),
        ("/alarms", Limit::Resources),
        ("/entropy", Limit::Random),
        ("/hostcall", Limit::Hostcall),
    ] {
        let before = hostile().counters().limits.of(limit);
        let error = hostile().call(get(path)).await.map(|answer| answer.status()).unwrap_err();
        assert!(error.is_workers(), "{path}: {error}");
        // Other tests run the same worker.
        assert!(hostile().counters().limits.of(limit) > before, "{path}: {error}");
    }
}

#[tokio::test]
async fn a_flood_of_logging_is_counted_once_for_each_call() {
    let host = over(Arc::new(MemoryStore::default()));
    let revision = host.load(spec("hostile", "acme", limits())).unwrap();
    assert!(revision.call(get("/stdout")).await.is_err());
    assert_eq!(revision.counters().limits.of(Limit::Log), 1);
}

#[tokio::test]
async fn an_answer_that_does_not_begin_or_stands_still_is_cut_off() {
    let limits = Limits {
        wall: Duration::from_secs(3600),
        first_byte: Duration::from_millis(50),
        stall: Duration::from_millis(50),
        ..limits()
    };
    let host = over(Arc::new(MemoryStore::default()));
    let revision = host.load(spec("hostile", "acme", limits)).unwrap();
    let late = revision.call(get("/slow?ms=3600000")).await.map(|answer| answer.status());
    assert_eq!(late, Err(CallError::FirstByte));
    emptied(&host).await;
    let stalled = revision.call(get("/stall")).await.unwrap().into_body().collect().await;
    assert_eq!(stalled.map(drop), Err(BodyError::Worker(CallError::Stall)));
    emptied(&host).await;
    for limit in [Limit::FirstByte, Limit::Stall] {
        assert_eq!(revision.counters().limits.of(limit), 1, "{limit:?}");
    }
}

#[tokio::test]
async fn a_callers_body_that_stands_still_or_is_too_long_is_counted() {
    let host = over(Arc::new(MemoryStore::default()));
    let revision = host.load(spec("hostile", "acme", limits())).unwrap();
    for (failure, error, limit) in [
        (BodyError::Slow, CallError::BodyTooSlow, Limit::BodyStall),
        (BodyError::TooLarge { limit: 4 }, CallError::BodyTooLarge, Limit::Body),
    ] {
        let frames = [Ok(http_body::Frame::data(Bytes::from_static(b"some"))), Err(failure)];
        let failing = http_body_util::StreamBody::new(futures_util::stream::iter(frames)).boxed_unsync();
        let request = http::Request::post("http://gate.example/read").body(failing).unwrap();
        assert_eq!(revision.call(request).await.map(|answer| answer.status()), Err(error));
        assert_eq!(revision.counters().limits.of(limit), 1, "{limit:?}");
    }
    let whole = http::Request::post("http://gate.example/read").body(body(b"some")).unwrap();
    assert_eq!(text(&revision, whole).await, (200, "4 bytes".to_owned()));
}

#[tokio::test]
async fn a_full_house_is_counted() {
    let limits = Limits {
        concurrency: 1,
        queue: 0,
        wall: Duration::from_secs(3600),
        ..limits()
    };
    let host = over(Arc::new(MemoryStore::default()));
    let revision = host.load(spec("hostile", "acme", limits)).unwrap();
    let held = revision.call(get("/stall")).await.unwrap();
    assert!(revision.call(get("/none")).await.is_err());
    assert_eq!(revision.counters().limits.of(Limit::Instances), 1);
    let [acme]: [_; 1] = host.tenants().try_into().unwrap();
    assert_eq!((acme.tenant.as_str(), acme.held, acme.waiting), ("acme", 1, 0));
    drop(held);
    emptied(&host).await;
    until("given back", || host.tenants().iter().all(|tenant| tenant.held == 0)).await;
}

#[tokio::test]
async fn while_one_tenant_floods_the_pool_another_one_is_served() {
    let limits = Limits {
        concurrency: 64,
        queue: 64,
        queue_wait: Duration::from_millis(10),
        wall: Duration::from_secs(3600),
        stall: Duration::from_secs(3600),
        ..limits()
    };
    let host = over(Arc::new(MemoryStore::default()));
    let acme = host.load(spec("hostile", "acme", limits)).unwrap();
    let beta = host.load(spec("hello", "beta", limits)).unwrap();
    let mut held = Vec::new();
    while let Ok(answer) = acme.call(get("/stall")).await {
        held.push(answer);
    }
    assert_eq!(held.len(), 12, "three quarters of 16 places");
    for call in 0..20 {
        assert_eq!(text(&beta, get("/")).await.0, 200, "call {call}");
    }
    drop(held);
    emptied(&host).await;
}

#[tokio::test]
async fn what_a_deployment_keeps_is_bounded_in_every_store() {
    let folder = tempfile::tempdir().unwrap();
    let stores: [Arc<dyn SessionStore>; 2] = [Arc::new(MemoryStore::default()), Arc::new(SledStore::open(folder.path()).unwrap())];
    let limits = Limits {
        store: StoreLimits {
            keys: 3,
            bytes: ByteSize::kib(4),
            ..StoreLimits::default()
        },
        ..limits()
    };
    for store in stores {
        let host = over(store);
        let acme = host.load(spec("hostile", "acme", limits)).unwrap();
        let beta = host.load(spec("hostile", "beta", limits)).unwrap();
        let said = text(&acme, get("/fill?keys=4&bytes=10")).await.1;
        assert!(said.starts_with("3 keys, then") && said.contains("limits.store.keys"), "{said}");
        assert_eq!(acme.usage().map(|usage| usage.keys), Some(3));
        assert_eq!(text(&beta, get("/fill?keys=3&bytes=10")).await.1, "3 keys");
        let said = text(&acme, get("/fill?keys=3&bytes=2000")).await.1;
        assert!(said.starts_with("1 keys, then") && said.contains("limits.store.bytes"), "{said}");
        assert_eq!(text(&acme, get("/clear?keys=3")).await.1, "cleared");
        assert_eq!(acme.usage().map(|usage| (usage.keys, usage.bytes)), Some((0, 0)));
        assert_eq!(
            text(&acme, get("/fill?keys=3&bytes=10")).await.1,
            "3 keys",
            "the room was not given back"
        );
        for limit in [Limit::StoreKeys, Limit::StoreBytes] {
            assert_eq!(
                (acme.counters().limits.of(limit), beta.counters().limits.of(limit)),
                (1, 0),
                "{limit:?}"
            );
        }
    }
}

#[tokio::test]
async fn a_tenant_that_fills_the_memory_that_all_share_leaves_room_to_the_others() {
    let store = Arc::new(MemoryStore::default());
    let host = over(store.clone());
    let acme = host.load(spec("hostile", "acme", limits())).unwrap();
    let beta = host.load(spec("hostile", "beta", limits())).unwrap();
    let (tenant, value) = (spec("hello", "acme", limits()).tenant, Bytes::from(vec![b'x'; 64 << 10]));
    let other = DeploymentId::new("other").unwrap();
    for n in 0.. {
        let key = Key::worker(&tenant, &other, "r1", "default", &n.to_string());
        let written = store.put(&key, value.clone(), Expect::Any, None, SystemTime::now()).await;
        if let Err(error) = written {
            assert!(matches!(error, StoreError::Share { .. }), "{error}");
            break;
        }
    }
    let said = text(&acme, get("/fill?keys=9&bytes=60000")).await.1;
    assert!(said.contains("then") && said.contains("store.kind: sled"), "{said}");
    assert_eq!(text(&beta, get("/fill?keys=9&bytes=60000")).await.1, "9 keys");
    let hits = |limit| (acme.counters().limits.of(limit), beta.counters().limits.of(limit));
    assert_eq!((hits(Limit::StoreShare), host.store_failures()), ((1, 0), 0));
}

#[tokio::test]
async fn what_a_call_and_a_deployment_ask_of_the_store_is_bounded() {
    let limits = |operations, rate| Limits {
        store: StoreLimits {
            operations,
            rate,
            ..StoreLimits::default()
        },
        ..limits()
    };
    let host = over(Arc::new(MemoryStore::default()));
    let modest = host.load(spec("hostile", "acme", limits(20, StoreLimits::RATE))).unwrap();
    for _ in 0..2 {
        let said = text(&modest, get("/ask?count=21")).await.1;
        assert!(
            said.starts_with("asked 20 times, then") && said.contains("limits.store.operations"),
            "{said}"
        );
    }
    // A thousand at five a second take 199 s, and a call has two.
    let rare = host.load(spec("hostile", "beta", limits(1_000, 5))).unwrap();
    let said = text(&rare, get("/ask?count=1000")).await.1;
    assert!(said.contains("limits.store.rate"), "{said}");
    let hits = |limit| (modest.counters().limits.of(limit), rare.counters().limits.of(limit));
    assert_eq!((hits(Limit::StoreOperations), hits(Limit::StoreRate)), ((2, 0), (0, 1)));
}

#[tokio::test]
async fn a_revision_that_fails_again_and_again_rests_and_is_not_instantiated() {
    let limits = Limits {
        breaker: opening_after(3),
        ..limits()
    };
    let host = over(Arc::new(MemoryStore::default()));
    let revision = host.load(spec("hostile", "acme", limits)).unwrap();
    for path in ["/trap", "/none", "/cpu", "/silent"] {
        assert_eq!(revision.breaker(), Some((BreakerState::Closed, 0)), "before {path}");
        drop(revision.call(get(path)).await);
    }
    assert_eq!(revision.breaker(), Some((BreakerState::Open, 1)));
    let calls = || revision.counters().calls.load(std::sync::atomic::Ordering::Relaxed);
    let before = calls();
    let refused = revision.call(get("/none")).await.map(|answer| answer.status());
    assert!(
        matches!(refused, Err(CallError::Resting(rest)) if rest > Duration::from_secs(3500)),
        "{refused:?}"
    );
    assert_eq!((calls(), revision.counters().limits.of(Limit::Breaker)), (before, 1));
    let healthy = host.load(spec("hello", "acme", limits)).unwrap();
    assert_eq!(text(&healthy, get("/")).await.0, 200, "another revision rests with it");
}

/// A caller that sends a part of its body and no more.
fn never_ending() -> RequestBody {
    let first = stream::iter([Ok(Frame::data(Bytes::from_static(b"{")))]);
    StreamBody::new(first.chain(stream::pending())).boxed_unsync()
}

#[tokio::test]
async fn what_a_caller_holds_up_is_no_failure_of_its_worker() {
    let limits = Limits {
        wall: Duration::from_millis(50),
        breaker: opening_after(1),
        ..limits()
    };
    let host = over(Arc::new(MemoryStore::default()));
    let revision = host.load(spec("echo", "acme", limits)).unwrap();
    let slow = http::Request::post("https://gate.example/").body(never_ending()).unwrap();
    let cut_off = match revision.call(slow).await {
        Ok(answer) => answer.into_body().collect().await.map(drop).map_err(|error| error.to_string()),
        Err(error) => Err(error.to_string()),
    };
    assert!(cut_off.is_err());
    assert_eq!(revision.breaker(), Some((BreakerState::Closed, 0)), "{cut_off:?}");

    let stalls = host.load(spec("hostile", "acme", limits)).unwrap();
    let stalled = stalls.call(get("/stall")).await.unwrap().into_body().collect().await;
    assert_eq!(stalled.map(drop), Err(BodyError::Worker(CallError::Wall)));
    until("open, for this one waits for nobody", || {
        stalls.breaker() == Some((BreakerState::Open, 1))
    })
    .await;
}

#[tokio::test]
async fn a_probe_that_waits_for_its_caller_keeps_nobody_else_out() {
    let limits = Limits {
        wall: Duration::from_secs(3600),
        first_byte: Duration::from_secs(3600),
        breaker: Some(BreakerLimits {
            failures: 1,
            window: Duration::from_secs(3600),
            open: Duration::ZERO,
        }),
        ..limits()
    };
    let host = over(Arc::new(MemoryStore::default()));
    let revision = host.load(spec("hostile", "acme", limits)).unwrap();
    drop(revision.call(get("/trap")).await);
    assert_eq!(revision.breaker(), Some((BreakerState::HalfOpen, 1)));
    let slow = http::Request::post("https://gate.example/read").body(never_ending()).unwrap();
    let probe = tokio::spawn({
        let revision = Arc::clone(&revision);
        async move { revision.call(slow).await.map(|answer| answer.status()) }
    });
    let calls = || revision.counters().calls.load(std::sync::atomic::Ordering::Relaxed);
    until("begun", || calls() == 2).await;
    let read = || http::Request::post("https://gate.example/read").body(body(b"some")).unwrap();
    // The worker has begun; it comes to its caller's silence by itself.
    let answered = tokio::time::timeout(Duration::from_secs(20), async {
        loop {
            match revision.call(read()).await {
                Err(CallError::Resting(_)) => tokio::task::yield_now().await,
                answer => break answer.map(|answer| answer.status().as_u16()),
            }
        }
    });
    assert_eq!(answered.await, Ok(Ok(200)));
    assert_eq!(revision.breaker(), Some((BreakerState::Closed, 1)));
    probe.abort();
    assert!(probe.await.is_err(), "it waits still");
    assert_eq!(
        revision.breaker(),
        Some((BreakerState::Closed, 1)),
        "and says nothing of the worker"
    );
}

/// The same worker with so many core instances more, each of an empty module.
fn crowded(component: &[u8], instances: u8) -> Bytes {
    const MODULE: &[u8] = b"\0asm\x01\0\0\0";
    let mut modules = 0_u8;
    let mut depth = 0;
    for payload in wasmparser::Parser::new(0).parse_all(component) {
        match payload.unwrap() {
            wasmparser::Payload::Version { .. } => depth += 1,
            wasmparser::Payload::End(_) => depth -= 1,
            wasmparser::Payload::ModuleSection { .. } if depth == 1 => modules += 1,
            _ => {}
        }
    }
    let each: Vec<u8> = (0..instances).flat_map(|_| [0, modules, 0]).collect();
    assert!(each.len() < 127, "the length fits one byte");
    let sections = [&[1, MODULE.len() as u8], MODULE, &[2, each.len() as u8 + 1, instances], &each].concat();
    [component, &sections].concat().into()
}

#[tokio::test]
async fn a_worker_of_many_parts_takes_no_more_of_the_pool_than_its_places() {
    let config = HostConfig {
        instances: 8,
        ..HostConfig::default()
    };
    let host = Host::new(config, Arc::new(MemoryStore::default())).unwrap();
    let crowd = RevisionSpec {
        component: crowded(&sample("hostile"), 40),
        ..spec("hostile", "beta", limits())
    };
    let crowd = host.load(crowd).unwrap();
    let good = host.load(spec("hello", "acme", limits())).unwrap();
    let mut held = Vec::new();
    for _ in 0..6 {
        held.push(crowd.call(get("/stall")).await.unwrap());
    }
    assert_eq!(host.instances_in_use(), 6);
    assert_eq!(text(&good, get("/")).await.0, 200);
}

/// A component around a core module that does nothing but to have a table of `elements`.
fn with_table(elements: u32) -> Bytes {
    let mut size = Vec::new();
    let mut rest = elements;
    while rest >= 0x80 {
        size.push((rest & 0x7f) as u8 | 0x80);
        rest >>= 7;
    }
    size.push(rest as u8);
    // A table section: one table of funcref with a least size.
    let table = [&[1, 0x70, 0][..], &size].concat();
    let module = [b"\0asm\x01\0\0\0".as_slice(), &[4, table.len() as u8], &table].concat();
    // A component with that module, and an instance of it.
    let instance = [1, 0, 0, 0];
    let component = [
        b"\0asm\x0d\0\x01\0".as_slice(),
        &[1, module.len() as u8],
        &module,
        &[2, instance.len() as u8],
        &instance,
    ];
    component.concat().into()
}

#[tokio::test]
async fn a_table_with_too_many_entries_does_not_load() {
    let host = over(Arc::new(MemoryStore::default()));
    let load = |elements| {
        let spec = RevisionSpec {
            component: with_table(elements),
            ..spec("hello", "acme", limits())
        };
        host.load(spec).map(drop).unwrap_err().to_string()
    };
    let (fits, large) = (load(20_000), load(20_001));
    assert!(large.contains("table"), "{large}");
    assert!(!fits.contains("table"), "it is only no worker: {fits}");
}

#[tokio::test]
async fn a_worker_whose_promised_bytes_were_all_taken_may_go_on() {
    for method in [http::Method::GET, http::Method::HEAD] {
        let store = Arc::new(MemoryStore::default());
        let host = over(store.clone());
        let spec = spec("hostile", "acme", limits());
        let key = Key::worker(&spec.tenant, &spec.deployment, "r1", "default", "fill-0");
        let revision = host.load(spec).unwrap();
        let mut request = get("/afterwards?ms=20");
        *request.method_mut() = method.clone();
        let mut answer = revision.call(request).await.unwrap().into_body();
        if method == http::Method::GET {
            assert_eq!(answer.frame().await.unwrap().unwrap().into_data().unwrap(), "said");
        }
        // As HTTP/1.1 does: whoever has the last byte of a known length asks for no end.
        drop(answer);
        emptied(&host).await;
        assert!(
            store.get(&key, SystemTime::now()).await.unwrap().is_some(),
            "{method}: it was ended"
        );
    }
}

#[tokio::test]
async fn an_answer_ends_with_its_promised_bytes_and_a_worker_that_hangs_behind_it_has_failed() {
    let limits = Limits {
        wall: Duration::from_millis(200),
        breaker: opening_after(1),
        ..limits()
    };
    let host = over(Arc::new(MemoryStore::default()));
    let revision = host.load(spec("hostile", "acme", limits)).unwrap();
    // It may be cut off before its head on a busy machine, which is its failure too.
    if let Ok(answer) = revision.call(get("/afterwards?ms=3600000")).await {
        assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), "said");
    }
    until("open", || revision.breaker() == Some((BreakerState::Open, 1))).await;
}
