//! Whose a request is: by its host, by a trusted proxy's header, by the gateway's environment, by a token.

use crate::{
    harness::{Answer, Gateway, deployment, get, manifest, samples, send_h1},
    issuer::{Document, Issuer, keys, signer},
};
use data_encoding::BASE64URL_NOPAD;
use ed25519_dalek::{Signer as _, SigningKey, pkcs8::DecodePrivateKey};
use http::Request;
use serde_json::{Value, json};
use std::time::{SystemTime, UNIX_EPOCH};
use tokio::net::TcpStream;

/// Two tenants with a host each and one that they share; the tenant in `CARGO_PKG_NAME` has none of its own.
fn two(folder: &std::path::Path, identity: Value) -> Value {
    let mut whole = manifest(folder, &[]);
    let of = |tenant: &str| {
        let mut echo = deployment("echo");
        echo["id"] = json!(tenant);
        echo["tenant"] = json!(tenant);
        echo["routes"] = json!([
            { "host": "shared.localhost", "path": "/", "access": "public" },
            { "host": "shared.localhost", "path": "/in", "access": "public" },
        ]);
        if tenant != "tollgate" {
            let own = json!({ "host": format!("{tenant}.localhost"), "path": "/", "access": "public" });
            echo["routes"].as_array_mut().unwrap().push(own);
        }
        echo
    };
    whole["listeners"] = json!([{ "address": "127.0.0.1:0", "trusted_proxies": ["127.0.0.0/8"] }, { "address": "127.0.0.1:0" }]);
    whole["identity"] = identity;
    whole["tenants"] = json!({
        "acme": { "hosts": ["acme.localhost", "shared.localhost"] },
        "beta": { "hosts": ["beta.localhost", "shared.localhost"] },
        "tollgate": { "hosts": ["shared.localhost"] },
    });
    whole["deployments"] = json!([of("acme"), of("beta"), of("tollgate")]);
    whole
}

async fn started(identity: Value) -> Gateway {
    let folder = tempfile::tempdir().unwrap();
    let whole = two(folder.path(), identity);
    Gateway::start(folder, &whole).await
}

/// Over the listener with trusted proxies, or the other one.
async fn send(gateway: &Gateway, trusted: bool, request: Request<String>) -> Answer {
    let address = gateway.running.listeners[usize::from(!trusted)].address;
    send_h1(TcpStream::connect(address).await.unwrap(), request).await
}

fn saying(host: &str, tenants: &[&str]) -> Request<String> {
    let mut request = get(host, "/");
    for tenant in tenants {
        request.headers_mut().append("x-greentic-tenant", tenant.parse().unwrap());
    }
    request
}

/// A header that the worker saw, or none.
fn seen(answer: &Answer, name: &str) -> Option<String> {
    let headers = answer.json();
    let mut headers = headers["headers"].as_array()?.iter();
    let pair = headers.find(|pair| pair[0].as_str().is_some_and(|found| found.eq_ignore_ascii_case(name)))?;
    Some(pair[1].as_str()?.to_owned())
}

/// Whose worker answered, or the status.
fn whose(answer: &Answer) -> String {
    match answer.status {
        200 => seen(answer, "tollgate-tenant").unwrap(),
        status => status.to_string(),
    }
}

#[tokio::test]
async fn a_trusted_proxy_names_the_tenant_and_nobody_else() {
    let gateway = started(json!({ "by": ["header", "host"] })).await;
    for (name, trusted, host, said, expected) in [
        ("the proxy's word", true, "shared.localhost", vec!["beta"], "beta"),
        ("the proxy's word at an own host", true, "acme.localhost", vec!["acme"], "acme"),
        ("the proxy's word against the host", true, "acme.localhost", vec!["beta"], "404"),
        ("the host, where the proxy says nothing", true, "acme.localhost", vec![], "acme"),
        ("nobody, where the host is shared", true, "shared.localhost", vec![], "404"),
        ("nobody's name", true, "acme.localhost", vec!["nobody"], "404"),
        ("two names", true, "acme.localhost", vec!["acme", "acme"], "404"),
        ("a stranger's word", false, "shared.localhost", vec!["beta"], "404"),
        ("a stranger's word against the host", false, "acme.localhost", vec!["beta"], "acme"),
    ] {
        let calls = gateway.calls().await;
        let answer = send(&gateway, trusted, saying(host, &said)).await;
        assert_eq!(whose(&answer), expected, "{name}");
        assert_eq!(gateway.calls().await - calls, u64::from(answer.status == 200), "{name}");
        if answer.status == 200 {
            let passed = seen(&answer, "x-greentic-tenant");
            assert_eq!(passed.is_some(), trusted && !said.is_empty(), "{name}: {passed:?}");
        }
    }
}

#[tokio::test]
async fn the_environment_names_the_one_tenant_that_is_served() {
    // Set by cargo for every test.
    assert_eq!(std::env::var("CARGO_PKG_NAME").as_deref(), Ok("tollgate"));
    let gateway = started(json!({ "by": ["env"], "env": { "name": "CARGO_PKG_NAME" } })).await;
    for (host, expected) in [
        ("shared.localhost", "tollgate"),
        ("acme.localhost", "404"),
        ("other.localhost", "404"),
    ] {
        assert_eq!(whose(&send(&gateway, true, saying(host, &["acme"])).await), expected, "{host}");
    }
}

#[tokio::test]
async fn a_node_of_one_tenant_does_not_start_without_it() {
    for (variable, expected) in [
        ("TOLLGATE_TEST_NOBODY_SETS_THIS", "is not set"),
        ("CARGO_PKG_VERSION", "none of `tenants`"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let whole = two(folder.path(), json!({ "by": ["env"], "env": { "name": variable } }));
        let environment = tollgate_config::Environment::parse(&whole.to_string(), &folder.path().join("t.yaml")).unwrap();
        let error = tollgate::gateway::Gateway::start(environment, crate::harness::compiler())
            .await
            .unwrap_err();
        let why = std::error::Error::source(&error).unwrap().to_string();
        assert!(why.contains(expected), "{variable}: {why}");
    }
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

fn claims(tenant: &str) -> Value {
    json!({ "iss": "https://issuer.example", "aud": ["other", "tollgate"], "tenant": tenant, "exp": now() + 60 })
}

fn with(tenant: &str, name: &str, value: Value) -> Value {
    let mut claims = claims(tenant);
    claims[name] = value;
    claims
}

fn bearing(host: &str, path: &str, tokens: &[String]) -> Request<String> {
    let mut request = get(host, path);
    for token in tokens {
        request
            .headers_mut()
            .append("authorization", format!("Bearer {token}").parse().unwrap());
    }
    request
}

#[tokio::test]
async fn a_guarded_route_wants_a_token_for_its_tenant() {
    let issuer = Issuer::start(keys()).await;
    let folder = tempfile::tempdir().unwrap();
    let jwt = json!({ "jwks": issuer.url(), "issuer": "https://issuer.example", "audience": "tollgate" });
    let mut whole = two(folder.path(), json!({ "by": ["host"], "jwt": jwt }));
    whole["tenants"] = json!({ "acme": { "hosts": ["acme.localhost"] } });
    let mut echo = deployment("echo");
    echo["routes"] = json!([
        { "host": "acme.localhost", "path": "/", "access": "public" },
        { "host": "acme.localhost", "path": "/in", "access": "jwt" },
    ]);
    whole["deployments"] = json!([echo]);
    let gateway = Gateway::start(folder, &whole).await;
    let sign = |claims: &Value| vec![signer().token(claims).unwrap()];
    let good = || sign(&claims("acme"));
    let mut forged = good();
    let end = forged[0].len() - 8;
    forged[0].replace_range(end.., "AAAAAAAA");
    for (name, path, tokens, status, challenge) in [
        ("good", "/in/x", good(), 200, None),
        ("no token", "/in", vec![], 401, Some("Bearer")),
        ("a public route", "/", vec![], 200, None),
        ("a public route, and a token that is none", "/", vec!["x".to_owned()], 200, None),
        (
            "no token at all",
            "/in",
            vec!["x".to_owned()],
            401,
            Some("Bearer error=\"invalid_token\""),
        ),
        ("forged", "/in", forged, 401, Some("Bearer error=\"invalid_token\"")),
        ("two", "/in", [good(), good()].concat(), 401, Some("Bearer error=\"invalid_token\"")),
        (
            "another issuer's",
            "/in",
            sign(&with("acme", "iss", json!("x"))),
            401,
            Some("Bearer error=\"invalid_token\""),
        ),
        (
            "for another audience",
            "/in",
            sign(&with("acme", "aud", json!("x"))),
            401,
            Some("Bearer error=\"invalid_token\""),
        ),
        (
            "past its time",
            "/in",
            sign(&with("acme", "exp", json!(now() - 61))),
            401,
            Some("Bearer error=\"invalid_token\""),
        ),
        (
            "a tenant that is no text",
            "/in",
            sign(&with("acme", "tenant", json!(["acme"]))),
            401,
            Some("Bearer error=\"invalid_token\""),
        ),
        (
            "another tenant's",
            "/in",
            sign(&claims("beta")),
            403,
            Some("Bearer error=\"insufficient_scope\""),
        ),
    ] {
        let calls = gateway.calls().await;
        let answer = gateway.send(bearing("acme.localhost", path, &tokens)).await;
        let asked = answer.headers.get("www-authenticate").map(|value| value.to_str().unwrap());
        assert_eq!((answer.status, asked), (status, challenge), "{name}: {}", answer.text);
        assert_eq!(gateway.calls().await - calls, u64::from(status == 200), "{name}");
        if status == 200 && !tokens.is_empty() {
            // The worker may read it as well; it is verified where the route wants one.
            assert_eq!(seen(&answer, "authorization"), Some(format!("Bearer {}", tokens[0])), "{name}");
        }
    }
    // Only a token that is right in all but its key's name is worth a look at the issuer.
    assert_eq!(issuer.hits(), 1);
    issuer.publish(Document::Broken);
    assert_eq!(gateway.send(bearing("acme.localhost", "/in", &good())).await.status, 200);
}

/// A token signed with the samples' own Ed25519 key.
fn eddsa(claims: &Value) -> String {
    let key = SigningKey::from_pkcs8_pem(&std::fs::read_to_string(samples().join("dev.key")).unwrap()).unwrap();
    let part = |value: &Value| BASE64URL_NOPAD.encode(value.to_string().as_bytes());
    let input = format!("{}.{}", part(&json!({ "alg": "EdDSA" })), part(claims));
    let signature = key.sign(input.as_bytes()).to_bytes();
    format!("{input}.{}", BASE64URL_NOPAD.encode(&signature))
}

#[tokio::test]
async fn a_token_names_the_tenant_where_hosts_are_shared() {
    let jwt = json!({
        "keys": [samples().join("dev.pub")], "issuer": "https://issuer.example", "audience": ["tollgate"], "algorithms": ["EdDSA"],
    });
    let gateway = started(json!({ "by": [{ "jwt": jwt }, "host"] })).await;
    let token = |tenant: &str| vec![eddsa(&claims(tenant))];
    let rsa = vec![signer().token(&claims("acme")).unwrap()];
    for (name, host, tokens, expected) in [
        ("acme's", "shared.localhost", token("acme"), "acme"),
        ("beta's", "shared.localhost", token("beta"), "beta"),
        ("none, at a shared host", "shared.localhost", vec![], "401"),
        ("none, at an own host", "beta.localhost", vec![], "beta"),
        ("acme's at beta's host", "beta.localhost", token("acme"), "404"),
        ("nobody's", "shared.localhost", token("nobody"), "404"),
        ("at nobody's host", "other.localhost", token("acme"), "404"),
        ("by an algorithm that is not listed", "shared.localhost", rsa, "401"),
        (
            "a bad one does not fall back to the host",
            "beta.localhost",
            vec!["x".to_owned()],
            "401",
        ),
    ] {
        let answer = send(&gateway, true, bearing(host, "/", &tokens)).await;
        assert_eq!(whose(&answer), expected, "{name}");
    }
}
