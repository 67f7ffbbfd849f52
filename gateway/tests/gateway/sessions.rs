//! Conversations over the real gateway: what one bot remembers no other one knows, and no caller chooses whose memory it meets.

use crate::harness::{Answer, Gateway, SECRET, deployment, get, manifest, signed};
use http::Request;
use serde_json::json;
use std::sync::atomic::{AtomicU64, Ordering};

/// Two bots of `acme` on one deployment, a third on another, and one of `beta`: all with one signing secret, so that nothing but the endpoint tells them apart.
async fn gateway() -> Gateway {
    let folder = tempfile::tempdir().unwrap();
    let mut manifest = manifest(folder.path(), &[]);
    let secret = folder.path().join("slack.secret");
    std::fs::write(&secret, SECRET).unwrap();
    let deployment = |id: &str, tenant: &str, host: &str| {
        let mut deployment = deployment("interfaces");
        deployment["id"] = json!(id);
        deployment["tenant"] = json!(tenant);
        deployment["routes"] = json!([{ "host": host, "path": "/", "access": "public" }]);
        deployment["config"] = json!({ "tenant": "runtime://tenant", "revision": "runtime://revision" });
        deployment
    };
    let endpoint = |id: &str, tenant: &str, deployment: &str| {
        json!({
            "id": id, "tenant": tenant, "provider": "slack", "path": format!("/slack/{id}"), "deployment": deployment,
            "secrets": { "signing": [format!("file://{}", secret.display())] },
        })
    };
    manifest["tenants"] = json!({
        "acme": { "hosts": ["acme.localhost", "sales.localhost"] },
        "beta": { "hosts": ["beta.localhost"] },
    });
    manifest["deployments"] = json!([
        deployment("support", "acme", "acme.localhost"),
        deployment("sales", "acme", "sales.localhost"),
        deployment("support-b", "beta", "beta.localhost"),
    ]);
    manifest["endpoints"] = json!([
        endpoint("one", "acme", "support"),
        endpoint("two", "acme", "support"),
        endpoint("three", "acme", "sales"),
        endpoint("four", "beta", "support-b"),
    ]);
    Gateway::start(folder, &manifest).await
}

/// A message of this user in channel C1, as every provider instance could be sent it.
fn message(endpoint: &str, user: &str, text: &str) -> Request<String> {
    static EVENTS: AtomicU64 = AtomicU64::new(0);
    let event = EVENTS.fetch_add(1, Ordering::Relaxed);
    let payload = json!({
        "type": "event_callback", "team_id": "T1", "api_app_id": "A1", "event_id": format!("Ev{event}"), "event_time": 1,
        "event": { "type": "message", "channel": "C1", "user": user, "text": text, "ts": format!("1.{event:06}") },
    });
    let mut request = signed(endpoint, &payload.to_string());
    if endpoint == "four" {
        request.headers_mut().insert("host", "beta.localhost".parse().unwrap());
    }
    request
}

async fn say(gateway: &Gateway, endpoint: &str, user: &str, text: &str) -> String {
    let Answer { status, text, .. } = gateway.send(message(endpoint, user, text)).await;
    assert_eq!(status, 200, "{endpoint}: {text}");
    text
}

#[tokio::test]
async fn two_tenants_and_two_bots_of_one_never_meet() {
    let gateway = gateway().await;
    assert_eq!(say(&gateway, "one", "U1", "session get").await, "nothing");
    assert_eq!(say(&gateway, "one", "U1", "session set mine").await, "written");
    assert!(say(&gateway, "one", "U1", "session get").await.starts_with("mine at "));
    for (endpoint, user) in [("one", "U2"), ("two", "U1"), ("three", "U1"), ("four", "U1")] {
        assert_eq!(say(&gateway, endpoint, user, "session get").await, "nothing", "{endpoint} {user}");
    }

    // State by name is the deployment's: both of its bots share it, nobody else does.
    assert_eq!(say(&gateway, "one", "U1", "state write k ours").await, "written");
    assert_eq!(say(&gateway, "two", "U2", "state read k").await, "ours");
    for endpoint in ["three", "four"] {
        let said = say(&gateway, endpoint, "U1", "state read k").await;
        assert!(said.contains("not-found"), "{endpoint}: {said}");
    }
    let said = say(&gateway, "four", "U1", "state read k as local acme").await;
    assert!(said.contains("denied"), "{said}");
    for (endpoint, tenant) in [("one", "acme"), ("four", "beta")] {
        assert_eq!(say(&gateway, endpoint, "U1", "config tenant").await, tenant);
        assert_eq!(say(&gateway, endpoint, "U1", "config revision").await, "r1");
    }
}

#[tokio::test]
async fn a_caller_of_a_public_route_has_no_conversation_whatever_it_says() {
    let gateway = gateway().await;
    assert_eq!(say(&gateway, "one", "U1", "session set mine").await, "written");
    let mut request = get("acme.localhost", "/?session+get");
    for (name, value) in [
        ("tollgate-endpoint", "one"),
        ("tollgate_endpoint", "one"),
        ("tollgate-session-key", "acme:slack:C1:U1"),
        ("tollgate_session_key", "acme:slack:C1:U1"),
    ] {
        request.headers_mut().insert(name, value.parse().unwrap());
    }
    let answer = gateway.send(request).await;
    assert_eq!((answer.status, answer.text.as_str()), (200, "error: Error::NoSession"));

    // Nor can a sender whose message is signed name another conversation by a header.
    let mut request = message("one", "U2", "session get");
    request
        .headers_mut()
        .insert("tollgate-session-key", "acme:slack:C1:U1".parse().unwrap());
    assert_eq!(gateway.send(request).await.text, "nothing");
}

#[tokio::test]
async fn the_platforms_client_is_judged_as_any_call_out() {
    let gateway = gateway().await;
    let refused = gateway.send(get("acme.localhost", "/?call+https://example.com/")).await;
    assert!(refused.text.contains("code: \"denied\""), "{}", refused.text);
    assert_eq!(
        gateway.metric("tollgate_outbound_refused_total", &["reason=\"not_granted\""]).await,
        1
    );
}
