//! Kernel settings: the folders of `/proc/sys` that hold settings, with what is secret left out.

use std::time::Duration;

use freezeframe_bundle::Outcome;

use crate::source::{Ask, Cx, Estimate, Hazard, Privacy, Source};

const FOLDERS: [&str; 10] = [
    "kernel",
    "vm",
    "fs",
    "user",
    "net/core",
    "net/unix",
    "net/netfilter",
    "net/bridge",
    "net/ipv4",
    "net/ipv6",
];
/// Keys of the kernel (`stable_secret`, `tcp_fastopen_key`), files that act when touched, and
/// random numbers.
const NEVER: [&str; 9] = [
    "stable_secret",
    "tcp_fastopen_key",
    "flush",
    "compact_memory",
    "drop_caches",
    "stat_refresh",
    "uuid",
    "boot_id",
    "poweroff_cmd",
];

/// The longest, `cpu.max` of some hundred CPUs and the like, are far below it.
const SETTING_BYTES: usize = 64 << 10;

/// Gauges that other sources read earlier.
const ELSEWHERE: [&str; 4] = [
    "file-nr",
    "nf_conntrack_count",
    "nf_conntrack_max",
    "nf_conntrack_buckets",
];

/// The source.
pub(crate) static SOURCE: Source = Source {
    id: "sysctl",
    order: 310,
    about: "kernel settings",
    reads: &[
        "/proc/sys/{kernel,vm,fs,user}/**",
        "/proc/sys/net/{core,unix,netfilter,bridge,ipv4,ipv6}/**",
    ],
    hazard: Hazard::Safe,
    privacy: Privacy::Text,
    deadline: Duration::from_secs(10),
    max_bytes: 8 << 20,
    estimate: Estimate::Fixed(900),
    capture,
    again: None,
    each_second: &[],
    calls: &[],
};

fn capture(cx: &mut Cx<'_>) -> Result<(), Outcome> {
    let mut folders: Vec<String> = FOLDERS
        .iter()
        .rev()
        .map(|f| format!("/proc/sys/{f}"))
        .collect();
    while let Some(folder) = folders.pop() {
        let names = cx.list(&folder);
        let mut settings = Vec::new();
        for name in &names {
            let Some(text) = name.text() else { continue };
            if name.is_folder {
                if !is_one_of_thousands(&folder, text) {
                    folders.push(format!("{folder}/{text}"));
                }
            } else if !NEVER.contains(&text) && !ELSEWHERE.contains(&text) {
                settings.push((text, Ask::Setting(SETTING_BYTES)));
            }
        }
        cx.try_each(&folder, &settings, &mut |_, _| {});
    }
    Ok(())
}

/// Every pod adds an interface to these folders; the common settings tell enough.
fn is_one_of_thousands(folder: &str, name: &str) -> bool {
    (folder.ends_with("/conf") || folder.ends_with("/neigh"))
        && !matches!(name, "all" | "default" | "lo" | "eth0")
}
