//! Requests with several events: recorded, or signed here and then tampered with.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tollgate_fuzz::batch(data).expect("a promise of this target"));
