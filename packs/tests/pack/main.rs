//! Packs from the outside: built, signed, opened, and attacked.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that unwraps or indexes wrongly should fail"
)]

mod building;
mod contents;
mod document;
mod hostile;
mod key_files;
mod mutation;
mod round_trip;
mod sample;
mod seeds;
mod trust;
mod zip;
