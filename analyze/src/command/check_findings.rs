//! `analyze check-findings`.

use std::process::ExitCode;

use crate::cli::CheckArgs;
use crate::finding::{self, check};
use crate::{cause, exit};

/// Parses, plans and tests finding files; every problem with file and line.
pub(super) fn run(args: &CheckArgs) -> anyhow::Result<ExitCode> {
    let findings = match &args.folder {
        Some(folder) => finding::read_folder(folder),
        None => finding::built_in(),
    };
    let mut problems: Vec<String> = findings.iter().flat_map(check::check).collect();
    // Chains are built in: they are looked at where the built-in findings are.
    let chains = if args.folder.is_none() {
        cause::built_in()
    } else {
        Vec::new()
    };
    for chain in &chains {
        match chain {
            Ok(chain) => problems.extend(cause::parse::check(chain, &findings)),
            Err(error) => problems.push(error.to_string()),
        }
    }
    let tests: usize = findings.iter().map(|finding| finding.cases.len()).sum();
    let mut text = String::new();
    for problem in &problems {
        text += &format!("{problem}\n");
    }
    let count = findings.len();
    let chains = match chains.len() {
        0 => String::new(),
        count => format!("{count} root causes, "),
    };
    text += &format!(
        "{count} findings, {tests} tests, {chains}{} problems\n",
        problems.len()
    );
    super::print(&text)?;
    Ok(if problems.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(exit::ERROR)
    })
}
