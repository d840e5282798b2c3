//! Verdicts for terminals, tickets and programs.

use std::collections::BTreeMap;

use serde_json::json;

use super::Severity;
use crate::cause::{self, Diagnosed};
use crate::evaluate::{Evaluated, Verdict};
use crate::query::Grid;
use crate::table::{Cell, Loaded};
use crate::units;

/// Evidence lines of a finding on a terminal and in a ticket.
const LINES: usize = 3;
/// Lines of a ticket: more is not read.
const TICKET_LINES: usize = 60;

/// One line that says where and when, and how good the capture is.
pub fn headline(loaded: &Loaded) -> String {
    let capture = loaded.node.capture.as_ref();
    let node = capture.map_or("unknown node", |c| c.node.as_str());
    let when = capture.map_or_else(
        || "at an unknown time".to_owned(),
        |c| units::utc(c.started.realtime_us),
    );
    let kernel = capture.map_or("unknown", |c| c.kernel_release.as_str());
    format!("{node}, {when}, kernel {kernel}")
}

/// How good the capture is, in one sentence.
pub fn quality(loaded: &Loaded) -> String {
    let damage = loaded.contents.damage.len() as u64 + loaded.contents.more_damage;
    if let Some(kind) = loaded.kind {
        return format!(
            "This is {kind}, not a bundle: it tells of profiles alone; {damage} places of damage."
        );
    }
    let Some(summary) = &loaded.contents.summary else {
        return format!(
            "NOT SEALED: the capture was killed or the file is cut; {damage} places of damage."
        );
    };
    let degraded: Vec<&str> = summary
        .sources
        .iter()
        .filter(|source| source.outcome.is_degraded())
        .map(|source| source.id.as_str())
        .collect();
    let early = if summary.finished {
        String::new()
    } else {
        format!(" Ended early by {}.", summary.ended_by)
    };
    let lost = if degraded.is_empty() {
        "all complete".to_owned()
    } else {
        format!("degraded: {}", degraded.join(", "))
    };
    let damaged = if damage == 0 {
        String::new()
    } else {
        format!(" {damage} places of damage.")
    };
    format!(
        "Capture: {} sources, {lost}.{early}{damaged}",
        summary.sources.len()
    )
}

/// How many fired, were clear, not assessed, broken.
pub fn counts(evaluated: &[Evaluated]) -> [usize; 4] {
    let mut counts = [0; 4];
    for one in evaluated {
        let place = match one.verdict {
            Verdict::Fired { .. } => 0,
            Verdict::Clear => 1,
            Verdict::NotAssessed { .. } => 2,
            Verdict::Broken { .. } => 3,
        };
        if let Some(count) = counts.get_mut(place) {
            *count += 1;
        }
    }
    counts
}

/// For a terminal of 80 columns.
pub fn text(evaluated: &[Evaluated], causes: &[Diagnosed], loaded: &Loaded) -> String {
    let [fired, clear, not_assessed, broken] = counts(evaluated);
    let mut text = format!("{}\n{}\n", headline(loaded), quality(loaded));
    text +=
        &format!("{fired} fired, {clear} clear, {not_assessed} not assessed, {broken} broken\n");
    text += &cause::output::text(causes, fired > 0);
    for one in evaluated {
        let Verdict::Fired {
            evidence,
            messages,
            rows_count,
        } = &one.verdict
        else {
            continue;
        };
        let finding = &one.finding;
        text += &format!(
            "\n{:<8} {}  [{}]\n",
            finding.severity.name().to_uppercase(),
            finding.title,
            finding.id
        );
        for (row, message) in messages.iter().enumerate().take(LINES) {
            text += &wrap(message, "    ");
            if let Some(origin) = origin(evidence, row) {
                text += &format!("      ({origin})\n");
            }
        }
        if *rows_count > LINES {
            text += &format!("    and {} more\n", rows_count - LINES);
        }
        text += &wrap(&first_paragraph(&finding.remediation), "    > ");
    }
    let by_reason = group(evaluated.iter().filter_map(|one| match &one.verdict {
        Verdict::NotAssessed { missing } => Some((missing.as_str(), one.finding.id.as_str())),
        _ => None,
    }));
    if !by_reason.is_empty() {
        text += "\nNot assessed:\n";
        for (reason, ids) in by_reason {
            text += &wrap(&format!("{}: {reason}", ids.join(", ")), "    ");
        }
    }
    for one in evaluated {
        if let Verdict::Broken { error } = &one.verdict {
            text += &wrap(&format!("BROKEN {}: {error}", one.finding.id), "");
        }
    }
    text
}

/// For a ticket: stands alone, valid in GitHub, Jira and e-mail.
pub fn markdown(evaluated: &[Evaluated], causes: &[Diagnosed], loaded: &Loaded) -> String {
    let [fired, clear, not_assessed, broken] = counts(evaluated);
    let mut lines = vec![
        format!("## Node {}", escape(&headline(loaded))),
        String::new(),
        escape(&quality(loaded)),
        format!(
            "Findings: {fired} fired, {clear} clear, {not_assessed} not assessed, {broken} broken."
        ),
    ];
    lines.extend(cause::output::markdown(causes, fired > 0));
    let mut left_out = 0;
    for one in evaluated {
        let Verdict::Fired {
            evidence,
            messages,
            rows_count,
        } = &one.verdict
        else {
            continue;
        };
        let finding = &one.finding;
        if lines.len() + LINES + 5 > TICKET_LINES {
            left_out += 1;
            continue;
        }
        lines.push(String::new());
        let severity = finding.severity.name();
        lines.push(format!(
            "### {} ({severity}, `{}`)",
            escape(&finding.title),
            finding.id
        ));
        for (row, message) in messages.iter().enumerate().take(LINES) {
            let origin = origin(evidence, row)
                .map(|o| format!(" (`{}`)", o.replace('`', "'")))
                .unwrap_or_default();
            lines.push(format!("- {}{origin}", escape(message)));
        }
        if *rows_count > LINES {
            lines.push(format!("- and {} more", rows_count - LINES));
        }
        lines.push(format!(
            "- What to do: {}",
            first_paragraph(&finding.remediation).replace('\n', " ")
        ));
    }
    if left_out > 0 {
        lines.push(format!("\n{left_out} more findings are in the report."));
    }
    lines.push(String::new());
    lines.join("\n")
}

/// Everything, for programs.
pub fn json(evaluated: &[Evaluated], causes: &[Diagnosed], loaded: &Loaded) -> String {
    let value = json!({
        "schema_version": 1,
        "capture": loaded.node.capture,
        "sealed": loaded.contents.summary.is_some(),
        "damage": loaded.contents.damage,
        "causes": causes,
        "findings": evaluated,
    });
    format!("{value:#}\n")
}

/// SARIF 2.1.0, for tools that show results of analyses.
pub fn sarif(evaluated: &[Evaluated], _loaded: &Loaded) -> String {
    let rules: Vec<_> = evaluated
        .iter()
        .map(|one| {
            json!({
                "id": one.finding.id,
                "name": one.finding.id,
                "shortDescription": { "text": one.finding.title },
                "fullDescription": { "text": one.finding.why },
                "help": { "text": one.finding.remediation },
                "properties": { "family": one.finding.family, "severity": one.finding.severity.name() },
            })
        })
        .collect();
    let mut results = Vec::new();
    for (place, one) in evaluated.iter().enumerate() {
        let Verdict::Fired {
            evidence, messages, ..
        } = &one.verdict
        else {
            continue;
        };
        for (row, message) in messages.iter().enumerate() {
            let mut result = json!({
                "ruleId": one.finding.id,
                "ruleIndex": place,
                "level": level(one.finding.severity),
                "message": { "text": message },
            });
            if let Some((entry, line)) = place_of(evidence, row) {
                let mut physical = json!({ "artifactLocation": { "uri": uri(&entry) } });
                if let Some(line) = line {
                    physical["region"] = json!({ "startLine": line });
                }
                result["locations"] = json!([{ "physicalLocation": physical }]);
            }
            results.push(result);
        }
    }
    let value = json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "freezeframe",
                "version": env!("CARGO_PKG_VERSION"),
                "rules": rules,
            } },
            "results": results,
        }],
    });
    format!("{value:#}\n")
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Info => "none",
        Severity::Low => "note",
        Severity::Medium => "warning",
        Severity::High | Severity::Critical => "error",
    }
}

/// A member name as a relative URI (RFC 3986).
fn uri(entry: &str) -> String {
    let mut uri = String::new();
    for byte in entry.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            uri.push(char::from(byte));
        } else {
            uri += &format!("%{byte:02X}");
        }
    }
    uri
}

/// Entry and line of a row of evidence.
pub fn place_of(evidence: &Grid, row: usize) -> Option<(String, Option<i64>)> {
    let row = evidence.rows.get(row)?;
    let Cell::Text(entry) = row.get(evidence.place("entry")?)? else {
        return None;
    };
    let line = evidence.place("line").and_then(|place| row.get(place));
    let line = match line {
        Some(Cell::Int(line)) => Some(*line),
        _ => None,
    };
    Some((entry.clone(), line))
}

/// Entry and line of a row, as people write it.
pub fn origin(evidence: &Grid, row: usize) -> Option<String> {
    let (entry, line) = place_of(evidence, row)?;
    Some(line.map_or(entry.clone(), |line| format!("{entry}:{line}")))
}

fn group<'a>(pairs: impl Iterator<Item = (&'a str, &'a str)>) -> BTreeMap<&'a str, Vec<&'a str>> {
    let mut groups: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (key, value) in pairs {
        groups.entry(key).or_default().push(value);
    }
    groups
}

pub(crate) fn first_paragraph(markdown: &str) -> String {
    markdown.split("\n\n").next().unwrap_or_default().to_owned()
}

/// Lines of at most 80 characters behind `indent`.
pub(crate) fn wrap(text: &str, indent: &str) -> String {
    const WIDTH: usize = 80;
    let mut out = String::new();
    let mut line = String::new();
    for word in text.split_whitespace() {
        let fits = line.chars().count() + word.chars().count() + indent.len() < WIDTH;
        if !line.is_empty() && !fits {
            out += &format!("{indent}{line}\n");
            line.clear();
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line += word;
    }
    if !line.is_empty() {
        out += &format!("{indent}{line}\n");
    }
    out
}

/// Text that Markdown must not take for markup.
pub(crate) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if matches!(
            c,
            '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '#' | '|' | '@'
        ) {
            out.push('\\');
        }
        out.push(if c.is_control() { ' ' } else { c });
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_wrapped_and_escaped() {
        let wrapped = wrap(&"word ".repeat(40), "    ");
        assert!(
            wrapped
                .lines()
                .all(|line| line.len() <= 80 && line.starts_with("    word"))
        );
        assert_eq!(escape("<script> *x*\u{1b}"), "\\<script\\> \\*x\\* ");
        assert_eq!(uri("root/proc/1/a b"), "root/proc/1/a%20b");
    }
}
