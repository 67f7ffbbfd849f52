//! Clients that take their time. The clock is paused: it jumps to the next deadline when nothing else can happen.

use crate::harness::{Gateway, assert_id, get, read_all, status_of};
use std::time::Duration;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::Instant,
};

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

/// `GET /x` for hello.localhost on stream 1, from a client whose streams have no window (RFC 9113 6.5.2, 6.9.2).
const NO_WINDOW: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\
    \x00\x00\x06\x04\x00\x00\x00\x00\x00\x00\x04\x00\x00\x00\x00\
    \x00\x00\x17\x01\x05\x00\x00\x00\x01\x82\x86\x04\x02/x\x01\x0fhello.localhost";

/// Reads frames and answers every ping until the gateway closes; says of which types they were.
async fn held(stream: &mut TcpStream) -> Vec<u8> {
    const PING: u8 = 6;
    let mut types = Vec::new();
    loop {
        let mut head = [0; 9];
        if stream.read_exact(&mut head).await.is_err() {
            return types;
        }
        let [a, b, c, kind, flags, ..] = head;
        let mut payload = vec![0; usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c)];
        stream.read_exact(&mut payload).await.unwrap();
        types.push(kind);
        if kind == PING && flags & 1 == 0 {
            head[4] = 1;
            stream.write_all(&[&head[..], &payload].concat()).await.unwrap();
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_nobody_grants_a_window_for_is_not_held_for_ever() {
    const HEADERS: u8 = 1;
    let gateway = Gateway::of(&["hello"]).await;
    let mut stream = gateway.connect().await;
    stream.write_all(NO_WINDOW).await.unwrap();
    let begun = Instant::now();
    let types = held(&mut stream).await;
    assert!(types.contains(&HEADERS), "{types:?}");
    assert!(begun.elapsed() <= Duration::from_secs(60), "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_nobody_reads_does_not_hold_a_stop() {
    let gateway = Gateway::of(&["hello"]).await;
    let mut stream = gateway.connect().await;
    stream.write_all(NO_WINDOW).await.unwrap();
    let client = tokio::spawn(async move { held(&mut stream).await });
    while gateway.calls().await == 0 {
        tokio::task::yield_now().await;
    }
    let begun = Instant::now();
    let report = gateway.running.drain(Duration::from_secs(25)).await;
    assert!(
        report.clean && begun.elapsed() <= Duration::from_secs(10),
        "{report:?} after {:?}",
        begun.elapsed()
    );
    client.await.unwrap();
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
