//! Text that comes in pieces: what may be the beginning of a secret waits for the next piece.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::scan::slice;
use super::{Redactor, Shape, journal};

/// Kept behind (for what begins a secret) and before (for what tells that it is one): longer than
/// the longest private key.
const REACH: usize = 64 << 10;
/// New text that is worth a search.
const BATCH: usize = 256 << 10;
/// Where a batch has no line end it is cut all the same.
const MOST: usize = 8 << 20;

/// A text under redaction that comes in pieces.
pub(crate) struct Stream<'r> {
    redactor: &'r Redactor,
    shape: Shape,
    /// `held[..context]` has been given out; it tells about what follows.
    held: Vec<u8>,
    context: usize,
    /// Length at which a cut is tried.
    enough: usize,
    counts: BTreeMap<String, u64>,
}

impl<'r> Stream<'r> {
    pub(super) fn new(redactor: &'r Redactor, shape: Shape) -> Self {
        Self {
            redactor,
            shape,
            held: Vec::new(),
            context: 0,
            enough: BATCH + REACH,
            counts: BTreeMap::new(),
        }
    }

    /// Takes the next piece; gives out what is sure to be free of secrets.
    pub(crate) fn push<'p>(&mut self, piece: &'p [u8]) -> Cow<'p, [u8]> {
        if self.redactor.passes(self.shape) {
            return Cow::Borrowed(piece);
        }
        self.held.extend_from_slice(piece);
        if self.held.len() < self.enough {
            return Cow::Owned(Vec::new());
        }
        let target = self.held.len() - REACH;
        let cut = match self.shape {
            Shape::Text => self.line_before(target),
            Shape::JournalExport => {
                Some(journal::last_entry_end(&self.held)).filter(|&end| end > 0)
            }
            // One of these is small: it is redacted as a whole.
            _ => None,
        };
        let Some(cut) = cut.or((self.held.len() > MOST).then_some(target)) else {
            self.enough = self.held.len() + BATCH;
            return Cow::Owned(Vec::new());
        };
        let out = self.give(cut);
        self.enough = self.context + BATCH + REACH;
        Cow::Owned(out)
    }

    /// Gives out the rest.
    pub(crate) fn finish(mut self) -> (Vec<u8>, BTreeMap<String, u64>) {
        let rest = self.give(self.held.len());
        (rest, self.counts)
    }

    fn line_before(&self, target: usize) -> Option<usize> {
        let new = slice(&self.held, self.context, target);
        memchr::memrchr(b'\n', new).map(|place| self.context + place + 1)
    }

    /// Redacts and gives out what is held up to about `cut`.
    fn give(&mut self, cut: usize) -> Vec<u8> {
        let whole = self.shape == Shape::JournalExport;
        let (out, cut) = if whole {
            let text = slice(&self.held, 0, cut);
            let redacted = self.redactor.redact(self.shape, text);
            let bytes = redacted.map(|redacted| {
                for (kind, count) in redacted.counts {
                    *self.counts.entry(kind).or_default() += count;
                }
                redacted.bytes
            });
            (bytes.unwrap_or_else(|| text.to_vec()), cut)
        } else {
            self.redactor
                .redact_part(self.shape, &self.held, self.context, cut, &mut self.counts)
        };
        let from = if whole {
            cut
        } else {
            cut.saturating_sub(REACH)
        };
        self.held.drain(..from);
        self.context = cut - from;
        out
    }
}
