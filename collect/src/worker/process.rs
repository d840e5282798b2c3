//! A worker as the capture sees it: what it answers, and what it is stuck in.

use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open, pidfd_send_signal};

use super::wire::{HEAD_BYTES, Reply};
use crate::cost::{self, Usage};

/// How long a worker may take to die of SIGKILL before it counts as stuck for good.
pub(super) const DEATH_PATIENCE: Duration = Duration::from_millis(100);
/// Between two looks at signals and at the worker's state.
const LOOK: Duration = Duration::from_millis(50);
/// A worker that runs or waits for a CPU is not stuck: it gets so many times the patience.
const STARVED: u32 = 10;
/// Bytes taken from the socket at once.
const CHUNK_BYTES: usize = 64 << 10;

/// An answer that does not come.
#[derive(Debug)]
pub(crate) enum Lost {
    /// No answer in time.
    Hung(Hung),
    /// The worker ended: a bug in it, or somebody killed it.
    Died,
    /// A signal or the deadline came first.
    Stopped,
}

/// What a worker that hangs is stuck in: evidence of what is wrong with the node.
#[derive(Clone, Debug, serde::Serialize)]
pub(crate) struct Hung {
    /// Its pid.
    pub(crate) pid: i32,
    /// How long it had for this read.
    pub(crate) after_us: u64,
    /// Its state in `/proc/PID/stat`: `D` waits for I/O or a lock.
    pub(crate) state: char,
    /// The kernel function it waits in.
    pub(crate) wait_channel: String,
    /// Its kernel stack, where it may be read.
    pub(crate) stack: String,
    /// Whether SIGKILL did not end it, so that it stays until the fault is over.
    pub(crate) abandoned: bool,
}

/// A worker.
pub(super) struct Worker {
    /// None: the capture itself, because nothing could be forked.
    pub(super) process: Option<Process>,
    /// Received and not yet taken.
    pub(super) buffer: Vec<u8>,
    pub(super) taken: usize,
}

/// Its process.
pub(super) struct Process {
    pub(super) pid: Pid,
    handle: Option<OwnedFd>,
    pub(super) socket: UnixStream,
}

impl Worker {
    pub(super) fn of(pid: Pid, socket: UnixStream) -> Self {
        Self {
            process: Some(Process {
                pid,
                // Before Linux 5.3 the pid has to do.
                handle: pidfd_open(pid, PidfdFlags::empty()).ok(),
                socket,
            }),
            buffer: Vec::with_capacity(CHUNK_BYTES),
            taken: 0,
        }
    }

    pub(super) fn usage(&self) -> Usage {
        let process = self.process.as_ref();
        process.map_or_else(Usage::default, |process| Usage::of(process.pid))
    }

    pub(super) fn receive(
        &mut self,
        body: &mut Vec<u8>,
        patience: Duration,
        is_over: &dyn Fn() -> bool,
    ) -> Result<Reply, Lost> {
        let mut wait = Wait {
            patience,
            since: Instant::now(),
            is_over,
        };
        self.fill(HEAD_BYTES, &mut wait)?;
        let head = self.take(HEAD_BYTES);
        let head = <[u8; HEAD_BYTES]>::try_from(head).map_err(|_| Lost::Died)?;
        let (mut reply, told, length) = Reply::head(head).ok_or(Lost::Died)?;
        if told > 0 {
            self.fill(told, &mut wait)?;
            reply.told(self.take(told));
        }
        body.clear();
        let mut left = length - told;
        while left > 0 {
            let ready = (self.buffer.len() - self.taken).min(left);
            if ready == 0 {
                self.fill(1, &mut wait)?;
                continue;
            }
            body.extend_from_slice(self.take(ready));
            left -= ready;
        }
        Ok(reply)
    }

    fn take(&mut self, count: usize) -> &[u8] {
        let from = self.taken;
        self.taken += count;
        self.buffer.get(from..from + count).unwrap_or_default()
    }

    /// Waits until so many bytes are there.
    fn fill(&mut self, count: usize, wait: &mut Wait<'_>) -> Result<(), Lost> {
        while self.buffer.len() - self.taken < count {
            let Some(process) = &mut self.process else {
                return Err(Lost::Died);
            };
            if self.taken == self.buffer.len() {
                self.buffer.clear();
                self.taken = 0;
            }
            if !wait_for(&process.socket, LOOK) {
                wait.look(process)?;
                continue;
            }
            let old = self.buffer.len();
            self.buffer.resize(old + CHUNK_BYTES, 0);
            let space = self.buffer.get_mut(old..).unwrap_or_default();
            let read = process.socket.read(space);
            self.buffer
                .truncate(old + read.as_ref().copied().unwrap_or(0));
            match read {
                Ok(0) => return Err(Lost::Died),
                Ok(_) => wait.since = Instant::now(),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return Err(Lost::Died),
            }
        }
        Ok(())
    }
}

/// How long to wait for a worker.
pub(super) struct Wait<'a> {
    pub(super) patience: Duration,
    /// When it was last heard of.
    pub(super) since: Instant,
    pub(super) is_over: &'a dyn Fn() -> bool,
}

impl Wait<'_> {
    pub(super) fn look(&self, process: &Process) -> Result<(), Lost> {
        let waited = self.since.elapsed();
        let is_over = (self.is_over)();
        if waited < self.patience && !is_over {
            return Ok(());
        }
        let state = cost::state_of(process.pid).unwrap_or('?');
        // On a starved node a worker may just not have had its turn.
        if state == 'R' && waited < self.patience * STARVED && !is_over {
            return Ok(());
        }
        let own = |name| cost::file_of(process.pid, name).unwrap_or_default();
        let mut hung = Hung {
            pid: process.pid.as_raw_nonzero().get(),
            after_us: waited.as_micros() as u64,
            state,
            wait_channel: own("wchan"),
            stack: own("stack"),
            abandoned: false,
        };
        hung.abandoned = !process.kill();
        if is_over && !hung.abandoned {
            return Err(Lost::Stopped);
        }
        Err(Lost::Hung(hung))
    }
}

impl Process {
    /// Sends SIGKILL.
    pub(super) fn signal(&self) {
        let _ = match &self.handle {
            Some(handle) => pidfd_send_signal(handle, Signal::KILL),
            None => kill_process(self.pid, Signal::KILL),
        };
    }

    /// Sends SIGKILL; whether it died of it.
    pub(super) fn kill(&self) -> bool {
        self.signal();
        let died = Instant::now() + DEATH_PATIENCE;
        // Its end of the socket closes when it dies; what it still sent is of no use.
        while Instant::now() < died {
            if !wait_for(&self.socket, DEATH_PATIENCE) {
                return false;
            }
            match (&self.socket).read(&mut [0; 4096]) {
                Ok(0) | Err(_) => return true,
                Ok(_) => {}
            }
        }
        false
    }
}

/// Waits for something to read; false after so long without.
pub(super) fn wait_for(socket: &UnixStream, time: Duration) -> bool {
    let time = Timespec {
        tv_sec: time.as_secs() as i64,
        tv_nsec: time.subsec_nanos().into(),
    };
    let mut sockets = [PollFd::from_borrowed_fd(socket.as_fd(), PollFlags::IN)];
    matches!(poll(&mut sockets, Some(&time)), Ok(1..))
}
