//! The kernel's log, from `/dev/kmsg` (kernel doc `ABI/testing/dev-kmsg`).
//!
//! ```text
//! 6,1234,5678901,-;usb 1-1: new device
//!  SUBSYSTEM=usb
//! ```
//!
//! Priority (level + 8 × facility), sequence number, microseconds, flags; the message; lines of a
//! device that begin with a space. Control bytes in messages are printed as `\x1b`.

use crate::table::{Damages, Decode, Input, Node, Rows, Table, int, text};

/// The table.
pub static TABLE: Table = Table {
    name: "kernel_message",
    about: "the kernel's log",
    columns: &[
        int(
            "ts_us",
            "on the kernel's own clock, close to CLOCK_MONOTONIC",
        ),
        int("age_us", "before the capture began"),
        int(
            "realtime_us",
            "since 1970, as well as the clocks at capture tell",
        ),
        int("sequence", "number of the message since boot"),
        int(
            "missing_before_count",
            "messages lost between the one before and this one",
        ),
        int(
            "level",
            "0 emergency, 3 error, 4 warning, 6 information, 7 debug",
        ),
        int("facility", "0: the kernel itself"),
        text("message", ""),
    ],
    reads: &["kernel/kmsg"],
    decoder: || Box::new(KernelMessages::default()),
};

/// The kernel's own buffer for a record (`CONSOLE_EXT_LOG_MAX`, kernel/printk).
const RECORD_BYTES: usize = 8192;

#[derive(Default)]
struct KernelMessages {
    entry: String,
    messages: Vec<Message>,
}

struct Message {
    line: i64,
    priority: i64,
    sequence: i64,
    ts_us: i64,
    text: String,
}

impl Decode for KernelMessages {
    fn entry(&mut self, input: &Input<'_>, _: &Node, damages: &mut Damages) {
        input.entry.clone_into(&mut self.entry);
        for (line, text) in input.lines() {
            if text.starts_with(' ') || text.is_empty() {
                continue;
            }
            if text.len() > RECORD_BYTES {
                damages.add(input, Some(line), "a record that is too long for kmsg");
                continue;
            }
            match parse(&text, line) {
                Some(message) => self.messages.push(message),
                None => damages.add(input, Some(line), format!("not a record of kmsg: `{text}`")),
            }
        }
    }

    fn finish(self: Box<Self>, node: &Node, rows: &mut Rows) {
        let clocks = node.capture.as_ref().map(|capture| capture.started);
        let now_us = clocks.map(|clocks| i64::try_from(clocks.monotonic_us).unwrap_or(i64::MAX));
        let mut previous: Option<i64> = None;
        for message in self.messages {
            let missing = previous
                .and_then(|before| message.sequence.checked_sub(before)?.checked_sub(1))
                .filter(|n| *n > 0);
            previous = Some(message.sequence);
            let age_us = now_us.and_then(|now| now.checked_sub(message.ts_us));
            rows.add(&self.entry, Some(message.line))
                .set("ts_us", message.ts_us)
                .set("age_us", age_us)
                .set(
                    "realtime_us",
                    clocks
                        .zip(age_us)
                        .and_then(|(clocks, age)| clocks.realtime_us.checked_sub(age)),
                )
                .set("sequence", message.sequence)
                .set("missing_before_count", missing)
                .set("level", message.priority & 7)
                .set("facility", message.priority >> 3)
                .set("message", message.text);
        }
    }
}

fn parse(record: &str, line: i64) -> Option<Message> {
    let (prefix, text) = record.split_once(';')?;
    let mut fields = prefix.split(',');
    Some(Message {
        line,
        priority: fields.next()?.parse().ok()?,
        sequence: fields.next()?.parse().ok()?,
        ts_us: fields.next()?.parse().ok()?,
        text: text.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use crate::table::testing::{csv, run};

    #[test]
    fn records_gaps_and_nonsense() {
        let (rows, damages) = run(
            "kernel_message",
            &[("kernel/kmsg", b"6,10,5000,-;usb 1-1: new device\n SUBSYSTEM=usb\n3,14,6000,-,caller=T1;bad; thing\nnonsense\n12,15,7000,-;from user space\n")],
        );
        assert_eq!(
            csv(
                &rows,
                &[
                    "sequence",
                    "missing_before_count",
                    "level",
                    "facility",
                    "message",
                    "line"
                ]
            ),
            "10,,6,0,usb 1-1: new device,1\n14,3,3,0,bad; thing,3\n15,,4,1,from user space,5\n"
        );
        assert_eq!(damages.list.len(), 1);
    }

    #[test]
    fn a_record_that_no_kernel_writes_is_damage() {
        // It would be told of again by each victim of the OOM killer behind it.
        let long = format!("6,1,0,-;Task in /{} killed", "a".repeat(8192));
        let kmsg = format!("{long}\n6,2,0,-;next\n");
        let (rows, damages) = run("kernel_message", &[("kernel/kmsg", kmsg.as_bytes())]);
        assert_eq!(csv(&rows, &["message", "line"]), "next,2\n");
        assert_eq!(damages.list[0].line, Some(1));
    }
}
