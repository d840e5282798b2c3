use crate::table::testing::{csv, run};

#[test]
fn declared_running_and_before() {
    let pods = br#"{"items":[{"metadata":{"name":"p","namespace":"d","uid":"u"},"spec":{"containers":[{"name":"app","image":"app:1","ports":[{"containerPort":8080}],"livenessProbe":{"httpGet":{"path":"/healthz","port":"web"},"timeoutSeconds":5},"readinessProbe":{"exec":{"command":["cat","/x"]}},"resources":{"requests":{"cpu":"100m"},"limits":{"memory":"1Gi"}}}],"initContainers":[{"name":"init"}]},"status":{"containerStatuses":[{"name":"app","containerID":"containerd://b","restartCount":1,"ready":true,"started":true,"state":{"running":{"startedAt":"2023-11-14T22:13:10Z"}},"lastState":{"terminated":{"exitCode":1,"reason":"Error","finishedAt":"2023-11-14T22:13:00Z","containerID":"containerd://a"}},"resources":{"limits":{"memory":"2Gi"}}}],"initContainerStatuses":[{"name":"init","containerID":"containerd://i","restartCount":0,"state":{"terminated":{"exitCode":0,"reason":"Completed"}}}]}}]}"#;
    let (rows, _) = run("container_seen", &[("api/kubelet/pods", pods)]);
    let columns = [
        "id",
        "name",
        "kind",
        "state",
        "exit_code",
        "exit_reason",
        "restarts_count",
        "started_age_us",
        "finished_age_us",
        "ports",
        "cpu_request_cores",
        "memory_limit_bytes",
    ];
    assert_eq!(
        csv(&rows, &columns),
        format!(
            "b,app,container,running,,,1,10000000,,8080/TCP,0.1000,{}\na,app,container,terminated,1,Error,,,20000000,,,\ni,init,init,terminated,0,Completed,0,,,,,\n",
            2_u64 << 30
        )
    );
    assert_eq!(
        csv(&rows, &["liveness_probe", "readiness_probe"])
            .lines()
            .next(),
        Some(
            "http :web/healthz delay=0s timeout=5s period=10s failures=3,exec cat /x delay=0s timeout=1s period=10s failures=3"
        )
    );
}

#[test]
fn the_runtime_tells_in_json_and_in_text_in_json() {
    let shape = |info: &str| {
        format!(
            r#"{{"status":{{"id":"x","metadata":{{"name":"c","attempt":8}},"state":"CONTAINER_EXITED","createdAt":"1700000000000000000","startedAt":"2023-11-14T22:13:10Z","finishedAt":"0","exitCode":137,"reason":"OOMKilled","resources":{{"linux":{{"cpuPeriod":"100000","cpuQuota":"50000","memoryLimitInBytes":"25165824"}}}},"labels":{{"io.kubernetes.pod.name":"p"}}}},"info":{info}}}"#
        )
    };
    let objects = shape(r#"{"pid":42,"sandboxID":"s"}"#);
    let text = shape(r#"{"info":"{\"pid\":42,\"sandboxID\":\"s\"}"}"#);
    for answer in [objects, text] {
        let (rows, _) = run(
            "container_seen",
            &[("cri/container_status/x.json", answer.as_bytes())],
        );
        assert_eq!(
            csv(
                &rows,
                &[
                    "id",
                    "pod",
                    "attempt",
                    "state",
                    "exit_code",
                    "exit_reason",
                    "created_age_us",
                    "started_age_us",
                    "finished_age_us",
                    "pid",
                    "sandbox_id",
                    "cpu_limit_cores",
                    "memory_limit_bytes"
                ]
            ),
            "x,p,8,terminated,137,OOMKilled,0,10000000,,42,s,0.5000,25165824\n"
        );
    }
}

#[test]
fn bundles_of_both_runtimes_and_watchers_that_are_no_containers() {
    let id = "a".repeat(64);
    let containerd = br#"{"annotations":{"io.kubernetes.cri.container-type":"container","io.kubernetes.cri.container-name":"c"},"process":{"oomScoreAdj":996}}"#;
    let crio = br#"{"annotations":{"io.kubernetes.cri-o.ContainerType":"container","io.kubernetes.container.name":"d"}}"#;
    let (rows, _) = run(
        "container_seen",
        &[
            (&format!("root/run/containerd/io.containerd.runtime.v2.task/k8s.io/{id}/config.json"), containerd),
            (&format!("root/run/containers/storage/overlay-containers/{id}/userdata/config.json"), crio),
            ("root/proc/7/cgroup", format!("0::/kubepods.slice/kubepods-pod28fcb1a0_a45c_44e7_b9bf_e3b9360bedba.slice/crio-conmon-{id}.scope\n").as_bytes()),
        ],
    );
    assert_eq!(
        csv(&rows, &["id", "name", "oom_score_adjust", "sources"]),
        format!("{id},c,996,runtime_files\n{id},d,,runtime_files\n")
    );
}

#[test]
fn logs_folders_and_docker_tell_what_they_can() {
    let id = "a".repeat(64);
    let logs = br#"{"path":"/var/log/pods/d_web_28fcb1a0-a45c-44e7-b9bf-e3b9360bedba/app/0.log","size_bytes":70,"modified_us":5}
{"path":"/var/log/pods/d_web_28fcb1a0-a45c-44e7-b9bf-e3b9360bedba/app/2.log","size_bytes":30,"modified_us":6}
nonsense
"#;
    let docker = br#"{"State":{"Running":false,"Pid":0,"ExitCode":137,"OOMKilled":true,"FinishedAt":"2023-11-14T22:13:10Z"},"Config":{"Labels":{"io.kubernetes.docker.type":"container","io.kubernetes.container.name":"app","io.kubernetes.pod.name":"web"}}}"#;
    let (rows, _) = run(
        "container_seen",
        &[
            ("calls/container_logs.jsonl", logs),
            ("root/var/lib/kubelet/pods/u/containers", b"app\ninit\n"),
            (
                &format!("root/var/lib/docker/containers/{id}/config.v2.json"),
                docker,
            ),
            (
                &format!("root/run/containerd/io.containerd.runtime.v2.task/k8s.io/{id}/init.pid"),
                b"42",
            ),
        ],
    );
    assert_eq!(
        csv(
            &rows,
            &[
                "id",
                "name",
                "pod",
                "attempt",
                "state",
                "exit_reason",
                "finished_age_us",
                "pid",
                "log_bytes",
                "sources"
            ]
        ),
        format!(
            ",app,web,2,,,,,100,log_files\n,app,,,,,,,,kubelet_files\n,init,,,,,,,,kubelet_files\n{id},app,web,,terminated,OOMKilled,10000000,,,runtime_files\n{id},,,,,,,42,,runtime_files\n"
        )
    );
}
