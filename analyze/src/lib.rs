//! Explains a Freezeframe bundle offline: entries become tables, tables become findings, findings
//! become a report. Data flows one way; nothing here ever looks at the machine it runs on.

#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used))]

pub mod cause;
pub mod cli;
pub mod command;
pub mod decrypt;
pub mod derived;
pub mod document;
pub mod evaluate;
pub mod exit;
pub mod finding;
pub mod kubernetes;
pub mod message;
pub mod open;
pub mod profile;
pub mod query;
pub mod report;
pub mod schema;
pub mod table;
pub mod tables;
pub mod text;
pub mod units;
