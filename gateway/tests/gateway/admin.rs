//! The operator's listener.

use crate::harness::{Answer, Gateway, deployment, get, manifest, send_h1};
use http::Request;
use serde_json::json;
use tokio::net::TcpStream;

async fn ask(gateway: &Gateway, request: Request<String>) -> Answer {
    send_h1(TcpStream::connect(gateway.running.admin).await.unwrap(), request).await
}

#[tokio::test]
async fn without_a_token_metrics_are_for_loopback_names() {
    let gateway = Gateway::of(&["hello"]).await;
    for (host, path, status) in [
        ("localhost", "/livez", 200),
        ("localhost", "/readyz", 200),
        ("localhost", "/healthz", 200),
        ("localhost", "/status", 200),
        ("localhost", "/metrics", 200),
        ("127.0.0.1:9", "/metrics", 200),
        ("rebound.example", "/metrics", 403),
        ("rebound.example", "/livez", 200),
        ("localhost", "/", 404),
        ("localhost", "/admin", 404),
    ] {
        assert_eq!(ask(&gateway, get(host, path)).await.status, status, "{host} {path}");
    }
    assert_eq!(
        gateway.send(get("localhost", "/metrics")).await.status,
        404,
        "metrics are on the public listener"
    );
}

#[tokio::test]
async fn with_a_token_it_is_needed() {
    let folder = tempfile::tempdir().unwrap();
    let mut manifest = manifest(folder.path(), &["hello"]);
    let token = folder.path().join("token");
    std::fs::write(&token, "s3cret\n").unwrap();
    manifest["admin"]["token"] = json!(format!("file://{}", token.display()));
    let gateway = Gateway::start(folder, &manifest).await;
    for (authorization, status) in [
        (None, 401),
        (Some("Bearer s3cre"), 401),
        (Some("Bearer s3cret2"), 401),
        (Some("Basic s3cret"), 401),
        (Some("Bearer s3cret"), 200),
    ] {
        let mut request = get("anything.example", "/metrics");
        if let Some(authorization) = authorization {
            request.headers_mut().insert("authorization", authorization.parse().unwrap());
        }
        assert_eq!(ask(&gateway, request).await.status, status, "{authorization:?}");
    }
    assert_eq!(ask(&gateway, get("probe", "/readyz")).await.status, 200);
}

#[tokio::test]
async fn readiness_is_true() {
    let folder = tempfile::tempdir().unwrap();
    let mut manifest = manifest(folder.path(), &["hello"]);
    let mut broken = deployment("echo");
    broken["revisions"][0]["pack"] = json!(folder.path().join("gone.gtpack"));
    manifest["deployments"].as_array_mut().unwrap().push(broken);
    let gateway = Gateway::start(folder, &manifest).await;
    assert_eq!(ask(&gateway, get("localhost", "/readyz")).await.status, 503);
    assert_eq!(ask(&gateway, get("localhost", "/livez")).await.status, 200);
    let status = ask(&gateway, get("localhost", "/status")).await;
    assert_eq!(status.json()["ready"], false);
    assert_eq!(status.json()["deployments"][0]["snapshot"], "taken");
    assert_eq!(status.json()["deployments"][1]["state"], "failed");
    assert!(!status.text.contains("gone.gtpack"), "why is in the log: {}", status.text);
}

#[tokio::test]
async fn the_metrics_that_others_read_are_there() {
    let gateway = Gateway::of(&["hello", "echo"]).await;
    gateway.send(get("hello.localhost", "/")).await;
    let text = ask(&gateway, get("localhost", "/metrics")).await.text;
    for line in [
        "tollgate_worker_calls_total{deployment=\"hello\",revision=\"r1\",tenant=\"acme\"} 1",
        "tollgate_worker_calls_total{deployment=\"echo\",revision=\"r1\",tenant=\"acme\"} 0",
        "tollgate_deliveries_total{endpoint=\"slack-echo\",result=\"done\"} 0",
        "tollgate_pool_instances 0",
        "tollgate_answers_total{class=\"2xx\"} 1",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} is missing in\n{text}");
    }
}
