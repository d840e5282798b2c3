//! The node as the cluster sees it, metrics, and the chapters of the report.

use freezeframe_analyze::report::model::Block;
use freezeframe_analyze::table::Loaded;
use freezeframe_analyze::{evaluate, report};

use crate::common::{corpus, csv, loaded};
use crate::records::{read, record, sound};

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
