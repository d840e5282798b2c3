//! Calls as a worker makes them: one after the other, over one connection while it lasts.
//!
//! What came of each goes back to the capture as a part: a line of JSON, and the bytes that it announces.

use std::time::Instant;

use freezeframe_bundle::{Cut, Kept, Outcome};
use serde::{Deserialize, Serialize};

use super::answer::Answer;
use super::h2::{Connection, Failure};
use super::method::Wanted;
use super::{message, wire};
use crate::source::{Brief, Told};
use crate::{clock, root};

/// Largest message, as kubelet has it.
const MESSAGE_BYTES: usize = 16 << 20;

/// What the capture wants of a worker.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Order {
    /// `v1` or `v1alpha2`.
    pub(crate) version: String,
    /// The calls.
    pub(crate) wanted: Vec<Wanted>,
    /// So many calls may stay without an answer before the rest is left out.
    pub(crate) patience: u32,
}

/// How a call went: a line of `cri/exchanges.jsonl`.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Exchange {
    /// Its name in the interface.
    pub(crate) call: String,
    /// The pod sandbox or container.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) id: String,
    /// The socket.
    pub(crate) endpoint: String,
    /// `v1` or `v1alpha2`.
    pub(crate) version: String,
    /// When it was made, microseconds of `CLOCK_BOOTTIME`.
    pub(crate) started_us: u64,
    /// How long it took.
    pub(crate) took_us: u64,
    /// Where the runtime answered: 0 is success.
    pub(crate) grpc_status: Option<u32>,
    /// What the runtime said of its error.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) grpc_message: String,
    /// Length of the message.
    pub(crate) bytes: u64,
    /// Why there was no answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<String>,
}

/// A call and its answer.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Part {
    pub(crate) wanted: Wanted,
    pub(crate) exchange: Exchange,
    pub(crate) outcome: Outcome,
    pub(crate) cut: Option<Cut>,
    /// Whether there is no connection, now or later.
    pub(crate) is_refused: bool,
    length: usize,
    /// The answer as JSON; goes behind the line.
    #[serde(skip)]
    pub(crate) json: Vec<u8>,
}

impl Part {
    /// Whether the runtime was asked and gave no answer.
    pub(crate) fn is_unanswered(&self) -> bool {
        self.exchange.grpc_status.is_none() || matches!(self.outcome, Outcome::TimedOut(_))
    }

    /// Whether the runtime does not know the call.
    pub(crate) fn is_unknown(&self) -> bool {
        self.exchange.grpc_status == Some(UNIMPLEMENTED)
    }

    fn encode(&mut self, bytes: &mut Vec<u8>) {
        self.length = self.json.len();
        // Writing to memory does not fail.
        let _ = serde_json::to_writer(&mut *bytes, self);
        bytes.push(b'\n');
        bytes.append(&mut self.json);
    }

    /// The parts of a worker's answer.
    pub(crate) fn decode(mut bytes: &[u8]) -> Vec<Self> {
        let mut parts = Vec::new();
        while let Some(end) = memchr::memchr(b'\n', bytes) {
            let (line, rest) = bytes.split_at(end);
            let Ok(mut part) = serde_json::from_slice::<Self>(line) else {
                break;
            };
            let Some((json, behind)) = rest.get(1..).and_then(|r| r.split_at_checked(part.length))
            else {
                break;
            };
            part.json = json.to_vec();
            parts.push(part);
            bytes = behind;
        }
        parts
    }
}

/// The argument of [`perform`]: the socket's path, and behind it the order.
pub(crate) fn argument(socket: &str, order: &Order) -> Vec<u8> {
    let mut argument = socket.as_bytes().to_vec();
    argument.push(b'\n');
    let _ = serde_json::to_writer(&mut argument, order);
    argument
}

/// Makes the calls of an order until too many are not answered, or time or room has ended.
pub(crate) fn perform(brief: &Brief<'_>) -> Told {
    let Some(end) = memchr::memchr(b'\n', brief.argument) else {
        return Told::none(Outcome::Failed("no order".to_owned()));
    };
    let (socket, order) = brief.argument.split_at(end);
    let order: Order = match serde_json::from_slice(order) {
        Ok(order) => order,
        Err(error) => return Told::none(Outcome::Failed(error.to_string())),
    };
    let mut line = Line {
        brief,
        socket,
        version: &order.version,
        connection: None,
    };
    let mut bytes = Vec::new();
    let mut patience = order.patience;
    for wanted in order.wanted {
        let room = brief.bytes.saturating_sub(bytes.len());
        if room == 0 || Instant::now() >= brief.ends || patience == 0 {
            break;
        }
        let mut part = line.ask(wanted, room);
        patience = patience.saturating_sub(part.is_unanswered().into());
        if part.is_refused {
            patience = 0;
        }
        part.encode(&mut bytes);
    }
    Told {
        bytes,
        outcome: Outcome::Complete,
        cut: None,
    }
}

/// A connection that is made again where it is spent.
struct Line<'a> {
    brief: &'a Brief<'a>,
    socket: &'a [u8],
    version: &'a str,
    connection: Option<Connection>,
}

impl Line<'_> {
    fn ask(&mut self, wanted: Wanted, room: usize) -> Part {
        let (started_us, began) = (clock::boottime_us(), Instant::now());
        let limit = MESSAGE_BYTES.min(room);
        let result = self.call(&wanted, limit);
        let took_us = began.elapsed().as_micros() as u64;
        let mut part = Part {
            exchange: Exchange {
                call: wanted.method.name().to_owned(),
                id: wanted.id.clone(),
                endpoint: String::from_utf8_lossy(self.socket).into_owned(),
                version: self.version.to_owned(),
                started_us,
                took_us,
                grpc_status: None,
                grpc_message: String::new(),
                bytes: 0,
                error: None,
            },
            wanted,
            outcome: Outcome::Complete,
            cut: None,
            is_refused: false,
            length: 0,
            json: Vec::new(),
        };
        match result {
            Ok(answer) => part.take(answer, room),
            Err(failure) => part.fail(&failure),
        }
        part
    }

    fn call(&mut self, wanted: &Wanted, limit: usize) -> Result<Answer, Failure> {
        let method = wanted.method;
        let ends = self.brief.ends.min(Instant::now() + method.patience());
        let connection = if let Some(usable) = self.connection.take_if(|c| c.is_usable()) {
            usable
        } else {
            let socket = self.brief.root.place(self.socket)?;
            Connection::open(&socket, ends)?
        };
        let connection = self.connection.insert(connection);
        let (version, service) = (self.version, method.service());
        let path = format!("/runtime.{version}.{service}/{}", method.name());
        connection.call(&path, &wanted.request(), limit, ends)
    }
}

impl Part {
    fn take(&mut self, answer: Answer, room: usize) {
        self.exchange.grpc_status = Some(answer.status);
        self.exchange.grpc_message = answer.message;
        self.exchange.bytes = answer.of_bytes.unwrap_or(answer.body.len() as u64);
        self.outcome = of_status(answer.status, self.exchange.took_us);
        if answer.status == 0 {
            self.write(&answer.body, answer.of_bytes, room);
        }
    }

    fn write(&mut self, body: &[u8], of_bytes: Option<u64>, room: usize) {
        const WRAP: (&[u8], &[u8]) = (b"{\"status\":", b"}");
        let whole = match of_bytes {
            Some(_) => wire::whole_fields(body),
            None => body,
        };
        let method = self.wanted.method;
        let json = message::to_json(method.answer(), whole, room);
        self.json = if method.is_wrapped() {
            [WRAP.0, &json.bytes, WRAP.1].concat()
        } else {
            json.bytes
        };
        let why = match of_bytes {
            Some(length) => Some(format!(
                "a message of {length} bytes: the first {} are kept",
                whole.len()
            )),
            None if json.is_damaged => Some("the message is malformed".to_owned()),
            None if json.is_cut => Some(format!("longer than {room} bytes as JSON")),
            None => None,
        };
        if let Some(why) = why {
            self.outcome = Outcome::Partial(why);
            self.cut = Some(Cut {
                kept: Kept::Head,
                of_bytes: None,
            });
        }
    }

    fn fail(&mut self, failure: &Failure) {
        let endpoint = &self.exchange.endpoint;
        let took_us = self.exchange.took_us;
        let (error, outcome) = match failure {
            Failure::Refused => {
                let why = format!("nothing listens on {endpoint}: the runtime is down");
                (why.clone(), Outcome::Failed(why))
            }
            Failure::TimedOut => ("no answer in time".to_owned(), Outcome::TimedOut(took_us)),
            Failure::Broken(why) => (why.clone(), Outcome::Failed(why.clone())),
            Failure::Io(error) => (error.to_string(), root::outcome(error)),
        };
        self.is_refused = matches!(failure, Failure::Refused | Failure::Io(_));
        self.exchange.error = Some(error);
        self.outcome = outcome;
    }
}

const UNIMPLEMENTED: u32 = 12;

/// What a status of gRPC means. What the runtime says of it may hold a secret, so it stays where
/// those are taken out: in the exchanges.
fn of_status(status: u32, took_us: u64) -> Outcome {
    const NAMES: [&str; 17] = [
        "OK",
        "CANCELLED",
        "UNKNOWN",
        "INVALID_ARGUMENT",
        "DEADLINE_EXCEEDED",
        "NOT_FOUND",
        "ALREADY_EXISTS",
        "PERMISSION_DENIED",
        "RESOURCE_EXHAUSTED",
        "FAILED_PRECONDITION",
        "ABORTED",
        "OUT_OF_RANGE",
        "UNIMPLEMENTED",
        "INTERNAL",
        "UNAVAILABLE",
        "DATA_LOSS",
        "UNAUTHENTICATED",
    ];
    let name = NAMES.get(status as usize).copied().unwrap_or("unknown");
    let text = format!("gRPC status {status} ({name}), see cri/exchanges.jsonl");
    match status {
        0 => Outcome::Complete,
        4 => Outcome::TimedOut(took_us),
        5 => Outcome::Absent("the runtime knows it no more".to_owned()),
        7 | 16 => Outcome::Denied(text),
        UNIMPLEMENTED => Outcome::Absent("this runtime does not offer it".to_owned()),
        _ => Outcome::Failed(text),
    }
}
