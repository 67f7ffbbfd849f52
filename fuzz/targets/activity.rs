//! Any bytes, signed as each provider signs, as canonical activities.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tollgate_fuzz::activity(data).expect("a promise of this target"));
