//! The sampler's side of its assistant, and of those who look names up.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::RecvFlags;
use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};

use super::assistant::{Assistant, unified_hierarchy};
use super::frame;
use super::module::Module;
use super::resolve::{self, Answer, Wanted};
use super::sampling::Sampling;
use super::seen::{self, Seen, Task};
use super::tables::Tables;
use crate::{cost, worker};

/// Tasks that are asked about at once.
const BATCH: usize = 64;
/// How long one process may take to be looked at.
const PATIENCE: Duration = Duration::from_millis(500);
/// How long the names of one module may take, which limits itself to less.
const NAMES_PATIENCE: Duration = Duration::from_millis(1900);
/// One that waits for a CPU is not stuck.
const STARVED: u32 = 6;
/// After so many that hung nobody is looked at any more.
const HUNG: u32 = 16;
/// Files that are held open.
const FILES: usize = 16 << 10;

/// The assistant, as far as there is one.
pub(crate) struct Helper {
    pid: Pid,
    socket: OwnedFd,
    asked: VecDeque<Task>,
    since: Instant,
}

/// Keeps an assistant at work.
pub(crate) struct Office {
    proc: OwnedFd,
    root: std::ffi::OsString,
    helper: Option<Helper>,
    packet: Vec<u8>,
    /// Assistants that hung.
    pub(crate) hung: u32,
}

impl Office {
    pub(crate) fn new(proc: OwnedFd, root: std::ffi::OsString) -> Self {
        Self {
            proc,
            root,
            helper: None,
            packet: Vec::new(),
            hung: 0,
        }
    }

    pub(crate) fn proc(&self) -> &OwnedFd {
        &self.proc
    }

    /// Where to wait for an answer.
    pub(crate) fn socket(&self) -> Option<BorrowedFd<'_>> {
        self.helper.as_ref().map(|helper| helper.socket.as_fd())
    }

    /// Whether something is being looked at, or is to be.
    pub(crate) fn is_busy(&self, sampling: &Sampling) -> bool {
        let is_asked = self
            .helper
            .as_ref()
            .is_some_and(|helper| !helper.asked.is_empty());
        is_asked || (!sampling.queue.is_empty() && self.hung < HUNG)
    }

    /// Takes what is there, asks for more, and lets nobody wait for one that hangs.
    pub(crate) fn work(&mut self, sampling: &mut Sampling) {
        self.take(sampling);
        self.dismiss_hung(sampling);
        let is_idle = self
            .helper
            .as_ref()
            .is_none_or(|helper| helper.asked.is_empty());
        if !is_idle || sampling.queue.is_empty() || self.hung >= HUNG {
            return;
        }
        if self.helper.is_none() {
            self.helper = self.hire(sampling).ok();
        }
        let count = sampling.queue.len().min(BATCH);
        if let Some(helper) = &mut self.helper {
            let tasks: Vec<Task> = sampling.queue.drain(..count).collect();
            if seen::send(&helper.socket, &tasks, None).is_ok() {
                helper.asked = tasks.into();
                helper.since = Instant::now();
            } else {
                self.helper = None;
            }
        }
    }

    fn take(&mut self, sampling: &mut Sampling) {
        while let Some(helper) = &mut self.helper {
            let packet = seen::receive(&helper.socket, &mut self.packet, RecvFlags::DONTWAIT);
            match packet {
                Ok((seen, file)) => {
                    if matches!(seen, Seen::Done(_)) {
                        helper.asked.pop_front();
                        helper.since = Instant::now();
                    }
                    sampling.saw(seen, file);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == io::ErrorKind::InvalidData => {}
                Err(_) => {
                    // It ended: what it was at is not asked again.
                    self.let_go(sampling);
                    return;
                }
            }
        }
    }

    fn dismiss_hung(&mut self, sampling: &mut Sampling) {
        let Some(helper) = &self.helper else {
            return;
        };
        let waited = helper.since.elapsed();
        if helper.asked.is_empty() || waited < PATIENCE {
            return;
        }
        if cost::state_of(helper.pid) == Some('R') && waited < PATIENCE * STARVED {
            return;
        }
        let _ = kill_process(helper.pid, Signal::KILL);
        self.hung += 1;
        self.let_go(sampling);
    }

    fn let_go(&mut self, sampling: &mut Sampling) {
        let Some(mut helper) = self.helper.take() else {
            return;
        };
        if let Some(task) = helper.asked.pop_front()
            && let Some(process) = sampling.tables.process(task.pid)
        {
            process.hung = true;
            process.is_asked = true;
        }
        for task in helper.asked.into_iter().rev() {
            sampling.queue.push_front(task);
        }
        collect_children();
    }

    fn hire(&self, sampling: &Sampling) -> io::Result<Helper> {
        let (socket, theirs) = seen::pair()?;
        let held = sampling.tables.modules.iter();
        let held: Vec<_> = held.filter(|module| module.file.is_some()).collect();
        let room = room().saturating_sub(held.len());
        let held = held.into_iter().filter_map(Module::held_key).collect();
        let proc = self.proc.try_clone()?;
        let cgroups = unified_hierarchy(&self.root);
        let assistant = std::cell::RefCell::new(Assistant::new(proc, cgroups, held, room));
        let ours = std::cell::RefCell::new(Some(socket));
        let pid = worker::fork(|| {
            drop(ours.take());
            let _ = assistant.borrow_mut().run(&theirs);
            0
        })?;
        let socket = ours.take().ok_or(io::ErrorKind::NotConnected)?;
        Ok(Helper {
            pid,
            socket,
            asked: VecDeque::new(),
            since: Instant::now(),
        })
    }

    /// Lets the assistant end.
    pub(crate) fn end(&mut self) {
        if let Some(helper) = self.helper.take() {
            let _ = kill_process(helper.pid, Signal::KILL);
            wait_a_moment(helper.pid);
        }
    }
}

/// Files that may be held besides those of the rings.
fn room() -> usize {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    let limit = limit.map_or(FILES, |limit| limit as usize / 4 * 3);
    limit.min(FILES)
}

/// Has names looked up, in order; the answers stand at the places of what was wanted. One that
/// hangs is passed over.
pub(crate) fn names(
    tables: &Tables,
    wanted: &[Wanted],
    proc: &OwnedFd,
    ends: Instant,
) -> Vec<Option<Answer>> {
    let mut answers = Vec::with_capacity(wanted.len());
    while answers.len() < wanted.len() && Instant::now() < ends {
        let rest = wanted.get(answers.len()..).unwrap_or_default();
        let Ok((pid, mut socket)) = resolver(tables, rest, proc, ends) else {
            break;
        };
        while answers.len() < wanted.len() && waits_for(&socket, pid, ends) {
            let left = ends.saturating_duration_since(Instant::now());
            let _ = socket.set_read_timeout(Some(left.max(Duration::from_millis(1))));
            let Ok(answer) = frame::receive(&mut socket) else {
                break;
            };
            answers.push(Some(answer));
        }
        let _ = kill_process(pid, Signal::KILL);
        wait_a_moment(pid);
        if answers.len() < wanted.len() && Instant::now() < ends {
            answers.push(None);
        }
    }
    answers.resize_with(wanted.len(), || None);
    answers
}

/// Whether an answer comes. One that has no turn on a starved node is waited for until the end.
fn waits_for(socket: &UnixStream, pid: Pid, ends: Instant) -> bool {
    loop {
        let left = ends.saturating_duration_since(Instant::now());
        if is_ready(socket.as_fd(), NAMES_PATIENCE.min(left)) {
            return true;
        }
        if Instant::now() >= ends || cost::state_of(pid) != Some('R') {
            return false;
        }
    }
}

fn resolver(
    tables: &Tables,
    wanted: &[Wanted],
    proc: &OwnedFd,
    ends: Instant,
) -> io::Result<(Pid, UnixStream)> {
    let (socket, theirs) = UnixStream::pair()?;
    let ours = std::cell::RefCell::new(Some(socket));
    let pid = worker::fork(|| {
        drop(ours.take());
        let _ = resolve::run(tables, wanted, proc, ends, &theirs);
        0
    })?;
    let socket = ours.take().ok_or(io::ErrorKind::NotConnected)?;
    Ok((pid, socket))
}

/// Waits for something to read.
pub(crate) fn is_ready(socket: BorrowedFd<'_>, time: Duration) -> bool {
    let time = Timespec {
        tv_sec: time.as_secs() as i64,
        tv_nsec: time.subsec_nanos().into(),
    };
    let mut sockets = [PollFd::new(&socket, PollFlags::IN)];
    matches!(poll(&mut sockets, Some(&time)), Ok(1..))
}

/// Those that have ended are let go; their time then counts as the sampler's.
pub(crate) fn collect_children() {
    while let Ok(Some(_)) = waitpid(None, WaitOptions::NOHANG) {}
}

/// One that was killed ends at once, unless it is stuck for good.
pub(crate) fn wait_a_moment(pid: Pid) {
    let until = Instant::now() + Duration::from_millis(100);
    while Instant::now() < until {
        match waitpid(Some(pid), WaitOptions::NOHANG) {
            Ok(None) => std::thread::sleep(Duration::from_millis(1)),
            _ => return,
        }
    }
}

#[cfg(test)]
#[path = "helper_tests.rs"]
mod tests;
