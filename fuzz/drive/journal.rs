//! The collector's journal reader on any file: it ends, and gives no more than it was asked for.

#![allow(dead_code)]

use std::fs::File;
use std::io::Write;
use std::time::{Duration, Instant};

#[path = "../../collect/src"]
mod collect {
    pub(crate) mod journal;
}

use collect::journal::{Budget, harvest};

const BUDGET_BYTES: usize = 64 << 10;
const BUDGET_ENTRIES: usize = 500;

/// Reads the input as a file of the journal.
pub(crate) fn run(data: &[u8]) {
    let file = rustix::fs::memfd_create("journal", rustix::fs::MemfdFlags::CLOEXEC).unwrap();
    let mut file = File::from(file);
    file.write_all(data).unwrap();
    let budget = Budget {
        bytes: BUDGET_BYTES,
        entries: BUDGET_ENTRIES,
        ends: Instant::now() + Duration::from_secs(60),
    };
    let harvest = harvest(vec![("fuzz".to_owned(), file)], budget, |_| true);
    assert!(harvest.export.len() <= BUDGET_BYTES);
    assert!(harvest.entries <= BUDGET_ENTRIES);
    assert!(harvest.damage.len() <= 20);
    assert_eq!(harvest.export.is_empty(), harvest.entries == 0);
}
