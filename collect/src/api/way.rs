//! How a service is reached and whom one trusts there: everything about a question but the question.

use std::net::SocketAddr;

use rustls::pki_types::ServerName;
use serde::{Deserialize, Serialize};

use super::credential::Credential;
use super::kubeconfig::Kubeconfig;
use super::place::Place;
use super::url::Url;
use crate::root::Root;
use crate::tls::Trust;

/// The cluster's authority.
const AUTHORITY: &str = "/etc/kubernetes/pki/ca.crt";
/// What to do about a certificate that nothing proves.
const ADVICE: &str = "what --pprof names has to have a certificate of the cluster's authority";

/// How a service is reached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Way {
    /// Address and path that all questions begin with.
    pub(crate) url: String,
    /// Where to connect to if the URL has a name.
    pub(crate) address: Option<SocketAddr>,
    /// Who asks.
    pub(crate) credential: Credential,
    /// Whom to trust.
    pub(crate) trusted: Trusted,
    /// From where it may be asked.
    pub(crate) reach: Reach,
}

/// From where a service may be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Reach {
    /// From the node's own network: its loopback address is another one elsewhere.
    Node,
    /// From the machine whose files say where it is, not from where a copy of them lies.
    Live,
    /// From wherever: a person named it.
    Anywhere,
}

/// Where it is written who is trusted; as [`Trust`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Trusted {
    /// Files whose first certificate is the service's own.
    pub(crate) pins: Vec<Place>,
    /// Files of authorities.
    pub(crate) authorities: Vec<Place>,
    /// Kubeconfigs that name an authority.
    pub(crate) kubeconfigs: Vec<Place>,
    /// Names of the node.
    pub(crate) nodes: Vec<String>,
    /// The process that listens there.
    pub(crate) owner: Option<String>,
    /// What to do where nothing fits.
    pub(crate) advice: String,
}

impl Way {
    /// A way without TLS and credentials.
    pub(crate) fn plain(url: String) -> Self {
        Self {
            url,
            address: None,
            credential: Credential::Nobody,
            trusted: Trusted::default(),
            reach: Reach::Node,
        }
    }
}

impl Way {
    /// A way that a person names; over TLS its certificate has to be signed for it by an authority of
    /// the node.
    pub(crate) fn named(url: String) -> Self {
        Self {
            reach: Reach::Anywhere,
            trusted: Trusted {
                authorities: vec![Place::Node(AUTHORITY.to_owned())],
                advice: ADVICE.to_owned(),
                ..Trusted::default()
            },
            ..Self::plain(url)
        }
    }
}

impl Trusted {
    /// Reads what is written there.
    pub(crate) fn load(&self, url: &Url, root: &Root) -> Trust {
        let mut trust = Trust {
            nodes: self.nodes.clone(),
            owner: self.owner.clone(),
            advice: self.advice.clone(),
            ..Trust::default()
        };
        for place in &self.pins {
            trust.pins.extend(place.anchors(root).into_iter().take(1));
        }
        for place in &self.authorities {
            trust.authorities.extend(place.anchors(root));
        }
        let mut names: Vec<&str> = vec![&url.host];
        let configs = self.kubeconfigs.iter();
        let configs = configs.filter_map(|place| Kubeconfig::read(place, root).ok());
        let configs: Vec<_> = configs.collect();
        for config in &configs {
            trust.authorities.extend(config.authorities(root));
            names.extend(config.server_name());
        }
        if url
            .address
            .is_some_and(|address| address.ip().is_loopback())
        {
            // A node's own certificate is seldom made out for its loopback address.
            names.extend(self.nodes.iter().map(String::as_str));
        }
        let names = names
            .into_iter()
            .map(|name| ServerName::try_from(name.to_owned()));
        trust.names = names.filter_map(Result::ok).collect();
        trust
    }
}
