//! HTTP headers: `Authorization: ...`, `Cookie: ...`, `Bearer x`, `Basic x`.

use super::scan::{Scan, decode_base64, is_base64};
use super::token;
use super::value::{self, Quote};

/// Headers whose whole value is secret (in any case).
pub(super) const HEADERS: &[&str] = &[
    "authorization",
    "cookie",
    "x-api-key",
    "x-auth-token",
    "x-vault-token",
    "x-amz-security-token",
    "x-csrf-token",
    "x-xsrf-token",
    "x-access-token",
    "x-goog-api-key",
    "x-gitlab-token",
    "private-token",
    "ocp-apim-subscription-key",
    "x-registry-auth",
    "x-functions-key",
    "dd-api-key",
    "x-consul-token",
    "x-shared-secret",
    "x-ms-authorization-auxiliary",
];

/// Schemes whose credentials are found wherever they stand.
pub(super) const SCHEMES: &[&str] = &["bearer ", "basic ", "bearer%20", "negotiate "];

/// Schemes that stay readable before the mark.
const KEPT: &[&str] = &[
    "Bearer",
    "Basic",
    "Digest",
    "Negotiate",
    "AWS4-HMAC-SHA256",
    "Token",
    "ApiKey",
    "token",
    "bearer",
    "basic",
    "NTLM",
];

/// A header's name was seen at `start..end`.
pub(super) fn search(scan: &mut Scan, start: usize, end: usize) {
    let before = scan.before(start);
    let is_cookie = scan.slice(start, end).eq_ignore_ascii_case(b"cookie");
    let is_set_cookie = is_cookie
        && scan
            .slice(start.saturating_sub(4), start)
            .eq_ignore_ascii_case(b"set-");
    let is_proxy = scan
        .slice(start.saturating_sub(6), start)
        .eq_ignore_ascii_case(b"proxy-");
    if super::scan::is_name(before) && !is_set_cookie && !is_proxy && before != b'n' {
        return;
    }
    let (quoted, place) = match Quote::opening(scan.text, end) {
        Some((_, behind)) => (true, behind),
        None => (false, end),
    };
    let sign = scan.skip_blanks(place);
    if !(scan.at(sign) == b':' || (scan.at(sign) == b'=' && !is_cookie)) {
        return;
    }
    let mut at = scan.skip_blanks(sign + 1);
    if scan.at(at) == b'[' {
        at += 1; // Go prints a header as `Authorization:[Bearer x]`, or in JSON as a list.
        at = scan.skip_blanks(at);
    }
    // A look at its beginning first: hostile text has nothing but headers.
    let inside = Quote::opening(scan.text, at).map_or(at, |(_, inside)| inside);
    let head = scan.slice(inside, inside + 256);
    let promising = if is_cookie {
        head.iter()
            .take_while(|b| !b.is_ascii_whitespace())
            .any(|&b| b == b'=')
    } else {
        is_credential(head, false)
    };
    if !promising {
        return;
    }
    let (at, finish) = extent(scan, start, at, quoted);
    let bytes = scan.slice(at, finish);
    if value::is_harmless(bytes)
        || (is_cookie && !bytes.contains(&b'='))
        || !is_credential(bytes, is_cookie)
    {
        return;
    }
    let scheme = KEPT.iter().find(|s| {
        bytes
            .strip_prefix(s.as_bytes())
            .is_some_and(|r| r.starts_with(b" "))
    });
    let at = at + scheme.map_or(0, |s| s.len() + 1);
    let kind = if is_cookie {
        "cookie"
    } else {
        token::kind_of(scan.slice(at, finish)).unwrap_or("authorization")
    };
    scan.found(at, finish, kind);
}

/// A header's value: in quotes, or to the quote that the whole header stands in, or to the line's end.
fn extent(scan: &Scan, start: usize, at: usize, quoted: bool) -> (usize, usize) {
    if let Some((quote, inside)) = Quote::opening(scan.text, at) {
        let end = quote.closing(scan.text, inside);
        return (
            inside,
            end.unwrap_or_else(|| scan.line_end_within(inside, 1 << 16)),
        );
    }
    let line_end = scan.line_end_within(at, 1 << 16);
    // -H 'Authorization: Bearer x' and JSON strings that hold a dump of headers
    let outer = [b'"', b'\'']
        .into_iter()
        .filter(|&q| !quoted && opens_line(scan, start, q))
        .min();
    let line = scan.slice(at, line_end);
    let mut length = line.len();
    if outer.is_some() || line.contains(&b'"') {
        length = memchr::memchr2(b'"', b'\'', line).unwrap_or(length);
    }
    for escaped in [b"\\r\\n".as_slice(), b"\\n", b"] ", b"]}"] {
        if let Some(place) = memchr::memmem::find(scan.slice(at, at + length), escaped) {
            length = place;
        }
    }
    let value = scan.slice(at, at + length).trim_ascii_end();
    let slashes = value.iter().rev().take_while(|&&b| b == b'\\').count();
    (at, at + value.len() - slashes)
}

/// Whether a quote opened before `start` on the same line is still open.
fn opens_line(scan: &Scan, start: usize, quote: u8) -> bool {
    let before = scan.slice(start.saturating_sub(256), start);
    let line =
        memchr::memrchr(b'\n', before).map_or(before, |n| before.get(n..).unwrap_or_default());
    line.iter().filter(|&&b| b == quote).count() % 2 == 1
}

/// A word of running text (`authorization: failed to ...`) is no credential.
fn is_credential(bytes: &[u8], is_cookie: bool) -> bool {
    let mut words = bytes.split(|&b| b == b' ');
    let first = words.next().unwrap_or_default();
    let second = words.next();
    let known = KEPT.iter().any(|s| first == s.as_bytes());
    is_cookie
        || (known && second.is_some_and(|word| word.len() >= 4))
        || (second.is_none()
            && first.len() >= 6
            && !first.iter().all(|b| b.is_ascii_alphabetic() || *b == b','))
        || value::looks_secret(first)
}

/// `Bearer ` or `Basic ` was seen; its credential begins at `at`.
pub(super) fn search_scheme(scan: &mut Scan, start: usize, at: usize) {
    if super::scan::is_name(scan.before(start)) {
        return;
    }
    let is_basic = scan.at(start).eq_ignore_ascii_case(&b'b')
        && scan.at(start + 1).eq_ignore_ascii_case(&b'a');
    let text = scan.text;
    let rest = scan.slice(at, at.saturating_add(16 << 10));
    let run = rest
        .iter()
        .take_while(|&&b| is_base64(b) || matches!(b, b'.' | b'~'))
        .count();
    let run = run
        - scan
            .slice(at, at + run)
            .iter()
            .rev()
            .take_while(|&&b| b == b'.')
            .count();
    let word = super::scan::slice(text, at, at + run);
    let is_secret = if is_basic {
        run >= 8
            && decode_base64(word).iter().take(64).any(|&b| b == b':')
            && decode_base64(word).iter().all(|&b| b >= b' ')
    } else {
        run >= 10 && word.iter().any(u8::is_ascii_digit)
            || run >= 16
                && word.iter().any(u8::is_ascii_uppercase)
                && word.iter().any(u8::is_ascii_lowercase)
    };
    if is_secret && scan.at(at + run) != b'=' {
        let kind =
            token::kind_of(word).unwrap_or(if is_basic { "authorization" } else { "bearer" });
        scan.found(at, at + run, kind);
    }
}
