//! Answers of real kubelets, runtimes and API servers, through the whole way from bundle to tables.

#![allow(clippy::unwrap_used)]

mod common;

use std::path::{Path, PathBuf};

use common::{corpus, csv, loaded};
use freezeframe_analyze::report::model::Block;
use freezeframe_analyze::table::Loaded;
use freezeframe_analyze::{evaluate, report};
use serde_json::Value;

type Entries = Vec<(String, Vec<u8>)>;

/// Files of a record and the members that they are in a bundle.
const MEMBERS: [(&str, &str); 13] = [
    ("kubelet/pods", "api/kubelet/pods"),
    ("kubelet/runningpods_", "api/kubelet/runningpods"),
    ("kubelet/stats_summary", "api/kubelet/stats/summary"),
    ("kubelet/configz", "api/kubelet/configz"),
    ("cri/crictl_pods_-o_json.out", "cri/pods.json"),
    ("cri/crictl_ps_-a_-o_json.out", "cri/containers.json"),
    (
        "cri/crictl_stats_-a_-o_json.out",
        "cri/container_stats.json",
    ),
    ("cri/crictl_images_-o_json.out", "cri/images.json"),
    ("cri/crictl_imagefsinfo.out", "cri/image_file_systems.json"),
    (
        "apiserver/api_v1_pods",
        "api/apiserver/api/v1/pods?fieldSelector=spec.nodeName=node1",
    ),
    ("apiserver/api_v1_nodes", "api/apiserver/api/v1/nodes/node1"),
    (
        "apiserver/api_v1_events",
        "api/apiserver/api/v1/events?limit=500",
    ),
    (
        "apiserver/apis_coordination.k8s.io_v1_namespaces_kube-node-lease_leases",
        "api/apiserver/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/node1",
    ),
];

fn record(name: &str) -> Entries {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../testdata/records")
        .join(name);
    let mut entries: Entries = MEMBERS
        .iter()
        .filter_map(|(file, member)| {
            let bytes = std::fs::read(folder.join(file)).ok()?;
            Some(((*member).to_owned(), bytes))
        })
        .collect();
    if let Ok(text) = std::fs::read_to_string(folder.join("cri/inspect.out")) {
        entries.extend(inspected(&text));
    }
    if let Ok(text) = std::fs::read_to_string(folder.join("host/cgroup_dump.txt")) {
        entries.extend(groups(&text));
    }
    assert!(entries.len() >= 4, "{name}");
    entries
}

/// One answer behind the other, each beginning on a line of its own.
fn inspected(text: &str) -> Entries {
    let begin = text.find("\n{").map_or(0, |place| place + 1);
    let mut entries = Entries::new();
    for answer in text[begin..].split("\n}\n") {
        let Some(begin) = answer.find("{\n") else {
            continue;
        };
        let json = format!("{}\n}}\n", &answer[begin..]);
        let value: Value = serde_json::from_str(&json).unwrap();
        let id = value["status"]["id"].as_str().unwrap();
        entries.push((format!("cri/container_status/{id}.json"), json.into_bytes()));
    }
    assert!(!entries.is_empty());
    entries
}

/// `== ./kubepods.slice/cgroup.procs`, then the file.
fn groups(text: &str) -> Entries {
    text.split("== ./")
        .skip(1)
        .map(|file| {
            let (path, content) = file.split_once('\n').unwrap();
            let entry = format!("root/sys/fs/cgroup/{path}");
            (entry, content.as_bytes().to_vec())
        })
        .collect()
}

fn read(path: PathBuf) -> Vec<u8> {
    std::fs::read(path).unwrap()
}

fn sound(loaded: &Loaded) {
    assert!(
        loaded.damage.list.is_empty(),
        "{:?}",
        loaded.damage.list.first()
    );
}

#[test]
fn six_pods_each_with_its_own_trouble() {
    let loaded = loaded(&record("faulty-pods-1.36"));
    sound(&loaded);
    assert_eq!(
        csv(
            &loaded,
            "SELECT pod, state, reason, exit_code, exit_reason, restarts_count, ready FROM container WHERE current AND namespace = 'default' ORDER BY pod, name"
        ),
        "\
lab-burner-node1,running,,,,0,true
lab-crash-node1,waiting,CrashLoopBackOff,1,Error,1,false
lab-imagepull-node1,waiting,ContainerCreating,,,0,false
lab-oom-node1,waiting,CrashLoopBackOff,137,Error,1,false
lab-probe-node1,running,,,,0,false
lab-throttle-node1,running,,,,0,true
web-node1,running,,,,0,true
web-node1,running,,,,0,true
"
    );
    assert_eq!(
        csv(
            &loaded,
            "SELECT name, phase, qos, static, sources FROM pod WHERE name LIKE 'lab-%' ORDER BY name LIMIT 2"
        ),
        "\
lab-burner-node1,Running,besteffort,true,kubelet,stats_summary,running_pods
lab-crash-node1,Running,besteffort,true,kubelet,running_pods
"
    );
    assert_eq!(
        csv(
            &loaded,
            "SELECT pod, cpu_request_cores, cpu_limit_cores, cpu_limit_used_ratio > 0.5 AS used FROM container_resource WHERE pod = 'lab-throttle-node1'"
        ),
        "lab-throttle-node1,0.050,0.100,true\n"
    );
    assert_eq!(
        csv(
            &loaded,
            "SELECT which, state, reason, exit_code, signal FROM container_state WHERE pod = 'lab-oom-node1' ORDER BY which"
        ),
        "current,waiting,CrashLoopBackOff,,\nlast,terminated,Error,137,9\n"
    );
}

#[test]
fn the_oldest_kubelet_and_the_newest_agree_with_their_runtime() {
    for name in ["healthy-1.20", "healthy-cluster-1.36"] {
        let loaded = loaded(&record(name));
        sound(&loaded);
        assert_eq!(
            csv(
                &loaded,
                "SELECT name, namespace, phase, ready, containers_count, restarts_count FROM pod WHERE phase = 'Running' AND static ORDER BY name"
            ),
            "agent-node1,kube-system,Running,true,1,0\nweb-node1,default,Running,true,2,0\n",
            "{name}"
        );
        // Each container is one row, known to kubelet and runtime alike, and has its process.
        assert_eq!(
            csv(
                &loaded,
                "SELECT name, state, exit_code, pid > 0 AS has_process, sources LIKE 'kubelet,%runtime,stats_summary%' AS told FROM container WHERE current AND sources LIKE 'kubelet%' ORDER BY name"
            ),
            "agent,running,,true,true\nhttpd,running,,true,true\nside,running,,true,true\n",
            "{name}"
        );
        assert_eq!(
            csv(
                &loaded,
                "SELECT memory_limit_bytes, working_set_bytes > 0 AS used FROM container_resource WHERE name = 'httpd' AND sources LIKE 'kubelet%'"
            ),
            "67108864,true\n",
            "{name}"
        );
    }
}

#[test]
fn a_mirror_of_the_api_server_is_the_pod_of_the_kubelet() {
    let loaded = loaded(&record("healthy-cluster-1.36"));
    let mirrored = csv(
        &loaded,
        "SELECT name, static, sources FROM pod WHERE api_uid IS NOT NULL AND api_uid <> uid ORDER BY name",
    );
    assert_eq!(
        mirrored,
        "\
agent-node1,true,kubelet,api_server,runtime,stats_summary,running_pods
web-node1,true,kubelet,api_server,runtime,stats_summary,running_pods
"
    );
}

#[test]
fn the_runtime_knows_what_kubelet_calls_an_error() {
    let loaded = loaded(&record("host-faults-1.36"));
    sound(&loaded);
    assert_eq!(
        csv(
            &loaded,
            "SELECT which, source, reason, exit_code FROM container_state WHERE pod = 'lab-oom-node1' AND state = 'terminated' ORDER BY source, which"
        )
        .lines()
        .last(),
        Some("current,runtime,OOMKilled,137")
    );
    // A running container has no exit code, and those before it stay as rows of their own.
    assert_eq!(
        csv(
            &loaded,
            "SELECT attempt, current, state, exit_code, exit_reason, last_exit_reason FROM container WHERE pod = 'lab-oom-node1' AND attempt >= 8 ORDER BY attempt"
        ),
        "8,false,terminated,137,OOMKilled,\n9,true,running,,,OOMKilled\n"
    );
}

#[test]
fn pods_of_kubelets_in_the_wild() {
    let Some(folder) = corpus("newrelic__nri-kubernetes/internal/testutil/data") else {
        return;
    };
    for (version, pods, failed) in [("1_31", 23, 4), ("1_33", 23, 4), ("1_35", 24, 4)] {
        let kubelet = folder.join(version).join("kubelet");
        let loaded = loaded(&[
            ("api/kubelet/pods", read(kubelet.join("pods"))),
            (
                "api/kubelet/stats/summary",
                read(kubelet.join("stats/summary")),
            ),
        ]);
        sound(&loaded);
        let count = |what: &str| csv(&loaded, &format!("SELECT COUNT(*) AS n FROM {what}"));
        assert_eq!(count("pod"), format!("{pods}\n"), "{version}");
        assert_eq!(
            count("pod WHERE phase = 'Failed' AND owner_kind = 'Job'"),
            format!("{failed}\n"),
            "{version}"
        );
        assert_eq!(
            count("pod WHERE static AND name LIKE 'etcd-%' AND host_network AND priority > 0"),
            "1\n"
        );
        // Each running container of kubelet is in its summary.
        assert_eq!(
            count("container WHERE state = 'running' AND sources <> 'kubelet,stats_summary'"),
            "0\n",
            "{version}"
        );
        assert_eq!(
            count("container WHERE id IS NULL AND state = 'running'"),
            "0\n"
        );
        assert_eq!(
            count("container_resource WHERE working_set_bytes > 0 AND memory_limit_bytes > 0"),
            csv(
                &loaded,
                "SELECT COUNT(*) AS n FROM container_resource WHERE memory_limit_used_ratio > 0"
            )
        );
    }
}

#[test]
fn an_evicted_pod_and_older_shapes() {
    let Some(path) =
        corpus("newrelic__nri-kubernetes/src/kubelet/metric/testdata/kubelet_pods_payload.json")
    else {
        return;
    };
    let loaded = loaded(&[("api/kubelet/pods", read(path))]);
    sound(&loaded);
    assert_eq!(
        csv(
            &loaded,
            "SELECT phase, COUNT(*) AS n FROM pod GROUP BY phase ORDER BY phase"
        ),
        "Failed,1\nPending,1\nRunning,2\n"
    );
    assert_eq!(
        csv(&loaded, "SELECT reason FROM pod WHERE phase = 'Failed'"),
        "Evicted\n"
    );
    assert_eq!(
        csv(&loaded, "SELECT SUM(restarts_count) AS n FROM pod"),
        "7\n"
    );
    assert_eq!(
        csv(
            &loaded,
            "SELECT restarts_count, last_exit_reason, last_exit_code FROM container WHERE last_exit_code > 0"
        ),
        "1,Error,255\n"
    );
}

#[test]
fn whatever_kubelets_of_all_vendors_answer_is_no_damage() {
    let files = [
        (
            "khulnasoft__integrations-core/kubelet/tests/fixtures/pods.json",
            "api/kubelet/pods",
        ),
        (
            "khulnasoft__integrations-core/kubelet/tests/fixtures/podlist_containerd.json",
            "api/kubelet/pods",
        ),
        (
            "khulnasoft__integrations-core/kubelet/tests/fixtures/pods_requests_limits.json",
            "api/kubelet/pods",
        ),
        (
            "khulnasoft__integrations-core/kubelet/tests/fixtures/stats_summary.json",
            "api/kubelet/stats/summary",
        ),
        (
            "opsramp__opentelemetry-collector-contrib/receiver/kubeletstatsreceiver/testdata/pods.json",
            "api/kubelet/pods",
        ),
        (
            "opsramp__opentelemetry-collector-contrib/receiver/kubeletstatsreceiver/testdata/stats-summary.json",
            "api/kubelet/stats/summary",
        ),
    ];
    for (file, member) in files {
        let Some(path) = corpus(file) else { return };
        let loaded = loaded(&[(member, read(path))]);
        sound(&loaded);
        let pods = csv(
            &loaded,
            "SELECT COUNT(*) AS n FROM pod WHERE name IS NOT NULL",
        );
        assert_ne!(pods, "0\n", "{file}");
        let containers = csv(
            &loaded,
            "SELECT COUNT(*) AS n FROM container WHERE name IS NULL",
        );
        assert_eq!(containers, "0\n", "{file}");
    }
}

/// The path that the other cgroup driver of kubelet gives a group.
fn plain_driver(path: &str) -> String {
    let mut out = String::new();
    for part in path.split('/') {
        let name = part.trim_end_matches(".slice").trim_end_matches(".scope");
        let name = match name.rsplit_once("-pod") {
            Some((_, uid)) => format!("pod{}", uid.replace('_', "-")),
            None => name
                .trim_start_matches("cri-containerd-")
                .trim_start_matches("kubepods-")
                .to_owned(),
        };
        out = format!("{out}/{name}");
    }
    out.trim_start_matches('/').to_owned()
}

/// Every process of a pod is of its container, by both drivers: the groups and processes of a node as
/// they were, and the same named as the other driver names them.
#[test]
fn every_process_is_of_the_right_container() {
    let record = record("host-faults-1.36");
    let told: Vec<&(String, Vec<u8>)> = record
        .iter()
        .filter(|(path, _)| !path.starts_with("root/"))
        .collect();
    for driver in ["systemd", "cgroupfs"] {
        let mut entries: Entries = told.iter().map(|entry| (*entry).clone()).collect();
        let mut processes = 0;
        for (path, bytes) in &record {
            let Some(group) = path
                .strip_prefix("root/sys/fs/cgroup/")
                .and_then(|path| path.strip_suffix("/cgroup.procs"))
                .filter(|group| group.starts_with("kubepods.slice"))
            else {
                continue;
            };
            let group = match driver {
                "systemd" => group.to_owned(),
                _ => plain_driver(group),
            };
            entries.push((
                format!("root/sys/fs/cgroup/{group}/cgroup.procs"),
                bytes.clone(),
            ));
            for pid in String::from_utf8_lossy(bytes).lines() {
                processes += 1;
                let stat = format!("{pid} (x) S 1 1 1 0 -1 0 0 0 0 0 1 1 0 0 20 0 1 0 100 0 0\n");
                entries.push((format!("root/proc/{pid}/stat"), stat.into_bytes()));
                let cgroup = format!("0::/{group}\n").into_bytes();
                entries.push((format!("root/proc/{pid}/cgroup"), cgroup));
            }
        }
        assert!(processes >= 8, "{processes}");
        let loaded = loaded(&entries);
        sound(&loaded);
        let count = |sql: &str| csv(&loaded, &format!("SELECT COUNT(*) AS n FROM {sql}"));
        assert_eq!(count("process"), format!("{processes}\n"));
        assert_eq!(
            count(
                "process WHERE pod IS NOT NULL AND container IS NOT NULL AND namespace IS NOT NULL"
            ),
            format!("{processes}\n"),
            "{driver}"
        );
        // The runtime tells the first process of each container: that is the truth.
        let truth = csv(
            &loaded,
            "SELECT pod, name, pid FROM container WHERE state = 'running' AND pid IS NOT NULL ORDER BY pid",
        );
        let found = csv(
            &loaded,
            "SELECT p.pod, p.container, p.pid FROM process p JOIN container c ON c.pid = p.pid AND c.id = p.container_id WHERE c.state = 'running' ORDER BY p.pid",
        );
        assert!(found.lines().count() >= 3, "{found}");
        assert_eq!(
            truth.lines().count(),
            found.lines().count() + usize::from(truth.contains("lab-oom-node1"))
        );
        for line in found.lines() {
            assert!(truth.contains(line), "{line}");
        }
        // One sandbox a pod, by the name that no container has.
        assert_eq!(
            count("pod_of_cgroup WHERE kind = 'sandbox' AND container = 'POD'"),
            "4\n"
        );
    }
}

#[test]
fn the_node_as_the_api_server_has_it() {
    let loaded = loaded(&record("healthy-cluster-1.36"));
    sound(&loaded);
    assert_eq!(
        csv(
            &loaded,
            "SELECT type, status, is_trouble FROM node_condition ORDER BY type"
        ),
        "DiskPressure,False,false\nMemoryPressure,False,false\nPIDPressure,False,false\nReady,True,false\n"
    );
    assert_eq!(
        csv(
            &loaded,
            "SELECT name, kubelet_version, runtime_version, taints FROM node_object"
        ),
        "node1,v1.36.2-lab,containerd://1.6.20,node.kubernetes.io/not-ready:NoSchedule\n"
    );
    assert_eq!(
        csv(
            &loaded,
            "SELECT resource, reserved FROM node_resource WHERE reserved > 0 AND resource = 'memory'"
        ),
        "memory,104857600.000\n"
    );
    assert_eq!(
        csv(
            &loaded,
            "SELECT name, holder, duration_seconds, renewed_at FROM lease"
        ),
        "node1,node1,40,2026-11-20T22:13:28.606Z\n"
    );
    assert_eq!(
        csv(
            &loaded,
            "SELECT type, reason, object_kind, component FROM event WHERE type = 'Warning' ORDER BY reason LIMIT 1"
        ),
        "Warning,InvalidDiskCapacity,Node,kubelet\n"
    );
    assert_eq!(
        csv(
            &loaded,
            "SELECT source, names, size_bytes FROM image WHERE names LIKE '%pause%' ORDER BY source"
        ),
        "api_server,registry.k8s.io/pause:3.10,697066\nruntime,registry.k8s.io/pause:3.10,697066\n"
    );
    assert_eq!(
        csv(
            &loaded,
            "SELECT name, value, number, duration_us FROM kubelet_config WHERE name IN ('evictionHard.memory.available', 'nodeStatusUpdateFrequency', 'maxPods') ORDER BY name"
        ),
        "evictionHard.memory.available,100Mi,104857600.000,\nmaxPods,110,110.000,\nnodeStatusUpdateFrequency,10s,,10000000\n"
    );
}

#[test]
fn metrics_of_a_kubelet_its_containers_and_an_api_server() {
    let Some(records) = corpus("../records") else {
        return;
    };
    let file = |path: &str| read(records.join(path));
    let lines = |bytes: &[u8]| {
        let text = String::from_utf8_lossy(bytes).into_owned();
        text.lines().filter(|line| !line.starts_with('#')).count()
    };
    let (kubelet, cadvisor, api) = (
        file("faulty-pods-1.36/kubelet/metrics"),
        file("faulty-pods-1.36/kubelet/metrics_cadvisor"),
        file("healthy-cluster-1.36/apiserver/metrics"),
    );
    let series = [lines(&kubelet) + lines(&cadvisor), lines(&api)];
    let loaded = loaded(&[
        ("api/kubelet/metrics", kubelet),
        ("api/kubelet/metrics/cadvisor", cadvisor),
        ("api/apiserver/metrics", api),
    ]);
    sound(&loaded);
    for (table, series) in ["kubelet_metric", "runtime_metric"].iter().zip(series) {
        assert_eq!(
            csv(&loaded, &format!("SELECT COUNT(*) AS n FROM {table}")),
            format!("{series}\n")
        );
    }
    assert_eq!(
        csv(
            &loaded,
            "SELECT pod, value > 0 AS throttled FROM kubelet_metric WHERE name = 'container_cpu_cfs_throttled_periods_total' AND container = 'c' AND value > 0"
        ),
        "lab-throttle-node1,true\n"
    );
    // The mean of a histogram lies between its bounds, and each quantile above the one before.
    assert_eq!(
        csv(
            &loaded,
            "SELECT COUNT(*) AS n FROM metric_histogram WHERE p50 > p90 OR p90 > p99 OR (count > 0 AND p50 IS NULL)"
        ),
        "0\n"
    );
    assert_eq!(
        csv(
            &loaded,
            "SELECT component, count > 10 AS many, p99 > 1 AS slow FROM metric_histogram WHERE name = 'kubelet_pleg_relist_duration_seconds'"
        ),
        "kubelet,true,true\n"
    );
}

#[test]
fn metrics_of_older_kubelets() {
    let files = [
        "newrelic__nri-kubernetes/src/kubelet/metric/testdata/k8s_v1_15_kubelet_metrics_cadvisor_payload_plain.txt",
        "newrelic__nri-kubernetes/internal/testutil/data/1_35/kubelet/metrics/cadvisor",
        "khulnasoft__integrations-core/kubelet/tests/fixtures/cadvisor_metrics_post_1_16.txt",
    ];
    for file in files {
        let Some(path) = corpus(file) else { return };
        let loaded = loaded(&[("api/kubelet/metrics/cadvisor", read(path))]);
        sound(&loaded);
        let named = csv(
            &loaded,
            "SELECT COUNT(*) > 0 AS named FROM kubelet_metric WHERE pod IS NOT NULL AND namespace IS NOT NULL AND container IS NOT NULL",
        );
        assert_eq!(named, "true\n", "{file}");
    }
}

#[test]
fn journals_of_kubelet_and_containerd_in_one_order() {
    let Some(records) = corpus("../records") else {
        return;
    };
    for (name, about_pods) in [("healthy-1.20", 20), ("faulty-pods-1.36", 200)] {
        let journal = read(records.join(name).join("host/journal.export"));
        let mut entries = record(name);
        entries.push(("journal/system.export".to_owned(), journal));
        let loaded = loaded(&entries);
        sound(&loaded);
        let count = |what: &str| -> usize {
            let sql = format!("SELECT COUNT(*) AS n FROM {what}");
            csv(&loaded, &sql).trim().parse().unwrap()
        };
        // Whatever begins as klog does is klog, and has its place in the source.
        assert_eq!(
            count(
                "log_line WHERE component = 'kubelet' AND caller IS NULL AND REGEXP_LIKE(message, '^(\\?\\?\\? )?[IWEF][0-9]{4} ')"
            ),
            0,
            "{name}"
        );
        assert!(count("log_line WHERE component = 'kubelet' AND caller IS NOT NULL") > 50);
        assert!(count("log_line WHERE component = 'containerd' AND level < 5") > 0);
        assert_eq!(
            count("log_line WHERE component = 'containerd' AND message LIKE 'time=%'"),
            0
        );
        // The pods that kubelet tells of are pods.
        assert!(count("log_line WHERE component = 'kubelet' AND pod IS NOT NULL") > about_pods / 2);
        assert_eq!(
            count(
                "log_line WHERE component = 'kubelet' AND pod IS NOT NULL AND pod NOT LIKE '%-node1'"
            ),
            0
        );
        assert!(
            count("log_line WHERE pod IS NOT NULL") > about_pods,
            "{name}"
        );
        assert!(count("timeline") > 10);
        let order = csv(&loaded, "SELECT ts_us FROM timeline");
        let times: Vec<i64> = order.lines().map(|ts| ts.parse().unwrap()).collect();
        assert!(times.is_sorted(), "{name}");
    }
}

#[test]
fn logs_of_a_minikube() {
    let Some(path) = corpus("Remering__pastebins/minikube.log") else {
        return;
    };
    // It was saved on Windows, in UTF-16. Its lines as a container would write them.
    let bytes = read(path);
    let units = bytes.chunks_exact(2).skip(1);
    let units: Vec<u16> = units
        .map(|pair| u16::from_le_bytes([pair[0], pair[1]]))
        .collect();
    let text = String::from_utf16_lossy(&units);
    let log: String = text
        .lines()
        .map(|line| {
            format!(
                "2023-11-14T22:13:10Z stderr F {}\n",
                line.trim_start_matches("* ")
            )
        })
        .collect();
    let loaded = loaded(&[(
        "root/var/log/pods/default_web-0_28fcb1a0-a45c-44e7-b9bf-e3b9360bedba/app/0.log",
        log.into_bytes(),
    )]);
    sound(&loaded);
    let count = |what: &str| -> usize {
        let sql = format!("SELECT COUNT(*) AS n FROM log_line WHERE {what}");
        csv(&loaded, &sql).trim().parse().unwrap()
    };
    assert_eq!(
        count("pod = 'web-0' AND container = 'app'"),
        text.lines().count()
    );
    // As a search for the shape of klog counts them, and 97 lines of etcd in JSON.
    assert!(count("caller IS NOT NULL AND level = 3") >= 30);
    assert!(count("caller IS NOT NULL AND level = 4") >= 137);
    assert!(count("caller IS NOT NULL") >= 637 + 137 + 30 + 97);
    assert!(count("level IS NULL") < count("level IS NOT NULL"));
}

/// Titles and first rows of the tables of a chapter; what is missing with its reason.
fn chapter(loaded: &Loaded, id: &str) -> Vec<String> {
    let evaluated = evaluate::evaluate(loaded, &[]);
    let model = report::model(loaded, &evaluated).unwrap();
    let section = model.sections.iter().find(|section| section.id == id);
    let block = |block: &Block| match block {
        Block::Table(table) => {
            let cells = table.rows[0].cells.iter().map(|cell| cell.text.as_str());
            let cells: Vec<&str> = cells.take(5).collect();
            format!(
                "{} ({}): {}",
                table.title,
                table.rows_count,
                cells.join("|")
            )
        }
        Block::Missing { title, reason } => format!("{title}: {reason}"),
        _ => String::new(),
    };
    section.unwrap().blocks.iter().map(block).collect()
}

#[test]
fn the_report_shows_pods_and_what_was_asked() {
    let mut entries = record("faulty-pods-1.36");
    entries.push((
        "api/kubelet/exchanges.jsonl".to_owned(),
        b"{\"url\":\"https://127.0.0.1:10250/pods\",\"started_us\":500000000000,\"took_us\":1314148,\"status\":200,\"bytes\":17937,\"asked_as\":\"nobody\"}\n".to_vec(),
    ));
    let faulty = loaded(&entries);
    let pods = chapter(&faulty, "pods");
    assert_eq!(
        pods[..3],
        [
            "Containers that wait, restart, failed or are not ready (4): default|lab-crash-node1|c|waiting|CrashLoopBackOff",
            "Pods (8): default|lab-burner-node1|Running||true",
            "What containers use of what they may (9): default|web-node1|httpd|0.00|0.05",
        ]
    );
    assert!(pods[3].starts_with("Network of pods: table `process`: nothing like"));
    assert_eq!(
        chapter(&faulty, "kubernetes")[0],
        "Answers of kubelet, runtime, API server and others, failures first, then the slowest (1): kubelet|/pods|200|1.3 s|"
    );
    assert!(chapter(&faulty, "timeline")[0].starts_with("Kernel, events, logs and containers"));
    let healthy = loaded(&record("healthy-cluster-1.36"));
    let chapter = chapter(&healthy, "kubernetes");
    assert!(
        chapter[1].starts_with("Conditions of the node (4): DiskPressure|False|false"),
        "{}",
        chapter[1]
    );
    assert!(
        chapter[2].starts_with("Events, warnings first"),
        "{}",
        chapter[2]
    );
}
