//! What goes over the socket between the capture and a worker. Both ends are copies of one process,
//! so the format has no version; lengths are checked all the same.

use std::io::{self, Read, Write};

use freezeframe_bundle::{Cut, Outcome};

/// Longest request: a folder and the names of a million threads in it.
const REQUEST_BYTES: usize = 64 << 20;

/// What is to be done with a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ask {
    /// At most so many bytes from the beginning.
    Read(usize),
    /// As `Read`, but a file that nobody may read does not exist: a setting that is only written.
    Setting(usize),
    /// At most so many bytes from the end.
    Tail(usize),
    /// The target of a symbolic link.
    Link,
    /// At most so many names in a folder, sorted, with their kinds.
    Names(usize),
    /// The same as text, links with their targets.
    Listing(usize),
    /// Whether it exists.
    Exists,
    /// What the file system says of itself, as JSON.
    Statvfs,
    /// The mounts that the worker itself sees, whatever `--root` is.
    OwnMounts,
    /// Call number so many of the source that asks; the path is its argument.
    Call {
        /// Place of the source among all sources.
        source: usize,
        /// Place of the call among those of the source.
        call: usize,
        /// Time that it may take.
        time_us: u64,
        /// Bytes that it may answer.
        bytes: usize,
    },
}

/// Things to be done, in this order.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Request {
    /// Folder that relative names are in; may be empty.
    pub(crate) folder: Vec<u8>,
    /// Names or absolute paths.
    pub(crate) items: Vec<(Vec<u8>, Ask)>,
    /// Whether each answer is sent at once, so that it is known which item hangs.
    pub(crate) one_by_one: bool,
}

/// What is behind an answer's bytes.
#[derive(Debug)]
pub(crate) enum Body {
    /// Everything.
    Whole,
    /// There is more: the whole length, if it is known.
    Cut(Option<u64>),
    /// A call says itself what became of it.
    Told(Outcome, Option<Cut>),
}

/// An answer; its bytes come beside.
#[derive(Debug)]
pub(crate) struct Reply {
    /// `CLOCK_BOOTTIME` when the worker began.
    pub(crate) started_us: u64,
    /// How long the worker took.
    pub(crate) took_us: u64,
    /// What it came to.
    pub(crate) result: io::Result<Body>,
}

/// Bytes of an answer before its body.
pub(super) const HEAD_BYTES: usize = 29;

const WHOLE: u8 = 0;
const CUT: u8 = 1;
const ERRNO: u8 = 2;
const TOLD: u8 = 3;

impl Request {
    /// Sends it.
    pub(super) fn send(&self, stream: &mut impl Write) -> io::Result<()> {
        let mut bytes = vec![0; 4];
        self.encode(&mut bytes);
        let length = u32::try_from(bytes.len() - 4).map_err(io::Error::other)?;
        if let Some(space) = bytes.get_mut(..4) {
            space.copy_from_slice(&length.to_le_bytes());
        }
        stream.write_all(&bytes)
    }

    /// Receives one; an error when the other end is gone.
    pub(super) fn receive(stream: &mut impl Read) -> io::Result<Self> {
        let mut length = [0; 4];
        stream.read_exact(&mut length)?;
        let length = u32::from_le_bytes(length) as usize;
        if length > REQUEST_BYTES {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let mut bytes = vec![0; length];
        stream.read_exact(&mut bytes)?;
        Self::decode(&bytes).ok_or_else(|| io::ErrorKind::InvalidData.into())
    }

    fn encode(&self, bytes: &mut Vec<u8>) {
        bytes.push(u8::from(self.one_by_one));
        put(bytes, &self.folder);
        bytes.extend((self.items.len() as u32).to_le_bytes());
        for (name, ask) in &self.items {
            let [kind, a, b, c, d] = numbers(*ask);
            bytes.push(kind as u8);
            bytes.extend(a.to_le_bytes());
            if kind == CALL {
                for number in [b, c, d] {
                    bytes.extend(number.to_le_bytes());
                }
            }
            put(bytes, name);
        }
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let mut rest = bytes;
        let one_by_one = take(&mut rest, 1)? == [1];
        let folder = take_counted(&mut rest)?.to_vec();
        let count = u32::from_le_bytes(take(&mut rest, 4)?.try_into().ok()?);
        let mut items = Vec::new();
        for _ in 0..count {
            let kind = *take(&mut rest, 1)?.first()?;
            let first = take_u64(&mut rest)?;
            let ask = match u64::from(kind) {
                CALL => Ask::Call {
                    source: first as usize,
                    call: take_u64(&mut rest)? as usize,
                    time_us: take_u64(&mut rest)?,
                    bytes: take_u64(&mut rest)? as usize,
                },
                kind => simple(kind, first as usize)?,
            };
            items.push((take_counted(&mut rest)?.to_vec(), ask));
        }
        Some(Self {
            folder,
            items,
            one_by_one,
        })
    }
}

const CALL: u64 = 8;

fn numbers(ask: Ask) -> [u64; 5] {
    match ask {
        Ask::Read(limit) => [0, limit as u64, 0, 0, 0],
        Ask::Setting(limit) => [1, limit as u64, 0, 0, 0],
        Ask::Tail(limit) => [2, limit as u64, 0, 0, 0],
        Ask::Link => [3, 0, 0, 0, 0],
        Ask::Names(limit) => [4, limit as u64, 0, 0, 0],
        Ask::Listing(limit) => [5, limit as u64, 0, 0, 0],
        Ask::Exists => [6, 0, 0, 0, 0],
        Ask::Statvfs => [7, 0, 0, 0, 0],
        Ask::OwnMounts => [9, 0, 0, 0, 0],
        Ask::Call {
            source,
            call,
            time_us,
            bytes,
        } => [CALL, source as u64, call as u64, time_us, bytes as u64],
    }
}

fn simple(kind: u64, limit: usize) -> Option<Ask> {
    Some(match kind {
        0 => Ask::Read(limit),
        1 => Ask::Setting(limit),
        2 => Ask::Tail(limit),
        3 => Ask::Link,
        4 => Ask::Names(limit),
        5 => Ask::Listing(limit),
        6 => Ask::Exists,
        7 => Ask::Statvfs,
        9 => Ask::OwnMounts,
        _ => return None,
    })
}

impl Reply {
    /// Appends the answer and its bytes. A call's outcome goes before its bytes.
    pub(super) fn encode(&self, body: &[u8], out: &mut Vec<u8>) {
        let mut told = Vec::new();
        let (kind, number) = match &self.result {
            Ok(Body::Whole) => (WHOLE, 0),
            Ok(Body::Cut(length)) => (CUT, length.map_or(0, |length| length.saturating_add(1))),
            Ok(Body::Told(outcome, cut)) => {
                // Strings and numbers: they always serialise.
                told = serde_json::to_vec(&(outcome, cut)).unwrap_or_default();
                (TOLD, told.len() as u64)
            }
            Err(error) => (
                ERRNO,
                error.raw_os_error().unwrap_or(0).unsigned_abs().into(),
            ),
        };
        out.push(kind);
        out.extend(self.started_us.to_le_bytes());
        out.extend(self.took_us.to_le_bytes());
        out.extend(number.to_le_bytes());
        out.extend(((told.len() + body.len()) as u32).to_le_bytes());
        out.extend(told);
        out.extend(body);
    }

    /// Decodes the head of an answer: the answer, bytes of its outcome, bytes of all that follows.
    pub(super) fn head(head: [u8; HEAD_BYTES]) -> Option<(Self, usize, usize)> {
        let mut rest = head.as_slice();
        let kind = *take(&mut rest, 1)?.first()?;
        let started_us = take_u64(&mut rest)?;
        let took_us = take_u64(&mut rest)?;
        let number = take_u64(&mut rest)?;
        let length = u32::from_le_bytes(take(&mut rest, 4)?.try_into().ok()?) as usize;
        let (result, told) = match kind {
            WHOLE => (Ok(Body::Whole), 0),
            CUT => (Ok(Body::Cut(number.checked_sub(1))), 0),
            TOLD => (Ok(Body::Whole), usize::try_from(number).ok()?),
            ERRNO => (Err(io::Error::from_raw_os_error(number as i32)), 0),
            _ => return None,
        };
        let reply = Self {
            started_us,
            took_us,
            result,
        };
        (told <= length).then_some((reply, told, length))
    }

    /// Takes the outcome of a call from the bytes before its body.
    pub(super) fn told(&mut self, told: &[u8]) {
        self.result = serde_json::from_slice(told)
            .map(|(outcome, cut)| Body::Told(outcome, cut))
            .map_err(io::Error::other);
    }
}

fn put(bytes: &mut Vec<u8>, part: &[u8]) {
    bytes.extend((part.len() as u32).to_le_bytes());
    bytes.extend(part);
}

fn take<'a>(rest: &mut &'a [u8], count: usize) -> Option<&'a [u8]> {
    let (front, back) = rest.split_at_checked(count)?;
    *rest = back;
    Some(front)
}

fn take_u64(rest: &mut &[u8]) -> Option<u64> {
    Some(u64::from_le_bytes(take(rest, 8)?.try_into().ok()?))
}

fn take_counted<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = u32::from_le_bytes(take(rest, 4)?.try_into().ok()?);
    take(rest, length as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_survive_the_socket() {
        let asks = [
            Ask::Read(7),
            Ask::Setting(8),
            Ask::Tail(1 << 40),
            Ask::Link,
            Ask::Names(3),
            Ask::Listing(0),
            Ask::Exists,
            Ask::Statvfs,
            Ask::OwnMounts,
            Ask::Call {
                source: 4,
                call: 1,
                time_us: 9_000_000,
                bytes: 5,
            },
        ];
        let items = asks.map(|ask| (b"na\0me\xff".to_vec(), ask));
        let request = Request {
            folder: b"/proc/1".to_vec(),
            items: items.to_vec(),
            one_by_one: true,
        };
        let mut bytes = Vec::new();
        request.send(&mut bytes).unwrap();
        assert_eq!(Request::receive(&mut bytes.as_slice()).unwrap(), request);
        for length in 0..bytes.len() {
            assert!(Request::receive(&mut &bytes[..length]).is_err(), "{length}");
        }
    }

    #[test]
    fn answers_survive_the_socket() {
        let results = [
            Ok(Body::Whole),
            Ok(Body::Cut(None)),
            Ok(Body::Cut(Some(0))),
            Err(io::Error::from_raw_os_error(13)),
        ];
        for result in results {
            let shown = format!("{result:?}");
            let reply = Reply {
                started_us: 1,
                took_us: u64::MAX,
                result,
            };
            let mut bytes = Vec::new();
            reply.encode(b"body", &mut bytes);
            let (head, body) = bytes.split_at(HEAD_BYTES);
            let (decoded, told, length) = Reply::head(head.try_into().unwrap()).unwrap();
            assert_eq!((told, length, body), (0, 4, &b"body"[..]));
            assert_eq!(format!("{:?}", decoded.result), shown);
            assert_eq!((decoded.started_us, decoded.took_us), (1, u64::MAX));
        }
    }
}
