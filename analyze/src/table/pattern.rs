//! Which table reads which entry.

use std::collections::HashMap;
use std::str::Split;

/// Splits a member's path into the reading and the node's path: `window/3/proc/stat` is reading 3
/// of `/proc/stat`. A member that is no file of the node keeps its path.
pub fn split(member: &str) -> (u32, &str) {
    if let Some(path) = member.strip_prefix("root").filter(|p| p.starts_with('/')) {
        return (0, path);
    }
    let window = member.strip_prefix("window/").and_then(|rest| {
        let slash = rest.find('/')?;
        let number = rest.get(..slash)?.parse().ok()?;
        Some((number, rest.get(slash..)?))
    });
    window.unwrap_or((0, member))
}

/// Whether `path` is one that `pattern` means.
pub fn matches(pattern: &str, path: &str) -> bool {
    fn parts(mut pattern: Split<'_, char>, mut path: Split<'_, char>) -> bool {
        loop {
            match pattern.next() {
                None => return path.next().is_none(),
                Some("**") => loop {
                    if parts(pattern.clone(), path.clone()) {
                        return true;
                    }
                    if path.next().is_none() {
                        return false;
                    }
                },
                Some(first) => {
                    if !path.next().is_some_and(|head| part(first, head)) {
                        return false;
                    }
                }
            }
        }
    }
    parts(pattern.split('/'), path.split('/'))
}

fn part(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((before, after)) => text.strip_prefix(before).is_some_and(|rest| {
            after.is_empty()
                || (0..=rest.len()).any(|n| rest.get(n..).is_some_and(|t| part(after, t)))
        }),
    }
}

/// Finds the tables that read a path without trying every pattern.
#[derive(Debug, Default)]
pub struct Router {
    /// Patterns whose last part is plain text, by that part.
    by_name: HashMap<&'static str, Vec<(&'static str, usize)>>,
    /// The other patterns.
    other: Vec<(&'static str, usize)>,
}

impl Router {
    /// Adds a pattern of the table with this number.
    pub fn add(&mut self, pattern: &'static str, table: usize) {
        match pattern.rsplit('/').next() {
            Some(name) if !name.contains('*') => {
                self.by_name.entry(name).or_default().push((pattern, table));
            }
            _ => self.other.push((pattern, table)),
        }
    }

    /// Numbers of the tables that read `path`, each once.
    pub fn tables(&self, path: &str) -> Vec<usize> {
        let name = path.rsplit('/').next().unwrap_or(path);
        let mut tables = Vec::new();
        let named = self.by_name.get(name).into_iter().flatten();
        // Every path is held against these: most are told apart by how the pattern begins.
        let other = self.other.iter().filter(|(pattern, _)| {
            let start = pattern.split('*').next().unwrap_or_default();
            path.starts_with(start)
        });
        for (pattern, table) in named.chain(other) {
            if !tables.contains(table) && matches(pattern, path) {
                tables.push(*table);
            }
        }
        tables
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_split_into_reading_and_path() {
        assert_eq!(split("root/proc/stat"), (0, "/proc/stat"));
        assert_eq!(split("window/12/proc/stat"), (12, "/proc/stat"));
        assert_eq!(split("window/x/proc/stat"), (0, "window/x/proc/stat"));
        assert_eq!(split("kernel/kmsg"), (0, "kernel/kmsg"));
    }

    #[test]
    fn stars_stay_within_a_part_and_double_stars_do_not() {
        assert!(matches("/proc/*/stat", "/proc/12/stat"));
        assert!(!matches("/proc/*/stat", "/proc/12/task/3/stat"));
        assert!(matches(
            "/sys/fs/cgroup/**/cpu.stat",
            "/sys/fs/cgroup/cpu.stat"
        ));
        assert!(matches(
            "/sys/fs/cgroup/**/cpu.stat",
            "/sys/fs/cgroup/a/b/cpu.stat"
        ));
        assert!(matches(
            "/sys/**/hugetlb.*.current",
            "/sys/a/hugetlb.2MB.current"
        ));
        assert!(!matches(
            "/sys/**/hugetlb.*.current",
            "/sys/a/hugetlb.2MB.max"
        ));
    }
}
