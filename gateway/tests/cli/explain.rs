//! `tollgate explain`.

use crate::run::{Tollgate, tollgate};
use hmac::{Hmac, Mac};
use serde_json::Value;
use std::{fmt::Write as _, fs};
use tempfile::TempDir;

const SECRET: &str = "8f742231b10e8888abcd99yyyzzz85a5";
const THEN: i64 = 1_700_000_000;

/// A recorded Slack request, signed as Slack does.
fn slack(body: &str) -> String {
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
    mac.update(format!("v0:{THEN}:{body}").as_bytes());
    let signature = mac.finalize().into_bytes().iter().fold(String::new(), |mut hex, byte| {
        write!(hex, "{byte:02x}").unwrap();
        hex
    });
    format!(
        "POST /slack/events HTTP/1.1\r\nHost: acme.localhost\r\nContent-Type: application/json\r\nX-Slack-Request-Timestamp: {THEN}\r\n\
         X-Slack-Signature: v0={signature}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

fn message() -> String {
    let event = r#"{"type":"message","channel":"C1","user":"U1","text":"hi","ts":"1700000000.000100"}"#;
    slack(&format!(
        r#"{{"type":"event_callback","team_id":"T1","api_app_id":"A1","event_id":"Ev1","event_time":{THEN},"event":{event}}}"#
    ))
}

fn explain(request: &str, now: i64, secret: &str) -> (TempDir, Tollgate) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("request.http");
    fs::write(&file, request).unwrap();
    let now = now.to_string();
    let command = tollgate(["explain", "--provider", "slack", "--secret", "env://S", "--now", &now])
        .env("S", secret)
        .arg(file);
    (folder, command)
}

fn result(request: &str, now: i64, secret: &str) -> Value {
    let (_folder, command) = explain(request, now, secret);
    command.result()
}

#[test]
fn a_verdict_says_what_and_why() {
    let good = message();
    for (name, request, now, secret, verdict, code, reason) in [
        ("good", good.clone(), THEN, SECRET, "accept", 200, None),
        ("the window's end", good.clone(), THEN + 300, SECRET, "accept", 200, None),
        ("stale", good.clone(), THEN + 301, SECRET, "reject", 401, Some("stale_timestamp")),
        ("future", good.clone(), THEN - 301, SECRET, "reject", 401, Some("future_timestamp")),
        (
            "tampered",
            good.replace("\"hi\"", "\"ho\""),
            THEN,
            SECRET,
            "reject",
            401,
            Some("bad_signature"),
        ),
        (
            "another secret",
            good.clone(),
            THEN,
            "another",
            "reject",
            401,
            Some("bad_signature"),
        ),
        ("blank", good.clone(), THEN, " ", "reject", 401, Some("blank_secret")),
        (
            "get",
            good.replacen("POST", "GET", 1),
            THEN,
            SECRET,
            "reject",
            405,
            Some("wrong_method"),
        ),
        (
            "compressed",
            good.replacen("Host:", "Content-Encoding: gzip\r\nHost:", 1),
            THEN,
            SECRET,
            "reject",
            415,
            Some("unsupported_encoding"),
        ),
        (
            "handshake",
            slack(r#"{"type":"url_verification","token":"t","challenge":"c"}"#),
            THEN,
            SECRET,
            "handshake",
            200,
            None,
        ),
    ] {
        let result = result(&request, now, secret);
        assert_eq!(result["verdict"], verdict, "{name}: {result}");
        assert_eq!(result["code"], code, "{name}: {result}");
        assert_eq!(result["reason"].as_str(), reason, "{name}: {result}");
        assert_eq!(
            result["activities"].as_array().map(Vec::len),
            Some(usize::from(verdict == "accept")),
            "{name}: {result}"
        );
        assert_eq!(result["parse_error"], Value::Null, "{name}");
    }
}

#[test]
fn what_is_verified_and_cannot_be_parsed_is_accepted_with_the_error() {
    let result = result(&slack("Hello, World!"), THEN, SECRET);
    assert_eq!(
        (result["verdict"].as_str(), result["code"].as_u64()),
        (Some("accept"), Some(400)),
        "{result}"
    );
    assert!(result["parse_error"].is_string() && result["reason"].is_null(), "{result}");
}

#[test]
fn the_activity_is_that_of_the_given_tenant() {
    let (_folder, command) = explain(&message(), THEN, SECRET);
    let activity = &command.arg("--tenant").arg("beta").result()["activities"][0];
    assert_eq!((activity["tenant"].as_str(), activity["text"].as_str()), (Some("beta"), Some("hi")));
}

#[test]
fn each_of_two_live_secrets_opens() {
    let (_folder, command) = explain(&message(), THEN, "newer");
    let result = command.env("OLD", SECRET).arg("--secret").arg("env://OLD").result();
    assert_eq!(result["verdict"], "accept");
}

#[test]
fn any_verdict_is_status_0_and_no_expected_signature_is_shown() {
    let good = message();
    let signature = good.split("v0=").nth(1).unwrap().split('\r').next().unwrap().to_owned();
    let wrong = good.replace(&signature, &"0".repeat(64));
    let (_folder, command) = explain(&wrong, THEN, SECRET);
    let told = command.run();
    assert_eq!(told.status, 0, "{}", told.err);
    assert!(told.out.starts_with("reject (401): bad_signature"), "{}", told.out);
    assert!(!told.out.contains(&signature) && !told.err.contains(&signature));
}

#[test]
fn a_recording_that_is_none_is_no_verdict() {
    for wrong in ["", "hello", "POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nfour"] {
        let (_folder, command) = explain(wrong, THEN, SECRET);
        assert_eq!(command.error().0, "request", "{wrong:?}");
    }
}
