//! Runs the plan: every source in its turn, readings of the window in between, and at the end, on
//! time, the seal. Whatever happens in a source stays in its outcome.

use std::any::Any;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::Context;
use freezeframe_bundle::{Outcome, SourceRecord, Summary, Writer};

use crate::cli::Services;
use crate::encrypt::Sink;
use crate::output::{Gauge, Output};
use crate::perf::{CallGraph, Sampler};
use crate::redact::Redactor;
use crate::source::Source;
use crate::stop::Stop;
use crate::worker::Pool;
use crate::{clock, cost};

mod context;
mod errand;
mod exchange;
mod hang;
mod read;
mod store;

pub(crate) use context::Cx;
pub(crate) use errand::{Brought, Errand};
pub(crate) use read::{FILE, Part};

/// How long and how much a capture may be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Time between first and last reading; zero: one reading.
    pub(crate) window: Duration,
    /// CPU samples per second and CPU.
    pub(crate) frequency: u64,
    /// How callers in user space are found.
    pub(crate) call_graph: CallGraph,
    /// After this the bundle is sealed as it stands.
    pub(crate) deadline: Duration,
    /// Size of the whole bundle.
    pub(crate) max_bytes: u64,
    /// Memory of each process of the collector.
    pub(crate) max_memory_bytes: u64,
}

/// Where the entries go, and what happens to them before.
pub(crate) struct Bundle {
    /// Writes them.
    pub(crate) writer: Writer<Sink>,
    /// How far the output is.
    pub(crate) gauge: Rc<Gauge>,
    /// Takes their secrets out.
    pub(crate) redactor: Redactor,
}

/// The processes of a capture, which were forked before it opened anything.
pub(crate) struct Staff {
    /// Those that read.
    pub(crate) pool: Pool,
    /// The one that samples CPUs, where there is to be a profile.
    pub(crate) sampler: Option<Sampler>,
    /// How services are to be reached.
    pub(crate) services: Services,
}

/// Tells a person how far it is.
pub(crate) type Progress<'a> = &'a mut dyn FnMut(&SourceRecord);

/// What a finished capture leaves.
pub(crate) struct Sealed {
    /// Where the bytes went, not yet durable.
    pub(crate) output: Output,
    /// What the bundle says at its end.
    pub(crate) summary: Summary,
    /// Whether a read that hangs would have cost itself alone.
    pub(crate) was_protected: bool,
}

/// State of one source during a capture.
struct Run {
    source: &'static Source,
    started_us: u64,
    took: Duration,
    entries: u64,
    bytes: u64,
    reads: BTreeMap<String, u64>,
    /// Reads that were given up before they began, and why.
    left_out: BTreeMap<&'static str, u64>,
    /// Names of the first degraded reads, for the outcome.
    example: Option<String>,
    /// What the source or its panic said.
    verdict: Option<Outcome>,
    began: bool,
}

impl Run {
    fn new(source: &'static Source) -> Self {
        Self {
            source,
            started_us: 0,
            took: Duration::ZERO,
            entries: 0,
            bytes: 0,
            reads: BTreeMap::new(),
            left_out: BTreeMap::new(),
            example: None,
            verdict: None,
            began: false,
        }
    }

    fn record(&self) -> SourceRecord {
        SourceRecord {
            id: self.source.id.to_owned(),
            outcome: self.outcome(),
            started_us: self.started_us,
            took_us: self.took.as_micros() as u64,
            entries: self.entries,
            bytes: self.bytes,
            reads: self.reads.clone(),
        }
    }

    /// The outcome of the source follows from its reads, unless it said one itself.
    fn outcome(&self) -> Outcome {
        let degraded = ["denied", "timed_out", "failed", "partial", "skipped"];
        let is_degraded = degraded.iter().any(|name| self.reads.contains_key(*name));
        match &self.verdict {
            // What could not be read may be there all the same.
            Some(Outcome::Absent(_)) if is_degraded => {}
            Some(verdict) => return verdict.clone(),
            None => {}
        }
        if !self.began {
            return Outcome::Skipped("the capture ended before its turn".to_owned());
        }
        let mut reasons: Vec<String> = degraded
            .iter()
            .filter_map(|name| self.reads.get(*name).map(|count| format!("{count} {name}")))
            .collect();
        reasons.extend(
            self.left_out
                .iter()
                .map(|(why, count)| format!("{count} left out: {why}")),
        );
        if !reasons.is_empty() {
            let example = self
                .example
                .as_ref()
                .map(|e| format!(" (first: {e})"))
                .unwrap_or_default();
            return Outcome::Partial(format!("{}{example}", reasons.join(", ")));
        }
        if self.entries == 0 {
            return Outcome::Absent("nothing of it is on this node".to_owned());
        }
        Outcome::Complete
    }
}

/// Runs the plan and seals the bundle.
pub(crate) fn run(
    staff: Staff,
    plan: &[&'static Source],
    limits: Limits,
    stop: &Stop,
    bundle: Bundle,
    progress: Progress<'_>,
) -> anyhow::Result<Sealed> {
    let began = Instant::now();
    let mut runs: Vec<Run> = plan.iter().map(|source| Run::new(source)).collect();
    let mut engine = Engine {
        cx: Cx::new(staff, limits, stop, bundle, began),
        phases: Vec::new(),
    };
    let ended_by = engine.run(&mut runs, limits, began, progress);
    let Engine { cx, mut phases } = engine;
    let was_protected = cx.pool.is_protected();
    let (mut writer, tally, workers, failure) = cx.into_parts();
    if let Some(error) = failure {
        return Err(error).context("cannot write the bundle");
    }
    phases.push(("total".to_owned(), began.elapsed().as_micros() as u64));
    writer.end_batch().context("cannot write the bundle")?;
    let mut cost = cost::measure(began.elapsed(), tally, workers, phases);
    cost.bundle_bytes = writer.sink_bytes();
    let summary = Summary {
        finished: ended_by == "plan",
        ended_by,
        ended: clock::now(),
        sources: runs.iter().map(Run::record).collect(),
        cost,
        batches: Vec::new(),
    };
    let output = writer
        .seal(summary.clone())
        .and_then(Sink::finish)
        .context("cannot write the bundle")?;
    Ok(Sealed {
        output,
        summary,
        was_protected,
    })
}

/// What a panic means for the source that it was in.
pub(crate) fn panicked(panic: &(dyn Any + Send)) -> Outcome {
    let message = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("no message");
    Outcome::Failed(format!("a bug in this source: {message}"))
}

struct Engine<'a> {
    cx: Cx<'a>,
    phases: Vec<(String, u64)>,
}

impl Engine<'_> {
    /// First readings in the order of the plan, without idling while the window runs; the last
    /// reading as soon as the window has passed. Returns what ended it.
    fn run(
        &mut self,
        runs: &mut [Run],
        limits: Limits,
        began: Instant,
        progress: Progress<'_>,
    ) -> String {
        let window_ends = began + limits.window;
        let mut again_pending = !limits.window.is_zero();
        self.cx
            .each_second(runs.iter().map(|run| run.source), began);
        let phase = Instant::now();
        for place in 0..runs.len() {
            if again_pending && Instant::now() >= window_ends {
                self.again(runs, limits.window, progress);
                again_pending = false;
            }
            if self.cx.is_over() {
                break;
            }
            let Some(run) = runs.get_mut(place) else {
                break;
            };
            self.read(run, run.source.capture);
            let comes_later =
                self.cx.is_sampling(run.source.id) || self.cx.has_errands(run.source.id);
            if !comes_later {
                progress(&run.record());
            }
        }
        self.phase("first reading", phase);
        if again_pending {
            let phase = Instant::now();
            self.cx.wait_until(window_ends);
            self.phase("waiting for the window's end", phase);
            if !self.cx.is_over() {
                self.again(runs, limits.window, progress);
            }
        }
        let phase = Instant::now();
        self.cx.finish_errands();
        for run in runs.iter_mut().filter(|run| run.began) {
            if self.cx.settle(run) {
                progress(&run.record());
            }
        }
        self.phase("waiting for services", phase);
        for run in runs.iter_mut().filter(|run| run.began) {
            if self.cx.is_sampling(run.source.id) {
                let why = "the capture ended before the profile was complete";
                run.verdict = Some(Outcome::Skipped(why.to_owned()));
            }
        }
        self.cx.ended_by().unwrap_or("plan").to_owned()
    }

    /// The reading at the end of the window.
    fn again(&mut self, runs: &mut [Run], window: Duration, progress: Progress<'_>) {
        let phase = Instant::now();
        self.cx.last_reading(window.as_secs() as u32);
        self.cx.stop_sampling();
        // The profile comes last: its names are looked up while the others read.
        let is_profile = |run: &Run| run.source.id == crate::perf::SOURCE_ID;
        let (profile, others): (Vec<_>, Vec<_>) = runs
            .iter_mut()
            .filter(|run| run.began)
            .partition(|run| is_profile(run));
        for run in others.into_iter().chain(profile) {
            if let Some(again) = run.source.again {
                if self.cx.is_over() {
                    *run.left_out
                        .entry("the capture ended before the second reading")
                        .or_default() += 1;
                    continue;
                }
                let was_sampling = self.cx.is_sampling(run.source.id);
                self.read(run, again);
                if was_sampling {
                    progress(&run.record());
                }
            }
        }
        self.cx.first_reading();
        self.phase("second reading", phase);
    }

    /// One reading of one source. A panic costs this source alone.
    fn read(&mut self, run: &mut Run, capture: crate::source::Capture) {
        let began = Instant::now();
        if !run.began {
            run.began = true;
            run.started_us = clock::boottime_us();
        }
        self.cx.enter(run, began);
        let result = catch_unwind(AssertUnwindSafe(|| capture(&mut self.cx)));
        self.cx.leave(run);
        match result {
            Ok(Ok(())) => {}
            Ok(Err(outcome)) => run.verdict = Some(outcome),
            Err(panic) => run.verdict = Some(panicked(&*panic)),
        }
        run.took += began.elapsed();
    }

    fn phase(&mut self, name: &str, began: Instant) {
        self.phases
            .push((name.to_owned(), began.elapsed().as_micros() as u64));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::redact::Level;
    use crate::root::Root;
    use crate::source::{Estimate, Hazard, Privacy};

    const NOTHING: Source = Source {
        id: "nothing",
        order: 1,
        about: "",
        reads: &[],
        hazard: Hazard::Safe,
        privacy: Privacy::Names,
        deadline: Duration::from_secs(5),
        max_bytes: 1 << 20,
        estimate: Estimate::Fixed(1),
        capture: |_| Ok(()),
        again: None,
        each_second: &[],
        calls: &[],
    };

    static BROKEN: Source = Source {
        id: "broken",
        capture: |_| panic!("an index out of bounds"),
        ..NOTHING
    };

    static WHOLE: Source = Source {
        id: "whole",
        capture: |cx| {
            cx.try_files("/etc", &["hostname"]);
            Ok(())
        },
        ..NOTHING
    };

    /// Runs sources on a folder; the records of the sources.
    fn run_sources(plan: &[&'static Source]) -> Vec<SourceRecord> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("etc")).unwrap();
        std::fs::write(folder.path().join("etc/hostname"), "node1\n").unwrap();
        let deadline = Instant::now() + Duration::from_secs(20);
        let path = folder.path().join("x.tar.zst");
        let output = Output::create(Some(&path), "x", "tar.zst", deadline).unwrap();
        let gauge = output.gauge();
        let sink = Sink::new(output, &[]).unwrap();
        let capture = serde_json::json!({
            "format": freezeframe_bundle::FormatVersion::CURRENT, "collector": "0", "node": "n",
            "started": freezeframe_bundle::Clocks::default(), "kernel_release": "",
            "kernel_version": "", "machine": "", "page_size_bytes": 4096, "ticks_per_second": 100,
            "command_line": [], "root": "/", "window_seconds": 0, "deadline_seconds": 20,
            "user_id": 0, "capabilities": "", "plan": [],
        });
        let capture = serde_json::from_value(capture).unwrap();
        let bundle = Bundle {
            writer: Writer::new(sink, "x", &capture).unwrap(),
            gauge,
            redactor: Redactor::with_random_salt(Level::Default).unwrap(),
        };
        let limits = Limits {
            window: Duration::ZERO,
            frequency: 99,
            call_graph: CallGraph::Fp,
            deadline: Duration::from_secs(20),
            max_bytes: 1 << 30,
            max_memory_bytes: 1 << 30,
        };
        let staff = Staff {
            pool: Pool::start(Root::open(folder.path()).unwrap()),
            sampler: None,
            services: Services::default(),
        };
        let stop = Stop::default();
        let sealed = run(staff, plan, limits, &stop, bundle, &mut |_| {}).unwrap();
        sealed.output.finish().unwrap();
        sealed.summary.sources
    }

    #[test]
    fn a_bug_costs_its_source_alone() {
        let records = run_sources(&[&BROKEN, &WHOLE]);
        let Outcome::Failed(why) = &records[0].outcome else {
            panic!("{records:?}");
        };
        assert!(why.contains("an index out of bounds"), "{why}");
        assert_eq!(records[1].outcome, Outcome::Complete);
    }

    #[test]
    fn a_worker_that_dies_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("file"), "bytes").unwrap();
        let mut pool = Pool::start(Root::open(folder.path()).unwrap());
        assert_eq!(pool.read(b"/file", 10).as_deref(), Some(&b"bytes"[..]));
        pool.interrupt();
        assert_eq!(pool.read(b"/file", 10).as_deref(), Some(&b"bytes"[..]));
        assert!(pool.is_protected());
        pool.end();
    }
}
