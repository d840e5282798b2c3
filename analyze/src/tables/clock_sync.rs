//! Whether the node's clock is kept in time, from `calls/adjtimex.json` (`adjtimex(2)`).
//!
//! ```text
//! {"state":5,"status":64,"offset":0,"frequency":0,"maximum_error_us":16000000,"estimated_error_us":16000000,"tick_us":10000,"tai_offset_seconds":0}
//! ```

use serde::Deserialize;

use crate::table::answer;
use crate::table::{Damages, Decode, Input, Node, Rows, Table, bool, float, int, text};

/// The table.
pub static TABLE: Table = Table {
    name: "clock_sync",
    about: "how the node's clock is kept in time: one row",
    columns: &[
        bool(
            "is_synchronized",
            "somebody keeps it: neither TIME_ERROR nor STA_UNSYNC",
        ),
        text(
            "state",
            "`ok`, `error`, or what a leap second does: `insert`, `delete`, `in_progress`, `wait`",
        ),
        text("status", "bits that are set: `unsync`, `pll`, `nano` ..."),
        float("offset_us", "what is left to correct"),
        int(
            "maximum_error_us",
            "grows by 500 us a second while nobody corrects; unsynchronised at 16 s",
        ),
        int("estimated_error_us", ""),
        float("frequency_ppm", "correction of the clock's rate"),
        int("tai_offset_seconds", "null where nobody set it"),
    ],
    reads: &["calls/adjtimex.json"],
    decoder: || Box::new(ClockSync::default()),
};

/// What `adjtimex` returns, from 0: `TIME_OK` to `TIME_ERROR`.
const STATES: [&str; 6] = ["ok", "insert", "delete", "in_progress", "wait", "error"];
/// `TIME_ERROR`.
const ERROR: i64 = 5;
/// Bits `STA_*` of `linux/timex.h`, from bit 0.
const STATUS: [&str; 16] = [
    "pll",
    "pps_frequency",
    "pps_time",
    "fll",
    "insert",
    "delete",
    "unsync",
    "frequency_hold",
    "pps_signal",
    "pps_jitter",
    "pps_wander",
    "pps_error",
    "clock_error",
    "nano",
    "mode",
    "clock_b",
];
/// `STA_UNSYNC`, `STA_NANO`.
const UNSYNC: i64 = 1 << 6;
const NANO: i64 = 1 << 13;

#[derive(Deserialize)]
struct Answer {
    state: i64,
    status: i64,
    offset: i64,
    frequency: i64,
    maximum_error_us: i64,
    estimated_error_us: i64,
    tai_offset_seconds: i64,
}

#[derive(Default)]
struct ClockSync {
    answer: Option<(String, Answer)>,
}

impl Decode for ClockSync {
    fn entry(&mut self, input: &Input<'_>, _: &Node, damages: &mut Damages) {
        if let Some(answer) = answer::parse(input, damages) {
            self.answer = Some((input.entry.to_owned(), answer));
        }
    }

    fn finish(self: Box<Self>, _: &Node, rows: &mut Rows) {
        let Some((entry, clock)) = self.answer else {
            return;
        };
        let has = |bit: i64| clock.status & bit != 0;
        let bits: Vec<&str> = (0..)
            .zip(STATUS)
            .filter(|(bit, _)| has(1 << *bit))
            .map(|(_, name)| name)
            .collect();
        let state = usize::try_from(clock.state).ok();
        let state = state.and_then(|state| STATES.get(state)).copied();
        let unit_us = if has(NANO) { 1e-3 } else { 1.0 };
        rows.add(&entry, None)
            .set("is_synchronized", clock.state != ERROR && !has(UNSYNC))
            .set("state", state)
            .set("status", bits.join(" "))
            .set("offset_us", clock.offset as f64 * unit_us)
            .set("maximum_error_us", clock.maximum_error_us)
            .set("estimated_error_us", clock.estimated_error_us)
            .set("frequency_ppm", clock.frequency as f64 / 65536.0)
            .set(
                "tai_offset_seconds",
                Some(clock.tai_offset_seconds).filter(|offset| *offset != 0),
            );
    }
}

#[cfg(test)]
mod tests {
    use crate::table::testing::{csv, run};

    const COLUMNS: [&str; 7] = [
        "is_synchronized",
        "state",
        "status",
        "offset_us",
        "maximum_error_us",
        "frequency_ppm",
        "tai_offset_seconds",
    ];

    #[test]
    fn nobody_keeps_it() {
        let (rows, damages) = run(
            "clock_sync",
            &[("calls/adjtimex.json", br#"{"state":5,"status":64,"offset":0,"frequency":0,"maximum_error_us":16000000,"estimated_error_us":16000000,"tick_us":10000,"tai_offset_seconds":0}"#)],
        );
        let expected = "false,error,unsync,0.0000,16000000,0.0000,\n";
        assert_eq!(csv(&rows, &COLUMNS), expected);
        assert!(damages.list.is_empty());
    }

    #[test]
    fn kept_and_nonsense() {
        let (rows, damages) = run(
            "clock_sync",
            &[
                ("calls/adjtimex.json", br#"{"state":0,"status":8193,"offset":-2500,"frequency":-655360,"maximum_error_us":1500,"estimated_error_us":12,"tick_us":10000,"tai_offset_seconds":37}"#),
                ("calls/adjtimex.json", b"{\"state\":"),
            ],
        );
        let expected = "true,ok,pll nano,-2.5000,1500,-10.0000,37\n";
        assert_eq!(csv(&rows, &COLUMNS), expected);
        assert_eq!(damages.list.len(), 1);
    }
}
