//! What happened, in one order: messages of the kernel, events, lines of logs from warning on,
//! containers that began, ended, were killed for memory.
//!
//! What was said again and again stands once, where it was said first, with how often and when last:
//! the first is what may be the cause of something else. Numbers in a text do not make it another.

use std::collections::HashMap;

use crate::kubernetes::moment::Moment;
use crate::table::{Derived, Node, Rows, Store, int, text};

/// The table.
pub static TABLE: Derived = Derived {
    name: "timeline",
    about: "what happened, oldest first: kernel, events, logs from warning on, containers that began and ended",
    columns: &[
        int("ts_us", "when it was first, since boot"),
        text("at", "the same in UTC"),
        int("age_us", "the same, before the capture began"),
        int("last_age_us", "when it was last, before the capture began"),
        int("count", "how often"),
        text(
            "source",
            "kernel, event, journal, container (its log) or state (of a container)",
        ),
        text("severity", "critical, error, warning or info"),
        text("subject", "pod and container, unit, device, ..."),
        text("message", ""),
    ],
    needs: &[
        "kernel_message",
        "log_line",
        "event",
        "container",
        "oom_kill",
        "kernel_event",
        "node_condition",
        "node_info",
    ],
    rank: 1,
    build,
};

/// Rows of the table; of more the newest stay.
const ROWS: usize = 20_000;
/// Rows of one source: the log of one loud service is not to drive out what the kernel said.
const OF_SOURCE: usize = 6_000;
/// Different things that are looked at; lines of logs come last, the newest of them first.
const DIFFERENT: usize = 200_000;
/// Characters of a text that tell it from another.
const ALIKE_CHARS: usize = 160;

/// Something that happened.
struct Happening<'a> {
    age_us: i64,
    last_age_us: i64,
    count: i64,
    what: What,
    entry: &'a str,
    line: Option<i64>,
}

/// What it was.
struct What {
    source: &'static str,
    severity: &'static str,
    subject: Option<String>,
    message: String,
}

#[derive(Default)]
struct Timeline<'a> {
    happened: Vec<Happening<'a>>,
    /// Where something like it stands.
    known: HashMap<(&'static str, Option<String>, String), usize>,
}

impl<'a> Timeline<'a> {
    /// Adds what a row of a table tells.
    fn add(&mut self, (rows, row): (&'a Rows, usize), age_us: Option<i64>, what: What) {
        let Some(age_us) = age_us else { return };
        self.put(Happening {
            age_us,
            last_age_us: age_us,
            count: 1,
            what,
            entry: rows.text(row, "entry").unwrap_or_default(),
            line: rows.int(row, "line"),
        });
    }

    fn put(&mut self, new: Happening<'a>) {
        let what = &new.what;
        let key = (what.source, what.subject.clone(), alike(&what.message));
        let is_full = self.happened.len() >= DIFFERENT;
        let place = match self.known.get(&key) {
            Some(place) => *place,
            None if is_full => return,
            None => *self.known.entry(key).or_insert(self.happened.len()),
        };
        let Some(known) = self.happened.get_mut(place) else {
            self.happened.push(new);
            return;
        };
        known.count = known.count.saturating_add(new.count);
        known.last_age_us = known.last_age_us.min(new.last_age_us);
        if new.age_us > known.age_us {
            known.age_us = new.age_us;
            (known.entry, known.line) = (new.entry, new.line);
            known.what = new.what;
        }
    }
}

/// A text without its numbers and ids: what is said again is alike.
fn alike(message: &str) -> String {
    let mut out = String::new();
    let mut is_number = false;
    for c in message.chars().take(ALIKE_CHARS) {
        if c.is_ascii_digit() {
            if !is_number {
                out.push('#');
            }
            is_number = true;
        } else if !(is_number && c.is_ascii_hexdigit()) {
            out.push(c);
            is_number = false;
        }
    }
    out
}

fn build(store: &Store, node: &Node, rows: &mut Rows) {
    let mut timeline = Timeline::default();
    events(store, &mut timeline);
    containers(store, &mut timeline);
    conditions(store, &mut timeline);
    kernel(store, &mut timeline);
    logs(store, node, &mut timeline);
    let mut happened = timeline.happened;
    // The newest first, to leave out the oldest.
    happened.sort_by_key(|what| (what.last_age_us, what.age_us));
    let mut of_source: HashMap<&str, usize> = HashMap::new();
    happened.retain(|what| {
        let count = of_source.entry(what.what.source).or_default();
        *count += 1;
        *count <= OF_SOURCE
    });
    happened.truncate(ROWS);
    happened.sort_by_key(|what| std::cmp::Reverse(what.age_us));
    let started = node.capture.as_ref().map(|capture| capture.started);
    for what in happened {
        let at = started.and_then(|clocks| {
            let realtime_us = clocks.realtime_us.checked_sub(what.age_us)?;
            Some(Moment { realtime_us }.text())
        });
        let ts_us = started.and_then(|clocks| {
            let now_us = i64::try_from(clocks.boottime_us).ok()?;
            now_us.checked_sub(what.age_us)
        });
        rows.add(what.entry, what.line)
            .set("ts_us", ts_us)
            .set("at", at)
            .set("age_us", what.age_us)
            .set("last_age_us", what.last_age_us)
            .set("count", what.count)
            .set("source", what.what.source)
            .set("severity", what.what.severity)
            .set("subject", what.what.subject)
            .set("message", what.what.message);
    }
}

/// Levels of syslog; nothing for what is below a warning.
fn severity(level: Option<i64>) -> Option<&'static str> {
    match level? {
        ..=2 => Some("critical"),
        3 => Some("error"),
        4 => Some("warning"),
        _ => None,
    }
}

/// Namespace, pod and container as far as they are known.
fn subject(rows: &Rows, row: usize) -> Option<String> {
    let words: Vec<&str> = ["namespace", "pod", "container"]
        .iter()
        .filter_map(|column| rows.text(row, column))
        .collect();
    (!words.is_empty()).then(|| words.join("/"))
}

/// The kernel's messages from warning on, and all of a known kind; its victims by name.
fn kernel<'a>(store: &'a Store, timeline: &mut Timeline<'a>) {
    let mut subjects: HashMap<Option<i64>, Option<&str>> = HashMap::new();
    if let Some(events) = store.get("kernel_event") {
        for row in 0..events.len() {
            subjects.insert(events.int(row, "line"), events.text(row, "subject"));
        }
    }
    if let Some(messages) = store.get("kernel_message") {
        for row in (0..messages.len()).rev() {
            let known = subjects.get(&messages.int(row, "line"));
            let level = messages.int(row, "level");
            let severity = severity(level).or(known.map(|_| "info"));
            let (Some(severity), Some(message)) = (severity, messages.text(row, "message")) else {
                continue;
            };
            // Programs may write to the kernel's log.
            let subject = known.copied().flatten().map(str::to_owned);
            let age_us = messages.int(row, "age_us");
            let message = message.to_owned();
            timeline.add(
                (messages, row),
                age_us,
                What {
                    source: "kernel",
                    severity,
                    subject,
                    message,
                },
            );
        }
    }
    if let Some(kills) = store.get("oom_kill") {
        for row in 0..kills.len() {
            let comm = kills.text(row, "victim_comm").unwrap_or("?");
            let scope = match kills.text(row, "scope") {
                Some("cgroup") => "its group met its limit",
                _ => "the node ran out of memory",
            };
            let message = format!("{comm} was killed for memory: {scope}");
            let age_us = kills.int(row, "age_us");
            let subject = subject(kills, row);
            timeline.add(
                (kills, row),
                age_us,
                What {
                    source: "kernel",
                    severity: "error",
                    subject,
                    message,
                },
            );
        }
    }
}

fn logs<'a>(store: &'a Store, node: &Node, timeline: &mut Timeline<'a>) {
    let Some(logs) = store.get("log_line") else {
        return;
    };
    let info = store.get("node_info");
    let boot = info.and_then(|info| info.text(0, "boot_id"));
    let boot = boot.map(|id| id.replace('-', ""));
    let now_us = node
        .capture
        .as_ref()
        .map(|capture| capture.started.monotonic_us);
    for row in (0..logs.len()).rev() {
        let Some(severity) = severity(logs.int(row, "level")) else {
            continue;
        };
        let Some(message) = logs.text(row, "message") else {
            continue;
        };
        // Of this boot the monotonic clock is the surer one: nobody sets it.
        let is_this_boot = boot.is_some() && logs.text(row, "boot_id") == boot.as_deref();
        let monotonic = logs.int(row, "ts_us").filter(|_| is_this_boot);
        let age_us = now_us
            .and_then(|now| i64::try_from(now).ok()?.checked_sub(monotonic?))
            .or(logs.int(row, "age_us"));
        let is_container = logs.text(row, "source") == Some("container");
        // Whom kubelet tells of stands in its message; who says it is the subject.
        let said_by = logs.text(row, "component").or(logs.text(row, "unit"));
        let (source, subject) = if is_container {
            ("container", subject(logs, row))
        } else {
            ("journal", said_by.map(str::to_owned))
        };
        timeline.add(
            (logs, row),
            age_us,
            What {
                source,
                severity,
                subject,
                message: message.to_owned(),
            },
        );
    }
}

fn events<'a>(store: &'a Store, timeline: &mut Timeline<'a>) {
    let Some(events) = store.get("event") else {
        return;
    };
    for row in 0..events.len() {
        let is_warning = events.text(row, "type") == Some("Warning");
        let severity = if is_warning { "warning" } else { "info" };
        let reason = events.text(row, "reason").unwrap_or_default();
        let message = events.text(row, "message").unwrap_or_default();
        let object = || {
            let kind = events.text(row, "object_kind")?;
            Some(format!("{kind} {}", events.text(row, "object_name")?))
        };
        let is_pod = events.text(row, "pod").is_some();
        let subject = if is_pod {
            subject(events, row)
        } else {
            object()
        };
        let last_age_us = events.int(row, "last_age_us");
        let Some(age_us) = events.int(row, "first_age_us").or(last_age_us) else {
            continue;
        };
        timeline.put(Happening {
            age_us,
            last_age_us: last_age_us.unwrap_or(age_us),
            count: events.int(row, "count").unwrap_or(1),
            what: What {
                source: "event",
                severity,
                subject,
                message: format!("{reason}: {message}"),
            },
            entry: events.text(row, "entry").unwrap_or_default(),
            line: None,
        });
    }
}

/// Containers that began and ended.
fn containers<'a>(store: &'a Store, timeline: &mut Timeline<'a>) {
    let Some(containers) = store.get("container") else {
        return;
    };
    for row in 0..containers.len() {
        let words = ["namespace", "pod", "name"].map(|column| containers.text(row, column));
        let words: Vec<&str> = words.into_iter().flatten().collect();
        let subject = (!words.is_empty()).then(|| words.join("/"));
        let started = containers.int(row, "started_age_us");
        let message = "the container began".to_owned();
        timeline.add(
            (containers, row),
            started,
            What {
                source: "state",
                severity: "info",
                subject: subject.clone(),
                message,
            },
        );
        let code = containers.int(row, "exit_code");
        let reason = containers.text(row, "exit_reason").unwrap_or_default();
        let severity = match (code, reason) {
            (_, "OOMKilled") => "error",
            (None | Some(0), _) => "info",
            _ => "warning",
        };
        let message = match code {
            Some(code) => format!("the container ended with {code} {reason}"),
            None => "the container ended".to_owned(),
        };
        let finished = containers.int(row, "finished_age_us");
        timeline.add(
            (containers, row),
            finished,
            What {
                source: "state",
                severity,
                subject,
                message,
            },
        );
    }
}

/// Conditions of the node that changed.
fn conditions<'a>(store: &'a Store, timeline: &mut Timeline<'a>) {
    let Some(conditions) = store.get("node_condition") else {
        return;
    };
    for row in 0..conditions.len() {
        let of = |column| conditions.text(row, column).unwrap_or_default();
        let is_trouble = conditions.get(row, "is_trouble") == true.into();
        let severity = if is_trouble { "error" } else { "info" };
        let message = format!("{} became {}: {}", of("type"), of("status"), of("message"));
        let subject = conditions
            .text(row, "node")
            .map(|node| format!("Node {node}"));
        let age_us = conditions.int(row, "transition_age_us");
        timeline.add(
            (conditions, row),
            age_us,
            What {
                source: "state",
                severity,
                subject,
                message,
            },
        );
    }
}

#[cfg(test)]
mod tests {
    use crate::table::testing::{csv, derive};

    #[test]
    fn one_order_of_everything() {
        let uid = "28fcb1a0-a45c-44e7-b9bf-e3b9360bedba";
        let id = "a".repeat(64);
        // The capture began at 1,700,000,000 s and boot at the same time.
        let kmsg = format!(
            "3,1,-30000000,-;EXT4-fs error (device sda1): x\n6,2,-29000000,-;quiet\n6,3,-20000000,-;oom-kill:constraint=CONSTRAINT_MEMCG,oom_memcg=/kubepods/pod{uid},task_memcg=/kubepods/pod{uid}/{id},task=java,pid=5,uid=0\n6,4,-20000000,-;Memory cgroup out of memory: Killed process 5 (java) total-vm:8kB, anon-rss:4kB, file-rss:0kB\n"
        );
        let journal = b"__REALTIME_TIMESTAMP=1699999975000000\nSYSLOG_IDENTIFIER=kubelet\nPRIORITY=6\nMESSAGE=E1114 22:13:00.1 1 a.go:1] \"Failed\" n=1\n\n__REALTIME_TIMESTAMP=1699999985000000\nSYSLOG_IDENTIFIER=kubelet\nPRIORITY=6\nMESSAGE=E1114 22:13:00.1 1 a.go:1] \"Failed\" n=22\n\n__REALTIME_TIMESTAMP=1699999976000000\nSYSLOG_IDENTIFIER=kubelet\nPRIORITY=6\nMESSAGE=fine\n\n";
        let status = format!(
            r#"{{"status":{{"id":"{id}","metadata":{{"name":"app"}},"state":"CONTAINER_EXITED","exitCode":137,"reason":"OOMKilled","startedAt":"2023-11-14T22:12:00Z","finishedAt":"2023-11-14T22:13:01Z","labels":{{"io.kubernetes.pod.name":"web","io.kubernetes.pod.namespace":"d","io.kubernetes.pod.uid":"{uid}"}}}}}}"#
        );
        let event = br#"{"items":[{"involvedObject":{"kind":"Pod","namespace":"d","name":"web"},"reason":"BackOff","message":"again","type":"Warning","count":3,"firstTimestamp":"2023-11-14T22:13:02Z","lastTimestamp":"2023-11-14T22:13:19Z"}]}"#;
        let rows = derive(
            "timeline",
            &[
                ("kernel/kmsg", kmsg.as_bytes()),
                ("journal/system.export", journal),
                (
                    &format!("cri/container_status/{id}.json"),
                    status.as_bytes(),
                ),
                ("api/apiserver/api/v1/events", event),
            ],
        );
        assert_eq!(
            csv(
                &rows,
                &[
                    "age_us",
                    "last_age_us",
                    "count",
                    "source",
                    "severity",
                    "subject",
                    "message"
                ]
            ),
            "\
80000000,80000000,1,state,info,d/web/app,the container began
30000000,30000000,1,kernel,error,sda1,EXT4-fs error (device sda1): x
25000000,15000000,2,journal,error,kubelet,Failed n=1
20000000,20000000,1,kernel,error,d/web/app,java was killed for memory: its group met its limit
19000000,19000000,1,state,error,d/web/app,the container ended with 137 OOMKilled
18000000,1000000,3,event,warning,d/web,BackOff: again
"
        );
        assert_eq!(rows.text(1, "at"), Some("2023-11-14T22:12:50.000Z"));
        assert_eq!(rows.int(2, "line"), Some(1));
    }

    #[test]
    fn a_loud_service_leaves_room_for_the_others() {
        let words = |n: usize| -> String {
            let letters = [n / 676 % 26, n / 26 % 26, n % 26];
            letters
                .iter()
                .map(|l| char::from(b'k' + (*l as u8) % 15))
                .chain(
                    n.to_string()
                        .chars()
                        .map(|d| char::from(d as u8 - b'0' + b'g')),
                )
                .collect()
        };
        let export: String = (0..9000)
            .map(|n| {
                format!(
                    "__REALTIME_TIMESTAMP={}\nSYSLOG_IDENTIFIER=loud\nPRIORITY=3\nMESSAGE={}\n\n",
                    1_699_999_900_000_000_u64 + n,
                    words(n as usize)
                )
            })
            .collect();
        let rows = derive(
            "timeline",
            &[
                ("journal/system.export", export.as_bytes()),
                ("kernel/kmsg", b"3,1,-300000000,-;old and lone\n"),
            ],
        );
        assert_eq!(rows.len(), super::OF_SOURCE + 1);
        assert_eq!(rows.text(0, "message"), Some("old and lone"));
    }
}
