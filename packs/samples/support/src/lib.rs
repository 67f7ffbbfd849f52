//! Answers a chat message with `{"text": its text, "count": how many this conversation has sent}`.
//!
//! The gate has verified the message and made it a canonical activity; its headers say whose conversation it is. The count lives
//! in the session store, so it outlasts this instance, which serves one request only.

use serde::{Deserialize, Serialize};
use std::io::{Read, Write};
use store::wasi::keyvalue::{
    atomics,
    store::{Error as StoreError, open},
};
use wasip2::{
    exports::http::incoming_handler::Guest,
    http::types::{Fields, IncomingRequest, OutgoingBody, OutgoingResponse, ResponseOutparam},
};

mod store {
    wit_bindgen::generate!({ path: "../../../wit", world: "wasi:keyvalue/imports@0.2.0-draft" });
}

/// The part of the canonical activity that this worker reads.
#[derive(Deserialize)]
struct Activity {
    text: Option<String>,
}

#[derive(Serialize)]
struct Reply {
    text: Option<String>,
    count: u64,
}

/// Why there is no reply: a status and a line for the log of whoever called.
struct Failure(u16, String);

struct Support;

impl Guest for Support {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        match reply(&request) {
            Ok(reply) => send(out, 200, "application/json", &serde_json::to_vec(&reply).expect("a reply is JSON")),
            Err(Failure(status, message)) => send(out, status, "text/plain", message.as_bytes()),
        }
    }
}

fn reply(request: &IncomingRequest) -> Result<Reply, Failure> {
    let endpoint = header(request, "tollgate-endpoint")?;
    let session = header(request, "tollgate-session-key")?;
    let mut body = Vec::new();
    let incoming = request.consume().expect("the body is taken once");
    let read = incoming.stream().expect("its stream is taken once").read_to_end(&mut body);
    read.map_err(|error| Failure(400, format!("the body broke off: {error}")))?;
    let activity: Activity = serde_json::from_slice(&body).map_err(|error| Failure(400, format!("not an activity: {error}")))?;

    // Two bots of one tenant share a bucket: the endpoint keeps their conversations apart.
    let count = open("default").and_then(|bucket| atomics::increment(&bucket, &format!("messages/{endpoint}/{session}"), 1));
    Ok(Reply {
        text: activity.text,
        count: count.map_err(unavailable)?,
    })
}

/// A header that the gate sets on every delivery; callers cannot forge it.
fn header(request: &IncomingRequest, name: &str) -> Result<String, Failure> {
    let values = request.headers().get(name);
    let value = values
        .first()
        .ok_or_else(|| Failure(400, format!("no {name}: this worker answers provider endpoints")))?;
    Ok(String::from_utf8_lossy(value).into_owned())
}

fn unavailable(error: StoreError) -> Failure {
    Failure(503, format!("the store does not answer: {error:?}"))
}

fn send(out: ResponseOutparam, status: u16, content_type: &str, bytes: &[u8]) {
    let headers = Fields::new();
    headers.append("content-type", content_type.as_bytes()).expect("a valid header");
    let response = OutgoingResponse::new(headers);
    response.set_status_code(status).expect("a valid status");
    let body = response.body().expect("a new response has a body");
    ResponseOutparam::set(out, Ok(response));

    let mut stream = body.write().expect("a new body has a stream");
    let sent = stream.write_all(bytes);
    drop(stream);
    if sent.is_ok() {
        let _ = OutgoingBody::finish(body, None);
    }
}

wasip2::http::proxy::export!(Support);
