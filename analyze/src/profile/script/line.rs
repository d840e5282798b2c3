//! Lines of `perf script`: of an event, and of a function.

use crate::profile::demangle::{LONGEST, cut, kind_of, without_rust_escapes};
use crate::profile::modules::is_kernel_path;
use crate::profile::perf_data::without_modifiers;
use crate::profile::{Frame, FrameKind};

/// What an event line says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct EventLine {
    pub(super) comm: String,
    pub(super) pid: Option<u32>,
    pub(super) tid: Option<u32>,
    pub(super) cpu: Option<u32>,
    pub(super) time_ns: Option<u64>,
    pub(super) period: Option<u64>,
    pub(super) event: String,
    /// What follows the event.
    pub(super) rest: String,
}

/// Reads an event line; nothing where it is none.
pub(super) fn event_line(line: &str) -> Option<EventLine> {
    let words: Vec<(usize, &str)> = words(line).take(64).collect();
    // The name may have spaces and numbers in it: what follows the id tells which number is it.
    (1..words.len()).find_map(|place| {
        let (start, ids) = *words.get(place)?;
        let (pid, tid) = match ids.split_once('/') {
            Some((pid, tid)) => (Some(id(pid)?), id(tid)?),
            None => (None, id(ids)?),
        };
        let rest = line.get(start + ids.len()..)?;
        let mut event = after_ids(rest)?;
        line.get(..start)?.trim().clone_into(&mut event.comm);
        event.comm = cut(&event.comm, 64).to_owned();
        event.pid = pid.flatten();
        event.tid = tid;
        Some(event)
    })
}

/// The words of a line with their places.
fn words(line: &str) -> impl Iterator<Item = (usize, &str)> {
    line.split_ascii_whitespace().map(|word| {
        let place = word.as_ptr() as usize - line.as_ptr() as usize;
        (place, word)
    })
}

/// A process id; -1 is that of a task that is gone.
fn id(word: &str) -> Option<Option<u32>> {
    if word == "-1" {
        return Some(None);
    }
    let is_number = !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| word.parse().ok())
}

/// `[000] 4794564.109216:   10101010 cpu-clock:HG:  ...`: CPU, time and period may be missing.
fn after_ids(rest: &str) -> Option<EventLine> {
    let mut words = words(rest).peekable();
    let cpu = words.peek().and_then(|(_, word)| {
        let number = word.strip_prefix('[')?.strip_suffix(']')?;
        number.parse().ok()
    });
    if cpu.is_some() {
        words.next();
    }
    let time_ns = words.peek().and_then(|(_, word)| nanoseconds(word));
    if time_ns.is_some() {
        words.next();
    }
    let period = words.peek().and_then(|(_, word)| word.parse().ok());
    if period.is_some() {
        words.next();
    }
    let (place, event) = words.next()?;
    let name = event.strip_suffix(':').filter(|name| is_event(name))?;
    Some(EventLine {
        comm: String::new(),
        pid: None,
        tid: None,
        cpu,
        time_ns,
        period,
        event: without_modifiers(name).to_owned(),
        rest: rest.get(place + event.len()..)?.trim().to_owned(),
    })
}

fn is_event(name: &str) -> bool {
    let first = name.bytes().next();
    first.is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_') && name.len() <= 256
}

/// `4794564.109216:`, with six digits or nine.
fn nanoseconds(word: &str) -> Option<u64> {
    let (seconds, fraction) = word.strip_suffix(':')?.split_once('.')?;
    let digits = u32::try_from(fraction.len())
        .ok()
        .filter(|digits| *digits <= 9)?;
    let seconds: u64 = seconds.parse().ok()?;
    let fraction: u64 = fraction.parse().ok()?;
    let fraction = fraction * 10_u64.pow(9 - digits);
    seconds.checked_mul(1_000_000_000)?.checked_add(fraction)
}

/// Reads the line of a function, which may stand for several that were inlined, innermost first;
/// nothing where it is none.
pub(super) fn stack_line(line: &str) -> Option<Vec<Frame>> {
    let line = line.trim();
    let (address, rest) = line.split_once(' ')?;
    let is_address = address.bytes().all(|byte| byte.is_ascii_hexdigit());
    if !is_address || address.len() > 16 {
        return None;
    }
    let rest = rest.trim();
    let open = opening(rest)?;
    let module = rest.get(open + 1..rest.len() - 1)?;
    let function = rest.get(..open)?.trim();
    let function = without_offset(function);
    // Of a process that has no name here.
    if function.starts_with('(') && !function.starts_with("(anonymous namespace)") {
        return Some(Vec::new());
    }
    let is_generated = is_generated(module);
    if is_generated && function.contains("->") {
        let inlined = function.rsplit("->").map(|part| frame(part, module, true));
        return Some(inlined.collect());
    }
    Some(vec![frame(function, module, is_generated)])
}

/// Place of the parenthesis that the last one closes: paths may have some too.
fn opening(text: &str) -> Option<usize> {
    if !text.ends_with(')') {
        return None;
    }
    let mut depth = 0_u32;
    for (place, byte) in text.bytes().enumerate().rev() {
        match byte {
            b')' => depth += 1,
            b'(' => depth = depth.checked_sub(1)?,
            _ => {}
        }
        if depth == 0 {
            return Some(place);
        }
    }
    None
}

fn without_offset(function: &str) -> &str {
    match function.rsplit_once("+0x") {
        Some((name, offset)) if offset.bytes().all(|byte| byte.is_ascii_hexdigit()) => name,
        _ => function,
    }
}

/// Files in which a process or `perf inject` names code that it generated.
fn is_generated(module: &str) -> bool {
    let is_map = module.strip_suffix(".map");
    let is_dump = module.strip_suffix(".so");
    is_map.is_some_and(|path| path.starts_with("/tmp/perf-"))
        || is_dump.is_some_and(|path| path.contains("/jitted-"))
        || module.starts_with("[JIT]")
        || module.starts_with("//anon")
}

fn frame(function: &str, module: &str, is_generated: bool) -> Frame {
    let is_named = !function.is_empty() && function != "[unknown]";
    let kind = if is_kernel_path(module) {
        FrameKind::Kernel
    } else if is_generated {
        FrameKind::Generated
    } else {
        kind_of(function)
    };
    let function = if is_named || module == "[unknown]" {
        without_rust_escapes(cut(function, LONGEST))
    } else {
        let file = module.rsplit('/').next().unwrap_or(module);
        format!("[{}]", file.trim_matches(['[', ']']))
    };
    Frame {
        function,
        module: module.to_owned(),
        kind,
        is_named,
    }
}
