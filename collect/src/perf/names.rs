//! The addresses of one module that were hit, and the names found for them.

use super::elf::Elf;

/// A name for an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    /// Where the function begins.
    pub(crate) address: u64,
    /// 0: not known.
    pub(crate) size: u64,
    pub(crate) name: String,
    /// The table that it is from.
    pub(crate) from: &'static str,
}

/// Addresses in order, each with what was found.
pub(crate) struct Names {
    addresses: Vec<u64>,
    certain: Vec<Option<Found>>,
    guessed: Vec<Option<Found>>,
}

impl Names {
    /// Names for these addresses, which need not be in order.
    pub(crate) fn new(mut addresses: Vec<u64>) -> Self {
        addresses.sort_unstable();
        addresses.dedup();
        Self {
            certain: vec![None; addresses.len()],
            guessed: vec![None; addresses.len()],
            addresses,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.addresses.len()
    }

    /// Place of the first address that is not below.
    pub(crate) fn first_from(&self, address: u64) -> usize {
        self.addresses.partition_point(|other| *other < address)
    }

    /// Whether a name is still of use at this place.
    pub(crate) fn lacks(&self, place: usize, guess: bool) -> bool {
        let is_empty = |list: &[Option<Found>]| list.get(place).is_some_and(Option::is_none);
        is_empty(&self.certain) && (!guess || is_empty(&self.guessed))
    }

    /// Whether every address has a certain name.
    pub(crate) fn is_complete(&self) -> bool {
        self.certain.iter().all(Option::is_some)
    }

    /// Notes a name; the first one stays.
    pub(crate) fn found(&mut self, place: usize, guess: bool, found: Found) {
        let list = if guess {
            &mut self.guessed
        } else {
            &mut self.certain
        };
        if let Some(name) = list.get_mut(place)
            && name.is_none()
        {
            *name = Some(found);
        }
    }

    /// Whether any of the addresses is there.
    pub(crate) fn has_within(&self, start: u64, size: u64) -> bool {
        self.first_from(start) < self.first_from(start.saturating_add(size))
    }

    /// Notes a name where a later one counts: a process tells of code that replaced other code.
    pub(crate) fn replace(&mut self, start: u64, size: u64, name: &str, from: &'static str) {
        let (first, last) = (
            self.first_from(start),
            self.first_from(start.saturating_add(size)),
        );
        for found in self.certain.get_mut(first..last).unwrap_or_default() {
            *found = Some(Found {
                address: start,
                size,
                name: name.to_owned(),
                from,
            });
        }
    }

    /// Addresses without a certain name, with their places.
    pub(crate) fn unknown(&self) -> Vec<(usize, u64)> {
        let addresses = self.addresses.iter().copied().enumerate();
        addresses
            .filter(|(place, _)| self.lacks(*place, false))
            .collect()
    }

    /// What was found for an address.
    pub(crate) fn get(&self, address: u64) -> Option<&Found> {
        let place = self.addresses.binary_search(&address).ok()?;
        let certain = self.certain.get(place)?.as_ref();
        certain.or_else(|| self.guessed.get(place)?.as_ref())
    }
}

/// Offsets in a file as addresses; those that are not loaded are left out.
pub(crate) fn addresses(elf: &Elf<'_>, offsets: impl Iterator<Item = u64>) -> Vec<(u64, u64)> {
    offsets
        .filter_map(|offset| Some((offset, elf.address_of(offset)?)))
        .collect()
}
