use std::fs::File;
use std::io::{Seek, Write};
use std::time::{Duration, Instant};

use super::*;

mod fuzzed;
mod hostile;

const FILES: [&str; 5] = ["compact", "regular", "unkeyed", "xz", "lz4"];

fn bytes(name: &str) -> Vec<u8> {
    let path = format!(
        "{}/../testdata/journal/{name}.journal.zst",
        env!("CARGO_MANIFEST_DIR")
    );
    zstd::decode_all(File::open(path).unwrap()).unwrap()
}

fn file(bytes: &[u8]) -> File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    file.rewind().unwrap();
    file
}

fn budget() -> Budget {
    Budget {
        bytes: 1 << 20,
        entries: 10_000,
        ends: Instant::now() + Duration::from_secs(20),
    }
}

fn messages(harvest: &Harvest) -> Vec<String> {
    let text = String::from_utf8_lossy(&harvest.export);
    text.lines()
        .filter_map(|line| line.strip_prefix("MESSAGE="))
        .map(str::to_owned)
        .collect()
}

#[test]
fn every_kind_of_file_is_read_whole() {
    for name in FILES {
        let harvest = harvest(
            vec![(name.to_owned(), file(&bytes(name)))],
            budget(),
            |_| true,
        );
        assert_eq!(harvest.entries, 60, "{name}: {:?}", harvest.damage);
        assert!(harvest.damage.is_empty(), "{name}: {:?}", harvest.damage);
        let messages = messages(&harvest);
        assert_eq!(
            messages.first().map(String::as_str),
            Some("message 0"),
            "{name}"
        );
        assert_eq!(
            messages.last().map(String::as_str),
            Some("message 59"),
            "{name}"
        );
        assert!(
            messages.iter().any(|m| m.len() > 3000),
            "{name}: the compressed field"
        );
        let binary = [
            b"MESSAGE\n".as_slice(),
            &11_u64.to_le_bytes(),
            b"two\nlines \xff\n",
        ]
        .concat();
        assert!(
            harvest.export.windows(binary.len()).any(|w| w == binary),
            "{name}: the binary field"
        );
        assert!(harvest.export.starts_with(
            b"__REALTIME_TIMESTAMP=1700000000000000\n__MONOTONIC_TIMESTAMP=5000000\n_BOOT_ID=0123456789abcdef0123456789abcdef\n"
        ));
    }
}

#[test]
fn the_newest_are_kept_and_the_choice_is_asked() {
    let files = || vec![("a".to_owned(), file(&bytes("compact")))];
    let small = Budget {
        bytes: 3000,
        ..budget()
    };
    let harvest_small = harvest(files(), small, |_| true);
    assert_eq!(harvest_small.stopped_by, Some("the byte limit"));
    assert_eq!(
        messages(&harvest_small).last().map(String::as_str),
        Some("message 59")
    );
    let kubelet = harvest(files(), budget(), |e| {
        e.text("_SYSTEMD_UNIT") == Some("kubelet.service")
    });
    assert_eq!(kubelet.entries, 20);
    let few = harvest(
        files(),
        Budget {
            entries: 5,
            ..budget()
        },
        |_| true,
    );
    assert_eq!(
        (few.entries, few.stopped_by),
        (5, Some("the limit of entries"))
    );
}

#[test]
fn two_files_are_merged_by_time() {
    let files = vec![
        ("a".to_owned(), file(&bytes("compact"))),
        ("b".to_owned(), file(&bytes("regular"))),
        ("c".to_owned(), file(b"no journal at all")),
    ];
    let harvest = harvest(files, budget(), |_| true);
    assert_eq!(harvest.entries, 120);
    assert_eq!(
        messages(&harvest).get(..2),
        Some(&["message 0".to_owned(), "message 0".to_owned()][..])
    );
    assert_eq!(harvest.damage.len(), 1);
}

#[test]
fn a_file_that_journald_never_closed_is_read_whole() {
    // By `journalctl --file`: 633 entries, 545 of them of the kernel; the first and the last.
    let harvest = harvest(
        vec![("dirty".to_owned(), file(&bytes("dirty")))],
        budget(),
        |_| true,
    );
    assert_eq!((harvest.entries, harvest.stopped_by), (633, None));
    assert_eq!(harvest.damage, []);
    let text = String::from_utf8_lossy(&harvest.export);
    let kernel = text.lines().filter(|line| *line == "_TRANSPORT=kernel");
    assert_eq!(kernel.count(), 545);
    let messages = messages(&harvest);
    assert!(messages.first().unwrap().starts_with("Linux version 6.1."));
    assert_eq!(
        messages.last().map(String::as_str),
        Some("Forward time jump detected!")
    );
}
