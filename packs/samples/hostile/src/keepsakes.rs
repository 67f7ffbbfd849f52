//! What an instance could carry into another one, if it were not made anew or were made from a snapshot taken at the wrong time.

use std::{
    collections::hash_map::RandomState,
    hash::BuildHasher,
    sync::atomic::{AtomicU64, Ordering},
};
use wasip2::{
    clocks::{monotonic_clock, wall_clock},
    http::types::Fields,
    random::{insecure, insecure_seed, random},
};

static CALLS: AtomicU64 = AtomicU64::new(0);
static KEPT: AtomicU64 = AtomicU64::new(0);

/// How many calls of this path its memory has seen, this one too.
pub fn count() -> String {
    (CALLS.fetch_add(1, Ordering::Relaxed) + 1).to_string()
}

/// A random number that is drawn once and kept.
pub fn random() -> String {
    kept(random::get_random_u64)
}

/// One that need not be hard to guess.
pub fn insecure() -> String {
    kept(insecure::get_insecure_random_u64)
}

/// The host's seed for hash tables.
pub fn seed() -> String {
    kept(|| insecure_seed::insecure_seed().0)
}

/// What the standard library's hash tables make of a fixed key.
pub fn hash() -> String {
    RandomState::new().hash_one(1).to_string()
}

/// The time when this memory was first asked for it.
pub fn clock() -> String {
    kept(monotonic_clock::now)
}

/// The same by the wall clock.
pub fn wall() -> String {
    kept(|| wall_clock::now().seconds)
}

/// Keeps a handle of the host's for ever.
pub fn leak() -> String {
    std::mem::forget(Fields::new());
    "kept".into()
}

/// Takes that much memory, writes to it, and gives it back to the allocator.
pub fn allocate(kibibytes: usize) -> String {
    let memory = std::hint::black_box(vec![1_u8; kibibytes << 10]);
    format!("{} KiB", memory.len() >> 10)
}

fn kept(draw: impl FnOnce() -> u64) -> String {
    if KEPT.load(Ordering::Relaxed) == 0 {
        KEPT.store(draw(), Ordering::Relaxed);
    }
    KEPT.load(Ordering::Relaxed).to_string()
}
