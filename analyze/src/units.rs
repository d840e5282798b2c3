//! Numbers for people.

use freezeframe_bundle::Civil;

/// Bytes in binary units.
pub fn bytes(value: f64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    if value.abs() < 1024.0 {
        return format!("{value:.0} B");
    }
    let mut scaled = value / 1024.0;
    let mut unit = 0;
    while scaled.abs() >= 1024.0 && unit + 1 < UNITS.len() {
        scaled /= 1024.0;
        unit += 1;
    }
    let name = UNITS.get(unit).copied().unwrap_or_default();
    if scaled.abs() >= 100.0 {
        format!("{scaled:.0} {name}")
    } else {
        format!("{scaled:.1} {name}")
    }
}

/// A ratio in percent.
pub fn percent(ratio: f64) -> String {
    let percent = ratio * 100.0;
    if percent != 0.0 && percent.abs() < 9.95 {
        format!("{percent:.1} %")
    } else {
        format!("{percent:.0} %")
    }
}

/// Microseconds as a duration.
pub fn duration_us(value: f64) -> String {
    let seconds = value / 1e6;
    match seconds.abs() {
        s if s < 0.001 => format!("{value:.0} µs"),
        s if s < 1.0 => format!("{:.0} ms", seconds * 1e3),
        s if s < 100.0 => format!("{seconds:.1} s"),
        s if s < 5_400.0 => format!("{:.0} min", seconds / 60.0),
        s if s < 172_800.0 => format!("{:.1} h", seconds / 3600.0),
        _ => format!("{:.1} days", seconds / 86_400.0),
    }
}

/// A count with thin groups of three digits, or a rounded fraction.
pub fn count(value: f64) -> String {
    if value.fract() != 0.0 && value.abs() < 1000.0 {
        return format!("{value:.2}");
    }
    let digits = format!("{:.0}", value.abs());
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    if value < 0.0 {
        format!("-{text}")
    } else {
        text
    }
}

/// Microseconds since 1970 as `2026-11-21 04:45:00 UTC`.
pub fn utc(realtime_us: i64) -> String {
    let Civil {
        year,
        month,
        day,
        hour,
        minute,
        second,
    } = Civil::from_realtime_us(realtime_us);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02} UTC")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units() {
        assert_eq!(bytes(512.0), "512 B");
        assert_eq!(bytes(1536.0), "1.5 KiB");
        assert_eq!(bytes(300.0 * 1024.0 * 1024.0), "300 MiB");
        assert_eq!(percent(0.005), "0.5 %");
        assert_eq!(percent(0.25), "25 %");
        assert_eq!(duration_us(9_064_000.0), "9.1 s");
        assert_eq!(duration_us(250.0), "250 µs");
        assert_eq!(duration_us(7_200_000_000.0), "2.0 h");
        assert_eq!(count(1_234_567.0), "1,234,567");
        assert_eq!(utc(951_782_400_000_000), "2000-02-29 00:00:00 UTC");
    }
}
