//! Too much of one thing, until the host says no: each names the limit that it runs against.

use crate::store::wasi::keyvalue::store::{Bucket, open};
use wasip2::{
    cli::stdout,
    clocks::monotonic_clock,
    http::types::{Fields, IncomingRequest},
    io::streams::StreamError,
    random::random,
};

/// Keeps handles of the host's until there are no more.
pub fn handles() -> ! {
    loop {
        std::mem::forget(Fields::new());
    }
}

/// Keeps alarms that never ring: each is two things for the host to keep and one handle.
pub fn alarms() -> ! {
    loop {
        std::mem::forget(monotonic_clock::subscribe_duration(u64::MAX));
    }
}

/// Builds a list of header fields that never ends.
pub fn fields() -> ! {
    let fields = Fields::new();
    loop {
        fields.append("x-more", &[b'x'; 1024]).expect("a valid header");
    }
}

/// Asks for a mebibyte of randomness at once.
pub fn random() -> String {
    format!("{} random bytes", random::get_random_bytes(1 << 20).len())
}

/// Hands over eight mebibytes in one call of the host.
pub fn hostcall() -> String {
    let written = stdout::get_stdout().write(&vec![b'x'; 8 << 20]);
    format!("handed over: {written:?}")
}

/// Reads the request's body to its end; says how long it was.
pub fn read(request: &IncomingRequest) -> String {
    let body = request.consume().expect("the body is taken once");
    let stream = body.stream().expect("its stream is taken once");
    let mut all = 0;
    loop {
        match stream.blocking_read(4096) {
            Ok(chunk) => all += chunk.len(),
            Err(StreamError::Closed) => return format!("{all} bytes"),
            Err(error) => return format!("{all} bytes, then {error:?}"),
        }
    }
}

/// Writes so many keys with values of so many bytes; says how many went in, and what stopped it.
pub fn fill(keys: usize, bytes: usize) -> String {
    let bucket = bucket();
    let value = vec![b'x'; bytes];
    for key in 0..keys {
        if let Err(error) = bucket.set(&format!("fill-{key}"), &value) {
            return format!("{key} keys, then {error:?}");
        }
    }
    format!("{keys} keys")
}

/// Asks the store so often; says how often it answered, and what stopped it.
pub fn ask(count: usize) -> String {
    let bucket = bucket();
    for asked in 0..count {
        if let Err(error) = bucket.exists("nothing") {
            return format!("asked {asked} times, then {error:?}");
        }
    }
    format!("asked {count} times")
}

/// Removes what [`fill`] has written.
pub fn clear(keys: usize) -> String {
    let bucket = bucket();
    for key in 0..keys {
        bucket.delete(&format!("fill-{key}")).expect("the store answers");
    }
    "cleared".into()
}

fn bucket() -> Bucket {
    open("default").expect("the bucket that everyone has")
}
