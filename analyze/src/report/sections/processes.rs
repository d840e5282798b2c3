//! Processes, and threads that were blocked.

use crate::report::model::Section;
use crate::report::view::{Show, Spec, shown};
use crate::table::Tables;

/// The chapter.
pub(super) fn section(tables: &Tables) -> Section {
    Section {
        id: "processes",
        title: "Processes",
        blocks: vec![BLOCKED.block(tables), PROCESSES.block(tables)],
    }
}

const BLOCKED: Spec = Spec {
    title: "Where blocked threads wait",
    needs: &["process"],
    sql: "SELECT stack_top, state, threads_count, lasting_threads_count, example_comm, example_pid, stack FROM blocked_stack ORDER BY threads_count DESC",
    columns: &[
        shown("stack_top", "waiting in", Show::Text),
        shown("state", "state", Show::Text),
        shown("threads_count", "threads", Show::Count),
        shown("lasting_threads_count", "all the time", Show::Count),
        shown("example_comm", "for example", Show::Text),
        shown("example_pid", "pid", Show::Text),
        shown("stack", "kernel stack, innermost first", Show::Text),
    ],
    limit: 30,
    anchor: None,
};

const PROCESSES: Spec = Spec {
    title: "Processes",
    needs: &["process"],
    sql: "SELECT pid, comm, state, uid, threads_count, cpu_ratio, resident_bytes, fd_count, fd_used_ratio, age_us, unit, namespace, pod, coalesce(container, container_id) AS container, command_line FROM process WHERE kernel_thread = false ORDER BY cpu_ratio DESC NULLS LAST, resident_bytes DESC NULLS LAST, pid",
    columns: &[
        shown("pid", "pid", Show::Text),
        shown("comm", "process", Show::Text),
        shown("state", "state", Show::Text),
        shown("uid", "user", Show::Text),
        shown("threads_count", "threads", Show::Count),
        shown("cpu_ratio", "CPU", Show::Percent),
        shown("resident_bytes", "memory", Show::Bytes),
        shown("fd_count", "open files", Show::Count),
        shown("fd_used_ratio", "of limit", Show::Bar),
        shown("age_us", "running for", Show::Duration),
        shown("unit", "unit", Show::Text),
        shown("namespace", "namespace", Show::Text),
        shown("pod", "pod", Show::Text),
        shown("container", "container", Show::Text),
        shown("command_line", "command line", Show::Text),
    ],
    limit: 500,
    anchor: Some(("process", "pid")),
};
