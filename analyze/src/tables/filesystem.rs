//! How full the local file systems are: one answer of `statvfs` per mount.
//!
//! Network and FUSE mounts are never asked; they stand here as skipped.

use std::collections::BTreeSet;

use freezeframe_bundle::Outcome;
use serde::Deserialize;

use crate::table::counter::{ratio, sum};
use crate::table::{Damages, Decode, Input, Node, Rows, Table, bool, float, int, text};

/// The table.
pub static TABLE: Table = Table {
    name: "filesystem",
    about: "space and inodes of local file systems, one row per mount",
    columns: &[
        text("mount_point", ""),
        text("filesystem_type", ""),
        text("device", "what is mounted"),
        int("size_bytes", ""),
        int("free_bytes", "for root"),
        int("available_bytes", "for everybody"),
        float("used_ratio", "used / (used + available), as df shows it"),
        int(
            "inodes_count",
            "null where the file system makes inodes as needed",
        ),
        int("inodes_free_count", ""),
        float("inodes_used_ratio", ""),
        bool("read_only", ""),
        bool(
            "first_mount",
            "the first mount of its device: counts space once",
        ),
        text("outcome", "what became of the question"),
        text("reason", "why it was not asked, or failed"),
        int("took_us", "how long the answer took"),
    ],
    reads: &["calls/statvfs.jsonl"],
    decoder: || Box::new(FileSystem::default()),
};

#[derive(Deserialize)]
struct Answer {
    mount_point: String,
    filesystem_type: String,
    device: String,
    outcome: Outcome,
    took_us: u64,
    block_size_bytes: Option<u64>,
    blocks: Option<u64>,
    blocks_free: Option<u64>,
    blocks_available: Option<u64>,
    files: Option<u64>,
    files_free: Option<u64>,
    read_only: Option<bool>,
}

#[derive(Default)]
struct FileSystem {
    answers: Vec<(String, i64, Answer)>,
}

impl Decode for FileSystem {
    fn entry(&mut self, input: &Input<'_>, _: &Node, damages: &mut Damages) {
        for (number, line) in input.lines() {
            match serde_json::from_str(&line) {
                Ok(answer) => self.answers.push((input.entry.to_owned(), number, answer)),
                Err(_) if line.is_empty() => {}
                Err(error) => damages.add(input, Some(number), error.to_string()),
            }
        }
    }

    fn finish(self: Box<Self>, _: &Node, rows: &mut Rows) {
        let mut devices = BTreeSet::new();
        for (entry, line, answer) in self.answers {
            let bytes = |blocks: Option<u64>| blocks?.checked_mul(answer.block_size_bytes?);
            let (size, free, available) = (
                bytes(answer.blocks),
                bytes(answer.blocks_free),
                bytes(answer.blocks_available),
            );
            let used = size.zip(free).map(|(size, free)| size.saturating_sub(free));
            let used_ratio = ratio(used, sum([used, available]));
            let inodes = answer.files.filter(|count| *count > 0);
            let inodes_free = inodes.and(answer.files_free);
            let inodes_used = inodes
                .zip(inodes_free)
                .map(|(all, free)| all.saturating_sub(free) as f64 / all as f64);
            // A device that is mounted often is counted once; memory has no device.
            let first = !answer.device.starts_with('/') || devices.insert(answer.device.clone());
            rows.add(&entry, Some(line))
                .set("mount_point", unescape(&answer.mount_point))
                .set("filesystem_type", answer.filesystem_type)
                .set("device", answer.device)
                .set("size_bytes", size)
                .set("free_bytes", free)
                .set("available_bytes", available)
                .set("used_ratio", used_ratio)
                .set("inodes_count", inodes)
                .set("inodes_free_count", inodes_free)
                .set("inodes_used_ratio", inodes_used)
                .set("read_only", answer.read_only)
                .set("first_mount", first)
                .set("outcome", answer.outcome.name())
                .set("reason", answer.outcome.reason())
                .set("took_us", answer.took_us);
        }
    }
}

/// Decodes the kernel's octal escapes of mount tables: `\040` is a space.
pub(crate) fn unescape(path: &str) -> String {
    let mut text = String::with_capacity(path.len());
    let mut rest = path;
    while let Some(place) = rest.find('\\') {
        let (before, after) = rest.split_at(place);
        text.push_str(before);
        let code = after
            .get(1..4)
            .and_then(|digits| u8::from_str_radix(digits, 8).ok());
        match code {
            Some(code) if code.is_ascii() => {
                text.push(char::from(code));
                rest = after.get(4..).unwrap_or_default();
            }
            _ => {
                text.push('\\');
                rest = after.get(1..).unwrap_or_default();
            }
        }
    }
    text.push_str(rest);
    text
}

#[cfg(test)]
mod tests {
    use super::unescape;
    use crate::table::testing::{csv, run};

    #[test]
    fn full_dynamic_and_skipped() {
        let (rows, damages) = run(
            "filesystem",
            &[("calls/statvfs.jsonl", br#"{"mount_point":"/var\\040lib","filesystem_type":"ext4","device":"/dev/vda","outcome":{"is":"complete"},"took_us":7,"block_size_bytes":4096,"blocks":1000,"blocks_free":100,"blocks_available":50,"files":200,"files_free":20,"read_only":false}
{"mount_point":"/b","filesystem_type":"btrfs","device":"/dev/vdb","outcome":{"is":"complete"},"took_us":7,"block_size_bytes":4096,"blocks":10,"blocks_free":10,"blocks_available":10,"files":0,"files_free":0,"read_only":true}
{"mount_point":"/n","filesystem_type":"nfs4","device":"srv:/x","outcome":{"is":"skipped","why":"may hang"},"took_us":0}
{bad
"#)],
        );
        let columns = [
            "mount_point",
            "used_ratio",
            "inodes_used_ratio",
            "read_only",
            "outcome",
            "reason",
        ];
        assert_eq!(
            csv(&rows, &columns),
            "/var lib,0.9474,0.9000,false,complete,\n/b,0.0000,,true,complete,\n/n,,,,skipped,may hang\n"
        );
        assert_eq!(damages.list.len(), 1);
    }

    #[test]
    fn escapes() {
        assert_eq!(unescape("a\\040b\\134c\\9\\"), "a b\\c\\9\\");
    }
}
