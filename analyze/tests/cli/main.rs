//! The real binary: every verb, every exit code, every word of its help.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod desk;
mod exit_codes;
mod flamegraph;
mod help;
mod output;
mod profiles;
mod verbs;
