//! Whose certificate is trusted, and for which reason.

use std::sync::{Arc, Mutex, PoisonError};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature,
};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};

use super::{Certificate, Peer};
use crate::clock;

/// A certificate that other certificates are judged by.
#[derive(Clone, Debug)]
pub(crate) struct Anchor {
    /// The certificate.
    pub(crate) certificate: CertificateDer<'static>,
    /// Where it was found, for people.
    pub(crate) place: String,
}

/// What is trusted.
#[derive(Clone, Debug, Default)]
pub(crate) struct Trust {
    /// Exactly these certificates: those that the service itself reads from the node's disk. They
    /// are trusted also when they have expired.
    pub(crate) pins: Vec<Anchor>,
    /// What these have signed, for one of the names, in its time.
    pub(crate) authorities: Vec<Anchor>,
    /// Addresses and names that a signed certificate may be made out for.
    pub(crate) names: Vec<ServerName<'static>>,
    /// Names of the node, as they stand in `system:node:NAME`.
    pub(crate) nodes: Vec<String>,
    /// The process that listens there, as the kernel says. It is enough where nothing is sent that
    /// anybody could misuse: no token.
    pub(crate) owner: Option<String>,
    /// What a person may do where nothing fits.
    pub(crate) advice: String,
}

/// Judges a certificate and remembers it.
#[derive(Debug)]
pub(super) struct Verifier {
    trust: Trust,
    algorithms: WebPkiSupportedAlgorithms,
    seen: Mutex<(Peer, Option<String>)>,
}

impl Verifier {
    pub(super) fn new(trust: Trust, provider: &Arc<CryptoProvider>) -> Self {
        Self {
            trust,
            algorithms: provider.signature_verification_algorithms,
            seen: Mutex::default(),
        }
    }

    /// What the other side showed.
    pub(super) fn seen(&self) -> Peer {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.0.clone()
    }

    /// Why its certificate was refused.
    pub(super) fn refusal(&self) -> Option<String> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.1.clone()
    }

    /// Why a certificate is trusted, or why it is not.
    fn judge(
        &self,
        shown: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<String, String> {
        if let Some(pin) = self.trust.pins.iter().find(|pin| pin.certificate == *shown) {
            return Ok(format!("pinned by {}", pin.place));
        }
        let parsed = ParsedCertificate::try_from(shown)
            .map_err(|error| format!("its certificate cannot be read: {error}"))?;
        let mut why =
            "its certificate lies in no file that is known here, and no authority that is \
                       known here has signed it"
                .to_owned();
        for anchor in &self.trust.authorities {
            let mut roots = RootCertStore::empty();
            if roots.add(anchor.certificate.clone()).is_err() {
                continue;
            }
            let signed = verify_server_cert_signed_by_trust_anchor(
                &parsed,
                &roots,
                intermediates,
                now,
                self.algorithms.all,
            );
            let place = &anchor.place;
            match signed {
                Ok(()) if self.names_fit(&parsed, shown) => {
                    return Ok(format!("signed by {place}"));
                }
                Ok(()) => {
                    why = format!("{place} has signed its certificate, but for another name");
                }
                Err(Error::InvalidCertificate(
                    CertificateError::Expired | CertificateError::ExpiredContext { .. },
                )) => {
                    why = format!("{place} has signed its certificate, but it has expired");
                }
                Err(_) => {}
            }
        }
        match &self.trust.owner {
            Some(owner) => Ok(format!("not by its certificate: {owner} listens there")),
            None => Err(why),
        }
    }

    fn names_fit(&self, parsed: &ParsedCertificate<'_>, shown: &CertificateDer<'_>) -> bool {
        let mut names = self.trust.names.iter();
        if names.any(|name| verify_server_name(parsed, name).is_ok()) {
            return true;
        }
        let node = Certificate::read(shown);
        let node = node.as_ref().and_then(Certificate::node);
        node.is_some_and(|node| self.trust.nodes.iter().any(|own| own == node))
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        shown: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let verdict = self.judge(shown, intermediates, now);
        let certificate = Certificate::read(shown);
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let realtime_us = clock::now().realtime_us;
        seen.0.expired = certificate
            .as_ref()
            .is_some_and(|c| c.is_expired(realtime_us));
        seen.0.certificate = certificate;
        match verdict {
            Ok(why) => {
                seen.0.verified = Some(why);
                Ok(ServerCertVerified::assertion())
            }
            Err(why) => {
                seen.1 = Some(format!("{why}: {}", self.trust.advice));
                Err(CertificateError::ApplicationVerificationFailure.into())
            }
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        shown: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, shown, signature, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        shown: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, shown, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use rustls::crypto::ring;
    use rustls::pki_types::pem::PemObject;

    use super::*;

    fn anchor(name: &str) -> Anchor {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../testdata/pki/");
        Anchor {
            certificate: CertificateDer::from_pem_file(format!("{folder}{name}")).unwrap(),
            place: name.to_owned(),
        }
    }

    fn trust() -> Trust {
        Trust {
            pins: vec![anchor("kubelet.crt"), anchor("expired.crt")],
            authorities: vec![anchor("stranger.crt"), anchor("ca.crt")],
            names: vec![
                IpAddr::V4(Ipv4Addr::LOCALHOST).into(),
                ServerName::try_from("node1").unwrap(),
            ],
            advice: "--kubelet-ca names another".to_owned(),
            ..Trust::default()
        }
    }

    /// What a certificate is judged to be, and whether it has expired.
    fn judge(trust: Trust, name: &str) -> (Result<String, String>, bool) {
        let verifier = Verifier::new(trust, &Arc::new(ring::default_provider()));
        let name_asked = ServerName::try_from("ignored").unwrap();
        let shown = anchor(name).certificate;
        let result = verifier.verify_server_cert(&shown, &[], &name_asked, &[], UnixTime::now());
        let peer = verifier.seen();
        assert_eq!(result.is_ok(), peer.verified.is_some());
        assert_eq!(peer.certificate, Certificate::read(&shown));
        let verdict = match verifier.refusal() {
            Some(why) => Err(why),
            None => Ok(peer.verified.unwrap()),
        };
        (verdict, peer.expired)
    }

    #[test]
    fn pins_hold_after_their_time() {
        let pinned = |name: &str| Ok(format!("pinned by {name}"));
        assert_eq!(
            judge(trust(), "kubelet.crt"),
            (pinned("kubelet.crt"), false)
        );
        assert_eq!(judge(trust(), "expired.crt"), (pinned("expired.crt"), true));
    }

    #[test]
    fn an_authority_holds_for_the_node_in_time() {
        let signed = Ok("signed by ca.crt".to_owned());
        assert_eq!(judge(trust(), "serving.crt"), (signed.clone(), false));
        assert_eq!(judge(trust(), "apiserver.crt").0, signed);
        let expired = judge(trust(), "serving-expired.crt");
        assert!(expired.0.unwrap_err().contains("has expired: --kubelet-ca"));
        assert!(expired.1);
        let other = judge(trust(), "serving-node2.crt").0.unwrap_err();
        assert!(other.contains("another name"), "{other}");
        // A client's certificate of another node is no server's.
        assert!(judge(trust(), "client.crt").0.is_err());
        let mut by_subject = trust();
        by_subject.names.clear();
        assert!(judge(by_subject.clone(), "serving.crt").0.is_err());
        by_subject.nodes.push("node1".to_owned());
        assert_eq!(judge(by_subject, "serving.crt").0, signed);
    }

    #[test]
    fn nobody_else_is_trusted() {
        let mut trust = trust();
        trust.authorities.remove(0);
        let why = judge(trust.clone(), "stranger.crt").0.unwrap_err();
        assert!(why.contains("no authority"), "{why}");
        assert!(why.ends_with("--kubelet-ca names another"), "{why}");
        trust.owner = Some("kube-scheduler (pid 7)".to_owned());
        let why = judge(trust, "stranger.crt").0.unwrap();
        assert_eq!(
            why,
            "not by its certificate: kube-scheduler (pid 7) listens there"
        );
    }
}
