//! The tables of `analyze`, built in seconds where polars would take half an hour. `src` is a link
//! to the real files.

#[path = "src"]
mod analyze {
    pub mod derived;
    pub mod kubernetes;
    pub mod open;
    pub mod profile;
    pub mod table;
    pub mod tables;
    pub mod text;
    pub mod units;
}

pub use analyze::{derived, kubernetes, open, profile, table, tables, text, units};
