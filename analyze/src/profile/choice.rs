//! What there is to choose: the scopes of a profile that have samples, heaviest first.

use std::collections::HashMap;

use super::scope::{Scope, Who};
use super::{Profile, Task, TaskId};

/// A scope that has samples.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// The scope.
    pub scope: Scope,
    /// Sum of its weights.
    pub weight: u64,
}

/// The scopes of a profile by kind, heaviest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Choices {
    /// Pods.
    pub pods: Vec<Choice>,
    /// Containers.
    pub containers: Vec<Choice>,
    /// Units of systemd and other groups outside of pods.
    pub cgroups: Vec<Choice>,
    /// Processes.
    pub processes: Vec<Choice>,
}

/// Finds the scopes of a profile.
pub fn choices(profile: &Profile) -> Choices {
    let mut weights: HashMap<TaskId, u64> = HashMap::new();
    for sample in &profile.samples {
        let weight = weights.entry(sample.task).or_default();
        *weight = weight.saturating_add(sample.weight);
    }
    let tasks: Vec<(&Task, u64)> = weights
        .into_iter()
        .filter(|(_, weight)| *weight > 0)
        .filter_map(|(id, weight)| Some((profile.tasks.get(id as usize)?, weight)))
        .collect();
    let by = |who: fn(&Task) -> Option<Who>| heaviest(&tasks, who);
    Choices {
        pods: by(|task| Some(Who::Pod(task.pod.clone().or_else(|| task.pod_uid.clone())?))),
        containers: by(|task| Some(Who::Container(task.container_id.clone()?))),
        cgroups: by(
            |task| match (&task.pod_uid, &task.container_id, &task.cgroup) {
                (None, None, Some(path)) => Some(Who::Cgroup(path.clone())),
                _ => None,
            },
        ),
        processes: by(|task| task.pid.map(Who::Process)),
    }
}

fn heaviest(tasks: &[(&Task, u64)], who: fn(&Task) -> Option<Who>) -> Vec<Choice> {
    let mut sums: HashMap<Who, u64> = HashMap::new();
    for (task, weight) in tasks {
        if let Some(who) = who(task) {
            let sum = sums.entry(who).or_default();
            *sum = sum.saturating_add(*weight);
        }
    }
    let mut choices: Vec<Choice> = sums
        .into_iter()
        .map(|(who, weight)| Choice {
            scope: Scope::of(who),
            weight,
        })
        .collect();
    choices.sort_by(|a, b| b.weight.cmp(&a.weight).then_with(|| a.scope.cmp(&b.scope)));
    choices
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::testing::profile;

    #[test]
    fn what_has_samples_heaviest_first() {
        let choices = choices(&profile());
        let links = |list: &[Choice]| -> Vec<(String, u64)> {
            list.iter().map(|c| (c.scope.link(), c.weight)).collect()
        };
        assert_eq!(
            links(&choices.pods),
            [("flame=pod:shop/cart-0".to_owned(), 3)]
        );
        assert_eq!(links(&choices.containers).len(), 1);
        assert_eq!(
            links(&choices.cgroups),
            [
                ("flame=cgroup:/system.slice/kubelet.service".to_owned(), 2),
                ("flame=cgroup:/".to_owned(), 1),
            ]
        );
        assert_eq!(
            links(&choices.processes),
            [
                ("flame=process:100".to_owned(), 3),
                ("flame=process:50".to_owned(), 2),
                ("flame=process:9".to_owned(), 1),
            ]
        );
    }
}
