//! Answers `hello PATH`, the path with its query, and nothing else: no header is read, none is set.

use std::io::Write;
use wasip2::{
    exports::http::incoming_handler::Guest,
    http::types::{Fields, IncomingRequest, OutgoingBody, OutgoingResponse, ResponseOutparam},
};

struct Hello;

impl Guest for Hello {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        let answer = format!("hello {}", request.path_with_query().unwrap_or_default());
        let response = OutgoingResponse::new(Fields::new());
        let body = response.body().expect("a new response has a body");
        ResponseOutparam::set(out, Ok(response));

        let mut stream = body.write().expect("a new body has a stream");
        // The caller may have gone away meanwhile; then there is nobody to tell. `finish` hands over what was written: no flush is needed.
        let sent = stream.write_all(answer.as_bytes());
        drop(stream);
        if sent.is_ok() {
            let _ = OutgoingBody::finish(body, None);
        }
    }
}

wasip2::http::proxy::export!(Hello);
