//! What kernel and system daemons said.

use crate::report::model::Section;
use crate::report::view::{Show, Spec, shown};
use crate::table::Tables;

/// The chapter.
pub(super) fn section(tables: &Tables) -> Section {
    Section {
        id: "logs",
        title: "Logs",
        blocks: vec![
            EVENTS.block(tables),
            MESSAGES.block(tables),
            JOURNAL.block(tables),
        ],
    }
}

const EVENTS: Spec = Spec {
    title: "Kernel messages that mean something",
    needs: &["kernel_message"],
    sql: "SELECT age_us, kind, subject, message FROM kernel_event ORDER BY age_us",
    columns: &[
        shown("age_us", "before the capture", Show::Duration),
        shown("kind", "kind", Show::Text),
        shown("subject", "about", Show::Text),
        shown("message", "message", Show::Text),
    ],
    limit: 100,
    anchor: None,
};

const MESSAGES: Spec = Spec {
    title: "Kernel log, newest first",
    needs: &["kernel_message"],
    sql: "SELECT age_us, level, message FROM kernel_message ORDER BY sequence DESC",
    columns: &[
        shown("age_us", "before the capture", Show::Duration),
        shown("level", "level", Show::Text),
        shown("message", "message", Show::Text),
    ],
    limit: 300,
    anchor: None,
};

const JOURNAL: Spec = Spec {
    title: "Journal: warnings and worse, newest first",
    needs: &["log_line"],
    sql: "SELECT age_us, level, unit, component, message FROM log_line WHERE level <= 4 ORDER BY realtime_us DESC NULLS LAST",
    columns: &[
        shown("age_us", "before the capture", Show::Duration),
        shown("level", "level", Show::Text),
        shown("unit", "unit", Show::Text),
        shown("component", "component", Show::Text),
        shown("message", "message", Show::Text),
    ],
    limit: 200,
    anchor: None,
};
