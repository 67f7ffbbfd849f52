//! The ways to be a bad worker. What does not return (`!`) ends only when the host ends it.

use crate::{begin, floods, wait};
use std::{arch::wasm32, hint::black_box, io::Write, time::Duration};
use wasip2::{
    cli::stdout,
    http::types::{Fields, OutgoingBody, ResponseOutparam},
};

/// 1 MiB, in pages of 64 KiB.
const STEP: usize = 16;

/// Burns CPU.
pub fn spin() -> ! {
    let mut turns = 0_u64;
    loop {
        turns = black_box(turns.wrapping_add(1));
    }
}

/// Grows memory and never touches the pages; when the host says no, asks again.
pub fn grow() -> ! {
    loop {
        black_box(wasm32::memory_grow::<0>(STEP));
    }
}

/// Traps.
pub fn trap() -> ! {
    wasm32::unreachable()
}

/// Starts a body, never ends it, and sleeps.
pub fn stall(out: ResponseOutparam) -> ! {
    let body = begin(out, 200, Fields::new());
    let mut stream = body.write().expect("a new body has a stream");
    let _ = stream.write_all(b"the rest follows\n");
    loop {
        wait(Duration::from_secs(24 * 60 * 60));
    }
}

/// Says how long its answer is, gives all of it, and goes on: after this time it writes a key.
pub fn go_on(out: ResponseOutparam, time: Duration) {
    let headers = Fields::new();
    headers.append("content-length", b"4").expect("a header that may be set");
    let body = begin(out, 200, headers);
    let stream = body.write().expect("a new body has a stream");
    // Nobody takes it where the head alone was asked for.
    let _ = stream.blocking_write_and_flush(b"said");
    wait(time);
    floods::fill(1, 1);
    drop(stream);
    let _ = OutgoingBody::finish(body, None);
}

/// Starts a body and writes nothing into it, for ever.
pub fn write_nothing(out: ResponseOutparam) -> ! {
    let body = begin(out, 200, Fields::new());
    let stream = body.write().expect("a new body has a stream");
    loop {
        match stream.check_write() {
            Ok(0) => stream.subscribe().block(),
            _ => drop(stream.write(b"")),
        }
    }
}

/// Writes to stdout until the host has had enough; says how much that took.
pub fn flood() -> String {
    let stdout = stdout::get_stdout();
    let chunk = [b'x'; 4096];
    let mut bytes = 0_u64;
    while stdout.blocking_write_and_flush(&chunk).is_ok() {
        bytes += chunk.len() as u64;
    }
    format!("stdout was closed after {bytes} bytes")
}

/// Recurses until there is no stack left: each turn needs its own frame, and the sum after the call forbids a tail call.
#[inline(never)]
#[expect(unconditional_recursion, reason = "that is the misdeed")]
pub fn recurse(depth: u64) -> u64 {
    let frame = black_box([depth; 8]);
    black_box(recurse(depth + 1)) + frame.iter().sum::<u64>()
}

/// Answers with 1,000 header fields.
pub fn headers(out: ResponseOutparam) {
    let headers = Fields::new();
    for number in 0..1_000 {
        headers
            .append(&format!("x-{number}"), number.to_string().as_bytes())
            .expect("a valid header");
    }
    let _ = OutgoingBody::finish(begin(out, 200, headers), None);
}
