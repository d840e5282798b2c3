//! Files of pprof made by others, and what `go tool pprof` says of the same file.

#![allow(clippy::unwrap_used)]

mod common;

use std::path::{Path, PathBuf};
use std::process::Command;

use common::{corpus, csv, loaded};
use freezeframe_analyze::profile::pprof::{Pprof, is_old, read, sniff};
use freezeframe_analyze::profile::scope::Scope;
use freezeframe_analyze::profile::top::{Order, top};
use freezeframe_analyze::profile::{Profile, goroutine};
use serde_json::Value;

fn testdata(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../testdata/pprof")
        .join(name)
}

fn parsed(path: &Path) -> Pprof {
    read(&std::fs::read(path).unwrap(), &path.to_string_lossy())
}

/// Every file below a folder, sorted.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(self::files(&path));
        } else {
            files.push(path);
        }
    }
    files.sort();
    files
}

/// Files of pprof in the folder of tests and, where it is there, in the corpus.
fn profiles() -> Vec<PathBuf> {
    let mut all = files(&testdata(""));
    for folder in [
        "felixge__pprofutils",
        "parca-dev__parca",
        "google__pprof",
        "jlfwong__speedscope",
        "../records",
    ] {
        all.extend(corpus(folder).iter().flat_map(|folder| files(folder)));
    }
    all.retain(|path| sniff(&std::fs::read(path).unwrap()));
    all
}

/// Rows of `go tool pprof -top`: flat, cumulative, function.
fn go_top(path: &Path, event: &str, order: Order) -> Vec<(u64, u64, String)> {
    let done = Command::new("go")
        .args(["tool", "pprof", "-top", "-symbolize=none"])
        .args(["-nodecount=1000000", "-nodefraction=0", "-edgefraction=0"])
        .arg(format!("-sample_index={event}"))
        .args(match order {
            Order::Flat => ["-unit=ns", "-flat"],
            Order::Cumulative => ["-unit=ns", "-cum"],
        })
        .arg(path)
        .output()
        .unwrap();
    assert!(done.status.success(), "{}: {done:?}", path.display());
    let text = String::from_utf8_lossy(&done.stdout).into_owned();
    let rows = text
        .lines()
        .skip_while(|line| !line.trim_start().starts_with("flat"));
    let row = |line: &str| {
        let (numbers, name) = line.split_at_checked(line.find('%')?)?;
        let flat = amount(numbers.split_whitespace().next()?)?;
        // `25.00% 75.00%     10ns 25.00%  main.work (inline)`
        let mut words = name.trim_start_matches('%').split_whitespace();
        let cumulative = amount(words.nth(1)?)?;
        words.next()?;
        let name = words.collect::<Vec<_>>().join(" ");
        let name = name
            .trim_end_matches(" (inline)")
            .trim_end_matches(" (partial-inline)");
        Some((flat, cumulative, name.replace("<unknown>", "[unknown]")))
    };
    rows.skip(1)
        .map(|line| row(line).unwrap_or_else(|| panic!("{line}")))
        .collect()
}

/// `10ns`, `4096B`, `7`: whole numbers in the unit that was asked for, or in which it is.
fn amount(text: &str) -> Option<u64> {
    let unit = text
        .find(|c: char| c.is_ascii_alphabetic())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(unit);
    assert!(["", "ns", "B"].contains(&unit), "{text}");
    number.parse().ok()
}

fn our_top(profile: &Profile, order: Order) -> Vec<(u64, u64, String)> {
    let (functions, _) = top(profile, &Scope::node(), order);
    let rows = functions
        .into_iter()
        .map(|one| (one.flat, one.cumulative, one.name));
    rows.collect()
}

#[test]
fn the_same_functions_as_go_tool_pprof() {
    if Command::new("go").arg("version").output().is_err() {
        println!("skipped: go is not installed");
        return;
    }
    let mut compared = 0;
    for path in profiles() {
        for profile in parsed(&path).profiles {
            for order in [Order::Flat, Order::Cumulative] {
                let (ours, theirs) = (
                    our_top(&profile, order),
                    go_top(&path, &profile.event, order),
                );
                for (place, (our, their)) in ours.iter().zip(&theirs).enumerate() {
                    assert_eq!(
                        our, their,
                        "{path:?} {} {order:?} row {place}",
                        profile.event
                    );
                }
                assert_eq!(ours.len(), theirs.len(), "{path:?} {}", profile.event);
                compared += ours.len();
            }
        }
    }
    println!("{compared} rows compared");
    assert!(compared > 1000);
}

#[test]
fn files_of_others_are_read_whole_or_refused_with_a_reason() {
    for path in profiles() {
        let pprof = parsed(&path);
        assert_eq!(pprof.damage, Vec::<String>::new(), "{path:?}");
        assert!(!pprof.profiles.is_empty());
    }
    let Some(old) = corpus("google__pprof/profile/testdata") else {
        return;
    };
    for path in files(&old) {
        let bytes = std::fs::read(&path).unwrap();
        if path.extension().is_none_or(|e| e != "string") && !sniff(&bytes) {
            assert!(is_old(&bytes), "{path:?}");
        }
    }
}

#[test]
fn dumps_of_goroutines_as_their_own_parser_reads_them() {
    let Some(folder) = corpus("DataDog__gostackparse/test-fixtures") else {
        return;
    };
    for path in files(&folder) {
        let name = path.to_string_lossy().into_owned();
        // Two are of broken dumps; of these we keep what can be read.
        let Some(golden) = name
            .strip_suffix(".txt")
            .filter(|name| !name.ends_with("partial_stack"))
        else {
            continue;
        };
        let golden = std::fs::read_to_string(format!("{golden}.golden.json")).unwrap();
        let golden: Value = serde_json::from_str(&golden).unwrap();
        let dump = goroutine::parse(&String::from_utf8_lossy(&std::fs::read(&path).unwrap()));
        for expected in golden["Goroutines"].as_array().unwrap() {
            let id = expected["ID"].as_u64().unwrap();
            let found = dump.goroutines.iter().find(|one| one.id == id).unwrap();
            assert_eq!(found.state, expected["State"], "{name} {id}");
            let minutes = expected["Wait"].as_u64().unwrap() / 60_000_000_000;
            assert_eq!(found.wait_minutes.unwrap_or(0), minutes, "{name} {id}");
            assert_eq!(found.is_locked, expected["LockedToThread"]);
            assert_eq!(found.is_elided, expected["FramesElided"]);
            let functions = expected["Stack"].as_array().unwrap().iter();
            let functions: Vec<&str> = functions.map(|one| one["Func"].as_str().unwrap()).collect();
            assert_eq!(found.stack, functions, "{name} {id}");
            assert_eq!(
                found.created_by.as_deref(),
                expected["CreatedBy"]["Func"].as_str()
            );
        }
    }
}

#[test]
fn tables_of_a_bundle() {
    let member = |path: &str, file: &str| {
        let bytes = std::fs::read(testdata(file)).unwrap();
        (format!("api/{path}"), bytes)
    };
    let loaded = loaded(&[
        member("kubelet/debug/pprof/profile?seconds=5", "kubelet-cpu.pb.gz"),
        member("kubelet/debug/pprof/heap", "kubelet-heap.pb.gz"),
        member("kubelet/debug/pprof/mutex", "kubelet-mutex.pb.gz"),
        member("kubelet/debug/pprof/goroutine", "kubelet-goroutine.pb.gz"),
        member(
            "containerd/debug/pprof/goroutine?debug=2",
            "containerd-goroutine.txt",
        ),
        (
            "api/containerd/debug/pprof/heap".to_owned(),
            b"404 page not found\n".to_vec(),
        ),
    ]);
    let names: Vec<&str> = loaded
        .node
        .profiles
        .iter()
        .map(|profile| profile.name.as_str())
        .collect();
    assert_eq!(
        names,
        [
            "containerd.goroutine",
            "kubelet.cpu",
            "kubelet.cpu.samples",
            "kubelet.goroutine",
            "kubelet.heap.inuse_space",
            "kubelet.heap.alloc_objects",
            "kubelet.heap.alloc_space",
            "kubelet.heap.inuse_objects",
            "kubelet.mutex.delay",
            "kubelet.mutex.contentions",
        ]
    );
    assert_eq!(
        csv(
            &loaded,
            "SELECT component, profile, unit, SUM(value) AS value FROM profile_sample \
             WHERE value_name IN ('cpu', 'inuse_space', 'goroutine') \
             GROUP BY component, profile, unit ORDER BY component, profile"
        ),
        "containerd,goroutine,count,79\nkubelet,cpu,nanoseconds,990000000\n\
         kubelet,goroutine,count,120\nkubelet,heap,bytes,9259908\n"
    );
    assert_eq!(
        csv(
            &loaded,
            "SELECT component, state, COUNT(*) AS n, MAX(wait_us) AS longest_us FROM goroutine \
             GROUP BY component, state ORDER BY n DESC, state LIMIT 3"
        ),
        "containerd,select,41,900000000\ncontainerd,IO wait,27,900000000\n\
         containerd,chan receive,5,900000000\n"
    );
    let damage: Vec<&str> = loaded
        .damage
        .list
        .iter()
        .map(|one| one.reason.as_str())
        .collect();
    assert_eq!(damage, ["not a profile of pprof"]);
}
