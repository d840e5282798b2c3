//! Lines of logs: of the journal, and of containers.
//!
//! The journal comes in its export format (systemd.io, `JOURNAL_EXPORT_FORMATS`), containers' logs in
//! that of CRI or docker's. Where a line has a shape of its own (klog, logfmt, JSON) its level is taken
//! from there: the journal says `6` of whatever a service prints.
//!
//! ```text
//! __REALTIME_TIMESTAMP=1700000000000000
//! _SYSTEMD_UNIT=kubelet.service
//! MESSAGE=E1121 04:45:00.123456  777 kubelet.go:2477] "Skipping pod synchronization"
//!
//! 2026-11-20T22:26:22.380569713Z stderr F time="..." level=error msg="..."
//! ```

use std::rc::Rc;

use crate::kubernetes::log::{self, About};
use crate::kubernetes::moment::Moment;
use crate::table::{Damages, Decode, Input, Node, Rows, Table, int, text};

#[path = "log_line/container.rs"]
mod container;
#[path = "log_line/journal.rs"]
mod journal;

/// The table.
pub static TABLE: Table = Table {
    name: "log_line",
    about: "lines of the journal and of containers' logs, oldest first",
    columns: &[
        int("realtime_us", "since 1970"),
        int(
            "ts_us",
            "of the journal monotonic, of its own boot; of a container since this boot",
        ),
        int("age_us", "before the capture began"),
        text("source", "journal or container"),
        text("boot_id", "the boot it is of; null of containers"),
        text("unit", "unit of systemd"),
        text("component", "identifier, else the command's name"),
        int("pid", ""),
        int(
            "level",
            "0 emergency, 3 error, 4 warning, 6 information; as the line says, else the journal",
        ),
        text("caller", "file and line of the source, where it is told"),
        text(
            "message",
            "what was said, then its fields: `Probe failed pod=\"default/web-0\"`",
        ),
        text("namespace", "of the pod"),
        text(
            "pod",
            "that kubelet or runtime tell of, or whose container said it",
        ),
        text("pod_uid", ""),
        text("container", "its name"),
        text("container_id", "that kubelet or runtime tell of"),
        int("attempt", "restarts of the container before it said it"),
        text("stream", "stdout or stderr of a container"),
    ],
    reads: &["journal/*.export", "/var/log/pods/*/*/*"],
    decoder: || Box::new(LogLines::default()),
};

/// Longest message; the rest of a line is in the bundle.
const MESSAGE_BYTES: usize = 16 << 10;

#[derive(Default)]
struct LogLines {
    entries: Vec<String>,
    lines: Vec<Line>,
}

/// A line before it becomes a row.
#[derive(Default)]
struct Line {
    /// Place in the list of entries.
    entry: usize,
    line: i64,
    realtime_us: Option<i64>,
    /// Of its own boot; journal only.
    monotonic_us: Option<i64>,
    boot_id: Option<String>,
    unit: Option<String>,
    component: Option<String>,
    pid: Option<i64>,
    level: Option<i64>,
    caller: Option<String>,
    message: String,
    /// Shared by the lines of a container.
    about: Rc<About>,
    attempt: Option<i64>,
    /// Of a container; the journal has none.
    stream: Option<&'static str>,
}

impl Line {
    /// Takes what the text itself tells.
    fn say(&mut self, said: log::Said, text: String) {
        self.level = said.level.or(self.level);
        self.caller = said.caller;
        self.realtime_us = self.realtime_us.or(said.time.map(|time| time.realtime_us));
        self.message = said.message.unwrap_or(text);
        if self.message.len() > MESSAGE_BYTES {
            let mut end = MESSAGE_BYTES;
            while !self.message.is_char_boundary(end) {
                end -= 1;
            }
            self.message.truncate(end);
            self.message.shrink_to_fit();
        }
    }
}

impl Decode for LogLines {
    fn entry(&mut self, input: &Input<'_>, _: &Node, damages: &mut Damages) {
        let entry = self.entries.len();
        self.entries.push(input.entry.to_owned());
        let begin = self.lines.len();
        if input.path.starts_with("journal/") {
            journal::read(input, &mut self.lines, damages);
        } else {
            container::read(input, &mut self.lines, damages);
        }
        for line in self.lines.iter_mut().skip(begin) {
            line.entry = entry;
        }
    }

    fn finish(self: Box<Self>, node: &Node, rows: &mut Rows) {
        let mut lines = self.lines;
        lines.sort_by_key(|line| line.realtime_us);
        for line in lines {
            let moment = line.realtime_us.map(|realtime_us| Moment { realtime_us });
            let entry = self.entries.get(line.entry).map_or("", String::as_str);
            let is_container = line.stream.is_some();
            let since_boot = moment.filter(|_| is_container);
            let since_boot = since_boot.and_then(|moment| moment.ts_us(node));
            rows.add(entry, Some(line.line))
                .set("realtime_us", line.realtime_us)
                .set("ts_us", line.monotonic_us.or(since_boot))
                .set("age_us", moment.and_then(|moment| moment.age_us(node)))
                .set("source", if is_container { "container" } else { "journal" })
                .set("boot_id", line.boot_id)
                .set("unit", line.unit)
                .set("component", line.component)
                .set("pid", line.pid)
                .set("level", line.level)
                .set("caller", line.caller)
                .set("message", line.message)
                .set("namespace", line.about.namespace.clone())
                .set("pod", line.about.pod.clone())
                .set("pod_uid", line.about.uid.clone())
                .set("container", line.about.container.clone())
                .set("container_id", line.about.container_id.clone())
                .set("attempt", line.attempt)
                .set("stream", line.stream);
        }
    }
}

#[cfg(test)]
#[path = "log_line/tests.rs"]
mod tests;
