//! What a reader is willing to spend on a bundle, which is hostile input.

/// Bounds of memory, disk and work while a bundle is read. Passing one is damage that names it.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Longest member in bytes; a longer one is passed over.
    pub entry_bytes: u64,
    /// Members; those behind are not read.
    pub entry_count: u64,
    /// Sum of all decompressed bytes; what is behind is not read.
    pub total_bytes: u64,
    /// Bytes held back while a batch waits for its index, its largest entry not counted. In a
    /// bundle packed by another program, bytes of all names.
    pub batch_bytes: u64,
    /// Longest line of an index in bytes.
    pub line_bytes: usize,
    /// Longest member name in bytes.
    pub name_bytes: usize,
    /// Largest zstd window that a frame may ask for, as a power of two.
    pub window_log: u32,
    /// Temporary file in bytes: for a bundle from a stream, or one packed by another program.
    pub spool_bytes: u64,
    /// Entries of the damage list; further damage is only counted.
    pub damage_count: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            entry_bytes: 256 << 20,
            entry_count: 1_000_000,
            total_bytes: 16 << 30,
            batch_bytes: 64 << 20,
            line_bytes: 64 << 10,
            name_bytes: 4096,
            window_log: 27,
            spool_bytes: 4 << 30,
            damage_count: 1000,
        }
    }
}
