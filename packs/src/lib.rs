//! `.gtpack`: a signed, deterministic archive. One pack has exactly one byte string.
//!
//! In reading order: [`archive`] (the byte format), [`manifest`] and [`sbom`] (what is inside), [`signature`] (DSSE, Ed25519), [`keys`], [`open`](open()) (all
//! of it together: the only way to a [`Pack`]), [`build`] (from a source folder), [`template`] (`tollgate pack new`).
#![forbid(unsafe_code)]

pub mod keys;
pub mod open;

pub use keys::{KeyError, KeyId, SigningKey, TrustedKey};
pub use open::{Digest, OpenError, Pack, Signer, Trust, open};
