//! What a worker reaches by the host's interfaces: its own conversation, its own deployment, and nobody else's.
#![expect(clippy::indexing_slicing, reason = "a failed index fails the test")]

use super::{body, host, limits, sample, spec};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
};
use tollgate_config::{
    DeploymentId, EndpointId, RevisionId, SecretName, Setting, TenantCtx,
    manifest::{Limits, StoreLimits},
};
use tollgate_host::{
    CallError, Grant, Host, HostConfig, Limit, LoadError, MAX_SESSION, Outbound, OutboundError, Outgoing, Profile, Revision, RevisionSpec,
    SESSION_LIFE, Sent, Session, WarmUp, WarmUpRequest, imports,
};
use tollgate_store::{Expect, Key, MemoryStore, Page, Quota, SessionStore, StoreError, Swept, Usage, Version, Versioned};

fn load(host: &Host, tenant: &str, deployment: &str) -> Arc<Revision> {
    let spec = RevisionSpec {
        deployment: DeploymentId::new(deployment).unwrap(),
        ..spec("interfaces", tenant, limits())
    };
    host.load(spec).unwrap()
}

fn session(endpoint: &str, key: &str) -> Option<Session> {
    Some(Session {
        endpoint: EndpointId::new(endpoint).unwrap(),
        key: key.to_owned(),
    })
}

/// What the worker makes of these words, in this conversation.
async fn say(revision: &Arc<Revision>, session: Option<Session>, words: &str) -> Result<String, CallError> {
    let mut request = http::Request::get(format!("https://gate.example/?{}", words.replace(' ', "+")));
    // What a caller could send says nothing.
    request = request.header("tollgate-endpoint", "other").header("x-session-key", "other");
    let mut request = request.body(body(b"")).unwrap();
    if let Some(session) = session {
        request.extensions_mut().insert(session);
    }
    let answer = revision.call(request).await?.into_body().collect().await.unwrap();
    Ok(String::from_utf8(answer.to_bytes().to_vec()).unwrap())
}

#[tokio::test]
async fn a_conversation_has_one_state_and_nobody_elses() {
    let host = host();
    let acme = load(&host, "acme", "support");
    let other_bot = load(&host, "acme", "sales");
    let beta = load(&host, "beta", "support");
    let here = || session("slack", "acme:slack:C1:U1");
    assert_eq!(say(&acme, here(), "session get").await.unwrap(), "nothing");
    assert_eq!(say(&acme, here(), "session set one").await.unwrap(), "written");
    assert!(say(&acme, here(), "session get").await.unwrap().starts_with("one at "));
    for (who, revision, session) in [
        ("another conversation", &acme, session("slack", "acme:slack:C1:U2")),
        (
            "another endpoint of the same deployment",
            &acme,
            session("slack-two", "acme:slack:C1:U1"),
        ),
        ("another deployment of the tenant", &other_bot, here()),
        ("another tenant", &beta, here()),
    ] {
        assert_eq!(say(revision, session, "session get").await.unwrap(), "nothing", "{who}");
    }
    assert_eq!(say(&acme, here(), "session delete").await.unwrap(), "forgotten");
    assert_eq!(say(&acme, here(), "session delete").await.unwrap(), "forgotten");
    assert_eq!(say(&acme, here(), "session get").await.unwrap(), "nothing");
}

#[tokio::test]
async fn a_request_without_a_conversation_has_no_session() {
    let revision = load(&host(), "acme", "support");
    for words in ["session get", "session set one", "session swap none one", "session delete"] {
        let said = say(&revision, None, words).await.unwrap();
        assert_eq!(said, "error: Error::NoSession", "{words}");
    }
}

#[tokio::test]
async fn of_two_writers_that_read_the_same_one_wins() {
    let revision = load(&host(), "acme", "support");
    let here = || session("slack", "s");
    assert_eq!(say(&revision, here(), "session swap none one").await.unwrap(), "written");
    assert_eq!(
        say(&revision, here(), "session swap none two").await.unwrap(),
        "error: Error::Conflict"
    );
    let said = say(&revision, here(), "session get").await.unwrap();
    let version = said.strip_prefix("one at ").unwrap();
    let swap = |value: &str| format!("session swap {version} {value}");
    assert_eq!(say(&revision, here(), &swap("two")).await.unwrap(), "written");
    assert_eq!(say(&revision, here(), &swap("three")).await.unwrap(), "error: Error::Conflict");
    assert!(say(&revision, here(), "session get").await.unwrap().starts_with("two at "));
}

#[tokio::test]
async fn a_state_counts_against_the_deployments_quota() {
    let within = |store: StoreLimits| {
        let spec = RevisionSpec {
            deployment: DeploymentId::new("support").unwrap(),
            ..spec("interfaces", "acme", Limits { store, ..limits() })
        };
        host().load(spec).unwrap()
    };
    let here = || session("slack", "s");
    let one_key = within(StoreLimits {
        keys: 1,
        ..StoreLimits::default()
    });
    assert_eq!(say(&one_key, here(), "session set one").await.unwrap(), "written");
    let said = say(&one_key, session("slack", "t"), "session set two").await.unwrap();
    assert!(said.contains("Error::Quota") && said.contains("limits.store.keys"), "{said}");
    let said = say(&one_key, None, "state write k v").await.unwrap();
    assert!(said.contains("code: \"quota\"") && said.contains("limits.store.keys"), "{said}");
    assert_eq!(one_key.counters().limits.of(Limit::StoreKeys), 2);
    assert_eq!(say(&one_key, here(), "session delete").await.unwrap(), "forgotten");
    assert_eq!(say(&one_key, None, "state write k v").await.unwrap(), "written");

    let silent = within(StoreLimits {
        operations: 0,
        ..StoreLimits::default()
    });
    let said = say(&silent, here(), "session get").await.unwrap();
    assert!(said.contains("Error::Quota") && said.contains("limits.store.operations"), "{said}");
    let said = say(&silent, None, "state read k").await.unwrap();
    assert!(said.contains("code: \"quota\""), "{said}");
    assert_eq!(silent.counters().limits.of(Limit::StoreOperations), 2);
}

#[tokio::test]
async fn a_state_has_a_largest_size() {
    let revision = load(&host(), "acme", "support");
    let here = || session("slack", "s");
    let fill = |bytes: usize| format!("session fill {bytes}");
    assert_eq!(say(&revision, here(), &fill(MAX_SESSION)).await.unwrap(), "written");
    let said = say(&revision, here(), &fill(MAX_SESSION + 1)).await.unwrap();
    assert_eq!(said, format!("error: Error::TooLarge({MAX_SESSION})"));
    let said = say(&revision, None, &format!("state fill k {}", MAX_SESSION + 1)).await.unwrap();
    assert!(said.contains("code: \"too-large\""), "{said}");
    let key = "k".repeat(1_025);
    let said = say(&revision, None, &format!("state write {key} v")).await.unwrap();
    assert!(said.contains("code: \"invalid-key\""), "{said}");
}

/// A store whose clock is ahead, and that can be out of order.
#[derive(Default)]
struct Later {
    store: MemoryStore,
    seconds: AtomicU64,
    broken: AtomicBool,
}

impl Later {
    fn now(&self, now: SystemTime) -> Result<SystemTime, StoreError> {
        if self.broken.load(Ordering::SeqCst) {
            return Err(StoreError::Unavailable("the disk is on fire".to_owned()));
        }
        Ok(now + Duration::from_secs(self.seconds.load(Ordering::SeqCst)))
    }
}

#[async_trait::async_trait]
impl SessionStore for Later {
    async fn get(&self, key: &Key, now: SystemTime) -> Result<Option<Versioned>, StoreError> {
        self.store.get(key, self.now(now)?).await
    }

    async fn put(
        &self,
        key: &Key,
        value: Bytes,
        expect: Expect,
        expires: Option<SystemTime>,
        now: SystemTime,
    ) -> Result<Version, StoreError> {
        self.store.put(key, value, expect, expires, self.now(now)?).await
    }

    async fn increment(&self, key: &Key, delta: i64, now: SystemTime) -> Result<i64, StoreError> {
        self.store.increment(key, delta, self.now(now)?).await
    }

    async fn remove(&self, key: &Key, expect: Expect, now: SystemTime) -> Result<bool, StoreError> {
        self.store.remove(key, expect, self.now(now)?).await
    }

    async fn list(&self, scope: &Key, after: Option<&str>, limit: usize, now: SystemTime) -> Result<Page, StoreError> {
        self.store.list(scope, after, limit, self.now(now)?).await
    }

    async fn sweep(&self, now: SystemTime, budget: usize) -> Result<Swept, StoreError> {
        self.store.sweep(self.now(now)?, budget).await
    }

    fn limit(&self, tenant: &TenantCtx, deployment: &DeploymentId, quota: Quota) {
        self.store.limit(tenant, deployment, quota);
    }

    fn usage(&self, tenant: &TenantCtx, deployment: &DeploymentId) -> Option<Usage> {
        self.store.usage(tenant, deployment)
    }

    async fn flush(&self) -> Result<(), StoreError> {
        self.store.flush().await
    }
}

#[tokio::test]
async fn a_session_that_nobody_writes_ends_and_one_that_is_written_lives_on() {
    let store = Arc::new(Later::default());
    let config = HostConfig {
        instances: 4,
        ..HostConfig::default()
    };
    let host = Host::new(config, store.clone()).unwrap();
    let revision = load(&host, "acme", "support");
    let here = || session("slack", "s");
    let life = SESSION_LIFE.as_secs();
    assert_eq!(say(&revision, here(), "session set one").await.unwrap(), "written");
    // State by name is kept until it is removed.
    assert_eq!(say(&revision, None, "state write k one").await.unwrap(), "written");
    store.seconds.store(life - 60, Ordering::SeqCst);
    assert!(say(&revision, here(), "session get").await.unwrap().starts_with("one at "));
    store.seconds.store(life + 1, Ordering::SeqCst);
    assert_eq!(say(&revision, here(), "session get").await.unwrap(), "nothing");
    assert_eq!(say(&revision, None, "state read k").await.unwrap(), "one");

    store.broken.store(true, Ordering::SeqCst);
    for (words, told) in [
        ("session get", "error: Error::Other(\"the store is unavailable\")"),
        (
            "state read k",
            "error: HostError { code: \"unavailable\", message: \"the store is unavailable\" }",
        ),
    ] {
        assert_eq!(say(&revision, here(), words).await.unwrap(), told, "why is the operator's to know");
    }
    assert_eq!(host.store_failures(), 2);
}

#[tokio::test]
async fn state_by_name_is_the_deployments_and_the_tenant_is_the_hosts() {
    let host = host();
    let acme = load(&host, "acme", "support");
    let others = [load(&host, "acme", "sales"), load(&host, "beta", "support")];
    assert!(say(&acme, None, "state read k").await.unwrap().contains("code: \"not-found\""));
    assert_eq!(say(&acme, None, "state write k mine").await.unwrap(), "written");
    for revision in &others {
        let said = say(revision, None, "state read k").await.unwrap();
        assert!(said.contains("code: \"not-found\""), "{revision:?}: {said}");
    }
    for (words, told) in [
        ("state read k as local acme", "mine"),
        ("state read k as  ", "mine"),
        ("state read k as local beta", "code: \"denied\""),
        ("state read k as prod acme", "code: \"denied\""),
    ] {
        let said = say(&acme, None, words).await.unwrap();
        assert!(said.contains(told), "{words}: {said}");
    }
    assert_eq!(say(&acme, None, "state delete k").await.unwrap(), "forgotten");
    assert!(say(&acme, None, "state read k").await.unwrap().contains("code: \"not-found\""));
}

#[tokio::test]
async fn settings_name_what_the_host_knows() {
    let settings = [
        "eu",
        "runtime://tenant",
        "runtime://environment",
        "runtime://deployment",
        "runtime://revision",
    ];
    let named = ["region", "t", "e", "d", "r"].into_iter().zip(settings);
    let spec = RevisionSpec {
        revision: RevisionId::new("r7").unwrap(),
        config: named.map(|(key, value)| (key.to_owned(), Setting::parse(value).unwrap())).collect(),
        ..spec("interfaces", "acme", limits())
    };
    let revision = host().load(spec).unwrap();
    for (key, value) in [
        ("region", "eu"),
        ("t", "acme"),
        ("e", "local"),
        ("d", "interfaces"),
        ("r", "r7"),
        ("other", "nothing"),
    ] {
        assert_eq!(say(&revision, None, &format!("config {key}")).await.unwrap(), value, "{key}");
    }
}

#[tokio::test]
async fn secrets_are_read_where_they_are_granted_and_never_written() {
    let granted = (SecretName::new("token").unwrap(), b"hunter2".to_vec().into());
    let spec = RevisionSpec {
        secrets: Arc::new([granted].into()),
        ..spec("interfaces", "acme", limits())
    };
    let host = host();
    let revision = host.load(spec).unwrap();
    for (words, told) in [
        ("secret token", "hunter2"),
        ("own-secret token", "hunter2"),
        ("secret other", "name: \"denied\""),
        ("own-secret other", "name: \"not-granted\""),
        ("secret a/b", "name: \"invalid-key\""),
    ] {
        let said = say(&revision, None, words).await.unwrap();
        assert!(said.contains(told), "{words}: {said}");
    }
    let refused = say(&revision, None, "put-secret token new").await.unwrap_err();
    assert!(
        matches!(&refused, CallError::Trap(why) if why.contains("`secrets-store.put` is refused")),
        "{refused}"
    );
    assert_eq!(say(&revision, None, "secret token").await.unwrap(), "hunter2");
}

/// Answers what it is asked for by the path: a status, or a body of so many bytes; `/never` does not.
#[derive(Default)]
struct Peer {
    seen: Mutex<Vec<http::Request<Bytes>>>,
}

impl Outbound for Peer {
    fn is_open(&self) -> bool {
        true
    }

    fn send(&self, _: Outgoing) -> Sent {
        Box::pin(std::future::ready(Err(OutboundError::Denied)))
    }
}

/// The same, for all of a deployment's calls.
struct Answering(Arc<Peer>);

impl Outbound for Answering {
    fn is_open(&self) -> bool {
        true
    }

    fn send(&self, outgoing: Outgoing) -> Sent {
        let peer = self.0.clone();
        Box::pin(async move {
            let (head, body) = outgoing.request.into_parts();
            let body = body.collect().await?.to_bytes();
            let path = head.uri.path().to_owned();
            peer.seen.lock().unwrap().push(http::Request::from_parts(head, body));
            let bytes = match path.strip_prefix("/bytes/") {
                Some(bytes) => vec![b'x'; bytes.parse().unwrap()],
                None => path.clone().into_bytes(),
            };
            if path == "/never" {
                return std::future::pending().await;
            }
            let body = Full::new(Bytes::from(bytes)).map_err(|never| match never {});
            Ok(http::Response::new(body.boxed_unsync()))
        })
    }
}

fn calling(outbound: Option<Arc<dyn Outbound>>) -> Arc<Revision> {
    let spec = RevisionSpec {
        outbound,
        ..spec("interfaces", "acme", limits())
    };
    host().load(spec).unwrap()
}

#[tokio::test]
async fn a_call_out_of_the_platforms_client_goes_the_way_of_all() {
    let peer = Arc::new(Peer::default());
    let revision = calling(Some(Arc::new(Answering(peer.clone()))));
    for (words, told) in [
        ("call https://a.example/one", "200 /one"),
        ("call https://a.example/two with x-kept yes", "200 /two"),
        ("call https://a.example/three with host evil.example", "200 /three"),
        ("call https://a.example/four as local acme", "200 /four"),
        ("call https://a.example/never within 1", "code: \"timeout\""),
        ("call https://a.example/five insecurely", "code: \"denied\""),
        ("call https://a.example/five as local beta", "code: \"denied\""),
        ("call /five", "code: \"invalid-request\""),
        ("call https://a.example/five with x:y z", "code: \"invalid-request\""),
        ("call https://a.example/bytes/1048577", "code: \"too-large\""),
    ] {
        let said = say(&revision, None, words).await.unwrap();
        assert!(said.contains(told), "{words}: {said}");
    }
    let said = say(&revision, None, "call https://a.example/bytes/1048576").await.unwrap();
    assert_eq!(said.len(), "200 ".len() + 1_048_576);

    let seen = peer.seen.lock().unwrap();
    let paths: Vec<_> = seen.iter().map(|request| request.uri().path()).collect();
    assert_eq!(
        paths,
        ["/one", "/two", "/three", "/four", "/never", "/bytes/1048577", "/bytes/1048576"]
    );
    let [one, two, three, ..] = seen.as_slice() else {
        panic!("{paths:?}")
    };
    assert_eq!(
        (one.method(), one.uri().host(), one.body().len()),
        (&http::Method::GET, Some("a.example"), 0)
    );
    assert_eq!((two.method(), &two.body()[..]), (&http::Method::POST, &b"posted"[..]));
    assert_eq!(two.headers()["x-kept"], "yes");
    assert!(three.headers().get("host").is_none(), "{three:?}");
}

#[tokio::test]
async fn a_call_out_that_nobody_grants_is_denied() {
    for outbound in [None, Some(Arc::new(Peer::default()) as Arc<dyn Outbound>)] {
        let said = say(&calling(outbound), None, "call https://a.example/").await.unwrap();
        assert!(said.contains("code: \"denied\""), "{said}");
    }
}

#[tokio::test]
async fn telemetry_has_a_cap_and_the_hosts_tenant() {
    let revision = load(&host(), "acme", "support");
    let dropped = || revision.counters().log_bytes_dropped.load(Ordering::Relaxed);
    assert_eq!(say(&revision, None, "log hello").await.unwrap(), "logged");
    assert_eq!(say(&revision, None, "log hello as acme").await.unwrap(), "logged");
    assert!(
        say(&revision, None, "log hello as beta")
            .await
            .unwrap()
            .contains("code: \"denied\"")
    );
    // Each call has 16 KiB.
    assert_eq!(say(&revision, None, "log fill 15 1000").await.unwrap(), "logged");
    assert_eq!(dropped(), 0);
    assert_eq!(say(&revision, None, "log fill 17 1000").await.unwrap(), "logged");
    assert_ne!(dropped(), 0);
}

#[tokio::test]
async fn a_warm_up_that_reaches_for_what_differs_is_no_snapshot() {
    let host = host();
    for (words, code) in [
        ("", Ok(())),
        ("session get", Err("session")),
        ("state read k", Err("store")),
        ("config k", Err("config")),
        ("secret token", Err("secrets")),
        ("own-secret token", Err("secrets")),
        ("call https://a.example/", Err("call_out")),
        ("log hello", Err("import")),
    ] {
        let request = WarmUpRequest {
            method: "GET".to_owned(),
            path: format!("/?{}", words.replace(' ', "+")),
            headers: Vec::new(),
            body: String::new(),
        };
        let spec = RevisionSpec {
            warm_up: WarmUp(vec![request]),
            ..spec("interfaces", "acme", limits())
        };
        let revision = host.load(spec).unwrap();
        assert_eq!(revision.snapshot().map_err(|refusal| refusal.code()), code, "{words}");
    }
}

#[tokio::test]
async fn an_older_release_of_the_platforms_secrets_fits() {
    let (newer, older) = (
        b"greentic:secrets-store/secrets-store@1.1.0",
        b"greentic:secrets-store/secrets-store@1.0.0",
    );
    let mut component = sample("interfaces").to_vec();
    let mut renamed = 0;
    for at in 0..component.len() - newer.len() {
        if component[at..].starts_with(newer) {
            component[at..at + older.len()].copy_from_slice(older);
            renamed += 1;
        }
    }
    assert_ne!(renamed, 0);
    let granted = (SecretName::new("token").unwrap(), b"hunter2".to_vec().into());
    let spec = RevisionSpec {
        component: component.into(),
        secrets: Arc::new([granted].into()),
        ..spec("interfaces", "acme", limits())
    };
    let revision = host().load(spec).unwrap();
    assert_eq!(say(&revision, None, "secret token").await.unwrap(), "hunter2");
}

/// A component that imports one interface with one function, and nothing else.
fn importing(interface: &str) -> Vec<u8> {
    let named = |name: &str| [&[0, u8::try_from(name.len()).unwrap()], name.as_bytes()].concat();
    let section = |id: u8, content: &[u8]| [&[id, u8::try_from(content.len()).unwrap()], content].concat();
    // An instance type with a function type `() -> ()` and an export of it.
    let kind = [&[1, 0x42, 2, 1, 0x40, 0, 1, 0, 4][..], &named("f"), &[1, 0]].concat();
    let import = [&[1][..], &named(interface), &[5, 0]].concat();
    [b"\0asm\x0d\0\x01\0".to_vec(), section(7, &kind), section(10, &import)].concat()
}

#[tokio::test]
async fn a_component_that_asks_for_more_is_refused_by_name() {
    let host = host();
    for interface in [
        "nobody:gives/this@1.0.0",
        "wasi:sockets/tcp@0.2.12",
        "greentic:http/http-client@1.0.0",
    ] {
        let spec = RevisionSpec {
            component: importing(interface).into(),
            ..spec("interfaces", "acme", limits())
        };
        let told = host.load(spec).map(|_| ()).unwrap_err();
        assert!(
            matches!(&told, LoadError::Imports { unknown, .. } if *unknown == [format!("`{interface}`")]),
            "{told:?}"
        );
        assert!(
            told.to_string()
                .contains(&format!("imports `{interface}`, which this host does not give")),
            "{told}"
        );
        let found = imports(&importing(interface), Profile::Default).unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].interface.as_str(), found[0].grant), (interface, None));
    }
    // A known one in another shape is told by what does not fit.
    let spec = RevisionSpec {
        component: importing("greentic:state/state-store@1.0.0").into(),
        ..spec("interfaces", "acme", limits())
    };
    assert!(matches!(host.load(spec), Err(LoadError::Link(_))));
}

#[test]
fn imports_are_named_with_what_grants_them() {
    let found = imports(&sample("interfaces"), Profile::Default).unwrap();
    let of = |name: &str| {
        found
            .iter()
            .find(|import| import.interface.starts_with(name))
            .map(|import| import.grant)
    };
    for (name, grant) in [
        ("greentic:http/http-client@", Grant::Outbound),
        ("greentic:secrets-store/secrets-store@", Grant::Secrets),
        ("greentic:state/state-store@", Grant::None),
        ("tollgate:host/session@", Grant::None),
        ("wasi:http/types@", Grant::None),
    ] {
        assert_eq!(of(name), Some(Some(grant)), "{name}");
    }
    for name in ["echo", "hello", "hostile", "interfaces", "support"] {
        let unknown: Vec<_> = imports(&sample(name), Profile::Default)
            .unwrap()
            .into_iter()
            .filter(|import| import.grant.is_none())
            .collect();
        assert!(unknown.is_empty(), "{name}: {unknown:?}");
    }
    for broken in [&b"\0asm\x01\0\0\0"[..], b"", b"\0asm\x0d\0\x01\0\x0a"] {
        assert!(
            matches!(imports(broken, Profile::Default), Err(LoadError::Compile(_))),
            "{broken:?}"
        );
    }
}
