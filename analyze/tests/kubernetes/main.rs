//! Answers of real kubelets, runtimes and API servers, through the whole way from bundle to tables.

#![allow(clippy::unwrap_used, missing_docs)]

#[path = "../common/mod.rs"]
mod common;

mod logs;
mod node;
mod pods;
mod records;
