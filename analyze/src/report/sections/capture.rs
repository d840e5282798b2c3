//! How the capture went.

use crate::report::model::Section;
use crate::report::view::{Show, Spec, shown};
use crate::table::Tables;

/// The chapter.
pub(super) fn section(tables: &Tables) -> Section {
    Section {
        id: "capture",
        title: "Capture",
        blocks: vec![
            SOURCES.block(tables),
            HUNG.block(tables),
            READS.block(tables),
            REDACTIONS.block(tables),
            COST.block(tables),
        ],
    }
}

const SOURCES: Spec = Spec {
    title: "Sources",
    needs: &["source_outcome"],
    sql: "SELECT source, outcome, entries_count, bytes, took_us, reason FROM source_outcome WHERE path IS NULL",
    columns: &[
        shown("source", "source", Show::Text),
        shown("outcome", "outcome", Show::Text),
        shown("entries_count", "entries", Show::Count),
        shown("bytes", "bytes", Show::Bytes),
        shown("took_us", "took", Show::Duration),
        shown("reason", "reason", Show::Text),
    ],
    limit: 100,
    anchor: None,
};

const READS: Spec = Spec {
    title: "Reads that failed, were cut or were slow",
    needs: &["source_outcome"],
    sql: "SELECT path, outcome, took_us, reason FROM source_outcome WHERE path IS NOT NULL AND outcome <> 'absent' ORDER BY took_us DESC NULLS LAST",
    columns: &[
        shown("path", "entry", Show::Text),
        shown("outcome", "outcome", Show::Text),
        shown("took_us", "took", Show::Duration),
        shown("reason", "reason", Show::Text),
    ],
    limit: 100,
    anchor: None,
};

const HUNG: Spec = Spec {
    title: "Reads that never ended",
    needs: &["hung_read"],
    sql: "SELECT path, after_us, state, wait_channel, stack, CASE WHEN abandoned THEN 'no' WHEN abandoned = false THEN 'yes' END AS killable FROM hung_read ORDER BY abandoned DESC NULLS LAST, path",
    columns: &[
        shown("path", "path", Show::Text),
        shown("after_us", "given up after", Show::Duration),
        shown("state", "state", Show::Text),
        shown("wait_channel", "waits in", Show::Text),
        shown("killable", "killable", Show::Text),
        shown("stack", "kernel stack", Show::Stack),
    ],
    limit: 100,
    anchor: None,
};

const REDACTIONS: Spec = Spec {
    title: "Secrets taken out",
    needs: &["redaction"],
    sql: "SELECT kind, SUM(count) AS secrets, COUNT(DISTINCT path) AS entries, MIN(path) AS example FROM redaction GROUP BY kind ORDER BY secrets DESC, kind",
    columns: &[
        shown("kind", "kind", Show::Text),
        shown("secrets", "secrets", Show::Count),
        shown("entries", "entries", Show::Count),
        shown("example", "for example in", Show::Text),
    ],
    limit: 100,
    anchor: None,
};

const COST: Spec = Spec {
    title: "What the capture cost the node",
    needs: &["capture"],
    sql: "SELECT * FROM capture",
    columns: &[
        shown("wall_us", "wall time", Show::Duration),
        shown("user_us", "CPU in user space", Show::Duration),
        shown("system_us", "CPU in the kernel", Show::Duration),
        shown("peak_rss_bytes", "memory", Show::Bytes),
        shown("reads_count", "reads", Show::Count),
        shown("read_bytes", "read", Show::Bytes),
        shown("bundle_bytes", "bundle", Show::Bytes),
        shown("lacks", "rights it lacked", Show::Text),
        shown("redaction", "secrets taken out", Show::Text),
        shown("command_line", "command line", Show::Text),
    ],
    limit: 1,
    anchor: None,
};
