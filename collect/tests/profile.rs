//! The CPU profile of this machine: what `perf` opens, and names of programs that burn CPU.

#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

mod fake;

use std::path::Path;
use std::process::Command;
use std::sync::Mutex;

use fake::load::{BURN, DUMP, GENERATE, Load, WAIT, compile, run};
use fake::{FakeNode, bytes, collect, read};
use freezeframe_bundle::{Item, Outcome};
use serde_json::Value;

/// Profiles of the whole machine disturb one another.
static ALONE: Mutex<()> = Mutex::new(());

/// Whether this machine can be sampled and has a compiler.
fn is_possible(why_not: &str) -> bool {
    let root = Command::new("id").arg("-u").output().unwrap().stdout == b"0\n";
    let compiler = Command::new("cc").arg("--version").output().is_ok();
    if !root || !compiler {
        println!("skipped: {why_not} needs root and a C compiler");
    }
    root && compiler
}

/// A profile as it is in the bundle.
struct Profile {
    folder: tempfile::TempDir,
    items: Vec<Item>,
}

impl Profile {
    fn take(window: &str) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let mut command = collect(folder.path());
        command.args(["--only", "perf", "--window", window, "-o", "b.tar.zst"]);
        let output = command.output().unwrap();
        let (items, contents) = read(&folder.path().join("b.tar.zst"));
        let summary = contents.summary.unwrap();
        let source = &summary.sources[0];
        if bytes(&items, "perf/meta.json").is_none() {
            println!("skipped: no sampling here: {:?}", source.outcome);
            assert!(source.outcome.reason().is_some());
            return None;
        }
        // On a busy machine not every name is found in time.
        let code = output.status.code();
        assert!(matches!(code, Some(0 | 3)), "{}", fake::stderr(&output));
        Some(Self { folder, items })
    }

    fn lines(&self, member: &str) -> Vec<Value> {
        let bytes = bytes(&self.items, member).unwrap();
        let lines = bytes
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty());
        lines
            .map(|line| serde_json::from_slice(line).unwrap())
            .collect()
    }

    /// Names of what was hit in the module with this path, and how often.
    fn names(&self, path: &Path) -> Vec<(String, u64)> {
        let path = path.to_str().unwrap();
        let modules = self.lines("perf/modules.jsonl");
        let ids: Vec<&Value> = modules
            .iter()
            .filter(|module| module["path"] == path)
            .map(|module| &module["module"])
            .collect();
        let symbols = self.lines("perf/symbols.jsonl");
        let of_it = symbols
            .iter()
            .filter(|symbol| ids.contains(&&symbol["module"]));
        of_it
            .map(|symbol| {
                let hits = symbol["hits"].as_array().unwrap().iter();
                let hits = hits.map(|hit| hit[1].as_u64().unwrap()).sum();
                (symbol["name"].as_str().unwrap_or("?").to_owned(), hits)
            })
            .collect()
    }

    fn assert_hot(&self, path: &Path, name: &str) {
        let names = self.names(path);
        let hottest = names
            .iter()
            .max_by_key(|(found, hits)| (*hits, found == name));
        let hottest = hottest.map(|(name, _)| name.as_str());
        assert_eq!(hottest, Some(name), "{}: {names:?}", path.display());
    }
}

#[test]
fn hot_functions_have_names_wherever_they_are() {
    let _alone = ALONE
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    if !is_possible("a profile") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let with_frames = compile(folder, "frames", BURN, &["-fno-omit-frame-pointer"]);
    let without = compile(folder, "without", BURN, &["-fomit-frame-pointer"]);
    let deleted = compile(folder, "deleted", BURN, &[]);
    // Where this test cannot see it by its path: in a mount namespace with another root.
    std::fs::create_dir_all(folder.join("root/tmp")).unwrap();
    let inside = compile(&folder.join("root"), "inside", BURN, &["-static"]);
    compile(&folder.join("root"), "generate", GENERATE, &["-static"]);
    let chroot = |program: &str| {
        let mut command = Command::new("unshare");
        command
            .args(["-mpf", "--kill-child", "chroot"])
            .arg(folder.join("root"))
            .arg(program);
        Load::start(&mut command)
    };
    let mut loads = vec![run(&with_frames), run(&without), run(&deleted)];
    loads.extend([chroot("/inside"), chroot("/generate")]);
    std::thread::sleep(std::time::Duration::from_millis(300));
    std::fs::remove_file(&deleted).unwrap();
    let Some(profile) = Profile::take("3") else {
        return;
    };
    drop(loads);
    profile.assert_hot(&with_frames, "leaf_hash");
    profile.assert_hot(&without, "leaf_hash");
    profile.assert_hot(&deleted, "leaf_hash");
    profile.assert_hot(&inside, "leaf_hash");
    profile.assert_hot(Path::new("/tmp/perf-1.map"), "GeneratedLoop::run(int, int)");
    // Callers are there where frame pointers are; a leaf function has none of its own.
    let names = profile.names(&with_frames);
    assert!(names.iter().any(|(name, _)| name == "main"), "{names:?}");
    let modules = profile.lines("perf/modules.jsonl");
    let module = |path: &Path| {
        let path = path.to_str().unwrap();
        modules
            .iter()
            .find(|module| module["path"] == path)
            .unwrap()
            .clone()
    };
    assert_eq!(module(&deleted)["deleted"], true);
    assert!(module(&with_frames)["build_id"].as_str().unwrap().len() == 40);
    assert_opened_by_perf(&profile);
}

/// The real `perf` opens the records, and finds what we found.
fn assert_opened_by_perf(profile: &Profile) {
    let path = profile.folder.path().join("perf.data");
    std::fs::write(&path, bytes(&profile.items, "perf/perf.data").unwrap()).unwrap();
    let perf = |arguments: &[&str]| {
        let output = Command::new("perf")
            .args(arguments)
            .arg("-i")
            .arg(&path)
            .output();
        output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let Ok(report) = perf(&[
        "report",
        "--stdio",
        "--no-children",
        "-g",
        "none",
        "--sort",
        "comm",
    ]) else {
        println!("skipped: no perf here");
        return;
    };
    for comm in ["frames", "without", "deleted", "inside", "generate"] {
        assert!(
            report
                .lines()
                .any(|line| line.ends_with(comm) || line.trim_end().ends_with(comm)),
            "{report}"
        );
    }
    let script = perf(&["script", "-F", "comm,pid,event,ip,sym"]).unwrap();
    assert!(script.contains("leaf_hash"), "{script}");
    let meta = &profile.lines("perf/meta.json")[0];
    let samples = script
        .lines()
        .filter(|line| line.contains("cpu-clock") || line.contains("cycles"));
    assert_eq!(samples.count() as u64, meta["samples"].as_u64().unwrap());
}

/// What the program itself measured is what the records of its switches say.
#[test]
fn threads_that_wait_are_seen_for_as_long_as_they_waited() {
    let _alone = ALONE
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    if !is_possible("a profile") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let wait = compile(folder.path(), "wait", WAIT, &[]);
    let told = folder.path().join("told");
    let mut command = Command::new(&wait);
    let output = std::fs::File::create(&told).unwrap();
    let load = Load::start(command.current_dir(folder.path()).stdout(output));
    let profile = Profile::take("4");
    let pid = load.pid();
    drop(load);
    let Some(profile) = profile else { return };
    let meta = profile.lines("perf/meta.json")[0]["switches"].clone();
    let data = bytes(&profile.items, "perf/switches.data").unwrap();
    let away = times_away(data, pid);
    let slices = meta["slices_us"].as_array().unwrap().iter();
    let slices: Vec<_> = slices
        .map(|slice| [0, 1].map(|end| slice[end].as_u64().unwrap() * 1000))
        .collect();
    let (mut waits, mut measured, mut seen) = (0, 0, 0);
    for line in std::fs::read_to_string(told).unwrap().lines() {
        let fields: Vec<u64> = line.split(' ').filter_map(|f| f.parse().ok()).collect();
        let &[from, until, cpu] = &fields[..] else {
            continue;
        };
        let is_watched = |slice: &&[u64; 2]| slice[0] <= from && until <= slice[1];
        if slices.iter().find(is_watched).is_none() {
            continue;
        }
        let within = away.iter().filter(|a| from <= a[0] && a[1] <= until);
        let length: u64 = within.map(|a| a[1] - a[0]).sum();
        assert!(length <= until - from, "{line}: {length}");
        waits += 1;
        measured += (until - from).saturating_sub(cpu);
        seen += length;
    }
    if waits == 0 {
        println!("skipped: the machine is too busy: {meta}");
        return;
    }
    println!("{waits} waits: {measured} ns measured, {seen} ns seen, {meta}");
    assert!(
        measured.abs_diff(seen) < measured / 10,
        "{measured} beside {seen}"
    );
    let names = profile.names(Path::new("[kernel.kallsyms]"));
    let is_named = names.iter().any(|(name, _)| name.contains("nanosleep"));
    let is_hidden = profile.lines("perf/meta.json")[0]["kernel_symbols_hidden"] == true;
    assert!(is_named || is_hidden);
    assert_switches_opened_by_perf(&profile, &meta);
}

/// From when until when a thread was on no CPU, by records of its switches.
fn times_away(data: &[u8], tid: u32) -> Vec<[u64; 2]> {
    let word = |at: usize| u64::from_ne_bytes(data[at..at + 8].try_into().unwrap());
    let half = |at: usize| u32::from_ne_bytes(data[at..at + 4].try_into().unwrap());
    let (mut at, end) = (word(40) as usize, (word(40) + word(48)) as usize);
    let mut switches = Vec::new();
    while at < end {
        let (kind, misc) = (half(at), half(at + 4) as u16);
        // SWITCH_CPU_WIDE: the other thread, then this one, the time, the CPU.
        if kind == 15 && half(at + 20) == tid {
            switches.push((word(at + 24), misc & 1 << 13 != 0));
        }
        at += usize::from((half(at + 4) >> 16) as u16);
    }
    switches.sort_unstable();
    let pairs = switches.windows(2).filter(|pair| pair[0].1 && !pair[1].1);
    pairs.map(|pair| [pair[0].0, pair[1].0]).collect()
}

/// The real `perf` finds as many samples and switches.
fn assert_switches_opened_by_perf(profile: &Profile, meta: &Value) {
    let path = profile.folder.path().join("switches.data");
    std::fs::write(&path, bytes(&profile.items, "perf/switches.data").unwrap()).unwrap();
    let mut script = Command::new("perf");
    script.args([
        "script",
        "--show-switch-events",
        "-F",
        "comm,tid,time,event,ip,sym",
        "-i",
    ]);
    let Ok(output) = script.arg(&path).output() else {
        println!("skipped: no perf here");
        return;
    };
    let text = String::from_utf8_lossy(&output.stdout);
    let count = |what: &str| text.lines().filter(|line| line.contains(what)).count() as u64;
    assert_eq!(Some(count("context-switches")), meta["samples"].as_u64());
    assert_eq!(
        Some(count("PERF_RECORD_SWITCH_CPU_WIDE")),
        meta["records"].as_u64()
    );
    assert!(
        text.lines()
            .any(|line| line.trim_start().starts_with("wait "))
    );
}

#[test]
#[cfg_attr(not(target_arch = "x86_64"), ignore = "the code is that of x86_64")]
fn jitdumps_have_names_even_when_they_are_gone() {
    let _alone = ALONE
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    if !is_possible("a profile") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let program = compile(folder.path(), "dump", DUMP, &[]);
    let load = Load::start(Command::new(program).current_dir(folder.path()));
    std::thread::sleep(std::time::Duration::from_millis(300));
    let profile = Profile::take("2");
    drop(load);
    if let Some(profile) = profile {
        let symbols = profile.lines("perf/symbols.jsonl");
        let dumped = symbols.iter().find(|symbol| symbol["from"] == "jitdump");
        assert_eq!(dumped.unwrap()["name"], "DumpedLoop::run(int, int)");
        let modules = profile.lines("perf/modules.jsonl");
        let module = &dumped.unwrap()["module"];
        let module = modules.iter().find(|other| other["module"] == *module);
        assert_eq!(module.unwrap()["kind"], "generated");
    }
}

#[test]
fn stripped_go_binaries_have_names() {
    let _alone = ALONE
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    let folder = tempfile::tempdir().unwrap();
    let (source, program) = (folder.path().join("hot.go"), folder.path().join("hot"));
    std::fs::write(
        &source,
        "package main\n\n//go:noinline\nfunc hotLoop(x uint64) uint64 {\n\tfor i := 0; i < 5000; i++ {\n\
         \t\tx = x*31 + x>>7\n\t}\n\treturn x\n}\n\nfunc main() {\n\tfor x := uint64(1); ; {\n\
         \t\tx = hotLoop(x)\n\t}\n}\n",
    )
    .unwrap();
    let mut go = Command::new("go");
    go.args(["build", "-ldflags", "-s -w", "-o"])
        .arg(&program)
        .arg(&source);
    if !go.status().is_ok_and(|status| status.success()) || !is_possible("a profile") {
        println!("skipped: no Go here");
        return;
    }
    let load = run(&program);
    let profile = Profile::take("2");
    drop(load);
    if let Some(profile) = profile {
        profile.assert_hot(&program, "main.hotLoop");
    }
}

#[test]
fn a_program_that_ends_early_keeps_its_names() {
    let _alone = ALONE
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    if !is_possible("a profile") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let burn = compile(folder.path(), "brief", BURN, &[]);
    let path = burn.clone();
    let brief = std::thread::spawn(move || {
        std::thread::sleep(std::time::Duration::from_millis(700));
        let load = run(&path);
        std::thread::sleep(std::time::Duration::from_millis(1200));
        drop(load);
        std::fs::remove_file(&path).unwrap();
    });
    let profile = Profile::take("3");
    brief.join().unwrap();
    if let Some(profile) = profile {
        profile.assert_hot(&burn, "leaf_hash");
        let processes = profile.lines("perf/processes.jsonl");
        let brief = processes
            .iter()
            .find(|process| process["comm"] == "brief")
            .unwrap();
        assert!(brief["executed_ns"].as_u64().unwrap() > 0);
        assert!(brief["cgroups"].is_array());
    }
}

#[test]
fn a_folder_is_not_sampled() {
    let node = FakeNode::new();
    node.collect(&["--only", "perf", "--window", "1"]);
    let (_, contents) = node.read();
    let outcome = contents.summary.unwrap().sources[0].outcome.clone();
    assert_eq!(outcome, Outcome::Absent("only of the live node".to_owned()));
    let folder = tempfile::tempdir().unwrap();
    let mut command = collect(folder.path());
    command.args(["--only", "perf", "--window", "0", "-o", "b.tar.zst"]);
    assert!(command.status().unwrap().code().is_some());
    let (_, contents) = read(&folder.path().join("b.tar.zst"));
    let outcome = contents.summary.unwrap().sources[0].outcome.clone();
    assert!(matches!(outcome, Outcome::Skipped(_)), "{outcome:?}");
}

/// What the real `perf` finds at the same time: a program's share of all samples, and of its own
/// those in each function.
#[test]
#[ignore = "shares need a machine that is not starved: run it alone"]
fn shares_are_those_of_perf_record() {
    let _alone = ALONE
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    if !is_possible("a profile") || Command::new("perf").arg("--version").output().is_err() {
        println!("skipped: no perf here");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let programs = ["first", "second", "third"];
    let loads = programs.map(|name| {
        let flags = ["-fno-omit-frame-pointer"];
        run(&compile(folder.path(), name, BURN, &flags))
    });
    let recorded = folder.path().join("recorded");
    let mut perf = Command::new("perf");
    perf.args(["record", "-q", "-F", "99", "-a", "-g", "-o"])
        .arg(&recorded);
    let mut perf = perf.args(["--", "sleep", "10"]).spawn().unwrap();
    let profile = Profile::take("10");
    perf.wait().unwrap();
    drop(loads);
    let Some(profile) = profile else { return };
    let ours = folder.path().join("ours");
    std::fs::write(&ours, bytes(&profile.items, "perf/perf.data").unwrap()).unwrap();
    let (ours, theirs) = (shares(&ours), shares(&recorded));
    for name in programs {
        let share = |list: &[(String, f64)]| list.iter().find(|(comm, _)| comm == name).unwrap().1;
        let (ours, theirs) = (share(&ours), share(&theirs));
        println!("{name}: {ours:.1} % beside {theirs:.1} %");
        assert!(
            (ours - theirs).abs() < 3.0,
            "{name}: {ours} beside {theirs}"
        );
    }
}

/// Shares of all samples that are not idle, by program, for its hot function.
fn shares(data: &Path) -> Vec<(String, f64)> {
    let mut script = Command::new("perf");
    script
        .args(["script", "-G", "-F", "comm,ip,sym", "-i"])
        .arg(data);
    let text = String::from_utf8_lossy(&script.output().unwrap().stdout).into_owned();
    let lines = text.lines().map(str::trim);
    let lines: Vec<&str> = lines
        .filter(|line| !line.is_empty() && !line.starts_with("swapper"))
        .collect();
    let mut counts = std::collections::BTreeMap::<String, f64>::new();
    for line in &lines {
        let comm = line.split_ascii_whitespace().next().unwrap_or_default();
        if line.contains("leaf_hash") {
            *counts.entry(comm.to_owned()).or_default() += 100.0 / lines.len() as f64;
        }
    }
    counts.into_iter().collect()
}

#[test]
fn who_may_not_sample_is_told_what_it_takes() {
    let folder = tempfile::tempdir().unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o777);
    std::fs::set_permissions(folder.path(), mode).unwrap();
    let binary = folder.path().join("collect");
    std::fs::copy(collect(folder.path()).get_program(), &binary).unwrap();
    let mut command = Command::new("setpriv");
    command
        .args(["--reuid=65534", "--regid=65534", "--clear-groups", "--"])
        .arg(&binary);
    command.args(["--only", "perf,system", "--window", "1", "-o", "b.tar.zst"]);
    let output = command.current_dir(folder.path()).output();
    let paranoid = std::fs::read_to_string("/proc/sys/kernel/perf_event_paranoid");
    let is_closed =
        paranoid.is_ok_and(|text| text.trim().parse().is_ok_and(|level: i64| level > 0));
    if !output.is_ok_and(|output| output.status.code() == Some(3)) || !is_closed {
        println!("skipped: no setpriv, or everybody may sample here");
        return;
    }
    let (items, contents) = read(&folder.path().join("b.tar.zst"));
    let summary = contents.summary.unwrap();
    let Outcome::Denied(why) = &summary.sources[0].outcome else {
        panic!("{:?}", summary.sources[0].outcome);
    };
    assert!(
        why.contains("CAP_PERFMON") && why.contains("perf_event_paranoid is"),
        "{why}"
    );
    assert!(
        bytes(&items, "root/proc/stat").is_some(),
        "the rest is unaffected"
    );
}
