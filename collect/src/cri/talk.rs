//! The capture's side of a conversation with the runtime: who is asked, for how long, and what is kept.

use freezeframe_bundle::Outcome;

use super::method::{Method, Wanted};
use super::work::{Order, Part, argument};
use crate::clock;
use crate::source::{self, Cx, Privacy};

/// Versions of the interface, the newest first; the other one is that of containerd before 1.6.
const VERSIONS: [&str; 2] = ["v1", "v1alpha2"];
/// So many are asked for on one connection, and held in memory until they are stored.
const AT_ONCE: usize = 32;
/// Containers whose status may stay without an answer: the second proves that it is not the first
/// one's own trouble.
const SILENT: u32 = 2;

/// A conversation with the runtime.
pub(crate) struct Talk<'e> {
    socket: String,
    version: &'static str,
    exchanges: &'e mut Vec<u8>,
    /// Whether it has stopped to answer.
    is_silent: bool,
}

impl<'e> Talk<'e> {
    /// Finds the socket and the version that are answered.
    pub(crate) fn begin(
        cx: &mut Cx<'_>,
        sockets: &[String],
        exchanges: &'e mut Vec<u8>,
    ) -> Option<Talk<'e>> {
        let mut talk = Self {
            socket: String::new(),
            version: "",
            exchanges,
            is_silent: false,
        };
        let mut last = None;
        for socket in sockets {
            for version in VERSIONS {
                (talk.socket, talk.version) = (socket.clone(), version);
                talk.is_silent = false;
                let hello = [Method::Version.of_all()];
                let part = talk.parts(cx, &hello, 1).pop()?;
                if part.exchange.grpc_status == Some(0) {
                    store(cx, &part);
                    return Some(talk);
                }
                let (is_unknown, is_refused) = (part.is_unknown(), part.is_refused);
                last = Some(part);
                match (is_unknown, is_refused) {
                    // containerd without CRI, beside a docker; a runtime of older days.
                    (true, _) => {}
                    (_, true) => break,
                    // It is there and does not speak: nobody else is the runtime then.
                    _ => {
                        store(cx, &last?);
                        return None;
                    }
                }
            }
        }
        store(cx, &last?);
        None
    }

    /// Has calls made and stores their answers, until one stays without.
    pub(crate) fn ask(&mut self, cx: &mut Cx<'_>, wanted: &[Wanted]) -> Vec<Part> {
        let mut parts = Vec::new();
        if !self.is_silent {
            parts = self.stored(cx, wanted, 1);
        }
        let left = wanted.len() - parts.len().min(wanted.len());
        if left > 0 {
            let why = "calls: the runtime did not answer before";
            cx.leave_out(why, left as u64);
        }
        parts
    }

    /// Asks for each, a group at a time.
    pub(crate) fn each(&mut self, cx: &mut Cx<'_>, wanted: &[Wanted]) {
        let mut patience = SILENT;
        let mut rest = wanted;
        while !rest.is_empty() && !self.is_silent {
            let group = rest.get(..AT_ONCE).unwrap_or(rest);
            let parts = self.stored(cx, group, patience);
            let silent = parts.iter().filter(|part| part.is_unanswered()).count();
            patience = patience.saturating_sub(silent as u32);
            self.is_silent = patience == 0;
            rest = rest.get(parts.len()..).unwrap_or_default();
            if parts.is_empty() || cx.is_spent() {
                break;
            }
        }
        if !rest.is_empty() {
            let why = if self.is_silent {
                "pods and containers: the runtime did not answer before"
            } else {
                "pods and containers: the deadline or byte limit of this source"
            };
            cx.leave_out(why, rest.len() as u64);
        }
    }

    fn stored(&mut self, cx: &mut Cx<'_>, wanted: &[Wanted], patience: u32) -> Vec<Part> {
        let parts = self.parts(cx, wanted, patience);
        for part in &parts {
            store(cx, part);
        }
        parts
    }

    /// What came of calls, in order; those behind the last part were not made.
    fn parts(&mut self, cx: &mut Cx<'_>, wanted: &[Wanted], patience: u32) -> Vec<Part> {
        let order = Order {
            version: self.version.to_owned(),
            wanted: wanted.to_vec(),
            patience,
        };
        let told = cx.consult(0, &argument(&self.socket, &order));
        let parts = match told {
            Ok(bytes) => Part::decode(&bytes),
            Err(outcome) => {
                self.is_silent = true;
                note_lost(cx, wanted, outcome);
                return Vec::new();
            }
        };
        let silent = parts.iter().filter(|part| part.is_unanswered()).count();
        self.is_silent |= silent >= patience as usize || parts.iter().any(|part| part.is_refused);
        for part in &parts {
            // Writing to memory does not fail.
            let _ = serde_json::to_writer(&mut *self.exchanges, &part.exchange);
            self.exchanges.push(b'\n');
        }
        parts
    }
}

/// The worker is gone, and with it whatever came.
fn note_lost(cx: &mut Cx<'_>, wanted: &[Wanted], outcome: Outcome) {
    if matches!(outcome, Outcome::Skipped(_)) {
        return;
    }
    if let Some(member) = wanted.first().and_then(Wanted::member) {
        cx.part(source::Part {
            member,
            bytes: Vec::new(),
            outcome,
            cut: None,
            started_us: clock::boottime_us(),
            took_us: 0,
            privacy: Privacy::Text,
        });
    }
}

fn store(cx: &mut Cx<'_>, part: &Part) {
    if let Some(member) = part.wanted.member() {
        cx.part(source::Part {
            member,
            bytes: part.json.clone(),
            outcome: part.outcome.clone(),
            cut: part.cut,
            started_us: part.exchange.started_us,
            took_us: part.exchange.took_us,
            privacy: Privacy::Text,
        });
    }
}
