//! Snapshots: what may be taken, what may not, and that nobody can tell a worker that begins at one from one that does not.

use super::{body, host, spec};
use bytes::Bytes;
use http_body_util::BodyExt;
use std::sync::Arc;
use tollgate_config::{ByteSize, manifest::Limits};
use tollgate_host::{CallError, Host, Refusal, RequestBody, Revision, RevisionSpec, WarmUp, WarmUpRequest};

fn asks(paths: &[&str]) -> WarmUp {
    let request = |path: &&str| WarmUpRequest {
        method: "GET".to_owned(),
        path: (*path).to_owned(),
        headers: Vec::new(),
        body: String::new(),
    };
    WarmUp(paths.iter().map(request).collect())
}

fn load(host: &Host, name: &str, warm_up: WarmUp, limits: Limits) -> Arc<Revision> {
    let spec = RevisionSpec {
        warm_up,
        ..spec(name, "acme", limits)
    };
    host.load(spec).unwrap()
}

fn hostile(host: &Host, paths: &[&str]) -> Arc<Revision> {
    load(host, "hostile", asks(paths), Limits::default())
}

fn request(method: &str, path: &str, text: &'static str) -> http::Request<RequestBody> {
    http::Request::builder()
        .method(method)
        .uri(format!("https://gate.example{path}"))
        .header("tollgate-endpoint", "acme-slack")
        .header("tollgate-session-key", "s1")
        .body(body(text.as_bytes()))
        .unwrap()
}

async fn answer(
    revision: &Arc<Revision>,
    method: &str,
    path: &str,
    body: &'static str,
) -> Result<(u16, http::HeaderMap, Bytes), CallError> {
    let (head, body) = revision.call(request(method, path, body)).await?.into_parts();
    Ok((head.status.as_u16(), head.headers, body.collect().await.unwrap().to_bytes()))
}

async fn text(revision: &Arc<Revision>, path: &str) -> String {
    let (status, _, body) = answer(revision, "GET", path, "").await.unwrap();
    assert_eq!(status, 200, "{path}");
    String::from_utf8(body.to_vec()).unwrap()
}

#[tokio::test]
async fn what_would_be_shared_or_differs_from_call_to_call_refuses_the_snapshot() {
    let host = host();
    let cases: [(&str, Refusal); 9] = [
        ("/random", Refusal::Randomness),
        ("/insecure", Refusal::Randomness),
        ("/seed", Refusal::HashSeed),
        ("/clock", Refusal::Clock),
        ("/wall", Refusal::Clock),
        ("/slow?ms=1", Refusal::Clock),
        ("/outbound?url=http://example.com/", Refusal::CallOut),
        ("/leak", Refusal::Handles),
        ("/silent", Refusal::Failed("it returned without an answer".to_owned())),
    ];
    for (path, refusal) in cases {
        // A harmless request before and after it excuses nothing.
        let revision = hostile(&host, &["/count", path, "/count"]);
        assert_eq!(revision.snapshot(), Err(&refusal), "{path}");
        assert_eq!(text(&revision, "/count").await, "1", "{path}: the worker runs as it is");
    }
    assert_eq!(hostile(&host, &[]).snapshot(), Err(&Refusal::NoWarmUp));
}

#[tokio::test]
async fn a_warm_up_that_traps_or_takes_too_much_is_no_snapshot_and_no_harm() {
    let host = host();
    for (path, said) in [
        ("/trap", "unreachable"),
        ("/memory", "the limit is"),
        ("/cpu", "of CPU"),
        ("/deep", "stack"),
        ("/allocate?kib=131072", "the limit is"),
    ] {
        let revision = hostile(&host, &[path]);
        let refusal = revision.snapshot().unwrap_err();
        assert!(
            refusal.code() == "failed" && refusal.to_string().contains(said),
            "{path}: {refusal}"
        );
        assert_eq!(text(&revision, "/count").await, "1", "{path}");
    }
}

#[tokio::test]
async fn the_store_refuses_the_snapshot_by_name() {
    let request = WarmUpRequest {
        method: "POST".to_owned(),
        path: "/".to_owned(),
        headers: ["tollgate-endpoint", "tollgate-session-key"]
            .map(|name| (name.to_owned(), "x".to_owned()))
            .into(),
        body: "{\"text\":\"hi\"}".to_owned(),
    };
    let revision = load(&host(), "support", WarmUp(vec![request]), Limits::default());
    let refusal = revision.snapshot().unwrap_err();
    assert_eq!(refusal.code(), "store");
    assert!(refusal.to_string().contains("wasi:keyvalue/store@"), "{refusal}");
}

#[tokio::test]
async fn each_instance_of_a_snapshot_draws_its_own_randomness() {
    let host = host();
    let revision = hostile(&host, &["/count", "/count"]);
    assert_eq!(revision.snapshot(), Ok(()));
    for path in ["/random", "/insecure", "/seed", "/clock"] {
        let (one, other) = (text(&revision, path).await, text(&revision, path).await);
        assert_ne!(one, other, "{path}");
    }
}

/// The standard library of `wasm32-wasip2` seeds its hash tables from the host, once for each thread: a warm-up that makes one is refused.
/// Built for `wasm32-unknown-unknown` it has nowhere to draw from, and its seeds are the same in every instance, snapshot or not.
#[tokio::test]
async fn hash_tables_of_the_standard_library_never_share_a_seed_that_they_would_not_share_anyway() {
    let host = host();
    let (plain, warm) = (hostile(&host, &[]), hostile(&host, &["/hash"]));
    let (one, other) = (text(&plain, "/hash").await, text(&plain, "/hash").await);
    match warm.snapshot() {
        Err(refusal) => {
            assert_eq!(*refusal, Refusal::HashSeed);
            assert_ne!(one, other);
            assert_ne!(text(&warm, "/hash").await, text(&warm, "/hash").await);
        }
        Ok(()) => assert_eq!(one, other),
    }
}

#[tokio::test]
async fn every_instance_begins_where_the_warm_up_ended_and_not_later() {
    let host = host();
    let revision = hostile(&host, &["/count", "/count"]);
    assert_eq!(revision.snapshot(), Ok(()));
    for _ in 0..3 {
        assert_eq!(text(&revision, "/count").await, "3");
    }
    let plain = hostile(&host, &[]);
    assert_eq!(text(&plain, "/count").await, "1");
}

#[tokio::test]
async fn a_snapshot_answers_as_the_worker_does_without() {
    let host = host();
    let requests = [
        ("GET", "/", ""),
        ("GET", "/a?b=c", ""),
        ("POST", "/", "{\"text\":\"hi\"}"),
        ("POST", "/headers", "not JSON"),
        ("GET", "/trap", ""),
        ("GET", "/silent", ""),
        ("GET", "/headers", ""),
        ("GET", "/slow?ms=1", ""),
        ("GET", "/outbound?url=http://127.0.0.1/", ""),
        ("GET", "/allocate?kib=3000", ""),
    ];
    for name in ["hello", "echo", "hostile"] {
        let (plain, snapshot) = (
            load(&host, name, WarmUp::none(), Limits::default()),
            load(&host, name, WarmUp::default(), Limits::default()),
        );
        assert_eq!(snapshot.snapshot(), Ok(()), "{name}");
        for (method, path, body) in requests {
            let (expected, found) = (
                answer(&plain, method, path, body).await,
                answer(&snapshot, method, path, body).await,
            );
            match (&expected, &found) {
                // Their backtraces speak of other offsets.
                (Err(CallError::Trap(_)), Err(CallError::Trap(_))) => {}
                _ => assert_eq!(expected, found, "{name} {method} {path}"),
            }
        }
    }
    // The state of this one is its deployment's, which both share.
    let (plain, snapshot) = (
        load(&host, "support", WarmUp::none(), Limits::default()),
        load(&host, "support", WarmUp::default(), Limits::default()),
    );
    assert_eq!(snapshot.snapshot(), Ok(()), "`GET /` of support does not reach the store");
    for (revision, count) in [(&plain, 1), (&snapshot, 2), (&plain, 3)] {
        let (_, _, body) = answer(revision, "POST", "/", "{\"text\":\"hi\"}").await.unwrap();
        assert_eq!(body, format!("{{\"text\":\"hi\",\"count\":{count}}}"));
    }
}

#[tokio::test]
async fn a_deployment_with_less_memory_than_the_warm_up_took_gets_the_worker_as_it_is() {
    let host = host();
    let limits = Limits {
        memory: ByteSize::mib(4),
        ..Limits::default()
    };
    let small = load(&host, "hostile", asks(&["/allocate?kib=8192"]), limits);
    assert_eq!(small.snapshot(), Err(&Refusal::Memory));
    assert_eq!(text(&small, "/count").await, "1");
    let large = load(&host, "hostile", asks(&["/allocate?kib=8192"]), Limits::default());
    assert_eq!(large.snapshot(), Ok(()));
    assert_eq!(text(&large, "/allocate?kib=8192").await, "8192 KiB");
}
