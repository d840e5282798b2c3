//! Everything about a finding, as text for a terminal and as a chapter of docs/findings.md.

use super::Finding;

/// One finding as Markdown, headings from level `#`.
pub fn markdown(finding: &Finding) -> String {
    let mut text = format!(
        "{}\n\n**{}**: severity {}, confidence {}, family {}.\n\n{}\n",
        finding.id,
        finding.title,
        finding.severity.name(),
        finding.confidence.name(),
        finding.family,
        finding.why,
    );
    text += &format!("\nNeeds {}.", list(&finding.needs));
    if !finding.wants.is_empty() {
        text += &format!(" Wants {}.", list(&finding.wants));
    }
    text.push('\n');
    if !finding.params.is_empty() {
        text += "\n| threshold | value |\n| --- | --- |\n";
        for (name, value) in &finding.params {
            text += &format!("| `{name}` | {value} |\n");
        }
    }
    text += &format!("\n**What to do.** {}\n", finding.remediation);
    text += &format!("\n**False positives.** {}\n", finding.false_positives);
    text += &format!("\n**References.** {}\n", finding.references);
    text += &format!("\n```sql\n{}\n```\n", finding.query);
    text
}

fn list(needs: &[String]) -> String {
    needs
        .iter()
        .map(|need| format!("`{need}`"))
        .collect::<Vec<_>>()
        .join(", ")
}

/// docs/findings.md.
pub fn document(findings: &[Finding]) -> String {
    let mut text = String::from(
        "# Findings\n\nGenerated from the files in `analyze/findings/`. Thresholds are the rows of the table `params`; change them in a copy \
         of the file and pass its folder by `--findings`.\n",
    );
    let mut families: Vec<&str> = findings.iter().map(|f| f.family.as_str()).collect();
    families.sort_unstable();
    families.dedup();
    for family in families {
        text += &format!("\n## {family}\n");
        for finding in findings.iter().filter(|f| f.family == family) {
            text += &format!("\n### {}", markdown(finding));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    #[test]
    fn the_document_is_up_to_date() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/findings.md");
        let document = super::document(&crate::finding::built_in());
        if std::env::var_os("FREEZEFRAME_BLESS").is_some() {
            std::fs::write(&path, &document).unwrap();
        }
        let written = std::fs::read_to_string(path).unwrap_or_default();
        assert!(
            written == document,
            "docs/findings.md differs; FREEZEFRAME_BLESS=1 accepts"
        );
    }
}
