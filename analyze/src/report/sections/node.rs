//! What kind of node it is.

use crate::report::model::Section;
use crate::report::view::{Show, Spec, shown};
use crate::table::Tables;

/// The chapter.
pub(super) fn section(tables: &Tables) -> Section {
    Section {
        id: "node",
        title: "Node",
        blocks: vec![
            INFO.block(tables),
            LIMITS.block(tables),
            MODULES.block(tables),
        ],
    }
}

const INFO: Spec = Spec {
    title: "The node",
    needs: &["node_info"],
    sql: "SELECT * FROM node_info",
    columns: &[
        shown("hostname", "name", Show::Text),
        shown("os_name", "system", Show::Text),
        shown("kernel_release", "kernel", Show::Text),
        shown("machine", "machine", Show::Text),
        shown("cpu_model", "CPU", Show::Text),
        shown("clocksource", "clock source", Show::Text),
        shown("tainted", "tainted", Show::Text),
        shown("boot_id", "boot id", Show::Text),
        shown("machine_id", "machine id", Show::Text),
        shown("boot_command_line", "boot command line", Show::Text),
    ],
    limit: 1,
    anchor: None,
};

const LIMITS: Spec = Spec {
    title: "Limits of the node",
    needs: &["node_info"],
    sql: "SELECT * FROM node_info",
    columns: &[
        shown("tasks_count", "tasks", Show::Count),
        shown("pid_max_count", "pid_max", Show::Count),
        shown("threads_max_count", "threads-max", Show::Count),
        shown("file_handles_count", "open file handles", Show::Count),
        shown("file_handles_max_count", "file-max", Show::Count),
        shown(
            "context_switches_per_second",
            "context switches/s",
            Show::Count,
        ),
        shown("forks_per_second", "forks/s", Show::Count),
    ],
    limit: 1,
    anchor: None,
};

const MODULES: Spec = Spec {
    title: "Kernel modules",
    needs: &["module"],
    sql: "SELECT name, size_bytes, used_by_count, taint FROM module ORDER BY name",
    columns: &[
        shown("name", "module", Show::Text),
        shown("size_bytes", "size", Show::Bytes),
        shown("used_by_count", "used by", Show::Count),
        shown("taint", "taint", Show::Text),
    ],
    limit: 150,
    anchor: None,
};
