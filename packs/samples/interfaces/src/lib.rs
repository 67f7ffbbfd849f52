//! Uses each interface that the gate gives, by the words that it is sent: a chat message's text, or on a public route the query with `+` for
//! spaces (`/?session+get`). It answers with what came of it, as text; [`words`] has them all.

mod words;

use std::io::{Read, Write};
use wasip2::{
    exports::http::incoming_handler::Guest,
    http::types::{Fields, IncomingRequest, OutgoingBody, OutgoingResponse, ResponseOutparam},
};

struct Interfaces;

impl Guest for Interfaces {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        let said = said(&request);
        let said: Vec<&str> = said.split(' ').collect();
        send(out, &words::obey(&said));
    }
}

/// What the request says: only an endpoint's deliveries have a session key, and their bodies are activities.
fn said(request: &IncomingRequest) -> String {
    if request.headers().has("tollgate-session-key") {
        let mut body = Vec::new();
        let incoming = request.consume().expect("the body is taken once");
        let read = incoming.stream().expect("its stream is taken once").read_to_end(&mut body);
        let activity = read.ok().and_then(|_| serde_json::from_slice::<serde_json::Value>(&body).ok());
        return activity
            .and_then(|activity| Some(activity["text"].as_str()?.to_owned()))
            .unwrap_or_default();
    }
    let target = request.path_with_query().unwrap_or_default();
    target.split_once('?').map_or("", |(_, query)| query).replace('+', " ")
}

fn send(out: ResponseOutparam, text: &str) {
    let response = OutgoingResponse::new(Fields::new());
    let body = response.body().expect("a new response has a body");
    ResponseOutparam::set(out, Ok(response));

    let mut stream = body.write().expect("a new body has a stream");
    let sent = stream.write_all(text.as_bytes());
    drop(stream);
    if sent.is_ok() {
        let _ = OutgoingBody::finish(body, None);
    }
}

wasip2::http::proxy::export!(Interfaces);
