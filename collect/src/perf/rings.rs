//! How large ring buffers are, and how often they have to be emptied.

use std::time::Duration;

/// Between two drains, where samples are small.
const DRAIN: Duration = Duration::from_millis(250);
/// Between two drains at least.
const DRAIN_LEAST: Duration = Duration::from_millis(15);
/// What a sample takes besides its stack.
const SAMPLE_BYTES: u64 = 1100;

/// What the kernel allows for a CPU without `CAP_IPC_LOCK`: `kernel.perf_event_mlock_kb` is 516, and
/// there is a page besides.
pub(crate) const MODEST_BYTES: usize = 512 << 10;
/// Rings with stacks, of all CPUs and of one: on a starved node a second goes by between two drains.
const STACK_RINGS_BYTES: usize = 64 << 20;
const STACK_RING_BYTES: usize = 4 << 20;

/// Bytes of the ring of one CPU, a power of two. A deep chain takes 1 KiB; between two drains a ring
/// must not fill by half.
pub(crate) fn ring_bytes(frequency: u64, stack_bytes: u32, cpus: usize) -> usize {
    if stack_bytes > 0 {
        let share = STACK_RINGS_BYTES / cpus.max(1).next_power_of_two();
        share.clamp(MODEST_BYTES, STACK_RING_BYTES)
    } else if frequency <= 250 {
        128 << 10
    } else {
        MODEST_BYTES
    }
}

/// How long rings may be left alone: with stacks they are then filled by a third.
pub(crate) fn drain_interval(frequency: u64, stack_bytes: u32, ring_bytes: usize) -> Duration {
    if stack_bytes == 0 {
        return DRAIN;
    }
    let sample_bytes = SAMPLE_BYTES + u64::from(stack_bytes);
    let bytes_per_second = sample_bytes * frequency.max(1);
    let third_us = ring_bytes as u64 * 1_000_000 / bytes_per_second / 3;
    Duration::from_micros(third_us).clamp(DRAIN_LEAST, DRAIN)
}

#[cfg(test)]
mod tests {
    use super::super::stack::stack_bytes;
    use super::*;

    #[test]
    fn a_ring_holds_twice_what_comes_between_two_drains() {
        let frequencies = [1, 99, 250, 251, 999];
        for (frequency, cpus) in frequencies
            .iter()
            .flat_map(|f| [(*f, 2), (*f, 64), (*f, 128)])
        {
            for stack_bytes in [0, stack_bytes(frequency, cpus)] {
                for room in [ring_bytes(frequency, stack_bytes, cpus), MODEST_BYTES] {
                    let interval = drain_interval(frequency, stack_bytes, room);
                    let samples = frequency as f64 * interval.as_secs_f64();
                    let between = samples * (1100.0 + f64::from(stack_bytes));
                    assert!(room as f64 >= between * 1.5, "{frequency} Hz, {cpus} CPUs");
                }
            }
        }
    }

    #[test]
    fn the_rings_of_many_processors_are_bounded() {
        assert!(ring_bytes(99, 0, 128) * 128 <= 16 << 20);
        for cpus in [1, 2, 16, 63, 64, 100, 128] {
            let bytes = ring_bytes(99, stack_bytes(99, cpus), cpus);
            assert!(
                bytes.is_power_of_two() && bytes * cpus <= STACK_RINGS_BYTES,
                "{cpus}"
            );
        }
        assert_eq!(ring_bytes(99, stack_bytes(99, 2), 2), 4 << 20);
    }
}
