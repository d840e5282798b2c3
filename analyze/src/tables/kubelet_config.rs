//! Kubelet's configuration: as it runs (`/configz`), as its flags stand (`/flagz`), and as its file on
//! disk says. Where they differ, kubelet was not restarted.
//!
//! ```text
//! api/kubelet/configz                 {"kubeletconfig":{"evictionHard":{"memory.available":"100Mi"},"maxPods":110,..
//! root/var/lib/kubelet/config.yaml    evictionHard:
//!                                       memory.available: 100Mi
//! ```

use std::path::Path;

use crate::kubernetes::json::{self, Json};
use crate::kubernetes::{quantity, yaml};
use crate::table::{Damages, Decode, Input, Node, Rows, Table, float, int, text};

const COLUMNS: [crate::table::Column; 5] = [
    text("name", "`evictionHard.memory.available`, `clusterDNS.0`"),
    text("value", "as it stands there"),
    float("number", "of a number or an amount (`100Mi`, `250m`)"),
    int("duration_us", "of a time (`5m0s`)"),
    text("source", "running, flags or file"),
];

/// The table.
pub static TABLE: Table = Table {
    name: "kubelet_config",
    about: "kubelet's configuration: running, flags, file",
    columns: &COLUMNS,
    reads: &[
        "api/kubelet/configz",
        "api/kubelet/flagz",
        "/var/lib/kubelet/config.yaml",
        "/etc/kubernetes/kubelet.yaml",
        "/etc/kubernetes/kubelet-config.yaml",
        "/etc/kubernetes/kubelet/*.json",
        "/etc/kubernetes/kubelet/*.yaml",
    ],
    decoder: || {
        Box::new(Configs {
            rows: Rows::new(&COLUMNS),
        })
    },
};

/// Most settings of one file: kubelet has some 150.
const SETTINGS: usize = 10_000;

struct Configs {
    rows: Rows,
}

impl Decode for Configs {
    fn entry(&mut self, input: &Input<'_>, _: &Node, damages: &mut Damages) {
        if input.path == "api/kubelet/flagz" {
            // A title, a warning, then `name: value`.
            for (line, text) in input.lines() {
                let is_flag = |name: &str| {
                    name.bytes()
                        .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
                };
                let pair = text.split_once(": ").filter(|(name, _)| is_flag(name));
                if let Some((name, value)) = pair {
                    self.add(input, Some(line), name, value.trim(), "flags");
                }
            }
        } else if Path::new(input.path).extension() == Some("yaml".as_ref()) {
            for (line, name, value) in yaml::settings(&input.text(), SETTINGS) {
                self.add(input, Some(line), &name, &value, "file");
            }
        } else if let Some(answer) = json::parse(input, damages) {
            let (root, source) = if input.path.starts_with("api/") {
                (Json::new(&answer).at("kubeletconfig"), "running")
            } else {
                (Json::new(&answer), "file")
            };
            let mut found = Vec::new();
            flatten(root, String::new(), &mut found);
            for (name, value) in found {
                self.add(input, None, &name, &value, source);
            }
        }
    }

    fn finish(self: Box<Self>, _: &Node, rows: &mut Rows) {
        *rows = self.rows;
    }
}

impl Configs {
    fn add(
        &mut self,
        input: &Input<'_>,
        line: Option<i64>,
        name: &str,
        value: &str,
        source: &'static str,
    ) {
        // `10m` is ten thousandths of an amount, and ten minutes of a time.
        const AMOUNTS: [&str; 8] = [
            "kubeReserved",
            "systemReserved",
            "evictionHard",
            "evictionSoft.",
            "evictionMinimumReclaim",
            "kube-reserved",
            "system-reserved",
            "containerLogMaxSize",
        ];
        let is_amount = AMOUNTS.iter().any(|prefix| name.starts_with(prefix));
        let number = value.parse().ok().filter(|number: &f64| number.is_finite());
        let amount = || quantity::parse(value).filter(|_| is_amount);
        let duration_us = duration_us(value).filter(|_| !is_amount && number.is_none());
        self.rows
            .add(input.entry, line)
            .set("name", name)
            .set("value", value)
            .set("number", number.or_else(amount))
            .set("duration_us", duration_us)
            .set("source", source);
    }
}

/// Settings by their dotted names.
fn flatten(value: Json<'_>, name: String, found: &mut Vec<(String, String)>) {
    let below = |part: &str| {
        if name.is_empty() {
            part.to_owned()
        } else {
            format!("{name}.{part}")
        }
    };
    if found.len() >= SETTINGS {
        return;
    }
    let Some(plain) = value.0 else { return };
    if plain.is_object() {
        for (part, inner) in value.fields() {
            flatten(inner, below(part), found);
        }
    } else if plain.is_array() {
        for (place, inner) in value.list().enumerate() {
            flatten(inner, below(&place.to_string()), found);
        }
    } else if !plain.is_null() {
        let text = plain
            .as_str()
            .map_or_else(|| plain.to_string(), str::to_owned);
        found.push((name, text));
    }
}

/// A duration as Go writes it: `1h30m`, `5m0s`, `100ms`, `1.5s`.
fn duration_us(text: &str) -> Option<i64> {
    let mut total_us = 0.0;
    let mut rest = text;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, tail) = rest.split_at(end);
        let unit_end = tail
            .find(|c: char| c.is_ascii_digit())
            .unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(unit_end);
        let unit_us = match unit {
            "h" => 3600e6,
            "m" => 60e6,
            "s" => 1e6,
            "ms" => 1e3,
            "us" | "µs" => 1.0,
            "ns" => 1e-3,
            _ => return None,
        };
        total_us += number.parse::<f64>().ok()? * unit_us;
        rest = tail;
    }
    Some(total_us as i64)
}

#[cfg(test)]
mod tests {
    use super::duration_us;
    use crate::table::testing::{csv, run};

    #[test]
    fn running_flags_and_file() {
        let configz = br#"{"kubeletconfig":{"maxPods":110,"clusterDNS":["10.96.0.10"],"nodeStatusUpdateFrequency":"10s","evictionHard":{"memory.available":"100Mi"},"kubeReserved":{"cpu":"10m"},"failSwapOn":false,"x":null}}"#;
        let yaml = b"apiVersion: kubelet.config.k8s.io/v1beta1\nmaxPods: 250 # more\nevictionHard:\n  memory.available: \"200Mi\"\nclusterDNS:\n- 10.96.0.10\nsyncFrequency: 10m\n";
        let flagz = b"\nkubelet flagz\nWarning: This endpoint is not meant to be machine parseable, has no formatting.\naddress: 0.0.0.0\n";
        let (rows, _) = run(
            "kubelet_config",
            &[
                ("api/kubelet/configz", configz),
                ("root/var/lib/kubelet/config.yaml", yaml),
                ("api/kubelet/flagz", flagz),
            ],
        );
        let mut lines: Vec<String> =
            csv(&rows, &["name", "value", "number", "duration_us", "source"])
                .lines()
                .map(str::to_owned)
                .collect();
        lines.sort();
        assert_eq!(
            lines,
            [
                "address,0.0.0.0,,,flags",
                "apiVersion,kubelet.config.k8s.io/v1beta1,,,file",
                "clusterDNS.0,10.96.0.10,,,file",
                "clusterDNS.0,10.96.0.10,,,running",
                "evictionHard.memory.available,100Mi,104857600.0000,,running",
                "evictionHard.memory.available,200Mi,209715200.0000,,file",
                "failSwapOn,false,,,running",
                "kubeReserved.cpu,10m,0.0100,,running",
                "maxPods,110,110.0000,,running",
                "maxPods,250,250.0000,,file",
                "nodeStatusUpdateFrequency,10s,,10000000,running",
                "syncFrequency,10m,,600000000,file",
            ]
        );
    }

    #[test]
    fn durations() {
        assert_eq!(duration_us("1h30m"), Some(5_400_000_000));
        assert_eq!(duration_us("0.5s"), Some(500_000));
        assert_eq!(duration_us("systemd"), None);
        assert_eq!(duration_us("10.96.0.10"), None);
    }
}
