//! Settings of the kernel that decide what can be sampled.

use std::os::fd::OwnedFd;

use rustix::fs::{Mode, openat};
use serde::{Deserialize, Serialize};

use super::assistant::READ;

/// Settings below `/proc/sys/kernel`; nothing where one cannot be read.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Settings {
    pub(crate) perf_event_paranoid: Option<i64>,
    pub(crate) perf_event_max_sample_rate: Option<u64>,
    pub(crate) perf_event_max_stack: Option<u64>,
    pub(crate) kptr_restrict: Option<i64>,
}

impl Settings {
    pub(crate) fn read(proc: &OwnedFd) -> Self {
        let number = |name: &str| {
            let file = openat(proc, format!("sys/kernel/{name}"), READ, Mode::empty()).ok()?;
            let mut text = [0; 32];
            let count = rustix::io::read(&file, &mut text).ok()?;
            let text = std::str::from_utf8(text.get(..count)?).ok()?;
            text.trim().parse::<i64>().ok()
        };
        let unsigned = |name: &str| number(name).and_then(|number| u64::try_from(number).ok());
        Self {
            perf_event_paranoid: number("perf_event_paranoid"),
            perf_event_max_sample_rate: unsigned("perf_event_max_sample_rate"),
            perf_event_max_stack: unsigned("perf_event_max_stack"),
            kptr_restrict: number("kptr_restrict"),
        }
    }

    /// The kernel lowers its limit where interrupts take long, and refuses to sample faster.
    pub(crate) fn allowed(&self, frequency: u64) -> u64 {
        let limit = self.perf_event_max_sample_rate.unwrap_or(u64::MAX);
        frequency.min(limit.max(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_throttled_kernel_is_sampled_slower() {
        let rate = |perf_event_max_sample_rate| Settings {
            perf_event_max_sample_rate,
            ..Settings::default()
        };
        assert_eq!(rate(Some(50)).allowed(99), 50);
        assert_eq!(rate(Some(100_000)).allowed(99), 99);
        assert_eq!(rate(None).allowed(99), 99);
    }
}
