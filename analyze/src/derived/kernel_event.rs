//! Kernel messages that mean something: one list of patterns, each with a name and a subject.
//!
//! A pattern is plain text that the message must hold; `subject` says how the device, task or table
//! concerned is cut out. Wordings differ between kernels, so a kind may have several patterns.

use crate::table::{Derived, Node, Rows, Store, int, text};

/// The table.
pub static TABLE: Derived = Derived {
    name: "kernel_event",
    about: "kernel messages of a known kind",
    columns: &[
        text("kind", "hung_task, soft_lockup, io_error ..."),
        text(
            "subject",
            "device, task or table, where the message names one",
        ),
        int("ts_us", "on the kernel's clock"),
        int("age_us", "before the capture began"),
        text("message", ""),
    ],
    needs: &["kernel_message"],
    rank: 0,
    build,
};

/// How to recognise a kind of message.
pub struct Pattern {
    /// The kind.
    pub kind: &'static str,
    /// Texts that must all occur, in this order.
    pub parts: &'static [&'static str],
    /// Texts of which none may occur.
    pub but_not: &'static [&'static str],
    /// The subject stands between these two texts; the end of a word if the second is empty.
    pub subject: Option<(&'static str, &'static str)>,
}

const fn pattern(
    kind: &'static str,
    parts: &'static [&'static str],
    subject: Option<(&'static str, &'static str)>,
) -> Pattern {
    Pattern {
        kind,
        parts,
        but_not: &[],
        subject,
    }
}

/// Devices that vanish with what is behind them: errors of theirs tell nothing about a disk.
const SOFT_DEVICES: &[&str] = &["dev loop", "dev nbd", "dev fd0", "dev sr0", "(DISCARD)"];

/// All patterns; the first that fits counts. Sources: the kernel's own format strings (`mm/oom_kill.c`,
/// `kernel/hung_task.c`, kernel/watchdog.c, block/blk-mq.c, fs/ext4/super.c, fs/xfs, net/netfilter,
/// net/core/neighbour.c, arch/x86/mm/fault.c, drivers/nvme/host/pci.c).
pub const PATTERNS: &[Pattern] = &[
    pattern(
        "hung_task",
        &["INFO: task ", " blocked for more than ", " seconds"],
        Some(("INFO: task ", " blocked")),
    ),
    pattern(
        "hung_task",
        &["INFO: task ", " blocked in I/O wait for more than "],
        Some(("INFO: task ", " blocked")),
    ),
    pattern(
        "soft_lockup",
        &["BUG: soft lockup - CPU#", " stuck for "],
        Some(("CPU#", " ")),
    ),
    pattern(
        "hard_lockup",
        &["Watchdog detected hard LOCKUP on cpu "],
        Some(("on cpu ", "")),
    ),
    pattern(
        "hard_lockup",
        &["NMI watchdog: Watchdog detected hard LOCKUP"],
        None,
    ),
    pattern(
        "rcu_stall",
        &["rcu: INFO: rcu_", " self-detected stall on CPU"],
        None,
    ),
    pattern(
        "rcu_stall",
        &["INFO: rcu_", " detected stalls on CPUs/tasks"],
        None,
    ),
    pattern(
        "rcu_stall",
        &["INFO: rcu_", " self-detected stall on CPU"],
        None,
    ),
    pattern(
        "rcu_stall",
        &["detected expedited stalls on CPUs/tasks"],
        None,
    ),
    pattern("workqueue_stall", &["BUG: workqueue lockup - pool"], None),
    pattern(
        "oops",
        &["BUG: unable to handle kernel NULL pointer dereference"],
        None,
    ),
    pattern("oops", &["BUG: kernel NULL pointer dereference"], None),
    pattern(
        "oops",
        &["BUG: unable to handle page fault for address"],
        None,
    ),
    pattern(
        "oops",
        &["BUG: unable to handle kernel paging request"],
        None,
    ),
    // arm64 and powerpc.
    pattern(
        "oops",
        &["Unable to handle kernel paging request at virtual address"],
        None,
    ),
    pattern(
        "oops",
        &["BUG: Unable to handle kernel data access at"],
        None,
    ),
    pattern("oops", &["Internal error: Oops"], None),
    pattern(
        "oops",
        &["Unable to handle kernel NULL pointer dereference"],
        None,
    ),
    pattern("oops", &["general protection fault", "SMP"], None),
    pattern("oops", &["divide error: 0000"], None),
    pattern("oops", &["invalid opcode: 0000"], None),
    pattern("oops", &["kernel BUG at "], Some(("kernel BUG at ", "!"))),
    // Memory that the kernel's own lists disagree about: it is tainted by `B` from here on.
    pattern("oops", &["BUG: Bad page state in process"], None),
    pattern("oops", &["BUG: Bad page map in process"], None),
    pattern("panic", &["Kernel panic - not syncing"], None),
    pattern("oom", &["invoked oom-killer:"], Some(("", " invoked"))),
    pattern("mce", &["Hardware Error", "Machine check"], None),
    pattern("mce", &["mce: [Hardware Error]"], None),
    pattern("memory_error", &["EDAC ", " CE "], None),
    pattern("memory_error", &["EDAC ", " UE "], None),
    pattern("memory_error", &["Memory failure: "], None),
    pattern(
        "thermal_throttle",
        &["temperature above threshold, cpu clock throttled"],
        None,
    ),
    pattern(
        "thermal_throttle",
        &["temperature is above threshold, cpu clock is throttled"],
        None,
    ),
    Pattern {
        kind: "io_error",
        parts: &["I/O error, dev "],
        but_not: SOFT_DEVICES,
        subject: Some(("dev ", ",")),
    },
    Pattern {
        kind: "io_error",
        parts: &["critical medium error, dev "],
        but_not: SOFT_DEVICES,
        subject: Some(("dev ", ",")),
    },
    Pattern {
        kind: "io_error",
        parts: &["critical target error, dev "],
        but_not: SOFT_DEVICES,
        subject: Some(("dev ", ",")),
    },
    Pattern {
        kind: "io_error",
        parts: &["Buffer I/O error on dev"],
        but_not: &["dev loop", "device loop", "dev sr0"],
        subject: Some(("on dev ", ",")),
    },
    pattern("io_error", &["rejecting I/O to offline device"], None),
    pattern(
        "nvme_timeout",
        &["nvme nvme", " QID ", "timeout"],
        Some(("nvme ", ":")),
    ),
    pattern(
        "nvme_timeout",
        &["nvme nvme", "controller is down; will reset"],
        Some(("nvme ", ":")),
    ),
    pattern(
        "ext4_error",
        &["EXT4-fs error (device "],
        Some(("(device ", ")")),
    ),
    pattern(
        "read_only_remount",
        &["Remounting filesystem read-only"],
        Some(("(", ")")),
    ),
    pattern(
        "journal_aborted",
        &["Aborting journal on device "],
        Some(("on device ", ".")),
    ),
    pattern(
        "xfs_shutdown",
        &["XFS (", "Shutting down filesystem"],
        Some(("XFS (", ")")),
    ),
    pattern(
        "xfs_shutdown",
        &["XFS (", "Filesystem has been shut down"],
        Some(("XFS (", ")")),
    ),
    pattern(
        "xfs_error",
        &["XFS (", "metadata I/O error"],
        Some(("XFS (", ")")),
    ),
    pattern("xfs_error", &["XFS (", "Corruption"], Some(("XFS (", ")"))),
    pattern(
        "btrfs_error",
        &["BTRFS", "error (device "],
        Some(("(device ", ")")),
    ),
    pattern(
        "raid_failure",
        &["md/raid", "Disk failure on "],
        Some(("Disk failure on ", ",")),
    ),
    pattern(
        "nfs_not_responding",
        &["nfs: server ", " not responding"],
        Some(("nfs: server ", " not")),
    ),
    pattern(
        "nfs_ok",
        &["nfs: server ", " OK"],
        Some(("nfs: server ", " OK")),
    ),
    pattern("conntrack_full", &["nf_conntrack: table full"], None),
    pattern(
        "neighbour_overflow",
        &["neighbor table overflow"],
        Some(("neighbour: ", ":")),
    ),
    pattern("neighbour_overflow", &["Neighbour table overflow"], None),
    pattern(
        "file_max",
        &["VFS: file-max limit ", " reached"],
        Some(("file-max limit ", " ")),
    ),
    pattern(
        "tcp_memory",
        &["TCP: out of memory -- consider tuning tcp_mem"],
        None,
    ),
    pattern("tcp_orphans", &["TCP: too many orphaned sockets"], None),
    pattern(
        "syn_flood",
        &["Possible SYN flooding on port "],
        Some(("on port ", ". ")),
    ),
    pattern("link_down", &["NIC Link is Down"], None),
    pattern("link_down", &["Link is Down"], None),
    pattern(
        "netdev_watchdog",
        &["NETDEV WATCHDOG: ", "transmit queue"],
        Some(("WATCHDOG: ", " (")),
    ),
    pattern(
        "unregister_netdevice",
        &["unregister_netdevice: waiting for ", " to become free"],
        Some(("waiting for ", " to")),
    ),
    pattern("segfault", &["]: segfault at "], Some(("", "["))),
    pattern(
        "segfault",
        &["traps: ", " general protection fault ip:"],
        Some(("traps: ", "[")),
    ),
    pattern(
        "fork_rejected",
        &["cgroup: fork rejected by pids controller in "],
        Some(("controller in ", "")),
    ),
    pattern(
        "allocation_failure",
        &["page allocation failure: order:"],
        Some(("", ": page")),
    ),
    pattern(
        "allocation_failure",
        &["SLUB: Unable to allocate memory on node"],
        None,
    ),
    pattern("gpu_xid", &["NVRM: Xid ("], Some(("): ", ","))),
];

/// The pattern that a message fits, and its subject.
pub fn recognise(message: &str) -> Option<(&'static Pattern, Option<&str>)> {
    let pattern = PATTERNS.iter().find(|pattern| fits(pattern, message))?;
    Some((
        pattern,
        pattern
            .subject
            .and_then(|(before, after)| between(message, before, after)),
    ))
}

fn fits(pattern: &Pattern, message: &str) -> bool {
    let mut rest = message;
    for part in pattern.parts {
        match rest.split_once(part) {
            Some((_, tail)) => rest = tail,
            None => return false,
        }
    }
    !pattern.but_not.iter().any(|text| message.contains(text))
}

fn between<'a>(message: &'a str, before: &str, after: &str) -> Option<&'a str> {
    let (_, rest) = if before.is_empty() {
        ("", message)
    } else {
        message.split_once(before)?
    };
    let end = if after.is_empty() {
        rest.find(char::is_whitespace).unwrap_or(rest.len())
    } else {
        rest.find(after)?
    };
    rest.get(..end)
        .map(str::trim)
        .filter(|subject| !subject.is_empty())
}

fn build(store: &Store, _: &Node, rows: &mut Rows) {
    let Some(messages) = store.get("kernel_message") else {
        return;
    };
    for row in 0..messages.len() {
        let Some(message) = messages.text(row, "message") else {
            continue;
        };
        // Programs write to the log as well; what they say is no word of the kernel's.
        if messages.int(row, "facility") != Some(0) {
            continue;
        }
        let Some((pattern, subject)) = recognise(message) else {
            continue;
        };
        rows.add(
            messages.text(row, "entry").unwrap_or_default(),
            messages.int(row, "line"),
        )
        .set("kind", pattern.kind)
        .set("subject", subject)
        .set("ts_us", messages.int(row, "ts_us"))
        .set("age_us", messages.int(row, "age_us"))
        .set("message", message);
    }
}

#[cfg(test)]
mod tests {
    use super::recognise;

    fn kind(message: &str) -> Option<(&'static str, Option<&str>)> {
        recognise(message).map(|(pattern, subject)| (pattern.kind, subject))
    }

    #[test]
    fn wordings_of_all_ages() {
        let cases = [
            (
                "BUG: Bad page state in process kubelet  pfn:0a1b2",
                "oops",
                None,
            ),
            (
                "INFO: task docker:7 blocked for more than 120 seconds.",
                "hung_task",
                Some("docker:7"),
            ),
            (
                "INFO: task dd:456 blocked in I/O wait for more than 122 seconds.",
                "hung_task",
                Some("dd:456"),
            ),
            (
                "watchdog: BUG: soft lockup - CPU#3 stuck for 22s! [java:1]",
                "soft_lockup",
                Some("3"),
            ),
            (
                "blk_update_request: I/O error, dev sda, sector 5",
                "io_error",
                Some("sda"),
            ),
            (
                "I/O error, dev nvme0n1, sector 5 op 0x1:(WRITE) flags 0x800",
                "io_error",
                Some("nvme0n1"),
            ),
            (
                "nvme nvme0: I/O 12 (I/O Cmd) QID 3 timeout, aborting",
                "nvme_timeout",
                Some("nvme0"),
            ),
            (
                "EXT4-fs (sda1): Remounting filesystem read-only",
                "read_only_remount",
                Some("sda1"),
            ),
            (
                "BUG: kernel NULL pointer dereference, address: 0000000000000010",
                "oops",
                None,
            ),
            (
                "TCP: request_sock_TCP: Possible SYN flooding on port 443. Sending cookies.  Check SNMP counters.",
                "syn_flood",
                Some("443"),
            ),
            (
                "nf_conntrack: nf_conntrack: table full, dropping packet",
                "conntrack_full",
                None,
            ),
            (
                "nf_conntrack: table full in netns 4026532000, dropping packet",
                "conntrack_full",
                None,
            ),
            (
                "neighbour: arp_cache: neighbor table overflow!",
                "neighbour_overflow",
                Some("arp_cache"),
            ),
            (
                "VFS: file-max limit 1048576 reached",
                "file_max",
                Some("1048576"),
            ),
            (
                "node[3344]: segfault at 0 ip 00007f sp 00007f error 4 in libc.so.6",
                "segfault",
                Some("node"),
            ),
            (
                "unregister_netdevice: waiting for lo to become free. Usage count = 1",
                "unregister_netdevice",
                Some("lo"),
            ),
        ];
        for (message, expected, subject) in cases {
            assert_eq!(kind(message), Some((expected, subject)), "{message}");
        }
    }

    #[test]
    fn look_alikes_are_nothing() {
        for message in [
            "Future hung task reports are suppressed, see sysctl kernel.hung_task_warnings",
            "INFO: task x:1 is blocked on a mutex likely owned by task y:2.",
            "blk_update_request: I/O error, dev loop3, sector 0",
            "I/O error, dev sda, sector 5 op 0x3:(DISCARD) flags 0x800",
            "systemd[1]: Started Journal Service.",
            "hung_task: ratelimit is 20",
        ] {
            assert_eq!(kind(message), None, "{message}");
        }
    }
}
