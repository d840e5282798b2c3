//! The capture itself: one row out of `capture.json` and `summary.json`.

use freezeframe_bundle::{Capture as Head, Summary};

use crate::table::{Damages, Decode, Input, Node, Rows, Table, bool, int, text};

/// The table.
pub static TABLE: Table = Table {
    name: "capture",
    about: "the capture itself: one row",
    columns: &[
        text("node", "host name"),
        text("format", "version of the bundle format"),
        text("collector", "version of the collector"),
        text("kernel_release", "as uname -r"),
        text("kernel_version", "as uname -v"),
        text("machine", "as uname -m"),
        int("started_ts_us", "begin of the capture, since boot"),
        int(
            "started_realtime_us",
            "begin of the capture, since 1970 UTC",
        ),
        int(
            "realtime_offset_us",
            "add it to a time since boot to get one since 1970",
        ),
        int(
            "monotonic_offset_us",
            "add it to a monotonic time to get one since boot",
        ),
        int("page_size_bytes", "size of a memory page"),
        int("ticks_per_second", "unit of CPU times in /proc"),
        int(
            "window_seconds",
            "between first and last reading; 0: one reading",
        ),
        int("deadline_seconds", "for the whole capture"),
        text("root", "where the node's files were found"),
        int("user_id", "effective user of the collector"),
        text("capabilities", "effective capabilities, hexadecimal"),
        text(
            "lacks",
            "rights that it lacked and what is not seen without each; a line each",
        ),
        text(
            "redaction",
            "what was taken out of texts: default, strict, none",
        ),
        text("command_line", "of the collector"),
        bool(
            "finished",
            "every planned source was tried; null: not sealed",
        ),
        text("ended_by", "`plan`, `deadline`, `max_bytes` or a signal"),
        int("wall_us", "duration of the capture"),
        int("user_us", "its CPU time in user space"),
        int("system_us", "its CPU time in the kernel"),
        int("peak_rss_bytes", "its largest resident set"),
        int("reads_count", "reads that it tried"),
        int("read_bytes", "bytes that it read"),
        int("bundle_bytes", "size of the bundle up to its summary"),
    ],
    reads: &["capture.json", "summary.json"],
    decoder: || Box::new(Capture::default()),
};

#[derive(Default)]
struct Capture {
    head: Option<Head>,
    summary: Option<Summary>,
}

impl Decode for Capture {
    fn entry(&mut self, input: &Input<'_>, _: &Node, damages: &mut Damages) {
        let result = if input.path == "capture.json" {
            serde_json::from_slice(input.bytes).map(|head| self.head = Some(head))
        } else {
            serde_json::from_slice(input.bytes).map(|summary| self.summary = Some(summary))
        };
        if let Err(error) = result {
            damages.add(input, None, error.to_string());
        }
    }

    fn finish(self: Box<Self>, _: &Node, rows: &mut Rows) {
        let Some(head) = self.head else { return };
        let clocks = head.started;
        let since_boot = i64::try_from(clocks.boottime_us).unwrap_or(i64::MAX);
        let monotonic = i64::try_from(clocks.monotonic_us).unwrap_or(i64::MAX);
        let mut row = rows.add("capture.json", None);
        row.set("node", head.node)
            .set("format", head.format.to_string())
            .set("collector", head.collector)
            .set("kernel_release", head.kernel_release)
            .set("kernel_version", head.kernel_version)
            .set("machine", head.machine)
            .set("started_ts_us", since_boot)
            .set("started_realtime_us", clocks.realtime_us)
            .set(
                "realtime_offset_us",
                clocks.realtime_us.checked_sub(since_boot),
            )
            .set("monotonic_offset_us", since_boot - monotonic)
            .set("page_size_bytes", head.page_size_bytes)
            .set("ticks_per_second", head.ticks_per_second)
            .set("window_seconds", head.window_seconds)
            .set("deadline_seconds", head.deadline_seconds)
            .set("root", head.root)
            .set("user_id", head.user_id)
            .set("capabilities", head.capabilities)
            .set(
                "lacks",
                (!head.lacks.is_empty()).then(|| head.lacks.join("\n")),
            )
            .set(
                "redaction",
                (!head.redaction.is_empty()).then_some(head.redaction),
            )
            .set("command_line", head.command_line.join(" "));
        if let Some(summary) = self.summary {
            let cost = summary.cost;
            row.set("finished", summary.finished)
                .set("ended_by", summary.ended_by)
                .set("wall_us", cost.wall_us)
                .set("user_us", cost.user_us)
                .set("system_us", cost.system_us)
                .set("peak_rss_bytes", cost.peak_rss_bytes)
                .set("reads_count", cost.reads)
                .set("read_bytes", cost.read_bytes)
                .set("bundle_bytes", cost.bundle_bytes);
        }
    }
}
