//! BPF programs that the kernel runs: those of network plugins, of systemd, of monitors.

use std::time::{Duration, Instant};

use freezeframe_bundle::Outcome;
use serde::Serialize;

use crate::kernel_calls::{BpfProgram, bpf_program, next_bpf_program};
use crate::source::{Brief, Cx, Estimate, Hazard, Privacy, Source, Told};
use crate::{live, root};

/// Programs that are asked for.
const PROGRAMS: usize = 2_000;
/// 1 where the kernel counts runs.
const SWITCH: &str = "/proc/sys/kernel/bpf_stats_enabled";

/// The source.
pub(crate) static SOURCE: Source = Source {
    id: "bpf_program",
    order: 305,
    about: "loaded BPF programs, how often they ran and for how long where the kernel counts it",
    reads: &["bpf: BPF_PROG_GET_NEXT_ID, BPF_OBJ_GET_INFO_BY_FD"],
    hazard: Hazard::Costly,
    privacy: Privacy::Names,
    deadline: Duration::from_secs(3),
    max_bytes: 4 << 20,
    estimate: Estimate::Fixed(1),
    capture,
    again: Some(capture),
    each_second: &[],
    calls: &[programs],
};

fn capture(cx: &mut Cx<'_>) -> Result<(), Outcome> {
    let member = match cx.reading() {
        0 => "calls/bpf.json".to_owned(),
        n => format!("calls/bpf.{n}.json"),
    };
    cx.call(0, SWITCH.as_bytes(), &member);
    Ok(())
}

/// `calls/bpf.json`.
#[derive(Serialize)]
struct Answer {
    /// Whether the kernel counts runs; None where it does not tell.
    counts_runs: Option<bool>,
    programs: Vec<BpfProgram>,
}

fn programs(brief: &Brief<'_>) -> Told {
    if let Err(outcome) = live::is_live(brief.root) {
        return Told::none(outcome);
    }
    let mut programs = Vec::new();
    let mut last = 0;
    let outcome = loop {
        if programs.len() >= PROGRAMS || Instant::now() >= brief.ends {
            break Outcome::Partial(format!("only the first {} programs", programs.len()));
        }
        match next_bpf_program(last) {
            Ok(None) => break Outcome::Complete,
            Ok(Some(id)) if id <= last => {
                break Outcome::Partial("the kernel gave an id twice".to_owned());
            }
            Ok(Some(id)) => {
                last = id;
                // One that was unloaded meanwhile is no program any more.
                programs.extend(bpf_program(id));
            }
            Err(error) => match refused(&error) {
                outcome if last == 0 => return Told::none(outcome),
                _ => break Outcome::Partial(format!("the list ended early: {error}")),
            },
        }
    };
    let switch = brief.root.file(SWITCH.as_bytes());
    let switch = switch.and_then(std::io::read_to_string).ok();
    let answer = Answer {
        counts_runs: switch.map(|text| text.trim() == "1"),
        programs,
    };
    Told {
        bytes: serde_json::to_vec(&answer).unwrap_or_default(),
        outcome,
        cut: None,
    }
}

fn refused(error: &std::io::Error) -> Outcome {
    match error.raw_os_error() {
        Some(libc::ENOSYS | libc::EINVAL) => {
            Outcome::Absent("this kernel does not offer it".to_owned())
        }
        _ => match root::outcome(error) {
            Outcome::Denied(_) => {
                Outcome::Denied("needs CAP_SYS_ADMIN; CAP_BPF is not enough".to_owned())
            }
            other => other,
        },
    }
}
