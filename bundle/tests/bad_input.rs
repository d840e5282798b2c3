//! Every bad input that a tired person or a hostile node may hand in, with the exact message.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod common;

use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use common::{
    TOP, capture, damage, first_frame, header, lines, member, open, read, read_all, record,
    summary, with_frame, zstd_frame,
};
use freezeframe_bundle::{Limits, Outcome, Reader, Writer};
use tar::EntryType;

/// What every bundle without an end says.
const NO_SUMMARY: &str = "offset 0: `summary.json`: missing: the capture was killed or the file is cut; finished batches are read";

fn error(path: &Path) -> String {
    let error = Reader::open(path).err().expect("no bundle");
    let source = std::error::Error::source(&error);
    let source = source.map_or(String::new(), |source| format!(": {source}"));
    format!("{error}{source}")
}

fn error_of(bytes: &[u8]) -> String {
    let error = open(bytes, Limits::default()).err().expect("no bundle");
    let text = error.to_string();
    let start = "`test.tar.zst` is not a bundle: ";
    text.strip_prefix(start).unwrap_or(&text).to_owned()
}

/// The damage of a bundle whose second frame holds this tar, but for the missing summary.
fn damage_of(tar: &[u8]) -> Vec<String> {
    let (_, contents) = read(&with_frame(tar));
    let mut texts = damage(&contents);
    texts.retain(|text| text != NO_SUMMARY);
    let frame = format!("offset {}: ", first_frame().len());
    let strip = |text: String| text.strip_prefix(&frame).map(str::to_owned).unwrap_or(text);
    texts.into_iter().map(strip).collect()
}

#[test]
fn what_is_no_file() {
    assert_eq!(
        error(Path::new("/nowhere/node1.tar.zst")),
        "cannot read `/nowhere/node1.tar.zst`: No such file or directory (os error 2)"
    );
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().display();
    assert_eq!(
        error(folder.path()),
        format!("`{path}` is a folder, not a bundle")
    );
    assert_eq!(
        error(Path::new("/dev/null")),
        "`/dev/null` is a device, not a bundle"
    );
    let fifo = folder.path().join("fifo");
    if Command::new("mkfifo")
        .arg(&fifo)
        .status()
        .is_ok_and(|s| s.success())
    {
        assert_eq!(
            error(&fifo),
            format!("`{path}/fifo` is a FIFO, not a bundle")
        );
    }
    let socket = folder.path().join("socket");
    let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    assert_eq!(
        error(&socket),
        format!("`{path}/socket` is a socket, not a bundle")
    );
}

#[test]
fn what_is_another_file() {
    let tar = member(b"x/capture.json", EntryType::Regular, b"{}");
    assert_eq!(error_of(b""), "it is empty");
    assert_eq!(error_of(b"apiVersion: v1\nkind: Pod\n"), "it is text");
    assert_eq!(
        error_of(b"\x7fELF\x02\x01\x01\0"),
        "it does not begin with a zstd frame (offset 0)"
    );
    assert_eq!(
        error_of(&[0x28, 0xB5]),
        "it ends inside its first frame (offset 0)"
    );
    assert_eq!(
        error_of(&tar),
        "it is a tar without zstd; compress it with `zstd`"
    );
    assert_eq!(
        error_of(&[0x1F, 0x8B, 8, 0, 0, 0, 0, 0]),
        "it is compressed by gzip, not by zstd"
    );
    assert_eq!(
        error_of(b"age-encryption.org/v1\n-> X25519 abc\n\x80"),
        "it is encrypted; decrypt it with `age -d` first"
    );
    assert_eq!(
        error_of(&zstd_frame(&[b'x'; 2000])),
        "no member can be read; offset 0: here should be a tar header and is none"
    );
    assert_eq!(
        error_of(&zstd_frame(b"short")),
        "no member can be read; offset 0: the tar ends inside a header"
    );
    assert_eq!(error_of(&zstd_frame(b"")), "there is no member in it");
    assert_eq!(
        error_of(&zstd_frame(&[0; 10_240])),
        "there is no member in it"
    );
    let foreign = member(b"linux/MAINTAINERS", EntryType::Regular, b"people");
    assert_eq!(
        error_of(&zstd_frame(&foreign)),
        "it is a tar that holds neither `capture.json` nor an index"
    );
}

#[test]
fn a_newer_major_version() {
    let mut newer = capture();
    newer.format.major = 2;
    newer.format.minor = 3;
    let writer = Writer::new(Vec::new(), TOP, &newer).unwrap();
    let expected =
        "`test.tar.zst` has bundle format 2.3, this program reads up to 1.x: use a newer `analyze`";
    assert_eq!(error_of(&writer.seal(summary()).unwrap()), expected);

    // Nothing but the version needs to be as it is today.
    let json = br#"{"format":{"major":2,"minor":3,"patch":1},"host":"node1"}"#;
    let tar = member(b"t/capture.json", EntryType::Regular, json);
    assert_eq!(error_of(&zstd_frame(&tar)), expected);
}

#[test]
fn hostile_names() {
    let name = |name: &str| member(name.as_bytes(), EntryType::Regular, b"x");
    let told = |tar: &[u8]| damage_of(tar).join("\n");
    assert_eq!(
        told(&name("../../etc/passwd")),
        "`../../etc/passwd`: the name has the part `..`"
    );
    assert_eq!(
        told(&name(&format!("{TOP}/root/../../x"))),
        format!("`{TOP}/root/../../x`: the name has the part `..`")
    );
    assert_eq!(
        told(&name("/etc/passwd")),
        "`/etc/passwd`: the name is absolute"
    );
    assert_eq!(
        told(&name("passwd")),
        "`passwd`: the member lies outside of the top folder"
    );
    assert_eq!(
        told(&name("other/root/x")),
        format!("`other/root/x`: the member lies outside of the top folder `{TOP}`")
    );
    assert_eq!(
        told(&name(&format!("{TOP}/a\x1b[31m\nb"))),
        format!("`{TOP}/a%1B[31m%0Ab`: the name holds a control character")
    );
    let latin1 = [TOP.as_bytes(), b"/caf\xe9"].concat();
    assert_eq!(
        told(&member(&latin1, EntryType::Regular, b"x")),
        format!("`{TOP}/caf%E9`: the name is not UTF-8")
    );
    assert_eq!(
        told(&member(b"", EntryType::Regular, b"x")),
        "``: the name is empty"
    );
    let long = format!("{TOP}/{}", "x".repeat(5000 - TOP.len() - 1));
    assert_eq!(
        told(&name(&long)),
        format!("`{}...`: the name has 5000 bytes, limit 4096", &long[..300])
    );
    let twice = name(&format!("{TOP}/root/a")).repeat(2);
    assert_eq!(
        told(&twice),
        format!("`{TOP}/root/a`: a second member of this name")
    );
    let endless = member(
        b"././@LongLink",
        EntryType::GNULongName,
        &vec![b'x'; 70_000],
    );
    assert_eq!(
        told(&endless),
        "a tar extension of 70000 bytes, limit 65536"
    );
}

#[test]
fn members_that_are_no_files() {
    let path = format!("{TOP}/root/a");
    for (kind, text) in [
        (EntryType::Symlink, "a link"),
        (EntryType::Link, "a link"),
        (EntryType::Char, "a device"),
        (EntryType::Block, "a device"),
        (EntryType::Fifo, "a FIFO"),
        (EntryType::GNUSparse, "of an unknown kind"),
    ] {
        assert_eq!(
            damage_of(&member(path.as_bytes(), kind, b"")),
            [format!(
                "`{path}`: the member is {text}, only files are expected"
            )]
        );
    }
    assert_eq!(
        damage_of(&member(path.as_bytes(), EntryType::Directory, b"")),
        [""; 0]
    );
}

#[test]
fn broken_tars() {
    let good = member(format!("{TOP}/root/a").as_bytes(), EntryType::Regular, b"x");
    let sparse_size = [b"22 size=18446744073709551615\n".as_slice()].concat();
    let pax = member(b"x", EntryType::XHeader, &sparse_size);
    for (tar, expected) in [
        (&good[..700], "the tar ends inside a member"),
        (&good[..400], "the tar ends inside a header"),
        (&[b'x'; 1024][..], "here should be a tar header and is none"),
        (
            &header(b"x", EntryType::Regular, 1 << 63)[..],
            "here should be a tar header and is none",
        ),
        (&[&pax[..], &good].concat()[..], ""),
        (
            &[&good[..], &[0; 1024], &good].concat()[..],
            "there is more behind the end of the tar: it is not read",
        ),
    ] {
        assert_eq!(damage_of(tar).join("\n"), expected);
    }
}

#[test]
fn entries_larger_than_the_limit_are_passed_over_and_told() {
    let limits = Limits {
        entry_bytes: 1000,
        ..Limits::default()
    };
    let mut writer = Writer::new(Vec::new(), TOP, &capture()).unwrap();
    writer
        .entry(record("root/big", Outcome::Complete), &[b'x'; 2000])
        .unwrap();
    writer
        .entry(record("root/small", Outcome::Complete), b"x")
        .unwrap();
    let bytes = writer.seal(summary()).unwrap();
    let (items, contents) = read_all(open(&bytes, limits).unwrap());
    let at = first_frame().len();
    assert_eq!(
        damage(&contents),
        [format!(
            "offset {at}: `root/big`: the member has 2000 bytes, limit 1000"
        ),]
    );
    assert_eq!(
        lines(&items)[1..],
        [
            "root/big - failed: lost from the bundle: the member has 2000 bytes, limit 1000",
            "root/small 1 complete"
        ]
    );
}

#[test]
fn limits_of_the_whole() {
    let built = common::Built::new(5, 50, 2000);
    let told = |limits: Limits| {
        let (_, contents) = read_all(open(&built.bytes, limits).unwrap());
        let texts = damage(&contents);
        let (_, reason) = texts[0].split_once(": ").unwrap();
        reason.to_owned()
    };
    let limits = Limits::default();
    assert_eq!(
        told(Limits {
            total_bytes: 100_000,
            ..limits
        }),
        "more than 100000 bytes decompressed: the rest is not read"
    );
    assert_eq!(
        told(Limits {
            entry_count: 30,
            ..limits
        }),
        "more than 30 members: the rest is not read"
    );
    assert_eq!(
        told(Limits {
            batch_bytes: 30_000,
            ..limits
        }),
        "more than 30000 bytes without an index: these entries are given without records"
    );
    let (_, contents) = read_all(
        open(
            &built.bytes,
            Limits {
                damage_count: 2,
                entry_bytes: 2500,
                name_bytes: 40,
                ..limits
            },
        )
        .unwrap(),
    );
    assert_eq!(contents.damage.len(), 2);
    assert!(contents.more_damage > 100, "{}", contents.more_damage);
}

#[test]
fn a_frame_that_wants_too_much_memory() {
    let tar = member(
        format!("{TOP}/root/a").as_bytes(),
        EntryType::Regular,
        &[b'x'; 4000],
    );
    let mut encoder = zstd::stream::Encoder::new(Vec::new(), 3).unwrap();
    encoder.window_log(28).unwrap();
    encoder.write_all(&tar).unwrap();
    let bytes = [first_frame(), encoder.finish().unwrap()].concat();
    assert_eq!(
        damage(&read(&bytes).1)[0],
        format!(
            "offset {}: the frame cannot be decoded: Frame requires too much memory for decoding",
            first_frame().len()
        )
    );
}

/// A member of an index, and before it the entry `root/a` that it lists.
fn with_index(index: &[u8]) -> Vec<u8> {
    let mut tar = member(format!("{TOP}/root/a").as_bytes(), EntryType::Regular, b"x");
    let name = format!("{TOP}/index/1.jsonl");
    tar.extend(member(name.as_bytes(), EntryType::Regular, index));
    tar
}

#[test]
fn an_index_of_garbage() {
    let line = r#"{"path":"root/a","source":"s","outcome":{"is":"complete"},"started_us":1,"took_us":1,"bytes":1,"sha256":"2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881"}"#;
    let lost = line.replace("root/a", "root/lost");
    let odd = line.replace("complete", "splendid");
    let escape = line.replace("root/a", "../../etc/passwd");
    let long = line.replace("\"s\"", &format!("\"{}\"", "s".repeat(70_000)));
    let index = format!("\u{1}garbage\n{lost}\n{odd}\n{escape}\n{long}\n{{\"path\":\n\n{line}");
    let (items, contents) = read(&with_frame(&with_index(index.as_bytes())));
    let at = first_frame().len();
    assert_eq!(
        damage(&contents)[..6],
        [
            "`index/1.jsonl`: line 1: expected value, column 1".to_owned(),
            "`root/lost`: listed in the index and not there".to_owned(),
            "`index/1.jsonl`: line 3: unknown variant `splendid`, expected one of `complete`, `partial`, `absent`, `denied`, `timed_out`, `failed`, `skipped`, column 56".to_owned(),
            "`index/1.jsonl`: line 4: the name has the part `..`".to_owned(),
            format!("`index/1.jsonl`: line 5: {} bytes, limit 65536", long.len()),
            "`index/1.jsonl`: line 6: EOF while parsing a value, column 8".to_owned(),
        ]
        .map(|text| format!("offset {at}: {text}"))
    );
    assert_eq!(
        lines(&items)[1..],
        [
            "root/lost - failed: lost from the bundle: listed in the index and not there",
            "root/a 1 complete"
        ]
    );
    let (items, _) = read(&with_frame(&with_index(&[0xFF; 3000])));
    assert_eq!(lines(&items)[1..], ["root/a 1 no record"]);
}

#[test]
fn a_summary_or_capture_of_garbage() {
    for name in ["summary.json", "capture.json"] {
        let tar = member(
            format!("{TOP}/{name}").as_bytes(),
            EntryType::Regular,
            b"{\"finished\":7",
        );
        let bytes = if name == "summary.json" {
            with_frame(&tar)
        } else {
            zstd_frame(&tar)
        };
        let texts = damage(&read(&bytes).1);
        assert!(
            texts
                .iter()
                .any(|text| text.contains(&format!("`{name}`: "))),
            "{texts:?}"
        );
    }
    let tar = member(
        format!("{TOP}/summary.json").as_bytes(),
        EntryType::Regular,
        b"nonsense",
    );
    assert_eq!(
        damage_of(&tar),
        ["`summary.json`: expected ident at line 1 column 2"]
    );
}

/// A frame of so many gibibytes of zeros behind this tar: each 128 KiB of them takes four bytes.
fn bomb(tar: &[u8], gibibytes: u32) -> Vec<u8> {
    const BLOCK: u32 = 128 << 10;
    assert!(tar.len() <= BLOCK as usize);
    // No checksum, no size, a window of 128 KiB (RFC 8878, section 3.1.1).
    let mut frame = vec![0x28, 0xB5, 0x2F, 0xFD, 0x00, (17 - 10) << 3];
    frame.extend(&(tar.len() as u32 * 8).to_le_bytes()[..3]);
    frame.extend(tar);
    let blocks = gibibytes * ((1 << 30) / BLOCK);
    for n in 1..=blocks {
        let is_last = u32::from(n == blocks);
        frame.extend(&(BLOCK * 8 + 2 + is_last).to_le_bytes()[..3]);
        frame.push(0);
    }
    frame
}

#[test]
fn bombs_are_cheap() {
    let began = Instant::now();
    // 10 GiB of zeros alone: there is no tar in it.
    assert_eq!(error_of(&bomb(b"", 10)), "there is no member in it");
    // As one huge member of a bundle: it is passed over.
    let path = format!("{TOP}/root/zeros");
    let tar = header(path.as_bytes(), EntryType::Regular, 10 << 30);
    let bytes = [first_frame(), bomb(&tar, 10)].concat();
    assert!(bytes.len() < 1 << 20);
    let (items, contents) = read(&bytes);
    assert_eq!(items.len(), 1);
    assert_eq!(
        damage(&contents)[0],
        format!(
            "offset {}: `root/zeros`: the member has 10737418240 bytes, limit 268435456",
            first_frame().len()
        )
    );
    // Behind the limit of all bytes nothing is read.
    let limits = Limits {
        total_bytes: 1 << 30,
        ..Limits::default()
    };
    let (_, contents) = read_all(open(&bytes, limits).unwrap());
    assert!(
        damage(&contents)[1]
            .ends_with("more than 1073741824 bytes decompressed: the rest is not read")
    );
    assert!(
        began.elapsed() < Duration::from_mins(1),
        "{:?}",
        began.elapsed()
    );
}

#[test]
fn a_file_of_false_beginnings_ends() {
    let bytes = [
        first_frame(),
        [0x28, 0xB5, 0x2F, 0xFD, 0xFF].repeat(300_000),
    ]
    .concat();
    let began = Instant::now();
    let (_, contents) = read(&bytes);
    let texts = damage(&contents);
    assert!(
        texts[1].ends_with("more than 100000 false beginnings of frames: the rest is not read"),
        "{texts:?}"
    );
    assert!(
        began.elapsed() < Duration::from_mins(1),
        "{:?}",
        began.elapsed()
    );
}
