//! The shape of the report: what `report.json` holds and the page shows.

use std::collections::BTreeMap;

use serde::Serialize;

use super::chart::Chart;
use super::flames::Flames;
use super::view::Table;
use crate::cause::Diagnosed;

/// Raised when a reader of `report.json` would misread a newer one.
pub const SCHEMA_VERSION: u32 = 1;

/// Everything that the page shows.
#[derive(Clone, Debug, Serialize)]
pub struct Model {
    /// Version of this shape.
    pub schema_version: u32,
    /// Version of the program that made it.
    pub program_version: &'static str,
    /// Which node, when.
    pub header: Header,
    /// How good the capture is: said before any finding.
    pub quality: Quality,
    /// Findings by verdict.
    pub counts: Counts,
    /// What explains the findings, surest first.
    pub causes: Vec<Diagnosed>,
    /// Findings that fired, worst first.
    pub findings: Vec<Card>,
    /// Findings whose tables are missing.
    pub not_assessed: Vec<Unassessed>,
    /// Findings that are wrong themselves.
    pub broken: Vec<Unassessed>,
    /// Findings that do not hold.
    pub clear: Vec<Name>,
    /// What the node looked like.
    pub sections: Vec<Section>,
}

/// Which node, when.
#[derive(Clone, Debug, Serialize)]
pub struct Header {
    /// Host name.
    pub node: String,
    /// When, in UTC.
    pub captured_at: String,
    /// What kind of node, in a few words each.
    pub facts: Vec<Fact>,
}

/// A name and a value.
#[derive(Clone, Debug, Serialize)]
pub struct Fact {
    /// What it is.
    pub name: &'static str,
    /// For people.
    pub value: String,
}

/// How good the capture is.
#[derive(Clone, Debug, Serialize)]
pub struct Quality {
    /// Whether nothing is missing that should be there.
    pub is_good: bool,
    /// In one sentence.
    pub sentence: String,
    /// What is missing, and why.
    pub problems: Vec<String>,
}

/// Findings by verdict.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Counts {
    /// The condition holds.
    pub fired: usize,
    /// It does not.
    pub clear: usize,
    /// A table is missing.
    pub not_assessed: usize,
    /// The finding is wrong.
    pub broken: usize,
}

/// A finding that fired.
#[derive(Clone, Debug, Serialize)]
pub struct Card {
    /// Its id; the anchor is `finding-<id>`.
    pub id: String,
    /// Its family.
    pub family: String,
    /// The state observed.
    pub title: String,
    /// critical, high, medium, low, info.
    pub severity: &'static str,
    /// high, medium, low.
    pub confidence: &'static str,
    /// One line per row of evidence, cut.
    pub messages: Vec<String>,
    /// The evidence.
    pub evidence: Table,
    /// Entries and lines that the evidence was read from.
    pub origins: Vec<String>,
    /// Why it matters.
    pub why: String,
    /// What to do.
    pub remediation: String,
    /// When it lies.
    pub false_positives: String,
    /// Where it comes from.
    pub references: String,
    /// Thresholds used.
    pub params: BTreeMap<String, f64>,
    /// The query.
    pub query: String,
}

/// A finding that says nothing about the node.
#[derive(Clone, Debug, Serialize)]
pub struct Unassessed {
    /// Its id.
    pub id: String,
    /// Its title.
    pub title: String,
    /// Why.
    pub reason: String,
}

/// A finding's name.
#[derive(Clone, Debug, Serialize)]
pub struct Name {
    /// Its id.
    pub id: String,
    /// Its title.
    pub title: String,
}

/// A chapter about the node.
#[derive(Clone, Debug, Serialize)]
pub struct Section {
    /// Anchor.
    pub id: &'static str,
    /// Heading.
    pub title: &'static str,
    /// What it shows, in order.
    pub blocks: Vec<Block>,
}

/// A part of a chapter.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Block {
    /// Rows.
    Table(Table),
    /// Lines over the window.
    Chart(Chart),
    /// A profile.
    Flames(Box<Flames>),
    /// Names and values.
    Facts {
        /// Heading.
        title: &'static str,
        /// The values.
        facts: Vec<Fact>,
    },
    /// Something is not there, and why.
    Missing {
        /// Heading of what is missing.
        title: &'static str,
        /// Why.
        reason: String,
    },
}
