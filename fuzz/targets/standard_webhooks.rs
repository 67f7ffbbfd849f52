//! A recorded request to a Standard Webhooks endpoint.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tollgate_fuzz::standard_webhooks(data).expect("a promise of this target"));
