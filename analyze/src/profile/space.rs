//! Everything that a recording tells of addresses and tasks.

use std::collections::HashMap;

use super::Task;
use super::debug_files::DebugFiles;
use super::modules::Modules;
use super::processes::Processes;
use crate::table::identity::{cgroup_of_process, identify};

/// Paths of cgroups that are kept.
const CGROUPS: usize = 1 << 17;

/// Processes, modules, cgroups.
pub(super) struct Space<'a> {
    pub(super) processes: Processes,
    pub(super) modules: Modules,
    pub(super) cgroups: Cgroups,
    /// What may know more names.
    pub(super) debug_files: Option<&'a DebugFiles>,
    /// Whether pid 0 is the idle task, and not any task of another pid namespace too.
    pub(super) shares_pids: bool,
    /// Stacks are dumps, which nobody unwound.
    pub(super) has_stack_dumps: bool,
    /// Most frames of a stack, as the kernel is set: a longer one is cut, not broken.
    pub(super) most_frames: usize,
}

impl<'a> Space<'a> {
    pub(super) fn new(debug_files: Option<&'a DebugFiles>) -> Self {
        Self {
            processes: Processes::default(),
            modules: Modules::new(),
            cgroups: Cgroups::default(),
            debug_files,
            shares_pids: true,
            has_stack_dumps: false,
            // `kernel.perf_event_max_stack` where nobody has set it.
            most_frames: 127,
        }
    }

    /// To be called when all is told and before anything is looked up.
    pub(super) fn sort(&mut self) {
        self.processes.sort();
        self.modules.sort();
    }

    /// Who a thread was at a time.
    pub(super) fn task(&self, pid: u32, tid: u32, time: u64, cgroup: Option<u64>) -> Task {
        let name = |tid: u32| match self.processes.thread_name(tid, time) {
            Some(name) => self.processes.text(name).to_owned(),
            None if tid == 0 && self.shares_pids => "swapper".to_owned(),
            None if tid == 0 => "[other pid namespace]".to_owned(),
            // As `perf` names what it knows no name of.
            None => format!(":{}", tid as i32),
        };
        let cgroup = self.cgroups.of(pid, cgroup);
        let identity = cgroup.map(identify).unwrap_or_default();
        let known = |id: u32| (id != u32::MAX).then_some(id);
        Task {
            pid: known(pid),
            tid: known(tid),
            process: name(pid),
            thread: name(tid),
            cgroup: cgroup.map(str::to_owned),
            container_id: identity.container_id,
            container: None,
            pod_uid: identity.pod_uid,
            pod: None,
            unit: identity.unit,
        }
    }
}

/// Cgroups of processes and of samples.
#[derive(Debug, Default)]
pub(super) struct Cgroups {
    by_id: HashMap<u64, String>,
    by_pid: HashMap<u32, String>,
}

impl Cgroups {
    /// The path of a cgroup of the unified hierarchy.
    pub(super) fn path(&mut self, id: u64, path: &str) {
        if self.by_id.len() < CGROUPS {
            self.by_id.insert(id, path.to_owned());
        }
    }

    /// The lines of `/proc/<pid>/cgroup`.
    pub(super) fn process(&mut self, pid: u32, id: Option<u64>, lines: &[String]) {
        let unified = lines.iter().find_map(|line| line.strip_prefix("0::"));
        if let Some((id, path)) = id.zip(unified) {
            self.path(id, path);
        }
        if self.by_pid.len() < CGROUPS
            && let Some(path) = cgroup_of_process(&lines.join("\n"))
        {
            self.by_pid.insert(pid, path.to_owned());
        }
    }

    /// Where a process was when it was sampled. On a node without the unified hierarchy that is
    /// its root for all.
    fn of(&self, pid: u32, id: Option<u64>) -> Option<&str> {
        let sampled = id.and_then(|id| self.by_id.get(&id));
        sampled
            .filter(|path| *path != "/")
            .or_else(|| self.by_pid.get(&pid))
            .or(sampled)
            .map(String::as_str)
    }
}
