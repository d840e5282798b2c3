//! What drivers of network devices count: drops in hardware, allowances of a cloud that were used
//! up, errors of a link.
//!
//! An ioctl on a device whose firmware does not answer never returns, so each device is asked in a
//! call of its own. Only devices on a bus are asked; nothing is asked that disturbs one (`-e`, `-t`).

use std::time::Duration;

use freezeframe_bundle::Outcome;
use serde::Serialize;

use crate::source::{Brief, Cx, Estimate, Hazard, Privacy, Source, Told};
use crate::{kernel_calls, live, root};

/// Where devices are; a call's argument is a folder in it.
const FOLDER: &str = "/sys/class/net/";

/// The source.
pub(crate) static SOURCE: Source = Source {
    id: "device_statistic",
    order: 245,
    about: "statistics that the drivers of the network devices keep",
    reads: &["SIOCETHTOOL: ETHTOOL_GSTATS of /sys/class/net/* with a device"],
    hazard: Hazard::Unkillable,
    privacy: Privacy::Harmless,
    deadline: Duration::from_secs(5),
    max_bytes: 16 << 20,
    estimate: Estimate::Fixed(4),
    capture,
    again: Some(capture),
    each_second: &[],
    calls: &[statistics],
};

fn capture(cx: &mut Cx<'_>) -> Result<(), Outcome> {
    let folder = match cx.reading() {
        0 => "calls/ethtool".to_owned(),
        n => format!("calls/ethtool.{n}"),
    };
    for name in cx.list(FOLDER) {
        let Some(name) = name.text() else { continue };
        let path = format!("{FOLDER}{name}");
        if cx.exists(&format!("{path}/device")) {
            cx.call(0, path.as_bytes(), &format!("{folder}/{name}.json"));
        }
    }
    Ok(())
}

/// `calls/ethtool/<device>.json`.
#[derive(Serialize)]
struct Answer<'a> {
    device: &'a str,
    /// Names and numbers in the driver's order.
    statistics: Vec<(String, u64)>,
}

fn statistics(brief: &Brief<'_>) -> Told {
    if let Err(outcome) = live::shares_network(brief.root) {
        return Told::none(outcome);
    }
    let name = brief.argument.strip_prefix(FOLDER.as_bytes());
    let device = name.and_then(|name| std::str::from_utf8(name).ok());
    let device = device.unwrap_or_default();
    match kernel_calls::device_statistics(device.as_bytes()) {
        Ok(statistics) => Told {
            bytes: serde_json::to_vec(&Answer { device, statistics }).unwrap_or_default(),
            outcome: Outcome::Complete,
            cut: None,
        },
        Err(error) => Told::none(root::outcome(&error)),
    }
}
