//! `capture.json`: the first member, written before anything of the node is read.

use serde::{Deserialize, Serialize};

use crate::FormatVersion;

/// One instant on the three clocks that the evidence uses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Clocks {
    /// Microseconds since 1970-01-01 UTC (`CLOCK_REALTIME`).
    pub realtime_us: i64,
    /// Microseconds since boot, suspend included (`CLOCK_BOOTTIME`): the `started_us` of records.
    pub boottime_us: u64,
    /// Microseconds since boot, suspend excluded (`CLOCK_MONOTONIC`): kernel log and perf.
    pub monotonic_us: u64,
}

/// A source of the plan, in the order in which it was to be captured.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedSource {
    /// The source's id.
    pub id: String,
    /// Its place in the order of volatility; smaller is more perishable.
    pub order: u32,
}

/// What was captured, where, when and how: everything needed to read the rest.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Capture {
    /// Version of the bundle format.
    pub format: FormatVersion,
    /// Version of the collector.
    pub collector: String,
    /// The node's host name.
    pub node: String,
    /// When the capture began.
    pub started: Clocks,
    /// Kernel release, as `uname -r` prints it.
    pub kernel_release: String,
    /// Kernel version, as `uname -v` prints it.
    pub kernel_version: String,
    /// Machine, as `uname -m` prints it.
    pub machine: String,
    /// Bytes of a memory page.
    pub page_size_bytes: u64,
    /// Clock ticks per second (`USER_HZ`), the unit of CPU times in `/proc`.
    pub ticks_per_second: u64,
    /// The arguments that the collector was started with.
    pub command_line: Vec<String>,
    /// Where the node's files were found: `/`, or the folder given by `--root`.
    pub root: String,
    /// Seconds between the first and the second reading; 0: one reading only.
    pub window_seconds: u64,
    /// Seconds after which the bundle was to be sealed as it stands.
    pub deadline_seconds: u64,
    /// Effective user id of the collector.
    pub user_id: u32,
    /// Effective capabilities of the collector, as `/proc/self/status` prints them.
    pub capabilities: String,
    /// What was taken out of texts: `default`, `strict`, `none`; empty in bundles of collectors that
    /// could not.
    #[serde(default)]
    pub redaction: String,
    /// Rights that the collector lacked, and what is not seen without each.
    #[serde(default)]
    pub lacks: Vec<String>,
    /// The sources, most perishable first.
    pub plan: Vec<PlannedSource>,
}
