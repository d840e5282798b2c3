//! `analyze check-findings`.

use std::process::ExitCode;

use crate::cli::CheckArgs;
use crate::exit;
use crate::finding::{self, check};

/// Parses, plans and tests finding files; every problem with file and line.
pub(super) fn run(args: &CheckArgs) -> anyhow::Result<ExitCode> {
    let findings = match &args.folder {
        Some(folder) => finding::read_folder(folder),
        None => finding::built_in(),
    };
    let problems: Vec<String> = findings.iter().flat_map(check::check).collect();
    let tests: usize = findings.iter().map(|finding| finding.cases.len()).sum();
    let mut text = String::new();
    for problem in &problems {
        text += &format!("{problem}\n");
    }
    let count = findings.len();
    text += &format!(
        "{count} findings, {tests} tests, {} problems\n",
        problems.len()
    );
    super::print(&text)?;
    Ok(if problems.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(exit::ERROR)
    })
}
