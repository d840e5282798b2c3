//! What watching switches may cost the node, and how it is kept within that.
//!
//! Pure. Each switch costs the thread that makes it, so that the price follows the node's rate, which
//! may be anything between hundreds and millions a second. What has been spent is earned back as
//! time passes: on a quiet node that is at once and switches are watched throughout; on a busy one
//! they are watched in slices.

use std::time::Duration;

/// Of one core: 0.6 %, and a quarter of what the window earns may be spent ahead. Both together stay
/// below 1 %.
const SHARE_PER_MILLE: u32 = 6;
const AHEAD: u32 = 4;
/// What the records of one switch (a thread leaves, the next one comes) cost the CPU that makes it;
/// measured on a slow machine, as the next.
const SWITCH: Duration = Duration::from_nanos(1100);
/// What a sample with its call chains costs on top.
const SAMPLE: Duration = Duration::from_nanos(3700);
/// Switches per sample where taking all would cost too much. It has no factor in common with the
/// short rounds that threads make (a thread and the idle task by turns), so that all are met.
const PERIOD: u64 = 7;
/// Two records of 40 bytes.
const SWITCH_BYTES: u64 = 80;
/// A sample with a usual chain.
const SAMPLE_BYTES: u64 = 320;
/// Between two drains at most, so that a rate that rises is seen, and at least.
const SLOWEST: Duration = Duration::from_millis(50);
const FASTEST: Duration = Duration::from_millis(1);
/// Memory of all rings together: the kernel clears it at the beginning of every slice.
const RINGS_BYTES: usize = 16 << 20;
/// Of one ring with that of the CPU profile: what everybody may lock (`kernel.perf_event_mlock_kb`).
pub(crate) const MODEST_RING_BYTES: usize = 256 << 10;

/// Switches per sample at a rate of the whole node; nothing is known of the rate: the rarer.
pub(crate) fn period(switches_per_second: Option<u64>) -> u64 {
    let all = switches_per_second.map(|rate| cost(rate, rate));
    let is_affordable = all.is_some_and(|cost| cost <= earned(Duration::from_secs(1)));
    if is_affordable { 1 } else { PERIOD }
}

/// What so many switches and samples have cost those that made them.
pub(crate) fn cost(switches: u64, samples: u64) -> Duration {
    let nanoseconds = |count: u64, each: Duration| count.saturating_mul(each.as_nanos() as u64);
    let all = nanoseconds(switches, SWITCH).saturating_add(nanoseconds(samples, SAMPLE));
    Duration::from_nanos(all)
}

fn earned(elapsed: Duration) -> Duration {
    elapsed * SHARE_PER_MILLE / 1000
}

/// Bytes of each CPU's ring. One who watches a starved node has to wait for a CPU himself.
pub(crate) fn ring_bytes(cpus: usize) -> usize {
    let each = RINGS_BYTES / cpus.max(1);
    (1 << each.max(1).ilog2()).clamp(64 << 10, 1 << 20)
}

/// The account of one window.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Budget {
    ahead: Duration,
    pub(crate) spent: Duration,
}

impl Budget {
    pub(crate) fn of(window: Duration) -> Self {
        Self {
            ahead: earned(window) / AHEAD,
            spent: Duration::ZERO,
        }
    }

    /// Whether watching has to pause.
    pub(crate) fn is_spent(&self, elapsed: Duration) -> bool {
        self.spent >= earned(elapsed) + self.ahead
    }

    /// When everything will have been earned back, since the beginning.
    pub(crate) fn is_back_at(&self) -> Duration {
        self.spent * 1000 / SHARE_PER_MILLE
    }

    /// Time until the next drain: before a ring is half full, all switches being made on one CPU,
    /// and before a quarter of what may be spent ahead is gone.
    pub(crate) fn interval(&self, switches_per_second: u64, period: u64, ring: usize) -> Duration {
        let rate = switches_per_second.max(1);
        let sampled = rate / period.max(1);
        let bytes = rate
            .saturating_mul(SWITCH_BYTES)
            .saturating_add(sampled.saturating_mul(SAMPLE_BYTES));
        let fills = Duration::from_secs(1).mul_f64(ring as f64 / 2.0 / bytes.max(1) as f64);
        let share = (self.ahead / 4).as_secs_f64() / cost(rate, sampled).as_secs_f64();
        let costs = Duration::from_secs_f64(share.min(1.0));
        fills.min(costs).clamp(FASTEST, SLOWEST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: Duration = Duration::from_secs(10);

    /// Watches a node of this rate through the window: what it costs, and the slices.
    fn watch(rate: u64) -> (Duration, Vec<Duration>) {
        let (mut budget, period, ring) = (Budget::of(WINDOW), period(Some(rate)), ring_bytes(64));
        let (mut now, mut slices, mut is_on) = (Duration::ZERO, Vec::new(), false);
        while now < WINDOW {
            if !is_on {
                now = now.max(budget.is_back_at());
                slices.push(Duration::ZERO);
                is_on = true;
                continue;
            }
            let step = budget.interval(rate, period, ring);
            now += step;
            let switches = (rate as f64 * step.as_secs_f64()) as u64;
            budget.spent += cost(switches, switches / period);
            *slices.last_mut().unwrap() += step;
            is_on = !budget.is_spent(now);
        }
        (budget.spent, slices)
    }

    #[test]
    fn a_quiet_node_is_watched_throughout_with_every_switch() {
        for rate in [0, 100, 1000] {
            assert_eq!(period(Some(rate)), 1);
            let (spent, slices) = watch(rate);
            assert_eq!(slices.len(), 1, "{rate}");
            assert!(spent < WINDOW / 100);
        }
    }

    #[test]
    fn a_busy_node_pays_no_more_than_a_quiet_one() {
        for rate in [3_000, 10_000, 100_000, 1_000_000] {
            assert_eq!(period(Some(rate)), 7);
            let (spent, slices) = watch(rate);
            assert!(spent < WINDOW / 100, "{rate}: {spent:?}");
            let watched: Duration = slices.iter().sum();
            println!("{rate}: {spent:?}, {watched:?} in {} slices", slices.len());
            assert!(watched > Duration::from_millis(20), "{rate}: {watched:?}");
        }
        // Slices are as long as may be: three of a quarter of the window each would not be afforded.
        let (_, slices) = watch(100_000);
        assert!((2..=6).contains(&slices.len()), "{slices:?}");
    }

    #[test]
    fn a_ring_is_drained_before_it_is_full() {
        let budget = Budget::of(WINDOW);
        for rate in [1_000, 50_000, 800_000] {
            let time = budget.interval(rate, PERIOD, 256 << 10).as_secs_f64();
            assert!(rate as f64 * time * 130.0 < 256.0 * 1024.0, "{rate}");
        }
        assert_eq!(budget.interval(0, 1, 64 << 10), SLOWEST);
        assert_eq!(budget.interval(u64::MAX, 1, 64 << 10), FASTEST);
    }

    #[test]
    fn rings_of_all_processors_fit_into_memory() {
        assert_eq!(ring_bytes(2), 1 << 20);
        assert_eq!(ring_bytes(100), 128 << 10);
        assert_eq!(ring_bytes(128), 128 << 10);
        assert_eq!(ring_bytes(4096), 64 << 10);
    }
}
