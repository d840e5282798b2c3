//! How the API server is reached from this node: by kubelet's own kubeconfig, or by one that a person
//! names.
//!
//! Its URL often has a name, which is not resolved: its address is looked for in `/etc/hosts` and among
//! the connections that kubelet holds. Who answers there has to prove that name all the same.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::time::{Duration, Instant};

use freezeframe_bundle::Outcome;
use serde::{Deserialize, Serialize};

use super::credential::Credential;
use super::exchange::{Stage, line, put};
use super::kubeconfig::Kubeconfig;
use super::place::Place;
use super::url::Url;
use super::way::{Reach, Trusted, Way};
use crate::cli::Services;
use crate::root::Root;
use crate::source::{Brief, Told};
use crate::tls::Certificate;

/// Kubeconfigs of a node, kubelet's own first.
const KUBECONFIGS: [&str; 6] = [
    "/etc/kubernetes/kubelet.conf",
    "/var/lib/kubelet/kubeconfig",
    "/etc/kubernetes/admin.conf",
    "/etc/kubernetes/super-admin.conf",
    "/var/lib/rancher/k3s/agent/kubelet.kubeconfig",
    "/var/lib/rancher/rke2/agent/kubelet.kubeconfig",
];
/// What Kubernetes mounts into a pod.
const OWN_TOKEN: &str = "/var/run/secrets/kubernetes.io/serviceaccount/token";
/// How long one try may take.
const PATIENCE: Duration = Duration::from_secs(3);
/// What to do about a certificate that nothing proves.
const ADVICE: &str = "name a kubeconfig with its authority by --kubeconfig";

/// What the capture knows before.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct NodeClues {
    /// What a person said.
    pub(crate) services: Services,
    /// `--hostname-override` of kubelet.
    pub(crate) node: Option<String>,
    /// Whom kubelet is connected to.
    pub(crate) peers: Vec<SocketAddr>,
}

/// What was found.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ServerSurvey {
    /// How to ask for the node, and its name.
    pub(crate) node: Result<(Way, String), Outcome>,
    /// How to ask for events, which nodes may not see.
    pub(crate) events: Option<Way>,
    /// Lines of what was tried.
    pub(crate) tried: Vec<String>,
}

/// The call of a worker.
pub(crate) fn survey_server(brief: &Brief<'_>) -> Told {
    let clues: NodeClues = match serde_json::from_slice(brief.argument) {
        Ok(clues) => clues,
        Err(error) => return Told::none(Outcome::Failed(error.to_string())),
    };
    let mut survey = ServerSurvey {
        node: Err(Outcome::Absent("there is no kubeconfig here".to_owned())),
        events: None,
        tried: Vec::new(),
    };
    for way in ways(brief.root, &clues) {
        let way = match way {
            Ok(way) => way,
            Err(why) => {
                survey.node = survey.node.or(Err(Outcome::Failed(why)));
                continue;
            }
        };
        if !look(brief, &clues, &way, &mut survey) {
            break;
        }
    }
    Told {
        // Strings and numbers: they always serialise.
        bytes: serde_json::to_vec(&survey).unwrap_or_default(),
        outcome: Outcome::Complete,
        cut: None,
    }
}

/// Tries a way; whether the next one may do better.
fn look(brief: &Brief<'_>, clues: &NodeClues, way: &Way, survey: &mut ServerSurvey) -> bool {
    let mut ask = |path: &str| {
        let ends = brief.ends.min(Instant::now() + PATIENCE);
        let (exchange, result) = put(brief, way, path, ends);
        let line = String::from_utf8_lossy(&line(&exchange))
            .trim_end()
            .to_owned();
        survey.tried.push(line);
        result
    };
    if survey.node.is_err() {
        let name = node_name(brief.root, clues, way);
        match ask(&format!("/api/v1/nodes/{name}")) {
            Ok(answer) if answer.status == 200 => survey.node = Ok((way.clone(), name)),
            Ok(answer) => {
                let status = answer.status;
                let who = &way.credential;
                survey.node = Err(Outcome::Denied(format!(
                    "HTTP status {status} to the {who}: name one that may get this node by --kubeconfig"
                )));
                return matches!(status, 401 | 403);
            }
            Err(trouble) => {
                let is_in_vain = matches!(trouble.stage, Stage::Dial | Stage::Answer)
                    || matches!(trouble.outcome, Outcome::TimedOut(_));
                survey.node = Err(match trouble.outcome {
                    Outcome::Failed(why) => {
                        Outcome::Failed(format!("the API server at {}: {why}", way.url))
                    }
                    other => other,
                });
                return !is_in_vain;
            }
        }
    }
    let events = ask("/api/v1/events?limit=1");
    if events.is_ok_and(|answer| answer.status == 200) {
        survey.events = Some(way.clone());
        return false;
    }
    true
}

/// Every way, the first to be tried first; why there is none.
fn ways(root: &Root, clues: &NodeClues) -> Vec<Result<Way, String>> {
    if let Some(named) = &clues.services.kubeconfig {
        let place = Place::Own(named.clone());
        return vec![way(root, clues, &place, Reach::Anywhere)];
    }
    let places = KUBECONFIGS.map(|path| Place::Node(path.to_owned()));
    let places = places.into_iter().filter(|place| place.read(root).is_ok());
    let mut ways: Vec<_> = places
        .map(|place| way(root, clues, &place, Reach::Live))
        .collect();
    // A pod of ours may have been granted what a node is not.
    let own = Root::open(Path::new("/")).is_ok_and(|own| own.exists(OWN_TOKEN.as_bytes()));
    let known = ways.iter().flatten().next().cloned();
    ways.extend(known.filter(|_| own).map(|way| {
        Ok(Way {
            credential: Credential::Token(Place::Own(OWN_TOKEN.to_owned())),
            ..way
        })
    }));
    ways
}

fn way(root: &Root, clues: &NodeClues, place: &Place, reach: Reach) -> Result<Way, String> {
    let config = Kubeconfig::read(place, root)?;
    let server = config.server().ok_or(format!("{place} names no server"))?;
    let url = Url::parse(server).map_err(|why| format!("{place}: {why}"))?;
    let address = url.address.or_else(|| address_of(root, clues, &url));
    if address.is_none() {
        return Err(format!(
            "the API server's name `{}` is not resolved: it stands in no line of /etc/hosts, and kubelet is \
             not connected to it",
            url.host
        ));
    }
    Ok(Way {
        url: server.trim_end_matches('/').to_owned(),
        address,
        credential: Credential::User(place.clone()),
        trusted: Trusted {
            kubeconfigs: vec![place.clone()],
            advice: ADVICE.to_owned(),
            ..Trusted::default()
        },
        reach,
    })
}

/// The address of a name: as the node's file says, or where kubelet is connected to at this port.
fn address_of(root: &Root, clues: &NodeClues, url: &Url) -> Option<SocketAddr> {
    let hosts = Place::Node("/etc/hosts".to_owned()).read(root);
    let hosts = String::from_utf8(hosts.unwrap_or_default()).unwrap_or_default();
    let listed = hosts.lines().find_map(|line| {
        let line = line.split('#').next().unwrap_or_default();
        let mut words = line.split_ascii_whitespace();
        let ip: IpAddr = words.next()?.parse().ok()?;
        words.any(|name| name == url.host).then_some(ip)
    });
    let connected = clues.peers.iter().find(|peer| peer.port() == url.port);
    listed
        .map(|ip| SocketAddr::new(ip, url.port))
        .or(connected.copied())
}

/// The node's name: as kubelet was told, as its certificate says, or the host's.
fn node_name(root: &Root, clues: &NodeClues, way: &Way) -> String {
    let told = clues.node.clone();
    let name = told.or_else(|| {
        let identity = way.credential.load(root).ok()?.identity?;
        let own = Certificate::read(identity.chain.first()?)?;
        own.node().map(str::to_owned)
    });
    let name = name.unwrap_or_else(|| {
        let host = Place::Node("/etc/hostname".to_owned()).read(root);
        String::from_utf8(host.unwrap_or_default()).unwrap_or_default()
    });
    // It becomes part of a path (RFC 1123).
    let is_part = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.');
    name.trim().to_lowercase().chars().filter(is_part).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root(files: &[(&str, &str)]) -> (Root, tempfile::TempDir) {
        let folder = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        (Root::open(folder.path()).unwrap(), folder)
    }

    #[test]
    fn a_name_is_found_without_asking_for_it() {
        let hosts = "127.0.0.1 localhost\n10.0.0.9 other # api.example\n10.0.0.1\tx api.example\n";
        let (root, _folder) = root(&[("etc/hosts", hosts)]);
        let url = Url::parse("https://api.example:6443").unwrap();
        let mut clues = NodeClues::default();
        let of = |clues: &NodeClues, url: &Url| {
            address_of(&root, clues, url).map(|address| address.to_string())
        };
        assert_eq!(of(&clues, &url).as_deref(), Some("10.0.0.1:6443"));
        let cloud = Url::parse("https://abc.eks.example").unwrap();
        assert_eq!(of(&clues, &cloud), None);
        clues.peers = vec![
            "10.1.1.1:8080".parse().unwrap(),
            "10.0.7.7:443".parse().unwrap(),
        ];
        assert_eq!(of(&clues, &cloud).as_deref(), Some("10.0.7.7:443"));
    }

    #[test]
    fn ways_are_in_the_documented_order() {
        let config = |server: &str| {
            format!("clusters:\n- cluster:\n    server: {server}\nusers:\n- user:\n    token: x\n")
        };
        let (kubelet, admin) = (
            config("https://10.0.0.1:6443"),
            config("https://api.example"),
        );
        let (root, _folder) = root(&[
            ("etc/kubernetes/admin.conf", &admin),
            ("etc/kubernetes/kubelet.conf", &kubelet),
            ("etc/hostname", "Node1\n"),
        ]);
        let clues = NodeClues::default();
        let found = ways(&root, &clues);
        let first = found[0].as_ref().unwrap();
        assert_eq!(first.url, "https://10.0.0.1:6443");
        assert!(found[1].as_ref().unwrap_err().contains("not resolved"));
        assert_eq!(node_name(&root, &clues, first), "node1");
        let told = NodeClues {
            node: Some("ip-1.internal/../x".to_owned()),
            ..NodeClues::default()
        };
        assert_eq!(node_name(&root, &told, first), "ip-1.internal..x");
        let named = NodeClues {
            services: Services {
                kubeconfig: Some("/no/such".to_owned()),
                ..Services::default()
            },
            ..NodeClues::default()
        };
        assert_eq!(ways(&root, &named).len(), 1);
    }
}
