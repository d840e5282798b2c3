//! The verbs, one file each.

use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use freezeframe_bundle::{Limits, Reader};

use crate::cli::Verb;
use crate::table::Loaded;

mod check_findings;
mod explain;
mod findings;
mod query;
mod report;
mod tables;
mod verify;

/// Runs a verb.
pub fn run(verb: Verb) -> anyhow::Result<ExitCode> {
    match verb {
        Verb::Report(args) => report::run(&args),
        Verb::Findings(args) => findings::run(&args),
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

/// Opens a bundle, `-` being standard input.
fn open(path: &Path) -> anyhow::Result<Reader> {
    if path == Path::new("-") {
        let (stream, name) = (io::stdin().lock(), Path::new("standard input"));
        return Ok(Reader::from_stream(stream, name, Limits::default())?);
    }
    Ok(Reader::open(path)?)
}

/// Opens a bundle and reads it into tables; damage is told on standard error.
fn load(path: &Path) -> anyhow::Result<Loaded> {
    let loaded = crate::table::load::load(open(path)?).context("cannot build the tables")?;
    tell_damage(&loaded);
    Ok(loaded)
}

/// Damage is told before any answer that may suffer from it.
fn tell_damage(loaded: &Loaded) {
    const SHOWN: usize = 5;
    let damage = &loaded.contents.damage;
    for one in damage.iter().take(SHOWN) {
        eprintln!("damage: {}", plain(&one.to_string()));
    }
    let more = damage.len().saturating_sub(SHOWN) as u64 + loaded.contents.more_damage;
    if more > 0 {
        eprintln!("damage: {more} more; `analyze verify` lists them");
    }
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
    text.chars()
        .map(|c| match c {
            '\n' | '\t' => c,
            c if c.is_control() => '\u{FFFD}',
            '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}' => {
                '\u{FFFD}'
            }
            c => c,
        })
        .collect()
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
    let mut partial = path.as_os_str().to_owned();
    partial.push(".partial");
    std::fs::write(&partial, bytes)
        .and_then(|()| std::fs::rename(&partial, path))
        .with_context(|| format!("cannot write `{}`", path.display()))
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
