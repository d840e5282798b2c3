//! The assistant looks at processes for the sampler, in a process of its own.
//!
//! `maps` and `map_files` take a lock of the process that is looked at, and opening a file may touch
//! a dead mount: either may take for ever. The sampler then kills the assistant, takes a new one
//! and goes on with the next process.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;

use rustix::fs::{FileType, Mode, OFlags, ResolveFlags, fstat, open, openat, openat2};
use rustix::net::RecvFlags;

use super::module::is_generated;
use super::seen::{FileKey, PACKET_BYTES, Seen, SeenMapping, SeenProcess, Task, receive, send};

/// `PF_KTHREAD` of `linux/sched.h`.
const KERNEL_THREAD: u64 = 0x0020_0000;
/// Longest `maps` that is read: 100,000 lines.
const MAPS_BYTES: usize = 16 << 20;
/// Longest of the other files.
const FILE_BYTES: usize = 64 << 10;
/// A path in `maps` is cut here.
const PATH_BYTES: usize = 1024;
/// Flags of every open: nothing that is no file may keep it waiting.
pub(crate) const READ: OFlags = OFlags::RDONLY
    .union(OFlags::NONBLOCK)
    .union(OFlags::NOCTTY)
    .union(OFlags::CLOEXEC);

/// Where processes are looked at, and what is known already.
pub(crate) struct Assistant {
    /// `/proc`, or that below `--root`.
    proc: OwnedFd,
    /// Where the unified cgroup hierarchy is mounted.
    cgroups: Option<OwnedFd>,
    /// Files that the sampler holds.
    held: HashSet<FileKey>,
    /// How many more it takes.
    room: usize,
    buffer: Vec<u8>,
}

impl Assistant {
    pub(crate) fn new(
        proc: OwnedFd,
        cgroups: Option<OwnedFd>,
        held: HashSet<FileKey>,
        room: usize,
    ) -> Self {
        Self {
            proc,
            cgroups,
            held,
            room,
            buffer: Vec::new(),
        }
    }

    /// Answers until the sampler is gone.
    pub(crate) fn run(&mut self, socket: &OwnedFd) -> io::Result<()> {
        let mut packet = Vec::new();
        loop {
            let (tasks, _): (Vec<Task>, _) = receive(socket, &mut packet, RecvFlags::empty())?;
            for task in tasks {
                match task.tid {
                    Some(tid) => self.thread(socket, task.pid, tid)?,
                    None => self.process(socket, task.pid)?,
                }
                send(socket, &Seen::Done(task), None)?;
            }
        }
    }

    fn thread(&mut self, socket: &OwnedFd, pid: u32, tid: u32) -> io::Result<()> {
        if self
            .read(&format!("{pid}/task/{tid}/comm"), FILE_BYTES)
            .is_ok()
        {
            let comm = String::from_utf8_lossy(self.buffer.trim_ascii_end()).into_owned();
            send(socket, &Seen::Thread { pid, tid, comm }, None)?;
        }
        Ok(())
    }

    /// What cannot be read is left out: the process may have ended.
    fn process(&mut self, socket: &OwnedFd, pid: u32) -> io::Result<()> {
        if self.read(&format!("{pid}/stat"), FILE_BYTES).is_err() {
            return Ok(());
        }
        let stat = String::from_utf8_lossy(&self.buffer).into_owned();
        let Some(mut seen) = from_stat(pid, &stat) else {
            return Ok(());
        };
        if self.read(&format!("{pid}/cgroup"), FILE_BYTES).is_ok() {
            let cgroups = String::from_utf8_lossy(&self.buffer).into_owned();
            let unified = cgroups.lines().find_map(|line| line.strip_prefix("0::"));
            seen.cgroup_path = unified.map(str::to_owned);
            seen.cgroup_id = unified.and_then(|path| self.cgroup_id(path));
            seen.cgroups = Some(cgroups);
        }
        let is_user = !seen.is_kernel_thread;
        let mut mappings = Vec::new();
        if is_user && self.read(&format!("{pid}/maps"), MAPS_BYTES).is_ok() {
            mappings = executable(&self.buffer);
        }
        let generates = mappings.iter().any(|m| is_generated(&m.path));
        if generates && self.read(&format!("{pid}/status"), FILE_BYTES).is_ok() {
            seen.namespace_pid = namespace_pid(&String::from_utf8_lossy(&self.buffer));
        }
        let inner = seen.namespace_pid.unwrap_or(pid);
        send(socket, &Seen::Process(seen), None)?;
        for mapping in &mappings {
            self.file(socket, pid, mapping)?;
        }
        if generates {
            self.perf_map(socket, pid, inner)?;
        }
        send_mappings(socket, pid, mappings)
    }

    fn file(&mut self, socket: &OwnedFd, pid: u32, mapping: &SeenMapping) -> io::Result<()> {
        let Some(key) = mapping.key.filter(|_| !is_generated(&mapping.path)) else {
            return Ok(());
        };
        if self.room == 0 || self.held.contains(&key) {
            return Ok(());
        }
        // `maps` pads addresses, `map_files` does not.
        let link = format!("{pid}/map_files/{:x}-{:x}", mapping.start, mapping.end);
        let Ok(file) = openat(&self.proc, link, READ, Mode::empty()) else {
            return Ok(());
        };
        let Ok(stat) = fstat(&file) else {
            return Ok(());
        };
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Ok(());
        }
        let seen = Seen::File {
            pid,
            path: mapping.path.clone(),
            key,
            size_bytes: stat.st_size as u64,
            modified_us: stat.st_mtime * 1_000_000 + stat.st_mtime_nsec as i64 / 1000,
        };
        send(socket, &seen, Some(file.as_fd()))?;
        self.held.insert(key);
        self.room -= 1;
        Ok(())
    }

    /// `/tmp/perf-PID.map` as the process itself sees it. Its links stay within its root: they are
    /// written by whoever runs in the container.
    fn perf_map(&mut self, socket: &OwnedFd, pid: u32, inner: u32) -> io::Result<()> {
        let key = FileKey::perf_map(pid);
        if self.room == 0 || self.held.contains(&key) {
            return Ok(());
        }
        let path = format!("/tmp/perf-{inner}.map");
        let Some(file) = open_inside(&self.proc, pid, &path) else {
            return Ok(());
        };
        send(socket, &Seen::PerfMap { pid, path }, Some(file.as_fd()))?;
        self.held.insert(key);
        self.room -= 1;
        Ok(())
    }

    /// The id that samples have: the inode of the folder.
    fn cgroup_id(&self, path: &str) -> Option<u64> {
        let relative = path.trim_start_matches('/');
        let relative = if relative.is_empty() { "." } else { relative };
        let flags = rustix::fs::AtFlags::SYMLINK_NOFOLLOW;
        let stat = rustix::fs::statat(self.cgroups.as_ref()?, relative, flags).ok()?;
        Some(stat.st_ino)
    }

    fn read(&mut self, path: &str, limit: usize) -> io::Result<()> {
        let file = openat(&self.proc, path, READ, Mode::empty())?;
        self.buffer.clear();
        loop {
            let length = self.buffer.len();
            if length >= limit {
                return Ok(());
            }
            self.buffer.resize(length + (16 << 10), 0);
            let space = self.buffer.get_mut(length..).unwrap_or_default();
            let read = rustix::io::read(&file, space);
            self.buffer.truncate(length + read.unwrap_or(0));
            match read {
                Ok(0) => return Ok(()),
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// Opens a regular file as a process sees it.
pub(crate) fn open_inside(proc: &OwnedFd, pid: u32, path: &str) -> Option<OwnedFd> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let root = openat(proc, format!("{pid}/root"), flags, Mode::empty()).ok()?;
    let relative = OsStr::from_bytes(path.trim_start_matches('/').as_bytes());
    let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    let file = match openat2(&root, relative, READ, Mode::empty(), resolve) {
        // Before Linux 5.6: a last link at least is not followed.
        Err(rustix::io::Errno::NOSYS) => {
            openat(&root, relative, READ | OFlags::NOFOLLOW, Mode::empty())
        }
        file => file,
    };
    let file = file.ok()?;
    let stat = fstat(&file).ok()?;
    (FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile).then_some(file)
}

/// The unified cgroup hierarchy, alone or beside others.
pub(crate) fn unified_hierarchy(root: &OsStr) -> Option<OwnedFd> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    ["sys/fs/cgroup/unified", "sys/fs/cgroup"]
        .iter()
        .find_map(|path| {
            let folder = open(std::path::Path::new(root).join(path), flags, Mode::empty()).ok()?;
            let is_unified = rustix::fs::accessat(
                &folder,
                "cgroup.controllers",
                rustix::fs::Access::EXISTS,
                rustix::fs::AtFlags::empty(),
            );
            is_unified.ok().map(|()| folder)
        })
}

fn send_mappings(socket: &OwnedFd, pid: u32, mappings: Vec<SeenMapping>) -> io::Result<()> {
    let mut packet = Vec::new();
    let mut bytes = 0;
    for mapping in mappings {
        // A byte of a path takes at most six in JSON.
        let size = 200 + mapping.path.len() * 6;
        if bytes + size > PACKET_BYTES / 2 {
            send(
                socket,
                &Seen::Mappings(pid, std::mem::take(&mut packet)),
                None,
            )?;
            bytes = 0;
        }
        bytes += size;
        packet.push(mapping);
    }
    if packet.is_empty() {
        return Ok(());
    }
    send(socket, &Seen::Mappings(pid, packet), None)
}

/// Name, parent, start and flags out of `stat` (proc(5)).
fn from_stat(pid: u32, stat: &str) -> Option<SeenProcess> {
    let (head, tail) = stat.rsplit_once(") ")?;
    let fields: Vec<&str> = tail.split_ascii_whitespace().collect();
    let number = |at: usize| fields.get(at).and_then(|field| field.parse::<u64>().ok());
    Some(SeenProcess {
        pid,
        parent: number(1)? as u32,
        comm: head.split_once('(')?.1.to_owned(),
        cgroups: None,
        cgroup_id: None,
        cgroup_path: None,
        namespace_pid: None,
        start_ticks: number(19)?,
        is_kernel_thread: number(6)? & KERNEL_THREAD != 0,
    })
}

/// The last pid of `NSpid` (Linux 4.1): the one that the process itself knows.
fn namespace_pid(status: &str) -> Option<u32> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("NSpid:"))?;
    line.split_ascii_whitespace().next_back()?.parse().ok()
}

/// The executable lines of `maps` (proc(5)).
fn executable(maps: &[u8]) -> Vec<SeenMapping> {
    let lines = maps.split(|byte| *byte == b'\n');
    lines.filter_map(mapping).collect()
}

fn mapping(line: &[u8]) -> Option<SeenMapping> {
    let line = std::str::from_utf8(line).map_or_else(
        |_| String::from_utf8_lossy(line),
        std::borrow::Cow::Borrowed,
    );
    let mut fields = line.splitn(6, ' ');
    let (start, end) = fields.next()?.split_once('-')?;
    if fields.next()?.as_bytes().get(2) != Some(&b'x') {
        return None;
    }
    let hex = |text: &str| u64::from_str_radix(text, 16).ok();
    let offset = hex(fields.next()?)?;
    let (major, minor) = fields.next()?.split_once(':')?;
    let inode = fields.next()?.parse().ok()?;
    let path = fields.next().unwrap_or_default().trim_start();
    let cut = path.floor_char_boundary(PATH_BYTES.min(path.len()));
    let key = FileKey {
        major: hex(major)? as u32,
        minor: hex(minor)? as u32,
        inode,
    };
    Some(SeenMapping {
        start: hex(start)?,
        end: hex(end)?,
        offset,
        key: (inode != 0).then_some(key),
        path: path.get(..cut)?.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAPS: &[u8] = b"\
00400000-00452000 r-xp 00001000 08:02 173521      /usr/bin/dbus daemon (deleted)
00651000-00652000 r--p 00051000 08:02 173521      /usr/bin/dbus-daemon
7f2c00000000-7f2c00021000 rwxp 00000000 00:00 0 
7ffff7fc9000-7ffff7fcb000 r-xp 00000000 00:00 0                          [vdso]
garbage
";

    #[test]
    fn executable_lines_of_maps() {
        let seen = executable(MAPS);
        assert_eq!(seen.len(), 3);
        assert_eq!(seen[0].path, "/usr/bin/dbus daemon (deleted)");
        assert_eq!((seen[0].start, seen[0].offset), (0x40_0000, 0x1000));
        assert_eq!(
            seen[0].key.map(|key| (key.major, key.minor, key.inode)),
            Some((8, 2, 173_521))
        );
        assert_eq!((seen[1].path.as_str(), seen[1].key), ("", None));
        assert_eq!(seen[2].path, "[vdso]");
    }

    #[test]
    fn names_with_brackets_do_not_mislead() {
        let stat = "7 (a) S 9 (b) S 1 7 7 0 -1 4194560 0 0 0 0 5 6 7 8 20 0 1 0 77 0 0";
        let seen = from_stat(7, stat).unwrap();
        assert_eq!(seen.comm, "a) S 9 (b");
        assert_eq!((seen.parent, seen.start_ticks), (1, 77));
        assert!(!seen.is_kernel_thread);
        assert_eq!(namespace_pid("Name:\tx\nNSpid:\t4711\t12\t1\n"), Some(1));
    }
}
