//! What the drivers of network devices count, under names of their own, from
//! `calls/ethtool/<device>.json` (as `ethtool -S` prints it).
//!
//! ```text
//! {"device":"eth0","statistics":[["bw_in_allowance_exceeded",12],["rx_no_buffer_count",0]]}
//! ```

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::table::answer;
use crate::table::counter::Counters;
use crate::table::{Damages, Decode, Input, Node, Rows, Table, int, text};

/// The table.
pub static TABLE: Table = Table {
    name: "device_statistic",
    about: "statistics that drivers of network devices keep, as ethtool -S",
    columns: &[
        text("device", ""),
        text("name", "as the driver calls it"),
        int("value", "since the driver was loaded, first reading"),
        int(
            "delta",
            "in the window; null where the number fell: it is no counter, or was reset",
        ),
        int("window_us", "time between the readings"),
    ],
    reads: &["calls/ethtool*/*.json"],
    decoder: || Box::new(Statistics::default()),
};

#[derive(Deserialize)]
struct Answer {
    device: String,
    statistics: Vec<(String, u64)>,
}

#[derive(Default)]
struct Statistics {
    /// By device and name.
    statistics: BTreeMap<(String, String), Counters>,
}

impl Decode for Statistics {
    fn entry(&mut self, input: &Input<'_>, _: &Node, damages: &mut Damages) {
        let Some(answer) = answer::parse::<Answer>(input, damages) else {
            return;
        };
        for (name, value) in answer.statistics {
            self.statistics
                .entry((answer.device.clone(), name))
                .and_modify(|counters| {
                    // Some drivers give two statistics one name: the first counts.
                    if counters.entry != input.entry {
                        counters.update(input, vec![value]);
                    }
                })
                .or_insert_with(|| Counters::new(input, None, vec![value]));
        }
    }

    fn finish(self: Box<Self>, _: &Node, rows: &mut Rows) {
        for ((device, name), counters) in self.statistics {
            rows.add(&counters.entry, None)
                .set("device", device)
                .set("name", name)
                .set("value", counters.first(0))
                .set("delta", counters.delta(0))
                .set("window_us", counters.window_us());
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::table::testing::{csv, run};

    #[test]
    fn two_readings_and_nonsense() {
        let (rows, damages) = run(
            "device_statistic",
            &[
                (
                    "calls/ethtool/eth0.json",
                    br#"{"device":"eth0","statistics":[["rx_drops",5],["level",9],["level",1]]}"#,
                ),
                (
                    "calls/ethtool/eth1.json",
                    br#"{"device":"eth1","statistics":[["rx_drops",7]]}"#,
                ),
                (
                    "calls/ethtool.10/eth0.json",
                    br#"{"device":"eth0","statistics":[["rx_drops",8],["level",2]]}"#,
                ),
                (
                    "calls/ethtool.10/eth1.json",
                    br#"{"device":"eth1","statistics":[["rx_drops",-1]]}"#,
                ),
            ],
        );
        let columns = ["device", "name", "value", "delta"];
        let expected = "eth0,level,9,\neth0,rx_drops,5,3\neth1,rx_drops,7,\n";
        assert_eq!(csv(&rows, &columns), expected);
        assert_eq!(damages.list.len(), 1);
    }
}
