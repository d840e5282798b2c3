//! ELF files (elf(5)), read piece by piece: of a binary of any size only its tables are looked at.
//!
//! By `pread`, never mapped: a page of a mapped file that cannot be read ends the process. The files
//! are those of containers, so nothing in them is believed.

use std::time::Instant;

use super::names::{Found, Names};

/// Sections and segments that are looked at.
const ENTRIES: u64 = 4096;
/// Longest section of notes.
const NOTE_BYTES: u64 = 64 << 10;
/// A name is cut here: those of C++ can be longer than anybody reads.
const NAME_BYTES: usize = 1024;
/// Read at once.
const CHUNK_BYTES: usize = 96 << 10;

const SYMTAB: u32 = 2;
const NOTE: u32 = 7;
const NOBITS: u32 = 8;
const DYNSYM: u32 = 11;
const EXECUTABLE: u64 = 4;

/// Bytes that can be read at a place.
pub(crate) trait Source {
    /// Reads until the buffer is full or nothing more is there; how much was read.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> usize;
}

impl Source for rustix::fd::OwnedFd {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> usize {
        let mut done = 0;
        while let Some(space) = buffer.get_mut(done..).filter(|space| !space.is_empty()) {
            match rustix::io::pread(self, space, offset.saturating_add(done as u64)) {
                Ok(0) => break,
                Ok(count) => done += count,
                Err(rustix::io::Errno::INTR) => {}
                Err(_) => break,
            }
        }
        done
    }
}

impl Source for &[u8] {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> usize {
        let rest = usize::try_from(offset).ok().and_then(|at| self.get(at..));
        let rest = rest.unwrap_or_default();
        let count = rest.len().min(buffer.len());
        if let (Some(to), Some(from)) = (buffer.get_mut(..count), rest.get(..count)) {
            to.copy_from_slice(from);
        }
        count
    }
}

impl Source for Vec<u8> {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> usize {
        self.as_slice().read_at(offset, buffer)
    }
}

/// A part of the file that is loaded.
#[derive(Clone, Copy, Debug)]
struct Segment {
    offset: u64,
    address: u64,
    size: u64,
    is_executable: bool,
}

/// A section.
#[derive(Clone, Debug)]
pub(crate) struct Section {
    pub(crate) name: String,
    kind: u32,
    flags: u64,
    pub(crate) address: u64,
    pub(crate) offset: u64,
    pub(crate) size: u64,
    link: u32,
}

/// An ELF file.
pub(crate) struct Elf<'a> {
    source: &'a dyn Source,
    segments: Vec<Segment>,
    pub(crate) sections: Vec<Section>,
    notes: Vec<(u64, u64)>,
}

impl<'a> Elf<'a> {
    /// Reads the headers.
    pub(crate) fn open(source: &'a dyn Source) -> Result<Self, String> {
        let header: [u8; 64] = read(source, 0).ok_or("shorter than an ELF header")?;
        if header.get(..4) != Some(b"\x7fELF") {
            return Err("no ELF file".to_owned());
        }
        if header.get(4..6) != Some(&[2, 1]) {
            return Err("ELF of another word size or byte order".to_owned());
        }
        let mut elf = Self {
            source,
            segments: Vec::new(),
            sections: Vec::new(),
            notes: Vec::new(),
        };
        elf.read_segments(&header);
        elf.read_sections(&header);
        Ok(elf)
    }

    fn read_segments(&mut self, header: &[u8]) {
        let (table, size, count) = (u64_of(header, 32), u16_of(header, 54), u16_of(header, 56));
        for place in 0..u64::from(count).min(ENTRIES) {
            let at = table.saturating_add(place * u64::from(size));
            let Some(entry) = read::<56>(self.source, at) else {
                return;
            };
            let segment = Segment {
                offset: u64_of(&entry, 8),
                address: u64_of(&entry, 16),
                size: u64_of(&entry, 32),
                is_executable: u32_of(&entry, 4) & 1 != 0,
            };
            match u32_of(&entry, 0) {
                1 => self.segments.push(segment),
                4 => self.notes.push((segment.offset, segment.size)),
                _ => {}
            }
        }
    }

    fn read_sections(&mut self, header: &[u8]) {
        let (table, size) = (u64_of(header, 40), u64::from(u16_of(header, 58)));
        if table == 0 || size < 64 {
            return;
        }
        let first = read::<64>(self.source, table).unwrap_or([0; 64]);
        // More than fit into the header's field stand in the first entry.
        let (mut count, mut names) = (u64::from(u16_of(header, 60)), u32::from(u16_of(header, 62)));
        if count == 0 {
            count = u64_of(&first, 32);
        }
        if names == 0xffff {
            names = u32_of(&first, 40);
        }
        let mut name_places = Vec::new();
        for place in 0..count.min(ENTRIES) {
            let at = table.saturating_add(place * size);
            let Some(entry) = read::<64>(self.source, at) else {
                break;
            };
            name_places.push(u32_of(&entry, 0));
            self.sections.push(Section {
                name: String::new(),
                kind: u32_of(&entry, 4),
                flags: u64_of(&entry, 8),
                address: u64_of(&entry, 16),
                offset: u64_of(&entry, 24),
                size: u64_of(&entry, 32),
                link: u32_of(&entry, 40),
            });
        }
        let Some(strings) = self.sections.get(names as usize).cloned() else {
            return;
        };
        for (section, place) in (0..self.sections.len()).zip(name_places) {
            let name = self.text(&strings, u64::from(place), 64);
            if let Some(section) = self.sections.get_mut(section) {
                section.name = name.unwrap_or_default();
            }
        }
    }

    /// The address that a byte of the file is loaded at, before relocation.
    pub(crate) fn address_of(&self, offset: u64) -> Option<u64> {
        self.segments.iter().find_map(|segment| {
            let within = offset.checked_sub(segment.offset)?;
            (within < segment.size).then(|| segment.address.wrapping_add(within))
        })
    }

    /// What is to be added to an offset in the file to have the address of executable bytes, of which
    /// `length` are mapped from there. A mapping begins with a page, where its segment need not yet.
    pub(crate) fn distance(&self, offset: u64, length: u64) -> Option<u64> {
        let ends = offset.saturating_add(length);
        let segment = self.segments.iter().find(|segment| {
            let within = segment.offset..segment.offset.saturating_add(segment.size);
            segment.is_executable && within.start < ends && offset < within.end
        })?;
        Some(segment.address.wrapping_sub(segment.offset))
    }

    /// The reverse of [`Elf::address_of`].
    pub(crate) fn offset_of(&self, address: u64) -> Option<u64> {
        self.segments.iter().find_map(|segment| {
            let within = address.checked_sub(segment.address)?;
            (within < segment.size).then(|| segment.offset.wrapping_add(within))
        })
    }

    /// A section that has bytes in the file.
    pub(crate) fn section(&self, name: &str) -> Option<&Section> {
        let is_it = |section: &&Section| section.name == name && section.kind != NOBITS;
        self.sections.iter().find(is_it)
    }

    /// Bytes at a place in the file, as many as are there.
    pub(crate) fn bytes(&self, offset: u64, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        let count = self.source.read_at(offset, &mut bytes);
        bytes.truncate(count);
        bytes
    }

    /// A word of 8 bytes at a place in the file.
    pub(crate) fn word(&self, offset: u64) -> Option<u64> {
        read::<8>(self.source, offset).map(u64::from_le_bytes)
    }

    /// A text that ends with a zero, within a section.
    pub(crate) fn text(&self, section: &Section, at: u64, limit: usize) -> Option<String> {
        let left = section.size.checked_sub(at).filter(|left| *left > 0)?;
        let limit = limit.min(usize::try_from(left).unwrap_or(limit));
        let mut length = limit.min(96);
        loop {
            let bytes = self.bytes(section.offset.checked_add(at)?, length);
            let end = bytes.iter().position(|byte| *byte == 0);
            if end.is_none() && bytes.len() == length && length < limit {
                length = (length * 4).min(limit);
                continue;
            }
            let bytes = bytes.get(..end.unwrap_or(bytes.len()))?;
            return Some(String::from_utf8_lossy(bytes).into_owned());
        }
    }

    /// GNU's build id.
    pub(crate) fn build_id(&self) -> Option<Vec<u8>> {
        let sections = self.sections.iter().filter(|section| section.kind == NOTE);
        let sections = sections.map(|section| (section.offset, section.size));
        self.notes
            .iter()
            .copied()
            .chain(sections)
            .find_map(|(offset, size)| {
                let notes = self.bytes(offset, size.min(NOTE_BYTES) as usize);
                gnu_build_id(&notes)
            })
    }

    /// Looks all addresses up in the symbol tables. Where a function has no size the nearest one
    /// before an address is only a guess, which `names` takes last.
    pub(crate) fn symbols(&self, names: &mut Names, ends: Instant) {
        for (kind, from) in [(SYMTAB, "symtab"), (DYNSYM, "dynsym")] {
            let tables = self.sections.iter().filter(|section| section.kind == kind);
            for table in tables.clone().take(4) {
                let mut found = vec![Candidate::default(); names.len()];
                self.scan(table, names, &mut found, ends);
                self.take(table, from, names, &mut found);
            }
        }
    }

    fn scan(&self, table: &Section, names: &Names, found: &mut [Candidate], ends: Instant) {
        let mut chunk = vec![0; CHUNK_BYTES];
        let mut at = 0;
        while at < table.size && Instant::now() < ends {
            let wanted = (table.size - at).min(CHUNK_BYTES as u64) as usize;
            let Some(space) = chunk.get_mut(..wanted) else {
                return;
            };
            let count = self.source.read_at(table.offset.saturating_add(at), space);
            let symbols = chunk.get(..count).unwrap_or_default().chunks_exact(24);
            if symbols.len() == 0 {
                return;
            }
            for symbol in symbols {
                self.consider(symbol, names, found);
            }
            at += count as u64 / 24 * 24;
        }
    }

    /// Functions, and what assembly has instead.
    fn consider(&self, symbol: &[u8], names: &Names, found: &mut [Candidate]) {
        let kind = symbol.get(4).copied().unwrap_or_default() & 0xf;
        let section = u16_of(symbol, 6);
        let (start, size) = (u64_of(symbol, 8), u64_of(symbol, 16));
        if !matches!(kind, 0 | 2 | 10) || section == 0 || start == 0 {
            return;
        }
        let holds_code = |section: &Section| section.flags & EXECUTABLE != 0;
        if !self
            .sections
            .get(usize::from(section))
            .is_none_or(holds_code)
        {
            return;
        }
        let name = u32_of(symbol, 0);
        let first = names.first_from(start);
        if size == 0 {
            if let Some(candidate) = found.get_mut(first) {
                candidate.before = candidate.before.max(Some((start, Some(name))));
            }
            return;
        }
        let last = names.first_from(start.saturating_add(size));
        // What lies behind a function of a known size is not of the one before that.
        if let Some(candidate) = found.get_mut(last) {
            candidate.before = candidate.before.max(Some((start, None)));
        }
        for candidate in found.get_mut(first..last).unwrap_or_default() {
            // Of two that hold an address the later one is the narrower.
            if candidate.within.is_none_or(|(other, _, _)| other < start) {
                candidate.within = Some((start, size, name));
            }
        }
    }

    fn take(
        &self,
        table: &Section,
        from: &'static str,
        names: &mut Names,
        found: &mut [Candidate],
    ) {
        let Some(strings) = self.sections.get(table.link as usize) else {
            return;
        };
        let mut before = None;
        let mut last: Option<(u32, Option<String>)> = None;
        for (place, candidate) in found.iter().enumerate() {
            before = candidate.before.max(before);
            let guess = candidate.within.is_none();
            let symbol = candidate
                .within
                .or(before.and_then(|(start, name)| Some((start, 0, name?))));
            let Some((start, size, name)) = symbol.filter(|_| names.lacks(place, guess)) else {
                continue;
            };
            let text = match &last {
                Some((same, text)) if *same == name => text.clone(),
                _ => self.text(strings, u64::from(name), NAME_BYTES),
            };
            last = Some((name, text.clone()));
            // `$x` and `$d` mark code and data on arm64.
            let text = text.filter(|text| !text.is_empty() && !text.starts_with('$'));
            if let Some(name) = text {
                names.found(
                    place,
                    guess,
                    Found {
                        address: start,
                        size,
                        name,
                        from,
                    },
                );
            }
        }
    }
}

/// The best symbols for an address so far: start, size and place of the name; before it: the name
/// of one without a size.
#[derive(Clone, Default)]
struct Candidate {
    within: Option<(u64, u64, u32)>,
    before: Option<(u64, Option<u32>)>,
}

fn gnu_build_id(mut notes: &[u8]) -> Option<Vec<u8>> {
    loop {
        let header = notes.get(..12)?;
        let (owner, length) = (u32_of(header, 0) as usize, u32_of(header, 4) as usize);
        let text_at = 12 + owner.checked_next_multiple_of(4)?;
        let text = notes.get(text_at..text_at.checked_add(length)?)?;
        if u32_of(header, 8) == 3 && notes.get(12..16) == Some(b"GNU\0") {
            return text
                .get(..length.min(64))
                .filter(|id| !id.is_empty())
                .map(<[u8]>::to_vec);
        }
        notes = notes.get(text_at.checked_add(length.checked_next_multiple_of(4)?)?..)?;
    }
}

fn read<const N: usize>(source: &dyn Source, offset: u64) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    (source.read_at(offset, &mut bytes) == N).then_some(bytes)
}

pub(crate) fn u16_of(bytes: &[u8], at: usize) -> u16 {
    let bytes = bytes.get(at..at + 2).and_then(|b| b.try_into().ok());
    u16::from_le_bytes(bytes.unwrap_or_default())
}

pub(crate) fn u32_of(bytes: &[u8], at: usize) -> u32 {
    let bytes = bytes.get(at..at + 4).and_then(|b| b.try_into().ok());
    u32::from_le_bytes(bytes.unwrap_or_default())
}

pub(crate) fn u64_of(bytes: &[u8], at: usize) -> u64 {
    let bytes = bytes.get(at..at + 8).and_then(|b| b.try_into().ok());
    u64::from_le_bytes(bytes.unwrap_or_default())
}
