//! Real trees of `/proc` and `/sys` that others packed: cgroups of v1, v2 and both at once, NUMA
//! machines of many architectures. They are unpacked in memory and go the whole way to tables.

#![allow(clippy::unwrap_used)]

mod common;

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

use common::{corpus, csv, loaded};
use freezeframe_analyze::{evaluate, finding};

type Files = Vec<(String, Vec<u8>)>;

/// A number of a zip's header, little-endian.
fn little(bytes: &[u8], at: usize, width: usize) -> usize {
    let digits = bytes[at..at + width].iter().rev();
    digits.fold(0, |value, byte| value << 8 | usize::from(*byte))
}

/// Files of a zip archive, by its central directory (APPNOTE.TXT 4.3.12).
fn unzip(bytes: &[u8]) -> Files {
    let end = bytes.windows(4).rposition(|w| w == b"PK\x05\x06").unwrap();
    let mut at = little(bytes, end + 16, 4);
    let mut files = Vec::new();
    for _ in 0..little(bytes, end + 10, 2) {
        let (method, packed) = (little(bytes, at + 10, 2), little(bytes, at + 20, 4));
        let name_length = little(bytes, at + 28, 2);
        let local = little(bytes, at + 42, 4);
        let name = String::from_utf8_lossy(&bytes[at + 46..at + 46 + name_length]).into_owned();
        let data = local + 30 + little(bytes, local + 26, 2) + little(bytes, local + 28, 2);
        let data = &bytes[data..data + packed];
        if !name.ends_with('/') {
            let content = match method {
                0 => data.to_vec(),
                _ => miniz_oxide::inflate::decompress_to_vec(data).unwrap(),
            };
            files.push((name, content));
        }
        at += 46 + name_length + little(bytes, at + 30, 2) + little(bytes, at + 32, 2);
    }
    files
}

/// Plain files of a tar archive.
fn untar(bytes: &[u8]) -> Files {
    let mut archive = tar::Archive::new(bytes);
    let mut files = Vec::new();
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        if entry.header().entry_type().is_file() {
            let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
            let mut content = Vec::new();
            entry.read_to_end(&mut content).unwrap();
            files.push((name, content));
        }
    }
    files
}

/// Unpacks an archive by the end of its name.
fn unpack(path: &Path) -> Files {
    let bytes = std::fs::read(path).unwrap();
    match path.extension().and_then(|e| e.to_str()) {
        Some("zip") => unzip(&bytes),
        Some("bz2") => {
            let mut tar = Vec::new();
            bzip2_rs::DecoderReader::new(&bytes[..])
                .read_to_end(&mut tar)
                .unwrap();
            untar(&tar)
        }
        Some("xz") => {
            let mut tar = Vec::new();
            lzma_rs::xz_decompress(&mut &bytes[..], &mut tar).unwrap();
            untar(&tar)
        }
        _ => panic!("{}", path.display()),
    }
}

/// Members of a bundle: what is left of `/proc` and `/sys` within the archive becomes `root`.
fn members(files: Files) -> Vec<(String, Vec<u8>)> {
    let inner = |(name, bytes): (String, Vec<u8>)| {
        let place = ["/proc/", "/sys/"].iter().filter_map(|top| name.find(top));
        Some((format!("root{}", name.get(place.min()?..)?), bytes))
    };
    files.into_iter().filter_map(inner).collect()
}

const CGROUPS: &str = "elastic__elastic-agent-system-metrics/metric/system/cgroup/testdata";

#[test]
fn a_group_of_version_2() {
    let Some(path) = corpus(&format!("{CGROUPS}/docker2.zip")) else {
        return;
    };
    let loaded = loaded(&members(unpack(&path)));
    assert_eq!(
        csv(
            &loaded,
            "SELECT path, version, kind, cpu_usage_us, memory_bytes, memory_limit_bytes, memory_peak_bytes, anon_bytes, file_bytes, kernel_bytes, swap_bytes FROM cgroup"
        ),
        "/user.slice/user-1000.slice/session-520.scope,v2,scope,3611347518,10498404352,,18772946944,1411100672,8621432832,195010560,17715200\n"
    );
    assert_eq!(
        csv(
            &loaded,
            "SELECT pids_count, pids_limit_count, processes_count, periods_count, cpu_limit_cores, oom_kill_count, populated, frozen FROM cgroup"
        ),
        "148,,14,0,,0,true,false\n"
    );
    assert_eq!(
        csv(
            &loaded,
            "SELECT resource, kind, total_us FROM pressure WHERE resource IN ('irq', 'memory') ORDER BY resource, kind"
        ),
        "irq,full,29463156\nmemory,full,1677369\nmemory,some,1736583\n"
    );
    assert_eq!(
        csv(
            &loaded,
            "SELECT cgroups_count FROM cgroup_controller WHERE name = 'memory'"
        ),
        "201\n"
    );
    assert!(loaded.damage.list.is_empty(), "{:?}", loaded.damage.list);
}

#[test]
fn a_pod_of_version_1() {
    let Some(path) = corpus(&format!("{CGROUPS}/amzn2.zip")) else {
        return;
    };
    let loaded = loaded(&members(unpack(&path)));
    assert_eq!(
        csv(
            &loaded,
            "SELECT version, kind, qos, runtime, pod_uid, container_id FROM cgroup"
        ),
        "v1,container,burstable,containerd,7a96c459-d529-44ae-9f99-90d3798d6426,1d3d308a7d48a27814a68bf33a44acf4441c9c02463ca0bc1cdfdc8c0b4a8496\n"
    );
    // Nanoseconds become microseconds; -1 of the quota is no limit; RSS is anonymous memory.
    assert_eq!(
        csv(
            &loaded,
            "SELECT cpu_usage_us, cpu_limit_cores, cpu_weight, memory_bytes, memory_limit_bytes, working_set_bytes, anon_bytes, file_bytes, kernel_bytes FROM cgroup"
        ),
        format!(
            "124659500367,,102,1215860736,2147483648,{},1119465472,78397440,16584704\n",
            1_215_860_736_u64 - 78_557_184
        )
    );
    assert_eq!(
        csv(
            &loaded,
            "SELECT pids_count, pids_limit_count, processes_count, frozen, oom_kill_count FROM cgroup"
        ),
        "177,,12,false,0\n"
    );
    assert_eq!(
        csv(
            &loaded,
            "SELECT cgroups_count FROM cgroup_controller WHERE name = 'memory'"
        ),
        "64\n"
    );
    assert!(loaded.damage.list.is_empty(), "{:?}", loaded.damage.list);
}

#[test]
fn hybrid_trees_of_a_node_and_of_containers() {
    // Limit of the root's memory, groups of memory by /proc/cgroups, memory of /proc/meminfo,
    // CPU time and memory of system.slice.
    let reports = [
        (
            "kubernetes--sosreport-juju-110cc2-k8stest-4",
            "",
            "160",
            "4122660864,2842464256",
            "878351940,2868064256,186",
        ),
        (
            "rabbitmq--sosreport-juju-04f1e3-1-lxd-5",
            "1073741824",
            "1214",
            "1073741824,634241024",
            "3106676945,810823680,134",
        ),
        (
            "storage-ceph-mon--sosreport-juju-04f1e3-1-lxd-0",
            "2147483648",
            "1177",
            "2147483648,838234112",
            "1278537670,1901117440,104",
        ),
    ];
    for (report, limit, groups, memory, slice) in reports {
        let Some(path) = corpus(&format!("canonical__hotsos/sosreports/{report}.tar.xz")) else {
            return;
        };
        let loaded = loaded(&members(unpack(&path)));
        let one = |sql: &str| csv(&loaded, sql).trim_end().to_owned();
        assert_eq!(
            one("SELECT memory_limit_bytes FROM cgroup WHERE path = '/'"),
            limit
        );
        assert_eq!(
            one("SELECT cgroups_count FROM cgroup_controller WHERE name = 'memory'"),
            groups
        );
        assert_eq!(
            one("SELECT total_bytes, available_bytes FROM memory"),
            memory
        );
        assert_eq!(
            one(
                "SELECT cpu_usage_us, memory_bytes, pids_count FROM cgroup WHERE path = '/system.slice'"
            ),
            slice
        );
        // Controllers of v1 hold everything: not one group is of v2 alone.
        assert_eq!(one("SELECT DISTINCT version FROM cgroup"), "v1", "{report}");
        assert_eq!(
            one("SELECT DISTINCT periods_count FROM cgroup WHERE path = '/system.slice'"),
            "0"
        );
        assert_eq!(
            one(
                "SELECT name, value FROM memory_setting WHERE name = 'transparent_hugepage/enabled'"
            ),
            "transparent_hugepage/enabled,madvise"
        );
        assert!(loaded.damage.list.is_empty(), "{:?}", loaded.damage.list);
        // All three were well when they were captured.
        let fired: Vec<String> = evaluate::evaluate(&loaded, &finding::built_in())
            .into_iter()
            .filter(evaluate::Evaluated::has_fired)
            .map(|one| one.finding.id)
            .collect();
        assert!(fired.is_empty(), "{report}: {fired:?}");
    }
}

#[test]
fn machines_of_many_nodes() {
    let Some(folder) = corpus("open-mpi__hwloc/tests/hwloc/linux") else {
        return;
    };
    let (mut machines, mut nodes) = (0, 0);
    for entry in std::fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let Some(machine) = name.strip_suffix(".console") else {
            continue;
        };
        let archive = folder.join(format!("{machine}.tar.bz2"));
        if !archive.exists() {
            continue;
        }
        let members = members(unpack(&archive));
        let loaded = loaded(&members);
        let meminfo = |(path, _): &&(String, Vec<u8>)| {
            path.starts_with("root/sys/devices/system/node/node") && path.ends_with("/meminfo")
        };
        assert_eq!(
            csv(&loaded, "SELECT COUNT(total_bytes) AS n FROM numa_node"),
            format!("{}\n", members.iter().filter(meminfo).count()),
            "{machine}"
        );
        for (node, mebibytes) in shown_nodes(&std::fs::read(&path).unwrap()) {
            let sql = format!("SELECT total_bytes FROM numa_node WHERE node = {node}");
            let Ok(bytes) = csv(&loaded, &sql).trim().parse::<u64>() else {
                // s390 has no nodes there: the memory is that of the machine.
                let sql = "SELECT total_bytes FROM memory";
                let bytes: u64 = csv(&loaded, sql).trim().parse().unwrap();
                assert_eq!(bytes.div_ceil(1 << 20), mebibytes, "{machine}");
                continue;
            };
            // What is shown is rounded to its unit.
            let unit = if mebibytes < 10 << 10 { 1 } else { 1 << 10 };
            let distance = (bytes >> 20).abs_diff(mebibytes);
            assert!(distance <= unit, "{machine}: node {node}: {bytes} bytes");
            nodes += 1;
        }
        let damage = loaded.damage.list.iter();
        let damage: Vec<_> = damage.filter(|d| d.entry.contains("/node/")).collect();
        assert!(damage.is_empty(), "{machine}: {damage:?}");
        machines += 1;
    }
    assert!(
        machines >= 15 && nodes >= 50,
        "{machines} machines, {nodes} nodes"
    );
}

#[test]
fn memory_without_cpus() {
    let Some(path) =
        corpus("containers__nri-plugins/cmd/plugins/topology-aware/policy/testdata/sysfs.tar.bz2")
    else {
        return;
    };
    // One archive, three machines.
    let files = unpack(&path);
    let of = |machine: &str| {
        let folder = format!("/{machine}/");
        let files = files.iter().filter(|(name, _)| name.contains(&folder));
        loaded(&members(files.cloned().collect()))
    };
    // Persistent memory is a node without CPUs, behind that of its socket.
    assert_eq!(
        csv(
            &of("server"),
            "SELECT node, distances, total_bytes, hit_count FROM numa_node WHERE cpus = '' ORDER BY node"
        ),
        "4,17 28 28 28 10 28,133143986176,3793\n5,28 28 17 28 28 10,133143986176,384\n"
    );
    assert_eq!(
        csv(
            &of("4-socket-server-nosnc"),
            "SELECT node, cpus FROM numa_node ORDER BY node"
        ),
        "0,0-17,72-89\n1,18-35,90-107\n2,36-53,108-125\n3,54-71,126-143\n"
    );
    assert_eq!(
        csv(&of("desktop"), "SELECT node, total_bytes FROM numa_node"),
        "0,67196465152\n"
    );
}

/// Nodes by number with their memory in MiB, of `NUMANode L#0 (P#2 local=8192MiB total=8192MiB)`;
/// above 10 GiB the unit is GiB.
fn shown_nodes(console: &[u8]) -> BTreeMap<u32, u64> {
    let console = String::from_utf8_lossy(console);
    let node = |line: &str| {
        let (_, rest) = line.split_once("NUMANode")?.1.split_once("(P#")?;
        let (number, rest) = rest.split_once(" local=")?;
        let (size, _) = rest.split_once("iB")?;
        let (digits, unit) = size.split_at(size.len().checked_sub(1)?);
        let factor = if unit == "G" { 1024 } else { 1 };
        Some((number.parse().ok()?, digits.parse::<u64>().ok()? * factor))
    };
    console.lines().filter_map(node).collect()
}
