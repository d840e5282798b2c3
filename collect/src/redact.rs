//! Takes secrets out of what is captured, before it is stored.
//!
//! One pass over a text finds triggers (`://`, `token`, `eyJ`, ...); each leads to a search that reads
//! a bounded stretch around it and notes the secret's place. Text without triggers costs that pass alone.
//! Every search reads forward and no stretch is read twice for the same reason, so hostile text costs
//! no more than linear time. What stands for a secret afterwards: see [`mark`].

mod arguments;
mod assignment;
mod environment;
mod header;
mod journal;
mod manifest;
mod mark;
mod pem;
mod scan;
mod strict;
mod token;
mod trigger;
mod url;
mod value;
mod yaml;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::io;

use journal::Part;
pub(crate) use scan::decode_base64;
use scan::{Scan, Span, Style, slice};
use trigger::Triggers;

/// How much is taken out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Level {
    /// Secrets.
    Default,
    /// Secrets, addresses, host names, arguments of processes.
    Strict,
    /// Nothing.
    None,
}

/// What a text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// Lines, JSON, YAML: anything that people or programs write.
    Text,
    /// Arguments of a process, separated by NUL.
    CommandLine,
    /// Variables of a process, separated by NUL.
    Environment,
    /// Numbers and names of the kernel: nothing is looked for.
    Binary,
    /// Compressed: nothing can be looked for.
    Packed,
    /// As binary data, and lengths must stay: what is taken out becomes so many `x`.
    Records,
    /// Entries of the journal in its export format.
    JournalExport,
}

/// Bytes without their secrets.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Redacted {
    /// What is to be stored.
    pub(crate) bytes: Vec<u8>,
    /// How many secrets of each kind were taken out.
    pub(crate) counts: BTreeMap<String, u64>,
}

/// Takes secrets out of texts; one per capture, since its salt makes equal secrets equal.
pub(crate) struct Redactor {
    level: Level,
    salt: [u8; 32],
    triggers: Triggers,
    /// Names of this host, for [`Level::Strict`].
    hosts: Vec<Vec<u8>>,
}

impl Level {
    /// Its name on the command line and in `capture.json`.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::Strict => "strict",
            Self::None => "none",
        }
    }
}

impl Shape {
    /// Whether nothing in it is text that people or programs wrote.
    fn is_binary(self) -> bool {
        matches!(self, Self::Binary | Self::Records)
    }
}

/// As long as before.
fn masked(bytes: &[u8], spans: &[Span]) -> Redacted {
    let mut redacted = Redacted {
        bytes: bytes.to_vec(),
        counts: BTreeMap::new(),
    };
    for span in spans {
        if let Some(secret) = redacted.bytes.get_mut(span.start..span.end) {
            secret.fill(b'x');
        }
        *redacted.counts.entry(span.kind.to_owned()).or_default() += 1;
    }
    redacted
}

impl Redactor {
    /// A name that stands for the node's own in [`Level::Strict`], and its name otherwise.
    pub(crate) fn node_name(&mut self, name: String) -> String {
        if self.level != Level::Strict {
            return name;
        }
        self.hide_host(name.as_bytes());
        mark::pseudonym(&self.salt, "node", name.as_bytes())
    }

    /// A redactor with a known salt: for tests.
    fn new(level: Level, salt: [u8; 32]) -> io::Result<Self> {
        Ok(Self {
            level,
            salt,
            triggers: Triggers::new().map_err(io::Error::other)?,
            hosts: Vec::new(),
        })
    }

    /// A redactor with a salt that nobody knows.
    pub(crate) fn with_random_salt(level: Level) -> io::Result<Self> {
        let mut salt = [0; 32];
        let mut filled = 0;
        while let Some(space) = salt.get_mut(filled..).filter(|space| !space.is_empty()) {
            filled += rustix::rand::getrandom(space, rustix::rand::GetRandomFlags::empty())?;
        }
        Self::new(level, salt)
    }

    /// Tells a name of the node, which [`Level::Strict`] takes out wherever it is a word.
    fn hide_host(&mut self, name: &[u8]) {
        let name = name.trim_ascii();
        if !name.is_empty() && name != b"localhost" {
            self.hosts.push(name.to_vec());
        }
    }

    /// The bytes without their secrets; nothing if they can stand as they are.
    pub(crate) fn redact(&self, shape: Shape, bytes: &[u8]) -> Option<Redacted> {
        if self.passes(shape) {
            return None;
        }
        if shape == Shape::JournalExport {
            return self.redact_export(bytes);
        }
        if shape == Shape::CommandLine && self.level == Level::Strict {
            return self.without_arguments(bytes);
        }
        let spans = self.spans(shape, bytes);
        if spans.is_empty() {
            return None;
        }
        if shape == Shape::Records {
            return Some(masked(bytes, &spans));
        }
        let mut out = Redacted {
            bytes: Vec::with_capacity(bytes.len() + spans.len() * 16),
            counts: BTreeMap::new(),
        };
        self.replace(bytes, 0, bytes.len(), &spans, &mut out);
        Some(out)
    }

    /// Whether such bytes stand as they are, whatever they hold.
    fn passes(&self, shape: Shape) -> bool {
        self.level == Level::None
            || shape == Shape::Packed
            || (shape.is_binary() && self.level != Level::Strict)
    }

    /// Places of secrets, in order and apart from each other.
    fn spans(&self, shape: Shape, text: &[u8]) -> Vec<Span> {
        let mut scan = Scan::new(text);
        match shape {
            Shape::CommandLine => arguments::search_command_line(&mut scan),
            Shape::Environment => environment::search(&mut scan),
            _ => {}
        }
        if !shape.is_binary() {
            self.triggers.search(&mut scan);
        }
        if self.level == Level::Strict {
            strict::search(&mut scan, &self.hosts);
        }
        merge(scan.spans)
    }

    /// Appends `text[from..to]` with marks for spans.
    fn replace(&self, text: &[u8], from: usize, to: usize, spans: &[Span], out: &mut Redacted) {
        let mut place = from;
        for span in spans {
            out.bytes.extend_from_slice(slice(text, place, span.start));
            let secret = slice(text, span.start, span.end);
            match span.style {
                Style::Plain => mark::write(&mut out.bytes, &self.salt, span.kind, secret),
                Style::Pseudonym => {
                    mark::write_pseudonym(&mut out.bytes, &self.salt, span.kind, secret);
                }
                Style::Quoted(slashes) => {
                    let quote = [vec![b'\\'; usize::from(slashes)], vec![b'"']].concat();
                    out.bytes.extend_from_slice(&quote);
                    mark::write(&mut out.bytes, &self.salt, span.kind, secret);
                    out.bytes.extend_from_slice(&quote);
                }
            }
            *out.counts.entry(span.kind.to_owned()).or_default() += 1;
            place = span.end;
        }
        out.bytes.extend_from_slice(slice(text, place, to));
    }

    /// Every field by itself, so that the lengths of binary fields stay right.
    fn redact_export(&self, bytes: &[u8]) -> Option<Redacted> {
        let mut out = Redacted {
            bytes: Vec::new(),
            counts: BTreeMap::new(),
        };
        let mut copied = 0;
        let mut place = 0;
        for part in journal::Parts::new(bytes) {
            let (text, head) = match part {
                Part::Lines(lines) => (lines, None),
                Part::Field { head, value } => (value, Some(head)),
            };
            let start = place;
            place += text.len() + head.map_or(0, |head| head.len() + 9);
            let spans = self.export_spans(text, head);
            if spans.is_empty() {
                continue;
            }
            out.bytes.extend_from_slice(slice(bytes, copied, start));
            copied = place;
            match head {
                None => self.replace(text, 0, text.len(), &spans, &mut out),
                Some(head) => {
                    let mut value = Redacted {
                        bytes: Vec::with_capacity(text.len()),
                        counts: std::mem::take(&mut out.counts),
                    };
                    self.replace(text, 0, text.len(), &spans, &mut value);
                    out.counts = value.counts;
                    journal::write_field(&mut out.bytes, head, &value.bytes);
                }
            }
        }
        if out.counts.is_empty() {
            return None;
        }
        out.bytes
            .extend_from_slice(slice(bytes, copied, bytes.len()));
        Some(out)
    }

    fn export_spans(&self, text: &[u8], head: Option<&[u8]>) -> Vec<Span> {
        if head != Some(b"COREDUMP_ENVIRON\n") {
            return self.spans(Shape::Text, text);
        }
        let mut scan = Scan::new(text);
        environment::search_entries(&mut scan, 0, text.len(), b'\n');
        self.triggers.search(&mut scan);
        merge(scan.spans)
    }

    /// The program alone: its arguments become one mark.
    fn without_arguments(&self, bytes: &[u8]) -> Option<Redacted> {
        let program = memchr::memchr(0, bytes)? + 1;
        let arguments = slice(bytes, program, bytes.len());
        let inner = arguments.strip_suffix(b"\0").unwrap_or(arguments);
        if inner.is_empty() || mark::is_one(inner) {
            return None;
        }
        let mut out = slice(bytes, 0, program).to_vec();
        mark::write(&mut out, &self.salt, "arguments", inner);
        out.push(0);
        Some(Redacted {
            bytes: out,
            counts: BTreeMap::from([("arguments".to_owned(), 1)]),
        })
    }
}

/// Sorts spans and joins those that overlap under the kind of the first.
fn merge(mut spans: Vec<Span>) -> Vec<Span> {
    spans.sort_by_key(|span| (span.start, std::cmp::Reverse(span.end)));
    let mut merged: Vec<Span> = Vec::with_capacity(spans.len());
    for span in spans {
        match merged.last_mut() {
            Some(last) if span.start < last.end => last.end = last.end.max(span.end),
            _ => merged.push(span),
        }
    }
    merged
}
