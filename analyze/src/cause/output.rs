//! Causes for terminals and tickets.

use super::{Diagnosed, Proof, Role};
use crate::finding::output::{escape, first_paragraph, wrap};

/// Causes that are shown; there are rarely two.
const SHOWN: usize = 3;

/// What is said where no chain matches.
pub const NONE: &str =
    "No known root cause explains these findings; the strongest signals stand first.";

/// A link of the chain in one line, with what proves it.
fn line(link: &super::diagnose::Linked) -> Option<String> {
    let mark = match (link.role, &link.proof) {
        (Role::Contradicting, Proof::Proven { .. }) => "against it: ",
        (Role::Contradicting, _) | (Role::Supporting, Proof::Refuted) => return None,
        (Role::Supporting, Proof::Unknown { .. }) => "not assessed: ",
        (Role::Required, Proof::Unknown { .. }) => "needed, not assessed: ",
        (Role::Required, Proof::Refuted) => "needed, not seen: ",
        (_, Proof::Proven { .. }) => "",
    };
    let says = &link.says;
    Some(match &link.proof {
        Proof::Proven {
            finding, quotes, ..
        } => {
            let quote = quotes
                .first()
                .map_or(String::new(), |quote| format!(": {quote}"));
            format!("{mark}{says}{quote} [{finding}]")
        }
        _ => format!("{mark}{says} [{}]", link.findings.join(", ")),
    })
}

/// For a terminal of 80 columns.
pub(crate) fn text(causes: &[Diagnosed], has_fired: bool) -> String {
    let mut text = String::new();
    for one in causes.iter().take(SHOWN) {
        text += &format!("\nROOT CAUSE  {}  [{}]\n", one.cause.title, one.cause.id);
        let sure = format!("confidence {}: {}", one.confidence.name(), one.because);
        text += &wrap(&sure, "    ");
        for (number, line) in one.links.iter().filter_map(line).enumerate() {
            text += &wrap(&format!("{}. {line}", number + 1), "    ");
        }
        text += &wrap(&first_paragraph(&one.cause.remediation), "    > ");
    }
    if causes.is_empty() && has_fired {
        text += &format!("\n{NONE}\n");
    }
    text
}

/// For a ticket.
pub(crate) fn markdown(causes: &[Diagnosed], has_fired: bool) -> Vec<String> {
    let mut lines = Vec::new();
    for one in causes.iter().take(SHOWN) {
        lines.push(String::new());
        lines.push(format!("### Root cause: {}", escape(&one.cause.title)));
        lines.push(format!(
            "Confidence {}: {}.",
            one.confidence.name(),
            one.because
        ));
        let chain = one.links.iter().filter_map(line).enumerate();
        lines.extend(chain.map(|(number, line)| format!("{}. {}", number + 1, escape(&line))));
        let todo = first_paragraph(&one.cause.remediation).replace('\n', " ");
        lines.push(String::new());
        lines.push(format!("What to do: {todo}"));
    }
    if causes.is_empty() && has_fired {
        lines.push(String::new());
        lines.push(NONE.to_owned());
    }
    lines
}
