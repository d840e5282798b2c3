//! Logs of containers on disk: how long each is and when something was last written to it, also of
//! those of which nothing was captured.
//!
//! ```text
//! {"path":"/var/log/pods/default_web-0_28fcb1a0-.../app/3.log","size_bytes":70172,"modified_us":1795213582380569}
//! ```

use crate::kubernetes::json::Json;
use crate::kubernetes::moment::{self, Moment};
use crate::kubernetes::paths::log_path;
use crate::table::{Damages, Decode, Input, Node, Rows, Table, bool, int, text};

/// Longest line.
const LINE_BYTES: usize = 16 << 10;

const COLUMNS: [crate::table::Column; 11] = [
    text("path", ""),
    text("pod_uid", ""),
    text("namespace", ""),
    text("pod", "its name"),
    text("container", "its name"),
    int("attempt", "restarts before it"),
    bool("is_rotated", "put aside when it had become long"),
    int("size_bytes", ""),
    text("modified_at", "when something was last written"),
    int("modified_ts_us", "since boot"),
    int("modified_age_us", "before the capture began"),
];

/// The table.
pub static TABLE: Table = Table {
    name: "container_log",
    about: "logs of containers on disk, their sizes and ages",
    columns: &COLUMNS,
    reads: &["calls/container_logs.jsonl"],
    decoder: || {
        Box::new(Logs {
            rows: Rows::new(&COLUMNS),
        })
    },
};

struct Logs {
    rows: Rows,
}

impl Decode for Logs {
    fn entry(&mut self, input: &Input<'_>, node: &Node, damages: &mut Damages) {
        for (number, line) in input.lines().filter(|(_, line)| !line.is_empty()) {
            let value = (line.len() <= LINE_BYTES)
                .then(|| serde_json::from_str(&line).ok())
                .flatten();
            let Some(value) = value else {
                damages.add(input, Some(number), "not a line of JSON");
                continue;
            };
            let told = Json::new(&value);
            let path = told.at("path").text();
            let log = path.and_then(log_path).unwrap_or_default();
            let modified = told.at("modified_us").int();
            let mut row = self.rows.add(input.entry, Some(number));
            row.set("path", path)
                .set("pod_uid", log.pod.uid)
                .set("namespace", log.pod.namespace)
                .set("pod", log.pod.name)
                .set(
                    "container",
                    Some(log.container).filter(|name| !name.is_empty()),
                )
                .set("attempt", log.attempt)
                .set(
                    "is_rotated",
                    path.map(|path| path.strip_suffix(".log").is_none()),
                )
                .set("size_bytes", told.at("size_bytes").int());
            let modified = modified.map(|realtime_us| Moment { realtime_us });
            moment::set(&mut row, "modified", modified, node);
        }
    }

    fn finish(self: Box<Self>, _: &Node, rows: &mut Rows) {
        *rows = self.rows;
    }
}

#[cfg(test)]
mod tests {
    use crate::table::testing::{csv, run};

    #[test]
    fn current_and_rotated() {
        let logs = br#"{"path":"/var/log/pods/d_web_28fcb1a0-a45c-44e7-b9bf-e3b9360bedba/app/2.log","size_bytes":30,"modified_us":1699999990000000}
{"path":"/var/log/pods/d_web_28fcb1a0-a45c-44e7-b9bf-e3b9360bedba/app/2.log.20231114-221310.gz","size_bytes":9,"modified_us":1}
"#;
        let (rows, _) = run("container_log", &[("calls/container_logs.jsonl", logs)]);
        assert_eq!(
            csv(
                &rows,
                &[
                    "pod",
                    "container",
                    "attempt",
                    "is_rotated",
                    "size_bytes",
                    "modified_age_us"
                ]
            )
            .lines()
            .next(),
            Some("web,app,2,false,30,10000000")
        );
        assert_eq!(csv(&rows, &["is_rotated"]), "false\ntrue\n");
    }
}
