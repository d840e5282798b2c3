//! Manifests in JSON, plain or as a string in JSON: values of `env` lists and of Secret objects.

use super::environment;
use super::scan::{Scan, is_base64};
use super::token;
use super::value::Quote;

/// Keys of lists of variables, with the end of their quotes: plain and escaped.
pub(super) const LISTS: &[&str] = &[
    "env\"",
    "env\\",
    "envs\"",
    "envs\\",
    "environment\"",
    "environment\\",
    "envvars\"",
    "envvars\\",
    "httpheaders\"",
    "httpheaders\\",
];
/// Keys of a Secret's values.
pub(super) const DATA: &[&str] = &["\"data\"", "\"data\\", "\"stringdata\"", "\"stringdata\\"];

/// Deepest nesting that is stepped over.
const DEEPEST: usize = 64;

/// A reader of JSON whose quotes have a given number of backslashes before them.
struct Json<'s, 'a> {
    scan: &'s Scan<'a>,
    quote: Quote,
    place: usize,
}

impl Json<'_, '_> {
    fn peek(&mut self) -> u8 {
        loop {
            self.place = self.scan.skip_blanks(self.place);
            match self.scan.at(self.place) {
                b'\n' | b'\r' | b' ' | b'\t' => self.place += 1,
                b'\\' if self.quote.slashes > 0 && self.string_ahead().is_none() => {
                    let slashes = self.slashes();
                    if !matches!(self.scan.at(self.place + slashes), b'n' | b'r' | b't') {
                        return b'\\';
                    }
                    self.place += slashes + 1;
                }
                b'\\' => return b'"',
                byte => return byte,
            }
        }
    }

    fn slashes(&self) -> usize {
        let rest = self.scan.slice(self.place, self.place + 16);
        rest.iter().take_while(|&&b| b == b'\\').count()
    }

    fn string_ahead(&self) -> Option<usize> {
        let (quote, behind) = Quote::opening(self.scan.text, self.place)?;
        (quote == self.quote).then_some(behind)
    }

    fn take(&mut self, byte: u8) -> bool {
        let there = self.peek() == byte;
        self.place += usize::from(there);
        there
    }

    fn string(&mut self) -> Option<(usize, usize)> {
        self.peek();
        let start = self.string_ahead()?;
        let end = self.quote.closing(self.scan.text, start)?;
        self.place = end + self.quote.slashes + 1;
        Some((start, end))
    }

    /// Steps over a value of any form.
    fn skip(&mut self) -> Option<()> {
        let mut depth = 0;
        loop {
            match self.peek() {
                b'"' => {
                    self.string()?;
                }
                b'{' | b'[' if depth < DEEPEST => {
                    depth += 1;
                    self.place += 1;
                    continue;
                }
                b'}' | b']' if depth > 0 => {
                    depth -= 1;
                    self.place += 1;
                }
                b',' | b':' if depth > 0 => {
                    self.place += 1;
                    continue;
                }
                b if b.is_ascii_alphanumeric() || matches!(b, b'-' | b'+' | b'.') => {
                    let rest = self.scan.slice(self.place, self.place + 64);
                    self.place += rest
                        .iter()
                        .take_while(|b| b.is_ascii_alphanumeric() || b"+-.".contains(b))
                        .count();
                }
                _ => return None,
            }
            if depth == 0 {
                return Some(());
            }
        }
    }
}

/// A key of a list of variables ends its quotes at `end`, with the backslashes before them.
pub(super) fn search_list(scan: &mut Scan, start: usize, end: usize) {
    if start < scan.manifests_until {
        return;
    }
    let Some(mut json) = behind_key(scan, start, end - 1) else {
        return;
    };
    let mut spans = Vec::new();
    if json.take(b'[') {
        while let Some(()) = element(&mut json, &mut spans) {
            if !json.take(b',') {
                break;
            }
        }
    } else if json.take(b'{') {
        while let Some((name, (from, to))) = pair_of_strings(&mut json) {
            note(json.scan, &mut spans, name, from, to);
            if !json.take(b',') {
                break;
            }
        }
    }
    scan.manifests_until = json.place;
    for (from, to) in spans {
        let kind = token::kind_of(scan.slice(from, to)).unwrap_or("env");
        scan.found_elsewhere(from, to, kind);
    }
}

/// The reader behind `"key":`, if a key it is.
fn behind_key<'s, 'a>(scan: &'s Scan<'a>, start: usize, close: usize) -> Option<Json<'s, 'a>> {
    let (quote, behind) = Quote::opening(scan.text, close)?;
    if quote.byte != b'"' || scan.before(start) != b'"' {
        return None;
    }
    let mut json = Json {
        scan,
        quote,
        place: behind,
    };
    json.take(b':').then_some(json)
}

/// `"NAME=value"` or `{"name": "NAME", "value": "value"}`.
fn element(json: &mut Json, spans: &mut Vec<(usize, usize)>) -> Option<()> {
    if json.peek() == b'"' {
        let (from, to) = json.string()?;
        let entry = json.scan.slice(from, to);
        if let Some(sign) = memchr::memchr(b'=', entry) {
            note(json.scan, spans, (from, from + sign), from + sign + 1, to);
        }
        return Some(());
    }
    if !json.take(b'{') {
        return None;
    }
    let (mut name, mut value) = (None, None);
    while json.peek() == b'"' {
        let (from, to) = json.string()?;
        if !json.take(b':') {
            return None;
        }
        let key = json.scan.slice(from, to);
        if json.peek() == b'"' {
            let text = json.string()?;
            if key.eq_ignore_ascii_case(b"name") || key.eq_ignore_ascii_case(b"key") {
                name = Some(text);
            } else if key.eq_ignore_ascii_case(b"value") {
                value = Some(text);
            }
        } else {
            json.skip()?;
        }
        if !json.take(b',') {
            break;
        }
    }
    if let (Some(name), Some((from, to))) = (name, value) {
        note(json.scan, spans, name, from, to);
    }
    json.take(b'}').then_some(())
}

fn note(
    scan: &Scan,
    spans: &mut Vec<(usize, usize)>,
    name: (usize, usize),
    from: usize,
    to: usize,
) {
    if !environment::is_allowed(scan.slice(name.0, name.1)) {
        spans.push((from, to));
    }
}

/// Places of two strings.
type Pair = ((usize, usize), (usize, usize));

fn pair_of_strings(json: &mut Json) -> Option<Pair> {
    let key = json.string()?;
    if !json.take(b':') || json.peek() != b'"' {
        return None;
    }
    Some((key, json.string()?))
}

/// `"data"` or `"stringData"` was seen at `start..end`.
pub(super) fn search_data(scan: &mut Scan, start: usize, end: usize) {
    if start < scan.manifests_until {
        return;
    }
    let always = end - start > b"\"data\"".len();
    if !always && !names_secret_object(scan) {
        return;
    }
    let Some(mut json) = behind_key(scan, start + 1, end - 1) else {
        return;
    };
    if !json.take(b'{') {
        return;
    }
    let mut spans = Vec::new();
    while let Some((_, (from, to))) = pair_of_strings(&mut json) {
        spans.push((from, to));
        if !json.take(b',') {
            break;
        }
    }
    let is_data = |&(from, to): &(usize, usize)| {
        let value = scan.slice(from, to);
        value.iter().all(|&b| is_base64(b)) || super::mark::is_one(value)
    };
    let is_secret = always || spans.iter().all(is_data);
    scan.manifests_until = json.place;
    if is_secret {
        for (from, to) in spans {
            scan.found_elsewhere(from, to, "secret-object");
        }
    }
}

/// Whether the text holds `"kind": "Secret"` or a list of them anywhere.
fn names_secret_object(scan: &mut Scan) -> bool {
    if let Some(known) = scan.names_secret_object {
        return known;
    }
    let names = memchr::memmem::find_iter(scan.text, b"\"Secret").any(|place| {
        let before = scan.slice(place.saturating_sub(20), place);
        memchr::memmem::rfind(before, b"kind").is_some()
    });
    scan.names_secret_object = Some(names);
    names
}
