//! `analyze report`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::cli::{ReportArgs, ReportFormat};
use crate::{evaluate, finding, report};

/// Writes the page, or its model.
pub(super) fn run(args: &ReportArgs) -> anyhow::Result<ExitCode> {
    let loaded = super::load(&args.input)?;
    let findings = finding::library(&args.library.folders);
    let evaluated = evaluate::evaluate(&loaded, &findings);
    let model = report::model(&loaded, &evaluated)?;
    let output = args
        .output
        .clone()
        .unwrap_or_else(|| default_output(&args.input.bundle));
    let is_json = output
        .extension()
        .is_some_and(|e| e.eq_ignore_ascii_case("json"));
    let bytes = match args.format {
        Some(ReportFormat::Json) => serde_json::to_vec_pretty(&model)?,
        None if is_json => serde_json::to_vec_pretty(&model)?,
        _ => report::html(&model)?.into_bytes(),
    };
    super::write(&output, &bytes)?;
    if output != Path::new("-") {
        super::print(&format!("{}\n", output.display()))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The bundle's name with `.html`, in the current folder.
fn default_output(bundle: &Path) -> PathBuf {
    let name = super::stem(bundle, "report");
    PathBuf::from(format!("{name}.html"))
}
