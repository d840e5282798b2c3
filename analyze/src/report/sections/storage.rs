//! File systems and disks.

use crate::report::chart::{self, Unit};
use crate::report::model::Section;
use crate::report::view::{Show, Spec, shown};
use crate::table::Tables;

/// The chapter.
pub(super) fn section(tables: &Tables) -> Section {
    Section {
        id: "storage",
        title: "Storage",
        blocks: vec![
            FILE_SYSTEMS.block(tables),
            REMOTE.block(tables),
            DISKS.block(tables),
            OVER_TIME.block(tables),
        ],
    }
}

const FILE_SYSTEMS: Spec = Spec {
    title: "Local file systems",
    needs: &["filesystem"],
    sql: "SELECT * FROM filesystem WHERE outcome = 'complete' AND first_mount = true AND size_bytes > 0 ORDER BY used_ratio DESC NULLS LAST, mount_point",
    columns: &[
        shown("mount_point", "mounted on", Show::Text),
        shown("filesystem_type", "type", Show::Text),
        shown("device", "device", Show::Text),
        shown("used_ratio", "used", Show::Bar),
        shown("available_bytes", "available", Show::Bytes),
        shown("size_bytes", "size", Show::Bytes),
        shown("inodes_used_ratio", "inodes used", Show::Bar),
        shown("read_only", "read-only", Show::Text),
        shown("took_us", "answered in", Show::Duration),
    ],
    limit: 60,
    anchor: None,
};

const REMOTE: Spec = Spec {
    title: "Mounts that were not asked: a server or program answers for them",
    needs: &["mount"],
    sql: "SELECT mount_point, filesystem_type, source, options FROM mount WHERE is_network = true ORDER BY mount_point",
    columns: &[
        shown("mount_point", "mounted on", Show::Text),
        shown("filesystem_type", "type", Show::Text),
        shown("source", "from", Show::Text),
        shown("options", "options", Show::Text),
    ],
    limit: 60,
    anchor: None,
};

const DISKS: Spec = Spec {
    title: "Disks",
    needs: &["disk"],
    sql: "SELECT * FROM disk WHERE (is_partition = false OR is_partition IS NULL) AND (size_bytes > 0 OR size_bytes IS NULL) ORDER BY util_ratio DESC NULLS LAST, device",
    columns: &[
        shown("device", "disk", Show::Text),
        shown("util_ratio", "busy", Show::Bar),
        shown("await_us", "per request", Show::Duration),
        shown("queue_length", "in flight", Show::Number),
        shown("reads_per_second", "reads/s", Show::Number),
        shown("writes_per_second", "writes/s", Show::Number),
        shown("read_bytes_per_second", "read", Show::BytesPerSecond),
        shown("write_bytes_per_second", "written", Show::BytesPerSecond),
        shown("size_bytes", "size", Show::Bytes),
        shown("rotational", "spinning", Show::Text),
        shown("scheduler", "scheduler", Show::Text),
        shown("model", "model", Show::Text),
        shown("state", "state", Show::Text),
    ],
    limit: 60,
    anchor: None,
};

const OVER_TIME: chart::Spec = chart::Spec {
    title: "Written over the window",
    table: "window_disk",
    sql: "SELECT ts_us, device, write_bytes_per_second FROM window_disk ORDER BY ts_us",
    unit: Unit::BytesPerSecond,
    limit: 6,
};
