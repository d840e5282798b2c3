//! What holds for the redactor as a whole.

mod behaviour;
mod evidence;
#[path = "../../tests/fake/plant.rs"]
mod plant;
mod planted;

use super::{Level, Redactor, Shape};

fn redactor() -> Redactor {
    Redactor::new(Level::Default, [7; 32]).unwrap()
}

thread_local! {
    static SHARED: Redactor = redactor();
}

/// The text after redaction.
fn redacted(shape: Shape, text: &[u8]) -> Vec<u8> {
    SHARED.with(|redactor| {
        let redacted = redactor.redact(shape, text);
        redacted.map_or_else(|| text.to_vec(), |redacted| redacted.bytes)
    })
}

/// As [`redacted`], for readable text.
fn of(text: &str) -> String {
    String::from_utf8(redacted(Shape::Text, text.as_bytes())).unwrap()
}

fn holds(text: &[u8], part: &[u8]) -> bool {
    memchr::memmem::find(text, part).is_some()
}
