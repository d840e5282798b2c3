//! Tables that are hostile, and files that hang.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::super::hired::PATIENCE;
use super::super::mounts;
use super::super::record::{CONTEXT_USER, kind};
use super::super::seen::{FileKey, SeenMapping};
use super::super::stack::Registers;
use super::*;

/// Where the files of these tests are mapped.
const BASE: u64 = 0x10_0000_0000;
const SP: u64 = 0x7fff_0000_0000;

/// A sample without its stack.
fn record(pid: u32, chain: &[u64]) -> Vec<u8> {
    let chain = [&[CONTEXT_USER], chain].concat();
    let mut bytes = kind::SAMPLE.to_ne_bytes().to_vec();
    bytes.extend([2, 0]);
    bytes.extend((64 + chain.len() as u16 * 8).to_ne_bytes());
    bytes.extend(7_u64.to_ne_bytes());
    bytes.extend([pid, pid].map(u32::to_ne_bytes).concat());
    let words = [5, 1, 99, chain.len() as u64];
    bytes.extend(
        words
            .iter()
            .chain(&chain)
            .flat_map(|word| word.to_ne_bytes()),
    );
    bytes.extend([0; 8]);
    bytes
}

/// A process of one program that is executable from its first byte to its last.
fn process(tables: &mut Tables, pid: u32, file: &Path) {
    let key = FileKey {
        major: 8,
        minor: 1,
        inode: pid.into(),
    };
    let mapping = SeenMapping {
        start: BASE,
        end: BASE + (1 << 20),
        offset: 0,
        key: Some(key),
        path: file.to_str().unwrap().to_owned(),
    };
    let opened = File::open(file).unwrap();
    tables.saw_file(pid, &mapping.path, key, 0, 0, Some(opened.into()));
    tables.saw_mapping(pid, &mapping);
}

fn add(backlog: &mut Backlog, pid: u32, ip: u64, stack: &[u8]) -> bool {
    let registers = Registers {
        ip,
        sp: SP,
        fp: SP + 64,
        lr: ip,
    };
    let stack = Stack {
        registers: Some(registers),
        bytes: stack,
    };
    backlog.add(&record(pid, &[ip]), &stack, 0)
}

/// Goes on as the sampler does, until nothing waits.
fn finish(backlog: &mut Backlog, tables: &Tables) -> Vec<Vec<u8>> {
    let mut ready = Vec::new();
    let until = Instant::now() + Duration::from_mins(1);
    while !backlog.is_empty() && Instant::now() < until {
        let began = Instant::now();
        backlog.dispatch(tables);
        ready.extend(backlog.work());
        assert!(began.elapsed() < PATIENCE, "the sampler waited");
        std::thread::sleep(Duration::from_millis(2));
    }
    assert!(backlog.is_empty());
    ready
}

/// Compiles a program of C, for its tables.
fn compile(folder: &Path, text: &str) -> Option<PathBuf> {
    let (source, program) = (folder.join("a.c"), folder.join("a"));
    std::fs::write(&source, text).unwrap();
    let mut compiler = Command::new("cc");
    compiler.args(["-O1", "-o"]).arg(&program).arg(&source);
    let is_compiled = compiler.status().is_ok_and(|status| status.success());
    if !is_compiled {
        println!("skipped: no compiler");
    }
    is_compiled.then_some(program)
}

/// Where a function is, as binutils find it.
fn address_of(program: &Path, name: &str) -> u64 {
    let output = Command::new("nm").arg(program).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let line = text
        .lines()
        .find(|line| line.ends_with(&format!(" {name}")));
    u64::from_str_radix(line.unwrap().split_once(' ').unwrap().0, 16).unwrap()
}

#[test]
#[cfg_attr(not(target_arch = "x86_64"), ignore = "the stack is one of x86_64")]
fn callers_come_out_of_the_stack() {
    let folder = tempfile::tempdir().unwrap();
    let text = "__attribute__((noinline)) int leaf(int x) { return x * 3; }\n\
                int main(int n, char **v) { (void)v; return leaf(n) + 1; }\n";
    let Some(program) = compile(folder.path(), text) else {
        return;
    };
    let mut tables = Tables::new();
    process(&mut tables, 7, &program);
    // At its first instruction the return address is what the stack pointer points to.
    let (leaf, main) = (address_of(&program, "leaf"), address_of(&program, "main"));
    let mut stack = (BASE + main + 8).to_ne_bytes().to_vec();
    stack.resize(4096, 0);
    let mut backlog = Backlog::new();
    assert!(add(&mut backlog, 7, BASE + leaf, &stack));
    assert_eq!(backlog.round(), Some(0));
    let ready = finish(&mut backlog, &tables);
    assert_eq!(ready.len(), 1);
    let chain = stack::user_chain(&ready[0]);
    assert_eq!(&chain[..2], [BASE + leaf, BASE + main + 8]);
    let counts = &backlog.counts;
    assert_eq!(counts.whole + counts.broken + counts.truncated, 1);
    assert!(counts.state.tables_bytes > 0 && counts.fell_back.is_empty());
    assert!(backlog.end().is_empty());
}

/// `DW_OP_skip` to itself: `.eh_frame` has a language that can loop.
const ENDLESS: &str = "
__attribute__((noinline)) int endless(int x) {
  __asm__ volatile(\".cfi_escape 0x0f, 3, 0x2f, 0xfd, 0xff\");
  return x * 3;
}
int main(int n, char **v) { (void)v; return endless(n) + 1; }
";

#[test]
fn a_table_that_never_ends_costs_its_own_process() {
    let folder = tempfile::tempdir().unwrap();
    let Some(program) = compile(folder.path(), ENDLESS) else {
        return;
    };
    let mut tables = Tables::new();
    process(&mut tables, 7, &program);
    process(&mut tables, 8, &program);
    let (endless, main) = (
        address_of(&program, "endless"),
        address_of(&program, "main"),
    );
    let stack = [0; 4096];
    let mut backlog = Backlog::new();
    for pid in [8, 7, 8] {
        let ip = if pid == 7 { endless + 1 } else { main };
        assert!(add(&mut backlog, pid, BASE + ip, &stack));
    }
    assert_eq!(finish(&mut backlog, &tables).len(), 3, "no sample is lost");
    assert_eq!(backlog.counts.unwinders_lost, 1);
    assert_eq!(backlog.counts.fell_back["unwinder_lost"], 3);
    assert_eq!(backlog.left_alone, HashSet::from([7]));
    // The next unwinder goes on without it.
    assert!(!add(&mut backlog, 7, BASE + endless + 1, &stack));
    assert!(add(&mut backlog, 8, BASE + main, &stack));
    assert_eq!(finish(&mut backlog, &tables).len(), 1);
    assert_eq!(backlog.counts.unwinders_lost, 1);
}

#[test]
fn a_file_that_cannot_be_read_costs_its_own_tables() {
    let folder = tempfile::tempdir().unwrap();
    let (dead, text) = (folder.path().join("dead"), "int main(void) { return 0; }");
    let Some(program) = compile(folder.path(), text) else {
        return;
    };
    let Some(_dead) = mounts::DeadMount::at(&dead, &["read"]) else {
        return;
    };
    let mut tables = Tables::new();
    process(&mut tables, 7, &dead.join("program"));
    process(&mut tables, 8, &program);
    let mut backlog = Backlog::new();
    for pid in [7, 8] {
        assert!(add(&mut backlog, pid, BASE + 0x800, &[0; 4096]));
    }
    assert_eq!(finish(&mut backlog, &tables).len(), 2);
    assert_eq!(backlog.counts.unwinders_lost, 1);
    assert_eq!(backlog.unread.len(), 1);
    for pid in [7, 8] {
        assert!(add(&mut backlog, pid, BASE + 0x800, &[0; 4096]));
    }
    assert_eq!(finish(&mut backlog, &tables).len(), 2);
    assert_eq!(backlog.counts.unwinders_lost, 1, "nobody tries it again");
}

/// Numbers of no meaning, the same each time.
fn noise(state: &mut u64) -> u64 {
    *state = state
        .wrapping_mul(6_364_136_223_846_793_005)
        .wrapping_add(1_442_695_040_888_963_407);
    *state >> 20
}

#[test]
fn hostile_tables_lose_no_sample() {
    let folder = tempfile::tempdir().unwrap();
    let Some(program) = compile(folder.path(), ENDLESS) else {
        return;
    };
    let whole = std::fs::read(&program).unwrap();
    let mut state = 1;
    let mut ends = [0; 3];
    for pid in 1..=150 {
        let mut tables = Tables::new();
        let mut backlog = Backlog::new();
        let mut file = whole.clone();
        for _ in 0..noise(&mut state) % 60 {
            // Headers, tables of unwinding and the section headers.
            let places = [0..0x400, 0x2000..0x2200, file.len() - 0x800..file.len()];
            let place = places[noise(&mut state) as usize % 3].clone();
            let at = place.start + noise(&mut state) as usize % place.len();
            file[at] = [0, 0xff, 0x7f, noise(&mut state) as u8][noise(&mut state) as usize % 4];
        }
        let path = folder.path().join(pid.to_string());
        std::fs::write(&path, file).unwrap();
        process(&mut tables, pid, &path);
        for _ in 0..4 {
            let words = (0..512).map(|_| match noise(&mut state) % 3 {
                0 => BASE + noise(&mut state) % 0x4000,
                1 => SP + noise(&mut state) % 4096,
                _ => noise(&mut state) << 30,
            });
            let stack: Vec<u8> = words.flat_map(u64::to_ne_bytes).collect();
            let ip = BASE + 0x1000 + noise(&mut state) % 0x300;
            assert!(add(&mut backlog, pid, ip, &stack));
        }
        assert_eq!(finish(&mut backlog, &tables).len(), 4);
        let counts = &backlog.counts;
        let unwound = [counts.whole, counts.truncated, counts.broken];
        let lost = counts.fell_back.values().sum::<u64>();
        assert_eq!(unwound.iter().sum::<u64>() + lost, 4, "{counts:?}");
        ends.iter_mut()
            .zip(unwound)
            .for_each(|(end, more)| *end += more);
        backlog.end();
    }
    assert!(
        ends.iter().sum::<u64>() > 300,
        "whole, truncated, broken: {ends:?}"
    );
}

#[test]
fn what_finds_no_room_keeps_its_frame_pointers() {
    let mut backlog = Backlog::new();
    backlog.room = 10_000;
    assert!(add(&mut backlog, 7, BASE, &[0; 8192]));
    assert!(!add(&mut backlog, 7, BASE, &[0; 8192]));
    assert_eq!(backlog.counts.fell_back["no_room"], 1);
    // Nothing is known of the process.
    let ready = finish(&mut backlog, &Tables::new());
    assert_eq!(stack::user_chain(&ready[0]), [BASE]);
    assert_eq!(backlog.counts.fell_back["memory_unknown"], 1);
    // The end comes before they are unwound.
    assert!(add(&mut backlog, 7, BASE, &[0; 4096]));
    assert_eq!(backlog.end().len(), 1);
    assert_eq!(backlog.counts.fell_back["no_time"], 1);
}
