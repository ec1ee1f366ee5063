//! libFuzzer's entry to [`genred_fuzz_bodies::agreement`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| genred_fuzz_bodies::agreement::run(data));
