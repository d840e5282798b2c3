//! Which addresses were hit by samples, and how often.

use std::collections::HashMap;
use std::time::Instant;

use super::module::{KERNEL, ModuleId};
use super::record::{self, Layout, Record};
use super::resolve::Wanted;
use super::tables::Tables;

/// Distinct addresses that are counted.
const ADDRESSES: usize = 1 << 20;

/// Counts of all samples, of whichever event.
pub(crate) struct Hits {
    /// Where an address of a process was, before or since it executed its program: a place in
    /// `counts`. The kernel's are those of no process.
    places: HashMap<(u32, u64, bool), Option<usize>>,
    known: HashMap<(ModuleId, u64), usize>,
    counts: Vec<((ModuleId, u64), u64)>,
    /// Addresses beyond those that are counted, and beyond the time for it.
    pub(crate) not_counted: u64,
    ends: Instant,
}

/// Stands for the kernel among processes.
const NO_PROCESS: u32 = u32::MAX;

impl Hits {
    /// Counts until `ends`.
    pub(crate) fn until(ends: Instant) -> Self {
        Self {
            places: HashMap::new(),
            known: HashMap::new(),
            counts: Vec::new(),
            not_counted: 0,
            ends,
        }
    }

    /// Goes through records; gives how many call chains broke: an address was outside of every
    /// mapping. What a function without a frame pointer leaves there is no caller, nor is what comes
    /// behind it.
    pub(crate) fn count(&mut self, tables: &Tables, bytes: &[u8], layout: Layout) -> u64 {
        let mut broken = 0;
        for bytes in record::records(bytes) {
            let Some(Record::Sample(sample)) = record::parse(bytes, layout) else {
                continue;
            };
            if Instant::now() >= self.ends {
                self.not_counted += sample.hits().count() as u64;
                continue;
            }
            let process = tables.processes.get(&sample.pid);
            let executed = process.and_then(|process| process.executed);
            let is_new = executed.is_some_and(|executed| executed <= sample.time);
            for hit in sample.hits() {
                let key = if hit.is_kernel {
                    (NO_PROCESS, hit.address, false)
                } else {
                    (sample.pid, hit.address, is_new)
                };
                let place = match self.places.get(&key) {
                    Some(place) => *place,
                    None => self.place(tables, key, sample.time),
                };
                let Some(place) = place else {
                    broken += 1;
                    break;
                };
                match self.counts.get_mut(place) {
                    Some((_, count)) => *count += 1,
                    None => self.not_counted += 1,
                }
            }
        }
        broken
    }

    /// Looks for the place of an address that was not met yet; of one that finds no room it is behind
    /// all others.
    fn place(&mut self, tables: &Tables, key: (u32, u64, bool), time: u64) -> Option<usize> {
        let (pid, address, _) = key;
        let place = if pid == NO_PROCESS {
            Some((KERNEL, address))
        } else {
            tables.find(pid, address, time)
        };
        let place = place.map(|place| {
            let next = self.counts.len();
            if next >= ADDRESSES {
                return self.known.get(&place).copied().unwrap_or(usize::MAX);
            }
            *self.known.entry(place).or_insert_with(|| {
                self.counts.push((place, 0));
                next
            })
        });
        if self.places.len() < ADDRESSES {
            self.places.insert(key, place);
        }
        place
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

    use std::time::Duration;

    const LAYOUT: Layout = Layout {
        has_period: true,
        has_cgroup: false,
    };

    /// A sample of the kernel.
    fn sample(addresses: &[u64]) -> Vec<u8> {
        let chain = [&[record::CONTEXT_KERNEL], addresses].concat();
        let length = 56 + chain.len() * 8;
        let mut bytes = u64::from(record::kind::SAMPLE).to_ne_bytes().to_vec();
        bytes[6..8].copy_from_slice(&(length as u16).to_ne_bytes());
        let words = [7, 7, 5, 1, 99, chain.len() as u64];
        bytes.extend(words.iter().chain(&chain).flat_map(|w| w.to_ne_bytes()));
        bytes
    }

    #[test]
    fn each_address_is_counted() {
        let mut hits = Hits::until(Instant::now() + Duration::from_mins(1));
        let samples = [sample(&[0x1000, 0x2001]), sample(&[0x2000, 0x2001])].concat();
        assert_eq!(hits.count(&Tables::new(), &samples, LAYOUT), 0);
        let wanted = hits.by_module();
        assert_eq!(wanted.len(), 1);
        assert_eq!((wanted[0].module, wanted[0].frames()), (KERNEL, 4));
        assert_eq!(wanted[0].hits, [(0x1000, 1), (0x2000, 3)]);
    }

    #[test]
    fn counting_ends_in_time() {
        let mut hits = Hits::until(Instant::now());
        hits.count(&Tables::new(), &sample(&[0x1000, 0x2001]), LAYOUT);
        assert_eq!(hits.not_counted, 2);
        assert!(hits.by_module().is_empty());
    }

    #[test]
    fn the_most_hit_module_comes_first() {
        let mut hits = Hits::until(Instant::now());
        hits.counts = vec![((5, 16), 1), ((7, 8), 3), ((7, 4), 1), ((0, 99), 2)];
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
