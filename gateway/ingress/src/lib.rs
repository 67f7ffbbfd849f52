//! Opens provider webhooks: verify, recognise handshakes, split, normalise.
//!
//! Pure functions of bytes, keys and a given time: no I/O, no clock, no randomness. What comes out as [`Verified`] has been
//! verified; nothing else can make one.
//!
//! In reading order: [`open`](open()), [`scheme`] (an endpoint's provider with its checked options), [`keys`], [`refusal`], [`verified`],
//! [`activity`] (the canonical form), [`mac`] (the constant-time parts), one file for each provider, [`sign`] (the other direction, for `tollgate send`).
#![forbid(unsafe_code)]

pub mod activity;
pub mod keys;
pub mod open;
pub mod refusal;
pub mod scheme;
pub mod sign;
pub mod verified;

pub use activity::Activity;
pub use keys::{Key, Keys, UnixTime};
pub use open::{Answer, Opened, Request, open};
pub use refusal::{Reason, Refusal};
pub use scheme::Scheme;
pub use verified::Verified;
