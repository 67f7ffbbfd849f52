//! A worker that calls where the request says, in a gateway that grants one local server and every name.

use crate::harness::{Gateway, deployment, get, manifest};
use serde_json::json;
use std::net::SocketAddr;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    sync::mpsc,
};

/// A server that says `granted` to everyone, and tells what it was sent.
async fn server() -> (SocketAddr, mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (tell, told) = mpsc::channel(64);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                let Ok(byte) = stream.read_u8().await else { break };
                head.push(byte);
            }
            let _ = tell.try_send(String::from_utf8_lossy(&head).into_owned());
            let _ = stream
                .write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 7\r\n\r\ngranted")
                .await;
        }
    });
    (address, told)
}

/// A gateway whose `hostile` may call all of these.
async fn gateway(allow: &[String]) -> Gateway {
    let folder = tempfile::tempdir().unwrap();
    let mut manifest = manifest(folder.path(), &[]);
    let mut hostile = deployment("hostile");
    hostile["allow_outbound"] = json!(allow);
    manifest["deployments"] = json!([hostile]);
    Gateway::start(folder, &manifest).await
}

async fn ask(gateway: &Gateway, url: &str) -> String {
    let answer = gateway.send(get("hostile.localhost", &format!("/outbound?url={url}"))).await;
    assert_eq!(answer.status, 200, "{url}: {}", answer.text);
    answer.text
}

#[tokio::test]
async fn what_is_granted_arrives_and_every_trick_is_refused() {
    let (server, mut told) = server().await;
    let port = server.port();
    // Every name, the server, and for our own listeners the widest grant that can be written.
    let first = gateway(&[]).await;
    assert!(ask(&first, &format!("http://{server}/")).await.starts_with("HTTP-request-denied"));
    assert_eq!(
        first.metric("tollgate_outbound_refused_total", &["reason=\"not_granted\""]).await,
        1
    );

    let grants = ["http://*", "https://*"].map(str::to_owned);
    let grants = [&grants[..], &[format!("http://*:{port}"), format!("http://{server}")]].concat();
    let gateway = gateway(&grants).await;
    let said = ask(&gateway, &format!("http://{server}/")).await;
    assert_eq!(said, "status: 200\ngranted");
    let seen = told.recv().await.unwrap().to_lowercase();
    assert!(
        seen.contains(&format!("\r\nhost: {server}\r\n")) && seen.contains("\r\ntraceparent: 00-"),
        "{seen}"
    );
    assert!(seen.contains("\r\ncdn-loop: tollgate\r\n"), "{seen}");

    for (url, expected) in [
        (format!("http://localhost:{port}/"), "HTTP-request-denied"),
        (format!("http://localhost.:{port}/"), "HTTP-request-denied"),
        (format!("http://a.localhost:{port}/"), "HTTP-request-denied"),
        (format!("http://2130706433:{port}/"), "HTTP-request-denied"),
        (format!("http://0x7f000001:{port}/"), "HTTP-request-denied"),
        (format!("http://0177.0.0.1:{port}/"), "HTTP-request-denied"),
        (format!("http://127.1:{port}/"), "HTTP-request-denied"),
        (format!("http://user@127.0.0.1:{port}/"), "HTTP-request-denied"),
        (format!("http://example.com@127.0.0.1:{port}/"), "HTTP-request-denied"),
        (format!("https://127.0.0.1:{port}/"), "HTTP-request-denied"),
        (format!("http://127.0.0.2:{port}/"), "HTTP-request-denied"),
        (format!("http://[::1]:{port}/"), "HTTP-request-denied"),
        (format!("http://[::ffff:127.0.0.1]:{port}/"), "destination-IP-prohibited"),
        (format!("http://[::127.0.0.1]:{port}/"), "destination-IP-prohibited"),
        (format!("http://[64:ff9b::7f00:1]:{port}/"), "destination-IP-prohibited"),
        (format!("http://0.0.0.0:{port}/"), "destination-IP-prohibited"),
        (format!("http://[::]:{port}/"), "destination-IP-prohibited"),
        ("http://169.254.169.254/latest/meta-data/".to_owned(), "HTTP-request-denied"),
        ("http://10.0.0.1/".to_owned(), "HTTP-request-denied"),
        (format!("gopher://{server}/"), "HTTP-request-denied"),
        (format!("http://127.0.0.1.:{port}/"), "status: 200"),
    ] {
        let said = ask(&gateway, &url).await;
        assert!(said.starts_with(expected), "{url}: {said}");
    }
    let refused = ["scheme", "userinfo", "host", "localhost", "not_granted", "address"];
    for reason in refused {
        let label = format!("reason=\"{reason}\"");
        assert_ne!(gateway.metric("tollgate_outbound_refused_total", &[&label]).await, 0, "{reason}");
    }
    assert_eq!(
        gateway.metric("tollgate_outbound_requests_total", &["result=\"answered\""]).await,
        2
    );
}

#[tokio::test]
async fn our_own_listeners_are_never_called_whatever_is_granted() {
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = taken.local_addr().unwrap().port();
    drop(taken);
    let folder = tempfile::tempdir().unwrap();
    let mut manifest = manifest(folder.path(), &[]);
    let mut hostile = deployment("hostile");
    hostile["allow_outbound"] = json!([format!("http://0.0.0.0/0:{port}"), format!("http://[::/0]:{port}")]);
    manifest["deployments"] = json!([hostile]);
    manifest["admin"]["address"] = json!(format!("127.0.0.1:{port}"));
    let gateway = Gateway::start(folder, &manifest).await;
    for host in ["127.0.0.1", "127.9.9.9", "[::1]", "0.0.0.0", "[::]", "[::ffff:127.0.0.1]"] {
        let said = ask(&gateway, &format!("http://{host}:{port}/metrics")).await;
        assert!(said.starts_with("destination-IP-prohibited"), "{host}: {said}");
    }
    assert_eq!(
        gateway.metric("tollgate_outbound_requests_total", &["result=\"answered\""]).await,
        0
    );
}

#[tokio::test]
async fn a_call_that_came_by_too_many_gateways_calls_out_no_more() {
    let (server, _told) = server().await;
    let gateway = gateway(&[format!("http://{server}")]).await;
    let mut request = get("hostile.localhost", &format!("/outbound?url=http://{server}/"));
    let hops = "tollgate, other, tollgate, tollgate, tollgate";
    request.headers_mut().insert("cdn-loop", hops.parse().unwrap());
    let answer = gateway.send(request).await;
    assert!(answer.text.starts_with("loop-detected"), "{}", answer.text);
}

#[tokio::test]
async fn a_caller_that_goes_away_ends_the_call_out() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = silent.local_addr().unwrap();
    let gateway = gateway(&[format!("http://{address}")]).await;
    let mut stream = gateway.connect().await;
    let request = format!("GET /outbound?url=http://{address}/ HTTP/1.1\r\nHost: hostile.localhost\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let (mut called, _) = silent.accept().await.unwrap();
    drop(stream);
    // The peer sees the end, the pool has its instance back, and the call is counted.
    let mut rest = Vec::new();
    called.read_to_end(&mut rest).await.unwrap();
    gateway.until("tollgate_pool_instances", 0).await;
    gateway.until("tollgate_outbound_requests_total", 1).await;
    assert_eq!(
        gateway.metric("tollgate_outbound_requests_total", &["result=\"cancelled\""]).await,
        1
    );
}

#[tokio::test]
async fn a_worker_uses_the_secrets_that_are_granted_and_no_others() {
    let (server, mut told) = server().await;
    let folder = tempfile::tempdir().unwrap();
    let mut manifest = manifest(folder.path(), &[]);
    let mut hostile = deployment("hostile");
    let secret = folder.path().join("secret");
    std::fs::write(&secret, "hunter2\n").unwrap();
    hostile["secrets"] = json!({ "api_token": format!("file://{}", secret.display()) });
    hostile["allow_outbound"] = json!([format!("http://{server}"), "http://*"]);
    manifest["deployments"] = json!([hostile]);
    let gateway = Gateway::start(folder, &manifest).await;
    let said = gateway.send(get("hostile.localhost", "/secret?name=api_token")).await;
    assert_eq!((said.status, said.text.as_str()), (200, "hunter2"));
    for name in ["other", "", "../api_token"] {
        let said = gateway.send(get("hostile.localhost", &format!("/secret?name={name}"))).await;
        assert_eq!(said.status, 404, "{name}: {}", said.text);
    }
    // What a worker passes on by name it never holds.
    let said = gateway
        .send(get(
            "hostile.localhost",
            &format!("/authorized?secret=api_token&url=http://{server}/"),
        ))
        .await;
    assert_eq!(said.text, "status: 200\ngranted");
    let seen = told.recv().await.unwrap();
    assert!(seen.contains("\r\nauthorization: Bearer hunter2\r\n"), "{seen}");
    for path in [
        format!("/authorized?secret=other&url=http://{server}/"),
        "/authorized?secret=api_token&url=http://example.com/".to_owned(),
    ] {
        let said = gateway.send(get("hostile.localhost", &path)).await;
        assert!(said.text.starts_with("HTTP-request-denied"), "{path}: {}", said.text);
    }
    assert_eq!(gateway.metric("tollgate_outbound_refused_total", &["reason=\"secret\""]).await, 2);
}

#[tokio::test]
async fn a_secret_that_is_not_there_is_refused_before_anything_listens() {
    let folder = tempfile::tempdir().unwrap();
    let mut manifest = manifest(folder.path(), &["hello"]);
    let blank = folder.path().join("blank");
    std::fs::write(&blank, " \n").unwrap();
    manifest["deployments"][0]["secrets"] =
        json!({ "a": "env://TOLLGATE_TEST_NOBODY_SETS_THIS", "b": format!("file://{}", blank.display()) });
    let file = folder.path().join("tollgate.yaml");
    std::fs::write(&file, manifest.to_string()).unwrap();
    let environment = tollgate_config::Environment::read(&file).unwrap();
    let error = tollgate::gateway::Gateway::start(environment, tollgate_host::Compiler::Here)
        .await
        .unwrap_err();
    let tollgate::gateway::StartError::Secrets(errors) = error else {
        panic!("{error}")
    };
    let told = errors.to_string();
    assert_eq!(errors.0.len(), 2, "{told}");
    assert!(
        told.contains("deployment hello: env://TOLLGATE_TEST_NOBODY_SETS_THIS: the variable is not set") && told.contains("blank"),
        "{told}"
    );
}
