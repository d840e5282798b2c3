//! Names of the kernel's functions, and of code that processes generated: both are lists of lines.

use std::time::Instant;

use super::elf::Source;
use super::names::{Found, Names};

/// Read at once.
const CHUNK_BYTES: usize = 64 << 10;
/// A longer line is passed over.
const LINE_BYTES: usize = 4096;
/// Longest name that is kept.
const NAME_BYTES: usize = 1024;

/// What `/proc/kallsyms` tells of the kernel itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct KernelText {
    /// `_text` and `_etext`.
    pub(crate) start: u64,
    pub(crate) end: u64,
    /// Whether all addresses are zero: `kernel.kptr_restrict`, or no `CAP_SYSLOG`.
    pub(crate) is_hidden: bool,
}

/// Reads `/proc/kallsyms`: address, kind, name and in brackets the module.
pub(crate) fn symbols(source: &dyn Source, names: &mut Names, ends: Instant) -> KernelText {
    let mut text = KernelText {
        is_hidden: true,
        ..KernelText::default()
    };
    let mut best: Vec<(u64, u64, Option<String>)> = vec![(0, u64::MAX, None); names.len()];
    let is_whole = lines(source, ends, &mut |line| {
        let mut fields = line.splitn(3, |byte| *byte == b' ');
        let (Some(address), Some(kind), Some(name)) = (
            fields.next().and_then(hexadecimal),
            fields.next(),
            fields.next(),
        ) else {
            return;
        };
        text.is_hidden &= address == 0;
        match name {
            b"_text" => text.start = address,
            b"_etext" => text.end = address,
            _ => {}
        }
        if !matches!(kind, b"t" | b"T" | b"w" | b"W") || address == 0 {
            return;
        }
        // It begins before the address at `first` and ends the one before it.
        let first = names.first_from(address);
        if let Some((start, _, best)) = best.get_mut(first)
            && (address > *start || best.is_none())
        {
            *start = address;
            *best = Some(name_of(name));
        }
        if let Some((_, end, _)) = first.checked_sub(1).and_then(|last| best.get_mut(last)) {
            *end = address.min(*end);
        }
    });
    let mut before: Option<(u64, String)> = None;
    let mut ends_at = vec![0; best.len()];
    let mut next = u64::MAX;
    for (place, (start, end, _)) in best.iter().enumerate().rev() {
        next = next.min(*end);
        if let Some(end) = ends_at.get_mut(place) {
            *end = next;
        }
        if *start != 0 {
            next = *start;
        }
    }
    for (place, (start, _, name)) in best.into_iter().enumerate() {
        if let Some(name) = name {
            before = Some((start, name));
        }
        // Of a list that was not read to its end only what something follows is certain.
        if let (Some((start, name)), Some(end)) = (&before, ends_at.get(place))
            && (is_whole || *end != u64::MAX)
        {
            let found = Found {
                address: *start,
                size: if *end == u64::MAX {
                    0
                } else {
                    end.saturating_sub(*start)
                },
                name: name.clone(),
                from: "kallsyms",
            };
            names.found(place, false, found);
        }
    }
    text
}

/// Reads a perf map: start and size, hexadecimal, then the name to the end of the line.
pub(crate) fn perf_map(source: &dyn Source, names: &mut Names, ends: Instant) {
    lines(source, ends, &mut |line| {
        let mut fields = line.splitn(3, |byte| *byte == b' ');
        let (Some(start), Some(size), Some(name)) = (
            fields.next().and_then(hexadecimal),
            fields.next().and_then(hexadecimal),
            fields.next(),
        ) else {
            return;
        };
        names.replace(start, size, &name_of(name), "perf_map");
    });
}

/// `name<TAB>[module]` with a blank between.
fn name_of(name: &[u8]) -> String {
    let name = String::from_utf8_lossy(name.get(..NAME_BYTES).unwrap_or(name));
    name.trim().replace('\t', " ")
}

fn hexadecimal(text: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(text).ok()?;
    u64::from_str_radix(text.strip_prefix("0x").unwrap_or(text), 16).ok()
}

/// Goes through the lines of a file of any length; whether it came to the end.
fn lines(source: &dyn Source, ends: Instant, each: &mut dyn FnMut(&[u8])) -> bool {
    let mut buffer = vec![0; CHUNK_BYTES];
    let (mut kept, mut at) = (0, 0);
    while Instant::now() < ends {
        let Some(space) = buffer.get_mut(kept..) else {
            return false;
        };
        let count = source.read_at(at, space);
        at += count as u64;
        let filled = kept + count;
        let bytes = buffer.get(..filled).unwrap_or_default();
        let whole = match memchr::memrchr(b'\n', bytes) {
            Some(end) => end + 1,
            None if count == 0 => filled,
            None => 0,
        };
        let lines = bytes.get(..whole).unwrap_or_default();
        for line in lines
            .split(|byte| *byte == b'\n')
            .filter(|line| line.len() > 2)
        {
            each(line);
        }
        if count == 0 {
            return true;
        }
        // What is longer than any line is no line.
        let from = if filled - whole > LINE_BYTES {
            filled
        } else {
            whole
        };
        buffer.copy_within(from..filled, 0);
        kept = filled - from;
    }
    false
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn soon() -> Instant {
        Instant::now() + Duration::from_mins(1)
    }

    #[test]
    fn the_nearest_kernel_function_before_an_address_is_it() {
        let text = "\
ffffffff81000000 T _text
ffffffff81000100 t first
ffffffff81000200 d data_is_no_code
ffffffffc0001000 t in_module\t[ext4]
ffffffff81000300 T second
ffffffff81000400 T _etext
";
        let mut names = Names::new(vec![
            0xffff_ffff_8100_0180,
            0xffff_ffff_8100_02ff,
            0xffff_ffff_8100_0300,
            0xffff_ffff_c000_1010,
        ]);
        let kernel = symbols(&text.as_bytes(), &mut names, soon());
        assert_eq!(kernel.start, 0xffff_ffff_8100_0000);
        assert_eq!(kernel.end, 0xffff_ffff_8100_0400);
        assert!(!kernel.is_hidden);
        let name = |address: u64| {
            let found = names.get(address).unwrap();
            (found.name.as_str(), found.size)
        };
        assert_eq!(name(0xffff_ffff_8100_0180), ("first", 0x200));
        assert_eq!(name(0xffff_ffff_8100_02ff), ("first", 0x200));
        assert_eq!(name(0xffff_ffff_8100_0300), ("second", 0x100));
        assert_eq!(name(0xffff_ffff_c000_1010), ("in_module [ext4]", 0));
    }

    #[test]
    fn hidden_addresses_are_told() {
        let text = "0000000000000000 T _text\n0000000000000000 t first\n";
        let mut names = Names::new(vec![0xffff_ffff_8100_0180]);
        assert!(symbols(&text.as_bytes(), &mut names, soon()).is_hidden);
        assert_eq!(names.get(0xffff_ffff_8100_0180), None);
    }

    #[test]
    fn later_lines_of_a_perf_map_win() {
        let text = "1000 100 old one\n0x2000 80 Lambda::call(int, int)\n1000 100 new one\nx y z\n";
        let mut names = Names::new(vec![0x1010, 0x2000, 0x2080]);
        perf_map(&text.as_bytes(), &mut names, soon());
        assert_eq!(names.get(0x1010).unwrap().name, "new one");
        assert_eq!(names.get(0x2000).unwrap().name, "Lambda::call(int, int)");
        assert_eq!(names.get(0x2080), None);
    }

    #[test]
    fn endless_lines_end() {
        let mut names = Names::new(vec![0x1010]);
        let text = [vec![b'1'; 1 << 20], b"\n1000 100 name\n".to_vec()].concat();
        perf_map(&text.as_slice(), &mut names, soon());
        assert_eq!(names.get(0x1010).unwrap().name, "name");
    }
}
