//! What the binary says of itself. `FREEZEFRAME_BLESS=1` accepts a change.

use std::path::Path;

use crate::desk::Desk;

fn check(name: &str, arguments: &[&str]) {
    let done = Desk::new().analyze(arguments);
    let text = format!(
        "$ analyze {}\n{}{}exit {}\n",
        arguments.join(" "),
        done.stdout,
        done.stderr,
        done.code
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
    // What a person types and is told again may be longer.
    for line in text.lines().filter(|_| done.code == 0) {
        assert!(line.chars().count() <= 80, "longer than 80: {line}");
    }
}

const VERBS: [&str; 10] = [
    "report",
    "findings",
    "query",
    "flamegraph",
    "top",
    "export",
    "tables",
    "verify",
    "explain",
    "check-findings",
];

#[test]
fn help() {
    check("help.txt", &["--help"]);
    for verb in VERBS {
        check(&format!("help-{verb}.txt"), &[verb, "--help"]);
    }
}

#[test]
fn no_verb_is_without_an_example() {
    for verb in VERBS {
        let done = Desk::new().analyze(&[verb, "--help"]);
        assert!(
            done.stdout
                .contains(&format!("Examples:\n  analyze {verb}"))
                || verb == "report",
            "{verb}"
        );
    }
}

#[test]
fn usage_errors() {
    check("usage-none.txt", &[]);
    check("usage-verb.txt", &["finding", "node1.tar.zst"]);
    check("usage-flag.txt", &["node1.tar.zst", "--formt", "json"]);
    check(
        "usage-severity.txt",
        &["findings", "node1.tar.zst", "--fail-on", "bad"],
    );
    check(
        "usage-format.txt",
        &["query", "node1.tar.zst", "SELECT 1", "--format", "xml"],
    );
    check("usage-missing.txt", &["query", "node1.tar.zst"]);
}

#[test]
fn every_exit_code_is_told() {
    let help = Desk::new().analyze(&["--help"]).quiet();
    let (_, codes) = help.split_once("Exit codes:").unwrap();
    for code in [0, 1, 2, 4, 11, 12, 13, 14, 15] {
        let told = codes
            .split_whitespace()
            .any(|word| word == code.to_string());
        assert!(told, "{code}");
    }
}
