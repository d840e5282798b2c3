//! What is known of processes, their mappings and the files behind them.
//!
//! It grows while sampling: by records of the kernel, and by what the assistant sees in `/proc`.
//! All of it is bounded; what found no room is counted.

use std::collections::{BTreeMap, HashMap};
use std::os::fd::OwnedFd;

use super::jitdump::is_jitdump;
use super::module::{Kind, Module, ModuleId, VDSO, is_generated};
use super::record::MappingRecord;
use super::seen::{FileKey, SeenMapping, SeenProcess};

/// Processes that are remembered: `pid_max` of most nodes.
const PROCESSES: usize = 1 << 17;
/// Mappings of all of them together.
const MAPPINGS: usize = 1 << 19;
/// Files and perf maps.
const MODULES: usize = 1 << 16;
/// A process without mappings of its own is looked up in so many ancestors.
pub(crate) const ANCESTORS: usize = 16;

/// Executable memory of a process.
#[derive(Clone, Debug)]
pub(crate) struct Mapping {
    pub(crate) start: u64,
    pub(crate) end: u64,
    /// Offset in the module of the first byte.
    pub(crate) offset: u64,
    pub(crate) module: ModuleId,
    /// 0: before sampling began; else nanoseconds of the samples' clock.
    pub(crate) since: u64,
}

/// A process.
#[derive(Debug, Default)]
pub(crate) struct Process {
    pub(crate) parent: u32,
    pub(crate) comm: Option<String>,
    pub(crate) cgroups: Option<String>,
    /// Its pid in the innermost namespace that it is in.
    pub(crate) namespace_pid: Option<u32>,
    pub(crate) start_ticks: Option<u64>,
    pub(crate) is_kernel_thread: bool,
    /// When it began, if that was while sampling; nanoseconds.
    pub(crate) forked: Option<u64>,
    /// When it last executed another program.
    pub(crate) executed: Option<u64>,
    /// Whether the assistant has been asked about its present program.
    pub(crate) is_asked: bool,
    /// Whether it hung when it was looked at.
    pub(crate) hung: bool,
    pub(crate) mappings: Vec<Mapping>,
}

/// Everything known.
#[derive(Debug)]
pub(crate) struct Tables {
    pub(crate) modules: Vec<Module>,
    pub(crate) processes: BTreeMap<u32, Process>,
    /// Names of threads that are not the first of their process: `(pid, name)` by tid.
    pub(crate) threads: HashMap<u32, (u32, Option<String>)>,
    /// Paths of cgroups by their id.
    pub(crate) cgroup_paths: BTreeMap<u64, String>,
    by_key: HashMap<FileKey, ModuleId>,
    by_build_id: HashMap<(Vec<u8>, String), ModuleId>,
    mappings: usize,
    /// Processes, mappings and modules that found no room.
    pub(crate) left_out: u64,
}

impl Tables {
    pub(crate) fn new() -> Self {
        let kernel = Module::new(Kind::Kernel, "[kernel.kallsyms]", 0);
        let vdso = Module::new(Kind::Vdso, "[vdso]", 0);
        Self {
            modules: vec![kernel, vdso],
            processes: BTreeMap::new(),
            threads: HashMap::new(),
            cgroup_paths: BTreeMap::new(),
            by_key: HashMap::new(),
            by_build_id: HashMap::new(),
            mappings: 0,
            left_out: 0,
        }
    }

    /// The process, made where it is not known yet.
    pub(crate) fn process(&mut self, pid: u32) -> Option<&mut Process> {
        if self.processes.len() >= PROCESSES && !self.processes.contains_key(&pid) {
            self.left_out += 1;
            return None;
        }
        Some(self.processes.entry(pid).or_default())
    }

    /// A process began: until it executes something it has what its parent has.
    pub(crate) fn fork(&mut self, pid: u32, parent: u32, time: u64) {
        let (comm, cgroups) = match self.processes.get(&parent) {
            Some(parent) => (parent.comm.clone(), parent.cgroups.clone()),
            None => (None, None),
        };
        let Some(process) = self.process(pid) else {
            return;
        };
        // Each CPU has records of its own: what the child did elsewhere may have come before this.
        let is_known = process.executed.is_some_and(|executed| executed >= time)
            || process.mappings.iter().any(|mapping| mapping.since >= time);
        if is_known {
            process.parent = parent;
            process.forked = Some(time);
            process.cgroups = process.cgroups.take().or(cgroups);
            return;
        }
        *process = Process {
            parent,
            comm,
            cgroups,
            forked: Some(time),
            ..Process::default()
        };
    }

    pub(crate) fn exec(&mut self, pid: u32, time: u64, comm: &[u8]) {
        if let Some(process) = self.process(pid) {
            process.comm = Some(String::from_utf8_lossy(comm).into_owned());
            process.executed = Some(time);
            process.is_asked = false;
        }
    }

    /// A mapping that the kernel told of; whether the file behind it is still to be opened.
    pub(crate) fn map(&mut self, record: &MappingRecord<'_>) -> bool {
        let path = String::from_utf8_lossy(record.path).into_owned();
        let key = record.file.map(|(major, minor, inode)| FileKey {
            major,
            minor,
            inode,
        });
        let Some(module) = self.module(record.pid, &path, key, record.build_id) else {
            return false;
        };
        let offset = self.offset_in(module, record.start, record.offset);
        let is_new = self.add(
            record.pid,
            Mapping {
                start: record.start,
                end: record.start.saturating_add(record.length),
                offset,
                module,
                since: record.time.max(1),
            },
        );
        let module = self.modules.get(self.canonical(module) as usize);
        is_new && module.is_some_and(|module| module.kind == Kind::File && module.file.is_none())
    }

    /// What the assistant saw of a process.
    pub(crate) fn saw_process(&mut self, seen: SeenProcess) {
        let pid = seen.pid;
        if let (Some(id), Some(path)) = (seen.cgroup_id, &seen.cgroup_path)
            && self.cgroup_paths.len() < MODULES
        {
            self.cgroup_paths.entry(id).or_insert_with(|| path.clone());
        }
        let Some(process) = self.process(pid) else {
            return;
        };
        process.parent = seen.parent;
        process.comm = Some(seen.comm);
        process.cgroups = seen.cgroups.or_else(|| process.cgroups.take());
        process.namespace_pid = seen.namespace_pid.or(process.namespace_pid);
        process.start_ticks = Some(seen.start_ticks);
        process.is_kernel_thread = seen.is_kernel_thread;
        process.is_asked = true;
    }

    /// What the assistant saw in a process's `maps`.
    pub(crate) fn saw_mapping(&mut self, pid: u32, seen: &SeenMapping) {
        let Some(module) = self.module(pid, &seen.path, seen.key, None) else {
            return;
        };
        let offset = self.offset_in(module, seen.start, seen.offset);
        let Some(process) = self.process(pid) else {
            return;
        };
        let since = process.executed.or(process.forked).unwrap_or(0);
        let known = process.mappings.iter_mut().rev();
        let same = |m: &&mut Mapping| m.start == seen.start && m.end == seen.end;
        if let Some(known) = known.into_iter().find(same) {
            let old = std::mem::replace(&mut known.module, module);
            self.is_same(old, module);
            return;
        }
        self.add(
            pid,
            Mapping {
                start: seen.start,
                end: seen.end,
                offset,
                module,
                since,
            },
        );
    }

    /// A file that the assistant opened.
    pub(crate) fn saw_file(
        &mut self,
        pid: u32,
        path: &str,
        key: FileKey,
        size_bytes: u64,
        modified_us: i64,
        file: Option<OwnedFd>,
    ) {
        let Some(id) = self.module(pid, path, Some(key), None) else {
            return;
        };
        if let Some(module) = self.modules.get_mut(id as usize)
            && module.file.is_none()
        {
            module.file = file;
            module.size_bytes = Some(size_bytes);
            module.modified_us = Some(modified_us);
        }
    }

    /// The file that a process writes names of its generated code into.
    pub(crate) fn saw_perf_map(&mut self, pid: u32, path: &str, file: Option<OwnedFd>) {
        if let Some(id) = self.module(pid, "", None, None)
            && let Some(module) = self.modules.get_mut(id as usize)
        {
            path.clone_into(&mut module.path);
            module.file = file;
        }
    }

    /// Where an address of a process was at a time: module, and offset in it.
    pub(crate) fn find(&self, pid: u32, address: u64, time: u64) -> Option<(ModuleId, u64)> {
        let (mut pid, mut time) = (pid, time);
        for _ in 0..ANCESTORS {
            let process = self.processes.get(&pid)?;
            let executed = process.executed.filter(|executed| *executed <= time);
            // What it had before it executed its present program, or what it has since.
            let program = match (executed, process.executed) {
                (Some(executed), _) => executed..u64::MAX,
                (None, next) => 0..next.unwrap_or(u64::MAX),
            };
            let around = process
                .mappings
                .iter()
                .filter(|m| m.start <= address && address < m.end && program.contains(&m.since));
            // A record of a mapping may be later than the first sample in it by a hair.
            let found = around
                .clone()
                .filter(|m| m.since <= time)
                .max_by_key(|m| m.since)
                .or_else(|| around.min_by_key(|m| m.since));
            if let Some(mapping) = found {
                let offset = (address - mapping.start).wrapping_add(mapping.offset);
                return Some((self.canonical(mapping.module), offset));
            }
            match process.forked {
                Some(forked) if executed.is_none() => (pid, time) = (process.parent, forked),
                _ => return None,
            }
        }
        None
    }

    /// The module that stands for this one.
    pub(crate) fn canonical(&self, id: ModuleId) -> ModuleId {
        let module = self.modules.get(id as usize);
        module.and_then(|module| module.same_as).unwrap_or(id)
    }

    fn add(&mut self, pid: u32, mapping: Mapping) -> bool {
        if self.mappings >= MAPPINGS {
            self.left_out += 1;
            return false;
        }
        let Some(process) = self.process(pid) else {
            return false;
        };
        process.mappings.push(mapping);
        self.mappings += 1;
        true
    }

    /// Two turned out to be one.
    fn is_same(&mut self, old: ModuleId, new: ModuleId) {
        if old == new || old <= VDSO || self.canonical(new) != new {
            return;
        }
        let Some(module) = self.modules.get_mut(old as usize) else {
            return;
        };
        module.same_as = Some(new);
        let build_id = module.build_id.clone();
        if let Some(module) = self.modules.get_mut(new as usize)
            && module.build_id.is_none()
        {
            module.build_id = build_id;
        }
    }

    fn offset_in(&self, module: ModuleId, start: u64, offset: u64) -> u64 {
        match self.modules.get(module as usize).map(|m| &m.kind) {
            // Its names are of addresses.
            Some(Kind::PerfMap { .. }) => start,
            Some(Kind::Vdso) => 0,
            _ => offset,
        }
    }

    /// The module of a mapping, made where it is not known yet.
    fn module(
        &mut self,
        pid: u32,
        path: &str,
        key: Option<FileKey>,
        build_id: Option<&[u8]>,
    ) -> Option<ModuleId> {
        if path == "[vdso]" {
            return Some(VDSO);
        }
        let generated = is_generated(path);
        let (path, is_deleted) = match path.strip_suffix(" (deleted)") {
            Some(path) => (path, true),
            None => (path, false),
        };
        let key = if generated {
            Some(FileKey::perf_map(pid))
        } else {
            key
        };
        let by_build_id = build_id.map(|id| (id.to_vec(), path.to_owned()));
        let known = key.and_then(|key| self.by_key.get(&key)).or_else(|| {
            let by_build_id = by_build_id.as_ref()?;
            self.by_build_id.get(by_build_id)
        });
        if let Some(known) = known {
            return Some(*known);
        }
        // The kernel's own pages ([vsyscall], [uprobes]) have no file and no names.
        if self.modules.len() >= MODULES || path.starts_with('[') && !generated {
            self.left_out += u64::from(self.modules.len() >= MODULES);
            return None;
        }
        let id = self.modules.len() as ModuleId;
        let kind = if generated {
            Kind::PerfMap { pid }
        } else {
            Kind::File
        };
        let mut module = Module::new(kind, path, pid);
        module.key = key.filter(|_| !generated);
        module.build_id = build_id.map(<[u8]>::to_vec);
        module.is_deleted = is_deleted && !generated;
        self.modules.push(module);
        if let Some(key) = key {
            self.by_key.insert(key, id);
        }
        if let Some(by_build_id) = by_build_id.filter(|_| !generated) {
            self.by_build_id.insert(by_build_id, id);
        }
        Some(id)
    }

    /// Jitdumps that a process has mapped, as far as they are open.
    pub(crate) fn jitdumps(&self, pid: u32) -> Vec<&OwnedFd> {
        let mappings = self.processes.get(&pid).map(|p| p.mappings.iter());
        let mut ids: Vec<ModuleId> = mappings
            .into_iter()
            .flatten()
            .map(|mapping| self.canonical(mapping.module))
            .collect();
        ids.sort_unstable();
        ids.dedup();
        let modules = ids.iter().filter_map(|id| self.modules.get(*id as usize));
        modules
            .filter(|module| is_jitdump(&module.path))
            .filter_map(|module| module.file.as_ref())
            .collect()
    }

    /// A module with this build id whose file is open.
    pub(crate) fn held(&self, build_id: &[u8]) -> Option<ModuleId> {
        let is_it = |m: &Module| m.file.is_some() && m.build_id.as_deref() == Some(build_id);
        self.modules.iter().position(is_it).map(|id| id as ModuleId)
    }
}

#[cfg(test)]
#[path = "tables_tests.rs"]
mod tests;
