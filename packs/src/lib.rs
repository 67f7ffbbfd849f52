//! `.gtpack`: a signed, deterministic archive. One pack has exactly one byte string.
//!
//! In reading order: [`archive`] (the byte format), [`manifest`] and [`sbom`] (what is inside), [`signature`] (DSSE, Ed25519), [`keys`], [`file`] (from disk, bounded), [`open`](open()) (all
//! of it together: the only way to a [`Pack`]), [`inspect`](inspect()) (what a pack says of itself, trusting nothing), [`build`](build()) (from a source
//! folder that [`source`] describes), [`sign`](sign()), [`template`] (`tollgate pack new`).
//!
//! Reading writes nothing to disk and copies no file of the pack; every reader is a pure function of bytes.
#![forbid(unsafe_code)]

pub mod archive;
pub mod build;
mod canonical;
mod contents;
mod engine;
pub mod file;
pub mod inspect;
pub mod keys;
pub mod manifest;
pub mod open;
pub mod sbom;
pub mod sign;
pub mod signature;
pub mod source;
pub mod template;
pub mod warm_up;

pub use build::{BuildError, build};
pub use engine::Engine;
pub use file::FileError;
pub use inspect::{Inspection, inspect};
pub use keys::{KeyError, KeyId, SigningKey, TrustedKey};
pub use open::{Digest, OpenError, Pack, Signer, Trust, open};
pub use sign::{SignError, sign};
pub use template::{TemplateError, new_project};
