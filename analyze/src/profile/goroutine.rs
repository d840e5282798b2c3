//! Dumps of goroutines: what each one of a Go program does and, with `debug=2`, for how long it
//! has waited.
//!
//! ```text
//! goroutine 91 [select, 12 minutes, locked to thread]:
//! k8s.io/kubernetes/pkg/kubelet.(*Kubelet).syncLoop(0xc0007a2000, {0x2, 0x5}, ...)
//!         k8s.io/kubernetes/pkg/kubelet/kubelet.go:2441 +0x3c5
//! created by main.run in goroutine 1
//!         main.go:12 +0x1d
//! ```

use super::demangle::kind_of;
use super::{Frame, FrameKind, Profile, Sample, Unit, stacks};

/// One goroutine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Goroutine {
    /// Its number; a program does not use one twice.
    pub id: u64,
    /// `running`, `select`, `chan receive`, `IO wait`, in the words of the runtime.
    pub state: String,
    /// For how long it has waited, in whole minutes; nothing below one, or where it does not wait.
    pub wait_minutes: Option<u64>,
    /// Whether it is bound to its thread.
    pub is_locked: bool,
    /// Its functions, innermost first.
    pub stack: Vec<String>,
    /// Whether the runtime left out the middle of its stack.
    pub is_elided: bool,
    /// The function that started it; nothing for the first one.
    pub created_by: Option<String>,
    /// Its line in the dump, from 1.
    pub line: i64,
}

/// A dump, read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dump {
    /// In the order of the dump.
    pub goroutines: Vec<Goroutine>,
    /// Lines that are no part of a dump: number, from 1, and text.
    pub damage: Vec<(i64, String)>,
}

/// Whether the text is a dump of goroutines, and not a profile of them.
pub fn sniff(bytes: &[u8]) -> bool {
    let rest = bytes.strip_prefix(b"goroutine ");
    rest.and_then(<[u8]>::first).is_some_and(u8::is_ascii_digit)
}

/// Reads a dump. A line that is no part of one is damage, and the next one is tried.
pub fn parse(text: &str) -> Dump {
    let mut dump = Dump::default();
    let mut part = Part::Head;
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim_end();
        let next = match (part, dump.goroutines.last_mut()) {
            _ if line.is_empty() => Some(Part::Head),
            (Part::Function, Some(goroutine)) => function_line(goroutine, line),
            (Part::Rest, _) => Some(Part::Rest),
            _ => header(line).map(|mut goroutine| {
                goroutine.line = number;
                dump.goroutines.push(goroutine);
                Part::Function
            }),
        };
        if next.is_none() {
            dump.damage.push((number, line.to_owned()));
        }
        // What stands below a function that cannot be read belongs to it.
        part = next.unwrap_or(match part {
            Part::Head => Part::Head,
            Part::Function | Part::Rest => Part::Rest,
        });
    }
    dump
}

/// What the next line of a dump may be.
#[derive(Clone, Copy)]
enum Part {
    /// The head of a goroutine.
    Head,
    /// A function of it or its place in the source.
    Function,
    /// Nothing that is kept: the stack of an ancestor that has gone.
    Rest,
}

/// Takes a line below a goroutine's head; nothing if it cannot be understood.
fn function_line(goroutine: &mut Goroutine, line: &str) -> Option<Part> {
    if line.starts_with(['\t', ' ']) {
        return Some(Part::Function);
    }
    if line.starts_with("[originating from goroutine ") {
        return Some(Part::Rest);
    }
    if line.starts_with("...") {
        // `...additional frames elided...`, `...23 frames elided...`
        goroutine.is_elided = true;
        return Some(Part::Function);
    }
    if let Some(creator) = line.strip_prefix("created by ") {
        let creator = creator
            .split_once(" in goroutine ")
            .map_or(creator, |(c, _)| c);
        goroutine.created_by = Some(creator.to_owned());
        return Some(Part::Function);
    }
    let name = line
        .strip_suffix(')')
        .and_then(|rest| rest.rsplit_once('('));
    match name {
        Some((name, _)) if !name.is_empty() => goroutine.stack.push(name.to_owned()),
        _ => return None,
    }
    Some(Part::Function)
}

/// `goroutine 91 [select, 12 minutes, locked to thread]:`; more may stand before and behind the
/// brackets.
fn header(line: &str) -> Option<Goroutine> {
    let rest = line.strip_prefix("goroutine ")?;
    let (front, rest) = rest.split_once('[')?;
    let (what, _) = rest.strip_suffix(':')?.split_once(']')?;
    let mut goroutine = Goroutine {
        id: front.split(' ').next()?.parse().ok()?,
        ..Goroutine::default()
    };
    let mut parts = what.split(", ");
    parts.next()?.clone_into(&mut goroutine.state);
    for part in parts {
        if let Some(minutes) = part.strip_suffix(" minutes") {
            goroutine.wait_minutes = minutes.parse().ok();
        }
        goroutine.is_locked |= part == "locked to thread";
    }
    Some(goroutine)
}

/// A profile of a dump: one sample per goroutine, below its state and for how long it has waited.
pub fn profile(dump: &Dump, name: &str, entry: &str) -> Profile {
    let mut profile = Profile::new(name, "goroutine", Unit::Count, entry);
    for goroutine in &dump.goroutines {
        let elided = goroutine.is_elided.then_some("[frames left out]");
        let marks = [
            &format!("[{}]", goroutine.state),
            waited(goroutine.wait_minutes),
        ];
        let marks = marks.into_iter().chain(elided);
        let functions = goroutine.stack.iter().rev().map(|name| frame_of(name));
        let frames = marks.map(mark).chain(functions);
        let stack = frames.fold(stacks::EMPTY, |caller, frame| {
            profile.stacks.push(caller, profile.symbols.intern(frame))
        });
        profile.frames_total += goroutine.stack.len() as u64;
        profile.samples.push(Sample {
            time_ns: None,
            cpu: None,
            task: 0,
            stack,
            weight: 1,
        });
    }
    profile
}

fn mark(name: &str) -> Frame {
    Frame {
        function: name.to_owned(),
        module: String::new(),
        kind: FrameKind::Mark,
        is_named: true,
    }
}

fn frame_of(function: &str) -> Frame {
    Frame {
        kind: kind_of(function),
        ..mark(function)
    }
}

/// The class of a time of waiting, which the runtime tells in whole minutes.
fn waited(minutes: Option<u64>) -> &'static str {
    match minutes {
        None | Some(0) => "[less than 1 min]",
        Some(1..10) => "[1 to 10 min]",
        Some(10..60) => "[10 to 60 min]",
        Some(60..) => "[1 h or more]",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DUMP: &str = "\
goroutine 1 [running]:
runtime/pprof.writeGoroutineStacks({0x1, 0x2})
\t/usr/lib/go/src/runtime/pprof/pprof.go:703 +0x6a
main.main()
\t/src/main.go:12 +0x1d

goroutine 91 gp=0xc000102540 m=nil [select, 72 minutes, locked to thread]:
k8s.io/kubernetes/pkg/kubelet.(*Kubelet).syncLoop(0xc0007a2000, {0x2, 0x5}, ...)
\t/src/kubelet.go:2441 +0x3c5
...23 frames elided...
created by main.run in goroutine 1
\t/src/main.go:31 +0x45

goroutine 92 [chan receive (nil chan), 3 minutes]:
runtime.gopark(...)
\t/usr/lib/go/src/runtime/proc.go:424
what is this
goroutine 7 [syscall]:

goroutine 93 [sync.Mutex.Lock]:
\tgoroutine running on other thread; stack unavailable
";

    #[test]
    fn a_dump() {
        assert!(sniff(DUMP.as_bytes()) && !sniff(b"goroutine profile: total 204\n"));
        let dump = parse(DUMP);
        let [first, waiting, never, locked] = dump.goroutines.as_slice() else {
            panic!("{dump:?}");
        };
        assert_eq!(first.stack.len(), 2);
        assert_eq!(
            (first.id, first.wait_minutes, &first.created_by),
            (1, None, &None)
        );
        assert_eq!((waiting.id, waiting.line), (91, 7));
        assert_eq!(
            (waiting.state.as_str(), waiting.wait_minutes),
            ("select", Some(72))
        );
        assert_eq!(
            waiting.stack,
            ["k8s.io/kubernetes/pkg/kubelet.(*Kubelet).syncLoop"]
        );
        assert_eq!(waiting.created_by.as_deref(), Some("main.run"));
        assert!(waiting.is_locked && waiting.is_elided);
        assert_eq!(never.state, "chan receive (nil chan)");
        assert_eq!(
            (locked.state.as_str(), locked.stack.len()),
            ("sync.Mutex.Lock", 0)
        );
        assert_eq!(dump.damage, [(17, "what is this".to_owned())]);
    }

    #[test]
    fn one_that_was_cut() {
        let dump = parse(&DUMP[..DUMP.find("({0x1").unwrap()]);
        assert_eq!(dump.goroutines.len(), 1);
        assert_eq!(dump.damage.len(), 1, "the function without its end");
        assert_eq!(parse(""), Dump::default());
        assert_eq!(parse("goroutine 1 [\ngoroutine x [a]:\n").damage.len(), 2);
    }

    #[test]
    fn grouped_by_state_and_time() {
        let profile = profile(&parse(DUMP), "kubelet.goroutine", "api/x");
        let stack = |sample: &Sample| {
            let frames = profile.stacks.outermost_first(sample.stack);
            let names = frames
                .iter()
                .map(|id| &*profile.symbols.all()[*id as usize].function);
            names.collect::<Vec<_>>().join(";")
        };
        let stacks: Vec<String> = profile.samples.iter().map(stack).collect();
        assert_eq!(
            stacks,
            [
                "[running];[less than 1 min];main.main;runtime/pprof.writeGoroutineStacks",
                "[select];[1 h or more];[frames left out];\
                 k8s.io/kubernetes/pkg/kubelet.(*Kubelet).syncLoop",
                "[chan receive (nil chan)];[1 to 10 min];runtime.gopark",
                "[sync.Mutex.Lock];[less than 1 min]",
            ]
        );
        assert_eq!(profile.total(), 4);
    }
}
