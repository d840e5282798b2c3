//! Routes of IPv4 of every namespace, from `net/route`.
//!
//! ```text
//! Iface  Destination  Gateway   Flags  RefCnt  Use  Metric  Mask    MTU  Window  IRTT
//! eth0  00000000  0101000A  0003  0  0  0  00000000  0  0  0
//! ```

use std::net::Ipv4Addr;

use crate::table::netns::{self, LINKS, Namespaces};
use crate::table::{Damages, Decode, Input, Node, Rows, Table, bool, int, text};

/// The table.
pub static TABLE: Table = Table {
    name: "route",
    about: "IPv4 routes of the main table of every namespace",
    columns: &[
        int("netns", "inode of the namespace"),
        bool("is_host", "in the host's namespace"),
        text("destination", "`0.0.0.0/0` is the default route"),
        text("gateway", "null: directly connected"),
        text("interface", ""),
        int("metric", ""),
    ],
    reads: &["/proc/*/net/route", LINKS],
    decoder: || Box::new(Routes::default()),
};

#[derive(Default)]
struct Routes {
    routes: Vec<(String, i64, Option<u32>, Route)>,
    namespaces: Namespaces,
}

struct Route {
    interface: String,
    destination: String,
    gateway: Option<String>,
    metric: Option<i64>,
}

impl Decode for Routes {
    fn entry(&mut self, input: &Input<'_>, _: &Node, damages: &mut Damages) {
        if self.namespaces.take(input) || input.reading > 0 {
            return;
        }
        for (number, line) in input.lines().skip(1).filter(|(_, line)| !line.is_empty()) {
            match parse(&line) {
                Some(route) => {
                    let pid = netns::reader(input);
                    self.routes
                        .push((input.entry.to_owned(), number, pid, route));
                }
                None => damages.add(
                    input,
                    Some(number),
                    format!("not a line of net/route: `{line}`"),
                ),
            }
        }
    }

    fn finish(self: Box<Self>, _: &Node, rows: &mut Rows) {
        for (entry, line, pid, route) in self.routes {
            rows.add(&entry, Some(line))
                .set("netns", self.namespaces.inode(pid))
                .set("is_host", netns::is_host(pid))
                .set("destination", route.destination)
                .set("gateway", route.gateway)
                .set("interface", route.interface)
                .set("metric", route.metric);
        }
    }
}

fn parse(line: &str) -> Option<Route> {
    let words: Vec<&str> = line.split_ascii_whitespace().collect();
    let word = |place: usize| words.get(place).copied();
    let address = |place| {
        Some(Ipv4Addr::from_bits(
            u32::from_str_radix(word(place)?, 16).ok()?.swap_bytes(),
        ))
    };
    let mask = address(7)?;
    Some(Route {
        interface: word(0)?.to_owned(),
        destination: format!("{}/{}", address(1)?, mask.to_bits().count_ones()),
        gateway: address(2)
            .filter(|gateway| !gateway.is_unspecified())
            .map(|gateway| gateway.to_string()),
        metric: word(6).and_then(|w| w.parse().ok()),
    })
}

#[cfg(test)]
mod tests {
    use crate::table::testing::{csv, run};

    #[test]
    fn default_and_connected() {
        let (rows, damages) = run(
            "route",
            &[("root/proc/1/net/route", b"Iface\tDestination\neth0\t00000000\t0101000A\t0003\t0\t0\t100\t00000000\t0\t0\t0\neth0\t0001000A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\nbad\n")],
        );
        let columns = ["destination", "gateway", "interface", "metric"];
        assert_eq!(
            csv(&rows, &columns),
            "0.0.0.0/0,10.0.1.1,eth0,100\n10.0.1.0/24,,eth0,0\n"
        );
        assert_eq!(damages.list.len(), 1);
    }
}
