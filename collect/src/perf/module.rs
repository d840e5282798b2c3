//! What symbols belong to: files, the kernel, generated code.

use std::os::fd::OwnedFd;

use super::seen::FileKey;

/// Index into [`super::tables::Tables::modules`].
pub(crate) type ModuleId = u32;
/// The kernel and its modules.
pub(crate) const KERNEL: ModuleId = 0;
/// The code that the kernel maps into every process.
pub(crate) const VDSO: ModuleId = 1;

/// Where code comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Kernel,
    Vdso,
    /// A file, as a rule ELF.
    File,
    /// Memory that a process wrote code into; names are in its perf map, if it writes one.
    PerfMap {
        pid: u32,
    },
}

/// Something that symbols belong to.
#[derive(Debug)]
pub(crate) struct Module {
    pub(crate) kind: Kind,
    pub(crate) path: String,
    pub(crate) key: Option<FileKey>,
    pub(crate) build_id: Option<Vec<u8>>,
    /// Held so that neither exit nor removal loses it.
    pub(crate) file: Option<OwnedFd>,
    pub(crate) size_bytes: Option<u64>,
    pub(crate) modified_us: Option<i64>,
    pub(crate) is_deleted: bool,
    /// One process that maps it.
    pub(crate) pid: u32,
    /// The module that it turned out to be.
    pub(crate) same_as: Option<ModuleId>,
}

impl Module {
    pub(crate) fn new(kind: Kind, path: &str, pid: u32) -> Self {
        Self {
            kind,
            path: path.to_owned(),
            key: None,
            build_id: None,
            file: None,
            size_bytes: None,
            modified_us: None,
            is_deleted: false,
            pid,
            same_as: None,
        }
    }

    /// The file with the tables that its stacks are unwound by.
    pub(crate) fn unwinding_file(&self) -> Option<&OwnedFd> {
        self.file.as_ref().filter(|_| self.kind == Kind::File)
    }

    /// What the assistant knows its file by.
    pub(crate) fn held_key(&self) -> Option<FileKey> {
        match self.kind {
            Kind::PerfMap { pid } => Some(FileKey::perf_map(pid)),
            _ => self.key,
        }
    }
}

/// Whether the memory behind a path holds code that was made at run time. `doublemapper` is that of
/// .NET; other files in memory are programs, as runc's copy of itself.
pub(crate) fn is_generated(path: &str) -> bool {
    let begins = [
        "//anon",
        "/memfd:doublemapper",
        "/dev/zero",
        "/SYSV",
        "[anon",
        "anon_inode:",
        "[heap]",
        "[stack",
    ];
    path.is_empty() || begins.iter().any(|begin| path.starts_with(begin))
}
