//! Programs of known shape on a real kernel: what the profile tells of each is what the kernel counted.
//!
//! It needs root, sampling, and the collector (`FREEZEFRAME_COLLECT`, or `make dist/collect`). What is
//! not there is passed over, and said.

#![allow(clippy::unwrap_used, missing_docs)]

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use freezeframe_analyze::profile::{FrameKind, Profile};
use freezeframe_analyze::table::load;
use freezeframe_bundle::Reader;

/// Shares of a profile and of the CPU time may differ by so much.
const POINTS: f64 = 0.03;
/// Seconds of the window, and samples per second: some hundred samples of each program.
const WINDOW: &str = "10";
const FREQUENCY: &str = "499";

/// A program that burns CPU in one function until this is dropped.
struct Load {
    name: &'static str,
    child: Child,
    /// What burns; of several processes one below the child.
    pid: u32,
    /// Part of the name of the function where the CPU is.
    hot: &'static str,
    kind: FrameKind,
    container: Option<String>,
    began_us: u64,
    ended_us: u64,
}

impl Drop for Load {
    fn drop(&mut self) {
        let _ = Command::new("kill")
            .args(["-9", &self.pid.to_string()])
            .status();
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// CPU time of a process with all its threads (proc(5): `utime`, `stime`).
fn cpu_us(pid: u32) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields = stat.rsplit_once(')').unwrap().1.split_ascii_whitespace();
    fields
        .skip(11)
        .take(2)
        .map(|ticks| ticks.parse::<u64>().unwrap() * 10_000)
        .sum()
}

/// The only child of a process.
fn child_of(pid: u32) -> Option<u32> {
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).ok()?;
    children.split_ascii_whitespace().next()?.parse().ok()
}

struct Yard {
    folder: tempfile::TempDir,
    loads: Vec<Load>,
    cgroups: Vec<PathBuf>,
}

impl Drop for Yard {
    fn drop(&mut self) {
        self.loads.clear();
        for cgroup in self.cgroups.iter().rev() {
            let _ = fs::remove_dir(cgroup);
        }
    }
}

impl Yard {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            loads: Vec::new(),
            cgroups: Vec::new(),
        }
    }

    /// Compiles one of the workloads; nothing where the compiler is missing.
    fn build(&self, name: &str, compiler: &[&str], source: &str) -> Option<PathBuf> {
        let program = self.folder.path().join(name);
        let source = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../testdata/workloads")
            .join(source);
        let mut command = Command::new(compiler[0]);
        command
            .args(&compiler[1..])
            .arg("-o")
            .arg(&program)
            .arg(&source)
            .env("CGO_ENABLED", "0")
            .env("GOCACHE", self.folder.path().join("go-cache"))
            .env("GOFLAGS", "-mod=mod");
        let Ok(status) = command.status() else {
            println!("skipped: {name}: there is no {}", compiler[0]);
            return None;
        };
        assert!(status.success(), "{name} does not compile");
        Some(program)
    }

    fn start(
        &mut self,
        name: &'static str,
        command: &mut Command,
        hot: &'static str,
    ) -> Option<&mut Load> {
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let Ok(child) = command.spawn() else {
            println!("skipped: {name}: not here");
            return None;
        };
        self.loads.push(Load {
            name,
            pid: child.id(),
            child,
            hot,
            kind: FrameKind::User,
            container: None,
            began_us: 0,
            ended_us: 0,
        });
        self.loads.last_mut()
    }

    fn native(&mut self) {
        let c = ["cc", "-O2"];
        for (name, hot, flags) in [
            (
                "frames",
                "hot_frames",
                ["-DHOT=hot_frames", "-fno-omit-frame-pointer"],
            ),
            (
                "bare",
                "hot_bare",
                ["-DHOT=hot_bare", "-fomit-frame-pointer"],
            ),
        ] {
            if let Some(program) = self.build(name, &[&c[..], &flags].concat(), "burn.c") {
                self.start(name, &mut Command::new(program), hot);
            }
        }
        if let Some(program) = self.build("plusplus", &["c++", "-O1"], "burn.cc") {
            self.start(
                "plusplus",
                &mut Command::new(program),
                "freezeframe::Burner<unsigned long>::burn",
            );
        }
        if let Some(program) = self.build("rusty", &["rustc", "-O"], "burn.rs") {
            self.start("rusty", &mut Command::new(program), "furnace::Burner::burn");
        }
        if let Some(program) = self.build("gopher", &["go", "build", "-ldflags=-s -w"], "burn.go") {
            self.start("gopher", &mut Command::new(program), "main.burn");
        }
        if let Some(program) = self.build("deleted", &["cc", "-O2", "-DHOT=hot_deleted"], "burn.c")
        {
            self.start("deleted", &mut Command::new(&program), "hot_deleted");
            std::thread::sleep(std::time::Duration::from_millis(200));
            fs::remove_file(program).unwrap();
        }
    }

    fn scripts(&mut self) {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata/workloads");
        self.start(
            "python",
            Command::new("/usr/bin/python3").arg(folder.join("burn.py")),
            "Eval",
        );
        let mut node = Command::new("node");
        // It leaves a log where it is.
        node.current_dir(self.folder.path());
        node.arg("--perf-basic-prof").arg(folder.join("burn.js"));
        if let Some(load) = self.start("node", &mut node, "burnInScript") {
            load.kind = FrameKind::Generated;
        }
        let mut dd = Command::new("dd");
        dd.args(["if=/dev/zero", "of=/dev/null", "bs=1M"]);
        if let Some(load) = self.start("dd", &mut dd, "") {
            load.kind = FrameKind::Kernel;
        }
    }

    /// A binary that only its own mount namespace shows.
    fn namespaced(&mut self) {
        let Some(program) = self.build(
            "inside",
            &["cc", "-O2", "-static", "-DHOT=hot_inside"],
            "burn.c",
        ) else {
            return;
        };
        let root = self.folder.path().join("root");
        fs::create_dir(&root).unwrap();
        let script = format!(
            "mount -t tmpfs none {0} && cp {1} {0}/inside && rm {1} && exec chroot {0} /inside",
            root.display(),
            program.display()
        );
        self.start(
            "inside",
            Command::new("unshare").args(["-m", "sh", "-c", &script]),
            "hot_inside",
        );
    }

    /// Two containers that share a binary.
    fn containers(&mut self) {
        let Some(program) = self.build("shared", &["cc", "-O2", "-DHOT=hot_shared"], "burn.c")
        else {
            return;
        };
        let mounts = ["/sys/fs/cgroup/memory", "/sys/fs/cgroup"];
        let Some(mount) = mounts
            .iter()
            .find(|m| Path::new(m).join("cgroup.procs").exists())
        else {
            println!("skipped: containers: no cgroups");
            return;
        };
        for (name, digit) in [("shared-a", "a"), ("shared-b", "b")] {
            let pod = Path::new(mount).join(format!(
                "pod{}-0000-4000-8000-000000000000",
                digit.repeat(8)
            ));
            let id = digit.repeat(64);
            if fs::create_dir_all(pod.join(&id)).is_err() {
                println!("skipped: containers: cgroups cannot be made here");
                return;
            }
            self.cgroups.extend([pod.clone(), pod.join(&id)]);
            if let Some(load) = self.start(name, &mut Command::new(&program), "hot_shared") {
                fs::write(pod.join(&id).join("cgroup.procs"), load.pid.to_string()).unwrap();
                load.container = Some(id);
            }
        }
    }

    /// Notes CPU times; `unshare` and shells are replaced by what they start.
    fn note(&mut self, set: fn(&mut Load, u64)) {
        for load in &mut self.loads {
            while let Some(child) = child_of(load.pid) {
                load.pid = child;
            }
            let cpu = cpu_us(load.pid);
            set(load, cpu);
        }
    }
}

/// The release build: another one takes too long to find names where every CPU is busy.
fn collector() -> Option<PathBuf> {
    let built = Path::new(env!("CARGO_MANIFEST_DIR")).join("../dist/collect");
    let named = std::env::var_os("FREEZEFRAME_COLLECT").map(PathBuf::from);
    named.into_iter().chain([built]).find(|path| path.exists())
}

/// The innermost frames of a process: function, kind, whether named, samples.
fn leaves(profile: &Profile, pid: u32) -> Vec<(String, FrameKind, bool, u64)> {
    let mut counts: HashMap<_, u64> = HashMap::new();
    for sample in &profile.samples {
        let task = profile.task(sample);
        if task.pid == Some(pid)
            && let Some(frame) = profile.stacks.innermost_first(sample.stack).next()
        {
            *counts.entry(frame).or_default() += sample.weight;
        }
    }
    let mut leaves: Vec<_> = counts
        .into_iter()
        .filter_map(|(frame, count)| {
            let frame = profile.symbols.get(frame)?;
            Some((frame.function.clone(), frame.kind, frame.is_named, count))
        })
        .collect();
    leaves.sort_by_key(|leaf| std::cmp::Reverse(leaf.3));
    leaves
}

/// `perf record` beside the collector.
fn perf(folder: &Path) -> Option<Child> {
    let mut command = Command::new("perf");
    command
        .args([
            "record",
            "-q",
            "-F",
            FREQUENCY,
            "-a",
            "-g",
            "-e",
            "cpu-clock",
            "-o",
        ])
        .arg(folder.join("perf.data"))
        .args(["--", "sleep", WINDOW])
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let child = command.spawn().ok();
    if child.is_none() {
        println!("skipped: the comparison with perf: not here");
    }
    child
}

/// Samples by process and innermost function as `perf script` tells them.
fn perf_leaves(folder: &Path) -> HashMap<(u32, String), u64> {
    let output = Command::new("perf")
        .args(["script", "-G", "-F", "pid,ip,sym", "-i"])
        .arg(folder.join("perf.data"))
        .output()
        .unwrap();
    let mut counts = HashMap::new();
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        let mut words = line.trim_start().splitn(3, ' ').map(str::trim);
        let pid = words.next().and_then(|pid| pid.parse().ok());
        let rest = line
            .trim_start()
            .split_once(' ')
            .map(|(_, rest)| rest.trim_start());
        let name = rest
            .and_then(|rest| rest.split_once(' '))
            .map(|(_, name)| name.trim());
        if let (Some(pid), Some(name)) = (pid, name) {
            *counts.entry((pid, plain(name))).or_default() += 1;
        }
    }
    counts
}

/// A function's name without arguments, hashes and blanks: tools demangle in their own ways.
fn plain(name: &str) -> String {
    let name = name.split('(').next().unwrap_or(name);
    let name = name.split("::h").next().unwrap_or(name);
    name.split_whitespace().collect()
}

#[test]
fn the_profile_agrees_with_the_kernel() {
    let is_root = Command::new("id").arg("-u").output().unwrap().stdout == b"0\n";
    let Some(collect) = collector().filter(|_| is_root) else {
        println!("skipped: needs root and the collector");
        return;
    };
    let mut yard = Yard::new();
    yard.native();
    yard.scripts();
    yard.namespaced();
    yard.containers();
    // Scripts compile themselves first.
    std::thread::sleep(std::time::Duration::from_secs(2));
    let perf = perf(yard.folder.path());
    yard.note(|load, cpu| load.began_us = cpu);
    let bundle = yard.folder.path().join("b.tar.zst");
    let output = Command::new(collect)
        .args([
            "--only",
            "perf,process",
            "-q",
            "--window",
            WINDOW,
            "--frequency",
            FREQUENCY,
            "-o",
        ])
        .arg(&bundle)
        .output()
        .unwrap();
    yard.note(|load, cpu| load.ended_us = cpu);
    let perf = perf.map(|mut perf| perf.wait());
    let loaded = load::load(Reader::open(&bundle).unwrap()).unwrap();
    let Some(profile) = loaded
        .node
        .profiles
        .iter()
        .find(|profile| profile.name == "cpu")
    else {
        println!(
            "skipped: no sampling here: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        return;
    };
    assert_shares(&yard.loads, profile);
    assert_names(&yard.loads, profile);
    if perf.is_some_and(|status| status.is_ok_and(|status| status.success())) {
        assert_as_perf(&yard, profile);
    }
}

/// The share of each program in the samples is its share of the CPU time.
fn assert_shares(loads: &[Load], profile: &Profile) {
    let samples = |load: &Load| {
        leaves(profile, load.pid)
            .iter()
            .map(|leaf| leaf.3)
            .sum::<u64>() as f64
    };
    let cpu = |load: &Load| (load.ended_us - load.began_us) as f64;
    let all_samples: f64 = loads.iter().map(samples).sum();
    let all_cpu: f64 = loads.iter().map(cpu).sum();
    assert!(all_samples > 100.0, "{all_samples} samples");
    let mut wrong = Vec::new();
    for load in loads {
        let (profiled, counted) = (samples(load) / all_samples, cpu(load) / all_cpu);
        println!(
            "{:<10} {:5.1} % of samples, {:5.1} % of CPU time",
            load.name,
            profiled * 100.0,
            counted * 100.0
        );
        if (profiled - counted).abs() > POINTS {
            wrong.push(load.name);
        }
    }
    assert!(wrong.is_empty(), "{wrong:?} differ by more than 3 points");
}

/// The function that burns is named, and belongs to the container it runs in.
fn assert_names(loads: &[Load], profile: &Profile) {
    for load in loads {
        let leaves = leaves(profile, load.pid);
        // An interpreter is busy in more than one function of its own.
        let places = if load.name == "python" { 3 } else { 1 };
        let is_there = leaves
            .iter()
            .take(places)
            .any(|(function, kind, is_named, _)| {
                function.contains(load.hot) && *kind == load.kind && *is_named
            });
        assert!(is_there, "{}: {leaves:?}", load.name);
        if let Some(id) = &load.container {
            let tasks = profile
                .tasks
                .iter()
                .filter(|task| task.pid == Some(load.pid));
            for task in tasks {
                assert_eq!(task.container_id.as_ref(), Some(id), "{task:?}");
            }
        }
    }
}

/// Of the ten functions that `perf` finds hottest, each has the same share with us.
fn assert_as_perf(yard: &Yard, profile: &Profile) {
    let theirs = perf_leaves(yard.folder.path());
    let mut ours: HashMap<(u32, String), u64> = HashMap::new();
    for load in &yard.loads {
        for (function, _, _, count) in leaves(profile, load.pid) {
            *ours.entry((load.pid, plain(&function))).or_default() += count;
        }
    }
    let pids: Vec<u32> = yard.loads.iter().map(|load| load.pid).collect();
    let of_loads = |counts: &HashMap<(u32, String), u64>| -> f64 {
        counts
            .iter()
            .filter(|((pid, _), _)| pids.contains(pid))
            .map(|(_, count)| *count as f64)
            .sum()
    };
    let (our_total, their_total) = (of_loads(&ours), of_loads(&theirs));
    let mut top: Vec<_> = theirs
        .iter()
        .filter(|((pid, name), _)| pids.contains(pid) && name != "[unknown]")
        .collect();
    top.sort_by_key(|(key, count)| (std::cmp::Reverse(**count), (*key).clone()));
    assert!(
        their_total > 100.0 && !top.is_empty(),
        "perf has {their_total} samples"
    );
    for (key, count) in top.into_iter().take(10) {
        let their_share = *count as f64 / their_total;
        let our_share = ours.get(key).copied().unwrap_or(0) as f64 / our_total;
        println!(
            "{:<60} perf {:5.1} %, here {:5.1} %",
            key.1,
            their_share * 100.0,
            our_share * 100.0
        );
        assert!(
            (their_share - our_share).abs() <= POINTS,
            "{key:?}: perf {their_share}, here {our_share}"
        );
    }
}
