//! Timers against the real gateway and its clock: each second has one tick, so nothing waits for long.

use crate::harness::{Gateway, manifest};
use serde_json::{Value, json};
use std::{
    path::Path,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

const DELIVERIES: &str = "tollgate_deliveries_total";

fn every_second(folder: &Path, deployment: &str, kept: bool) -> Value {
    let mut manifest = manifest(folder, &[deployment]);
    manifest["endpoints"] = json!([{
        "id": "beat", "tenant": "acme", "provider": "timer", "deployment": deployment, "options": { "cron": "* * * * * *" },
    }]);
    if kept {
        manifest["store"] = json!({ "kind": "sled", "path": folder.join("store") });
    }
    manifest
}

/// Waits until so many ticks ended so.
async fn ticks(gateway: &Gateway, result: &str, at_least: u64) -> u64 {
    loop {
        let found = gateway.metric(DELIVERIES, &["beat", result]).await;
        if found >= at_least {
            return found;
        }
    }
}

fn seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_is_called_by_the_clock_and_no_second_twice_over_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let manifest = every_second(folder.path(), "echo", true);
    let start = seconds();
    let gateway = Gateway::start(folder, &manifest).await;
    ticks(&gateway, "\"done\"", 2).await;
    let Gateway { running, folder } = gateway;
    // Ticks stop at the drain, which so has an end.
    let report = running.drain(Duration::from_secs(60)).await;
    assert!(report.clean, "{report:?}");

    let again = Gateway::start(folder, &manifest).await;
    let done = ticks(&again, "\"done\"", 2).await;
    let calls = again.calls().await;
    assert!(calls >= done, "{calls} calls, {done} done");
    assert_eq!(again.metric(DELIVERIES, &["beat", "\"failed\""]).await, 0);
    assert_eq!(again.metric(DELIVERIES, &["beat", "\"duplicate\""]).await, 0);
    // Four ticks at least, and each has a second of its own.
    assert!(seconds() - start >= 3, "four ticks in {} s", seconds() - start);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tick_that_its_worker_does_not_answer_with_2xx_has_failed() {
    // It knows no such path and says 404.
    let folder = tempfile::tempdir().unwrap();
    let manifest = every_second(folder.path(), "hostile", false);
    let gateway = Gateway::start(folder, &manifest).await;
    ticks(&gateway, "\"failed\"", 1).await;
    assert_eq!(gateway.metric(DELIVERIES, &["beat", "\"done\""]).await, 0);
}
