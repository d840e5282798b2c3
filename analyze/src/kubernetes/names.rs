//! Puts names beside ids: every table with a column `pod_uid` or `container_id` and a column `pod` or
//! `container` has them filled in, whichever source knew them.

use std::collections::HashMap;

use super::merge;
use crate::table::{Cell, Rows, Store};

/// What a sandbox is called where a container's name stands: as cAdvisor and dockershim called it.
/// No container can have this name, for theirs are in lower case.
pub const SANDBOX: &str = "POD";

/// Names by ids.
#[derive(Debug, Default)]
pub struct Names {
    pods: HashMap<String, Pod>,
    containers: HashMap<String, Container>,
}

#[derive(Clone, Debug)]
struct Pod {
    namespace: Option<String>,
    name: String,
}

#[derive(Debug)]
struct Container {
    name: Option<String>,
    pod_uid: Option<String>,
}

/// What a pod and a container are called, as far as it is known.
#[derive(Clone, Copy, Debug, Default)]
pub struct Named<'a> {
    /// UID of the pod.
    pub pod_uid: Option<&'a str>,
    /// Its namespace.
    pub namespace: Option<&'a str>,
    /// Its name.
    pub pod: Option<&'a str>,
    /// The container's name, or [`SANDBOX`].
    pub container: Option<&'a str>,
}

impl Names {
    /// Names as tables `pod`, `container` and `sandbox` have them.
    pub fn new(store: &Store) -> Self {
        let mut names = Self::default();
        // Containers and sandboxes may know of a pod that is told of by nobody else.
        names.add_pods(store, "container", &["pod_uid"], "pod");
        names.add_pods(store, "sandbox", &["pod_uid"], "pod");
        names.add_pods(store, "pod", &["uid", "api_uid"], "name");
        names.add_containers(store, "container", |rows, row| rows.text(row, "name"));
        for id in merge::sandboxes(store) {
            let sandbox = Container {
                name: Some(SANDBOX.to_owned()),
                pod_uid: None,
            };
            names.containers.insert(id.to_owned(), sandbox);
        }
        names.add_containers(store, "sandbox", |_, _| Some(SANDBOX));
        names
    }

    fn add_pods(&mut self, store: &Store, table: &str, uids: &[&str], name: &str) {
        let Some(rows) = store.get(table) else { return };
        for row in 0..rows.len() {
            let Some(name) = rows.text(row, name) else {
                continue;
            };
            let pod = Pod {
                namespace: rows.text(row, "namespace").map(str::to_owned),
                name: name.to_owned(),
            };
            for uid in uids.iter().filter_map(|uid| rows.text(row, uid)) {
                self.pods.insert(uid.to_owned(), pod.clone());
            }
        }
    }

    fn add_containers(
        &mut self,
        store: &Store,
        table: &str,
        name: for<'a> fn(&'a Rows, usize) -> Option<&'a str>,
    ) {
        let Some(rows) = store.get(table) else { return };
        for row in 0..rows.len() {
            if let Some(id) = rows.text(row, "id") {
                let container = Container {
                    name: name(rows, row).map(str::to_owned),
                    pod_uid: rows.text(row, "pod_uid").map(str::to_owned),
                };
                self.containers.insert(id.to_owned(), container);
            }
        }
    }

    /// What is known of a container and of a pod: a container tells its pod.
    pub fn of<'a>(&'a self, container_id: Option<&str>, pod_uid: Option<&'a str>) -> Named<'a> {
        let container = container_id.and_then(|id| self.containers.get(id));
        let pod_uid = pod_uid.or(container.and_then(|c| c.pod_uid.as_deref()));
        let pod = pod_uid.and_then(|uid| self.pods.get(uid));
        Named {
            pod_uid,
            namespace: pod.and_then(|pod| pod.namespace.as_deref()),
            pod: pod.map(|pod| pod.name.as_str()),
            container: container.and_then(|container| container.name.as_deref()),
        }
    }

    /// Fills in the names of a table. Where it has no column for the namespace it stands before the
    /// pod's name.
    pub fn fill(&self, rows: &mut Rows) {
        let has = |name: &str| rows.columns().iter().any(|column| column.name == name);
        let has_ids = has("pod_uid") || has("container_id");
        if !has_ids || !(has("pod") || has("container")) {
            return;
        }
        let has_namespace = has("namespace");
        for row in 0..rows.len() {
            // Owned: the rows are changed below.
            let uid = rows.text(row, "pod_uid").map(str::to_owned);
            let named = self.of(rows.text(row, "container_id"), uid.as_deref());
            let pod = if has_namespace {
                named.pod.map(str::to_owned)
            } else {
                named.full_name()
            };
            let cells = [
                ("pod_uid", Cell::from(named.pod_uid)),
                ("namespace", named.namespace.into()),
                ("pod", pod.into()),
                ("container", named.container.into()),
            ];
            for (column, cell) in cells {
                rows.fill(row, column, cell);
            }
        }
    }
}

impl Named<'_> {
    /// `namespace/name` of the pod.
    pub fn full_name(&self) -> Option<String> {
        let pod = self.pod?;
        Some(match self.namespace {
            Some(namespace) => format!("{namespace}/{pod}"),
            None => pod.to_owned(),
        })
    }
}

/// Fills in the names of all tables.
pub fn fill(store: &mut Store) -> Names {
    let names = Names::new(store);
    for rows in store.values_mut() {
        names.fill(rows);
    }
    names
}
