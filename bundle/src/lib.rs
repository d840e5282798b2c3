//! The bundle: one file between the node and the laptop.
//!
//! A bundle is a zstd-compressed tar with one top folder. What lies in it, in which order and
//! what survives a crash is told in `docs/bundle-format.md`; this crate is the only code that
//! writes or reads it. It never looks at the node and never parses what an entry contains; only how
//! netlink frames its messages stands here, because both sides need it.

#![forbid(unsafe_code)]

pub mod capture;
mod civil;
mod damage;
pub mod frame;
pub mod limits;
pub mod member;
pub mod netlink;
pub mod reader;
pub mod record;
pub mod summary;
pub mod verify;
pub mod version;
pub mod writer;

pub use capture::{Capture, Clocks, PlannedSource};
pub use civil::Civil;
pub use damage::Damage;
pub use limits::Limits;
pub use reader::{Contents, Entry, Item, OpenError, Reader};
pub use record::{Cut, EntryRecord, Kept, Kind, Outcome};
pub use summary::{BatchRecord, Cost, SourceRecord, Summary};
pub use version::FormatVersion;
pub use writer::{Digest, Writer};
