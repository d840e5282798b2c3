//! The capture's side: what a worker brought becomes a member and a line.

use freezeframe_bundle::Outcome;

use std::time::Duration;

use super::exchange::Order;
use crate::source::{Brought, Cx, Errand, Privacy};

/// Questions in a row that nobody answered after which a service that answers nothing at all is
/// asked for nothing more.
const UNANSWERED: u32 = 4;

impl Order {
    /// The errand to ask this; `call` is the number of [`super::ask`] among the calls of the source.
    pub(crate) fn errand(&self, call: usize, time: Duration) -> Errand {
        Errand {
            call,
            argument: serde_json::to_vec(self).unwrap_or_default(),
            label: self.member(),
            time,
            is_long: self.path.starts_with("/debug/pprof/profile"),
            then: store,
        }
    }
}

/// Stores what came of an [`Order`].
pub(crate) fn store(cx: &mut Cx<'_>, errand: &Errand, brought: Brought) {
    let Ok(order) = serde_json::from_slice::<Order>(&errand.argument) else {
        return;
    };
    let component = &order.component;
    let mut bytes = cx.bytes().to_vec();
    let line: Vec<u8> = match memchr::memchr(b'\n', &bytes) {
        Some(end) => {
            let body = bytes.split_off(end + 1);
            bytes.pop();
            std::mem::replace(&mut bytes, body)
        }
        // The worker did not come back.
        None => serde_json::to_vec(&serde_json::json!({
            "url": format!("{}{}", order.way.url, order.path),
            "asked_as": order.way.credential.to_string(),
            "error": "the process that asked was given up",
        }))
        .unwrap_or_default(),
    };
    cx.add_line(&format!("api/{component}/exchanges.jsonl"), &line);
    let is_answered = !matches!(brought.outcome, Outcome::TimedOut(_));
    if cx.count_answer(component, is_answered) >= UNANSWERED {
        let why = "it answered none of the first questions";
        cx.give_up_errands(&format!("api/{component}/"), why);
    }
    let privacy = privacy(&bytes);
    cx.store_brought(&errand.label, bytes, brought, privacy);
}

/// What the body of an answer may give away.
pub(crate) fn privacy(bytes: &[u8]) -> Privacy {
    if is_packed(bytes) {
        Privacy::Packed
    } else {
        Privacy::Text
    }
}

/// Whether these are bytes of a profile (gzip) or of an execution trace of Go: no text, and of no use
/// once a byte is replaced.
fn is_packed(bytes: &[u8]) -> bool {
    let is_trace = bytes.starts_with(b"go 1.")
        && bytes
            .get(..16)
            .is_some_and(|head| head.ends_with(b" trace\0\0\0") || head.ends_with(b"\0"));
    bytes.starts_with(&[0x1f, 0x8b]) || is_trace
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn profiles_and_traces_are_packed() {
        assert!(is_packed(&[0x1f, 0x8b, 8, 0]));
        assert!(is_packed(b"go 1.26 trace\0\0\0 and more"));
        assert!(is_packed(b"go 1.8 trace\0\0\0\0and more"));
        for text in [
            &b"go 1."[..],
            b"go 1.26.6 is the version of",
            b"goroutine 1 [select]:",
            b"{}",
        ] {
            assert!(!is_packed(text), "{text:?}");
        }
    }
}
