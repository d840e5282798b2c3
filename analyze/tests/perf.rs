//! Files of the `perf` of this machine, if it has one and may use it.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use freezeframe_analyze::profile::{DebugFiles, FrameKind, Profile, recorded, script};

/// Two functions with frame pointers, and a system call now and then.
const PROGRAM: &str = "
#include <unistd.h>
volatile unsigned long sink;
void *volatile frame; /* whoever asks for its frame has one */
__attribute__((noinline)) void quarter(unsigned long n) { frame = __builtin_frame_address(0); while (n--) sink += n; }
__attribute__((noinline)) void rest(unsigned long n) { frame = __builtin_frame_address(0); while (n--) sink ^= n; sink++; }
int main(void) {
    for (int i = 0; i < 400; i++) { quarter(250000); rest(750000); write(1, \"\", 0); }
    return 0;
}
";

fn run(command: &mut Command) -> Option<String> {
    let output = command.stdin(Stdio::null()).output().ok()?;
    output
        .status
        .success()
        .then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

/// A recording of the program, the program's folder, or nothing where that cannot be had here.
fn recording(options: &[&str]) -> Option<(tempfile::TempDir, PathBuf)> {
    let folder = tempfile::tempdir().unwrap();
    let (source, program) = (folder.path().join("p.c"), folder.path().join("program"));
    let data = folder.path().join("perf.data");
    std::fs::write(&source, PROGRAM).unwrap();
    let compiled = run(Command::new("gcc")
        .args([
            "-O1",
            "-g",
            "-fno-omit-frame-pointer",
            "-mno-omit-leaf-frame-pointer",
            "-Wl,--build-id",
            "-o",
        ])
        .args([&program, &source]));
    let recorded = run(Command::new("perf")
        .args(["record", "-q", "-F", "499", "-e", "cpu-clock", "-o"])
        .arg(&data)
        .args(options)
        .arg("--")
        .arg(&program));
    if compiled.is_none() || recorded.is_none() {
        println!("skipped: no gcc, or no perf that may record");
        return None;
    }
    Some((folder, data))
}

fn read(data: &Path, debug_files: Option<&DebugFiles>) -> Vec<Profile> {
    let file = std::io::BufReader::new(File::open(data).unwrap());
    let recorded = recorded::read(file, "perf.data", debug_files).unwrap();
    assert_eq!(recorded.problems.list, []);
    recorded.profiles
}

fn perf_script(data: &Path, arguments: &[&str]) -> String {
    let mut command = Command::new("perf");
    command.arg("script").arg("-i").arg(data).args(arguments);
    run(&mut command).unwrap()
}

/// Samples by thread name and, if a program is named, by its innermost function.
fn counts(profile: &Profile, of_module: Option<&str>) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    for sample in &profile.samples {
        let leaf = profile.stacks.innermost_first(sample.stack).next();
        let leaf = leaf.and_then(|id| profile.symbols.get(id));
        let key = match of_module {
            None => profile.task(sample).thread,
            Some(module) => match leaf {
                Some(frame) if frame.module.ends_with(module) => frame.function.clone(),
                _ => continue,
            },
        };
        *counts.entry(key).or_insert(0) += sample.weight;
    }
    counts
}

#[test]
fn names_from_debug_files_are_those_of_perf() {
    let Some((folder, data)) = recording(&["-g"]) else {
        return;
    };
    let text = perf_script(&data, &["--no-inline"]);
    let texts = script::read(text.as_bytes(), "perf.txt").unwrap().profiles;
    let plain = read(&data, None);
    assert_eq!(counts(&plain[0], None), counts(&texts[0], None));
    assert_eq!(plain[0].frequency_hz, Some(499));
    // Nothing of this machine is looked at by itself.
    let named = |p: &Profile| {
        p.symbols
            .all()
            .iter()
            .any(|f| f.is_named && f.kind != FrameKind::Mark)
    };
    assert!(!named(&plain[0]));

    // The program itself, its symbols in a file of their own, and both by the program's build id.
    let program = folder.path().join("program");
    let (whole, apart, by_id) = (
        folder.path().join("whole"),
        folder.path().join("apart"),
        folder.path().join("by-id"),
    );
    for folder in [&whole, &apart, &by_id] {
        std::fs::create_dir(folder).unwrap();
    }
    std::fs::copy(&program, whole.join("any-name")).unwrap();
    let debug = apart.join("x.dbg");
    let cut = run(Command::new("objcopy")
        .arg("--only-keep-debug")
        .args([&program, &debug]));
    if cut.is_none() {
        println!("skipped: no objcopy");
        return;
    }
    let notes = run(Command::new("readelf").arg("-n").arg(&program)).unwrap();
    let id = notes.split_once("Build ID: ").unwrap().1;
    let id = id.split_whitespace().next().unwrap();
    let place = by_id.join(".build-id").join(&id[..2]);
    std::fs::create_dir_all(&place).unwrap();
    std::fs::copy(&debug, place.join(format!("{}.debug", &id[2..]))).unwrap();

    let theirs = counts(&texts[0], Some("/program"));
    assert!(theirs["quarter"] > 2 && theirs["rest"] > 30, "{theirs:?}");
    for folder in [&whole, &apart, &by_id] {
        let files = DebugFiles::open(std::slice::from_ref(folder)).unwrap();
        let ours = read(&data, files.as_ref());
        assert_eq!(
            counts(&ours[0], Some("/program")),
            theirs,
            "{}",
            folder.display()
        );
        // Frame pointers lead from both to `main`.
        let profile = &ours[0];
        let through_main = profile.samples.iter().filter(|sample| {
            let frames = profile.stacks.outermost_first(sample.stack);
            let functions = frames.iter().map(|id| profile.symbols.get(*id).unwrap());
            let stack: Vec<&str> = functions.map(|frame| frame.function.as_str()).collect();
            stack
                .windows(2)
                .any(|two| two == ["main", "quarter"] || two == ["main", "rest"])
        });
        let of_both = theirs["quarter"] + theirs["rest"];
        // Not of the first and last instructions, where the frame is not there yet or no more.
        let through_main = through_main.count() as u64;
        assert!(
            through_main * 10 >= of_both * 9,
            "{through_main} of {of_both}"
        );
    }
}

#[test]
fn recordings_of_every_kind_have_the_samples_that_perf_counts() {
    let kinds: [&[&str]; 7] = [
        &[],
        &["-g"],
        &["-z", "-g"],
        &["--call-graph", "dwarf,512"],
        &["-e", "task-clock", "-g"],
        &["--all-cgroups", "-g", "-T", "-d"],
        &["-a", "-g", "--switch-events"],
    ];
    for options in kinds {
        let Some((_folder, data)) = recording(options) else {
            return;
        };
        let profiles = read(&data, None);
        let mut theirs: BTreeMap<String, usize> = BTreeMap::new();
        for line in perf_script(&data, &["-F", "event"]).lines() {
            let name = line.trim().trim_end_matches(':');
            *theirs
                .entry(name.split(':').next().unwrap().to_owned())
                .or_default() += 1;
        }
        let ours = profiles.iter().map(|p| (p.event.clone(), p.samples.len()));
        assert_eq!(ours.collect::<BTreeMap<_, _>>(), theirs, "{options:?}");
        let comms = perf_script(&data, &["-F", "comm"]);
        let mut by_comm: BTreeMap<String, u64> = BTreeMap::new();
        for line in comms.lines() {
            *by_comm.entry(line.trim().to_owned()).or_default() += 1;
        }
        let mut all: BTreeMap<String, u64> = BTreeMap::new();
        for (comm, count) in profiles.iter().flat_map(|p| counts(p, None)) {
            *all.entry(comm).or_default() += count;
        }
        assert_eq!(all, by_comm, "{options:?}");
    }
}

#[test]
fn a_stream_is_read_as_a_file_is() {
    let Some((folder, data)) = recording(&["-g"]) else {
        return;
    };
    let program = folder.path().join("program");
    let piped = folder.path().join("piped.data");
    let done = Command::new("perf")
        .args([
            "record",
            "-q",
            "-F",
            "499",
            "-e",
            "cpu-clock",
            "-g",
            "-o",
            "-",
            "--",
        ])
        .arg(&program)
        .stdout(File::create(&piped).unwrap())
        .stderr(Stdio::null())
        .status();
    assert!(done.unwrap().success());
    let profiles = read(&piped, None);
    let text = perf_script(&piped, &["--no-inline"]);
    let texts = script::read(text.as_bytes(), "perf.txt").unwrap().profiles;
    assert_eq!(counts(&profiles[0], None), counts(&texts[0], None));
    assert_eq!(profiles[0].event, "cpu-clock");
    assert_eq!(profiles[0].name, read(&data, None)[0].name);
}
