//! The node's clocks.

use freezeframe_bundle::{Civil, Clocks};
use rustix::time::{ClockId, clock_gettime};

/// All clocks at one instant.
pub(crate) fn now() -> Clocks {
    Clocks {
        realtime_us: us(ClockId::Realtime),
        boottime_us: us(ClockId::Boottime).unsigned_abs(),
        monotonic_us: us(ClockId::Monotonic).unsigned_abs(),
    }
}

/// Microseconds since boot, suspend included.
pub(crate) fn boottime_us() -> u64 {
    us(ClockId::Boottime).unsigned_abs()
}

fn us(clock: ClockId) -> i64 {
    let time = clock_gettime(clock);
    time.tv_sec * 1_000_000 + time.tv_nsec / 1_000
}

/// A point in UTC as `20261121T044500Z`: sorts by time and fits a file name.
pub(crate) fn stamp(realtime_us: i64) -> String {
    let Civil {
        year,
        month,
        day,
        hour,
        minute,
        second,
    } = Civil::from_realtime_us(realtime_us);
    format!("{year:04}{month:02}{day:02}T{hour:02}{minute:02}{second:02}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stamps_are_utc() {
        assert_eq!(stamp(0), "19700101T000000Z");
        assert_eq!(stamp(951_782_400_000_000), "20000229T000000Z");
        assert_eq!(stamp(1_795_236_300_999_999), "20261121T044500Z");
    }
}
