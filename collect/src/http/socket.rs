//! A connection with a deadline of its own: every read and write on it ends by then.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, sockopt};

/// How long a connection may take to come about.
const DIAL: Duration = Duration::from_secs(1);

/// Where a service listens.
pub(crate) enum Endpoint {
    /// A unix socket that was opened as a path.
    Unix(OwnedFd),
    /// An address.
    Address(SocketAddr),
}

/// A connection.
pub(crate) struct Socket {
    stream: Stream,
    ends: Instant,
}

enum Stream {
    Unix(UnixStream),
    Tcp(TcpStream),
}

impl Socket {
    /// Connects; `TimedOut` where nobody takes the connection.
    pub(crate) fn connect(endpoint: &Endpoint, ends: Instant) -> io::Result<Self> {
        let dial = DIAL.min(left(ends)?);
        let stream = match endpoint {
            Endpoint::Unix(path) => Stream::Unix(connect_unix(path, dial)?),
            Endpoint::Address(address) => Stream::Tcp(TcpStream::connect_timeout(address, dial)?),
        };
        Ok(Self { stream, ends })
    }

    /// One read or write within what is left of the time.
    fn timed(
        &mut self,
        act: &mut dyn FnMut(&mut Stream) -> io::Result<usize>,
    ) -> io::Result<usize> {
        let left = Some(left(self.ends)?);
        match &self.stream {
            Stream::Unix(stream) => {
                stream.set_read_timeout(left)?;
                stream.set_write_timeout(left)?;
            }
            Stream::Tcp(stream) => {
                stream.set_read_timeout(left)?;
                stream.set_write_timeout(left)?;
            }
        }
        act(&mut self.stream).map_err(|error| match error.kind() {
            io::ErrorKind::WouldBlock => io::ErrorKind::TimedOut.into(),
            _ => error,
        })
    }
}

impl Read for Socket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.timed(&mut |stream| match stream {
            Stream::Unix(stream) => stream.read(buffer),
            Stream::Tcp(stream) => stream.read(buffer),
        })
    }
}

impl Write for Socket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.timed(&mut |stream| match stream {
            Stream::Unix(stream) => stream.write(bytes),
            Stream::Tcp(stream) => stream.write(bytes),
        })
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
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

/// A service that takes no connections any more fills its queue, and connecting waits for a place in
/// it: as long as writing may (unix(7)).
fn connect_unix(path: &OwnedFd, dial: Duration) -> io::Result<UnixStream> {
    let flags = SocketFlags::CLOEXEC;
    let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    sockopt::set_socket_timeout(&socket, sockopt::Timeout::Send, Some(dial))?;
    // The path itself may be longer than an address can be, and may lead out of the root.
    let address = SocketAddrUnix::new(format!("/proc/self/fd/{}", path.as_raw_fd()))?;
    match rustix::net::connect(&socket, &address) {
        Ok(()) => Ok(socket.into()),
        Err(rustix::io::Errno::AGAIN) => Err(io::ErrorKind::TimedOut.into()),
        Err(error) => Err(error.into()),
    }
}
