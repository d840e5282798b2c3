//! Callers out of the copy of a stack, by the tables that exceptions are thrown with (`.eh_frame`).
//!
//! It runs in a process of its own: the tables are those of containers' files, and a hostile one can
//! make their interpreter go on for ever.

use std::collections::HashMap;
use std::sync::Arc;

use framehop::Unwinder as _;
use framehop::{
    Error, ExplicitModuleSectionInfo, FrameAddress, Module, MustNotAllocateDuringUnwind,
};
use serde::{Deserialize, Serialize};

use super::elf::{Elf, Section, Source};
use super::module::ModuleId;
use super::space::{self, Extent};
use super::stack::Registers;

#[cfg(target_arch = "aarch64")]
use framehop::aarch64 as machine;
#[cfg(not(target_arch = "aarch64"))]
use framehop::x86_64 as machine;

#[cfg(target_arch = "aarch64")]
type Unwinder = machine::UnwinderAarch64<Arc<[u8]>, MustNotAllocateDuringUnwind>;
#[cfg(target_arch = "aarch64")]
type Cache = machine::CacheAarch64<MustNotAllocateDuringUnwind>;
#[cfg(not(target_arch = "aarch64"))]
type Unwinder = machine::UnwinderX86_64<Arc<[u8]>, MustNotAllocateDuringUnwind>;
#[cfg(not(target_arch = "aarch64"))]
type Cache = machine::CacheX86_64<MustNotAllocateDuringUnwind>;

/// Longest chain.
const FRAMES: usize = 512;
/// Longest table of one file: that of a browser has 10 MiB.
const TABLE_BYTES: u64 = 32 << 20;
/// A table without an index (static programs have none) is indexed here up to this length.
const PLAIN_TABLE_BYTES: u64 = 4 << 20;
/// The library tells its rules apart by a number of 16 bits that it counts up.
const GENERATIONS: usize = 50_000;
/// Stacks grow to 8 MiB; what points further was no stack pointer.
const STACK_BYTES: u64 = 8 << 20;

/// How unwinding ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum End {
    /// At the function that the thread began with.
    Whole,
    /// The stack goes on behind what was copied, or is deeper than any chain may be.
    Truncated,
    /// A caller could not be found.
    Broken,
}

/// What unwinding gave.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Chain {
    pub(crate) end: End,
    /// Where it was, then where each caller goes on.
    pub(crate) addresses: Vec<u64>,
}

/// The tables of a file.
struct Tables {
    frames: Arc<[u8]>,
    frames_at: std::ops::Range<u64>,
    index: Option<(Arc<[u8]>, std::ops::Range<u64>)>,
    text_at: Option<std::ops::Range<u64>>,
    got_at: Option<std::ops::Range<u64>>,
}

/// Executable memory with the tables for it.
struct Space {
    extents: Vec<Extent>,
    unwinder: Option<Unwinder>,
}

/// A module, and two numbers: where a part of it begins and ends, or how long it is.
type Place = (ModuleId, u64, u64);
/// Opens what a module is made of.
pub(crate) type Open<'a> = &'a mut dyn FnMut(ModuleId) -> Option<Box<dyn Source>>;
/// Whether there is still time.
pub(crate) type MayGoOn<'a> = &'a dyn Fn() -> bool;

/// Everything that unwinding takes.
pub(crate) struct Unwinding {
    spaces: HashMap<u32, Space>,
    /// Nothing of a module that has none, or no room was left for.
    tables: HashMap<ModuleId, Option<Arc<Tables>>>,
    /// Those with an index that took time to make, by their place in memory.
    plain: HashMap<Place, Module<Arc<[u8]>>>,
    /// Distances of [`Elf::distance`].
    distances: HashMap<Place, Option<u64>>,
    cache: Cache,
    generations: usize,
    /// Bytes of tables that there is still room for.
    room: usize,
    pub(crate) tables_bytes: u64,
    /// Tables that found no room.
    pub(crate) left_out: u64,
}

impl Unwinding {
    pub(crate) fn new(room: usize) -> Self {
        Self {
            spaces: HashMap::new(),
            tables: HashMap::new(),
            plain: HashMap::new(),
            distances: HashMap::new(),
            cache: Cache::new_in(),
            generations: 0,
            room,
            tables_bytes: 0,
            left_out: 0,
        }
    }

    /// The memory of a process is this from now on.
    pub(crate) fn set_space(&mut self, pid: u32, extents: Vec<Extent>) {
        let space = Space {
            extents,
            unwinder: None,
        };
        self.spaces.insert(pid, space);
    }

    pub(crate) fn forget_spaces(&mut self) {
        self.spaces.clear();
    }

    /// The file of a module has come.
    pub(crate) fn has_come(&mut self, module: ModuleId) {
        self.tables.remove(&module);
        self.distances.retain(|(other, _, _), _| *other != module);
        for space in self.spaces.values_mut() {
            if space.extents.iter().any(|extent| extent.module == module) {
                space.unwinder = None;
            }
        }
    }

    /// The memory of a process, if it is known.
    pub(crate) fn extents(&self, pid: u32) -> &[Extent] {
        self.spaces.get(&pid).map_or(&[], |space| &space.extents)
    }

    /// Reads what the stacks of a process take and is not there yet; whether all of it is there.
    pub(crate) fn prepare(&mut self, pid: u32, open: Open<'_>, may_go_on: MayGoOn<'_>) -> bool {
        if self.generations > GENERATIONS {
            self.generations = 0;
            self.cache = Cache::new_in();
            for space in self.spaces.values_mut() {
                space.unwinder = None;
            }
        }
        let Some(mut space) = self.spaces.remove(&pid) else {
            return true;
        };
        if space.unwinder.is_none() {
            space.unwinder = self.unwinder(&space.extents, open, may_go_on);
        }
        let is_there = space.unwinder.is_some();
        self.spaces.insert(pid, space);
        is_there
    }

    fn unwinder(
        &mut self,
        extents: &[Extent],
        open: Open<'_>,
        may_go_on: MayGoOn<'_>,
    ) -> Option<Unwinder> {
        let mut unwinder = Unwinder::new();
        for extent in extents {
            if !may_go_on() {
                return None;
            }
            if let Some(module) = self.module(extent, open) {
                unwinder.add_module(module);
                self.generations += 1;
            }
        }
        Some(unwinder)
    }

    /// Goes from caller to caller.
    pub(crate) fn unwind(&mut self, pid: u32, registers: Registers, stack: &[u8]) -> Option<Chain> {
        let space = self.spaces.get(&pid)?;
        let unwinder = space.unwinder.as_ref()?;
        let read = |address: u64| -> Option<u64> {
            let at = usize::try_from(address.checked_sub(registers.sp)?).ok()?;
            let word = stack.get(at..at.checked_add(8)?)?;
            Some(u64::from_ne_bytes(word.try_into().ok()?))
        };
        let mut read = |address: u64| read(address).ok_or(());
        let start = start(registers, unwinder);
        let mut frames = unwinder.iter_frames(registers.ip, start, &mut self.cache, &mut read);
        let mut addresses = Vec::new();
        let end = loop {
            match frames.next() {
                Ok(Some(_)) if addresses.len() >= FRAMES => break End::Truncated,
                Ok(Some(frame)) if is_code(&space.extents, frame) => {
                    addresses.push(frame.address());
                }
                Ok(None) => break End::Whole,
                Err(Error::CouldNotReadStack(address)) if is_behind(address, registers, stack) => {
                    break End::Truncated;
                }
                Ok(Some(_)) | Err(_) => break End::Broken,
            }
        };
        Some(Chain { end, addresses })
    }

    /// An extent as the library wants it.
    fn module(&mut self, extent: &Extent, open: Open<'_>) -> Option<Module<Arc<[u8]>>> {
        let key = (extent.module, extent.offset, extent.end - extent.start);
        if !self.tables.contains_key(&extent.module) || !self.distances.contains_key(&key) {
            self.read(extent, open);
        }
        let tables = self.tables.get(&extent.module)?.clone()?;
        let distance = self.distances.get(&key).copied()??;
        let base = extent
            .start
            .wrapping_sub(extent.offset.wrapping_add(distance));
        if tables.index.is_some() {
            return Some(tables.module(extent, base));
        }
        let key = (extent.module, extent.start, extent.end);
        let module = self.plain.entry(key);
        Some(
            module
                .or_insert_with(|| tables.module(extent, base))
                .clone(),
        )
    }

    /// Reads the tables of a module, and how far its memory is from its file.
    fn read(&mut self, extent: &Extent, open: Open<'_>) {
        let length = extent.end - extent.start;
        let source = open(extent.module);
        let elf = source.as_deref().and_then(|source| Elf::open(source).ok());
        let distance = elf
            .as_ref()
            .and_then(|elf| elf.distance(extent.offset, length));
        self.distances
            .insert((extent.module, extent.offset, length), distance);
        if self.tables.contains_key(&extent.module) {
            return;
        }
        let tables = elf.and_then(|elf| {
            let bytes = tables_bytes(&elf)?;
            if bytes > self.room {
                self.left_out += 1;
                return None;
            }
            self.room -= bytes;
            self.tables_bytes += bytes as u64;
            Some(Arc::new(Tables::read(&elf)?))
        });
        self.tables.insert(extent.module, tables);
    }
}

#[cfg(target_arch = "aarch64")]
fn start(registers: Registers, unwinder: &Unwinder) -> machine::UnwindRegsAarch64 {
    // Return addresses may be signed in their upper bits.
    let highest = unwinder.max_known_code_address().max(1 << 47);
    let mask = machine::PtrAuthMask::from_max_known_address(highest);
    machine::UnwindRegsAarch64::new_with_ptr_auth_mask(
        mask,
        registers.lr,
        registers.sp,
        registers.fp,
    )
}

#[cfg(not(target_arch = "aarch64"))]
fn start(registers: Registers, _: &Unwinder) -> machine::UnwindRegsX86_64 {
    machine::UnwindRegsX86_64::new(registers.ip, registers.sp, registers.fp)
}

/// Whether the stack goes on where it could not be read.
fn is_behind(address: u64, registers: Registers, stack: &[u8]) -> bool {
    let copied = registers.sp.saturating_add(stack.len() as u64);
    // The last word may be cut.
    (copied.saturating_sub(8)..registers.sp.saturating_add(STACK_BYTES)).contains(&address)
}

/// Where it was is believed, callers are where code is.
fn is_code(extents: &[Extent], frame: FrameAddress) -> bool {
    !frame.is_return_address() || space::find(extents, frame.address_for_lookup()).is_some()
}

/// Bytes of the tables, if there are any that can be used.
fn tables_bytes(elf: &Elf<'_>) -> Option<usize> {
    let frames = elf.section(".eh_frame")?.size;
    let (index, limit) = match elf.section(".eh_frame_hdr") {
        Some(index) => (index.size, TABLE_BYTES),
        // What is made of it is as long again.
        None => (frames, PLAIN_TABLE_BYTES),
    };
    (frames <= limit && index <= limit).then_some((frames + index) as usize)
}

impl Tables {
    fn read(elf: &Elf<'_>) -> Option<Self> {
        let bytes = |section: &Section| {
            let bytes = elf.bytes(section.offset, section.size as usize);
            (Arc::from(bytes), range(section))
        };
        let (frames, frames_at) = bytes(elf.section(".eh_frame")?);
        Some(Self {
            frames,
            frames_at,
            index: elf.section(".eh_frame_hdr").map(bytes),
            text_at: elf.section(".text").map(range),
            got_at: elf.section(".got").map(range),
        })
    }

    fn module(&self, extent: &Extent, base: u64) -> Module<Arc<[u8]>> {
        let (index, index_at) = self.index.clone().unzip();
        let sections = ExplicitModuleSectionInfo {
            text_svma: self.text_at.clone(),
            got_svma: self.got_at.clone(),
            eh_frame_svma: Some(self.frames_at.clone()),
            eh_frame: Some(Arc::clone(&self.frames)),
            eh_frame_hdr_svma: index_at,
            eh_frame_hdr: index,
            ..ExplicitModuleSectionInfo::default()
        };
        Module::new(String::new(), extent.start..extent.end, base, sections)
    }
}

fn range(section: &Section) -> std::ops::Range<u64> {
    section.address..section.address.saturating_add(section.size)
}
