//! What a certificate says of itself (RFC 5280).

use std::fmt::Write;

use freezeframe_bundle::Civil;

use super::der::{self, SEQUENCE, SET};

/// Names of attribute types, by their identifiers (RFC 4519).
const ATTRIBUTES: [(&str, &str); 8] = [
    ("2.5.4.3", "CN"),
    ("2.5.4.5", "SERIALNUMBER"),
    ("2.5.4.6", "C"),
    ("2.5.4.7", "L"),
    ("2.5.4.8", "ST"),
    ("2.5.4.10", "O"),
    ("2.5.4.11", "OU"),
    ("0.9.2342.19200300.100.1.25", "DC"),
];
/// Kubernetes's names for a node's certificate, both as a client and as a server.
const OF_NODES: &str = "system:node:";

/// Names and times of a certificate.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub(crate) struct Certificate {
    /// As `O=system:nodes,CN=system:node:node1`.
    pub(crate) subject: String,
    /// Who signed it.
    pub(crate) issuer: String,
    /// As `2036-11-20T22:06:03Z`.
    pub(crate) not_before: String,
    /// As `2036-11-20T22:06:03Z`.
    pub(crate) not_after: String,
}

impl Certificate {
    /// Reads a certificate in DER.
    pub(crate) fn read(mut bytes: &[u8]) -> Option<Self> {
        let mut certificate = der::expect(&mut bytes, SEQUENCE)?;
        let mut fields = der::expect(&mut certificate, SEQUENCE)?;
        let mut version = fields;
        if der::expect(&mut version, der::CONTEXT_0).is_some() {
            fields = version;
        }
        der::expect(&mut fields, der::INTEGER)?;
        // The algorithm of the signature.
        der::expect(&mut fields, SEQUENCE)?;
        let issuer = name(der::expect(&mut fields, SEQUENCE)?)?;
        let mut validity = der::expect(&mut fields, SEQUENCE)?;
        Some(Self {
            issuer,
            not_before: der::time(der::next(&mut validity)?)?,
            not_after: der::time(der::next(&mut validity)?)?,
            subject: name(der::expect(&mut fields, SEQUENCE)?)?,
        })
    }

    /// The node that it is made out for.
    pub(crate) fn node(&self) -> Option<&str> {
        let mut parts = self.subject.split(',');
        let name = parts.find_map(|part| part.strip_prefix("CN=")?.strip_prefix(OF_NODES))?;
        (!name.is_empty()).then_some(name)
    }

    /// Whether its time is over, or has not come yet.
    pub(crate) fn is_expired(&self, realtime_us: i64) -> bool {
        let now = written(realtime_us);
        // Written in this way, times sort.
        now > self.not_after || now < self.not_before
    }
}

fn written(realtime_us: i64) -> String {
    let at = Civil::from_realtime_us(realtime_us);
    format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z",
        at.year, at.month, at.day, at.hour, at.minute, at.second
    )
}

/// A distinguished name, its parts in the order of the certificate.
fn name(mut parts: &[u8]) -> Option<String> {
    let mut text = String::new();
    while !parts.is_empty() {
        let mut set = der::expect(&mut parts, SET)?;
        while !set.is_empty() {
            let mut attribute = der::expect(&mut set, SEQUENCE)?;
            let kind = der::identifier(der::expect(&mut attribute, der::OBJECT_IDENTIFIER)?);
            let value = der::next(&mut attribute)?.contents;
            let known = ATTRIBUTES.iter().find(|(number, _)| *number == kind);
            if !text.is_empty() {
                text.push(',');
            }
            let value: String = String::from_utf8_lossy(value)
                .chars()
                .filter(|c| !c.is_control())
                .collect();
            let _ = write!(text, "{}={value}", known.map_or(&*kind, |(_, name)| name));
        }
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use rustls::pki_types::CertificateDer;
    use rustls::pki_types::pem::PemObject;

    use super::*;

    fn der(name: &str) -> Vec<u8> {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../testdata/pki/");
        let file = format!("{folder}{name}");
        CertificateDer::from_pem_file(file).unwrap().to_vec()
    }

    #[test]
    fn names_and_times_are_read() {
        let certificate = Certificate::read(&der("serving.crt")).unwrap();
        let expected = Certificate {
            subject: "O=system:nodes,CN=system:node:node1".to_owned(),
            issuer: "CN=kubernetes".to_owned(),
            not_before: "2020-01-01T00:00:00Z".to_owned(),
            not_after: "2120-01-01T00:00:00Z".to_owned(),
        };
        assert_eq!(certificate, expected);
        assert_eq!(certificate.node(), Some("node1"));
        assert!(!certificate.is_expired(1_795_236_300_000_000));
        let expired = Certificate::read(&der("expired.crt")).unwrap();
        assert!(expired.is_expired(1_795_236_300_000_000));
        assert!(expired.is_expired(0), "its time has not come");
        assert_eq!(expired.node(), None);
    }

    #[test]
    fn a_cut_certificate_is_none() {
        let whole = der("kubelet.crt");
        for length in 0..whole.len() {
            assert_eq!(Certificate::read(&whole[..length]), None, "{length}");
        }
    }
}
