//! The gateway as a stranger meets it: real sockets, real signatures, real packs in the real host.
//!
//! The workers come from `cargo xtask samples`. No test sleeps: where a deadline matters, tokio's clock is paused and runs ahead when
//! nothing else can happen.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a failed unwrap fails the test"
)]

mod access;
mod admin;
mod answers;
mod batch;
mod cold;
mod contained;
mod dedupe;
mod doorstep;
mod drain;
mod harness;
mod identity;
mod issuer;
mod keys;
mod kill;
mod languages;
mod outbound;
mod protocol;
mod service;
mod sessions;
mod slow;
mod timer;
mod tls;
mod webchat;
