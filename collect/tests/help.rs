//! What the binary says of itself. `FREEZEFRAME_BLESS=1` accepts a change.

#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

use std::path::Path;
use std::process::Command;

fn check(name: &str, arguments: &[&str]) {
    let output = Command::new(env!("CARGO_BIN_EXE_collect"))
        .args(arguments)
        .output()
        .unwrap();
    let code = output.status.code().unwrap();
    let text = format!(
        "$ collect {}\n{}{}exit {code}\n",
        arguments.join(" "),
        String::from_utf8(output.stdout).unwrap(),
        String::from_utf8(output.stderr).unwrap(),
    );
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(name);
    if std::env::var_os("FREEZEFRAME_BLESS").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let golden = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        text == golden,
        "{name} differs; FREEZEFRAME_BLESS=1 accepts:\n{text}"
    );
    let longest = text.lines().map(|line| line.chars().count()).max().unwrap();
    assert!(longest <= 132, "a line of {longest} characters");
}

#[test]
fn help() {
    check("help.txt", &["--help"]);
    check("help-short.txt", &["-h"]);
    check("help-run.txt", &["run", "--help"]);
    check("help-plan.txt", &["plan", "--help"]);
}

#[test]
fn sources() {
    check("sources.txt", &["sources"]);
}

#[test]
fn usage_errors_exit_2() {
    check("no-such-flag.txt", &["--no-such-flag"]);
    check("no-such-source.txt", &["--only", "presure"]);
    check("bad-size.txt", &["--max-bytes", "12MB"]);
}

#[test]
fn a_missing_root_exits_1() {
    check("no-such-root.txt", &["--root", "/no/such/folder"]);
}
