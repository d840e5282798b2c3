//! `--redact strict`: addresses and host names become pseudonyms, `<ip:ab12cd>` and `<host:ab12cd>`.
//! Loopback and unspecified addresses and netmasks stay: they name nobody.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::scan::{Scan, Style, slice};

/// Ends of host names that are looked for.
const DOMAINS: &[&str] = &[
    "internal",
    "local",
    "localdomain",
    "lan",
    "corp",
    "intra",
    "intranet",
    "home",
    "com",
    "net",
    "org",
    "cloud",
    "dev",
    "de",
    "eu",
    "uk",
    "fr",
    "us",
    "edu",
    "gov",
    "io",
    "amazonaws",
];
/// Hosts that everybody uses: image registries, API groups.
const PUBLIC: &[&str] = &[
    "k8s.io",
    "kubernetes.io",
    "docker.io",
    "docker.com",
    "gcr.io",
    "quay.io",
    "ghcr.io",
    "github.com",
    "golang.org",
    "svc.cluster.local",
    "x-k8s.io",
    "coreos.com",
    "opencontainers.org",
];

/// Notes every address and host name of the text.
pub(super) fn search(scan: &mut Scan, hosts: &[Vec<u8>]) {
    let mut place = 0;
    while place < scan.text.len() {
        if !is_address_byte(scan.at(place)) {
            place += 1;
            continue;
        }
        let rest = scan.slice(place, scan.text.len());
        let length = rest.iter().take_while(|&&b| is_address_byte(b)).count();
        word(scan, place, place + length, hosts);
        place += length;
    }
}

/// Letters, digits and what stands within addresses and host names.
fn is_address_byte(b: u8) -> bool {
    b.is_ascii_alphanumeric() || matches!(b, b'.' | b':' | b'-' | b'_')
}

fn word(scan: &mut Scan, start: usize, end: usize, hosts: &[Vec<u8>]) {
    let word = scan.slice(start, end);
    if word.len() < 3 || word.len() > 512 {
        return;
    }
    if word.iter().filter(|&&b| b == b':').count() >= 2 {
        let trimmed = word.trim_ascii();
        let trimmed = trimmed.strip_suffix(b".").unwrap_or(trimmed);
        if let Some(address) = parse::<Ipv6Addr>(trimmed) {
            return address_found(scan, start, start + trimmed.len(), IpAddr::V6(address));
        }
    }
    let mut from = start;
    for part in word.split(|&b| b == b':') {
        host_or_address(scan, from, from + part.len(), hosts);
        from += part.len() + 1;
    }
}

fn host_or_address(scan: &mut Scan, start: usize, end: usize, hosts: &[Vec<u8>]) {
    let part = scan.slice(start, end);
    let dots = part.iter().rev().take_while(|&&b| b == b'.').count();
    let (part, end) = (slice(part, 0, part.len() - dots), end - dots);
    if let Some(address) = parse::<Ipv4Addr>(part) {
        return address_found(scan, start, end, IpAddr::V4(address));
    }
    // ip-10-0-1-2, as clouds name nodes
    let is_cloud = part.strip_prefix(b"ip-").is_some_and(|rest| {
        rest.split(|b| b"-.".contains(b))
            .take(4)
            .filter(|n| !n.is_empty() && n.iter().all(u8::is_ascii_digit))
            .count()
            == 4
    });
    if is_cloud || is_host(part) || hosts.iter().any(|host| part.eq_ignore_ascii_case(host)) {
        scan.found_as(start, end, "host", Style::Pseudonym);
    }
}

fn parse<T: std::str::FromStr>(text: &[u8]) -> Option<T> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

fn address_found(scan: &mut Scan, start: usize, end: usize, address: IpAddr) {
    let names_nobody = match address {
        IpAddr::V4(v4) => {
            v4.is_loopback()
                || v4.is_unspecified()
                || v4.is_broadcast()
                || v4.octets().first() == Some(&255)
        }
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unspecified(),
    };
    if !names_nobody {
        scan.found_as(start, end, "ip", Style::Pseudonym);
    }
}

/// `name.example.com`: at least two labels, the last one a known domain.
fn is_host(part: &[u8]) -> bool {
    let Some(dot) = memchr::memrchr(b'.', part) else {
        return false;
    };
    let last = slice(part, dot + 1, part.len());
    let known = DOMAINS
        .iter()
        .any(|domain| last.eq_ignore_ascii_case(domain.as_bytes()));
    let public = PUBLIC.iter().any(|host| {
        part.strip_suffix(host.as_bytes())
            .is_some_and(|rest| rest.is_empty() || rest.ends_with(b"."))
    });
    known
        && !public
        && part.iter().any(u8::is_ascii_alphabetic)
        && !part.starts_with(b".")
        && !part.contains(&b'_')
}
