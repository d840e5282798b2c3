//! Files made here: what the format allows and what it does not.

use std::io::Write;

use prost::Message;

use super::file::Limits;
use super::members::{Member, profiles};
use super::proto::{self, Function, Label, Line, Location, Mapping, ValueType};
use super::{is_old, read, read_within, sniff};
use crate::profile::{FrameKind, Profile, Unit};

const STRINGS: [&str; 24] = [
    "",
    "samples",
    "count",
    "cpu",
    "nanoseconds",
    "main.main",
    "main.work",
    "runtime.mallocgc",
    "/usr/bin/kubelet",
    "pid",
    "comm",
    "kubelet",
    "bytes",
    "[kernel.kallsyms]",
    "tcp_sendmsg",
    "inuse_space",
    "alloc_space",
    "runtime\\..*",
    "runtime\\.keep",
    "tenant",
    "blue",
    "milliseconds",
    "contentions",
    "delay",
];

fn text(text: &str) -> i64 {
    STRINGS.iter().position(|one| *one == text).unwrap() as i64
}

fn value_type(kind: &str, unit: &str) -> ValueType {
    ValueType {
        r#type: text(kind),
        unit: text(unit),
    }
}

fn location(id: u64, mapping_id: u64, functions: &[u64]) -> Location {
    Location {
        id,
        mapping_id,
        address: 0x1000 + id,
        line: functions
            .iter()
            .map(|id| Line {
                function_id: *id,
                line: 7,
            })
            .collect(),
    }
}

/// Location 10 is `main.main`; 11 is `mallocgc` inlined into `work`; 12 has no function; 13 is of the kernel.
fn file() -> proto::Profile {
    let function = |id, name| Function {
        id,
        name: text(name),
        ..Function::default()
    };
    let mapping = |id, filename| Mapping {
        id,
        memory_start: 0x1000,
        memory_limit: 0x2000,
        file_offset: 0x400,
        filename: text(filename),
        ..Mapping::default()
    };
    let sample = |location_id: &[u64], value: &[i64]| proto::Sample {
        location_id: location_id.to_vec(),
        value: value.to_vec(),
        label: Vec::new(),
    };
    proto::Profile {
        sample_type: vec![
            value_type("samples", "count"),
            value_type("cpu", "nanoseconds"),
        ],
        sample: vec![
            sample(&[11, 10], &[1, 10_000_000]),
            sample(&[12, 10], &[2, 20_000_000]),
            sample(&[13, 11, 10], &[1, 10_000_000]),
        ],
        mapping: vec![
            mapping(1, "/usr/bin/kubelet"),
            mapping(2, "[kernel.kallsyms]"),
        ],
        location: vec![
            location(10, 1, &[1]),
            location(11, 1, &[3, 2]),
            location(12, 1, &[]),
            location(13, 2, &[4]),
        ],
        function: vec![
            function(1, "main.main"),
            function(2, "main.work"),
            function(3, "runtime.mallocgc"),
            function(4, "tcp_sendmsg"),
        ],
        string_table: STRINGS.iter().map(|one| (*one).to_owned()).collect(),
        time_nanos: 1_000,
        duration_nanos: 500,
        period_type: Some(value_type("cpu", "nanoseconds")),
        period: 10_000_000,
        ..proto::Profile::default()
    }
}

/// A line per sample: weight and functions, outermost first.
fn folded(profile: &Profile) -> Vec<String> {
    let line = |sample: &crate::profile::Sample| {
        let frames = profile.stacks.outermost_first(sample.stack);
        let names = frames
            .iter()
            .map(|id| profile.symbols.get(*id).unwrap().function.as_str());
        format!("{} {}", names.collect::<Vec<_>>().join(";"), sample.weight)
    };
    profile.samples.iter().map(line).collect()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    writer.write_all(bytes).unwrap();
    writer.finish().unwrap()
}

#[test]
fn samples_become_stacks() {
    for bytes in [file().encode_to_vec(), gzip(&file().encode_to_vec())] {
        assert!(sniff(&bytes));
        let pprof = read(&bytes, "x.pprof");
        assert_eq!(pprof.damage, Vec::<String>::new());
        let [cpu, samples] = pprof.profiles.as_slice() else {
            panic!("{pprof:?}");
        };
        assert_eq!((cpu.name.as_str(), cpu.unit), ("cpu", Unit::Nanoseconds));
        assert_eq!(
            (samples.name.as_str(), samples.unit),
            ("samples", Unit::Count)
        );
        assert_eq!(cpu.frequency_hz, Some(100));
        assert_eq!(cpu.span_ns, Some((1_000, 1_500)));
        assert_eq!(
            folded(cpu),
            [
                "main.main;main.work;runtime.mallocgc 10000000",
                "main.main;[kubelet]+0x40c 20000000",
                "main.main;main.work;runtime.mallocgc;tcp_sendmsg 10000000",
            ]
        );
        assert_eq!(samples.total(), 4);
        assert_eq!((cpu.frames_total, cpu.frames_unnamed), (9, 1));
        let kind = |name: &str| {
            let mut all = cpu.symbols.all().iter();
            all.find(|frame| frame.function == name)
                .map(|frame| frame.kind)
        };
        assert_eq!(kind("main.work"), Some(FrameKind::User));
        assert_eq!(kind("runtime.mallocgc"), Some(FrameKind::GoRuntime));
        assert_eq!(kind("tcp_sendmsg"), Some(FrameKind::Kernel));
    }
}

#[test]
fn mangled_names_are_made_readable() {
    let mut file = file();
    file.string_table[text("main.work") as usize] = "_ZN4cart4hashEi".to_owned();
    let cpu = &read(&file.encode_to_vec(), "").profiles[0];
    assert!(folded(cpu)[0].contains(";cart::hash;"), "{:?}", folded(cpu));
}

#[test]
fn labels_say_who_ran() {
    let mut file = file();
    let label = |key, str, num| Label {
        key: text(key),
        str: text(str),
        num,
        ..Label::default()
    };
    file.sample[0].label = vec![label("pid", "", 7), label("comm", "kubelet", 0)];
    file.sample[1].label = vec![label("bytes", "", 4096)];
    file.sample[2].label = vec![label("tenant", "blue", 0)];
    let cpu = &read(&file.encode_to_vec(), "").profiles[0];
    let task = |place: usize| cpu.task(&cpu.samples[place]);
    assert_eq!((task(0).pid, task(0).thread.as_str()), (Some(7), "kubelet"));
    assert_eq!(task(1), crate::profile::Task::default());
    assert_eq!(task(2).thread, "tenant=blue");
}

#[test]
fn the_file_says_what_is_shown_first_and_in_which_unit() {
    let mut file = file();
    file.default_sample_type = text("samples");
    assert_eq!(read(&file.encode_to_vec(), "").profiles[0].name, "samples");
    file.default_sample_type = 0;
    file.sample_type = vec![
        value_type("inuse_space", "bytes"),
        value_type("alloc_space", "bytes"),
    ];
    assert_eq!(
        read(&file.encode_to_vec(), "").profiles[0].name,
        "inuse_space"
    );
    file.sample_type = vec![
        value_type("samples", "count"),
        value_type("cpu", "milliseconds"),
    ];
    let cpu = &read(&file.encode_to_vec(), "").profiles[0];
    assert_eq!(cpu.samples[0].weight, 10_000_000 * 1_000_000);
}

#[test]
fn dropped_functions_take_along_what_they_call() {
    let mut file = file();
    file.drop_frames = text("runtime\\..*");
    let cpu = &read(&file.encode_to_vec(), "").profiles[0];
    assert_eq!(
        folded(cpu),
        [
            "main.main;main.work 10000000",
            "main.main;[kubelet]+0x40c 20000000",
            "main.main;main.work 10000000",
        ]
    );
    file.drop_frames = text("main.main");
    let cpu = &read(&file.encode_to_vec(), "").profiles[0];
    assert_eq!(
        folded(cpu)[0],
        "main.main;main.work;runtime.mallocgc 10000000",
        "it is the first"
    );
}

#[test]
fn names_in_a_bundle() {
    let member = Member::of("api/kubelet/debug/pprof/profile?seconds=10").unwrap();
    assert_eq!((member.component, member.kind), ("kubelet", "cpu"));
    assert_eq!(Member::of("api/kubelet/debug/pprof/trace?seconds=1"), None);
    assert_eq!(Member::of("api/kubelet/debug/pprof/"), None);
    assert_eq!(Member::of("api/kubelet/pods"), None);
    assert_eq!(Member::of("api/containerd/debug/vars"), None);
    assert_eq!(
        Member::of("api/crio/debug/goroutines").unwrap().kind,
        "goroutine"
    );
    let names = |member: Member<'_>, file: &proto::Profile| {
        let pprof = profiles(member, &file.encode_to_vec(), "");
        let names = pprof.profiles.into_iter().map(|profile| profile.name);
        names.collect::<Vec<_>>().join(" ")
    };
    assert_eq!(names(member, &file()), "kubelet.cpu kubelet.cpu.samples");
    let heap = Member::of("api/etcd/debug/pprof/heap").unwrap();
    let mut file = file();
    file.sample_type = vec![
        value_type("inuse_space", "bytes"),
        value_type("alloc_space", "bytes"),
    ];
    assert_eq!(
        names(heap, &file),
        "etcd.heap.inuse_space etcd.heap.alloc_space"
    );
}

#[test]
fn nothing_in_it_may_mean_that_nothing_was_looked_at() {
    let mut file = file();
    file.sample.clear();
    assert!(read(&file.encode_to_vec(), "").profiles[0].notes.is_empty());
    file.sample_type = vec![
        value_type("contentions", "count"),
        value_type("delay", "nanoseconds"),
    ];
    let pprof = read(&file.encode_to_vec(), "");
    assert!(pprof.damage.is_empty());
    assert_eq!(pprof.profiles[0].event, "delay");
    assert!(pprof.profiles[0].notes[0].starts_with("Profiling is off"));
}

#[test]
fn a_file_that_was_cut_gives_what_is_left() {
    let whole = file().encode_to_vec();
    let packed = gzip(&whole);
    for length in 0..whole.len() {
        let pprof = read(&whole[..length], "");
        assert!(pprof.profiles.len() <= 2);
        let _ = read(&packed[..length.min(packed.len())], "");
    }
    let pprof = read(&packed[..packed.len() - 9], "");
    assert!(
        pprof.damage.iter().any(|what| what.contains("compression")),
        "{:?}",
        pprof.damage
    );
    assert!(pprof.profiles[0].notes[0].starts_with("The file is damaged: "));
}

#[test]
fn a_file_with_altered_bytes_does_no_harm() {
    let whole = file().encode_to_vec();
    let mut state = 7_u64;
    let mut random = |below: usize| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (state >> 33) as usize % below
    };
    for _ in 0..20_000 {
        let mut bytes = whole.clone();
        for _ in 0..=random(4) {
            let place = random(bytes.len());
            bytes[place] = random(256) as u8;
        }
        for profile in read(&bytes, "").profiles {
            let stacks = profile.samples.iter().map(|sample| sample.stack);
            assert!(stacks.max().unwrap_or(0) < profile.stacks.len() as u32);
        }
    }
}

#[test]
fn numbers_that_point_nowhere() {
    let mut file = file();
    file.sample[0].location_id = vec![99, 10];
    file.sample[1].value = vec![1];
    file.sample[2].value = vec![-1, -5];
    file.location[3].mapping_id = 77;
    file.location[3].line[0].function_id = u64::MAX;
    file.function[0].name = -3;
    let pprof = read(&file.encode_to_vec(), "");
    assert_eq!(folded(&pprof.profiles[0]), ["[kubelet]+0x40a 10000000"]);
    let damage = pprof.damage.join("\n");
    for what in [
        "1 samples cannot be read",
        "1 frames name an address",
        "1 values of `cpu` are negative",
    ] {
        assert!(damage.contains(what), "{damage}");
    }
}

#[test]
fn hostile_files_stay_small() {
    let limits = Limits {
        unpacked_bytes: 1 << 20,
        parts: 10_000,
    };
    let damage = |bytes: &[u8]| read_within(bytes, "", limits).damage.join("\n");
    let samples_without_values = gzip(&[18, 0].repeat(1 << 20));
    assert!(samples_without_values.len() < 100_000);
    assert!(damage(&samples_without_values).contains("more than 1048576 bytes"));
    let functions_without_names = [42, 0].repeat(1 << 18);
    assert!(damage(&functions_without_names).contains("more than 10000 parts"));
    let mut deep = file();
    deep.sample[0].location_id = vec![11; 100_000];
    let cpu = &read(&deep.encode_to_vec(), "").profiles[0];
    assert_eq!(
        cpu.stacks.outermost_first(cpu.samples[0].stack).len(),
        2_048
    );
}

#[test]
fn what_is_no_profile_is_named() {
    assert!(is_old(b"heap profile: 1: 2 [3: 4] @ heap/8\n"));
    assert!(!is_old(b"<html>"));
    for other in [
        &b""[..],
        b"goroutine 1 [running]:\n",
        b"PERFILE2",
        b"(\xb5/\xfd",
        b"\x1f\x8b",
        b"{\"a\": 1}",
    ] {
        assert!(!sniff(other), "{other:?}");
    }
    assert!(!sniff(&gzip(
        b"not a profile at all, but a text that is long enough"
    )));
}
