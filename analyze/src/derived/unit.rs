//! Units of systemd, from their control groups and from what systemd said in the journal: works with
//! systemd hanging, which answers no question then.

use std::collections::BTreeMap;

use crate::table::identity::identify;
use crate::table::{Derived, Node, Rows, Store, bool, int, text};

/// The table.
pub static TABLE: Derived = Derived {
    name: "unit",
    about: "units of systemd: those that have a control group, and those that failed",
    columns: &[
        text("name", ""),
        text("kind", "service, scope, socket, mount ..."),
        bool("running", "it has a control group with processes"),
        int("processes_count", ""),
        int("memory_bytes", ""),
        text("cgroup", "path of its group"),
        text("last_failure", "what systemd said when it last failed"),
        int("last_failure_age_us", "before the capture began"),
    ],
    needs: &["cgroup"],
    rank: 0,
    build,
};

#[derive(Default)]
struct Unit {
    /// Row of table `cgroup`.
    group: Option<usize>,
    /// Row of table `log_line`.
    failure: Option<usize>,
}

fn build(store: &Store, _: &Node, rows: &mut Rows) {
    let Some(groups) = store.get("cgroup") else {
        return;
    };
    let mut units: BTreeMap<String, Unit> = BTreeMap::new();
    for row in 0..groups.len() {
        let path = groups.text(row, "path").unwrap_or_default();
        let own = path.rsplit('/').next();
        if let Some(name) = identify(path).unit.filter(|name| own == Some(name)) {
            units.entry(name).or_default().group = Some(row);
        }
    }
    let logs = store.get("log_line");
    if let Some(logs) = logs {
        for row in (0..logs.len()).filter(|row| logs.int(*row, "pid") == Some(1)) {
            let message = logs.text(row, "message").unwrap_or_default();
            // `kubelet.service: Failed with result 'exit-code'.`, `... Main process exited, code=killed`
            let failed = message
                .split_once(": Failed with result")
                .or(message.split_once(": Main process exited, code=killed"));
            if let Some((name, _)) = failed.filter(|(name, _)| !name.contains(' ')) {
                // Rows are oldest first: the last one stays.
                units.entry(name.to_owned()).or_default().failure = Some(row);
            }
        }
    }
    for (name, unit) in units {
        let processes = unit
            .group
            .and_then(|row| groups.int(row, "processes_count"));
        let failure = unit.failure.zip(logs);
        let entry = unit.group.and_then(|row| groups.text(row, "entry"));
        let entry = entry
            .or(failure.and_then(|(row, logs)| logs.text(row, "entry")))
            .unwrap_or_default();
        let line = if unit.group.is_some() {
            None
        } else {
            failure.and_then(|(row, logs)| logs.int(row, "line"))
        };
        rows.add(entry, line)
            .set("kind", name.rsplit('.').next())
            .set(
                "running",
                unit.group
                    .map_or(Some(false), |_| processes.map(|count| count > 0)),
            )
            .set("processes_count", processes)
            .set(
                "memory_bytes",
                unit.group.and_then(|row| groups.int(row, "memory_bytes")),
            )
            .set(
                "cgroup",
                unit.group.and_then(|row| groups.text(row, "path")),
            )
            .set(
                "last_failure",
                failure.and_then(|(row, logs)| logs.text(row, "message")),
            )
            .set(
                "last_failure_age_us",
                failure.and_then(|(row, logs)| logs.int(row, "age_us")),
            )
            .set("name", name);
    }
}

#[cfg(test)]
mod tests {
    use crate::table::testing::{csv, derive};

    #[test]
    fn running_units() {
        let rows = derive(
            "unit",
            &[
                (
                    "root/sys/fs/cgroup/system.slice/kubelet.service/cgroup.procs",
                    b"7\n9\n",
                ),
                (
                    "root/sys/fs/cgroup/system.slice/kubelet.service/cpu.stat",
                    b"usage_usec 1\n",
                ),
                (
                    "root/sys/fs/cgroup/system.slice/idle.service/cgroup.procs",
                    b"",
                ),
            ],
        );
        assert_eq!(
            csv(&rows, &["name", "kind", "running", "processes_count"]),
            "idle.service,service,false,0\nkubelet.service,service,true,2\n"
        );
    }
}
