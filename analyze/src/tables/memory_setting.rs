//! How the memory manager is set, and what merging of equal pages (KSM) brought.
//!
//! ```text
//! /sys/kernel/mm/transparent_hugepage/enabled     always [madvise] never
//! /sys/kernel/mm/ksm/pages_sharing                0
//! ```
//!
//! Kernel docs `admin-guide/mm/transhuge`, `ksm` and `multigen_lru`. Settings of `/proc/sys/vm` are
//! in the table `sysctl`.

use crate::table::attribute::{Objects, choice};
use crate::table::{Damages, Decode, Input, Node, Rows, Table, text};

/// The table.
pub static TABLE: Table = Table {
    name: "memory_setting",
    about: "settings of transparent huge pages, page merging (KSM) and the multi-generation LRU",
    columns: &[
        text(
            "name",
            "below /sys/kernel/mm, like `transparent_hugepage/enabled`",
        ),
        text("value", "the one that is chosen; counts of KSM are pages"),
    ],
    reads: &[
        "/sys/kernel/mm/transparent_hugepage/enabled",
        "/sys/kernel/mm/transparent_hugepage/defrag",
        "/sys/kernel/mm/ksm/run",
        "/sys/kernel/mm/ksm/pages_shared",
        "/sys/kernel/mm/ksm/pages_sharing",
        "/sys/kernel/mm/ksm/pages_unshared",
        "/sys/kernel/mm/ksm/general_profit",
        "/sys/kernel/mm/lru_gen/enabled",
    ],
    decoder: || Box::new(MemorySettings::default()),
};

#[derive(Default)]
struct MemorySettings {
    settings: Objects,
}

impl Decode for MemorySettings {
    fn entry(&mut self, input: &Input<'_>, _: &Node, _: &mut Damages) {
        if let Some(name) = input.path.strip_prefix("/sys/kernel/mm/") {
            self.settings.text(name, "value", input);
        }
    }

    fn finish(self: Box<Self>, _: &Node, rows: &mut Rows) {
        for (name, setting) in self.settings {
            rows.add(&setting.entry, Some(1))
                .set("name", name)
                .set("value", setting.get_text("value").map(choice));
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::table::testing::{csv, run};

    #[test]
    fn the_choice_and_plain_values() {
        let (rows, _) = run(
            "memory_setting",
            &[
                (
                    "root/sys/kernel/mm/transparent_hugepage/enabled",
                    b"always [madvise] never\n",
                ),
                ("root/sys/kernel/mm/ksm/general_profit", b"-4096\n"),
                ("root/sys/kernel/mm/lru_gen/enabled", b"0x0007\n"),
                ("root/sys/kernel/mm/ksm/run", b""),
            ],
        );
        assert_eq!(
            csv(&rows, &["name", "value"]),
            "ksm/general_profit,-4096\nksm/run,\nlru_gen/enabled,0x0007\ntransparent_hugepage/enabled,madvise\n"
        );
    }
}
