//! The command line as a stranger sees it: the real binary, its stdout, stderr and exit status.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod answers;
mod check;
mod compile;
mod demo;
mod explain;
mod pack;
mod page;
mod run;
mod send;
