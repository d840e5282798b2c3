//! Objects of a journal file: what a file is made of behind its header.

use std::io::ErrorKind;

use super::blocks::{Blocks, Handle};
use super::unpack::Unpacker;

/// Kinds of objects.
const DATA: u8 = 1;
pub(super) const ENTRY: u8 = 3;
pub(super) const ENTRY_ARRAY: u8 = 6;
/// The last kind that is known: TAG.
const KINDS: u8 = 7;

/// Kind, flags, 6 bytes reserved, size.
pub(super) const HEADER_BYTES: u64 = 16;
/// What is longer is no log message, or compresses to none.
const DATA_BYTES: u64 = 1 << 20;
/// systemd refuses entries of more than 1024 fields, 16 bytes each.
const ENTRY_BYTES: u64 = 17 << 10;

/// Where and why something could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Damage {
    pub(super) offset: u64,
    pub(super) reason: String,
    /// The disk fails: each further read of this file may take seconds to fail as well.
    pub(super) is_disk: bool,
}

impl Damage {
    pub(super) fn new(offset: u64, reason: impl Into<String>) -> Self {
        Self {
            offset,
            reason: reason.into(),
            is_disk: false,
        }
    }

    /// A read that failed; the end of the file is none of the disk's faults.
    pub(super) fn read(offset: u64, error: &std::io::Error) -> Self {
        let is_end = error.kind() == ErrorKind::UnexpectedEof;
        Self {
            offset,
            reason: if is_end {
                "behind the end of the file".to_owned()
            } else {
                error.to_string()
            },
            is_disk: !is_end,
        }
    }
}

/// An object's header, after a look at it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Header {
    pub(super) kind: u8,
    flags: u8,
    pub(super) size: u64,
}

impl Header {
    /// Where the object behind this one begins.
    pub(super) fn next(self, offset: u64) -> Option<u64> {
        offset.checked_add(self.size)?.checked_next_multiple_of(8)
    }
}

/// Reads objects of all files; its buffers are used again for each.
pub(super) struct Reader {
    blocks: Blocks,
    object: Vec<u8>,
    unpacker: Unpacker,
}

impl Reader {
    pub(super) fn new() -> Self {
        Self {
            blocks: Blocks::new(),
            object: Vec::new(),
            unpacker: Unpacker::default(),
        }
    }

    /// Reads what stands at the beginning of an object; it lies in the file as a whole.
    pub(super) fn header(&mut self, handle: &Handle, offset: u64) -> Result<Header, Damage> {
        let mut bytes = [0; HEADER_BYTES as usize];
        self.bytes(handle, offset, &mut bytes)?;
        header(&bytes, offset, handle.length)
    }

    /// Fills `out` with the beginning of the object at `offset`.
    pub(super) fn bytes(
        &mut self,
        handle: &Handle,
        offset: u64,
        out: &mut [u8],
    ) -> Result<(), Damage> {
        if !offset.is_multiple_of(8) {
            return Err(Damage::new(offset, "no object can begin here"));
        }
        self.blocks
            .read(handle, offset, out)
            .map_err(|error| Damage::read(offset, &error))
    }

    /// The content of an ENTRY object.
    pub(super) fn entry(&mut self, handle: &Handle, offset: u64) -> Result<&[u8], Damage> {
        self.object(handle, offset, ENTRY, ENTRY_BYTES)?;
        Ok(&self.object)
    }

    /// `NAME=value` of a DATA object.
    pub(super) fn data(&mut self, handle: &Handle, offset: u64) -> Result<&[u8], Damage> {
        let flags = self.object(handle, offset, DATA, DATA_BYTES)?.flags;
        // Hash, next hash, next field, entry, entry array, count of entries; then, in compact
        // files, offset and count of the last entry array.
        let skip = if handle.is_compact { 56 } else { 48 };
        let payload = self
            .object
            .get(skip..)
            .ok_or_else(|| Damage::new(offset, "a field without content"))?;
        self.unpacker
            .unpack(flags, payload)
            .map_err(|reason| Damage::new(offset, reason))
    }

    /// Reads the content of an object of this kind, `limit` bytes at most.
    fn object(
        &mut self,
        handle: &Handle,
        offset: u64,
        kind: u8,
        limit: u64,
    ) -> Result<Header, Damage> {
        let header = self.header(handle, offset)?;
        if header.kind != kind {
            let reason = format!("an object of kind {} where {kind} is expected", header.kind);
            return Err(Damage::new(offset, reason));
        }
        let length = header.size - HEADER_BYTES;
        if length > limit {
            let reason = format!("an object of {} bytes", header.size);
            return Err(Damage::new(offset, reason));
        }
        self.object.resize(length as usize, 0);
        self.blocks
            .read(handle, offset + HEADER_BYTES, &mut self.object)
            .map_err(|error| Damage::read(offset, &error))?;
        Ok(header)
    }
}

/// Looks at an object's header: its kind is known, it ends in the file.
pub(super) fn header(bytes: &[u8], offset: u64, length: u64) -> Result<Header, Damage> {
    let header = Header {
        kind: bytes.first().copied().unwrap_or(0),
        flags: bytes.get(1).copied().unwrap_or(0),
        size: u64_at(bytes, 8).unwrap_or(0),
    };
    let ends_in_file = offset
        .checked_add(header.size)
        .is_some_and(|end| end <= length);
    if header.kind == 0 || header.kind > KINDS {
        let reason = format!("an object of kind {}", header.kind);
        Err(Damage::new(offset, reason))
    } else if header.size < HEADER_BYTES || !ends_in_file {
        let reason = format!("an object of {} bytes", header.size);
        Err(Damage::new(offset, reason))
    } else {
        Ok(header)
    }
}

pub(super) fn u64_at(bytes: &[u8], place: usize) -> Option<u64> {
    let bytes = bytes.get(place..place.checked_add(8)?)?;
    Some(u64::from_le_bytes(bytes.try_into().ok()?))
}

pub(super) fn u32_at(bytes: &[u8], place: usize) -> Option<u32> {
    let bytes = bytes.get(place..place.checked_add(4)?)?;
    Some(u32::from_le_bytes(bytes.try_into().ok()?))
}
