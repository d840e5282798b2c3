use std::collections::BTreeMap;

use super::*;
use crate::profile::corpus::{corpus, folded};

fn lines(text: &str) -> Script {
    read(text.as_bytes(), "x.txt").unwrap()
}

#[test]
fn event_lines_of_many_shapes() {
    let parse = |line: &str| {
        let e = event_line(line)?;
        Some(format!(
            "{}|{:?}|{:?}|{:?}|{:?}|{:?}|{}|{}",
            e.comm, e.pid, e.tid, e.cpu, e.time_ns, e.period, e.event, e.rest
        ))
    };
    let cases = [
        (
            "java 25607 4794564.109216: cycles:",
            "java|None|Some(25607)|None|Some(4794564109216000)|None|cycles|",
        ),
        (
            "java 12688 [002] 6544038.708352123: cpu-clock:",
            "java|None|Some(12688)|Some(2)|Some(6544038708352123)|None|cpu-clock|",
        ),
        (
            "V8 WorkerThread 24636/25607 [000] 94564.109216: cycles:",
            "V8 WorkerThread|Some(24636)|Some(25607)|Some(0)|Some(94564109216000)|None|cycles|",
        ),
        (
            "job 7 of 9  913    72.176760:     257597 cycles:uppp:",
            "job 7 of 9|None|Some(913)|None|Some(72176760000)|Some(257597)|cycles|",
        ),
        (
            "java  3244 cpu-clock: ",
            "java|None|Some(3244)|None|None|None|cpu-clock|",
        ),
        (
            ":-1    -1 [001] 1.5: cpu-clock:",
            ":-1|None|None|Some(1)|Some(1500000000)|None|cpu-clock|",
        ),
        (
            "a 1 [0] 2.0: sched:sched_switch: prev_comm=a prev_pid=1",
            "a|None|Some(1)|Some(0)|Some(2000000000)|None|sched:sched_switch|prev_comm=a prev_pid=1",
        ),
    ];
    for (line, expected) in cases {
        assert_eq!(parse(line).as_deref(), Some(expected), "{line}");
    }
    for line in [
        "",
        "java",
        "java 25607",
        "a b c: d",
        "GET /x 200 12: ok",
        "	7f5 main (/bin/a)",
    ] {
        assert_eq!(parse(line), None, "{line}");
    }
}

#[test]
fn functions_of_many_shapes() {
    let parse = |line: &str| {
        let frames = stack_line(line)?;
        let frames = frames.iter().map(|f| {
            format!(
                "{}|{}|{}|{}",
                f.function,
                f.module,
                f.kind.name(),
                f.is_named
            )
        });
        Some(frames.collect::<Vec<_>>().join(" "))
    };
    let cases = [
        (
            "ffffffff815bf03e rest_init+0x1 ([kernel.kallsyms])",
            "rest_init|[kernel.kallsyms]|kernel|true",
        ),
        (
            "7d8 ipv4_local+0x7f8f80b8 ([nf_conntrack_ipv4])",
            "ipv4_local|[nf_conntrack_ipv4]|kernel|true",
        ),
        (
            "7f53 std::function<void ()>::operator()+0x1 (/opt/a b (deleted))",
            "std::function<void ()>::operator()|/opt/a b (deleted)|user|true",
        ),
        ("7f53 operator-> (/bin/a)", "operator->|/bin/a|user|true"),
        (
            "7f53 [unknown] (/lib/libjvm.so)",
            "[libjvm.so]|/lib/libjvm.so|user|false",
        ),
        ("0 [unknown] ([unknown])", "[unknown]|[unknown]|user|false"),
        (
            "7f53 runtime.mallocgc+0x9 (/bin/kubelet)",
            "runtime.mallocgc|/bin/kubelet|go_runtime|true",
        ),
        (
            "7f53 A::a->B::b+0x4b (/tmp/perf-1.map)",
            "B::b|/tmp/perf-1.map|generated|true A::a|/tmp/perf-1.map|generated|true",
        ),
        (
            "7ff __vdso_gettime+0x1 ([vdso])",
            "__vdso_gettime|[vdso]|user|true",
        ),
    ];
    for (line, expected) in cases {
        assert_eq!(parse(line).as_deref(), Some(expected), "{line}");
    }
    assert_eq!(parse("main (/bin/a)"), None);
    assert_eq!(parse("7f53 main"), None);
    assert_eq!(parse("7f53 main)"), None);
}

#[test]
fn lines_that_are_neither_are_told() {
    let script =
        lines("a 1 1.0: cycles:\n\t12 f (/a)\nwhat is this\n\na 1 2.0: cycles:\n\t12 g (/a)\n");
    let problem = Problem {
        offset: 28,
        line: 3,
        reason: "neither an event nor a function: `what is this`".to_owned(),
    };
    assert_eq!(script.problems, [problem]);
    assert_eq!(folded(&script.profiles[0]).len(), 2);
}

#[test]
fn events_have_profiles_of_their_own() {
    let script = lines(
        "a 1 1.0: 100 cycles:\n\t12 f (/a)\n\na 1 2.0: 7 page-faults:u:\n\t12 f (/a)\n\na 1 3.0: 200 cycles:P:\n",
    );
    let named = |p: &Profile| (p.name.clone(), p.event.clone(), p.total());
    let found: Vec<_> = script.profiles.iter().map(named).collect();
    let expected = [("cpu", "cycles", 2), ("page-faults", "page-faults", 7)];
    assert_eq!(
        found,
        expected.map(|(a, b, n)| (a.to_owned(), b.to_owned(), n))
    );
    assert_eq!(
        script.profiles[0].span_ns,
        Some((1_000_000_000, 3_000_000_000))
    );
}

#[test]
fn hostile_text_is_no_harm() {
    let long = format!("a 1 1.0: cycles:\n\t12 {} (/a)\n", "f".repeat(1 << 20));
    let script = lines(&long);
    assert_eq!(script.profiles[0].samples.len(), 1);
    for text in [
        "((((",
        "1 1 1 1 1 1:",
        "\t\t(",
        "a 99999999999999999999 1.0: x:\n 1 (",
        "\u{0}\u{0}",
    ] {
        lines(text);
    }
    assert!(is_script(b"# comment\n\na 1 1.0: cycles:\n"));
    assert!(!is_script(b"PERFILE2"));
    assert!(!is_script(b"<html>"));
    assert!(!is_script(b""));
}

/// Weight by line as another program folded it, its way of writing functions undone.
fn expected(text: &str) -> BTreeMap<String, u64> {
    let lines = text.lines().filter_map(|line| line.rsplit_once(' '));
    let mut folded = BTreeMap::new();
    for (stack, weight) in lines {
        let stack = stack
            .replace("_[i]", "")
            .replace("_[k]", "")
            .replace("_[j]", "")
            .replace("::_{{", "::{{");
        *folded.entry(stack).or_insert(0) += weight.parse::<u64>().unwrap();
    }
    folded
}

/// As `stackcollapse-perf.pl` writes a stack: no spaces in names of tasks, no arguments.
fn as_collapsed(stack: &str) -> String {
    let (comm, functions) = stack.split_once(';').unwrap_or((stack, ""));
    let comm = comm.replace(' ', "_");
    let mut line = comm.clone();
    for function in functions.split(';').filter(|f| !f.is_empty()) {
        let is_java =
            comm.starts_with("java") && function.starts_with('L') && function.contains('/');
        let function = if is_java { &function[1..] } else { function };
        let plain = function.find('(').filter(|at| {
            !function[..*at].ends_with('.') && !function[*at..].starts_with("(anonymous")
        });
        line.push(';');
        line += plain.map_or(function, |at| &function[..at]);
    }
    line
}

#[test]
fn folded_as_others_fold_it() {
    const PERIOD: u64 = 10_101_010;
    let cases = [
        (
            "jonhoo__inferno/tests/data/collapse-perf",
            "single-event",
            "results/single-event-collapsed",
            PERIOD,
        ),
        (
            "jonhoo__inferno/tests/data/collapse-perf",
            "java-inline",
            "results/java-inline-collapsed",
            PERIOD,
        ),
        (
            "jonhoo__inferno/tests/data/collapse-perf",
            "sourcepawn-jitdump",
            "results/sourcepawn-jitdump-collapsed-jit",
            22_145_531,
        ),
        (
            "brendangregg__FlameGraph/test",
            "perf-dd-stacks-01",
            "results/perf-dd-stacks-01-collapsed-all",
            PERIOD,
        ),
        (
            "brendangregg__FlameGraph/test",
            "perf-iperf-stacks-pidtid-01",
            "results/perf-iperf-stacks-pidtid-01-collapsed-all",
            1,
        ),
        (
            "brendangregg__FlameGraph/test",
            "perf-java-stacks-01",
            "results/perf-java-stacks-01-collapsed-all",
            1,
        ),
        (
            "brendangregg__FlameGraph/test",
            "perf-vertx-stacks-01",
            "results/perf-vertx-stacks-01-collapsed-all",
            1,
        ),
    ];
    for (folder, input, output, period) in cases {
        let Some(folder) = corpus(folder) else {
            return;
        };
        let text = std::fs::read(folder.join(format!("{input}.txt"))).unwrap();
        assert!(is_script(&text), "{input}");
        let script = read(&text[..], input).unwrap();
        let mut ours = BTreeMap::new();
        for (stack, count) in folded(&script.profiles[0]) {
            // Others leave samples without a stack out.
            if stack.contains(';') {
                *ours.entry(as_collapsed(&stack)).or_insert(0) += count * period;
            }
        }
        let output = std::fs::read_to_string(folder.join(format!("{output}.txt"))).unwrap();
        let theirs = expected(&output);
        // A function without a name is a blank to them, the file it is in to us.
        for (stack, weight) in theirs.iter().filter(|(stack, _)| !stack.contains("; ")) {
            assert_eq!(ours.get(stack), Some(weight), "{input}: {stack}");
        }
        // `stackcollapse-perf.pl` leaves out a last sample without a blank line behind it.
        let more = ours.values().sum::<u64>() - theirs.values().sum::<u64>();
        assert!(
            more == 0 || more == period && input.starts_with("perf-"),
            "{input}"
        );
        assert_eq!(script.problems, [], "{input}");
    }
}

#[test]
fn single_lines_and_empty_ones() {
    let Some(folder) = corpus("jonhoo__inferno/tests/data/collapse-perf") else {
        return;
    };
    let text = std::fs::read(folder.join("single-line-stacks.txt")).unwrap();
    let script = read(&text[..], "x").unwrap();
    let stacks: Vec<_> = folded(&script.profiles[0]).into_keys().collect();
    assert_eq!(stacks, ["false;[unknown]", "false;_dl_start"]);
    let text = std::fs::read(folder.join("empty-line.txt")).unwrap();
    let script = read(&text[..], "x").unwrap();
    assert_eq!(
        folded(&script.profiles[0]),
        BTreeMap::from([("inline-counter;main".to_owned(), 2)])
    );
}

#[test]
fn every_sample_of_flamescope_is_where_its_name_says() {
    let Some(path) = corpus("Netflix__flamescope/examples/perf.test01") else {
        return;
    };
    let script = read(std::fs::File::open(path).unwrap(), "x").unwrap();
    let profile = &script.profiles[0];
    // Two lines were cut by whoever wrote the file by hand.
    let lines: Vec<_> = script.problems.iter().map(|problem| problem.line).collect();
    assert_eq!(lines, [122, 176]);
    let start = profile.span_ns.unwrap().0 / 1_000_000_000;
    for sample in &profile.samples {
        let leaf = profile.stacks.innermost_first(sample.stack).next().unwrap();
        let function = &profile.symbols.get(leaf).unwrap().function;
        let number = |after: &str, before: &str| -> Option<u64> {
            function
                .split_once(after)?
                .1
                .split_once(before)?
                .0
                .parse()
                .ok()
        };
        let Some(second) = number("time_", "s") else {
            continue;
        };
        let at = sample.time_ns.unwrap();
        assert_eq!(at / 1_000_000_000 - start, second, "{function}");
        let offset = number("offset_", "ms").unwrap();
        assert_eq!(at % 1_000_000_000 / 1_000_000, offset, "{function}");
    }
}
