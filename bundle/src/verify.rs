//! Compares every entry with its digest.

use std::path::Path;

use serde::Serialize;

use crate::{Contents, Damage, Digest, Item, OpenError, Reader};

/// Names that are kept of each list; further ones are only counted.
const KEPT: usize = 1000;

/// What is wrong with a bundle.
#[derive(Debug, Serialize)]
pub struct Report {
    /// Entries that are what their record says.
    pub intact: u64,
    /// Entries whose batch has no index: they cannot be checked.
    pub unlisted: Vec<String>,
    /// What is missing, cut or altered.
    pub damage: Vec<Damage>,
    /// Damage beyond what these lists hold.
    pub more_damage: u64,
}

impl Report {
    /// Whether nothing is missing, cut or altered.
    pub fn is_sound(&self) -> bool {
        self.damage.is_empty() && self.unlisted.is_empty()
    }
}

/// Reads the whole bundle and checks every entry and every index.
pub fn verify(path: &Path) -> Result<(Report, Contents), OpenError> {
    Ok(verify_reader(Reader::open(path)?))
}

/// Checks a bundle that was opened already.
pub fn verify_reader(reader: Reader) -> (Report, Contents) {
    let mut intact = 0;
    let mut unlisted = Vec::new();
    let mut damage = Vec::new();
    let mut more_damage = 0;
    let mut contents = reader.read(&mut |item| {
        let Item::Entry(entry) = item else { return };
        let Some(record) = &entry.record else {
            if unlisted.len() < KEPT {
                unlisted.push(entry.path);
            } else {
                more_damage += 1;
            }
            return;
        };
        if record.sha256.as_deref() == Some(Digest::of(&entry.bytes).0.as_str()) {
            intact += 1;
        } else if damage.len() >= KEPT {
            more_damage += 1;
        } else {
            damage.push(Damage {
                member: Some(entry.path),
                offset: entry.frame_offset,
                reason: "altered: the digest differs".to_owned(),
            });
        }
    });
    check_indexes(&contents, &mut damage);
    damage.append(&mut contents.damage);
    let report = Report {
        intact,
        unlisted,
        damage,
        more_damage: more_damage + contents.more_damage,
    };
    (report, contents)
}

fn check_indexes(contents: &Contents, damage: &mut Vec<Damage>) {
    let Some(summary) = &contents.summary else {
        return;
    };
    let mut note = |number: u64, reason: String| {
        damage.push(Damage {
            member: Some(format!("index/{number}.jsonl")),
            offset: 0,
            reason,
        });
    };
    for (number, batch) in (0..).zip(&summary.batches) {
        match contents.indexes.get(&number) {
            None => note(
                number,
                format!("missing: {} records are lost", batch.records),
            ),
            Some((digest, _)) if *digest != batch.sha256 => {
                note(number, "altered: the digest differs".to_owned());
            }
            Some(_) => {}
        }
    }
    let mut unknown: Vec<u64> = contents.indexes.keys().copied().collect();
    unknown.retain(|number| *number >= summary.batches.len() as u64);
    unknown.sort_unstable();
    for number in unknown {
        note(number, "added: the summary does not know it".to_owned());
    }
}
