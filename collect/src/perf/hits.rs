//! Which addresses were hit by samples, and how often.

use std::collections::HashMap;

use super::module::{KERNEL, ModuleId};
use super::record::{self, Layout, Record};
use super::resolve::Wanted;
use super::tables::Tables;

/// Distinct addresses that are counted.
const ADDRESSES: usize = 1 << 20;

/// Counts of all samples, of whichever event.
#[derive(Default)]
pub(crate) struct Hits {
    /// Where an address of a process was, before or since it executed its program.
    places: HashMap<(u32, u64, bool), Option<(ModuleId, u64)>>,
    counts: HashMap<(ModuleId, u64), u64>,
    /// Addresses beyond those that are counted.
    pub(crate) not_counted: u64,
}

impl Hits {
    /// Goes through records; gives how many call chains broke: an address was outside of every
    /// mapping. What a function without a frame pointer leaves there is no caller, nor is what comes
    /// behind it.
    pub(crate) fn count(&mut self, tables: &Tables, bytes: &[u8], layout: Layout) -> u64 {
        let mut broken = 0;
        for bytes in record::records(bytes) {
            let Some(Record::Sample(sample)) = record::parse(bytes, layout) else {
                continue;
            };
            let process = tables.processes.get(&sample.pid);
            let executed = process.and_then(|process| process.executed);
            let is_new = executed.is_some_and(|executed| executed <= sample.time);
            for hit in sample.hits() {
                let place = if hit.is_kernel {
                    Some((KERNEL, hit.address))
                } else {
                    let key = (sample.pid, hit.address, is_new);
                    self.places.get(&key).copied().unwrap_or_else(|| {
                        let place = tables.find(sample.pid, hit.address, sample.time);
                        if self.places.len() < ADDRESSES {
                            self.places.insert(key, place);
                        }
                        place
                    })
                };
                let Some(place) = place else {
                    broken += 1;
                    break;
                };
                self.add(place);
            }
        }
        broken
    }

    fn add(&mut self, place: (ModuleId, u64)) {
        if self.counts.len() < ADDRESSES || self.counts.contains_key(&place) {
            *self.counts.entry(place).or_default() += 1;
        } else {
            self.not_counted += 1;
        }
    }

    /// The most hit modules come first.
    pub(crate) fn by_module(self) -> Vec<Wanted> {
        let mut modules: HashMap<ModuleId, Vec<(u64, u64)>> = HashMap::new();
        for ((module, offset), count) in self.counts {
            modules.entry(module).or_default().push((offset, count));
        }
        let mut wanted: Vec<Wanted> = modules
            .into_iter()
            .map(|(module, mut hits)| {
                hits.sort_unstable();
                Wanted { module, hits }
            })
            .collect();
        wanted.sort_by_key(|wanted| (std::cmp::Reverse(wanted.frames()), wanted.module));
        wanted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_hit_module_comes_first() {
        let hits = Hits {
            counts: HashMap::from([((5, 16), 1), ((7, 8), 3), ((7, 4), 1), ((0, 99), 2)]),
            ..Hits::default()
        };
        let wanted = hits.by_module();
        let order: Vec<_> = wanted.iter().map(|w| (w.module, w.hits.clone())).collect();
        assert_eq!(
            order,
            [
                (7, vec![(4, 1), (8, 3)]),
                (0, vec![(99, 2)]),
                (5, vec![(16, 1)])
            ]
        );
    }
}
