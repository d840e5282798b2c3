//! Runs the tests that a finding file carries.

use std::collections::BTreeMap;

use super::{Case, Expect, Finding};
use crate::derived::DERIVED;
use crate::evaluate::{self, Verdict};
use crate::query::Grid;
use crate::table::{Cell, Column, ORIGIN, Rows, TableData, Tables, Type, frame};
use crate::tables::TABLES;

/// A test that did not pass, with the line where it begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Line of the test's heading.
    pub line: usize,
    /// What differs.
    pub reason: String,
}

/// Runs one test.
pub fn run(finding: &Finding, case: &Case) -> Result<(), Failure> {
    let fail = |reason: String| Failure {
        line: case.line,
        reason: format!("test `{}`: {reason}", case.name),
    };
    let tables = tables(case).map_err(fail)?;
    let verdict = evaluate::verdict(&tables, finding);
    let same = match (&verdict, &case.expect) {
        (Verdict::Fired { evidence, .. }, Expect::Rows(rows)) => compare(evidence, rows),
        (Verdict::Clear, Expect::Clear) | (Verdict::NotAssessed { .. }, Expect::NotAssessed) => {
            Ok(())
        }
        (Verdict::Broken { error }, _) => Err(error.clone()),
        (Verdict::NotAssessed { missing }, _) => Err(format!("it is not assessed: {missing}")),
        (Verdict::Clear, _) => Err("it is clear".to_owned()),
        (Verdict::Fired { messages, .. }, _) => Err(format!("it fired: {}", messages.join("; "))),
    };
    same.map_err(fail)
}

/// The tables of a bundle that holds what the test names and nothing else.
fn tables(case: &Case) -> Result<Tables, String> {
    let mut given: BTreeMap<&str, &str> = case
        .tables
        .iter()
        .map(|(name, csv)| (name.as_str(), csv.as_str()))
        .collect();
    let mut tables = Tables::new();
    for (name, about, columns) in schema() {
        let mut rows = Rows::new(columns);
        let csv = given.remove(name);
        if let Some(csv) = csv {
            fill(&mut rows, csv).map_err(|reason| format!("table `{name}`: {reason}"))?;
        }
        tables.insert(
            name,
            TableData {
                name,
                about,
                columns: rows.columns().to_vec(),
                frame: frame::frame(rows).map_err(|error| error.to_string())?,
                // A table that is named without rows was captured and is empty.
                missing: csv.is_none().then(|| "not in the test".to_owned()),
            },
        );
    }
    match given.keys().next() {
        Some(name) => Err(format!("there is no table `{name}`")),
        None => Ok(tables),
    }
}

/// Every table: name, meaning, own columns.
pub(crate) fn schema() -> impl Iterator<Item = (&'static str, &'static str, &'static [Column])> {
    let plain = TABLES.iter().map(|t| (t.name, t.about, t.columns));
    plain.chain(DERIVED.iter().map(|t| (t.name, t.about, t.columns)))
}

fn fill(rows: &mut Rows, text: &str) -> Result<(), String> {
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let header = reader.headers().map_err(|error| error.to_string())?.clone();
    for record in reader.records() {
        let record = record.map_err(|error| error.to_string())?;
        let kinds: Vec<Column> = rows.columns().to_vec();
        let mut row = rows.add("root/test", None);
        for (name, value) in header.iter().zip(&record) {
            let column = kinds
                .iter()
                .find(|c| c.name == name)
                .ok_or(format!("there is no column `{name}`"))?;
            if !value.is_empty() || name == "entry" {
                row.set(name, cell(column, value)?);
            }
        }
    }
    Ok(())
}

fn cell(column: &Column, value: &str) -> Result<Cell, String> {
    let parsed = match column.kind {
        Type::Text => Some(Cell::Text(value.to_owned())),
        Type::Int => value.parse().ok().map(Cell::Int),
        Type::Float => value.parse().ok().map(Cell::Float),
        Type::Bool => value.parse().ok().map(Cell::Bool),
    };
    parsed.ok_or_else(|| format!("`{value}` does not fit column `{}`", column.name))
}

/// Compares the columns that the test names, row by row.
fn compare(evidence: &Grid, expected: &str) -> Result<(), String> {
    let mut reader = csv::Reader::from_reader(expected.as_bytes());
    let header = reader.headers().map_err(|error| error.to_string())?.clone();
    let mut places = Vec::new();
    for name in &header {
        places.push(
            evidence
                .place(name)
                .ok_or(format!("the query gives no column `{name}`"))?,
        );
    }
    let mut wanted = Vec::new();
    for record in reader.records() {
        let record = record.map_err(|error| error.to_string())?;
        wanted.push(record.iter().map(str::to_owned).collect::<Vec<_>>());
    }
    let got: Vec<Vec<String>> = evidence
        .rows
        .iter()
        .map(|row| {
            places
                .iter()
                .map(|place| row.get(*place).map(text).unwrap_or_default())
                .collect()
        })
        .collect();
    let same = got.len() == wanted.len()
        && got
            .iter()
            .zip(&wanted)
            .all(|(a, b)| a.len() == b.len() && a.iter().zip(b).all(|(a, b)| equal(a, b)));
    if same {
        Ok(())
    } else {
        Err(format!("expected rows {wanted:?}, got {got:?}"))
    }
}

fn text(cell: &Cell) -> String {
    match cell {
        Cell::Null => String::new(),
        Cell::Text(value) => value.clone(),
        Cell::Int(value) => value.to_string(),
        Cell::Float(value) => value.to_string(),
        Cell::Bool(value) => value.to_string(),
    }
}

/// Numbers are equal to four digits, everything else to the letter.
fn equal(a: &str, b: &str) -> bool {
    match (a.parse::<f64>(), b.parse::<f64>()) {
        (Ok(a), Ok(b)) => (a - b).abs() <= 1e-4 * a.abs().max(b.abs()).max(1e-9),
        _ => a == b,
    }
}

/// Whether a column is one of every table's origin.
pub(crate) fn is_origin(name: &str) -> bool {
    ORIGIN.iter().any(|column| column.name == name)
}
