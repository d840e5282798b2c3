//! The verbs.

use std::io::{self, Write};
use std::time::{Duration, Instant};

use anyhow::Context;
use freezeframe_bundle::{Capture, FormatVersion, PlannedSource, SourceRecord, Summary, Writer};

use crate::capture::{self, Limits, Staff};
use crate::cli::{PlanArgs, RunArgs};
use crate::encrypt::Sink;
use crate::output::Output;
use crate::perf::{self, Sampler};
use crate::plan::{self, Census};
use crate::redact::{Redactor, Shape};
use crate::root::Root;
use crate::source::Source;
use crate::stop::Stop;
use crate::worker::Pool;
use crate::{clock, cost, standing};

/// Some source failed, timed out or was cut short.
const DEGRADED: u8 = 3;
/// Measured on a busy node: one read with its share of hashing and compression.
const READ_COST: Duration = Duration::from_micros(40);
/// Mean size of an entry, measured on nodes of 200 to 5,000 processes.
const ENTRY_BYTES: u64 = 600;
/// A name has 64 bytes at most (`HOST_NAME_MAX`); a file may begin with a comment.
const HOST_NAME_BYTES: usize = 256;

/// `collect run`.
pub(crate) fn run(args: &RunArgs, stop: &Stop, is_terminal: bool) -> anyhow::Result<u8> {
    let plan = plan::select(&args.plan)?;
    // Before anything is opened: a process that is left behind must hold nothing of it.
    let is_profiled = args.window > 0 && plan.iter().any(|source| source.id == perf::SOURCE_ID);
    let sampler = is_profiled.then(|| Sampler::prepare().ok()).flatten();
    let mut pool = Pool::start(open_root(&args.plan)?);
    let mut redactor = Redactor::with_random_salt(args.redact)
        .context("no random numbers for the redaction: use --redact none, and share with care")?;
    let mut capture = describe(args, &mut pool, &plan);
    let stat = pool.read(b"/proc/2/stat", HOST_NAME_BYTES);
    let lack = standing::lacks_processes(stat.as_deref());
    capture.lacks.extend(lack);
    capture.node = redactor.node_name(capture.node);
    capture.command_line = without_secrets(&redactor, capture.command_line);
    let top = format!(
        "{}-{}",
        capture.node,
        clock::stamp(capture.started.realtime_us)
    );
    let lacks = capture.lacks.clone();
    let deadline = Instant::now() + Duration::from_secs(args.deadline);
    let suffix = if args.encrypt_to.is_empty() {
        "tar.zst"
    } else {
        "tar.zst.age"
    };
    let output = Output::create(args.output.as_deref(), &top, suffix, deadline)?;
    let (shown, gauge) = (output.shown(), output.gauge());
    let sink = Sink::new(output, &args.encrypt_to)?;
    let writer = Writer::new(sink, &top, &capture)
        .with_context(|| format!("cannot write `{shown}`: is the disk full? try -o - | ssh"))?;
    let bundle = capture::Bundle {
        writer,
        gauge,
        redactor,
    };
    let limits = Limits {
        window: Duration::from_secs(args.window),
        frequency: args.frequency,
        call_graph: args.call_graph,
        deadline: Duration::from_secs(args.deadline),
        max_bytes: args.max_bytes,
        max_memory_bytes: args.max_memory,
    };
    let mut show = Show::new(args, is_terminal, plan.len());
    let staff = Staff {
        pool,
        sampler,
        services: args.services.clone(),
    };
    let sealed = capture::run(staff, &plan, limits, stop, bundle, &mut |record| {
        show.source(record);
    })
    .with_context(|| format!("what was captured until then is in `{shown}`"))?;
    let written = sealed.output.gauge().written_bytes();
    let path = sealed.output.finish()?;
    if !sealed.was_protected && !args.quiet {
        eprintln!("! no process could be forked: a read that hangs would have hung the capture");
    }
    show.end(&sealed.summary, &lacks);
    if path.is_none() && !args.quiet {
        // Whoever receives a stream from afar can tell by this line whether all of it arrived.
        eprintln!("{written} bytes to standard output");
    }
    if args.json {
        let json = serde_json::to_string_pretty(&sealed.summary)?;
        print(&format!("{json}\n"), path.is_none())?;
    } else if let Some(path) = path {
        print(&format!("{}\n", path.display()), false)?;
    }
    let complete = sealed.summary.finished
        && !sealed
            .summary
            .sources
            .iter()
            .any(|s| s.outcome.is_degraded());
    Ok(if complete { 0 } else { DEGRADED })
}

/// `collect plan`.
pub(crate) fn plan(args: &PlanArgs) -> anyhow::Result<u8> {
    let sources = plan::select(args)?;
    let root = open_root(args)?;
    let census = census(&root);
    let mut text = format!(
        "{} processes, {} cgroups\n\n",
        census.processes, census.cgroups
    );
    text += &format!(
        "{:>5}  {:<20} {:>8}  {:<10} {}\n",
        "ORDER", "SOURCE", "READS", "HAZARD", "READS FROM"
    );
    let mut reads = 0;
    for source in &sources {
        let expected = plan::expected_reads(source, census);
        reads += expected * if source.again.is_some() { 2 } else { 1 };
        let from = source.reads.first().copied().unwrap_or_default();
        let more = source.reads.len().saturating_sub(1);
        let more = if more == 0 {
            String::new()
        } else {
            format!(" and {more} more")
        };
        text += &format!(
            "{:>5}  {:<20} {expected:>8}  {:<10} {from}{more}\n",
            source.order,
            source.id,
            source.hazard.name(),
        );
    }
    text += &format!(
        "\nAbout {reads} reads, {:.1} MiB before compression, {:.1} s of CPU besides the window.\n",
        (reads * ENTRY_BYTES) as f64 / f64::from(1 << 20),
        (READ_COST * u32::try_from(reads).unwrap_or(u32::MAX)).as_secs_f64(),
    );
    print(&text, false)?;
    Ok(0)
}

/// `collect sources`.
pub(crate) fn sources() -> anyhow::Result<u8> {
    let mut text = String::new();
    for source in plan::all() {
        text += &format!("{}\n    {}\n", source.id, source.about);
        text += &format!("    reads     {}\n", source.reads.join("\n              "));
        text += &format!(
            "    order {}, hazard {}, privacy {}, deadline {} s, at most {} MiB, {}\n\n",
            source.order,
            source.hazard.name(),
            source.privacy.name(),
            source.deadline.as_secs(),
            source.max_bytes >> 20,
            if source.again.is_some() {
                "read twice"
            } else {
                "read once"
            },
        );
    }
    print(&text, false)?;
    Ok(0)
}

fn open_root(args: &PlanArgs) -> anyhow::Result<Root> {
    Root::open(&args.root)
        .with_context(|| format!("cannot open `{}` as --root", args.root.display()))
}

/// Everything that `capture.json` tells.
fn describe(args: &RunArgs, pool: &mut Pool, plan: &[&'static Source]) -> Capture {
    let uname = rustix::system::uname();
    let text = |field: &std::ffi::CStr| field.to_string_lossy().into_owned();
    let node = hostname(pool).unwrap_or_else(|| text(uname.nodename()));
    Capture {
        format: FormatVersion::CURRENT,
        collector: env!("CARGO_PKG_VERSION").to_owned(),
        node: file_name(&node),
        started: clock::now(),
        kernel_release: text(uname.release()),
        kernel_version: text(uname.version()),
        machine: text(uname.machine()),
        page_size_bytes: rustix::param::page_size() as u64,
        ticks_per_second: rustix::param::clock_ticks_per_second(),
        command_line: std::env::args().collect(),
        root: pool.root_path().display().to_string(),
        window_seconds: args.window,
        deadline_seconds: args.deadline,
        user_id: rustix::process::geteuid().as_raw(),
        capabilities: cost::capabilities(),
        redaction: args.redact.name().to_owned(),
        lacks: standing::lacks(&cost::capabilities()),
        plan: plan
            .iter()
            .map(|source| PlannedSource {
                id: source.id.to_owned(),
                order: source.order,
            })
            .collect(),
    }
}

/// The collector's own arguments.
fn without_secrets(redactor: &Redactor, arguments: Vec<String>) -> Vec<String> {
    let joined: Vec<u8> = arguments
        .iter()
        .flat_map(|argument| [argument.as_bytes(), b"\0"].concat())
        .collect();
    match redactor.redact(Shape::CommandLine, &joined) {
        None => arguments,
        Some(redacted) => String::from_utf8_lossy(&redacted.bytes)
            .split_terminator('\0')
            .map(str::to_owned)
            .collect(),
    }
}

/// The node's name: in a pod the kernel's own name would be the pod's.
fn hostname(pool: &mut Pool) -> Option<String> {
    let text = pool.read(b"/etc/hostname", HOST_NAME_BYTES)?;
    let text = String::from_utf8(text).ok()?;
    let name = text.trim();
    (!name.is_empty()).then(|| name.to_owned())
}

/// A host name as part of a file name.
fn file_name(name: &str) -> String {
    let safe = |c: char| {
        if c.is_ascii_alphanumeric() || "-._".contains(c) {
            c
        } else {
            '_'
        }
    };
    let name: String = name.chars().take(100).map(safe).collect();
    if name.trim_matches('.').is_empty() {
        "node".to_owned()
    } else {
        name
    }
}

/// Counts without reading contents.
fn census(root: &Root) -> Census {
    const LIMIT: usize = 1 << 20;
    let names = root
        .list(b"/proc", LIMIT)
        .map(|(names, _)| names)
        .unwrap_or_default();
    let is_number = |name: &&crate::root::Name| name.bytes.iter().all(u8::is_ascii_digit);
    let mut cgroups = 0;
    let mut folders = vec![b"/sys/fs/cgroup".to_vec()];
    while let Some(folder) = folders.pop() {
        cgroups += 1;
        let names = root
            .list(&folder, LIMIT)
            .map(|(names, _)| names)
            .unwrap_or_default();
        let children = names.iter().filter(|name| name.is_folder);
        folders.extend(children.map(|name| [&folder[..], b"/", &name.bytes].concat()));
    }
    Census {
        processes: names.iter().filter(is_number).count() as u64,
        cgroups,
    }
}

/// Writes data: to standard output, unless the bundle goes there.
fn print(text: &str, stdout_is_taken: bool) -> anyhow::Result<()> {
    let result = if stdout_is_taken {
        io::stderr().write_all(text.as_bytes())
    } else {
        io::stdout().write_all(text.as_bytes())
    };
    match result {
        // A reader that has seen enough is no error.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result.context("cannot write to standard output"),
    }
}

/// Tells people on standard error how it goes.
struct Show {
    each_source: bool,
    end: bool,
    count: usize,
    ended: usize,
}

impl Show {
    fn new(args: &RunArgs, is_terminal: bool, count: usize) -> Self {
        let each_source = !args.quiet && (args.verbose || is_terminal);
        Self {
            each_source,
            end: !args.quiet,
            count,
            ended: 0,
        }
    }

    fn source(&mut self, record: &SourceRecord) {
        self.ended += 1;
        if !self.each_source {
            return;
        }
        let mark = if record.outcome.is_degraded() {
            "!"
        } else {
            "-"
        };
        let kilobytes = record.bytes.div_ceil(1024);
        let milliseconds = record.took_us / 1000;
        let name = record.outcome.name();
        eprintln!(
            "{mark} {:>2}/{} {:<20} {name:<9} {:>7} entries {kilobytes:>7} KiB {milliseconds:>6} ms",
            self.ended, self.count, record.id, record.entries,
        );
    }

    fn end(&self, summary: &Summary, lacks: &[String]) {
        if !self.end {
            return;
        }
        for lack in lacks {
            eprintln!("! without {lack}; run as root, in a pod with `privileged` and `hostPID`");
        }
        for source in summary.sources.iter().filter(|s| s.outcome.is_degraded()) {
            let reason = source.outcome.reason().unwrap_or_default();
            eprintln!("! {}: {}: {reason}", source.id, source.outcome.name());
        }
        let entries: u64 = summary.sources.iter().map(|s| s.entries).sum();
        let degraded = summary
            .sources
            .iter()
            .filter(|s| s.outcome.is_degraded())
            .count();
        let cost = &summary.cost;
        let early = if summary.finished {
            String::new()
        } else {
            format!(", ended early by {}", summary.ended_by)
        };
        eprintln!(
            "{} sources ({degraded} degraded), {entries} entries, {:.1} MiB, {:.1} s, {:.2} s CPU, {} MiB memory{early}",
            summary.sources.len(),
            cost.bundle_bytes as f64 / f64::from(1 << 20),
            cost.wall_us as f64 / 1e6,
            (cost.user_us + cost.system_us) as f64 / 1e6,
            cost.peak_rss_bytes >> 20,
        );
    }
}
