//! Loaded kernel modules.
//!
//! ```text
//! nf_conntrack 188416 4 xt_conntrack,nf_nat, Live 0x0000000000000000 (OE)
//! ```

use crate::table::{Damages, Decode, Input, Node, Rows, Table, int, text};

/// The table.
pub static TABLE: Table = Table {
    name: "module",
    about: "loaded kernel modules",
    columns: &[
        text("name", ""),
        int("size_bytes", ""),
        int("used_by_count", ""),
        text("used_by", "modules that use it"),
        text("state", "Live, Loading or Unloading"),
        text("taint", "flags: P proprietary, O out of tree, E unsigned"),
    ],
    reads: &["/proc/modules"],
    decoder: || Box::new(Module::default()),
};

#[derive(Default)]
struct Module {
    lines: Vec<(String, i64, String)>,
}

impl Decode for Module {
    fn entry(&mut self, input: &Input<'_>, _: &Node, damages: &mut Damages) {
        for (number, line) in input.lines().filter(|(_, line)| !line.is_empty()) {
            if line.split_ascii_whitespace().count() < 5 {
                damages.add(
                    input,
                    Some(number),
                    format!("not a line of modules: `{line}`"),
                );
            } else {
                self.lines
                    .push((input.entry.to_owned(), number, line.into_owned()));
            }
        }
    }

    fn finish(self: Box<Self>, _: &Node, rows: &mut Rows) {
        for (entry, number, line) in &self.lines {
            let words: Vec<&str> = line.split_ascii_whitespace().collect();
            let word = |place: usize| words.get(place).copied();
            let used_by = word(3)
                .map(|names| names.trim_end_matches(','))
                .filter(|names| *names != "-");
            rows.add(entry, Some(*number))
                .set("name", word(0))
                .set("size_bytes", word(1).and_then(|w| w.parse::<u64>().ok()))
                .set("used_by_count", word(2).and_then(|w| w.parse::<i64>().ok()))
                .set("used_by", used_by)
                .set("state", word(4))
                .set("taint", word(6).map(|flags| flags.trim_matches(['(', ')'])));
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::table::testing::{csv, run};

    #[test]
    fn used_and_tainted() {
        let (rows, damages) = run(
            "module",
            &[(
                "root/proc/modules",
                b"nf_nat 5 2 a,b, Live 0x0 (OE)\nloop 9 0 - Live 0x0\nbad\n",
            )],
        );
        let columns = ["name", "used_by_count", "used_by", "taint"];
        assert_eq!(csv(&rows, &columns), "nf_nat,2,a,b,OE\nloop,0,,\n");
        assert_eq!(damages.list.len(), 1);
    }
}
