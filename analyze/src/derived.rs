//! One file per computed table. See [`crate::table::Derived`].

include!(concat!(env!("OUT_DIR"), "/derived.rs"));
