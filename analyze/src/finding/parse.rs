//! Reads a finding file: TOML between `+++` lines, then Markdown with fixed headings.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{Confidence, Finding, Severity, Status};
pub use crate::document::ParseError;
use crate::document::{self, Section};

/// Headings of a finding file in their order; `Test: ...` follows, at least three times.
const HEADINGS: [&str; 5] = [
    "Query",
    "Message",
    "Remediation",
    "False positives",
    "References",
];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FrontMatter {
    title: String,
    severity: Severity,
    confidence: Confidence,
    status: Status,
    needs: Vec<String>,
    #[serde(default)]
    wants: Vec<String>,
    #[serde(default)]
    params: BTreeMap<String, f64>,
}

/// One test of a finding, from its file.
#[derive(Clone, Debug)]
pub struct Case {
    /// What the heading says.
    pub name: String,
    /// Where it begins.
    pub line: usize,
    /// The tables by name, as CSV with a header line; a table that is not there was not captured.
    pub tables: Vec<(String, String)>,
    /// What must come out.
    pub expect: Expect,
}

/// What a test expects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expect {
    /// These rows, as CSV with a header line; columns that are not named do not matter.
    Rows(String),
    /// The condition does not hold.
    Clear,
    /// A table is missing.
    NotAssessed,
}

/// Reads a finding file. `file` names it in errors, `id` and `family` are those of its path.
pub fn parse(file: &str, family: &str, id: &str, text: &str) -> Result<Finding, ParseError> {
    let fail = |(line, reason): (usize, String)| ParseError {
        file: file.to_owned(),
        line,
        reason,
    };
    let document = document::read::<FrontMatter>(file, "a finding", text)?;
    if document.preface.is_empty() {
        let reason = "there is no text that says why it matters".to_owned();
        return Err(fail((document.first_line, reason)));
    }
    document.only(&HEADINGS).map_err(fail)?;
    let mut query = (0, String::new());
    let mut cases = Vec::new();
    for section in &document.sections {
        if section.heading == "Query" {
            query = only_block(section, "sql").map_err(fail)?;
        } else if let Some(name) = section.test() {
            cases.push(case(section, name).map_err(fail)?);
        }
    }
    let [_, message, remediation, false_positives, references] =
        document.bodies(HEADINGS).map_err(fail)?;
    let front = document.front;
    Ok(Finding {
        id: id.to_owned(),
        family: family.to_owned(),
        file: file.to_owned(),
        title: front.title,
        severity: front.severity,
        confidence: front.confidence,
        status: front.status,
        needs: front.needs,
        wants: front.wants,
        params: front.params,
        why: document.preface,
        query: query.1,
        query_line: query.0,
        message,
        remediation,
        false_positives,
        references,
        cases,
        problem: None,
    })
}

fn only_block(section: &Section, language: &str) -> Result<(usize, String), (usize, String)> {
    let mut blocks = section.blocks().into_iter();
    match (blocks.next(), blocks.next()) {
        (Some(block), None) if block.info == language => {
            Ok((block.line, block.content.trim().to_owned()))
        }
        _ => Err((
            section.line,
            format!("`## {}` must hold one ```{language} block", section.heading),
        )),
    }
}

fn case(section: &Section, name: &str) -> Result<Case, (usize, String)> {
    let mut tables = Vec::new();
    let mut expect = None;
    for block in section.blocks() {
        match block.info.split_once(' ') {
            Some(("csv", "expect")) => expect = Some(Expect::Rows(block.content)),
            Some(("csv", table)) => tables.push((table.trim().to_owned(), block.content)),
            _ => {
                let reason = format!(
                    "a block of a test is ```csv TABLE or ```csv expect, not ```{}",
                    block.info
                );
                return Err((block.line, reason));
            }
        }
    }
    for line in section.prose() {
        match line {
            "clear" => expect = Some(Expect::Clear),
            "not assessed" => expect = Some(Expect::NotAssessed),
            _ => {}
        }
    }
    let expect = expect.ok_or_else(|| {
        let reason = "the test expects nothing: add a ```csv expect block, or a line `clear` or `not assessed`";
        (section.line, reason.to_owned())
    })?;
    Ok(Case {
        name: name.trim().to_owned(),
        line: section.line,
        tables,
        expect,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = include_str!("sample.md");

    fn error(text: &str) -> String {
        parse("f.md", "cpu", "x", text).unwrap_err().to_string()
    }

    #[test]
    fn a_good_file_is_read() {
        let finding = parse("f.md", "cpu", "x", GOOD).unwrap();
        assert_eq!(finding.severity, Severity::High);
        assert_eq!(finding.cases.len(), 3);
        assert!((finding.params["stall_ratio"] - 0.2).abs() < 1e-9);
        assert!(finding.query.starts_with("SELECT"));
    }

    #[test]
    fn errors_name_file_line_and_the_nearest_word() {
        assert!(error("nothing").starts_with("f.md:1: a finding begins"));
        let e = error(&GOOD.replace("severity =", "severty ="));
        assert!(e.starts_with("f.md:3: unknown field `severty`"), "{e}");
        let e = error(&GOOD.replace("\"high\"", "\"fatal\""));
        assert!(e.starts_with("f.md:3: unknown variant `fatal`"), "{e}");
        let e = error(&GOOD.replace("## Remediation", "## Remedy"));
        assert!(e.contains("unknown heading `Remedy`: did you mean"), "{e}");
        let e = error(&GOOD.replace("```sql", "```text"));
        assert!(e.contains("must hold one ```sql block"), "{e}");
        let e = error(&GOOD.replace("clear\n", "\n"));
        assert!(e.contains("the test expects nothing"), "{e}");
    }
}
