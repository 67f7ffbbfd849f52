//! A worker of `wasi:http/handler` 0.3 behind the gate.

use crate::harness::{Gateway, SECRET, deployment, get, manifest, send_h1, slack};
use serde_json::json;
use tokio::net::TcpStream;

#[tokio::test]
async fn a_service_answers_a_signed_webhook_and_a_public_route() {
    let name = "service";
    let folder = tempfile::tempdir().unwrap();
    let mut manifest = manifest(folder.path(), &[]);
    let secret = folder.path().join("slack.secret");
    assert_eq!(std::fs::read_to_string(&secret).unwrap().trim(), SECRET);
    manifest["deployments"].as_array_mut().unwrap().push(deployment(name));
    manifest["endpoints"].as_array_mut().unwrap().push(json!({
        "id": "slack-service", "tenant": "acme", "provider": "slack", "path": format!("/slack/{name}"),
        "deployment": name, "secrets": { "signing": [format!("file://{}", secret.display())] },
    }));
    let gateway = Gateway::start(folder, &manifest).await;

    let answer = gateway.send(slack(name, "Ev-1")).await;
    assert_eq!((answer.status, answer.text.as_str()), (200, "hello /slack/service"));
    let mut forged = slack(name, "Ev-2");
    *forged.body_mut() = forged.body().replace("hi", "ho");
    assert_eq!(gateway.send(forged).await.status, 401);

    let host = format!("{name}.localhost");
    let seen = gateway.send(get(&host, "/seen?a=b")).await;
    assert_eq!(seen.status, 200, "{}", seen.text);
    for part in [
        &host as &str,
        "/seen?a=b",
        "tollgate-tenant: acme",
        "tollgate-revision: r1",
        "x-request-id: ",
    ] {
        assert!(seen.text.contains(part), "{part} is not in {}", seen.text);
    }
    for (path, status) in [("/cpu", 504), ("/trap", 502), ("/headers", 502)] {
        assert_eq!(gateway.send(get(&host, path)).await.status, status, "{path}");
    }

    let of_it = &[&format!("deployment=\"{name}\"") as &str];
    assert_eq!(gateway.metric("tollgate_worker_calls_total", of_it).await, 5, "one was forged");
    gateway.until("tollgate_pool_instances", 0).await;
    let admin = TcpStream::connect(gateway.running.admin).await.unwrap();
    let metrics = send_h1(admin, get("localhost", "/metrics")).await;
    let gauge = "tollgate_engine_instances{engine=\"async\"} 0";
    assert!(metrics.text.contains(gauge), "no {gauge}");
}

#[tokio::test]
async fn what_the_manifest_says_of_reuse_holds() {
    let folder = tempfile::tempdir().unwrap();
    let mut manifest = manifest(folder.path(), &["service", "hello"]);
    let service = manifest["deployments"][0].clone();
    let mut reused = service.clone();
    reused["id"] = json!("reused");
    reused["routes"][0]["host"] = json!("reused.localhost");
    reused["limits"]["reuse"] = json!({ "requests": 3 });
    // Only the engine `async` reuses: this one fails, and no other.
    manifest["deployments"][1]["limits"]["reuse"] = json!({ "requests": 3 });
    manifest["deployments"].as_array_mut().unwrap().push(reused);
    let gateway = Gateway::start(folder, &manifest).await;
    assert_eq!(gateway.send(get("hello.localhost", "/")).await.status, 503);
    for call in [1, 2, 3, 1] {
        let before = if call == 1 { "" } else { "a" };
        let answer = gateway.send(get("reused.localhost", "/again?a")).await;
        assert_eq!(answer.text, format!("call {call}, after {before:?}"));
        let fresh = gateway.send(get("service.localhost", "/again?a")).await;
        assert_eq!(fresh.text, "call 1, after \"\"");
    }
    let of_it: &[&str] = &["deployment=\"reused\""];
    assert_eq!(gateway.metric("tollgate_worker_calls_total", of_it).await, 2, "so many instances");
    assert_eq!(gateway.metric("tollgate_worker_reused_calls_total", of_it).await, 2);
    assert_eq!(gateway.metric("tollgate_worker_instances_kept", of_it).await, 1);
    let by_call: &[&str] = &["deployment=\"reused\"", "reason=\"call\""];
    let by_requests = &["deployment=\"reused\"", "reason=\"requests\""];
    assert_eq!(gateway.metric("tollgate_worker_instances_ended_total", by_requests).await, 1);

    // HTTP/1.1 drops a body of a known length when it has all of it.
    let sized = gateway.send(get("reused.localhost", "/sized?bytes=100000")).await;
    assert_eq!(sized.text.len(), 100_000);
    while gateway.metric("tollgate_worker_instances_kept", of_it).await == 0 {
        assert_eq!(gateway.metric("tollgate_worker_instances_ended_total", by_call).await, 0);
        tokio::task::yield_now().await;
    }
    let answer = gateway.send(get("reused.localhost", "/again?a")).await;
    assert_eq!(answer.text, "call 2, after \"a\"");
}
