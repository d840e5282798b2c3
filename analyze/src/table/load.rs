//! One pass over the bundle fills every table. A profile without a bundle fills those of profiles.

use std::collections::BTreeMap;

use freezeframe_bundle::{Contents, EntryRecord, Item, Outcome, Reader, Summary};
use polars::prelude::{DataFrame, PolarsResult};
use serde::Serialize;

use super::budget::{Budget, Limits};
use super::pattern::{Router, split};
use super::rows::TEXT_BYTES;
use super::{Column, Damages, Decode, Derived, Input, Node, Rows, Table};
use crate::derived::DERIVED;
use crate::kubernetes::names;
use crate::open::Opened;
use crate::profile::blocked;
use crate::profile::bundled::Members;
use crate::profile::pprof::members::Answers;
use crate::profile::{DebugFiles, name_tasks};
use crate::tables::TABLES;

/// Something that a table could not parse.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Damage {
    /// The entry.
    pub entry: String,
    /// The line in it, from 1.
    pub line: Option<i64>,
    /// What is wrong.
    pub reason: String,
}

/// The rows of all tables by name, while derived tables are built.
pub type Store = BTreeMap<&'static str, Rows>;

/// One table, ready for SQL.
pub struct TableData {
    /// Name in SQL.
    pub name: &'static str,
    /// What one row is.
    pub about: &'static str,
    /// Its columns, origin included.
    pub columns: Vec<Column>,
    /// Its rows; without rows still a frame with the right columns.
    pub frame: DataFrame,
    /// Why it has no rows: what became of the entries it reads.
    pub missing: Option<String>,
}

/// All tables by name.
pub type Tables = BTreeMap<&'static str, TableData>;

/// A bundle in tables.
pub struct Loaded {
    /// What it was read from, where that is no bundle: `a file of perf record`.
    pub kind: Option<&'static str>,
    /// What the bundle says of itself.
    pub node: Node,
    /// Damage of the file, its summary and indexes.
    pub contents: Contents,
    /// The tables by name.
    pub tables: Tables,
    /// What could not be parsed.
    pub damage: Damages,
}

/// Reads a whole bundle into tables.
pub fn load(reader: Reader) -> PolarsResult<Loaded> {
    load_with(reader, Limits::default())
}

/// Reads a bundle into tables with limits of one's own.
pub fn load_with(reader: Reader, limits: Limits) -> PolarsResult<Loaded> {
    load_named(reader, limits, None)
}

/// Reads a bundle into tables; functions without a name may have one in `debug_files`.
pub fn load_named(
    reader: Reader,
    limits: Limits,
    debug_files: Option<&DebugFiles>,
) -> PolarsResult<Loaded> {
    let mut loading = Loading::new(limits);
    let contents = reader.read(&mut |item| loading.item(&item));
    loading.profiles(debug_files);
    loading.finish(contents)
}

/// A file that holds profiles and nothing else, without tables: a million samples make large ones,
/// and pictures need none.
pub fn without_tables(opened: Opened) -> PolarsResult<Loaded> {
    let profiles = opened.found.profiles;
    Ok(Loaded {
        kind: Some(opened.kind),
        node: Node {
            profiles,
            ..Node::default()
        },
        contents: Contents {
            damage: opened.found.damage,
            more_damage: opened.found.more_damage,
            ..Contents::default()
        },
        tables: Tables::new(),
        damage: Damages::default(),
    })
}

/// Tables of a file that holds profiles and nothing else.
pub fn load_profiles(opened: Opened) -> PolarsResult<Loaded> {
    let mut loading = Loading::new(Limits::default());
    loading.kind = Some(opened.kind);
    loading.node.profiles = opened.found.profiles;
    let contents = Contents {
        damage: opened.found.damage,
        more_damage: opened.found.more_damage,
        ..Contents::default()
    };
    loading.finish(contents)
}

struct Loading {
    kind: Option<&'static str>,
    members: Members,
    node: Node,
    router: Router,
    decoders: Vec<(&'static Table, Box<dyn Decode>)>,
    /// Per table, whether it was fed: a table that was and has no rows is empty, not missing.
    fed: Vec<bool>,
    /// Per table, the most telling outcome among reads that gave nothing.
    misses: Vec<Option<EntryRecord>>,
    damages: Damages,
    budget: Budget,
    answers: Answers,
}

impl Loading {
    fn new(limits: Limits) -> Self {
        let mut router = Router::default();
        let mut decoders = Vec::new();
        for (number, table) in TABLES.iter().copied().enumerate() {
            for pattern in table.reads {
                router.add(pattern, number);
            }
            decoders.push((table, (table.decoder)()));
        }
        Self {
            kind: None,
            members: Members::default(),
            node: Node::default(),
            router,
            fed: vec![false; decoders.len()],
            misses: vec![None; decoders.len()],
            decoders,
            damages: Damages::default(),
            budget: Budget::new(limits),
            answers: Answers::default(),
        }
    }

    fn item(&mut self, item: &Item) {
        match item {
            Item::Entry(entry) => {
                if entry.path == "capture.json" {
                    self.node.capture = serde_json::from_slice(&entry.bytes).ok();
                }
                let tables = self.router.tables(split(&entry.path).1);
                let (path, offset) = (&entry.path, entry.frame_offset);
                if self.budget.entry(path, offset, &entry.bytes, tables.len()) {
                    let record = entry.record.as_ref();
                    let outcome = record.map(|record| &record.outcome);
                    let partial = outcome.filter(|outcome| outcome.is_degraded());
                    let partial = partial.and_then(Outcome::reason);
                    self.members.take(path, &entry.bytes, partial.as_deref());
                    self.feed(&tables, path, &entry.bytes, record);
                }
            }
            Item::Record(record) => {
                let (_, path) = split(&record.path);
                for number in self.router.tables(path) {
                    let Some(miss) = self.misses.get_mut(number) else {
                        continue;
                    };
                    let tells_more = miss
                        .as_ref()
                        .is_none_or(|m| !m.outcome.is_degraded() && record.outcome.is_degraded());
                    if tells_more {
                        *miss = Some(record.clone());
                    }
                }
                // The table of outcomes reads records, not bytes.
                if self.budget.record(&record.path) {
                    self.feed_record(record);
                }
            }
        }
    }

    /// Makes profiles of what was kept for them.
    fn profiles(&mut self, debug_files: Option<&DebugFiles>) {
        let members = std::mem::take(&mut self.members);
        let damages = &mut self.damages;
        let profiles = members.read(debug_files, &mut |entry, line, reason| {
            let input = Input {
                entry,
                path: entry,
                reading: 0,
                bytes: &[],
                record: None,
            };
            damages.add(&input, line, reason);
        });
        self.node.profiles.extend(profiles);
    }

    fn feed(&mut self, tables: &[usize], entry: &str, bytes: &[u8], record: Option<&EntryRecord>) {
        let (reading, path) = split(entry);
        let input = Input {
            entry,
            path,
            reading,
            bytes,
            record,
        };
        for number in tables {
            if let Some((_, decoder)) = self.decoders.get_mut(*number) {
                decoder.entry(&input, &self.node, &mut self.damages);
            }
            if let Some(fed) = self.fed.get_mut(*number) {
                *fed = true;
            }
        }
        self.answers.entry(&input, &mut self.damages);
        if let Some(record) = record {
            self.feed_record(record);
        }
    }

    /// Gives every record, also of reads without bytes, to the tables that ask for `record`.
    fn feed_record(&mut self, record: &EntryRecord) {
        let (reading, _) = split(&record.path);
        let input = Input {
            entry: &record.path,
            path: "record",
            reading,
            bytes: &[],
            record: Some(record),
        };
        for number in self.router.tables("record") {
            if let Some((_, decoder)) = self.decoders.get_mut(number) {
                decoder.entry(&input, &self.node, &mut self.damages);
            }
        }
    }

    fn finish(mut self, mut contents: Contents) -> PolarsResult<Loaded> {
        if let Some(summary) = &contents.summary {
            // Bytes of our own making: they always serialise.
            let bytes = serde_json::to_vec(summary).unwrap_or_default();
            let tables = self.router.tables("summary.json");
            self.feed(&tables, "summary.json", &bytes, None);
        }
        self.node.profiles.extend(self.answers.finish());
        let mut store = Store::new();
        contents.damage.extend(self.budget.passed());
        let mut abouts = BTreeMap::new();
        let mut missing = BTreeMap::new();
        let captured = self.fed.into_iter().zip(self.misses);
        for ((table, decoder), (fed, miss)) in self.decoders.into_iter().zip(captured) {
            let mut rows = Rows::new(table.columns);
            decoder.finish(&self.node, &mut rows);
            if rows.is_empty() && !fed {
                let why = match self.kind {
                    Some(kind) => format!("this is {kind}, not a bundle"),
                    None => no_profile(table, contents.summary.as_ref())
                        .unwrap_or_else(|| why_missing(table.reads, miss.as_ref())),
                };
                missing.insert(table.name, why);
            }
            abouts.insert(table.name, table.about);
            store.insert(table.name, rows);
        }
        let mut profiles = std::mem::take(&mut self.node.profiles);
        blocked::finish(&mut profiles, &store, &self.node);
        self.node.profiles = profiles;
        let mut derived: Vec<&Derived> = DERIVED.to_vec();
        derived.sort_by_key(|d| (d.rank, d.name));
        let mut names = None;
        for table in derived {
            // Pods and containers are known when rank 0 is built.
            if table.rank > 0 && names.is_none() {
                let known = names::fill(&mut store);
                for profile in &mut self.node.profiles {
                    name_tasks(profile, &known);
                }
                names = Some(known);
            }
            let mut rows = Rows::new(table.columns);
            (table.build)(&store, &self.node, &mut rows);
            if let Some(names) = &names {
                names.fill(&mut rows);
            }
            if rows.is_empty() {
                let reason = table.needs.iter().find_map(|need| {
                    missing
                        .get(need)
                        .map(|why| format!("table `{need}`: {why}"))
                });
                if let Some(reason) = reason {
                    missing.insert(table.name, reason);
                }
            }
            abouts.insert(table.name, table.about);
            store.insert(table.name, rows);
        }
        let mut tables = Tables::new();
        for (name, rows) in store {
            contents.damage.extend(too_much_text(name, &rows));
            let data = TableData {
                name,
                about: abouts.get(name).copied().unwrap_or_default(),
                columns: rows.columns().to_vec(),
                frame: super::frame::frame(rows)?,
                missing: missing.remove(name),
            };
            tables.insert(name, data);
        }
        Ok(Loaded {
            kind: self.kind,
            node: self.node,
            contents,
            tables,
            damage: self.damages,
        })
    }
}

fn too_much_text(table: &str, rows: &Rows) -> Option<freezeframe_bundle::Damage> {
    let left_out = Some(rows.left_out()).filter(|count| *count > 0)?;
    let reason = format!(
        "table `{table}`: more than {TEXT_BYTES} bytes of text, {left_out} rows are left out"
    );
    Some(freezeframe_bundle::Damage {
        member: None,
        offset: 0,
        reason,
    })
}

/// Why there is no profile: where sampling does not begin, its source alone tells.
fn no_profile(table: &Table, summary: Option<&Summary>) -> Option<String> {
    let is_profile = table.reads.contains(&"perf/perf.data");
    let mut sources = summary.filter(|_| is_profile)?.sources.iter();
    let outcome = &sources.find(|source| source.id == "perf")?.outcome;
    let why = outcome.reason()?;
    Some(format!("source `perf` is {}: {why}", outcome.name()))
}

fn why_missing(reads: &[&str], miss: Option<&EntryRecord>) -> String {
    match miss {
        Some(record) => {
            let why = record.outcome.reason().unwrap_or_default();
            format!("`{}` is {}: {why}", record.path, record.outcome.name())
        }
        None => format!("nothing like `{}` is in the bundle", reads.join("`, `")),
    }
}
