//! A plain HTTP/1.1 client for services of this node: one request a connection, everything bounded.
//!
//! It speaks to unix sockets and to addresses, never to names: resolving them takes what a static
//! binary does not have. It runs in workers, under a deadline that holds for the whole exchange: a
//! server that accepts and never answers, or sends a byte a second, costs that long and no more.

mod body;
mod socket;

use std::io::{self, Read, Write};
use std::time::{Duration, Instant};

use body::Body;
pub(crate) use socket::{Endpoint, Socket};

/// Head of an answer; larger ones are no service of a node.
const HEAD_BYTES: usize = 64 << 10;
/// Bytes taken at once.
const READ_BYTES: usize = 16 << 10;

/// What is asked for.
pub(crate) struct Question<'a> {
    /// The `Host` header: what the service calls itself.
    pub(crate) host: &'a str,
    /// Path and query.
    pub(crate) path: &'a str,
    /// A bearer token.
    pub(crate) token: Option<&'a str>,
    /// Bytes of the body that are taken.
    pub(crate) limit: usize,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    /// Its status code.
    pub(crate) status: u16,
    /// Headers that are evidence.
    pub(crate) head: Head,
    /// Its body as received, chunks joined.
    pub(crate) body: Vec<u8>,
    /// Whether the body ends before it should: the limit, the deadline, or the server's end.
    pub(crate) is_cut: bool,
    /// Which of these it was, for people.
    pub(crate) why_cut: &'static str,
    /// How long the head was waited for: the service's own time for this question.
    pub(crate) waited: Duration,
}

/// Headers that are evidence, as they were sent.
#[derive(Clone, Debug, Default, serde::Serialize)]
pub(crate) struct Head {
    /// The service's clock.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) date: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) content_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) content_length: Option<u64>,
}

/// Asks for a path. Errors: `TimedOut` when no whole head came in time, `InvalidData` for what is no
/// HTTP, and those of the connection.
pub(crate) fn get(
    endpoint: &Endpoint,
    path: &str,
    limit: usize,
    ends: Instant,
) -> io::Result<Answer> {
    let question = Question {
        host: "localhost",
        path,
        token: None,
        limit,
    };
    ask(&mut Socket::connect(endpoint, ends)?, &question)
}

/// Asks over a connection; its deadline holds for the whole answer.
pub(crate) fn ask<S: Read + Write>(stream: &mut S, question: &Question<'_>) -> io::Result<Answer> {
    let Question { host, path, .. } = question;
    let token = question.token.map_or_else(String::new, |token| {
        format!("Authorization: Bearer {token}\r\n")
    });
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: freezeframe\r\nAccept: */*\r\n\
         {token}Connection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes())?;
    stream.flush()?;
    let began = Instant::now();
    let mut bytes = Vec::new();
    let head_end = loop {
        if let Some(end) = memchr::memmem::find(&bytes, b"\r\n\r\n") {
            break end;
        }
        if bytes.len() > HEAD_BYTES {
            return Err(invalid("a head without end"));
        }
        if read(stream, &mut |part| bytes.extend_from_slice(part))? == 0 {
            return Err(invalid("the server closed before its answer"));
        }
    };
    let waited = began.elapsed();
    let text = String::from_utf8_lossy(bytes.get(..head_end).unwrap_or_default()).into_owned();
    let status = status(&text).ok_or_else(|| invalid("no HTTP answer"))?;
    let head = head(&text);
    let mut body = if is_bodiless(status) {
        Body::of_length(0)
    } else if is_chunked(&text) {
        Body::chunked()
    } else {
        match head.content_length {
            Some(length) => Body::of_length(length),
            None => Body::until_the_end(),
        }
    };
    body.add(bytes.get(head_end + 4..).unwrap_or_default());
    let why_cut = loop {
        if body.bytes.len() > question.limit {
            break "longer than is kept";
        }
        match body.is_whole() {
            Some(true) => break "",
            Some(false) => break "its chunks are damaged",
            None => {}
        }
        match read(stream, &mut |part| body.add(part)) {
            Ok(0) if body.may_end() => break "",
            Ok(0) => break "the server closed before its end",
            Ok(_) => {}
            // What came is worth keeping.
            Err(error) => match error.kind() {
                io::ErrorKind::TimedOut => break "the time was up",
                // How TLS says it.
                io::ErrorKind::UnexpectedEof => break "the server closed before its end",
                _ => break "the connection broke",
            },
        }
    };
    let mut body = body.bytes;
    body.truncate(question.limit);
    Ok(Answer {
        status,
        head,
        body,
        is_cut: !why_cut.is_empty(),
        why_cut,
        waited,
    })
}

/// Takes what has come; the number of bytes, 0 at the end.
fn read<S: Read>(stream: &mut S, take: &mut dyn FnMut(&[u8])) -> io::Result<usize> {
    let mut buffer = [0; READ_BYTES];
    loop {
        match stream.read(&mut buffer) {
            Ok(count) => {
                take(buffer.get(..count).unwrap_or_default());
                return Ok(count);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

fn invalid(why: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

fn status(head: &str) -> Option<u16> {
    let mut words = head.lines().next()?.split(' ');
    words.next()?.starts_with("HTTP/1.").then_some(())?;
    words.next()?.parse().ok()
}

/// Answers that never have a body (RFC 9112, 6.3).
fn is_bodiless(status: u16) -> bool {
    matches!(status, 100..200 | 204 | 304)
}

fn is_chunked(head: &str) -> bool {
    header(head, "transfer-encoding").is_some_and(|v| v.eq_ignore_ascii_case("chunked"))
}

fn head(text: &str) -> Head {
    let short = |name| header(text, name).map(|value| value.chars().take(256).collect());
    Head {
        date: short("date"),
        content_type: short("content-type"),
        content_length: header(text, "content-length").and_then(|n| n.parse().ok()),
    }
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let mut headers = head.lines().skip(1).filter_map(|line| line.split_once(':'));
    headers
        .find(|(found, _)| found.trim().eq_ignore_ascii_case(name))
        .map(|(_, value)| value.trim())
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
            b"HTTP/1.1 200 OK\r\nDate: Fri, 20 Nov 2026 22:11:05 GMT\r\nContent-Length: 2\r\n\r\nok",
            false,
            100,
        )
        .unwrap();
        assert_eq!(
            (answer.status, &answer.body[..], answer.is_cut),
            (200, &b"ok"[..], false)
        );
        assert_eq!(answer.head.content_length, Some(2));
        let date = answer.head.date.unwrap();
        assert_eq!(date, "Fri, 20 Nov 2026 22:11:05 GMT");
        let chunked = b"HTTP/1.1 500 E\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n";
        let answer = ask(chunked, false, 100).unwrap();
        assert_eq!(
            (answer.status, &answer.body[..], answer.is_cut),
            (500, &b"abcde"[..], false)
        );
        let answer = ask(b"HTTP/1.0 200 OK\r\n\r\nuntil the end", false, 100).unwrap();
        assert_eq!(answer.body, b"until the end");
        let answer = ask(b"HTTP/1.1 204 No Content\r\n\r\n", false, 100).unwrap();
        assert!(answer.body.is_empty() && !answer.is_cut);
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
        assert_eq!(answer.why_cut, "the server closed before its end");
        let answer = ask(b"HTTP/1.1 200 OK\r\n\r\n0123456789", false, 4).unwrap();
        assert!(answer.is_cut && answer.body == b"0123");
        let chunked =
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\nabc";
        assert!(ask(chunked, false, 100).unwrap().is_cut);
        let damaged = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcdef\r\n";
        let answer = ask(damaged, false, 100).unwrap();
        assert!(answer.is_cut && answer.body == b"abc");
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

    #[test]
    fn a_unix_socket_whose_queue_is_full_costs_the_dial() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("full.sock");
        let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
        rustix::net::listen(&listener, 0).unwrap();
        let place = || -> Endpoint {
            let flags = rustix::fs::OFlags::PATH;
            Endpoint::Unix(rustix::fs::open(&path, flags, rustix::fs::Mode::empty()).unwrap())
        };
        let began = Instant::now();
        let mut open = Vec::new();
        let ends = Instant::now() + Duration::from_secs(8);
        let error = loop {
            match Socket::connect(&place(), ends) {
                Ok(socket) => open.push(socket),
                Err(error) => break error,
            }
        };
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert!(began.elapsed() < Duration::from_secs(5));
    }
}
