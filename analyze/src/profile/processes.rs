//! What processes executed and were called, at any time.
//!
//! Records and tables tell of changes, each with its time, in no order. All of them are taken first
//! and looked up afterwards.

use std::collections::HashMap;

/// Number of a module in [`super::modules::Modules`].
pub(super) type ModuleId = u32;
/// Number of a name of a process or thread.
pub(super) type NameId = u32;

/// The kernel, as a process.
pub(super) const KERNEL: u32 = u32::MAX;

/// Mappings, and changes of names, that are kept: half a million is the most of a real node.
const MAPPINGS: usize = 1 << 20;
const NAMES: usize = 1 << 20;
/// Bytes of a name; the kernel's have 15, those of its own threads up to 63.
const NAME_BYTES: usize = 64;
/// A process without mappings of its own is looked up in so many ancestors.
const ANCESTORS: usize = 16;
/// Mappings that begin before an address and may hold it; real ones do not overlap.
const OVERLAPPING: usize = 256;

/// Executable memory of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mapping {
    pub(super) start: u64,
    pub(super) end: u64,
    /// Offset in the module of the first byte.
    pub(super) offset: u64,
    pub(super) module: ModuleId,
    /// Since when, in nanoseconds; 0: from before sampling began.
    pub(super) since: u64,
}

/// When a process began to be what it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Start {
    time: u64,
    /// It was forked from this one; else it executed a program.
    parent: Option<u32>,
}

#[derive(Debug, Default)]
struct Process {
    starts: Vec<Start>,
    /// In the order of addresses.
    mappings: Vec<Mapping>,
    /// The largest end of the mappings up to each.
    ends: Vec<u64>,
    /// Times of all changes.
    changes: Vec<u64>,
}

/// What a thread is called from a time on.
#[derive(Clone, Copy, Debug)]
enum Called {
    Name(NameId),
    /// As the thread that forked it.
    Like(u32),
}

/// All processes.
#[derive(Debug, Default)]
pub(super) struct Processes {
    processes: HashMap<u32, Process>,
    threads: HashMap<u32, Vec<(u64, Called)>>,
    names: Vec<String>,
    numbers: HashMap<String, NameId>,
    mappings: usize,
    called: usize,
    /// Changes that found no room.
    pub(super) left_out: u64,
}

impl Processes {
    /// A process is forked: until it executes something it has what its parent has.
    pub(super) fn fork(&mut self, pid: u32, parent: u32, time: u64) {
        self.start(
            pid,
            Start {
                time,
                parent: Some(parent),
            },
        );
    }

    /// A process executes another program.
    pub(super) fn exec(&mut self, pid: u32, time: u64) {
        self.start(pid, Start { time, parent: None });
    }

    fn start(&mut self, pid: u32, start: Start) {
        if self.has_room() {
            self.processes.entry(pid).or_default().starts.push(start);
        }
    }

    /// A process maps executable memory.
    pub(super) fn map(&mut self, pid: u32, mapping: Mapping) {
        if self.has_room() {
            let process = self.processes.entry(pid).or_default();
            process.mappings.push(mapping);
        }
    }

    fn has_room(&mut self) -> bool {
        let has_room = self.mappings < MAPPINGS;
        self.mappings += usize::from(has_room);
        self.left_out += u64::from(!has_room);
        has_room
    }

    /// A thread gets a name.
    pub(super) fn name(&mut self, tid: u32, time: u64, name: &str) {
        let name = self.intern(name);
        self.call(tid, time, Called::Name(name));
    }

    /// A thread is forked, with the name of the thread that does it.
    pub(super) fn name_like(&mut self, tid: u32, time: u64, parent: u32) {
        let is_known = self
            .threads
            .get(&tid)
            .is_some_and(|names| names.iter().any(|(since, _)| *since == time));
        if tid != parent && !is_known {
            self.call(tid, time, Called::Like(parent));
        }
    }

    fn call(&mut self, tid: u32, time: u64, called: Called) {
        if self.called < NAMES {
            self.called += 1;
            self.threads.entry(tid).or_default().push((time, called));
        } else {
            self.left_out += 1;
        }
    }

    /// The number of a name.
    pub(super) fn intern(&mut self, name: &str) -> NameId {
        let name = match name.char_indices().nth(NAME_BYTES) {
            Some((end, _)) => name.get(..end).unwrap_or_default(),
            None => name,
        };
        if let Some(number) = self.numbers.get(name) {
            return *number;
        }
        let number = self.names.len() as NameId;
        self.names.push(name.to_owned());
        self.numbers.insert(name.to_owned(), number);
        number
    }

    /// A name by its number.
    pub(super) fn text(&self, name: NameId) -> &str {
        self.names.get(name as usize).map_or("", String::as_str)
    }

    /// Brings everything into order; to be called before anything is looked up.
    pub(super) fn sort(&mut self) {
        for process in self.processes.values_mut() {
            process.sort();
        }
        for names in self.threads.values_mut() {
            names.sort_by_key(|(time, _)| *time);
        }
    }

    /// What a thread was called at a time.
    pub(super) fn thread_name(&self, tid: u32, time: u64) -> Option<NameId> {
        let (mut tid, mut time) = (tid, time);
        for _ in 0..ANCESTORS {
            let names = self.threads.get(&tid)?;
            let behind = names.partition_point(|(since, _)| *since <= time);
            // The first one may be told later than the first sample by a hair.
            let (since, called) = names.get(behind.saturating_sub(1))?;
            match called {
                Called::Name(name) => return Some(*name),
                Called::Like(parent) => (tid, time) = (*parent, *since),
            }
        }
        None
    }

    /// Where an address of a process was at a time: module, and offset in it.
    pub(super) fn find(&self, pid: u32, address: u64, time: u64) -> Option<(ModuleId, u64)> {
        let (mut pid, mut time) = (pid, time);
        for generation in 0..ANCESTORS {
            let process = self.processes.get(&pid)?;
            let (start, mut until) = process.program_at(time);
            if generation > 0 {
                // What an ancestor did since is not its child's.
                until = until.min(time.saturating_add(1));
            }
            let since = start.map_or(0, |start| start.time);
            if let Some(mapping) = process.mapping(address, time, since..until) {
                let offset = (address - mapping.start).wrapping_add(mapping.offset);
                return Some((mapping.module, offset));
            }
            // What was there when sampling began was told of each process by itself.
            let start = start.filter(|start| start.time > 0)?;
            (pid, time) = (start.parent?, start.time);
        }
        None
    }

    /// Between changes of a process the answers for its addresses stay the same: which stretch of
    /// that kind a time lies in.
    pub(super) fn epoch(&self, pid: u32, time: u64) -> usize {
        self.processes.get(&pid).map_or(0, |process| {
            process.changes.partition_point(|change| *change <= time)
        })
    }
}

impl Process {
    fn sort(&mut self) {
        // An exec is told before what it maps, a fork before its exec.
        self.starts
            .sort_by_key(|start| (start.time, start.parent.is_none()));
        self.mappings.sort_by_key(|mapping| mapping.start);
        let mut end = 0;
        self.ends = self
            .mappings
            .iter()
            .map(|mapping| {
                end = end.max(mapping.end);
                end
            })
            .collect();
        let starts = self.starts.iter().map(|start| start.time);
        let mappings = self.mappings.iter().map(|mapping| mapping.since);
        self.changes = starts.chain(mappings).collect();
        self.changes.sort_unstable();
        self.changes.dedup();
    }

    /// What it ran at a time, and until when.
    fn program_at(&self, time: u64) -> (Option<Start>, u64) {
        let behind = self.starts.partition_point(|start| start.time <= time);
        let until = self.starts.get(behind).map_or(u64::MAX, |next| next.time);
        let start = behind.checked_sub(1).and_then(|at| self.starts.get(at));
        (start.copied(), until)
    }

    /// The youngest mapping of a program that holds the address; where none was told in time, the
    /// one that was told first: a record may be later than the first sample by a hair.
    fn mapping(&self, address: u64, time: u64, program: std::ops::Range<u64>) -> Option<&Mapping> {
        let behind = self
            .mappings
            .partition_point(|mapping| mapping.start <= address);
        let mut best: Option<&Mapping> = None;
        let before = (0..behind).rev().take(OVERLAPPING);
        for place in before.take_while(|place| self.ends.get(*place) > Some(&address)) {
            let Some(mapping) = self.mappings.get(place) else {
                break;
            };
            if address >= mapping.end || !program.contains(&mapping.since) {
                continue;
            }
            let is_better =
                best.is_none_or(|best| match (mapping.since <= time, best.since <= time) {
                    (true, true) => mapping.since > best.since,
                    (false, false) => mapping.since < best.since,
                    (is_in_time, _) => is_in_time,
                });
            if is_better {
                best = Some(mapping);
            }
        }
        best
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mapping(start: u64, module: ModuleId, since: u64) -> Mapping {
        Mapping {
            start,
            end: start + 0x100,
            offset: 0x1000,
            module,
            since,
        }
    }

    #[test]
    fn a_child_has_what_its_parent_had_until_it_executes() {
        let mut processes = Processes::default();
        processes.map(1, mapping(0x100, 5, 0));
        processes.fork(2, 1, 50);
        // What the parent maps later is not the child's.
        processes.map(1, mapping(0x500, 6, 60));
        processes.exec(2, 80);
        processes.map(2, mapping(0x900, 7, 81));
        processes.sort();
        assert_eq!(processes.find(1, 0x110, 10), Some((5, 0x1010)));
        assert_eq!(processes.find(2, 0x110, 55), Some((5, 0x1010)));
        assert_eq!(processes.find(2, 0x510, 70), None);
        assert_eq!(processes.find(2, 0x110, 90), None);
        assert_eq!(processes.find(2, 0x910, 80), Some((7, 0x1010)));
        assert_eq!(processes.find(2, 0x910, 79), None);
        assert_eq!(processes.find(3, 0x910, 79), None);
        let epochs = [10, 55, 79, 80, 90].map(|time| processes.epoch(2, time));
        assert_eq!(epochs, [0, 1, 1, 2, 3]);
    }

    #[test]
    fn a_pid_that_is_used_again_is_another_process() {
        let mut processes = Processes::default();
        processes.fork(2, 1, 50);
        processes.map(2, mapping(0x100, 5, 51));
        processes.fork(2, 1, 90);
        processes.exec(2, 95);
        processes.map(2, mapping(0x100, 6, 96));
        processes.sort();
        assert_eq!(processes.find(2, 0x110, 60), Some((5, 0x1010)));
        assert_eq!(processes.find(2, 0x110, 92), None);
        assert_eq!(processes.find(2, 0x110, 97), Some((6, 0x1010)));
    }

    #[test]
    fn the_youngest_mapping_counts() {
        let mut processes = Processes::default();
        processes.map(1, mapping(0x100, 5, 0));
        processes.map(1, mapping(0x180, 6, 20));
        processes.map(1, mapping(0x180, 7, 30));
        processes.sort();
        assert_eq!(processes.find(1, 0x190, 10), Some((5, 0x1090)));
        assert_eq!(processes.find(1, 0x190, 25), Some((6, 0x1010)));
        assert_eq!(processes.find(1, 0x190, 35), Some((7, 0x1010)));
        assert_eq!(processes.find(1, 0x110, 35), Some((5, 0x1010)));
        assert_eq!(processes.find(1, 0x280, 35), None);
    }

    #[test]
    fn forks_without_end_are_given_up() {
        let mut processes = Processes::default();
        processes.fork(1, 2, 5);
        processes.fork(2, 1, 5);
        processes.name_like(1, 5, 2);
        processes.name_like(2, 5, 1);
        processes.sort();
        assert_eq!(processes.find(1, 0x190, 10), None);
        assert_eq!(processes.thread_name(1, 10), None);
    }

    #[test]
    fn threads_have_the_name_of_their_parent_until_they_get_one() {
        let mut processes = Processes::default();
        processes.name(1, 0, "java");
        processes.name_like(9, 40, 1);
        processes.name(1, 50, "renamed");
        processes.name(9, 60, "GC thread");
        processes.sort();
        let name = |tid, time| processes.text(processes.thread_name(tid, time).unwrap());
        assert_eq!(name(1, 10), "java");
        assert_eq!(name(1, 55), "renamed");
        assert_eq!(name(9, 55), "java");
        assert_eq!(name(9, 60), "GC thread");
        assert_eq!(name(9, 1), "java");
        assert_eq!(processes.thread_name(8, 10), None);
    }
}
