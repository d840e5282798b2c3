//! The files of a group: what each says, in both versions.

use super::{Values, is_v1, rank};
use crate::table::{Input, Node};

/// v1 prints page counters without limit as the largest multiple of a page below this.
const NO_LIMIT_BYTES: u64 = 1 << 62;

/// Fields of memory.stat, v2 and v1 (`total_` ones include children, as v2 always does).
const STAT: [(&str, &str); 11] = [
    ("anon", "anon"),
    ("file", "file"),
    ("kernel", "kernel"),
    ("slab", "slab"),
    ("shmem", "shmem"),
    ("inactive_file", "inactive_file"),
    ("total_rss", "anon"),
    ("total_cache", "file"),
    ("total_shmem", "shmem"),
    ("total_inactive_file", "inactive_file"),
    ("total_swap", "swap"),
];

impl Values {
    /// Takes one file; none if it is not what it should be.
    pub(super) fn read(
        &mut self,
        file: &str,
        input: &Input<'_>,
        node: &Node,
        mount: &str,
    ) -> Option<()> {
        let text = input.text();
        let number = || text.trim().parse::<u64>().ok();
        let key = |name: &str| {
            let line = text
                .lines()
                .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
            line.and_then(|value| value.trim().parse::<u64>().ok())
        };
        match file {
            "cpu.stat" if is_v1(mount) => {
                self.periods = Some(key("nr_periods")?);
                self.throttled_periods = key("nr_throttled");
                self.throttled = key("throttled_time").map(|ns| ns / 1000);
            }
            "cpu.stat" => {
                self.usage = Some(key("usage_usec")?);
                self.user = key("user_usec");
                self.system = key("system_usec");
                // A hybrid tree has them in the hierarchy of v1 alone.
                self.periods = key("nr_periods").or(self.periods);
                self.throttled_periods = key("nr_throttled").or(self.throttled_periods);
                self.throttled = key("throttled_usec").or(self.throttled);
            }
            "cpu.max" => {
                let mut words = text.split_ascii_whitespace();
                self.quota = Some(limit(words.next()?)?);
                self.period = Some(words.next()?.parse().ok()?);
            }
            "cpu.cfs_quota_us" => {
                self.quota = Some(u64::try_from(text.trim().parse::<i64>().ok()?).ok());
            }
            "cpu.cfs_period_us" => self.period = Some(number()?),
            "cpu.weight" | "cpu.shares" => self.weight = Some(number()?),
            "cpuacct.usage" => self.usage = Some(number()? / 1000),
            "cpuacct.stat" => {
                self.user = key("user").map(|ticks| node.ticks_to_us(ticks));
                self.system = key("system").map(|ticks| node.ticks_to_us(ticks));
            }
            "memory.current" | "memory.usage_in_bytes" => self.memory = Some(number()?),
            "memory.max" => self.memory_limit = limit(&text)?,
            "memory.limit_in_bytes" => {
                self.memory_limit = Some(number()?).filter(|bytes| *bytes < NO_LIMIT_BYTES);
            }
            "memory.peak" | "memory.max_usage_in_bytes" => self.peak = Some(number()?),
            "memory.swap.current" => self.swap = Some(number()?),
            "memory.stat" => return self.memory_stat(&text),
            "memory.kmem.usage_in_bytes" => {
                self.stat.insert("kernel", number()?);
            }
            "memory.events" => {
                self.high = key("high");
                self.max = Some(key("max")?);
                self.oom = key("oom");
                self.oom_kill = key("oom_kill");
            }
            "memory.failcnt" => self.max = Some(number()?),
            "memory.oom_control" => self.oom_kill = key("oom_kill"),
            "pids.current" => self.pids = Some(number()?),
            "pids.max" => self.pids_limit = limit(&text)?,
            "pids.events" => self.pids_refused = Some(key("max")?),
            "cgroup.procs" => {
                let count = text.lines().filter(|line| !line.is_empty()).count() as u64;
                let rank = rank(mount);
                if self.processes.is_none_or(|(known, _)| known <= rank) {
                    self.processes = Some((rank, count));
                }
            }
            "cgroup.stat" => {
                self.descendants = key("nr_descendants");
                self.dying = key("nr_dying_descendants");
            }
            "cgroup.events" => {
                self.populated = key("populated").map(|value| value == 1);
                self.frozen = key("frozen").map(|value| value == 1);
            }
            "freezer.state" => self.frozen = Some(text.trim() != "THAWED"),
            "io.stat" => return self.io_stat(&text),
            "blkio.throttle.io_service_bytes" => [self.io[0], self.io[1]] = throttle(&text)?,
            "blkio.throttle.io_serviced" => [self.io[2], self.io[3]] = throttle(&text)?,
            "blkio.throttle.io_service_bytes_recursive" => {
                [self.io_recursive[0], self.io_recursive[1]] = throttle(&text)?;
            }
            "blkio.throttle.io_serviced_recursive" => {
                [self.io_recursive[2], self.io_recursive[3]] = throttle(&text)?;
            }
            _ => {}
        }
        Some(())
    }

    /// None if no line of it is known, or a value is no number.
    fn memory_stat(&mut self, text: &str) -> Option<()> {
        let mut outcome = None;
        for line in text.lines() {
            let Some((name, value)) = line.split_once(' ') else {
                continue;
            };
            if let Some((_, column)) = STAT.iter().find(|(field, _)| *field == name) {
                self.stat.insert(column, value.trim().parse().ok()?);
                outcome = Some(());
            }
        }
        outcome
    }

    /// `8:0 rbytes=1 wbytes=2 rios=3 wios=4 ...`; some kernels leave devices without values. None
    /// if a value is no number: the sums would be too small.
    fn io_stat(&mut self, text: &str) -> Option<()> {
        let mut sums = [0_u64; 4];
        for word in text.split_ascii_whitespace() {
            let Some((name, value)) = word.split_once('=') else {
                continue;
            };
            let place = ["rbytes", "wbytes", "rios", "wios"]
                .iter()
                .position(|field| *field == name);
            if let Some(sum) = place.and_then(|place| sums.get_mut(place)) {
                *sum = sum.saturating_add(value.parse().ok()?);
            }
        }
        self.io = sums.map(Some);
        Some(())
    }

    /// With children where that is known, as v2 counts.
    pub(super) fn io(&self, place: usize) -> Option<u64> {
        let with_children = self.io_recursive.get(place).copied().flatten();
        with_children.or(self.io.get(place).copied().flatten())
    }
}

/// `8:0 Read 1\n8:0 Write 2\n...\nTotal 3`: sums over devices; none if a value is no number.
fn throttle(text: &str) -> Option<[Option<u64>; 2]> {
    let mut sums = [0_u64; 2];
    for line in text.lines() {
        let mut words = line.split_ascii_whitespace().skip(1);
        let place = match words.next() {
            Some("Read") => 0,
            Some("Write") => 1,
            _ => continue,
        };
        if let Some(sum) = sums.get_mut(place) {
            *sum = sum.saturating_add(words.next()?.parse().ok()?);
        }
    }
    Some(sums.map(Some))
}

/// A limit of v2: a number or `max`; none if it is neither.
fn limit(text: &str) -> Option<Option<u64>> {
    match text.trim() {
        "max" => Some(None),
        number => Some(Some(number.parse().ok()?)),
    }
}
