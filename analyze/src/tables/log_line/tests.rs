use crate::table::testing::{csv, run};

const POD: &str = "root/var/log/pods/default_web-0_28fcb1a0-a45c-44e7-b9bf-e3b9360bedba/app";

#[test]
fn text_and_binary_fields() {
    let mut export = b"__REALTIME_TIMESTAMP=1699999999000000\n_SYSTEMD_UNIT=kubelet.service\nPRIORITY=3\nMESSAGE\n".to_vec();
    export.extend_from_slice(&5_u64.to_le_bytes());
    export.extend_from_slice(
        b"a\nb\xffc\n\n__REALTIME_TIMESTAMP=1699999998000000\n_COMM=sshd\nMESSAGE=older\n\n",
    );
    let (rows, damages) = run("log_line", &[("journal/system.export", &export)]);
    assert_eq!(
        csv(
            &rows,
            &["age_us", "unit", "component", "level", "message", "line"]
        ),
        "2000000,,sshd,,older,8\n1000000,kubelet.service,,3,a\nb\u{FFFD}c,1\n"
    );
    assert!(damages.list.is_empty());
}

#[test]
fn a_cut_export_keeps_what_is_whole() {
    let export = b"__REALTIME_TIMESTAMP=5\nMESSAGE=x\n\n__REALTIME_TIMESTAMP=6\nMESSAGE\n\xff\xff\xff\xff\xff\xff\xff\x7fzz\n";
    let (rows, damages) = run("log_line", &[("journal/system.export", export)]);
    assert_eq!(csv(&rows, &["message"]), "x\n");
    assert_eq!(damages.list.len(), 1);
}

#[test]
fn kubelet_and_runtime_tell_level_and_pod() {
    let export = b"__REALTIME_TIMESTAMP=1\nSYSLOG_IDENTIFIER=kubelet\nPRIORITY=6\nMESSAGE=E1121 04:45:00.123456  777 pod_workers.go:1] \"Error syncing pod, skipping\" err=\"x\" pod=\"default/web-0\" podUID=\"u-1\"\n
__REALTIME_TIMESTAMP=2\nSYSLOG_IDENTIFIER=containerd\nPRIORITY=6\nMESSAGE=time=\"2026-11-20T21:55:31Z\" level=warning msg=\"RunPodSandbox for &PodSandboxMetadata{Name:web-1,Uid:u-2,Namespace:default,Attempt:0,} failed\" error=\"y\"\n
__REALTIME_TIMESTAMP=3\nSYSLOG_IDENTIFIER=myapp\nPRIORITY=6\nMESSAGE=pod=\"not/kubelet\" said ERROR\n\n";
    let (rows, _) = run("log_line", &[("journal/system.export", export)]);
    assert_eq!(
        csv(&rows, &["source", "component", "level", "caller", "pod", "pod_uid", "message"]),
        "\
journal,kubelet,3,pod_workers.go:1,web-0,u-1,Error syncing pod, skipping err=\"x\" pod=\"default/web-0\" podUID=\"u-1\"
journal,containerd,4,,web-1,u-2,RunPodSandbox for &PodSandboxMetadata{Name:web-1,Uid:u-2,Namespace:default,Attempt:0,} failed error=\"y\"
journal,myapp,6,,,,pod=\"not/kubelet\" said ERROR
"
    );
}

#[test]
fn a_container_whose_lines_come_in_parts() {
    let log = b"2023-11-14T22:13:10.000000000Z stdout P one
2023-11-14T22:13:10.500000000Z stderr F panic: no
2023-11-14T22:13:11.000000000Z stdout F , two
2023-11-14T22:13:12.000000000Z stdout F
2023-11-14T22:13:13.000000000Z stdout P never ended
nonsense
";
    let (rows, damages) = run("log_line", &[(&format!("{POD}/3.log"), log)]);
    assert_eq!(
        csv(
            &rows,
            &[
                "age_us",
                "ts_us",
                "source",
                "stream",
                "level",
                "message",
                "pod",
                "container",
                "attempt",
                "line"
            ]
        ),
        "\
10000000,-10000000,container,stdout,,one, two,web-0,app,3,1
9500000,-9500000,container,stderr,2,panic: no,web-0,app,3,2
8000000,-8000000,container,stdout,,,web-0,app,3,4
7000000,-7000000,container,stdout,,never ended,web-0,app,3,5
"
    );
    assert_eq!(damages.list.len(), 1);
}

#[test]
fn dockers_json_and_parts_without_a_line_end() {
    let log = br#"{"log":"one ","stream":"stdout","time":"2023-11-14T22:13:10Z"}
{"log":"two\n","stream":"stdout","time":"2023-11-14T22:13:11Z"}
{"log":"{\"level\":\"error\",\"msg\":\"m\",\"k\":\"v\"}\n","stream":"stderr","time":"2023-11-14T22:13:12Z"}
"#;
    let (rows, damages) = run("log_line", &[(&format!("{POD}/0.log"), log)]);
    assert_eq!(
        csv(&rows, &["stream", "level", "message", "line"]),
        "stdout,,one two,1\nstderr,3,m k=\"v\",3\n"
    );
    assert!(damages.list.is_empty());
}

#[test]
fn a_long_message_is_cut_at_a_character() {
    let export = format!("MESSAGE={}\n\n", "é".repeat(20_000));
    let (rows, _) = run("log_line", &[("journal/system.export", export.as_bytes())]);
    assert_eq!(rows.text(0, "message").unwrap().len(), 16 << 10);
}
