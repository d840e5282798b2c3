//! Interfaces, sockets, counters.

use crate::report::chart::{self, Unit};
use crate::report::model::Section;
use crate::report::view::{Show, Spec, shown};
use crate::table::Tables;

/// The chapter.
pub(super) fn section(tables: &Tables) -> Section {
    Section {
        id: "network",
        title: "Network",
        blocks: vec![
            OVER_TIME.block(tables),
            INTERFACES.block(tables),
            SOCKETS.block(tables),
            TRACKED.block(tables),
            NEIGHBOURS.block(tables),
            COUNTERS.block(tables),
        ],
    }
}

const OVER_TIME: chart::Spec = chart::Spec {
    title: "Received over the window",
    table: "window_interface",
    sql: "SELECT ts_us, name, rx_bytes_per_second FROM window_interface ORDER BY ts_us",
    unit: Unit::BytesPerSecond,
    limit: 6,
};

const INTERFACES: Spec = Spec {
    title: "Interfaces",
    needs: &["interface"],
    sql: "SELECT is_host, pid, name, state, rx_bytes_per_second, tx_bytes_per_second, rx_errors_delta, rx_dropped_delta, tx_errors_delta, tx_dropped_delta, mtu_bytes, speed_mbit_per_second FROM interface ORDER BY is_host DESC, rx_bytes_per_second DESC NULLS LAST, name",
    columns: &[
        shown("name", "interface", Show::Text),
        shown("is_host", "of the host", Show::Text),
        shown("pid", "seen by pid", Show::Text),
        shown("state", "state", Show::Text),
        shown("rx_bytes_per_second", "received", Show::BytesPerSecond),
        shown("tx_bytes_per_second", "sent", Show::BytesPerSecond),
        shown("rx_errors_delta", "rx errors", Show::Count),
        shown("rx_dropped_delta", "rx dropped", Show::Count),
        shown("tx_errors_delta", "tx errors", Show::Count),
        shown("tx_dropped_delta", "tx dropped", Show::Count),
        shown("mtu_bytes", "MTU", Show::Count),
        shown("speed_mbit_per_second", "Mbit/s", Show::Count),
    ],
    limit: 100,
    anchor: None,
};

const SOCKETS: Spec = Spec {
    title: "Sockets",
    needs: &["socket"],
    sql: "SELECT is_host, pid, protocol, state, count FROM socket_count ORDER BY count DESC, protocol, state",
    columns: &[
        shown("protocol", "protocol", Show::Text),
        shown("state", "state", Show::Text),
        shown("count", "sockets", Show::Count),
        shown("is_host", "of the host", Show::Text),
        shown("pid", "seen by pid", Show::Text),
    ],
    limit: 60,
    anchor: None,
};

const TRACKED: Spec = Spec {
    title: "Connection tracking",
    needs: &["conntrack"],
    sql: "SELECT * FROM conntrack",
    columns: &[
        shown("entries_count", "connections", Show::Count),
        shown("max_count", "limit", Show::Count),
        shown("used_ratio", "used", Show::Bar),
        shown("drop_delta", "dropped", Show::Count),
        shown("early_drop_delta", "dropped early", Show::Count),
        shown("insert_failed_delta", "insert failed", Show::Count),
    ],
    limit: 1,
    anchor: None,
};

const NEIGHBOURS: Spec = Spec {
    title: "Neighbour tables",
    needs: &["neighbour_table"],
    sql: "SELECT * FROM neighbour_table",
    columns: &[
        shown("family", "family", Show::Text),
        shown("entries_count", "entries", Show::Count),
        shown("limit_count", "limit", Show::Count),
        shown("used_ratio", "used", Show::Bar),
        shown("table_full_delta", "refused", Show::Count),
    ],
    limit: 2,
    anchor: None,
};

const COUNTERS: Spec = Spec {
    title: "Counters of the host that moved",
    needs: &["protocol_counter"],
    sql: "SELECT protocol, name, delta, value FROM protocol_counter WHERE is_host = true AND delta > 0 ORDER BY delta DESC, protocol, name",
    columns: &[
        shown("protocol", "protocol", Show::Text),
        shown("name", "counter", Show::Text),
        shown("delta", "in the window", Show::Count),
        shown("value", "since boot", Show::Count),
    ],
    limit: 60,
    anchor: None,
};
