//! Where the bundle goes: a file that is complete or called `*.partial`, or standard output.

use std::cell::Cell;
use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Instant;

use anyhow::Context;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{FallocateFlags, OFlags, fallocate};
use rustix::io::Errno;

/// Room on the disk that is taken in advance, so that a disk that fills up leaves what the end of
/// the bundle needs.
const AHEAD_BYTES: u64 = 4 << 20;
/// The least that is worth beginning with.
const LEAST_BYTES: u64 = 128 << 10;
/// A pipe that is ready takes so many bytes without waiting (`PIPE_BUF`).
const PIPE_BYTES: usize = 4096;
/// Between two looks at the deadline.
const LOOK: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 50_000_000,
};

/// The sink of a bundle.
pub(crate) enum Output {
    /// Standard output, and when a reader that takes nothing is given up.
    Stdout(Instant, Rc<Gauge>),
    /// A file under its temporary name.
    File {
        /// The open file.
        file: File,
        /// Its name until it is sealed.
        partial: PathBuf,
        /// Its name afterwards.
        path: PathBuf,
        /// How much of the disk is taken.
        room: Room,
    },
}

/// How far the output is, for those who do not hold it.
#[derive(Debug, Default)]
pub(crate) struct Gauge {
    written_bytes: Cell<u64>,
    limit_bytes: Cell<Option<u64>>,
}

impl Gauge {
    /// Bytes given to the disk or the pipe.
    pub(crate) fn written_bytes(&self) -> u64 {
        self.written_bytes.get()
    }

    /// How large the bundle can become at most, once the disk is full.
    pub(crate) fn limit_bytes(&self) -> Option<u64> {
        self.limit_bytes.get()
    }

    fn add(&self, bytes: usize) {
        self.written_bytes
            .set(self.written_bytes.get() + bytes as u64);
    }
}

/// Room on the disk for a file.
#[derive(Debug, Default)]
pub(crate) struct Room {
    gauge: Rc<Gauge>,
    allocated_bytes: u64,
    /// Nothing more can be taken.
    is_full: bool,
    /// The file system cannot take room in advance.
    is_unknown: bool,
}

impl Room {
    /// Sees to it that there is room for `length` bytes more, and some ahead of them.
    fn extend(&mut self, file: &File, length: u64) {
        let wanted = self.gauge.written_bytes() + length + AHEAD_BYTES / 2;
        if self.is_full || self.is_unknown || wanted <= self.allocated_bytes {
            return;
        }
        let mut step = AHEAD_BYTES.max(length);
        loop {
            let end = self.allocated_bytes + step;
            match fallocate(file, FallocateFlags::KEEP_SIZE, 0, end) {
                Ok(()) => {
                    self.allocated_bytes = end;
                    return;
                }
                Err(Errno::NOSPC | Errno::DQUOT | Errno::FBIG) if step > LEAST_BYTES => step /= 2,
                Err(Errno::NOSPC | Errno::DQUOT | Errno::FBIG) => {
                    self.is_full = true;
                    self.gauge.limit_bytes.set(Some(self.allocated_bytes));
                    return;
                }
                Err(Errno::INTR) => {}
                Err(_) => {
                    self.is_unknown = true;
                    return;
                }
            }
        }
    }
}

impl Output {
    /// Creates the output: `-` is standard output, a folder gets `<name>.<suffix>` in it, anything
    /// else is the file's name. Nothing that exists is overwritten or followed.
    pub(crate) fn create(
        wanted: Option<&Path>,
        name: &str,
        suffix: &str,
        deadline: Instant,
    ) -> anyhow::Result<Self> {
        if wanted == Some(Path::new("-")) {
            return Ok(Self::Stdout(deadline, Rc::default()));
        }
        let file_name = format!("{name}.{suffix}");
        let path = match wanted {
            None => PathBuf::from(file_name),
            Some(folder) if folder.is_dir() => folder.join(file_name),
            Some(path) => path.to_owned(),
        };
        if path.symlink_metadata().is_ok() {
            anyhow::bail!(
                "`{}` exists already: choose another name by --output",
                path.display()
            );
        }
        let mut partial = path.clone().into_os_string();
        partial.push(".partial");
        let partial = PathBuf::from(partial);
        let file = File::options()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .custom_flags(OFlags::NOFOLLOW.bits() as i32)
            .open(&partial)
            .with_context(|| {
                let shown = partial.display();
                format!(
                    "cannot create `{shown}`: choose a folder that can be written to by --output"
                )
            })?;
        let mut room = Room::default();
        room.extend(&file, 0);
        if room.is_full && room.allocated_bytes == 0 {
            let shown = partial.display();
            let message = format!("no space for `{shown}`: choose another place by --output");
            remove(&partial);
            anyhow::bail!("{message}, or -o - | ssh");
        }
        Ok(Self::File {
            file,
            partial,
            path,
            room,
        })
    }

    /// How far it is.
    pub(crate) fn gauge(&self) -> Rc<Gauge> {
        match self {
            Self::Stdout(_, gauge)
            | Self::File {
                room: Room { gauge, .. },
                ..
            } => Rc::clone(gauge),
        }
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "the folder of the bundle, not of the node"
    )]
    /// Makes the bundle durable and gives it its name; returns the name, or nothing for standard
    /// output.
    pub(crate) fn finish(self) -> anyhow::Result<Option<PathBuf>> {
        match self {
            Self::Stdout(..) => Ok(None),
            Self::File {
                file,
                partial,
                path,
                room,
            } => {
                // Gives back what was taken in advance.
                let _ = file.set_len(room.gauge.written_bytes());
                file.sync_all()
                    .with_context(|| format!("cannot make `{}` durable", partial.display()))?;
                std::fs::rename(&partial, &path).with_context(|| {
                    format!(
                        "cannot rename `{}` to `{}`",
                        partial.display(),
                        path.display()
                    )
                })?;
                // The name is durable only with its folder; the bundle is whole either way.
                let folder = path.parent().filter(|p| !p.as_os_str().is_empty());
                if let Ok(folder) = File::open(folder.unwrap_or(Path::new("."))) {
                    let _ = folder.sync_all();
                }
                Ok(Some(path))
            }
        }
    }

    /// The name it has now, for messages.
    pub(crate) fn shown(&self) -> String {
        match self {
            Self::Stdout(..) => "standard output".to_owned(),
            Self::File { partial, .. } => partial.display().to_string(),
        }
    }
}

/// Removes an empty file that was just created.
fn remove(partial: &Path) {
    let _ = std::fs::remove_file(partial);
}

impl Write for Output {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        match self {
            Self::Stdout(deadline, gauge) => {
                let written = write_in_time(buffer, *deadline)?;
                gauge.add(written);
                Ok(written)
            }
            Self::File { file, room, .. } => {
                room.extend(file, buffer.len() as u64);
                let written = file.write(buffer)?;
                room.gauge.add(written);
                Ok(written)
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Stdout(..) => Ok(()),
            Self::File { file, .. } => file.flush(),
        }
    }
}

/// Writes to standard output when it takes bytes without waiting, and not after the deadline.
fn write_in_time(buffer: &[u8], deadline: Instant) -> io::Result<usize> {
    let stdout = rustix::stdio::stdout();
    loop {
        let mut ready = [PollFd::from_borrowed_fd(stdout, PollFlags::OUT)];
        match poll(&mut ready, Some(&LOOK)) {
            Ok(0) | Err(Errno::INTR) if Instant::now() >= deadline => {
                let why = "whoever reads the bundle did not read it in time";
                return Err(io::Error::new(io::ErrorKind::TimedOut, why));
            }
            Ok(0) | Err(Errno::INTR) => {}
            Ok(_) => break,
            Err(error) => return Err(error.into()),
        }
    }
    let some = buffer.get(..PIPE_BYTES).unwrap_or(buffer);
    Ok(rustix::io::write(stdout, some)?)
}
