//! Names of Go functions: every Go binary has them in `.gopclntab`, stripped or not.
//!
//! The table is that of Go 1.18 and later (`internal/abi`, `debug/gosym`).

use std::time::Instant;

use super::elf::{Elf, Section, u32_of, u64_of};
use super::names::{Found, Names};

/// Go 1.18 and 1.19, then 1.20 and later.
const MAGIC: [u32; 2] = [0xffff_fff0, 0xffff_fff1];
/// Functions of one binary; kubelet has 110,000.
const FUNCTIONS: u64 = 1 << 21;
/// Longest name.
const NAME_BYTES: usize = 1024;
/// Word of `runtime.moduledata` that holds the beginning of the text, and those before it: `minpc`
/// and `maxpc`.
const TEXT_WORD: u64 = 22;
/// Sections are searched for `moduledata` so far.
const SEARCH_BYTES: u64 = 8 << 20;

/// Looks up what is not known yet.
pub(crate) fn symbols(elf: &Elf<'_>, names: &mut Names, ends: Instant) {
    let tables = [".gopclntab", ".data.rel.ro.gopclntab"];
    let Some(section) = tables.iter().find_map(|name| elf.section(name)) else {
        return;
    };
    let Some(table) = Table::open(elf, section) else {
        return;
    };
    let entries = table.entries(elf);
    for (place, address) in names.unknown() {
        if Instant::now() >= ends {
            return;
        }
        if let Some(found) = table.find(elf, &entries, address) {
            names.found(place, false, found);
        }
    }
}

struct Table<'a> {
    section: &'a Section,
    functions: u64,
    text: u64,
    /// Offset of the names in the section.
    names: u64,
    /// Offset of the table of functions and of the functions themselves.
    functions_at: u64,
}

impl<'a> Table<'a> {
    fn open(elf: &Elf<'_>, section: &'a Section) -> Option<Self> {
        let header = elf.bytes(section.offset, 8 + 8 * 8);
        // Words of 8 bytes, as the addresses of the ELF files that are read at all.
        if header.len() < 72 || !MAGIC.contains(&u32_of(&header, 0)) || header.get(7) != Some(&8) {
            return None;
        }
        let word = |place: usize| u64_of(&header, 8 + place * 8);
        let functions_at = Some(word(7)).filter(|at| *at < section.size)?;
        let room = (section.size - functions_at) / 8;
        Some(Self {
            section,
            functions: word(0).min(room).min(FUNCTIONS),
            text: text_start(elf, section, word(2))?,
            names: word(3),
            functions_at,
        })
    }

    /// Pairs: offset of the function from the text, offset of its description.
    fn entries(&self, elf: &Elf<'_>) -> Vec<u8> {
        let at = self.section.offset.saturating_add(self.functions_at);
        elf.bytes(at, self.functions as usize * 8 + 4)
    }

    fn find(&self, elf: &Elf<'_>, entries: &[u8], address: u64) -> Option<Found> {
        let wanted = u32::try_from(address.checked_sub(self.text)?).ok()?;
        let count = entries.len() / 8;
        let start = |place: usize| u32_of(entries, place * 8);
        let (mut low, mut high) = (0, count);
        while low < high {
            let middle = usize::midpoint(low, high);
            if start(middle) <= wanted {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        let place = low.checked_sub(1)?;
        // Behind the last one stands where it ends.
        let end = u32_of(entries, low * 8);
        if wanted >= end {
            return None;
        }
        let description = u64::from(u32_of(entries, place * 8 + 4));
        let at = self.functions_at.checked_add(description)?.checked_add(4)?;
        let name = elf.bytes(self.section.offset.checked_add(at)?, 4);
        let name = self.names.checked_add(u32_of(&name, 0).into())?;
        let name = elf.text(self.section, name, NAME_BYTES)?;
        (!name.is_empty()).then(|| Found {
            address: self.text + u64::from(start(place)),
            size: u64::from(end - start(place)),
            name,
            from: "gopclntab",
        })
    }
}

/// What the functions' offsets count from. With cgo it is not the beginning of `.text`.
fn text_start(elf: &Elf<'_>, section: &Section, in_header: u64) -> Option<u64> {
    if in_header != 0 {
        return Some(in_header);
    }
    // A position-independent binary has the word in its relocations.
    relative(elf, section.address.wrapping_add(24))
        .or_else(|| module_data(elf, section.address))
        .or_else(|| Some(elf.section(".text")?.address))
}

/// The addend of a relative relocation of this place (`Elf64_Rela`).
fn relative(elf: &Elf<'_>, place: u64) -> Option<u64> {
    let section = elf.section(".rela.dyn")?;
    let bytes = elf.bytes(section.offset, section.size.min(SEARCH_BYTES) as usize);
    let mut entries = bytes.chunks_exact(24);
    let entry = entries.find(|entry| u64_of(entry, 0) == place)?;
    Some(u64_of(entry, 16)).filter(|text| *text != 0)
}

/// `runtime.moduledata` begins with the address of the table.
fn module_data(elf: &Elf<'_>, table: u64) -> Option<u64> {
    let sections = [".go.module", ".noptrdata", ".data", ".data.rel.ro"];
    sections.iter().find_map(|name| {
        let section = elf.section(name)?;
        let bytes = elf.bytes(section.offset, section.size.min(SEARCH_BYTES) as usize);
        let words = bytes.chunks_exact(8).enumerate();
        let mut starts = words.filter(|(_, word)| u64_of(word, 0) == table);
        starts.find_map(|(place, _)| {
            let at = section.offset + place as u64 * 8;
            let word = |number: u64| elf.word(at + number * 8);
            let text = word(TEXT_WORD)?;
            // `minpc` is the first function, at or behind the beginning of the text.
            let is_it = text != 0 && text <= word(20)? && word(20)? < word(21)?;
            is_it.then_some(text)
        })
    })
}
