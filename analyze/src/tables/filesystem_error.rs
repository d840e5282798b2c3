//! Errors that ext4 file systems counted. They stand in the superblock, so they outlive a restart
//! until fsck clears them.
//!
//! ```text
//! /sys/fs/ext4/vda1/errors_count          3
//! /sys/fs/ext4/vda1/first_error_time      1795236300
//! /sys/fs/ext4/vda1/first_error_func      ext4_lookup
//! /sys/fs/ext4/vda1/first_error_errcode   5
//! ```
//!
//! Attributes of `fs/ext4/sysfs.c`; codes are `EXT4_ERR_*` of `fs/ext4/ext4.h`, from Linux 5.7.

use crate::table::attribute::{Object, Objects};
use crate::table::{Damages, Decode, Input, Node, Rows, Table, int, text};

/// The table.
pub static TABLE: Table = Table {
    name: "filesystem_error",
    about: "errors that ext4 file systems counted since they were last checked",
    columns: &[
        text("device", "name in /dev"),
        int("errors_count", "since the last fsck"),
        int("warnings_count", "since it was mounted"),
        int("messages_count", "since it was mounted"),
        int("first_error_realtime_us", "null: no error"),
        text("first_error_code", "name of the error; null: no error"),
        text("first_error_function", "of the kernel"),
        int("first_error_inode", "null: no error, or of no inode"),
        int("last_error_realtime_us", "null: no error"),
        text("last_error_code", "name of the error; null: no error"),
        text("last_error_function", "of the kernel"),
        int("last_error_inode", "null: no error, or of no inode"),
        int("lifetime_write_bytes", "written since it was made"),
    ],
    reads: &[
        "/sys/fs/ext4/*/errors_count",
        "/sys/fs/ext4/*/warning_count",
        "/sys/fs/ext4/*/msg_count",
        "/sys/fs/ext4/*/first_error_time",
        "/sys/fs/ext4/*/first_error_errcode",
        "/sys/fs/ext4/*/first_error_func",
        "/sys/fs/ext4/*/first_error_ino",
        "/sys/fs/ext4/*/last_error_time",
        "/sys/fs/ext4/*/last_error_errcode",
        "/sys/fs/ext4/*/last_error_func",
        "/sys/fs/ext4/*/last_error_ino",
        "/sys/fs/ext4/*/lifetime_write_kbytes",
    ],
    decoder: || Box::new(FileSystemErrors::default()),
};

/// Names of `EXT4_ERR_*`, from 1.
const CODES: [&str; 17] = [
    "UNKNOWN",
    "EIO",
    "ENOMEM",
    "EFSBADCRC",
    "EFSCORRUPTED",
    "ENOSPC",
    "ENOKEY",
    "EROFS",
    "EFBIG",
    "EEXIST",
    "ERANGE",
    "EOVERFLOW",
    "EBUSY",
    "ENOTDIR",
    "ENOTEMPTY",
    "ESHUTDOWN",
    "EFAULT",
];

#[derive(Default)]
struct FileSystemErrors {
    devices: Objects,
}

impl Decode for FileSystemErrors {
    fn entry(&mut self, input: &Input<'_>, _: &Node, damages: &mut Damages) {
        let (Some(device), Some(file)) = (input.part(3), input.part(4)) else {
            return;
        };
        if file.ends_with("_func") {
            self.devices.text(device, file, input);
        } else {
            self.devices.number(device, file, input, damages);
        }
    }

    fn finish(self: Box<Self>, _: &Node, rows: &mut Rows) {
        for (device, files) in self.devices {
            // Zero stands for "never" in all but the counts.
            let some = |name: &str| files.get(name).filter(|value| *value > 0);
            let time = |name: &str| some(name)?.checked_mul(1_000_000);
            rows.add(&files.entry, None)
                .set("device", device)
                .set("errors_count", files.get("errors_count"))
                .set("warnings_count", files.get("warning_count"))
                .set("messages_count", files.get("msg_count"))
                .set("first_error_realtime_us", time("first_error_time"))
                .set("first_error_code", code(&files, "first_error_errcode"))
                .set("first_error_function", files.get_text("first_error_func"))
                .set("first_error_inode", some("first_error_ino"))
                .set("last_error_realtime_us", time("last_error_time"))
                .set("last_error_code", code(&files, "last_error_errcode"))
                .set("last_error_function", files.get_text("last_error_func"))
                .set("last_error_inode", some("last_error_ino"))
                .set(
                    "lifetime_write_bytes",
                    files.get_times("lifetime_write_kbytes", 1024),
                );
        }
    }
}

/// The name of an error; a code that newer kernels may have stays a number.
fn code(files: &Object, name: &str) -> Option<String> {
    let code = files.get(name).filter(|code| *code > 0)?;
    let place = usize::try_from(code - 1).ok();
    let known = place.and_then(|place| CODES.get(place));
    Some(known.map_or_else(|| code.to_string(), |name| (*name).to_owned()))
}

#[cfg(test)]
mod tests {
    use crate::table::testing::{csv, run};

    #[test]
    fn a_sick_and_a_healthy_one() {
        let (rows, damages) = run(
            "filesystem_error",
            &[
                ("root/sys/fs/ext4/vda/errors_count", b"0\n"),
                ("root/sys/fs/ext4/vda/warning_count", b"0\n"),
                ("root/sys/fs/ext4/vda/msg_count", b"1\n"),
                ("root/sys/fs/ext4/vda/first_error_time", b"0\n"),
                ("root/sys/fs/ext4/vda/first_error_errcode", b"0\n"),
                ("root/sys/fs/ext4/vda/first_error_func", b"\n"),
                ("root/sys/fs/ext4/vda/first_error_ino", b"0\n"),
                ("root/sys/fs/ext4/vda/lifetime_write_kbytes", b"106444561\n"),
                ("root/sys/fs/ext4/vdb/errors_count", b"3\n"),
                ("root/sys/fs/ext4/vdb/first_error_time", b"1795236300\n"),
                ("root/sys/fs/ext4/vdb/first_error_errcode", b"5\n"),
                ("root/sys/fs/ext4/vdb/first_error_func", b"ext4_lookup\n"),
                ("root/sys/fs/ext4/vdb/first_error_ino", b"2\n"),
                ("root/sys/fs/ext4/vdb/last_error_errcode", b"99\n"),
            ],
        );
        let columns = [
            "device",
            "errors_count",
            "warnings_count",
            "messages_count",
            "first_error_realtime_us",
            "first_error_code",
            "first_error_function",
            "first_error_inode",
            "last_error_code",
            "lifetime_write_bytes",
        ];
        assert_eq!(
            csv(&rows, &columns),
            "vda,0,0,1,,,,,,108999230464\nvdb,3,,,1795236300000000,EFSCORRUPTED,ext4_lookup,2,99,\n"
        );
        assert!(damages.list.is_empty());
    }

    #[test]
    fn damage_and_times_beyond_reason() {
        let (rows, damages) = run(
            "filesystem_error",
            &[
                ("root/sys/fs/ext4/vda/errors_count", b"\xff\xfe"),
                (
                    "root/sys/fs/ext4/vda/first_error_time",
                    b"18446744073709551615\n",
                ),
            ],
        );
        assert_eq!(
            csv(
                &rows,
                &["device", "errors_count", "first_error_realtime_us"]
            ),
            "vda,,\n"
        );
        assert_eq!(damages.list.len(), 1);
    }
}
