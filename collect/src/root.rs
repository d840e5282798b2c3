//! The one door to the node's files: `/`, or the folder given by `--root`.
//!
//! Nothing else in this crate opens a file of the node. Files are opened without blocking, so that
//! a FIFO in a log's place gives nothing instead of waiting for a writer. Below `--root` a link
//! never leads out of it.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use freezeframe_bundle::Outcome;
use rustix::fs::{AtFlags, FileType, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

/// Where the node's files are.
pub(crate) struct Root {
    path: PathBuf,
    /// The folder itself where it is not `/`.
    folder: Option<OwnedFd>,
}

/// A name in a folder.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Name {
    /// The name; bytes of a node's file names are seldom anything but UTF-8.
    pub(crate) bytes: Vec<u8>,
    /// Whether it is a folder; false where the file system does not tell.
    pub(crate) is_folder: bool,
    /// Whether it is a symbolic link.
    pub(crate) is_link: bool,
}

impl Name {
    /// The name as text, if it is UTF-8.
    pub(crate) fn text(&self) -> Option<&str> {
        std::str::from_utf8(&self.bytes).ok()
    }
}

impl Root {
    /// Opens the folder that stands for `/`.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let folder = if path == Path::new("/") {
            None
        } else {
            let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
            Some(rustix::fs::open(path, flags, Mode::empty())?)
        };
        Ok(Self {
            path: path.to_owned(),
            folder,
        })
    }

    /// The folder's path.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Opens a file of the node for reading; `path` begins with `/`.
    pub(crate) fn file(&self, path: &[u8]) -> io::Result<File> {
        Ok(self
            .open_with(path, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY)?
            .into())
    }

    /// The target of a symbolic link.
    pub(crate) fn link(&self, path: &[u8]) -> io::Result<Vec<u8>> {
        let target = if self.folder.is_none() {
            rustix::fs::readlink(OsStr::from_bytes(path), Vec::new())?
        } else {
            let link = self.open_with(path, OFlags::PATH | OFlags::NOFOLLOW)?;
            rustix::fs::readlinkat(link, "", Vec::new())?
        };
        Ok(target.into_bytes())
    }

    /// The names in a folder, sorted, at most `limit` of them; whether there are more.
    pub(crate) fn list(&self, path: &[u8], limit: usize) -> io::Result<(Vec<Name>, bool)> {
        let folder = self.open_with(path, OFlags::RDONLY | OFlags::DIRECTORY)?;
        let mut names = Vec::new();
        for entry in rustix::fs::Dir::read_from(&folder)? {
            let entry = entry?;
            let bytes = entry.file_name().to_bytes();
            if bytes == b"." || bytes == b".." {
                continue;
            }
            if names.len() >= limit {
                names.sort();
                return Ok((names, true));
            }
            names.push(Name {
                bytes: bytes.to_vec(),
                is_folder: entry.file_type() == FileType::Directory,
                is_link: entry.file_type() == FileType::Symlink,
            });
        }
        names.sort();
        Ok((names, false))
    }

    /// What the file system at this path says of itself.
    pub(crate) fn statvfs(&self, path: &[u8]) -> io::Result<rustix::fs::StatVfs> {
        Ok(rustix::fs::fstatvfs(self.open_with(path, OFlags::PATH)?)?)
    }

    /// Whether this path exists.
    pub(crate) fn exists(&self, path: &[u8]) -> bool {
        match &self.folder {
            None => rustix::fs::statat(rustix::fs::CWD, OsStr::from_bytes(path), AtFlags::empty())
                .is_ok(),
            Some(_) => self.open_with(path, OFlags::PATH).is_ok(),
        }
    }

    /// Whether this path is a symbolic link.
    pub(crate) fn is_link(&self, path: &[u8]) -> bool {
        self.link(path).is_ok()
    }

    /// Whether somebody may read this file: a setting that can only be written has no such bit.
    pub(crate) fn is_readable(&self, path: &[u8]) -> bool {
        let file = self.open_with(path, OFlags::PATH);
        let mode = file.and_then(|file| Ok(rustix::fs::fstat(file)?.st_mode));
        mode.is_ok_and(|mode| mode & 0o444 != 0)
    }

    fn open_with(&self, path: &[u8], flags: OFlags) -> io::Result<OwnedFd> {
        let flags = flags | OFlags::CLOEXEC;
        let Some(folder) = &self.folder else {
            return Ok(rustix::fs::open(
                OsStr::from_bytes(path),
                flags,
                Mode::empty(),
            )?);
        };
        let relative = path.strip_prefix(b"/").unwrap_or(path);
        let relative = OsStr::from_bytes(if relative.is_empty() { b"." } else { relative });
        let resolve = ResolveFlags::IN_ROOT;
        match rustix::fs::openat2(folder, relative, flags, Mode::empty(), resolve) {
            // Kernels before 5.6: a link may lead out, as in any other program.
            Err(Errno::NOSYS) => Ok(rustix::fs::openat(folder, relative, flags, Mode::empty())?),
            result => Ok(result?),
        }
    }
}

/// What a failed read means. This is the one place that decides what is expected on a healthy node.
pub(crate) fn outcome(error: &io::Error) -> Outcome {
    let errno = error.raw_os_error().map(Errno::from_raw_os_error);
    match errno {
        Some(Errno::NOENT | Errno::NOTDIR) => Outcome::Absent("no such file".to_owned()),
        Some(Errno::SRCH) => Outcome::Absent("the process has ended".to_owned()),
        Some(Errno::NODEV | Errno::NXIO) => {
            Outcome::Absent("the object behind the file is gone".to_owned())
        }
        Some(Errno::OPNOTSUPP) => Outcome::Absent("this kernel does not offer it".to_owned()),
        // cgroup v1 answers so where a controller has nothing to say.
        Some(Errno::INVAL) => Outcome::Absent("the kernel has no value for it".to_owned()),
        Some(Errno::ACCESS | Errno::PERM) => {
            Outcome::Denied("permission denied: run as root with all capabilities".to_owned())
        }
        Some(Errno::AGAIN) => Outcome::Failed("nothing to read now: a FIFO or a device".to_owned()),
        _ => Outcome::Failed(error.to_string()),
    }
}
