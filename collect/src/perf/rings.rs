//! How large ring buffers are, and how often they have to be emptied.

use std::time::Duration;

/// Between two drains, where samples are small.
const DRAIN: Duration = Duration::from_millis(250);
/// Between two drains at least.
const DRAIN_LEAST: Duration = Duration::from_millis(15);
/// What a sample takes besides its stack.
const SAMPLE_BYTES: u64 = 1100;

/// Bytes of the ring of one CPU. A deep chain takes 1 KiB; between two drains a ring must not fill by
/// half. With stacks it is what the kernel allows for a CPU without `CAP_IPC_LOCK`
/// (`kernel.perf_event_mlock_kb`).
pub(crate) fn ring_bytes(frequency: u64, stack_bytes: u32) -> usize {
    if stack_bytes == 0 && frequency <= 250 {
        128 << 10
    } else {
        512 << 10
    }
}

/// How long a ring may be left alone: with stacks it is then filled by a third.
pub(crate) fn drain_interval(frequency: u64, stack_bytes: u32) -> Duration {
    if stack_bytes == 0 {
        return DRAIN;
    }
    let sample_bytes = SAMPLE_BYTES + u64::from(stack_bytes);
    let bytes_per_second = sample_bytes * frequency.max(1);
    let ring_bytes = ring_bytes(frequency, stack_bytes) as u64;
    Duration::from_micros(ring_bytes * 1_000_000 / bytes_per_second / 3).clamp(DRAIN_LEAST, DRAIN)
}

#[cfg(test)]
mod tests {
    use super::super::stack::stack_bytes;
    use super::*;

    #[test]
    fn a_ring_holds_twice_what_comes_between_two_drains() {
        for frequency in [1, 99, 250, 251, 999] {
            for stack_bytes in [0, stack_bytes(frequency, 2), stack_bytes(frequency, 128)] {
                let interval = drain_interval(frequency, stack_bytes);
                let samples = frequency as f64 * interval.as_secs_f64();
                let between = samples * (1100.0 + f64::from(stack_bytes));
                let room = ring_bytes(frequency, stack_bytes) as f64;
                assert!(room >= between * 1.5, "{frequency} Hz, {stack_bytes}");
            }
        }
    }

    #[test]
    fn the_rings_of_many_processors_are_bounded() {
        assert!(ring_bytes(99, 0) * 128 <= 16 << 20);
        assert!(ring_bytes(999, stack_bytes(999, 128)) * 128 <= 64 << 20);
    }
}
