//! `analyze explain`.

use std::process::ExitCode;

use crate::cli::ExplainArgs;
use crate::document;
use crate::finding::{self, explain};

/// Tells everything about one finding.
pub(super) fn run(args: &ExplainArgs) -> anyhow::Result<ExitCode> {
    let findings = finding::library(&args.library.folders);
    let Some(finding) = findings.iter().find(|finding| finding.id == args.finding) else {
        let ids: Vec<&str> = findings.iter().map(|finding| finding.id.as_str()).collect();
        let near = document::nearest(&args.finding, &ids);
        anyhow::bail!(
            "there is no finding `{}`: did you mean `{near}`?",
            args.finding
        );
    };
    if let Some(problem) = &finding.problem {
        anyhow::bail!("{problem}");
    }
    super::print(&explain::markdown(finding))?;
    Ok(ExitCode::SUCCESS)
}
