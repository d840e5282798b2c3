//! Reads of the collector that never ended, and what its worker was stuck in.
//!
//! ```text
//! {"path":"/mnt/dead","source":"mount","worker":{"pid":123,"after_us":2000123,"state":"D",
//!  "wait_channel":"request_wait_answer","stack":"[<0>] request_wait_answer+0x12/0x50\n...",
//!  "abandoned":true}}
//! ```
//!
//! One answer per read that was given up, `calls/hung/<n>.json`. State, wait channel and stack are
//! those of the worker at that moment, from its `/proc/PID/{stat,wchan,stack}`. A worker that
//! SIGKILL does not end is stuck for good: a dead mount, a frozen file system. One that it ends
//! waited for a lock or an answer that may still come.

use serde_json::Value;

use crate::table::{Damages, Decode, Input, Node, Rows, Table, bool, int, text};

use super::thread::stack;

/// The table.
pub static TABLE: Table = Table {
    name: "hung_read",
    about: "reads of the collector that never ended; no row: none hung, if the bundle is whole",
    columns: &[
        text("path", "what was read"),
        text("source", "id of the source that read it"),
        int("after_us", "when it was given up, since it began"),
        text("state", "of the worker: D waits uninterruptibly"),
        text("wait_channel", "the kernel function that it waited in"),
        text(
            "stack",
            "kernel functions, innermost first, joined by `;`; null where it may not be read",
        ),
        bool(
            "abandoned",
            "SIGKILL did not end it: it stays until the fault is over",
        ),
        int("pid", "of the worker"),
    ],
    // A summary without such an answer before it tells that nothing hung: empty, not missing.
    reads: &["calls/hung/*.json", "summary.json"],
    decoder: || Box::new(HungReads::default()),
};

/// The kernel prints fewer frames; a bundle is not the kernel.
const STACK_BYTES: usize = 64 * 1024;

#[derive(Default)]
struct HungReads {
    reads: Vec<HungRead>,
}

struct HungRead {
    entry: String,
    path: Option<String>,
    source: Option<String>,
    after_us: Option<u64>,
    state: Option<String>,
    wait_channel: Option<String>,
    stack: Option<String>,
    abandoned: Option<bool>,
    pid: Option<i64>,
}

impl Decode for HungReads {
    fn entry(&mut self, input: &Input<'_>, _: &Node, damages: &mut Damages) {
        if input.path == "summary.json" {
            return;
        }
        let answer: Value = match serde_json::from_slice(input.bytes) {
            Ok(answer) => answer,
            Err(error) => return damages.add(input, None, error.to_string()),
        };
        if !answer.is_object() {
            return damages.add(input, None, "not an object");
        }
        let mut fields = Fields {
            answer: &answer,
            input,
            damages,
        };
        let said = |text: String| {
            let text = text.trim().to_owned();
            Some(text).filter(|text| !text.is_empty() && text != "0")
        };
        let read = HungRead {
            entry: input.entry.to_owned(),
            path: fields.text("/path"),
            source: fields.text("/source"),
            after_us: fields.get("/worker/after_us", Value::as_u64),
            state: fields.text("/worker/state"),
            wait_channel: fields.text("/worker/wait_channel").and_then(said),
            stack: fields.text("/worker/stack").and_then(|text| {
                let end = text.floor_char_boundary(STACK_BYTES);
                said(stack(text.get(..end).unwrap_or_default()))
            }),
            abandoned: fields.get("/worker/abandoned", Value::as_bool),
            pid: fields.get("/worker/pid", Value::as_i64),
        };
        self.reads.push(read);
    }

    fn finish(self: Box<Self>, _: &Node, rows: &mut Rows) {
        for read in self.reads {
            rows.add(&read.entry, None)
                .set("path", read.path)
                .set("source", read.source)
                .set("after_us", read.after_us)
                .set("state", read.state)
                .set("wait_channel", read.wait_channel)
                .set("stack", read.stack)
                .set("abandoned", read.abandoned)
                .set("pid", read.pid);
        }
    }
}

/// The fields of one answer: one that is missing or of another type is damage and stays null.
struct Fields<'a, 'b> {
    answer: &'a Value,
    input: &'a Input<'b>,
    damages: &'a mut Damages,
}

impl Fields<'_, '_> {
    fn get<T>(&mut self, pointer: &str, as_type: impl Fn(&Value) -> Option<T>) -> Option<T> {
        let value = self.answer.pointer(pointer).and_then(as_type);
        if value.is_none() {
            let reason = format!("no `{pointer}` of its type");
            self.damages.add(self.input, None, reason);
        }
        value
    }

    fn text(&mut self, pointer: &str) -> Option<String> {
        self.get(pointer, |value| value.as_str().map(str::to_owned))
    }
}

#[cfg(test)]
mod tests {
    use crate::table::testing::{csv, run};

    const COLUMNS: [&str; 8] = [
        "path",
        "source",
        "after_us",
        "state",
        "wait_channel",
        "stack",
        "abandoned",
        "pid",
    ];

    #[test]
    fn a_dead_mount_and_a_lock() {
        let mount =
            br#"{"path":"/mnt/dead","source":"mount","worker":{"pid":123,"after_us":2000123,
            "state":"D","wait_channel":"request_wait_answer",
            "stack":"[<0>] request_wait_answer+0x12/0x50\n[<0>] fuse_statfs+0x1/0x2 [fuse]\n",
            "abandoned":true}}"#;
        let lock = br#"{"path":"/proc/4711/cmdline","source":"process","worker":{"pid":124,
            "after_us":2000007,"state":"D","wait_channel":"rwsem_down_read_slowpath\n","stack":"",
            "abandoned":false}}"#;
        let (rows, damages) = run(
            "hung_read",
            &[("calls/hung/1.json", mount), ("calls/hung/2.json", lock)],
        );
        assert!(damages.list.is_empty());
        assert_eq!(
            csv(&rows, &COLUMNS),
            "/mnt/dead,mount,2000123,D,request_wait_answer,request_wait_answer;fuse_statfs,true,123\n\
             /proc/4711/cmdline,process,2000007,D,rwsem_down_read_slowpath,,false,124\n"
        );
    }

    #[test]
    fn fields_that_are_missing_or_of_another_type() {
        let (rows, damages) = run(
            "hung_read",
            &[(
                "calls/hung/1.json",
                br#"{"path":["/"],"worker":{"pid":1e300,"after_us":-5,"state":7,"stack":{},"abandoned":"yes"}}"#,
            )],
        );
        assert_eq!(csv(&rows, &COLUMNS), ",,,,,,,\n");
        assert_eq!(damages.list.len(), 8);
    }

    #[test]
    fn a_whole_bundle_without_one() {
        let (rows, damages) = run("hung_read", &[("summary.json", b"{}")]);
        assert!(rows.is_empty() && damages.list.is_empty());
    }

    #[test]
    fn nonsense() {
        let (rows, damages) = run(
            "hung_read",
            &[
                ("calls/hung/1.json", b""),
                ("calls/hung/2.json", b"[1]"),
                ("calls/hung/3.json", br#"{"path":"/mnt/dea"#),
                ("calls/hung/4.json", b"\xff\xfe"),
            ],
        );
        assert!(rows.is_empty());
        assert_eq!(damages.list.len(), 4);
    }

    #[test]
    fn an_endless_stack_is_cut() {
        let stack = "[<0>] \u{e4}f+0x1/0x2\\n".repeat(100_000);
        let answer = format!(
            r#"{{"path":"/a","source":"s","worker":{{"pid":1,"after_us":1,"state":"D","wait_channel":"0","stack":"{stack}","abandoned":true}}}}"#
        );
        let (rows, _) = run("hung_read", &[("calls/hung/1.json", answer.as_bytes())]);
        assert!(rows.text(0, "stack").is_some_and(|s| s.len() < 64 * 1024));
        assert_eq!(rows.text(0, "wait_channel"), None);
    }
}
