//! A point in time as people write it, in UTC: both programs name captures by it.

/// Date and time of the Gregorian calendar, in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Civil {
    /// Year.
    pub year: i64,
    /// 1 to 12.
    pub month: i64,
    /// 1 to 31.
    pub day: i64,
    /// 0 to 23.
    pub hour: i64,
    /// 0 to 59.
    pub minute: i64,
    /// 0 to 59.
    pub second: i64,
}

impl Civil {
    /// From microseconds since 1970-01-01 UTC.
    pub fn from_realtime_us(realtime_us: i64) -> Self {
        let seconds = realtime_us.div_euclid(1_000_000);
        let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
        // Days since 0000-03-01, counted in eras of 400 years that end on a last day of February.
        let shifted = days + 719_468;
        let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
        let year_of_era =
            (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted_month = (5 * day_of_year + 2) / 153;
        let month = if shifted_month < 10 {
            shifted_month + 3
        } else {
            shifted_month - 9
        };
        Self {
            year: year_of_era + era * 400 + i64::from(month <= 2),
            month,
            day: day_of_year - (153 * shifted_month + 2) / 5 + 1,
            hour: second / 3600,
            minute: second / 60 % 60,
            second: second % 60,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Civil;

    #[test]
    fn leap_days_and_the_years_before_1970() {
        let date = |us| {
            let c = Civil::from_realtime_us(us);
            (c.year, c.month, c.day, c.hour, c.minute, c.second)
        };
        assert_eq!(date(0), (1970, 1, 1, 0, 0, 0));
        assert_eq!(date(951_782_400_000_000), (2000, 2, 29, 0, 0, 0));
        assert_eq!(date(1_795_236_300_999_999), (2026, 11, 21, 4, 45, 0));
        assert_eq!(date(-1), (1969, 12, 31, 23, 59, 59));
    }
}
