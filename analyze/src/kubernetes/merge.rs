//! Puts together what several sources tell of one thing.
//!
//! Of each column the first source that knows it is believed, in an order that stands in one place:
//! [`SOURCES`]. All of them stay in the tables `pod_seen` and `container_seen`: where kubelet and
//! runtime disagree, that is a finding and not a question of order.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use crate::table::{Cell, Rows, Store};

/// Who tells of pods and containers, the one that knows most first.
pub const SOURCES: [&str; 9] = [
    "kubelet",
    "api_server",
    "runtime",
    "stats_summary",
    "running_pods",
    "runtime_files",
    "log_files",
    "kubelet_files",
    "cgroup",
];

/// What the column `sources` means, in all tables that have it.
pub const ABOUT_SOURCES: &str = "who tells of it: kubelet, api_server, runtime, stats_summary, running_pods, runtime_files, log_files, kubelet_files, cgroup";

/// Where a source stands in [`SOURCES`].
pub fn rank(source: Option<&str>) -> usize {
    SOURCES
        .iter()
        .position(|name| source == Some(name))
        .unwrap_or(SOURCES.len())
}

/// Adds one row made of several rows of another table: each column is that of the first row which
/// has it, `sources` names them all.
pub fn add(seen: &Rows, places: &[usize], rows: &mut Rows) {
    let mut places = places.to_vec();
    places.sort_by_key(|place| rank(seen.text(*place, "sources")));
    let Some(first) = places.first() else { return };
    let sources: BTreeSet<usize> = places
        .iter()
        .map(|place| rank(seen.text(*place, "sources")))
        .collect();
    let sources: Vec<&str> = sources
        .into_iter()
        .filter_map(|rank| SOURCES.get(rank).copied())
        .collect();
    let columns: Vec<&str> = rows.columns().iter().map(|column| column.name).collect();
    let entry = seen.text(*first, "entry").unwrap_or_default();
    let mut row = rows.add(entry, seen.int(*first, "line"));
    for column in columns {
        if matches!(column, "sources" | "entry" | "line") {
            continue;
        }
        let mut cells = places.iter().map(|place| seen.get(*place, column));
        if let Some(cell) = cells.find(|cell| *cell != Cell::Null) {
            row.set(column, cell);
        }
    }
    row.set("sources", sources.join(","));
}

/// Rows of `container_seen` that are of one container: by its id; what was told without an id goes
/// to the newest container of that pod and name. Sandboxes are left out.
pub fn containers(store: &Store) -> Vec<Container> {
    let Some(seen) = store.get("container_seen") else {
        return Vec::new();
    };
    let sandboxes = sandboxes(store);
    let mut by_id: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    let mut without_id: Vec<usize> = Vec::new();
    for row in 0..seen.len() {
        match seen.text(row, "id") {
            Some(id) if sandboxes.contains(id) => {}
            Some(id) => by_id.entry(id).or_default().push(row),
            None => without_id.push(row),
        }
    }
    let mut containers: Vec<Container> = by_id
        .into_values()
        .map(|places| Container {
            places,
            is_current: None,
        })
        .collect();
    let mut newest: BTreeMap<Slot<'_>, (usize, Age)> = BTreeMap::new();
    for (number, container) in containers.iter().enumerate() {
        let Some(slot) = container.slot(seen) else {
            continue;
        };
        let age = age(seen, &container.places);
        let best = newest.entry(slot).or_insert((number, age));
        if age >= best.1 {
            *best = (number, age);
        }
    }
    for container in &mut containers {
        let slot = container.slot(seen);
        container.is_current = slot.map(|_| false);
    }
    for (number, _) in newest.values() {
        if let Some(container) = containers.get_mut(*number) {
            container.is_current = Some(true);
        }
    }
    // One that was declared and never made is a container too.
    let mut unmade: BTreeMap<Slot<'_>, Container> = BTreeMap::new();
    for row in without_id {
        let Some(slot) = slot(seen, row) else {
            continue;
        };
        let made = newest
            .get(&slot)
            .and_then(|(number, _)| containers.get_mut(*number));
        match made {
            Some(container) => container.places.push(row),
            None => unmade
                .entry(slot)
                .or_insert_with(|| Container {
                    places: Vec::new(),
                    is_current: Some(true),
                })
                .places
                .push(row),
        }
    }
    containers.extend(unmade.into_values());
    containers
}

/// Ids of sandboxes: those of table `sandbox`, and groups in which `pause` runs and of which nobody
/// else tells, not even a log.
pub fn sandboxes(store: &Store) -> HashSet<&str> {
    let texts = |rows: &'static str, column: &'static str| {
        let rows = store.get(rows);
        rows.into_iter()
            .flat_map(move |rows| (0..rows.len()).filter_map(move |row| rows.text(row, column)))
    };
    let mut ids: HashSet<&str> = texts("sandbox", "id").collect();
    let (Some(seen), Some(processes)) = (store.get("container_seen"), store.get("process")) else {
        return ids;
    };
    let known: HashSet<&str> = (0..seen.len())
        .filter(|row| seen.text(*row, "sources") != Some("cgroup"))
        .filter_map(|row| seen.text(row, "id"))
        .collect();
    for row in 0..processes.len() {
        let is_pause = processes.text(row, "comm") == Some("pause");
        let id = processes.text(row, "container_id");
        ids.extend(id.filter(|id| is_pause && !known.contains(id)));
    }
    ids
}

/// Rows of one container.
#[derive(Clone, Debug)]
pub struct Container {
    /// Rows of `container_seen`.
    pub places: Vec<usize>,
    /// Whether it is the newest of its pod and name; nothing where these are not known.
    pub is_current: Option<bool>,
}

impl Container {
    /// UID of the pod and name.
    pub fn slot<'a>(&self, seen: &'a Rows) -> Option<(&'a str, &'a str)> {
        self.places.iter().find_map(|row| slot(seen, *row))
    }
}

/// UID of the pod and name: what stays when a container is made again.
type Slot<'a> = (&'a str, &'a str);
/// Attempt and the time it was made.
type Age = (Option<i64>, Option<i64>);

fn slot(seen: &Rows, row: usize) -> Option<Slot<'_>> {
    Some((seen.text(row, "pod_uid")?, seen.text(row, "name")?))
}

fn age(seen: &Rows, places: &[usize]) -> Age {
    let most = |column: &str| places.iter().filter_map(|row| seen.int(*row, column)).max();
    (most("attempt"), most("created_ts_us"))
}
