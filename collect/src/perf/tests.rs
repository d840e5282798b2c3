//! The resolver on real and hostile files.

use std::os::fd::OwnedFd;
use std::process::Command;
use std::time::{Duration, Instant};

use super::elf::{Elf, Source};
use super::go;
use super::names::{Names, addresses};

fn soon() -> Instant {
    Instant::now() + Duration::from_mins(1)
}

fn open(path: &str) -> OwnedFd {
    std::fs::File::open(path).unwrap().into()
}

/// Every name for these offsets, as `elf_names` finds them.
fn names_at(source: &dyn Source, offsets: &[u64]) -> Result<Vec<Option<String>>, String> {
    let elf = Elf::open(source)?;
    let _ = elf.build_id();
    let places = addresses(&elf, offsets.iter().copied());
    let mut names = Names::new(places.iter().map(|(_, address)| *address).collect());
    elf.symbols(&mut names, soon());
    go::symbols(&elf, &mut names, soon());
    let name = |offset: &u64| Some(names.get(elf.address_of(*offset)?)?.name.clone());
    Ok(offsets.iter().map(name).collect())
}

/// Offset in the file of a function, as binutils find it.
fn functions(path: &str, arguments: &[&str]) -> Vec<(u64, String)> {
    let output = Command::new("nm").args(arguments).arg(path).output();
    let Ok(output) = output else {
        return Vec::new();
    };
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let lines = text.lines().filter_map(|line| {
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        let [address, size, "T" | "t" | "W" | "w" | "i", name] = fields[..] else {
            return None;
        };
        let size = u64::from_str_radix(size, 16)
            .ok()
            .filter(|size| *size > 4)?;
        let _ = size;
        let name = name.split('@').next()?.to_owned();
        Some((u64::from_str_radix(address, 16).ok()?, name))
    });
    lines.collect()
}

#[test]
fn names_are_those_of_binutils() {
    let own = std::env::current_exe().unwrap();
    let libc = "/lib/x86_64-linux-gnu/libc.so.6";
    let files = [(own.to_str().unwrap(), &["-S"][..]), (libc, &["-D", "-S"])];
    for (path, arguments) in files {
        if !std::path::Path::new(path).exists() {
            println!("skipped: {path} is not here");
            continue;
        }
        let functions = functions(path, arguments);
        if functions.is_empty() {
            println!("skipped: no nm");
            continue;
        }
        let file = open(path);
        let elf = Elf::open(&file).unwrap();
        assert!(elf.build_id().is_none_or(|id| id.len() >= 8));
        let chosen: Vec<_> = functions
            .iter()
            .step_by(functions.len() / 200 + 1)
            .collect();
        let offsets: Vec<u64> = chosen
            .iter()
            .filter_map(|(at, _)| elf.offset_of(at + 2))
            .collect();
        assert_eq!(offsets.len(), chosen.len());
        let names = names_at(&file, &offsets).unwrap();
        let all: std::collections::HashSet<(u64, &str)> = functions
            .iter()
            .map(|(at, name)| (*at, name.as_str()))
            .collect();
        for ((address, expected), found) in chosen.iter().zip(&names) {
            // Functions have aliases: each of them is right.
            let found = found
                .as_deref()
                .unwrap_or_else(|| panic!("{expected} is not found"));
            let is_alias = all.contains(&(*address, found.split('@').next().unwrap_or_default()));
            assert!(
                is_alias || found == expected,
                "{path}: {expected} became {found}"
            );
        }
    }
}

#[test]
fn hostile_files_give_no_names_and_cost_nothing() {
    let own = std::fs::read("/proc/self/exe").unwrap();
    let whole = &own[..own.len().min(1 << 20)];
    let offsets: Vec<u64> = (0..400).map(|place| place * 4099).collect();
    for cut in (0..whole.len()).step_by(9973).chain(0..200) {
        let _ = names_at(&&whole[..cut], &offsets);
    }
    // Wild numbers in the header, then in the tables that it points to.
    let tables = u64::from_le_bytes(own[40..48].try_into().unwrap()) as usize;
    let mut state = 1_u64;
    for round in 0..300 {
        let mut file = own.clone();
        for _ in 0..8 {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            let within = if round % 2 == 0 {
                64 + 56 * 12
            } else {
                64 * 40
            };
            let from = if round % 2 == 0 { 16 } else { tables };
            let at = from + (state >> 33) as usize % within;
            let value = [0, 0xff, 0x7f, (state >> 20) as u8][(state >> 60) as usize % 4];
            if let Some(byte) = file.get_mut(at) {
                *byte = value;
            }
        }
        if round < 40 {
            let _ = names_at(&&file[..], &offsets[..8]);
        } else if let Ok(elf) = Elf::open(&&file[..]) {
            let _ = (elf.build_id(), elf.section(".gopclntab").is_some());
        }
    }
}

/// A Go binary of no code: one section of text, one table with three functions.
fn go_binary(text_start: u64, count: u64) -> Vec<u8> {
    let names = b"main.first\0main.second\0";
    let mut table = 0xffff_fff1_u32.to_le_bytes().to_vec();
    table.extend([0, 0, 1, 8]);
    let names_at = 72_u64;
    let functions_at = names_at + 24;
    for word in [count, 1, text_start, names_at, 0, 0, 0, functions_at] {
        table.extend(word.to_le_bytes());
    }
    table.extend(names);
    table.resize(functions_at as usize, 0);
    // Offsets of code and description, two functions and the end, then the descriptions.
    for word in [0_u32, 20, 0x10, 28, 0x30, 0, 0, 0x10, 11] {
        table.extend(word.to_le_bytes());
    }
    // The first description begins within the padding word, at offset 20.
    let at = functions_at as usize;
    table[at + 20..at + 28].copy_from_slice(&[0; 8]);
    table[at + 28..at + 32].copy_from_slice(&0x10_u32.to_le_bytes());
    table[at + 32..at + 36].copy_from_slice(&11_u32.to_le_bytes());

    let names = b"\0.gopclntab\0.text\0.shstrtab\0";
    let (table_at, text_at) = (0x1000_usize, 0x2000_usize);
    let sections_at = 0x3000_u64;
    let mut file = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
    file.extend([2, 0, 62, 0, 1, 0, 0, 0]);
    for word in [0_u64, 64, sections_at] {
        file.extend(word.to_le_bytes());
    }
    file.extend([0, 0, 0, 0, 64, 0, 56, 0, 1, 0, 64, 0, 4, 0, 3, 0]);
    for word in [
        5 << 32 | 1_u64,
        0,
        0x40_0000,
        0x40_0000,
        0x3000,
        0x3000,
        0x1000,
    ] {
        file.extend(word.to_le_bytes());
    }
    file.resize(table_at, 0);
    file.extend(&table);
    file.resize(0x2800, 0);
    file.extend(names);
    file.resize(sections_at as usize, 0);
    let section = |name: u32, kind: u32, flags: u64, at: u64, size: u64| {
        let mut bytes = [name, kind].map(u32::to_le_bytes).concat();
        for word in [flags, 0x40_0000 + at, at, size, 0, 0, 0] {
            bytes.extend(word.to_le_bytes());
        }
        bytes
    };
    file.extend([0; 64]);
    file.extend(section(1, 1, 2, table_at as u64, table.len() as u64));
    file.extend(section(12, 1, 6, text_at as u64, 0x100));
    file.extend(section(18, 3, 0, 0x2800, names.len() as u64));
    file
}

#[test]
fn go_functions_have_names_in_stripped_binaries() {
    let hits = [0x2000, 0x200f, 0x2010, 0x202f, 0x2030];
    let expected = ["main.first", "main.first", "main.second", "main.second", ""];
    // With the beginning of the text in the header, and without.
    for text_start in [0x40_2000, 0] {
        let names = names_at(&&go_binary(text_start, 2)[..], &hits).unwrap();
        let names: Vec<_> = names
            .iter()
            .map(|n| n.as_deref().unwrap_or_default())
            .collect();
        assert_eq!(names, expected);
    }
    // Counts and offsets that lie.
    for count in [0, 3, 1 << 20, u64::MAX] {
        let _ = names_at(&&go_binary(0x40_2000, count)[..], &hits);
    }
}

/// A binary without symbols of its own, its table packed as Fedora does.
#[test]
fn mini_debuginfo_names_what_was_stripped() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let text = "__attribute__((noinline)) static int hidden(int x) { return x * 31 + (x >> 7); }\n\
                int main(int n, char **v) { (void)v; return hidden(n); }\n";
    std::fs::write(path("a.c"), text).unwrap();
    let run = |program: &str, arguments: &[&str]| {
        let mut command = Command::new(program);
        let status = command.args(arguments).current_dir(folder.path()).status();
        status.is_ok_and(|status| status.success())
    };
    let is_built = run("cc", &["-O1", "-o", "whole", "a.c"])
        && run("objcopy", &["--only-keep-debug", "whole", "debug"])
        && run("xz", &["-k", "--check=crc64", "debug"])
        && run("strip", &["-s", "-o", "stripped", "whole"])
        && run(
            "objcopy",
            &[
                "--add-section",
                ".gnu_debugdata=debug.xz",
                "stripped",
                "packed",
            ],
        );
    if !is_built {
        println!("skipped: no cc, binutils or xz");
        return;
    }
    let whole = functions(path("whole").to_str().unwrap(), &["-S"]);
    let (address, _) = whole.iter().find(|(_, name)| name == "hidden").unwrap();
    let file = open(path("packed").to_str().unwrap());
    let offset = Elf::open(&file).unwrap().offset_of(address + 1).unwrap();
    assert_eq!(
        names_at(&file, &[offset]).unwrap(),
        [None],
        "it is stripped"
    );
    let mut answer = super::resolve::Answer::default();
    let wanted = super::resolve::Wanted {
        module: 2,
        hits: vec![(offset, 3)],
    };
    let found = super::resolve::elf_names(&file, &wanted, soon(), &|_| None, &mut answer).unwrap();
    assert_eq!(found[0].1.as_ref().unwrap().name, "hidden");
    assert!(answer.build_id.is_some());
    // Or beside it, where the packages of symbols are.
    let stripped = open(path("stripped").to_str().unwrap());
    let debug = |_: &str| Some(open(path("debug").to_str().unwrap()));
    let found = super::resolve::elf_names(&stripped, &wanted, soon(), &debug, &mut answer).unwrap();
    assert_eq!(found[0].1.as_ref().unwrap().name, "hidden");
}

/// 300 MB with a million symbols: only the tables are read, and never longer than allowed.
#[test]
fn a_large_binary_is_read_piece_by_piece() {
    use std::io::{Seek, SeekFrom, Write};
    const SYMBOLS: u64 = 1_000_000;
    let mut file = tempfile::tempfile().unwrap();
    let (symbols_at, names_at, sections_at) = (0x1000_0000_u64, 0x1200_0000_u64, 0x1240_0000_u64);
    let mut header = go_binary(0, 0)[..64].to_vec();
    header[40..48].copy_from_slice(&sections_at.to_le_bytes());
    header[60..64].copy_from_slice(&[3, 0, 0, 0]);
    let mut segment = [5 << 32 | 1_u64, 0, 0x40_0000, 0x40_0000]
        .map(u64::to_le_bytes)
        .concat();
    segment.extend(
        [0x1000_0000_u64, 0x1000_0000, 0x1000]
            .map(u64::to_le_bytes)
            .concat(),
    );
    file.write_all(&[header, segment].concat()).unwrap();
    let mut table = Vec::with_capacity(SYMBOLS as usize * 24);
    for number in 0..SYMBOLS {
        table.extend([1_u32, 0x12 | 100 << 16].map(u32::to_le_bytes).concat());
        table.extend(
            [0x40_0000 + number * 256, 256]
                .map(u64::to_le_bytes)
                .concat(),
        );
    }
    file.seek(SeekFrom::Start(symbols_at)).unwrap();
    file.write_all(&table).unwrap();
    file.seek(SeekFrom::Start(names_at)).unwrap();
    file.write_all(b"\0some_function\0").unwrap();
    let section = |kind: u32, at: u64, size: u64, link: u32| {
        let mut bytes = [0, kind].map(u32::to_le_bytes).concat();
        bytes.extend([0, 0, at, size].map(u64::to_le_bytes).concat());
        bytes.extend([link, 0].map(u32::to_le_bytes).concat());
        bytes.extend([8_u64, 24].map(u64::to_le_bytes).concat());
        bytes
    };
    file.seek(SeekFrom::Start(sections_at)).unwrap();
    let sections = [
        section(0, 0, 0, 0),
        section(2, symbols_at, SYMBOLS * 24, 2),
        section(3, names_at, 16, 0),
    ];
    file.write_all(&sections.concat()).unwrap();
    assert!(file.metadata().unwrap().len() > 300_000_000);
    let file = OwnedFd::from(file);
    let hits: Vec<u64> = (0..1000).map(|number| number * 250_000 + 3).collect();
    assert!(names_at_all(&file, &hits));
    // Without time nothing is read.
    let elf = Elf::open(&file).unwrap();
    let mut names = Names::new(vec![0x40_0003]);
    elf.symbols(&mut names, Instant::now());
    assert!(!names.is_complete());
}

fn names_at_all(file: &OwnedFd, hits: &[u64]) -> bool {
    let names = names_at(file, hits).unwrap();
    names
        .iter()
        .all(|name| name.as_deref() == Some("some_function"))
}
