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
    /// Whether this is the node's own loopback or socket, so that the node's network has to be
    /// this process's.
    pub(crate) is_local: bool,
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
            is_local: true,
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
