//! Tables: raw entries of the bundle become rows.
//!
//! One file per table in `tables/`, one per computed table in `derived/`; each registers itself. A table is fed every entry whose path it
//! asked for while the bundle streams by, and gives its rows at the end. Parsing never stops: a
//! line that cannot be read is damage, and the next line is tried. What was not captured is null
//! or no row at all, never zero.

use freezeframe_bundle::{Capture, EntryRecord};

use crate::profile::Profile;

pub mod answer;
pub mod attribute;
pub mod budget;
pub mod counter;
pub mod frame;
pub mod identity;
pub mod load;
pub mod netlink;
pub mod netns;
pub mod pattern;
pub mod rows;

pub use load::{Damage, Loaded, Store, TableData, Tables};
pub use rows::{Cell, Row, Rows};

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    /// UTF-8 text.
    Text,
    /// A whole number.
    Int,
    /// A number with a fraction.
    Float,
    /// True or false.
    Bool,
}

/// One column of a table. Its name ends with its unit where it has one.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    /// Name in SQL.
    pub name: &'static str,
    /// What it holds.
    pub kind: Type,
    /// What it means, in one line.
    pub about: &'static str,
}

/// Declares a text column.
pub const fn text(name: &'static str, about: &'static str) -> Column {
    Column {
        name,
        kind: Type::Text,
        about,
    }
}

/// Declares a column of whole numbers.
pub const fn int(name: &'static str, about: &'static str) -> Column {
    Column {
        name,
        kind: Type::Int,
        about,
    }
}

/// Declares a column of numbers with a fraction.
pub const fn float(name: &'static str, about: &'static str) -> Column {
    Column {
        name,
        kind: Type::Float,
        about,
    }
}

/// Declares a column of truth values.
pub const fn bool(name: &'static str, about: &'static str) -> Column {
    Column {
        name,
        kind: Type::Bool,
        about,
    }
}

/// Where a row was read: every table has these two columns besides its own.
pub const ORIGIN: [Column; 2] = [
    text("entry", "bundle entry that the row was read from"),
    int(
        "line",
        "line in that entry, from 1; null where the row is not one line",
    ),
];

/// A table that reads entries.
pub struct Table {
    /// Name in SQL: `snake_case`, singular.
    pub name: &'static str,
    /// What one row is, in one line.
    pub about: &'static str,
    /// Its own columns; [`ORIGIN`] is added to each table.
    pub columns: &'static [Column],
    /// The entries it reads. `/proc/*/stat` is a file of the node, in every reading; without a
    /// slash in front it is a member (`kernel/kmsg`). `*` stands for any text within one part of
    /// the path, a part `**` for any number of parts.
    pub reads: &'static [&'static str],
    /// Makes the decoder.
    pub decoder: fn() -> Box<dyn Decode>,
}

/// A table computed from other tables: what SQL cannot say.
pub struct Derived {
    /// Name in SQL: `snake_case`, singular.
    pub name: &'static str,
    /// What one row is, in one line.
    pub about: &'static str,
    /// Its own columns; [`ORIGIN`] is added to each table.
    pub columns: &'static [Column],
    /// The tables it is computed from.
    pub needs: &'static [&'static str],
    /// Tables of a lower rank are built before it; 0 needs no other derived table.
    pub rank: u32,
    /// Computes the rows.
    pub build: fn(&Store, &Node, &mut Rows),
}

/// What a decoder may need to know of the capture.
#[derive(Clone, Debug, Default)]
pub struct Node {
    /// `capture.json`; missing where it was lost.
    pub capture: Option<Capture>,
    /// The profiles of the bundle; they are there when derived tables are built.
    pub profiles: Vec<Profile>,
}

impl Node {
    /// Bytes of a memory page; 4096 where the capture does not tell.
    pub fn page_size_bytes(&self) -> u64 {
        self.capture
            .as_ref()
            .map_or(4096, |c| c.page_size_bytes.max(1))
    }

    /// Clock ticks per second of `/proc`; 100 where the capture does not tell.
    pub fn ticks_per_second(&self) -> u64 {
        self.capture
            .as_ref()
            .map_or(100, |c| c.ticks_per_second.max(1))
    }

    /// Microseconds since boot of a time of `CLOCK_MONOTONIC`, which does not count suspended time.
    pub fn since_boot_us(&self, monotonic_ns: u64) -> u64 {
        let suspended_us = self.capture.as_ref().map_or(0, |c| {
            c.started.boottime_us.saturating_sub(c.started.monotonic_us)
        });
        (monotonic_ns / 1000).saturating_add(suspended_us)
    }

    /// Microseconds that a number of clock ticks lasts.
    pub fn ticks_to_us(&self, ticks: u64) -> u64 {
        ticks.saturating_mul(1_000_000) / self.ticks_per_second()
    }
}

/// One entry, as a decoder sees it.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a> {
    /// The member's path: `root/proc/stat`, `window/3/proc/stat`, `kernel/kmsg`. This is the
    /// evidence that rows name in their column `entry`.
    pub entry: &'a str,
    /// The file's path on the node with a leading `/`, or the member's path where it is no file.
    pub path: &'a str,
    /// 0 for the first reading, n for the one under `window/<n>`.
    pub reading: u32,
    /// The bytes stored. Not necessarily UTF-8, not necessarily whole.
    pub bytes: &'a [u8],
    /// What became of the read; missing where the bundle was cut.
    pub record: Option<&'a EntryRecord>,
}

impl Input<'_> {
    /// When the read began, in microseconds since boot.
    pub fn started_us(&self) -> Option<u64> {
        self.record.map(|r| r.started_us)
    }

    /// The part of the node's path at this place: part 0 of `/proc/1/stat` is `proc`.
    pub fn part(&self, place: usize) -> Option<&str> {
        self.path.trim_start_matches('/').split('/').nth(place)
    }

    /// The lines with their number from 1, bytes that are not UTF-8 replaced.
    pub fn lines(&self) -> impl Iterator<Item = (i64, std::borrow::Cow<'_, str>)> {
        let bytes = self.bytes.strip_suffix(b"\n").unwrap_or(self.bytes);
        (1..)
            .zip(bytes.split(|b| *b == b'\n'))
            .map(|(n, line)| (n, String::from_utf8_lossy(line)))
    }

    /// The whole content as text, bytes that are not UTF-8 replaced.
    pub fn text(&self) -> std::borrow::Cow<'_, str> {
        String::from_utf8_lossy(self.bytes)
    }
}

/// Collects what could not be parsed.
#[derive(Debug, Default)]
pub struct Damages {
    /// The first ones.
    pub list: Vec<Damage>,
    /// How many more there were.
    pub more: u64,
}

impl Damages {
    /// How many are kept; the rest is only counted.
    const KEPT: usize = 500;

    /// Longest reason in characters: it may repeat a line, and a line may be the whole entry.
    const REASON: usize = 300;

    /// Notes that something in `input` could not be parsed.
    pub fn add(&mut self, input: &Input<'_>, line: Option<i64>, reason: impl Into<String>) {
        if self.list.len() >= Self::KEPT {
            self.more += 1;
            return;
        }
        self.list.push(Damage {
            entry: input.entry.to_owned(),
            line,
            reason: reason.into().chars().take(Self::REASON).collect(),
        });
    }
}

/// Turns entries into rows. A new decoder is made for each bundle.
pub trait Decode {
    /// Takes one entry. Entries come in the order of their capture: first readings before later
    /// ones.
    fn entry(&mut self, input: &Input<'_>, node: &Node, damages: &mut Damages);

    /// Gives the rows when the bundle has ended.
    fn finish(self: Box<Self>, node: &Node, rows: &mut Rows);
}

#[cfg(test)]
pub mod testing;
