//! `analyze verify`.

use std::process::ExitCode;

use freezeframe_bundle::verify::verify_reader;

use crate::cli::VerifyArgs;
use crate::exit;

/// Compares every entry with its digest and names what is wrong.
pub(super) fn run(args: &VerifyArgs) -> anyhow::Result<ExitCode> {
    let (report, contents) = verify_reader(super::open(&args.input)?);
    let mut text = String::new();
    for damage in &report.damage {
        text += &format!("{damage}\n");
    }
    if report.more_damage > 0 {
        text += &format!("{} more\n", report.more_damage);
    }
    for path in &report.unlisted {
        text += &format!("`{path}`: its index is lost, so it cannot be checked\n");
    }
    let batches = contents.indexes.len();
    let verdict = if report.is_sound() {
        "sound"
    } else {
        "damaged"
    };
    text += &format!(
        "{verdict}: {} entries intact in {batches} batches\n",
        report.intact
    );
    super::print(&text)?;
    Ok(if report.is_sound() {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(exit::ERROR)
    })
}
