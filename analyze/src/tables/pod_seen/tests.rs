use crate::table::testing::{csv, run};

const UID: &str = "28fcb1a0-a45c-44e7-b9bf-e3b9360bedba";

#[test]
fn a_pod_of_kubelet_with_all_that_findings_ask_for() {
    let pods = br#"{"kind":"PodList","items":[{"metadata":{"name":"web-0","namespace":"default","uid":"u1","creationTimestamp":"2023-11-14T22:13:00Z","deletionTimestamp":"2023-11-14T22:13:30Z","deletionGracePeriodSeconds":10,"ownerReferences":[{"kind":"StatefulSet","name":"web"}],"annotations":{"kubernetes.io/config.source":"api"}},"spec":{"nodeName":"n1","priority":7,"priorityClassName":"high","terminationGracePeriodSeconds":30,"containers":[{"name":"a"},{"name":"b"}]},"status":{"phase":"Running","qosClass":"Burstable","podIPs":[{"ip":"10.0.0.1"},{"ip":"fd00::1"}],"startTime":"2023-11-14T22:13:10Z","conditions":[{"type":"Ready","status":"False","reason":"ContainersNotReady","message":"[a]","lastTransitionTime":"2023-11-14T22:13:15Z"},{"type":"PodScheduled","status":"True"}],"containerStatuses":[{"name":"a","restartCount":2},{"name":"b","restartCount":1}]}}]}"#;
    let (rows, damages) = run("pod_seen", &[("api/kubelet/pods", pods)]);
    let columns = [
        "uid",
        "namespace",
        "name",
        "static",
        "owner_kind",
        "node",
        "phase",
        "qos",
        "priority",
        "host_network",
        "ready",
        "ready_age_us",
        "created_age_us",
        "started_at",
        "deletion_age_us",
        "grace_seconds",
        "ips",
        "containers_count",
        "restarts_count",
        "conditions",
        "sources",
    ];
    assert_eq!(
        csv(&rows, &columns),
        "u1,default,web-0,false,StatefulSet,n1,Running,burstable,7,false,false,5000000,20000000,2023-11-14T22:13:10.000Z,-10000000,10,10.0.0.1,fd00::1,2,3,Ready: ContainersNotReady ([a]),kubelet\n"
    );
    assert!(damages.list.is_empty());
}

#[test]
fn a_pod_that_nobody_but_files_knows() {
    let group = format!("/kubepods/besteffort/pod{UID}");
    let id = "a".repeat(64);
    let (rows, _) = run(
        "pod_seen",
        &[
            (
                "root/var/log/pods",
                format!("default_web-0_{UID}\nlost+found\n").as_bytes(),
            ),
            (
                "root/var/log/containers",
                format!("web-0_default_app-{id}.log\t/var/log/pods/default_web-0_{UID}/app/0.log\nweb-1_default_app-{id}.log\t/gone\n").as_bytes(),
            ),
            (&format!("root/sys/fs/cgroup/memory{group}/{id}/cgroup.procs"), b"7\n"),
            (&format!("root/sys/fs/cgroup/memory{group}/cgroup.procs"), b""),
            ("root/proc/7/cgroup", format!("4:memory:{group}/{id}\n").as_bytes()),
        ],
    );
    assert_eq!(
        csv(&rows, &["uid", "name", "qos", "cgroup", "line", "sources"]),
        format!(
            "{UID},web-0,,,1,log_files\n{UID},web-0,,,1,log_files\n{UID},,besteffort,{group},,cgroup\n"
        )
    );
}

#[test]
fn a_refusal_is_damage_and_odd_shapes_are_nothing() {
    let (rows, damages) = run(
        "pod_seen",
        &[
            ("api/kubelet/pods", b"Unauthorized"),
            ("api/kubelet/stats/summary", br#"{"pods":{"a":1}}"#),
            ("cri/pods.json", br#"{"items":[7,{"metadata":[]}]}"#),
        ],
    );
    assert_eq!(csv(&rows, &["uid", "sources"]), ",runtime\n,runtime\n");
    assert_eq!(damages.list.len(), 1);
}
