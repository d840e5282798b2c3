//! One file per table: raw entries in, rows out. See [`crate::table`] for what a table is.

include!(concat!(env!("OUT_DIR"), "/tables.rs"));
