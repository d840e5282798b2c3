//! Profiles on the page: flamegraphs of the scopes that ran most, as pictures that need no script;
//! the samples, for the page's viewer; and maps of when it was busy.

use serde::Serialize;

use super::model::Block;
use crate::profile::choice::{Choice, Choices, choices};
use crate::profile::excerpt::{self, Excerpt};
use crate::profile::flamegraph::{self, Look};
use crate::profile::fold::{self, fold};
use crate::profile::heat::{self, Heat};
use crate::profile::scope::Scope;
use crate::profile::{Profile, Unit};
use crate::table::Loaded;
use crate::units;

/// Samples, stacks and names of a profile on the page.
const EXCERPT_BYTES: usize = 2 << 20;
/// All pictures of a profile on the page.
const PICTURES_BYTES: usize = 2 << 20;
/// One of them. Most have 20 to 100 KB; a larger one is drawn again without its narrow frames.
const PICTURE_BYTES: usize = 160 << 10;
/// Pictures by kind.
const PODS: usize = 6;
const CONTAINERS: usize = 4;
const PROCESSES: usize = 6;

/// A profile on the page.
#[derive(Clone, Debug, Serialize)]
pub struct Flames {
    /// Anchor: `flames-cpu`.
    pub id: String,
    /// The profile's name.
    pub profile: String,
    /// Heading.
    pub title: String,
    /// What a reader must know of the samples.
    pub subtitle: String,
    /// What is missing and why.
    pub notes: Vec<String>,
    /// When it was busy.
    pub maps: Vec<Map>,
    /// Flamegraphs, the whole node first.
    pub pictures: Vec<Picture>,
    /// Which scopes have none, in a sentence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub without_picture: Option<String>,
    /// What the viewer folds; [`Flames::strip`] takes it out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub excerpt: Option<Excerpt>,
    /// What of the samples is not on the page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cut: Option<String>,
}

/// A map of when it was busy.
#[derive(Clone, Debug, Serialize)]
pub struct Map {
    /// Heading.
    pub title: &'static str,
    /// How it is read.
    pub hint: String,
    /// What the palest colour means.
    pub palest: &'static str,
    /// What the darkest colour means.
    pub darkest: String,
    /// Count that has the darkest colour.
    pub full: u64,
    /// The counts.
    pub heat: Heat,
}

/// A flamegraph on the page.
#[derive(Clone, Debug, Serialize)]
pub struct Picture {
    /// What it shows.
    pub title: String,
    /// How it is linked: `flame=pod:shop/cart-0`.
    pub link: String,
    /// Its part of all samples.
    pub share: String,
    /// The picture without any script; [`Flames::strip`] takes it out.
    pub svg: String,
    /// Its height in pixels.
    pub height: u32,
}

/// The profile of this name, or why there is none.
pub fn named(loaded: &Loaded, name: &str, title: &'static str) -> Block {
    let profiles = &loaded.node.profiles;
    if let Some(profile) = profiles.iter().find(|profile| profile.name == name) {
        return block(profile, title);
    }
    let table = loaded.tables.get("profile");
    let why = table.and_then(|table| table.missing.clone());
    Block::Missing {
        title,
        reason: why.unwrap_or_else(|| "nothing was sampled".to_owned()),
    }
}

/// A profile as a part of a chapter.
pub fn block(profile: &Profile, title: &'static str) -> Block {
    let whole = fold(profile, &Scope::node(), fold::Options::default());
    if whole.total == 0 {
        return Block::Missing {
            title,
            reason: "it was sampled, and no sample was taken".to_owned(),
        };
    }
    let choices = choices(profile);
    let (pictures, without_picture) = pictures(profile, &choices, whole.total);
    let excerpt = excerpt::excerpt(profile, EXCERPT_BYTES);
    let cut = match &excerpt {
        Some(excerpt) => excerpt.cut(),
        None => Some("Its stacks are too many for this page.".to_owned()),
    };
    Block::Flames(Box::new(Flames {
        id: format!("flames-{}", super::view::identifier(&profile.name)),
        profile: fold::clean(&profile.name),
        title: title.to_owned(),
        subtitle: flamegraph::subtitle(profile, &whole),
        notes: profile
            .notes
            .iter()
            .map(|note| crate::text::visible(note))
            .collect(),
        maps: maps(profile),
        pictures,
        without_picture,
        excerpt,
        cut,
    }))
}

impl Flames {
    /// Leaves out what the page holds apart from the model.
    pub fn strip(&mut self) {
        self.excerpt = None;
        for picture in &mut self.pictures {
            picture.svg.clear();
        }
    }
}

/// The scopes that get a picture, within the budget, and a sentence about the others.
fn pictures(profile: &Profile, choices: &Choices, total: u64) -> (Vec<Picture>, Option<String>) {
    let containers = of_their_own(profile, &choices.containers);
    let kinds: [(&str, &[Choice], usize); 3] = [
        ("pods", &choices.pods, PODS),
        ("containers", &containers, CONTAINERS),
        ("processes", &choices.processes, PROCESSES),
    ];
    let node = [Scope::node(), Scope::kernel()].map(|scope| (None, scope));
    let chosen = kinds
        .iter()
        .enumerate()
        .flat_map(|(kind, (_, list, most))| {
            let scopes = list.iter().take(*most).map(|choice| choice.scope.clone());
            scopes.map(move |scope| (Some(kind), scope))
        });
    let mut drawn = [0_usize; 3];
    let mut pictures: Vec<Picture> = Vec::new();
    let mut bytes = 0;
    for (kind, scope) in node.into_iter().chain(chosen) {
        let Some(picture) = picture(profile, &scope, total) else {
            continue;
        };
        bytes += picture.svg.len();
        // The whole node is always there.
        if bytes > PICTURES_BYTES && !pictures.is_empty() {
            break;
        }
        pictures.push(picture);
        if let Some(count) = kind.and_then(|kind| drawn.get_mut(kind)) {
            *count += 1;
        }
    }
    let cuts: Vec<String> = kinds
        .iter()
        .zip(drawn)
        .filter(|((_, list, _), drawn)| list.len() > *drawn)
        .map(|((name, list, _), drawn)| format!("{drawn} of {} {name}", list.len()))
        .collect();
    let sentence = (!cuts.is_empty()).then(|| {
        format!(
            "Pictures of {}, those with most samples; `analyze flamegraph` draws the others.",
            cuts.join(", ")
        )
    });
    (pictures, sentence)
}

/// Containers whose pod's picture would not show the same: the pod has others, or is not known.
fn of_their_own(profile: &Profile, containers: &[Choice]) -> Vec<Choice> {
    let pod_of = |choice: &Choice| {
        let mut tasks = profile.tasks.iter();
        let task = tasks.find(|task| choice.scope.who.has(task));
        task.and_then(|task| task.pod_uid.clone().or_else(|| task.pod.clone()))
    };
    let pods: Vec<Option<String>> = containers.iter().map(pod_of).collect();
    let is_alone = |pod: &Option<String>| {
        pod.is_some() && pods.iter().filter(|other| *other == pod).count() == 1
    };
    containers
        .iter()
        .zip(&pods)
        .filter(|(_, pod)| !is_alone(pod))
        .map(|(choice, _)| choice.clone())
        .collect()
}

/// One picture; nothing where there is nothing to draw.
fn picture(profile: &Profile, scope: &Scope, total: u64) -> Option<Picture> {
    let folded = fold(profile, scope, fold::Options::default());
    if folded.total == 0 {
        return None;
    }
    let mut drawn = [1, 3, 10, 30].into_iter().filter_map(|narrowest_permille| {
        let look = Look {
            narrowest_permille,
            ..Look::default()
        };
        flamegraph::parts(&flamegraph::drawn(profile, scope, &folded, look).ok()?)
    });
    let parts = drawn.find(|parts| parts.picture.len() <= PICTURE_BYTES)?;
    Some(Picture {
        title: scope.title(profile),
        link: scope.link(),
        share: units::percent(folded.total as f64 / total.max(1) as f64),
        height: parts.height,
        svg: parts.picture,
    })
}

fn maps(profile: &Profile) -> Vec<Map> {
    let mut maps = Vec::new();
    let samples = |count: u64, ms: u64| {
        let s = if count == 1 { "" } else { "s" };
        format!("{} sample{s} in {ms} ms", units::count(count as f64))
    };
    // Threads that wait are on no CPU.
    if let Some(heat) = heat::by_cpu(profile).filter(|_| profile.unit == Unit::Count) {
        // A CPU that is never idle gives this many samples in the time of a cell.
        let busy = profile
            .frequency_hz
            .map(|hz| hz * heat.column_ms * u64::from(heat.row_cpus) / 1000);
        maps.push(Map {
            title: "By CPU over time",
            hint: match heat.row_cpus {
                1 => "each row is a CPU".to_owned(),
                cpus => format!("each row is {cpus} CPUs"),
            },
            palest: busy.map_or("no sample", |_| "idle"),
            darkest: match busy {
                Some(_) => "busy all the time".to_owned(),
                None => samples(heat.most, heat.column_ms),
            },
            full: busy.unwrap_or(heat.most).max(1),
            heat,
        });
    }
    if let Some(heat) = heat::by_offset(profile) {
        let column = match heat.column_ms {
            1000 => "a second".to_owned(),
            ms => format!("{} s", ms / 1000),
        };
        maps.push(Map {
            title: "By offset within each second",
            hint: format!("each column is {column}, upwards"),
            palest: "no sample",
            darkest: samples(heat.most, heat.row_ms),
            full: heat.most.max(1),
            heat,
        });
    }
    maps
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::testing::profile;

    fn flames(profile: &Profile) -> Flames {
        match block(profile, "CPU profile") {
            Block::Flames(flames) => *flames,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn pictures_of_the_node_its_pods_and_processes() {
        let flames = flames(&profile());
        let titles: Vec<&str> = flames.pictures.iter().map(|p| p.title.as_str()).collect();
        assert_eq!(
            titles,
            [
                "whole node",
                "kernel only",
                "pod shop/cart-0",
                "process 100 (cart)",
                "process 50 (kubelet)",
                "process 9 (kworker/0:1)"
            ]
        );
        assert_eq!(flames.pictures[2].share, "50 %");
        assert_eq!(flames.without_picture, None);
        assert!(flames.pictures.iter().all(|p| p.height > 100));
        assert_eq!(flames.maps.len(), 2);
        let mut bare = flames;
        bare.strip();
        assert!(bare.excerpt.is_none() && bare.pictures.iter().all(|p| p.svg.is_empty()));
    }

    #[test]
    fn what_has_no_picture_is_said() {
        let mut profile = profile();
        for pid in 1000..1020 {
            let mut task = profile.tasks[2].clone();
            (task.pid, task.tid) = (Some(pid), Some(pid));
            profile.tasks.push(task);
            let mut sample = profile.samples[0];
            sample.task = profile.tasks.len() as u32 - 1;
            profile.samples.push(sample);
        }
        let flames = flames(&profile);
        assert!(
            flames
                .without_picture
                .unwrap()
                .starts_with("Pictures of 6 of 23 processes, "),
        );
    }

    #[test]
    fn nothing_sampled_is_said() {
        let mut profile = profile();
        profile.samples.clear();
        assert!(matches!(block(&profile, "x"), Block::Missing { .. }));
    }

    #[test]
    fn a_container_is_drawn_if_its_pod_has_others() {
        let mut profile = profile();
        profile.tasks[1].container_id = Some("11aa22bb33cc44".to_owned());
        profile.tasks[1].container = None;
        let titles: Vec<String> = flames(&profile)
            .pictures
            .into_iter()
            .map(|p| p.title)
            .collect();
        assert!(
            titles.contains(&"container 7f3ac0ffee00aa (cart)".to_owned()),
            "{titles:?}"
        );
        assert!(titles.contains(&"container 11aa22bb33cc44".to_owned()));
    }
}
