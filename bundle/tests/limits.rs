//! What a reader does not spend on a bundle: every limit is told, and a bomb is cheap.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod common;

use std::io::Write;
use std::time::{Duration, Instant};

use common::{
    TOP, capture, damage, first_frame, header, lines, member, open, read, read_all, record,
    summary, zstd_frame,
};
use freezeframe_bundle::{Limits, Outcome, Writer};
use tar::EntryType;

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
fn limits_of_what_another_program_packed() {
    let mut tar = member(
        format!("{TOP}/capture.json").as_bytes(),
        EntryType::Regular,
        &serde_json::to_vec(&capture()).unwrap(),
    );
    for n in 0..50 {
        let path = format!("{TOP}/root/{n}");
        tar.extend(member(path.as_bytes(), EntryType::Regular, &[b'x'; 1000]));
    }
    let bytes = zstd_frame(&tar);
    let limits = Limits::default();
    for (limits, reason) in [
        (
            Limits {
                spool_bytes: 30_000,
                ..limits
            },
            "more than 30000 bytes unpacked: the rest is not read",
        ),
        (
            Limits {
                batch_bytes: 200,
                ..limits
            },
            "more than 200 bytes of names: the rest is not read",
        ),
    ] {
        let (items, contents) = read_all(open(&bytes, limits).unwrap());
        assert_eq!(damage(&contents)[0], format!("offset 0: {reason}"));
        assert!(items.len() > 10 && items.len() < 50, "{}", items.len());
    }
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
    let error = open(&bomb(b"", 10), Limits::default()).err().unwrap();
    assert!(
        error.to_string().ends_with("there is no member in it"),
        "{error}"
    );
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

/// Each false beginning leads over blocks without content to the end of the file: a megabyte of
/// this was read a thousand times over.
#[test]
fn false_beginnings_that_lead_far_end() {
    const COUNT: u32 = 5000;
    const LENGTH: u32 = 9;
    let mut bytes = first_frame();
    for n in 1..=COUNT {
        // A window, then a compressed block that reaches up to the zeros.
        let block = ((COUNT - n) * LENGTH) << 3 | 2 << 1;
        bytes.extend([0x28, 0xB5, 0x2F, 0xFD, 0, 0x58]);
        bytes.extend(&block.to_le_bytes()[..3]);
    }
    // Zeros are empty blocks of three bytes.
    bytes.resize(bytes.len() + 400_000, 0);
    let began = Instant::now();
    let (_, contents) = read(&bytes);
    let took = began.elapsed();
    let texts = damage(&contents);
    assert!(
        texts[1].ends_with("read 16 times in search of frames: the rest is not read"),
        "{texts:?}"
    );
    assert!(took < Duration::from_secs(30), "{took:?}");
}
