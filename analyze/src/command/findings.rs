//! `analyze findings`.

use std::process::ExitCode;

use crate::cli::{FindingsArgs, FindingsFormat};
use crate::finding::output;
use crate::{cause, evaluate, exit, finding};

/// Prints what was found.
pub(super) fn run(args: &FindingsArgs) -> anyhow::Result<ExitCode> {
    let loaded = super::load(&args.input)?;
    let evaluated = evaluate::evaluate(&loaded, &finding::library(&args.library.folders));
    let causes = cause::diagnose(&evaluated, &cause::library());
    let text = match args.format {
        FindingsFormat::Text => output::text(&evaluated, &causes, &loaded),
        FindingsFormat::Markdown => output::markdown(&evaluated, &causes, &loaded),
        FindingsFormat::Json => output::json(&evaluated, &causes, &loaded),
        FindingsFormat::Sarif => output::sarif(&evaluated, &loaded),
    };
    super::print(&text)?;
    let worst = evaluated
        .iter()
        .filter(|one| one.has_fired())
        .map(|one| one.finding.severity)
        .max();
    let failed = args
        .fail_on
        .zip(worst)
        .is_some_and(|(limit, worst)| worst >= limit);
    Ok(worst
        .filter(|_| failed)
        .map_or(ExitCode::SUCCESS, exit::severity))
}
