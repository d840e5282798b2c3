//! What the kernel saved of an earlier crash before it went down, from `/sys/fs/pstore`.
//!
//! ```text
//! Panic#1 Part1
//! <0>[  812.001338] Kernel panic - not syncing: Fatal exception in interrupt
//! ```
//!
//! A record holds the end of the kernel log of that time; compressed ones tell their name alone.

use crate::table::{Damages, Decode, Input, Node, Rows, Table, int, text};

/// The table.
pub static TABLE: Table = Table {
    name: "crash_record",
    about: "records of earlier crashes in pstore",
    columns: &[
        text("name", "`dmesg-efi-163000000001001`"),
        int("size_bytes", "as captured"),
        text(
            "message",
            "the line that says why: a panic, else an oops; null where none does",
        ),
    ],
    reads: &["/sys/fs/pstore/*"],
    decoder: || Box::new(CrashRecords::default()),
};

/// What tells why, the most telling first.
const REASONS: [&str; 4] = [
    "Kernel panic - not syncing",
    "BUG: ",
    "Oops: ",
    "watchdog: ",
];

#[derive(Default)]
struct CrashRecords {
    records: Vec<Record>,
}

struct Record {
    entry: String,
    name: String,
    size: usize,
    message: Option<(i64, String)>,
}

impl Decode for CrashRecords {
    fn entry(&mut self, input: &Input<'_>, _: &Node, _: &mut Damages) {
        let name = input.part(3).filter(|name| name.starts_with("dmesg-"));
        let (0, Some(name)) = (input.reading, name) else {
            return;
        };
        let why = REASONS.iter().find_map(|reason| {
            input.lines().find_map(|(line, text)| {
                let place = text.find(reason)?;
                Some((line, text.get(place..)?.to_owned()))
            })
        });
        self.records.push(Record {
            entry: input.entry.to_owned(),
            name: name.to_owned(),
            size: input.bytes.len(),
            message: why,
        });
    }

    fn finish(mut self: Box<Self>, _: &Node, rows: &mut Rows) {
        self.records.sort_by(|a, b| a.name.cmp(&b.name));
        for record in self.records {
            let line = record.message.as_ref().map(|(line, _)| *line);
            rows.add(&record.entry, line)
                .set("name", record.name)
                .set("size_bytes", i64::try_from(record.size).ok())
                .set("message", record.message.map(|(_, text)| text));
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::table::testing::{csv, run};

    #[test]
    fn the_panic_is_the_reason() {
        let text = b"Panic#1 Part1\n<1>[  811.9] BUG: kernel NULL pointer dereference, address: 0000000000000008\n<0>[  812.0] Kernel panic - not syncing: Fatal exception in interrupt\n";
        let (rows, _) = run(
            "crash_record",
            &[
                ("root/sys/fs/pstore/dmesg-efi-163000000001001", text),
                ("root/sys/fs/pstore/dmesg-erst-7.enc.z", b"\x78\x9c\x00"),
                ("root/sys/fs/pstore/console-ramoops-0", b"booting\n"),
            ],
        );
        assert_eq!(
            csv(&rows, &["name", "line", "message"]),
            "dmesg-efi-163000000001001,3,Kernel panic - not syncing: Fatal exception in interrupt\ndmesg-erst-7.enc.z,,\n"
        );
    }
}
