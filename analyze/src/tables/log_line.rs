//! Lines of the journal, from its export format (systemd.io, `JOURNAL_EXPORT_FORMATS`): fields one
//! a line, entries apart by an empty line; a binary field is its name alone, then its length in 8
//! bytes of little endian, then the bytes.
//!
//! ```text
//! __REALTIME_TIMESTAMP=1700000000000000
//! _SYSTEMD_UNIT=kubelet.service
//! MESSAGE=E1121 04:45:00.123456  777 kubelet.go:2477] "Skipping pod synchronization"
//! ```

use std::collections::HashMap;

use crate::table::{Damages, Decode, Input, Node, Rows, Table, int, text};

/// The table.
pub static TABLE: Table = Table {
    name: "log_line",
    about: "lines of the journal, oldest first",
    columns: &[
        int("realtime_us", "since 1970"),
        int("ts_us", "monotonic, of its own boot"),
        int("age_us", "before the capture began"),
        text("boot_id", "the boot it is of"),
        text("unit", "unit of systemd"),
        text("component", "identifier, else the command's name"),
        int("pid", ""),
        int("level", "0 emergency, 3 error, 4 warning, 6 information"),
        text("message", ""),
    ],
    reads: &["journal/*.export"],
    decoder: || Box::new(LogLines::default()),
};

/// The fields that are shown; of others nothing is kept.
const FIELDS: [&str; 10] = [
    "__REALTIME_TIMESTAMP",
    "__MONOTONIC_TIMESTAMP",
    "_BOOT_ID",
    "_SYSTEMD_UNIT",
    "UNIT",
    "SYSLOG_IDENTIFIER",
    "_COMM",
    "_PID",
    "PRIORITY",
    "MESSAGE",
];

#[derive(Default)]
struct LogLines {
    lines: Vec<(String, i64, HashMap<&'static str, String>)>,
}

impl Decode for LogLines {
    fn entry(&mut self, input: &Input<'_>, _: &Node, damages: &mut Damages) {
        let mut fields = HashMap::new();
        let mut rest = input.bytes;
        let (mut line, mut begin) = (1, 1);
        while let Some(end) = rest.iter().position(|b| *b == b'\n') {
            let (field, tail) = rest.split_at(end);
            rest = tail.get(1..).unwrap_or_default();
            if field.is_empty() {
                if !fields.is_empty() {
                    self.lines
                        .push((input.entry.to_owned(), begin, std::mem::take(&mut fields)));
                }
                begin = line + 1;
            } else if let Some(place) = field.iter().position(|b| *b == b'=') {
                let (name, value) = field.split_at(place);
                let value = value.get(1..).unwrap_or_default();
                fields.extend(shown(name).map(|name| (name, text_of(value))));
            } else {
                let Some((value, tail)) = binary(rest) else {
                    damages.add(input, Some(line), "a binary field is longer than the entry");
                    return;
                };
                line += value.iter().filter(|b| **b == b'\n').count() as i64 + 1;
                fields.extend(shown(field).map(|name| (name, text_of(value))));
                rest = tail;
            }
            line += 1;
        }
        if !fields.is_empty() {
            self.lines.push((input.entry.to_owned(), begin, fields));
        }
    }

    fn finish(self: Box<Self>, node: &Node, rows: &mut Rows) {
        let now_us = node
            .capture
            .as_ref()
            .map(|capture| capture.started.realtime_us);
        let mut lines = self.lines;
        let realtime = |fields: &HashMap<&'static str, String>| {
            fields.get("__REALTIME_TIMESTAMP")?.parse::<i64>().ok()
        };
        lines.sort_by_key(|(_, _, fields)| realtime(fields));
        for (entry, line, fields) in lines {
            let field = |name: &str| fields.get(name).map(String::as_str);
            let number = |name: &str| field(name).and_then(|value| value.parse::<i64>().ok());
            let realtime_us = realtime(&fields);
            rows.add(&entry, Some(line))
                .set("realtime_us", realtime_us)
                .set("ts_us", number("__MONOTONIC_TIMESTAMP"))
                .set(
                    "age_us",
                    now_us
                        .zip(realtime_us)
                        .and_then(|(now, then)| now.checked_sub(then)),
                )
                .set("boot_id", field("_BOOT_ID"))
                .set("unit", field("_SYSTEMD_UNIT").or_else(|| field("UNIT")))
                .set(
                    "component",
                    field("SYSLOG_IDENTIFIER").or_else(|| field("_COMM")),
                )
                .set("pid", number("_PID"))
                .set("level", number("PRIORITY"))
                .set("message", field("MESSAGE"));
        }
    }
}

fn shown(name: &[u8]) -> Option<&'static str> {
    FIELDS.into_iter().find(|shown| shown.as_bytes() == name)
}

fn text_of(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A binary value and what comes behind its closing line end.
fn binary(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<8>()?;
    let length = usize::try_from(u64::from_le_bytes(*length)).ok()?;
    let value = rest.get(..length)?;
    Some((value, rest.get(length..)?.strip_prefix(b"\n")?))
}

#[cfg(test)]
mod tests {
    use crate::table::testing::{csv, run};

    #[test]
    fn text_and_binary_fields() {
        let mut export = b"__REALTIME_TIMESTAMP=1699999999000000\n_SYSTEMD_UNIT=kubelet.service\nPRIORITY=3\nMESSAGE\n".to_vec();
        export.extend_from_slice(&5_u64.to_le_bytes());
        export.extend_from_slice(
            b"a\nb\xffc\n\n__REALTIME_TIMESTAMP=1699999998000000\n_COMM=sshd\nMESSAGE=older\n\n",
        );
        let (rows, damages) = run("log_line", &[("journal/system.export", &export)]);
        assert_eq!(
            csv(
                &rows,
                &["age_us", "unit", "component", "level", "message", "line"]
            ),
            "2000000,,sshd,,older,8\n1000000,kubelet.service,,3,a\nb\u{FFFD}c,1\n"
        );
        assert!(damages.list.is_empty());
    }

    #[test]
    fn a_cut_export_keeps_what_is_whole() {
        let export = b"__REALTIME_TIMESTAMP=5\nMESSAGE=x\n\n__REALTIME_TIMESTAMP=6\nMESSAGE\n\xff\xff\xff\xff\xff\xff\xff\x7fzz\n";
        let (rows, damages) = run("log_line", &[("journal/system.export", export)]);
        assert_eq!(csv(&rows, &["message"]), "x\n");
        assert_eq!(damages.list.len(), 1);
    }
}
