//! Reads a chain's file, and holds it to the findings that there are and to its own tests.

use std::collections::BTreeMap;

use minijinja::Environment;
use serde::Deserialize;

use super::diagnose::{Observation, Observations, diagnose_observed};
use super::{Cause, Link, Role};
use crate::document::{self, ParseError, nearest};
use crate::finding::{Confidence, Finding};
use crate::query::Grid;
use crate::table::Cell;

const HEADINGS: [&str; 2] = ["Remediation", "References"];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FrontMatter {
    title: String,
    link: Vec<FrontLink>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FrontLink {
    role: Role,
    findings: Vec<String>,
    #[serde(rename = "where")]
    condition: Option<String>,
    says: String,
}

/// One test of a chain, from its file.
#[derive(Clone, Debug)]
pub struct Case {
    name: String,
    line: usize,
    observations: Observations,
    /// How sure the chain must be; nothing: it must not be a cause.
    expect: Option<Confidence>,
}

/// Reads a chain's file. `file` names it in errors.
pub fn parse(file: &str, id: &str, text: &str) -> Result<Cause, ParseError> {
    let fail = |(line, reason): (usize, String)| ParseError {
        file: file.to_owned(),
        line,
        reason,
    };
    let document = document::read::<FrontMatter>(file, "a root cause", text)?;
    if document.preface.is_empty() {
        let reason = "there is no text that says how one leads to the other".to_owned();
        return Err(fail((document.first_line, reason)));
    }
    document.only(&HEADINGS).map_err(fail)?;
    let mut cases = Vec::new();
    for section in &document.sections {
        if let Some(name) = section.test() {
            cases.push(case(section, name).map_err(fail)?);
        }
    }
    let [remediation, references] = document.bodies(HEADINGS).map_err(fail)?;
    let links = document.front.link.into_iter().map(|link| Link {
        role: link.role,
        findings: link.findings,
        condition: link.condition,
        says: link.says,
    });
    Ok(Cause {
        id: id.to_owned(),
        file: file.to_owned(),
        title: document.front.title,
        mechanism: document.preface,
        remediation,
        references,
        links: links.collect(),
        cases,
    })
}

/// A test: blocks ```` ```csv FINDING ```` are findings that fired, lines `not assessed: FINDING, ...` those that
/// were not; `confidence high|medium|low` or `no cause` is what must come out.
fn case(section: &document::Section, name: &str) -> Result<Case, (usize, String)> {
    let mut observations = Observations::new();
    for block in section.blocks() {
        let Some(("csv", finding)) = block.info.split_once(' ') else {
            let reason = format!("a block of a test is ```csv FINDING, not ```{}", block.info);
            return Err((block.line, reason));
        };
        let evidence = grid(&block.content).map_err(|reason| (block.line, reason))?;
        let messages = vec![String::new(); evidence.rows.len()];
        let fired = Observation::Fired { evidence, messages };
        observations.insert(finding.trim().to_owned(), fired);
    }
    let mut expect = None;
    for line in section.prose() {
        if let Some(findings) = line.strip_prefix("not assessed: ") {
            for finding in findings.split(", ") {
                let missing = Observation::NotAssessed("not in the test".to_owned());
                observations.insert(finding.to_owned(), missing);
            }
        }
        match line {
            "confidence high" => expect = Some(Some(Confidence::High)),
            "confidence medium" => expect = Some(Some(Confidence::Medium)),
            "confidence low" => expect = Some(Some(Confidence::Low)),
            "no cause" => expect = Some(None),
            _ => {}
        }
    }
    let expect = expect.ok_or_else(|| {
        let reason =
            "the test expects nothing: add a line `confidence high` (medium, low) or `no cause`";
        (section.line, reason.to_owned())
    })?;
    Ok(Case {
        name: name.to_owned(),
        line: section.line,
        observations,
        expect,
    })
}

fn grid(text: &str) -> Result<Grid, String> {
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let header = reader.headers().map_err(|error| error.to_string())?;
    let columns = header.iter().map(str::to_owned).collect();
    let mut rows = Vec::new();
    for record in reader.records() {
        let record = record.map_err(|error| error.to_string())?;
        rows.push(record.iter().map(cell).collect());
    }
    Ok(Grid { columns, rows })
}

fn cell(text: &str) -> Cell {
    if text.is_empty() {
        return Cell::Null;
    }
    let number = text.parse().map(Cell::Int).ok();
    let number = number.or_else(|| text.parse().map(Cell::Float).ok());
    number.unwrap_or_else(|| match text {
        "true" => Cell::Bool(true),
        "false" => Cell::Bool(false),
        _ => text.into(),
    })
}

/// What is wrong with a chain, with file and line.
pub(crate) fn check(cause: &Cause, findings: &[Finding]) -> Vec<String> {
    let ids: BTreeMap<&str, &Finding> = findings.iter().map(|f| (f.id.as_str(), f)).collect();
    let mut problems = Vec::new();
    let mut add = |line: usize, reason: String| {
        problems.push(format!("{}:{line}: {reason}", cause.file));
    };
    let tested = cause
        .cases
        .iter()
        .flat_map(|case| case.observations.keys().map(|finding| (case.line, finding)));
    let linked = cause.links.iter().flat_map(|link| link.findings.iter());
    for (line, id) in linked.map(|id| (1, id)).chain(tested) {
        if !ids.contains_key(id.as_str()) {
            let names: Vec<&str> = ids.keys().copied().collect();
            let near = nearest(id, &names);
            add(
                line,
                format!("there is no finding `{id}`: did you mean `{near}`?"),
            );
        }
    }
    if !cause.links.iter().any(|link| link.role == Role::Required) {
        add(1, "a chain needs a required link".to_owned());
    }
    for condition in cause
        .links
        .iter()
        .filter_map(|link| link.condition.as_ref())
    {
        if let Err(error) = Environment::new().compile_expression(condition) {
            add(1, format!("`{condition}`: {error}"));
        }
    }
    if !cause.cases.iter().any(|case| case.expect.is_some()) {
        add(1, "no test in which it is the cause".to_owned());
    }
    if !cause.cases.iter().any(|case| case.expect.is_none()) {
        add(1, "no test that looks alike and is not".to_owned());
    }
    for case in &cause.cases {
        let found = diagnose_observed(&case.observations, std::slice::from_ref(cause));
        let confidence = found.first().map(|found| found.confidence);
        if confidence != case.expect {
            let why = found.first().map_or("no cause", |found| &found.because);
            add(
                case.line,
                format!(
                    "test `{}`: expected {:?}, got {confidence:?}: {why}",
                    case.name, case.expect
                ),
            );
        }
    }
    problems
}
