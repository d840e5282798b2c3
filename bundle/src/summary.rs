//! `summary.json`: the last member. A bundle without it was cut.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{Clocks, Outcome};

/// What became of one source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceRecord {
    /// The source's id.
    pub id: String,
    /// What became of it.
    pub outcome: Outcome,
    /// When it began, in microseconds of `CLOCK_BOOTTIME`.
    pub started_us: u64,
    /// How long all its readings took together, in microseconds.
    pub took_us: u64,
    /// Entries with bytes.
    pub entries: u64,
    /// Bytes stored.
    pub bytes: u64,
    /// Its reads by name of outcome.
    pub reads: BTreeMap<String, u64>,
}

/// What the capture cost the node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cost {
    /// Wall time in microseconds.
    pub wall_us: u64,
    /// CPU time in user space, in microseconds.
    pub user_us: u64,
    /// CPU time in the kernel, in microseconds.
    pub system_us: u64,
    /// Largest resident set in bytes.
    pub peak_rss_bytes: u64,
    /// Reads tried.
    pub reads: u64,
    /// Bytes read.
    pub read_bytes: u64,
    /// Bytes of the bundle up to this member.
    pub bundle_bytes: u64,
    /// Wall time of each phase in microseconds, in order.
    pub phases: Vec<(String, u64)>,
}

/// A finished batch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BatchRecord {
    /// SHA-256 of `index/<n>.jsonl`, n being the place in the list.
    pub sha256: String,
    /// Lines of that index.
    pub records: u64,
}

/// How the capture ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// Whether every planned source was tried; otherwise `ended_by` tells what stopped the capture.
    pub finished: bool,
    /// What ended the capture: `plan`, `deadline`, `max_bytes` or the name of a signal.
    pub ended_by: String,
    /// When it ended.
    pub ended: Clocks,
    /// The sources in the order of the plan.
    pub sources: Vec<SourceRecord>,
    /// What it cost the node.
    pub cost: Cost,
    /// The batches; the writer fills them in.
    #[serde(default)]
    pub batches: Vec<BatchRecord>,
}
