//! What sysfs says of block devices, whether they stand in `/proc/diskstats` or not: queues,
//! time-outs, device mapper, RAID and loop devices.
//!
//! ```text
//! /sys/block/sda/queue/scheduler      none [mq-deadline] kyber
//! /sys/block/sda/device/ioerr_cnt     0x1f
//! /sys/block/dm-0/dm/name             vg0-root
//! /sys/block/md0/md/degraded          1
//! ```
//!
//! Kernel docs `ABI/stable/sysfs-block`, `ABI/testing/sysfs-block-dm`, `admin-guide/md`.

use crate::table::attribute::{Objects, choice};
use crate::table::{Damages, Decode, Input, Node, Rows, Table, bool, int, text};

/// The table.
pub static TABLE: Table = Table {
    name: "disk_queue",
    about: "block devices by sysfs: queue, time-outs, device mapper, RAID, loop files",
    columns: &[
        text("device", "name in /dev"),
        text("vendor", "as the device calls it"),
        text("model", "as the device calls itself"),
        text(
            "state",
            "of the SCSI or NVMe device; `running` or `live` when well",
        ),
        text("scheduler", "the I/O scheduler in use"),
        bool("rotational", "a spinning disk"),
        bool("removable", ""),
        int(
            "requests_limit_count",
            "requests that the queue takes in each direction",
        ),
        int(
            "queue_depth_count",
            "commands that the SCSI device takes at once",
        ),
        int("max_request_bytes", "the largest request that is made"),
        int(
            "logical_block_bytes",
            "the smallest that the device can address",
        ),
        text(
            "write_cache",
            "`write back` needs flushes, `write through` does not",
        ),
        int(
            "write_throttle_us",
            "latency that writeback is throttled for; 0: never",
        ),
        int(
            "request_timeout_us",
            "after this a request is given up or tried again",
        ),
        int("device_timeout_us", "the same, of the SCSI device"),
        int("io_errors_count", "commands that the SCSI device failed"),
        int("in_flight_reads_count", ""),
        int("in_flight_writes_count", ""),
        text("dm_name", "name in /dev/mapper"),
        bool("dm_suspended", "the device mapper holds all requests back"),
        text("md_state", "of the array: clean, active, inactive, ..."),
        int("md_degraded_count", "members that the array lacks"),
        text("md_action", "resync, recover, check, repair, or `idle`"),
        text("backing_file", "of a loop device"),
    ],
    reads: &[
        "/sys/block/*/removable",
        "/sys/block/*/inflight",
        "/sys/block/*/queue/rotational",
        "/sys/block/*/queue/scheduler",
        "/sys/block/*/queue/nr_requests",
        "/sys/block/*/queue/max_sectors_kb",
        "/sys/block/*/queue/wbt_lat_usec",
        "/sys/block/*/queue/write_cache",
        "/sys/block/*/queue/io_timeout",
        "/sys/block/*/queue/logical_block_size",
        "/sys/block/*/device/model",
        "/sys/block/*/device/vendor",
        "/sys/block/*/device/state",
        "/sys/block/*/device/timeout",
        "/sys/block/*/device/queue_depth",
        "/sys/block/*/device/ioerr_cnt",
        "/sys/block/*/dm/name",
        "/sys/block/*/dm/suspended",
        "/sys/block/*/md/array_state",
        "/sys/block/*/md/degraded",
        "/sys/block/*/md/sync_action",
        "/sys/block/*/loop/backing_file",
    ],
    decoder: || Box::new(DiskQueues::default()),
};

const NUMBERS: [&str; 12] = [
    "removable",
    "queue/rotational",
    "queue/nr_requests",
    "queue/max_sectors_kb",
    "queue/logical_block_size",
    "queue/wbt_lat_usec",
    "queue/io_timeout",
    "device/queue_depth",
    "device/timeout",
    "device/ioerr_cnt",
    "dm/suspended",
    "md/degraded",
];

#[derive(Default)]
struct DiskQueues {
    devices: Objects,
}

impl Decode for DiskQueues {
    fn entry(&mut self, input: &Input<'_>, _: &Node, damages: &mut Damages) {
        let inner = input.path.strip_prefix("/sys/block/");
        let Some((device, name)) = inner.and_then(|path| path.split_once('/')) else {
            return;
        };
        if NUMBERS.contains(&name) {
            self.devices.number(device, name, input, damages);
        } else {
            self.devices.text(device, name, input);
        }
    }

    fn finish(self: Box<Self>, _: &Node, rows: &mut Rows) {
        for (device, files) in self.devices {
            let is = |name: &str| files.get(name).map(|value| value > 0);
            let in_flight = |place: usize| {
                let text = files.get_text("inflight")?;
                text.split_ascii_whitespace()
                    .nth(place)?
                    .parse::<u64>()
                    .ok()
            };
            rows.add(&files.entry, None)
                .set("device", device)
                .set("vendor", files.get_text("device/vendor"))
                .set("model", files.get_text("device/model"))
                .set("state", files.get_text("device/state"))
                .set("scheduler", files.get_text("queue/scheduler").map(choice))
                .set("rotational", is("queue/rotational"))
                .set("removable", is("removable"))
                .set("requests_limit_count", files.get("queue/nr_requests"))
                .set("queue_depth_count", files.get("device/queue_depth"))
                .set(
                    "max_request_bytes",
                    files.get_times("queue/max_sectors_kb", 1024),
                )
                .set("logical_block_bytes", files.get("queue/logical_block_size"))
                .set("write_cache", files.get_text("queue/write_cache"))
                .set("write_throttle_us", files.get("queue/wbt_lat_usec"))
                .set(
                    "request_timeout_us",
                    files.get_times("queue/io_timeout", 1000),
                )
                .set(
                    "device_timeout_us",
                    files.get_times("device/timeout", 1_000_000),
                )
                .set("io_errors_count", files.get("device/ioerr_cnt"))
                .set("in_flight_reads_count", in_flight(0))
                .set("in_flight_writes_count", in_flight(1))
                .set("dm_name", files.get_text("dm/name"))
                .set("dm_suspended", is("dm/suspended"))
                .set("md_state", files.get_text("md/array_state"))
                .set("md_degraded_count", files.get("md/degraded"))
                .set("md_action", files.get_text("md/sync_action"))
                .set("backing_file", files.get_text("loop/backing_file"));
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::table::testing::{csv, run};

    #[test]
    fn disks_mappings_arrays_and_loops() {
        let (rows, damages) = run(
            "disk_queue",
            &[
                (
                    "root/sys/block/sda/queue/scheduler",
                    b"none [mq-deadline] kyber\n",
                ),
                ("root/sys/block/sda/queue/rotational", b"1\n"),
                ("root/sys/block/sda/queue/nr_requests", b"64\n"),
                ("root/sys/block/sda/queue/io_timeout", b"30000\n"),
                ("root/sys/block/sda/device/model", b"QEMU HARDDISK   \n"),
                ("root/sys/block/sda/device/timeout", b"30\n"),
                ("root/sys/block/sda/device/ioerr_cnt", b"0x1f\n"),
                ("root/sys/block/sda/inflight", b"       2        5\n"),
                ("root/sys/block/dm-0/dm/name", b"vg0-root\n"),
                ("root/sys/block/dm-0/dm/suspended", b"0\n"),
                ("root/sys/block/md0/md/degraded", b"1\n"),
                ("root/sys/block/md0/md/array_state", b"clean\n"),
                (
                    "root/sys/block/loop0/loop/backing_file",
                    b"/var/lib/snapd/a.snap\n",
                ),
            ],
        );
        assert_eq!(
            csv(
                &rows,
                &[
                    "device",
                    "scheduler",
                    "rotational",
                    "requests_limit_count",
                    "model",
                    "io_errors_count",
                    "in_flight_writes_count"
                ]
            ),
            "dm-0,,,,,,\nloop0,,,,,,\nmd0,,,,,,\nsda,mq-deadline,true,64,QEMU HARDDISK,31,5\n"
        );
        assert_eq!(
            csv(
                &rows,
                &[
                    "request_timeout_us",
                    "device_timeout_us",
                    "dm_name",
                    "dm_suspended",
                    "md_state",
                    "md_degraded_count",
                    "backing_file"
                ]
            ),
            ",,vg0-root,false,,,\n,,,,,,/var/lib/snapd/a.snap\n,,,,clean,1,\n30000000,30000000,,,,,\n"
        );
        assert!(damages.list.is_empty());
    }

    #[test]
    fn damaged_numbers_are_null() {
        let (rows, damages) = run(
            "disk_queue",
            &[
                ("root/sys/block/sda/queue/nr_requests", b"-1\n"),
                ("root/sys/block/sda/queue/wbt_lat_usec", b""),
                ("root/sys/block/sda/inflight", b"x\n"),
            ],
        );
        assert_eq!(
            csv(
                &rows,
                &[
                    "requests_limit_count",
                    "write_throttle_us",
                    "in_flight_reads_count",
                    "in_flight_writes_count"
                ]
            ),
            ",,,\n"
        );
        assert_eq!(damages.list.len(), 1);
    }
}
