//! Reads a finding file: TOML between `+++` lines, then Markdown with fixed headings.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{Confidence, Finding, Severity, Status};

/// What is wrong with a finding file, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}: {reason}")]
pub struct ParseError {
    /// The file as it was named.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// What is wrong.
    pub reason: String,
}

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

struct Section<'a> {
    heading: &'a str,
    line: usize,
    body: String,
}

/// Reads a finding file. `file` names it in errors, `id` and `family` are those of its path.
pub fn parse(file: &str, family: &str, id: &str, text: &str) -> Result<Finding, ParseError> {
    let fail = |line: usize, reason: String| ParseError {
        file: file.to_owned(),
        line,
        reason,
    };
    let rest = text
        .strip_prefix("+++\n")
        .ok_or_else(|| fail(1, "a finding begins with a line `+++` and TOML".to_owned()))?;
    let (toml, markdown) = rest
        .split_once("\n+++\n")
        .ok_or_else(|| fail(1, "the front matter has no closing line `+++`".to_owned()))?;
    let front: FrontMatter = toml::from_str(toml).map_err(|error| {
        let offset = error.span().map_or(0, |span| span.start);
        let line = 2 + toml.get(..offset).unwrap_or_default().matches('\n').count();
        fail(line, error.message().to_owned())
    })?;
    let first_line = 4 + toml.matches('\n').count();
    let (why, sections) = sections(markdown, first_line);
    let mut finding = Finding {
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
        why: why.trim().to_owned(),
        query: String::new(),
        query_line: 0,
        message: String::new(),
        remediation: String::new(),
        false_positives: String::new(),
        references: String::new(),
        cases: Vec::new(),
        problem: None,
    };
    if finding.why.is_empty() {
        return Err(fail(
            first_line,
            "there is no text that says why it matters".to_owned(),
        ));
    }
    for section in &sections {
        let body = section.body.trim().to_owned();
        match section.heading {
            "Query" => {
                let (line, sql) = only_block(section, "sql").map_err(|(l, r)| fail(l, r))?;
                finding.query = sql;
                finding.query_line = line;
            }
            "Message" => finding.message = body,
            "Remediation" => finding.remediation = body,
            "False positives" => finding.false_positives = body,
            "References" => finding.references = body,
            heading => {
                if let Some(name) = heading.strip_prefix("Test: ") {
                    finding
                        .cases
                        .push(case(section, name).map_err(|(l, r)| fail(l, r))?);
                } else {
                    let near = nearest(heading, &HEADINGS);
                    return Err(fail(
                        section.line,
                        format!("unknown heading `{heading}`: did you mean `{near}`?"),
                    ));
                }
            }
        }
    }
    for heading in HEADINGS {
        match sections.iter().filter(|s| s.heading == heading).count() {
            1 if sections
                .iter()
                .any(|s| s.heading == heading && !s.body.trim().is_empty()) => {}
            1 => {
                return Err(fail(
                    first_line,
                    format!("the section `## {heading}` is empty"),
                ));
            }
            0 => {
                return Err(fail(
                    first_line,
                    format!("the section `## {heading}` is missing"),
                ));
            }
            _ => {
                return Err(fail(
                    first_line,
                    format!("the section `## {heading}` stands twice"),
                ));
            }
        }
    }
    Ok(finding)
}

/// Splits Markdown at its second-level headings, those inside of code blocks left alone.
fn sections(markdown: &str, first_line: usize) -> (String, Vec<Section<'_>>) {
    let mut preface = String::new();
    let mut sections: Vec<Section<'_>> = Vec::new();
    let mut in_code = false;
    for (number, line) in markdown.lines().enumerate() {
        if line.starts_with("```") {
            in_code = !in_code;
        }
        if let Some(heading) = line.strip_prefix("## ").filter(|_| !in_code) {
            sections.push(Section {
                heading: heading.trim(),
                line: first_line + number,
                body: String::new(),
            });
        } else {
            let body = sections
                .last_mut()
                .map_or(&mut preface, |section| &mut section.body);
            body.push_str(line);
            body.push('\n');
        }
    }
    (preface, sections)
}

/// The code blocks of a section: language and words behind it, first line, content.
fn blocks(section: &Section<'_>) -> Vec<(String, usize, String)> {
    let mut blocks = Vec::new();
    let mut open: Option<(String, usize, String)> = None;
    for (number, line) in section.body.lines().enumerate() {
        match (line.strip_prefix("```"), open.take()) {
            (Some(info), None) => {
                open = Some((
                    info.trim().to_owned(),
                    section.line + number + 2,
                    String::new(),
                ));
            }
            (Some(_), Some(block)) => blocks.push(block),
            (None, Some((info, first, mut content))) => {
                content.push_str(line);
                content.push('\n');
                open = Some((info, first, content));
            }
            (None, None) => {}
        }
    }
    blocks
}

fn only_block(section: &Section<'_>, language: &str) -> Result<(usize, String), (usize, String)> {
    let mut blocks = blocks(section).into_iter();
    match (blocks.next(), blocks.next()) {
        (Some((info, line, content)), None) if info == language => {
            Ok((line, content.trim().to_owned()))
        }
        _ => Err((
            section.line,
            format!("`## {}` must hold one ```{language} block", section.heading),
        )),
    }
}

fn case(section: &Section<'_>, name: &str) -> Result<Case, (usize, String)> {
    let mut tables = Vec::new();
    let mut expect = None;
    for (info, line, content) in blocks(section) {
        match info.split_once(' ') {
            Some(("csv", "expect")) => expect = Some(Expect::Rows(content)),
            Some(("csv", table)) => tables.push((table.trim().to_owned(), content)),
            _ => {
                return Err((
                    line,
                    format!("a block of a test is ```csv TABLE or ```csv expect, not ```{info}"),
                ));
            }
        }
    }
    let mut in_code = false;
    for line in section.body.lines() {
        if line.starts_with("```") {
            in_code = !in_code;
        }
        match line.trim().trim_end_matches('.') {
            "clear" if !in_code => expect = Some(Expect::Clear),
            "not assessed" if !in_code => expect = Some(Expect::NotAssessed),
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

/// The word most like `word`.
pub(crate) fn nearest<'a>(word: &str, words: &[&'a str]) -> &'a str {
    words
        .iter()
        .copied()
        .min_by_key(|candidate| distance(word, candidate))
        .unwrap_or_default()
}

/// Levenshtein's distance.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        for (cell, y) in row.iter_mut().skip(1).zip(&b) {
            let cost = diagonal + usize::from(x != *y);
            diagonal = *cell;
            left = cost.min(left + 1).min(diagonal + 1);
            *cell = left;
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().unwrap_or_default()
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

    #[test]
    fn distances() {
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(nearest("Querry", &HEADINGS), "Query");
    }
}
