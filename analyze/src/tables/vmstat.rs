//! Counters and gauges of the memory manager, from `/proc/vmstat`: `name value`, one a line.

use std::collections::BTreeMap;

use crate::table::counter::Counters;
use crate::table::{Damages, Decode, Input, Node, Rows, Table, int, text};

/// The table.
pub static TABLE: Table = Table {
    name: "vmstat",
    about: "counters and gauges of the memory manager",
    columns: &[
        text("name", "as the kernel calls it"),
        int("value", "first reading"),
        int("delta", "gain until the last reading; null where it fell"),
        int("window_us", "time between the readings"),
    ],
    reads: &["/proc/vmstat"],
    decoder: || Box::new(VmStat::default()),
};

#[derive(Default)]
struct VmStat {
    values: BTreeMap<String, Counters>,
}

impl Decode for VmStat {
    fn entry(&mut self, input: &Input<'_>, _: &Node, damages: &mut Damages) {
        for (number, line) in input.lines() {
            let parsed = line
                .split_once(' ')
                .and_then(|(name, v)| Some((name, v.trim().parse().ok()?)));
            let Some((name, value)) = parsed else {
                damages.add(input, Some(number), format!("not `name value`: `{line}`"));
                continue;
            };
            if let Some(counters) = self.values.get_mut(name) {
                counters.update(input, vec![value]);
            } else {
                let counters = Counters::new(input, Some(number), vec![value]);
                self.values.insert(name.to_owned(), counters);
            }
        }
    }

    fn finish(self: Box<Self>, _: &Node, rows: &mut Rows) {
        for (name, counters) in self.values {
            rows.add(&counters.entry, counters.line)
                .set("name", name)
                .set("value", counters.first(0))
                .set("delta", counters.delta(0))
                .set("window_us", counters.window_us());
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::table::testing::{csv, run};

    #[test]
    fn gains() {
        let (rows, damages) = run(
            "vmstat",
            &[
                ("root/proc/vmstat", b"oom_kill 3\nnr_dirty 9\nbad\n"),
                ("window/10/proc/vmstat", b"oom_kill 5\nnr_dirty 4\nnew 1\n"),
            ],
        );
        assert_eq!(
            csv(&rows, &["name", "value", "delta"]),
            "new,1,\nnr_dirty,9,\noom_kill,3,2\n"
        );
        assert_eq!(damages.list.len(), 1);
    }
}
