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
    /// UID of the pod: its namespace and name.
    pods: HashMap<String, (Option<String>, Option<String>)>,
    /// Id of the container or sandbox: its name and the UID of its pod.
    containers: HashMap<String, (Option<String>, Option<String>)>,
}

impl Names {
    /// Names as tables `pod`, `container` and `sandbox` have them.
    pub fn new(store: &Store) -> Self {
        let mut names = Self::default();
        let owned =
            |rows: &Rows, row: usize, column: &str| rows.text(row, column).map(str::to_owned);
        // Containers and sandboxes may know of a pod that is told of by nobody else.
        for table in ["container", "sandbox"] {
            let Some(rows) = store.get(table) else {
                continue;
            };
            for row in (0..rows.len()).filter(|row| rows.text(*row, "pod").is_some()) {
                if let Some(uid) = owned(rows, row, "pod_uid") {
                    let name = (owned(rows, row, "namespace"), owned(rows, row, "pod"));
                    names.pods.insert(uid, name);
                }
            }
        }
        if let Some(pods) = store.get("pod") {
            for row in 0..pods.len() {
                let name = (owned(pods, row, "namespace"), owned(pods, row, "name"));
                if name.1.is_none() {
                    continue;
                }
                for uid in ["uid", "api_uid"] {
                    if let Some(uid) = owned(pods, row, uid) {
                        names.pods.insert(uid, name.clone());
                    }
                }
            }
        }
        if let Some(containers) = store.get("container") {
            for row in 0..containers.len() {
                if let Some(id) = owned(containers, row, "id") {
                    let name = owned(containers, row, "name");
                    let pod = owned(containers, row, "pod_uid");
                    names.containers.insert(id, (name, pod));
                }
            }
        }
        let sandboxes = store.get("sandbox");
        let told = sandboxes.into_iter().flat_map(|sandboxes| {
            (0..sandboxes.len()).filter_map(|row| {
                let id = owned(sandboxes, row, "id")?;
                Some((id, owned(sandboxes, row, "pod_uid")))
            })
        });
        let guessed = merge::sandboxes(store).into_iter();
        for (id, pod) in guessed.map(|id| (id.to_owned(), None)).chain(told) {
            let name = Some(SANDBOX.to_owned());
            names.containers.insert(id, (name, pod));
        }
        names
    }

    /// Fills in the names of a table.
    pub fn fill(&self, rows: &mut Rows) {
        let has = |name: &str| rows.columns().iter().any(|column| column.name == name);
        let [pod_uid, container_id, namespace, pod, container] =
            ["pod_uid", "container_id", "namespace", "pod", "container"].map(has);
        if !(pod_uid || container_id) || !(pod || container) {
            return;
        }
        for row in 0..rows.len() {
            let id = rows.text(row, "container_id");
            let known = id.and_then(|id| self.containers.get(id));
            let (name, uid) = known.cloned().unwrap_or_default();
            if container {
                rows.fill(row, "container", name.into());
            }
            if pod_uid {
                rows.fill(row, "pod_uid", uid.clone().into());
            }
            let uid = rows.text(row, "pod_uid").map(str::to_owned).or(uid);
            let Some((space, name)) = uid.and_then(|uid| self.pods.get(&uid)) else {
                continue;
            };
            if namespace {
                rows.fill(row, "namespace", Cell::from(space.clone()));
            }
            if pod {
                rows.fill(row, "pod", Cell::from(name.clone()));
            }
        }
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
