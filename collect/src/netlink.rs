//! Asks the kernel for a list by netlink: one request, many messages, one end.
//!
//! The kernel fills the socket only as it is read, so a list is bounded by closing the socket.
//! Netlink can block under a lock of the kernel (`rtnl_mutex`) as soon as the request is sent: only
//! workers ask.

use std::ops::ControlFlow;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use freezeframe_bundle::netlink::{Message, message, messages, u32_at};
use freezeframe_bundle::{Cut, Kept, Outcome};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{
    AddressFamily, Protocol, RecvFlags, SendFlags, SocketFlags, SocketType, recv, sendto,
    socket_with,
};

use crate::source::{Brief, Told};

/// `NLM_F_REQUEST | NLM_F_DUMP`.
const DUMP: u16 = 0x1 | 0x300;
/// `NLM_F_DUMP_INTR`: the list changed while it was made.
const INTERRUPTED: u16 = 0x10;
/// `NLMSG_NOOP`, `NLMSG_ERROR`, `NLMSG_DONE`.
const NOOP: u16 = 1;
const ERROR: u16 = 2;
const DONE: u16 = 3;
/// The largest error number there can be: `MAX_ERRNO`.
const LAST_ERROR: i32 = 4095;
/// The only request of a socket.
const SEQUENCE: u32 = 1;
/// The kernel answers in pieces of at most 32 KiB.
const BUFFER_BYTES: usize = 64 << 10;

/// What is asked for.
pub(crate) struct Request<'a> {
    /// The family of netlink; None stands for `NETLINK_ROUTE`.
    pub(crate) protocol: Option<Protocol>,
    /// `nlmsg_type`.
    pub(crate) kind: u16,
    /// The structure that the type wants, and attributes.
    pub(crate) body: &'a [u8],
}

/// Has a list made; `each` gets its messages and may end it. Says how complete the list is.
pub(crate) fn dump(
    request: &Request<'_>,
    ends: Instant,
    each: &mut dyn FnMut(&Message<'_>) -> ControlFlow<Outcome>,
) -> Outcome {
    let socket = match ask(request) {
        Ok(socket) => socket,
        Err(error) => return refused(error),
    };
    let mut buffer = vec![0; BUFFER_BYTES];
    let mut state = Reading::default();
    loop {
        let length = match receive(&socket, &mut buffer, ends) {
            Ok(Some(length)) => length,
            Ok(None) => return Outcome::Partial("the rest did not come in time".to_owned()),
            Err(error) => return Outcome::Partial(format!("the list ended early: {error}")),
        };
        let Some(bytes) = buffer.get(..length) else {
            return Outcome::Partial("an answer was longer than expected".to_owned());
        };
        if let ControlFlow::Break(outcome) = state.take(bytes, each) {
            return outcome;
        }
    }
}

/// Stores a list as it came, within the bytes of the call.
pub(crate) fn store(request: &Request<'_>, brief: &Brief<'_>, limit_bytes: usize) -> Told {
    let limit = brief.bytes.min(limit_bytes);
    let mut bytes = Vec::new();
    let mut is_cut = false;
    let outcome = dump(request, brief.ends, &mut |message| {
        if bytes.len() + message.whole.len() + 3 > limit {
            is_cut = true;
            let why = format!("more than {limit} bytes: the rest was not read");
            return ControlFlow::Break(Outcome::Partial(why));
        }
        bytes.extend_from_slice(message.whole);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        ControlFlow::Continue(())
    });
    Told {
        bytes,
        outcome,
        cut: is_cut.then_some(Cut {
            kept: Kept::Head,
            of_bytes: None,
        }),
    }
}

fn ask(request: &Request<'_>) -> Result<OwnedFd, Errno> {
    let socket = socket_with(
        AddressFamily::NETLINK,
        SocketType::RAW,
        SocketFlags::CLOEXEC,
        request.protocol,
    )?;
    let bytes = message(request.kind, DUMP, SEQUENCE, request.body);
    let kernel = SocketAddrNetlink::new(0, 0);
    sendto(&socket, &bytes, SendFlags::empty(), &kernel)?;
    Ok(socket)
}

/// The length of the next datagram, or None when time is up.
fn receive(socket: &OwnedFd, buffer: &mut [u8], ends: Instant) -> Result<Option<usize>, Errno> {
    loop {
        let left = ends.saturating_duration_since(Instant::now());
        if left == Duration::ZERO {
            return Ok(None);
        }
        let wait = Timespec {
            tv_sec: left.as_secs() as i64,
            tv_nsec: left.subsec_nanos().into(),
        };
        match poll(&mut [PollFd::new(socket, PollFlags::IN)], Some(&wait)) {
            Ok(0) => return Ok(None),
            Ok(_) => {}
            Err(Errno::INTR) => continue,
            Err(error) => return Err(error),
        }
        match recv(socket, &mut *buffer, RecvFlags::DONTWAIT | RecvFlags::TRUNC) {
            Ok((_, length)) => return Ok(Some(length)),
            Err(Errno::INTR | Errno::AGAIN) => {}
            Err(error) => return Err(error),
        }
    }
}

/// What has been seen of a list.
#[derive(Default)]
struct Reading {
    messages: u64,
    is_interrupted: bool,
}

impl Reading {
    /// Takes a datagram; breaks when the list has ended.
    fn take(
        &mut self,
        bytes: &[u8],
        each: &mut dyn FnMut(&Message<'_>) -> ControlFlow<Outcome>,
    ) -> ControlFlow<Outcome> {
        for message in messages(bytes) {
            let message = match message {
                Ok(message) => message,
                Err(broken) => return ControlFlow::Break(Outcome::Partial(broken.to_string())),
            };
            if message.sequence != SEQUENCE {
                continue;
            }
            self.is_interrupted |= message.flags & INTERRUPTED != 0;
            match message.kind {
                NOOP => {}
                DONE | ERROR => return ControlFlow::Break(self.ended(&message)),
                _ => {
                    self.messages += 1;
                    each(&message)?;
                }
            }
        }
        ControlFlow::Continue(())
    }

    /// What the message that ends a list says: it holds an error number, negative, or 0.
    fn ended(&self, message: &Message<'_>) -> Outcome {
        let code = u32_at(message.body, 0).map_or(0, u32::cast_signed);
        if code < 0 {
            let error = Errno::from_raw_os_error(code.saturating_neg().min(LAST_ERROR));
            return if self.messages == 0 {
                refused(error)
            } else {
                Outcome::Partial(format!("the list ended early: {error}"))
            };
        }
        if self.is_interrupted {
            let why = "it changed while it was listed: something may be missing or there twice";
            return Outcome::Partial(why.to_owned());
        }
        Outcome::Complete
    }
}

/// What it means that a list is not to be had at all.
fn refused(error: Errno) -> Outcome {
    match error {
        Errno::PERM | Errno::ACCESS => {
            Outcome::Denied("netlink refused: needs CAP_NET_ADMIN on the node".to_owned())
        }
        Errno::AFNOSUPPORT
        | Errno::PROTONOSUPPORT
        | Errno::OPNOTSUPP
        | Errno::NOENT
        | Errno::INVAL => Outcome::Absent(format!("this kernel does not offer it: {error}")),
        _ => Outcome::Failed(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::root::Root;

    const LINKS: Request<'static> = Request {
        protocol: None,
        kind: 18,
        body: &[0; 16],
    };

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(5)
    }

    #[test]
    fn this_kernel_lists_its_links_or_says_why_not() {
        let mut names = Vec::new();
        let outcome = dump(&LINKS, soon(), &mut |message| {
            let attributes = freezeframe_bundle::netlink::attributes_after(message.body, 16);
            names.extend(attributes.text(3));
            ControlFlow::Continue(())
        });
        match outcome {
            Outcome::Complete => assert!(names.iter().any(|name| name == "lo")),
            other => assert!(names.is_empty(), "{other:?}"),
        }
    }

    #[test]
    fn a_list_ends_where_it_is_told_to() {
        let mut count = 0;
        let outcome = dump(&LINKS, soon(), &mut |_| {
            count += 1;
            ControlFlow::Break(Outcome::Partial("enough".to_owned()))
        });
        assert!(count <= 1, "{outcome:?}");
        let late = dump(&LINKS, Instant::now(), &mut |_| ControlFlow::Continue(()));
        assert!(!matches!(late, Outcome::Complete));
    }

    #[test]
    fn what_is_stored_has_a_limit() {
        let root = Root::open(Path::new("/")).unwrap();
        let stored = |limit_bytes| {
            let brief = Brief {
                root: &root,
                argument: b"",
                ends: soon(),
                bytes: 1 << 20,
            };
            store(&LINKS, &brief, limit_bytes)
        };
        let whole = stored(1 << 20);
        assert!(messages(&whole.bytes).all(|message| message.is_ok()));
        if whole.outcome == Outcome::Complete {
            let cut = stored(whole.bytes.len() - 1);
            assert!(cut.bytes.len() < whole.bytes.len());
            assert!(matches!(cut.outcome, Outcome::Partial(_)));
            assert!(cut.cut.is_some());
            assert!(messages(&cut.bytes).all(|message| message.is_ok()));
        }
    }

    #[test]
    fn what_the_kernel_does_not_know_is_absent() {
        let request = Request {
            kind: 0x7ff0,
            ..LINKS
        };
        let outcome = dump(&request, soon(), &mut |_| ControlFlow::Continue(()));
        assert!(!matches!(outcome, Outcome::Complete | Outcome::Partial(_)));
    }

    #[test]
    fn the_end_says_how_it_went() {
        let end = |kind, flags, code: i32| message(kind, flags, SEQUENCE, &code.to_le_bytes());
        let take = |reading: &mut Reading, bytes: &[u8]| match reading
            .take(bytes, &mut |_| ControlFlow::Continue(()))
        {
            ControlFlow::Break(outcome) => Some(outcome),
            ControlFlow::Continue(()) => None,
        };
        let mut fresh = Reading::default();
        assert_eq!(take(&mut fresh, &end(DONE, 2, 0)), Some(Outcome::Complete));
        let denied = take(&mut Reading::default(), &end(ERROR, 0, -1));
        assert!(matches!(denied, Some(Outcome::Denied(_))));
        let list = [message(16, INTERRUPTED, SEQUENCE, b""), end(DONE, 2, 0)].concat();
        let changed = take(&mut Reading::default(), &list);
        assert!(matches!(changed, Some(Outcome::Partial(_))));
        let list = [message(16, 0, SEQUENCE, b""), end(DONE, 2, -105)].concat();
        let short = take(&mut Reading::default(), &list);
        assert!(matches!(short, Some(Outcome::Partial(_))));
        let other = message(DONE, 0, SEQUENCE + 1, &[0; 4]);
        assert_eq!(take(&mut Reading::default(), &other), None);
        let odd = end(ERROR, 0, i32::MIN);
        assert!(take(&mut Reading::default(), &odd).is_some());
        for length in 0..list.len() {
            take(&mut Reading::default(), &list[..length]);
        }
    }
}
