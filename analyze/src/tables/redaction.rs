//! Secrets that the collector took out before it stored an entry.
//!
//! What stands in their place is `<redacted:KIND:TAG:LENGTH>`; equal secrets of one capture have
//! equal tags.

use std::collections::BTreeMap;

use crate::table::{Damages, Decode, Input, Node, Rows, Table, int, text};

/// The table.
pub static TABLE: Table = Table {
    name: "redaction",
    about: "secrets taken out before an entry was stored, per entry and kind",
    columns: &[
        text("path", "the entry"),
        text("source", "id of the source that read it"),
        text(
            "kind",
            "kind of secret: env, password, jwt, private-key ...",
        ),
        int("count", "how many"),
    ],
    reads: &["record"],
    decoder: || Box::new(Redaction::default()),
};

#[derive(Default)]
struct Redaction {
    entries: Vec<(String, String, BTreeMap<String, u64>)>,
}

impl Decode for Redaction {
    fn entry(&mut self, input: &Input<'_>, _: &Node, _: &mut Damages) {
        let Some(record) = input.record.filter(|r| !r.redactions.is_empty()) else {
            return;
        };
        let source = record.source.to_string();
        self.entries
            .push((record.path.clone(), source, record.redactions.clone()));
    }

    fn finish(self: Box<Self>, _: &Node, rows: &mut Rows) {
        for (path, source, kinds) in self.entries {
            for (kind, count) in kinds {
                rows.add(&path, None)
                    .set("path", path.as_str())
                    .set("source", source.as_str())
                    .set("kind", kind)
                    .set("count", count);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use freezeframe_bundle::{EntryRecord, Kind, Outcome};

    use super::*;
    use crate::table::testing::{csv, node};

    #[test]
    fn each_kind_has_a_row() {
        let mut decoder = (TABLE.decoder)();
        for (path, kinds) in [
            ("root/proc/1/environ", vec![("env", 3), ("jwt", 1)]),
            ("root/proc/2/environ", vec![]),
        ] {
            let kinds = kinds.into_iter().map(|(kind, n)| (kind.to_owned(), n));
            let record = EntryRecord {
                path: path.to_owned(),
                source: "environment".into(),
                outcome: Outcome::Complete,
                started_us: 0,
                took_us: 1,
                bytes: 1,
                sha256: None,
                kind: Kind::File,
                cut: None,
                redactions: kinds.collect(),
            };
            let input = Input {
                entry: path,
                path: "record",
                reading: 0,
                bytes: b"",
                record: Some(&record),
            };
            decoder.entry(&input, &node(), &mut Damages::default());
        }
        let mut rows = Rows::new(TABLE.columns);
        decoder.finish(&node(), &mut rows);
        assert_eq!(
            csv(&rows, &["path", "source", "kind", "count"]),
            "root/proc/1/environ,environment,env,3\nroot/proc/1/environ,environment,jwt,1\n"
        );
    }
}
