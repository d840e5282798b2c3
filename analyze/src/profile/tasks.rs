//! Names of pods and containers, which other tables of a bundle tell.

use std::collections::HashMap;

use super::Profile;
use crate::table::{Rows, Store};

/// Gives tasks the names of their pod and container, where the tables `pod` and `container` have
/// them.
pub fn name_tasks(profile: &mut Profile, store: &Store) {
    let pods = store.get("pod").map(pods).unwrap_or_default();
    let containers = store.get("container").map(containers).unwrap_or_default();
    for task in &mut profile.tasks {
        if let Some(container) = task
            .container_id
            .as_deref()
            .and_then(|id| containers.get(id))
        {
            task.container = Some(container.name.clone());
            // Its cgroup does not always tell the pod.
            task.pod_uid = task.pod_uid.take().or_else(|| container.pod_uid.clone());
        }
        if let Some(pod) = task.pod_uid.as_deref().and_then(|uid| pods.get(uid)) {
            task.pod = Some(pod.clone());
        }
    }
}

struct Container {
    name: String,
    pod_uid: Option<String>,
}

/// `namespace/name` by UID.
fn pods(rows: &Rows) -> HashMap<&str, String> {
    (0..rows.len())
        .filter_map(|row| {
            let uid = rows.text(row, "pod_uid")?;
            let (namespace, name) = (rows.text(row, "namespace")?, rows.text(row, "name")?);
            Some((uid, format!("{namespace}/{name}")))
        })
        .collect()
}

fn containers(rows: &Rows) -> HashMap<&str, Container> {
    (0..rows.len())
        .filter_map(|row| {
            let id = rows.text(row, "container_id")?;
            let container = Container {
                name: rows.text(row, "name")?.to_owned(),
                pod_uid: rows.text(row, "pod_uid").map(str::to_owned),
            };
            Some((id, container))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::{Task, Unit};
    use crate::table::text;

    #[test]
    fn tasks_get_the_names_of_their_pod_and_container() {
        let mut pods = Rows::new(&[text("pod_uid", ""), text("namespace", ""), text("name", "")]);
        pods.add("e", None)
            .set("pod_uid", "u1")
            .set("namespace", "shop")
            .set("name", "cart-7f");
        let mut containers = Rows::new(&[
            text("container_id", ""),
            text("name", ""),
            text("pod_uid", ""),
        ]);
        containers
            .add("e", None)
            .set("container_id", "c1")
            .set("name", "redis")
            .set("pod_uid", "u1");
        let store = Store::from([("pod", pods), ("container", containers)]);
        let mut profile = Profile::new("cpu", "cycles", Unit::Count, "e");
        let task = |pod: Option<&str>, container: Option<&str>| Task {
            pod_uid: pod.map(str::to_owned),
            container_id: container.map(str::to_owned),
            ..Task::default()
        };
        profile.tasks = vec![
            task(Some("u1"), Some("c1")),
            task(None, Some("c1")),
            task(Some("u2"), Some("c2")),
        ];
        name_tasks(&mut profile, &store);
        let names = profile.tasks.iter().map(|task| {
            let [pod, container] = [&task.pod, &task.container].map(|n| n.as_deref());
            (pod.unwrap_or("-"), container.unwrap_or("-"))
        });
        let expected = [
            ("shop/cart-7f", "redis"),
            ("shop/cart-7f", "redis"),
            ("-", "-"),
        ];
        assert_eq!(names.collect::<Vec<_>>(), expected);
    }
}
