//! TLS to services of this node: whose certificate is trusted, and what it says, is evidence.
//!
//! A kubelet's certificate is mostly signed by nobody, made out for a node's name while one connects
//! to 127.0.0.1, and on a sick node expired. So trust comes from the node's own files: the very
//! certificate that lies on its disk, or the cluster's authority and one of the node's names. There
//! is no way to trust whatever comes.

mod certificate;
mod der;
mod trust;

use std::io::{self, Read, Write};
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, ProtocolVersion, StreamOwned};

use crate::http::Socket;
pub(crate) use certificate::Certificate;
use trust::Verifier;
pub(crate) use trust::{Anchor, Trust};

/// A client's certificate and its key.
pub(crate) struct Identity {
    /// The certificate first, then those that signed it.
    pub(crate) chain: Vec<CertificateDer<'static>>,
    /// Its private key; it never leaves the worker.
    pub(crate) key: PrivateKeyDer<'static>,
}

/// What the other side showed.
#[derive(Clone, Debug, Default, serde::Serialize)]
pub(crate) struct Peer {
    /// `TLS1.3`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) version: Option<&'static str>,
    /// Its certificate, if one came.
    #[serde(flatten)]
    pub(crate) certificate: Option<Certificate>,
    /// Why it is trusted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) verified: Option<String>,
    /// Whether its time is over, trusted or not.
    pub(crate) expired: bool,
}

/// Why there is no session.
#[derive(Debug)]
pub(crate) struct Refusal {
    /// For people.
    pub(crate) why: String,
    /// Whether the certificate is what it failed for.
    pub(crate) is_untrusted: bool,
    /// Whether the other side did not answer in time.
    pub(crate) is_late: bool,
}

/// An encrypted connection.
pub(crate) type Session = StreamOwned<ClientConnection, Socket>;

/// Makes a session; the peer is told also when there is none.
pub(crate) fn connect(
    mut socket: Socket,
    name: ServerName<'static>,
    trust: Trust,
    identity: Option<Identity>,
) -> (Result<Session, Refusal>, Peer) {
    let provider = Arc::new(ring::default_provider());
    let verifier = Arc::new(Verifier::new(trust, &provider));
    let connection = config(provider, &verifier, identity)
        .and_then(|config| ClientConnection::new(Arc::new(config), name));
    let mut connection = match connection {
        Ok(connection) => connection,
        Err(error) => {
            let why = format!("the client certificate cannot be used: {error}");
            return (Err(refusal(why)), Peer::default());
        }
    };
    let result = shake_hands(&mut connection, &mut socket);
    let mut peer = verifier.seen();
    peer.version = connection.protocol_version().and_then(version);
    let result = match result {
        Ok(()) => Ok(StreamOwned::new(connection, socket)),
        Err(error) => Err(verifier.refusal().map_or_else(
            || Refusal {
                is_late: error.kind() == io::ErrorKind::TimedOut,
                ..refusal(format!("no TLS handshake: {error}"))
            },
            |why| Refusal {
                is_untrusted: true,
                ..refusal(why)
            },
        )),
    };
    (result, peer)
}

fn refusal(why: String) -> Refusal {
    Refusal {
        why,
        is_untrusted: false,
        is_late: false,
    }
}

fn config(
    provider: Arc<CryptoProvider>,
    verifier: &Arc<Verifier>,
    identity: Option<Identity>,
) -> Result<ClientConfig, rustls::Error> {
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(verifier.clone());
    let mut config = match identity {
        Some(identity) => builder.with_client_auth_cert(identity.chain, identity.key)?,
        None => builder.with_no_client_auth(),
    };
    // One connection a question: there is nothing to resume.
    config.resumption = Resumption::disabled();
    Ok(config)
}

fn shake_hands<S: Read + Write>(
    connection: &mut ClientConnection,
    socket: &mut S,
) -> io::Result<()> {
    while connection.is_handshaking() {
        connection.complete_io(socket)?;
    }
    Ok(())
}

fn version(version: ProtocolVersion) -> Option<&'static str> {
    match version {
        ProtocolVersion::TLSv1_2 => Some("TLS1.2"),
        ProtocolVersion::TLSv1_3 => Some("TLS1.3"),
        _ => None,
    }
}
