//! Records that are kept for the bundle, in pieces that never move.

use super::perf_data;
use super::unwinder::part_of_memory;

/// Records that are kept: ten seconds of 128 busy CPUs with chains of 50 frames take 57 MiB.
const RECORD_BYTES: usize = 64 << 20;
const CHUNK_BYTES: usize = 1 << 20;

/// The records of all CPUs, as they came.
pub(crate) struct Kept {
    pub(crate) chunks: Vec<Vec<u8>>,
    /// Of all of them.
    pub(crate) bytes: usize,
    room: usize,
    /// Rounds that are complete.
    pub(crate) rounds: u64,
}

impl Kept {
    pub(crate) fn new() -> Self {
        Self {
            chunks: Vec::new(),
            bytes: 0,
            room: part_of_memory(RECORD_BYTES, 4),
            rounds: 0,
        }
    }

    /// Keeps a record; whether there was room.
    pub(crate) fn add(&mut self, bytes: &[u8]) -> bool {
        if self.bytes + bytes.len() > self.room {
            return false;
        }
        let is_full = |chunk: &Vec<u8>| chunk.len() + bytes.len() > CHUNK_BYTES;
        if self.chunks.last().is_none_or(is_full) {
            self.chunks.push(Vec::with_capacity(CHUNK_BYTES));
        }
        if let Some(chunk) = self.chunks.last_mut() {
            chunk.extend_from_slice(bytes);
        }
        self.bytes += bytes.len();
        true
    }

    /// What came until here is complete, for `perf` to sort it.
    pub(crate) fn end_round(&mut self) {
        self.add(&perf_data::round());
        self.rounds += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_finds_no_room_is_refused() {
        let mut kept = Kept::new();
        kept.room = CHUNK_BYTES + 64;
        let record = vec![0; CHUNK_BYTES - 4];
        assert!(kept.add(&record));
        kept.end_round();
        assert_eq!((kept.chunks.len(), kept.rounds), (2, 1));
        assert!(!kept.add(&record));
        assert!(kept.add(&[1; 8]));
        assert_eq!(kept.bytes, record.len() + 16);
    }
}
