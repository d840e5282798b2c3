//! Mounts of the host, from `/proc/1/mountinfo`.
//!
//! ```text
//! 36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue
//! ```

use crate::table::{Damages, Decode, Input, Node, Rows, Table, bool, int, text};
use crate::tables::filesystem::unescape;

/// The table.
pub static TABLE: Table = Table {
    name: "mount",
    about: "mounts of the host",
    columns: &[
        int("mount_id", ""),
        int("parent_id", "the mount that it is mounted on"),
        text("device", "major:minor of the file system"),
        text("root", "the folder of the file system that is mounted"),
        text("mount_point", ""),
        text("options", "of this mount"),
        text("filesystem_type", ""),
        text("source", "device, server or name"),
        text("super_options", "of the file system"),
        bool("read_only", "by the mount's or the file system's options"),
        bool(
            "is_network",
            "a server or a program answers for it: a read may hang",
        ),
    ],
    reads: &["/proc/1/mountinfo", "/proc/self/mountinfo"],
    decoder: || Box::new(Mount::default()),
};

/// File systems behind which stands somebody else. FUSE types begin with `fuse`.
const NETWORK: [&str; 14] = [
    "nfs",
    "nfs4",
    "cifs",
    "smb3",
    "smbfs",
    "ceph",
    "9p",
    "glusterfs",
    "lustre",
    "gpfs",
    "afs",
    "beegfs",
    "ocfs2",
    "gfs2",
];

#[derive(Default)]
struct Mount {
    lines: Vec<(String, i64, String)>,
}

impl Decode for Mount {
    fn entry(&mut self, input: &Input<'_>, _: &Node, damages: &mut Damages) {
        if !self.lines.is_empty() {
            return;
        }
        for (number, line) in input.lines() {
            if fields(&line).is_some() {
                self.lines
                    .push((input.entry.to_owned(), number, line.into_owned()));
            } else {
                damages.add(
                    input,
                    Some(number),
                    format!("not a line of mountinfo: `{line}`"),
                );
            }
        }
    }

    fn finish(self: Box<Self>, _: &Node, rows: &mut Rows) {
        for (entry, number, line) in &self.lines {
            let Some((front, back)) = fields(line) else {
                continue;
            };
            let [id, parent, device, root, point, options] = front;
            let [kind, source, super_options] = back;
            let is_ro = |options: &str| options.split(',').any(|option| option == "ro");
            rows.add(entry, Some(*number))
                .set("mount_id", id.parse::<i64>().ok())
                .set("parent_id", parent.parse::<i64>().ok())
                .set("device", device)
                .set("root", unescape(root))
                .set("mount_point", unescape(point))
                .set("options", options)
                .set("filesystem_type", kind)
                .set("source", unescape(source))
                .set("super_options", super_options)
                .set("read_only", is_ro(options) || is_ro(super_options))
                .set(
                    "is_network",
                    kind.starts_with("fuse") && kind != "fusectl" || NETWORK.contains(&kind),
                );
        }
    }
}

/// Six fields, optional ones, a dash, three fields; a source may be empty.
fn fields(line: &str) -> Option<([&str; 6], [&str; 3])> {
    let (front, back) = line.split_once(" - ")?;
    let mut front = front.split(' ');
    let front = [
        front.next()?,
        front.next()?,
        front.next()?,
        front.next()?,
        front.next()?,
        front.next()?,
    ];
    let mut back = back.splitn(3, ' ');
    Some((
        front,
        [back.next()?, back.next()?, back.next().unwrap_or_default()],
    ))
}

#[cfg(test)]
mod tests {
    use crate::table::testing::{csv, run};

    #[test]
    fn plain_network_and_broken() {
        let (rows, damages) = run(
            "mount",
            &[("root/proc/1/mountinfo", b"36 35 98:0 / / rw,noatime master:1 - ext4 /dev/root ro,errors=continue\n37 36 0:40 / /data\\040x rw - nfs4 srv:/x rw\n38 36 0:41 / /f rw - fuse.juicefs j rw\nbad\n")],
        );
        let columns = ["mount_point", "filesystem_type", "read_only", "is_network"];
        assert_eq!(
            csv(&rows, &columns),
            "/,ext4,true,false\n/data x,nfs4,false,true\n/f,fuse.juicefs,false,true\n"
        );
        assert_eq!(damages.list.len(), 1);
    }
}
