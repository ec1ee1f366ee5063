//! libFuzzer's entry to [`genred_fuzz_bodies::program`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| genred_fuzz_bodies::program::run(data));
