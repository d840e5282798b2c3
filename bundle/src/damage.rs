//! What could not be read of a bundle.

use crate::member;

/// Longest text of a damaged bundle that is repeated in a message.
const SHOWN_BYTES: usize = 300;

/// Something that could not be read.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Damage {
    /// The member concerned, where it is known; control characters are escaped.
    pub member: Option<String>,
    /// Offset in the file of the frame in which it was found.
    pub offset: u64,
    /// What is wrong.
    pub reason: String,
}

impl std::fmt::Display for Damage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "offset {}: ", self.offset)?;
        if let Some(member) = &self.member {
            write!(f, "`{member}`: ")?;
        }
        f.write_str(&self.reason)
    }
}

/// A list of damage that cannot grow without end: what is beyond its limit is only counted.
#[derive(Clone, Debug)]
pub(crate) struct Damages {
    pub(crate) list: Vec<Damage>,
    pub(crate) more: u64,
    limit: usize,
}

impl Damages {
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            list: Vec::new(),
            more: 0,
            limit,
        }
    }

    /// Adds damage of the file.
    pub(crate) fn frame(&mut self, offset: u64, reason: &str) {
        self.add(None, offset, reason);
    }

    /// Adds damage of one member, whose name may be anything.
    pub(crate) fn member(&mut self, name: &[u8], offset: u64, reason: &str) {
        self.add(Some(name), offset, reason);
    }

    fn add(&mut self, name: Option<&[u8]>, offset: u64, reason: &str) {
        if self.list.len() >= self.limit {
            self.more += 1;
            return;
        }
        self.list.push(Damage {
            member: name.map(shown),
            offset,
            reason: shown_text(reason),
        });
    }
}

/// A name as it can be shown to a person.
fn shown(name: &[u8]) -> String {
    match name.get(..SHOWN_BYTES) {
        Some(start) if start.len() < name.len() => member::escape(start) + "...",
        _ => member::escape(name),
    }
}

/// A reason may repeat what a hostile bundle says: control characters go, and what is too long.
fn shown_text(reason: &str) -> String {
    let mut text: String = reason
        .chars()
        .take(SHOWN_BYTES)
        .map(|c| if c.is_control() { '\u{FFFD}' } else { c })
        .collect();
    if text.len() < reason.len() && reason.chars().count() > SHOWN_BYTES {
        text.push_str("...");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_is_short_and_printable() {
        let mut damages = Damages::new(2);
        damages.member(&[b'a'; 5000], 7, "bad \x1b[31m name");
        damages.frame(9, &"x".repeat(5000));
        damages.frame(11, "one too many");
        assert_eq!(damages.more, 1);
        let texts: Vec<String> = damages.list.iter().map(ToString::to_string).collect();
        assert_eq!(
            texts[0],
            format!("offset 7: `{}...`: bad \u{FFFD}[31m name", "a".repeat(300))
        );
        assert_eq!(texts[1], format!("offset 9: {}...", "x".repeat(300)));
    }
}
