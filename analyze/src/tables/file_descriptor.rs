//! What processes have open, by kind.

use std::collections::BTreeMap;

use crate::table::{Damages, Decode, Input, Node, Rows, Table, int, text};

/// The table.
pub static TABLE: Table = Table {
    name: "file_descriptor",
    about: "open files of each process, counted by kind",
    columns: &[
        int("pid", ""),
        text(
            "kind",
            "socket, pipe, file, deleted, device, inotify, eventfd, eventpoll, or another anonymous kind",
        ),
        int("count", ""),
        text("example", "the target of one of them"),
    ],
    reads: &["/proc/*/fd"],
    decoder: || Box::new(FileDescriptors::default()),
};

#[derive(Default)]
struct FileDescriptors {
    counts: BTreeMap<(u32, String), (String, i64, i64, String)>,
}

impl Decode for FileDescriptors {
    fn entry(&mut self, input: &Input<'_>, _: &Node, _: &mut Damages) {
        let Some(pid) = input.part(1).and_then(|pid| pid.parse().ok()) else {
            return;
        };
        for (number, line) in input.lines() {
            let Some((_, target)) = line.split_once('\t') else {
                continue;
            };
            self.counts
                .entry((pid, kind(target).to_owned()))
                .and_modify(|(_, _, count, _)| *count += 1)
                .or_insert_with(|| (input.entry.to_owned(), number, 1, target.to_owned()));
        }
    }

    fn finish(self: Box<Self>, _: &Node, rows: &mut Rows) {
        for ((pid, kind), (entry, line, count, example)) in self.counts {
            rows.add(&entry, Some(line))
                .set("pid", pid)
                .set("kind", kind)
                .set("count", count)
                .set("example", example);
        }
    }
}

fn kind(target: &str) -> &str {
    if let Some(name) = target.strip_prefix("anon_inode:") {
        return name.trim_matches(['[', ']']);
    }
    if target.ends_with(" (deleted)") {
        "deleted"
    } else if target.starts_with("socket:") {
        "socket"
    } else if target.starts_with("pipe:") {
        "pipe"
    } else if target.starts_with("/dev/") {
        "device"
    } else if target.starts_with('/') {
        "file"
    } else {
        "other"
    }
}

#[cfg(test)]
mod tests {
    use crate::table::testing::{csv, run};

    #[test]
    fn counted_by_kind() {
        let (rows, _) = run(
            "file_descriptor",
            &[("root/proc/7/fd", b"0\t/dev/null\n1\tsocket:[1]\n2\tsocket:[2]\n3\tanon_inode:[eventpoll]\n4\tanon_inode:inotify\n5\t/var/log/x (deleted)\n6\n")],
        );
        assert_eq!(
            csv(&rows, &["pid", "kind", "count"]),
            "7,deleted,1\n7,device,1\n7,eventpoll,1\n7,inotify,1\n7,socket,2\n"
        );
    }
}
