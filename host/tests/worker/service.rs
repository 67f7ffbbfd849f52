//! Workers of `wasi:http/handler` 0.3 on the engine `async`: what they see and say, what bounds them, and what they may reach. The worker is
//! `service`.

use super::{body, emptied, limits, sample, spec, until};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::{HeaderMap, HeaderValue};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Full, StreamBody};
use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::sync::{mpsc, oneshot};
use tollgate_config::{
    ByteSize, EndpointId,
    manifest::{BreakerLimits, Limits},
};
use tollgate_host::{
    BodyError, BreakerState, CallError, Host, HostConfig, Limit, LoadError, MAX_AT_ONCE, Outbound, OutboundError, Outgoing, Profile,
    Refusal, RequestBody, Revision, RevisionSpec, Sent, Session,
};
use tollgate_store::MemoryStore;

fn host() -> Host {
    let config = HostConfig {
        instances: 2,
        async_instances: 16,
        ..HostConfig::default()
    };
    Host::new(config, Arc::new(MemoryStore::default())).unwrap()
}

pub(super) fn service(tenant: &str, limits: Limits) -> RevisionSpec {
    RevisionSpec {
        engine: Profile::Async,
        ..spec("service", tenant, limits)
    }
}

/// For a call that waits for its test.
pub(super) fn patient() -> Limits {
    Limits {
        wall: Duration::from_secs(3600),
        first_byte: Duration::from_secs(3600),
        stall: Duration::from_secs(3600),
        ..limits()
    }
}

/// One call at a time, and not for long.
fn narrow() -> Limits {
    Limits {
        wall: Duration::from_millis(100),
        concurrency: 1,
        queue: 0,
        ..limits()
    }
}

/// One compilation for all tests that only need answers and counters that grow.
fn shared() -> &'static Arc<Revision> {
    static LOADED: OnceLock<(Host, Arc<Revision>)> = OnceLock::new();
    let load = || {
        let host = host();
        let revision = host.load(service("acme", patient())).unwrap();
        (host, revision)
    };
    &LOADED.get_or_init(load).1
}

/// A host of its own with this worker.
fn alone(limits: Limits) -> (Host, Arc<Revision>) {
    let host = host();
    let revision = host.load(service("acme", limits)).unwrap();
    (host, revision)
}

fn get(path: &str) -> http::Request<RequestBody> {
    http::Request::get(format!("https://gate.example:8443{path}"))
        .body(body(b""))
        .unwrap()
}

fn post(path: &str, body: RequestBody) -> http::Request<RequestBody> {
    http::Request::post(format!("https://gate.example{path}")).body(body).unwrap()
}

/// Its worker gives the body itself back, which it has not touched.
fn handed_on(body: RequestBody) -> http::Request<RequestBody> {
    let mut request = post("/echo", body);
    request.headers_mut().insert("x-echo", HeaderValue::from_static("spliced"));
    request
}

async fn said(revision: &Arc<Revision>, request: http::Request<RequestBody>) -> String {
    let answer = revision.call(request).await.unwrap();
    assert_eq!(answer.status(), 200);
    let bytes = answer.into_body().collect().await.unwrap().to_bytes();
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// How a call ends, whether before its head or after it.
async fn end(revision: &Arc<Revision>, path: &str) -> Result<Bytes, CallError> {
    ended(revision, get(path)).await
}

async fn ended(revision: &Arc<Revision>, request: http::Request<RequestBody>) -> Result<Bytes, CallError> {
    match revision.call(request).await?.into_body().collect().await {
        Ok(whole) => Ok(whole.to_bytes()),
        Err(BodyError::Worker(error)) => Err(error),
        Err(other) => panic!("{other}"),
    }
}

/// A body that its owner sends piece by piece.
fn piecemeal() -> (mpsc::Sender<Frame<Bytes>>, RequestBody) {
    let (send, receive) = mpsc::channel(8);
    let frames = stream::unfold(receive, async |mut receive| receive.recv().await.map(|frame| (Ok(frame), receive)));
    (send, StreamBody::new(frames).boxed_unsync())
}

#[tokio::test]
async fn an_ordinary_service_answers_and_its_length_is_known() {
    let (host, revision) = alone(limits());
    let answer = revision.call(get("/a?b=c")).await.unwrap();
    assert_eq!(answer.body().size_hint().exact(), Some(12));
    assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), "hello /a?b=c");
    assert_eq!(host.instances_in_use(), 0);
    assert_eq!(revision.counters().calls.load(Ordering::Relaxed), 1);
    let pools = host.pools();
    assert!(pools.iter().all(|(profile, _)| *profile != Profile::Large), "{pools:?}");
}

#[tokio::test]
async fn a_service_sees_the_true_scheme_authority_method_path_and_headers() {
    for scheme in ["http", "https"] {
        let request = http::Request::put(format!("{scheme}://gate.example:8443/seen?r=s"))
            .header("x-kept", "yes")
            .header("host", "elsewhere.example")
            .body(body(b""))
            .unwrap();
        let said = said(shared(), request).await.to_ascii_lowercase();
        for part in [
            &format!("scheme::{scheme})") as &str,
            "gate.example:8443",
            "method::put",
            "/seen?r=s",
            "x-kept: yes",
        ] {
            assert!(said.contains(part), "{part} is not in {said}");
        }
        assert!(!said.contains("elsewhere"), "{said}");
    }
}

#[tokio::test]
async fn bodies_stream_both_ways_and_trailers_pass() {
    // By the worker's own hands, and handed on as it came: then the worker is gone and its answer goes on.
    for spliced in [false, true] {
        let (send, receive) = piecemeal();
        let request = if spliced { handed_on(receive) } else { post("/echo", receive) };
        let (host, revision) = alone(patient());
        let mut answer = revision.call(request).await.unwrap().into_body();
        for piece in ["one", "two", "three"] {
            // An empty frame is no piece.
            send.try_send(Frame::data(Bytes::new())).unwrap();
            send.try_send(Frame::data(Bytes::from_static(piece.as_bytes()))).unwrap();
            let back = answer.frame().await.unwrap().unwrap().into_data().unwrap();
            assert_eq!(back, piece, "spliced: {spliced}");
        }
        let trailers = HeaderMap::from_iter([("x-sum".parse().unwrap(), HeaderValue::from_static("11"))]);
        send.try_send(Frame::trailers(trailers.clone())).unwrap();
        drop(send);
        let back = answer.frame().await.unwrap().unwrap().into_trailers().unwrap();
        assert_eq!(back, trailers, "spliced: {spliced}");
        assert!(answer.frame().await.is_none());
        drop(answer);
        emptied(&host).await;
    }
}

#[tokio::test]
async fn a_body_that_was_handed_on_counts_and_ends_with_its_calls_wall_time() {
    let (_host, revision) = alone(narrow());
    let (_send, receive) = piecemeal();
    let request = handed_on(receive);
    let answer = revision.call(request).await.unwrap();
    let refused = revision.call(get("/")).await.map(|answer| answer.status());
    assert_eq!(refused, Err(CallError::Saturated("the queue is full")));
    let end = answer.into_body().collect().await.map(drop);
    assert_eq!(end, Err(BodyError::Worker(CallError::Wall)));
    assert_eq!(revision.counters().limits.of(Limit::Wall), 1);
    assert_eq!(said(&revision, get("/")).await, "hello /");
}

#[tokio::test]
async fn a_body_that_nobody_takes_holds_its_place_no_longer_than_a_call_may_take() {
    let (_host, revision) = alone(narrow());
    let (_send, receive) = piecemeal();
    let request = handed_on(receive);
    let untaken = revision.call(request).await.unwrap();
    while let Err(refused) = revision.call(get("/")).await {
        assert_eq!(refused, CallError::Saturated("the queue is full"));
        tokio::task::yield_now().await;
    }
    drop(untaken);
}

#[tokio::test]
async fn a_body_is_handed_on_whole_or_not_at_all() {
    // More than a guest is given at once.
    static SENT: [u8; 300_000] = [b'7'; 300_000];
    assert_eq!(said(shared(), post("/rest", body(&SENT))).await.as_bytes(), SENT);
    let error = ended(shared(), post("/rest?after=10", body(&SENT))).await.unwrap_err();
    assert!(
        matches!(&error, CallError::Trap(why) if why.contains("had begun to read")),
        "what wasmtime forgets is not missing without a word: {error}"
    );
}

#[tokio::test]
async fn each_limit_that_ends_a_call_is_counted_by_its_name() {
    type Expected = fn(&CallError) -> bool;
    let trap: Expected = |error| matches!(error, CallError::Trap(_));
    let cases: [(&str, Expected, Option<Limit>); 13] = [
        ("/cpu", |error| *error == CallError::Cpu, Some(Limit::Cpu)),
        (
            "/memory",
            |error| matches!(error, CallError::Trap(why) if why.contains("the limit is")),
            Some(Limit::Memory),
        ),
        ("/deep", trap, Some(Limit::Stack)),
        ("/headers", |error| matches!(error, CallError::Headers(_)), Some(Limit::Fields)),
        ("/trailers", trap, Some(Limit::Fields)),
        ("/handles", trap, Some(Limit::Handles)),
        ("/streams", trap, Some(Limit::Handles)),
        ("/hostcall", trap, Some(Limit::Hostcall)),
        ("/trap", trap, None),
        ("/trap-late", trap, None),
        ("/short", trap, None),
        ("/short?none", trap, None),
        ("/error", |error| matches!(error, CallError::ErrorCode(_)), None),
    ];
    let revision = shared();
    for (path, expected, limit) in cases {
        let count = || limit.map(|limit| revision.counters().limits.of(limit));
        let before = count();
        let error = end(revision, path).await.unwrap_err();
        assert!(expected(&error), "{path}: {error}");
        assert!(error.is_workers(), "{path}: {error}");
        assert!(limit.is_none() || count() > before, "{path}: {error}");
    }
}

#[tokio::test]
async fn what_is_promised_to_a_head_need_not_follow() {
    let mut head = get("/short?none");
    *head.method_mut() = http::Method::HEAD;
    let answer = shared().call(head).await.unwrap();
    assert_eq!(answer.headers().get("content-length").unwrap(), "100");
    assert!(answer.into_body().collect().await.is_ok());
}

#[tokio::test]
async fn what_0_3_gives_less_of_is_given_less_of() {
    assert_eq!(said(shared(), get("/random")).await, "65536 random bytes");
    let fields = said(shared(), get("/fields")).await;
    let count: usize = fields.strip_suffix(" fields").unwrap().parse().unwrap();
    assert!((64..128).contains(&count), "128 KiB of fields: {fields}");
}

#[tokio::test]
async fn a_flood_of_logging_is_dropped_and_counted_once_for_each_call() {
    let (_host, revision) = alone(limits());
    assert_eq!(said(&revision, get("/say")).await, "said");
    assert_eq!(revision.counters().limits.of(Limit::Log), 0);
    assert_eq!(said(&revision, get("/flood")).await, "said");
    assert_eq!(revision.counters().limits.of(Limit::Log), 1);
    let dropped = revision.counters().log_bytes_dropped.load(Ordering::Relaxed);
    assert_eq!(dropped, (1 << 20) - (16 << 10));
}

#[tokio::test]
async fn an_answer_that_does_not_begin_or_stands_still_is_cut_off() {
    let (host, revision) = alone(Limits {
        wall: Duration::from_secs(3600),
        first_byte: Duration::from_millis(50),
        stall: Duration::from_millis(50),
        ..limits()
    });
    assert_eq!(end(&revision, "/stall-head").await, Err(CallError::FirstByte));
    emptied(&host).await;
    assert_eq!(end(&revision, "/stall").await, Err(CallError::Stall));
    emptied(&host).await;
    for limit in [Limit::FirstByte, Limit::Stall] {
        assert_eq!(revision.counters().limits.of(limit), 1, "{limit:?}");
    }
}

#[tokio::test]
async fn what_goes_on_behind_an_answer_ends_with_the_wall_time_or_the_cpu_time() {
    let short = Limits {
        wall: Duration::from_millis(100),
        ..limits()
    };
    for (path, within, limit) in [("/behind", short, Limit::Wall), ("/behind-cpu", patient(), Limit::Cpu)] {
        let (host, revision) = alone(within);
        // The answer is out before its worker is cut off, or it is cut off with it.
        if let Ok(answer) = end(&revision, path).await {
            assert!(matches!(&answer[..], b"waits" | b"spins"), "{path}: {answer:?}");
        }
        emptied(&host).await;
        until("counted", || revision.counters().limits.of(limit) == 1).await;
    }
    // What it does within the time is done, though its caller has gone.
    let (host, revision) = alone(patient());
    assert_eq!(said(&revision, get("/after?ms=1")).await, "later");
    emptied(&host).await;
    assert_eq!(said(&revision, get("/count")).await, "2", "the work behind the answer was not done");
}

#[tokio::test]
async fn a_worker_may_go_on_behind_a_body_that_it_handed_on() {
    let (host, revision) = alone(patient());
    // No head says how long it is: the body itself does.
    let mut request = post("/echo?ms=20", body(b"1234"));
    request.headers_mut().insert("x-echo", HeaderValue::from_static("spliced"));
    let mut answer = revision.call(request).await.unwrap().into_body();
    let mut bytes = 0;
    while bytes < 4 {
        bytes += answer.frame().await.unwrap().unwrap().into_data().unwrap().len();
    }
    drop(answer);
    emptied(&host).await;
    assert_eq!(said(&revision, get("/count")).await, "2", "the work behind the answer was not done");
}

#[tokio::test]
async fn a_worker_that_never_ends_its_body_is_cut_off_by_its_wall_time() {
    let (host, revision) = alone(Limits {
        wall: Duration::from_millis(50),
        cpu: Duration::from_secs(60),
        ..limits()
    });
    for path in ["/stall", "/empty-writes"] {
        assert_eq!(end(&revision, path).await, Err(CallError::Wall), "{path}");
        emptied(&host).await;
    }
    until("counted", || revision.counters().limits.of(Limit::Wall) == 2).await;
}

#[tokio::test]
async fn no_empty_frame_leaves_a_guest() {
    // GHSA-f8mm-ggr3-89wh
    let (_host, revision) = alone(Limits {
        wall: Duration::from_millis(50),
        cpu: Duration::from_secs(60),
        ..limits()
    });
    let mut body = revision.call(get("/empty-writes")).await.unwrap().into_body();
    let first = body.frame().await.unwrap().map(|frame| frame.into_data().unwrap());
    assert_eq!(first, Err(BodyError::Worker(CallError::Wall)));
}

#[tokio::test]
async fn a_client_that_goes_away_ends_its_call() {
    let (host, revision) = alone(patient());
    let streaming = revision.call(get("/stall")).await.unwrap();
    assert_eq!(host.instances_in_use(), 1);
    drop(streaming);
    emptied(&host).await;
    let waiting = tokio::spawn({
        let revision = Arc::clone(&revision);
        async move { revision.call(get("/stall-head")).await.is_ok() }
    });
    until("begun", || host.instances_in_use() == 1).await;
    waiting.abort();
    assert!(waiting.await.is_err());
    emptied(&host).await;
    // A body that nobody reads is not written for ever.
    let unread = revision.call(get("/bytes?count=10000000")).await.unwrap();
    assert_eq!(host.instances_in_use(), 1);
    drop(unread);
    emptied(&host).await;
}

#[tokio::test]
async fn a_large_body_comes_whole() {
    assert_eq!(end(shared(), "/bytes?count=3000000").await.unwrap().len(), 3_000_000);
}

#[tokio::test]
async fn a_hog_goes_on_in_the_slow_lane() {
    let (host, revision) = alone(patient());
    assert_eq!(said(&revision, get("/slow?ms=1")).await, "waited");
    let slowed = || revision.counters().slowed.load(Ordering::Relaxed);
    let before = slowed();
    assert_eq!(end(&revision, "/cpu").await, Err(CallError::Cpu));
    assert_eq!(slowed(), before + 1);
    emptied(&host).await;
}

#[tokio::test]
async fn a_callers_body_that_fails_is_the_callers_fault() {
    let (_host, revision) = alone(limits());
    for (failure, error, limit) in [
        (BodyError::Slow, CallError::BodyTooSlow, Limit::BodyStall),
        (BodyError::TooLarge { limit: 4 }, CallError::BodyTooLarge, Limit::Body),
    ] {
        let failing = || {
            let frames = [Ok(Frame::data(Bytes::from_static(b"some"))), Err(failure.clone())];
            StreamBody::new(stream::iter(frames)).boxed_unsync()
        };
        let told = revision.call(post("/read", failing())).await.map(|answer| answer.status());
        assert_eq!(told, Err(error.clone()));
        assert_eq!(revision.counters().limits.of(limit), 1);
        let mut spliced = post("/echo", failing());
        spliced.headers_mut().insert("x-echo", HeaderValue::from_static("spliced"));
        assert_eq!(revision.call(spliced).await.map(|answer| answer.status()), Err(error));
    }
    let frames = ["", "so", "", "", "me", ""].map(|piece| Ok(Frame::data(Bytes::from_static(piece.as_bytes()))));
    let pieces = StreamBody::new(stream::iter(frames)).boxed_unsync();
    assert_eq!(said(&revision, post("/read", pieces)).await, "4 bytes");
}

#[tokio::test]
async fn a_caller_that_holds_a_call_up_opens_no_breaker_and_a_bad_worker_does() {
    let breaker = BreakerLimits {
        failures: 1,
        window: Duration::from_secs(3600),
        open: Duration::from_secs(3600),
    };
    let (_host, revision) = alone(Limits {
        wall: Duration::from_millis(50),
        breaker: Some(breaker),
        ..limits()
    });
    let first = stream::iter([Ok(Frame::data(Bytes::from_static(b"{")))]);
    let never_ending = StreamBody::new(first.chain(stream::pending())).boxed_unsync();
    let told = revision.call(post("/read", never_ending)).await.map(|answer| answer.status());
    assert_eq!(told, Err(CallError::Wall));
    assert_eq!(revision.breaker(), Some((BreakerState::Closed, 0)));
    assert!(end(&revision, "/trap-late").await.is_err());
    until("open", || revision.breaker() == Some((BreakerState::Open, 1))).await;
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
    let host = host();
    let acme = host.load(service("acme", limits)).unwrap();
    let beta = host.load(service("beta", limits)).unwrap();
    let other_engine = host.load(spec("hello", "beta", limits)).unwrap();
    let mut held = Vec::new();
    while let Ok(answer) = acme.call(get("/stall")).await {
        held.push(answer);
    }
    assert_eq!(held.len(), 12, "three quarters of 16 places");
    assert_eq!(acme.counters().limits.of(Limit::Instances), 1);
    for call in 0..20 {
        assert_eq!(said(&beta, get("/")).await, "hello /", "call {call}");
        assert_eq!(said(&other_engine, get("/")).await, "hello /", "call {call}");
    }
    drop(held);
    emptied(&host).await;
}

#[tokio::test]
async fn state_and_sessions_belong_to_their_deployment_and_conversation() {
    let host = host();
    let acme = host.load(service("acme", limits())).unwrap();
    let beta = host.load(service("beta", limits())).unwrap();
    for (revision, count) in [(&acme, "1"), (&acme, "2"), (&beta, "1"), (&acme, "3")] {
        assert_eq!(said(revision, get("/count")).await, count);
    }
    let talk = async |revision: &Arc<Revision>, key: &str, word: &str| {
        let mut request = get(&format!("/session?{word}"));
        request.extensions_mut().insert(Session {
            endpoint: EndpointId::new("slack").unwrap(),
            key: key.to_owned(),
        });
        said(revision, request).await
    };
    for (revision, key, word, before) in [
        (&acme, "s1", "one", "nothing"),
        (&acme, "s1", "two", "one"),
        (&acme, "s2", "three", "nothing"),
        (&beta, "s1", "four", "nothing"),
        (&acme, "s1", "five", "two"),
    ] {
        assert_eq!(talk(revision, key, word).await, before, "{key} {word}");
    }
    let none = said(&acme, get("/session?six")).await;
    assert!(none.contains("NoSession"), "{none}");
}

/// Grants one host, within the places of a call, and answers when it is told to.
struct Peer {
    wait: AtomicBool,
    sent: AtomicUsize,
    go: std::sync::Mutex<Vec<oneshot::Sender<()>>>,
}

struct Granting(Arc<Peer>);

impl Outbound for Granting {
    fn is_open(&self) -> bool {
        true
    }

    fn send(&self, outgoing: Outgoing) -> Sent {
        let peer = Arc::clone(&self.0);
        Box::pin(async move {
            let place = outgoing
                .origin
                .places
                .clone()
                .try_acquire_owned()
                .map_err(|_| OutboundError::TooMany)?;
            let uri = outgoing.request.uri();
            if uri.host() != Some("granted.example") {
                return Err(OutboundError::Denied);
            }
            let path = uri.path().to_owned();
            peer.sent.fetch_add(1, Ordering::Relaxed);
            if peer.wait.load(Ordering::Relaxed) {
                let (go, gone) = oneshot::channel();
                peer.go.lock().unwrap().push(go);
                let _ = gone.await;
            }
            drop(place);
            let body = Full::new(Bytes::from(path)).map_err(|never| match never {});
            Ok(http::Response::new(body.boxed_unsync()))
        })
    }
}

#[tokio::test]
async fn a_service_calls_out_to_what_is_granted_and_nowhere_else() {
    let denied = said(shared(), get("/call?url=http://127.0.0.1/")).await;
    assert!(denied.contains("HttpRequestDenied"), "nothing is granted: {denied}");
    let peer = Arc::new(Peer {
        wait: AtomicBool::new(false),
        sent: AtomicUsize::new(0),
        go: std::sync::Mutex::default(),
    });
    let spec = RevisionSpec {
        outbound: Some(Arc::new(Granting(Arc::clone(&peer)))),
        ..service("acme", limits())
    };
    let host = host();
    let revision = host.load(spec).unwrap();
    for (url, told) in [
        ("https://granted.example/x", "status: 200\n/x"),
        ("https://other.example/x", "HttpRequestDenied"),
        ("ftp://other.example/x", "HttpRequestDenied"),
    ] {
        let said = said(&revision, get(&format!("/call?url={url}"))).await;
        assert!(said.contains(told), "{url}: {said}");
    }
    // As many at once as one call may have; the rest is refused and not sent.
    peer.wait.store(true, Ordering::Relaxed);
    peer.sent.store(0, Ordering::Relaxed);
    let fan = get("/fan?count=20&url=https://granted.example/y");
    let fanned = tokio::spawn({
        let revision = Arc::clone(&revision);
        async move { said(&revision, fan).await }
    });
    until("sent", || peer.go.lock().unwrap().len() == MAX_AT_ONCE).await;
    peer.go.lock().unwrap().clear();
    let fanned = fanned.await.unwrap();
    assert!(
        fanned.contains("16 x status: 200") && fanned.contains("4 x ErrorCode::ConnectionLimitReached"),
        "{fanned}"
    );
    assert_eq!(peer.sent.load(Ordering::Relaxed), MAX_AT_ONCE);
}

#[test]
fn a_component_for_another_engine_is_told_of_it() {
    let host = host();
    for (name, engine, told) in [
        ("service", Profile::Default, "say `engine: async`"),
        ("service", Profile::Large, "say `engine: async`"),
        ("hello", Profile::Async, "say `engine: default`"),
    ] {
        let spec = RevisionSpec {
            engine,
            ..spec(name, "acme", limits())
        };
        let refused = host.load(spec).map(drop).unwrap_err();
        assert!(matches!(refused, LoadError::Engine { .. }), "{name}: {refused}");
        let text = refused.to_string();
        assert!(
            text.contains(told) && text.contains(engine.name()) && text.contains("wasi:http/"),
            "{name}: {text}"
        );
    }
    let nothing = RevisionSpec {
        component: Bytes::from_static(b"\0asm\x0d\0\x01\0"),
        ..service("acme", limits())
    };
    let refused = host.load(nothing).map(drop).unwrap_err();
    assert!(
        matches!(&refused, LoadError::Link(why) if why.contains("wasi:http/handler")),
        "{refused}"
    );
}

#[test]
fn no_snapshot_is_taken_and_the_reason_is_told() {
    assert_eq!(shared().snapshot(), Err(&Refusal::Engine));
    assert_eq!(Refusal::Engine.code(), "engine");
}

#[test]
fn what_a_service_imports_is_given_on_its_engine_alone() {
    let imports = |engine| tollgate_host::imports(&sample("service"), engine).unwrap();
    let unknown: Vec<_> = imports(Profile::Async)
        .into_iter()
        .filter(|import| import.grant.is_none())
        .collect();
    assert!(unknown.is_empty(), "{unknown:?}");
    let on_default = imports(Profile::Default);
    let client = on_default
        .iter()
        .find(|import| import.interface.starts_with("wasi:http/client@0.3"));
    assert_eq!(client.map(|import| import.grant), Some(None));
}

#[tokio::test]
async fn a_service_has_the_memory_that_its_deployment_gives() {
    let small = Limits {
        memory: ByteSize::kib(64),
        ..limits()
    };
    let (_host, revision) = alone(small);
    let error = revision.call(get("/")).await.map(|answer| answer.status()).unwrap_err();
    assert!(matches!(error, CallError::Trap(_)), "{error}");
    assert_eq!(revision.counters().limits.of(Limit::Memory), 1);
}
