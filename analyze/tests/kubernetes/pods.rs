//! Pods and containers, and the processes that are theirs.

use crate::common::{corpus, csv, loaded};
use crate::records::{Entries, read, record, sound};

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
