//! What holds a worker back, as an operator and a caller see it.

use crate::harness::{Gateway, deployment, get, manifest, read_all, status_of};
use serde_json::json;
use tokio::io::AsyncWriteExt;

#[tokio::test]
async fn limits_that_were_hit_and_room_that_is_used_are_in_the_metrics() {
    let gateway = Gateway::of(&["hostile", "hello"]).await;
    for (path, status, limit) in [
        ("/memory", 502, "memory"),
        ("/cpu", 504, "cpu"),
        ("/entropy", 502, "random"),
        ("/headers", 502, "fields"),
    ] {
        assert_eq!(gateway.send(get("hostile.localhost", path)).await.status, status, "{path}");
        let labels = ["deployment=\"hostile\"", &format!("limit=\"{limit}\"")];
        assert_eq!(gateway.metric("tollgate_worker_limit_total", &labels).await, 1, "{limit}");
    }
    assert_eq!(gateway.metric("tollgate_worker_limit_total", &["deployment=\"hello\""]).await, 0);
    assert_eq!(
        gateway.send(get("hostile.localhost", "/fill?keys=2&bytes=100")).await.text,
        "2 keys"
    );
    assert_eq!(gateway.metric("tollgate_store_keys", &["deployment=\"hostile\""]).await, 2);
    assert!(gateway.metric("tollgate_store_bytes", &["deployment=\"hostile\""]).await > 200);
    assert_eq!(gateway.metric("tollgate_tenant_instances", &["tenant=\"acme\""]).await, 0);
    assert!(gateway.metric("tollgate_tasks", &[]).await > 0);
    assert_eq!(gateway.metric("tollgate_store_failures_total", &[]).await, 0);
}

#[tokio::test]
async fn a_revision_that_rests_says_when_to_come_back() {
    let folder = tempfile::tempdir().unwrap();
    let mut manifest = manifest(folder.path(), &["hello"]);
    let mut hostile = deployment("hostile");
    hostile["limits"]["breaker"] = json!({ "failures": 2, "open": "1h" });
    manifest["deployments"].as_array_mut().unwrap().push(hostile);
    let gateway = Gateway::start(folder, &manifest).await;
    for _ in 0..2 {
        assert_eq!(
            gateway.metric("tollgate_worker_breaker_state", &["deployment=\"hostile\""]).await,
            0
        );
        assert_eq!(gateway.send(get("hostile.localhost", "/trap")).await.status, 502);
    }
    let calls = gateway.calls().await;
    let answer = gateway.send(get("hostile.localhost", "/none")).await;
    assert_eq!((answer.status, gateway.calls().await), (503, calls));
    let wait: u64 = answer.headers["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((3_000..=3_600).contains(&wait), "{wait}");
    assert_eq!(
        gateway.metric("tollgate_worker_breaker_state", &["deployment=\"hostile\""]).await,
        2
    );
    assert_eq!(gateway.metric("tollgate_worker_breaker_openings_total", &[]).await, 1);
    assert_eq!(gateway.metric("tollgate_refused_total", &["reason=\"resting\""]).await, 1);
    assert_eq!(gateway.send(get("hello.localhost", "/")).await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn a_caller_whose_body_stands_still_ends_the_call_and_is_counted() {
    let folder = tempfile::tempdir().unwrap();
    let mut manifest = manifest(folder.path(), &["hostile"]);
    manifest["deployments"][0]["limits"]["wall"] = json!("1h");
    let gateway = Gateway::start(folder, &manifest).await;
    let mut stream = gateway.connect().await;
    let request = b"POST /read HTTP/1.1\r\nHost: hostile.localhost\r\nContent-Length: 10\r\n\r\nab";
    stream.write_all(request).await.unwrap();
    let text = read_all(&mut stream).await;
    assert_eq!(status_of(&text), 408, "{text}");
    assert_eq!(gateway.metric("tollgate_worker_limit_total", &["limit=\"body_stall\""]).await, 1);
}
