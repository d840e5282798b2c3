//! What a reader is willing to spend on a bundle, which is hostile input.

/// Bounds of memory and work while a bundle is read. Passing one is damage that names the limit.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Longest member; a longer one is passed over.
    pub entry_bytes: u64,
    /// Sum of all decompressed bytes.
    pub total_bytes: u64,
    /// Bytes held back while a batch waits for its index.
    pub batch_bytes: u64,
    /// Longest member name.
    pub name_bytes: usize,
    /// Largest zstd window a frame may ask for, as a power of two.
    pub window_log: u32,
    /// Entries of the damage list; further damage is only counted.
    pub damage_count: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            entry_bytes: 256 << 20,
            total_bytes: 16 << 30,
            batch_bytes: 64 << 20,
            name_bytes: 4096,
            window_log: 27,
            damage_count: 1000,
        }
    }
}
