//! Answers any request with what this worker saw of it, as JSON: `method`, `scheme`, `authority`, `path` with its query,
//! `headers` as pairs in their order, `body` as text.

use serde_json::json;
use std::io::{self, Read, Write};
use wasip2::{
    exports::http::incoming_handler::Guest,
    http::types::{Fields, IncomingRequest, Method, OutgoingBody, OutgoingResponse, ResponseOutparam, Scheme},
};

struct Echo;

impl Guest for Echo {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        match describe(&request) {
            Ok(answer) => send(out, 200, &answer),
            Err(error) => send(out, 400, &json!({ "error": error.to_string() }).to_string()),
        }
    }
}

fn describe(request: &IncomingRequest) -> io::Result<String> {
    let headers: Vec<_> = request
        .headers()
        .entries()
        .iter()
        .map(|(name, value)| json!([name, String::from_utf8_lossy(value)]))
        .collect();
    let mut bytes = Vec::new();
    let body = request.consume().expect("the body is taken once");
    body.stream().expect("its stream is taken once").read_to_end(&mut bytes)?;
    Ok(json!({
        "method": method(&request.method()),
        "scheme": request.scheme().as_ref().map(scheme),
        "authority": request.authority(),
        "path": request.path_with_query(),
        "headers": headers,
        "body": String::from_utf8_lossy(&bytes),
    })
    .to_string())
}

fn method(method: &Method) -> &str {
    match method {
        Method::Get => "GET",
        Method::Head => "HEAD",
        Method::Post => "POST",
        Method::Put => "PUT",
        Method::Delete => "DELETE",
        Method::Connect => "CONNECT",
        Method::Options => "OPTIONS",
        Method::Trace => "TRACE",
        Method::Patch => "PATCH",
        Method::Other(name) => name,
    }
}

fn scheme(scheme: &Scheme) -> &str {
    match scheme {
        Scheme::Http => "http",
        Scheme::Https => "https",
        Scheme::Other(name) => name,
    }
}

fn send(out: ResponseOutparam, status: u16, json: &str) {
    let headers = Fields::new();
    headers.append("content-type", b"application/json").expect("a valid header");
    let response = OutgoingResponse::new(headers);
    response.set_status_code(status).expect("a valid status");
    let body = response.body().expect("a new response has a body");
    ResponseOutparam::set(out, Ok(response));

    let mut stream = body.write().expect("a new body has a stream");
    let sent = stream.write_all(json.as_bytes());
    drop(stream);
    if sent.is_ok() {
        let _ = OutgoingBody::finish(body, None);
    }
}

wasip2::http::proxy::export!(Echo);
