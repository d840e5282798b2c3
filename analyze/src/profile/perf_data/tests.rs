use std::collections::BTreeMap;
use std::io::Cursor;
use std::path::Path;

use super::testing::{File, KERNEL, USER};
use super::*;
use crate::profile::corpus::corpus;

/// Kinds of records by their number, and the problems.
type Read = (BTreeMap<&'static str, usize>, Problems, Head);

fn read(bytes: &[u8]) -> Result<Read, String> {
    let mut file = PerfData::open(Cursor::new(bytes), Limits::default())?;
    let mut counts = BTreeMap::new();
    file.walk(&mut |_, record, _| {
        let kind = match record {
            Record::Sample(_) => "sample",
            Record::Mapping(_) => "mapping",
            Record::Comm { .. } => "comm",
            Record::Fork { .. } => "fork",
            Record::Exit { .. } => "exit",
            Record::Lost(_) | Record::LostSamples(_) => "lost",
            Record::Throttled => "throttled",
            Record::KernelSymbol { .. } => "symbol",
            Record::Cgroup { .. } => "cgroup",
            Record::Switch { .. } => "switch",
            Record::Other => "other",
        };
        *counts.entry(kind).or_insert(0) += 1;
    });
    Ok((counts, file.problems().clone(), file.head))
}

fn small() -> Vec<u8> {
    let mut file = File::default();
    file.comm([7, 7], 0, "burn", true)
        .map(7, 0, (0x40_0000, 0x1000, 0), "/bin/burn", Some([0xab; 20]))
        .fork([8, 8], [7, 7], 50)
        .sample(
            [7, 7],
            100,
            &[KERNEL, 0xffff_ffff_8100_0000, USER, 0x40_0010],
        )
        .sample([8, 8], 200, &[USER, 0x40_0020, 0x40_0011]);
    file.bytes()
}

#[test]
fn a_small_file() {
    let bytes = small();
    let mut file = PerfData::open(Cursor::new(&bytes), Limits::default()).unwrap();
    let event = &file.head.events[0];
    assert_eq!(event.name, "cpu-clock");
    assert_eq!(
        (event.attribute.period, event.attribute.is_frequency),
        (99, true)
    );
    let mut seen = Vec::new();
    file.walk(&mut |offset, record, stamp| {
        seen.push(format!("{offset} {:?} {record:?}", stamp.time_ns));
    });
    assert_eq!(seen.len(), 5);
    assert!(seen[0].contains("Comm { pid: 7, tid: 7, name: [98, 117, 114, 110]"));
    assert!(seen[1].contains("build_id: Some([171, "), "{}", seen[1]);
    assert!(seen[2].contains(" Some(50) Fork { pid: 8, parent: 7"));
    assert!(seen[4].contains("cgroup: Some(7)"), "{}", seen[4]);
    assert_eq!(file.problems(), &Problems::default());
}

#[test]
fn what_is_no_perf_data_is_refused() {
    let error = |bytes: &[u8]| read(bytes).unwrap_err();
    assert!(error(b"").contains("PERFILE2"));
    assert!(error(b"PERFFILE").contains("PERFILE2"));
    assert!(error(b"2ELIFREPxxxxxxxx").contains("big-endian"));
    assert!(error(b"PERFILE2").contains("ends inside its header"));
    let mut wild = small();
    wild[32..40].fill(0xff);
    assert!(error(&wild).contains("no event"));
}

#[test]
fn cut_anywhere_the_rest_is_read() {
    let bytes = small();
    let mut before = 0;
    for length in 0..=bytes.len() {
        if let Ok((counts, problems, _)) = read(&bytes[..length]) {
            let count = counts.values().sum();
            assert!(count >= before);
            assert_eq!(count == 5, problems.list.is_empty(), "{length}");
            before = count;
        }
    }
    assert_eq!(before, 5);
}

#[test]
fn wild_lengths_are_damage() {
    let bytes = small();
    for at in (0..bytes.len() - 8).step_by(8) {
        for wild in [u64::MAX, u64::MAX / 2, 1 << 32, 0] {
            let mut bytes = bytes.clone();
            bytes[at..at + 8].copy_from_slice(&wild.to_le_bytes());
            let _ = read(&bytes);
        }
    }
}

#[test]
fn a_damaged_length_costs_its_neighbours_alone() {
    let mut file = File::default();
    for time in 0..20 {
        file.sample([7, 7], time, &[USER, 0x40_0010]);
    }
    let mut bytes = file.bytes();
    // The size of the sixth.
    let size = (bytes.len() - 248) / 20;
    let at = 248 + 5 * size + 6;
    bytes[at..at + 2].fill(0);
    let (counts, problems, _) = read(&bytes).unwrap();
    assert_eq!(counts["sample"], 19);
    assert_eq!(problems.list.len(), 1);
    let reason = problems.list[0].to_string();
    assert_eq!(
        reason,
        format!("{size} bytes are no records (offset {})", 248 + 5 * size)
    );
}

/// Samples of each event, and the problems.
fn samples(path: &Path) -> (Vec<(String, usize)>, Problems) {
    let bytes = std::fs::read(path).unwrap();
    let mut file = PerfData::open(Cursor::new(bytes), Limits::default()).unwrap();
    let mut counts = BTreeMap::new();
    file.walk(&mut |_, record, _| {
        if let Record::Sample(sample) = record {
            *counts.entry(sample.event).or_insert(0) += 1;
        }
    });
    let name = |event: usize| file.head.events[event].name.clone();
    let counts = counts.into_iter().map(|(event, n)| (name(event), n));
    (counts.collect(), file.problems().clone())
}

#[test]
fn real_files_of_many_kernels() {
    const ALL: [&str; 6] = [
        "cycles",
        "instructions",
        "cache-references",
        "cache-misses",
        "branches",
        "branch-misses",
    ];
    // Samples per event as `perf script -F event` counts them.
    let cases: &[(&str, &[usize])] = &[
        ("singleprocess-3.4", &[14, 14, 12, 11, 13, 13]),
        ("systemwide.1-3.4", &[518, 477, 523, 480, 476, 493]),
        ("systemwide.5-3.4", &[2322, 2038, 2351, 2193, 2035, 2203]),
        ("busy.1-3.4", &[1753, 1974, 2123, 1952, 1974, 2002]),
        ("armv7-3.4", &[669, 644, 633, 613, 640, 694]),
        ("i686-3.4", &[147, 155, 116, 89, 95, 101]),
        ("callgraph-3.4", &[1548]),
        ("numatopology-3.2", &[175]),
        ("remmap-3.2", &[198]),
        ("proc.map.timeout-3.18", &[8]),
        ("piped.target-3.4", &[1414]),
        ("piped.target.throttled-3.4", &[228]),
    ];
    let Some(folder) = corpus("google__perf_data_converter/src/quipper/testdata") else {
        return;
    };
    for (name, expected) in cases {
        let (counts, problems) = samples(&folder.join(format!("perf.data.{name}")));
        let names = ALL.map(str::to_owned);
        let expected: Vec<_> = names.into_iter().zip(expected.iter().copied()).collect();
        assert_eq!(counts, expected, "{name}");
        assert_eq!(problems, Problems::default(), "{name}");
    }
    let (counts, _) = samples(&folder.join("perf.data.piped.hw_and_sw-3.4"));
    let expected = [("cycles", 193), ("cpu-clock", 4082)];
    assert_eq!(
        counts,
        expected.map(|(name, count)| (name.to_owned(), count))
    );
    // Which `perf` gives up at its first record.
    let (counts, problems) =
        samples(&folder.join("perf.data.piped.corrupted.zero_size_sample-3.2"));
    assert!(counts[0].1 > 200, "{counts:?}");
    assert!(
        problems.list[0].reason.contains("are no records"),
        "{problems:?}"
    );
}

#[test]
fn compressed_files_and_streams() {
    let Some(folder) = corpus("mstange__linux-perf-data/tests/fixtures") else {
        return;
    };
    // As the crate reads them that they are of; `perf` 6.1 does not know the second kind.
    let cases = [
        ("sleep.compressed.data", 8, None),
        ("sleep.compressed2.data", 7, None),
        ("sleep.compressed.pipe.data", 8, None),
        ("fibo.compressed2.pipe.data", 547, None),
        // What `perf record` said to the terminal stands behind the records.
        ("sleep.compressed2.pipe.data", 7, Some(31_808)),
    ];
    for (name, expected, problem) in cases {
        let (counts, problems) = samples(&folder.join(name));
        assert_eq!(counts, [("cycles".to_owned(), expected)], "{name}");
        let offset = problems.list.first().map(|problem| problem.offset);
        assert_eq!(offset, problem, "{name}: {problems:?}");
    }
}

#[test]
fn a_real_file_cut_or_damaged() {
    let Some(folder) = corpus("mstange__linux-perf-data/tests/fixtures") else {
        return;
    };
    for name in [
        "sleep.data",
        "sleep.compressed.data",
        "fibo.compressed2.pipe.data",
    ] {
        let bytes = std::fs::read(folder.join(name)).unwrap();
        for at in (0..bytes.len()).step_by(97) {
            let _ = read(&bytes[..at]);
        }
        for at in (0..bytes.len()).step_by(997) {
            let mut bytes = bytes.clone();
            bytes[at] ^= 0xff;
            let _ = read(&bytes);
        }
    }
}
