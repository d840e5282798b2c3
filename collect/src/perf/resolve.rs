//! Names for what was hit, module by module, the most hit first.
//!
//! It runs in a process of its own that is forked from the sampler and so knows all that it knows.
//! Reading a file may hang and a file may be hostile: the sampler then kills this process, and the
//! next one goes on behind that module.

use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use rustix::fs::{Mode, openat};
use rustix::process::{Resource, Rlimit, setrlimit};
use serde::{Deserialize, Serialize};

use super::assistant::{READ, open_inside};
use super::elf::{Elf, Source};
use super::kernel::{self, KernelText};
use super::module::{Kind, Module, ModuleId};
use super::names::{Found, Names, addresses};
use super::tables::Tables;
use super::{frame, go, jitdump};

/// Addresses of one module that are looked up.
const HITS: usize = 1 << 16;
/// Memory of this process besides what it shares with the sampler. A hostile file that wants more
/// loses its own names.
const MEMORY_BYTES: u64 = 256 << 20;
/// Compressed and unpacked size of `.gnu_debugdata`: that of the largest binaries of Fedora is 2 MiB.
const DEBUG_DATA_BYTES: u64 = 8 << 20;
const DEBUG_SYMBOL_BYTES: usize = 32 << 20;
/// What one module may take of the time that is left.
const MODULE_TIME: Duration = Duration::from_millis(1500);

/// Hits in one module.
#[derive(Debug)]
pub(crate) struct Wanted {
    pub(crate) module: ModuleId,
    /// Offset in the module, and how many frames of samples are there.
    pub(crate) hits: Vec<(u64, u64)>,
}

impl Wanted {
    /// Frames of all samples.
    pub(crate) fn frames(&self) -> u64 {
        self.hits.iter().map(|(_, frames)| frames).sum()
    }
}

/// A function that was hit.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Symbol {
    pub(crate) name: String,
    pub(crate) from: String,
    pub(crate) address: u64,
    pub(crate) offset: Option<u64>,
    pub(crate) size: u64,
    pub(crate) hits: Vec<(u64, u64)>,
}

/// What became of one module.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Answer {
    pub(crate) build_id: Option<String>,
    /// Why names are missing, where a reason is known.
    pub(crate) why: Option<String>,
    pub(crate) symbols: Vec<Symbol>,
    /// Hits without a name.
    pub(crate) unnamed: Vec<(u64, u64)>,
    /// Beginning and end of the kernel's text.
    pub(crate) kernel: Option<(u64, u64)>,
    /// Whether the kernel hides its addresses.
    pub(crate) is_hidden: bool,
}

/// Looks up module after module and sends the answers. It gives up nothing by itself but time.
pub(crate) fn run(
    tables: &Tables,
    wanted: &[Wanted],
    proc: &OwnedFd,
    ends: Instant,
    mut socket: &UnixStream,
) -> io::Result<()> {
    let limit = Rlimit {
        current: Some(MEMORY_BYTES),
        maximum: Some(MEMORY_BYTES),
    };
    // Before Linux 4.7 it does not count what is mapped.
    let _ = setrlimit(Resource::Data, limit);
    for one in wanted {
        let answer = resolve(tables, one, proc, ends);
        frame::send(&mut socket, &answer)?;
        socket.flush()?;
    }
    Ok(())
}

/// Names for the hits of one module.
pub(crate) fn resolve(tables: &Tables, wanted: &Wanted, proc: &OwnedFd, ends: Instant) -> Answer {
    let Some(module) = tables.modules.get(wanted.module as usize) else {
        return Answer::default();
    };
    let mut answer = Answer::default();
    // The kernel is in every sample, and nobody can make its list longer.
    let ends = match module.kind {
        Kind::Kernel => ends,
        _ => ends.min(Instant::now() + MODULE_TIME),
    };
    let found = match module.kind {
        Kind::Kernel => kernel_names(wanted, proc, ends, &mut answer),
        Kind::Vdso => match own_vdso() {
            Some(image) => elf_names(&image.as_slice(), wanted, ends, &|_| None, &mut answer),
            None => Err("the vdso of this process cannot be read".to_owned()),
        },
        Kind::File => match file_of(tables, module, proc) {
            Ok(file) => {
                let debug_file = |id: &str| debug_file(id, module.pid, proc);
                elf_names(&*file, wanted, ends, &debug_file, &mut answer)
            }
            Err(why) => Err(why),
        },
        Kind::PerfMap { pid } => generated_names(tables, module, pid, wanted, ends),
    };
    match found {
        Ok(found) => group(found, &mut answer),
        Err(why) => {
            answer.unnamed.clone_from(&wanted.hits);
            answer.why = Some(why);
        }
    }
    if Instant::now() >= ends && !answer.unnamed.is_empty() {
        answer.why = Some("no time was left".to_owned());
    }
    answer
}

/// A hit, its name, and the offset in the file of where the name's function begins.
pub(crate) type Named = Vec<((u64, u64), Option<Found>, Option<u64>)>;

fn offsets(wanted: &Wanted) -> Vec<u64> {
    wanted
        .hits
        .iter()
        .take(HITS)
        .map(|(offset, _)| *offset)
        .collect()
}

fn kernel_names(
    wanted: &Wanted,
    proc: &OwnedFd,
    ends: Instant,
    answer: &mut Answer,
) -> Result<Named, String> {
    let file = openat(proc, "kallsyms", READ, Mode::empty())
        .map_err(|error| format!("kernel symbols cannot be read: {error}"))?;
    let mut names = Names::new(offsets(wanted));
    let KernelText {
        start,
        end,
        is_hidden,
    } = kernel::symbols(&Sequential(file), &mut names, ends);
    answer.is_hidden = is_hidden;
    if is_hidden {
        return Err(
            "the kernel hides its addresses: kernel.kptr_restrict, or CAP_SYSLOG is missing"
                .to_owned(),
        );
    }
    answer.kernel = Some((start, end));
    Ok(wanted
        .hits
        .iter()
        .map(|hit| (*hit, names.get(hit.0).cloned(), None))
        .collect())
}

/// Names out of a process's perf map, and out of jitdumps, which it maps.
fn generated_names(
    tables: &Tables,
    module: &Module,
    pid: u32,
    wanted: &Wanted,
    ends: Instant,
) -> Result<Named, String> {
    let mut names = Names::new(offsets(wanted));
    if let Some(map) = &module.file {
        kernel::perf_map(map, &mut names, ends);
    }
    let dumps = tables.jitdumps(pid);
    for dump in &dumps {
        jitdump::symbols(*dump, &mut names, ends);
    }
    if module.file.is_none() && dumps.is_empty() {
        return Err("generated code without a perf map or a jitdump".to_owned());
    }
    Ok(wanted
        .hits
        .iter()
        .map(|hit| (*hit, names.get(hit.0).cloned(), None))
        .collect())
}

/// A file of `/proc` is read from its beginning to its end; a second place to read from costs the
/// kernel a search.
struct Sequential(OwnedFd);

impl Source for Sequential {
    fn read_at(&self, _: u64, buffer: &mut [u8]) -> usize {
        rustix::io::read(&self.0, buffer).unwrap_or(0)
    }
}

/// Names out of an ELF file: its symbols, those of Go, those that distributions pack beside.
pub(crate) fn elf_names(
    source: &dyn Source,
    wanted: &Wanted,
    ends: Instant,
    debug_file: &dyn Fn(&str) -> Option<OwnedFd>,
    answer: &mut Answer,
) -> Result<Named, String> {
    let elf = Elf::open(source)?;
    answer.build_id = elf.build_id().map(|id| hexadecimal(&id));
    let places = addresses(&elf, offsets(wanted).into_iter());
    let mut names = Names::new(places.iter().map(|(_, address)| *address).collect());
    elf.symbols(&mut names, ends);
    if !names.is_complete() {
        go::symbols(&elf, &mut names, ends);
    }
    if !names.is_complete()
        && let Some(unpacked) = debug_data(&elf)
        && let Ok(packed) = Elf::open(&unpacked.as_slice())
    {
        packed.symbols(&mut names, ends);
    }
    if !names.is_complete()
        && let Some(file) = answer.build_id.as_deref().and_then(debug_file)
        && let Ok(separate) = Elf::open(&file)
    {
        separate.symbols(&mut names, ends);
    }
    Ok(wanted
        .hits
        .iter()
        .map(|hit| {
            let found = elf.address_of(hit.0).and_then(|address| names.get(address));
            let offset = found.and_then(|found| elf.offset_of(found.address));
            (*hit, found.cloned(), offset)
        })
        .collect())
}

/// The separate file of symbols, where the distribution's package of them is installed.
fn debug_file(build_id: &str, pid: u32, proc: &OwnedFd) -> Option<OwnedFd> {
    let (folder, file) = build_id.split_at_checked(2)?;
    let path = format!("/usr/lib/debug/.build-id/{folder}/{file}.debug");
    open_inside(proc, pid, &path)
}

/// The symbol table that Fedora and its kin pack into stripped binaries (mini-debuginfo).
fn debug_data(elf: &Elf<'_>) -> Option<Vec<u8>> {
    let section = elf.section(".gnu_debugdata")?;
    if section.size > DEBUG_DATA_BYTES {
        return None;
    }
    let packed = elf.bytes(section.offset, section.size as usize);
    crate::journal::xz_unpacked_bytes(&packed).filter(|bytes| *bytes <= DEBUG_SYMBOL_BYTES)?;
    let mut unpacked = Vec::new();
    lzma_rs::xz_decompress(&mut &packed[..], &mut unpacked).ok()?;
    Some(unpacked)
}

/// The module's file: the one that is held, one with the same build id, or, where its process was
/// gone before it could be opened, the one that is now at its path.
fn file_of<'a>(
    tables: &'a Tables,
    module: &'a Module,
    proc: &OwnedFd,
) -> Result<Borrowed<'a>, String> {
    if let Some(file) = &module.file {
        return Ok(Borrowed::Held(file));
    }
    let same = module.build_id.as_deref().and_then(|id| tables.held(id));
    let same = same.and_then(|same| tables.modules.get(same as usize)?.file.as_ref());
    if let Some(file) = same {
        return Ok(Borrowed::Held(file));
    }
    let mut pid = module.pid;
    for _ in 0..8 {
        if let Some(file) = open_inside(proc, pid, &module.path)
            && is_it(&file, module)
        {
            return Ok(Borrowed::Own(file));
        }
        match tables.processes.get(&pid) {
            Some(process) if process.parent != 0 => pid = process.parent,
            _ => break,
        }
    }
    Err("the file was gone before it could be opened".to_owned())
}

fn is_it(file: &OwnedFd, module: &Module) -> bool {
    if let Some(build_id) = &module.build_id {
        let elf = Elf::open(file);
        return elf.ok().and_then(|elf| elf.build_id()).as_ref() == Some(build_id);
    }
    let stat = rustix::fs::fstat(file).ok();
    module
        .key
        .is_some_and(|key| stat.is_some_and(|stat| stat.st_ino == key.inode))
}

enum Borrowed<'a> {
    Held(&'a OwnedFd),
    Own(OwnedFd),
}

impl std::ops::Deref for Borrowed<'_> {
    type Target = OwnedFd;

    fn deref(&self) -> &OwnedFd {
        match self {
            Borrowed::Held(file) => file,
            Borrowed::Own(file) => file,
        }
    }
}

/// The vdso is the same in every process of this word size.
pub(crate) fn own_vdso() -> Option<Vec<u8>> {
    let open = |path| rustix::fs::open(path, READ, Mode::empty()).ok();
    let maps = open("/proc/self/maps")?;
    let mut text = vec![0; 64 << 10];
    let mut length = 0;
    while let Some(space) = text.get_mut(length..).filter(|space| !space.is_empty()) {
        match rustix::io::read(&maps, space) {
            Ok(0) | Err(_) => break,
            Ok(count) => length += count,
        }
    }
    text.truncate(length);
    let text = String::from_utf8_lossy(&text).into_owned();
    let line = text.lines().find(|line| line.ends_with("[vdso]"))?;
    let (start, end) = line.split_once(' ')?.0.split_once('-')?;
    let start = u64::from_str_radix(start, 16).ok()?;
    let end = u64::from_str_radix(end, 16).ok()?;
    let mut image = vec![0; usize::try_from(end.checked_sub(start)?).ok()?.min(1 << 20)];
    let count = open("/proc/self/mem")?.read_at(start, &mut image);
    image.truncate(count);
    Some(image)
}

/// One entry per function, in the order of addresses.
fn group(named: Named, answer: &mut Answer) {
    let mut symbols = std::collections::BTreeMap::<(u64, String), Symbol>::new();
    for (hit, found, offset) in named {
        let Some(found) = found else {
            answer.unnamed.push(hit);
            continue;
        };
        let key = (found.address, found.name.clone());
        let symbol = symbols.entry(key).or_insert_with(|| Symbol {
            name: found.name,
            from: found.from.to_owned(),
            address: found.address,
            offset,
            size: found.size,
            hits: Vec::new(),
        });
        symbol.hits.push(hit);
    }
    answer.symbols = symbols.into_values().collect();
}

/// Lower case, as everybody writes build ids.
pub(crate) fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
