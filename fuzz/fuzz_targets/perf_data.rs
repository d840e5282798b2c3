#![no_main]

#[path = "../drive/perf_data.rs"]
mod drive;

libfuzzer_sys::fuzz_target!(|data: &[u8]| drive::run(data));
