//! The compressed file: reads, jumps and looks for frames.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Seek, SeekFrom};

/// First bytes of a zstd frame (RFC 8878, section 3.1.1).
pub(super) const FRAME_MAGIC: [u8; 4] = [0x28, 0xB5, 0x2F, 0xFD];
/// A block of a frame has at most so many bytes (RFC 8878, section 3.1.1.2.4).
const BLOCK_BYTES: u64 = 128 << 10;

/// Whether these bytes begin a frame, be it one that is to be passed over (section 3.1.2).
pub(super) fn begins_frame(bytes: &[u8]) -> bool {
    let skippable = |first: &u8, rest: &[u8]| first & 0xF0 == 0x50 && rest == [0x2A, 0x4D, 0x18];
    match bytes {
        [first, rest @ ..] if rest.len() >= 3 => {
            bytes.starts_with(&FRAME_MAGIC) || skippable(first, &rest[..3])
        }
        _ => false,
    }
}

/// What stands at an offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Here {
    Frame,
    End,
    Other,
}

/// A buffered file that knows its offset.
pub(super) struct Input {
    file: BufReader<File>,
    offset: u64,
    length: u64,
    /// Bytes read or jumped over, forwards and back.
    travelled: u64,
}

impl Input {
    /// Begins at the start of the file.
    pub(super) fn new(file: File) -> io::Result<Self> {
        let mut file = BufReader::with_capacity(128 << 10, file);
        let length = file.seek(SeekFrom::End(0))?;
        file.rewind()?;
        Ok(Self {
            file,
            offset: 0,
            length,
            travelled: 0,
        })
    }

    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    /// The bytes that are next; none at the end of the file.
    pub(super) fn fill(&mut self) -> io::Result<&[u8]> {
        // The borrow checker wants the retry apart from the return.
        while let Err(error) = self.file.fill_buf() {
            if error.kind() != io::ErrorKind::Interrupted {
                return Err(error);
            }
        }
        self.file.fill_buf()
    }

    /// How many times the file was read so far, rounded down; some 8 MiB are free.
    pub(super) fn times_read(&self) -> u64 {
        self.travelled.saturating_sub(8 << 20) / self.length.max(1)
    }

    pub(super) fn consume(&mut self, count: usize) {
        self.file.consume(count);
        self.travelled += count as u64;
        self.offset += count as u64;
    }

    pub(super) fn seek(&mut self, offset: u64) -> io::Result<()> {
        let by = i64::try_from(offset).unwrap_or(i64::MAX) - self.offset as i64;
        self.file.seek_relative(by)?;
        self.travelled = self.travelled.saturating_add(by.unsigned_abs());
        self.offset = offset;
        Ok(())
    }

    /// Looks at the next four bytes and stays where it is.
    pub(super) fn here(&mut self) -> io::Result<Here> {
        let start = self.offset;
        let mut magic = [0; 4];
        let length = self.read_up_to(&mut magic)?;
        self.seek(start)?;
        Ok(match length {
            0 => Here::End,
            4 if begins_frame(&magic) => Here::Frame,
            _ => Here::Other,
        })
    }

    /// Fills the buffer as far as the file reaches.
    pub(super) fn read_up_to(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut length = 0;
        while let Some(rest) = buffer.get_mut(length..).filter(|rest| !rest.is_empty()) {
            let next = self.fill()?;
            let count = next.len().min(rest.len());
            if count == 0 {
                break;
            }
            rest[..count].copy_from_slice(&next[..count]);
            self.consume(count);
            length += count;
        }
        Ok(length)
    }

    /// Goes to the first frame at or behind `from`; false where there is none.
    pub(super) fn find_frame(&mut self, from: u64) -> io::Result<bool> {
        self.seek(from)?;
        let mut last = [0; 4];
        let mut count = 0;
        loop {
            let buffer = self.fill()?;
            if buffer.is_empty() {
                return Ok(false);
            }
            let length = buffer.len();
            for (place, byte) in (1..).zip(buffer) {
                last = [last[1], last[2], last[3], *byte];
                count += 1;
                if count >= 4 && last == FRAME_MAGIC {
                    let at = self.offset + place - 4;
                    self.seek(at)?;
                    return Ok(true);
                }
            }
            self.consume(length);
        }
    }

    /// Goes behind the frame at `at` along its block headers, without decoding it, and tells what
    /// is there. `Other` too where the headers lead nowhere.
    ///
    /// This keeps a search for the next frame out of the content of this one, which may itself be
    /// a compressed file.
    pub(super) fn pass_frame(&mut self, at: u64) -> io::Result<Here> {
        self.seek(at)?;
        let mut start = [0; 5];
        if self.read_up_to(&mut start)? < start.len() || start[..4] != FRAME_MAGIC {
            return Ok(Here::Other);
        }
        let descriptor = start[4];
        let single_segment = descriptor & 0x20 != 0;
        let window = u64::from(!single_segment);
        let dictionary = [0, 1, 2, 4][usize::from(descriptor & 3)];
        let content_size = match descriptor >> 6 {
            0 => u64::from(single_segment),
            flag => 1 << flag,
        };
        let mut next = self.offset + window + dictionary + content_size;
        loop {
            self.seek(next)?;
            let mut header = [0; 3];
            if self.read_up_to(&mut header)? < header.len() {
                return Ok(Here::Other);
            }
            let header = u32::from_le_bytes([header[0], header[1], header[2], 0]);
            let size = match header >> 1 & 3 {
                1 => 1,                      // one byte, repeated
                3 => return Ok(Here::Other), // reserved
                _ => u64::from(header >> 3),
            };
            if size > BLOCK_BYTES {
                return Ok(Here::Other);
            }
            next = self.offset + size;
            if header & 1 == 1 {
                break;
            }
        }
        let checksum = if descriptor & 4 == 0 { 0 } else { 4 };
        let end = next + checksum;
        if end > self.length {
            return Ok(Here::Other);
        }
        self.seek(end)?;
        self.here()
    }
}
