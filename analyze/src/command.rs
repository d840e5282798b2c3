//! The verbs, one file each.

use std::fs::File;
use std::io::{self, BufRead, BufReader, IsTerminal, Write};
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use freezeframe_bundle::{Limits, Reader};
use polars::prelude::PolarsResult;

use crate::cli::{BundleArgs, Verb};
use crate::decrypt;
use crate::open::{Content, Opened};
use crate::profile::DebugFiles;
use crate::table::Loaded;
use crate::table::budget::Limits as Budget;
use crate::table::load::{load_named, load_profiles, without_tables};
use crate::text::is_tricky;

mod check_findings;
mod explain;
mod export;
mod findings;
mod flamegraph;
mod query;
mod report;
mod tables;
mod top;
mod verify;

/// Runs a verb.
pub fn run(verb: Verb) -> anyhow::Result<ExitCode> {
    match verb {
        Verb::Report(args) => report::run(&args),
        Verb::Findings(args) => findings::run(&args),
        Verb::Flamegraph(args) => flamegraph::run(&args),
        Verb::Top(args) => top::run(&args),
        Verb::Export(args) => export::run(&args),
        Verb::Query(args) => query::run(&args),
        Verb::Tables(args) => tables::run(&args),
        Verb::Verify(args) => verify::run(&args),
        Verb::Explain(args) => explain::run(&args),
        Verb::CheckFindings(args) => check_findings::run(&args),
    }
}

/// Whether the reader of standard output went away.
pub fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause
            .downcast_ref::<io::Error>()
            .is_some_and(|e| e.kind() == io::ErrorKind::BrokenPipe)
    })
}

/// Opens a bundle, `-` being standard input; decrypts it if it is encrypted.
fn open(input: &BundleArgs) -> anyhow::Result<Reader> {
    if let Some((stream, name)) = stream(&input.bundle) {
        return open_stream(stream, name, input);
    }
    Ok(Reader::open(&input.bundle)?)
}

fn open_stream(
    mut stream: Box<dyn BufRead>,
    name: &Path,
    input: &BundleArgs,
) -> anyhow::Result<Reader> {
    if decrypt::is_encrypted(&mut stream)? {
        return decrypt::open(stream, name, &input.identities);
    }
    if name == input.bundle {
        // A file is read in place.
        return Ok(Reader::open(name)?);
    }
    Ok(Reader::from_stream(stream, name, Limits::default())?)
}

/// Standard input or a file, and its name; nothing for what is no file, which the reader of bundles
/// refuses with a better message.
fn stream(path: &Path) -> Option<(Box<dyn BufRead>, &Path)> {
    /// How much is looked at to see what it is.
    const HEAD_BYTES: usize = 64 << 10;
    if path == Path::new("-") {
        let stdin = BufReader::with_capacity(HEAD_BYTES, io::stdin());
        return Some((Box::new(stdin), Path::new("standard input")));
    }
    let file = path.is_file().then(|| File::open(path))?.ok()?;
    Some((Box::new(BufReader::with_capacity(HEAD_BYTES, file)), path))
}

/// Opens a bundle and reads it into tables; damage is told on standard error. A file that holds
/// profiles and nothing else gives these, and tables without rows.
fn load(input: &BundleArgs) -> anyhow::Result<Loaded> {
    read(input, load_profiles)
}

/// The same for those who look at profiles alone.
fn load_profiled(input: &BundleArgs) -> anyhow::Result<Loaded> {
    read(input, without_tables)
}

fn read(
    input: &BundleArgs,
    of_profiles: fn(Opened) -> PolarsResult<Loaded>,
) -> anyhow::Result<Loaded> {
    let debug_files =
        DebugFiles::open(&input.debug_dirs).context("cannot read what --debug-dir names")?;
    let debug_files = debug_files.as_ref();
    let loaded = match stream(&input.bundle) {
        None => load_named(Reader::open(&input.bundle)?, Budget::default(), debug_files),
        Some((mut stream, name)) => match crate::open::kind(&mut stream) {
            Some(kind) => of_profiles(kind.open(&mut Content {
                stream: &mut stream,
                name: &name.to_string_lossy(),
                path: Some(name).filter(|name| *name == input.bundle),
                debug_files,
            })?),
            None => load_named(
                open_stream(stream, name, input)?,
                Budget::default(),
                debug_files,
            ),
        },
    };
    let loaded = loaded.context("cannot build the tables")?;
    tell_damage(&loaded);
    Ok(loaded)
}

/// Damage is told before any answer that may suffer from it.
fn tell_damage(loaded: &Loaded) {
    const SHOWN: usize = 5;
    let damage = &loaded.contents.damage;
    for one in damage.iter().take(SHOWN) {
        say(&format!("damage: {one}"));
    }
    let more = damage.len().saturating_sub(SHOWN) as u64 + loaded.contents.more_damage;
    if more > 0 {
        say(&format!("damage: {more} more; `analyze verify` lists them"));
    }
}

/// Tells a person something on standard error. If that is closed there is no one to tell.
pub fn say(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{}", plain(text));
}

/// Writes data to standard output; on a terminal without control characters.
fn print(text: &str) -> anyhow::Result<()> {
    let mut stdout = io::stdout().lock();
    let result = if stdout.is_terminal() {
        stdout.write_all(plain(text).as_bytes())
    } else {
        stdout.write_all(text.as_bytes())
    };
    result
        .and_then(|()| stdout.flush())
        .context("cannot write to standard output")
}

/// Text without control characters other than line ends and tabs, and without the characters that
/// turn the direction of writing: names of a node must not steer a terminal.
fn plain(text: &str) -> String {
    let keep = |c: char| matches!(c, '\n' | '\t') || !is_tricky(c);
    text.chars()
        .map(|c| {
            if keep(c) {
                c
            } else {
                char::REPLACEMENT_CHARACTER
            }
        })
        .collect()
}

/// The bundle's name without its endings; a bundle from standard input has none.
fn stem<'a>(bundle: &'a Path, unnamed: &'a str) -> &'a str {
    let name = bundle.file_name().and_then(|name| name.to_str());
    let name = name.filter(|name| *name != "-").unwrap_or(unnamed);
    let name = name.strip_suffix(".partial").unwrap_or(name);
    let known = [".tar.zst", ".pb.gz", ".pprof", ".data", ".txt"];
    let stem = known.iter().find_map(|suffix| name.strip_suffix(suffix));
    stem.filter(|stem| !stem.is_empty()).unwrap_or(name)
}

/// Writes a file whole or not at all; `-` is standard output.
fn write(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    if path == Path::new("-") {
        let mut stdout = io::stdout().lock();
        return stdout
            .write_all(bytes)
            .and_then(|()| stdout.flush())
            .context("cannot write to standard output");
    }
    write_file(path, bytes).with_context(|| format!("cannot write `{}`", path.display()))
}

fn write_file(path: &Path, bytes: &[u8]) -> io::Result<()> {
    // A link keeps its place, and what is no file (`/dev/stdout`) is written to, not replaced.
    let path = &path.canonicalize().unwrap_or_else(|_| path.to_owned());
    if path.metadata().is_ok_and(|found| !found.is_file()) {
        return std::fs::write(path, bytes);
    }
    let mut partial = path.as_os_str().to_owned();
    partial.push(format!(".{}.partial", std::process::id()));
    let result = std::fs::write(&partial, bytes).and_then(|()| std::fs::rename(&partial, path));
    if result.is_err() {
        let _ = std::fs::remove_file(&partial);
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terminals_get_no_control_characters() {
        assert_eq!(
            plain("a\x1b[31mb\u{202E}c\td\n"),
            "a\u{FFFD}[31mb\u{FFFD}c\td\n"
        );
    }
}
