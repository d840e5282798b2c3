//! Real files of many kernels, collected by others, through the whole way from bundle to tables.

#![allow(clippy::unwrap_used)]

mod common;

use std::collections::BTreeMap;

use common::{corpus, csv, kmsg, loaded};

/// Files of a ttar archive (text) by their path below `fixtures`.
fn ttar(text: &str) -> Vec<(String, Vec<u8>)> {
    let mut files = Vec::new();
    let mut lines = text.lines();
    let mut path = None;
    while let Some(line) = lines.next() {
        if let Some(name) = line.strip_prefix("Path: fixtures/") {
            path = Some(name.to_owned());
        } else if let Some((path, target)) = path.clone().zip(line.strip_prefix("SymlinkTo: ")) {
            files.push((path, target.as_bytes().to_vec()));
        } else if let Some((path, count)) = path.clone().zip(line.strip_prefix("Lines: ")) {
            let mut content: String = lines
                .by_ref()
                .take(count.parse().unwrap())
                .map(|l| format!("{l}\n"))
                .collect();
            if let Some(cut) = content.strip_suffix("EOF\n") {
                content = cut.to_owned();
            }
            files.push((path, content.replace("NULLBYTE", "\0").into_bytes()));
        }
    }
    files
}

#[test]
fn proc_and_sys_of_mixed_kernels() {
    let Some(path) = corpus("prometheus__procfs/testdata/fixtures.ttar") else {
        return;
    };
    let text = String::from_utf8_lossy(&std::fs::read(path).unwrap()).into_owned();
    let files = ttar(&text);
    let entries: Vec<(String, Vec<u8>)> = files
        .into_iter()
        .map(|(path, bytes)| (format!("root/{path}"), bytes))
        .collect();
    assert!(entries.len() > 1000);
    let loaded = loaded(&entries);
    // Values as that project's own tests state them.
    assert_eq!(
        csv(
            &loaded,
            "SELECT comm, state, parent_pid, virtual_bytes, resident_bytes, command_line, exe FROM process WHERE pid = 26231"
        ),
        "vim,R,5392,56274944,8114176,vim test.go +10,/usr/bin/vim\n"
    );
    assert_eq!(
        csv(
            &loaded,
            "SELECT user_us, system_us, fd_limit_count FROM process WHERE pid = 26231"
        ),
        "16770000,440000,2048\n"
    );
    assert_eq!(
        csv(&loaded, "SELECT load_1m, load_5m, load_15m FROM node_info"),
        "0.020,0.040,0.050\n"
    );
    assert_eq!(
        csv(&loaded, "SELECT total_bytes, free_bytes FROM memory"),
        format!("{},{}\n", 15_666_184_u64 * 1024, 440_324 * 1024)
    );
    assert_eq!(
        csv(
            &loaded,
            "SELECT resource, kind, avg10_percent FROM pressure WHERE resource = 'memory' AND scope = 'node' ORDER BY kind"
        ),
        "memory,full,0.200\nmemory,some,0.100\n"
    );
    assert_eq!(
        csv(&loaded, "SELECT COUNT(*) AS n FROM cpu WHERE cpu <> 'all'"),
        "8\n"
    );
    assert_eq!(
        csv(&loaded, "SELECT user_us FROM cpu WHERE cpu = 'all'"),
        "3018540000\n"
    );
    // What is odd on purpose there must be damage and nothing worse.
    let odd: BTreeMap<&str, usize> =
        loaded
            .damage
            .list
            .iter()
            .fold(BTreeMap::new(), |mut odd, damage| {
                *odd.entry(damage.entry.as_str()).or_default() += 1;
                odd
            });
    assert!(odd.len() <= 12, "{odd:#?}");
}

#[test]
fn memory_of_odd_kernels() {
    let files = [
        "shirou__gopsutil/testdata/linux",
        "elastic__elastic-agent-system-metrics/metric/memory/testdata",
    ];
    let mut seen = 0;
    for folder in files {
        let Some(folder) = corpus(folder) else { return };
        let mut folders = vec![folder];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else if path.file_name().is_some_and(|name| name == "meminfo") {
                    let loaded = loaded(&[("root/proc/meminfo", std::fs::read(&path).unwrap())]);
                    let total = csv(
                        &loaded,
                        "SELECT COUNT(*) AS n FROM memory WHERE total_bytes > 0",
                    );
                    assert_eq!(total, "1\n", "{}", path.display());
                    seen += 1;
                }
            }
        }
    }
    assert!(seen >= 3, "{seen} files");
}

#[test]
fn oom_reports_name_the_victim() {
    let cases = [
        (
            "CarstenGrohmann__OOMAnalyser/example_archlinux_6_1_1.log",
            "node,473206,doxygen,doxygen\n",
        ),
        (
            "CarstenGrohmann__OOMAnalyser/example_rhel7.log",
            "node,6576,mysqld,sed\n",
        ),
    ];
    for (file, expected) in cases {
        let Some(path) = corpus(file) else { return };
        let log = String::from_utf8_lossy(&std::fs::read(path).unwrap()).into_owned();
        let loaded = loaded(&[("kernel/kmsg", kmsg(&log))]);
        let sql = "SELECT scope, victim_pid, victim_comm, invoked_by FROM oom_kill";
        assert_eq!(csv(&loaded, sql), expected, "{file}");
    }
    let Some(folder) = corpus("google__cadvisor/oomparser") else {
        return;
    };
    let mut victims = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let log =
            String::from_utf8_lossy(&std::fs::read(entry.unwrap().path()).unwrap()).into_owned();
        victims.push(csv(
            &loaded(&[("kernel/kmsg", kmsg(&log))]),
            "SELECT scope, victim_pid, victim_comm FROM oom_kill",
        ));
    }
    victims.sort();
    assert_eq!(
        victims,
        [
            "cgroup,13536,memorymonster\n",
            "cgroup,1381,gunpowder-memho\n"
        ]
    );
}

#[test]
fn crash_consoles_are_told_apart() {
    let Some(folder) = corpus("google__syzkaller/pkg/report/testdata/linux/report") else {
        return;
    };
    // Truth is the title that each file begins with.
    let kinds = [
        ("INFO: task hung", "hung_task"),
        ("BUG: soft lockup", "soft_lockup"),
        ("INFO: rcu detected stall", "rcu_stall"),
        ("BUG: unable to handle kernel", "oops"),
        ("kernel BUG", "oops"),
    ];
    let mut found: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    let (mut blank, mut false_alarms) = (0, Vec::new());
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let text = String::from_utf8_lossy(&std::fs::read(&path).unwrap()).into_owned();
        let (head, log) = text.split_once("\n\n").unwrap_or(("", &text));
        let title = head
            .lines()
            .find_map(|line| line.strip_prefix("TITLE:"))
            .map(str::trim);
        let events = csv(
            &loaded(&[("kernel/kmsg", kmsg(log))]),
            "SELECT DISTINCT kind FROM kernel_event",
        );
        match title {
            Some(title) if !title.is_empty() => {
                for (prefix, kind) in kinds {
                    if title.starts_with(prefix) {
                        let (hit, all) = found.entry(kind).or_default();
                        *all += 1;
                        let is_found = events.lines().any(|line| line == kind);
                        *hit += usize::from(is_found);
                        if !is_found {
                            println!("missed: {title} ({})", path.display());
                        }
                    }
                }
            }
            _ => {
                blank += 1;
                let alarming = ["hung_task", "soft_lockup", "hard_lockup", "oops"];
                if events.lines().any(|line| alarming.contains(&line)) {
                    false_alarms.push(format!("{}: {events}", path.display()));
                }
            }
        }
    }
    println!("found {found:?}, {blank} without a title, false alarms {false_alarms:?}");
    for (kind, (hit, all)) in &found {
        assert!(hit * 100 >= all * 85, "{kind}: {hit} of {all}");
    }
    assert!(false_alarms.len() * 10 <= blank.max(10), "{false_alarms:?}");
}

#[test]
fn a_real_node_with_faults() {
    let Some(path) = corpus("../records/host-faults-1.36/host/dmesg.raw") else {
        return;
    };
    let log = String::from_utf8_lossy(&std::fs::read(path).unwrap()).into_owned();
    let loaded = loaded(&[("kernel/kmsg", kmsg(&log))]);
    assert_eq!(csv(&loaded, "SELECT COUNT(*) AS n FROM hung_task"), "56\n");
    assert_eq!(
        csv(
            &loaded,
            "SELECT COUNT(*) AS n FROM oom_kill WHERE scope = 'cgroup'"
        ),
        "10\n"
    );
    let stacks = csv(
        &loaded,
        "SELECT COUNT(*) AS n FROM hung_task WHERE stack IS NOT NULL",
    );
    assert_ne!(stacks, "0\n", "the stack behind the report");
    let pods = csv(
        &loaded,
        "SELECT COUNT(*) AS n FROM oom_kill WHERE pod_uid IS NOT NULL",
    );
    assert_eq!(pods, "10\n");
}
