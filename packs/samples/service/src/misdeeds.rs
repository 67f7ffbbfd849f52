//! The ways to be a bad worker, each against one limit. What does not return ends only when the host ends it.

use crate::{
    Answer, begin, no_trailers, say,
    store::wasi::keyvalue::store::open,
    text,
    wasi3::{
        wasi::{
            clocks::monotonic_clock::wait_for,
            http::types::{ErrorCode, Fields},
            random::random::get_random_bytes,
        },
        wit_future, wit_stream,
    },
};
use std::{arch::wasm32, hint::black_box};
use wit_bindgen::spawn_local;

/// A day, as the clocks count.
const DAY: u64 = 24 * 60 * 60 * 1_000_000_000;

/// Does what the path says; nothing when it is no misdeed.
pub async fn commit(path: &str, query: &str) -> Option<Answer> {
    match path {
        "/cpu" => spin(),
        "/memory" => loop {
            black_box(wasm32::memory_grow::<0>(16));
        },
        "/trap" => wasm32::unreachable(),
        "/deep" => return Some(Ok(text(200, &recurse(0).to_string()))),
        "/error" => return Some(Err(ErrorCode::ConfigurationError)),
        "/stall-head" => {
            wait_for(DAY).await;
        }
        "/stall" => return Some(Ok(begun(async { wait_for(DAY).await }))),
        "/trap-late" => {
            return Some(Ok(begun(async {
                wait_for(1).await;
                wasm32::unreachable()
            })));
        }
        // The answer is whole and out; what goes on is nobody's wish.
        "/behind-cpu" => {
            spawn_local(async { spin() });
            return Some(Ok(text(200, "spins")));
        }
        "/behind" => {
            spawn_local(async { wait_for(DAY).await });
            return Some(Ok(text(200, "waits")));
        }
        "/empty-writes" => {
            let (mut body, contents) = wit_stream::new();
            spawn_local(async move { while body.write(Vec::new()).await.1.remaining() == 0 {} });
            return Some(Ok(begin(200, Fields::new(), Some(contents), no_trailers())));
        }
        "/lists" => {
            // The host holds them for as long as there is an instance.
            let count = query
                .strip_prefix("count=")
                .and_then(|count| count.parse().ok())
                .unwrap_or_default();
            (0..count).for_each(|_: u64| std::mem::forget(Fields::new()));
            return Some(Ok(text(200, "held")));
        }
        "/headers" => return Some(Ok(begin(200, many(1_000), None, no_trailers()))),
        "/trailers" => {
            let (told, trailers) = wit_future::new(|| Ok(None));
            spawn_local(async move { drop(told.write(Ok(Some(many(1_000)))).await) });
            return Some(Ok(begin(200, Fields::new(), None, trailers)));
        }
        "/fields" => return Some(Ok(text(200, &fields()))),
        "/handles" => loop {
            std::mem::forget(Fields::new());
        },
        // Streams take handles like anything else.
        "/streams" => loop {
            std::mem::forget(wit_stream::new::<u8>());
        },
        "/random" => return Some(Ok(text(200, &format!("{} random bytes", get_random_bytes(1 << 20).len())))),
        // Memory that is never given back, and no more than that.
        "/hoard" => {
            wasm32::memory_grow::<0>(crate::number(query, "mib") as usize * 16);
            return Some(Ok(text(200, "hoarded")));
        }
        "/hostcall" => {
            let bucket = open("default").expect("the bucket that everyone has");
            let written = bucket.set("large", &vec![b'x'; 8 << 20]);
            return Some(Ok(text(200, &format!("{written:?}"))));
        }
        "/flood" => {
            say(vec![b'x'; 1 << 20]).await;
            return Some(Ok(text(200, "said")));
        }
        // Bytes for a caller that may not take them.
        "/bytes" => {
            let bytes = crate::number(query, "count") as usize;
            let (mut body, contents) = wit_stream::new();
            spawn_local(async move { drop(body.write_all(vec![b'x'; bytes]).await) });
            return Some(Ok(begin(200, Fields::new(), Some(contents), no_trailers())));
        }
        // Promises more than it writes.
        "/short" => {
            let headers = Fields::new();
            headers.append("content-length", b"100").expect("a valid header");
            if query == "none" {
                return Some(Ok(begin(200, headers, None, no_trailers())));
            }
            let (mut body, contents) = wit_stream::new();
            spawn_local(async move { drop(body.write_all(b"short".to_vec()).await) });
            return Some(Ok(begin(200, headers, Some(contents), no_trailers())));
        }
        _ => {}
    }
    None
}

/// The beginning of a body, whose end waits for `then`.
fn begun(then: impl Future<Output = ()> + 'static) -> crate::wasi3::wasi::http::types::Response {
    let (mut body, contents) = wit_stream::new();
    spawn_local(async move {
        body.write_all(b"the rest follows\n".to_vec()).await;
        then.await;
        drop(body);
    });
    begin(200, Fields::new(), Some(contents), no_trailers())
}

fn spin() -> ! {
    let mut turns = 0_u64;
    loop {
        turns = black_box(turns.wrapping_add(1));
    }
}

/// Each turn needs its own frame, and the sum after the call forbids a tail call.
#[inline(never)]
#[expect(unconditional_recursion, reason = "that is the misdeed")]
fn recurse(depth: u64) -> u64 {
    let frame = black_box([depth; 8]);
    black_box(recurse(depth + 1)) + frame.iter().sum::<u64>()
}

fn many(count: usize) -> Fields {
    let fields = Fields::new();
    for number in 0..count {
        fields
            .append(&format!("x-{number}"), number.to_string().as_bytes())
            .expect("a valid header");
    }
    fields
}

/// A list of header fields that grows until the host says no.
fn fields() -> String {
    let fields = Fields::new();
    let mut count = 0;
    while fields.append("x-more", &[b'x'; 1024]).is_ok() {
        count += 1;
    }
    format!("{count} fields")
}
