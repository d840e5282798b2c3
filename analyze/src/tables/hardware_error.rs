//! Errors that the hardware counted: memory errors that EDAC saw, and times that heat or power made
//! a CPU slow.
//!
//! ```text
//! /sys/devices/system/edac/mc/mc0/ce_count                                 12
//! /sys/devices/system/cpu/cpu3/thermal_throttle/package_throttle_count     4711
//! ```
//!
//! Kernel docs `ABI/testing/sysfs-devices-edac` and `sysfs-devices-system-cpu`. Machines without
//! EDAC driver, and most virtual ones, have none of these files: no row is not "no error".

use std::collections::BTreeMap;

use crate::table::attribute::{number, shown};
use crate::table::counter::Counters;
use crate::table::{Damages, Decode, Input, Node, Rows, Table, int, text};

/// The table.
pub static TABLE: Table = Table {
    name: "hardware_error",
    about: "memory errors and throttling for heat that the hardware counted; no row: not counted",
    columns: &[
        text(
            "kind",
            "memory_corrected, memory_uncorrected, core_throttle, or package_throttle (which each CPU of the package repeats)",
        ),
        text("device", "memory controller `mc0` or CPU `cpu0`"),
        text(
            "device_name",
            "as the driver of the memory controller calls it",
        ),
        text("name", "file of the counter"),
        int(
            "value",
            "first reading; since boot, or since the counter was reset",
        ),
        int("delta", "in the window"),
        int("window_us", "time between the readings"),
    ],
    reads: &[
        "/sys/devices/system/edac/mc/*/ce_count",
        "/sys/devices/system/edac/mc/*/ue_count",
        "/sys/devices/system/edac/mc/*/mc_name",
        "/sys/devices/system/cpu/*/thermal_throttle/core_throttle_count",
        "/sys/devices/system/cpu/*/thermal_throttle/package_throttle_count",
    ],
    decoder: || Box::new(HardwareErrors::default()),
};

#[derive(Default)]
struct HardwareErrors {
    counters: BTreeMap<(&'static str, String), Counters>,
    names: BTreeMap<String, String>,
}

impl Decode for HardwareErrors {
    fn entry(&mut self, input: &Input<'_>, _: &Node, damages: &mut Damages) {
        let file = input.path.rsplit('/').next().unwrap_or_default();
        let place = if file.contains("throttle") { 4 } else { 5 };
        let Some(device) = input.part(place).map(str::to_owned) else {
            return;
        };
        let kind = match file {
            "ce_count" => "memory_corrected",
            "ue_count" => "memory_uncorrected",
            "core_throttle_count" => "core_throttle",
            "package_throttle_count" => "package_throttle",
            _ => {
                let name = input.text().trim().to_owned();
                self.names.insert(device, name);
                return;
            }
        };
        let text = input.text();
        let Some(value) = number(text.trim()) else {
            if !text.trim().is_empty() {
                damages.add(input, Some(1), format!("not a number: `{}`", shown(&text)));
            }
            return;
        };
        self.counters
            .entry((kind, device))
            .and_modify(|counters| counters.update(input, vec![value]))
            .or_insert_with(|| Counters::new(input, Some(1), vec![value]));
    }

    fn finish(self: Box<Self>, _: &Node, rows: &mut Rows) {
        for ((kind, device), counters) in self.counters {
            let name = counters.entry.rsplit('/').next().map(str::to_owned);
            rows.add(&counters.entry, counters.line)
                .set("kind", kind)
                .set("device_name", self.names.get(&device).map(String::as_str))
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
    fn counters_of_memory_and_heat() {
        let (rows, damages) = run(
            "hardware_error",
            &[
                (
                    "root/sys/devices/system/cpu/cpu0/thermal_throttle/core_throttle_count",
                    b"10084\n",
                ),
                (
                    "root/sys/devices/system/cpu/cpu0/thermal_throttle/package_throttle_count",
                    b"34818\n",
                ),
                (
                    "root/sys/devices/system/edac/mc/mc0/mc_name",
                    b"Skylake Socket#0 IMC#0\n",
                ),
                ("root/sys/devices/system/edac/mc/mc0/ce_count", b"1\n"),
                ("root/sys/devices/system/edac/mc/mc0/ue_count", b"0\n"),
                ("window/10/sys/devices/system/edac/mc/mc0/ce_count", b"6\n"),
            ],
        );
        assert_eq!(
            csv(
                &rows,
                &["kind", "device", "device_name", "name", "value", "delta"]
            ),
            "core_throttle,cpu0,,core_throttle_count,10084,\n\
             memory_corrected,mc0,Skylake Socket#0 IMC#0,ce_count,1,5\n\
             memory_uncorrected,mc0,Skylake Socket#0 IMC#0,ue_count,0,\n\
             package_throttle,cpu0,,package_throttle_count,34818,\n"
        );
        assert!(damages.list.is_empty());
    }

    #[test]
    fn reset_empty_and_damaged() {
        let (rows, damages) = run(
            "hardware_error",
            &[
                ("root/sys/devices/system/edac/mc/mc0/ce_count", b"9\n"),
                ("root/sys/devices/system/edac/mc/mc1/ce_count", b""),
                ("root/sys/devices/system/edac/mc/mc2/ce_count", b"many\n"),
                ("window/10/sys/devices/system/edac/mc/mc0/ce_count", b"2\n"),
            ],
        );
        assert_eq!(csv(&rows, &["device", "value", "delta"]), "mc0,9,\n");
        assert_eq!(damages.list.len(), 1);
    }
}
