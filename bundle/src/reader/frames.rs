//! The zstd frames: one stream of decompressed bytes that knows in which frame it is.

use std::fs::File;
use std::io;

use zstd::stream::raw::{DParameter, Decoder, InBuffer, Operation, OutBuffer};

use super::input::{Here, Input};
use crate::Limits;

/// Decompressed bytes held at once: what a zstd block can hold.
const BUFFER_BYTES: usize = 128 << 10;
/// So often a frame is looked for behind damage. A hostile file is full of false beginnings.
const SEARCHES: u32 = 100_000;
/// So often the file is read in search of frames: false ones may each lead through all of it.
const TIMES_READ: u64 = 16;

/// Why the bytes end before the bundle does.
#[derive(Debug, thiserror::Error)]
pub(super) enum Fault {
    #[error("the file ends inside this frame")]
    Cut,
    #[error("the frame cannot be decoded: {0}")]
    Altered(String),
    #[error("here should be a zstd frame and is none")]
    NoFrame,
    #[error("{0}")]
    NotTar(String),
    #[error("more than {0} bytes decompressed: the rest is not read")]
    TooMuch(u64),
    #[error("more than {SEARCHES} false beginnings of frames: the rest is not read")]
    TooOften,
    #[error("read {TIMES_READ} times in search of frames: the rest is not read")]
    TooFar,
    #[error("cannot read on: {0}")]
    Input(#[from] io::Error),
}

impl Fault {
    /// Whether there is no sense in going on.
    pub(super) fn is_final(&self) -> bool {
        matches!(
            self,
            Self::TooMuch(_) | Self::TooOften | Self::TooFar | Self::Input(_)
        )
    }
}

/// How the next frame was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// It follows on the frame before.
    Next,
    /// Its first bytes were met: it may be none.
    Perhaps,
}

/// Decompresses frame after frame.
pub(super) struct Frames {
    input: Input,
    decoder: Decoder<'static>,
    buffer: Box<[u8]>,
    begin: usize,
    end: usize,
    inside: bool,
    frame: u64,
    left: u64,
    limit: u64,
    searches: u32,
}

impl Frames {
    /// Begins with the first frame of the file.
    pub(super) fn new(file: File, limits: &Limits) -> io::Result<Self> {
        let mut decoder = Decoder::new()?;
        decoder.set_parameter(DParameter::WindowLogMax(limits.window_log))?;
        Ok(Self {
            input: Input::new(file)?,
            decoder,
            buffer: vec![0; BUFFER_BYTES].into_boxed_slice(),
            begin: 0,
            end: 0,
            inside: false,
            frame: 0,
            left: limits.total_bytes,
            limit: limits.total_bytes,
            searches: 0,
        })
    }

    /// Offset of the frame that the bytes last seen came from.
    pub(super) fn frame(&self) -> u64 {
        self.frame
    }

    /// Whether that frame has not been read to its end, where its checksum is.
    pub(super) fn is_inside(&self) -> bool {
        self.inside
    }

    /// Where the input stands: the place of a fault between frames.
    pub(super) fn offset(&self) -> u64 {
        self.input.offset()
    }

    /// The decompressed bytes that are next; none at the end of the last frame.
    pub(super) fn fill(&mut self) -> Result<&[u8], Fault> {
        while self.begin == self.end {
            if !self.inside {
                match self.input.here()? {
                    Here::End => break,
                    Here::Other => return Err(Fault::NoFrame),
                    Here::Frame => self.begin_frame()?,
                }
            }
            self.decode()?;
        }
        Ok(&self.buffer[self.begin..self.end])
    }

    /// Takes bytes that [`Frames::fill`] gave.
    pub(super) fn consume(&mut self, count: usize) {
        self.begin = self.end.min(self.begin + count);
    }

    /// Goes to the next frame after a fault; nothing where there is none.
    pub(super) fn recover(&mut self) -> Result<Option<Found>, Fault> {
        if self.input.times_read() >= TIMES_READ {
            return Err(Fault::TooFar);
        }
        self.begin = self.end;
        let from = if self.inside {
            self.inside = false;
            match self.input.pass_frame(self.frame)? {
                Here::Frame => return Ok(Some(Found::Next)),
                Here::End => return Ok(None),
                Here::Other => self.frame + 1,
            }
        } else {
            match self.input.here()? {
                Here::Frame => return Ok(Some(Found::Next)),
                Here::End => return Ok(None),
                Here::Other => self.input.offset(),
            }
        };
        self.searches += 1;
        if self.searches > SEARCHES {
            return Err(Fault::TooOften);
        }
        let found = self.input.find_frame(from)?;
        Ok(found.then_some(Found::Perhaps))
    }

    fn begin_frame(&mut self) -> Result<(), Fault> {
        self.decoder.reinit()?;
        self.frame = self.input.offset();
        self.inside = true;
        Ok(())
    }

    fn decode(&mut self) -> Result<(), Fault> {
        let input = self.input.fill()?;
        let at_end = input.is_empty();
        let mut from = InBuffer::around(input);
        let mut to = OutBuffer::around(&mut *self.buffer);
        let hint = self
            .decoder
            .run(&mut from, &mut to)
            .map_err(|error| Fault::Altered(error.to_string()))?;
        let (taken, given) = (from.pos(), to.pos());
        self.input.consume(taken);
        (self.begin, self.end) = (0, given);
        if hint == 0 {
            self.inside = false;
        } else if at_end && given == 0 {
            return Err(Fault::Cut);
        }
        match self.left.checked_sub(given as u64) {
            Some(left) => self.left = left,
            None => return Err(Fault::TooMuch(self.limit)),
        }
        Ok(())
    }
}
