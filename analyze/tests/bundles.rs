//! Real captures against all findings: `testdata/matrix.txt` says what each finding makes of each
//! bundle. Reviewed by eye; `FREEZEFRAME_BLESS=1` accepts a change.

#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};

use freezeframe_analyze::evaluate::{self, Verdict};
use freezeframe_analyze::finding;
use freezeframe_analyze::table::load;
use freezeframe_bundle::{Reader, verify};

fn testdata(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../testdata")
        .join(path)
}

fn bundles() -> Vec<PathBuf> {
    let files = std::fs::read_dir(testdata("bundles"))
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let mut bundles: Vec<PathBuf> = files
        .filter(|path| path.extension().is_some_and(|e| e == "zst"))
        .collect();
    bundles.sort();
    bundles
}

#[test]
fn findings_on_real_captures() {
    let findings = finding::built_in();
    let mut matrix = String::new();
    for path in bundles() {
        let name = path.file_name().unwrap().to_str().unwrap();
        let loaded = load::load(Reader::open(&path).unwrap()).unwrap();
        matrix += &format!("{name}\n");
        let mut evaluated = evaluate::evaluate(&loaded, &findings);
        evaluated.sort_by(|a, b| a.finding.id.cmp(&b.finding.id));
        for one in evaluated {
            let (verdict, detail) = match one.verdict {
                Verdict::Fired { messages, .. } => ("FIRED", messages.join("\n        ")),
                Verdict::Clear => ("clear", String::new()),
                Verdict::NotAssessed { missing } => ("not assessed", missing),
                Verdict::Broken { error } => ("BROKEN", error),
            };
            matrix += &format!("    {:<24} {verdict:<12} {detail}", one.finding.id).trim_end();
            matrix.push('\n');
        }
        matrix.push('\n');
    }
    let golden = testdata("matrix.txt");
    if std::env::var_os("FREEZEFRAME_BLESS").is_some() {
        std::fs::write(&golden, &matrix).unwrap();
    }
    let expected = std::fs::read_to_string(golden).unwrap_or_default();
    assert!(
        matrix == expected,
        "testdata/matrix.txt differs; FREEZEFRAME_BLESS=1 accepts:\n{matrix}"
    );
}

#[test]
fn real_captures_are_sound_and_parse_without_damage() {
    for path in bundles() {
        let (report, _) = verify::verify(&path).unwrap();
        assert!(report.is_sound(), "{}: {report:?}", path.display());
        assert!(
            path.with_extension("").with_extension("md").exists(),
            "every capture has its story"
        );
        let loaded = load::load(Reader::open(&path).unwrap()).unwrap();
        assert!(
            loaded.damage.list.is_empty(),
            "{}: {:?}",
            path.display(),
            loaded.damage.list
        );
    }
}
