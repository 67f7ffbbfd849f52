//! Misbehaves by path. The tests of every limit run it; whatever it does, the gate must go on serving others.
//!
//! [`misdeeds`] are the ways to be a bad worker, [`floods`] too much of one thing, [`keepsakes`] what it might carry from one instance to the next, [`outbound`] calls where the request says;
//! `/secret` shows a secret.

mod floods;
mod keepsakes;
mod misdeeds;
mod outbound;

/// The secrets of the deployment.
mod host {
    wit_bindgen::generate!({ path: "../../../wit", world: "tollgate:host/imports@0.1.0" });
}
use host::tollgate::host::secrets;

/// The deployment's state.
mod store {
    wit_bindgen::generate!({ path: "../../../wit", world: "wasi:keyvalue/imports@0.2.0-draft" });
}

use std::{io::Write, time::Duration};
use wasip2::{
    clocks::monotonic_clock,
    exports::http::incoming_handler::Guest,
    http::types::{Fields, IncomingRequest, OutgoingBody, OutgoingResponse, ResponseOutparam},
};

struct Hostile;

impl Guest for Hostile {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        let target = request.path_with_query().unwrap_or_default();
        let (path, query) = target.split_once('?').unwrap_or((&target, ""));
        match path {
            "/cpu" => misdeeds::spin(),
            "/memory" => misdeeds::grow(),
            "/trap" => misdeeds::trap(),
            "/silent" => drop(out),
            "/stall" => misdeeds::stall(out),
            "/afterwards" => misdeeds::go_on(out, Duration::from_millis(number(query, "ms").unwrap_or_default() as u64)),
            "/empty-writes" => misdeeds::write_nothing(out),
            "/stdout" => answer(out, 200, &misdeeds::flood()),
            "/deep" => answer(out, 200, &misdeeds::recurse(0).to_string()),
            "/headers" => misdeeds::headers(out),
            "/slow" => match query.strip_prefix("ms=").and_then(|ms| ms.parse().ok()) {
                Some(ms) => {
                    wait(Duration::from_millis(ms));
                    answer(out, 200, &format!("waited {ms} ms"));
                }
                None => answer(out, 400, "say how long: /slow?ms=N"),
            },
            "/outbound" => match query.strip_prefix("url=") {
                Some(url) => answer(out, 200, &outbound::call(url, None)),
                None => answer(out, 400, "say where: /outbound?url=URL"),
            },
            "/authorized" => match query.strip_prefix("secret=").and_then(|query| query.split_once("&url=")) {
                Some((name, url)) => answer(out, 200, &outbound::call(url, Some(&format!("Bearer secret://{name}")))),
                None => answer(out, 400, "say with what, and where: /authorized?secret=NAME&url=URL"),
            },
            "/secret" => match secrets::get(query.strip_prefix("name=").unwrap_or_default()) {
                Ok(secret) => answer(out, 200, &String::from_utf8_lossy(&secret)),
                Err(error) => answer(out, 404, &format!("{error:?}")),
            },
            "/handles" => floods::handles(),
            "/alarms" => floods::alarms(),
            "/fields" => floods::fields(),
            "/entropy" => answer(out, 200, &floods::random()),
            "/hostcall" => answer(out, 200, &floods::hostcall()),
            "/read" => answer(out, 200, &floods::read(&request)),
            "/fill" => match number(query, "keys").zip(number(query, "bytes")) {
                Some((keys, bytes)) => answer(out, 200, &floods::fill(keys, bytes)),
                None => answer(out, 400, "say how much: /fill?keys=N&bytes=N"),
            },
            "/clear" => answer(out, 200, &floods::clear(number(query, "keys").unwrap_or_default())),
            "/ask" => answer(out, 200, &floods::ask(number(query, "count").unwrap_or_default())),
            "/count" => answer(out, 200, &keepsakes::count()),
            "/random" => answer(out, 200, &keepsakes::random()),
            "/insecure" => answer(out, 200, &keepsakes::insecure()),
            "/seed" => answer(out, 200, &keepsakes::seed()),
            "/hash" => answer(out, 200, &keepsakes::hash()),
            "/clock" => answer(out, 200, &keepsakes::clock()),
            "/wall" => answer(out, 200, &keepsakes::wall()),
            "/leak" => answer(out, 200, &keepsakes::leak()),
            "/allocate" => match query.strip_prefix("kib=").and_then(|kibibytes| kibibytes.parse().ok()) {
                Some(kibibytes) => answer(out, 200, &keepsakes::allocate(kibibytes)),
                None => answer(out, 400, "say how much: /allocate?kib=N"),
            },
            _ => answer(out, 404, "no such misdeed"),
        }
    }
}

/// A number of the query.
fn number(query: &str, name: &str) -> Option<usize> {
    let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    pairs.find(|(key, _)| *key == name)?.1.parse().ok()
}

fn wait(time: Duration) {
    let nanoseconds = time.as_nanos().try_into().unwrap_or(u64::MAX);
    monotonic_clock::subscribe_duration(nanoseconds).block();
}

/// Sets the head of the answer and opens its body.
fn begin(out: ResponseOutparam, status: u16, headers: Fields) -> OutgoingBody {
    let response = OutgoingResponse::new(headers);
    response.set_status_code(status).expect("a valid status");
    let body = response.body().expect("a new response has a body");
    ResponseOutparam::set(out, Ok(response));
    body
}

fn answer(out: ResponseOutparam, status: u16, text: &str) {
    let body = begin(out, status, Fields::new());
    let mut stream = body.write().expect("a new body has a stream");
    let sent = stream.write_all(text.as_bytes());
    drop(stream);
    if sent.is_ok() {
        let _ = OutgoingBody::finish(body, None);
    }
}

wasip2::http::proxy::export!(Hostile);
