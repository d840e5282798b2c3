//! Private keys in PEM, also as base64 of PEM. Certificates and public keys stay.

use super::scan::{Scan, at, decode_base64, is_base64, slice};

/// Longest private key in PEM: 16384 bits of RSA take 12 KiB.
const LONGEST: usize = 32 << 10;
/// Base64 of `-----BEGIN `, and base64 of that.
pub(super) const ENCODED: &[&str] = &["LS0tLS1CRUdJTi", "TFMwdExTMUNSVWRKVGl"];

/// `PRIVATE KEY` was seen at `start..end`.
pub(super) fn search(scan: &mut Scan, start: usize, end: usize) {
    let line = scan.slice(start.saturating_sub(48), start);
    let opening = memchr::memmem::rfind(line, b"-----BEGIN ");
    let closing = memchr::memmem::rfind(line, b"-----END ");
    match (opening, closing) {
        (begin, ended) if begin > ended => {
            let block = if scan.slice(end, end + 6) == b" BLOCK" {
                6
            } else {
                0
            };
            body(scan, end + block + 5);
        }
        (_, Some(place)) => tail(scan, start.saturating_sub(48) + place),
        _ => {}
    }
}

/// Everything between the two lines: one run, or a run per line where each has a log line's beginning.
fn body(scan: &mut Scan, from: usize) {
    let within = scan.slice(from, from + LONGEST);
    // The next dashes end it; looking further would read hostile text again and again.
    let dashes = memchr::memmem::find(within, b"-----");
    let region = from + dashes.unwrap_or(within.len());
    let closed = scan.slice(region, region + 9) == b"-----END ";
    let mut place = from;
    let mut start = None;
    let mut last = from;
    let mut idle = 0;
    while place < region {
        if scan.at(place) == b'\\' {
            // The letter of `\n` is none of the key's.
            let slashes = scan
                .slice(place, region)
                .iter()
                .take_while(|&&b| b == b'\\')
                .count();
            place += slashes + 1;
            continue;
        }
        let run = run_length(scan.slice(place, region));
        if run >= 4 && is_key_line(scan, place, run, closed) {
            match start {
                Some(first) if is_gap(scan.slice(last, place)) => start = Some(first),
                Some(first) => {
                    scan.found(first, last, "private-key");
                    start = Some(place);
                }
                None => start = Some(place),
            }
            last = place + run;
            idle = 0;
        } else {
            idle += run.max(1);
        }
        place += run.max(1);
        // Cut off: no end in sight and no key either.
        if !closed && idle > 512 {
            break;
        }
    }
    if let Some(first) = start {
        scan.found(first, last, "private-key");
    }
}

/// Base64 that goes to a line's end.
fn is_key_line(scan: &Scan, place: usize, run: usize, closed: bool) -> bool {
    let next = scan.at(place + run);
    let ends_line = matches!(next, b'\n' | b'\r' | b'"' | b'\'' | b'\\' | 0 | b'-' | b',')
        || scan.text.len() == place + run
        || (next == b' ' && scan.at(place + run + 1).is_ascii_alphanumeric() && run >= 32);
    let word = scan.slice(place, place + run);
    let header = next == b':' || word.iter().all(u8::is_ascii_alphabetic) && run < 16;
    let is_hex = run != 64 && word.iter().all(u8::is_ascii_hexdigit) && run > 8;
    let before = scan.before(place);
    let begins = matches!(
        before,
        b'\n' | b' ' | b'\t' | b'n' | b'r' | b'-' | b'=' | b'"' | b'|' | b'\'' | b'>' | b']' | b':'
    );
    ends_line && begins && !header && !is_hex && (closed || run >= 16)
}

/// Blanks, line ends and their escapes: between two lines of one key.
fn is_gap(bytes: &[u8]) -> bool {
    bytes.len() <= 64
        && bytes
            .iter()
            .all(|b| b.is_ascii_whitespace() || matches!(b, b'\\' | b'n' | b'r'))
}

fn run_length(bytes: &[u8]) -> usize {
    bytes
        .iter()
        .take_while(|&&b| is_base64(b) && b != b'-' && b != b'_')
        .count()
}

/// The end of a key whose beginning was cut off: the lines of base64 before it.
fn tail(scan: &mut Scan, end: usize) {
    let from = end.saturating_sub(LONGEST).max(scan.resume.min(end));
    let before = scan.slice(from, end);
    let mut run = 0;
    for &b in before.iter().rev() {
        if is_base64(b) && b != b'-' || b.is_ascii_whitespace() || b == b'\\' {
            run += 1;
        } else {
            break;
        }
    }
    let start = from + before.len() - run;
    // The first line may be a word of text: a key's lines have no blanks within.
    let block = slice(before, before.len() - run, before.len());
    let skip = block
        .iter()
        .rposition(|&b| b == b' ' && !is_indent(block))
        .map_or(0, |n| n + 1);
    let block = slice(block, skip, block.len());
    let lead = block.iter().take_while(|b| b.is_ascii_whitespace()).count();
    let trail = block.trim_ascii_end().len();
    let trail = trail - usize::from(slice(block, 0, trail).ends_with(b"\\n")) * 2;
    if trail > lead + 16 {
        scan.found(start + skip + lead, start + skip + trail, "private-key");
    }
}

/// Whether blanks only stand at line beginnings.
fn is_indent(block: &[u8]) -> bool {
    block
        .split(|&b| b == b'\n')
        .all(|line| !line.trim_ascii().contains(&b' '))
}

/// Base64 of PEM was seen at `start`: kept if it is a certificate.
pub(super) fn search_encoded(scan: &mut Scan, start: usize) {
    if is_base64(scan.before(start)) && scan.before(start) != b'=' {
        return;
    }
    let rest = scan.slice(start, start.saturating_add(64 << 10));
    let run = rest.iter().take_while(|&&b| is_base64(b)).count();
    let mut head = decode_base64(slice(rest, 0, run.min(256)));
    if head.starts_with(b"LS0t") {
        head = decode_base64(&head);
    }
    if memchr::memmem::find(&head, b"PRIVATE KEY").is_some()
        || (at(&head, 0) == b'-' && head.len() < 32)
    {
        scan.found(start, start + run, "private-key");
    } else {
        scan.resume = scan.resume.max(start + run);
    }
}
