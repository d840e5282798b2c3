//! Points in time as Kubernetes, runtimes and their logs write them.

use freezeframe_bundle::Civil;

use crate::table::{Node, Row};

/// A point in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment {
    /// Microseconds since 1970-01-01 UTC.
    pub realtime_us: i64,
}

impl Moment {
    /// From nanoseconds since 1970; 0 and less is no time.
    pub fn from_nanoseconds(nanoseconds: i64) -> Option<Self> {
        (nanoseconds > 0).then_some(Self {
            realtime_us: nanoseconds / 1000,
        })
    }

    /// From a time as RFC 3339 has it: `2026-11-20T22:26:22.380569713Z`, also with an offset and with
    /// a blank for the `T`. The zero time of Go and years before 1970 are no time.
    pub fn parse(text: &str) -> Option<Self> {
        let number = |from: usize, to: usize| -> Option<i64> {
            let digits = text.get(from..to)?;
            digits.bytes().all(|b| b.is_ascii_digit()).then_some(())?;
            digits.parse().ok()
        };
        let mark = |at: usize, marks: &[u8]| marks.contains(text.as_bytes().get(at)?).then_some(());
        mark(4, b"-/")?;
        mark(7, b"-/")?;
        mark(10, b"T ")?;
        mark(13, b":")?;
        mark(16, b":")?;
        let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
        let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
        let is_date = (1970..=9999).contains(&year) && (1..=12).contains(&month);
        let is_time = (1..=31).contains(&day) && hour < 24 && minute < 60 && second <= 60;
        (is_date && is_time).then_some(())?;
        let (microseconds, zone) = fraction(text.get(19..)?);
        let seconds = days(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second;
        Some(Self {
            realtime_us: (seconds - offset(zone)?) * 1_000_000 + microseconds,
        })
    }

    /// As people write it, in UTC.
    pub fn text(self) -> String {
        let civil = Civil::from_realtime_us(self.realtime_us);
        let milliseconds = self.realtime_us.rem_euclid(1_000_000) / 1000;
        format!(
            "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{milliseconds:03}Z",
            civil.year, civil.month, civil.day, civil.hour, civil.minute, civil.second
        )
    }

    /// Microseconds before the capture began.
    pub fn age_us(self, node: &Node) -> Option<i64> {
        let now_us = node.capture.as_ref()?.started.realtime_us;
        now_us.checked_sub(self.realtime_us)
    }

    /// Days from the capture to it; less than 0 is past.
    pub fn days_left(self, node: &Node) -> Option<f64> {
        self.age_us(node).map(|age| -(age as f64) / 86_400e6)
    }

    /// Microseconds since boot, as the clocks at capture tell.
    pub fn ts_us(self, node: &Node) -> Option<i64> {
        let booted_us = i64::try_from(node.capture.as_ref()?.started.boottime_us).ok()?;
        booted_us.checked_sub(self.age_us(node)?)
    }
}

/// Sets the columns `<name>_at`, `<name>_ts_us` and `<name>_age_us` of a time.
pub fn set(row: &mut Row<'_>, name: &str, moment: Option<Moment>, node: &Node) {
    let Some(moment) = moment else { return };
    row.set(&format!("{name}_at"), moment.text())
        .set(&format!("{name}_ts_us"), moment.ts_us(node))
        .set(&format!("{name}_age_us"), moment.age_us(node));
}

/// The microseconds of `.380569713`, and what follows.
fn fraction(text: &str) -> (i64, &str) {
    let Some(rest) = text.strip_prefix(['.', ',']) else {
        return (0, text);
    };
    let end = rest.bytes().position(|b| !b.is_ascii_digit());
    let (digits, zone) = rest.split_at(end.unwrap_or(rest.len()));
    let six: String = digits.chars().chain("000000".chars()).take(6).collect();
    (six.parse().unwrap_or(0), zone)
}

/// Seconds east of UTC: `Z`, `+02:00`, `-0700`; UTC where nothing is said.
fn offset(zone: &str) -> Option<i64> {
    let sign = match zone.as_bytes().first() {
        None | Some(b'Z' | b' ') => return Some(0),
        Some(b'+') => 1,
        Some(b'-') => -1,
        Some(_) => return None,
    };
    let digits: String = zone.chars().filter(char::is_ascii_digit).take(4).collect();
    let (hours, minutes) = digits.split_at_checked(2)?;
    Some(sign * (hours.parse::<i64>().ok()? * 3600 + minutes.parse::<i64>().ok()? * 60))
}

/// Days from 1970-01-01 to a date of the Gregorian calendar.
fn days(year: i64, month: i64, day: i64) -> i64 {
    // Years begin in March: the leap day is their last.
    let year = if month <= 2 { year - 1 } else { year };
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    year * 365 + year / 4 - year / 100 + year / 400 + day_of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_kubelet_runtime_and_logs() {
        let us = |text| Moment::parse(text).map(|moment| moment.realtime_us);
        assert_eq!(us("1970-01-01T00:00:00Z"), Some(0));
        assert_eq!(
            us("2026-11-20T22:26:22.380569713Z"),
            Some(1_795_213_582_380_569)
        );
        assert_eq!(
            us("2024-01-31T16:54:41.675186+0800"),
            us("2024-01-31T08:54:41.675186Z")
        );
        assert_eq!(us("2024-02-29 12:00:00"), Some(1_709_208_000_000_000));
        assert_eq!(us("0001-01-01T00:00:00Z"), None);
        for nonsense in [
            "",
            "2024-13-01T00:00:00Z",
            "2024-01-01T0é:00:00Z",
            "2024-01-01T00:00:00x",
        ] {
            assert_eq!(us(nonsense), None, "{nonsense}");
        }
        let moment = Moment::parse("2026-11-20T22:26:22.38Z").unwrap();
        assert_eq!(moment.text(), "2026-11-20T22:26:22.380Z");
    }
}
