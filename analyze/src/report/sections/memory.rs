//! Where the memory is.

use crate::report::chart::{self, Unit};
use crate::report::model::Section;
use crate::report::view::{Show, Spec, shown};
use crate::table::Tables;

/// The chapter.
pub(super) fn section(tables: &Tables) -> Section {
    Section {
        id: "memory",
        title: "Memory",
        blocks: vec![
            OVER_TIME.block(tables),
            NODE.block(tables),
            PROCESSES.block(tables),
            KILLS.block(tables),
            SLABS.block(tables),
        ],
    }
}

const OVER_TIME: chart::Spec = chart::Spec {
    title: "Memory over the window",
    table: "window_memory",
    sql: "SELECT ts_us, 'available' AS name, available_bytes AS value FROM window_memory UNION ALL SELECT ts_us, 'programs' AS name, anon_bytes AS value FROM window_memory UNION ALL SELECT ts_us, 'page cache' AS name, cached_bytes AS value FROM window_memory UNION ALL SELECT ts_us, 'dirty' AS name, dirty_bytes AS value FROM window_memory ORDER BY ts_us",
    unit: Unit::Bytes,
    limit: 6,
};

const NODE: Spec = Spec {
    title: "The node",
    needs: &["memory"],
    sql: "SELECT * FROM memory",
    columns: &[
        shown("total_bytes", "total", Show::Bytes),
        shown("available_bytes", "available", Show::Bytes),
        shown("available_ratio", "available", Show::Percent),
        shown("free_bytes", "free", Show::Bytes),
        shown("cached_bytes", "page cache", Show::Bytes),
        shown("anon_bytes", "programs", Show::Bytes),
        shown("shmem_bytes", "tmpfs and shared", Show::Bytes),
        shown("slab_reclaimable_bytes", "slab, reclaimable", Show::Bytes),
        shown(
            "slab_unreclaimable_bytes",
            "slab, not reclaimable",
            Show::Bytes,
        ),
        shown("page_tables_bytes", "page tables", Show::Bytes),
        shown("kernel_stack_bytes", "kernel stacks", Show::Bytes),
        shown("percpu_bytes", "per-CPU", Show::Bytes),
        shown("swap_total_bytes", "swap", Show::Bytes),
        shown("swap_free_bytes", "swap free", Show::Bytes),
    ],
    limit: 1,
    anchor: None,
};

const PROCESSES: Spec = Spec {
    title: "Largest processes",
    needs: &["process"],
    sql: "SELECT comm, pid, resident_bytes, swap_bytes, major_faults_delta, oom_score, oom_score_adjust, unit, container_id FROM process WHERE resident_bytes > 0 ORDER BY resident_bytes DESC NULLS LAST",
    columns: &[
        shown("comm", "process", Show::Text),
        shown("pid", "pid", Show::Text),
        shown("resident_bytes", "in memory", Show::Bytes),
        shown("swap_bytes", "swapped", Show::Bytes),
        shown("major_faults_delta", "major faults", Show::Count),
        shown("oom_score", "OOM score", Show::Count),
        shown("oom_score_adjust", "adjusted", Show::Count),
        shown("unit", "unit", Show::Text),
        shown("container_id", "container", Show::Text),
    ],
    limit: 25,
    anchor: None,
};

const KILLS: Spec = Spec {
    title: "Processes killed for memory",
    needs: &["kernel_message"],
    sql: "SELECT age_us, scope, victim_comm, victim_pid, anon_rss_bytes, limit_bytes, oom_cgroup, task_cgroup FROM oom_kill ORDER BY age_us",
    columns: &[
        shown("age_us", "before the capture", Show::Duration),
        shown("scope", "whose limit", Show::Text),
        shown("victim_comm", "victim", Show::Text),
        shown("victim_pid", "pid", Show::Text),
        shown("anon_rss_bytes", "its memory", Show::Bytes),
        shown("limit_bytes", "limit", Show::Bytes),
        shown("oom_cgroup", "group at its limit", Show::Text),
        shown("task_cgroup", "group of the victim", Show::Text),
    ],
    limit: 50,
    anchor: None,
};

const SLABS: Spec = Spec {
    title: "Largest caches of the kernel",
    needs: &["slab"],
    sql: "SELECT name, total_bytes, active_objects_count, objects_count, object_size_bytes FROM slab ORDER BY total_bytes DESC NULLS LAST",
    columns: &[
        shown("name", "cache", Show::Text),
        shown("total_bytes", "memory", Show::Bytes),
        shown("active_objects_count", "in use", Show::Count),
        shown("objects_count", "objects", Show::Count),
        shown("object_size_bytes", "of", Show::Bytes),
    ],
    limit: 12,
    anchor: None,
};
