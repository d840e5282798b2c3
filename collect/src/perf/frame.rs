//! Messages on a stream: the length, then JSON.

use std::io::{self, Read, Write};

use serde::{Deserialize, Serialize};

/// Longest message.
const MESSAGE_BYTES: u32 = 64 << 20;

/// Sends a message.
pub(crate) fn send(stream: &mut impl Write, message: &impl Serialize) -> io::Result<()> {
    let bytes = serde_json::to_vec(message)?;
    let length = u32::try_from(bytes.len())
        .ok()
        .filter(|length| *length <= MESSAGE_BYTES);
    let length = length.ok_or(io::ErrorKind::FileTooLarge)?;
    stream.write_all(&[&length.to_le_bytes()[..], &bytes].concat())
}

/// Takes a message.
pub(crate) fn receive<T: for<'a> Deserialize<'a>>(stream: &mut impl Read) -> io::Result<T> {
    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    let length = u32::from_le_bytes(length);
    if length > MESSAGE_BYTES {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut bytes = vec![0; length as usize];
    stream.read_exact(&mut bytes)?;
    Ok(serde_json::from_slice(&bytes)?)
}
