//! Any text as an environment manifest.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tollgate_fuzz::manifest(data).expect("a promise of this target"));
