//! A recorded request to a GitHub endpoint.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tollgate_fuzz::github(data).expect("a promise of this target"));
