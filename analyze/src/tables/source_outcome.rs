//! What became of each source, and of each read that was not complete, was cut or was slow.
//!
//! A slow or abandoned read is evidence: it names the file that the kernel could not answer for.

use freezeframe_bundle::{EntryRecord, Kept, Summary};

use crate::table::{Damages, Decode, Input, Node, Rows, Table, int, text};

/// A read that takes this long is worth a row: healthy ones take microseconds, and 50 ms is half
/// of a scheduling period of the CPU controller.
const SLOW_US: u64 = 50_000;

/// The table.
pub static TABLE: Table = Table {
    name: "source_outcome",
    about: "sources, and reads that were not complete, were cut or took 50 ms and more",
    columns: &[
        text("source", "id of the source"),
        text("path", "the read; null in the row of a source"),
        text(
            "outcome",
            "complete, partial, absent, denied, timed_out, failed or skipped",
        ),
        text("reason", "why it is not complete"),
        int("started_ts_us", "since boot"),
        int("took_us", "how long it took"),
        int("bytes", "stored"),
        text("cut_kept", "`head` or `tail` of a cut entry"),
        int("cut_of_bytes", "its whole length, where known"),
        int("entries_count", "entries of a source"),
    ],
    reads: &["record", "summary.json"],
    decoder: || Box::new(SourceOutcome::default()),
};

#[derive(Default)]
struct SourceOutcome {
    reads: Vec<EntryRecord>,
    summary: Option<Summary>,
}

impl Decode for SourceOutcome {
    fn entry(&mut self, input: &Input<'_>, _: &Node, damages: &mut Damages) {
        match input.record {
            Some(record) if input.path == "record" => {
                let odd = record.outcome.name() != "complete" || record.cut.is_some();
                if odd || record.took_us >= SLOW_US {
                    self.reads.push(record.clone());
                }
            }
            _ => match serde_json::from_slice(input.bytes) {
                Ok(summary) => self.summary = Some(summary),
                Err(error) => damages.add(input, None, error.to_string()),
            },
        }
    }

    fn finish(self: Box<Self>, _: &Node, rows: &mut Rows) {
        for source in self.summary.into_iter().flat_map(|summary| summary.sources) {
            rows.add("summary.json", None)
                .set("source", source.id)
                .set("outcome", source.outcome.name())
                .set("reason", source.outcome.reason())
                .set("started_ts_us", source.started_us)
                .set("took_us", source.took_us)
                .set("bytes", source.bytes)
                .set("entries_count", source.entries);
        }
        for read in self.reads {
            let kept = read.cut.map(|cut| match cut.kept {
                Kept::Head => "head",
                Kept::Tail => "tail",
            });
            rows.add(&read.path, None)
                .set("source", read.source)
                .set("path", read.path.as_str())
                .set("outcome", read.outcome.name())
                .set("reason", read.outcome.reason())
                .set("started_ts_us", read.started_us)
                .set("took_us", read.took_us)
                .set("bytes", read.bytes)
                .set("cut_kept", kept)
                .set("cut_of_bytes", read.cut.and_then(|cut| cut.of_bytes));
        }
    }
}
