//! Unary gRPC calls over HTTP/2 with prior knowledge (RFC 9113) on a unix socket, everything bounded.
//!
//! One call at a time: frames of others are passed over. What a server sends is not trusted: frames
//! have the size that was agreed on, headers and messages a limit, and a deadline holds for the whole call.

use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};

use super::answer::{Answer, Head, Message};
use super::hpack;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// How long a connection may take to come about ...
const DIAL: Duration = Duration::from_secs(1);
/// ... and how often a full queue is tried again meanwhile.
const DIAL_AGAIN: Duration = Duration::from_millis(20);
/// Largest frame: nobody may send larger ones without having been told so.
const FRAME_BYTES: usize = 16 << 10;
/// Headers of an answer, and text of an error.
const HEADER_BYTES: usize = 64 << 10;
/// What may be on its way to us: the largest window there is.
const WINDOW: u32 = (1 << 31) - 1;
/// The window of a connection before anything is said.
const FIRST_WINDOW: u32 = 65_535;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PUSH_PROMISE: u8 = 5;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;

/// In SETTINGS and PING: an acknowledgement.
const ACK: u8 = 1;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
const PADDED: u8 = 8;
const PRIORITY: u8 = 0x20;

/// Why there is no answer.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The socket is there and nobody listens on it.
    Refused,
    /// No answer in time.
    TimedOut,
    /// The other end did what it must not do, or ended.
    Broken(String),
    /// The kernel refused.
    Io(io::Error),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => Self::TimedOut,
            io::ErrorKind::ConnectionRefused => Self::Refused,
            io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset => {
                Self::Broken("the server closed the connection".to_owned())
            }
            _ => Self::Io(error),
        }
    }
}

impl From<&str> for Failure {
    fn from(why: &str) -> Self {
        Self::Broken(why.to_owned())
    }
}

/// A connection to a gRPC server.
pub(crate) struct Connection {
    stream: UnixStream,
    /// Received and not yet taken.
    buffer: Vec<u8>,
    next_call: u32,
    is_usable: bool,
}

struct Frame {
    kind: u8,
    flags: u8,
    call: u32,
    payload: Vec<u8>,
}

impl Connection {
    /// Connects to a socket that was opened as a path.
    pub(crate) fn open(socket: &OwnedFd, ends: Instant) -> Result<Self, Failure> {
        let mut connection = Self {
            stream: dial(socket, ends.min(Instant::now() + DIAL))?,
            buffer: Vec::new(),
            next_call: 1,
            is_usable: true,
        };
        let mut bytes = PREFACE.to_vec();
        let mut settings = Vec::new();
        for (name, value) in [(1u16, 0u32), (2, 0), (4, WINDOW), (6, HEADER_BYTES as u32)] {
            settings.extend(name.to_be_bytes());
            settings.extend(value.to_be_bytes());
        }
        put_frame(&mut bytes, SETTINGS, 0, 0, &settings);
        let more = (WINDOW - FIRST_WINDOW).to_be_bytes();
        put_frame(&mut bytes, WINDOW_UPDATE, 0, 0, &more);
        connection.send(&bytes, ends)?;
        Ok(connection)
    }

    /// Whether another call can be made on it.
    pub(crate) fn is_usable(&self) -> bool {
        self.is_usable
    }

    /// Makes one call. After an error, or an answer that was cut, the connection is spent.
    pub(crate) fn call(
        &mut self,
        path: &str,
        request: &[u8],
        limit: usize,
        ends: Instant,
    ) -> Result<Answer, Failure> {
        let answer = self.exchange(path, request, limit, ends);
        self.is_usable &= answer
            .as_ref()
            .is_ok_and(|answer| answer.of_bytes.is_none());
        answer
    }

    fn exchange(
        &mut self,
        path: &str,
        request: &[u8],
        limit: usize,
        ends: Instant,
    ) -> Result<Answer, Failure> {
        let call = self.next_call;
        self.next_call += 2;
        let left = ends.saturating_duration_since(Instant::now());
        match self.send(&encode(call, path, request, left), ends) {
            // A server that closes the connection may have said why.
            Ok(()) | Err(Failure::Broken(_)) => {}
            Err(failure) => return Err(failure),
        }
        let mut head = Head::default();
        let mut message = Message::new(limit);
        loop {
            let frame = self.frame(ends)?;
            let is_ours = frame.call == call;
            let is_last = frame.flags & END_STREAM != 0;
            match frame.kind {
                DATA if is_ours => {
                    message.add(unpadded(&frame)?)?;
                    if message.of_bytes.is_some() {
                        return Ok(message.cut());
                    }
                    if is_last {
                        return Err("the answer has no status".into());
                    }
                }
                HEADERS => {
                    let block = self.block(&frame, ends)?;
                    if is_ours {
                        hpack::decode(&block, &mut |name, value| head.note(name, value))?;
                        if is_last {
                            return message.answer(head);
                        }
                    }
                }
                RST_STREAM if is_ours => {
                    let code = numbers(&frame.payload).next().unwrap_or_default();
                    let why = format!("the server reset the call ({})", code_name(code));
                    return Err(Failure::Broken(why));
                }
                SETTINGS | PING if frame.flags & ACK == 0 => self.acknowledge(&frame, ends)?,
                GOAWAY => self.goes_away(&frame, call)?,
                PUSH_PROMISE => return Err("a push, which it was told not to make".into()),
                _ => {}
            }
        }
    }

    fn acknowledge(&mut self, frame: &Frame, ends: Instant) -> Result<(), Failure> {
        let payload: &[u8] = match frame.kind {
            PING => frame.payload.get(..8).unwrap_or_default(),
            _ => &[],
        };
        let mut bytes = Vec::new();
        put_frame(&mut bytes, frame.kind, ACK, 0, payload);
        self.send(&bytes, ends)
    }

    /// The server takes no more calls; those that it has taken it still answers.
    fn goes_away(&mut self, frame: &Frame, call: u32) -> Result<(), Failure> {
        self.is_usable = false;
        let mut numbers = numbers(&frame.payload);
        let last = numbers.next().unwrap_or_default() & WINDOW;
        let code = numbers.next().unwrap_or_default();
        if last >= call && code == 0 {
            return Ok(());
        }
        let text = frame.payload.get(8..).unwrap_or_default();
        let text = String::from_utf8_lossy(text.get(..200).unwrap_or(text)).into_owned();
        let why = format!("the server goes away ({} {text})", code_name(code));
        Err(Failure::Broken(why))
    }

    /// The headers of a frame and of those that continue it.
    fn block(&mut self, frame: &Frame, ends: Instant) -> Result<Vec<u8>, Failure> {
        let mut block = unpadded(frame)?;
        if frame.flags & PRIORITY != 0 {
            block = block.get(5..).ok_or("a frame that is too short")?;
        }
        let mut block = block.to_vec();
        let mut is_whole = frame.flags & END_HEADERS != 0;
        while !is_whole {
            let more = self.frame(ends)?;
            if more.kind != CONTINUATION || more.call != frame.call {
                return Err("headers that are not continued".into());
            }
            block.extend_from_slice(&more.payload);
            if block.len() > HEADER_BYTES {
                return Err("headers without end".into());
            }
            is_whole = more.flags & END_HEADERS != 0;
        }
        Ok(block)
    }

    fn frame(&mut self, ends: Instant) -> Result<Frame, Failure> {
        const HEAD: usize = 9;
        self.fill(HEAD, ends)?;
        if self.buffer.starts_with(b"HTTP/1.") {
            return Err("the server speaks HTTP/1, not gRPC".into());
        }
        let head = self.buffer.first_chunk::<HEAD>();
        let [high, middle, low, kind, flags, call @ ..] =
            head.ok_or_else(|| Failure::from("a frame that is too short"))?;
        let length = u32::from_be_bytes([0, *high, *middle, *low]) as usize;
        let (kind, flags, call) = (*kind, *flags, u32::from_be_bytes(*call) & WINDOW);
        if length > FRAME_BYTES {
            return Err("this is no HTTP/2: a frame that is too large".into());
        }
        self.fill(HEAD + length, ends)?;
        let payload = self.buffer.get(HEAD..HEAD + length);
        let payload = payload.unwrap_or_default().to_vec();
        self.buffer.drain(..HEAD + length);
        Ok(Frame {
            kind,
            flags,
            call,
            payload,
        })
    }

    /// Waits for so many bytes.
    fn fill(&mut self, wanted: usize, ends: Instant) -> Result<(), Failure> {
        let mut space = [0; FRAME_BYTES];
        while self.buffer.len() < wanted {
            self.stream.set_read_timeout(Some(left(ends)?))?;
            match self.stream.read(&mut space) {
                Ok(0) => return Err("the server closed the connection".into()),
                Ok(count) => {
                    let came = space.get(..count).unwrap_or_default();
                    self.buffer.extend_from_slice(came);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    fn send(&mut self, bytes: &[u8], ends: Instant) -> Result<(), Failure> {
        self.stream.set_write_timeout(Some(left(ends)?))?;
        Ok(self.stream.write_all(bytes)?)
    }
}

/// A server that accepts nothing has a full queue, in which a blocking call would wait for ever.
fn dial(socket: &OwnedFd, ends: Instant) -> Result<UnixStream, Failure> {
    // The path itself may be longer than an address can be, and may lead out of the root.
    let address = SocketAddrUnix::new(format!("/proc/self/fd/{}", socket.as_raw_fd()));
    let address = address.map_err(io::Error::from)?;
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let own = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None);
    let own = own.map_err(io::Error::from)?;
    loop {
        match rustix::net::connect(&own, &address) {
            Ok(()) => break,
            Err(rustix::io::Errno::AGAIN) => {
                left(ends)?;
                std::thread::sleep(DIAL_AGAIN);
            }
            Err(error) => return Err(io::Error::from(error).into()),
        }
    }
    let stream = UnixStream::from(own);
    stream.set_nonblocking(false)?;
    Ok(stream)
}

/// Time until the end; an error when there is none.
fn left(ends: Instant) -> Result<Duration, Failure> {
    let left = ends.saturating_duration_since(Instant::now());
    if left.is_zero() {
        return Err(Failure::TimedOut);
    }
    Ok(left)
}

/// The frames of a request. The server is told how long the caller waits: it need not go on then.
fn encode(call: u32, path: &str, request: &[u8], left: Duration) -> Vec<u8> {
    let mut block = Vec::new();
    hpack::put_static(&mut block, 3); // :method POST
    hpack::put_static(&mut block, 6); // :scheme http
    hpack::put_indexed(&mut block, 4, path);
    hpack::put_indexed(&mut block, 1, "localhost");
    hpack::put_indexed(&mut block, 31, "application/grpc");
    hpack::put(&mut block, "te", "trailers");
    let timeout = format!("{}m", left.as_millis().max(1));
    hpack::put(&mut block, "grpc-timeout", &timeout);
    let mut message = vec![0];
    message.extend((request.len() as u32).to_be_bytes());
    message.extend_from_slice(request);
    let mut bytes = Vec::new();
    put_frame(&mut bytes, HEADERS, END_HEADERS, call, &block);
    put_frame(&mut bytes, DATA, END_STREAM, call, &message);
    bytes
}

fn put_frame(bytes: &mut Vec<u8>, kind: u8, flags: u8, call: u32, payload: &[u8]) {
    let [_, a, b, c] = (payload.len() as u32).to_be_bytes();
    bytes.extend([a, b, c, kind, flags]);
    bytes.extend(call.to_be_bytes());
    bytes.extend_from_slice(payload);
}

/// A payload without its padding.
fn unpadded(frame: &Frame) -> Result<&[u8], Failure> {
    let payload = &frame.payload;
    if frame.flags & PADDED == 0 {
        return Ok(payload);
    }
    let padding = payload.first().map_or(0, |count| usize::from(*count));
    let end = payload.len().checked_sub(padding);
    let inner = end.and_then(|end| payload.get(1..end));
    inner.ok_or_else(|| "a frame of nothing but padding".into())
}

fn numbers(payload: &[u8]) -> impl Iterator<Item = u32> + '_ {
    let words = payload.chunks_exact(4);
    words.filter_map(|word| Some(u32::from_be_bytes(word.try_into().ok()?)))
}

/// RFC 9113, section 7.
fn code_name(code: u32) -> String {
    const NAMES: [&str; 14] = [
        "NO_ERROR",
        "PROTOCOL_ERROR",
        "INTERNAL_ERROR",
        "FLOW_CONTROL_ERROR",
        "SETTINGS_TIMEOUT",
        "STREAM_CLOSED",
        "FRAME_SIZE_ERROR",
        "REFUSED_STREAM",
        "CANCEL",
        "COMPRESSION_ERROR",
        "CONNECT_ERROR",
        "ENHANCE_YOUR_CALM",
        "INADEQUATE_SECURITY",
        "HTTP_1_1_REQUIRED",
    ];
    let name = NAMES.get(code as usize).map(|name| (*name).to_owned());
    name.unwrap_or_else(|| format!("code {code}"))
}
