//! Tables of nftables with what is in them, from `calls/nftables.json`, and the tables that the old
//! iptables has, from `/proc/net/ip_tables_names`.
//!
//! ```text
//! [{"family":"ip","name":"nat","chains":120,"kubernetes_chains":112,"rules":860,"sets":0}]
//! ```
//!
//! What `iptables-nft` makes stands here as nftables; only the old kind has names alone.

use std::collections::BTreeSet;

use serde::Deserialize;

use crate::table::answer;
use crate::table::{Damages, Decode, Input, Node, Rows, Table, int, text};

/// The table.
pub static TABLE: Table = Table {
    name: "firewall_table",
    about: "tables of the packet filter in the node's network namespace",
    columns: &[
        text("backend", "`nftables`, or `iptables` of the old kind"),
        text("family", "`ip`, `ip6`, `inet`, `arp`, `bridge`, `netdev`"),
        text("name", ""),
        int("chains_count", "null for the old kind"),
        int("kubernetes_chains_count", "chains called KUBE-..."),
        int("rules_count", "null for the old kind"),
        int("sets_count", "null for the old kind"),
        text(
            "kube_proxy_mode",
            "mode of kube-proxy that the table speaks for: `iptables`, `nftables`",
        ),
    ],
    reads: &[
        "calls/nftables.json",
        "/proc/1/net/ip_tables_names",
        "/proc/1/net/ip6_tables_names",
        "/proc/1/net/arp_tables_names",
    ],
    decoder: || Box::new(Tables::default()),
};

#[derive(Deserialize)]
struct Counts {
    family: String,
    name: String,
    chains: u64,
    kubernetes_chains: u64,
    rules: u64,
    sets: u64,
}

#[derive(Default)]
struct Tables {
    nftables: Vec<(String, Counts)>,
    /// Family, name, entry and line.
    iptables: BTreeSet<(&'static str, String, String, i64)>,
}

impl Decode for Tables {
    fn entry(&mut self, input: &Input<'_>, _: &Node, damages: &mut Damages) {
        let family = match input.part(3) {
            Some("ip_tables_names") => "ip",
            Some("ip6_tables_names") => "ip6",
            Some("arp_tables_names") => "arp",
            _ => {
                let tables: Option<Vec<Counts>> = answer::parse(input, damages);
                let tables = tables.into_iter().flatten();
                self.nftables
                    .extend(tables.map(|table| (input.entry.to_owned(), table)));
                return;
            }
        };
        for (number, name) in input.lines().filter(|(_, name)| !name.is_empty()) {
            let (name, entry) = (name.into_owned(), input.entry.to_owned());
            self.iptables.insert((family, name, entry, number));
        }
    }

    fn finish(self: Box<Self>, _: &Node, rows: &mut Rows) {
        for (entry, table) in self.nftables {
            let mode = match table.name.as_str() {
                "kube-proxy" => Some("nftables"),
                // The kubelet alone makes a chain or two.
                "nat" if table.kubernetes_chains > 3 => Some("iptables"),
                _ => None,
            };
            rows.add(&entry, None)
                .set("backend", "nftables")
                .set("family", table.family)
                .set("name", table.name)
                .set("chains_count", table.chains)
                .set("kubernetes_chains_count", table.kubernetes_chains)
                .set("rules_count", table.rules)
                .set("sets_count", table.sets)
                .set("kube_proxy_mode", mode);
        }
        for (family, name, entry, line) in self.iptables {
            rows.add(&entry, Some(line))
                .set("backend", "iptables")
                .set("family", family)
                .set("name", name);
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::table::testing::{csv, run};

    #[test]
    fn both_kinds_and_nonsense() {
        let (rows, damages) = run(
            "firewall_table",
            &[
                ("root/proc/1/net/ip_tables_names", b"nat\nfilter\n"),
                ("root/proc/1/net/ip6_tables_names", b""),
                ("calls/nftables.json", br#"[{"family":"ip","name":"nat","chains":120,"kubernetes_chains":112,"rules":860,"sets":0},
{"family":"ip","name":"kube-proxy","chains":9,"kubernetes_chains":0,"rules":20,"sets":6},
{"family":"ip6","name":"nat","chains":5,"kubernetes_chains":1,"rules":2,"sets":0}]"#),
                ("calls/nftables.json", b"[{"),
            ],
        );
        let columns = [
            "backend",
            "family",
            "name",
            "chains_count",
            "rules_count",
            "sets_count",
            "kube_proxy_mode",
        ];
        let expected = "\
nftables,ip,nat,120,860,0,iptables
nftables,ip,kube-proxy,9,20,6,nftables
nftables,ip6,nat,5,2,0,
iptables,ip,filter,,,,
iptables,ip,nat,,,,
";
        assert_eq!(csv(&rows, &columns), expected);
        assert_eq!(damages.list.len(), 1);
    }
}
