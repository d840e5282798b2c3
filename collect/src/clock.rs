//! The node's clocks.

use freezeframe_bundle::Clocks;
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
    let seconds = realtime_us.div_euclid(1_000_000);
    let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let (year, month, day) = civil(days);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}{month:02}{day:02}T{hour:02}{minute:02}{second:02}Z")
}

/// Days since 1970-01-01 as year, month and day of the Gregorian calendar, counted in eras of 400
/// years that begin on 1 March.
fn civil(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 {
        shifted_month + 3
    } else {
        shifted_month - 9
    };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
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
