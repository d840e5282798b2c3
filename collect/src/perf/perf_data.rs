//! `perf.data` as `perf record` writes it (tools/perf/Documentation/perf.data-file-format.txt), so
//! that `perf report -i` and `perf script -i` open it.

use super::event::{Attributes, Feature};
use super::module::Kind;
use super::record::{MISC_BUILD_ID, TRAILER_BYTES, kind};
use super::resolve::hexadecimal;
use super::tables::{Process, Tables};

const HEADER_BYTES: u64 = 104;
const ATTRIBUTE_BYTES: u64 = 128;
/// `HEADER_OSRELEASE`, `HEADER_ARCH`, `HEADER_NRCPUS` of `perf`.
const FEATURES: u64 = 1 << 4 | 1 << 6 | 1 << 7;
/// `PERF_RECORD_MISC_KERNEL` and `_USER`.
const MISC_KERNEL: u16 = 1;
const MISC_USER: u16 = 2;
/// `PERF_RECORD_MISC_FORK_EXEC`: `perf` is not to give it the mappings of its parent.
const MISC_FORK_EXEC: u16 = 1 << 13;
/// `PROT_READ | PROT_EXEC` and `MAP_PRIVATE`.
const READ_EXECUTE: u32 = 5;
const PRIVATE: u32 = 2;

/// The parts around the records of the kernel.
pub(crate) struct PerfData {
    /// Header and attributes, then records for what was there before.
    pub(crate) head: Vec<u8>,
    /// Kernel release, machine, number of CPUs.
    pub(crate) tail: Vec<u8>,
}

/// Writes what goes before and behind `records_bytes` of records.
pub(crate) fn around(
    attributes: &Attributes,
    tables: &Tables,
    kernel: Option<(u64, u64)>,
    records_bytes: u64,
    cpus: (u32, u32),
) -> PerfData {
    let before = existing(attributes, tables, kernel);
    let data_at = HEADER_BYTES + ATTRIBUTE_BYTES + 16;
    let data_bytes = before.len() as u64 + records_bytes;
    let mut head = b"PERFILE2".to_vec();
    let attributes_at = HEADER_BYTES;
    for word in [
        HEADER_BYTES,
        ATTRIBUTE_BYTES + 16,
        attributes_at,
        ATTRIBUTE_BYTES + 16,
        data_at,
        data_bytes,
        0,
        0,
        FEATURES,
        0,
        0,
        0,
    ] {
        head.extend(word.to_ne_bytes());
    }
    head.extend(attributes.encode());
    // No ids: there is one event.
    head.extend([0; 16]);
    head.extend(before);
    PerfData {
        head,
        tail: features(data_at + data_bytes, cpus),
    }
}

/// A table of offsets and sizes, then the features themselves.
fn features(at: u64, cpus: (u32, u32)) -> Vec<u8> {
    let uname = rustix::system::uname();
    let text = |text: &std::ffi::CStr| {
        let mut bytes = text.to_bytes_with_nul().to_vec();
        bytes.resize(bytes.len().next_multiple_of(64), 0);
        [&(bytes.len() as u32).to_ne_bytes()[..], &bytes].concat()
    };
    let sections = [
        text(uname.release()),
        text(uname.machine()),
        // Available, then online.
        [cpus.0.to_ne_bytes(), cpus.1.to_ne_bytes()].concat(),
    ];
    let mut next = at + sections.len() as u64 * 16;
    let mut bytes = Vec::new();
    for section in &sections {
        bytes.extend(next.to_ne_bytes());
        bytes.extend((section.len() as u64).to_ne_bytes());
        next += section.len() as u64;
    }
    bytes.extend(sections.concat());
    bytes
}

/// Records of what the kernel tells nobody who comes later: itself, cgroups, and the processes that
/// run already, with their threads and mappings.
fn existing(attributes: &Attributes, tables: &Tables, kernel: Option<(u64, u64)>) -> Vec<u8> {
    let mut bytes = Vec::new();
    if let Some((start, end)) = kernel.filter(|(start, end)| start < end) {
        let mut body = [u32::MAX, 0].map(u32::to_ne_bytes).concat();
        body.extend([start, end - start, start].map(u64::to_ne_bytes).concat());
        text(&mut body, "[kernel.kallsyms]_text");
        record(&mut bytes, kind::MMAP, MISC_KERNEL, (0, 0), &body);
    }
    if attributes.has(Feature::Cgroups) {
        for (id, path) in &tables.cgroup_paths {
            let mut body = id.to_ne_bytes().to_vec();
            text(&mut body, path);
            record(&mut bytes, kind::CGROUP, 0, (0, 0), &body);
        }
    }
    let mapped = attributes.has(Feature::Mmap2);
    for (pid, process) in &tables.processes {
        // A process that began later is in the kernel's records.
        if process.forked.is_none() {
            task(
                &mut bytes,
                *pid,
                process.parent,
                *pid,
                process.comm.as_deref(),
            );
            mappings(&mut bytes, tables, *pid, process, mapped);
        }
    }
    for (tid, (pid, comm)) in &tables.threads {
        task(&mut bytes, *pid, *pid, *tid, comm.as_deref());
    }
    bytes
}

/// FORK and COMM of a task.
fn task(bytes: &mut Vec<u8>, pid: u32, parent: u32, tid: u32, comm: Option<&str>) {
    let Some(comm) = comm else {
        return;
    };
    let mut body = [pid, parent, tid, parent].map(u32::to_ne_bytes).concat();
    body.extend([0; 8]);
    record(bytes, kind::FORK, MISC_FORK_EXEC, (pid, tid), &body);
    let mut body = [pid, tid].map(u32::to_ne_bytes).concat();
    text(&mut body, comm);
    record(bytes, kind::COMM, 0, (pid, tid), &body);
}

fn mappings(bytes: &mut Vec<u8>, tables: &Tables, pid: u32, process: &Process, mapped: bool) {
    for mapping in process.mappings.iter().filter(|mapping| mapping.since == 0) {
        let Some(module) = tables
            .modules
            .get(tables.canonical(mapping.module) as usize)
        else {
            continue;
        };
        let is_file = module.kind == Kind::File;
        let offset = if is_file { mapping.offset } else { 0 };
        let mut body = [pid, pid].map(u32::to_ne_bytes).concat();
        body.extend(
            [mapping.start, mapping.end - mapping.start, offset]
                .map(u64::to_ne_bytes)
                .concat(),
        );
        let mut misc = MISC_USER;
        if mapped {
            match (&module.build_id, module.key) {
                (Some(id), _) if is_file && id.len() <= 20 => {
                    misc |= MISC_BUILD_ID;
                    body.extend([id.len() as u8, 0, 0, 0]);
                    body.extend(id);
                    body.resize(56, 0);
                }
                (_, Some(key)) if is_file => {
                    body.extend([key.major, key.minor].map(u32::to_ne_bytes).concat());
                    body.extend([key.inode, 0].map(u64::to_ne_bytes).concat());
                }
                _ => body.resize(56, 0),
            }
            body.extend([READ_EXECUTE, PRIVATE].map(u32::to_ne_bytes).concat());
        }
        let path = match module.kind {
            // What `perf` itself calls memory without a file.
            Kind::PerfMap { .. } => "//anon",
            _ => &module.path,
        };
        text(&mut body, path);
        let kind = if mapped { kind::MMAP2 } else { kind::MMAP };
        record(bytes, kind, misc, (pid, pid), &body);
    }
}

/// A text that ends with a zero, filled up to 8 bytes.
fn text(body: &mut Vec<u8>, text: &str) {
    let text = text.as_bytes();
    body.extend(
        text.get(..4095)
            .unwrap_or(text)
            .iter()
            .take_while(|byte| **byte != 0),
    );
    body.resize((body.len() + 1).next_multiple_of(8), 0);
}

/// A record with pid and tid behind it, and no time: before everything.
fn record(bytes: &mut Vec<u8>, kind: u32, misc: u16, (pid, tid): (u32, u32), body: &[u8]) {
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(misc.to_ne_bytes());
    bytes.extend(((8 + body.len() + TRAILER_BYTES) as u16).to_ne_bytes());
    bytes.extend_from_slice(body);
    bytes.extend([pid, tid].map(u32::to_ne_bytes).concat());
    bytes.extend([0; TRAILER_BYTES - 8]);
}

/// Ends a round: `perf` sorts what came until here.
pub(crate) fn round() -> [u8; 8] {
    let mut bytes = [0; 8];
    let (kind, length) = (kind::FINISHED_ROUND.to_ne_bytes(), 8_u16.to_ne_bytes());
    for (to, from) in bytes.iter_mut().zip([&kind[..], &[0, 0], &length].concat()) {
        *to = from;
    }
    bytes
}

/// Build id as text, where there is one.
pub(crate) fn build_id_text(build_id: Option<&Vec<u8>>) -> Option<String> {
    build_id.map(|id| hexadecimal(id))
}
