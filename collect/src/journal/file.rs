//! One journal file, walked from its newest entry.
//!
//! The header leads to a chain of entry arrays, each larger than the one before, which list the
//! entries in the order of writing. Where the chain is broken, or its end was never written (the
//! node lost its power), objects lie one behind the other all the same: those behind the last
//! listed entry are looked at one by one.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::time::Instant;

use super::blocks::Handle;
use super::entry::Entry;
use super::object::{self, Damage, ENTRY, ENTRY_ARRAY, Reader, u32_at, u64_at};

const SIGNATURE: &[u8; 8] = b"LPKSHHRH";
/// Header that every version has; later versions add to it.
const HEADER_BYTES: u64 = 208;
/// Larger than any header will be for long.
const HEADER_MOST_BYTES: u64 = 4096;
const INCOMPATIBLE_COMPACT: u32 = 16;
/// XZ, LZ4, keyed hash, ZSTD, compact.
const INCOMPATIBLE_KNOWN: u32 = 31;
/// Kind, flags, size of an entry array, offset of the next.
const ARRAY_HEADER_BYTES: u64 = 24;
/// Arrays double in size, so a file of 4 GiB has some dozens.
const ARRAYS: usize = 4096;
/// Items of an array that are read at once.
const ITEMS: u64 = 2048;
/// Reads without any entry. Half of the last array may be unused, more is no file of journald.
const EMPTY_READS: usize = 1024;
/// Bytes at the end of a file in which objects are looked at one by one.
const SEARCHED_BYTES: u64 = 32 << 20;
/// Places that are looked at in them: some 100 ms.
const PLACES: usize = 1 << 20;
/// Entries that are kept of them, the newest.
const UNLISTED: usize = 64 << 10;
/// systemd refuses entries with more fields.
const FIELDS: usize = 1024;
/// Longest entry, unpacked: a hostile one could name one large field a thousand times.
const ENTRY_TEXT_BYTES: usize = 512 << 10;

/// An entry that can be read next.
#[derive(Clone, Copy, Debug)]
pub(super) struct At {
    offset: u64,
    pub(super) realtime_us: u64,
}

/// What one step towards older entries came to.
pub(super) enum Step {
    Entry(At),
    Damage(Damage),
    /// Items of an array were read.
    Items,
    End,
}

/// The end of the walk into a file is its oldest entry, or a disk that fails.
pub(super) struct JournalFile {
    handle: Handle,
    /// Offset of the first item and number of items of each array, oldest first.
    arrays: Vec<(u64, u64)>,
    /// Offsets of entries, oldest first: those that were read of the newest array left.
    items: Vec<u64>,
    empty_reads: usize,
}

impl JournalFile {
    /// Opens a file and finds its newest entries; what is broken of it is told beside.
    pub(super) fn open(
        file: File,
        number: usize,
        reader: &mut Reader,
        ends: Instant,
    ) -> Result<(Self, Vec<Damage>), Damage> {
        let metadata = file.metadata().map_err(|error| Damage::read(0, &error))?;
        if !metadata.is_file() {
            return Err(Damage::new(0, "no regular file"));
        }
        // Not through the cache: a file that is being written to changes here.
        let mut header = [0; HEADER_BYTES as usize];
        file.read_exact_at(&mut header, 0)
            .map_err(|error| Damage::read(0, &error))?;
        if !header.starts_with(SIGNATURE) {
            return Err(Damage::new(0, "not a journal file"));
        }
        let flags = u32_at(&header, 12).unwrap_or(u32::MAX);
        if flags & !INCOMPATIBLE_KNOWN != 0 {
            return Err(Damage::new(12, "a newer journal format"));
        }
        let mut journal = Self {
            handle: Handle {
                file,
                number,
                length: metadata.len(),
                is_compact: flags & INCOMPATIBLE_COMPACT != 0,
            },
            arrays: Vec::new(),
            items: Vec::new(),
            empty_reads: 0,
        };
        let word = |place| u64_at(&header, place).unwrap_or(0);
        let (header_bytes, last_object, first_array) = (word(88), word(136), word(176));
        let mut damage: Vec<Damage> = journal.find_arrays(first_array).err().into_iter().collect();
        while journal.items.is_empty() && journal.read_items(&mut damage) {}
        let first_object = header_bytes.clamp(HEADER_BYTES, HEADER_MOST_BYTES) & !7;
        journal.find_unlisted(first_object, last_object, reader, ends);
        Ok((journal, damage))
    }

    /// Follows the chain of entry arrays.
    fn find_arrays(&mut self, first: u64) -> Result<(), Damage> {
        let mut offset = first;
        while offset != 0 {
            let known = self.arrays.last().map_or(0, |(begin, _)| *begin);
            if offset < known || !offset.is_multiple_of(8) || self.arrays.len() >= ARRAYS {
                return Err(Damage::new(offset, "the chain of entries is broken"));
            }
            // Not through the cache: what is listed has been written before it was.
            let mut bytes = [0; ARRAY_HEADER_BYTES as usize];
            self.handle
                .file
                .read_exact_at(&mut bytes, offset)
                .map_err(|error| Damage::read(offset, &error))?;
            let header = object::header(&bytes, offset, self.handle.length)?;
            let length = header.size.checked_sub(ARRAY_HEADER_BYTES);
            let (ENTRY_ARRAY, Some(length)) = (header.kind, length) else {
                return Err(Damage::new(offset, "the chain of entries is broken"));
            };
            let item = (offset + ARRAY_HEADER_BYTES, length / self.item_bytes());
            self.arrays.push(item);
            offset = u64_at(&bytes, 16).unwrap_or(0);
        }
        Ok(())
    }

    fn item_bytes(&self) -> u64 {
        if self.handle.is_compact { 4 } else { 8 }
    }

    /// Reads the last items of the newest array that is left; false where none is.
    fn read_items(&mut self, damage: &mut Vec<Damage>) -> bool {
        let item_bytes = self.item_bytes();
        let Some((begin, count)) = self.arrays.last_mut() else {
            return false;
        };
        let part = (*count).min(ITEMS);
        *count -= part;
        let offset = *begin + *count * item_bytes;
        if *count == 0 {
            self.arrays.pop();
        }
        let mut bytes = vec![0; (part * item_bytes) as usize];
        if let Err(error) = self.handle.file.read_exact_at(&mut bytes, offset) {
            let broken = Damage::read(offset, &error);
            // Older arrays may be readable, unless the disk fails.
            if broken.is_disk {
                self.arrays.clear();
            }
            damage.push(broken);
        }
        let is_compact = self.handle.is_compact;
        let items = bytes.chunks_exact(item_bytes as usize);
        let items = items.filter_map(|item| offset_at(item, is_compact));
        // The newest array is filled in part.
        self.items.extend(items.filter(|offset| *offset != 0));
        if self.items.is_empty() {
            self.empty_reads += 1;
            if self.empty_reads >= EMPTY_READS {
                self.arrays.clear();
            }
        }
        true
    }

    /// Looks for entries that no array lists, behind the last one that is listed.
    fn find_unlisted(&mut self, first: u64, last: u64, reader: &mut Reader, ends: Instant) {
        let listed = self.items.iter().copied();
        let listed = listed.filter(|offset| *offset < self.handle.length).max();
        let last = last.min(self.handle.length);
        let begin = last.saturating_sub(SEARCHED_BYTES) & !7;
        let mut offset = listed.unwrap_or(first).max(begin);
        // Whether an object begins here is known only as long as one follows the other.
        let mut is_lost = offset == begin;
        let mut found = Vec::new();
        for place in 1..=PLACES {
            let object = reader.header(&self.handle, offset);
            let next = object.as_ref().ok().and_then(|header| header.next(offset));
            match (object, next) {
                (Ok(header), Some(next)) if !is_lost || self.is_object(offset, next, reader) => {
                    is_lost = false;
                    if header.kind == ENTRY && listed != Some(offset) {
                        found.push(offset);
                    }
                    offset = next;
                }
                (Err(damage), _) if damage.is_disk => break,
                // Behind the last object is room for more of them.
                _ if offset > last => break,
                _ => {
                    is_lost = true;
                    offset += 8;
                }
            }
            if found.len() >= 2 * UNLISTED {
                found.drain(..UNLISTED);
            }
            if place.is_multiple_of(1024) && Instant::now() >= ends {
                break;
            }
        }
        let older = found.len().saturating_sub(UNLISTED);
        self.items.extend(found.drain(older..));
    }

    /// Whether what looks like an object is one: nothing in its reserved bytes, another behind it.
    fn is_object(&self, offset: u64, next: u64, reader: &mut Reader) -> bool {
        let mut bytes = [0; 8];
        let reserved = reader
            .bytes(&self.handle, offset, &mut bytes)
            .is_ok_and(|()| bytes.iter().skip(2).all(|byte| *byte == 0));
        reserved && (next >= self.handle.length || reader.header(&self.handle, next).is_ok())
    }

    /// One step to the next older entry.
    pub(super) fn previous(&mut self, reader: &mut Reader) -> Step {
        let Some(offset) = self.items.pop() else {
            let mut damage = Vec::new();
            let more = self.read_items(&mut damage);
            return match damage.pop() {
                Some(damage) => Step::Damage(damage),
                None if more => Step::Items,
                None => Step::End,
            };
        };
        // Header, sequence number, time.
        let mut bytes = [0; 32];
        let header = reader
            .bytes(&self.handle, offset, &mut bytes)
            .and_then(|()| object::header(&bytes, offset, self.handle.length));
        match (header, u64_at(&bytes, 24)) {
            (Ok(header), Some(realtime_us)) if header.kind == ENTRY => Step::Entry(At {
                offset,
                realtime_us,
            }),
            (Ok(_), _) => Step::Damage(Damage::new(offset, "no entry where one is listed")),
            (Err(damage), _) => Step::Damage(self.noted(damage)),
        }
    }

    /// Reads an entry. A field that cannot be read is left out of it, and told.
    pub(super) fn entry(
        &mut self,
        at: &At,
        reader: &mut Reader,
    ) -> Result<(Entry, Option<Damage>), Damage> {
        let body = match reader.entry(&self.handle, at.offset) {
            Ok(body) => body,
            Err(damage) => return Err(self.noted(damage)),
        };
        // Sequence number, realtime, monotonic, boot id, hash; then the fields.
        let monotonic = u64_at(body, 16);
        let boot_id = body.get(24..40).and_then(|bytes| bytes.try_into().ok());
        let (Some(monotonic_us), Some(boot_id), Some(items)) = (monotonic, boot_id, body.get(48..))
        else {
            return Err(Damage::new(at.offset, "an entry that is too short"));
        };
        let mut entry = Entry {
            realtime_us: at.realtime_us,
            monotonic_us,
            boot_id,
            ..Entry::default()
        };
        let item_bytes = if self.handle.is_compact { 4 } else { 16 };
        let items = items.chunks_exact(item_bytes).take(FIELDS);
        let offsets: Vec<u64> = items
            .filter_map(|item| offset_at(item, self.handle.is_compact))
            .filter(|offset| *offset != 0)
            .collect();
        let mut text_bytes = 0;
        let mut damage = None;
        for offset in offsets {
            match reader.data(&self.handle, offset) {
                Ok(field) => {
                    text_bytes += field.len();
                    if text_bytes > ENTRY_TEXT_BYTES {
                        damage = Some(Damage::new(at.offset, "an entry that is too long"));
                        break;
                    }
                    entry.add(field);
                }
                Err(broken) => {
                    let broken = self.noted(broken);
                    let is_disk = broken.is_disk;
                    damage = Some(broken);
                    if is_disk {
                        break;
                    }
                }
            }
        }
        Ok((entry, damage))
    }

    /// Ends the walk where the disk fails: the next read could hang as long as this one did.
    fn noted(&mut self, damage: Damage) -> Damage {
        if damage.is_disk {
            self.arrays.clear();
            self.items.clear();
        }
        damage
    }
}

fn offset_at(item: &[u8], is_compact: bool) -> Option<u64> {
    if is_compact {
        u32_at(item, 0).map(u64::from)
    } else {
        u64_at(item, 0)
    }
}
