//! CPU time of the whole node second by second, from the readings of `/proc/stat` at 1 Hz.

use crate::table::counter::{Series, ratio, sum};
use crate::table::{Damages, Decode, Input, Node, Rows, Table, float, int};
use crate::tables::cpu::parse;

/// The table.
pub static TABLE: Table = Table {
    name: "window_cpu",
    about: "CPU time of the node in each interval of the window",
    columns: &[
        int("reading", "the reading at the end of the interval"),
        int("ts_us", "end of the interval, since boot"),
        int("interval_us", "its length"),
        float("busy_ratio", "everything but idle and iowait"),
        float("user_ratio", "programs, nice ones included"),
        float("system_ratio", "kernel, interrupts included"),
        float("iowait_ratio", "idle while a task waits for I/O"),
        float("steal_ratio", "withheld by the hypervisor"),
        int("procs_running_count", "runnable threads at the end"),
        int("procs_blocked_count", "threads waiting for I/O at the end"),
    ],
    reads: &["/proc/stat"],
    decoder: || Box::new(WindowCpu::default()),
};

#[derive(Default)]
struct WindowCpu {
    series: Series,
    intervals: Vec<Interval>,
}

struct Interval {
    entry: String,
    reading: u32,
    times: crate::table::counter::Interval,
    running: Option<u64>,
    blocked: Option<u64>,
}

impl Decode for WindowCpu {
    fn entry(&mut self, input: &Input<'_>, _: &Node, _: &mut Damages) {
        let mut interval = None;
        let (mut running, mut blocked) = (None, None);
        for (_, line) in input.lines() {
            if line.starts_with("cpu ") {
                interval = parse(&line).and_then(|(_, times)| self.series.push(input, times));
            } else if let Some(count) = line.strip_prefix("procs_running ") {
                running = count.trim().parse().ok();
            } else if let Some(count) = line.strip_prefix("procs_blocked ") {
                blocked = count.trim().parse().ok();
            }
        }
        if let Some(times) = interval {
            let (entry, reading) = (input.entry.to_owned(), input.reading);
            self.intervals.push(Interval {
                entry,
                reading,
                times,
                running,
                blocked,
            });
        }
    }

    fn finish(self: Box<Self>, _: &Node, rows: &mut Rows) {
        for interval in self.intervals {
            let times = &interval.times;
            let whole = sum((0..8).map(|n| times.delta(n).or((n >= 7).then_some(0))));
            let share =
                |places: &[usize]| ratio(sum(places.iter().map(|n| times.delta(*n))), whole);
            rows.add(&interval.entry, Some(1))
                .set("reading", interval.reading)
                .set("ts_us", times.end_us)
                .set("interval_us", times.interval_us)
                .set("busy_ratio", share(&[3, 4]).map(|idle| 1.0 - idle))
                .set("user_ratio", share(&[0, 1]))
                .set("system_ratio", share(&[2, 5, 6]))
                .set("iowait_ratio", share(&[4]))
                .set("steal_ratio", share(&[7]))
                .set("procs_running_count", interval.running)
                .set("procs_blocked_count", interval.blocked);
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::table::testing::{csv, run};

    #[test]
    fn one_row_per_interval() {
        let (rows, _) = run(
            "window_cpu",
            &[
                (
                    "root/proc/stat",
                    b"cpu  0 0 0 0 0 0 0 0\nprocs_running 1\nprocs_blocked 0\n",
                ),
                (
                    "window/1/proc/stat",
                    b"cpu  50 0 25 25 0 0 0 0\nprocs_running 9\nprocs_blocked 2\n",
                ),
                (
                    "window/2/proc/stat",
                    b"cpu  50 0 25 125 0 0 0 0\nprocs_running 1\nprocs_blocked 0\n",
                ),
            ],
        );
        let columns = [
            "reading",
            "busy_ratio",
            "system_ratio",
            "procs_running_count",
        ];
        assert_eq!(
            csv(&rows, &columns),
            "1,0.7500,0.2500,9\n2,0.0000,0.0000,1\n"
        );
    }
}
