//! `docs/bundle-format.md` tells every field, and its examples are what this crate reads.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod common;

use std::collections::BTreeSet;
use std::process::Command;

use common::{Built, TOP, capture, read, record, summary};
use freezeframe_bundle::{
    BatchRecord, Capture, Cut, EntryRecord, Item, Kept, Kind, Outcome, Summary,
};
use serde_json::Value;

fn document() -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/bundle-format.md");
    std::fs::read_to_string(path).unwrap()
}

/// The names of all fields, also of objects within; not those of free maps.
fn fields(value: &Value, names: &mut BTreeSet<String>) {
    match value {
        Value::Object(object) => {
            for (name, value) in object {
                names.insert(name.clone());
                if name != "reads" && name != "redactions" {
                    fields(value, names);
                }
            }
        }
        Value::Array(values) => values.iter().for_each(|value| fields(value, names)),
        _ => {}
    }
}

/// The content of each code block of this language.
fn blocks<'a>(text: &'a str, language: &str) -> Vec<&'a str> {
    let start = format!("```{language}\n");
    let blocks = text.split(&start).skip(1);
    blocks.filter_map(|rest| rest.split("```").next()).collect()
}

#[test]
fn every_field_is_told() {
    let mut full = record("root/x", Outcome::Partial("half".into()));
    full.sha256 = Some("00".into());
    full.kind = Kind::Link;
    full.cut = Some(Cut {
        kept: Kept::Tail,
        of_bytes: Some(1),
    });
    full.redactions.insert("token".into(), 1);
    let mut sealed = summary();
    sealed.batches.push(BatchRecord {
        sha256: "00".into(),
        records: 1,
    });
    let mut names = BTreeSet::new();
    fields(&serde_json::to_value(full).unwrap(), &mut names);
    fields(&serde_json::to_value(capture()).unwrap(), &mut names);
    fields(&serde_json::to_value(sealed).unwrap(), &mut names);
    assert!(names.len() > 45, "{names:?}");
    let text = document();
    let missing: Vec<&String> = names
        .iter()
        .filter(|name| !text.contains(&format!("`{name}`")))
        .collect();
    assert!(
        missing.is_empty(),
        "not in docs/bundle-format.md: {missing:?}"
    );
}

#[test]
fn every_outcome_and_kind_is_told() {
    let why = String::new;
    let outcomes = [
        Outcome::Complete,
        Outcome::Partial(why()),
        Outcome::Absent(why()),
        Outcome::Denied(why()),
        Outcome::TimedOut(1),
        Outcome::Failed(why()),
        Outcome::Skipped(why()),
    ];
    let text = document();
    for outcome in outcomes {
        let json = serde_json::to_value(&outcome).unwrap();
        assert_eq!(json["is"], outcome.name());
        assert!(text.contains(&format!("\n| `{}` |", outcome.name())));
    }
    for kind in [Kind::File, Kind::Link, Kind::Listing, Kind::Answer] {
        let name = serde_json::to_value(kind).unwrap();
        assert!(text.contains(&format!("\n| `{}` |", name.as_str().unwrap())));
    }
}

#[test]
fn its_examples_are_read() {
    let text = document();
    let examples = blocks(&text, "json");
    let capture: Capture = serde_json::from_str(examples[0]).unwrap();
    assert_eq!(capture.node, "node1");
    for line in examples[1].lines() {
        let _: EntryRecord = serde_json::from_str(line).unwrap();
    }
    let sealed = examples.iter().find(|text| text.contains("\"finished\""));
    let summary: Summary = serde_json::from_str(sealed.unwrap()).unwrap();
    assert_eq!(summary.sources[0].entries, 96);
}

#[test]
fn batch_0_is_capture_json_alone() {
    let (items, contents) = read(&common::first_frame());
    assert_eq!(contents.indexes[&0].1, 1);
    assert_eq!(contents.indexes.len(), 1);
    let [Item::Entry(entry)] = &items[..] else {
        panic!("{items:?}");
    };
    let record = entry.record.as_ref().unwrap();
    assert_eq!(entry.path, "capture.json");
    assert_eq!(record.kind, Kind::Answer);
    assert_eq!(record.started_us, capture().started.boottime_us);
}

/// The commands of the document on a real bundle, where the tools are there.
#[test]
fn its_commands_run() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(
        folder.path().join("b.tar.zst"),
        Built::new(3, 20, 200).bytes,
    )
    .unwrap();
    let run = |command: &str| {
        let mut shell = Command::new("sh");
        let shell = shell.args(["-c", command]).current_dir(folder.path());
        shell.output().unwrap()
    };
    if !run("tar --zstd -xf b.tar.zst && jq --version && sha256sum --version")
        .status
        .success()
    {
        eprintln!("skipped: tar, zstd, jq or sha256sum is not here");
        return;
    }
    let text = document();
    let (_, section) = text.split_once("## With jq").unwrap();
    let commands: Vec<&str> = section
        .lines()
        .filter_map(|l| l.strip_prefix("    "))
        .collect();
    assert_eq!(commands.len(), 5);
    for command in commands {
        let output = run(&format!("cd {TOP} && {command}"));
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{command}: {errors}");
        assert_eq!(errors, "", "{command}");
    }
    let output = run(&format!(
        "cd {TOP} && jq -r '.started.realtime_us / 1000000 | todate' capture.json"
    ));
    assert_eq!(output.stdout, b"2024-01-01T00:00:00Z\n");
}
