//! Who one is to a service. Only places are passed around; what lies there is read by the worker that
//! asks, and stays in its memory.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::kubeconfig::{self, Kubeconfig};
use super::place::Place;
use crate::root::Root;
use crate::tls::Identity;

/// Longest token; those of service accounts have a kilobyte.
const TOKEN_BYTES: usize = 16 << 10;

/// Where a credential lies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Credential {
    /// None: as anybody.
    Nobody,
    /// A file that holds a bearer token.
    Token(Place),
    /// A client certificate and its key, which may lie in the same file.
    Certificate { certificate: Place, key: Place },
    /// The user of a kubeconfig's current context.
    User(Place),
}

/// What lies there.
#[derive(Default)]
pub(crate) struct Secrets {
    pub(crate) identity: Option<Identity>,
    pub(crate) token: Option<String>,
}

impl Credential {
    /// Reads it; an error says what is wrong with it and never what it is.
    pub(crate) fn load(&self, root: &Root) -> Result<Secrets, String> {
        let read = |place: &Place| {
            let bytes = place.read(root);
            bytes.map_err(|error| format!("{place}: {error}"))
        };
        let secrets = match self {
            Self::Nobody => Secrets::default(),
            Self::Token(place) => Secrets {
                token: Some(token(&read(place)?).ok_or_else(|| format!("{place} holds no token"))?),
                identity: None,
            },
            Self::Certificate { certificate, key } => Secrets {
                identity: Some(
                    kubeconfig::identity(&read(certificate)?, &read(key)?)
                        .map_err(|why| format!("{certificate}: {why}"))?,
                ),
                token: None,
            },
            Self::User(place) => {
                let config = Kubeconfig::read(place, root)?;
                if let Some(obstacle) = config.obstacle() {
                    return Err(obstacle);
                }
                let bytes = config.token(root)?;
                let secrets = Secrets {
                    identity: config.identity(root)?,
                    token: bytes.and_then(|bytes| token(&bytes)),
                };
                if secrets.identity.is_none() && secrets.token.is_none() {
                    return Err(format!(
                        "the user of {place} has neither certificate nor token"
                    ));
                }
                secrets
            }
        };
        Ok(secrets)
    }
}

/// A token that can stand in a header.
fn token(bytes: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(bytes).ok()?.trim();
    let is_one =
        !text.is_empty() && text.len() <= TOKEN_BYTES && text.bytes().all(|b| b.is_ascii_graphic());
    is_one.then(|| text.to_owned())
}

impl fmt::Display for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nobody => f.write_str("nobody"),
            Self::Token(place) => write!(f, "token {place}"),
            Self::Certificate { certificate, .. } => write!(f, "certificate {certificate}"),
            Self::User(place) => write!(f, "user of {place}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_cannot_add_a_header() {
        assert_eq!(token(b"abc.def\n").as_deref(), Some("abc.def"));
        for bytes in [
            &b""[..],
            b"\n",
            b"a\r\nX: y",
            b"a b",
            b"\xff",
            &vec![b'a'; 20_000],
        ] {
            assert_eq!(token(bytes), None);
        }
    }
}
