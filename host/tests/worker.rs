//! The sample workers in the real host: what a call may do, what ends it, and that nothing of it stays.
//!
//! The workers come from `cargo xtask samples`.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a failed unwrap fails the test")]

#[path = "worker/cache.rs"]
mod cache;
#[path = "worker/contained.rs"]
mod contained;
#[path = "worker/engines.rs"]
mod engines;
#[path = "worker/interfaces.rs"]
mod interfaces;
#[path = "worker/residence.rs"]
mod residence;
#[path = "worker/reuse.rs"]
mod reuse;
#[path = "worker/service.rs"]
mod service;
#[path = "worker/snapshot.rs"]
mod snapshot;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use std::{
    collections::BTreeMap,
    path::Path,
    sync::{Arc, OnceLock, atomic::Ordering},
    time::Duration,
};
use tollgate_config::{ByteSize, DeploymentId, EnvId, RevisionId, TenantCtx, TenantId, manifest::Limits};
use tollgate_host::{BodyError, CallError, Host, HostConfig, LoadError, Profile, RequestBody, Revision, RevisionSpec, WarmUp};
use tollgate_store::MemoryStore;

fn sample(name: &str) -> Bytes {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../target/samples/{name}.wasm"));
    std::fs::read(&path)
        .unwrap_or_else(|error| panic!("{}: {error}; run `cargo xtask samples` first", path.display()))
        .into()
}

/// A host of its own for each test that looks at the pool.
fn host() -> Host {
    Host::new(
        HostConfig {
            instances: 16,
            ..HostConfig::default()
        },
        Arc::new(MemoryStore::default()),
    )
    .unwrap()
}

fn limits() -> Limits {
    Limits {
        memory: ByteSize::mib(32),
        wall: Duration::from_secs(2),
        concurrency: 8,
        queue: 8,
        ..Limits::default()
    }
}

fn spec(name: &str, tenant: &str, limits: Limits) -> RevisionSpec {
    RevisionSpec {
        tenant: TenantCtx {
            tenant_id: TenantId::new(tenant).unwrap(),
            env_id: EnvId::new("local").unwrap(),
            team_id: None,
        },
        deployment: DeploymentId::new(name).unwrap(),
        revision: RevisionId::new("r1").unwrap(),
        state_version: "r1".to_owned(),
        component: sample(name),
        engine: Profile::Default,
        warm_up: WarmUp::default(),
        limits,
        config: BTreeMap::new(),
        secrets: Arc::default(),
        outbound: None,
    }
}

fn body(bytes: &'static [u8]) -> RequestBody {
    Full::new(Bytes::from_static(bytes)).map_err(|never| match never {}).boxed_unsync()
}

fn get(path: &str) -> http::Request<RequestBody> {
    http::Request::get(format!("https://gate.example{path}")).body(body(b"")).unwrap()
}

async fn text(revision: &Arc<Revision>, request: http::Request<RequestBody>) -> (u16, String) {
    let answer = revision.call(request).await.unwrap();
    let status = answer.status().as_u16();
    (
        status,
        String::from_utf8(answer.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap(),
    )
}

/// One compilation of `hostile` serves all tests that only need its answers.
fn hostile() -> &'static Arc<Revision> {
    static LOADED: OnceLock<(Host, Arc<Revision>)> = OnceLock::new();
    &LOADED
        .get_or_init(|| {
            let host = host();
            let revision = host.load(spec("hostile", "acme", limits())).unwrap();
            (host, revision)
        })
        .1
}

/// Waits for what another thread is about to do.
async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    tokio::time::timeout(Duration::from_secs(20), async {
        while !holds() {
            tokio::task::yield_now().await;
        }
    })
    .await
    .unwrap_or_else(|_| panic!("not {what}"));
}

/// Waits until every place is back: a call that was dropped frees its own on the thread that it ran on.
async fn emptied(host: &Host) {
    until("emptied", || host.instances_in_use() == 0).await;
}

#[tokio::test]
async fn an_ordinary_worker_answers_and_its_length_is_known() {
    let host = host();
    let revision = host.load(spec("hello", "acme", limits())).unwrap();
    let answer = revision.call(get("/a?b=c")).await.unwrap();
    assert_eq!(http_body::Body::size_hint(answer.body()).exact(), Some(12));
    assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), "hello /a?b=c");
    assert_eq!(host.instances_in_use(), 0);
    assert_eq!(revision.counters().calls.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn a_worker_sees_the_true_scheme_authority_path_headers_and_body() {
    let host = host();
    let revision = host.load(spec("echo", "acme", limits())).unwrap();
    for scheme in ["http", "https"] {
        let request = http::Request::post(format!("{scheme}://gate.example:8443/p/q?r=s"))
            .header("x-kept", "yes")
            .body(body(b"text"))
            .unwrap();
        let (status, seen) = text(&revision, request).await;
        assert_eq!(status, 200);
        for part in [
            &format!("\"{scheme}\"") as &str,
            "\"gate.example:8443\"",
            "\"/p/q?r=s\"",
            "\"x-kept\"",
            "\"text\"",
        ] {
            assert!(seen.to_ascii_lowercase().contains(part), "{part} is not in {seen}");
        }
    }
}

#[tokio::test]
async fn each_way_to_misbehave_ends_with_its_own_error() {
    type Expected = fn(&CallError) -> bool;
    let cases: [(&str, Expected); 6] = [
        ("/cpu", |error| *error == CallError::Cpu),
        (
            "/memory",
            |error| matches!(error, CallError::Trap(reason) if reason.contains("the limit is")),
        ),
        ("/trap", |error| matches!(error, CallError::Trap(_))),
        ("/silent", |error| *error == CallError::NoAnswer),
        ("/deep", |error| matches!(error, CallError::Trap(_))),
        ("/headers", |error| matches!(error, CallError::Headers(_))),
    ];
    for (path, expected) in cases {
        let error = hostile().call(get(path)).await.map(|answer| answer.status()).unwrap_err();
        assert!(expected(&error), "{path}: {error}");
    }
}

#[tokio::test]
async fn a_hog_goes_on_in_the_slow_lane_and_still_comes_to_its_end() {
    let host = host();
    let revision = host.load(spec("hostile", "acme", limits())).unwrap();
    assert_eq!(text(&revision, get("/slow?ms=1")).await.0, 200);
    assert_eq!(revision.counters().slowed.load(Ordering::Relaxed), 0, "waiting is no CPU time");
    assert_eq!(revision.call(get("/cpu")).await.map(|answer| answer.status()), Err(CallError::Cpu));
    assert_eq!(revision.counters().slowed.load(Ordering::Relaxed), 1);
    emptied(&host).await;
}

#[tokio::test]
async fn a_flood_of_logging_is_dropped_and_counted() {
    // GHSA-5m8g-xhq4-4h93
    let answer = hostile().call(get("/stdout")).await;
    assert!(
        matches!(answer, Ok(_) | Err(CallError::Cpu | CallError::Wall)),
        "{:?}",
        answer.err()
    );
    assert!(hostile().counters().log_bytes_dropped.load(Ordering::Relaxed) > 0);
}

#[tokio::test]
async fn a_worker_that_never_ends_its_body_is_cut_off_by_its_wall_time() {
    let limits = Limits {
        wall: Duration::from_millis(50),
        cpu: Duration::from_secs(60),
        ..limits()
    };
    let host = host();
    let revision = host.load(spec("hostile", "acme", limits)).unwrap();
    for path in ["/stall", "/empty-writes"] {
        let outcome = match revision.call(get(path)).await {
            Ok(answer) => answer.into_body().collect().await.map(|_| ()),
            Err(error) => Err(BodyError::Worker(error)),
        };
        assert_eq!(outcome, Err(BodyError::Worker(CallError::Wall)), "{path}");
        emptied(&host).await;
    }
    until("counted", || revision.counters().wall_exhausted.load(Ordering::Relaxed) == 2).await;
}

#[tokio::test]
async fn a_client_that_goes_away_ends_its_call() {
    let host = host();
    let revision = host
        .load(spec(
            "hostile",
            "acme",
            Limits {
                wall: Duration::from_secs(3600),
                ..limits()
            },
        ))
        .unwrap();
    let streaming = revision.call(get("/stall")).await.unwrap();
    assert_eq!(host.instances_in_use(), 1);
    drop(streaming);
    emptied(&host).await;
    let waiting = tokio::spawn({
        let revision = Arc::clone(&revision);
        async move { revision.call(get("/slow?ms=3600000")).await.is_ok() }
    });
    while host.instances_in_use() == 0 {
        tokio::task::yield_now().await;
    }
    waiting.abort();
    assert!(waiting.await.is_err());
    emptied(&host).await;
}

#[tokio::test]
async fn a_full_revision_queues_then_refuses_and_recovers() {
    let limits = Limits {
        concurrency: 1,
        queue: 0,
        wall: Duration::from_secs(3600),
        ..limits()
    };
    let host = host();
    let revision = host.load(spec("hostile", "acme", limits)).unwrap();
    let held = revision.call(get("/stall")).await.unwrap();
    let refused = revision.call(get("/slow?ms=1")).await.map(|answer| answer.status()).unwrap_err();
    assert_eq!(refused, CallError::Saturated("the queue is full"));
    assert_eq!(revision.counters().saturated.load(Ordering::Relaxed), 1);
    drop(held);
    emptied(&host).await;
    assert_eq!(text(&revision, get("/slow?ms=1")).await.0, 200);
}

#[tokio::test]
async fn calling_out_is_refused_by_policy() {
    for url in ["http://169.254.169.254/", "http://127.0.0.1/", "https://example.com/"] {
        let (status, said) = text(hostile(), get(&format!("/outbound?url={url}"))).await;
        assert_eq!(status, 200);
        assert!(said.starts_with("HTTP-request-denied"), "{url}: {said}");
    }
}

#[tokio::test]
async fn a_body_over_the_limit_is_the_callers_fault_whatever_the_worker_says() {
    let host = host();
    let revision = host.load(spec("echo", "acme", limits())).unwrap();
    let failing = http_body_util::StreamBody::new(futures_util::stream::iter([
        Ok(http_body::Frame::data(Bytes::from_static(b"some"))),
        Err(BodyError::TooLarge { limit: 4 }),
    ]));
    let request = http::Request::post("http://gate.example/").body(failing.boxed_unsync()).unwrap();
    assert_eq!(
        revision.call(request).await.map(|answer| answer.status()),
        Err(CallError::BodyTooLarge)
    );
}

fn message(tenant_session: &str) -> http::Request<RequestBody> {
    http::Request::post("https://gate.example/slack/events")
        .header("tollgate-endpoint", "acme-slack")
        .header("tollgate-session-key", tenant_session)
        .body(body(br#"{"text":"hi"}"#))
        .unwrap()
}

#[tokio::test]
async fn counts_are_kept_for_each_conversation_and_never_cross_tenants() {
    let host = host();
    let acme = host.load(spec("support", "acme", limits())).unwrap();
    let beta = host.load(spec("support", "beta", limits())).unwrap();
    for (revision, session, count) in [
        (&acme, "s1", 1),
        (&acme, "s1", 2),
        (&acme, "s2", 1),
        (&beta, "s1", 1),
        (&acme, "s1", 3),
    ] {
        let (status, said) = text(revision, message(session)).await;
        assert_eq!(status, 200);
        assert!(
            said.contains(&format!("\"count\":{count}")) && said.contains("\"text\":\"hi\""),
            "{session}: {said}"
        );
    }
}

#[tokio::test]
async fn what_is_no_component_or_too_large_does_not_load() {
    let host = host();
    let broken = RevisionSpec {
        component: Bytes::from_static(b"\0asm\x01\0\0\0"),
        ..spec("hello", "acme", limits())
    };
    assert!(matches!(host.load(broken), Err(LoadError::Compile(_))));
    let large = Limits {
        memory: ByteSize::bytes((4 << 30) + 1),
        ..limits()
    };
    assert!(matches!(host.load(spec("hello", "acme", large)), Err(LoadError::Size(_))));
}
