//! Files and memory that code was executed from, and the names of what is in them.

use std::collections::{BTreeMap, HashMap};

use super::debug_files::{DebugFiles, DebugSymbols};
use super::demangle::{self, cut, demangle, kind_of};
use super::processes::ModuleId;
use super::{Frame, FrameKind};

/// Modules that are kept; the collector keeps as many.
const MODULES: usize = 1 << 16;
/// Addresses with names, and bytes of all names, demangled.
const HITS: usize = 1 << 23;
const NAME_BYTES: usize = 256 << 20;
/// Longest path: `PATH_MAX`.
const PATH_BYTES: usize = 4096;

/// What a module is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ModuleKind {
    /// The kernel with all that it has loaded; offsets are addresses.
    Kernel,
    /// A file, or memory that looks like one.
    File,
    /// Memory that a process wrote code into; offsets are addresses.
    Generated,
}

/// A module.
#[derive(Debug)]
pub(super) struct Module {
    pub(super) kind: ModuleKind,
    pub(super) path: String,
    pub(super) build_id: Option<Vec<u8>>,
    /// Offset of the first executable byte that was mapped: where the file's code begins.
    pub(super) first_offset: Option<u64>,
    /// Where the kernel's text begins, if that was told.
    pub(super) text_address: Option<u64>,
    /// Why names are missing.
    pub(super) why: Option<String>,
    hits: HashMap<u64, Named>,
    ranges: Vec<Range>,
    debug: Option<Option<DebugSymbols>>,
}

/// A name, and the kernel's module that it is of.
#[derive(Clone, Debug)]
struct Named {
    function: std::rc::Rc<str>,
    module: Option<std::rc::Rc<str>>,
}

#[derive(Debug)]
struct Range {
    start: u64,
    end: u64,
    name: Named,
}

/// All modules. The kernel is number 0.
#[derive(Debug)]
pub(super) struct Modules {
    modules: Vec<Module>,
    by_file: HashMap<(String, Vec<u8>), ModuleId>,
    hits: usize,
    name_bytes: usize,
    /// What found no room.
    pub(super) left_out: u64,
}

/// Number of the kernel.
pub(super) const KERNEL: ModuleId = 0;

impl Modules {
    pub(super) fn new() -> Self {
        let kernel = Module::new(ModuleKind::Kernel, "[kernel.kallsyms]");
        Self {
            modules: vec![kernel],
            by_file: HashMap::new(),
            hits: 0,
            name_bytes: 0,
            left_out: 0,
        }
    }

    /// The module of a file, made where it is new.
    pub(super) fn file(&mut self, path: &str, build_id: Option<&[u8]>) -> Option<ModuleId> {
        let path = cut(path, PATH_BYTES);
        let key = (path.to_owned(), build_id.unwrap_or_default().to_vec());
        if let Some(id) = self.by_file.get(&key) {
            return Some(*id);
        }
        let mut module = Module::new(kind_of_path(path), path);
        module.build_id = build_id.map(<[u8]>::to_vec);
        let id = self.add(module)?;
        self.by_file.insert(key, id);
        Some(id)
    }

    /// Adds a module.
    pub(super) fn add(&mut self, module: Module) -> Option<ModuleId> {
        if self.modules.len() >= MODULES {
            self.left_out += 1;
            return None;
        }
        self.modules.push(module);
        Some((self.modules.len() - 1) as ModuleId)
    }

    pub(super) fn get(&self, id: ModuleId) -> Option<&Module> {
        self.modules.get(id as usize)
    }

    pub(super) fn get_mut(&mut self, id: ModuleId) -> Option<&mut Module> {
        self.modules.get_mut(id as usize)
    }

    /// Build ids by path. A path may stand for files of two containers: which one is meant is not
    /// known then, and none is given.
    pub(super) fn build_ids(&self) -> BTreeMap<String, String> {
        let mut ids: BTreeMap<&str, Option<&[u8]>> = BTreeMap::new();
        for module in &self.modules {
            let id = module.build_id.as_deref();
            ids.entry(&module.path)
                .and_modify(|known| *known = known.filter(|known| Some(*known) == id))
                .or_insert(id);
        }
        let hex = |id: &[u8]| id.iter().map(|byte| format!("{byte:02x}")).collect();
        ids.into_iter()
            .filter_map(|(path, id)| Some((path.to_owned(), hex(id?))))
            .collect()
    }

    pub(super) fn all(&self) -> &[Module] {
        &self.modules
    }

    /// Notes a function and the offsets in it that were hit.
    pub(super) fn hit(
        &mut self,
        id: ModuleId,
        name: &str,
        offsets: impl ExactSizeIterator<Item = u64>,
    ) {
        if self.hits + offsets.len() > HITS {
            self.left_out += offsets.len() as u64;
            return;
        }
        self.hits += offsets.len();
        let Some(name) = self.named(id, name) else {
            return;
        };
        if let Some(module) = self.modules.get_mut(id as usize) {
            let named = offsets.map(|offset| (offset, name.clone()));
            module.hits.extend(named);
        }
    }

    /// Notes a function by its beginning and end.
    pub(super) fn range(&mut self, id: ModuleId, start: u64, end: u64, name: &str) {
        if self.hits >= HITS {
            self.left_out += 1;
            return;
        }
        self.hits += 1;
        let Some(name) = self.named(id, name) else {
            return;
        };
        if let Some(module) = self.modules.get_mut(id as usize) {
            module.ranges.push(Range { start, end, name });
        }
    }

    /// The name in the source, and in the kernel which of its modules: `name [module]`.
    fn named(&mut self, id: ModuleId, name: &str) -> Option<Named> {
        let is_kernel = self.get(id)?.kind == ModuleKind::Kernel;
        let (function, module) = match name.rsplit_once(" [") {
            Some((function, module)) if is_kernel && module.ends_with(']') => {
                (function.trim_end(), Some(format!("[{module}")))
            }
            _ => (name, None),
        };
        let function = demangle(function);
        self.name_bytes += function.len();
        if self.name_bytes > NAME_BYTES {
            self.left_out += 1;
            return None;
        }
        Some(Named {
            function: function.into(),
            module: module.map(Into::into),
        })
    }

    /// Brings ranges into order; to be called before anything is looked up.
    pub(super) fn sort(&mut self) {
        for module in &mut self.modules {
            // Of two at one place the later one counts.
            module.ranges.reverse();
            module.ranges.sort_by_key(|range| range.start);
            module.ranges.dedup_by_key(|range| range.start);
        }
    }

    /// Whether the recording itself has a name for an offset.
    pub(super) fn is_named(&self, id: ModuleId, offset: u64) -> bool {
        self.get(id)
            .is_some_and(|module| module.name(offset).is_some())
    }

    /// The function at an offset in a module; `debug_files` may know what the recording does not.
    pub(super) fn frame(
        &mut self,
        id: ModuleId,
        offset: u64,
        debug_files: Option<&DebugFiles>,
    ) -> Frame {
        let Some(module) = self.modules.get_mut(id as usize) else {
            return unnamed(&format!("{offset:#x}"), "", FrameKind::User);
        };
        if let Some(named) = module.name(offset) {
            let of_kernel = named.module.as_deref().unwrap_or(&module.path);
            return module.named_frame(named.function.to_string(), of_kernel.to_owned());
        }
        if let Some(name) = module.debug_name(offset, debug_files) {
            return module.named_frame(demangle(&name), module.path.clone());
        }
        module.unnamed_frame(offset)
    }
}

impl Module {
    pub(super) fn new(kind: ModuleKind, path: &str) -> Self {
        Self {
            kind,
            path: cut(path, PATH_BYTES).to_owned(),
            build_id: None,
            first_offset: None,
            text_address: None,
            why: None,
            hits: HashMap::new(),
            ranges: Vec::new(),
            debug: None,
        }
    }

    /// Whether offsets in it are addresses.
    pub(super) fn is_by_address(&self) -> bool {
        matches!(self.kind, ModuleKind::Kernel | ModuleKind::Generated)
    }

    /// Whether it is code of the kernel.
    fn is_kernel(&self) -> bool {
        self.kind == ModuleKind::Kernel || is_kernel_path(&self.path)
    }

    fn name(&self, offset: u64) -> Option<&Named> {
        if let Some(named) = self.hits.get(&offset) {
            return Some(named);
        }
        let behind = self.ranges.partition_point(|range| range.start <= offset);
        let range = self.ranges.get(behind.checked_sub(1)?)?;
        (offset < range.end).then_some(&range.name)
    }

    fn debug_name(&mut self, offset: u64, files: Option<&DebugFiles>) -> Option<String> {
        let files = files?;
        if self.debug.is_none() {
            let build_id = self.build_id.as_deref();
            let found =
                build_id.and_then(|id| files.symbols(id, self.first_offset, self.text_address));
            self.debug = Some(found);
        }
        self.debug.as_ref()?.as_ref()?.name(offset)
    }

    fn named_frame(&self, function: String, module: String) -> Frame {
        let kind = if self.is_kernel() {
            FrameKind::Kernel
        } else if self.kind == ModuleKind::Generated {
            FrameKind::Generated
        } else {
            kind_of(&function)
        };
        Frame {
            function,
            module,
            kind,
            is_named: true,
        }
    }

    fn unnamed_frame(&self, offset: u64) -> Frame {
        match self.kind {
            ModuleKind::Kernel => unnamed(&format!("{offset:#x}"), &self.path, FrameKind::Kernel),
            // Without names one address in it is as good as another.
            ModuleKind::Generated => unnamed("[generated code]", &self.path, FrameKind::Generated),
            ModuleKind::File => {
                let file = self.path.rsplit('/').next().unwrap_or_default();
                let file = file.trim_matches(['[', ']']);
                let kind = if self.is_kernel() {
                    FrameKind::Kernel
                } else {
                    FrameKind::User
                };
                unnamed(&format!("[{file}]+{offset:#x}"), &self.path, kind)
            }
        }
    }
}

fn unnamed(function: &str, module: &str, kind: FrameKind) -> Frame {
    Frame {
        function: cut(function, demangle::LONGEST).to_owned(),
        module: module.to_owned(),
        kind,
        is_named: false,
    }
}

/// Whether a path is that of the kernel or of what it has loaded: `[nf_conntrack]`, a file of
/// `/lib/modules`.
pub(super) fn is_kernel_path(path: &str) -> bool {
    const OF_USER: [&str; 9] = [
        "[vdso",
        "[vsyscall",
        "[unknown",
        "[anon",
        "[heap",
        "[stack",
        "[uprobes",
        "[vvar",
        "[vectors",
    ];
    let is_module = [".ko", ".ko.xz", ".ko.gz", ".ko.zst"]
        .iter()
        .any(|end| path.ends_with(end));
    let is_image = path.contains("vmlinux");
    is_module
        || is_image
        || path.starts_with('[') && !OF_USER.iter().any(|user| path.starts_with(user))
}

/// What a mapping of this path is. `doublemapper` is that of .NET.
fn kind_of_path(path: &str) -> ModuleKind {
    const GENERATED: [&str; 9] = [
        "//anon",
        "/memfd:doublemapper",
        "/dev/zero",
        "/SYSV",
        "[anon",
        "anon_inode:",
        "[heap]",
        "[stack",
        "/tmp/perf-",
    ];
    let is_generated = path.is_empty() || GENERATED.iter().any(|begin| path.starts_with(begin));
    if is_generated {
        ModuleKind::Generated
    } else {
        ModuleKind::File
    }
}
