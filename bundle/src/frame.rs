//! A writer that cuts its output into independent zstd frames.

use std::io::{self, Write};

use zstd::stream::raw::{CParameter, Encoder, Operation};
use zstd::stream::zio;

/// Compression level. 3 is zstd's own default: about 400 MB/s of kernel text on one core.
const LEVEL: i32 = 3;
/// Window as a power of two. 2 MiB keeps collector and reader below 10 MiB of zstd memory.
const WINDOW_LOG: u32 = 21;

/// Compresses what is written and ends a frame when asked to. A finished frame can be read
/// whatever becomes of the bytes after it.
pub struct FrameWriter<W: Write> {
    /// Present but for the moment between two frames, and gone for good after an error there.
    state: Option<State<W>>,
    sink_bytes: u64,
}

enum State<W: Write> {
    Between(W, Encoder<'static>),
    Inside(zio::Writer<Counting<W>, Encoder<'static>>),
}

struct Counting<W> {
    sink: W,
    bytes: u64,
}

impl<W: Write> Write for Counting<W> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let written = self.sink.write(buffer)?;
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.sink.flush()
    }
}

impl<W: Write> FrameWriter<W> {
    /// Prepares to write frames to `sink`.
    pub fn new(sink: W) -> io::Result<Self> {
        let mut encoder = Encoder::new(LEVEL)?;
        encoder.set_parameter(CParameter::ChecksumFlag(true))?;
        encoder.set_parameter(CParameter::WindowLog(WINDOW_LOG))?;
        Ok(Self {
            state: Some(State::Between(sink, encoder)),
            sink_bytes: 0,
        })
    }

    /// Bytes given to the sink in finished frames.
    pub fn sink_bytes(&self) -> u64 {
        self.sink_bytes
    }

    /// Ends the frame, if one has begun, and flushes the sink.
    pub fn end_frame(&mut self) -> io::Result<()> {
        self.state = Some(match self.take()? {
            State::Inside(mut frame) => {
                let finished = frame.finish();
                let (mut counting, mut encoder) = frame.into_inner();
                finished?;
                encoder.reinit()?;
                counting.flush()?;
                self.sink_bytes += counting.bytes;
                State::Between(counting.sink, encoder)
            }
            between @ State::Between(..) => between,
        });
        Ok(())
    }

    /// Ends the frame and returns the sink.
    pub fn into_sink(mut self) -> io::Result<W> {
        self.end_frame()?;
        match self.take()? {
            State::Between(sink, _) => Ok(sink),
            State::Inside(_) => Err(io::Error::other("a frame did not end")),
        }
    }

    fn take(&mut self) -> io::Result<State<W>> {
        self.state
            .take()
            .ok_or_else(|| io::Error::other("an earlier write failed"))
    }
}

impl<W: Write> Write for FrameWriter<W> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let mut frame = match self.take()? {
            State::Inside(frame) => frame,
            State::Between(sink, encoder) => zio::Writer::new(Counting { sink, bytes: 0 }, encoder),
        };
        let written = frame.write(buffer);
        self.state = Some(State::Inside(frame));
        written
    }

    fn flush(&mut self) -> io::Result<()> {
        // The tar layer flushes at will; a frame ends only where a batch ends.
        Ok(())
    }
}
