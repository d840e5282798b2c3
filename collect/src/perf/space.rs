//! The executable memory of a process as it is now, for whoever unwinds its stacks.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::module::ModuleId;
use super::tables::{ANCESTORS, Tables};

/// Extents of one process; a JVM has some hundreds.
const EXTENTS: usize = 8192;

/// Executable memory that belongs to one module.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct Extent {
    pub(crate) start: u64,
    pub(crate) end: u64,
    /// Offset in the module of the first byte.
    pub(crate) offset: u64,
    pub(crate) module: ModuleId,
}

/// The extents of a process, in order and without overlap: nobody tells of what is unmapped, but
/// what was mapped later took its place. What it has not mapped itself it has from its parent.
pub(crate) fn of(tables: &Tables, pid: u32) -> Vec<Extent> {
    let mut extents = BTreeMap::new();
    let (mut pid, mut until) = (pid, u64::MAX);
    for _ in 0..ANCESTORS {
        let Some(process) = tables.processes.get(&pid) else {
            break;
        };
        let executed = process.executed.filter(|executed| *executed <= until);
        let since = executed.unwrap_or(0);
        let own = process.mappings.iter();
        let mut own: Vec<_> = own.filter(|m| (since..=until).contains(&m.since)).collect();
        own.sort_by_key(|mapping| Reverse(mapping.since));
        for mapping in own {
            let extent = Extent {
                start: mapping.start,
                end: mapping.end,
                offset: mapping.offset,
                module: tables.canonical(mapping.module),
            };
            add(&mut extents, extent);
        }
        match process.forked {
            Some(forked) if executed.is_none() => (pid, until) = (process.parent, forked),
            _ => break,
        }
    }
    extents.into_values().collect()
}

/// Adds it where nothing is yet.
fn add(extents: &mut BTreeMap<u64, Extent>, extent: Extent) {
    let before = extents.range(..extent.end).next_back();
    let is_free = before.is_none_or(|(_, before)| before.end <= extent.start);
    if is_free && extent.start < extent.end && extents.len() < EXTENTS {
        extents.insert(extent.start, extent);
    }
}

/// The extent that an address lies in.
pub(crate) fn find(extents: &[Extent], address: u64) -> Option<&Extent> {
    let behind = extents.partition_point(|extent| extent.start <= address);
    let extent = extents.get(behind.checked_sub(1)?)?;
    (address < extent.end).then_some(extent)
}

#[cfg(test)]
mod tests {
    use super::super::seen::SeenMapping;
    use super::*;

    fn mapping(start: u64, end: u64) -> SeenMapping {
        SeenMapping {
            start,
            end,
            offset: start,
            key: None,
            path: "/bin/a".to_owned(),
        }
    }

    fn starts(tables: &Tables, pid: u32) -> Vec<(u64, u64)> {
        let extents = of(tables, pid);
        extents.iter().map(|e| (e.start, e.end)).collect()
    }

    #[test]
    fn what_came_later_took_the_place() {
        let mut tables = Tables::new();
        tables.saw_mapping(7, &mapping(0x1000, 0x2000));
        tables.saw_mapping(7, &mapping(0x8000, 0x9000));
        let process = tables.process(7).unwrap();
        let mut later = process.mappings[0].clone();
        (later.start, later.end, later.since) = (0x1800, 0x2800, 50);
        process.mappings.push(later);
        assert_eq!(starts(&tables, 7), [(0x1800, 0x2800), (0x8000, 0x9000)]);
        // A child has what its parent had then.
        tables.fork(8, 7, 40);
        assert_eq!(starts(&tables, 8), [(0x1000, 0x2000), (0x8000, 0x9000)]);
        tables.exec(8, 60, b"b");
        assert_eq!(starts(&tables, 8), []);
        assert_eq!(starts(&tables, 9), []);
        let extents = of(&tables, 7);
        assert_eq!(find(&extents, 0x1800).unwrap().start, 0x1800);
        assert_eq!(find(&extents, 0x2800), None);
        assert_eq!(find(&extents, 0x17ff), None);
    }
}
