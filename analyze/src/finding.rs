//! A finding: one Markdown file with a query, its message, its remedy and its own tests.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// How bad it is when the finding fires.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Worth knowing.
    Info,
    /// Will matter.
    Low,
    /// Hurts something.
    Medium,
    /// Hurts workloads now.
    High,
    /// Breaks the node.
    Critical,
}

/// How sure it is that the finding is true when it fires.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Confidence {
    /// A hint.
    Low,
    /// Likely.
    Medium,
    /// The evidence proves it.
    High,
}

/// Where the finding stands in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// New; may change.
    Preview,
    /// Proven on real nodes.
    Stable,
}

/// A finding, read from its file.
#[derive(Clone, Debug, Serialize)]
pub struct Finding {
    /// Its file's name without `.md`.
    pub id: String,
    /// Its folder's name.
    pub family: String,
    /// The state observed, in a few words.
    pub title: String,
    /// How bad it is.
    pub severity: Severity,
    /// How sure it is.
    pub confidence: Confidence,
    /// Where it stands.
    pub status: Status,
    /// Tables, or `table.column`, without which it is not assessed.
    pub needs: Vec<String>,
    /// Tables that add detail; empty where missing.
    pub wants: Vec<String>,
    /// Thresholds: the columns of the one-row table `params`.
    pub params: BTreeMap<String, f64>,
    /// Why it matters (Markdown).
    pub why: String,
    /// One SELECT; its rows are the evidence, its first column the subject.
    pub query: String,
    /// A minijinja line, rendered once per row.
    pub message: String,
    /// What to do (Markdown).
    pub remediation: String,
    /// When it lies (Markdown).
    pub false_positives: String,
    /// Where condition and thresholds come from (Markdown).
    pub references: String,
}
