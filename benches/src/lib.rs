//! Micro-benchmarks of what every request passes, by criterion: `cargo bench --package tollgate-benches`. The comparison with peers is
//! `cargo xtask compare`. Timing belongs here, never in a test.
#![forbid(unsafe_code)]
