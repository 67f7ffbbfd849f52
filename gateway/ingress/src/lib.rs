//! Opens provider webhooks: verify, recognise handshakes, split, normalise.
//!
//! Pure functions of bytes, keys and a given time: no I/O, no clock, no randomness. What comes out as [`Verified`] has been
//! verified; nothing else can make one.
//!
//! In reading order: [`open`](open()) (the order of the checks), [`scheme`] (an endpoint's provider with its checked options), [`keys`],
//! [`refusal`], [`provider`] (the trait, the registry, one file for each provider), [`verified`], [`activity`] (the canonical form),
//! [`recorded`] (a request out of a file), [`sign`](mod@sign) (the other direction), [`jwt`] (tokens, for providers and for callers), [`certificate`] and [`replay`] (what fuzz targets call). The private modules are their parts: `field`, `clock`
//! and `mac` check headers, times and signatures; `json` and `form` read bodies, `pem` and `der` keys; `entity`, `session` and `mark` derive what an activity needs.
#![forbid(unsafe_code)]

pub mod activity;
pub mod certificate;
mod clock;
mod der;
mod entity;
mod field;
mod form;
mod json;
pub mod jwt;
pub mod keys;
mod mac;
mod mark;
mod moment;
pub mod open;
mod pem;
pub mod provider;
mod public_key;
pub mod recorded;
pub mod refusal;
pub mod replay;
pub mod scheme;
mod session;
pub mod sign;
pub mod verified;

pub use activity::Activity;
pub use keys::{Key, Keys, UnixTime};
pub use open::{Answer, Deliveries, DropReason, Dropped, Opened, Request, open, verify};
pub use refusal::{Reason, Refusal, Wanted};
pub use scheme::Scheme;
pub use verified::Verified;
