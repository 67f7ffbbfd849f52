//! Stopping: what runs ends, what is new is not taken, what never ends is cut off.

use crate::harness::{Gateway, for_h2, get, read_all, send_h2};
use std::time::Duration;
use tokio::{io::AsyncWriteExt, net::TcpStream};

#[tokio::test(flavor = "multi_thread")]
async fn what_is_in_flight_ends_and_its_connection_with_it() {
    let gateway = Gateway::of(&["hostile"]).await;
    let address = gateway.http();
    let mut stream = gateway.connect().await;
    stream
        .write_all(b"GET /slow?ms=1000 HTTP/1.1\r\nHost: hostile.localhost\r\n\r\n")
        .await
        .unwrap();
    let h2 = tokio::spawn(send_h2(
        gateway.connect().await,
        for_h2(get("hostile.localhost", "/slow?ms=1000"), "http"),
    ));
    gateway.until("tollgate_pool_instances", 2).await;
    // Two that hold a drain up if it waits for them: one that has said nothing, one that is idle after an answer.
    let _silent = gateway.connect().await;
    let mut idle = gateway.connect().await;
    idle.write_all(b"GET /trap HTTP/1.1\r\nHost: hostile.localhost\r\n\r\n")
        .await
        .unwrap();
    gateway.until("tollgate_pool_instances", 2).await;

    let report = gateway.running.drain(Duration::from_secs(60)).await;
    assert!(report.clean, "{report:?}");
    let text = read_all(&mut stream).await;
    assert!(text.starts_with("HTTP/1.1 200"), "{text}");
    assert_eq!(h2.await.unwrap().status, 200);
    assert!(TcpStream::connect(address).await.is_err(), "it still listens");
}

#[tokio::test(start_paused = true)]
async fn what_never_ends_is_cut_off_at_the_deadline() {
    let gateway = Gateway::of(&["echo"]).await;
    let mut stream = gateway.connect().await;
    // A body that never comes holds the request for its own deadline, which is longer than the drain's.
    stream
        .write_all(b"POST /slack/echo HTTP/1.1\r\nHost: acme.localhost\r\nContent-Length: 5\r\n\r\n")
        .await
        .unwrap();
    gateway.until("tollgate_requests", 1).await;
    let report = gateway.running.drain(Duration::from_millis(100)).await;
    assert!(!report.clean && report.cut_off > 0, "{report:?}");
    assert_eq!(read_all(&mut stream).await, "");
}
