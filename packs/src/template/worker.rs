//! Answers each message with `{"text": …}`.
//!
//! The gate has verified the message and made it a canonical activity before this worker is called. Every call gets a fresh instance: what is kept in memory
//! is gone when `handle` returns.

use serde::{Deserialize, Serialize};
use std::io::{Read, Write};
use wasip2::{
    exports::http::incoming_handler::Guest,
    http::types::{Fields, IncomingRequest, Method, OutgoingBody, OutgoingResponse, ResponseOutparam},
};

/// The part of the canonical activity that this worker reads.
#[derive(Deserialize)]
struct Activity {
    text: Option<String>,
}

#[derive(Serialize)]
struct Reply {
    text: String,
}

/// Why there is no reply: a status and a line for whoever called.
struct Failure(u16, String);

/// This is yours to change: what the worker says.
fn answer(activity: Activity) -> Reply {
    match activity.text {
        Some(text) => Reply { text: format!("You said: {text}") },
        None => Reply { text: "That was no text.".to_owned() },
    }
}

struct Worker;

impl Guest for Worker {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        match activity(&request).map(answer) {
            Ok(reply) => send(out, 200, "application/json", &serde_json::to_vec(&reply).expect("a reply is JSON")),
            Err(Failure(status, message)) => send(out, status, "text/plain", message.as_bytes()),
        }
    }
}

fn activity(request: &IncomingRequest) -> Result<Activity, Failure> {
    if !matches!(request.method(), Method::Post) {
        return Err(Failure(405, "send an activity with POST".to_owned()));
    }
    let incoming = request.consume().expect("the body is taken once");
    let mut body = Vec::new();
    let read = incoming.stream().expect("its stream is taken once").read_to_end(&mut body);
    read.map_err(|error| Failure(400, format!("the body broke off: {error}")))?;
    serde_json::from_slice(&body).map_err(|error| Failure(400, format!("not an activity: {error}")))
}

fn send(out: ResponseOutparam, status: u16, content_type: &str, bytes: &[u8]) {
    let headers = Fields::new();
    headers.append("content-type", content_type.as_bytes()).expect("a valid header");
    if status == 405 {
        // RFC 9110 15.5.6: a 405 says what is allowed.
        headers.append("allow", b"POST").expect("a valid header");
    }
    let response = OutgoingResponse::new(headers);
    response.set_status_code(status).expect("a valid status");
    let body = response.body().expect("a new response has a body");
    ResponseOutparam::set(out, Ok(response));

    let mut stream = body.write().expect("a new body has a stream");
    // The caller may have gone away meanwhile; then there is nobody to tell.
    let sent = stream.write_all(bytes);
    drop(stream);
    if sent.is_ok() {
        let _ = OutgoingBody::finish(body, None);
    }
}

wasip2::http::proxy::export!(Worker);
