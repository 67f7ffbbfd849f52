//! Clients that take their time. The clock is paused: it jumps to the next deadline when nothing else can happen.

use crate::harness::{Gateway, assert_id, get, read_all, status_of};
use std::time::Duration;
use tokio::{io::AsyncWriteExt, time::Instant};

#[tokio::test(start_paused = true)]
async fn a_connection_without_a_request_is_closed() {
    let gateway = Gateway::of(&["hello"]).await;
    for bytes in [
        "",
        "G",
        "GET / HTTP/1.1\r\nHost: hello.localhost\r\nX-Slow: ",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ] {
        let mut stream = gateway.connect().await;
        stream.write_all(bytes.as_bytes()).await.unwrap();
        let begun = Instant::now();
        let text = read_all(&mut stream).await;
        // An HTTP/2 server greets first; no answer comes.
        assert!(
            !text.contains("200") && begun.elapsed() <= Duration::from_secs(11),
            "{bytes:?}: {text:?} after {:?}",
            begun.elapsed()
        );
    }
    assert_eq!(gateway.calls().await, 0);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_does_not_come_is_a_408() {
    let gateway = Gateway::of(&["echo"]).await;
    let mut stream = gateway.connect().await;
    stream
        .write_all(b"POST /slack/echo HTTP/1.1\r\nHost: acme.localhost\r\nContent-Length: 5\r\n\r\nab")
        .await
        .unwrap();
    let text = read_all(&mut stream).await;
    assert_eq!(status_of(&text), 408, "{text}");
    assert_eq!(
        gateway.metric("tollgate_ingress_rejected_total", &["reason=\"body_slow\""]).await,
        1
    );
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_is_closed_after_its_answer() {
    let gateway = Gateway::of(&["hello"]).await;
    let mut stream = gateway.connect().await;
    stream
        .write_all(b"GET /missing HTTP/1.1\r\nHost: nobody.example\r\n\r\n")
        .await
        .unwrap();
    let begun = Instant::now();
    let text = read_all(&mut stream).await;
    assert_eq!(status_of(&text), 404, "{text}");
    assert!(begun.elapsed() <= Duration::from_secs(130), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn a_client_that_waits_for_100_continue_is_answered_without_sending() {
    let gateway = Gateway::of(&["echo"]).await;
    let bytes = b"POST / HTTP/1.1\r\nHost: echo.localhost\r\nExpect: 100-continue\r\nContent-Length: 1000000\r\n\r\n";
    let text = gateway.raw(bytes).await;
    assert_eq!(status_of(&text), 413, "{text}");
    let answer = gateway.send(get("echo.localhost", "/")).await;
    assert_id(&answer);
}
