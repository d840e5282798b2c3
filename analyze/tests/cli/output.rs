//! Where the output goes.

use std::os::unix::fs::{FileTypeExt, symlink};
use std::process::Command;

use crate::desk::{Desk, bundle};

#[test]
fn a_report_lies_in_the_current_folder() {
    let desk = Desk::new();
    desk.write("deep/node2.tar.zst", bundle());
    desk.write("cut.tar.zst.partial", bundle());
    assert_eq!(desk.analyze(&["node1.tar.zst"]).quiet(), "node1.html\n");
    assert_eq!(
        desk.analyze(&["report", "deep/node2.tar.zst"]).quiet(),
        "node2.html\n"
    );
    assert_eq!(desk.analyze(&["cut.tar.zst.partial"]).quiet(), "cut.html\n");
    let done = desk.analyze_stream(&["-"], &bundle());
    assert_eq!(done.quiet(), "report.html\n");
    let expected = [
        "cut.html",
        "cut.tar.zst.partial",
        "deep",
        "node1.html",
        "node1.tar.zst",
        "node2.html",
        "report.html",
    ];
    assert_eq!(desk.names(), expected, "nothing else, no temporary file");
}

#[test]
fn a_report_goes_where_it_is_told_to() {
    let desk = Desk::new();
    desk.write("old.html", "old");
    assert_eq!(
        desk.analyze(&["node1.tar.zst", "-o", "old.html"]).quiet(),
        "old.html\n"
    );
    assert_ne!(desk.read("old.html"), "old");

    let page = desk.analyze(&["node1.tar.zst", "-o", "-"]).quiet();
    assert_eq!(page, desk.read("old.html"));

    assert_eq!(
        desk.analyze(&["node1.tar.zst", "-o", "model.json"]).quiet(),
        "model.json\n"
    );
    let model = desk
        .analyze(&["node1.tar.zst", "--format", "json", "-o", "-"])
        .quiet();
    assert_eq!(model, desk.read("model.json"));
    assert!(
        serde_json::from_str::<serde_json::Value>(&model)
            .unwrap()
            .is_object()
    );

    assert_eq!(
        desk.analyze(&["node1.tar.zst", "--format", "html", "-o", "page.json"])
            .quiet(),
        "page.json\n"
    );
    assert_eq!(desk.read("page.json"), page);
    assert_eq!(desk.names().len(), 4);
}

#[test]
fn links_and_devices_keep_their_place() {
    let desk = Desk::new();
    desk.write("real.html", "old");
    symlink(desk.path("real.html"), desk.path("link.html")).unwrap();
    desk.analyze(&["node1.tar.zst", "-o", "link.html"]).quiet();
    assert!(desk.path("link.html").is_symlink());
    assert_ne!(desk.read("real.html"), "old");

    desk.analyze(&["node1.tar.zst", "-o", "/dev/null"]).quiet();
    let kind = std::fs::metadata("/dev/null").unwrap().file_type();
    assert!(kind.is_char_device(), "/dev/null is what it was");
}

#[test]
fn a_report_that_cannot_be_written_leaves_nothing() {
    let desk = Desk::new();
    desk.write("folder/x", "");
    let done = desk.analyze(&["node1.tar.zst", "-o", "folder"]);
    assert_eq!(done.code, 1);
    assert_eq!(
        done.stderr,
        "analyze: cannot write `folder`: Is a directory (os error 21)\n"
    );
    assert_eq!(desk.names(), ["folder", "node1.tar.zst"]);
}

#[test]
fn a_report_is_the_same_each_time() {
    let desk = Desk::new();
    let page = || desk.analyze(&["node1.tar.zst", "-o", "-"]).quiet();
    assert_eq!(page(), page());
}

/// `script` gives the program a terminal.
#[test]
fn names_of_a_node_do_not_steer_a_terminal() {
    let desk = Desk::new();
    let piped = desk.analyze(&[
        "query",
        "node1.tar.zst",
        "SELECT 'a\u{1b}[31mb' AS x FROM capture",
        "--format",
        "csv",
    ]);
    assert_eq!(
        piped.quiet(),
        "x\na\u{1b}[31mb\n",
        "a program gets what was captured"
    );

    let binary = env!("CARGO_BIN_EXE_analyze");
    let inner = format!("{binary} query node1.tar.zst \"SELECT 'a\u{1b}[31mb' AS x FROM capture\"");
    let output = Command::new("script")
        .args(["-qec", &inner, "/dev/null"])
        .current_dir(desk.path(""))
        .output();
    let Ok(output) = output
        .as_ref()
        .map(|output| String::from_utf8_lossy(&output.stdout))
    else {
        eprintln!("skipped: there is no `script`");
        return;
    };
    assert!(output.contains("a\u{FFFD}[31mb"), "{output:?}");
    assert!(!output.contains('\u{1b}'), "{output:?}");
}

#[test]
fn nothing_is_coloured() {
    let desk = Desk::new();
    for arguments in [
        &["--help"][..],
        &["findings", "node1.tar.zst"],
        &["nonsense"],
    ] {
        let mut command = desk.command(arguments);
        let output = command.env("NO_COLOR", "1").output().unwrap();
        let text = [output.stdout, output.stderr].concat();
        assert!(!text.contains(&0x1b), "{arguments:?}");
    }
}
