//! A recorded request to a Slack endpoint.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tollgate_fuzz::slack(data).expect("a promise of this target"));
