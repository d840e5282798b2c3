//! What happened before the capture, from everywhere.

use crate::report::model::Section;
use crate::report::view::{Show, Spec, shown};
use crate::table::Tables;

/// The chapter.
pub(super) fn section(tables: &Tables) -> Section {
    Section {
        id: "timeline",
        title: "Timeline",
        blocks: vec![TIMELINE.block(tables)],
    }
}

const TIMELINE: Spec = Spec {
    title: "Kernel, events, logs and containers, the latest first",
    needs: &["timeline"],
    sql: "SELECT * FROM timeline ORDER BY last_age_us, age_us",
    columns: &[
        shown("at", "first at (UTC)", Show::Text),
        shown("age_us", "before the capture", Show::Duration),
        shown("last_age_us", "last before", Show::Duration),
        shown("count", "times", Show::Count),
        shown("severity", "severity", Show::Text),
        shown("source", "from", Show::Text),
        shown("subject", "about", Show::Text),
        shown("message", "what", Show::Text),
    ],
    limit: 500,
    anchor: None,
};
