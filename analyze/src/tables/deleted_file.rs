//! Deleted files that a process keeps open: their space comes back when it closes them.
//!
//! ```text
//! 5<TAB>/var/log/app.log (deleted)
//! 9<TAB>/memfd:buffer (deleted)
//! ```
//!
//! The kernel adds ` (deleted)` to the target of the link (proc(5)). It cannot be told from a name
//! that ends so; sizes are not captured.

use crate::table::{Damages, Decode, Input, Node, Rows, Table, int, text};

/// The table.
pub static TABLE: Table = Table {
    name: "deleted_file",
    about: "deleted files that processes keep open, one row per descriptor",
    columns: &[
        int("pid", ""),
        int("fd", "number of the descriptor"),
        text(
            "kind",
            "`file`: may hold space of a disk; `memory`: memfd, /dev/shm or System V, holds memory",
        ),
        text("path", "as the process sees it in its mount namespace"),
    ],
    reads: &["/proc/*/fd"],
    decoder: || Box::new(DeletedFiles::default()),
};

/// Beginnings of files that the kernel keeps in memory without a name: they are born deleted.
const MEMORY: [&str; 7] = [
    "/memfd:",
    "/dev/shm/",
    "/run/shm/",
    "/SYSV",
    "/dev/zero",
    "/anon_hugepage",
    "/[aio]",
];

#[derive(Default)]
struct DeletedFiles {
    files: Vec<File>,
}

struct File {
    entry: String,
    line: i64,
    pid: u32,
    fd: u32,
    path: String,
}

impl Decode for DeletedFiles {
    fn entry(&mut self, input: &Input<'_>, _: &Node, damages: &mut Damages) {
        let Some(pid) = input.part(1).and_then(|pid| pid.parse().ok()) else {
            return;
        };
        if input.reading > 0 {
            return;
        }
        for (line, text) in input.lines() {
            let Some((fd, target)) = text.split_once('\t') else {
                continue;
            };
            // `anon_inode:` and the like have no slash in front, and never take space.
            let Some(path) = target
                .strip_suffix(" (deleted)")
                .filter(|path| path.starts_with('/'))
            else {
                continue;
            };
            let Ok(fd) = fd.parse() else {
                damages.add(input, Some(line), format!("not a descriptor: `{text}`"));
                continue;
            };
            self.files.push(File {
                entry: input.entry.to_owned(),
                line,
                pid,
                fd,
                path: path.to_owned(),
            });
        }
    }

    fn finish(mut self: Box<Self>, _: &Node, rows: &mut Rows) {
        self.files.sort_by_key(|file| (file.pid, file.fd));
        for file in self.files {
            let is_memory = MEMORY.iter().any(|start| file.path.starts_with(start));
            rows.add(&file.entry, Some(file.line))
                .set("pid", file.pid)
                .set("fd", file.fd)
                .set("kind", if is_memory { "memory" } else { "file" })
                .set("path", file.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::table::testing::{csv, run};

    #[test]
    fn files_and_memory() {
        let (rows, damages) = run(
            "deleted_file",
            &[
                ("root/proc/70/fd", b"0\t/dev/null\n10\t/var/log/a b.log (deleted)\n9\t/memfd:x (deleted)\n11\tanon_inode:[eventpoll]\n12\tsocket:[7]\n13\t/dev/shm/sem.q (deleted)\n14\t/SYSV00000000 (deleted)\n"),
                ("root/proc/7/fd", b"3\t/tmp/#1234 (deleted)\n4\n"),
                ("window/10/proc/7/fd", b"3\t/tmp/#1234 (deleted)\n"),
                ("root/proc/self/fd", b"3\t/tmp/x (deleted)\n"),
            ],
        );
        assert_eq!(
            csv(&rows, &["pid", "fd", "kind", "path"]),
            "7,3,file,/tmp/#1234\n70,9,memory,/memfd:x\n70,10,file,/var/log/a b.log\n70,13,memory,/dev/shm/sem.q\n70,14,memory,/SYSV00000000\n"
        );
        assert_eq!(rows.int(0, "line"), Some(1));
        assert!(damages.list.is_empty());
    }

    #[test]
    fn a_descriptor_that_is_none_is_damage() {
        let (rows, damages) = run(
            "deleted_file",
            &[("root/proc/7/fd", b"x\t/a (deleted)\n\xff\n")],
        );
        assert!(rows.is_empty());
        assert_eq!(damages.list.len(), 1);
    }
}
