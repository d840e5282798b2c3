//! The page as a whole: it stands alone, escapes everything, and is the same each time.

#![allow(clippy::unwrap_used)]

mod common;

use std::collections::HashSet;

use common::loaded;
use freezeframe_analyze::{evaluate, finding, report};

const HOSTILE: &str = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>\u{1b}[31m\u{202e}";

fn page(entries: &[(String, Vec<u8>)]) -> String {
    let loaded = loaded(entries);
    let evaluated = evaluate::evaluate(&loaded, &finding::built_in());
    report::html(&report::model(&loaded, &evaluated).unwrap()).unwrap()
}

fn process(pid: usize, name: &str) -> Vec<(String, Vec<u8>)> {
    let stat = |ticks: usize| {
        format!("{pid} ({name}) S 1 1 1 0 -1 0 1 0 0 0 {ticks} 5 0 0 20 0 1 0 500 8192 200 0\n")
    };
    vec![
        (format!("root/proc/{pid}/stat"), stat(pid).into_bytes()),
        (
            format!("root/proc/{pid}/cmdline"),
            format!("{HOSTILE}\0--pid={pid}").into_bytes(),
        ),
        (
            format!("window/10/proc/{pid}/stat"),
            stat(pid + 100).into_bytes(),
        ),
    ]
}

fn node() -> Vec<(String, Vec<u8>)> {
    let mut entries = vec![
        (
            "root/etc/os-release".to_owned(),
            format!("PRETTY_NAME=\"{HOSTILE}\"\n").into_bytes(),
        ),
        (
            "root/proc/stat".to_owned(),
            b"cpu  100 0 100 1000 0 0 0 0\ncpu0 100 0 100 1000 0 0 0 0\nprocs_running 9\n".to_vec(),
        ),
        (
            "window/5/proc/stat".to_owned(),
            b"cpu  500 0 200 1010 0 0 0 0\ncpu0 500 0 200 1010 0 0 0 0\nprocs_running 9\n".to_vec(),
        ),
        (
            "window/10/proc/stat".to_owned(),
            b"cpu  1000 0 200 1010 0 0 0 0\ncpu0 1000 0 200 1010 0 0 0 0\nprocs_running 9\n"
                .to_vec(),
        ),
        (
            "root/proc/meminfo".to_owned(),
            b"MemTotal: 1000 kB\nMemAvailable: 10 kB\n".to_vec(),
        ),
        (
            "kernel/kmsg".to_owned(),
            format!(
                "3,1,499999000000,-;INFO: task {HOSTILE}:7 blocked for more than 120 seconds.\n"
            )
            .into_bytes(),
        ),
        (
            "root/sys/fs/cgroup/a/memory.current".to_owned(),
            b"5\n".to_vec(),
        ),
        (
            format!(
                "root/sys/fs/cgroup/{}/memory.current",
                HOSTILE.replace(['/', '\u{1b}'], "")
            ),
            b"7\n".to_vec(),
        ),
        (
            "root/proc/7/fd".to_owned(),
            format!("0\t/{HOSTILE} (deleted)\n").into_bytes(),
        ),
    ];
    entries.extend(process(7, HOSTILE));
    entries.push((
        "root/proc/8/stat".to_owned(),
        b"8 (\xff\xfe</td>) S 1 1 1 0 -1 0 1 0 0 0 1 5 0 0 20 0 1 0 500 8192 200 0\n".to_vec(),
    ));
    entries
}

#[test]
fn everything_from_the_node_is_escaped() {
    let page = page(&node());
    assert!(page.contains("alert(1)"), "the hostile name is shown");
    assert!(page.contains("&lt;script&gt;alert(1)"));
    for bad in ["<script>alert", "<img", "onerror=alert(2)>", "\u{1b}"] {
        assert!(!page.contains(bad), "{bad:?}");
    }
    assert_eq!(
        page.matches("<script").count(),
        2,
        "the model and our own script"
    );
    assert!(
        page.contains("The node has no idle CPU left"),
        "a finding fired"
    );
    assert!(page.contains("The kernel reports hung tasks"));
}

#[test]
fn a_hung_read_is_shown_with_its_stack_folded() {
    let answer = serde_json::json!({
        "path": HOSTILE, "source": "mount",
        "worker": { "pid": 5, "after_us": 2_000_123, "state": "D", "wait_channel": "request_wait_answer",
            "stack": "[<0>] request_wait_answer+0x12/0x50\n[<0>] </pre><script>alert(3)</script>+0x1/0x2\n",
            "abandoned": true },
    });
    let mut entries = node();
    entries.push((
        "calls/hung/1.json".to_owned(),
        answer.to_string().into_bytes(),
    ));
    let page = page(&entries);
    assert!(page.contains("1 read of the collector never ended, 1 of them not even killable"));
    assert!(page.contains("Reads that never ended"));
    assert!(page.contains("<details><summary>request_wait_answer</summary><pre>"));
    assert!(!page.contains("<script>alert") && page.contains("&lt;script&gt;alert(3)"));
    assert!(page.contains("A read of the collector hung and could not be killed"));
}

#[test]
fn the_page_stands_alone_and_its_links_resolve() {
    let page = page(&node());
    for fetch in [
        "src=",
        "href=\"http",
        "url(",
        "@import",
        "<link",
        "<iframe",
        " onclick",
        " onload",
        "javascript:",
    ] {
        assert!(
            !page
                .replace("onerror=alert", "")
                .replace("src=x", "")
                .contains(fetch),
            "{fetch}"
        );
    }
    assert!(page.contains("default-src 'none'"));
    let mut ids = HashSet::new();
    for part in page.split(" id=\"").skip(1) {
        let id = part.split('"').next().unwrap();
        assert!(ids.insert(id), "two elements `{id}`");
    }
    for part in page.split("href=\"#").skip(1) {
        let target = part.split('"').next().unwrap();
        assert!(ids.contains(target), "nothing is called `{target}`");
    }
}

#[test]
fn same_bundle_same_bytes() {
    assert!(page(&node()) == page(&node()));
}

#[test]
fn what_is_missing_is_said() {
    let page = page(&[]);
    assert!(page.contains("not assessed"));
    assert!(page.contains("No finding fired. That says nothing about what was not assessed"));
    assert!(page.contains("nothing like"), "the reason");
}

#[test]
fn a_large_node_stays_a_small_page() {
    let mut entries = node();
    for pid in 10..5010 {
        entries.extend(process(pid, &format!("worker-{pid}")));
    }
    let page = page(&entries);
    assert!(page.len() < 5 << 20, "{} bytes", page.len());
    assert!(page.contains(" of 5002 rows"), "the cut is stated");
}

#[test]
fn the_model_holds_all_that_the_page_shows() {
    let loaded = loaded(&node());
    let evaluated = evaluate::evaluate(&loaded, &finding::built_in());
    let model = serde_json::to_value(report::model(&loaded, &evaluated).unwrap()).unwrap();
    assert_eq!(model["schema_version"], 1);
    assert_eq!(model["header"]["node"], "node1");
    let sections = model["sections"].as_array().unwrap();
    assert_eq!(sections.len(), 14);
    let fired = model["findings"].as_array().unwrap();
    assert!(
        fired
            .iter()
            .all(|card| !card["origins"].as_array().unwrap().is_empty()),
        "evidence leads back"
    );
}
