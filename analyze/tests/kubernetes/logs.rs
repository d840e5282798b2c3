//! Logs of components and containers.

use crate::common::{corpus, csv, loaded};
use crate::records::{read, record, sound};

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
