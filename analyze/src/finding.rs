//! A finding: one Markdown file with a query, its message, its remedy and its own tests.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use include_dir::{Dir, include_dir};
use serde::{Deserialize, Serialize};

pub mod cases;
pub mod check;
pub mod explain;
pub mod output;
pub mod parse;

pub use parse::{Case, Expect, ParseError};

/// The findings that travel inside of the program.
static BUILT_IN: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/findings");

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
    /// Its file, for errors.
    pub file: String,
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
    /// Line of the file on which the query begins.
    #[serde(skip)]
    pub query_line: usize,
    /// A minijinja line, rendered once per row.
    pub message: String,
    /// What to do (Markdown).
    pub remediation: String,
    /// When it lies (Markdown).
    pub false_positives: String,
    /// Where condition and thresholds come from (Markdown).
    pub references: String,
    /// Its own tests.
    #[serde(skip)]
    pub cases: Vec<Case>,
    /// What is wrong with the file itself; such a finding is always broken.
    #[serde(skip)]
    pub problem: Option<String>,
}

impl Severity {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}

impl Confidence {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
        }
    }
}

impl Finding {
    /// A file that cannot be read as a finding still stands in the report, as broken.
    fn broken(file: &str, family: &str, id: &str, problem: String) -> Self {
        Self {
            id: id.to_owned(),
            family: family.to_owned(),
            file: file.to_owned(),
            title: format!("`{file}` cannot be read"),
            severity: Severity::Info,
            confidence: Confidence::Low,
            status: Status::Preview,
            needs: Vec::new(),
            wants: Vec::new(),
            params: BTreeMap::new(),
            why: String::new(),
            query: String::new(),
            query_line: 0,
            message: String::new(),
            remediation: String::new(),
            false_positives: String::new(),
            references: String::new(),
            cases: Vec::new(),
            problem: Some(problem),
        }
    }
}

/// The built-in findings and those of these folders, by id. A file that cannot be read becomes a
/// broken finding and costs nothing else; a finding of a folder replaces a built-in one of its id.
pub fn library(folders: &[PathBuf]) -> Vec<Finding> {
    let mut findings: BTreeMap<String, Finding> = built_in()
        .into_iter()
        .map(|finding| (finding.id.clone(), finding))
        .collect();
    for folder in folders {
        findings.extend(read_folder(folder).into_iter().map(|f| (f.id.clone(), f)));
    }
    findings.into_values().collect()
}

/// The findings that travel inside of the program.
pub fn built_in() -> Vec<Finding> {
    let families = BUILT_IN
        .dirs()
        .filter_map(|family| Some((family, family.path().to_str()?)));
    let files = families.flat_map(|(family, name)| family.files().map(move |file| (name, file)));
    let markdown = files.filter(|(_, file)| file.path().extension().is_some_and(|e| e == "md"));
    markdown
        .map(|(family, file)| {
            let path = format!("findings/{}", file.path().display());
            read(
                &path,
                family,
                file.path(),
                file.contents_utf8().ok_or("it is not UTF-8".to_owned()),
            )
        })
        .collect()
}

/// The finding files in a folder and one level below, by name.
pub fn read_folder(folder: &Path) -> Vec<Finding> {
    let family = folder
        .file_name()
        .and_then(|n| n.to_str())
        .unwrap_or("site")
        .to_owned();
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) => {
            let shown = folder.display().to_string();
            return vec![Finding::broken(
                &shown,
                &family,
                &shown,
                format!("{shown}: {error}"),
            )];
        }
    };
    let mut paths: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .collect();
    paths.sort();
    let mut findings = Vec::new();
    for path in paths {
        if path.is_dir() {
            findings.extend(read_folder(&path));
        } else if path.extension().is_some_and(|e| e == "md") {
            let text = std::fs::read_to_string(&path).map_err(|error| error.to_string());
            findings.push(read(
                &path.display().to_string(),
                &family,
                &path,
                text.as_deref().map_err(Clone::clone),
            ));
        }
    }
    findings
}

fn read(file: &str, family: &str, path: &Path, text: Result<&str, String>) -> Finding {
    let id = path
        .file_stem()
        .and_then(|stem| stem.to_str())
        .unwrap_or(file);
    let text = match text {
        Ok(text) => text,
        Err(error) => return Finding::broken(file, family, id, format!("{file}: {error}")),
    };
    parse::parse(file, family, id, text)
        .unwrap_or_else(|error| Finding::broken(file, family, id, error.to_string()))
}
