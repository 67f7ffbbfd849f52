//! Any bytes as a pack.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tollgate_fuzz::archive(data).expect("a promise of this target"));
