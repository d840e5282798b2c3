//! Where threads wait, and for how long: the event of context switches, in a file beside that of the
//! CPU profile. This is the sampler's side of the process that watches (`switch_watch.rs`).

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use freezeframe_bundle::Outcome;
use rustix::fs::{MemfdFlags, memfd_create};
use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::event::{Attributes, Event, Feature, Rate, Refusal};
use super::frame;
use super::helper::{is_ready, wait_a_moment};
use super::hits::Hits;
use super::perf_data::{self, PerfData};
use super::record;
use super::sampling::Sampling;
use super::switch_watch::{self, Places};
use super::tables::Tables;
use crate::worker;

/// Records that are kept: four times what the budget of a window of 10 s buys.
const RECORD_BYTES: u64 = 24 << 20;
/// Copies of records of the CPU profile that tell of tasks.
const SIDE_BYTES: usize = 16 << 20;
/// A report comes whole, or the one who writes it hangs.
const REPORT_PATIENCE: Duration = Duration::from_millis(100);

/// What to watch.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Begin {
    /// What the kernel did not know or allow for the CPU profile.
    pub(crate) without: Vec<Feature>,
    pub(crate) window_us: u64,
}

/// Everything to tell of it but the records.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Account {
    /// As it was opened; nothing: it never was.
    pub(crate) attributes: Option<Attributes>,
    /// Of the whole node, before it began.
    pub(crate) switches_per_second: Option<u64>,
    /// From and until when it was watched; microseconds of the records' clock.
    pub(crate) slices: Vec<(u64, u64)>,
    /// Samples and records of switches that are kept.
    pub(crate) samples: u64,
    pub(crate) records: u64,
    pub(crate) bytes: u64,
    /// Records that found no room in a ring.
    pub(crate) lost: u64,
    /// Records that found no room here.
    pub(crate) dropped: u64,
    /// CPU time of the process that watched, and the estimate of what switching threads paid.
    pub(crate) cost_us: u64,
    /// Why it ended before the window did, or did not begin.
    pub(crate) why: Option<String>,
    pub(crate) refused: Option<Refusal>,
    pub(crate) refused_cpus: Vec<(u32, String)>,
}

impl Account {
    /// A CPU that could not be watched.
    pub(crate) fn refused(&mut self, cpu: u32, error: &io::Error) {
        if self.refused_cpus.iter().all(|(known, _)| *known != cpu) {
            self.refused_cpus.push((cpu, error.to_string()));
        }
    }
}

/// What the one who watches tells from time to time.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Report {
    /// Processes and threads that were seen for the first time.
    pub(crate) tasks: Vec<(u32, u32)>,
    pub(crate) account: Account,
    pub(crate) is_last: bool,
}

/// The process that watches, as the sampler sees it. It ends when this is dropped.
pub(crate) struct Watcher {
    pid: Pid,
    socket: UnixStream,
    file: File,
    account: Account,
    is_over: bool,
}

impl Watcher {
    /// Forks the process, which waits. It is to be done before the CPU profile is opened: whoever is
    /// left behind must hold nothing of it.
    pub(crate) fn hire(proc: &OwnedFd, system: Option<&OwnedFd>) -> io::Result<Self> {
        let (socket, theirs) = UnixStream::pair()?;
        socket.set_read_timeout(Some(REPORT_PATIENCE))?;
        let file = File::from(memfd_create("switches", MemfdFlags::CLOEXEC)?);
        let places = Places {
            proc: proc.try_clone()?,
            system: system.map(OwnedFd::try_clone).transpose()?,
            file: file.try_clone()?,
            limit_bytes: RECORD_BYTES,
        };
        let ours = std::cell::RefCell::new(Some(socket));
        let pid = worker::fork(|| {
            drop(ours.take());
            u8::from(switch_watch::run(&theirs, &places).is_err())
        })?;
        let socket = ours.take().ok_or(io::ErrorKind::NotConnected)?;
        Ok(Self {
            pid,
            socket,
            file,
            account: Account::default(),
            is_over: false,
        })
    }

    /// Has it watch with what this kernel has.
    pub(crate) fn begin(&mut self, without: &[Feature], window_us: u64) {
        if without.contains(&Feature::Kernel) {
            self.give_up("only user space may be sampled");
            return;
        }
        let begin = Begin {
            without: without.to_vec(),
            window_us,
        };
        self.account.why = Some("its process did not begin".to_owned());
        if frame::send(&mut self.socket, &begin).is_err() {
            self.give_up("its process is gone");
        }
    }

    /// Where to wait for a report.
    pub(crate) fn socket(&self) -> Option<BorrowedFd<'_>> {
        (!self.is_over).then(|| self.socket.as_fd())
    }

    /// Takes the reports that are there; threads that are new are to be looked at.
    pub(crate) fn hear(&mut self, sampling: &mut Sampling) {
        while !self.is_over && is_ready(self.socket.as_fd(), Duration::ZERO) {
            match frame::receive::<Report>(&mut self.socket) {
                Ok(report) => {
                    for (pid, tid) in report.tasks {
                        sampling.sampled(pid, tid);
                    }
                    self.account = report.account;
                    self.is_over = report.is_last;
                }
                Err(_) => self.give_up("its process is gone"),
            }
        }
    }

    /// Has it end; what it has to say comes soon.
    pub(crate) fn stop(&mut self) {
        if !self.is_over {
            let _ = frame::send(&mut self.socket, &());
        }
    }

    /// Everything that was seen. One that does not answer is left alone.
    pub(crate) fn end(mut self, sampling: &mut Sampling, ends: Instant) -> Switched {
        while !self.is_over {
            let left = ends.saturating_duration_since(Instant::now());
            if !is_ready(self.socket.as_fd(), left) {
                self.give_up("its process hung");
            }
            self.hear(sampling);
        }
        let mut records = vec![0; self.account.bytes as usize];
        if let Err(error) = self.file.read_exact_at(&mut records, 0) {
            records.clear();
            self.account.why = Some(error.to_string());
        }
        Switched {
            account: std::mem::take(&mut self.account),
            records,
            broken: 0,
        }
    }

    fn give_up(&mut self, why: &str) {
        self.is_over = true;
        self.account.why = Some(why.to_owned());
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        // It may have ended, and another process have its pid.
        if let Ok(None) = waitpid(Some(self.pid), WaitOptions::NOHANG) {
            let _ = kill_process(self.pid, Signal::KILL);
            wait_a_moment(self.pid);
        }
    }
}

/// What was watched.
#[derive(Debug, Default)]
pub(crate) struct Switched {
    pub(crate) account: Account,
    /// As the kernel gave them, those of idle tasks left out.
    records: Vec<u8>,
    /// Samples whose call chain broke.
    broken: u64,
}

impl Switched {
    /// Nothing, for a reason.
    pub(crate) fn nothing(why: String) -> Self {
        let mut switched = Self::default();
        switched.account.why = Some(why);
        switched
    }

    /// Counts where its samples were.
    pub(crate) fn count(&mut self, hits: &mut Hits, tables: &Tables) {
        if let Some(attributes) = &self.account.attributes {
            self.broken = hits.count(tables, &self.records, attributes.layout());
        }
    }

    /// What goes before and behind the records; nothing where nothing was watched.
    pub(crate) fn around(
        &self,
        sampling: &Sampling,
        kernel: Option<(u64, u64)>,
        cpus: u32,
    ) -> Option<PerfData> {
        let attributes = self.account.attributes.as_ref()?;
        let side = side_records(sampling);
        let bytes = (side.len() + self.records.len()) as u64;
        let tables = &sampling.tables;
        let mut around = perf_data::around(attributes, tables, kernel, bytes, (cpus, cpus));
        around.head.extend(side);
        Some(around)
    }

    pub(crate) fn records(&self) -> &[u8] {
        &self.records
    }

    pub(crate) fn outcome(&self) -> Outcome {
        let account = &self.account;
        let mut missing: Vec<String> = account.why.iter().cloned().collect();
        if account.attributes.is_none() {
            return Outcome::Absent(missing.concat());
        }
        if account.lost > 0 {
            missing.push(format!("{} records lost", account.lost));
        }
        if !account.refused_cpus.is_empty() {
            missing.push(format!(
                "{} CPUs could not be watched",
                account.refused_cpus.len()
            ));
        }
        if missing.is_empty() {
            Outcome::Complete
        } else {
            Outcome::Partial(missing.join(", "))
        }
    }

    /// Its part of `perf/meta.json`.
    pub(crate) fn meta(&self) -> Value {
        let account = &self.account;
        let attributes = account.attributes.as_ref();
        let period = attributes.map(|attributes| match attributes.rate {
            Rate::Period(period) | Rate::Frequency(period) => period,
        });
        let lengths = account.slices.iter();
        let enabled_us: u64 = lengths
            .map(|(from, until)| until.saturating_sub(*from))
            .sum();
        let refused = account.refused_cpus.iter();
        let refused = refused.map(|(cpu, error)| json!({ "cpu": cpu, "error": error }));
        json!({
            "event": Event::ContextSwitches,
            "refused": account.refused,
            "why": account.why,
            "without": attributes.map(|attributes| &attributes.without),
            "period": period,
            "switches_per_second": account.switches_per_second,
            "slices_us": account.slices,
            "enabled_us": enabled_us,
            "samples": account.samples,
            "records": account.records,
            "lost": account.lost,
            "dropped": account.dropped,
            "chains_broken": self.broken,
            "cost_us": account.cost_us,
            "refused_cpus": refused.collect::<Value>(),
        })
    }
}

/// What the CPU profile's rings told of tasks that began, executed, mapped and ended meanwhile.
fn side_records(sampling: &Sampling) -> Vec<u8> {
    let mut side = Vec::new();
    let records = sampling.kept.chunks.iter();
    let records = records.flat_map(|chunk| record::records(chunk));
    for bytes in records.filter(|bytes| record::is_side_record(bytes)) {
        if side.len() + bytes.len() > SIDE_BYTES {
            break;
        }
        side.extend_from_slice(bytes);
    }
    side
}

#[cfg(test)]
#[path = "switches_tests.rs"]
mod tests;
