//! Encrypts a bundle to those who may read it (age-encryption.org/v1), or leaves it as it is.
//!
//! An age file consists of chunks, each of which can be read by itself. After each batch the chunk is
//! filled up with a frame that zstd passes over, so that a batch that was finished can be read whatever
//! becomes of the capture.

use std::io::{self, Write};

use age::stream::StreamWriter;
use age::x25519::Recipient;
use anyhow::Context;

use crate::output::Output;

/// Plaintext of a chunk (age-encryption.org/v1, "Payload").
const CHUNK_BYTES: u64 = 64 << 10;
/// Magic number of a frame to be passed over (RFC 8878, section 3.1.2).
const SKIPPABLE_MAGIC: [u8; 4] = [0x50, 0x2A, 0x4D, 0x18];

/// What the bundle is written to.
pub(crate) enum Sink {
    /// As it is.
    Plain(Output),
    /// Encrypted; and how many bytes went in.
    Encrypted(Box<StreamWriter<Output>>, u64),
}

impl Sink {
    /// Encrypts what goes to `output`, unless there are no recipients.
    pub(crate) fn new(output: Output, recipients: &[Recipient]) -> anyhow::Result<Self> {
        if recipients.is_empty() {
            return Ok(Self::Plain(output));
        }
        let recipients = recipients.iter().map(|one| one as &dyn age::Recipient);
        let stream = age::Encryptor::with_recipients(recipients)
            .context("cannot encrypt to these recipients")?
            .wrap_output(output)
            .context("cannot write the encrypted bundle")?;
        Ok(Self::Encrypted(Box::new(stream), 0))
    }

    /// Ends the encryption; returns the output.
    pub(crate) fn finish(self) -> io::Result<Output> {
        match self {
            Self::Plain(output) => Ok(output),
            Self::Encrypted(stream, _) => stream.finish(),
        }
    }
}

impl Write for Sink {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(output) => output.write(buffer),
            Self::Encrypted(stream, bytes) => {
                let written = stream.write(buffer)?;
                *bytes += written as u64;
                Ok(written)
            }
        }
    }

    /// Called at the end of a batch: sees to it that all of it leaves this process.
    fn flush(&mut self) -> io::Result<()> {
        if let Self::Encrypted(_, bytes) = self {
            // A chunk is written when the first byte of the next one comes.
            let filling = (CHUNK_BYTES - *bytes % CHUNK_BYTES) as usize;
            let mut frame = SKIPPABLE_MAGIC.to_vec();
            frame.extend((filling as u32).to_le_bytes());
            frame.resize(frame.len() + filling, 0);
            self.write_all(&frame)?;
        }
        match self {
            Self::Plain(output) => output.flush(),
            Self::Encrypted(stream, _) => stream.flush(),
        }
    }
}
