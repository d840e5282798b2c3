//! Control groups with usage and limits.

use crate::report::model::Section;
use crate::report::view::{Show, Spec, shown};
use crate::table::Tables;

/// The chapter.
pub(super) fn section(tables: &Tables) -> Section {
    Section {
        id: "cgroups",
        title: "Control groups",
        blocks: vec![GROUPS.block(tables), CONTROLLERS.block(tables)],
    }
}

const GROUPS: Spec = Spec {
    title: "Groups by memory",
    needs: &["cgroup"],
    sql: "SELECT path, namespace, pod, container, cpu_usage_ratio, cpu_limit_cores, throttled_ratio, memory_bytes, memory_limit_bytes, memory_used_ratio, working_set_bytes, pids_count, pids_used_ratio, oom_kill_count, dying_descendants_count, memory_stat_read_us FROM cgroup ORDER BY memory_bytes DESC NULLS LAST, path",
    columns: &[
        shown("path", "group", Show::Text),
        shown("namespace", "namespace", Show::Text),
        shown("pod", "pod", Show::Text),
        shown("container", "container", Show::Text),
        shown("cpu_usage_ratio", "CPU", Show::Percent),
        shown("cpu_limit_cores", "limit, CPUs", Show::Number),
        shown("throttled_ratio", "throttled", Show::Bar),
        shown("memory_bytes", "memory", Show::Bytes),
        shown("memory_limit_bytes", "limit", Show::Bytes),
        shown("memory_used_ratio", "of limit", Show::Bar),
        shown("working_set_bytes", "working set", Show::Bytes),
        shown("pids_count", "tasks", Show::Count),
        shown("pids_used_ratio", "of limit", Show::Bar),
        shown("oom_kill_count", "OOM kills", Show::Count),
        shown("dying_descendants_count", "dying below", Show::Count),
        shown("memory_stat_read_us", "memory.stat read in", Show::Duration),
    ],
    limit: 300,
    anchor: Some(("cgroup", "path")),
};

const CONTROLLERS: Spec = Spec {
    title: "Controllers",
    needs: &["cgroup_controller"],
    sql: "SELECT * FROM cgroup_controller ORDER BY cgroups_count DESC",
    columns: &[
        shown("name", "controller", Show::Text),
        shown("hierarchy", "hierarchy", Show::Text),
        shown("cgroups_count", "groups, dying ones included", Show::Count),
        shown("enabled", "enabled", Show::Text),
    ],
    limit: 20,
    anchor: None,
};
