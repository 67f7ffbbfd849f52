//! Calls `hello` so many times, for callgrind, which writes down what was executed between two marks. `cargo xtask instructions` starts it.
//!
//! The first part is everything before the calls: the start, compiling, warming up. Then come instances and whole calls, and both once more: how far the
//! two differ tells how far a count can be trusted.
#![forbid(unsafe_code)]

use std::{hint::black_box, io};
use tollgate_benches::worker::Worker;

/// As in the gateway.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Before anything is counted: places and caches are warm after these.
const WARM: usize = 50;
/// How often each is counted.
const TIMES: usize = 2;

fn main() -> io::Result<()> {
    let count: usize = std::env::args()
        .skip(1)
        .find_map(|count| count.parse().ok())
        .ok_or_else(|| io::Error::other("say how many calls, as `calls 200`"))?;
    let worker = Worker::hello(true);
    worker.run(async {
        for _ in 0..WARM {
            worker.instantiate().await;
            black_box(worker.call().await);
        }
        tollgate_benches_mark();
        for _ in 0..TIMES {
            for _ in 0..count {
                worker.instantiate().await;
            }
            tollgate_benches_mark();
            for _ in 0..count {
                black_box(worker.call().await);
            }
            tollgate_benches_mark();
        }
    });
    Ok(())
}

/// Callgrind is told by this name to write its counters down and to begin anew.
#[inline(never)]
fn tollgate_benches_mark() {
    black_box(());
}
