//! Workers that are not in memory when a request comes for them.

use crate::harness::{Gateway, get, manifest, samples, send_h1};
use serde_json::{Value, json};
use std::{fs, path::Path, time::Duration};
use tokio::{net::TcpStream, time::advance};

/// `hello` and `echo` from packs of their own, with room in memory for one of them.
fn narrow(folder: &Path) -> Value {
    let mut manifest = manifest(folder, &["hello", "echo"]);
    manifest["cache"] = json!({ "path": folder.join("cache"), "loaded": "1B" });
    for deployment in manifest["deployments"].as_array_mut().unwrap() {
        let pack = format!("{}.gtpack", deployment["id"].as_str().unwrap());
        fs::copy(samples().join(&pack), folder.join(&pack)).unwrap();
        deployment["revisions"][0]["pack"] = json!(folder.join(&pack));
        // A call may have to wait until its worker is compiled, on a machine that compiles others too.
        deployment["limits"]["wall"] = json!("60s");
    }
    manifest
}

/// Loses the entry of `hello`, the smaller one: a worker in memory whose entry is gone would not leave.
fn forget(folder: &Path) {
    let entries = fs::read_dir(folder.join("cache/code")).unwrap().map(|entry| entry.unwrap().path());
    let smallest = entries.min_by_key(|path| fs::metadata(path).unwrap().len()).unwrap();
    fs::remove_file(smallest).unwrap();
}

async fn status(gateway: &Gateway) -> Value {
    let admin = TcpStream::connect(gateway.running.admin).await.unwrap();
    send_h1(admin, get("localhost", "/status")).await.json()
}

/// How many workers came from there.
async fn activated(gateway: &Gateway, source: &str) -> u64 {
    gateway
        .metric("tollgate_activations_total", &[&format!("source=\"{source}\"")])
        .await
}

#[tokio::test]
async fn a_worker_that_is_not_in_memory_is_ready_and_answers() {
    let folder = tempfile::tempdir().unwrap();
    let manifest = narrow(folder.path());
    let gateway = Gateway::start(folder, &manifest).await;
    let seen = status(&gateway).await;
    assert_eq!(seen["ready"], true);
    let in_memory = |seen: &Value| {
        let deployments = seen["deployments"].as_array().unwrap();
        deployments.iter().filter(|deployment| deployment["in_memory"] == true).count()
    };
    assert_eq!(in_memory(&seen), 1, "{seen}");
    for path in ["/a", "/b", "/c"] {
        let answer = gateway.send(get("hello.localhost", path)).await;
        assert_eq!((answer.status, answer.text), (200, format!("hello {path}")));
        assert_eq!(gateway.send(get("echo.localhost", "/")).await.status, 200);
    }
    let seen = status(&gateway).await;
    assert_eq!((in_memory(&seen), &seen["ready"]), (1, &json!(true)));
    assert_eq!(activated(&gateway, "compiled").await, 2);
    // A call that is about to end may still hold it.
    let back = activated(&gateway, "cache").await + activated(&gateway, "memory").await;
    assert!(back >= 5, "{back}");
    assert!(gateway.metric("tollgate_evictions_total", &["reason=\"room\""]).await >= 6);
    assert_eq!(gateway.metric("tollgate_cache_total", &["result=\"stored\""]).await, 2);
    assert_eq!(gateway.metric("tollgate_loaded_workers", &[]).await, 1);
    assert_eq!(gateway.metric("tollgate_snapshots", &["result=\"taken\""]).await, 2);
    assert_eq!(gateway.metric("tollgate_activation_seconds_count", &[]).await, 2 + back);
}

#[tokio::test]
async fn what_the_cache_has_lost_is_compiled_from_its_pack_and_from_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let manifest = narrow(folder.path());
    let gateway = Gateway::start(folder, &manifest).await;
    let folder = gateway.folder.path();
    let hello = || gateway.send(get("hello.localhost", "/x"));
    let leave = async || assert_eq!(gateway.send(get("echo.localhost", "/")).await.status, 200);
    leave().await;
    forget(folder);
    assert_eq!(hello().await.status, 200);
    assert_eq!(activated(&gateway, "compiled").await, 3);

    leave().await;
    forget(folder);
    fs::copy(samples().join("support.gtpack"), folder.join("hello.gtpack")).unwrap();
    for _ in 0..2 {
        let answer = hello().await;
        assert_eq!(answer.status, 503);
        let wait: u64 = answer.headers["retry-after"].to_str().unwrap().parse().unwrap();
        assert!((1..=5).contains(&wait), "{wait}");
        assert_eq!(activated(&gateway, "failed").await, 1, "it is tried again only later");
    }
    assert_eq!(gateway.metric("tollgate_cold_calls_refused_total", &["backed_off"]).await, 1);
    assert_eq!(gateway.metric("tollgate_refused_total", &["reason=\"cold\""]).await, 2);
    assert_eq!(gateway.send(get("echo.localhost", "/")).await.status, 200, "it fails alone");
}

#[tokio::test(start_paused = true)]
async fn workers_that_nobody_calls_leave_and_are_still_ready() {
    let folder = tempfile::tempdir().unwrap();
    let mut manifest = narrow(folder.path());
    manifest["cache"]["loaded"] = json!("1GiB");
    manifest["cache"]["idle"] = json!("1m");
    let gateway = Gateway::start(folder, &manifest).await;
    // Longer than loading may have taken: that went by the real clock.
    for _ in 0..40 {
        advance(Duration::from_secs(30)).await;
    }
    assert_eq!(gateway.metric("tollgate_loaded_workers", &[]).await, 0);
    assert_eq!(gateway.metric("tollgate_evictions_total", &["reason=\"idle\""]).await, 2);
    assert_eq!(status(&gateway).await["ready"], true);
    assert_eq!(gateway.send(get("hello.localhost", "/x")).await.text, "hello /x");
}

#[tokio::test(start_paused = true)]
async fn without_a_cache_all_stay() {
    let gateway = Gateway::of(&["hello", "echo"]).await;
    advance(Duration::from_secs(3600)).await;
    assert_eq!(gateway.send(get("hello.localhost", "/x")).await.text, "hello /x");
    assert_eq!(gateway.metric("tollgate_loaded_workers_pinned", &[]).await, 2);
    assert_eq!(gateway.metric("tollgate_evictions_total", &[]).await, 0);
}
