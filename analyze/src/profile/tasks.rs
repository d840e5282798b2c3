//! Names of pods and containers, which other tables of a bundle tell.

use super::Profile;
use crate::kubernetes::names::Names;

/// Gives tasks the names of their pod and container, where they are known.
pub fn name_tasks(profile: &mut Profile, names: &Names) {
    for task in &mut profile.tasks {
        let found = names.of(task.container_id.as_deref(), task.pod_uid.as_deref());
        let (pod, container) = (found.full_name(), found.container.map(str::to_owned));
        // Its cgroup does not always tell the pod.
        let pod_uid = found.pod_uid.map(str::to_owned);
        task.pod = pod.or(task.pod.take());
        task.container = container.or(task.container.take());
        task.pod_uid = pod_uid;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::{Task, Unit};
    use crate::table::{Rows, Store, text};

    #[test]
    fn tasks_get_the_names_of_their_pod_and_container() {
        let mut pods = Rows::new(&[text("uid", ""), text("namespace", ""), text("name", "")]);
        pods.add("e", None)
            .set("uid", "u1")
            .set("namespace", "shop")
            .set("name", "cart-7f");
        let mut containers = Rows::new(&[text("id", ""), text("name", ""), text("pod_uid", "")]);
        containers
            .add("e", None)
            .set("id", "c1")
            .set("name", "redis")
            .set("pod_uid", "u1");
        let names = Names::new(&Store::from([("pod", pods), ("container", containers)]));
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
        name_tasks(&mut profile, &names);
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
