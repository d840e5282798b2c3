//! Neighbours of IPv4 (ARP) of every namespace, from `net/arp`.
//!
//! ```text
//! IP address       HW type     Flags       HW address            Mask     Device
//! 10.0.2.2         0x1         0x2         52:55:0a:00:02:02     *        eth0
//! ```

use crate::table::netns::{self, LINKS, Namespaces};
use crate::table::{Damages, Decode, Input, Node, Rows, Table, bool, int, text};

/// The table.
pub static TABLE: Table = Table {
    name: "neighbour",
    about: "IPv4 neighbours of every namespace",
    columns: &[
        int("netns", "inode of the namespace"),
        bool("is_host", "in the host's namespace"),
        text("address", ""),
        text("hardware_address", ""),
        bool("is_complete", "the neighbour answered"),
        text("device", ""),
    ],
    reads: &["/proc/*/net/arp", LINKS],
    decoder: || Box::new(Neighbours::default()),
};

/// `ATF_COM` of `linux/if_arp.h`.
const COMPLETE: u64 = 2;

#[derive(Default)]
struct Neighbours {
    lines: Vec<(String, i64, Option<u32>, String)>,
    namespaces: Namespaces,
}

impl Decode for Neighbours {
    fn entry(&mut self, input: &Input<'_>, _: &Node, damages: &mut Damages) {
        if self.namespaces.take(input) {
            return;
        }
        for (number, line) in input.lines().skip(1).filter(|(_, line)| !line.is_empty()) {
            if line.split_ascii_whitespace().count() == 6 {
                let pid = netns::reader(input);
                self.lines
                    .push((input.entry.to_owned(), number, pid, line.into_owned()));
            } else {
                damages.add(
                    input,
                    Some(number),
                    format!("not a line of net/arp: `{line}`"),
                );
            }
        }
    }

    fn finish(self: Box<Self>, _: &Node, rows: &mut Rows) {
        for (entry, number, pid, line) in &self.lines {
            let words: Vec<&str> = line.split_ascii_whitespace().collect();
            let word = |place: usize| words.get(place).copied();
            let flags =
                word(2).and_then(|w| u64::from_str_radix(w.trim_start_matches("0x"), 16).ok());
            rows.add(entry, Some(*number))
                .set("netns", self.namespaces.inode(*pid))
                .set("is_host", netns::is_host(*pid))
                .set("address", word(0))
                .set("hardware_address", word(3))
                .set("is_complete", flags.map(|flags| flags & COMPLETE != 0))
                .set("device", word(5));
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::table::testing::{csv, run};

    #[test]
    fn complete_and_not() {
        let (rows, damages) = run(
            "neighbour",
            &[("root/proc/1/net/arp", b"IP address HW type Flags\n10.0.2.2 0x1 0x2 52:55:0a:00:02:02 * eth0\n10.0.2.9 0x1 0x0 00:00:00:00:00:00 * eth0\nbad\n")],
        );
        assert_eq!(
            csv(&rows, &["address", "is_complete", "device"]),
            "10.0.2.2,true,eth0\n10.0.2.9,false,eth0\n"
        );
        assert_eq!(damages.list.len(), 1);
    }
}
