//! Findings as the page shows them.

use crate::evaluate::{Evaluated, Verdict};
use crate::finding::output;
use crate::report::model::{Card, Counts, Name, Unassessed};
use crate::report::view::evidence;

/// Rows of evidence on the page.
const EVIDENCE_ROWS: usize = 100;
/// Messages on a card.
const MESSAGES: usize = 5;
/// Origins listed on a card.
const ORIGINS: usize = 10;

/// Findings by verdict.
pub fn counts(evaluated: &[Evaluated]) -> Counts {
    let [fired, clear, not_assessed, broken] = output::counts(evaluated);
    Counts {
        fired,
        clear,
        not_assessed,
        broken,
    }
}

/// Findings that fired, worst first.
pub fn cards(evaluated: &[Evaluated]) -> Vec<Card> {
    evaluated.iter().filter_map(card).collect()
}

fn card(one: &Evaluated) -> Option<Card> {
    let Verdict::Fired {
        evidence: grid,
        messages,
        rows_count,
    } = &one.verdict
    else {
        return None;
    };
    let finding = &one.finding;
    let mut table = evidence(grid, EVIDENCE_ROWS);
    table.rows_count = *rows_count;
    let mut origins: Vec<String> = Vec::new();
    for origin in (0..grid.rows.len()).filter_map(|row| output::origin(grid, row)) {
        if origins.len() < ORIGINS && !origins.contains(&origin) {
            origins.push(origin);
        }
    }
    Some(Card {
        id: finding.id.clone(),
        family: finding.family.clone(),
        title: finding.title.clone(),
        severity: finding.severity.name(),
        confidence: finding.confidence.name(),
        messages: messages.iter().take(MESSAGES).cloned().collect(),
        evidence: table,
        origins,
        why: finding.why.clone(),
        remediation: finding.remediation.clone(),
        false_positives: finding.false_positives.clone(),
        references: finding.references.clone(),
        params: finding.params.clone(),
        query: finding.query.clone(),
    })
}

/// Findings whose tables are missing.
pub fn not_assessed(evaluated: &[Evaluated]) -> Vec<Unassessed> {
    let reason = |verdict: &Verdict| match verdict {
        Verdict::NotAssessed { missing } => Some(missing.clone()),
        _ => None,
    };
    unassessed(evaluated, reason)
}

/// Findings that are wrong themselves.
pub fn broken(evaluated: &[Evaluated]) -> Vec<Unassessed> {
    let reason = |verdict: &Verdict| match verdict {
        Verdict::Broken { error } => Some(error.clone()),
        _ => None,
    };
    unassessed(evaluated, reason)
}

fn unassessed(evaluated: &[Evaluated], reason: fn(&Verdict) -> Option<String>) -> Vec<Unassessed> {
    let with_reason = evaluated
        .iter()
        .filter_map(|one| Some((&one.finding, reason(&one.verdict)?)));
    with_reason
        .map(|(finding, reason)| Unassessed {
            id: finding.id.clone(),
            title: finding.title.clone(),
            reason,
        })
        .collect()
}

/// Findings that do not hold.
pub fn clear(evaluated: &[Evaluated]) -> Vec<Name> {
    let clear = evaluated.iter().filter(|one| one.verdict == Verdict::Clear);
    clear
        .map(|one| Name {
            id: one.finding.id.clone(),
            title: one.finding.title.clone(),
        })
        .collect()
}
