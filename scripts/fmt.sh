#!/bin/sh
# Sources and tables are found by the build script, so `cargo fmt` does not see them: format every
# Rust file by name.
set -eu
cd "$(dirname "$0")/.."
git ls-files --cached --others --exclude-standard '*.rs' | xargs rustfmt --edition 2024 "$@"
