//! What the capture costs the node, read from the collector's own `/proc/self`.

use std::time::Duration;

use freezeframe_bundle::Cost;

/// Counted while capturing.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tally {
    /// Reads tried.
    pub(crate) reads: u64,
    /// Bytes read.
    pub(crate) read_bytes: u64,
}

/// The cost so far. What cannot be read of oneself stays 0: the capture matters more.
pub(crate) fn measure(wall: Duration, tally: Tally, phases: Vec<(String, u64)>) -> Cost {
    let ticks = rustix::param::clock_ticks_per_second().max(1);
    let [user, system] = cpu_ticks().unwrap_or_default();
    Cost {
        wall_us: wall.as_micros() as u64,
        user_us: user * 1_000_000 / ticks,
        system_us: system * 1_000_000 / ticks,
        peak_rss_bytes: peak_rss_bytes().unwrap_or_default(),
        reads: tally.reads,
        read_bytes: tally.read_bytes,
        bundle_bytes: 0,
        phases,
    }
}

/// utime and stime, fields 14 and 15 of `/proc/self/stat` (proc(5)).
fn cpu_ticks() -> Option<[u64; 2]> {
    let stat = own_file("stat")?;
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace().skip(11);
    Some([fields.next()?.parse().ok()?, fields.next()?.parse().ok()?])
}

/// `VmHWM` of `/proc/self/status`, in kB.
fn peak_rss_bytes() -> Option<u64> {
    let status = own_file("status")?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kilobytes: u64 = line.split_ascii_whitespace().next()?.parse().ok()?;
    Some(kilobytes * 1024)
}

/// The collector's effective capabilities as the kernel prints them.
pub(crate) fn capabilities() -> String {
    own_file("status")
        .and_then(|s| {
            s.lines()
                .find_map(|l| l.strip_prefix("CapEff:").map(|c| c.trim().to_owned()))
        })
        .unwrap_or_default()
}

/// A file of the collector itself, which is on the live `/proc` also when the node is a folder.
#[expect(
    clippy::disallowed_methods,
    reason = "a file of the collector, not of the node"
)]
fn own_file(name: &str) -> Option<String> {
    std::fs::read_to_string(format!("/proc/self/{name}")).ok()
}
