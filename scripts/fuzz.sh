#!/bin/sh
# Runs each fuzz target for FUZZ_SECONDS, beginning with the corpus of the checkout. What is new
# stays in fuzz/target/corpus, what fails in fuzz/artifacts.
set -eu
cd "$(dirname "$0")/.."
: "${FUZZ_SECONDS:=60}"
run() { # target, longest input in bytes
    found="fuzz/target/corpus/$1"
    mkdir -p "$found"
    cargo +nightly fuzz run "$1" "$found" "fuzz/corpus/$1" -- -max_total_time="$FUZZ_SECONDS" -max_len="$2" \
        -rss_limit_mb=512 -malloc_limit_mb=64 -timeout=10 -print_final_stats=1
}
# Freed memory that is kept apart counts as used.
export ASAN_OPTIONS=quarantine_size_mb=16
run member 600
run reader 16384
run round_trip 4096
run tables 4096
run journal 8192
run perf_data 4096
