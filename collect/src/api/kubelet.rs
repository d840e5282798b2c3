//! How kubelet is reached on this node: found out by a worker before anything is asked.
//!
//! Where it listens is in its configuration, its arguments, or shown by its sockets. Who may ask it
//! is tried in a fixed order ([`candidates`]) with one small question each, until one may see its
//! health. Whatever was tried is evidence, and is kept.

mod candidates;
mod settings;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use freezeframe_bundle::Outcome;
use serde::{Deserialize, Serialize};

use super::component::reachable;
use super::credential::Credential;
use super::exchange::{Exchange, Stage, Trouble, line, put};
use super::verdict;
use super::way::{Reach, Way};
use crate::cli::Services;
use crate::http::Answer;
use crate::source::{Brief, Told};
use settings::Settings;

/// How long one try may take: kubelet's health needs nothing but kubelet.
const PATIENCE: Duration = Duration::from_secs(4);
/// The question that is tried: it needs the least.
const HEALTH: &str = "/healthz";
/// What those may ask who may only see metrics.
const METRICS: &str = "/metrics/probes";

/// What the capture knows before.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Clues {
    /// What a person said.
    pub(crate) services: Services,
    /// Arguments of kubelet's process.
    pub(crate) arguments: Vec<String>,
    /// Where it listens.
    pub(crate) listeners: Vec<SocketAddr>,
    /// Whether there is such a process.
    pub(crate) is_running: bool,
}

/// What was found.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Survey {
    /// How to ask it.
    pub(crate) way: Result<Way, Outcome>,
    /// Whether this is the port that tells little and nothing else.
    pub(crate) is_read_only: bool,
    /// Where its health is told to anybody on the node.
    pub(crate) health: Option<Way>,
    /// Lines of what was tried.
    pub(crate) tried: Vec<String>,
}

/// The call of a worker.
pub(crate) fn survey(brief: &Brief<'_>) -> Told {
    let clues: Clues = match serde_json::from_slice(brief.argument) {
        Ok(clues) => clues,
        Err(error) => return Told::none(Outcome::Failed(error.to_string())),
    };
    let settings = Settings::read(brief.root, &clues.arguments);
    let mut tries = Tries {
        brief,
        lines: Vec::new(),
    };
    let found = tries.find(&clues, &settings);
    let (way, is_read_only) = match found {
        Ok(way) => (Ok(way), false),
        Err(outcome) if clues.services.kubelet_url.is_none() => match tries.read_only(&settings) {
            Some(way) => (Ok(way), true),
            None => (Err(outcome), false),
        },
        Err(outcome) => (Err(outcome), false),
    };
    let is_asked_elsewhere = clues.services.kubelet_url.is_some();
    let survey = Survey {
        way,
        is_read_only,
        health: settings
            .health_url()
            .filter(|_| !is_asked_elsewhere)
            .map(Way::plain),
        tried: tries.lines,
    };
    Told {
        // Strings and numbers: they always serialise.
        bytes: serde_json::to_vec(&survey).unwrap_or_default(),
        outcome: Outcome::Complete,
        cut: None,
    }
}

/// What a try showed.
enum Seen {
    /// This one may see its health; it may be sick all the same.
    Open,
    /// It is known who asks, and it is not allowed; `metrics` perhaps are.
    Limited { metrics: bool },
    /// The next one may do better.
    Refused(Outcome),
    /// No other one can do better.
    Hopeless(Outcome),
}

struct Tries<'a, 'b> {
    brief: &'a Brief<'b>,
    lines: Vec<String>,
}

impl Tries<'_, '_> {
    fn find(&mut self, clues: &Clues, settings: &Settings) -> Result<Way, Outcome> {
        let root = self.brief.root;
        let trusted = candidates::trusted(root, &clues.services, settings);
        let credentials = candidates::credentials(root, &clues.services, settings);
        let url = clues.services.kubelet_url.clone();
        let reach = if url.is_some() {
            Reach::Anywhere
        } else {
            Reach::Node
        };
        let url = url.unwrap_or_else(|| format!("https://{}", address(clues, settings)));
        let mut limited: Option<(Way, bool)> = None;
        let mut refusal = None;
        for credential in credentials {
            let way = Way {
                url: url.clone(),
                address: None,
                credential,
                trusted: trusted.clone(),
                reach,
            };
            match self.look(&way) {
                Seen::Open => return Ok(way),
                Seen::Limited { metrics } => {
                    if limited.as_ref().is_none_or(|(_, best)| metrics && !best) {
                        limited = Some((way, metrics));
                    }
                }
                Seen::Refused(outcome) => {
                    // That nobody is refused is no news.
                    if way.credential != Credential::Nobody || refusal.is_none() {
                        refusal = Some(outcome);
                    }
                }
                Seen::Hopeless(outcome) => {
                    return Err(explain(outcome, &url, clues.is_running));
                }
            }
        }
        limited.map(|(way, _)| way).ok_or_else(|| {
            refusal.unwrap_or_else(|| Outcome::Failed("there is nobody to ask as".to_owned()))
        })
    }

    fn look(&mut self, way: &Way) -> Seen {
        match self.put(way, HEALTH) {
            Ok(answer) => match answer.status {
                403 => Seen::Limited {
                    metrics: self.put(way, METRICS).is_ok_and(|a| a.status == 200),
                },
                401 => Seen::Refused(verdict::of_status("kubelet", HEALTH, 401, &[])),
                500 if !verdict::is_authorisation_down(500, &answer.body) => Seen::Open,
                200..300 | 404 => Seen::Open,
                status => {
                    Seen::Hopeless(verdict::of_status("kubelet", HEALTH, status, &answer.body))
                }
            },
            Err(Trouble { stage, outcome }) => match (stage, &outcome) {
                // Its health hangs; the rest may answer.
                (Stage::Answer, Outcome::TimedOut(_)) => Seen::Open,
                (Stage::Credential | Stage::Answer, _) | (Stage::Tls, Outcome::Failed(_)) => {
                    Seen::Refused(outcome)
                }
                (Stage::Dial | Stage::Tls, _) => Seen::Hopeless(outcome),
            },
        }
    }

    /// The port without rights, where it is open.
    fn read_only(&mut self, settings: &Settings) -> Option<Way> {
        let way = Way::plain(settings.read_only_url()?);
        let answer = self.put(&way, HEALTH).ok()?;
        (answer.status == 200).then_some(way)
    }

    fn put(&mut self, way: &Way, path: &str) -> Result<Answer, Trouble> {
        let ends = self.brief.ends.min(Instant::now() + PATIENCE);
        let (exchange, result): (Exchange, _) = put(self.brief, way, path, ends);
        let line = String::from_utf8_lossy(&line(&exchange))
            .trim_end()
            .to_owned();
        self.lines.push(line);
        result
    }
}

/// Where its HTTPS port is: as configured, and at the address that it has taken.
fn address(clues: &Clues, settings: &Settings) -> SocketAddr {
    let own = clues.listeners.iter().copied().map(reachable);
    let mut at_port = own.filter(|address| address.port() == settings.port);
    at_port
        .next()
        .unwrap_or_else(|| reachable(settings.address()))
}

/// What it means that there is nobody to ask.
fn explain(outcome: Outcome, url: &str, is_running: bool) -> Outcome {
    match outcome {
        Outcome::Absent(why) if is_running => {
            Outcome::Failed(format!("kubelet runs, but at {url} {why}"))
        }
        Outcome::Absent(why) => Outcome::Absent(format!("no kubelet runs, and at {url} {why}")),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;
    use std::path::Path;

    use serde_json::Value;

    use super::*;
    use crate::root::Root;

    /// A service that answers everything so; its port.
    fn service(answer: &'static str) -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let _ = stream.read(&mut [0; 1024]);
                let _ = stream.write_all(answer.as_bytes());
            }
        });
        port
    }

    fn closed_port() -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().port()
    }

    fn found(arguments: &[String], is_running: bool) -> Survey {
        let root = Root::open(Path::new("/")).unwrap();
        let clues = Clues {
            arguments: arguments.to_vec(),
            is_running,
            ..Clues::default()
        };
        let argument = serde_json::to_vec(&clues).unwrap();
        let brief = Brief {
            root: &root,
            argument: &argument,
            ends: Instant::now() + Duration::from_secs(10),
            bytes: 1 << 20,
        };
        serde_json::from_slice(&survey(&brief).bytes).unwrap()
    }

    #[test]
    fn the_port_without_rights_is_the_last_resort() {
        let open = service("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        let arguments = [
            format!("--port={}", closed_port()),
            format!("--read-only-port={open}"),
            "--healthz-port=7".to_owned(),
        ];
        let survey = found(&arguments, true);
        assert!(survey.is_read_only);
        assert_eq!(survey.way.unwrap().url, format!("http://127.0.0.1:{open}"));
        assert_eq!(survey.health.unwrap().url, "http://127.0.0.1:7");
        assert_eq!(survey.tried.len(), 2);
    }

    #[test]
    fn where_nothing_listens_is_said() {
        let arguments = [
            format!("--port={}", closed_port()),
            "--read-only-port=0".to_owned(),
        ];
        let why = |is_running| found(&arguments, is_running).way.unwrap_err();
        assert!(
            matches!(why(true), Outcome::Failed(why) if why.starts_with("kubelet runs, but at https"))
        );
        assert!(matches!(why(false), Outcome::Absent(_)));
        // What speaks no TLS is no kubelet.
        let plain = service("HTTP/1.0 400 Bad Request\r\n\r\n");
        let arguments = [format!("--port={plain}"), "--read-only-port=0".to_owned()];
        let survey = found(&arguments, true);
        assert!(matches!(survey.way, Err(Outcome::Failed(why)) if why.contains("TLS")));
        let line: Value = serde_json::from_str(&survey.tried[0]).unwrap();
        assert!(line["error"].as_str().unwrap().contains("TLS"));
    }
}
