//! Controllers and how many groups each has, from `/proc/cgroups`.
//!
//! The number counts groups that were removed and still hold memory: far above the folders in the
//! tree it tells of dying groups, also on v1, which has no other count.

use crate::table::{Damages, Decode, Input, Node, Rows, Table, bool, int, text};

/// The table.
pub static TABLE: Table = Table {
    name: "cgroup_controller",
    about: "controllers of control groups",
    columns: &[
        text("name", ""),
        int("hierarchy", "0: unified or unused"),
        int("cgroups_count", "groups, dying ones included"),
        bool("enabled", ""),
    ],
    reads: &["/proc/cgroups"],
    decoder: || Box::new(Controllers::default()),
};

#[derive(Default)]
struct Controllers {
    lines: Vec<(String, i64, String)>,
}

impl Decode for Controllers {
    fn entry(&mut self, input: &Input<'_>, _: &Node, damages: &mut Damages) {
        for (number, line) in input.lines().filter(|(_, line)| !line.starts_with('#')) {
            if line.split_ascii_whitespace().count() == 4 {
                self.lines
                    .push((input.entry.to_owned(), number, line.into_owned()));
            } else {
                damages.add(
                    input,
                    Some(number),
                    format!("not a line of cgroups: `{line}`"),
                );
            }
        }
    }

    fn finish(self: Box<Self>, _: &Node, rows: &mut Rows) {
        for (entry, number, line) in &self.lines {
            let mut words = line.split_ascii_whitespace();
            let name = words.next();
            let mut next = || words.next().and_then(|word| word.parse::<i64>().ok());
            let (hierarchy, count, enabled) = (next(), next(), next());
            rows.add(entry, Some(*number))
                .set("name", name)
                .set("hierarchy", hierarchy)
                .set("cgroups_count", count)
                .set("enabled", enabled.map(|value| value == 1));
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::table::testing::{csv, run};

    #[test]
    fn counts() {
        let (rows, damages) = run(
            "cgroup_controller",
            &[(
                "root/proc/cgroups",
                b"#subsys_name\thierarchy\tnum_cgroups\tenabled\nmemory\t4\t20123\t1\nbad\n",
            )],
        );
        assert_eq!(
            csv(&rows, &["name", "hierarchy", "cgroups_count", "enabled"]),
            "memory,4,20123,true\n"
        );
        assert_eq!(damages.list.len(), 1);
    }
}
