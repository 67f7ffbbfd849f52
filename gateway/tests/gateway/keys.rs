//! Keys that a provider publishes: fetched, kept, renewed; and what a request gets when they cannot be had.

use crate::{
    harness::{Gateway, manifest},
    issuer::{Document, Issuer, keys, signer},
};
use data_encoding::BASE64URL_NOPAD;
use hmac::{Hmac, Mac};
use http::Request;
use serde_json::{Value, json};
use sha2::Sha256;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::time;

const APP: &str = "00000000-0000-4000-8000-000000000001";
const SERVICE: &str = "https://smba.trafficmanager.net/emea/";
const HOUR: Duration = Duration::from_secs(3600);

async fn gateway(issuer: &Issuer) -> Gateway {
    let folder = tempfile::tempdir().unwrap();
    let mut manifest = manifest(folder.path(), &["echo"]);
    manifest["endpoints"].as_array_mut().unwrap().push(json!({
        "id": "teams", "tenant": "acme", "provider": "teams", "path": "/teams/activities", "deployment": "echo",
        "options": { "app_id": APP, "jwks_url": issuer.url() },
    }));
    Gateway::start(folder, &manifest).await
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

fn claims() -> Value {
    json!({ "iss": "https://api.botframework.com", "aud": APP, "serviceurl": SERVICE, "nbf": now(), "exp": now() + 3600 })
}

fn claiming(name: &str, value: &str) -> Value {
    let mut claims = claims();
    claims[name] = json!(value);
    claims
}

fn good() -> String {
    signer().token(&claims()).unwrap()
}

fn named(kid: &str) -> String {
    let header = json!({ "alg": "RS256", "typ": "JWT", "kid": kid });
    signer().token_with(&header, &claims()).unwrap()
}

/// An activity with this id under this token.
fn activity(id: &str, token: &str) -> Request<String> {
    let activity = json!({
        "type": "message", "id": id, "timestamp": "2026-02-19T10:00:00.000Z", "channelId": "msteams", "serviceUrl": SERVICE,
        "from": { "id": "29:1" }, "recipient": { "id": format!("28:{APP}") }, "conversation": { "id": "a:1" }, "text": "hi",
    });
    Request::post("/teams/activities")
        .header("host", "acme.localhost")
        .header("content-type", "application/json")
        .header("authorization", format!("Bearer {token}"))
        .body(activity.to_string())
        .unwrap()
}

/// Lets this much time pass, and no more.
async fn later(span: Duration) {
    time::pause();
    time::advance(span).await;
    time::resume();
}

async fn fetches(gateway: &Gateway, result: &str) -> u64 {
    gateway
        .metric("tollgate_key_fetches_total", &[&format!("result=\"{result}\"")])
        .await
}

/// Waits until so many fetches have ended so: each look is a request, so nothing spins.
async fn until(gateway: &Gateway, result: &str, count: u64) {
    while fetches(gateway, result).await < count {}
}

#[tokio::test]
async fn a_token_of_the_connector_opens_and_nothing_else_does() {
    let issuer = Issuer::start(keys()).await;
    let gateway = gateway(&issuer).await;
    let answer = gateway.send(activity("1", &good())).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let seen: Value = serde_json::from_str(answer.json()["body"].as_str().unwrap()).unwrap();
    assert_eq!((seen["provider"].as_str(), seen["text"].as_str()), (Some("teams"), Some("hi")));

    let part = |value: &Value| BASE64URL_NOPAD.encode(value.to_string().as_bytes());
    let kid = signer().kid();
    let none = format!("{}.{}.", part(&json!({ "alg": "none", "kid": kid })), part(&claims()));
    let confused = {
        let input = format!("{}.{}", part(&json!({ "alg": "HS256", "kid": kid })), part(&claims()));
        // What an attacker has: the public key, in the text that the issuer publishes.
        let mut mac = Hmac::<Sha256>::new_from_slice(signer().jwks(&["msteams"]).as_bytes()).unwrap();
        mac.update(input.as_bytes());
        format!("{input}.{}", BASE64URL_NOPAD.encode(&mac.finalize().into_bytes()))
    };
    let sign = |claims: &Value| signer().token(claims).unwrap();
    for (name, token) in [
        ("no algorithm", none),
        ("the public key as a secret", confused),
        ("another bot's", sign(&claiming("aud", "another"))),
        ("another issuer's", sign(&claiming("iss", "https://evil.example"))),
        ("another service's", sign(&claiming("serviceurl", "https://evil.example/"))),
        ("a key that is not published", named("gone")),
        ("no token", String::new()),
    ] {
        let answer = gateway.send(activity("2", &token)).await;
        assert_eq!((answer.status, gateway.calls().await), (403, 1), "{name}: {}", answer.text);
    }
}

#[tokio::test]
async fn a_flood_of_invented_keys_costs_one_fetch_an_hour() {
    let issuer = Issuer::start(keys()).await;
    let gateway = gateway(&issuer).await;
    until(&gateway, "fetched", 1).await;
    assert_eq!(issuer.hits(), 1, "they are there before the first request");
    let served = &gateway;
    let flood = (0..64).map(|kid| {
        let token = named(&format!("invented-{kid}"));
        async move { served.send(activity("1", &token)).await.status }
    });
    let statuses = futures_util::future::join_all(flood).await;
    assert!(statuses.iter().all(|status| *status == 403), "{statuses:?}");
    assert_eq!(issuer.hits(), 2);
    assert_eq!(gateway.send(activity("1", &good())).await.status, 200);

    // A new key is found as soon as the hour has come.
    let renamed = signer().jwks(&["msteams"]).replace(&signer().kid(), "next");
    issuer.publish(Document::Keys(renamed));
    assert_eq!((gateway.send(activity("2", &named("next"))).await.status, issuer.hits()), (403, 2));
    later(HOUR).await;
    let answer = gateway.send(activity("2", &named("next"))).await;
    assert_eq!((answer.status, issuer.hits()), (200, 3), "{}", answer.text);
    assert_eq!(gateway.send(activity("3", &good())).await.status, 403, "withdrawn");
}

#[tokio::test]
async fn keys_outlive_their_server_for_five_days() {
    let issuer = Issuer::start(keys()).await;
    let gateway = gateway(&issuer).await;
    until(&gateway, "fetched", 1).await;
    drop(issuer);
    later(25 * HOUR).await;
    until(&gateway, "failed", 1).await;
    assert_eq!(gateway.send(activity("1", &good())).await.status, 200, "a day old");
    assert!(gateway.metric("tollgate_keys_age_seconds", &[]).await >= 25 * 3600);
    later(94 * HOUR).await;
    assert_eq!(gateway.send(activity("2", &good())).await.status, 200, "119 hours old");
    later(2 * HOUR).await;
    let answer = gateway.send(activity("3", &good())).await;
    assert_eq!((answer.status, answer.headers.contains_key("retry-after")), (503, true), "too old");
    assert_eq!(gateway.calls().await, 2);
}

#[tokio::test]
async fn no_keys_are_our_fault_until_they_are_there() {
    for document in [
        Document::Broken,
        Document::Moved,
        Document::Keys("{\"keys\":[]}".to_owned()),
        Document::Keys("x".repeat(300_000)),
    ] {
        let issuer = Issuer::start(document).await;
        let gateway = gateway(&issuer).await;
        until(&gateway, "failed", 1).await;
        for _ in 0..3 {
            let answer = gateway.send(activity("1", &good())).await;
            assert_eq!((answer.status, answer.headers.contains_key("retry-after")), (503, true));
        }
        // What is wrong whatever the keys are needs none of them.
        let wrong = signer().token(&claiming("aud", "another")).unwrap();
        assert_eq!(gateway.send(activity("1", &wrong)).await.status, 403);
        let asked = issuer.hits();
        assert!(asked <= 2, "asked {asked} times");
        issuer.publish(keys());
        later(Duration::from_secs(11)).await;
        assert_eq!(gateway.send(activity("1", &good())).await.status, 200);
    }
}

#[tokio::test]
async fn a_key_server_that_says_nothing_holds_nobody() {
    let issuer = Issuer::start(Document::Silence).await;
    let gateway = gateway(&issuer).await;
    let mut answer = std::pin::pin!(gateway.send(activity("1", &good())));
    // Longer than a request waits, shorter than a fetch: the fetch goes on.
    let patience = Duration::from_secs(5);
    let mut passed = Duration::ZERO;
    let status = loop {
        tokio::select! {
            biased;
            answer = &mut answer => break answer.status,
            _ = gateway.metric("tollgate_requests", &[]) => {}
        }
        if gateway.metric("tollgate_requests", &[]).await == 1 {
            later(patience).await;
            passed += patience;
        }
        assert!(passed < Duration::from_secs(60), "it still waits");
    };
    assert_eq!(status, 503);
}

#[tokio::test]
async fn metadata_leads_to_the_keys() {
    let published = Issuer::start(keys()).await;
    let metadata = json!({ "issuer": "https://api.botframework.com", "jwks_uri": published.url() });
    let issuer = Issuer::start(Document::Keys(metadata.to_string())).await;
    let gateway = gateway(&issuer).await;
    assert_eq!(gateway.send(activity("1", &good())).await.status, 200);
    assert_eq!((issuer.hits(), published.hits()), (1, 1));
}
