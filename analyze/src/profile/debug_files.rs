//! Symbols of files that the user names by `--debug-dir`: what was recorded has build ids, and a
//! distribution's debug packages have the names that the node had not.
//!
//! Nothing else of the machine that `analyze` runs on is ever looked at.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use object::read::elf::{FileHeader, ProgramHeader, SectionHeader, Sym};
use object::{Endianness, FileKind, ReadCache, elf};

use super::demangle::LONGEST;

/// Files and folders that are looked at, and how deep.
const ENTRIES: usize = 200_000;
const DEPTH: usize = 12;
/// Bytes of one symbol table, and symbols of one file: those of the largest programs are a million.
const TABLE_BYTES: u64 = 512 << 20;
const SYMBOLS: usize = 8 << 20;
/// What symbols without a size may span.
const WITHOUT_SIZE: u64 = 64 << 10;
/// Symbols before an address that may hold it.
const OVERLAPPING: usize = 16;

/// The files below the folders, by build id.
#[derive(Debug, Default)]
pub struct DebugFiles {
    by_id: HashMap<Vec<u8>, Vec<PathBuf>>,
}

impl DebugFiles {
    /// Looks for `.build-id/xx/yyyy.debug` and for ELF files of any name below the folders.
    pub fn open(folders: &[PathBuf]) -> io::Result<Option<Self>> {
        if folders.is_empty() {
            return Ok(None);
        }
        let mut files = Self::default();
        let mut left = ENTRIES;
        for folder in folders {
            let about = |error: io::Error| {
                io::Error::new(error.kind(), format!("{}: {error}", folder.display()))
            };
            let entries = std::fs::read_dir(folder).map_err(about)?;
            files.folder(entries, DEPTH, &mut left);
        }
        Ok(Some(files))
    }

    fn folder(&mut self, entries: std::fs::ReadDir, depth: usize, left: &mut usize) {
        let mut paths: Vec<PathBuf> = entries
            .take(*left)
            .filter_map(|entry| Some(entry.ok()?.path()))
            .collect();
        *left -= paths.len();
        paths.sort();
        for path in paths {
            // Of a link that which it leads to.
            let Ok(metadata) = path.metadata() else {
                continue;
            };
            if metadata.is_file() {
                if let Some(id) = id_of_path(&path).or_else(|| id_of_file(&path)) {
                    self.by_id.entry(id).or_default().push(path);
                }
            } else if metadata.is_dir()
                && depth > 0
                && let Ok(entries) = std::fs::read_dir(&path)
            {
                self.folder(entries, depth - 1, left);
            }
        }
    }

    /// The symbols of the file with this build id. `first_offset` is where in the file its code
    /// begins, `text_address` where the kernel's was in memory.
    pub(super) fn symbols(
        &self,
        build_id: &[u8],
        first_offset: Option<u64>,
        text_address: Option<u64>,
    ) -> Option<DebugSymbols> {
        let paths = self.by_id.get(build_id)?;
        let mut found = paths
            .iter()
            .filter_map(|path| DebugSymbols::read(path, first_offset, text_address));
        found.next()
    }
}

/// `.build-id/ab/cdef.debug`, or the same without its end.
fn id_of_path(path: &Path) -> Option<Vec<u8>> {
    let mut parts = path.iter().rev().map(|part| part.to_str());
    let (file, folder, root) = (parts.next()??, parts.next()??, parts.next()??);
    let file = file.strip_suffix(".debug").unwrap_or(file);
    if root != ".build-id" || folder.len() != 2 {
        return None;
    }
    unhexadecimal(&format!("{folder}{file}"))
}

/// The bytes that hexadecimal digits stand for.
pub(super) fn unhexadecimal(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes();
    if digits.is_empty() || !digits.len().is_multiple_of(2) || digits.len() > 64 {
        return None;
    }
    let value = |digit: u8| (digit as char).to_digit(16).map(|value| value as u8);
    let pairs = digits.chunks_exact(2);
    pairs
        .map(|pair| match pair {
            [high, low] => Some(value(*high)? << 4 | value(*low)?),
            _ => None,
        })
        .collect()
}

fn id_of_file(path: &Path) -> Option<Vec<u8>> {
    let mut file = File::open(path).ok()?;
    let mut magic = [0; 4];
    file.read_exact(&mut magic).ok()?;
    if magic != *b"\x7fELF" {
        return None;
    }
    let cache = ReadCache::new(file);
    match FileKind::parse(&cache).ok()? {
        FileKind::Elf32 => build_id::<elf::FileHeader32<Endianness>>(&cache),
        FileKind::Elf64 => build_id::<elf::FileHeader64<Endianness>>(&cache),
        _ => None,
    }
}

fn build_id<E: FileHeader<Endian = Endianness>>(cache: &ReadCache<File>) -> Option<Vec<u8>> {
    const NOTE_BYTES: u64 = 64 << 10;
    let header = E::parse(cache).ok()?;
    let endian = header.endian().ok()?;
    let sections = header.section_headers(endian, cache).ok()?;
    let notes = sections.iter().filter(|section| {
        let size: u64 = section.sh_size(endian).into();
        size <= NOTE_BYTES
    });
    for section in notes {
        let Ok(Some(mut notes)) = section.notes(endian, cache) else {
            continue;
        };
        while let Ok(Some(note)) = notes.next() {
            if note.name() == elf::ELF_NOTE_GNU && note.n_type(endian) == elf::NT_GNU_BUILD_ID {
                return Some(note.desc().to_vec());
            }
        }
    }
    None
}

/// How offsets in the file become addresses of its symbols.
#[derive(Clone, Copy, Debug)]
enum Place {
    /// By adding this.
    Shifted(u64),
    /// They are addresses of its only section.
    Same,
}

/// The functions of a file.
#[derive(Debug)]
pub(super) struct DebugSymbols {
    file: File,
    strings: (u64, u64),
    symbols: Vec<Symbol>,
    segments: Vec<Segment>,
    place: Option<Place>,
}

#[derive(Clone, Copy, Debug)]
struct Symbol {
    address: u64,
    size: u64,
    name: u32,
}

#[derive(Clone, Copy, Debug)]
struct Segment {
    offset: u64,
    file_bytes: u64,
    address: u64,
}

impl DebugSymbols {
    fn read(path: &Path, first_offset: Option<u64>, text_address: Option<u64>) -> Option<Self> {
        let file = File::open(path).ok()?;
        let cache = ReadCache::new(file.try_clone().ok()?);
        let read = match FileKind::parse(&cache).ok()? {
            FileKind::Elf32 => {
                Self::parse::<elf::FileHeader32<Endianness>>(file, &cache, first_offset)
            }
            FileKind::Elf64 => {
                Self::parse::<elf::FileHeader64<Endianness>>(file, &cache, first_offset)
            }
            _ => None,
        };
        let mut symbols = read?;
        if let Some(text_address) = text_address {
            let text = symbols.find("_text").or_else(|| symbols.find("_stext"))?;
            symbols.place = Some(Place::Shifted(text.wrapping_sub(text_address)));
        }
        Some(symbols)
    }

    fn parse<E: FileHeader<Endian = Endianness>>(
        file: File,
        cache: &ReadCache<File>,
        first_offset: Option<u64>,
    ) -> Option<Self> {
        let header = E::parse(cache).ok()?;
        let endian = header.endian().ok()?;
        let sections = header.section_headers(endian, cache).ok()?;
        let table = [elf::SHT_SYMTAB, elf::SHT_DYNSYM]
            .into_iter()
            .find_map(|kind| {
                let of_kind = |s: &&E::SectionHeader| s.sh_type(endian) == kind;
                sections.iter().find(of_kind)
            })?;
        if table.sh_size(endian).into() > TABLE_BYTES {
            return None;
        }
        let strings = sections.get(table.sh_link(endian) as usize)?;
        let strings = (
            strings.sh_offset(endian).into(),
            strings.sh_size(endian).into(),
        );
        let entries: &[E::Sym] = table.data_as_array(endian, cache).ok()?;
        let symbols = functions::<E>(entries, endian);
        let has_code = sections.iter().any(|section| {
            section.sh_flags(endian).contains(elf::SHF_EXECINSTR)
                && section.sh_type(endian) == elf::SHT_PROGBITS
        });
        let programs = header.program_headers(endian, cache).ok()?;
        let executable = programs.iter().filter(|program| {
            program.p_type(endian) == elf::PT_LOAD && program.p_flags(endian).contains(elf::PF_X)
        });
        let segments: Vec<Segment> = executable
            .map(|program| Segment {
                offset: program.p_offset(endian).into(),
                file_bytes: program.p_filesz(endian).into(),
                address: program.p_vaddr(endian).into(),
            })
            .collect();
        let place = match (segments.first(), first_offset) {
            // An object file, as modules of the kernel are.
            (None, _) => Some(Place::Same),
            // Its code was taken out, and with it what the segments said of offsets. Pages of the
            // file are mapped to pages of addresses.
            (Some(first), Some(offset)) if !has_code => {
                let page = first.address & !0xfff;
                Some(Place::Shifted(page.wrapping_sub(offset)))
            }
            _ => None,
        };
        Some(Self {
            file,
            strings,
            symbols,
            segments,
            place,
        })
    }

    fn address_of(&self, offset: u64) -> Option<u64> {
        match self.place {
            Some(Place::Shifted(by)) => Some(offset.wrapping_add(by)),
            Some(Place::Same) => Some(offset),
            None => self.segments.iter().find_map(|segment| {
                let inside = offset.checked_sub(segment.offset)?;
                (inside < segment.file_bytes).then(|| segment.address.wrapping_add(inside))
            }),
        }
    }

    /// The function at an offset in the file; of the kernel, at an address.
    pub(super) fn name(&self, offset: u64) -> Option<String> {
        let address = self.address_of(offset)?;
        let behind = self.symbols.partition_point(|s| s.address <= address);
        let before = self
            .symbols
            .get(behind.saturating_sub(OVERLAPPING)..behind)?;
        let holds = |symbol: &&Symbol| {
            let size = if symbol.size == 0 {
                WITHOUT_SIZE
            } else {
                symbol.size
            };
            address - symbol.address < size
        };
        let sized = before.iter().rev().filter(|symbol| symbol.size > 0);
        let symbol = sized.clone().find(holds).or_else(|| {
            let nearest = before.last().filter(|symbol| symbol.size == 0);
            nearest.filter(holds)
        })?;
        self.text(symbol.name)
    }

    fn text(&self, at: u32) -> Option<String> {
        let (offset, size) = self.strings;
        let room = size.checked_sub(at.into())?.min(LONGEST as u64);
        let mut bytes = vec![0; room as usize];
        let at = offset.checked_add(at.into())?;
        let read = self.file.read_at(&mut bytes, at).ok()?;
        let name = bytes.get(..read)?.split(|byte| *byte == 0).next()?;
        (!name.is_empty()).then(|| String::from_utf8_lossy(name).into_owned())
    }

    /// Address of a function by its name.
    fn find(&self, name: &str) -> Option<u64> {
        let is_it = |symbol: &&Symbol| self.text(symbol.name).as_deref() == Some(name);
        self.symbols.iter().find(is_it).map(|symbol| symbol.address)
    }
}

/// Functions in the order of their addresses.
fn functions<E: FileHeader<Endian = Endianness>>(
    entries: &[E::Sym],
    endian: Endianness,
) -> Vec<Symbol> {
    let is_function = |symbol: &&E::Sym| {
        matches!(
            symbol.st_type(),
            elf::STT_FUNC | elf::STT_GNU_IFUNC | elf::STT_NOTYPE
        ) && symbol.st_shndx(endian) != elf::SHN_UNDEF
            && symbol.st_shndx(endian) != elf::SHN_ABS
            && symbol.st_name(endian) != 0
    };
    let mut symbols: Vec<Symbol> = entries
        .iter()
        .filter(is_function)
        .take(SYMBOLS)
        .map(|symbol| Symbol {
            address: symbol.st_value(endian).into(),
            size: symbol.st_size(endian).into(),
            name: symbol.st_name(endian),
        })
        .collect();
    symbols.sort_by_key(|symbol| (symbol.address, symbol.size));
    symbols
}
