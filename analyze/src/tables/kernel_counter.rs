//! How often this kernel oopsed, warned or stalled since boot, and what tainted it.
//!
//! ```text
//! /sys/kernel/oops_count              0
//! /proc/sys/kernel/tainted            12288
//! ```
//!
//! Kernel docs `ABI/testing/sysfs-kernel-oops_count`, `-warn_count`, `-hardlockup_count`,
//! `admin-guide/sysctl/kernel` and `admin-guide/tainted-kernels`. Counters came with Linux 6.2
//! (oops, warn), 6.13 (hung tasks) and 6.16 (lockups, RCU stalls): one that is missing is not zero.

use std::collections::BTreeMap;

use crate::table::attribute::{number, shown};
use crate::table::{Damages, Decode, Input, Node, Rows, Table, int, text};

/// The table.
pub static TABLE: Table = Table {
    name: "kernel_counter",
    about: "oopses, warnings, lockups and hung tasks since boot, and what tainted the kernel",
    columns: &[
        text(
            "name",
            "oops_count, warn_count, softlockup_count, hardlockup_count, rcu_stall_count, hung_task_detect_count or tainted",
        ),
        int("value", "since boot; of `tainted`: bits"),
        text(
            "flags",
            "of `tainted`: letters as in an oops, like `DWO`; null of others",
        ),
    ],
    reads: &[
        "/sys/kernel/oops_count",
        "/sys/kernel/warn_count",
        "/sys/kernel/softlockup_count",
        "/sys/kernel/hardlockup_count",
        "/sys/kernel/rcu_stall_count",
        "/proc/sys/kernel/hung_task_detect_count",
        "/proc/sys/kernel/tainted",
    ],
    decoder: || Box::new(KernelCounters::default()),
};

/// Letters of the bits of `tainted`, from bit 0.
const FLAGS: &str = "PFSRMBUDAWCIOELKXTNJ";

#[derive(Default)]
struct KernelCounters {
    values: BTreeMap<String, (String, u64)>,
}

impl Decode for KernelCounters {
    fn entry(&mut self, input: &Input<'_>, _: &Node, damages: &mut Damages) {
        let name = input.path.rsplit('/').next().unwrap_or_default();
        let text = input.text();
        match number(text.trim()) {
            Some(value) => {
                self.values
                    .entry(name.to_owned())
                    .or_insert_with(|| (input.entry.to_owned(), value));
            }
            None if text.trim().is_empty() => {}
            None => damages.add(input, Some(1), format!("not a number: `{}`", shown(&text))),
        }
    }

    fn finish(self: Box<Self>, _: &Node, rows: &mut Rows) {
        for (name, (entry, value)) in self.values {
            let flags = (name == "tainted" && value > 0).then(|| flags(value));
            rows.add(&entry, Some(1))
                .set("name", name)
                .set("value", value)
                .set("flags", flags);
        }
    }
}

/// Letters of the bits that are set; bits of newer kernels are only in the number.
fn flags(tainted: u64) -> String {
    (0..)
        .zip(FLAGS.chars())
        .filter(|(bit, _)| tainted >> bit & 1 == 1)
        .map(|(_, letter)| letter)
        .collect()
}

#[cfg(test)]
mod tests {
    use crate::table::testing::{csv, run};

    #[test]
    fn counters_and_flags() {
        let (rows, damages) = run(
            "kernel_counter",
            &[
                ("root/sys/kernel/oops_count", b"1\n"),
                ("root/sys/kernel/warn_count", b"0\n"),
                ("root/sys/kernel/softlockup_count", b"x\n"),
                ("root/sys/kernel/rcu_stall_count", b""),
                ("root/proc/sys/kernel/tainted", b"12928\n"),
            ],
        );
        // 12928 = 4096 (O) + 8192 (E) + 512 (W) + 128 (D)
        assert_eq!(
            csv(&rows, &["name", "value", "flags"]),
            "oops_count,1,\ntainted,12928,DWOE\nwarn_count,0,\n"
        );
        assert_eq!(damages.list.len(), 1);
    }

    #[test]
    fn untainted_and_unknown_bits() {
        let flags = |content: &[u8]| {
            let (rows, _) = run(
                "kernel_counter",
                &[("root/proc/sys/kernel/tainted", content)],
            );
            csv(&rows, &["value", "flags"])
        };
        assert_eq!(flags(b"0\n"), "0,\n");
        assert_eq!(flags(b"1073741825\n"), "1073741825,P\n");
    }
}
