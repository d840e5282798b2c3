//! A plain HTTP/1.1 client for services of this node: one request a connection, everything bounded.
//!
//! It speaks to unix sockets and to addresses, never to names: resolving them takes what a static
//! binary does not have. It runs in workers, under a deadline that holds for the whole exchange: a
//! server that accepts and never answers, or sends a byte a second, costs that long and no more.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

/// Head of an answer; larger ones are no service of a node.
const HEAD_BYTES: usize = 64 << 10;
/// How long a connection may take to come about.
const DIAL: Duration = Duration::from_secs(1);

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    /// Its status code.
    pub(crate) status: u16,
    /// Its body as received, chunks joined.
    pub(crate) body: Vec<u8>,
    /// Whether the body ends before it should: the limit, the deadline, or the server's end.
    pub(crate) is_cut: bool,
}

/// Where a service listens.
pub(crate) enum Endpoint {
    /// A unix socket that was opened as a path.
    Unix(OwnedFd),
    /// An address.
    Address(SocketAddr),
}

/// Asks for a path. Errors: `TimedOut` when no whole head came in time, `InvalidData` for what is no
/// HTTP, and those of the connection.
pub(crate) fn get(
    endpoint: &Endpoint,
    path: &str,
    limit: usize,
    ends: Instant,
) -> io::Result<Answer> {
    match endpoint {
        Endpoint::Unix(socket) => {
            // The path itself may be longer than an address can be, and may lead out of the root.
            let number = std::os::fd::AsRawFd::as_raw_fd(socket);
            let mut stream = UnixStream::connect(format!("/proc/self/fd/{number}"))?;
            let set = |s: &UnixStream, left| {
                s.set_read_timeout(Some(left))?;
                s.set_write_timeout(Some(left))
            };
            exchange(&mut stream, &set, path, limit, ends)
        }
        Endpoint::Address(address) => {
            let mut stream = TcpStream::connect_timeout(address, DIAL.min(left(ends)?))?;
            let set = |s: &TcpStream, left| {
                s.set_read_timeout(Some(left))?;
                s.set_write_timeout(Some(left))
            };
            exchange(&mut stream, &set, path, limit, ends)
        }
    }
}

/// Time until the end; an error when there is none.
fn left(ends: Instant) -> io::Result<Duration> {
    let left = ends.saturating_duration_since(Instant::now());
    if left.is_zero() {
        return Err(io::ErrorKind::TimedOut.into());
    }
    Ok(left)
}

fn exchange<S: Read + Write>(
    stream: &mut S,
    set: &dyn Fn(&S, Duration) -> io::Result<()>,
    path: &str,
    limit: usize,
    ends: Instant,
) -> io::Result<Answer> {
    set(stream, left(ends)?)?;
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: localhost\r\nAccept: */*\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes())?;
    let mut bytes = Vec::new();
    let mut fill = |bytes: &mut Vec<u8>| -> io::Result<bool> {
        let mut buffer = [0; 16 << 10];
        loop {
            set(stream, left(ends)?)?;
            match stream.read(&mut buffer) {
                Ok(0) => return Ok(false),
                Ok(count) => {
                    bytes.extend_from_slice(buffer.get(..count).unwrap_or_default());
                    return Ok(true);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    return Err(io::ErrorKind::TimedOut.into());
                }
                Err(error) => return Err(error),
            }
        }
    };
    let head_end = loop {
        if let Some(end) = memchr::memmem::find(&bytes, b"\r\n\r\n") {
            break end;
        }
        if bytes.len() > HEAD_BYTES {
            return Err(invalid("a head without end"));
        }
        if !fill(&mut bytes)? {
            return Err(invalid("the server closed before its answer"));
        }
    };
    let head = String::from_utf8_lossy(bytes.get(..head_end).unwrap_or_default()).into_owned();
    let status = status(&head).ok_or_else(|| invalid("no HTTP answer"))?;
    let length: Option<usize> = header(&head, "content-length").and_then(|n| n.parse().ok());
    let is_chunked =
        header(&head, "transfer-encoding").is_some_and(|v| v.eq_ignore_ascii_case("chunked"));
    let mut body = bytes.split_off(head_end + 4);
    // Chunks add a little to what is kept of them.
    let wanted = length
        .unwrap_or(usize::MAX)
        .min(limit.saturating_add(limit / 8));
    let mut is_cut = false;
    while body.len() < wanted && !(is_chunked && body.ends_with(b"0\r\n\r\n")) {
        match fill(&mut body) {
            Ok(true) => {}
            Ok(false) => break,
            // What came is worth keeping.
            Err(_) => {
                is_cut = true;
                break;
            }
        }
    }
    if is_chunked {
        let (joined, is_whole) = unchunk(&body);
        body = joined;
        is_cut |= !is_whole;
    } else if let Some(length) = length {
        is_cut |= body.len() < length;
    }
    is_cut |= body.len() > limit;
    body.truncate(limit);
    Ok(Answer {
        status,
        body,
        is_cut,
    })
}

fn invalid(why: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

fn status(head: &str) -> Option<u16> {
    let mut words = head.lines().next()?.split(' ');
    words.next()?.starts_with("HTTP/1.").then_some(())?;
    words.next()?.parse().ok()
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let mut headers = head.lines().skip(1).filter_map(|line| line.split_once(':'));
    headers
        .find(|(found, _)| found.trim().eq_ignore_ascii_case(name))
        .map(|(_, value)| value.trim())
}

/// Joins chunks (RFC 9112, 7.1); whether the last one came.
fn unchunk(mut bytes: &[u8]) -> (Vec<u8>, bool) {
    let mut joined = Vec::with_capacity(bytes.len());
    loop {
        let Some(end) = memchr::memmem::find(bytes, b"\r\n") else {
            return (joined, false);
        };
        let size = bytes.get(..end).unwrap_or_default();
        let size = size.split(|b| *b == b';').next().unwrap_or_default();
        let size = std::str::from_utf8(size).ok();
        let Some(size) = size.and_then(|s| usize::from_str_radix(s.trim(), 16).ok()) else {
            return (joined, false);
        };
        if size == 0 {
            return (joined, true);
        }
        let rest = bytes.get(end + 2..).unwrap_or_default();
        let Some((chunk, after)) = rest.split_at_checked(size) else {
            joined.extend_from_slice(rest);
            return (joined, false);
        };
        joined.extend_from_slice(chunk);
        bytes = after.get(2..).unwrap_or_default();
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    /// A server that says one thing; a byte at a time if `slowly`.
    fn ask(says: &'static [u8], slowly: bool, limit: usize) -> io::Result<Answer> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let _ = stream.read(&mut [0; 1024]);
            for part in says.chunks(if slowly { 1 } else { 4096 }) {
                if stream.write_all(part).is_err() {
                    return;
                }
                if slowly {
                    std::thread::sleep(Duration::from_millis(100));
                }
            }
            if says.is_empty() {
                std::thread::sleep(Duration::from_secs(5));
            }
        });
        let ends = Instant::now() + Duration::from_millis(800);
        get(&Endpoint::Address(address), "/x", limit, ends)
    }

    #[test]
    fn bodies_are_read_to_their_end() {
        let answer = ask(
            b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
            false,
            100,
        )
        .unwrap();
        assert_eq!(
            (answer.status, &answer.body[..], answer.is_cut),
            (200, &b"ok"[..], false)
        );
        let chunked = b"HTTP/1.1 500 E\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n";
        let answer = ask(chunked, false, 100).unwrap();
        assert_eq!(
            (answer.status, &answer.body[..], answer.is_cut),
            (500, &b"abcde"[..], false)
        );
        let answer = ask(b"HTTP/1.0 200 OK\r\n\r\nuntil the end", false, 100).unwrap();
        assert_eq!(answer.body, b"until the end");
    }

    #[test]
    fn what_is_cut_is_said() {
        let answer = ask(
            b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok",
            false,
            100,
        )
        .unwrap();
        assert!(answer.is_cut);
        let answer = ask(b"HTTP/1.1 200 OK\r\n\r\n0123456789", false, 4).unwrap();
        assert!(answer.is_cut && answer.body == b"0123");
        let chunked =
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\nabc";
        assert!(ask(chunked, false, 100).unwrap().is_cut);
    }

    #[test]
    fn servers_that_do_not_answer_cost_the_deadline() {
        let began = Instant::now();
        let error = ask(b"", false, 100).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        let error = ask(b"HTTP/1.1 200 OK\r\nX: yyyyyyyyyyyyyyyyyyyyyyyy", true, 100).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert!(began.elapsed() < Duration::from_secs(20));
        assert!(ask(b"SSH-2.0-x\r\n\r\n", false, 100).is_err());
    }
}
