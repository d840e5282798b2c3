//! The one door to the node's files: `/`, or the folder given by `--root`.
//!
//! Nothing else in this crate opens a file of the node. Files are opened without blocking, so that
//! a FIFO in a log's place gives nothing instead of waiting for a writer. Below `--root` a link
//! never leads out of it.

use std::borrow::Cow;
use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use freezeframe_bundle::Outcome;
use rustix::fs::{AtFlags, FileType, Mode, OFlags, ResolveFlags, StatVfsMountFlags};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};

/// How files are opened: a FIFO or a device does not wait.
const READ: OFlags = OFlags::RDONLY.union(OFlags::NONBLOCK).union(OFlags::NOCTTY);

/// Where the node's files are.
pub(crate) struct Root {
    path: PathBuf,
    /// The folder itself where it is not `/`.
    folder: Option<OwnedFd>,
}

/// A folder of the node that names are looked up in.
pub(crate) struct Folder {
    path: Vec<u8>,
    /// None: the names are absolute paths.
    open: Option<OwnedFd>,
}

impl Folder {
    /// The absolute path of a name in it.
    pub(crate) fn path<'a>(&self, name: &'a [u8]) -> Cow<'a, [u8]> {
        if name.starts_with(b"/") {
            Cow::Borrowed(name)
        } else {
            Cow::Owned([&self.path, &b"/"[..], name].concat())
        }
    }
}

/// What `statvfs` tells, and nothing that identifies the device.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct FileSystemSize {
    /// Unit of the blocks below.
    pub(crate) block_size_bytes: u64,
    pub(crate) blocks: u64,
    pub(crate) blocks_free: u64,
    /// Without those reserved for root.
    pub(crate) blocks_available: u64,
    pub(crate) files: u64,
    pub(crate) files_free: u64,
    pub(crate) read_only: bool,
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
    /// A name as a worker sends it, its kind before it.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let (kind, name) = bytes.split_first()?;
        Some(Self {
            bytes: name.to_vec(),
            is_folder: *kind == b'd',
            is_link: *kind == b'l',
        })
    }

    /// Its kind as [`Name::decode`] takes it.
    pub(crate) fn kind(&self) -> u8 {
        match (self.is_folder, self.is_link) {
            (true, _) => b'd',
            (_, true) => b'l',
            _ => b'-',
        }
    }

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
        Ok(self.open_with(path, READ)?.into())
    }

    /// Opens a folder to look names up in; an empty path for names that are absolute.
    pub(crate) fn folder(&self, path: &[u8]) -> io::Result<Folder> {
        let open = match path {
            b"" => None,
            path => Some(self.open_with(path, OFlags::PATH | OFlags::DIRECTORY)?),
        };
        Ok(Folder {
            path: path.to_owned(),
            open,
        })
    }

    /// Opens a file in a folder.
    pub(crate) fn file_in(&self, folder: &Folder, name: &[u8]) -> io::Result<File> {
        match self.inside(folder, name, READ) {
            Some(file) => Ok(file?.into()),
            None => self.file(&folder.path(name)),
        }
    }

    /// The target of a symbolic link in a folder.
    pub(crate) fn link_in(&self, folder: &Folder, name: &[u8]) -> io::Result<Vec<u8>> {
        // A name without a slash cannot lead out of the folder, and its own link is not followed.
        let is_inside = self.folder.is_none() || !name.contains(&b'/');
        match &folder.open {
            Some(open) if is_inside && !name.starts_with(b"/") => {
                let target = rustix::fs::readlinkat(open, OsStr::from_bytes(name), Vec::new())?;
                Ok(target.into_bytes())
            }
            _ => self.link(&folder.path(name)),
        }
    }

    /// Opens a name relative to its folder: half the work of a path from the top. None where a
    /// link has to be resolved below `--root`.
    fn inside(&self, folder: &Folder, name: &[u8], flags: OFlags) -> Option<io::Result<OwnedFd>> {
        let open = folder.open.as_ref().filter(|_| !name.starts_with(b"/"))?;
        let name = OsStr::from_bytes(name);
        let flags = flags | OFlags::CLOEXEC;
        if self.folder.is_none() {
            let file = rustix::fs::openat(open, name, flags, Mode::empty());
            return Some(file.map_err(io::Error::from));
        }
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
        match rustix::fs::openat2(open, name, flags, Mode::empty(), resolve) {
            Err(Errno::LOOP | Errno::XDEV | Errno::NOSYS) => None,
            file => Some(file.map_err(io::Error::from)),
        }
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

    /// Opens a path as a place, whatever is there: a socket to connect to.
    pub(crate) fn place(&self, path: &[u8]) -> io::Result<OwnedFd> {
        self.open_with(path, OFlags::PATH)
    }

    /// What the file system at this path says of itself.
    pub(crate) fn statvfs(&self, path: &[u8]) -> io::Result<FileSystemSize> {
        let numbers = rustix::fs::fstatvfs(self.open_with(path, OFlags::PATH)?)?;
        Ok(FileSystemSize {
            block_size_bytes: numbers.f_frsize,
            blocks: numbers.f_blocks,
            blocks_free: numbers.f_bfree,
            blocks_available: numbers.f_bavail,
            files: numbers.f_files,
            files_free: numbers.f_ffree,
            read_only: numbers.f_flag.contains(StatVfsMountFlags::RDONLY),
        })
    }

    /// Whether this path exists.
    pub(crate) fn exists(&self, path: &[u8]) -> bool {
        match &self.folder {
            None => rustix::fs::statat(rustix::fs::CWD, OsStr::from_bytes(path), AtFlags::empty())
                .is_ok(),
            Some(_) => self.open_with(path, OFlags::PATH).is_ok(),
        }
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
