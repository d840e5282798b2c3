//! What the tables out of `netlink/*.bin` share: messages, names of links and of numbers.

use std::collections::HashMap;
use std::net::{Ipv4Addr, Ipv6Addr};

use freezeframe_bundle::netlink::{self, Message, attributes_after, u32_at};

use super::{Damages, Input};

/// The first reading of the links: names of devices by their index.
pub const LINKS: &str = "netlink/link.bin";
/// `RTM_NEWLINK`.
pub const NEW_LINK: u16 = 16;
/// Bytes of `struct ifinfomsg`.
pub const LINK_BYTES: usize = 16;
/// `IFLA_IFNAME`.
pub const LINK_NAME: u16 = 3;
/// Messages of a list that are read. The collector stores fewer; a row in memory is many times as
/// large as the few bytes that can stand for it.
const MESSAGES: usize = 400_000;
/// `AF_INET`, `AF_INET6`.
const IPV4: u8 = 2;
const IPV6: u8 = 10;

/// The messages of one type; what is broken is damage.
pub fn messages<'a>(input: &Input<'a>, kind: u16, damages: &mut Damages) -> Vec<Message<'a>> {
    let mut found = Vec::new();
    for message in netlink::messages(input.bytes) {
        if found.len() >= MESSAGES {
            let why = format!("more than {MESSAGES} messages: the rest was not read");
            damages.add(input, None, why);
            break;
        }
        match message {
            Ok(message) if message.kind == kind => found.push(message),
            Ok(message) => {
                let number = message.kind;
                damages.add(input, None, format!("a message of another type: {number}"));
            }
            Err(broken) => damages.add(input, None, broken.to_string()),
        }
    }
    found
}

/// Notes that a message is shorter than the structure it holds.
pub fn too_short(input: &Input<'_>, damages: &mut Damages) {
    damages.add(input, None, "a message is too short");
}

/// Names of links by index.
#[derive(Debug, Default)]
pub struct Names(HashMap<u32, String>);

impl Names {
    /// Takes [`LINKS`]; says whether the entry was that. Its damage is told by the table `link`.
    pub fn take(&mut self, input: &Input<'_>) -> bool {
        if input.path != LINKS {
            return false;
        }
        let links = netlink::messages(input.bytes).flatten();
        for message in links.take(MESSAGES) {
            let name = attributes_after(message.body, LINK_BYTES).text(LINK_NAME);
            if let Some((index, name)) = u32_at(message.body, 4).zip(name) {
                self.0.insert(index, name);
            }
        }
        true
    }

    /// The name of a link.
    pub fn get(&self, index: u32) -> Option<&str> {
        self.0.get(&index).map(String::as_str)
    }
}

/// The name of an address family (`AF_*`, and `RTNL_FAMILY_IPMR` of multicast rules).
pub fn family(number: u8) -> String {
    match number {
        IPV4 => "ipv4".to_owned(),
        IPV6 => "ipv6".to_owned(),
        7 => "bridge".to_owned(),
        28 => "mpls".to_owned(),
        128 => "ipv4 multicast".to_owned(),
        129 => "ipv6 multicast".to_owned(),
        other => other.to_string(),
    }
}

/// An address of either family, by its length.
pub fn address(bytes: &[u8]) -> Option<String> {
    if let Ok(octets) = <[u8; 4]>::try_from(bytes) {
        return Some(Ipv4Addr::from(octets).to_string());
    }
    let octets = <[u8; 16]>::try_from(bytes).ok()?;
    Some(Ipv6Addr::from(octets).to_string())
}

/// The name of a routing table (`linux/rtnetlink.h`), or its number.
pub fn table_name(number: u32) -> String {
    match number {
        253 => "default".to_owned(),
        254 => "main".to_owned(),
        255 => "local".to_owned(),
        other => other.to_string(),
    }
}
