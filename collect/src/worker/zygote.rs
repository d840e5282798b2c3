//! Forks workers on request.
//!
//! It is forked before the capture opens anything, holds neither the bundle nor the standard
//! streams, and touches no file of the node. The kernel ends it with the capture, and its workers
//! with it (`PR_SET_PDEATHSIG`).

use std::cell::RefCell;
use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use rustix::fs::{Mode, OFlags};
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};
use rustix::process::{Pid, WaitOptions, waitpid};

use super::serve::serve;
use crate::root::Root;

/// How long a worker's request may stay unread; it is idle when one is sent.
const SEND_PATIENCE: Duration = Duration::from_secs(2);

/// How long the end of the zygote may take.
const END_PATIENCE: Duration = Duration::from_millis(200);

/// The capture's end of the zygote.
pub(super) struct Zygote {
    /// The zygote itself.
    pub(super) pid: Pid,
    control: UnixStream,
}

impl Zygote {
    /// Forks the zygote.
    pub(super) fn start(root: &Root) -> io::Result<Self> {
        let (control, theirs) = UnixStream::pair()?;
        let control = RefCell::new(Some(control));
        let pid = super::fork(|| {
            // This end must not stay open in the zygote, or the end of the capture went unseen.
            drop(control.take());
            run(theirs, root);
            0
        })?;
        let control = control.take().ok_or(io::ErrorKind::NotConnected)?;
        Ok(Self { pid, control })
    }

    /// Lets the zygote and its workers end, and waits a moment for it: in a container without an
    /// init nobody else collects them.
    pub(super) fn end(self) {
        drop(self.control);
        let until = Instant::now() + END_PATIENCE;
        while Instant::now() < until {
            if waitpid(Some(self.pid), WaitOptions::NOHANG).is_ok_and(|ended| ended.is_none()) {
                std::thread::sleep(Duration::from_millis(1));
            } else {
                return;
            }
        }
    }

    /// Asks for a worker; it comes when it comes.
    pub(super) fn request(&mut self) -> io::Result<()> {
        self.control.write_all(b"f")
    }

    /// Where to wait for the worker that was asked for.
    pub(super) fn control(&self) -> &UnixStream {
        &self.control
    }

    /// Takes the worker that has come: its pid and its socket.
    pub(super) fn receive(&mut self) -> io::Result<(Pid, UnixStream)> {
        let mut number = [0; 4];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let received = recvmsg(
            &self.control,
            &mut [IoSliceMut::new(&mut number)],
            &mut ancillary,
            RecvFlags::CMSG_CLOEXEC,
        )?;
        let socket = ancillary.drain().find_map(|message| match message {
            RecvAncillaryMessage::ScmRights(mut sockets) => sockets.next(),
            _ => None,
        });
        let pid = Pid::from_raw(i32::from_le_bytes(number));
        match (received.bytes, pid, socket) {
            (4, Some(pid), Some(socket)) => {
                let socket = UnixStream::from(socket);
                socket.set_write_timeout(Some(SEND_PATIENCE))?;
                Ok((pid, socket))
            }
            (4, None, _) => Err(io::Error::other("no process could be forked")),
            _ => Err(io::Error::other("the zygote is gone")),
        }
    }
}

fn run(mut control: UnixStream, root: &Root) {
    leave_streams();
    let mut order = [0];
    while control.read_exact(&mut order).is_ok() {
        // Those that have ended are let go; nobody waits for the others.
        while let Ok(Some(_)) = waitpid(None, WaitOptions::NOHANG) {}
        if spawn(&control, root).is_err() && control.write_all(&0_i32.to_le_bytes()).is_err() {
            return;
        }
    }
    // The capture is over, so idle workers end by themselves.
    let until = Instant::now() + END_PATIENCE / 2;
    while Instant::now() < until && waitpid(None, WaitOptions::NOHANG).is_ok() {
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// An abandoned worker must not keep a reader of the bundle or a mount waiting for its end.
pub(crate) fn leave_streams() {
    let _ = rustix::process::chdir("/");
    let flags = OFlags::RDWR | OFlags::CLOEXEC;
    if let Ok(null) = rustix::fs::open("/dev/null", flags, Mode::empty()) {
        let _ = rustix::stdio::dup2_stdin(&null);
        let _ = rustix::stdio::dup2_stdout(&null);
        let _ = rustix::stdio::dup2_stderr(&null);
    }
}

fn spawn(control: &UnixStream, root: &Root) -> io::Result<()> {
    let (ours, theirs) = UnixStream::pair()?;
    let ours = RefCell::new(Some(ours));
    let pid = super::fork(|| {
        drop(ours.take());
        serve(&theirs, root);
        0
    })?;
    let ours = ours.take().ok_or(io::ErrorKind::NotConnected)?;
    let sockets = [ours.as_fd()];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    ancillary.push(SendAncillaryMessage::ScmRights(&sockets));
    let number = pid.as_raw_nonzero().get().to_le_bytes();
    sendmsg(
        control,
        &[IoSlice::new(&number)],
        &mut ancillary,
        SendFlags::NOSIGNAL,
    )?;
    Ok(())
}
