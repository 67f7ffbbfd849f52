//! One event runs once.

use crate::harness::{Gateway, manifest, signed, slack};
use futures_util::future::join_all;
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_of_one_event_run_one_worker() {
    let gateway = Gateway::of(&["echo"]).await;
    let answers = join_all((0..200).map(|_| gateway.send(slack("echo", "Ev-once")))).await;
    let wrong: Vec<_> = answers.iter().filter(|answer| answer.status != 200).collect();
    assert!(wrong.is_empty(), "{wrong:?}");
    assert_eq!(
        (
            gateway.calls().await,
            answers.iter().filter(|answer| !answer.text.is_empty()).count()
        ),
        (1, 1)
    );
    assert_eq!(gateway.metric("tollgate_deliveries_total", &["result=\"duplicate\""]).await, 199);
    assert_eq!(gateway.metric("tollgate_deliveries_total", &["result=\"done\""]).await, 1);
    gateway.until("tollgate_dedupe_in_flight", 0).await;
}

#[tokio::test]
async fn what_failed_runs_again_when_it_is_sent_again() {
    let gateway = Gateway::of(&["hostile"]).await;
    // `hostile` knows no misdeed by this path and answers 404, which is no 2xx.
    let payload = json!({
        "type": "event_callback", "team_id": "T1", "api_app_id": "A1", "event_id": "Ev-fail", "event_time": 1,
        "event": { "type": "message", "channel": "C1", "user": "U1", "text": "hi", "ts": "1.000100" },
    })
    .to_string();
    let mut runs = Vec::new();
    for _ in 0..2 {
        let answer = gateway.send(signed("hostile", &payload)).await;
        runs.push((answer.status, gateway.calls().await));
    }
    assert_eq!(runs, [(404, 1), (404, 2)]);
    assert_eq!(gateway.metric("tollgate_deliveries_total", &["result=\"failed\""]).await, 2);
}

#[tokio::test]
async fn what_is_done_stays_done_over_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let mut manifest = manifest(folder.path(), &["echo"]);
    manifest["store"] = json!({ "kind": "sled", "path": folder.path().join("store") });
    let gateway = Gateway::start(folder, &manifest).await;
    let first = gateway.send(slack("echo", "Ev-kept")).await;
    assert_eq!((first.status, first.text.is_empty()), (200, false));
    let Gateway { running, folder } = gateway;
    assert!(running.drain(std::time::Duration::from_secs(30)).await.clean);
    let gateway = Gateway::start(folder, &manifest).await;
    let second = gateway.send(slack("echo", "Ev-kept")).await;
    assert_eq!((second.status, second.text.is_empty(), gateway.calls().await), (200, true, 0));
}
