//! Instructions of the same work as in `ingress.rs`, counted by callgrind: they do not drift with the machine's pace.
//!
//! Needs `valgrind`, and `cargo install gungraun-runner` of the version in Cargo.lock.
#![expect(missing_docs, clippy::disallowed_methods, reason = "made by macros")]
#![expect(clippy::expect_used, reason = "a benchmark fails by panicking")]

use gungraun::{library_benchmark, library_benchmark_group, main};
use std::hint::black_box;
use tollgate_benches::{BODY, Case, Prepared, Primitive, case};
use tollgate_config::manifest::Provider;
use tollgate_ingress::{Opened, open, replay};

fn prepared(primitive: Primitive) -> Prepared {
    primitive.prepare(&[b' '; BODY])
}

#[library_benchmark]
#[benches::of(iter = Primitive::ALL, setup = prepared)]
fn primitive(prepared: Prepared) -> u8 {
    black_box(prepared.run())
}

#[library_benchmark]
#[benches::of(iter = Provider::ALL, setup = case)]
fn verify(case: Case) -> Case {
    tollgate_ingress::verify(&case.scheme, black_box(&case.recorded.request()), &case.keys, replay::NOW).expect("verified");
    case
}

#[library_benchmark]
#[benches::of(iter = Provider::ALL, setup = case)]
fn opening(case: Case) -> (Opened, Case) {
    let opened = open(&case.scheme, black_box(&case.recorded.request()), &case.keys, replay::NOW).expect("verified");
    (opened, case)
}

library_benchmark_group!(name = ingress, benchmarks = [primitive, verify, opening]);
main!(library_benchmark_groups = ingress);
