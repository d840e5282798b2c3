//! The chapters of the report, one file each.

use super::model::Section;
use crate::table::Loaded;

mod capture;
mod cgroups;
mod cpu;
pub mod findings;
pub mod header;
mod kernel_log;
mod kubernetes;
mod memory;
mod network;
mod node;
mod pods;
mod pressure;
mod processes;
mod profiles;
mod storage;
mod timeline;

/// All chapters in their order.
pub fn all(loaded: &Loaded) -> Vec<Section> {
    let tables = &loaded.tables;
    vec![
        cpu::section(loaded),
        memory::section(tables),
        pressure::section(tables),
        pods::section(tables),
        cgroups::section(tables),
        processes::section(tables),
        network::section(tables),
        storage::section(tables),
        kubernetes::section(tables),
        profiles::section(loaded),
        timeline::section(tables),
        kernel_log::section(tables),
        node::section(tables),
        capture::section(tables),
    ]
}
