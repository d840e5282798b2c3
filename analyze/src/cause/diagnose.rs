//! Findings meet chains: which causes there are, and how sure that is.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use minijinja::{Environment, Value};
use serde::Serialize;

use super::{Cause, Link, Role};
use crate::evaluate::{Evaluated, Verdict};
use crate::finding::{Confidence, Severity, output};
use crate::message;
use crate::query::Grid;
use crate::table::Cell;

/// An effect may be noticed this much before its cause: clocks of logs and of readings differ, and
/// some causes are only seen when the capture reads them.
const TOLERANCE_US: i64 = 60_000_000;

/// Messages quoted of one link.
const QUOTES: usize = 3;

/// What became of a link.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum Proof {
    /// It holds.
    Proven {
        /// The finding that proves it.
        finding: String,
        /// What that finding says.
        quotes: Vec<String>,
        /// Entry and line of the first of them.
        origin: Option<String>,
        /// When, microseconds since boot, if the evidence tells.
        at_us: Option<i64>,
    },
    /// It was looked for and does not hold.
    Refuted,
    /// Nobody could look.
    Unknown {
        /// What is missing.
        missing: String,
    },
}

/// A link and what became of it.
#[derive(Clone, Debug, Serialize)]
pub struct Linked {
    /// What it does for the chain.
    pub role: Role,
    /// What it means within the chain.
    pub says: String,
    /// The findings that could prove it.
    pub findings: Vec<String>,
    /// What became of it.
    pub proof: Proof,
}

/// A cause that is likely enough to be shown.
#[derive(Clone, Debug, Serialize)]
pub struct Diagnosed {
    /// The chain.
    pub cause: Cause,
    /// How sure it is.
    pub confidence: Confidence,
    /// Why so sure: `3 of 4 required, 1 of 2 supporting, 1 contradicting`.
    pub because: String,
    /// The links, causes before effects.
    pub links: Vec<Linked>,
}

/// What is known of a finding.
#[derive(Clone, Debug)]
pub(super) enum Observation {
    Fired {
        evidence: Grid,
        messages: Vec<String>,
    },
    Clear,
    NotAssessed(String),
}

/// By the finding's id; one that is not there is clear.
pub(super) type Observations = BTreeMap<String, Observation>;

/// The causes that explain these findings, the surest first. One whose every proven link is part
/// of a surer one is left out: it is the same story, told in part.
pub fn diagnose(evaluated: &[Evaluated], causes: &[Cause]) -> Vec<Diagnosed> {
    let observations: Observations = evaluated
        .iter()
        .map(|one| (one.finding.id.clone(), observe(&one.verdict)))
        .collect();
    let severities: BTreeMap<&str, Severity> = evaluated
        .iter()
        .map(|one| (one.finding.id.as_str(), one.finding.severity))
        .collect();
    let mut found = diagnose_observed(&observations, causes);
    found.sort_by_key(|one| {
        let worst = proven(one)
            .filter_map(|id| severities.get(id))
            .max()
            .copied();
        (
            Reverse(one.confidence),
            Reverse(worst),
            Reverse(proven(one).count()),
            one.cause.id.clone(),
        )
    });
    let mut told: Vec<BTreeSet<String>> = Vec::new();
    found.retain(|one| {
        let ids: BTreeSet<String> = proven(one).map(str::to_owned).collect();
        let is_part = told.iter().any(|other| ids.is_subset(other));
        told.push(ids);
        !is_part
    });
    found
}

/// The findings that prove a cause.
fn proven(one: &Diagnosed) -> impl Iterator<Item = &str> {
    let links = one
        .links
        .iter()
        .filter(|link| link.role != Role::Contradicting);
    links.filter_map(|link| match &link.proof {
        Proof::Proven { finding, .. } => Some(finding.as_str()),
        _ => None,
    })
}

fn observe(verdict: &Verdict) -> Observation {
    match verdict {
        Verdict::Fired {
            evidence, messages, ..
        } => Observation::Fired {
            evidence: evidence.clone(),
            messages: messages.clone(),
        },
        Verdict::Clear => Observation::Clear,
        Verdict::NotAssessed { missing } => Observation::NotAssessed(missing.clone()),
        Verdict::Broken { error } => Observation::NotAssessed(error.clone()),
    }
}

/// The causes in the order of `causes`.
pub(super) fn diagnose_observed(observations: &Observations, causes: &[Cause]) -> Vec<Diagnosed> {
    causes
        .iter()
        .filter_map(|cause| weigh(cause, observations))
        .collect()
}

fn weigh(cause: &Cause, observations: &Observations) -> Option<Diagnosed> {
    let links: Vec<Linked> = cause
        .links
        .iter()
        .map(|link| Linked {
            role: link.role,
            says: link.says.clone(),
            findings: link.findings.clone(),
            proof: prove(link, observations),
        })
        .collect();
    let required = Tally::of(&links, Role::Required);
    let supporting = Tally::of(&links, Role::Supporting);
    let contradicting = Tally::of(&links, Role::Contradicting).proven;
    let is_out_of_order = is_out_of_order(&links);
    // Half of what is required must be seen, or the chain is a guess.
    if required.proven == 0 || required.proven * 2 < required.all {
        return None;
    }
    let mut doubt = contradicting + usize::from(is_out_of_order);
    // What could have been seen and was not weighs more than what nobody could see.
    doubt += 2 * required.refuted() + required.unknown;
    doubt += usize::from(supporting.all > 0 && supporting.proven == 0);
    let confidence = match doubt {
        0 => Confidence::High,
        1 => Confidence::Medium,
        2 => Confidence::Low,
        _ => return None,
    };
    let mut because = format!("{} of {} required", required.proven, required.all);
    if supporting.all > 0 {
        because += &format!(", {} of {} supporting", supporting.proven, supporting.all);
    }
    because += &match contradicting {
        0 => ", none contradicting".to_owned(),
        count => format!(", {count} contradicting"),
    };
    if required.unknown > 0 {
        because += &format!("; {} could not be assessed", required.unknown);
    }
    if is_out_of_order {
        because += "; an effect was seen before its cause";
    }
    Some(Diagnosed {
        cause: cause.clone(),
        confidence,
        because,
        links,
    })
}

/// Links of one role.
struct Tally {
    all: usize,
    proven: usize,
    unknown: usize,
}

impl Tally {
    fn of(links: &[Linked], role: Role) -> Self {
        let of_role = || links.iter().filter(move |link| link.role == role);
        let is_proven = |link: &&Linked| matches!(link.proof, Proof::Proven { .. });
        let is_unknown = |link: &&Linked| matches!(link.proof, Proof::Unknown { .. });
        Self {
            all: of_role().count(),
            proven: of_role().filter(is_proven).count(),
            unknown: of_role().filter(is_unknown).count(),
        }
    }

    fn refuted(&self) -> usize {
        self.all - self.proven - self.unknown
    }
}

/// Whether the last time an effect was seen is before the first time of a cause.
fn is_out_of_order(links: &[Linked]) -> bool {
    let mut earliest_cause = i64::MIN;
    for link in links.iter().filter(|link| link.role != Role::Contradicting) {
        let Proof::Proven {
            at_us: Some(at_us), ..
        } = &link.proof
        else {
            continue;
        };
        if at_us.saturating_add(TOLERANCE_US) < earliest_cause {
            return true;
        }
        earliest_cause = earliest_cause.max(*at_us);
    }
    false
}

fn prove(link: &Link, observations: &Observations) -> Proof {
    let mut missing = None;
    for id in &link.findings {
        match observations.get(id) {
            Some(Observation::Fired { evidence, messages }) => {
                let rows = rows_that_hold(link.condition.as_deref(), evidence);
                let Some(first) = rows.first() else {
                    continue;
                };
                let quotes = rows
                    .iter()
                    .take(QUOTES)
                    .filter_map(|row| messages.get(*row));
                return Proof::Proven {
                    finding: id.clone(),
                    quotes: quotes.filter(|quote| !quote.is_empty()).cloned().collect(),
                    origin: output::origin(evidence, *first),
                    at_us: rows.iter().filter_map(|row| time(evidence, *row)).min(),
                };
            }
            Some(Observation::NotAssessed(why)) => missing = Some(format!("{id}: {why}")),
            Some(Observation::Clear) | None => {}
        }
    }
    missing.map_or(Proof::Refuted, |missing| Proof::Unknown { missing })
}

/// The rows of which the condition is true; without one, all.
fn rows_that_hold(condition: Option<&str>, evidence: &Grid) -> Vec<usize> {
    let environment = Environment::new();
    let expression = condition.and_then(|text| environment.compile_expression(text).ok());
    let holds = |row: &Vec<Cell>| {
        let Some(expression) = &expression else {
            return condition.is_none();
        };
        let cells = row.iter().map(message::value);
        let columns: BTreeMap<&str, Value> = evidence
            .columns
            .iter()
            .map(String::as_str)
            .zip(cells)
            .collect();
        expression.eval(columns).is_ok_and(|value| value.is_true())
    };
    let rows = evidence.rows.iter().enumerate();
    rows.filter(|(_, row)| holds(row))
        .map(|(row, _)| row)
        .collect()
}

/// When a row's event was, if it tells: tables keep times in `ts_us`.
fn time(evidence: &Grid, row: usize) -> Option<i64> {
    let row = evidence.rows.get(row)?;
    let place = ["first_ts_us", "ts_us"]
        .iter()
        .find_map(|column| evidence.place(column))?;
    match row.get(place) {
        Some(Cell::Int(at_us)) => Some(*at_us),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::parse::parse;
    use super::*;

    const CHAIN: &str = r#"+++
title = "A leads to C"

[[link]]
role = "required"
findings = ["a"]
says = "A"

[[link]]
role = "required"
findings = ["b", "b2"]
where = "size > 10"
says = "B"

[[link]]
role = "supporting"
findings = ["c"]
says = "C"

[[link]]
role = "contradicting"
findings = ["x"]
says = "X"
+++
How.

## Remediation

Do.

## References

None.
"#;

    fn fired(rows: &[(i64, i64)]) -> Observation {
        let rows = rows
            .iter()
            .map(|(size, at)| vec![Cell::Int(*size), Cell::Int(*at)]);
        let evidence = Grid {
            columns: vec!["size".into(), "ts_us".into()],
            rows: rows.collect(),
        };
        let messages = evidence.rows.iter().map(|row| format!("{row:?}")).collect();
        Observation::Fired { evidence, messages }
    }

    fn found(observations: &[(&str, Observation)]) -> Option<(Confidence, String)> {
        let cause = parse("f.md", "a-to-c", CHAIN).unwrap();
        let observations = observations
            .iter()
            .map(|(id, observation)| ((*id).to_owned(), observation.clone()))
            .collect();
        let mut found = diagnose_observed(&observations, &[cause]);
        found.pop().map(|one| (one.confidence, one.because))
    }

    #[test]
    fn confidence_follows_from_the_links() {
        let a = ("a", fired(&[(1, 0)]));
        let b = ("b", fired(&[(3, 0), (11, 0)]));
        let c = ("c", fired(&[(1, 0)]));
        let x = ("x", fired(&[(1, 0)]));
        let small_b = ("b", fired(&[(3, 0)]));
        let unknown_b = ("b", Observation::NotAssessed("no log".into()));
        let all = found(&[a.clone(), b.clone(), c.clone()]);
        let because = "2 of 2 required, 1 of 1 supporting, none contradicting".to_owned();
        assert_eq!(all, Some((Confidence::High, because)));
        let bare = found(&[a.clone(), b.clone()]).unwrap();
        assert_eq!(bare.0, Confidence::Medium);
        let doubted = found(&[a.clone(), b, x.clone()]).unwrap();
        assert_eq!(doubted.0, Confidence::Low);
        assert!(doubted.1.ends_with("1 contradicting"), "{}", doubted.1);
        let unseen = found(&[a.clone(), unknown_b, c.clone()]).unwrap();
        assert_eq!(unseen.0, Confidence::Medium);
        assert!(
            unseen.1.ends_with("1 could not be assessed"),
            "{}",
            unseen.1
        );
        let refuted = found(&[a.clone(), small_b, c]).unwrap();
        assert_eq!(refuted.0, Confidence::Low);
        assert_eq!(found(&[x]), None);
        assert_eq!(found(&[a]), None);
    }

    #[test]
    fn an_effect_long_before_its_cause_is_doubted() {
        let at = |us: i64| ("a", fired(&[(1, us)]));
        let b = ("b", fired(&[(11, 100_000_000)]));
        let c = ("c", fired(&[(1, 100_000_000)]));
        let order = found(&[at(130_000_000), b.clone(), c.clone()]).unwrap();
        assert_eq!(order.0, Confidence::High);
        let order = found(&[at(200_000_000), b, c]).unwrap();
        assert_eq!(order.0, Confidence::Medium);
        assert!(order.1.contains("before its cause"), "{}", order.1);
    }
}
