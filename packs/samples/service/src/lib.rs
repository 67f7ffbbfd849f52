//! A worker of `wasi:http/handler` 0.3: answers `hello PATH`, and by path shows what such a worker can do. [`misdeeds`] are for the tests of
//! the limits.

mod calls;
mod kept;
mod misdeeds;

mod wasi3 {
    wit_bindgen::generate!({ path: "../../../wit/async", world: "wasi:http/service@0.3.0", generate_all });
}
/// The deployment's state, by the interface that workers of 0.2 have too.
mod store {
    wit_bindgen::generate!({ path: "../../../wit", world: "wasi:keyvalue/imports@0.2.0-draft" });
}
/// The conversation of the request.
mod host {
    wit_bindgen::generate!({ path: "../../../wit", world: "tollgate:host/imports@0.1.0" });
}

use host::tollgate::host::session;
use store::wasi::keyvalue::{atomics, store::open};
use wasi3::{
    exports::wasi::http::handler::Guest,
    wasi::{
        cli::stdout,
        clocks::monotonic_clock::wait_for,
        http::types::{ErrorCode, Fields, Request, Response, Trailers},
    },
    wit_future, wit_stream,
};
use wit_bindgen::{FutureReader, StreamReader, StreamResult, spawn_local};

/// Bytes that are read at once.
const PIECE: usize = 16 << 10;
/// A millisecond, as the clocks count.
const MILLISECOND: u64 = 1_000_000;

type Answer = Result<Response, ErrorCode>;

struct Hello;

impl Guest for Hello {
    async fn handle(request: Request) -> Answer {
        let target = request.get_path_with_query().unwrap_or_default();
        let (path, query) = target.split_once('?').unwrap_or((&target, ""));
        match path {
            "/seen" => Ok(text(200, &seen(&request))),
            "/echo" => echo(request, number(query, "ms")),
            "/rest" => Ok(rest(request, number(query, "after")).await),
            "/read" => Ok(text(200, &read(request).await)),
            "/count" => Ok(text(200, &count())),
            "/again" => Ok(text(200, &kept::tell(query))),
            "/hold" => {
                // Its body is then never let go of.
                std::mem::forget(request);
                Ok(text(200, "held"))
            }
            "/session" => Ok(text(200, &remember(query))),
            "/slow" => {
                wait_for(number(query, "ms") * MILLISECOND).await;
                Ok(text(200, "waited"))
            }
            "/after" => Ok(after(number(query, "ms"))),
            "/say" => {
                say(b"said by service\n".to_vec()).await;
                Ok(text(200, "said"))
            }
            "/call" => Ok(text(200, &calls::call(query.strip_prefix("url=").unwrap_or_default()).await)),
            "/forget-answer" => {
                calls::forget_answer(query.strip_prefix("url=").unwrap_or_default()).await;
                Ok(text(200, "forgotten"))
            }
            "/forget-call" => {
                calls::forget_call(query.strip_prefix("url=").unwrap_or_default()).await;
                Ok(text(200, "forgotten"))
            }
            "/sized" => Ok(sized(number(query, "bytes"))),
            "/fan" => Ok(text(200, &calls::fan(number(query, "count"), query).await)),
            _ => misdeeds::commit(path, query)
                .await
                .unwrap_or_else(|| Ok(text(200, &format!("hello {target}")))),
        }
    }
}

/// A number of the query; 0 without it.
fn number(query: &str, name: &str) -> u64 {
    let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    let value = pairs.find(|(key, _)| *key == name).and_then(|(_, value)| value.parse().ok());
    value.unwrap_or_default()
}

/// An answer that is there as a whole.
fn text(status: u16, text: &str) -> Response {
    let (mut body, contents) = wit_stream::new();
    let bytes = text.as_bytes().to_vec();
    spawn_local(async move {
        // The caller may have gone away meanwhile; then there is nobody to tell.
        body.write_all(bytes).await;
    });
    begin(status, Fields::new(), Some(contents), no_trailers())
}

/// An answer whose head says how long it is, and whose body comes a little later.
fn sized(bytes: u64) -> Response {
    let headers = Fields::new();
    let length = bytes.to_string().into_bytes();
    headers.append("content-length", &length).expect("a header that may be set");
    let (mut body, contents) = wit_stream::new();
    spawn_local(async move {
        wait_for(MILLISECOND).await;
        body.write_all(vec![b'.'; bytes as usize]).await;
    });
    begin(200, headers, Some(contents), no_trailers())
}

/// The head of an answer; its body and its trailers follow.
fn begin(
    status: u16,
    headers: Fields,
    contents: Option<StreamReader<u8>>,
    trailers: FutureReader<Result<Option<Trailers>, ErrorCode>>,
) -> Response {
    let (response, _sent) = Response::new(headers, contents, trailers);
    response.set_status_code(status).expect("a valid status");
    response
}

fn no_trailers() -> FutureReader<Result<Option<Trailers>, ErrorCode>> {
    let (_, trailers) = wit_future::new(|| Ok(None));
    trailers
}

/// The request's head, a line for each part.
fn seen(request: &Request) -> String {
    let mut lines = vec![
        format!("{:?}", request.get_scheme()),
        request.get_authority().unwrap_or_default(),
        format!("{:?}", request.get_method()),
        request.get_path_with_query().unwrap_or_default(),
    ];
    for (name, value) in request.get_headers().copy_all() {
        lines.push(format!("{name}: {}", String::from_utf8_lossy(&value)));
    }
    lines.join("\n")
}

/// Hands back the request's body, piece by piece as it comes, then its trailers. `x-echo: spliced` gives the body itself, which no guest then touches;
/// what is done so many milliseconds later is counted.
fn echo(request: Request, milliseconds: u64) -> Answer {
    let spliced = request.get_headers().has("x-echo");
    let (_, handled) = wit_future::new(|| Ok(()));
    let (mut body, trailers) = Request::consume_body(request, handled);
    if spliced {
        if milliseconds > 0 {
            count_after(milliseconds);
        }
        return Ok(begin(200, Fields::new(), Some(body), trailers));
    }
    let (mut copy, contents) = wit_stream::new();
    let (told, copied) = wit_future::new(|| Ok(None));
    spawn_local(async move {
        loop {
            let (result, piece) = body.read(Vec::with_capacity(PIECE)).await;
            if let StreamResult::Complete(_) = result
                && copy.write_all(piece).await.is_empty()
            {
                continue;
            }
            break;
        }
        drop(copy);
        let trailers = trailers.await.map(|trailers| trailers.map(|fields| fields.clone()));
        // Whoever does not take trailers does not wait for them either.
        let _ = told.write(trailers).await;
    });
    Ok(begin(200, Fields::new(), Some(contents), copied))
}

/// Reads the body's first bytes, and hands the rest on as it comes: more than the host can do for a worker.
async fn rest(request: Request, after: u64) -> Response {
    let (_, handled) = wit_future::new(|| Ok(()));
    let (mut body, trailers) = Request::consume_body(request, handled);
    if after > 0 {
        body.read(Vec::with_capacity(after as usize)).await;
    }
    begin(200, Fields::new(), Some(body), trailers)
}

/// Reads the body to its end; says how long it was, and how it ended.
async fn read(request: Request) -> String {
    let (_, handled) = wit_future::new(|| Ok(()));
    let (mut body, trailers) = Request::consume_body(request, handled);
    let mut all = 0;
    loop {
        let (result, piece) = body.read(Vec::with_capacity(PIECE)).await;
        all += piece.len();
        if !matches!(result, StreamResult::Complete(_)) {
            break;
        }
    }
    drop(body);
    match trailers.await {
        Ok(_) => format!("{all} bytes"),
        Err(error) => format!("{all} bytes, then {error:?}"),
    }
}

/// Counts the calls of this deployment.
fn count() -> String {
    let bucket = open("default").expect("the bucket that everyone has");
    atomics::increment(&bucket, "calls", 1).map_or_else(|error| format!("{error:?}"), |count| count.to_string())
}

/// What the conversation was told the last time; then it is told this.
fn remember(word: &str) -> String {
    let before = session::get();
    let _ = session::set(word.as_bytes());
    match before {
        Ok(Some(state)) => String::from_utf8_lossy(&state.value).into_owned(),
        Ok(None) => "nothing".to_owned(),
        Err(error) => format!("{error:?}"),
    }
}

/// Answers, and counts only when so many milliseconds have passed since.
fn after(milliseconds: u64) -> Response {
    count_after(milliseconds);
    text(200, "later")
}

/// Counts, behind whatever is answered meanwhile.
fn count_after(milliseconds: u64) {
    spawn_local(async move {
        wait_for(milliseconds * MILLISECOND).await;
        count();
    });
}

/// Writes to stdout.
async fn say(bytes: Vec<u8>) {
    let (mut out, lines) = wit_stream::new();
    let written = stdout::write_via_stream(lines);
    out.write_all(bytes).await;
    drop(out);
    let _ = written.await;
}

wasi3::export!(Hello with_types_in wasi3);
