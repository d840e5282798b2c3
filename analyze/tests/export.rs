//! What the programs make of our exports for which they are made: the same functions with the same
//! weights. Those of npm are looked for in the folder of `FREEZEFRAME_NPM`, else in `target/npm`,
//! where `scripts/deps.sh` puts them.

#![allow(clippy::unwrap_used)]

mod common;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use freezeframe_analyze::profile::export::{Source, firefox, pprof, speedscope};
use freezeframe_analyze::profile::scope::Scope;
use freezeframe_analyze::profile::top::{Order, top};
use freezeframe_analyze::profile::{Frame, FrameKind, Profile, Sample, Task, Unit};
use serde_json::Value;

/// Two processes, one with two threads, in a window of three seconds at 100 Hz.
fn profile() -> Profile {
    let mut profile = Profile::new("cpu", "cpu-clock", Unit::Count, "perf/perf.data");
    profile.frequency_hz = Some(100);
    profile.span_ns = Some((1_000_000_000, 4_000_000_000));
    let task = |pid, tid, process: &str, thread: &str| Task {
        pid: Some(pid),
        tid: Some(tid),
        process: process.into(),
        thread: thread.into(),
        pod: Some("shop/cart-0".into()),
        ..Task::default()
    };
    profile.tasks = vec![
        task(100, 100, "cart", "cart"),
        task(100, 101, "cart", "worker"),
        task(7, 7, "df", "df"),
    ];
    let stacks: [&[(&str, FrameKind)]; 4] = [
        &[("main", FrameKind::User), ("hash<T, U>", FrameKind::User)],
        &[
            ("main", FrameKind::User),
            ("runtime.mallocgc", FrameKind::GoRuntime),
        ],
        &[
            ("main", FrameKind::User),
            ("read", FrameKind::User),
            ("vfs_read", FrameKind::Kernel),
        ],
        &[
            ("loop", FrameKind::Generated),
            ("loop", FrameKind::Generated),
        ],
    ];
    for n in 0..300_u64 {
        let frames = stacks[(n * n % 7 % 4) as usize]
            .iter()
            .map(|(name, kind)| Frame {
                function: (*name).into(),
                module: format!("/usr/bin/{}", kind.name()),
                kind: *kind,
                is_named: true,
            });
        let frames: Vec<_> = frames.map(|frame| profile.symbols.intern(frame)).collect();
        let stack = profile.stacks.intern(frames);
        profile.samples.push(Sample {
            time_ns: Some(1_000_000_000 + n * 10_000_000),
            cpu: Some(0),
            task: (n % 5 % 3) as u32,
            stack,
            weight: 1,
        });
    }
    profile
}

fn source<'a>(profile: &'a Profile, scope: &'a Scope) -> Source<'a> {
    Source {
        profile,
        scope,
        threads: false,
        capture: None,
    }
}

/// Flat and cumulative weight by function.
type Weights = BTreeMap<String, (u64, u64)>;

fn ours(profile: &Profile) -> Weights {
    let (functions, _) = top(profile, &Scope::node(), Order::Flat);
    let weights = functions
        .into_iter()
        .map(|one| (one.name, (one.flat, one.cumulative)));
    weights.collect()
}

fn text(done: &Output) -> String {
    assert!(done.status.success(), "{done:?}");
    String::from_utf8_lossy(&done.stdout).into_owned()
}

/// Folder of what npm installed, if this package is there and node runs.
fn npm(package: &str) -> Option<PathBuf> {
    let default = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/npm");
    let root = std::env::var_os("FREEZEFRAME_NPM").map_or_else(default, PathBuf::from);
    let folder = root.join("node_modules");
    let has_node = Command::new("node").arg("--version").output().is_ok();
    if !has_node || !folder.join(package).exists() {
        println!(
            "skipped: {package} of npm is not installed in {}",
            root.display()
        );
        return None;
    }
    Some(folder)
}

#[test]
fn go_tool_pprof_shows_the_same() {
    if Command::new("go").arg("version").output().is_err() {
        println!("skipped: go is not installed");
        return;
    }
    let (profile, scope) = (profile(), Scope::node());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.pb.gz");
    std::fs::write(&path, pprof::export(source(&profile, &scope)).unwrap()).unwrap();
    let go = |arguments: &[&str]| {
        let mut command = Command::new("go");
        let command = command.args(["tool", "pprof", "-symbolize=none"]);
        text(&command.args(arguments).arg(&path).output().unwrap())
    };
    let listed = go(&["-top", "-nodefraction=0", "-sample_index=samples"]);
    let mut theirs = Weights::new();
    for line in listed
        .lines()
        .skip_while(|line| !line.contains("flat%"))
        .skip(1)
    {
        let words: Vec<&str> = line.split_whitespace().collect();
        let weights = (words[0].parse().unwrap(), words[3].parse().unwrap());
        theirs.insert(words[5..].join(" "), weights);
    }
    assert_eq!(theirs, ours(&profile));
    let cpu = go(&["-top", "-unit=ms", "-sample_index=cpu"]);
    assert!(cpu.contains("of 3000ms total"), "{cpu}");
    assert!(
        go(&["-top", "-tagfocus=comm=worker", "-sample_index=samples"]).contains("of 300 total")
    );
    let tags = go(&["-tags"]);
    assert!(
        tags.contains("pod: Total") && tags.contains("shop/cart-0"),
        "{tags}"
    );
    let raw = go(&["-raw"]);
    assert!(raw.contains("PeriodType: cpu nanoseconds") && raw.contains("Period: 10000000"));
    assert!(raw.contains("/usr/bin/user"), "{raw}");
}

#[test]
fn speedscope_takes_it() {
    let Some(modules) = npm("speedscope").and(npm("ajv")) else {
        return;
    };
    let (profile, scope) = (profile(), Scope::node());
    let file = speedscope::export(source(&profile, &scope)).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.speedscope.json");
    std::fs::write(&path, &file).unwrap();
    let script = "
        const [modules, path] = process.argv.slice(1)
        const Ajv = require(modules + '/ajv')
        const schema = require(modules + '/speedscope/dist/release/file-format-schema.json')
        const check = new Ajv({strict: false}).compile(schema)
        if (!check(require(path))) throw new Error(JSON.stringify(check.errors))";
    let node = Command::new("node")
        .args(["-e", script])
        .arg(modules)
        .arg(path)
        .output();
    text(&node.unwrap());

    // As speedscope counts: a weight is that of the innermost frame and, once, of each caller.
    let file: Value = serde_json::from_slice(&file).unwrap();
    let mut theirs = Weights::new();
    for one in file["profiles"].as_array().unwrap() {
        let samples = one["samples"].as_array().unwrap();
        let weights = one["weights"].as_array().unwrap();
        assert_eq!(samples.len(), weights.len());
        for (sample, weight) in samples.iter().zip(weights) {
            let weight = weight.as_u64().unwrap() / 10_000_000;
            let frames = sample.as_array().unwrap().iter();
            let mut names: Vec<&str> = frames
                .map(|id| &file["shared"]["frames"][id.as_u64().unwrap() as usize]["name"])
                .map(|name| name.as_str().unwrap())
                .map(|name| name.trim_end_matches("_[k]").trim_end_matches("_[j]"))
                .collect();
            theirs
                .entry((*names.last().unwrap()).to_owned())
                .or_default()
                .0 += weight;
            names.sort_unstable();
            names.dedup();
            for name in names {
                theirs.entry(name.to_owned()).or_default().1 += weight;
            }
        }
    }
    assert_eq!(theirs, ours(&profile));
}

/// A process that ends with the test, whatever becomes of it.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn firefox_profiler_shows_the_same() {
    let Some(modules) = npm("@firefox-devtools/profiler-cli") else {
        return;
    };
    let (profile, scope) = (profile(), Scope::node());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.json");
    std::fs::write(&path, firefox::export(source(&profile, &scope)).unwrap()).unwrap();
    let program = modules.join("@firefox-devtools/profiler-cli/dist/profiler-cli.js");
    let cli = |arguments: &[&str]| {
        let mut command = Command::new("node");
        command
            .arg(&program)
            .args(arguments)
            .args(["--session", "x"]);
        command.env("PROFILER_CLI_SESSION_DIR", folder.path().join("sessions"));
        command
    };
    // Its own way of starting this process gives up after half a second.
    let mut daemon = cli(&["--daemon", path.to_str().unwrap()]);
    let daemon = daemon.stdout(Stdio::null()).stderr(Stdio::null());
    let _daemon = Ended(daemon.spawn().unwrap());
    let list = || cli(&["thread", "list", "--json"]).output().unwrap();
    let ends = Instant::now() + Duration::from_mins(1);
    let mut listed = list();
    while !listed.status.success() && Instant::now() < ends {
        std::thread::sleep(Duration::from_millis(200));
        listed = list();
    }
    let mut theirs = Weights::new();
    let mut names = Vec::new();
    let threads: Value = serde_json::from_str(&text(&listed)).unwrap();
    for thread in threads["threads"].as_array().unwrap() {
        names.push(thread["name"].as_str().unwrap().to_owned());
        let handle = thread["threadHandle"].as_str().unwrap();
        let mut functions = cli(&["thread", "functions", "--json", "--limit", "0"]);
        let functions = text(&functions.args(["--thread", handle]).output().unwrap());
        let functions: Value = serde_json::from_str(&functions).unwrap();
        for one in functions["functions"].as_array().unwrap() {
            let name = one["name"].as_str().unwrap().to_owned();
            let sum = theirs.entry(name).or_default();
            sum.0 += one["selfSamples"].as_u64().unwrap();
            sum.1 += one["totalSamples"].as_u64().unwrap();
        }
    }
    names.sort_unstable();
    assert_eq!(
        names,
        [
            "cart [100] shop/cart-0",
            "df [7] shop/cart-0",
            "worker [101]"
        ]
    );
    assert_eq!(theirs, ours(&profile));
}

#[test]
fn perf_opens_the_records_of_a_bundle() {
    let folder = tempfile::tempdir().unwrap();
    let recorded = folder.path().join("recorded.data");
    let work = "i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done";
    let perf = Command::new("perf")
        .args(["record", "-q", "-g", "-F", "999", "-e", "cpu-clock", "-o"])
        .arg(&recorded)
        .args(["--", "sh", "-c", work])
        .output();
    if !perf.is_ok_and(|done| done.status.success()) {
        println!("skipped: perf is not installed or may not record");
        return;
    }
    let bytes = std::fs::read(&recorded).unwrap();
    let bundle = folder.path().join("node1.tar.zst");
    std::fs::write(&bundle, common::bundle(&[("perf/perf.data", &bytes)])).unwrap();
    let exported = folder.path().join("exported.data");
    let analyze = |input: &Path, arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_analyze"));
        text(
            &command
                .arg(arguments[0])
                .arg(input)
                .args(&arguments[1..])
                .output()
                .unwrap(),
        )
    };
    let output = exported.to_str().unwrap();
    for input in [&bundle, &recorded] {
        analyze(input, &["export", "--to", "perf-data", "-o", output]);
        assert_eq!(std::fs::read(&exported).unwrap(), bytes);
    }
    let listed = Command::new("perf")
        .args(["script", "-F", "comm", "-G", "-i", output])
        .output();
    let theirs = text(&listed.unwrap())
        .lines()
        .filter(|line| !line.trim().is_empty())
        .count();
    let stacks = analyze(&bundle, &["export", "--to", "folded", "-o", "-"]);
    let weights = stacks.lines().map(|line| line.rsplit_once(' ').unwrap().1);
    let ours: usize = weights.map(|weight| weight.parse::<usize>().unwrap()).sum();
    assert!(theirs > 0);
    assert_eq!(ours, theirs);
}
