//! Certificates of the node: for whom they are, who signed them, when they end. Keys are never
//! captured.
//!
//! ```text
//! root/etc/kubernetes/pki/apiserver.crt    -----BEGIN CERTIFICATE-----
//! root/etc/kubernetes/kubelet.conf         certificate-authority-data: LS0tLS1CRUdJTiBDRVJU...
//! ```

use std::net::{Ipv4Addr, Ipv6Addr};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use x509_cert::Certificate;
use x509_cert::der::Decode as _;
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::ext::pkix::{BasicConstraints, SubjectAltName};

use crate::kubernetes::moment::{self, Moment};
use crate::table::{Damages, Decode, Input, Node, Rows, Table, bool, float, int, text};

/// Longest file: bundles of authorities of a distribution are 250 kB.
const LIMIT_BYTES: usize = 4 << 20;
const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
const END: &str = "-----END CERTIFICATE-----";

const COLUMNS: [crate::table::Column; 16] = [
    text("path", "of the file"),
    int("number", "in the file, from 1"),
    text("subject", "`CN=system:node:node1,O=system:nodes`"),
    text("issuer", "who signed it"),
    text(
        "alternative_names",
        "DNS names, addresses and URIs, apart by commas",
    ),
    text("serial", "hexadecimal"),
    bool("is_authority", "signs others"),
    bool("is_self_signed", "subject and issuer are the same"),
    text("not_before_at", ""),
    int("not_before_ts_us", "since boot"),
    int(
        "not_before_age_us",
        "before the capture began; less than 0: not valid yet",
    ),
    text("not_after_at", ""),
    int("not_after_ts_us", "since boot"),
    int(
        "not_after_age_us",
        "before the capture began; more than 0: expired",
    ),
    float("days_left", "at the capture; less than 0: expired"),
    float("used_ratio", "of its life, at the capture"),
];

/// The table.
pub static TABLE: Table = Table {
    name: "certificate",
    about: "certificates in files of the node",
    columns: &COLUMNS,
    reads: &[
        "/etc/kubernetes/**/*.crt",
        "/etc/kubernetes/**/*.pem",
        "/etc/kubernetes/**/*.conf",
        "/etc/kubernetes/**/kubeconfig*",
        "/var/lib/kubelet/pki/*",
        "/var/lib/kubelet/*kubeconfig*",
        "/var/lib/rancher/**/*.crt",
        "/var/lib/rancher/**/*.kubeconfig",
        "/etc/rancher/**/*.yaml",
        "/var/lib/k0s/pki/**/*.crt",
        "/etc/etcd/**/*.crt",
        "/etc/etcd/**/*.pem",
        "/etc/ssl/etcd/**/*.crt",
        "/etc/ssl/etcd/**/*.pem",
        "/var/snap/microk8s/**/*.crt",
        "/etc/containerd/certs.d/**/*.crt",
    ],
    decoder: || {
        Box::new(Certificates {
            rows: Rows::new(&COLUMNS),
        })
    },
};

struct Certificates {
    rows: Rows,
}

impl Decode for Certificates {
    fn entry(&mut self, input: &Input<'_>, node: &Node, damages: &mut Damages) {
        if input.bytes.len() > LIMIT_BYTES {
            damages.add(input, None, format!("longer than {LIMIT_BYTES} bytes"));
            return;
        }
        let text = input.text();
        let mut number = 0;
        self.blocks(input, &text, None, &mut number, node, damages);
        // Kubeconfigs hold the same once more in base64.
        for (line, content) in input.lines() {
            let Some((_, data)) = content.split_once("-data: ") else {
                continue;
            };
            let data = data.trim().trim_matches(['"', '\'']);
            let Ok(pem) = STANDARD.decode(data) else {
                continue;
            };
            let pem = String::from_utf8_lossy(&pem);
            self.blocks(input, &pem, Some(line), &mut number, node, damages);
        }
    }

    fn finish(self: Box<Self>, _: &Node, rows: &mut Rows) {
        *rows = self.rows;
    }
}

impl Certificates {
    /// The certificates in a text; `outer` is the line that the whole of it stands in.
    fn blocks(
        &mut self,
        input: &Input<'_>,
        text: &str,
        outer: Option<i64>,
        number: &mut i64,
        node: &Node,
        damages: &mut Damages,
    ) {
        let mut line = 1;
        let mut rest = text;
        while let Some((before, tail)) = rest.split_once(BEGIN) {
            line += before.matches('\n').count() as i64;
            let place = outer.or(Some(line));
            *number += 1;
            let Some((body, tail)) = tail.split_once(END) else {
                damages.add(input, place, "a certificate without an end");
                return;
            };
            line += body.matches('\n').count() as i64;
            rest = tail;
            let body: String = body.chars().filter(|c| !c.is_whitespace()).collect();
            let certificate = STANDARD
                .decode(body)
                .map_err(|error| error.to_string())
                .and_then(|der| Certificate::from_der(&der).map_err(|error| error.to_string()));
            match certificate {
                Ok(certificate) => self.add(input, place, *number, &certificate, node),
                Err(why) => damages.add(input, place, format!("not a certificate: {why}")),
            }
        }
    }

    fn add(
        &mut self,
        input: &Input<'_>,
        line: Option<i64>,
        number: i64,
        certificate: &Certificate,
        node: &Node,
    ) {
        let told = certificate.tbs_certificate();
        let time = |time: x509_cert::time::Time| {
            let seconds = i64::try_from(time.to_unix_duration().as_secs()).ok()?;
            Some(Moment {
                realtime_us: seconds.checked_mul(1_000_000)?,
            })
        };
        let (from, to) = (
            time(told.validity().not_before),
            time(told.validity().not_after),
        );
        let (subject, issuer) = (told.subject().to_string(), told.issuer().to_string());
        let names = told.get_extension::<SubjectAltName>().ok().flatten();
        let names = names.map(|(_, names)| {
            let names: Vec<String> = names.0.iter().filter_map(alternative).collect();
            names.join(",")
        });
        let constraints = told.get_extension::<BasicConstraints>().ok().flatten();
        let mut row = self.rows.add(input.entry, line);
        row.set("path", input.path)
            .set("number", number)
            .set("is_self_signed", subject == issuer)
            .set("subject", subject)
            .set("issuer", issuer)
            .set("alternative_names", names.filter(|names| !names.is_empty()))
            .set("serial", serial(told.serial_number().as_bytes()))
            .set(
                "is_authority",
                constraints.is_some_and(|(_, constraints)| constraints.ca),
            )
            .set("days_left", to.and_then(|to| to.days_left(node)))
            .set(
                "used_ratio",
                from.zip(to).and_then(|(from, to)| used(from, to, node)),
            );
        moment::set(&mut row, "not_before", from, node);
        moment::set(&mut row, "not_after", to, node);
    }
}

/// Which part of its life is over; more than 1 where all of it is.
fn used(from: Moment, to: Moment, node: &Node) -> Option<f64> {
    let life = to.realtime_us.checked_sub(from.realtime_us)?;
    (life > 0).then(|| Some(from.age_us(node)? as f64 / life as f64))?
}

fn serial(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn alternative(name: &GeneralName) -> Option<String> {
    match name {
        GeneralName::DnsName(name) => Some(name.to_string()),
        GeneralName::UniformResourceIdentifier(uri) => Some(uri.to_string()),
        GeneralName::IpAddress(bytes) => {
            let bytes = bytes.as_bytes();
            let v4 = <[u8; 4]>::try_from(bytes).map(|octets| Ipv4Addr::from(octets).to_string());
            let v6 = <[u8; 16]>::try_from(bytes).map(|octets| Ipv6Addr::from(octets).to_string());
            v4.or(v6).ok()
        }
        _ => None,
    }
}

#[cfg(test)]
#[path = "certificate/tests.rs"]
mod tests;
