//! `tollgate send`, against a small server of the test's own.

use crate::run::tollgate;
use rustls::{ServerConfig, ServerConnection, StreamOwned, crypto::aws_lc_rs};
use rustls_pki_types::PrivateKeyDer;
use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::TcpListener,
    path::PathBuf,
    sync::Arc,
    thread::{self, JoinHandle},
};
use tempfile::TempDir;

const SECRET: &str = "s3cret-of-the-test";

/// Answers one request and gives it back as it came.
fn answer_once<S: Read + Write>(stream: S, status: &str, body: &str) -> String {
    let mut stream = BufReader::new(stream);
    let (mut head, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).unwrap_or(0) == 0 {
            return head;
        }
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        head.push_str(&line);
        if line == "\r\n" {
            break;
        }
    }
    let mut sent = vec![0; length];
    stream.read_exact(&mut sent).unwrap();
    let out = stream.get_mut();
    write!(
        out,
        "HTTP/1.1 {status}\r\ncontent-length: {}\r\nx-request-id: r-1\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    out.flush().unwrap();
    head + &String::from_utf8(sent).unwrap()
}

fn plain(status: &'static str, body: &'static str) -> (String, JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://acme.localhost:{}/slack/events", listener.local_addr().unwrap().port());
    (url, thread::spawn(move || answer_once(listener.accept().unwrap().0, status, body)))
}

/// A TLS server for `localhost`, until the tests end, and the file of its certificate.
fn tls() -> (TempDir, PathBuf, String) {
    let pair = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("localhost.pem");
    fs::write(&file, pair.cert.pem()).unwrap();
    let key = PrivateKeyDer::try_from(pair.signing_key.serialize_der()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
    let config = config.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
    let config = Arc::new(config.with_single_cert(vec![pair.cert.der().clone()], key).unwrap());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://localhost:{}/", listener.local_addr().unwrap().port());
    thread::spawn(move || {
        for stream in listener.incoming() {
            answer_once(
                StreamOwned::new(ServerConnection::new(config.clone()).unwrap(), stream.unwrap()),
                "200 OK",
                "good",
            );
        }
    });
    (folder, file, url)
}

#[test]
fn a_payload_is_signed_and_the_answer_is_shown() {
    let (url, server) = plain("200 OK", "{\"count\":1}");
    let result = tollgate(["send", "slack", "--secret", "env://S", "--url", &url])
        .env("S", SECRET)
        .result();
    let request = server.join().unwrap();
    assert_eq!(
        (result["status"].as_u64(), result["body"].as_str()),
        (Some(200), Some("{\"count\":1}")),
        "{result}"
    );
    assert!(result["milliseconds"].as_f64().is_some_and(|time| time > 0.0), "{result}");
    let port = url.split(':').nth(2).unwrap().split('/').next().unwrap();
    assert!(request.contains(&format!("host: acme.localhost:{port}\r\n")), "{request}");

    // The gate's own code finds it good.
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("request.http");
    fs::write(&file, &request).unwrap();
    let verdict = tollgate(["explain", "--provider", "slack", "--secret", "env://S"])
        .env("S", SECRET)
        .arg(&file)
        .result();
    assert_eq!(verdict["verdict"], "accept", "{verdict}");
}

#[test]
fn each_event_is_fresh_unless_as_is() {
    let body = |as_is: bool| {
        let (url, server) = plain("200 OK", "");
        let command = tollgate(["send", "slack", "--secret", "env://S", "--url", &url]).env("S", SECRET);
        assert_eq!(if as_is { command.arg("--as-is") } else { command }.run().status, 0);
        server.join().unwrap().split("\r\n\r\n").nth(1).unwrap().to_owned()
    };
    assert_ne!(body(false), body(false));
    assert_eq!(body(true), body(true));
}

#[test]
fn a_refusal_is_a_failure_with_its_answer() {
    let (url, server) = plain("401 Unauthorized", "no");
    let told = tollgate(["send", "github", "--secret", "env://S", "--url", &url, "--json"])
        .env("S", SECRET)
        .run();
    server.join().unwrap();
    assert_eq!(told.status, 1);
    assert!(told.out.contains("\"status\":401") && told.out.contains("\"no\""), "{}", told.out);
    assert!(
        told.err.contains("\"kind\":\"refused\"") && told.err.contains("r-1") && told.err.contains("tollgate explain"),
        "{}",
        told.err
    );
    assert!(!told.err.contains(SECRET) && !told.out.contains(SECRET));
}

#[test]
fn what_to_look_at_depends_on_the_refusal() {
    for (status, advice) in [
        ("404 Not Found", "no endpoint is at this host and path"),
        ("503 Service Unavailable", "not_ready"),
        ("502 Bad Gateway", "log has the reason"),
    ] {
        let (url, server) = plain(status, "no");
        let (kind, message) = tollgate(["send", "github", "--secret", "env://S", "--url", &url])
            .env("S", SECRET)
            .error();
        server.join().unwrap();
        assert!(kind == "refused" && message.contains(advice), "{status}: {kind}: {message}");
        assert!(
            !message.contains("tollgate explain"),
            "{status}: it knows signatures only: {message}"
        );
    }
}

#[test]
fn a_url_of_the_wrong_scheme_or_name_is_told_so() {
    let (_folder, file, url) = tls();
    let send = |url: &str| tollgate(["send", "slack", "--secret", "env://S", "--url", url]).env("S", SECRET);
    let (kind, message) = send(&url.replace("https://", "http://")).error();
    assert!(kind == "http" && message.contains("https://"), "{kind}: {message}");
    let (kind, message) = send(&url.replace("localhost", "127.0.0.1")).arg("--ca").arg(&file).error();
    assert!(
        kind == "tls" && message.contains("a name that its certificate has"),
        "{kind}: {message}"
    );
}

#[test]
fn a_certificate_is_believed_only_when_it_is_named() {
    let (_folder, file, url) = tls();
    let send = || tollgate(["send", "slack", "--secret", "env://S", "--url", &url]).env("S", SECRET);
    let (kind, message) = send().error();
    assert!(kind == "tls" && message.contains("--ca"), "{kind}: {message}");
    assert_eq!(send().arg("--ca").arg(&file).result()["body"], "good");
    assert_eq!(send().arg("--insecure").result()["body"], "good");
}

#[test]
fn nobody_there_is_an_error_of_its_own() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://localhost:{}/", listener.local_addr().unwrap().port());
    drop(listener);
    let send = || tollgate(["send", "slack", "--secret", "env://S", "--url", &url]).env("S", SECRET);
    let (kind, message) = send().error();
    assert!(kind == "connect" && message.contains("is the gateway running"), "{kind}: {message}");
    let (kind, message) = send().arg("--file").arg("/nowhere/payload.json").error();
    assert!(
        kind == "file" && message.contains("--file /nowhere/payload.json"),
        "{kind}: {message}"
    );
}
