//! The process that unwinds, as the sampler sees it: what it knows, and whether it gets on.

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::fs::{OFlags, fcntl_setfl};
use rustix::process::Pid;

use super::frame;
use super::module::ModuleId;
use super::seen::{self, send};
use super::space::{self, Extent};
use super::tables::Tables;
use super::unwinder::{self, Item, Order, Progress};
use crate::cost::{self, Usage};
use crate::worker;

/// How long one stack or one table may take, unless it waits for a CPU.
pub(crate) const PATIENCE: Duration = Duration::from_millis(500);
/// CPU time after which it goes on for ever.
const ENDLESS: Duration = Duration::from_millis(300);
/// One that waits for a CPU is not stuck.
const STARVED: u32 = 6;
/// Files that are given away at once: as many fit into the socket's buffer.
const FILES: usize = 64;
/// Processes and extents that the unwinder remembers.
const SPACES: usize = 4096;
const EXTENTS: usize = 1 << 18;

/// The process that unwinds.
pub(crate) struct Unwinder {
    pub(crate) pid: Pid,
    pub(crate) socket: OwnedFd,
    /// When it was seen to get on, with what, and what it had taken then.
    pub(crate) since: Instant,
    progress: Progress,
    cpu: Duration,
    /// What it knows of the memory of processes, as a digest.
    spaces: HashMap<u32, u64>,
    extents: usize,
    files: HashSet<ModuleId>,
}

impl Unwinder {
    /// Forks it; it works on what is in `file`.
    pub(crate) fn hire(file: &OwnedFd, left_alone: &HashSet<u32>) -> io::Result<Self> {
        let (socket, theirs) = seen::pair()?;
        // The sampler waits for nobody.
        fcntl_setfl(&socket, OFlags::NONBLOCK)?;
        let ours = RefCell::new(Some(socket));
        let pid = worker::fork(|| {
            drop(ours.take());
            let _ = unwinder::run(&theirs, file, left_alone);
            0
        })?;
        let socket = ours.take().ok_or(io::ErrorKind::NotConnected)?;
        Ok(Self {
            pid,
            socket,
            since: Instant::now(),
            progress: Progress::default(),
            cpu: Duration::ZERO,
            spaces: HashMap::new(),
            extents: 0,
            files: HashSet::new(),
        })
    }

    /// It was seen to get on.
    pub(crate) fn is_alive(&mut self, progress: Progress) {
        self.progress = progress;
        self.since = Instant::now();
        self.cpu = Usage::of(self.pid).cpu_time();
    }

    /// Whether neither a disk nor a CPU that is busy otherwise keeps it from getting on.
    pub(crate) fn is_stuck(&mut self, progress: Progress) -> bool {
        if self.since.elapsed() < PATIENCE {
            return false;
        }
        if progress != self.progress {
            self.is_alive(progress);
            return false;
        }
        let cpu = Usage::of(self.pid).cpu_time();
        let is_starved = cost::state_of(self.pid) == Some('R')
            && cpu.saturating_sub(self.cpu) < ENDLESS
            && self.since.elapsed() < PATIENCE * STARVED;
        !is_starved
    }

    /// What it has to know of these processes before it sees their stacks; files go to it at once.
    pub(crate) fn tell(
        &mut self,
        tables: &Tables,
        processes: &BTreeSet<u32>,
        unread: &HashSet<ModuleId>,
    ) -> Vec<u8> {
        let mut items = Vec::new();
        let mut files = FILES;
        if self.spaces.len() > SPACES || self.extents > EXTENTS {
            self.spaces.clear();
            self.extents = 0;
            let _ = frame::send(&mut items, &Item::Forget);
        }
        for pid in processes {
            let extents = space::of(tables, *pid);
            for extent in &extents {
                self.give_file(tables, extent, unread, &mut files);
            }
            let mut digest = DefaultHasher::new();
            extents.hash(&mut digest);
            let digest = digest.finish();
            if self.spaces.insert(*pid, digest) != Some(digest) {
                self.extents += extents.len();
                let space = Item::Space { pid: *pid, extents };
                let _ = frame::send(&mut items, &space);
            }
        }
        items
    }

    fn give_file(
        &mut self,
        tables: &Tables,
        extent: &Extent,
        unread: &HashSet<ModuleId>,
        room: &mut usize,
    ) {
        let module = extent.module;
        if *room == 0 || self.files.contains(&module) || unread.contains(&module) {
            return;
        }
        let known = tables.modules.get(module as usize);
        let Some(file) = known.and_then(|known| known.unwinding_file()) else {
            return;
        };
        *room -= 1;
        if send(&self.socket, &Order::File(module), Some(file.as_fd())).is_ok() {
            self.files.insert(module);
        } else {
            *room = 0;
        }
    }
}
