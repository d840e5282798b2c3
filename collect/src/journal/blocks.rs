//! Bounded reads through a small cache: neighbouring objects cost one system call together.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::unix::fs::FileExt;

/// Some entries with their fields lie in one block.
const BLOCK_BYTES: usize = 16 << 10;
/// 2 MiB for all files together. Block n has its place at n modulo this.
const SLOTS: usize = 128;

/// An opened journal file.
pub(super) struct Handle {
    pub(super) file: File,
    /// Tells files apart in the cache.
    pub(super) number: usize,
    /// Bytes when it was opened: what is appended later is not looked at.
    pub(super) length: u64,
    /// Offsets of 4 bytes instead of 8.
    pub(super) is_compact: bool,
}

#[derive(Clone, Default)]
struct Slot {
    file: usize,
    block: u64,
    /// Shorter than a block at the end of a file; empty before its first use.
    bytes: Vec<u8>,
}

/// Blocks of several files that were read last.
pub(super) struct Blocks {
    slots: Vec<Slot>,
}

impl Blocks {
    pub(super) fn new() -> Self {
        Self {
            slots: vec![Slot::default(); SLOTS],
        }
    }

    /// Fills `out` from `offset` on, or fails.
    pub(super) fn read(
        &mut self,
        handle: &Handle,
        mut offset: u64,
        mut out: &mut [u8],
    ) -> io::Result<()> {
        if out.len() > BLOCK_BYTES {
            return handle.file.read_exact_at(out, offset);
        }
        while !out.is_empty() {
            let block = self.block(handle, offset / BLOCK_BYTES as u64)?;
            let begin = (offset % BLOCK_BYTES as u64) as usize;
            let there = block.get(begin..).unwrap_or_default();
            let count = there.len().min(out.len());
            if count == 0 {
                return Err(ErrorKind::UnexpectedEof.into());
            }
            let (now, later) = out.split_at_mut(count);
            now.copy_from_slice(there.get(..count).unwrap_or_default());
            out = later;
            offset = offset.saturating_add(count as u64);
        }
        Ok(())
    }

    fn block(&mut self, handle: &Handle, block: u64) -> io::Result<&[u8]> {
        let place = (block % SLOTS as u64) as usize;
        let Some(slot) = self.slots.get_mut(place) else {
            return Ok(&[]);
        };
        let is_here = slot.file == handle.number && slot.block == block && !slot.bytes.is_empty();
        if !is_here {
            slot.file = handle.number;
            slot.block = block;
            slot.bytes.resize(BLOCK_BYTES, 0);
            let read = fill(handle, block * BLOCK_BYTES as u64, &mut slot.bytes);
            // Nothing stays of a block that failed.
            slot.bytes.truncate(*read.as_ref().unwrap_or(&0));
            read?;
        }
        Ok(&slot.bytes)
    }
}

/// Reads until the buffer is full or the file ends.
fn fill(handle: &Handle, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
    let mut done = 0;
    while let Some(rest) = buffer.get_mut(done..).filter(|rest| !rest.is_empty()) {
        match handle.file.read_at(rest, offset + done as u64) {
            Ok(0) => break,
            Ok(count) => done += count,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(done)
}
