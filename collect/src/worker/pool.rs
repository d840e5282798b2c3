//! The capture's side: one worker at work, the next one waiting.

use std::path::Path;
use std::time::{Duration, Instant};

use super::process::{DEATH_PATIENCE, Lost, Wait, Worker, wait_for};
use super::serve::Server;
use super::wire::{Ask, Reply, Request};
use super::zygote::Zygote;
use crate::cost::Usage;
use crate::root::Root;

/// How long a worker that was asked for may take to come. A fork copies page tables; on a node
/// that reclaims memory it can take long.
const FORK_PATIENCE: Duration = Duration::from_secs(2);
/// For small things that are worth little waiting.
const GET_PATIENCE: Duration = Duration::from_millis(500);
/// How long an answer that has begun may pause: its worker has the whole of it.
const SEND_PATIENCE: Duration = Duration::from_secs(2);

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

/// A worker of its own, beside the one that reads: it does one thing after another while the
/// capture goes on.
pub(crate) struct Aside {
    worker: Worker,
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
