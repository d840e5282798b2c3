//! The CPU profile of a bundle: samples in `perf/perf.data`, names and mappings beside it
//! (docs/bundle-format.md, "The CPU profile").

use std::collections::HashMap;
use std::io::Cursor;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::Profile;
use super::debug_files::{DebugFiles, unhexadecimal};
use super::modules::{self, Module, ModuleKind};
use super::notes::{Meta, notes};
use super::perf_data::{Limits, PerfData};
use super::processes::{Mapping, ModuleId};
use super::recorded::{add_mapping, change, samples};
use super::space::Space;
use super::switches;

/// The members, by the end of their path.
pub const MEMBERS: [&str; 7] = [
    "perf/meta.json",
    "perf/symbols.jsonl",
    "perf/modules.jsonl",
    "perf/mappings.jsonl",
    "perf/processes.jsonl",
    "perf/perf.data",
    SWITCHES,
];
/// Switches between threads; older bundles lack it.
const SWITCHES: &str = "perf/switches.data";
/// A longer line is not read; those of a module with a million addresses have 40 MB.
const LINE_BYTES: usize = 64 << 20;

/// Something that cannot be read: entry, line, reason.
pub type Damaged<'a> = &'a mut dyn FnMut(&str, Option<i64>, String);

/// What a bundle has of its profile.
#[derive(Debug, Default)]
pub struct Members {
    members: HashMap<&'static str, Member>,
}

#[derive(Debug)]
struct Member {
    bytes: Vec<u8>,
    /// Why it is not whole.
    partial: Option<String>,
}

impl Members {
    /// Keeps a member, if it is one of the profile.
    pub fn take(&mut self, path: &str, bytes: &[u8], partial: Option<&str>) {
        if let Some(name) = MEMBERS.into_iter().find(|name| *name == path) {
            let member = Member {
                bytes: bytes.to_vec(),
                partial: partial.map(str::to_owned),
            };
            self.members.insert(name, member);
        }
    }

    fn bytes(&self, name: &str) -> &[u8] {
        self.members.get(name).map_or(&[], |member| &member.bytes)
    }

    /// Makes the profiles: `cpu`, and `blocked` where switches were watched.
    pub fn read(self, debug_files: Option<&DebugFiles>, damaged: Damaged<'_>) -> Vec<Profile> {
        if self.members.is_empty() {
            return Vec::new();
        }
        let meta: Meta = self.meta(damaged);
        let mut space = self.space(&meta, debug_files, damaged);
        let mut data = self.data("perf/perf.data", damaged);
        let mut switches = self.data(SWITCHES, damaged);
        // What they tell of tasks is the same.
        if let Some(file) = data.as_mut().or(switches.as_mut()) {
            let mut last = 0;
            file.walk(&mut |_, record, stamp| {
                let time = stamp.time_ns.unwrap_or(last);
                last = last.max(time);
                change(&record, time, &mut space);
            });
        }
        space.sort();
        let mut profiles = Vec::new();
        if let Some(file) = &mut data {
            let assembled = samples(file, &mut space, "perf/perf.data");
            let profile = assembled.finish(&file.head.events).into_iter().next();
            profiles.extend(profile.map(|profile| self.finish(profile, &meta, &space)));
        }
        if let Some(file) = &mut switches {
            let blocked = switches::read(file, &mut space, &meta.switches, meta.span(), SWITCHES);
            profiles.extend(blocked);
        }
        for (name, file) in [("perf/perf.data", data), (SWITCHES, switches)] {
            for problem in file.iter().flat_map(|file| &file.problems().list) {
                damaged(name, None, problem.to_string());
            }
        }
        profiles
    }

    /// A file of samples; one without bytes is none.
    fn data(&self, name: &'static str, damaged: Damaged<'_>) -> Option<PerfData<Cursor<&[u8]>>> {
        let bytes = Some(self.bytes(name)).filter(|bytes| !bytes.is_empty())?;
        match PerfData::open(Cursor::new(bytes), Limits::default()) {
            Ok(file) => Some(file),
            Err(reason) => {
                damaged(name, None, reason);
                None
            }
        }
    }

    fn meta(&self, damaged: Damaged<'_>) -> Meta {
        let Some(member) = self.members.get("perf/meta.json") else {
            damaged("perf/meta.json", None, "it is missing".to_owned());
            return Meta::default();
        };
        serde_json::from_slice(&member.bytes).unwrap_or_else(|error| {
            damaged("perf/meta.json", None, error.to_string());
            Meta::default()
        })
    }

    fn space<'d>(
        &self,
        meta: &Meta,
        debug_files: Option<&'d DebugFiles>,
        damaged: Damaged<'_>,
    ) -> Space<'d> {
        let mut space = Space::new(debug_files);
        space.shares_pids = meta.shares_pids != Some(false);
        if let Some(most) = meta.settings.perf_event_max_stack {
            space.most_frames = usize::try_from(most).unwrap_or(usize::MAX);
        }
        let numbers = self.modules(&mut space, damaged);
        self.lines("perf/symbols.jsonl", damaged, |line: SymbolLine| {
            let module = numbers.get(&line.module).copied();
            if let Some((module, name)) = module.zip(line.name) {
                let offsets = line.hits.iter().map(|(offset, _)| *offset);
                space.modules.hit(module, &name, offsets);
            }
        });
        self.lines("perf/mappings.jsonl", damaged, |line: MappingLine| {
            let Some(module) = numbers.get(&line.module).copied() else {
                return;
            };
            add_mapping(&mut space.modules, module, line.offset);
            let mapping = Mapping {
                start: line.start,
                end: line.end,
                offset: line.offset,
                module,
                since: line.since_ns,
            };
            space.processes.map(line.pid, mapping);
        });
        self.lines("perf/processes.jsonl", damaged, |line: ProcessLine| {
            line.take(&mut space);
        });
        space
    }

    /// The modules, by the number that the bundle gives them.
    fn modules(&self, space: &mut Space<'_>, damaged: Damaged<'_>) -> HashMap<u64, ModuleId> {
        // The kernel is in every bundle.
        let mut numbers = HashMap::from([(0, modules::KERNEL)]);
        self.lines("perf/modules.jsonl", damaged, |line: ModuleLine| {
            let number = line.module;
            if let Some(id) = line.add(space) {
                numbers.insert(number, id);
            }
        });
        numbers
    }

    /// Reads JSON lines; one that cannot be read is damage.
    fn lines<T: DeserializeOwned>(
        &self,
        name: &'static str,
        damaged: Damaged<'_>,
        mut take: impl FnMut(T),
    ) {
        let lines = self.bytes(name).split(|byte| *byte == b'\n');
        for (number, line) in (1..).zip(lines) {
            if line.is_empty() {
                continue;
            }
            if line.len() > LINE_BYTES {
                let reason = format!("a line of {} bytes", line.len());
                damaged(name, Some(number), reason);
                continue;
            }
            match serde_json::from_slice(line) {
                Ok(line) => take(line),
                Err(error) => damaged(name, Some(number), error.to_string()),
            }
        }
    }

    /// What the collector counted, and what has to be said.
    fn finish(&self, mut profile: Profile, meta: &Meta, space: &Space<'_>) -> Profile {
        "cpu".clone_into(&mut profile.name);
        if let Some(event) = &meta.event {
            event.clone_into(&mut profile.event);
        }
        profile.frequency_hz = meta.frequency_hz.or(profile.frequency_hz);
        let lost = meta.lost.unwrap_or(profile.lost);
        profile.lost = lost.saturating_add(meta.dropped.unwrap_or(0));
        if !meta.cpus.is_empty() {
            profile.cpus = Some(meta.cpus.len() as u32);
        }
        profile.span_ns = meta.span().or(profile.span_ns);
        let mut said = notes(meta, &profile);
        for name in MEMBERS.into_iter().filter(|name| *name != SWITCHES) {
            match self.members.get(name) {
                None => said.push(format!("`{name}` is not in the bundle.")),
                Some(member) => said.extend(
                    member
                        .partial
                        .as_ref()
                        .filter(|_| name != "perf/perf.data")
                        .map(|why| format!("`{name}` is not whole: {why}.")),
                ),
            }
        }
        if space.processes.left_out + space.modules.left_out > 0 {
            said.push("There are more processes, mappings or names than are kept.".to_owned());
        }
        said.append(&mut profile.notes);
        profile.notes = said;
        profile.build_ids = space.modules.build_ids();
        let why = space.modules.all().iter();
        profile.missing_names = why
            .filter_map(|module| Some((module.path.clone(), module.why.clone()?)))
            .collect();
        profile
    }
}

#[derive(Deserialize)]
struct SymbolLine {
    module: u64,
    name: Option<String>,
    hits: Vec<(u64, u64)>,
}

#[derive(Deserialize)]
struct MappingLine {
    pid: u32,
    start: u64,
    end: u64,
    offset: u64,
    module: u64,
    #[serde(default)]
    since_ns: u64,
}

#[derive(Deserialize)]
struct ModuleLine {
    module: u64,
    kind: String,
    #[serde(default)]
    path: String,
    build_id: Option<String>,
    why: Option<String>,
}

impl ModuleLine {
    fn add(self, space: &mut Space<'_>) -> Option<ModuleId> {
        let build_id = self.build_id.as_deref().and_then(unhexadecimal);
        if self.kind == "kernel" {
            let kernel = space.modules.get_mut(modules::KERNEL)?;
            kernel.build_id = build_id;
            kernel.why = self.why;
            return Some(modules::KERNEL);
        }
        let kind = if self.kind == "generated" {
            ModuleKind::Generated
        } else {
            ModuleKind::File
        };
        let mut module = Module::new(kind, &self.path);
        module.build_id = build_id;
        module.why = self.why;
        space.modules.add(module)
    }
}

#[derive(Deserialize)]
struct ProcessLine {
    pid: u32,
    #[serde(default)]
    parent: u32,
    comm: Option<String>,
    #[serde(default)]
    cgroups: Vec<String>,
    cgroup_id: Option<u64>,
    forked_ns: Option<u64>,
    executed_ns: Option<u64>,
    #[serde(default)]
    threads: HashMap<String, String>,
}

impl ProcessLine {
    fn take(self, space: &mut Space<'_>) {
        let processes = &mut space.processes;
        if let Some(forked) = self.forked_ns {
            processes.fork(self.pid, self.parent, forked);
        }
        if let Some(executed) = self.executed_ns {
            processes.exec(self.pid, executed);
        }
        // Names with their times are in the records; these are the last ones.
        if let Some(comm) = &self.comm {
            let since = self.executed_ns.or(self.forked_ns).unwrap_or(0);
            processes.name(self.pid, since, comm);
        }
        for (tid, comm) in &self.threads {
            if let Ok(tid) = tid.parse() {
                processes.name(tid, 0, comm);
            }
        }
        space
            .cgroups
            .process(self.pid, self.cgroup_id, &self.cgroups);
    }
}

#[cfg(test)]
#[path = "bundled_tests.rs"]
mod tests;
