//! Call chains of programs with and without frame pointers, as whoever has the bundle sees them.

#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

mod fake;

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::process::Command;
use std::sync::Mutex;

use fake::load::{compile, run};
use fake::{bytes, collect, read};
use freezeframe_bundle::Item;
use serde_json::Value;

/// Profiles of the whole machine disturb one another.
static ALONE: Mutex<()> = Mutex::new(());

const DEPTH: usize = 20;
/// Lies on the stack of every frame.
const SECRET: &[u8] = b"stack-secret-0815-4711";

/// A recursion, with something on the stack that is nobody's business.
const DESCEND: &str = r#"
#include <stdint.h>
__attribute__((noinline)) uint64_t leaf_hash(uint64_t x) {
  for (int i = 0; i < 5000; i++) x = x * 6364136223846793005ULL + 1442695040888963407ULL + (x >> 7);
  return x;
}
__attribute__((noinline)) uint64_t descend(uint64_t x, int depth) {
  volatile char secret[] = "stack-secret-0815-4711";
  if (depth == 0) return leaf_hash(x) + secret[depth];
  return descend(x, depth - 1) * 31 + secret[depth];
}
__attribute__((noinline)) uint64_t begin_work(uint64_t x) { return descend(x, 20) + 3; }
int main(void) { volatile uint64_t s = 1; for (;;) s = begin_work(s); }
"#;

/// The tables of `.eh_frame` have a language that can loop: `DW_OP_skip` to itself.
const ENDLESS: &str = r#"
#include <stdint.h>
__attribute__((noinline)) uint64_t endless(uint64_t x) {
  __asm__ volatile(".cfi_escape 0x0f, 3, 0x2f, 0xfd, 0xff");
  for (int i = 0; i < 5000; i++) x = x * 6364136223846793005ULL + 1442695040888963407ULL + (x >> 7);
  return x;
}
int main(void) { volatile uint64_t s = 1; for (;;) s = endless(s); }
"#;

fn is_possible() -> bool {
    let root = Command::new("id").arg("-u").output().unwrap().stdout == b"0\n";
    let compiler = Command::new("cc").arg("--version").output().is_ok();
    let is_possible = root && compiler && cfg!(target_arch = "x86_64");
    if !is_possible {
        println!("skipped: a profile needs root and a C compiler, the programs x86_64");
    }
    is_possible
}

/// A profile, and chains of it.
struct Profile {
    folder: tempfile::TempDir,
    items: Vec<Item>,
    meta: Value,
}

/// A call chain of user space, innermost first: name and module of each frame.
type Chain = Vec<(Option<String>, u64)>;

impl Profile {
    fn take(call_graph: &str) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let mut command = collect(folder.path());
        command.args(["--only", "perf", "--window", "3", "-o", "b.tar.zst"]);
        command.args(["--call-graph", call_graph]);
        let output = command.output().unwrap();
        let (items, _) = read(&folder.path().join("b.tar.zst"));
        let Some(meta) = bytes(&items, "perf/meta.json") else {
            println!("skipped: no sampling here");
            return None;
        };
        // On a busy machine not every name is found in time.
        let code = output.status.code();
        assert!(matches!(code, Some(0 | 3)), "{}", fake::stderr(&output));
        let meta = serde_json::from_slice(meta).unwrap();
        Some(Self {
            folder,
            items,
            meta,
        })
    }

    fn lines(&self, member: &str) -> Vec<Value> {
        let bytes = bytes(&self.items, member).unwrap();
        let lines = bytes.split(|byte| *byte == b'\n');
        let lines = lines.filter(|line| !line.is_empty());
        lines
            .map(|line| serde_json::from_slice(line).unwrap())
            .collect()
    }

    fn module(&self, path: &Path) -> u64 {
        let modules = self.lines("perf/modules.jsonl");
        let is_it = |module: &&Value| module["path"] == path.to_str().unwrap();
        modules.iter().find(is_it).unwrap()["module"]
            .as_u64()
            .unwrap()
    }

    /// Whether there was no time for the names of a program: compilers that run meanwhile have more.
    fn lacks_names(&self, path: &Path) -> bool {
        let modules = self.lines("perf/modules.jsonl");
        let is_it = |module: &&Value| module["path"] == path.to_str().unwrap();
        let why = &modules.iter().find(is_it).unwrap()["why"];
        if !why.is_null() {
            println!("skipped: the machine is too busy: {why}");
        }
        !why.is_null()
    }

    /// Chains of every process by its name, each frame looked up as `docs/bundle-format.md` tells.
    fn chains(&self) -> BTreeMap<String, Vec<(Chain, bool)>> {
        let mut names = HashMap::new();
        for symbol in self.lines("perf/symbols.jsonl") {
            let module = symbol["module"].as_u64().unwrap();
            for hit in symbol["hits"].as_array().unwrap() {
                let name = symbol["name"].as_str().map(str::to_owned);
                names.insert((module, hit[0].as_u64().unwrap()), name);
            }
        }
        let mappings = self.lines("perf/mappings.jsonl");
        let place = |pid: u32, address: u64| {
            let number = |mapping: &Value, field: &str| mapping[field].as_u64().unwrap();
            let is_around = |mapping: &&Value| {
                let within = number(mapping, "start")..number(mapping, "end");
                mapping["pid"] == pid && within.contains(&address)
            };
            let mapping = mappings.iter().find(is_around)?;
            let offset = address - number(mapping, "start") + number(mapping, "offset");
            Some((number(mapping, "module"), offset))
        };
        let comms: HashMap<u64, String> = self
            .lines("perf/processes.jsonl")
            .iter()
            .map(|process| {
                let comm = process["comm"].as_str().unwrap_or_default();
                (process["pid"].as_u64().unwrap(), comm.to_owned())
            })
            .collect();
        let mut chains: BTreeMap<String, Vec<(Chain, bool)>> = BTreeMap::new();
        for (pid, addresses) in samples(bytes(&self.items, "perf/perf.data").unwrap()) {
            let looked_up = addresses.iter().enumerate();
            let looked_up =
                looked_up.map(|(depth, address)| address.saturating_sub(u64::from(depth > 0)));
            let places: Vec<_> = looked_up.map(|address| place(pid, address)).collect();
            let known = places.iter().map_while(|place| *place);
            let chain: Chain = known
                .map(|place| (names.get(&place).cloned().flatten(), place.0))
                .collect();
            let goes_astray = chain.len() < places.len();
            let comm = comms.get(&u64::from(pid)).cloned().unwrap_or_default();
            chains.entry(comm).or_default().push((chain, goes_astray));
        }
        chains
    }

    /// Samples of user space with broken chains by the module that the chain breaks in, and all of
    /// them by the module where they were.
    fn broken(&self) -> HashMap<u64, usize> {
        let modules = self.lines("perf/modules.jsonl");
        let paths: HashMap<u64, &str> = modules
            .iter()
            .map(|module| {
                let path = module["path"].as_str().unwrap();
                (module["module"].as_u64().unwrap(), path)
            })
            .collect();
        let mut broken = HashMap::new();
        for (chain, goes_astray) in self.chains().values().flatten() {
            let Some((name, module)) = chain.last() else {
                continue;
            };
            let before = chain.iter().rev().nth(1);
            let path = paths.get(module).copied().unwrap_or_default();
            let file = path.rsplit('/').next().unwrap_or_default();
            let begins = name.as_deref().is_some_and(is_beginning)
                || ["libc.so", "libc-", "ld-", "libpthread"]
                    .iter()
                    .any(|begin| file.starts_with(begin))
                    && before.is_some_and(|(_, other)| other != module);
            if *goes_astray || !begins {
                *broken.entry(*module).or_default() += 1;
            }
        }
        broken
    }
}

/// Functions that processes and threads begin with.
fn is_beginning(name: &str) -> bool {
    let names = [
        "_start",
        "__libc_start_main",
        "__libc_start_call_main",
        "start_thread",
        "clone",
        "clone3",
        "__clone",
        "__clone3",
    ];
    names.contains(&name.split('@').next().unwrap_or_default())
}

/// Pid and user chain of each sample of a `perf.data` with the fields that the format tells of.
fn samples(data: &[u8]) -> Vec<(u32, Vec<u64>)> {
    let word = |at: usize| u64::from_ne_bytes(data[at..at + 8].try_into().unwrap());
    let (mut at, size) = (word(40) as usize, word(48) as usize);
    let end = at + size;
    let mut samples = Vec::new();
    while at < end {
        let kind = word(at) as u32;
        let length = (word(at) >> 48) as usize;
        if kind == 9 {
            let pid = word(at + 16) as u32;
            let count = word(at + 48) as usize;
            let chain = (0..count).map(|place| word(at + 56 + place * 8));
            let user = chain.skip_while(|address| *address != -512_i64 as u64);
            samples.push((pid, user.skip(1).collect()));
            // The cgroup, and nothing else behind the chain.
            assert_eq!(length, 56 + count * 8 + 8);
        }
        at += length;
    }
    assert_eq!(at, end);
    samples
}

fn share_of_whole(chains: &[(Chain, bool)]) -> f64 {
    let is_whole = |chain: &Chain| {
        let names = chain.iter().map(|(name, _)| name.as_deref());
        let names: Vec<&str> = names.map(Option::unwrap_or_default).collect();
        let count = |wanted| names.iter().filter(|name| **name == wanted).count();
        // A leaf function has no frame of its own, so that frame pointers miss its caller.
        (DEPTH..=DEPTH + 1).contains(&count("descend"))
            && count("begin_work") == 1
            && count("main") == 1
    };
    let whole = chains.iter().filter(|(chain, _)| is_whole(chain)).count();
    whole as f64 / chains.len() as f64
}

#[test]
fn stacks_without_frame_pointers_are_unwound_and_never_stored() {
    let _alone = ALONE
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    if !is_possible() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let build = |name: &str, flags: &[&str]| {
        let flags = [&["-fno-optimize-sibling-calls"], flags].concat();
        compile(folder.path(), name, DESCEND, &flags)
    };
    let kept = build("kept", &["-fno-omit-frame-pointer"]);
    let omitted = build("omitted", &["-fomit-frame-pointer"]);
    let fixed = build("fixed", &["-fomit-frame-pointer", "-static"]);
    let loads = [&kept, &omitted, &fixed].map(|program| run(program));
    std::thread::sleep(std::time::Duration::from_millis(300));
    let (Some(by_frames), Some(by_tables)) = (Profile::take("fp"), Profile::take("dwarf")) else {
        return;
    };
    drop(loads);
    let programs = [&kept, &omitted, &fixed];
    let lacks_names = |profile: &Profile| programs.iter().any(|path| profile.lacks_names(path));
    if [&by_frames, &by_tables].into_iter().any(lacks_names) {
        return;
    }
    let (frames, tables) = (by_frames.chains(), by_tables.chains());
    let share = share_of_whole(&frames["kept"]);
    assert!(share > 0.9, "{share}");
    for name in ["omitted", "fixed"] {
        assert!(share_of_whole(&frames[name]) < 0.1, "{name}");
    }
    for name in ["kept", "omitted", "fixed"] {
        let share = share_of_whole(&tables[name]);
        assert!(
            share > 0.9,
            "{name}: {share}, {}",
            by_tables.meta["unwinding"]
        );
    }
    // Which binaries break stacks can be told from what is in the bundle.
    let broken = by_frames.broken();
    let share = |profile: &Profile, chains: &BTreeMap<String, Vec<_>>, path: &Path, name: &str| {
        let count = broken.get(&profile.module(path)).copied();
        count.unwrap_or_default() as f64 / chains[name].len() as f64
    };
    assert!(share(&by_frames, &frames, &kept, "kept") < 0.1);
    assert!(share(&by_frames, &frames, &omitted, "omitted") > 0.9);
    assert!(share(&by_frames, &frames, &fixed, "fixed") > 0.9);
    let broken = by_tables.broken();
    let count = |path: &Path| broken.get(&by_tables.module(path)).copied();
    let count = count(&omitted).unwrap_or_default();
    assert!(count * 10 < tables["omitted"].len(), "{count}");

    assert_eq!(by_frames.meta["call_graph"], "fp");
    assert_eq!(by_frames.meta["unwinding"], Value::Null);
    let unwinding = &by_tables.meta["unwinding"];
    assert_eq!(by_tables.meta["call_graph"], "dwarf");
    assert_eq!(by_tables.meta["stack_bytes"], 16384);
    assert!(unwinding["whole"].as_u64().unwrap() > 100, "{unwinding}");
    assert_eq!(unwinding["unwinders_lost"], 0);
    for (name, content) in by_tables.items.iter().filter_map(content) {
        let has_secret = content.windows(SECRET.len()).any(|window| window == SECRET);
        assert!(!has_secret, "{name} has bytes of a stack");
    }
    assert_opened_by_perf(&by_tables);
}

/// Name and bytes of a member.
fn content(item: &Item) -> Option<(&str, &[u8])> {
    match item {
        Item::Entry(entry) => Some((&entry.path, &entry.bytes)),
        Item::Record(_) => None,
    }
}

fn assert_opened_by_perf(profile: &Profile) {
    let path = profile.folder.path().join("perf.data");
    std::fs::write(&path, bytes(&profile.items, "perf/perf.data").unwrap()).unwrap();
    let mut perf = Command::new("perf");
    perf.args(["script", "-F", "comm,event,ip,sym", "-i"])
        .arg(&path);
    let Ok(output) = perf.output() else {
        println!("skipped: no perf here");
        return;
    };
    let script = String::from_utf8_lossy(&output.stdout).into_owned();
    let is_sample = |line: &&str| line.contains("cpu-clock") || line.contains("cycles");
    let samples = script.lines().filter(is_sample).count() as u64;
    assert_eq!(samples, profile.meta["samples"].as_u64().unwrap());
    let descents = script.matches(" descend").count();
    assert!(descents > 20 * DEPTH, "{descents}");
}

#[test]
fn a_hostile_table_costs_its_own_stacks() {
    let _alone = ALONE
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    if !is_possible() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let flags = ["-fomit-frame-pointer", "-fno-optimize-sibling-calls"];
    let endless = compile(folder.path(), "endless", ENDLESS, &flags);
    let good = compile(folder.path(), "good", DESCEND, &flags);
    let loads = [run(&endless), run(&good)];
    std::thread::sleep(std::time::Duration::from_millis(300));
    let Some(profile) = Profile::take("dwarf") else {
        return;
    };
    drop(loads);
    if [&endless, &good]
        .iter()
        .any(|path| profile.lacks_names(path))
    {
        return;
    }
    let unwinding = &profile.meta["unwinding"];
    assert_eq!(unwinding["unwinders_lost"], 1, "{unwinding}");
    assert!(unwinding["fell_back"]["left_alone"].as_u64().unwrap() > 0);
    let chains = profile.chains();
    let innermost = |chain: &Chain| chain[0].0.clone();
    assert_eq!(
        innermost(&chains["endless"].last().unwrap().0).as_deref(),
        Some("endless")
    );
    // Those of the time in which the first unwinder hung have frame pointers only.
    assert!(share_of_whole(&chains["good"]) > 0.5, "{unwinding}");
}
