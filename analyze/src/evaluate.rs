//! Findings meet tables: verdicts.

use serde::Serialize;

use crate::finding::Finding;
use crate::query::Grid;
use crate::table::Loaded;

/// What became of a finding. Missing data is not health: all four are reported.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum Verdict {
    /// The condition holds.
    Fired {
        /// The rows of the query. The columns `entry` and `line` lead back to the bundle.
        evidence: Grid,
        /// The rendered message of each row.
        messages: Vec<String>,
    },
    /// The condition does not hold.
    Clear,
    /// A table that it needs is missing.
    NotAssessed {
        /// Which one, and why.
        missing: String,
    },
    /// The finding itself is wrong.
    Broken {
        /// How, with file and line.
        error: String,
    },
}

/// A finding and what became of it.
#[derive(Clone, Debug, Serialize)]
pub struct Evaluated {
    /// The finding.
    pub finding: Finding,
    /// Its verdict.
    pub verdict: Verdict,
}

/// Evaluates findings, worst first: fired by severity, confidence and id, then the rest.
pub fn evaluate(loaded: &Loaded, findings: &[Finding]) -> Vec<Evaluated> {
    let _ = loaded;
    let _ = findings;
    Vec::new()
}
