//! Findings meet tables: verdicts.

use std::cmp::Reverse;
use std::panic::{AssertUnwindSafe, catch_unwind};

use polars::prelude::{Column, DataFrame, PlSmallStr};
use serde::Serialize;

use crate::finding::Finding;
use crate::message;
use crate::query::{self, Grid};
use crate::table::{Loaded, Tables};

/// Rows of evidence that are kept; a finding that fires on more says how many there are.
pub const EVIDENCE_ROWS: usize = 1000;

/// What became of a finding. Missing data is not health: all four are reported.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum Verdict {
    /// The condition holds.
    Fired {
        /// The rows of the query, at most [`EVIDENCE_ROWS`]. The columns `entry` and `line` lead
        /// back to the bundle.
        evidence: Grid,
        /// The rendered message of each row.
        messages: Vec<String>,
        /// How many rows there were.
        rows_count: usize,
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

impl Evaluated {
    /// Whether the condition holds.
    pub fn has_fired(&self) -> bool {
        matches!(self.verdict, Verdict::Fired { .. })
    }
}

/// Evaluates findings. Those that fired come first, worst first, then by confidence and id.
pub fn evaluate(loaded: &Loaded, findings: &[Finding]) -> Vec<Evaluated> {
    let mut evaluated: Vec<Evaluated> = findings
        .iter()
        .map(|finding| Evaluated {
            finding: finding.clone(),
            verdict: verdict(&loaded.tables, finding),
        })
        .collect();
    evaluated.sort_by_key(|one| {
        let rank = match one.verdict {
            Verdict::Fired { .. } => 0,
            Verdict::Broken { .. } => 1,
            Verdict::NotAssessed { .. } => 2,
            Verdict::Clear => 3,
        };
        let finding = &one.finding;
        (
            rank,
            Reverse(finding.severity),
            Reverse(finding.confidence),
            finding.id.clone(),
        )
    });
    evaluated
}

/// The verdict of one finding on these tables. A finding that makes polars panic is broken.
pub fn verdict(tables: &Tables, finding: &Finding) -> Verdict {
    if let Some(problem) = &finding.problem {
        return Verdict::Broken {
            error: problem.clone(),
        };
    }
    if let Some(missing) = finding.needs.iter().find_map(|need| missing(tables, need)) {
        return Verdict::NotAssessed { missing };
    }
    let result = catch_unwind(AssertUnwindSafe(|| fired(tables, finding)))
        .unwrap_or_else(|_| Err("the query engine gave up on this query".to_owned()));
    result.unwrap_or_else(|reason| Verdict::Broken {
        error: format!("{}:{}: {reason}", finding.file, finding.query_line),
    })
}

fn fired(tables: &Tables, finding: &Finding) -> Result<Verdict, String> {
    let params = params(finding)?;
    let evidence = query::select(tables, &[("params", params)], &finding.query).map_err(|e| e.0)?;
    if evidence.rows.is_empty() {
        return Ok(Verdict::Clear);
    }
    let rows_count = evidence.rows.len();
    let mut evidence = evidence;
    evidence.rows.truncate(EVIDENCE_ROWS);
    let messages = message::render(&finding.message, &evidence, &finding.params)?;
    Ok(Verdict::Fired {
        evidence,
        messages,
        rows_count,
    })
}

/// The thresholds as a table of one row.
pub fn params(finding: &Finding) -> Result<DataFrame, String> {
    let mut columns: Vec<Column> = finding
        .params
        .iter()
        .map(|(name, value)| Column::new(PlSmallStr::from_str(name), [*value]))
        .collect();
    if columns.is_empty() {
        // A table needs a column.
        columns.push(Column::new(PlSmallStr::from_static("none"), [0.0]));
    }
    DataFrame::new_infer_height(columns).map_err(|error| error.to_string())
}

/// Why a need is not met; it is `table`, or `table.column` if that column must hold a value.
fn missing(tables: &Tables, need: &str) -> Option<String> {
    let (table, column) = match need.split_once('.') {
        Some((table, column)) => (table, Some(column)),
        None => (need, None),
    };
    let Some(data) = tables.get(table) else {
        return Some(format!("there is no table `{table}`"));
    };
    if data.frame.height() == 0 {
        return data
            .missing
            .as_ref()
            .map(|why| format!("table `{table}`: {why}"));
    }
    let column = column?;
    match data.frame.column(column) {
        Err(_) => Some(format!("table `{table}` has no column `{column}`")),
        Ok(values) if values.null_count() == values.len() => Some(format!(
            "`{table}.{column}` has no value: {}",
            why_null(column)
        )),
        Ok(_) => None,
    }
}

/// Why a column is null throughout, as well as its name tells.
fn why_null(column: &str) -> &'static str {
    let needs_two = [
        "delta",
        "per_second",
        "stall",
        "busy",
        "steal",
        "cpu_usage",
        "util",
        "throttled",
        "system_ratio",
        "softirq",
    ];
    if column.contains("used_ratio") {
        "nothing has such a limit here, or it was not captured"
    } else if needs_two.iter().any(|part| column.contains(part)) {
        "it takes two readings (`collect --window 10`), or nothing here is counted that way"
    } else {
        "this node or its kernel does not tell it"
    }
}
