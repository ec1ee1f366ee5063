//! libFuzzer's entry to [`genred_fuzz_bodies::entry`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| genred_fuzz_bodies::entry::run(data));
