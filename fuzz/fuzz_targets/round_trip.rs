#![no_main]

#[path = "../drive/round_trip.rs"]
mod drive;

libfuzzer_sys::fuzz_target!(|data: &[u8]| drive::run(data));
