//! The members of the bundle: `perf.data`, and beside it tables as JSON lines. `docs/bundle-format.md`
//! tells what their fields mean.

use std::collections::HashMap;
use std::io;

use freezeframe_bundle::Outcome;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::event::Feature;
use super::module::{Kind, ModuleId};
use super::perf_data::{self, build_id_text};
use super::resolve::{Answer, Wanted};
use super::sampling::Sampling;
use super::settings::Settings;
use super::switches::Switched;
use super::wire::CallGraph;

/// All that there is to tell.
pub(crate) struct Findings<'a> {
    pub(crate) sampling: &'a Sampling,
    pub(crate) switched: &'a Switched,
    pub(crate) settings: Settings,
    pub(crate) frequency: u64,
    pub(crate) requested_frequency: u64,
    pub(crate) call_graph: CallGraph,
    pub(crate) hits: &'a [Wanted],
    /// At the places of `hits`.
    pub(crate) answers: &'a [Option<Answer>],
    /// From and until when, by `CLOCK_MONOTONIC`.
    pub(crate) span_us: (u64, u64),
    pub(crate) names_us: u64,
    /// Processes that hung when they were looked at.
    pub(crate) hung: u32,
    pub(crate) shares_pids: bool,
    pub(crate) cpus_online: u32,
}

/// Takes a member, in pieces.
type Take<'a> = &'a mut dyn FnMut(&str, Outcome, &[&[u8]]) -> io::Result<()>;

/// Gives every member.
pub(crate) fn send(findings: &Findings<'_>, take: Take<'_>) -> io::Result<()> {
    let (symbols, unnamed) = symbols(findings);
    take(
        "perf/meta.json",
        Outcome::Complete,
        &[&line(&meta(findings, unnamed))],
    )?;
    take("perf/symbols.jsonl", names_outcome(findings), &[&symbols])?;
    take(
        "perf/modules.jsonl",
        Outcome::Complete,
        &[&modules(findings)],
    )?;
    take(
        "perf/mappings.jsonl",
        tables_outcome(findings),
        &[&mappings(findings)],
    )?;
    take(
        "perf/processes.jsonl",
        tables_outcome(findings),
        &[&processes(findings)],
    )?;
    let sampling = findings.sampling;
    let mut answers = findings.answers.iter().flatten();
    let kernel = answers.find_map(|answer| answer.kernel);
    let cpus = findings.cpus_online;
    let around = perf_data::around(
        &sampling.attributes,
        &sampling.tables,
        kernel,
        sampling.kept.bytes as u64,
        (cpus, cpus),
    );
    let mut pieces = vec![&around.head[..]];
    pieces.extend(sampling.kept.chunks.iter().map(Vec::as_slice));
    pieces.push(&around.tail);
    take("perf/perf.data", data_outcome(findings), &pieces)?;
    let switched = findings.switched;
    let around = switched.around(sampling, kernel, cpus);
    let pieces = around
        .as_ref()
        .map(|a| [&a.head, switched.records(), &a.tail]);
    let pieces = pieces.as_ref().map_or(&[][..], |pieces| pieces);
    take("perf/switches.data", switched.outcome(), pieces)
}

/// Samples that are missing.
fn lost(sampling: &Sampling) -> u64 {
    let counted: Option<u64> = sampling.cpus.iter().map(|cpu| cpu.lost).sum();
    counted.unwrap_or(sampling.counts.lost_records)
}

fn data_outcome(findings: &Findings<'_>) -> Outcome {
    let sampling = findings.sampling;
    let mut missing = Vec::new();
    let lost = lost(sampling) + sampling.counts.no_room;
    if lost > 0 {
        missing.push(format!(
            "{lost} of {} samples lost",
            sampling.counts.samples + lost
        ));
    }
    if !sampling.refused.is_empty() {
        missing.push(format!(
            "{} CPUs could not be sampled",
            sampling.refused.len()
        ));
    }
    if !sampling.attributes.has(Feature::Kernel) {
        missing.push("only user space could be sampled".to_owned());
    }
    if !findings.shares_pids {
        missing.push("collect is in a pid namespace of its own, processes outside have pid 0: run it with hostPID".to_owned());
    }
    outcome(&missing)
}

fn names_outcome(findings: &Findings<'_>) -> Outcome {
    let mut missing = Vec::new();
    let is_hidden = findings
        .answers
        .iter()
        .flatten()
        .any(|answer| answer.is_hidden);
    if is_hidden {
        missing.push("kernel symbols are hidden: kernel.kptr_restrict".to_owned());
    }
    let left = findings
        .answers
        .iter()
        .filter(|answer| answer.is_none())
        .count();
    if left > 0 {
        missing.push(format!("{left} files could not be read in time"));
    }
    outcome(&missing)
}

fn tables_outcome(findings: &Findings<'_>) -> Outcome {
    let mut missing = Vec::new();
    if findings.hung > 0 {
        missing.push(format!("{} processes hung when looked at", findings.hung));
    }
    if findings.sampling.tables.left_out > 0 {
        missing.push(format!(
            "{} entries found no room",
            findings.sampling.tables.left_out
        ));
    }
    outcome(&missing)
}

fn outcome(missing: &[String]) -> Outcome {
    if missing.is_empty() {
        Outcome::Complete
    } else {
        Outcome::Partial(missing.join(", "))
    }
}

fn meta(findings: &Findings<'_>, unnamed: u64) -> Value {
    let sampling = findings.sampling;
    let counts = sampling.counts;
    let cpus = sampling.cpus.iter().map(|cpu| {
        let mut entry = Map::new();
        entry.insert("cpu".to_owned(), cpu.number.into());
        entry.insert("lost".to_owned(), cpu.lost.into());
        for (name, time) in [("online_us", cpu.online_us), ("offline_us", cpu.offline_us)] {
            if let Some(time) = time {
                entry.insert(name.to_owned(), time.into());
            }
        }
        Value::Object(entry)
    });
    let refused = sampling.refused.iter();
    let refused = refused.map(|cpu| json!({ "cpu": cpu.number, "error": cpu.error }));
    let frames: u64 = findings.hits.iter().map(Wanted::frames).sum();
    json!({
        "event": sampling.attributes.event,
        "refused": sampling.refusals,
        "without": sampling.attributes.without,
        "frequency_hz": findings.frequency,
        "requested_frequency_hz": findings.requested_frequency,
        "call_graph": findings.call_graph,
        "stack_bytes": sampling.backlog.as_ref().map(|_| sampling.attributes.stack_bytes),
        "unwinding": sampling.backlog.as_ref().map(|backlog| &backlog.counts),
        "ring_bytes": sampling.ring_bytes,
        "clock": if sampling.attributes.has(Feature::Clock) { "monotonic" } else { "sched_clock" },
        "started_us": findings.span_us.0,
        "ended_us": findings.span_us.1,
        "samples": counts.samples,
        "lost": lost(sampling),
        "lost_records": counts.lost_records,
        "dropped": counts.no_room,
        "dropped_records": counts.records_no_room,
        "throttled": counts.throttled,
        "chains_broken": counts.broken,
        "frames": frames + counts.not_counted,
        "frames_not_counted": counts.not_counted,
        "frames_unnamed": unnamed,
        "cpus": cpus.collect::<Value>(),
        "refused_cpus": refused.collect::<Value>(),
        "shares_pids": findings.shares_pids,
        "processes_hung": findings.hung,
        "entries_left_out": sampling.tables.left_out,
        "names_us": findings.names_us,
        "kernel_symbols_hidden": findings.answers.iter().flatten().any(|answer| answer.is_hidden),
        "settings": findings.settings,
        "switches": findings.switched.meta(),
    })
}

/// A line of `symbols.jsonl`.
#[derive(Serialize)]
struct SymbolLine<'a> {
    module: ModuleId,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    offset: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<u64>,
    hits: &'a [(u64, u64)],
}

/// The lines, and how many frames have no name.
fn symbols(findings: &Findings<'_>) -> (Vec<u8>, u64) {
    let mut bytes = Vec::new();
    let mut unnamed = 0;
    for (wanted, answer) in findings.hits.iter().zip(findings.answers) {
        for symbol in answer.iter().flat_map(|answer| &answer.symbols) {
            bytes.extend(line(&SymbolLine {
                module: wanted.module,
                name: Some(&symbol.name),
                from: Some(&symbol.from),
                address: Some(symbol.address),
                offset: symbol.offset,
                size: Some(symbol.size).filter(|size| *size > 0),
                hits: &symbol.hits,
            }));
        }
        let hits = answer
            .as_ref()
            .map_or(&wanted.hits, |answer| &answer.unnamed);
        if !hits.is_empty() {
            unnamed += hits.iter().map(|(_, frames)| frames).sum::<u64>();
            bytes.extend(line(&SymbolLine {
                module: wanted.module,
                name: None,
                from: None,
                address: None,
                offset: None,
                size: None,
                hits,
            }));
        }
    }
    (bytes, unnamed)
}

fn modules(findings: &Findings<'_>) -> Vec<u8> {
    let places = findings.hits.iter().zip(findings.answers);
    let answers: HashMap<ModuleId, _> = places
        .map(|(hits, answer)| (hits.module, (hits, answer)))
        .collect();
    let mut bytes = Vec::new();
    for (id, module) in (0..).zip(&findings.sampling.tables.modules) {
        if module.same_as.is_some() {
            continue;
        }
        let (hits, answer) = match answers.get(&id) {
            Some((hits, answer)) => (Some(*hits), answer.as_ref()),
            None => (None, None),
        };
        let own = answer.and_then(|answer| answer.build_id.clone());
        let why = match (hits, answer) {
            (Some(_), None) => Some("it could not be read in time".to_owned()),
            (_, answer) => answer.and_then(|answer| answer.why.clone()),
        };
        let mut entry = Map::new();
        let mut put = |name: &str, value: Value| {
            if !value.is_null() {
                entry.insert(name.to_owned(), value);
            }
        };
        put("module", id.into());
        put(
            "kind",
            match module.kind {
                Kind::Kernel => "kernel",
                Kind::Vdso => "vdso",
                Kind::File => "file",
                Kind::PerfMap { .. } => "generated",
            }
            .into(),
        );
        put("path", module.path.clone().into());
        if let Kind::PerfMap { pid } = module.kind {
            put("pid", pid.into());
        }
        put(
            "build_id",
            own.or_else(|| build_id_text(module.build_id.as_ref()))
                .into(),
        );
        if let Some(key) = module.key {
            put("device", format!("{}:{}", key.major, key.minor).into());
            put("inode", key.inode.into());
        }
        put("size_bytes", module.size_bytes.into());
        put("modified_us", module.modified_us.into());
        if module.is_deleted {
            put("deleted", true.into());
        }
        put("frames", hits.map(Wanted::frames).into());
        put("why", why.into());
        bytes.extend(line(&entry));
    }
    bytes
}

fn mappings(findings: &Findings<'_>) -> Vec<u8> {
    let tables = &findings.sampling.tables;
    let mut bytes = Vec::new();
    for (pid, process) in &tables.processes {
        for mapping in &process.mappings {
            let mut entry = json!({
                "pid": pid,
                "start": mapping.start,
                "end": mapping.end,
                "offset": mapping.offset,
                "module": tables.canonical(mapping.module),
            });
            if mapping.since > 0
                && let Some(entry) = entry.as_object_mut()
            {
                entry.insert("since_ns".to_owned(), mapping.since.into());
            }
            bytes.extend(line(&entry));
        }
    }
    bytes
}

fn processes(findings: &Findings<'_>) -> Vec<u8> {
    let tables = &findings.sampling.tables;
    let cgroup_ids: HashMap<&str, u64> = tables
        .cgroup_paths
        .iter()
        .map(|(id, path)| (path.as_str(), *id))
        .collect();
    let mut threads: HashMap<u32, Map<String, Value>> = HashMap::new();
    for (tid, (pid, comm)) in &tables.threads {
        if let Some(comm) = comm {
            threads
                .entry(*pid)
                .or_default()
                .insert(tid.to_string(), comm.clone().into());
        }
    }
    let mut bytes = Vec::new();
    for (pid, process) in &tables.processes {
        let mut entry = Map::new();
        let mut put = |name: &str, value: Value| {
            if !value.is_null() {
                entry.insert(name.to_owned(), value);
            }
        };
        put("pid", (*pid).into());
        put("parent", process.parent.into());
        put("comm", process.comm.clone().into());
        let cgroups = process
            .cgroups
            .as_ref()
            .map(|text| text.lines().collect::<Vec<_>>());
        let unified = cgroups
            .as_ref()
            .and_then(|lines| lines.iter().find_map(|l| l.strip_prefix("0::")));
        put(
            "cgroup_id",
            unified
                .and_then(|path| cgroup_ids.get(path).copied())
                .into(),
        );
        put("cgroups", cgroups.into());
        put("namespace_pid", process.namespace_pid.into());
        put("start_ticks", process.start_ticks.into());
        put("forked_ns", process.forked.into());
        put("executed_ns", process.executed.into());
        if process.is_kernel_thread {
            put("kernel_thread", true.into());
        }
        if process.hung {
            put("hung", true.into());
        }
        if let Some(threads) = threads.remove(pid) {
            put("threads", Value::Object(threads));
        }
        bytes.extend(line(&entry));
    }
    bytes
}

fn line(value: &impl Serialize) -> Vec<u8> {
    let mut bytes = serde_json::to_vec(value).unwrap_or_default();
    bytes.push(b'\n');
    bytes
}
