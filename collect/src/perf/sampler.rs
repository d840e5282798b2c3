//! The sampler's process: it opens, drains, stops on request, has names looked up, and answers.

use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags, openat};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::assistant::READ;
use super::backlog::Backlog;
use super::helper::{self, Office};
use super::refusal::Standing;
use super::rings::drain_interval;
use super::sampling::Sampling;
use super::settings::Settings;
use super::stack::stack_bytes;
use super::switches::{Switched, Watcher};
use super::wire::{CallGraph, Config, Part, Reply, Stop};
use super::{frame, output};
use crate::clock;

/// Where the kernel starts processes: `PROC_PID_INIT_INO` of `linux/proc_ns.h`.
const FIRST_PID_NAMESPACE: &[u8] = b"pid:[4026531836]";
/// CPUs are looked for anew after so long.
const LOOK: Duration = Duration::from_secs(1);
/// How long the assistant may go on when sampling has ended.
const LAST_LOOKS: Duration = Duration::from_millis(300);
/// How long the last stacks may take to be unwound.
const LAST_STACKS: Duration = Duration::from_secs(1);
/// Between two looks at them.
const LAST_LOOK: Duration = Duration::from_millis(20);
/// How long the one that watches switches may take for its last report.
const LAST_REPORT: Duration = Duration::from_millis(300);
/// It stops by itself when the capture forgets it.
const FORGOTTEN: Duration = Duration::from_secs(5);
/// File descriptors that are asked for: rings, and files of processes.
const DESCRIPTORS: u64 = 32 << 10;

/// Waits for the beginning, samples, answers. It ends with the socket.
pub(crate) fn run(mut socket: UnixStream) -> io::Result<()> {
    let config: Config = frame::receive(&mut socket)?;
    raise_limit();
    let root = OsString::from_vec(config.root.clone());
    let (proc, system) = match open_folders(&root) {
        Ok(folders) => folders,
        Err(error) => return frame::send(&mut socket, &Reply::Failed(error.to_string())),
    };
    if !is_live(&proc) {
        return frame::send(&mut socket, &Reply::NotLive);
    }
    let mut watcher = Watcher::hire(&proc, system.as_ref());
    let settings = Settings::read(&proc);
    let frequency = settings.allowed(config.frequency);
    let online = online(system.as_ref());
    let stack_bytes = match config.call_graph {
        CallGraph::Fp => 0,
        CallGraph::Dwarf => stack_bytes(frequency, online.len()),
    };
    let mut sampling = match Sampling::open(frequency, stack_bytes, &online) {
        Ok(sampling) => sampling,
        Err(refusals) => {
            let standing = Standing::read(system.as_ref());
            let refused = Reply::Refused(refusals, settings, standing);
            return frame::send(&mut socket, &refused);
        }
    };
    let started = clock::now();
    if let Err(error) = sampling.enable() {
        return frame::send(&mut socket, &Reply::Failed(error.to_string()));
    }
    frame::send(&mut socket, &Reply::Started)?;
    if let Ok(watcher) = &mut watcher {
        watcher.begin(&sampling.attributes.without, config.window_us);
    }
    let (is_own_proc, shares_pids) = shares_pids(&proc);
    if is_own_proc {
        for pid in pids(&proc) {
            sampling.ask(pid, None);
        }
    }
    let mut office = Office::new(proc, root);
    let forgotten = Instant::now() + Duration::from_micros(config.window_us) + FORGOTTEN;
    let (stop, ended_us) = sample(
        &socket,
        system.as_ref(),
        &mut sampling,
        &mut office,
        watcher.as_mut().ok(),
        frequency,
        forgotten,
    )?;
    let began = Instant::now();
    let ends = began + Duration::from_micros(stop.time_us);
    let mut switched = match watcher {
        Ok(watcher) => watcher.end(&mut sampling, began + LAST_REPORT),
        Err(error) => Switched::nothing(error.to_string()),
    };
    // What is left of the time is for names.
    let hits = sampling.hits(&mut switched, began + (ends - began) / 2);
    let answers = helper::names(&sampling.tables, &hits, office.proc(), ends);
    let names_us = began.elapsed().as_micros() as u64;
    let findings = output::Findings {
        sampling: &sampling,
        switched: &switched,
        settings,
        frequency,
        requested_frequency: config.frequency,
        call_graph: config.call_graph,
        hits: &hits,
        answers: &answers,
        span_us: (started.monotonic_us, ended_us),
        names_us,
        hung: office.hung,
        shares_pids,
        cpus_online: online.len() as u32,
    };
    output::send(&findings, &mut |name, outcome, bytes| {
        let length = bytes.iter().map(|piece| piece.len() as u64).sum();
        let part = Part {
            name: name.to_owned(),
            outcome,
            bytes: length,
        };
        frame::send(&mut socket, &Some(part))?;
        bytes.iter().try_for_each(|piece| socket.write_all(piece))
    })?;
    frame::send(&mut socket, &None::<Part>)?;
    // It is looked at what it has cost; then the other end closes.
    let _ = socket.read(&mut [0; 1]);
    Ok(())
}

/// Drains and looks at processes until it is told to stop; gives that order, and when sampling
/// ended on the monotonic clock.
fn sample(
    mut socket: &UnixStream,
    system: Option<&OwnedFd>,
    sampling: &mut Sampling,
    office: &mut Office,
    mut watcher: Option<&mut Watcher>,
    frequency: u64,
    forgotten: Instant,
) -> io::Result<(Stop, u64)> {
    let stack_bytes = sampling.attributes.stack_bytes();
    let interval = drain_interval(frequency, stack_bytes, sampling.ring_bytes);
    let mut next = Instant::now() + interval;
    let mut look = Instant::now() + LOOK;
    let stop: Stop = loop {
        office.work(sampling);
        sampling.unwound();
        let others = [
            office.socket(),
            watcher.as_ref().and_then(|watcher| watcher.socket()),
            sampling.backlog.as_ref().and_then(Backlog::socket),
        ];
        let time = next.saturating_duration_since(Instant::now());
        if wait(socket, others, time) {
            break frame::receive(&mut socket)?;
        }
        if let Some(watcher) = &mut watcher {
            watcher.hear(sampling);
        }
        if Instant::now() < next {
            continue;
        }
        next = Instant::now() + interval;
        if Instant::now() < forgotten {
            sampling.drain();
        } else {
            sampling.end();
        }
        if Instant::now() >= look {
            look = Instant::now() + LOOK;
            sampling.follow(&online(system), clock::now().monotonic_us);
        }
    };
    if let Some(watcher) = watcher {
        watcher.stop();
    }
    sampling.end();
    // What follows takes its time, and no sample is taken in it.
    let ended_us = clock::now().monotonic_us;
    let until = Instant::now() + LAST_LOOKS;
    while office.is_busy(sampling) && Instant::now() < until {
        office.work(sampling);
        if let Some(answers) = office.socket() {
            helper::is_ready(answers, until.saturating_duration_since(Instant::now()));
        }
    }
    office.work(sampling);
    office.end();
    unwind_rest(sampling);
    Ok((stop, ended_us))
}

/// What was drained last has to be unwound yet.
fn unwind_rest(sampling: &mut Sampling) {
    let until = Instant::now() + LAST_STACKS;
    while let Some(backlog) = sampling.backlog.as_mut()
        && !backlog.is_empty()
        && Instant::now() < until
    {
        backlog.dispatch(&sampling.tables);
        if let Some(answers) = backlog.socket() {
            helper::is_ready(answers, LAST_LOOK);
        }
        sampling.unwound();
    }
    sampling.end_unwinding();
}

/// Waits for the capture, the others or the next drain; whether the capture has said something.
fn wait(socket: &UnixStream, others: [Option<BorrowedFd<'_>>; 3], time: Duration) -> bool {
    let time = Timespec {
        tv_sec: time.as_secs() as i64,
        tv_nsec: time.subsec_nanos().into(),
    };
    let control = socket.as_fd();
    let mut sockets = vec![PollFd::from_borrowed_fd(control, PollFlags::IN)];
    for other in others.into_iter().flatten() {
        sockets.push(PollFd::from_borrowed_fd(other, PollFlags::IN));
    }
    let _ = poll(&mut sockets, Some(&time));
    sockets
        .first()
        .is_some_and(|control| !control.revents().is_empty())
}

fn open_folders(root: &OsString) -> io::Result<(OwnedFd, Option<OwnedFd>)> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let open = |name: &str| {
        let path = std::path::Path::new(root).join(name);
        rustix::fs::open(path, flags, Mode::empty())
    };
    Ok((open("proc")?, open("sys/devices/system/cpu").ok()))
}

/// Whether it is a file system of this kernel, and no copy of one.
fn is_live(proc: &OwnedFd) -> bool {
    rustix::fs::fstatfs(proc).is_ok_and(|system| system.f_type == rustix::fs::PROC_SUPER_MAGIC)
}

/// One descriptor per CPU and one per file of a process are more than a shell allows.
fn raise_limit() {
    let now = getrlimit(Resource::Nofile);
    let wanted = |maximum: Option<u64>| Rlimit {
        current: maximum.map_or(Some(DESCRIPTORS), |maximum| Some(maximum.min(DESCRIPTORS))),
        maximum,
    };
    if now.current.is_some_and(|current| current < DESCRIPTORS) {
        let more = now.maximum.map(|maximum| maximum.max(DESCRIPTORS));
        if setrlimit(Resource::Nofile, wanted(more)).is_err() {
            let _ = setrlimit(Resource::Nofile, wanted(now.maximum));
        }
    }
}

/// Whether pids of samples are those of `/proc`, and whether every process has one: to the kernel
/// the processes outside of a container's pid namespace have pid 0 there.
fn shares_pids(proc: &OwnedFd) -> (bool, bool) {
    let own = rustix::process::getpid().as_raw_nonzero().get().to_string();
    let link = |path: &str| rustix::fs::readlinkat(proc, path, Vec::new()).ok();
    let is_own = link("self").is_some_and(|link| link.to_bytes() == own.as_bytes());
    let namespace = link("self/ns/pid");
    let is_first = namespace.is_some_and(|link| link.to_bytes() == FIRST_PID_NAMESPACE);
    (is_own, is_own && is_first)
}

fn pids(proc: &OwnedFd) -> Vec<u32> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let folder = openat(proc, ".", flags, Mode::empty());
    let Ok(entries) = folder.and_then(rustix::fs::Dir::read_from) else {
        return Vec::new();
    };
    let names = entries.flatten();
    names
        .filter_map(|entry| entry.file_name().to_str().ok()?.parse().ok())
        .collect()
}

/// CPUs that are online; the first one at least.
pub(crate) fn online(system: Option<&OwnedFd>) -> Vec<u32> {
    let file = system.and_then(|folder| openat(folder, "online", READ, Mode::empty()).ok());
    let mut text = [0; 4096];
    let count = file.and_then(|file| rustix::io::read(&file, &mut text).ok());
    let text = text.get(..count.unwrap_or(0)).unwrap_or_default();
    let cpus = list(&String::from_utf8_lossy(text));
    if cpus.is_empty() { vec![0] } else { cpus }
}

/// `0-3,8` (kernel doc `admin-guide/cputopology`).
fn list(text: &str) -> Vec<u32> {
    let ranges = text.trim().split(',').filter_map(|range| {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        Some(first.parse::<u32>().ok()?..=last.parse::<u32>().ok()?.min(1 << 14))
    });
    ranges.flatten().collect()
}

/// A path as bytes, for the message.
pub(crate) fn path_bytes(path: &std::path::Path) -> Vec<u8> {
    path.as_os_str().as_bytes().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_cpus() {
        assert_eq!(list("0-3,8\n"), [0, 1, 2, 3, 8]);
        assert_eq!(list(""), [0_u32; 0]);
        assert_eq!(list("0-4294967295").len(), (1 << 14) + 1);
    }
}
