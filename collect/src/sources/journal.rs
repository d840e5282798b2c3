//! The journal of kubelet, the runtimes, systemd and the kernel, and whatever was an error.
//!
//! The journal's files are read as they are: journald may be dead, and no program is executed.

use std::time::{Duration, Instant};

use freezeframe_bundle::{Cut, Kept, Outcome};

use crate::journal::{self, Budget, Entry};
use crate::source::{Brief, Cx, Estimate, Hazard, Privacy, Source, Told};

const FOLDERS: [&str; 2] = ["/var/log/journal", "/run/log/journal"];
/// Export bytes: some hours of a busy kubelet.
const EXPORT_BYTES: usize = 8 << 20;
/// Entries looked at: about half a second of CPU.
const ENTRIES: usize = 40_000;
const DEADLINE: Duration = Duration::from_secs(8);
/// Parts of the names of units that a node depends on.
const UNITS: [&str; 16] = [
    "kubelet",
    "containerd",
    "docker",
    "crio",
    "k3s",
    "rke2",
    "k0s",
    "kube",
    "etcd",
    "cni",
    "calico",
    "cilium",
    "chrony",
    "node-problem-detector",
    "systemd-networkd",
    "systemd-journald",
];

/// The source.
pub(crate) static SOURCE: Source = Source {
    id: "journal",
    order: 510,
    about: "journal of kubelet, runtimes, systemd, kernel, and every error; newest first",
    reads: &[
        "/var/log/journal/*/*.journal",
        "/run/log/journal/*/*.journal",
    ],
    hazard: Hazard::Unkillable,
    privacy: Privacy::Journal,
    deadline: DEADLINE,
    max_bytes: EXPORT_BYTES as u64,
    estimate: Estimate::Fixed(1),
    capture,
    again: None,
    each_second: &[],
    calls: &[entries],
};

fn capture(cx: &mut Cx<'_>) -> Result<(), Outcome> {
    let files = files(cx);
    if files.is_empty() && !cx.is_spent() {
        let why = "no journal files are on this node";
        return Err(Outcome::Absent(why.to_owned()));
    }
    cx.call(0, files.join("\n").as_bytes(), "journal/system.export");
    Ok(())
}

/// System journals: `system.journal`, archived and dirty ones. Users' own are left alone.
fn files(cx: &mut Cx<'_>) -> Vec<String> {
    let mut files = Vec::new();
    for folder in FOLDERS {
        for machine in cx.list(folder) {
            let Some(machine) = machine.text().filter(|_| machine.is_folder) else {
                continue;
            };
            let folder = format!("{folder}/{machine}");
            let names = cx.list(&folder);
            let names = names.iter().filter_map(|name| name.text());
            let names = names.filter(|name| name.starts_with("system") && !name.contains('\n'));
            files.extend(names.map(|name| format!("{folder}/{name}")));
        }
    }
    files
}

/// Reads entries of journal files, a path a line, newest first.
fn entries(brief: &Brief<'_>) -> Told {
    let paths = String::from_utf8_lossy(brief.argument).into_owned();
    let files = paths.lines().filter_map(|path| {
        let file = brief.root.file(path.as_bytes()).ok()?;
        Some((path.to_owned(), file))
    });
    let left = brief.ends.saturating_duration_since(Instant::now());
    let budget = Budget {
        bytes: EXPORT_BYTES.min(brief.bytes),
        entries: ENTRIES,
        // A quarter of the time is kept for storing what was read.
        ends: Instant::now() + left * 3 / 4,
    };
    let harvest = journal::harvest(files.collect(), budget, wanted);
    let mut why: Vec<String> = harvest
        .damage
        .iter()
        .map(|(file, offset, reason)| format!("{file} at {offset}: {reason}"))
        .collect();
    if harvest.stopped_by == Some("the deadline") {
        why.push(format!("the deadline, after {} entries", harvest.entries));
    }
    let outcome = if why.is_empty() {
        Outcome::Complete
    } else {
        Outcome::Partial(why.join("; "))
    };
    // Only the newest are wanted: that older ones are left out is no fault.
    let cut = harvest.stopped_by.map(|_| Cut {
        kept: Kept::Tail,
        of_bytes: None,
    });
    Told {
        bytes: harvest.export,
        outcome,
        cut,
    }
}

fn wanted(entry: &Entry) -> bool {
    let is_error = entry
        .text("PRIORITY")
        .and_then(|p| p.parse::<u8>().ok())
        .is_some_and(|p| p <= 4);
    let is_kernel = entry.text("_TRANSPORT") == Some("kernel");
    let unit = entry
        .text("_SYSTEMD_UNIT")
        .or(entry.text("SYSLOG_IDENTIFIER"))
        .unwrap_or_default();
    let is_init = entry.text("_PID") == Some("1");
    is_error || is_kernel || is_init || UNITS.iter().any(|part| unit.contains(part))
}
