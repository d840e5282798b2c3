//! Exit codes: part of the interface, listed in the help and the README.

use std::process::ExitCode;

use crate::finding::Severity;

/// Something went wrong that is not the bundle's fault.
pub const ERROR: u8 = 1;
/// The bundle cannot be read, or is newer than this program.
pub const UNREADABLE: u8 = 4;

/// The code that `--fail-on` gives for the worst finding that fired.
pub fn severity(severity: Severity) -> ExitCode {
    ExitCode::from(match severity {
        Severity::Info => 11,
        Severity::Low => 12,
        Severity::Medium => 13,
        Severity::High => 14,
        Severity::Critical => 15,
    })
}
