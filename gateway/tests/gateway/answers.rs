//! The straight way: what reaches the worker, what comes back, what is counted.

use crate::harness::{Gateway, assert_id, deployment, for_h2, get, manifest, send_h2, signed, slack};
use http::Request;
use serde_json::json;

#[tokio::test]
async fn a_verified_delivery_reaches_the_worker_as_its_activity() {
    let gateway = Gateway::of(&["echo"]).await;
    let mut request = slack("echo", "Ev-1");
    request.headers_mut().insert("tollgate-tenant", "evil".parse().unwrap());
    request.headers_mut().insert("x-request-id", "forged".parse().unwrap());
    let answer = gateway.send(request).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert_id(&answer);
    let seen = answer.json();
    let header = |name: &str| {
        let pairs = seen["headers"].as_array().unwrap();
        let all: Vec<_> = pairs
            .iter()
            .filter(|pair| pair[0].as_str().unwrap().eq_ignore_ascii_case(name))
            .map(|pair| pair[1].as_str().unwrap())
            .collect();
        all.join("|")
    };
    for (name, value) in [
        ("tollgate-tenant", "acme"),
        ("tollgate-environment", "local"),
        ("tollgate-endpoint", "slack-echo"),
        ("tollgate-provider", "slack"),
        ("tollgate-event-id", "Ev-1"),
        ("tollgate-session-key", "acme:slack:C1:U1"),
        ("tollgate-revision", "r1"),
        ("tollgate-attempt", "1"),
        ("content-type", "application/json"),
        ("x-request-id", answer.headers["x-request-id"].to_str().unwrap()),
    ] {
        assert_eq!(header(name), value, "{name}");
    }
    assert_eq!(header("traceparent").len(), 55);
    let activity: serde_json::Value = serde_json::from_str(seen["body"].as_str().unwrap()).unwrap();
    assert_eq!((activity["tenant"].as_str(), activity["text"].as_str()), (Some("acme"), Some("hi")));
}

#[tokio::test]
async fn what_is_not_verified_starts_no_worker_and_is_counted_once() {
    let gateway = Gateway::of(&["echo"]).await;
    let good = || slack("echo", "Ev-2");
    let with = |name: &'static str, value: &str| {
        let mut request = good();
        request.headers_mut().append(name, value.parse().unwrap());
        request
    };
    let mut tampered = good();
    tampered.body_mut().push(' ');
    let mut unsigned = good();
    unsigned.headers_mut().remove("x-slack-signature");
    let mut put = good();
    *put.method_mut() = http::Method::PUT;
    let mut long = good();
    *long.body_mut() = "x".repeat(100_000);
    for (name, request, status, reason) in [
        ("tampered", tampered, 401, "bad_signature"),
        ("unsigned", unsigned, 401, "missing_signature"),
        ("two signatures", with("x-slack-signature", "v0=00"), 400, "duplicate_header"),
        ("compressed", with("content-encoding", "gzip"), 415, "unsupported_encoding"),
        ("wrong method", put, 405, "wrong_method"),
        ("too long", long, 413, "body_too_large"),
        ("two hosts", with("host", "acme.localhost"), 400, "none"),
        ("too many fields", with("x-long", &"y".repeat(40_000)), 431, "headers_too_large"),
        ("verified, but no JSON", signed("echo", "{"), 400, "unparsable"),
    ] {
        let label = format!("reason=\"{reason}\"");
        let (before, counted) = (
            gateway.calls().await,
            gateway.metric("tollgate_ingress_rejected_total", &[&label]).await,
        );
        let answer = gateway.send(request).await;
        assert_eq!(answer.status, status, "{name}");
        assert_id(&answer);
        assert_eq!(answer.headers.get("allow").is_some(), status == 405, "{name}");
        assert!(
            !answer.text.contains(reason),
            "{name}: the reason is not the caller's to know: {}",
            answer.text
        );
        assert_eq!(gateway.calls().await, before, "{name}");
        // A request whose host cannot be read was sent to no endpoint.
        let expected = u64::from(reason != "none");
        assert_eq!(
            gateway.metric("tollgate_ingress_rejected_total", &[&label]).await - counted,
            expected,
            "{name}"
        );
    }
}

#[tokio::test]
async fn a_handshake_is_answered_and_starts_no_worker() {
    let gateway = Gateway::of(&["echo"]).await;
    let answer = gateway
        .send(signed(
            "echo",
            &json!({"type": "url_verification", "token": "t", "challenge": "abc"}).to_string(),
        ))
        .await;
    assert_eq!((answer.status, answer.text.contains("abc"), gateway.calls().await), (200, true, 0));
    assert_eq!(gateway.metric("tollgate_deliveries_total", &["result=\"handshake\""]).await, 1);
    assert_eq!(gateway.metric("tollgate_ingress_rejected_total", &[]).await, 0);
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused_by_its_length_or_on_its_way() {
    let gateway = Gateway::of(&["echo"]).await;
    let long = "x".repeat(300_000);
    // By its declared length: no worker.
    let declared = Request::post("/").header("host", "echo.localhost").body(long.clone()).unwrap();
    assert_eq!((gateway.send(declared).await.status, gateway.calls().await), (413, 0));
    // Chunked: found out while it streams.
    let chunked = format!(
        "POST / HTTP/1.1\r\nHost: echo.localhost\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{long}\r\n0\r\n\r\n",
        long.len()
    );
    assert!(gateway.raw(chunked.as_bytes()).await.starts_with("HTTP/1.1 413"));
    let chunked = format!(
        "POST /slack/echo HTTP/1.1\r\nHost: acme.localhost\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{long}\r\n0\r\n\r\n",
        long.len()
    );
    assert!(gateway.raw(chunked.as_bytes()).await.starts_with("HTTP/1.1 413"));
    let h2 = Request::post("/").header("host", "echo.localhost").body(long).unwrap();
    assert_eq!(send_h2(gateway.connect().await, for_h2(h2, "http")).await.status, 413);
}

#[tokio::test]
async fn a_hostile_worker_has_its_status_and_nothing_of_it_stays() {
    let gateway = Gateway::of(&["hostile", "hello"]).await;
    for (path, status) in [
        ("/trap", 502),
        ("/silent", 502),
        ("/cpu", 504),
        ("/memory", 502),
        ("/deep", 502),
        ("/headers", 502),
    ] {
        let answer = gateway.send(get("hostile.localhost", path)).await;
        assert_eq!(answer.status, status, "{path}");
        assert_id(&answer);
        assert!(!answer.text.contains("wasm"), "{path}: {}", answer.text);
        assert_eq!(gateway.send(get("hello.localhost", "/x")).await.text, "hello /x", "after {path}");
    }
    gateway.until("tollgate_pool_instances", 0).await;
}

#[tokio::test]
async fn a_worker_that_stops_in_its_body_ends_the_connection_not_the_gateway() {
    let gateway = Gateway::of(&["hostile", "hello"]).await;
    let text = gateway.raw(b"GET /stall HTTP/1.1\r\nHost: hostile.localhost\r\n\r\n").await;
    // The head was out; a chunked body without its last chunk tells the client that it broke off (RFC 9112 8).
    assert!(text.starts_with("HTTP/1.1 200") && !text.ends_with("0\r\n\r\n"), "{text}");
    assert_eq!(gateway.send(get("hello.localhost", "/x")).await.text, "hello /x");
    gateway.until("tollgate_pool_instances", 0).await;
}

#[tokio::test]
async fn a_client_that_goes_away_cancels_its_call() {
    let gateway = Gateway::of(&["hostile"]).await;
    let mut stream = gateway.connect().await;
    tokio::io::AsyncWriteExt::write_all(&mut stream, b"GET /slow?ms=1900 HTTP/1.1\r\nHost: hostile.localhost\r\n\r\n")
        .await
        .unwrap();
    gateway.until("tollgate_pool_instances", 1).await;
    drop(stream);
    gateway.until("tollgate_pool_instances", 0).await;
    assert_eq!(gateway.metric("tollgate_answers_total", &["class=\"none\""]).await, 1);
}

#[tokio::test]
async fn a_revision_that_does_not_load_fails_alone() {
    let folder = tempfile::tempdir().unwrap();
    let mut manifest = manifest(folder.path(), &["hello"]);
    let mut broken = deployment("echo");
    let pack = folder.path().join("broken.gtpack");
    std::fs::write(&pack, b"no pack").unwrap();
    broken["revisions"][0]["pack"] = json!(pack);
    manifest["deployments"].as_array_mut().unwrap().push(broken);
    let gateway = Gateway::start(folder, &manifest).await;
    let answer = gateway.send(get("echo.localhost", "/")).await;
    assert_eq!((answer.status, answer.headers.contains_key("retry-after")), (503, true));
    assert_eq!(gateway.send(get("hello.localhost", "/x")).await.status, 200);
}

#[tokio::test]
async fn only_a_trusted_proxy_speaks_for_others() {
    let folder = tempfile::tempdir().unwrap();
    let mut manifest = manifest(folder.path(), &["echo"]);
    manifest["listeners"]
        .as_array_mut()
        .unwrap()
        .insert(0, json!({ "address": "127.0.0.1:0", "trusted_proxies": ["127.0.0.0/8"] }));
    let gateway = Gateway::start(folder, &manifest).await;
    for (index, trusted) in [(0, true), (1, false)] {
        let address = gateway.running.listeners[index].address;
        let request = Request::get("/")
            .header("host", "echo.localhost")
            .header("x-forwarded-proto", "https")
            .header("x-forwarded-for", "192.0.2.1")
            .header("forwarded", "for=192.0.2.1")
            .header("x-request-id", "from-the-proxy")
            .body(String::new())
            .unwrap();
        let answer = crate::harness::send_h1(tokio::net::TcpStream::connect(address).await.unwrap(), request).await;
        let seen = answer.json();
        assert_eq!(
            seen["scheme"].as_str().unwrap().to_lowercase(),
            if trusted { "https" } else { "http" }
        );
        assert_eq!(answer.headers["x-request-id"] == "from-the-proxy", trusted);
        let text = seen["headers"].to_string().to_lowercase();
        assert_eq!(
            (text.contains("x-forwarded-for"), text.contains("\"forwarded\"")),
            (trusted, trusted)
        );
    }
}
