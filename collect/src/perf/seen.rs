//! What the sampler and its assistant tell each other: JSON in packets, with open files beside.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recvmsg, sendmsg, socketpair,
};
use serde::{Deserialize, Serialize};

/// Longest packet; the kernel takes 200 KiB by default.
pub(crate) const PACKET_BYTES: usize = 128 << 10;

/// A file on its device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct FileKey {
    pub(crate) major: u32,
    pub(crate) minor: u32,
    pub(crate) inode: u64,
}

impl FileKey {
    /// Stands for the generated code of a process: no device has this number.
    pub(crate) fn perf_map(pid: u32) -> Self {
        Self {
            major: u32::MAX,
            minor: u32::MAX,
            inode: pid.into(),
        }
    }
}

/// A task to look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Task {
    pub(crate) pid: u32,
    /// The thread alone; without it the process.
    pub(crate) tid: Option<u32>,
}

/// A process as `/proc` tells of it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct SeenProcess {
    pub(crate) pid: u32,
    pub(crate) parent: u32,
    pub(crate) comm: String,
    pub(crate) cgroups: Option<String>,
    /// Id of its cgroup in the unified hierarchy, which samples have, and the path below it.
    pub(crate) cgroup_id: Option<u64>,
    pub(crate) cgroup_path: Option<String>,
    pub(crate) namespace_pid: Option<u32>,
    pub(crate) start_ticks: u64,
    pub(crate) is_kernel_thread: bool,
}

/// An executable line of `/proc/PID/maps`.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct SeenMapping {
    pub(crate) start: u64,
    pub(crate) end: u64,
    pub(crate) offset: u64,
    pub(crate) key: Option<FileKey>,
    pub(crate) path: String,
}

/// What the assistant says.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Seen {
    Process(SeenProcess),
    Mappings(u32, Vec<SeenMapping>),
    /// With the open file.
    File {
        pid: u32,
        path: String,
        key: FileKey,
        size_bytes: u64,
        modified_us: i64,
    },
    /// With the open file.
    PerfMap {
        pid: u32,
        path: String,
    },
    Thread {
        pid: u32,
        tid: u32,
        comm: String,
    },
    /// Everything about this task has been said.
    Done(Task),
}

/// Two connected sockets that keep packets apart.
pub(crate) fn pair() -> io::Result<(OwnedFd, OwnedFd)> {
    Ok(socketpair(
        AddressFamily::UNIX,
        SocketType::SEQPACKET,
        SocketFlags::CLOEXEC,
        None,
    )?)
}

/// Sends a packet, and a file with it.
pub(crate) fn send<T: Serialize>(
    socket: &OwnedFd,
    message: &T,
    file: Option<BorrowedFd<'_>>,
) -> io::Result<()> {
    let bytes = serde_json::to_vec(message)?;
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    let files: Vec<_> = file.into_iter().collect();
    if !files.is_empty() {
        ancillary.push(SendAncillaryMessage::ScmRights(&files));
    }
    let packet = [IoSlice::new(&bytes)];
    sendmsg(socket.as_fd(), &packet, &mut ancillary, SendFlags::NOSIGNAL)?;
    Ok(())
}

/// Takes a packet; an error also where it is too long or makes no sense.
pub(crate) fn receive<T: for<'a> Deserialize<'a>>(
    socket: &OwnedFd,
    buffer: &mut Vec<u8>,
    flags: RecvFlags,
) -> io::Result<(T, Option<OwnedFd>)> {
    buffer.resize(PACKET_BYTES, 0);
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let flags = flags | RecvFlags::CMSG_CLOEXEC;
    let received = recvmsg(
        socket,
        &mut [IoSliceMut::new(buffer)],
        &mut ancillary,
        flags,
    )?;
    if received.bytes == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let file = ancillary.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut files) => files.next(),
        _ => None,
    });
    let bytes = buffer.get(..received.bytes).unwrap_or_default();
    Ok((serde_json::from_slice(bytes)?, file))
}
