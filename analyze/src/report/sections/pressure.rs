//! For how long tasks waited.

use crate::report::chart::{self, Unit};
use crate::report::model::Section;
use crate::report::view::{Show, Spec, shown};
use crate::table::Tables;

/// The chapter.
pub(super) fn section(tables: &Tables) -> Section {
    Section {
        id: "pressure",
        title: "Pressure",
        blocks: vec![
            OVER_TIME.block(tables),
            NODE.block(tables),
            GROUPS.block(tables),
        ],
    }
}

const OVER_TIME: chart::Spec = chart::Spec {
    title: "Pressure over the window: share of time in which some task waited",
    table: "window_pressure",
    sql: "SELECT ts_us, resource, stall_ratio FROM window_pressure WHERE kind = 'some' ORDER BY ts_us",
    unit: Unit::Ratio,
    limit: 6,
};

const NODE: Spec = Spec {
    title: "The node",
    needs: &["pressure"],
    sql: "SELECT resource, kind, stall_ratio, avg10_percent, avg60_percent, avg300_percent, total_us FROM pressure WHERE scope = 'node' ORDER BY resource, kind DESC",
    columns: &[
        shown("resource", "resource", Show::Text),
        shown("kind", "who waited", Show::Text),
        shown("stall_ratio", "in the window", Show::Bar),
        shown("avg10_percent", "10 s, %", Show::Number),
        shown("avg60_percent", "60 s, %", Show::Number),
        shown("avg300_percent", "300 s, %", Show::Number),
        shown("total_us", "since boot", Show::Duration),
    ],
    limit: 8,
    anchor: None,
};

const GROUPS: Spec = Spec {
    title: "Groups that waited most",
    needs: &["pressure"],
    sql: "SELECT scope, resource, kind, stall_ratio, stall_us FROM pressure WHERE scope <> 'node' AND scope <> '/' AND stall_us > 0 ORDER BY stall_us DESC NULLS LAST",
    columns: &[
        shown("scope", "group", Show::Text),
        shown("resource", "resource", Show::Text),
        shown("kind", "who waited", Show::Text),
        shown("stall_ratio", "in the window", Show::Bar),
        shown("stall_us", "in all", Show::Duration),
    ],
    limit: 20,
    anchor: None,
};
