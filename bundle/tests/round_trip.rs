//! What goes in comes out, in the same order, also from a stream and from another packer.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod common;

use std::path::Path;
use std::process::Command;

use common::{Built, TOP, capture, damage, lines, open, read, read_all, record, summary};
use freezeframe_bundle::{
    Cut, Entry, FormatVersion, Item, Kept, Kind, Limits, OpenError, Outcome, Reader, Writer, verify,
};
use proptest::prelude::*;

#[test]
fn everything_comes_back() {
    let mut writer = Writer::new(Vec::new(), TOP, &capture()).unwrap();
    let mut link = record("root/proc/1/exe", Outcome::Complete);
    link.kind = Kind::Link;
    let mut log = record(
        "journal/0.export",
        Outcome::Partial("the last 4 MiB".into()),
    );
    log.cut = Some(Cut {
        kept: Kept::Tail,
        of_bytes: Some(1 << 30),
    });
    log.redactions.insert("bearer_token".into(), 2);
    writer
        .entry(link.clone(), b"/usr/lib/systemd/systemd")
        .unwrap();
    writer.entry(log.clone(), b"\xff\x00binary").unwrap();
    writer
        .entry(record("root/proc/empty", Outcome::Complete), b"")
        .unwrap();
    let late = record("root/mnt/nfs", Outcome::TimedOut(2_000_000));
    writer.note(&late).unwrap();
    let bytes = writer.seal(summary()).unwrap();

    let (items, contents) = read(&bytes);
    assert_eq!(damage(&contents), [""; 0]);
    assert_eq!(contents.top.as_deref(), Some(TOP));
    assert_eq!(contents.capture, Some(capture()));
    assert_eq!(contents.entries, 7);
    assert_eq!(
        lines(&items)[1..],
        [
            "root/proc/1/exe 24 complete",
            "journal/0.export 8 partial",
            "root/proc/empty 0 complete",
            "root/mnt/nfs - timed_out: gave up after 2000000 us",
        ]
    );
    let Item::Entry(Entry {
        record: Some(found),
        bytes,
        ..
    }) = &items[2]
    else {
        panic!("{:?}", items[2]);
    };
    assert_eq!(bytes, b"\xff\x00binary");
    assert_eq!((&found.cut, &found.redactions), (&log.cut, &log.redactions));
    assert_eq!(found.bytes, 8);

    let read_summary = contents.summary.unwrap();
    assert_eq!(read_summary.batches.len(), 2);
    assert_eq!(read_summary.batches[1].records, 4);
    assert_eq!(read_summary.sources, summary().sources);
}

#[test]
fn a_sound_bundle_verifies() {
    let built = Built::new(5, 20, 500);
    let (report, _) = verify::verify_reader(open(&built.bytes, Limits::default()).unwrap());
    assert!(report.is_sound(), "{report:?}");
    let entries = built
        .batches
        .iter()
        .flat_map(|b| &b.items)
        .filter(|(_, bytes)| bytes.is_some());
    assert_eq!(report.intact, entries.count() as u64);
}

#[test]
fn a_batch_ends_after_four_mebibytes_of_tar() {
    let mut writer = Writer::new(Vec::new(), TOP, &capture()).unwrap();
    for n in 0..3 {
        let path = format!("root/var/log/{n}");
        writer
            .entry(record(&path, Outcome::Complete), &vec![b'x'; 3 << 20])
            .unwrap();
    }
    // Small entries cost a header and a record each.
    for n in 0..6000 {
        writer
            .entry(
                record(&format!("root/proc/{n}/comm"), Outcome::Complete),
                b"sh\n",
            )
            .unwrap();
    }
    let (_, contents) = read(&writer.seal(summary()).unwrap());
    let batches = contents.summary.unwrap().batches;
    assert!(batches.len() >= 4, "{}", batches.len());
    assert_eq!(batches[1].records, 2);
}

#[test]
fn an_entry_larger_than_a_batch_keeps_its_record() {
    let limits = Limits {
        batch_bytes: 1 << 20,
        ..Limits::default()
    };
    let mut writer = Writer::new(Vec::new(), TOP, &capture()).unwrap();
    writer
        .entry(record("root/a", Outcome::Complete), b"a")
        .unwrap();
    writer
        .entry(record("root/b", Outcome::Complete), &vec![b'x'; 3 << 20])
        .unwrap();
    writer
        .entry(record("root/c", Outcome::Complete), b"c")
        .unwrap();
    let bytes = writer.seal(summary()).unwrap();
    let (items, contents) = read_all(open(&bytes, limits).unwrap());
    assert_eq!(damage(&contents), [""; 0]);
    assert_eq!(
        lines(&items)[1..],
        [
            "root/a 1 complete",
            "root/b 3145728 complete",
            "root/c 1 complete"
        ]
    );
}

#[test]
fn names_that_no_reader_accepts_are_not_written() {
    let mut writer = Writer::new(Vec::new(), TOP, &capture()).unwrap();
    for path in ["../x", "/x", "a\nb", "a//b", &"x".repeat(5000)] {
        let error = writer
            .entry(record(path, Outcome::Complete), b"x")
            .unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput, "{path}");
        assert!(
            writer.note(&record(path, Outcome::Complete)).is_err(),
            "{path}"
        );
    }
    let long = "x/".repeat(1900) + "y";
    writer
        .entry(record(&long, Outcome::Complete), b"x")
        .unwrap();
    let (items, contents) = read(&writer.seal(summary()).unwrap());
    assert_eq!(damage(&contents), [""; 0]);
    assert_eq!(lines(&items)[1], format!("{long} 1 complete"));
}

#[test]
fn a_path_is_written_once() {
    let mut writer = Writer::new(Vec::new(), TOP, &capture()).unwrap();
    writer
        .entry(record("root/a", Outcome::Complete), b"first")
        .unwrap();
    let error = writer
        .entry(record("root/a", Outcome::Complete), b"second")
        .unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::AlreadyExists);
    let (items, contents) = read(&writer.seal(summary()).unwrap());
    assert_eq!(damage(&contents), [""; 0]);
    assert_eq!(lines(&items)[1..], ["root/a 5 complete"]);
}

#[test]
fn a_newer_minor_version_with_new_fields_is_read() {
    let mut newer = capture();
    newer.format = FormatVersion { major: 1, minor: 9 };
    let mut json = serde_json::to_value(&newer).unwrap();
    json["something_new"] = serde_json::json!({"a": 1});
    let tar = common::member(
        format!("{TOP}/capture.json").as_bytes(),
        tar::EntryType::Regular,
        &serde_json::to_vec(&json).unwrap(),
    );
    let (items, contents) = read(&common::zstd_frame(&tar));
    assert_eq!(contents.capture, Some(newer));
    assert_eq!(items.len(), 1);
}

#[test]
fn a_stream_is_read_as_a_file_is() {
    let built = Built::new(3, 20, 500);
    let name = Path::new("standard input");
    let reader = Reader::from_stream(&built.bytes[..], name, Limits::default()).unwrap();
    let (streamed, contents) = read_all(reader);
    assert_eq!(damage(&contents), [""; 0]);
    assert_eq!(lines(&streamed), lines(&read(&built.bytes).0));

    let size = built.bytes.len() as u64;
    let exact = Limits {
        spool_bytes: size,
        ..Limits::default()
    };
    assert!(Reader::from_stream(&built.bytes[..], name, exact).is_ok());
    let short = Limits {
        spool_bytes: size - 1,
        ..Limits::default()
    };
    let error = Reader::from_stream(&built.bytes[..], name, short)
        .err()
        .unwrap();
    assert_eq!(
        error.to_string(),
        format!("`standard input` has more than {} bytes", size - 1)
    );
    let empty = Reader::from_stream(&b""[..], name, Limits::default())
        .err()
        .unwrap();
    assert_eq!(
        empty.to_string(),
        "`standard input` is not a bundle: it is empty"
    );
}

/// The bundle unpacked by `tar -xf` and packed again by a shell command in `{dir}`.
fn repacked(built: &Built, command: &str) -> Option<Vec<u8>> {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("in.tar.zst"), &built.bytes).unwrap();
    let script = format!("set -e; tar --zstd -xf in.tar.zst; {command}");
    let status = Command::new("sh")
        .args(["-c", &script])
        .current_dir(folder.path())
        .status()
        .ok()?;
    if !status.success() {
        eprintln!("skipped: `{command}` does not run here");
        return None;
    }
    Some(std::fs::read(folder.path().join("out.tar.zst")).unwrap())
}

#[test]
fn a_bundle_packed_by_another_program_reads_the_same() {
    let built = Built::new(6, 30, 3000);
    let (items, contents) = read(&built.bytes);
    for command in [
        format!("tar --zstd -cf out.tar.zst {TOP}"),
        format!("tar --zstd --format=pax -cf out.tar.zst {TOP}"),
        format!("tar --zstd --format=ustar -cf out.tar.zst ./{TOP}"),
        format!("tar --zstd --sort=name -cf out.tar.zst {TOP}"),
        format!("tar -cf - {TOP} | zstd -q -19 --long=27 -o out.tar.zst"),
        format!("tar -cf - {TOP} | zstd -q --no-check -o out.tar.zst"),
        format!("tar -cf - {TOP} | pzstd -q -p 2 -o out.tar.zst"),
        "zstd -q -dc in.tar.zst | zstd -q -o out.tar.zst".to_owned(),
    ] {
        let Some(bytes) = repacked(&built, &command) else {
            continue;
        };
        let (again, contents_again) = read(&bytes);
        assert_eq!(damage(&contents_again), [""; 0], "{command}");
        assert_eq!(lines(&again), lines(&items), "{command}");
        for (one, other) in items.iter().zip(&again) {
            if let (Item::Entry(one), Item::Entry(other)) = (one, other) {
                assert_eq!((&one.bytes, &one.record), (&other.bytes, &other.record));
            }
        }
        assert_eq!(contents_again.capture, contents.capture);
        assert_eq!(contents_again.summary, contents.summary);
        assert_eq!(contents_again.indexes, contents.indexes);
        let (report, _) = verify::verify_reader(open(&bytes, Limits::default()).unwrap());
        assert!(report.is_sound(), "{command}: {report:?}");
    }
}

#[test]
fn a_repacked_bundle_with_an_altered_file_is_told() {
    let built = Built::new(2, 5, 300);
    let command = format!(
        "echo x >> {TOP}/root/proc/0/1/status; rm {TOP}/root/proc/1/2/status; echo y > {TOP}/extra; \
         tar --zstd -cf out.tar.zst {TOP}"
    );
    let Some(bytes) = repacked(&built, &command) else {
        return;
    };
    let (report, _) = verify::verify_reader(open(&bytes, Limits::default()).unwrap());
    let texts: Vec<String> = report.damage.iter().map(ToString::to_string).collect();
    assert_eq!(
        texts,
        [
            "offset 0: `root/proc/0/1/status`: altered: the digest differs",
            "offset 0: `root/proc/1/2/status`: listed in the index and not there",
        ]
    );
    assert_eq!(report.unlisted, ["extra"]);
}

#[test]
fn a_newer_repacked_bundle_is_refused_too() {
    let mut newer = capture();
    newer.format.major = 2;
    let writer = Writer::new(Vec::new(), TOP, &newer).unwrap();
    let built = Built {
        bytes: writer.seal(summary()).unwrap(),
        batches: Vec::new(),
    };
    let Some(bytes) = repacked(&built, &format!("tar --zstd -cf out.tar.zst {TOP}")) else {
        return;
    };
    let error = open(&bytes, Limits::default()).err().unwrap();
    assert!(matches!(error, OpenError::TooNew(..)), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn any_entries_come_back(
        entries in proptest::collection::btree_map(
            "[a-zA-Z0-9_.:@% -]{1,12}(/[a-zA-Zäß0-9]{1,60}){0,4}",
            proptest::option::of(proptest::collection::vec(any::<u8>(), 0..2000)),
            0..40,
        ),
        every in 1_usize..10,
    ) {
        let mut writer = Writer::new(Vec::new(), TOP, &capture()).unwrap();
        let mut expected = Vec::new();
        for (n, (path, bytes)) in entries.iter().enumerate() {
            let path = format!("root/x{path}");
            match bytes {
                Some(bytes) => writer.entry(record(&path, Outcome::Complete), bytes).unwrap(),
                None => writer.note(&record(&path, Outcome::Denied("EPERM".into()))).unwrap(),
            }
            expected.push((path, bytes.clone()));
            if n % every == 0 {
                writer.end_batch().unwrap();
            }
        }
        let (items, contents) = read(&writer.seal(summary()).unwrap());
        prop_assert_eq!(damage(&contents), [""; 0]);
        let found: Vec<(String, Option<Vec<u8>>)> = items
            .into_iter()
            .skip(1)
            .map(|item| match item {
                Item::Entry(entry) => (entry.path, Some(entry.bytes)),
                Item::Record(record) => (record.path, None),
            })
            .collect();
        prop_assert_eq!(found, expected);
    }

    #[test]
    fn any_bytes_behind_a_frame_do_no_harm(bytes in proptest::collection::vec(any::<u8>(), 0..3000)) {
        let _ = read(&[common::first_frame(), bytes].concat());
    }

    #[test]
    fn any_tar_like_bytes_do_no_harm(bytes in proptest::collection::vec(any::<u8>(), 0..3000)) {
        let _ = read(&common::with_frame(&bytes));
        let _ = open(&common::zstd_frame(&bytes), Limits::default()).map(read_all);
    }
}
