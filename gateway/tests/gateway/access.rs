//! The access log: one JSON line for each request, with the reason that the caller does not see.

use crate::harness::{Gateway, get, slack};
use serde_json::{Value, json};
use std::{
    io::{self, Write},
    sync::{Arc, Mutex},
};
use tracing_subscriber::fmt::MakeWriter;

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

#[tokio::test]
async fn a_request_is_one_line_with_its_reason() {
    let lines = Lines::default();
    let subscriber = tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_max_level(tracing::Level::INFO)
        .with_writer(lines.clone())
        .finish();
    // Everything of this test runs on its own thread, so that only its lines are here.
    let _guard = tracing::subscriber::set_default(subscriber);
    let gateway = Gateway::of(&["echo"]).await;
    let mut unsigned = slack("echo", "Ev-2");
    unsigned.headers_mut().remove("x-slack-signature");
    let mut traced = get("echo.localhost", "/a?token=hunter2");
    traced.headers_mut().insert(
        "traceparent",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".parse().unwrap(),
    );
    let mut ids = Vec::new();
    for request in [
        slack("echo", "Ev-1"),
        slack("echo", "Ev-1"),
        unsigned,
        traced,
        get("nobody.example", "/x"),
    ] {
        ids.push(gateway.send(request).await.headers["x-request-id"].to_str().unwrap().to_owned());
    }
    gateway.until("tollgate_requests", 0).await;
    let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
    assert!(!text.contains("hunter2") && !text.contains(crate::harness::SECRET), "{text}");
    let lines: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .filter(|line: &Value| line["target"] == "access")
        .collect();
    let wanted = [
        json!({ "status": 200, "end": "done", "endpoint": "slack-echo", "deployment": "echo", "revision": "r1", "tenant": "acme", "choice": "only", "method": "POST", "path": "/slack/echo", "host": "acme.localhost" }),
        json!({ "status": 200, "end": "duplicate", "endpoint": "slack-echo", "bytes": 0 }),
        json!({ "status": 401, "end": "rejected", "reason": "missing_signature", "endpoint": "slack-echo" }),
        json!({ "status": 200, "end": "public", "path": "/a", "deployment": "echo", "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736" }),
        json!({ "status": 404, "end": "rejected", "reason": "not_routed", "host": "nobody.example", "path": "/x" }),
    ];
    assert_eq!(lines.len(), wanted.len(), "{text}");
    for ((line, wanted), id) in lines.iter().zip(&wanted).zip(&ids) {
        assert_eq!(line["request_id"], **id, "{line}");
        for (field, value) in wanted.as_object().unwrap() {
            assert_eq!(line[field], *value, "{field}: {line}");
        }
    }
}
