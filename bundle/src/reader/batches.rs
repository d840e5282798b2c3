//! A bundle as `collect` wrote it: batch after batch, each in a frame of its own with its index
//! as the last member. A batch is given when its frame has ended well.

use std::collections::HashMap;
use std::ops::ControlFlow;

use super::output::Output;
use super::walk::{Proof, Read, Sink};
use super::{Entry, index};
use crate::damage::Damages;
use crate::{Digest, EntryRecord};

/// What an entry of no bytes takes in memory, about.
const ENTRY_COST: u64 = 512;

/// Why an entry is not given.
const ALTERED: &str = "altered: the digest differs";
const UNPROVEN: &str = "cannot be proven and is left out: its frame is damaged and its index lost";
const NOT_THERE: &str = "listed in the index and not there";

/// Holds the batch that has not ended.
pub(super) struct Batches<'a> {
    pub(super) output: Output<'a>,
    /// Emptied from the front by [`Finder`].
    held: Vec<Option<Read>>,
    held_bytes: u64,
    largest_bytes: u64,
    index: Option<(String, Vec<u8>, u64)>,
    summary: Option<(Vec<u8>, u64)>,
    /// Entries were given before their index came.
    overflowed: bool,
}

impl<'a> Batches<'a> {
    pub(super) fn new(output: Output<'a>) -> Self {
        Self {
            output,
            held: Vec::new(),
            held_bytes: 0,
            largest_bytes: 0,
            index: None,
            summary: None,
            overflowed: false,
        }
    }

    fn hold(&mut self, read: Read) {
        let bytes = read.bytes.as_ref().map_or(0, |b| b.len() as u64);
        let cost = ENTRY_COST + read.path.len() as u64 + bytes;
        let frame = read.frame;
        self.held_bytes += cost;
        self.largest_bytes = self.largest_bytes.max(cost);
        self.held.push(Some(read));
        let limit = self.output.limits.batch_bytes;
        if self.held_bytes - self.largest_bytes > limit {
            let reason = format!(
                "more than {limit} bytes without an index: these entries are given without records"
            );
            if !self.overflowed {
                self.output.damages.frame(frame, &reason);
            }
            self.overflowed = true;
            self.deliver(Proof::Unfinished);
        }
    }

    /// Gives what is held.
    fn deliver(&mut self, proof: Proof) {
        let mut finder = Finder::new(std::mem::take(&mut self.held));
        (self.held_bytes, self.largest_bytes) = (0, 0);
        if let Some((path, bytes, frame)) = self.index.take() {
            let overflowed = std::mem::take(&mut self.overflowed);
            self.output
                .index((&path, &bytes), frame, &mut |record, damages| {
                    let Some(read) = finder.find(&record.path) else {
                        if !overflowed {
                            damages.member(record.path.as_bytes(), frame, NOT_THERE);
                        }
                        return Err(NOT_THERE.to_owned());
                    };
                    prove(read, record, proof, damages)
                });
        }
        for read in finder.held.into_iter().flatten() {
            if proof == Proof::Altered {
                self.output
                    .damages
                    .member(read.path.as_bytes(), read.frame, UNPROVEN);
            } else if let Ok(entry) = entry(read) {
                self.output.entry(entry);
            }
        }
    }
}

impl Sink for Batches<'_> {
    fn member(&mut self, read: Read) -> ControlFlow<()> {
        if self.index.is_some() {
            // A member behind the index in one frame: another program packed it.
            self.deliver(Proof::Unfinished);
        }
        match read.bytes {
            Ok(bytes) if index::number(&read.path).is_some() => {
                self.index = Some((read.path, bytes, read.frame));
            }
            Ok(bytes) if read.path == "summary.json" => self.summary = Some((bytes, read.frame)),
            _ => self.hold(read),
        }
        ControlFlow::Continue(())
    }

    fn boundary(&mut self, proof: Proof) {
        self.deliver(proof);
        match self.summary.take() {
            Some((_, frame)) if proof == Proof::Altered => {
                self.output.damages.member(b"summary.json", frame, UNPROVEN);
            }
            Some((bytes, frame)) => self.output.summary(&bytes, frame),
            None => {}
        }
    }

    fn damages(&mut self) -> &mut Damages {
        &mut self.output.damages
    }
}

/// An entry that is what its record says, or why there is none.
pub(super) fn prove(
    read: Read,
    record: &EntryRecord,
    proof: Proof,
    damages: &mut Damages,
) -> Result<Entry, String> {
    let entry = entry(read)?;
    if proof != Proof::Sound && record.sha256.as_ref() != Some(&Digest::of(&entry.bytes).0) {
        damages.member(entry.path.as_bytes(), entry.frame_offset, ALTERED);
        return Err(ALTERED.to_owned());
    }
    Ok(entry)
}

/// The entry without its record, or why there is none.
pub(super) fn entry(read: Read) -> Result<Entry, String> {
    Ok(Entry {
        bytes: read.bytes?,
        path: read.path,
        record: None,
        frame_offset: read.frame,
    })
}

/// Finds entries by path; fast where they are asked for in the order in which they were written.
struct Finder {
    held: Vec<Option<Read>>,
    next: usize,
    places: Option<HashMap<String, usize>>,
}

impl Finder {
    fn new(held: Vec<Option<Read>>) -> Self {
        Self {
            held,
            next: 0,
            places: None,
        }
    }

    fn find(&mut self, path: &str) -> Option<Read> {
        let is_next = |slot: &Option<Read>| slot.as_ref().is_some_and(|read| read.path == path);
        let place = if self.held.get(self.next).is_some_and(is_next) {
            self.next
        } else {
            let held = &self.held;
            let places = self.places.get_or_insert_with(|| {
                let paths = held.iter().enumerate();
                paths
                    .filter_map(|(n, slot)| Some((slot.as_ref()?.path.clone(), n)))
                    .collect()
            });
            *places.get(path)?
        };
        self.next = place + 1;
        self.held.get_mut(place)?.take()
    }
}
