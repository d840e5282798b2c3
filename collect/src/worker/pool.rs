//! The capture's side: one worker at work, the next one waiting.

use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open, pidfd_send_signal};

use super::serve::Server;
use super::wire::{Ask, HEAD_BYTES, Reply, Request};
use super::zygote::Zygote;
use crate::cost::{self, Usage};
use crate::root::Root;

/// How long a worker that was asked for may take to come. A fork copies page tables; on a node
/// that reclaims memory it can take long.
const FORK_PATIENCE: Duration = Duration::from_secs(2);
/// How long a worker may take to die of SIGKILL before it counts as stuck for good.
const DEATH_PATIENCE: Duration = Duration::from_millis(100);
/// Between two looks at signals and at the worker's state.
const LOOK: Duration = Duration::from_millis(50);
/// A worker that runs or waits for a CPU is not stuck: it gets so many times the patience.
const STARVED: u32 = 10;
/// For small things that are worth little waiting.
const GET_PATIENCE: Duration = Duration::from_millis(500);
/// How long an answer that has begun may pause: its worker has the whole of it.
const SEND_PATIENCE: Duration = Duration::from_secs(2);
/// Bytes taken from the socket at once.
const CHUNK_BYTES: usize = 64 << 10;

/// Asks workers and survives them.
pub(crate) struct Pool {
    /// For reading without workers where no process can be forked.
    root: Root,
    zygote: Option<Zygote>,
    /// Whether a worker is on its way.
    requested: bool,
    worker: Option<Worker>,
    /// Whether a read has hung.
    has_hung: bool,
    /// What workers that are gone have cost.
    gone: Usage,
}

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

/// A worker of its own, beside the one that reads: it does one thing after another while the
/// capture goes on.
pub(crate) struct Aside {
    worker: Worker,
}

struct Worker {
    /// None: the capture itself, because nothing could be forked.
    process: Option<Process>,
    /// Received and not yet taken.
    buffer: Vec<u8>,
    taken: usize,
}

struct Process {
    pid: Pid,
    handle: Option<OwnedFd>,
    socket: UnixStream,
}

impl Pool {
    /// Forks the zygote and the first worker. Where that is impossible, reads are made without
    /// protection, and [`Pool::is_protected`] is false.
    pub(crate) fn start(root: Root) -> Self {
        let mut pool = Self {
            zygote: Zygote::start(&root).ok(),
            root,
            requested: false,
            worker: None,
            has_hung: false,
            gone: Usage::default(),
        };
        pool.request();
        pool
    }

    /// The folder that stands for `/`.
    pub(crate) fn root_path(&self) -> &Path {
        self.root.path()
    }

    /// Whether reads are made by workers.
    pub(crate) fn is_protected(&self) -> bool {
        self.zygote.is_some()
    }

    /// Sends a request; its answers are taken one by one.
    pub(crate) fn send(&mut self, request: &Request) -> Result<(), Lost> {
        self.hire();
        let Some(worker) = &mut self.worker else {
            return Err(Lost::Died);
        };
        worker.buffer.clear();
        worker.taken = 0;
        let sent = match &mut worker.process {
            Some(process) => request.send(&mut process.socket),
            None => Server::new().answer(&self.root, request, &mut |bytes| {
                worker.buffer.extend_from_slice(bytes);
                Ok(())
            }),
        };
        sent.map_err(|_| {
            self.dismiss();
            Lost::Died
        })
    }

    /// Takes the next answer; its bytes replace those in `body`. After an error the worker is gone
    /// and with it all answers that are left of the request.
    pub(crate) fn receive(
        &mut self,
        body: &mut Vec<u8>,
        patience: Duration,
        is_over: &dyn Fn() -> bool,
    ) -> Result<Reply, Lost> {
        let Some(worker) = &mut self.worker else {
            return Err(Lost::Died);
        };
        let result = worker.receive(body, patience, is_over);
        if let Err(lost) = &result {
            self.has_hung |= matches!(lost, Lost::Hung(_));
            self.dismiss();
        }
        result
    }

    /// Hands out a worker beside the one that reads, if the next one has come already.
    pub(crate) fn lend(&mut self) -> Option<Aside> {
        self.request();
        let zygote = self.zygote.as_mut()?;
        if !self.requested || !wait_for(zygote.control(), Duration::ZERO) {
            return None;
        }
        let came = zygote.receive();
        self.requested = false;
        let (pid, socket) = came.ok()?;
        self.request();
        Some(Aside {
            worker: Worker::of(pid, socket),
        })
    }

    /// Counts what one has cost that is not used any more; it ends when it is dropped, unless it was
    /// given up.
    pub(crate) fn take_back(&mut self, aside: &Aside) {
        self.gone = self.gone.and(aside.worker.usage());
    }

    /// Gives up the rest of a request.
    pub(crate) fn interrupt(&mut self) {
        if let Some(process) = self.worker.as_ref().and_then(|w| w.process.as_ref()) {
            process.kill();
        }
        self.dismiss();
    }

    /// Reads the beginning of a file, outside of any source.
    pub(crate) fn read(&mut self, path: &[u8], limit: usize) -> Option<Vec<u8>> {
        self.get(path, Ask::Read(limit))
    }

    /// The mounts that this process sees.
    pub(crate) fn own_mounts(&mut self) -> Option<String> {
        String::from_utf8(self.get(b"", Ask::OwnMounts)?).ok()
    }

    fn get(&mut self, path: &[u8], ask: Ask) -> Option<Vec<u8>> {
        let request = Request {
            folder: Vec::new(),
            items: vec![(path.to_vec(), ask)],
            one_by_one: true,
        };
        self.send(&request).ok()?;
        let mut bytes = Vec::new();
        let reply = self.receive(&mut bytes, GET_PATIENCE, &|| false).ok()?;
        reply.result.is_ok().then_some(bytes)
    }

    /// What the workers and the zygote have cost until now.
    fn usage(&self) -> Usage {
        let zygote = self.zygote.as_ref().map(|zygote| Usage::of(zygote.pid));
        let worker = self.worker.as_ref().map(Worker::usage);
        self.gone
            .and(zygote.unwrap_or_default())
            .and(worker.unwrap_or_default())
    }

    /// Lets all processes end that can; what they have cost.
    pub(crate) fn end(mut self) -> Usage {
        let usage = self.usage();
        if self.requested
            && let Some(zygote) = &mut self.zygote
            && wait_for(zygote.control(), DEATH_PATIENCE)
        {
            // The worker that was waiting ends when its socket closes.
            let _ = zygote.receive();
        }
        drop(self.worker);
        if let Some(zygote) = self.zygote {
            zygote.end();
        }
        usage
    }

    fn request(&mut self) {
        if let Some(zygote) = &mut self.zygote
            && !self.requested
        {
            self.requested = zygote.request().is_ok();
        }
    }

    /// Sees to it that there is a worker, and that the next one is on its way.
    fn hire(&mut self) {
        if self.worker.is_some() {
            return;
        }
        self.request();
        let answer = self.zygote.as_mut().and_then(|zygote| {
            let came = wait_for(zygote.control(), FORK_PATIENCE);
            came.then(|| zygote.receive())
        });
        match answer {
            Some(Ok((pid, socket))) => {
                self.requested = false;
                self.worker = Some(Worker::of(pid, socket));
                self.request();
            }
            // Nothing can be forked. Where something hung already, reading here would hang too.
            Some(Err(_)) => {
                self.requested = false;
                if !self.has_hung {
                    self.go_on_alone();
                }
            }
            None if self.zygote.is_none() => self.go_on_alone(),
            // It may still come: the next read waits for it again.
            None => {}
        }
    }

    /// Reads in this process from now on.
    fn go_on_alone(&mut self) {
        if let Some(zygote) = self.zygote.take() {
            zygote.end();
        }
        self.worker = Some(Worker {
            process: None,
            buffer: Vec::new(),
            taken: 0,
        });
    }

    fn dismiss(&mut self) {
        if let Some(worker) = self.worker.take() {
            self.gone = self.gone.and(worker.usage());
        }
    }
}

impl Aside {
    /// Sends a request.
    pub(crate) fn send(&mut self, request: &Request) -> Result<(), Lost> {
        let process = self.worker.process.as_mut().ok_or(Lost::Died)?;
        request.send(&mut process.socket).map_err(|_| Lost::Died)
    }

    /// Whether an answer, or its end, has come.
    pub(crate) fn is_ready(&self) -> bool {
        let process = self.worker.process.as_ref();
        process.is_none_or(|process| wait_for(&process.socket, Duration::ZERO))
    }

    /// Takes an answer that has begun to come; its bytes replace those in `body`.
    pub(crate) fn receive(
        &mut self,
        body: &mut Vec<u8>,
        is_over: &dyn Fn() -> bool,
    ) -> Result<Reply, Lost> {
        self.worker.receive(body, SEND_PATIENCE, is_over)
    }

    /// Looks at one that has been at work since then: an error when it was given up.
    pub(crate) fn look(&self, since: Instant, patience: Duration) -> Result<(), Lost> {
        let process = self.worker.process.as_ref().ok_or(Lost::Died)?;
        let wait = Wait {
            patience,
            since,
            is_over: &|| false,
        };
        wait.look(process)
    }

    /// Ends it, whatever it is doing, without waiting for that.
    pub(crate) fn end(&self) {
        if let Some(process) = &self.worker.process {
            process.signal();
        }
    }
}

impl Worker {
    fn of(pid: Pid, socket: UnixStream) -> Self {
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

    fn usage(&self) -> Usage {
        let process = self.process.as_ref();
        process.map_or_else(Usage::default, |process| Usage::of(process.pid))
    }

    fn receive(
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
struct Wait<'a> {
    patience: Duration,
    /// When it was last heard of.
    since: Instant,
    is_over: &'a dyn Fn() -> bool,
}

impl Wait<'_> {
    fn look(&self, process: &Process) -> Result<(), Lost> {
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
    fn signal(&self) {
        let _ = match &self.handle {
            Some(handle) => pidfd_send_signal(handle, Signal::KILL),
            None => kill_process(self.pid, Signal::KILL),
        };
    }

    /// Sends SIGKILL; whether it died of it.
    fn kill(&self) -> bool {
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
fn wait_for(socket: &UnixStream, time: Duration) -> bool {
    let time = Timespec {
        tv_sec: time.as_secs() as i64,
        tv_nsec: time.subsec_nanos().into(),
    };
    let mut sockets = [PollFd::from_borrowed_fd(socket.as_fd(), PollFlags::IN)];
    matches!(poll(&mut sockets, Some(&time)), Ok(1..))
}
