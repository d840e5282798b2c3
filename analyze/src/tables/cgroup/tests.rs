//! Both versions, both readings, hybrid trees and damage.

use super::place;
use crate::table::testing::{csv, run};

#[test]
fn version_2() {
    let (rows, damages) = run(
        "cgroup",
        &[
            ("root/sys/fs/cgroup/a.slice/cpu.stat", b"usage_usec 1000\nuser_usec 600\nsystem_usec 400\nnr_periods 10\nnr_throttled 1\nthrottled_usec 5\n"),
            ("root/sys/fs/cgroup/a.slice/cpu.max", b"50000 100000\n"),
            ("root/sys/fs/cgroup/a.slice/memory.current", b"900\n"),
            ("root/sys/fs/cgroup/a.slice/memory.max", b"1000\n"),
            ("root/sys/fs/cgroup/a.slice/memory.stat", b"anon 500\nfile 300\ninactive_file 100\n"),
            ("root/sys/fs/cgroup/a.slice/pids.max", b"max\n"),
            ("root/sys/fs/cgroup/a.slice/io.stat", b"8:0 rbytes=100 wbytes=0 rios=1 wios=0\n253:0 \n"),
            ("root/sys/fs/cgroup/a.slice/cgroup.stat", b"nr_descendants 3\nnr_dying_descendants 1500\n"),
            ("window/10/sys/fs/cgroup/a.slice/cpu.stat", b"usage_usec 5001000\nuser_usec 600\nsystem_usec 5000400\nnr_periods 110\nnr_throttled 61\nthrottled_usec 900\n"),
            ("window/10/sys/fs/cgroup/a.slice/io.stat", b"8:0 rbytes=10000100 wbytes=0 rios=11 wios=0\n"),
        ],
    );
    assert_eq!(
        csv(
            &rows,
            &[
                "path",
                "version",
                "kind",
                "cpu_usage_ratio",
                "cpu_system_ratio",
                "cpu_limit_used_ratio"
            ]
        ),
        "/a.slice,v2,slice,0.5000,0.5000,1.0000\n"
    );
    assert_eq!(
        csv(
            &rows,
            &["periods_delta", "throttled_ratio", "throttled_us_delta"]
        ),
        "100,0.6000,895\n"
    );
    assert_eq!(
        csv(
            &rows,
            &[
                "memory_used_ratio",
                "working_set_bytes",
                "pids_limit_count",
                "dying_descendants_count"
            ]
        ),
        "0.9000,800,,1500\n"
    );
    assert_eq!(
        csv(
            &rows,
            &["read_bytes_per_second", "memory_stat_read_us", "seen"]
        ),
        "1000000.0000,100,both\n"
    );
    assert!(damages.list.is_empty());
}

#[test]
fn version_1_controllers_make_one_row() {
    let (rows, _) = run(
        "cgroup",
        &[
            (
                "root/sys/fs/cgroup/cpu,cpuacct/kubepods/x/cpu.stat",
                b"nr_periods 3076\nnr_throttled 34\nthrottled_time 12070000\n",
            ),
            (
                "root/sys/fs/cgroup/cpu,cpuacct/kubepods/x/cpuacct.usage",
                b"5000000\n",
            ),
            (
                "root/sys/fs/cgroup/cpu,cpuacct/kubepods/x/cpu.cfs_quota_us",
                b"-1\n",
            ),
            (
                "root/sys/fs/cgroup/memory/kubepods/x/memory.limit_in_bytes",
                b"9223372036854771712\n",
            ),
            (
                "root/sys/fs/cgroup/memory/kubepods/x/memory.usage_in_bytes",
                b"4096\n",
            ),
            (
                "root/sys/fs/cgroup/memory/kubepods/x/memory.oom_control",
                b"oom_kill_disable 0\nunder_oom 0\noom_kill 7\n",
            ),
            (
                "root/sys/fs/cgroup/pids/kubepods/x/pids.current",
                b"nonsense\n",
            ),
        ],
    );
    let columns = [
        "path",
        "version",
        "cpu_usage_us",
        "cpu_limit_cores",
        "memory_limit_bytes",
        "memory_bytes",
        "oom_kill_count",
        "pids_count",
    ];
    assert_eq!(csv(&rows, &columns), "/kubepods/x,v1,5000,,,4096,7,\n");
}

#[test]
fn a_hybrid_tree_keeps_what_version_1_says() {
    let (rows, damages) = run(
        "cgroup",
        &[
            ("root/sys/fs/cgroup/cpu,cpuacct/a/cpu.stat", b"nr_periods 10\nnr_throttled 2\nthrottled_time 7000\n"),
            ("root/sys/fs/cgroup/cpu,cpuacct/a/cgroup.procs", b""),
            ("root/sys/fs/cgroup/cpu,cpuacct/a/cpuacct.stat", b"user 250\nsystem 100\n"),
            ("root/sys/fs/cgroup/memory/a/memory.limit_in_bytes", b"9223372036854710272\n"),
            ("root/sys/fs/cgroup/memory/a/memory.kmem.usage_in_bytes", b"8192\n"),
            ("root/sys/fs/cgroup/memory/a/memory.stat", b"cache 1\nrss 1\ninactive_file 1\ntotal_cache 300\ntotal_rss 500\ntotal_inactive_file 100\n"),
            ("root/sys/fs/cgroup/unified/a/cpu.stat", b"usage_usec 3500000\nuser_usec 2500000\nsystem_usec 1000000\n"),
            ("root/sys/fs/cgroup/unified/a/cgroup.procs", b"7\n8\n"),
            ("root/sys/fs/cgroup/pids/a/cgroup.procs", b"7\n"),
        ],
    );
    assert_eq!(
        csv(
            &rows,
            &[
                "path",
                "version",
                "cpu_usage_us",
                "periods_count",
                "throttled_periods_count",
                "processes_count"
            ]
        ),
        "/a,v1,3500000,10,2,2\n"
    );
    assert_eq!(
        csv(
            &rows,
            &[
                "memory_limit_bytes",
                "kernel_bytes",
                "anon_bytes",
                "file_bytes"
            ]
        ),
        ",8192,500,300\n"
    );
    assert!(damages.list.is_empty());
}

#[test]
fn units_of_version_1() {
    let cpu = "sys/fs/cgroup/cpu,cpuacct/a";
    let blkio = "sys/fs/cgroup/blkio/a";
    let (rows, _) = run(
        "cgroup",
        &[
            (
                &format!("root/{cpu}/cpu.stat"),
                b"nr_periods 10\nnr_throttled 0\nthrottled_time 0\n",
            ),
            (&format!("root/{cpu}/cpuacct.usage"), b"124659500367000\n"),
            (
                &format!("root/{cpu}/cpuacct.stat"),
                b"user 100\nsystem 50\n",
            ),
            (
                &format!("root/{blkio}/blkio.throttle.io_service_bytes"),
                b"259:0 Read 0\n259:0 Write 0\nTotal 0\n",
            ),
            (
                &format!("root/{blkio}/blkio.throttle.io_service_bytes_recursive"),
                b"259:0 Read 1000\n259:0 Write 0\n8:0 Read 5\nTotal 1005\n",
            ),
            (
                &format!("window/10/{cpu}/cpu.stat"),
                b"nr_periods 110\nnr_throttled 25\nthrottled_time 2000000\n",
            ),
            (
                &format!("window/10/{cpu}/cpuacct.usage"),
                b"124664500367000\n",
            ),
            (
                &format!("window/10/{cpu}/cpuacct.stat"),
                b"user 500\nsystem 150\n",
            ),
            (
                &format!("window/10/{blkio}/blkio.throttle.io_service_bytes"),
                b"259:0 Read 0\n259:0 Write 0\nTotal 0\n",
            ),
            (
                &format!("window/10/{blkio}/blkio.throttle.io_service_bytes_recursive"),
                b"259:0 Read 11000\n259:0 Write 0\n8:0 Read 5\nTotal 11005\n",
            ),
        ],
    );
    // ns, ticks of 10 ms, ns
    assert_eq!(
        csv(
            &rows,
            &[
                "cpu_usage_us",
                "cpu_usage_ratio",
                "cpu_user_ratio",
                "cpu_system_ratio",
                "throttled_us_delta",
                "throttled_ratio"
            ]
        ),
        "124659500367,0.5000,0.4000,0.1000,2000,0.2500\n"
    );
    assert_eq!(
        csv(
            &rows,
            &[
                "read_bytes_per_second",
                "write_bytes_per_second",
                "read_operations_per_second"
            ]
        ),
        "1000.0000,0.0000,\n"
    );
}

#[test]
fn a_group_made_anew_has_no_differences() {
    let (rows, _) = run(
        "cgroup",
        &[
            (
                "root/sys/fs/cgroup/a.service/cpu.stat",
                b"usage_usec 1000\nuser_usec 10\nsystem_usec 990\n",
            ),
            (
                "root/sys/fs/cgroup/a.service/memory.events",
                b"low 0\nhigh 0\nmax 3\noom 0\noom_kill 0\n",
            ),
            (
                "window/10/sys/fs/cgroup/a.service/cpu.stat",
                b"usage_usec 500\nuser_usec 400\nsystem_usec 100\n",
            ),
            (
                "window/10/sys/fs/cgroup/a.service/memory.events",
                b"low 0\nhigh 0\nmax 9\noom 0\noom_kill 0\n",
            ),
        ],
    );
    assert_eq!(
        csv(
            &rows,
            &[
                "cpu_usage_ratio",
                "cpu_user_ratio",
                "memory_max_count",
                "memory_max_delta"
            ]
        ),
        ",,3,\n"
    );
}

#[test]
fn what_cannot_be_read_is_damage_and_null() {
    let (rows, damages) = run(
        "cgroup",
        &[
            ("root/sys/fs/cgroup/a/cpu.max", b"much 100000\n"),
            ("root/sys/fs/cgroup/a/cpu.stat", b"usage_usec many\n"),
            ("root/sys/fs/cgroup/a/memory.max", b"-1\n"),
            ("root/sys/fs/cgroup/a/memory.stat", b"\xff\n"),
            ("root/sys/fs/cgroup/a/memory.events", b"\n"),
            ("root/sys/fs/cgroup/a/io.stat", b"8:0 rbytes=x\n"),
            ("root/sys/fs/cgroup/b/cpu.max", b"max 100000\n"),
            ("root/sys/fs/cgroup/b/io.stat", b""),
        ],
    );
    assert_eq!(
        csv(
            &rows,
            &[
                "path",
                "cpu_limit_cores",
                "cpu_usage_us",
                "memory_limit_bytes",
                "anon_bytes",
                "oom_kill_count"
            ]
        ),
        "/a,,,,,\n/b,,,,,\n"
    );
    assert_eq!(damages.list.len(), 6);
}

#[test]
fn mounts_of_both_versions() {
    assert_eq!(
        place("/sys/fs/cgroup/cpu.stat"),
        Some(("/", "cpu.stat", ""))
    );
    assert_eq!(
        place("/sys/fs/cgroup/a/b/cpu.stat"),
        Some(("/a/b", "cpu.stat", ""))
    );
    assert_eq!(
        place("/sys/fs/cgroup/unified/a/cpu.stat"),
        Some(("/a", "cpu.stat", "unified"))
    );
    assert_eq!(
        place("/sys/fs/cgroup/memory/memory.stat"),
        Some(("/", "memory.stat", "memory"))
    );
    assert_eq!(
        place("/sys/fs/cgroup/cpu,cpuacct/a/cpu.stat"),
        Some(("/a", "cpu.stat", "cpu,cpuacct"))
    );
}
