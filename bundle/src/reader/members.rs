//! The members of the tar, as the frames give them.
//!
//! The archive reader of the crate `tar` cannot go on behind damage and reads extension members
//! of any size; this one uses only its header.

use super::frames::{Fault, Found, Frames};

/// A tar consists of blocks.
const BLOCK: usize = 512;
/// Longest extension member (a GNU long name, a pax header) in bytes.
const EXTENSION_BYTES: u64 = 64 << 10;
/// Larger sizes are no sizes; the sums below cannot overflow.
const SIZE_MAX: u64 = 1 << 62;
/// Memory set aside on the word of a header alone.
const TRUSTED_BYTES: u64 = 1 << 20;

/// A member, before its bytes.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) name: Vec<u8>,
    pub(super) kind: tar::EntryType,
    pub(super) size: u64,
    /// Offset in the file of the frame that holds its header.
    pub(super) frame: u64,
}

/// What extension members say of the member behind them.
#[derive(Default)]
struct Extension {
    name: Option<Vec<u8>>,
    size: Option<u64>,
}

/// Gives member after member.
pub(super) struct Members {
    frames: Frames,
    /// Bytes of the current member that were not taken.
    left: u64,
    /// Bytes that fill its last block.
    padding: u64,
}

impl Members {
    pub(super) fn new(frames: Frames) -> Self {
        Self {
            frames,
            left: 0,
            padding: 0,
        }
    }

    pub(super) fn frames(&self) -> &Frames {
        &self.frames
    }

    /// Goes to the next frame after a fault. A frame that can be read by itself begins with a
    /// member.
    pub(super) fn recover(&mut self) -> Result<Option<Found>, Fault> {
        (self.left, self.padding) = (0, 0);
        self.frames.recover()
    }

    /// The next member; what was not read of the one before is passed over. None at the end of
    /// the tar.
    pub(super) fn next(&mut self) -> Result<Option<Member>, Fault> {
        let mut extension = Extension::default();
        loop {
            self.pass_over(self.left + self.padding)?;
            let mut block = [0; BLOCK];
            if !self.block(&mut block)? {
                return Ok(None);
            }
            let frame = self.frames.frame();
            let header = tar::Header::from_byte_slice(&block);
            let size = check(header)?;
            let kind = header.entry_type();
            let is_pax = kind.is_pax_local_extensions();
            if is_pax || kind.is_gnu_longname() {
                let bytes = self.extension(size)?;
                if is_pax {
                    extension.pax(&bytes);
                } else {
                    extension.name = Some(bytes.strip_suffix(&[0]).unwrap_or(&bytes).to_vec());
                }
                continue;
            }
            if kind.is_pax_global_extensions() || kind.is_gnu_longlink() {
                self.set_size(size);
                continue;
            }
            let size = extension.size.unwrap_or(size);
            self.set_size(size);
            return Ok(Some(Member {
                name: extension
                    .name
                    .unwrap_or_else(|| header.path_bytes().into_owned()),
                kind,
                size,
                frame,
            }));
        }
    }

    /// The bytes of the current member, whose size the caller has checked.
    pub(super) fn bytes(&mut self) -> Result<Vec<u8>, Fault> {
        let size = self.left;
        let mut bytes = Vec::with_capacity(size.min(TRUSTED_BYTES) as usize);
        while self.left > 0 {
            let next = self.frames.fill()?;
            if next.is_empty() {
                return Err(Fault::NotTar("the tar ends inside a member".to_owned()));
            }
            let count = next
                .len()
                .min(usize::try_from(self.left).unwrap_or(usize::MAX));
            if bytes.len() + count > bytes.capacity() {
                // Doubled, but never beyond what the member needs.
                let room = (bytes.len() as u64).min(self.left) as usize;
                bytes.reserve_exact(room.max(count));
            }
            bytes.extend_from_slice(&next[..count]);
            self.frames.consume(count);
            self.left -= count as u64;
        }
        Ok(bytes)
    }

    /// Reads what lies behind the end of the tar; whether it is more than zeros.
    pub(super) fn drain(&mut self) -> Result<bool, Fault> {
        let mut more = false;
        loop {
            let next = self.frames.fill()?;
            if next.is_empty() {
                return Ok(more);
            }
            more |= next.iter().any(|byte| *byte != 0);
            let count = next.len();
            self.frames.consume(count);
        }
    }

    fn set_size(&mut self, size: u64) {
        self.left = size;
        self.padding = size.next_multiple_of(BLOCK as u64) - size;
    }

    fn extension(&mut self, size: u64) -> Result<Vec<u8>, Fault> {
        if size > EXTENSION_BYTES {
            let reason = format!("a tar extension of {size} bytes, limit {EXTENSION_BYTES}");
            return Err(Fault::NotTar(reason));
        }
        self.set_size(size);
        self.bytes()
    }

    /// Reads a header; false at the end of the tar, which is a block of zeros or no block.
    fn block(&mut self, block: &mut [u8; BLOCK]) -> Result<bool, Fault> {
        let mut length = 0;
        while length < BLOCK {
            let next = self.frames.fill()?;
            let count = next.len().min(BLOCK - length);
            if count == 0 && length == 0 {
                return Ok(false);
            }
            if count == 0 {
                return Err(Fault::NotTar("the tar ends inside a header".to_owned()));
            }
            block[length..length + count].copy_from_slice(&next[..count]);
            self.frames.consume(count);
            length += count;
        }
        Ok(block.iter().any(|byte| *byte != 0))
    }

    fn pass_over(&mut self, mut count: u64) -> Result<(), Fault> {
        while count > 0 {
            let next = self.frames.fill()?;
            if next.is_empty() {
                return Err(Fault::NotTar("the tar ends inside a member".to_owned()));
            }
            let taken = count.min(next.len() as u64);
            self.frames.consume(taken as usize);
            count -= taken;
        }
        (self.left, self.padding) = (0, 0);
        Ok(())
    }
}

impl Extension {
    /// Takes `path` and `size` of a pax header, which is `length key=value\n`, again and again.
    fn pax(&mut self, bytes: &[u8]) {
        for extension in tar::PaxExtensions::new(bytes).flatten() {
            match extension.key_bytes() {
                b"path" => self.name = Some(extension.value_bytes().to_vec()),
                b"size" => {
                    let size = extension.value().ok().and_then(|v| v.parse().ok());
                    self.size = size.filter(|size| *size <= SIZE_MAX);
                }
                _ => {}
            }
        }
    }
}

/// Checks the header's sum and returns the member's size.
fn check(header: &tar::Header) -> Result<u64, Fault> {
    let bytes = header.as_bytes();
    // The sum is taken with blanks in its own place (POSIX.1-2017, pax, "ustar Interchange Format").
    let outside = bytes[..148].iter().chain(&bytes[156..]);
    let sum = outside.map(|byte| u32::from(*byte)).sum::<u32>() + 8 * u32::from(b' ');
    let size = header.entry_size().ok();
    match size.filter(|size| *size <= SIZE_MAX) {
        Some(size) if header.cksum().is_ok_and(|expected| expected == sum) => Ok(size),
        _ => Err(Fault::NotTar(
            "here should be a tar header and is none".to_owned(),
        )),
    }
}
