//! Manifests in YAML: `data` and `stringData` of Secret objects, `value` behind `name` in lists of variables.

use super::environment;
use super::mark;
use super::scan::{Scan, slice};
use super::token;
use super::value::{self, Quote};

/// How a Secret object says what it is.
pub(super) const KINDS: &[&str] = &[
    "kind: secret",
    "kind: \"secret",
    "kind: 'secret",
    "stringdata:",
];
/// A variable's value.
pub(super) const VALUE: &str = "value:";

/// A line of YAML.
struct Line<'a> {
    start: usize,
    /// Its end, without the line end.
    end: usize,
    /// Column of its key, behind any `- `.
    column: usize,
    /// Whether it begins an item of a list.
    is_item: bool,
    /// From the key on.
    content: &'a [u8],
}

impl<'a> Line<'a> {
    fn at(text: &'a [u8], start: usize, limit: usize) -> Self {
        let rest = slice(text, start, limit);
        let length = memchr::memchr(b'\n', rest).unwrap_or(rest.len());
        let line = slice(rest, 0, length);
        let mut column = line.iter().take_while(|&&b| b == b' ').count();
        let mut is_item = false;
        while slice(line, column, column + 2) == b"- " {
            is_item = true;
            column += 2;
        }
        let content = slice(line, column, length).trim_ascii_end();
        Self {
            start,
            end: start + length,
            column,
            is_item,
            content,
        }
    }

    fn value_of(&self, key: &[u8]) -> Option<&'a [u8]> {
        let rest = self.content.strip_prefix(key)?.strip_prefix(b":")?;
        (rest.is_empty() || rest.starts_with(b" ")).then(|| rest.trim_ascii())
    }
}

/// An object that is being read: the values under its `data`, and whether it is a Secret.
struct Object {
    column: usize,
    is_secret: bool,
    values: Vec<(usize, usize)>,
}

/// `kind: Secret` was seen at `start`: reads the whole document around it.
pub(super) fn search_document(scan: &mut Scan, start: usize) {
    if start < scan.documents_until
        || !(scan.begins_line(start) || scan.slice(start, start + 1) == b"s")
    {
        return;
    }
    let before = scan.slice(scan.documents_until, start);
    let from = memchr::memmem::rfind(before, b"\n---").map_or(0, |n| n + 1) + scan.documents_until;
    let behind = scan.slice(start, scan.text.len());
    let until = memchr::memmem::find(behind, b"\n---").map_or(scan.text.len(), |n| start + n);
    scan.documents_until = until;

    let mut objects: Vec<Object> = Vec::new();
    let mut secrets = Vec::new();
    let mut place = from;
    while place < until {
        let line = Line::at(scan.text, place, until);
        place = line.end + 1;
        if line.content.is_empty() || line.content.starts_with(b"#") {
            continue;
        }
        while objects
            .last()
            .is_some_and(|o| o.column > line.column || (o.column == line.column && line.is_item))
        {
            close(objects.pop(), &mut secrets);
        }
        let kind = line.value_of(b"kind");
        let data = line
            .value_of(b"data")
            .or_else(|| line.value_of(b"stringData"));
        if kind.is_none() && data.is_none() {
            continue;
        }
        if objects.last().is_none_or(|o| o.column < line.column) {
            objects.push(Object {
                column: line.column,
                is_secret: false,
                values: Vec::new(),
            });
        }
        let Some(object) = objects.last_mut() else {
            continue;
        };
        object.is_secret |= line.content.starts_with(b"stringData")
            || kind.is_some_and(|k| {
                k.trim_ascii()
                    .iter()
                    .filter(|b| b.is_ascii_alphabetic())
                    .eq(b"Secret")
            });
        if let Some(inline) = data {
            if inline.len() > 2 && inline.starts_with(b"{") {
                flow_values(scan, line.end - inline.len(), line.end, &mut object.values);
            }
            place = block_values(scan, &line, until, &mut object.values);
        }
    }
    while let Some(object) = objects.pop() {
        close(Some(object), &mut secrets);
    }
    for (from, to) in secrets {
        scan.found_elsewhere(from, to, "secret-object");
    }
}

fn close(object: Option<Object>, secrets: &mut Vec<(usize, usize)>) {
    if let Some(object) = object.filter(|o| o.is_secret) {
        secrets.extend(object.values);
    }
}

/// Values of `{a: x, b: y}`.
fn flow_values(scan: &Scan, from: usize, to: usize, values: &mut Vec<(usize, usize)>) {
    let mut place = from;
    while let Some(colon) = memchr::memmem::find(scan.slice(place, to), b": ") {
        let value = value::read(scan.text, place + colon + 2);
        let end = value.end.min(to);
        values.push((value.start, end));
        place = end.max(place + colon + 2);
    }
}

/// Values of the block under `parent`; the place behind it.
fn block_values(
    scan: &Scan,
    parent: &Line,
    until: usize,
    values: &mut Vec<(usize, usize)>,
) -> usize {
    let mut place = parent.end + 1;
    while place < until {
        let line = Line::at(scan.text, place, until);
        if !line.content.is_empty() && line.column <= parent.column {
            break;
        }
        place = line.end + 1;
        let Some(colon) = memchr::memchr(b':', line.content) else {
            continue;
        };
        let from = line.start + line.column + colon + 1;
        let (value, end) = scalar(scan, from, line.column, until);
        values.extend(value);
        place = place.max(end + 1);
    }
    place
}

/// The scalar that begins behind a key's colon, with the deeper lines that belong to it; and the end
/// of its last line.
fn scalar(
    scan: &Scan,
    from: usize,
    column: usize,
    until: usize,
) -> (Option<(usize, usize)>, usize) {
    let first_end = scan.line_end(from).min(until);
    let mut end = first_end;
    let mut last = first_end;
    let mut place = first_end + 1;
    while place < until {
        let line = Line::at(scan.text, place, until);
        if line.content.is_empty() && !line.is_item {
            end = line.end;
            place = line.end + 1;
            continue;
        }
        let indent = scan
            .slice(line.start, line.end)
            .iter()
            .take_while(|&&b| b == b' ')
            .count();
        if indent <= column {
            break;
        }
        last = line.end;
        end = line.end;
        place = line.end + 1;
    }
    let mut start = scan.skip_blanks(from);
    if matches!(scan.at(start), b'|' | b'>') {
        start = first_end.min(last);
    }
    let lead = scan
        .slice(start, last)
        .iter()
        .take_while(|b| b.is_ascii_whitespace())
        .count();
    let start = start + lead;
    let text = scan.slice(start, last).trim_ascii_end();
    let mut value = (start, start + text.len());
    if let Some((quote, inside)) = Quote::opening(text, 0) {
        let closed = text.len() > inside && text.last() == Some(&quote.byte);
        value = (start + inside, start + text.len() - usize::from(closed));
    }
    let found = (value.1 > value.0 && !mark::is_one(scan.slice(value.0, value.1))).then_some(value);
    (found, end)
}

/// `value:` was seen: a variable's, if the line before it (or behind it) names one.
pub(super) fn search_value(scan: &mut Scan, start: usize, end: usize) {
    if !scan.begins_line(start) {
        return;
    }
    let window = start.saturating_sub(256);
    let before = scan.slice(window, start);
    let Some(line_start) = memchr::memrchr(b'\n', before) else {
        return;
    };
    let line = Line::at(scan.text, window + line_start + 1, scan.text.len());
    if line.value_of(b"value").is_none() {
        return;
    }
    let above = slice(before, 0, line_start);
    let above_start = window + memchr::memrchr(b'\n', above).map_or(0, |n| n + 1);
    let above = Line::at(scan.text, above_start, scan.text.len());
    let below = Line::at(scan.text, line.end + 1, scan.text.len());
    let named = |other: &Line<'_>| other.column == line.column;
    let name = above
        .value_of(b"name")
        .filter(|_| named(&above) && !line.is_item);
    let name = name.or_else(|| {
        below
            .value_of(b"name")
            .filter(|_| named(&below) && !below.is_item)
    });
    let Some(name) = name.map(<[u8]>::trim_ascii_start) else {
        return;
    };
    let name = name
        .strip_prefix(b"\"")
        .and_then(|n| n.strip_suffix(b"\""))
        .unwrap_or(name);
    if !is_variable(name) || environment::is_allowed(name) {
        return;
    }
    let (found, _) = scalar(
        scan,
        end,
        line.column,
        scan.text.len().min(end + (64 << 10)),
    );
    if let Some((from, to)) = found {
        let kind = token::kind_of(scan.slice(from, to)).unwrap_or("env");
        scan.found_elsewhere(from, to, kind);
    }
}

/// Names of variables; the kernel's parameters have the same form in a pod's `sysctls`.
fn is_variable(name: &[u8]) -> bool {
    const KERNEL: &[&str] = &["kernel.", "net.", "fs.", "vm.", "user."];
    !name.is_empty()
        && name
            .iter()
            .all(|b| b.is_ascii_alphanumeric() || b"_.-".contains(b))
        && !KERNEL
            .iter()
            .any(|prefix| name.starts_with(prefix.as_bytes()))
}
