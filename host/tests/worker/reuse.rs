//! Instances that are called more than once: what the next call finds in one, what it never finds, and what ends it. The worker is `service`, whose path
//! `/again` says how often it was called in its instance, and what word the call before left there.

use super::{
    body, emptied,
    service::{patient, service},
    spec, until,
};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use std::{
    sync::{Arc, Mutex, atomic::Ordering::Relaxed},
    time::Duration,
};
use tokio::time::advance;
use tollgate_config::{
    ByteSize, EndpointId, RevisionId,
    manifest::{Limits, ReuseLimits, StoreLimits},
};
use tollgate_host::{
    CallError, End, Host, HostConfig, Limit, LoadError, MAX_AT_ONCE, Outbound, OutboundError, Outgoing, Profile, RequestBody, Revision,
    RevisionSpec, Sent, Session,
};
use tollgate_store::MemoryStore;

const IDLE: Duration = Duration::from_secs(30);

fn host() -> Host {
    let config = HostConfig {
        instances: 2,
        async_instances: 4,
        ..HostConfig::default()
    };
    Host::new(config, Arc::new(MemoryStore::default())).unwrap()
}

/// So many calls of one instance; the clock decides nothing else.
fn reused(requests: u64) -> Limits {
    Limits {
        queue_wait: Duration::from_secs(3600),
        reuse: Some(ReuseLimits { requests, idle: IDLE }),
        ..patient()
    }
}

fn loaded(limits: Limits) -> (Host, Arc<Revision>) {
    let host = host();
    let revision = host.load(service("acme", limits)).unwrap();
    (host, revision)
}

fn get(path: &str) -> http::Request<RequestBody> {
    http::Request::get(format!("https://gate.example{path}")).body(body(b"")).unwrap()
}

async fn said(revision: &Arc<Revision>, request: http::Request<RequestBody>) -> String {
    let answer = revision.call(request).await.unwrap();
    let bytes = answer.into_body().collect().await.unwrap().to_bytes();
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// Which call of its instance this is, and what it finds there.
async fn again(revision: &Arc<Revision>, word: &str) -> String {
    said(revision, get(&format!("/again?{word}"))).await
}

/// Lets so many seconds pass, one by one: whoever looks for idle ones every second has looked.
async fn pass(seconds: u64) {
    for _ in 0..seconds {
        advance(Duration::from_secs(1)).await;
    }
}

fn kept(revision: &Revision) -> usize {
    revision.reused().map_or(0, |reused| reused.kept)
}

fn ended(revision: &Revision, why: End) -> u64 {
    revision.reused().unwrap().ended(why)
}

#[tokio::test]
async fn the_next_call_finds_what_one_left_and_without_reuse_none_does() {
    let (host, revision) = loaded(reused(100));
    assert_eq!(again(&revision, "one").await, "call 1, after \"\"");
    assert_eq!(again(&revision, "two").await, "call 2, after \"one\"");
    assert_eq!(said(&revision, get("/seen?a=b")).await.lines().nth(3), Some("/seen?a=b"));
    assert_eq!(again(&revision, "three").await, "call 3, after \"two\"");
    assert_eq!((kept(&revision), host.instances_in_use()), (1, 1));
    assert_eq!(revision.reused().unwrap().calls, 3);
    assert_eq!(revision.counters().calls.load(Relaxed), 1, "one was made");

    for once in [None, Some(ReuseLimits { requests: 1, idle: IDLE })] {
        let fresh = Limits { reuse: once, ..reused(1) };
        let (host, revision) = loaded(fresh);
        for _ in 0..3 {
            assert_eq!(again(&revision, "one").await, "call 1, after \"\"", "{once:?}");
            assert_eq!(host.instances_in_use(), 0, "{once:?}");
        }
        assert_eq!(revision.reused(), None);
    }
}

#[tokio::test]
async fn an_instance_ends_after_so_many_calls() {
    let (host, revision) = loaded(reused(2));
    for (word, found) in [
        ("a", "1, after \"\""),
        ("b", "2, after \"a\""),
        ("c", "1, after \"\""),
        ("d", "2, after \"c\""),
    ] {
        assert_eq!(again(&revision, word).await, format!("call {found}"));
    }
    assert_eq!((kept(&revision), host.instances_in_use()), (0, 0));
    assert_eq!(ended(&revision, End::Requests), 2);
}

#[tokio::test(start_paused = true)]
async fn an_idle_one_ends_and_one_that_is_called_lives_on() {
    let (host, revision) = loaded(reused(100));
    for call in 1..4 {
        assert!(again(&revision, "").await.starts_with(&format!("call {call},")));
        pass(IDLE.as_secs() - 2).await;
        assert_eq!(host.instances_in_use(), 1);
    }
    pass(4).await;
    emptied(&host).await;
    assert_eq!((kept(&revision), ended(&revision, End::Idle)), (0, 1));
    assert!(again(&revision, "").await.starts_with("call 1,"), "and the next one is fresh");
    pass(IDLE.as_secs() + 2).await;
    emptied(&host).await;
}

#[tokio::test]
async fn the_one_that_was_kept_last_is_called_first() {
    let (_host, revision) = loaded(reused(100));
    let slow = |revision: &Arc<Revision>| {
        let revision = Arc::clone(revision);
        tokio::spawn(async move { said(&revision, get("/slow?ms=20")).await })
    };
    let both = [slow(&revision), slow(&revision)];
    for one in both {
        assert_eq!(one.await.unwrap(), "waited");
    }
    assert_eq!(kept(&revision), 2);
    for call in 1..5 {
        assert!(again(&revision, "").await.starts_with(&format!("call {call},")));
    }
    assert_eq!(kept(&revision), 2);
}

#[tokio::test]
async fn a_call_that_does_not_end_well_ends_its_instance() {
    let hasty = Limits {
        wall: Duration::from_secs(1),
        store: StoreLimits {
            operations: 0,
            ..StoreLimits::default()
        },
        ..reused(100)
    };
    let (host, revision) = loaded(hasty);
    for path in [
        "/trap",
        "/trap-late",
        "/memory",
        "/cpu",
        "/deep",
        "/handles",
        "/headers",
        "/trailers",
        "/error",
        "/short",
        "/behind",
        "/behind-cpu",
        // These are answered: what was too much was dropped or refused.
        "/flood",
        "/count",
        "/hold",
    ] {
        assert_eq!(again(&revision, path).await, "call 1, after \"\"", "before {path}");
        let before = ended(&revision, End::Call);
        if let Ok(answer) = revision.call(get(path)).await {
            let _ = answer.into_body().collect().await;
        }
        until("ended", || ended(&revision, End::Call) == before + 1).await;
        assert_eq!((kept(&revision), host.instances_in_use()), (0, 0), "{path}");
    }
}

#[tokio::test]
async fn a_caller_that_goes_away_ends_the_instance_that_it_called() {
    let (host, revision) = loaded(reused(100));
    assert!(again(&revision, "").await.starts_with("call 1,"));
    let streaming = revision.call(get("/stall")).await.unwrap();
    assert_eq!((kept(&revision), host.instances_in_use()), (0, 1), "it is the one that was kept");
    drop(streaming);
    emptied(&host).await;
    assert!(again(&revision, "").await.starts_with("call 1,"));
    let waiting = tokio::spawn({
        let revision = Arc::clone(&revision);
        async move { revision.call(get("/stall-head")).await.is_ok() }
    });
    until("begun", || kept(&revision) == 0).await;
    waiting.abort();
    assert!(waiting.await.is_err());
    emptied(&host).await;
    // The worker is done, and what it wrote is not taken.
    assert!(again(&revision, "").await.starts_with("call 1,"));
    drop(revision.call(get("/bytes?count=100000")).await.unwrap());
    emptied(&host).await;
    assert_eq!(ended(&revision, End::Call), 3);
}

#[tokio::test]
async fn an_answer_that_streams_keeps_its_instance_when_it_was_taken() {
    let (_host, revision) = loaded(reused(100));
    assert!(again(&revision, "").await.starts_with("call 1,"));
    for path in ["/bytes?count=1000000", "/after?ms=1"] {
        assert!(!said(&revision, get(path)).await.is_empty());
        until("kept", || kept(&revision) == 1).await;
    }
    let echo = http::Request::post("https://gate.example/echo").body(body(b"text")).unwrap();
    assert_eq!(said(&revision, echo).await, "text");
    until("kept", || kept(&revision) == 1).await;
    let read = http::Request::post("https://gate.example/read").body(body(b"text")).unwrap();
    assert_eq!(said(&revision, read).await, "4 bytes");
    until("kept", || kept(&revision) == 1).await;
    assert!(again(&revision, "").await.starts_with("call 2,"), "{:?}", revision.reused());
}

#[tokio::test]
async fn nobody_else_ever_gets_it() {
    let host = host();
    let next = RevisionSpec {
        revision: RevisionId::new("r2").unwrap(),
        ..service("acme", reused(100))
    };
    let revisions = [service("acme", reused(100)), service("beta", reused(100)), next].map(|spec| host.load(spec).unwrap());
    assert_eq!(host.loaded().units, 1, "they are one component");
    for call in 1..4 {
        for (word, revision) in ["acme", "beta", "next"].into_iter().zip(&revisions) {
            let before = if call == 1 { "" } else { word };
            assert_eq!(again(revision, word).await, format!("call {call}, after {before:?}"), "{word}");
        }
    }
}

/// Grants everything, and notes for whom.
#[derive(Default)]
struct Peer(Mutex<Vec<String>>);

struct Granting(Arc<Peer>);

impl Outbound for Granting {
    fn is_open(&self) -> bool {
        true
    }

    fn send(&self, outgoing: Outgoing) -> Sent {
        let trace = outgoing
            .origin
            .headers
            .get("traceparent")
            .map_or("none", |trace| trace.to_str().unwrap());
        self.0.0.lock().unwrap().push(trace.to_owned());
        let place = outgoing.origin.places.clone().try_acquire_owned();
        let is_silent = outgoing.request.uri().host() == Some("silent.example");
        Box::pin(async move {
            let place = place.map_err(|_| OutboundError::TooMany)?;
            if is_silent {
                std::future::pending::<()>().await;
            }
            // For as long as there is something of the answer left.
            let body = Full::new(Bytes::new()).map_err(move |never| {
                let _ = &place;
                match never {}
            });
            Ok(http::Response::new(body.boxed_unsync()))
        })
    }
}

#[tokio::test]
async fn what_a_call_leaves_in_the_host_ends_its_instance() {
    let spec = RevisionSpec {
        outbound: Some(Arc::new(Granting(Arc::default()))),
        ..service("acme", reused(100))
    };
    let host = host();
    let revision = host.load(spec).unwrap();
    for (path, is_kept) in [
        ("/call?url=https://any.example/", true),
        // An answer that was not read, and a call that was not waited for.
        ("/forget-answer?url=https://any.example/", false),
        ("/forget-call?url=https://silent.example/", false),
        // Lists of header fields that the host has to hold.
        ("/lists?count=8", true),
        ("/lists?count=200", false),
    ] {
        let call = again(&revision, "").await;
        assert!(call.starts_with("call 1,"), "{path}: {call}");
        said(&revision, get(path)).await;
        let call = again(&revision, "").await;
        assert_eq!(call.starts_with("call 2,"), is_kept, "{path}: {call}");
        revision.call(get("/trap")).await.unwrap_err();
    }
}

#[tokio::test]
async fn each_call_has_its_own_conversation_trace_and_places_for_calls_out() {
    let peer = Arc::new(Peer::default());
    let spec = RevisionSpec {
        outbound: Some(Arc::new(Granting(Arc::clone(&peer)))),
        ..service("acme", reused(100))
    };
    let host = host();
    let revision = host.load(spec).unwrap();
    let talk = async |key: Option<&str>, word: &str| {
        let mut request = get(&format!("/session?{word}"));
        if let Some(key) = key {
            request.extensions_mut().insert(Session {
                endpoint: EndpointId::new("slack").unwrap(),
                key: key.to_owned(),
            });
        }
        said(&revision, request).await
    };
    assert_eq!(talk(Some("s1"), "one").await, "nothing");
    assert_eq!(talk(Some("s2"), "two").await, "nothing");
    assert_eq!(talk(Some("s1"), "three").await, "one");
    let none = talk(None, "four").await;
    assert!(none.contains("NoSession"), "the last call's conversation is not this one's: {none}");

    for trace in ["a", "b"] {
        let mut request = get(&format!("/fan?count={MAX_AT_ONCE}&url=https://any.example/"));
        request.headers_mut().insert("traceparent", trace.parse().unwrap());
        let fanned = said(&revision, request).await;
        assert!(fanned.starts_with(&format!("{MAX_AT_ONCE} x status: 200")), "{fanned}");
    }
    let traces = peer.0.lock().unwrap().clone();
    assert_eq!(traces, [vec!["a"; MAX_AT_ONCE], vec!["b"; MAX_AT_ONCE]].concat());
    assert_eq!(revision.reused().unwrap().calls, 5, "all in one instance");
}

#[tokio::test]
async fn each_call_has_its_own_budgets() {
    let tight = Limits {
        store: StoreLimits {
            operations: 1,
            ..StoreLimits::default()
        },
        cpu: Duration::from_millis(200),
        ..reused(1000)
    };
    let (_host, revision) = loaded(tight);
    // Together these write more than the log takes of a call.
    for call in 1..1500 {
        let path = if call % 2 == 0 { "/count" } else { "/say" };
        assert!(!said(&revision, get(path)).await.is_empty(), "call {call}");
        until("kept", || call == 1_000 || kept(&revision) == 1).await;
    }
    for limit in [Limit::Log, Limit::StoreOperations, Limit::Cpu] {
        assert_eq!(revision.counters().limits.of(limit), 0, "{limit:?}");
    }
    assert_eq!(said(&revision, get("/random")).await, "65536 random bytes");
    let reused = revision.reused().unwrap();
    assert_eq!((reused.calls, reused.ended(End::Requests), reused.ended(End::Call)), (1498, 1, 0));
}

#[tokio::test]
async fn its_memory_counts_over_all_of_its_calls() {
    let (host, revision) = loaded(reused(100));
    for call in 1..3 {
        assert_eq!(said(&revision, get("/hoard?mib=12")).await, "hoarded", "call {call}");
    }
    let error = revision.call(get("/hoard?mib=12")).await.map(drop).unwrap_err();
    assert!(matches!(&error, CallError::Trap(why) if why.contains("the limit is")), "{error}");
    assert_eq!((kept(&revision), host.instances_in_use()), (0, 0));
}

#[tokio::test]
async fn kept_instances_take_no_places_from_calls_and_a_tenant_not_all_of_theirs() {
    let wide = Limits {
        memory: ByteSize::mib(700),
        ..reused(100)
    };
    let host = host();
    let [acme, beta] = ["acme", "beta"].map(|tenant| host.load(service(tenant, wide)).unwrap());
    let fill = async |revision: &Arc<Revision>, count: usize| {
        let calls: Vec<_> = (0..count)
            .map(|_| {
                let revision = Arc::clone(revision);
                tokio::spawn(async move { said(&revision, get("/slow?ms=20")).await })
            })
            .collect();
        for call in calls {
            assert_eq!(call.await.unwrap(), "waited");
        }
    };
    // Three quarters of four places run at once, and all are kept.
    fill(&acme, 3).await;
    let full = kept(&acme);
    assert!((2..=3).contains(&full), "{full}");
    // All places of the pool are still there for others.
    let mut held = Vec::new();
    for _ in 0..3 {
        held.push(beta.call(get("/stall")).await.unwrap());
    }
    assert_eq!(kept(&acme), full);
    assert_eq!(host.instances_in_use() as usize, full + 3);
    drop(held);
    until("given back", || host.instances_in_use() as usize == full).await;

    // One that has half a gigabyte finds no place among the kept, and one tenant's large ones leave some to others.
    assert_eq!(said(&acme, get("/hoard?mib=520")).await, "hoarded");
    assert_eq!(ended(&acme, End::Room), 1);
    for _ in 0..3 {
        assert_eq!(said(&acme, get("/hoard?mib=100")).await, "hoarded");
    }
    assert!(again(&beta, "").await.starts_with("call 1,"));
    assert!(again(&beta, "").await.starts_with("call 2,"), "the other tenant's are kept too");
}

#[tokio::test]
async fn a_retired_revision_lets_go_of_its_own_at_once() {
    let host = host();
    let [first, second] = ["acme", "beta"].map(|tenant| host.load(service(tenant, reused(100))).unwrap());
    for revision in [&first, &second] {
        assert!(again(revision, "").await.starts_with("call 1,"));
    }
    let running = first.call(get("/echo")).await.unwrap();
    assert!(again(&first, "").await.starts_with("call "));
    first.retire();
    assert_eq!(kept(&first), 0);
    assert!(running.into_body().collect().await.is_ok(), "its calls go on");
    until("given back", || host.instances_in_use() == 1).await;
    assert!(again(&first, "").await.starts_with("call 1,"), "it still answers");
    assert_eq!((kept(&first), kept(&second)), (0, 1));
    assert!(ended(&first, End::Retired) >= 1);
    assert!(again(&second, "").await.starts_with("call 2,"));
}

#[tokio::test(start_paused = true)]
async fn a_revision_that_nobody_has_any_more_goes_with_its_idle_instances() {
    let (host, revision) = loaded(reused(100));
    assert!(again(&revision, "").await.starts_with("call 1,"));
    let gone = Arc::downgrade(&revision);
    drop(revision);
    pass(IDLE.as_secs() + 2).await;
    emptied(&host).await;
    until("gone", || gone.strong_count() == 0).await;
}

#[test]
fn another_engine_reuses_nothing_and_says_so() {
    let host = host();
    for engine in [Profile::Default, Profile::Large] {
        let spec = RevisionSpec {
            engine,
            ..spec("hello", "acme", reused(2))
        };
        let refused = host.load(spec).map(drop).unwrap_err();
        assert_eq!(refused, LoadError::Reuse { engine: engine.name() });
        assert!(refused.to_string().contains("the engine `async`"), "{refused}");
    }
}
