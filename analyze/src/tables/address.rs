//! Addresses of the node's network namespace, from `netlink/address.bin` (messages `RTM_NEWADDR` of
//! `linux/if_addr.h`).

use freezeframe_bundle::netlink::{attributes_after, u8_at, u32_at};

use crate::table::netlink::{self, LINKS, Names, messages, too_short};
use crate::table::{Damages, Decode, Input, Node, Rows, Table, bool, int, text};

/// The table.
pub static TABLE: Table = Table {
    name: "address",
    about: "IP addresses of the node's network namespace",
    columns: &[
        int("ifindex", ""),
        text("device", ""),
        text("family", "`ipv4` or `ipv6`"),
        text("address", ""),
        int("prefix_bits", "length of the network part"),
        text("scope", "`global`, `site`, `link`, `host` or a number"),
        bool("is_permanent", "it does not expire"),
        bool("is_tentative", "IPv6: not yet known to be free"),
        bool("is_duplicate", "IPv6: another machine has it"),
    ],
    reads: &["netlink/address.bin", LINKS],
    decoder: || Box::new(Addresses::default()),
};

/// `RTM_NEWADDR`.
const NEW_ADDRESS: u16 = 20;
/// Bytes of `struct ifaddrmsg`.
const STRUCTURE_BYTES: usize = 8;
/// `IFA_ADDRESS`, `IFA_LOCAL`, `IFA_FLAGS`.
const ADDRESS: u16 = 1;
const LOCAL: u16 = 2;
const FLAGS: u16 = 8;
/// `IFA_F_DADFAILED`, `IFA_F_TENTATIVE`, `IFA_F_PERMANENT`.
const DUPLICATE: u32 = 0x08;
const TENTATIVE: u32 = 0x40;
const PERMANENT: u32 = 0x80;

#[derive(Default)]
struct Addresses {
    names: Names,
    addresses: Vec<Address>,
}

struct Address {
    entry: String,
    link: u32,
    family: u8,
    prefix_bits: Option<u8>,
    scope: Option<u8>,
    flags: u32,
    address: Option<String>,
}

impl Decode for Addresses {
    fn entry(&mut self, input: &Input<'_>, _: &Node, damages: &mut Damages) {
        if self.names.take(input) {
            return;
        }
        for message in messages(input, NEW_ADDRESS, damages) {
            let (Some(family), Some(link)) = (u8_at(message.body, 0), u32_at(message.body, 4))
            else {
                too_short(input, damages);
                continue;
            };
            let attributes = attributes_after(message.body, STRUCTURE_BYTES);
            // Of a point-to-point link, `IFA_ADDRESS` is the other end.
            let address = attributes.get(LOCAL).or_else(|| attributes.get(ADDRESS));
            let few_flags = u8_at(message.body, 2).map_or(0, u32::from);
            self.addresses.push(Address {
                entry: input.entry.to_owned(),
                link,
                family,
                prefix_bits: u8_at(message.body, 1),
                scope: u8_at(message.body, 3),
                flags: attributes.u32(FLAGS).unwrap_or(few_flags),
                address: address.and_then(netlink::address),
            });
        }
    }

    fn finish(self: Box<Self>, _: &Node, rows: &mut Rows) {
        for address in self.addresses {
            let has = |flag: u32| address.flags & flag != 0;
            rows.add(&address.entry, None)
                .set("ifindex", address.link)
                .set("device", self.names.get(address.link))
                .set("family", netlink::family(address.family))
                .set("address", address.address)
                .set("prefix_bits", address.prefix_bits.map(i64::from))
                .set("scope", address.scope.map(scope_name))
                .set("is_permanent", has(PERMANENT))
                .set("is_tentative", has(TENTATIVE))
                .set("is_duplicate", has(DUPLICATE));
        }
    }
}

/// `RT_SCOPE_UNIVERSE` and its like.
fn scope_name(scope: u8) -> String {
    match scope {
        0 => "global".to_owned(),
        200 => "site".to_owned(),
        253 => "link".to_owned(),
        254 => "host".to_owned(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use crate::table::testing::{csv, run};

    const LINKS: &[u8] = include_bytes!("../../../testdata/netlink/link.bin");
    const ADDRESSES: &[u8] = include_bytes!("../../../testdata/netlink/address.bin");

    #[test]
    fn both_families() {
        let (rows, damages) = run(
            "address",
            &[
                ("netlink/link.bin", LINKS),
                ("netlink/address.bin", ADDRESSES),
            ],
        );
        let columns = [
            "device",
            "family",
            "address",
            "prefix_bits",
            "scope",
            "is_permanent",
            "is_tentative",
        ];
        let expected = "\
lo,ipv4,127.0.0.1,8,host,true,false
br0,ipv4,10.244.0.1,24,global,true,false
veth0p,ipv4,10.245.0.1,24,global,true,false
lo,ipv6,::1,128,host,true,false
br0,ipv6,fe80::7466:2cff:feb6:bfdc,64,link,true,true
veth0p,ipv6,fe80::bc94:a5ff:fe18:7031,64,link,true,true
veth0,ipv6,fe80::7466:2cff:feb6:bfdc,64,link,true,true
vx0,ipv6,fe80::387e:78ff:fec7:1fb2,64,link,true,true
";
        assert_eq!(csv(&rows, &columns), expected);
        assert!(damages.list.is_empty());
    }

    #[test]
    fn a_dump_cut_anywhere_is_damage_at_most() {
        for length in 0..ADDRESSES.len() {
            let (_, damages) = run("address", &[("netlink/address.bin", &ADDRESSES[..length])]);
            assert!(damages.list.len() <= 1);
        }
    }
}
