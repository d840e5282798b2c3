//! The exit codes that others rely on.

use freezeframe_bundle::Writer;

use crate::desk::{Desk, capture, summary};

#[test]
fn codes_of_severities() {
    for (severity, code) in [
        ("info", 11),
        ("low", 12),
        ("medium", 13),
        ("high", 14),
        ("critical", 15),
    ] {
        let desk = Desk::new();
        desk.finding("io-waits", severity);
        let run = |fail_on: &str| {
            let arguments = [
                "findings",
                "node1.tar.zst",
                "--findings",
                "findings",
                "--fail-on",
                fail_on,
            ];
            desk.analyze(&arguments)
        };
        let done = run("info");
        assert!(done.stdout.contains("[io-waits]"), "{}", done.stdout);
        assert_eq!(done.code, code, "{severity}: {}", done.stdout);
        assert_eq!(run(severity).code, code);
        if severity != "critical" {
            assert_eq!(run("critical").code, 0, "{severity} is not critical");
        }
    }
}

#[test]
fn without_fail_on_findings_are_no_failure() {
    let desk = Desk::new();
    desk.finding("io-waits", "critical");
    let done = desk.analyze(&["findings", "node1.tar.zst", "--findings", "findings"]);
    assert_eq!(done.code, 0);
}

#[test]
fn the_worst_finding_counts() {
    let desk = Desk::new();
    desk.finding("io-waits", "low");
    desk.finding("io-waits-too", "high");
    let arguments = [
        "findings",
        "node1.tar.zst",
        "--findings",
        "findings",
        "--fail-on",
        "low",
    ];
    assert_eq!(desk.analyze(&arguments).code, 14);
}

#[test]
fn what_is_no_bundle_is_4() {
    let desk = Desk::new();
    desk.write("text.tar.zst", "hello\n");
    desk.write("empty.tar.zst", "");
    let mut newer = capture();
    newer.format.major = 9;
    let writer = Writer::new(Vec::new(), "node1", &newer).unwrap();
    desk.write("newer.tar.zst", writer.seal(summary()).unwrap());
    for (path, message) in [
        (
            "nowhere.tar.zst",
            "cannot read `nowhere.tar.zst`: No such file or directory (os error 2)",
        ),
        ("text.tar.zst", "`text.tar.zst` is not a bundle: it is text"),
        (
            "empty.tar.zst",
            "`empty.tar.zst` is not a bundle: it is empty",
        ),
        ("/dev/null", "`/dev/null` is a device, not a bundle"),
        ("/", "`/` is a folder, not a bundle"),
        (
            "newer.tar.zst",
            "`newer.tar.zst` has bundle format 9.0, this program reads up to 1.x: use a newer `analyze`",
        ),
    ] {
        for verb in ["report", "findings", "verify", "tables"] {
            let done = desk.analyze(&[verb, path]);
            assert_eq!(done.code, 4, "{verb} {path}");
            assert_eq!(done.stdout, "", "{verb} {path}");
            assert_eq!(done.stderr, format!("analyze: {message}\n"), "{verb}");
        }
        assert_eq!(desk.analyze(&["query", path, "SELECT 1"]).code, 4);
        assert_eq!(desk.analyze(&[path]).code, 4, "without a verb: {path}");
    }
    let done = desk.analyze_stream(&["verify", "-"], b"hello\n");
    assert_eq!(done.code, 4);
    assert_eq!(
        done.stderr,
        "analyze: `standard input` is not a bundle: it is text\n"
    );
}

#[test]
fn errors_are_1() {
    let desk = Desk::new();
    for arguments in [
        &["query", "node1.tar.zst", "SELEC 1"][..],
        &["query", "node1.tar.zst", "DROP TABLE cpu"],
        &["query", "node1.tar.zst", "SELECT * FROM no_such_table"],
        &[
            "query",
            "node1.tar.zst",
            "SELECT no_such_column FROM pressure",
        ],
        &["explain", "no-such-finding"],
        &["check-findings", "no-such-folder"],
        &["node1.tar.zst", "-o", "no/such/folder/x.html"],
    ] {
        let done = desk.analyze(arguments);
        assert_eq!(done.code, 1, "{arguments:?}: {}", done.stderr);
    }
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let desk = Desk::new();
    for arguments in [
        &["tables"][..],
        &["tables", "--format", "json"],
        &["node1.tar.zst", "-o", "-"],
        &["--help"],
    ] {
        let mut child = desk
            .command(arguments)
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{arguments:?}");
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{arguments:?}");
    }
}

#[test]
fn a_full_disk_is_an_error() {
    let full = std::path::Path::new("/dev/full");
    if !full.exists() {
        eprintln!("skipped: there is no /dev/full");
        return;
    }
    let file = || std::fs::File::options().write(true).open(full).unwrap();
    let desk = Desk::new();
    let output = desk.command(&["tables"]).stdout(file()).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(
        stderr.starts_with("analyze: cannot write to standard output: No space left"),
        "{stderr}"
    );
    // No one can be told, which is no reason to panic.
    let mut command = desk.command(&["verify", "/dev/null"]);
    assert_eq!(command.stderr(file()).status().unwrap().code(), Some(4));
}
