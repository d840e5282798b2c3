//! One question and what came of it.

use std::io;
use std::time::Instant;

use freezeframe_bundle::{Cut, Kept, Outcome};
use rustls::pki_types::ServerName;
use serde::{Deserialize, Serialize};

use super::credential::Secrets;
use super::url::{Scheme, Url};
use super::verdict;
use super::way::{Reach, Way};
use crate::http::{self, Answer, Endpoint, Head, Question, Socket};
use crate::source::{Brief, Told};
use crate::tls::{self, Identity, Peer, Session};
use crate::{clock, live, root};

/// Longest body: the API server's metrics on a large cluster.
const BODY_BYTES: usize = 48 << 20;
/// Room for the line before the body.
const LINE_BYTES: usize = 16 << 10;
/// What is kept of a body that is no answer: a refusal's words.
const SAYS_CHARS: usize = 300;

/// What a worker is to ask.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Order {
    /// Name under `api/`.
    pub(crate) component: String,
    /// How it is reached.
    pub(crate) way: Way,
    /// Path and query.
    pub(crate) path: String,
    /// How to ask for what this answer leads to.
    pub(crate) next: Option<Way>,
}

impl Order {
    /// The member that its answer becomes: path and query as they are asked for.
    pub(crate) fn member(&self) -> String {
        let path = self.path.trim_matches('/');
        let path = freezeframe_bundle::member::escape(path.as_bytes());
        format!("api/{}/{path}", self.component)
    }
}

/// A line of `api/<component>/exchanges.jsonl`.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Exchange {
    pub(crate) url: String,
    /// The member with the body, if one was kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) member: Option<String>,
    /// When it began, microseconds since boot.
    pub(crate) started_us: u64,
    pub(crate) took_us: u64,
    /// Of that, until the connection was there ...
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) connect_us: Option<u64>,
    /// ... for the TLS handshake ...
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) tls_us: Option<u64>,
    /// ... and from the question to the answer's head.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) wait_us: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) status: Option<u16>,
    #[serde(flatten)]
    pub(crate) head: Head,
    /// Bytes of the body as far as they came.
    pub(crate) bytes: u64,
    /// Why the body is shorter than the service wanted it to be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cut: Option<&'static str>,
    /// Who asked.
    pub(crate) asked_as: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) tls: Option<Peer>,
    /// Why there is no answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<String>,
    /// What it says where it refuses.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) says: Option<String>,
}

/// Why there is no answer.
#[derive(Debug)]
pub(crate) struct Trouble {
    pub(crate) stage: Stage,
    pub(crate) outcome: Outcome,
}

/// How far it went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Nobody listens there, or this is not the place to ask from.
    Dial,
    /// The credential is no such.
    Credential,
    /// The certificate is not trusted, or the handshake failed.
    Tls,
    /// It was asked.
    Answer,
}

/// The call of a worker: asks, and answers a line and the body.
pub(crate) fn ask(brief: &Brief<'_>) -> Told {
    let order: Order = match serde_json::from_slice(brief.argument) {
        Ok(order) => order,
        Err(error) => return Told::none(Outcome::Failed(error.to_string())),
    };
    let (mut exchange, result) = put(brief, &order.way, &order.path, brief.ends);
    let mut told = match result {
        Ok(answer) => told(&order, answer),
        Err(trouble) => Told::none(trouble.outcome),
    };
    if matches!(told.outcome, Outcome::Complete | Outcome::Partial(_)) {
        exchange.member = Some(order.member());
    }
    let mut line = line(&exchange);
    line.append(&mut told.bytes);
    told.bytes = line;
    told
}

/// The line of an exchange, its end included.
pub(crate) fn line(exchange: &Exchange) -> Vec<u8> {
    // Strings and numbers: they always serialise.
    let mut line = serde_json::to_vec(exchange).unwrap_or_default();
    line.push(b'\n');
    line
}

fn told(order: &Order, answer: Answer) -> Told {
    let outcome = verdict::of_status(&order.component, &order.path, answer.status, &answer.body);
    let cut = answer.is_cut.then_some(Cut {
        kept: Kept::Head,
        of_bytes: answer.head.content_length,
    });
    match outcome {
        Outcome::Complete if answer.is_cut => Told {
            outcome: Outcome::Partial(format!("cut: {}", answer.why_cut)),
            bytes: answer.body,
            cut,
        },
        Outcome::Complete | Outcome::Partial(_) => Told {
            outcome,
            bytes: answer.body,
            cut,
        },
        refused => Told::none(refused),
    }
}

/// Asks, until then at the latest.
pub(crate) fn put(
    brief: &Brief<'_>,
    way: &Way,
    path: &str,
    ends: Instant,
) -> (Exchange, Result<Answer, Trouble>) {
    let mut exchange = Exchange {
        url: format!("{}{path}", way.url),
        started_us: clock::boottime_us(),
        asked_as: way.credential.to_string(),
        ..Exchange::default()
    };
    let began = Instant::now();
    let result = attempt(brief, way, path, ends, &mut exchange);
    exchange.took_us = began.elapsed().as_micros() as u64;
    match &result {
        Ok(answer) => {
            exchange.status = Some(answer.status);
            exchange.wait_us = Some(answer.waited.as_micros() as u64);
            exchange.head = answer.head.clone();
            exchange.bytes = answer.body.len() as u64;
            exchange.cut = answer.is_cut.then_some(answer.why_cut);
            if !(200..300).contains(&answer.status) {
                let text = String::from_utf8_lossy(&answer.body);
                exchange.says = Some(text.chars().take(SAYS_CHARS).collect());
            }
        }
        Err(trouble) => {
            exchange.error = Some(match &trouble.outcome {
                Outcome::TimedOut(_) => "it did not answer in time".to_owned(),
                outcome => outcome.reason().unwrap_or_default().to_string(),
            });
        }
    }
    (exchange, result)
}

fn attempt(
    brief: &Brief<'_>,
    way: &Way,
    path: &str,
    ends: Instant,
    exchange: &mut Exchange,
) -> Result<Answer, Trouble> {
    let trouble = |stage, outcome| Trouble { stage, outcome };
    let url = Url::parse(&way.url).map_err(|why| trouble(Stage::Dial, Outcome::Failed(why)))?;
    let Secrets { identity, token } = way
        .credential
        .load(brief.root)
        .map_err(|why| trouble(Stage::Credential, Outcome::Denied(why)))?;
    if token.is_some() && url.scheme != Scheme::Https {
        let why = "a token is sent over https alone".to_owned();
        return Err(trouble(Stage::Credential, Outcome::Denied(why)));
    }
    if token.is_some() && way.trusted.owner.is_some() {
        let why = "a token is sent only to whom a certificate proves".to_owned();
        return Err(trouble(Stage::Credential, Outcome::Denied(why)));
    }
    let began = Instant::now();
    let socket = endpoint(brief, way, &url).and_then(|endpoint| {
        Socket::connect(&endpoint, ends).map_err(|error| undialled(&error, way, began))
    });
    let socket = socket.map_err(|outcome| trouble(Stage::Dial, outcome))?;
    exchange.connect_us = Some(began.elapsed().as_micros() as u64);
    let path = match url.scheme {
        Scheme::Unix => path.to_owned(),
        Scheme::Http | Scheme::Https => format!("{}{path}", url.path),
    };
    let question = Question {
        host: &url.authority,
        path: &path,
        token: token.as_deref(),
        limit: BODY_BYTES.min(brief.bytes.saturating_sub(LINE_BYTES)),
    };
    if url.scheme != Scheme::Https {
        let mut socket = socket;
        return http::ask(&mut socket, &question).map_err(|error| unanswered(&error, began));
    }
    let mut session = encrypt(brief, way, &url, (socket, identity), exchange)?;
    http::ask(&mut session, &question).map_err(|error| unanswered(&error, began))
}

/// Where to connect to.
fn endpoint(brief: &Brief<'_>, way: &Way, url: &Url) -> Result<Endpoint, Outcome> {
    if url.scheme == Scheme::Unix {
        let socket = brief.root.place(url.path.as_bytes());
        return socket
            .map(Endpoint::Unix)
            .map_err(|error| undialled(&error, way, Instant::now()));
    }
    match way.reach {
        Reach::Node => live::shares_network(brief.root)?,
        Reach::Live => live::is_live(brief.root)?,
        Reach::Anywhere => {}
    }
    let address = way.address.or(url.address);
    address.map(Endpoint::Address).ok_or_else(|| {
        Outcome::Failed(format!(
            "`{}` is a name, and collect resolves none",
            url.host
        ))
    })
}

fn encrypt(
    brief: &Brief<'_>,
    way: &Way,
    url: &Url,
    (socket, identity): (Socket, Option<Identity>),
    exchange: &mut Exchange,
) -> Result<Session, Trouble> {
    let trouble = |outcome| Trouble {
        stage: Stage::Tls,
        outcome,
    };
    let name = ServerName::try_from(url.host.clone())
        .map_err(|error| trouble(Outcome::Failed(error.to_string())))?;
    let trust = way.trusted.load(url, brief.root);
    let began = Instant::now();
    let (session, peer) = tls::connect(socket, name, trust, identity);
    exchange.tls_us = Some(began.elapsed().as_micros() as u64);
    exchange.tls = Some(peer);
    session.map_err(|refusal| {
        trouble(if refusal.is_late {
            Outcome::TimedOut(began.elapsed().as_micros() as u64)
        } else if refusal.is_untrusted {
            Outcome::Denied(format!("not asked: {}", refusal.why))
        } else {
            Outcome::Failed(refusal.why)
        })
    })
}

fn undialled(error: &io::Error, way: &Way, began: Instant) -> Outcome {
    match error.kind() {
        io::ErrorKind::TimedOut => Outcome::TimedOut(began.elapsed().as_micros() as u64),
        // Whoever names an address by a flag wants to know.
        io::ErrorKind::ConnectionRefused if way.reach == Reach::Node => {
            Outcome::Absent("nothing listens there".to_owned())
        }
        io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound if way.reach != Reach::Node => {
            Outcome::Failed("nothing listens there".to_owned())
        }
        _ => root::outcome(error),
    }
}

fn unanswered(error: &io::Error, began: Instant) -> Trouble {
    Trouble {
        stage: Stage::Answer,
        outcome: match error.kind() {
            io::ErrorKind::TimedOut => Outcome::TimedOut(began.elapsed().as_micros() as u64),
            _ => Outcome::Failed(error.to_string()),
        },
    }
}
