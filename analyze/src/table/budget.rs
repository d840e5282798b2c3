//! What the tables take of a bundle, which is hostile input: a line may become a row, which is
//! larger than the line.

use freezeframe_bundle::Damage;

/// Bounds of what is decoded. Passing one is damage that names it.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of entries, counted for each table that reads them.
    pub bytes: u64,
    /// Lines of these entries, counted alike, and records of the index.
    pub lines: u64,
}

impl Default for Limits {
    /// A node of 20,000 processes and 10,000 cgroups has 2 million lines, which one or two tables
    /// read. 10 million lines of a hostile journal take 2.6 GB of memory.
    fn default() -> Self {
        Self {
            bytes: 4 << 30,
            lines: 10_000_000,
        }
    }
}

/// What was taken so far.
#[derive(Debug)]
pub(super) struct Budget {
    limits: Limits,
    bytes: u64,
    lines: u64,
    /// The limit that was passed, and the first entry behind it.
    passed: Option<Damage>,
}

impl Budget {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            limits,
            bytes: 0,
            lines: 0,
            passed: None,
        }
    }

    /// Counts a record; false if there is no room for it.
    pub(super) fn record(&mut self, path: &str) -> bool {
        self.take(path, 0, 0, 1)
    }

    /// Counts an entry that so many tables read; false if there is no room for it.
    pub(super) fn entry(&mut self, path: &str, offset: u64, bytes: &[u8], tables: usize) -> bool {
        let lines = bytes.iter().filter(|byte| **byte == b'\n').count() + 1;
        let tables = tables as u64;
        self.take(
            path,
            offset,
            bytes.len() as u64 * tables,
            lines as u64 * tables,
        )
    }

    fn take(&mut self, path: &str, offset: u64, bytes: u64, lines: u64) -> bool {
        if self.passed.is_some() {
            return false;
        }
        self.bytes += bytes;
        self.lines += lines;
        for (what, count, limit) in [
            ("bytes", self.bytes, self.limits.bytes),
            ("lines", self.lines, self.limits.lines),
        ] {
            if count > limit {
                let reason = format!(
                    "more than {limit} {what} for tables: from this entry on nothing is in them"
                );
                self.passed = Some(Damage {
                    member: Some(path.to_owned()),
                    offset,
                    reason,
                });
                return false;
            }
        }
        true
    }

    /// The limit that was passed.
    pub(super) fn passed(self) -> Option<Damage> {
        self.passed
    }
}
