//! One file per source. See [`crate::source`] for what a source is.

include!(concat!(env!("OUT_DIR"), "/sources.rs"));
