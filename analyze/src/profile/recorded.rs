//! A `perf.data` becomes profiles: one per event.

use std::collections::BTreeMap;
use std::io::{Read, Seek};

use super::assemble::Assembler;
use super::debug_files::DebugFiles;
use super::modules::{self, Modules};
use super::perf_data::{self, Event, Limits, PerfData, Problems, Record};
use super::processes::{self, Mapping};
use super::space::Space;
use super::{Profile, Unit};

/// Profiles, and what could not be read.
#[derive(Debug, Default)]
pub struct Recorded {
    /// One per event that has samples.
    pub profiles: Vec<Profile>,
    /// Damage of the file.
    pub problems: Problems,
}

/// Reads a file of `perf record` by itself. The error says why it is none.
pub fn read(
    input: impl Read + Seek,
    entry: &str,
    debug_files: Option<&DebugFiles>,
) -> Result<Recorded, String> {
    let mut file = PerfData::open(input, Limits::default())?;
    let mut space = Space::new(debug_files);
    changes(&mut file, &mut space);
    space.sort();
    let assembled = samples(&mut file, &mut space, entry);
    let mut profiles = assembled.finish(&file.head.events);
    for profile in &mut profiles {
        profile.build_ids = space.modules.build_ids();
        if space.has_stack_dumps {
            profile.notes.push(
                "It was recorded with --call-graph dwarf: stacks are not unwound here, so of user space only the innermost function is shown."
                    .to_owned(),
            );
        }
        if space.processes.left_out + space.modules.left_out > 0 {
            profile.notes.push("There are more processes, mappings or names than are kept: some functions have no name.".to_owned());
        }
    }
    Ok(Recorded {
        profiles,
        problems: file.problems().clone(),
    })
}

/// First pass: what happened to processes.
fn changes<R: Read + Seek>(file: &mut PerfData<R>, space: &mut Space<'_>) {
    let mut mappings = Vec::new();
    let mut last = 0;
    file.walk(&mut |_, record, stamp| {
        let time = stamp.time_ns.unwrap_or(last);
        last = last.max(time);
        if let Record::Mapping(mapping) = &record {
            let path = String::from_utf8_lossy(mapping.path).into_owned();
            mappings.push((
                Told::of(mapping, time),
                path,
                mapping.build_id.map(<[u8]>::to_vec),
            ));
            return;
        }
        change(&record, time, space);
    });
    // Build ids stand behind the records.
    for (told, path, build_id) in mappings {
        let known = file.head.build_ids.get(path.as_bytes());
        let build_id = build_id.as_ref().or(known);
        told.map(&path, build_id.map(Vec::as_slice), space);
    }
    let events = &file.head.events;
    space.has_stack_dumps = events.iter().any(|event| event.attribute.has_stack_dumps());
}

/// What a record says of names, processes and cgroups.
pub(super) fn change(record: &Record<'_>, time: u64, space: &mut Space<'_>) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    match record {
        Record::Comm {
            pid,
            tid,
            name,
            is_exec,
        } => {
            space.processes.name(*tid, time, &text(name));
            if *is_exec && pid == tid {
                space.processes.exec(*pid, time);
            }
        }
        Record::Fork {
            pid,
            parent,
            tid,
            parent_tid,
        } => {
            space.processes.name_like(*tid, time, *parent_tid);
            // A thread has what its process has.
            if pid != parent && pid == tid {
                space.processes.fork(*pid, *parent, time);
            }
        }
        Record::KernelSymbol {
            address,
            length,
            name,
        } => {
            let end = address.saturating_add(u64::from(*length));
            let name = format!("{} [bpf]", text(name));
            space.modules.range(modules::KERNEL, *address, end, &name);
        }
        Record::Cgroup { id, path } => space.cgroups.path(*id, &text(path)),
        _ => {}
    }
}

/// A mapping without its file.
struct Told {
    pid: u32,
    start: u64,
    length: u64,
    offset: u64,
    time: u64,
}

impl Told {
    fn of(mapping: &perf_data::Mapping<'_>, time: u64) -> Self {
        Self {
            pid: mapping.pid,
            start: mapping.start,
            length: mapping.length,
            offset: mapping.offset,
            time,
        }
    }

    fn map(self, path: &str, build_id: Option<&[u8]>, space: &mut Space<'_>) {
        if self.pid == processes::KERNEL && path.starts_with("[kernel.kallsyms]") {
            if let Some(kernel) = space.modules.get_mut(modules::KERNEL) {
                kernel.text_address = Some(self.offset).filter(|address| *address > 0);
                kernel.build_id = build_id.map(<[u8]>::to_vec);
            }
            return;
        }
        let Some(module) = space.modules.file(path, build_id) else {
            return;
        };
        add_mapping(&mut space.modules, module, self.offset);
        let by_address = space
            .modules
            .get(module)
            .is_some_and(modules::Module::is_by_address);
        space.processes.map(
            self.pid,
            Mapping {
                start: self.start,
                end: self.start.saturating_add(self.length),
                offset: if by_address { self.start } else { self.offset },
                module,
                since: self.time,
            },
        );
    }
}

/// Notes where in a file its code begins.
pub(super) fn add_mapping(modules: &mut Modules, module: processes::ModuleId, offset: u64) {
    if let Some(module) = modules.get_mut(module) {
        let first = module
            .first_offset
            .map_or(offset, |first| first.min(offset));
        module.first_offset = Some(first);
    }
}

/// What the second pass made.
pub(super) struct Assembled {
    assemblers: BTreeMap<usize, Assembler>,
    lost: u64,
    throttled: u64,
    span: Option<(u64, u64)>,
    cpus: std::collections::HashSet<u32>,
    head_cpus: Option<u32>,
}

/// Second pass: the samples, when everything else is known.
pub(super) fn samples<R: Read + Seek>(
    file: &mut PerfData<R>,
    space: &mut Space<'_>,
    entry: &str,
) -> Assembled {
    let events = file.head.events.clone();
    let mut made = Assembled {
        assemblers: BTreeMap::new(),
        lost: 0,
        throttled: 0,
        span: None,
        cpus: std::collections::HashSet::new(),
        head_cpus: file.head.cpus,
    };
    let mut last = 0;
    file.walk(&mut |_, record, stamp| {
        let time = stamp.time_ns.unwrap_or(last);
        last = last.max(time);
        match record {
            Record::Sample(sample) => {
                let (from, until) = made.span.unwrap_or((time, time));
                made.span = Some((from.min(time), until.max(time)));
                if made.cpus.len() < 1 << 16 {
                    made.cpus.extend(sample.cpu);
                }
                let Some(event) = events.get(sample.event) else {
                    return;
                };
                let assembler = made
                    .assemblers
                    .entry(sample.event)
                    .or_insert_with(|| assembler(event, entry));
                assembler.sample(space, &sample, time);
            }
            Record::Lost(count) | Record::LostSamples(count) => {
                made.lost = made.lost.saturating_add(count);
            }
            Record::Throttled => made.throttled += 1,
            _ => {}
        }
    });
    made
}

fn assembler(event: &Event, entry: &str) -> Assembler {
    let mut profile = Profile::new(&event.name, &event.name, Unit::Count, entry);
    if event.attribute.is_frequency {
        profile.frequency_hz = Some(event.attribute.period);
    }
    Assembler::new(profile, !measures_time(&event.name))
}

/// Whether samples of an event are taken as time passes: then each counts the same. Of other events
/// each counts for as many as there were since the sample before.
pub(super) fn measures_time(event: &str) -> bool {
    const EVENTS: [&str; 5] = [
        "cycles",
        "cpu-cycles",
        "cpu-clock",
        "task-clock",
        "ref-cycles",
    ];
    // `cpu_core/cycles/` of a hybrid CPU.
    let name = event.trim_end_matches('/').rsplit('/').next();
    name.is_some_and(|name| EVENTS.contains(&name))
}

impl Assembled {
    /// The profiles, each with its name; that of the CPU is called `cpu` as in a bundle.
    pub(super) fn finish(self, events: &[Event]) -> Vec<Profile> {
        let mut profiles = Vec::new();
        for (event, assembler) in self.assemblers {
            let left_out = assembler.left_out;
            let mut profile = assembler.profile;
            profile.lost = self.lost.saturating_add(left_out);
            profile.span_ns = self.span;
            profile.cpus = self
                .head_cpus
                .or(Some(self.cpus.len() as u32))
                .filter(|n| *n > 0);
            profile.samples.sort_by_key(|sample| sample.time_ns);
            let name = events.get(event).map_or("", |event| &event.name);
            profile.name = self::name(name, &profiles);
            profile.notes.extend(super::notes::broken(&profile));
            if left_out > 0 {
                let note = format!("{left_out} samples found no room and are left out.");
                profile.notes.push(note);
            }
            if self.throttled > 0 {
                profile.notes.push(throttled(self.throttled));
            }
            profiles.push(profile);
        }
        profiles
    }
}

pub(super) fn throttled(times: u64) -> String {
    format!("The kernel stopped sampling {times} times because it took too long.")
}

/// A name that no other profile has.
pub(super) fn name(event: &str, others: &[Profile]) -> String {
    let is_free = |name: &str| others.iter().all(|other| other.name != name);
    if measures_time(event) && is_free("cpu") {
        return "cpu".to_owned();
    }
    let mut numbers = (2_u32..).map(|number| format!("{event}.{number}"));
    if is_free(event) {
        return event.to_owned();
    }
    numbers.find(|name| is_free(name)).unwrap_or_default()
}
