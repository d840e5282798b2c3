//! Tasks that the kernel reported as hung, with the stack that follows the report.
//!
//! ```text
//! INFO: task docker:7 blocked for more than 120 seconds.
//!       Not tainted 6.1.0 #1
//! task:docker          state:D stack:0     pid:7     ppid:1      flags:0x00000000
//! Call Trace:
//!  <TASK>
//!  __schedule+0x34d/0x9e0
//!  schedule+0x5a/0xd0
//!  </TASK>
//! ```

use crate::derived::kernel_event::recognise;
use crate::table::{Derived, Node, Rows, Store, bool, int, text};

/// The table.
pub static TABLE: Derived = Derived {
    name: "hung_task",
    about: "tasks that the kernel reported as hung",
    columns: &[
        text("comm", ""),
        int("pid", ""),
        int("seconds_count", "blocked for more than so many seconds"),
        bool("in_io_wait", "kernels that tell it: waiting for I/O"),
        text("stack", "kernel functions, innermost first, joined by `;`"),
        text("holder", "the task that likely holds the mutex"),
        int("ts_us", "on the kernel's clock"),
        int("age_us", "before the capture began"),
    ],
    needs: &["kernel_message"],
    rank: 0,
    build,
};

/// A stack ends at the latest after so many messages.
const STACK_MESSAGES: usize = 80;

fn build(store: &Store, _: &Node, rows: &mut Rows) {
    let Some(messages) = store.get("kernel_message") else {
        return;
    };
    for row in 0..messages.len() {
        let Some(message) = messages.text(row, "message") else {
            continue;
        };
        let Some((pattern, Some(subject))) = recognise(message) else {
            continue;
        };
        if pattern.kind != "hung_task" || messages.int(row, "facility") != Some(0) {
            continue;
        }
        let (comm, pid) = subject.rsplit_once(':').unwrap_or((subject, ""));
        let seconds = message
            .split_once("more than ")
            .and_then(|(_, rest)| rest.split(' ').next());
        let following = (row + 1..messages.len().min(row + STACK_MESSAGES))
            .filter_map(|row| messages.text(row, "message"));
        let (stack, holder) = stack(following);
        rows.add(
            messages.text(row, "entry").unwrap_or_default(),
            messages.int(row, "line"),
        )
        .set("comm", comm)
        .set("pid", pid.parse::<i64>().ok())
        .set("seconds_count", seconds.and_then(|s| s.parse::<i64>().ok()))
        .set(
            "in_io_wait",
            message.contains("in I/O wait").then_some(true),
        )
        .set("stack", Some(stack).filter(|stack| !stack.is_empty()))
        .set("holder", holder)
        .set("ts_us", messages.int(row, "ts_us"))
        .set("age_us", messages.int(row, "age_us"));
    }
}

/// The functions of the call trace, and who holds the mutex.
fn stack<'a>(messages: impl Iterator<Item = &'a str>) -> (String, Option<String>) {
    let mut functions: Vec<&str> = Vec::new();
    let mut holder = None;
    let mut in_trace = false;
    for message in messages {
        let text = message.trim();
        if text.starts_with("INFO: task ") {
            match text.split_once("likely owned by task ") {
                Some((_, owner)) => {
                    holder = Some(owner.trim_end_matches('.').to_owned());
                    continue;
                }
                None => break,
            }
        }
        if text.starts_with("Call Trace") || text == "<TASK>" {
            in_trace = true;
        } else if text == "</TASK>" {
            break;
        } else if in_trace {
            match function(text) {
                // A question mark is a leftover on the stack, not a caller.
                Some(_) if text.starts_with('?') => {}
                Some(name) => functions.push(name),
                None if functions.is_empty() => {}
                None => break,
            }
        }
    }
    (functions.join(";"), holder)
}

/// The function in `[<ffff>] name+0x1/0x2 [module]`.
fn function(text: &str) -> Option<&str> {
    let symbol = text.strip_prefix("? ").unwrap_or(text);
    let symbol = if symbol.starts_with("[<") {
        symbol.split_once("] ")?.1
    } else {
        symbol
    };
    let (name, offset) = symbol.split_once('+')?;
    (offset.starts_with("0x") && !name.contains(' ') && name != "RIP: 0010:").then_some(name)
}

#[cfg(test)]
mod tests {
    use crate::table::testing::{csv, derive};

    #[test]
    fn stack_and_holder() {
        let lines = [
            "INFO: task docker:a:7 blocked for more than 120 seconds.",
            "      Not tainted 6.1.0 #1",
            "INFO: task docker:a:7 is blocked on a mutex likely owned by task kworker/0:1:9.",
            "task:docker:a        state:D stack:0     pid:7     ppid:1      flags:0x00000000",
            "Call Trace:",
            " <TASK>",
            " __schedule+0x34d/0x9e0",
            " ? leftover+0x1/0x2",
            " io_schedule+0x46/0x70",
            " </TASK>",
            " not_in+0x1/0x2",
            "Future hung task reports are suppressed, see sysctl kernel.hung_task_warnings",
        ];
        let kmsg: String = (0..)
            .zip(lines)
            .map(|(n, line)| format!("3,{n},{n}000,-;{line}\n"))
            .collect();
        let rows = derive("hung_task", &[("kernel/kmsg", kmsg.as_bytes())]);
        assert_eq!(
            csv(&rows, &["comm", "pid", "seconds_count", "stack", "holder"]),
            "docker:a,7,120,__schedule;io_schedule,kworker/0:1:9\n"
        );
    }
}
