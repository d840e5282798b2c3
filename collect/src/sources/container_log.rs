//! The ends of containers' logs, those of containers that were restarted first: what the one before
//! said last is why it died.
//!
//! kubelet writes `/var/log/pods/<namespace>_<pod>_<uid>/<container>/<restarts>.log`, so the names
//! tell the pod and how often the container began. Which logs there are, how long and how old, is
//! kept of all of them, also where nothing of the log itself is.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use freezeframe_bundle::Outcome;
use serde::{Deserialize, Serialize};

use crate::clock;
use crate::root::{Name, Root};
use crate::source::{Brief, Cx, Estimate, Hazard, Part, Privacy, Source, Told};

const FOLDER: &str = "/var/log/pods";
/// All logs together, before they are compressed to about a tenth.
const BUDGET_BYTES: u64 = 32 << 20;
/// Of a container that was restarted, and as much of the one before it.
const RESTARTED_BYTES: u64 = 512 << 10;
/// Of any other: what is left is shared, within these bounds.
const QUIET_BYTES: (u64, u64) = (16 << 10, 256 << 10);
/// A log that was begun anew is this short; the one before it tells more.
const FRESH_BYTES: u64 = 4 << 10;
/// Names that are looked at: pods, containers of one, files of one.
const PODS: usize = 5000;
const CONTAINERS: usize = 100;
const FILES: usize = 200;
/// Logs that are listed in all.
const LISTED: usize = 50_000;

/// The source.
pub(crate) static SOURCE: Source = Source {
    id: "container_log",
    order: 515,
    about: "ends of containers' logs, restarted ones and the ones before them first; sizes and ages of all",
    reads: &[
        "/var/log/pods/*/*/*.log, the newest and the one before a restart",
        "/var/log/pods/*/*/ (names, sizes, times)",
    ],
    hazard: Hazard::Unkillable,
    privacy: Privacy::Text,
    deadline: Duration::from_secs(10),
    max_bytes: BUDGET_BYTES + (8 << 20),
    estimate: Estimate::Fixed(200),
    capture,
    again: None,
    each_second: &[],
    calls: &[survey],
};

/// A log: a line of `calls/container_logs.jsonl`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Log {
    path: String,
    size_bytes: u64,
    /// When something was written to it last, microseconds since 1970.
    modified_us: i64,
}

fn capture(cx: &mut Cx<'_>) -> Result<(), Outcome> {
    let (started_us, began) = (clock::boottime_us(), Instant::now());
    let list = cx.consult(0, FOLDER.as_bytes())?;
    let logs: Vec<Log> = list
        .split(|b| *b == b'\n')
        .filter_map(|line| serde_json::from_slice(line).ok())
        .collect();
    if !list.is_empty() {
        cx.part(Part {
            member: "calls/container_logs.jsonl".to_owned(),
            bytes: list,
            outcome: Outcome::Complete,
            cut: None,
            started_us,
            took_us: began.elapsed().as_micros() as u64,
            privacy: Privacy::Names,
        });
    }
    for (path, bytes) in choose(&logs) {
        if !cx.try_tail(&path, bytes as usize) && cx.is_spent() {
            break;
        }
    }
    Ok(())
}

/// Lists all logs below a folder.
fn survey(brief: &Brief<'_>) -> Told {
    let mut bytes = Vec::new();
    let folder = String::from_utf8_lossy(brief.argument).into_owned();
    let pods = match brief.root.list(folder.as_bytes(), PODS) {
        Ok((pods, _)) => pods,
        Err(error) => return Told::none(crate::root::outcome(&error)),
    };
    let mut left = LISTED;
    for pod in below(&folder, &pods) {
        for container in below(&pod, &names(brief.root, &pod, CONTAINERS)) {
            for file in names(brief.root, &container, FILES) {
                let Some(name) = file.text() else { continue };
                let path = format!("{container}/{name}");
                let Some(log) = log(brief.root, path) else {
                    continue;
                };
                if left == 0 || Instant::now() >= brief.ends || bytes.len() > brief.bytes / 2 {
                    break;
                }
                left -= 1;
                // Writing to memory does not fail.
                let _ = serde_json::to_writer(&mut bytes, &log);
                bytes.push(b'\n');
            }
        }
    }
    Told {
        bytes,
        outcome: Outcome::Complete,
        cut: None,
    }
}

fn names(root: &Root, folder: &str, limit: usize) -> Vec<Name> {
    let list = root.list(folder.as_bytes(), limit);
    list.map(|(names, _)| names).unwrap_or_default()
}

fn below<'n>(folder: &'n str, names: &'n [Name]) -> impl Iterator<Item = String> + 'n {
    let folders = names.iter().filter(|name| name.is_folder);
    let texts = folders.filter_map(Name::text);
    texts.map(move |name| format!("{folder}/{name}"))
}

fn log(root: &Root, path: String) -> Option<Log> {
    let place = root.place(path.as_bytes()).ok()?;
    let stat = rustix::fs::fstat(place).ok()?;
    Some(Log {
        path,
        size_bytes: stat.st_size as u64,
        modified_us: stat.st_mtime * 1_000_000 + stat.st_mtime_nsec as i64 / 1000,
    })
}

/// The logs of one container.
#[derive(Default)]
struct Container<'l> {
    /// By the number of restarts before.
    current: BTreeMap<u64, &'l Log>,
    /// The newest that was put aside when it had become long.
    rotated: Option<&'l Log>,
}

impl Container<'_> {
    fn was_restarted(&self) -> bool {
        self.current.keys().next_back().is_some_and(|n| *n > 0)
    }

    /// When the one before ended, or else when anything was said last.
    fn time(&self) -> i64 {
        let mut newest = self.current.values().rev();
        let last = newest.next().map_or(0, |log| log.modified_us);
        newest.next().map_or(last, |before| before.modified_us)
    }
}

fn is_packed(name: &str) -> bool {
    name.rsplit_once('.')
        .is_some_and(|(_, ending)| ending == "gz")
}

/// Which logs are read, and how much of their ends, what tells most first.
fn choose(logs: &[Log]) -> Vec<(String, u64)> {
    let mut containers: BTreeMap<&str, Container<'_>> = BTreeMap::new();
    for log in logs {
        let Some((folder, name)) = log.path.rsplit_once('/') else {
            continue;
        };
        let container = containers.entry(folder).or_default();
        let Some((number, rest)) = name.split_once(".log") else {
            continue;
        };
        match (number.parse(), rest) {
            (Ok(number), "") => {
                container.current.insert(number, log);
            }
            (Ok(_), rest) if rest.starts_with('.') && !is_packed(rest) => {
                let newest = container
                    .rotated
                    .filter(|r| r.modified_us > log.modified_us);
                container.rotated = newest.or(Some(log));
            }
            _ => {}
        }
    }
    let mut containers: Vec<_> = containers.into_iter().collect();
    containers.sort_by_key(|(folder, container)| {
        let is_of_system = folder
            .strip_prefix(FOLDER)
            .is_some_and(|f| f.starts_with("/kube-system_"));
        (
            !container.was_restarted(),
            !is_of_system,
            std::cmp::Reverse(container.time()),
        )
    });
    let restarted = containers.iter().filter(|(_, c)| c.was_restarted()).count() as u64;
    let quiet = (containers.len() as u64).saturating_sub(restarted).max(1);
    let left = BUDGET_BYTES.saturating_sub(restarted * 2 * RESTARTED_BYTES);
    let share = (left / quiet).clamp(QUIET_BYTES.0, QUIET_BYTES.1);
    let mut chosen = Vec::new();
    for (_, container) in containers {
        let bytes = if container.was_restarted() {
            RESTARTED_BYTES
        } else {
            share
        };
        let mut newest = container.current.values().rev().copied();
        let current = newest.next();
        chosen.extend(current.map(|log| (log.path.clone(), bytes)));
        if current.is_none_or(|log| log.size_bytes < FRESH_BYTES) {
            chosen.extend(container.rotated.map(|log| (log.path.clone(), bytes)));
        }
        chosen.extend(newest.next().map(|log| (log.path.clone(), bytes)));
    }
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(path: &str, size_bytes: u64, modified_us: i64) -> Log {
        Log {
            path: format!("{FOLDER}/{path}"),
            size_bytes,
            modified_us,
        }
    }

    fn chosen(logs: &[Log]) -> Vec<(String, u64)> {
        let strip = |path: String| path.replace("/var/log/pods/", "");
        let chosen = choose(logs).into_iter();
        chosen.map(|(path, bytes)| (strip(path), bytes)).collect()
    }

    #[test]
    fn restarted_containers_come_first_with_the_one_before() {
        let logs = [
            log("shop_web_1/app/0.log", 9000, 50),
            log("shop_web_1/crashed-once/0.log", 9000, 10),
            log("shop_web_1/crashed-once/1.log", 9000, 90),
            log("shop_db_2/crashes/11.log", 9000, 80),
            log("shop_db_2/crashes/12.log", 9000, 81),
            log("shop_db_2/crashes/9.log", 9000, 3),
            log("kube-system_proxy_3/proxy/0.log", 9000, 1),
        ];
        let paths: Vec<_> = chosen(&logs).into_iter().map(|(path, _)| path).collect();
        assert_eq!(
            paths,
            [
                "shop_db_2/crashes/12.log",
                "shop_db_2/crashes/11.log",
                "shop_web_1/crashed-once/1.log",
                "shop_web_1/crashed-once/0.log",
                "kube-system_proxy_3/proxy/0.log",
                "shop_web_1/app/0.log",
            ]
        );
    }

    #[test]
    fn a_log_that_was_begun_anew_is_read_with_the_one_put_aside() {
        let logs = [
            log("a_b_c/app/0.log", 100, 50),
            log("a_b_c/app/0.log.20260101-000000", 9000, 40),
            log("a_b_c/app/0.log.20260101-010000", 9000, 45),
            log("a_b_c/app/0.log.20251231-230000.gz", 900, 30),
            log("a_b_c/app/notes.txt", 900, 30),
        ];
        let paths: Vec<_> = chosen(&logs).into_iter().map(|(path, _)| path).collect();
        assert_eq!(
            paths,
            ["a_b_c/app/0.log", "a_b_c/app/0.log.20260101-010000"]
        );
    }

    #[test]
    fn the_budget_is_shared() {
        let many = |count: usize, restarts| {
            let path = |n| format!("a_b_{n}/app/{restarts}.log");
            let logs: Vec<_> = (0..count).map(|n| log(&path(n), 9000, 1)).collect();
            chosen(&logs).pop().unwrap().1
        };
        assert_eq!(many(4, 0), 256 << 10);
        assert_eq!(many(400, 0), (32 << 20) / 400);
        assert_eq!(many(4000, 0), 16 << 10);
        assert_eq!(many(4, 3), 512 << 10);
        assert!(choose(&[]).is_empty());
    }
}
