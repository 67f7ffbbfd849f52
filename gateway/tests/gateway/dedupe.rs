//! One event runs once.

use crate::harness::{Gateway, manifest, signed, slack};
use futures_util::future::join_all;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
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
async fn a_delivery_is_done_with_the_last_byte_that_its_worker_promised() {
    let folder = tempfile::tempdir().unwrap();
    let mut manifest = manifest(folder.path(), &["hostile"]);
    manifest["endpoints"][0]["path"] = json!("/afterwards");
    manifest["deployments"][0]["limits"]["wall"] = json!("1h");
    let gateway = Gateway::start(folder, &manifest).await;
    let mut delivery = slack("hostile", "Ev-promised");
    // The worker goes on for an hour behind its answer, which nobody waits for.
    *delivery.uri_mut() = "/afterwards?ms=3600000".parse().unwrap();
    let first = gateway.send(delivery.clone()).await;
    assert_eq!((first.status, first.text.as_str()), (200, "said"));
    let again = gateway.send(delivery).await;
    assert_eq!((again.status, again.text.is_empty(), gateway.calls().await), (200, true, 1));
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

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_copies_over_sixty_four_connections_run_one_worker() {
    const COPIES: usize = 10_000;
    const CONNECTIONS: usize = 64;
    let gateway = Gateway::of(&["echo"]).await;
    let copy = slack("echo", "Ev-ten-thousand");
    let connection = async |index: usize| {
        let (mut sender, connection) = http1::handshake(TokioIo::new(gateway.connect().await)).await.unwrap();
        tokio::spawn(connection);
        let (mut fine, mut whole) = (0, 0);
        for _ in (index..COPIES).step_by(CONNECTIONS) {
            sender.ready().await.unwrap();
            let request = copy.clone().map(Full::<bytes::Bytes>::from);
            let answer = sender.send_request(request).await.unwrap();
            fine += usize::from(answer.status() == 200);
            let body = answer.into_body().collect().await.unwrap().to_bytes();
            whole += usize::from(!body.is_empty());
        }
        (fine, whole)
    };
    let ended = join_all((0..CONNECTIONS).map(connection)).await;
    let sum = ended.iter().fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
    assert_eq!((sum, gateway.calls().await), ((COPIES, 1), 1));
    let repeats = gateway.metric("tollgate_deliveries_total", &["result=\"duplicate\""]).await;
    assert_eq!(repeats, COPIES as u64 - 1);
    gateway.until("tollgate_dedupe_in_flight", 0).await;
}
