//! One journal file, walked from its newest entry.

use std::collections::HashMap;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::rc::Rc;

use super::entry::Entry;
use super::object::{self, Damage, ENTRY, ENTRY_ARRAY, u32_at, u64_at};

const SIGNATURE: &[u8; 8] = b"LPKSHHRH";
/// Header up to and with the offset of the first entry array: all versions have it.
const HEADER_BYTES: usize = 184;
/// Entries are referred to by 4 bytes instead of 8, and have no hashes.
const INCOMPATIBLE_COMPACT: u32 = 16;
/// XZ, LZ4, keyed hash, ZSTD, compact.
const INCOMPATIBLE_KNOWN: u32 = 31;
/// Arrays double in size, so a file of 4 GiB has some dozens.
const ARRAYS: usize = 4096;
/// Arrays above this are read in parts.
const ITEMS_PER_READ: u64 = 4096;
/// An entry has some dozens of fields.
const ENTRY_BYTES: u64 = 64 << 10;
/// Fields such as `_BOOT_ID=...` are shared by thousands of entries: short ones are kept.
const CACHE_COUNT: usize = 4096;
const CACHED_BYTES: usize = 256;

/// An entry that can be read next.
#[derive(Clone, Copy, Debug)]
pub(super) struct At {
    offset: u64,
    pub(super) realtime_us: u64,
}

pub(super) struct JournalFile {
    file: File,
    length: u64,
    is_compact: bool,
    /// Offset of the first item and number of items of each array, oldest first.
    arrays: Vec<(u64, u64)>,
    /// Offsets that were read of the newest array, oldest first.
    items: Vec<u64>,
    cache: HashMap<u64, Rc<Vec<u8>>>,
}

impl JournalFile {
    pub(super) fn open(file: File) -> Result<Self, Damage> {
        let fail = |offset: u64, reason: &str| (offset, reason.to_owned());
        let length = file
            .metadata()
            .map_err(|error| (0, error.to_string()))?
            .len();
        let mut header = [0; HEADER_BYTES];
        file.read_exact_at(&mut header, 0)
            .map_err(|error| (0, error.to_string()))?;
        if !header.starts_with(SIGNATURE) {
            return Err(fail(0, "not a journal file"));
        }
        let flags = u32_at(&header, 12).unwrap_or(u32::MAX);
        if flags & !INCOMPATIBLE_KNOWN != 0 {
            return Err(fail(12, "a newer journal format"));
        }
        let mut journal = Self {
            file,
            length,
            is_compact: flags & INCOMPATIBLE_COMPACT != 0,
            arrays: Vec::new(),
            items: Vec::new(),
            cache: HashMap::new(),
        };
        journal.find_arrays(u64_at(&header, 176).unwrap_or(0));
        Ok(journal)
    }

    /// Follows the chain of entry arrays; it ends where it makes no sense.
    fn find_arrays(&mut self, first: u64) {
        let mut offset = first;
        while offset != 0 && self.arrays.len() < ARRAYS {
            let mut header = [0; 24];
            let fits = offset.is_multiple_of(8) && offset < self.length;
            if !fits || self.file.read_exact_at(&mut header, offset).is_err() {
                return;
            }
            let (size, next) = (
                u64_at(&header, 8).unwrap_or(0),
                u64_at(&header, 16).unwrap_or(0),
            );
            let is_array = header.first() == Some(&ENTRY_ARRAY);
            let end = offset.checked_add(size).filter(|end| *end <= self.length);
            let (Some(_), true, Some(bytes)) = (end, is_array, size.checked_sub(24)) else {
                return;
            };
            self.arrays.push((offset + 24, bytes / self.item_bytes()));
            // A chain that turns back would never end.
            if next <= offset {
                return;
            }
            offset = next;
        }
    }

    fn item_bytes(&self) -> u64 {
        if self.is_compact { 4 } else { 8 }
    }

    /// The next older entry.
    pub(super) fn previous(&mut self) -> Option<At> {
        loop {
            let Some(offset) = self.items.pop() else {
                self.read_items()?;
                continue;
            };
            if offset == 0 {
                // The newest array is filled in part.
                continue;
            }
            let mut header = [0; 40];
            let read = self.file.read_exact_at(&mut header, offset);
            if read.is_ok() && header.first() == Some(&ENTRY) {
                return Some(At {
                    offset,
                    realtime_us: u64_at(&header, 24)?,
                });
            }
        }
    }

    /// Reads the last items of the newest array that is left.
    fn read_items(&mut self) -> Option<()> {
        let item_bytes = self.item_bytes();
        let (begin, count) = self.arrays.last_mut()?;
        let part = (*count).min(ITEMS_PER_READ);
        *count -= part;
        let offset = *begin + *count * item_bytes;
        if *count == 0 {
            self.arrays.pop();
        }
        let mut bytes = vec![0; (part * item_bytes) as usize];
        // What cannot be read has no entries; older arrays may have.
        if self.file.read_exact_at(&mut bytes, offset).is_ok() {
            let is_compact = self.is_compact;
            self.items
                .extend(bytes.chunks_exact(item_bytes as usize).filter_map(|item| {
                    if is_compact {
                        u32_at(item, 0).map(u64::from)
                    } else {
                        u64_at(item, 0)
                    }
                }));
        }
        Some(())
    }

    /// Reads an entry. A field that cannot be read is left out.
    pub(super) fn entry(&mut self, at: &At) -> Result<Entry, Damage> {
        let object = object::read(&self.file, self.length, at.offset, ENTRY, ENTRY_BYTES)?;
        let body = &object.body;
        let word =
            |place| u64_at(body, place).ok_or((at.offset, "an entry that is too short".to_owned()));
        let mut entry = Entry {
            realtime_us: word(8)?,
            monotonic_us: word(16)?,
            ..Entry::default()
        };
        if let Some(boot_id) = body.get(24..40).and_then(|bytes| bytes.try_into().ok()) {
            entry.boot_id = boot_id;
        }
        // seqnum, realtime, monotonic, boot id, hash; then the fields.
        let items = body.get(48..).unwrap_or_default();
        let step = if self.is_compact { 4 } else { 16 };
        for item in items.chunks_exact(step) {
            let offset = if self.is_compact {
                u32_at(item, 0).map(u64::from)
            } else {
                u64_at(item, 0)
            };
            let Some(offset) = offset.filter(|offset| *offset != 0) else {
                continue;
            };
            if let Some(field) = self.cache.get(&offset) {
                entry.add(field);
            } else if let Ok(field) = object::data(&self.file, self.length, offset, self.is_compact)
            {
                entry.add(&field);
                if field.len() <= CACHED_BYTES && self.cache.len() < CACHE_COUNT {
                    self.cache.insert(offset, Rc::new(field));
                }
            }
        }
        Ok(entry)
    }
}
