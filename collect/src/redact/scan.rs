//! A text under search: what has been found in it, and the little reading that all searches share.

use super::mark;

/// Longest name of a variable, key or flag that is looked at.
const LONGEST_NAME: usize = 128;

/// A secret's place in a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub start: usize,
    pub end: usize,
    pub kind: &'static str,
    pub style: Style,
}

/// How the replacement is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    /// The mark alone.
    Plain,
    /// The mark in quotes with this many backslashes before each: a bare number in JSON becomes a string.
    Quoted(u8),
    /// `<ip:ab12cd>`: a pseudonym that is no secret.
    Pseudonym,
}

/// A text and what was found in it so far.
pub(super) struct Scan<'a> {
    pub text: &'a [u8],
    pub spans: Vec<Span>,
    /// Triggers before this place have been dealt with.
    pub resume: usize,
    /// Client command lines before this place have been read.
    pub commands_until: usize,
    /// Lines of units before this place have been read.
    pub units_until: usize,
    /// YAML documents before this place have been read.
    pub documents_until: usize,
    /// Manifests in JSON before this place have been read.
    pub manifests_until: usize,
    /// Whether the text names a Secret object anywhere; found out once.
    pub names_secret_object: Option<bool>,
}

impl<'a> Scan<'a> {
    pub(super) fn new(text: &'a [u8]) -> Self {
        Self {
            text,
            spans: Vec::new(),
            resume: 0,
            commands_until: 0,
            units_until: 0,
            documents_until: 0,
            manifests_until: 0,
            names_secret_object: None,
        }
    }

    /// Notes a secret; what is a mark already, or empty, is none.
    pub(super) fn found(&mut self, start: usize, end: usize, kind: &'static str) {
        self.found_as(start, end, kind, Style::Plain);
    }

    pub(super) fn found_as(&mut self, start: usize, end: usize, kind: &'static str, style: Style) {
        let secret = slice(self.text, start, end);
        if !secret.is_empty() && !mark::is_one(secret) {
            self.spans.push(Span {
                start,
                end,
                kind,
                style,
            });
        }
        self.resume = self.resume.max(end);
    }

    /// As [`Scan::found`] for a place that other triggers may still lie before.
    pub(super) fn found_elsewhere(&mut self, start: usize, end: usize, kind: &'static str) {
        let resume = self.resume;
        self.found(start, end, kind);
        self.resume = resume;
    }

    pub(super) fn at(&self, place: usize) -> u8 {
        at(self.text, place)
    }

    /// The byte before `place`; a line end at the beginning.
    pub(super) fn before(&self, place: usize) -> u8 {
        place.checked_sub(1).map_or(b'\n', |p| at(self.text, p))
    }

    pub(super) fn slice(&self, start: usize, end: usize) -> &'a [u8] {
        slice(self.text, start, end)
    }

    /// The name that a trigger at `start..end` is part of.
    pub(super) fn name_around(&self, start: usize, end: usize) -> (usize, usize) {
        let from = start.saturating_sub(LONGEST_NAME);
        let before = slice(self.text, from, start);
        let left = before.iter().rev().take_while(|&&b| is_name(b)).count();
        let after = slice(self.text, end, end.saturating_add(LONGEST_NAME));
        let right = after.iter().take_while(|&&b| is_name(b)).count();
        (start - left, end + right)
    }

    /// End of the line that `place` is in: its line end or NUL, or the text's end.
    pub(super) fn line_end(&self, place: usize) -> usize {
        let rest = slice(self.text, place, self.text.len());
        memchr::memchr(b'\n', rest).map_or(self.text.len(), |n| place + n)
    }

    /// As [`Scan::line_end`], looking no further than `most` bytes.
    pub(super) fn line_end_within(&self, place: usize, most: usize) -> usize {
        let rest = slice(self.text, place, place.saturating_add(most));
        memchr::memchr2(b'\n', 0, rest).map_or(place + rest.len(), |n| place + n)
    }

    /// Whether only blanks, `- `, `"` or `export ` stand between the line's beginning and `place`.
    pub(super) fn begins_line(&self, place: usize) -> bool {
        let from = place.saturating_sub(LONGEST_NAME);
        let before = slice(self.text, from, place);
        let line = match memchr::memrchr2(b'\n', 0, before) {
            Some(n) => slice(before, n + 1, before.len()),
            None if from == 0 => before,
            None => return false,
        };
        let line = line.trim_ascii();
        line.is_empty()
            || matches!(
                line,
                b"-" | b"export" | b"\"" | b"'" | b"set" | b"ENV" | b"- \"" | b"- '"
            )
    }

    /// First place at or after `place` that is no blank.
    pub(super) fn skip_blanks(&self, place: usize) -> usize {
        let rest = slice(self.text, place, self.text.len());
        place
            + rest
                .iter()
                .take(64)
                .take_while(|&&b| b == b' ' || b == b'\t')
                .count()
    }
}

/// The byte at `place`; NUL beyond the end.
pub(super) fn at(text: &[u8], place: usize) -> u8 {
    text.get(place).copied().unwrap_or(0)
}

/// `text[start..end]`, cut to what is there.
pub(super) fn slice(text: &[u8], start: usize, end: usize) -> &[u8] {
    text.get(start..end.min(text.len())).unwrap_or_default()
}

/// A byte of a name of a variable, key or flag.
pub(super) fn is_name(b: u8) -> bool {
    b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.')
}

/// A byte of base64 in either alphabet.
pub(super) fn is_base64(b: u8) -> bool {
    b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'=' | b'_' | b'-')
}

/// Decodes base64 of either alphabet up to the first byte that is none; no padding needed.
pub(crate) fn decode_base64(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() * 3 / 4);
    let (mut bits, mut count) = (0_u32, 0);
    for &b in text {
        let six = match b {
            b'A'..=b'Z' => b - b'A',
            b'a'..=b'z' => b - b'a' + 26,
            b'0'..=b'9' => b - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            _ => break,
        };
        bits = bits << 6 | u32::from(six);
        count += 6;
        if count >= 8 {
            count -= 8;
            out.push((bits >> count) as u8);
        }
    }
    out
}
