//! Checks finding files before anybody depends on them: they plan, name only what exists, lead back
//! to the bundle, and pass their own tests.

use std::collections::BTreeSet;

use super::cases::{self, schema};
use super::{Expect, Finding};
use crate::evaluate;
use crate::query;
use crate::table::{ORIGIN, Rows, TableData, Tables, Type, frame};

/// Checks one finding; each problem names file and line.
pub fn check(finding: &Finding) -> Vec<String> {
    if let Some(problem) = &finding.problem {
        return vec![problem.clone()];
    }
    let mut problems: Vec<String> = Vec::new();
    let mut at =
        |line: usize, reason: String| problems.push(format!("{}:{line}: {reason}", finding.file));
    for need in finding.needs.iter().chain(&finding.wants) {
        if let Err(reason) = exists(need) {
            at(1, reason);
        }
    }
    let line = finding.query_line;
    let named = query::tables_named(&finding.query);
    let declared: BTreeSet<&str> = finding
        .needs
        .iter()
        .chain(&finding.wants)
        .map(|need| need.split('.').next().unwrap_or(need))
        .collect();
    for (name, _, _) in schema() {
        if named.contains(name) && !declared.contains(name) {
            at(
                line,
                format!(
                    "the query reads table `{name}`, which is neither in `needs` nor in `wants`"
                ),
            );
        }
    }
    for name in finding.params.keys() {
        if !finding.query.contains(&format!("params.{name}")) {
            at(
                line,
                format!("the threshold `{name}` is not used: write `params.{name}`"),
            );
        }
    }
    let kind = |column: &str| column_kind(&named, column);
    if let Some(reason) = query::text_compared_with_number(&finding.query, &kind) {
        at(line, reason);
    }
    match plan(finding) {
        Err(reason) => at(line, reason),
        Ok(columns) => {
            if columns.first().is_none_or(|first| cases::is_origin(first)) {
                at(
                    line,
                    "the first column of the query must be the subject".to_owned(),
                );
            }
            if !columns.iter().any(|name| name == "entry") {
                at(
                    line,
                    "the query must give `entry`, so that evidence leads back to the bundle"
                        .to_owned(),
                );
            }
        }
    }
    let has = |wanted: fn(&Expect) -> bool| finding.cases.iter().any(|case| wanted(&case.expect));
    if !has(|e| matches!(e, Expect::Rows(_))) {
        at(1, "there is no test that fires".to_owned());
    }
    if !has(|e| *e == Expect::Clear) {
        at(
            1,
            "there is no test that looks sick and is clear".to_owned(),
        );
    }
    if !has(|e| *e == Expect::NotAssessed) {
        at(1, "there is no test that is not assessed".to_owned());
    }
    for case in &finding.cases {
        if let Err(failure) = cases::run(finding, case) {
            at(failure.line, failure.reason);
        }
    }
    problems
}

fn exists(need: &str) -> Result<(), String> {
    let (table, column) = match need.split_once('.') {
        Some((table, column)) => (table, Some(column)),
        None => (need, None),
    };
    let Some((_, _, columns)) = schema().find(|(name, _, _)| *name == table) else {
        let names: Vec<&str> = schema().map(|(name, _, _)| name).collect();
        let near = crate::document::nearest(table, &names);
        return Err(format!(
            "there is no table `{table}`: did you mean `{near}`?"
        ));
    };
    let Some(column) = column else { return Ok(()) };
    if columns.iter().chain(&ORIGIN).any(|c| c.name == column) {
        return Ok(());
    }
    let names: Vec<&str> = columns.iter().map(|c| c.name).collect();
    let near = crate::document::nearest(column, &names);
    Err(format!(
        "table `{table}` has no column `{column}`: did you mean `{near}`?"
    ))
}

/// The columns that the query gives on empty tables: unknown names and wrong types show.
fn plan(finding: &Finding) -> Result<Vec<String>, String> {
    let mut tables = Tables::new();
    for (name, about, columns) in schema() {
        let rows = Rows::new(columns);
        let columns = rows.columns().to_vec();
        let frame = frame::frame(rows).map_err(|error| error.to_string())?;
        tables.insert(
            name,
            TableData {
                name,
                about,
                columns,
                frame,
                missing: None,
            },
        );
    }
    let params = evaluate::params(finding)?;
    let grid = query::select(&tables, &[("params", params)], &finding.query).map_err(|e| e.0)?;
    Ok(grid.columns)
}

/// The type of a column, if it is the same in all tables of the query that have it.
fn column_kind(named: &BTreeSet<String>, column: &str) -> Option<Type> {
    let mut kinds = schema()
        .filter(|(name, _, _)| named.contains(*name))
        .flat_map(|(_, _, columns)| columns.iter().filter(|c| c.name == column))
        .map(|c| c.kind);
    let first = kinds.next()?;
    kinds.all(|kind| kind == first).then_some(first)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::parse::parse;

    const GOOD: &str = include_str!("sample.md");

    fn problems(text: &str) -> String {
        match parse("f.md", "io", "x", text) {
            Ok(finding) => check(&finding).join("\n"),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn a_good_file_has_no_problem() {
        assert_eq!(problems(GOOD), "");
    }

    #[test]
    fn mistakes_are_named_with_file_and_line() {
        let cases = [
            (
                "pressure.stall_ratio, pressure.entry",
                "pressure.stal_ratio, pressure.entry",
                "f.md:17: ",
            ),
            ("FROM pressure CROSS", "FROM presure CROSS", "f.md:17: "),
            (
                "needs = [\"pressure.",
                "needs = [\"presure.",
                "f.md:1: there is no table `presure`: did you mean `pressure`?",
            ),
            (
                "pressure.stall_ratio\"]",
                "pressure.stall\"]",
                "f.md:1: table `pressure` has no column `stall`",
            ),
            (
                "stall_ratio = 0.2",
                "stal_ratio = 0.2",
                "the threshold `stal_ratio` is not used",
            ),
            (
                "SELECT pressure.scope, pressure.stall_ratio, pressure.entry",
                "SELECT pressure.entry, pressure.scope, pressure.stall_ratio",
                "first column of the query",
            ),
            (
                "pressure.kind = 'full'",
                "pressure.kind > 3",
                "column `kind` is text and is compared with a number",
            ),
            ("SELECT pressure.scope", "DROP pressure.scope", "f.md:17: "),
            (
                "pressure.entry, pressure.line",
                "pressure.line",
                "must give `entry`",
            ),
            ("node,0.5\n", "node,0.6\n", "expected rows"),
            ("clear\n", "not assessed\n", "it is clear"),
            ("{{ scope }}", "{{ scop }}", "## Message"),
        ];
        for (from, to, expected) in cases {
            let found = problems(&GOOD.replace(from, to));
            assert!(found.contains(expected), "{to}: {found}");
        }
    }

    #[test]
    fn missing_tests_are_named() {
        let cut = GOOD.split("## Test: waiting").next().unwrap();
        let found = problems(cut);
        assert!(found.contains("no test that looks sick"), "{found}");
        assert!(found.contains("no test that is not assessed"), "{found}");
    }

    #[test]
    fn every_built_in_finding_is_sound() {
        let problems: Vec<String> = crate::finding::built_in().iter().flat_map(check).collect();
        assert!(problems.is_empty(), "{}", problems.join("\n"));
    }
}
