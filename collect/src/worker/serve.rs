//! The worker's side: opens, reads and answers until the socket closes.

use std::io::{self, BufReader, Read, Seek, SeekFrom, Write};
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use freezeframe_bundle::{Cut, Outcome, member};

use super::wire::{Ask, Body, Reply, Request};
use crate::plan;
use crate::root::{Folder, Root};
use crate::{clock, cost};

/// Answers are collected up to this size before they are sent.
const SEND_BYTES: usize = 64 << 10;
/// Size of the buffer that small files are read into.
const BUFFER_BYTES: usize = 64 << 10;

/// What a call may cost.
pub(crate) struct Brief<'a> {
    /// The node's files.
    pub(crate) root: &'a Root,
    /// The argument that the source gave.
    pub(crate) argument: &'a [u8],
    /// When it has to end.
    pub(crate) ends: Instant,
    /// Bytes that it may answer.
    pub(crate) bytes: usize,
}

/// What a call answers: bytes and what became of them.
pub(crate) struct Told {
    /// The answer.
    pub(crate) bytes: Vec<u8>,
    /// What became of it.
    pub(crate) outcome: Outcome,
    /// How it was shortened.
    pub(crate) cut: Option<Cut>,
}

impl Told {
    /// No answer, and why.
    pub(crate) fn none(outcome: Outcome) -> Self {
        Self {
            bytes: Vec::new(),
            outcome,
            cut: None,
        }
    }
}

/// Work of a source that is more than reading a file; it runs in a worker.
pub(crate) type Call = fn(&Brief<'_>) -> Told;

/// Answers requests until the other end is gone.
pub(super) fn serve(stream: &UnixStream, root: &Root) {
    let mut server = Server::new();
    let mut requests = BufReader::with_capacity(SEND_BYTES, stream);
    let mut answers = stream;
    while let Ok(request) = Request::receive(&mut requests) {
        let sent = server.answer(root, &request, &mut |bytes| answers.write_all(bytes));
        if sent.is_err() {
            return;
        }
    }
}

/// Buffers of a worker.
pub(super) struct Server {
    buffer: Vec<u8>,
    length: usize,
    out: Vec<u8>,
}

impl Server {
    pub(super) fn new() -> Self {
        Self {
            buffer: vec![0; BUFFER_BYTES],
            length: 0,
            out: Vec::with_capacity(SEND_BYTES * 2),
        }
    }

    /// Answers a request, in order.
    pub(super) fn answer(
        &mut self,
        root: &Root,
        request: &Request,
        send: &mut dyn FnMut(&[u8]) -> io::Result<()>,
    ) -> io::Result<()> {
        let folder = match root.folder(&request.folder) {
            Ok(folder) => Ok(folder),
            Err(error) => Err(error.raw_os_error().unwrap_or(0)),
        };
        for (name, ask) in &request.items {
            let started_us = clock::boottime_us();
            let began = Instant::now();
            self.length = 0;
            let result = match &folder {
                Ok(folder) => self.perform(root, folder, name, *ask),
                Err(errno) => Err(io::Error::from_raw_os_error(*errno)),
            };
            let reply = Reply {
                started_us,
                took_us: began.elapsed().as_micros() as u64,
                result,
            };
            let body = self.buffer.get(..self.length).unwrap_or_default();
            let body = if reply.result.is_ok() { body } else { &[] };
            reply.encode(body, &mut self.out);
            if request.one_by_one || self.out.len() >= SEND_BYTES {
                send(&self.out)?;
                self.out.clear();
            }
            self.shrink();
        }
        if !self.out.is_empty() {
            send(&self.out)?;
            self.out.clear();
        }
        Ok(())
    }

    /// One huge file must not cost memory until the end.
    fn shrink(&mut self) {
        if self.buffer.len() > BUFFER_BYTES * 16 {
            self.buffer = vec![0; BUFFER_BYTES];
            self.out.shrink_to(SEND_BYTES * 2);
        }
    }

    fn perform(&mut self, root: &Root, folder: &Folder, name: &[u8], ask: Ask) -> io::Result<Body> {
        match ask {
            Ask::Read(limit) => {
                let whole = self.read(root.file_in(folder, name)?, limit)?;
                Ok(if whole { Body::Whole } else { Body::Cut(None) })
            }
            Ask::Setting(limit) => match root.file_in(folder, name) {
                Err(_) if !root.is_readable(&folder.path(name)) => Err(
                    io::Error::from_raw_os_error(rustix::io::Errno::NOENT.raw_os_error()),
                ),
                file => {
                    let whole = self.read(file?, limit)?;
                    Ok(if whole { Body::Whole } else { Body::Cut(None) })
                }
            },
            Ask::Tail(limit) => Ok(match self.tail(root.file_in(folder, name)?, limit)? {
                None => Body::Whole,
                Some(length) => Body::Cut(Some(length)),
            }),
            Ask::Link => {
                let target = root.link_in(folder, name)?;
                self.keep(&target);
                Ok(Body::Whole)
            }
            Ask::Names(limit) => {
                let (names, more) = root.list(&folder.path(name), limit)?;
                let mut bytes = Vec::with_capacity(names.len() * 16);
                for name in names {
                    bytes.push(name.kind());
                    bytes.extend(name.bytes);
                    bytes.push(0);
                }
                self.buffer = bytes;
                self.length = self.buffer.len();
                Ok(if more { Body::Cut(None) } else { Body::Whole })
            }
            Ask::Listing(limit) => self.listing(root, &folder.path(name), limit),
            Ask::Exists => {
                if root.exists(&folder.path(name)) {
                    Ok(Body::Whole)
                } else {
                    Err(io::Error::from_raw_os_error(
                        rustix::io::Errno::NOENT.raw_os_error(),
                    ))
                }
            }
            Ask::Statvfs => {
                let numbers = root.statvfs(&folder.path(name))?;
                self.keep(&serde_json::to_vec(&numbers).unwrap_or_default());
                Ok(Body::Whole)
            }
            Ask::OwnMounts => {
                let own = cost::file_of(rustix::process::getpid(), "mountinfo");
                self.keep(own.unwrap_or_default().as_bytes());
                Ok(Body::Whole)
            }
            Ask::Call {
                source,
                call,
                time_us,
                bytes,
            } => {
                let call = plan::all()
                    .get(source)
                    .and_then(|source| source.calls.get(call))
                    .ok_or(io::ErrorKind::InvalidInput)?;
                let brief = Brief {
                    root,
                    argument: name,
                    ends: Instant::now() + Duration::from_micros(time_us),
                    bytes,
                };
                let told = catch_unwind(AssertUnwindSafe(|| call(&brief)))
                    .unwrap_or_else(|panic| Told::none(crate::capture::panicked(&*panic)));
                self.buffer = told.bytes;
                self.length = self.buffer.len();
                Ok(Body::Told(told.outcome, told.cut))
            }
        }
    }

    /// Reads a file into the buffer; whether it was read to its end.
    fn read(&mut self, mut file: std::fs::File, limit: usize) -> io::Result<bool> {
        loop {
            if self.length >= limit {
                return Ok(file.read(&mut [0])? == 0);
            }
            if self.length == self.buffer.len() {
                let larger = (self.buffer.len() * 2).max(BUFFER_BYTES);
                self.buffer.resize(larger, 0);
            }
            let end = self.buffer.len().min(limit);
            let space = self.buffer.get_mut(self.length..end).unwrap_or_default();
            match file.read(space) {
                Ok(0) => return Ok(true),
                Ok(count) => self.length += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Reads the end of a file; its whole length if it was longer.
    fn tail(&mut self, mut file: std::fs::File, limit: usize) -> io::Result<Option<u64>> {
        let length = file.metadata()?.len();
        let from = length.saturating_sub(limit as u64);
        file.seek(SeekFrom::Start(from))?;
        // It may grow while it is read: what counts is the length found first.
        self.read(file, limit)?;
        Ok((from > 0).then_some(length))
    }

    fn listing(&mut self, root: &Root, path: &[u8], limit: usize) -> io::Result<Body> {
        let (names, more) = root.list(path, limit)?;
        let folder = root.folder(path)?;
        let mut listing = Vec::with_capacity(names.len() * 32);
        for name in &names {
            listing.extend_from_slice(member::escape(&name.bytes).as_bytes());
            if name.is_link
                && let Ok(target) = root.link_in(&folder, &name.bytes)
            {
                listing.push(b'\t');
                listing.extend_from_slice(member::escape(&target).as_bytes());
            }
            listing.push(b'\n');
        }
        self.buffer = listing;
        self.length = self.buffer.len();
        Ok(if more { Body::Cut(None) } else { Body::Whole })
    }

    fn keep(&mut self, bytes: &[u8]) {
        if self.buffer.len() < bytes.len() {
            self.buffer.resize(bytes.len(), 0);
        }
        self.length = bytes.len();
        if let Some(space) = self.buffer.get_mut(..bytes.len()) {
            space.copy_from_slice(bytes);
        }
    }
}
