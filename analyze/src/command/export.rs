//! `analyze export`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use freezeframe_bundle::Item;

use super::flamegraph::{choose, default_output, nothing};
use crate::cli::{ExportArgs, ExportFormat};
use crate::profile::export::{Source, firefox, pprof, speedscope};
use crate::profile::fold::{self, fold};
use crate::profile::scope::Scope;
use crate::query;
use crate::table::Loaded;

/// Writes a profile, or all tables.
pub(super) fn run(args: &ExportArgs) -> anyhow::Result<ExitCode> {
    let scope = args.scope.scope()?;
    let is_whole = scope == Scope::node();
    if !is_whole && matches!(args.to, ExportFormat::Csv | ExportFormat::PerfData) {
        bail!("this format takes no scope: it has what was recorded, as a whole");
    }
    if args.to == ExportFormat::Csv {
        return tables(args, &super::load(&args.input)?);
    }
    let loaded = super::load_profiled(&args.input)?;
    let profile = choose(&loaded, args.profile.as_deref())?;
    for note in &profile.notes {
        super::say(note);
    }
    let source = Source {
        profile,
        scope: &scope,
        threads: args.threads,
        capture: loaded.node.capture.as_ref(),
    };
    if source.samples().next().is_none() {
        bail!("{}", nothing(profile, &scope));
    }
    let (bytes, extension) = match args.to {
        ExportFormat::Folded => (folded(source), "folded"),
        ExportFormat::Pprof => (pprof::export(source)?, "pb.gz"),
        ExportFormat::Firefox => (firefox::export(source)?, "firefox.json"),
        ExportFormat::Speedscope => (speedscope::export(source)?, "speedscope.json"),
        ExportFormat::PerfData | ExportFormat::Csv => {
            (recorded(args, &profile.entry)?, "perf.data")
        }
    };
    let output = args
        .output
        .clone()
        .unwrap_or_else(|| default_output(&args.input.bundle, profile, &scope, extension));
    super::write(&output, &bytes)?;
    if output != Path::new("-") {
        super::print(&format!("{}\n", output.display()))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn folded(source: Source<'_>) -> Vec<u8> {
    let options = fold::Options {
        threads: source.threads,
    };
    let lines = fold(source.profile, source.scope, options);
    lines
        .lines()
        .map(|line| line + "\n")
        .collect::<String>()
        .into()
}

/// The entry, or file, that a profile was read from, as it is.
fn recorded(args: &ExportArgs, entry: &str) -> anyhow::Result<Vec<u8>> {
    let path = &args.input.bundle;
    if path == Path::new("-") {
        bail!("standard input cannot be read twice: give the bundle as a file");
    }
    let bytes = if path.to_str() == Some(entry) {
        std::fs::read(path).with_context(|| format!("cannot read `{entry}`"))?
    } else {
        member(args, entry)?
    };
    if !bytes.starts_with(b"PERFILE2") {
        bail!("`{entry}` was not recorded by perf");
    }
    Ok(bytes)
}

fn member(args: &ExportArgs, path: &str) -> anyhow::Result<Vec<u8>> {
    let mut found = None;
    super::open(&args.input)?.read(&mut |item| {
        if let Item::Entry(member) = item
            && member.path == path
        {
            found = Some(member.bytes);
        }
    });
    found.with_context(|| format!("`{path}` is not in the bundle"))
}

/// Writes a folder with a file for each table that has rows.
fn tables(args: &ExportArgs, loaded: &Loaded) -> anyhow::Result<ExitCode> {
    let folder = args.output.clone().unwrap_or_else(|| {
        let name = super::stem(&args.input.bundle, "tables");
        PathBuf::from(format!("{name}-tables"))
    });
    if folder == Path::new("-") {
        bail!("csv is a folder of files: name it by -o");
    }
    std::fs::create_dir(&folder)
        .with_context(|| format!("cannot make the folder `{}`", folder.display()))?;
    let mut empty = 0;
    for (name, table) in &loaded.tables {
        if table.frame.height() == 0 {
            empty += 1;
            continue;
        }
        let text = super::query::csv(&query::grid(&table.frame))?;
        super::write(&folder.join(format!("{name}.csv")), text.as_bytes())?;
    }
    super::say(&format!(
        "{empty} tables have no rows and no file; `analyze tables` says why"
    ));
    super::print(&format!("{}\n", folder.display()))?;
    Ok(ExitCode::SUCCESS)
}
