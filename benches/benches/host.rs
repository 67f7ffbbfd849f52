//! What a fresh instance costs, and a whole call in one.
//!
//! Criterion gives the means; the quantiles, which decide how long the unlucky caller waits, are taken call by call and printed after them.
#![expect(clippy::print_stdout, reason = "a program for people: what it measures goes to the terminal")]

use criterion::{Criterion, criterion_group, criterion_main};
use std::{
    hint::black_box,
    time::{Duration, Instant},
};
use tollgate_benches::worker::Worker;

/// As in the gateway.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Calls whose quantiles are told: 1,000 of them lie past the 99th percentile.
const CALLS: usize = 100_000;

fn host(criterion: &mut Criterion) {
    for (name, snapshot) in [("snapshot", true), ("as signed", false)] {
        let worker = Worker::hello(snapshot);
        let mut group = criterion.benchmark_group(format!("hello, {name}"));
        // Before any call: a place whose last guest has run has more to wipe, which the call pays for.
        group.bench_function("instantiate", |bench| {
            bench.iter_custom(|count| timed(&worker, count, || worker.instantiate()))
        });
        quantiles(&worker, &format!("hello, {name}/instantiate"), || worker.instantiate());
        group.bench_function("call", |bench| bench.iter_custom(|count| timed(&worker, count, || worker.call())));
        quantiles(&worker, &format!("hello, {name}/call"), || worker.call());
        quantiles(&worker, &format!("hello, {name}/instantiate after calls"), || worker.instantiate());
        group.finish();
    }
}

/// All of so many, one after the other.
fn timed<T, F: Future<Output = T>>(worker: &Worker, count: u64, once: impl Fn() -> F) -> Duration {
    worker.run(async {
        let began = Instant::now();
        for _ in 0..count {
            drop(black_box(once().await));
        }
        began.elapsed()
    })
}

fn quantiles<T, F: Future<Output = T>>(worker: &Worker, name: &str, once: impl Fn() -> F) {
    let mut times: Vec<Duration> = Vec::with_capacity(CALLS);
    worker.run(async {
        for _ in 0..CALLS {
            let began = Instant::now();
            drop(black_box(once().await));
            times.push(began.elapsed());
        }
    });
    times.sort_unstable();
    let at = |share: f64| {
        times
            .get((CALLS as f64 * share) as usize)
            .map_or(0.0, |time| time.as_secs_f64() * 1e6)
    };
    println!(
        "{name}: p50 {:.2} us, p90 {:.2} us, p99 {:.2} us, p99.9 {:.2} us",
        at(0.5),
        at(0.9),
        at(0.99),
        at(0.999)
    );
}

criterion_group!(benches, host);
criterion_main!(benches);
