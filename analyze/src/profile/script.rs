//! Reads the text of `perf script`.
//!
//! ```text
//! java 24636/25607 [000] 4794564.109216:   10101010 cpu-clock:HG:
//!     ffffffff8101c6a3 default_idle+0x13 ([kernel.kallsyms])
//!         7f533952bc77 _dl_check_map_versions+0x597 (/usr/lib/ld-2.28.so)
//! ```
//!
//! Which fields there are depends on options of `perf script`; a blank line ends a sample. Where
//! there are no call chains the function stands behind the event.

mod line;

use std::io::{self, BufRead, Read};

use line::{EventLine, event_line, stack_line};

use super::assemble::mark;
use super::demangle::cut;
use super::recorded::{measures_time, name};
use super::{Frame, FrameKind, Profile, Sample, Task, Unit};

/// A longer line is cut: C++ can write functions of many thousand bytes.
const LINE_BYTES: u64 = 64 << 10;
/// Most samples of a file, and most events.
const SAMPLES: usize = 8 << 20;
const EVENTS: usize = 64;
/// Most functions, stacks and tasks of a profile.
const FRAMES: usize = 1 << 20;
const STACKS: usize = 8 << 20;
const TASKS: usize = 1 << 18;
/// Most functions of a stack.
const CHAIN: usize = 1024;
/// Lines that cannot be read are told of so many times.
const PROBLEMS: usize = 100;

/// Profiles, one per event, and lines that cannot be read with what is wrong.
#[derive(Debug, Default)]
pub struct Script {
    /// The profiles.
    pub profiles: Vec<Profile>,
    /// Lines that cannot be read, the first ones.
    pub problems: Vec<Problem>,
    /// Problems beyond what the list holds.
    pub more_problems: u64,
}

/// A line that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where it begins.
    pub offset: u64,
    /// Its number, from 1.
    pub line: u64,
    /// What is wrong.
    pub reason: String,
}

/// Whether a text begins as `perf script` writes it.
pub fn is_script(beginning: &[u8]) -> bool {
    // What `perf script --header` begins with is long.
    if beginning.starts_with(b"# ========\n# captured on") {
        return true;
    }
    let lines = beginning.split(|byte| *byte == b'\n').take(1000);
    let mut lines = lines.map(String::from_utf8_lossy);
    let first = lines.find(|line| !line.trim().is_empty() && !line.starts_with('#'));
    first.is_some_and(|line| event_line(&line).is_some())
}

/// Reads the text.
pub fn read(input: impl Read, entry: &str) -> io::Result<Script> {
    let mut reader = Reader {
        entry: entry.to_owned(),
        ..Reader::default()
    };
    let mut input = io::BufReader::new(input);
    let mut bytes = Vec::new();
    loop {
        bytes.clear();
        let mut line = (&mut input).take(LINE_BYTES);
        let mut length = line.read_until(b'\n', &mut bytes)? as u64;
        if length == 0 {
            break;
        }
        if length == LINE_BYTES && bytes.last() != Some(&b'\n') {
            length += skip_line(&mut input)?;
        }
        reader.number += 1;
        reader.line(String::from_utf8_lossy(&bytes).trim_end());
        reader.offset += length;
    }
    Ok(reader.end())
}

/// Passes over the rest of a line; says how long it was.
fn skip_line(input: &mut impl BufRead) -> io::Result<u64> {
    let mut skipped = 0;
    loop {
        let buffer = input.fill_buf()?;
        if buffer.is_empty() {
            return Ok(skipped);
        }
        let end = buffer.iter().position(|byte| *byte == b'\n');
        let length = end.map_or(buffer.len(), |end| end + 1);
        input.consume(length);
        skipped += length as u64;
        if end.is_some() {
            return Ok(skipped);
        }
    }
}

/// A sample that is being read.
struct Open {
    event: EventLine,
    /// Innermost first.
    frames: Vec<Frame>,
    is_broken: bool,
}

#[derive(Default)]
struct Reader {
    entry: String,
    /// Number and offset of the line that is being read.
    number: u64,
    offset: u64,
    script: Script,
    events: Vec<String>,
    tasks: Vec<std::collections::HashMap<Task, u32>>,
    open: Option<Open>,
    samples: usize,
    left_out: u64,
}

impl Reader {
    fn line(&mut self, line: &str) {
        if line.starts_with('#') {
            return;
        }
        if line.trim().is_empty() {
            // A blank line may stand between an event and its stack too.
            if self
                .open
                .as_ref()
                .is_some_and(|open| !open.frames.is_empty())
            {
                self.close();
            }
            return;
        }
        if let Some(open) = &mut self.open
            && let Some(frames) = stack_line(line)
        {
            open.take(frames);
            return;
        }
        let Some(event) = event_line(line) else {
            self.problem(line);
            return;
        };
        self.close();
        let mut open = Open {
            frames: Vec::new(),
            is_broken: false,
            event,
        };
        let alone = stack_line(&open.event.rest);
        let is_whole = alone.is_some();
        open.take(alone.unwrap_or_default());
        self.open = Some(open);
        if is_whole {
            self.close();
        }
    }

    fn problem(&mut self, line: &str) {
        let problems = &mut self.script.problems;
        if problems.len() < PROBLEMS {
            let line = cut(line.trim(), 100);
            problems.push(Problem {
                offset: self.offset,
                line: self.number,
                reason: format!("neither an event nor a function: `{line}`"),
            });
        } else {
            self.script.more_problems += 1;
        }
    }

    /// Ends the open sample.
    fn close(&mut self) {
        let Some(open) = self.open.take() else {
            return;
        };
        let Some(place) = self.place(&open.event.event) else {
            self.left_out += 1;
            return;
        };
        if self.samples >= SAMPLES {
            self.left_out += 1;
            return;
        }
        self.samples += 1;
        let Some((profile, tasks)) = self
            .script
            .profiles
            .get_mut(place)
            .zip(self.tasks.get_mut(place))
        else {
            return;
        };
        let task = open.event.task();
        let next = profile.tasks.len().min(TASKS) as u32;
        let task = match tasks.get(&task) {
            Some(task) => *task,
            None if profile.tasks.len() >= TASKS => u32::MAX,
            None => {
                tasks.insert(task.clone(), next);
                profile.tasks.push(task);
                next
            }
        };
        let weight = match open.event.period {
            Some(period) if !measures_time(&open.event.event) => period,
            _ => 1,
        };
        open.put(profile, task, weight);
    }

    /// Place of the profile of an event.
    fn place(&mut self, event: &str) -> Option<usize> {
        if let Some(place) = self.events.iter().position(|known| known == event) {
            return Some(place);
        }
        if self.events.len() >= EVENTS {
            return None;
        }
        let name = name(event, &self.script.profiles);
        let profile = Profile::new(&name, event, Unit::Count, &self.entry);
        self.script.profiles.push(profile);
        self.tasks.push(std::collections::HashMap::new());
        self.events.push(event.to_owned());
        Some(self.events.len() - 1)
    }

    fn end(mut self) -> Script {
        self.close();
        for profile in &mut self.script.profiles {
            profile.samples.sort_by_key(|sample| sample.time_ns);
            let times = || profile.samples.iter().filter_map(|sample| sample.time_ns);
            profile.span_ns = times().min().zip(times().max());
            let mut cpus: Vec<u32> = profile.samples.iter().filter_map(|s| s.cpu).collect();
            cpus.sort_unstable();
            cpus.dedup();
            profile.cpus = Some(cpus.len() as u32).filter(|count| *count > 0);
            profile.lost = self.left_out;
        }
        self.script
    }
}

impl Open {
    fn take(&mut self, frames: Vec<Frame>) {
        for frame in frames {
            self.is_broken |= frame.module == "[unknown]" && frame.kind == FrameKind::User;
            if self.frames.len() < CHAIN {
                self.frames.push(frame);
            }
        }
    }

    fn put(self, profile: &mut Profile, task: u32, weight: u64) {
        profile.frames_total += self.frames.len() as u64;
        profile.frames_unnamed += self.frames.iter().filter(|f| !f.is_named).count() as u64;
        profile.broken += u64::from(self.is_broken);
        let mut stack = super::stacks::EMPTY;
        for frame in self.frames.into_iter().rev() {
            let is_full = profile.symbols.all().len() >= FRAMES;
            let frame = if is_full {
                mark("[too many functions]")
            } else {
                frame
            };
            let frame = profile.symbols.intern(frame);
            if profile.stacks.len() < STACKS {
                stack = profile.stacks.push(stack, frame);
            }
        }
        profile.samples.push(Sample {
            time_ns: self.event.time_ns,
            cpu: self.event.cpu,
            task,
            stack,
            weight,
        });
    }
}

impl EventLine {
    /// The name is the thread's; that of its process is not told.
    fn task(&self) -> Task {
        Task {
            pid: self.pid,
            tid: self.tid,
            process: self.comm.clone(),
            thread: self.comm.clone(),
            ..Task::default()
        }
    }
}

#[cfg(test)]
mod tests;
