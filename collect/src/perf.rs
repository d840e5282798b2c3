//! The CPU profile: every CPU is sampled while the window runs, and names are looked up on the node.
//! Beside it, where and for how long threads were off their CPU (`switches.rs`).
//!
//! A process of its own samples, so that rings are drained in time whatever hangs, and a crash costs
//! only the profile. What may take for ever (other processes' maps, their files) is done by
//! processes that it forks in turn and gives up.

mod assistant;
mod backlog;
mod budget;
mod elf;
mod event;
mod frame;
mod go;
mod helper;
mod hired;
mod hits;
mod jitdump;
mod kept;
mod kernel;
mod module;
#[cfg(test)]
#[path = "../tests/fake/mounts.rs"]
#[allow(dead_code)]
mod mounts;
mod names;
mod output;
mod perf_data;
mod record;
mod refusal;
mod resolve;
mod rings;
mod sampler;
mod sampling;
mod seen;
mod settings;
mod space;
mod stack;
mod switch_watch;
mod switches;
mod tables;
#[cfg(test)]
mod tests;
mod unwind;
mod unwinder;
mod wire;

use std::cell::RefCell;
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use freezeframe_bundle::Outcome;
use rustix::process::{Pid, Signal, kill_process};

use crate::cost::Usage;
use crate::worker;
pub(crate) use wire::CallGraph;
use wire::{Config, Part, Reply, Stop};

/// The source that stores what the sampler answers.
pub(crate) const SOURCE_ID: &str = "perf";

/// How long the beginning may take: one system call per CPU.
const BEGIN_PATIENCE: Duration = Duration::from_secs(2);
/// Between two looks at whether the capture is over.
const LOOK: Duration = Duration::from_millis(50);
/// Longest member: the records, and what is around them.
const PART_BYTES: u64 = 128 << 20;

/// The sampler's process as the capture sees it. It ends when this is dropped.
pub(crate) struct Sampler {
    pid: Pid,
    socket: UnixStream,
}

/// A member of the bundle.
pub(crate) struct Member {
    pub(crate) name: String,
    pub(crate) outcome: Outcome,
    pub(crate) bytes: Vec<u8>,
}

impl Sampler {
    /// Forks the process, which waits. It has to be done before anything is opened: whoever is left
    /// behind must hold nothing of the capture.
    pub(crate) fn prepare() -> io::Result<Self> {
        let (socket, theirs) = UnixStream::pair()?;
        let ours = RefCell::new(Some(socket));
        let theirs = RefCell::new(Some(theirs));
        let pid = worker::fork(|| {
            drop(ours.take());
            worker::leave_streams();
            theirs
                .take()
                .map_or(1, |socket| u8::from(sampler::run(socket).is_err()))
        })?;
        let socket = ours.take().ok_or(io::ErrorKind::NotConnected)?;
        Ok(Self { pid, socket })
    }

    /// Begins to sample; `root` is the folder that stands for `/`.
    pub(crate) fn start(
        &mut self,
        root: &Path,
        window: Duration,
        frequency: u64,
        call_graph: CallGraph,
    ) -> Result<(), Outcome> {
        // The sampler is not in this folder.
        let root = std::path::absolute(root).unwrap_or_else(|_| root.to_owned());
        let config = Config {
            root: sampler::path_bytes(&root),
            frequency,
            call_graph,
            window_us: window.as_micros() as u64,
        };
        let reply = frame::send(&mut self.socket, &config).and_then(|()| {
            self.socket.set_read_timeout(Some(BEGIN_PATIENCE))?;
            frame::receive(&mut self.socket)
        });
        match reply {
            Ok(Reply::Started) => Ok(()),
            Ok(Reply::Refused(refusals, settings, standing)) => {
                Err(refusal::outcome(&refusals, settings, standing))
            }
            Ok(Reply::NotLive) => Err(Outcome::Absent("only of the live node".to_owned())),
            Ok(Reply::Failed(why)) => Err(Outcome::Failed(why)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                Err(Outcome::TimedOut(BEGIN_PATIENCE.as_micros() as u64))
            }
            Err(error) => Err(Outcome::Failed(format!("the sampler is gone: {error}"))),
        }
    }

    /// Has it stop and look names up for so long.
    pub(crate) fn stop(&mut self, names: Duration) {
        let stop = Stop {
            time_us: names.as_micros() as u64,
        };
        // If it is gone, that is seen when its answer is taken.
        let _ = frame::send(&mut self.socket, &stop);
    }

    /// Takes the next member; nothing after the last.
    pub(crate) fn next(
        &mut self,
        ends: Instant,
        is_over: &dyn Fn() -> bool,
    ) -> Result<Option<Member>, Outcome> {
        let began = Instant::now();
        while !helper::is_ready(self.socket.as_fd(), LOOK) {
            if is_over() || Instant::now() >= ends {
                return Err(Outcome::TimedOut(began.elapsed().as_micros() as u64));
            }
        }
        let part = self.receive(ends).map_err(|error| match error.kind() {
            io::ErrorKind::WouldBlock => Outcome::TimedOut(began.elapsed().as_micros() as u64),
            _ => Outcome::Failed(format!("the sampler is gone: {error}")),
        })?;
        Ok(part)
    }

    fn receive(&mut self, ends: Instant) -> io::Result<Option<Member>> {
        let left = ends.saturating_duration_since(Instant::now()).max(LOOK);
        self.socket.set_read_timeout(Some(left))?;
        let Some(part) = frame::receive::<Option<Part>>(&mut self.socket)? else {
            return Ok(None);
        };
        if part.bytes > PART_BYTES {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        let mut bytes = vec![0; part.bytes as usize];
        self.socket.read_exact(&mut bytes)?;
        Ok(Some(Member {
            name: part.name,
            outcome: part.outcome,
            bytes,
        }))
    }

    /// What it and those that it forked have cost.
    pub(crate) fn usage(&self) -> Usage {
        Usage::with_children(self.pid)
    }
}

impl Drop for Sampler {
    fn drop(&mut self) {
        let _ = kill_process(self.pid, Signal::KILL);
        helper::wait_a_moment(self.pid);
    }
}
