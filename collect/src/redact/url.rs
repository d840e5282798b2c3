//! Passwords in addresses: `postgres://user:password@host`, `user:password@tcp(host)`.

use super::scan::Scan;
use super::value;

/// Longest address that is looked at.
const LONGEST: usize = 1024;
/// Where a data source name of Go's drivers goes on behind the password.
pub(super) const DATA_SOURCES: &[&str] = &["@tcp(", "@unix(", "@tcp6("];

/// `://` was seen; the authority begins at `at`.
pub(super) fn search(scan: &mut Scan, at: usize) {
    let rest = scan.slice(at, at + LONGEST);
    if memchr::memchr(b'@', rest).is_none() {
        return;
    }
    let word = rest
        .iter()
        .position(|b| {
            b.is_ascii_whitespace()
                || matches!(b, b'"' | b'\'' | b'<' | b'`' | 0 | b'\\')
                    && !rest.starts_with(b"<redacted")
        })
        .unwrap_or(rest.len());
    let Some(word) = rest.get(..word) else { return };
    let authority = word
        .iter()
        .position(|b| b"/?#".contains(b))
        .unwrap_or(word.len());
    let (before, behind) = word.split_at(authority);
    let sign = match memchr::memrchr(b'@', before) {
        Some(sign) => sign,
        // A password with a slash in it: the port is no number and a host follows.
        None if unencoded_password(before) => match memchr::memchr(b'@', behind) {
            Some(sign) => authority + sign,
            None => return,
        },
        None => return,
    };
    let userinfo = scan.slice(at, at + sign);
    match memchr::memchr(b':', userinfo) {
        Some(colon) => {
            let password = scan.slice(at + colon + 1, at + sign);
            if !value::is_harmless(password) {
                scan.found(at + colon + 1, at + sign, "url-password");
            }
        }
        // https://TOKEN@host
        None if userinfo.len() >= 16 && value::looks_secret(userinfo) => {
            scan.found(at, at + sign, "url-password");
        }
        None => {}
    }
}

/// Whether `host:port` cannot be one, since the port is no number.
fn unencoded_password(authority: &[u8]) -> bool {
    match memchr::memchr(b':', authority) {
        Some(colon) => authority.get(colon + 1..).is_some_and(|port| {
            port.iter().any(|b| !b.is_ascii_digit()) && !authority.starts_with(b"[")
        }),
        None => false,
    }
}

/// `@tcp(` was seen at `at`: `user:password` stands before it.
pub(super) fn search_data_source(scan: &mut Scan, at: usize) {
    let from = at.saturating_sub(256).max(scan.resume.min(at));
    let before = scan.slice(from, at);
    let begins = before
        .iter()
        .rposition(|b| b.is_ascii_whitespace() || matches!(b, b'"' | b'\'' | b'`' | 0))
        .map_or(0, |n| n + 1);
    let Some(word) = before.get(begins..) else {
        return;
    };
    // DSN=user:password@tcp(host): the user has no `=` or `/`.
    let Some(colon) = memchr::memchr(b':', word) else {
        return;
    };
    let password = from + begins + colon + 1;
    if !value::is_harmless(scan.slice(password, at)) {
        scan.found(password, at, "url-password");
    }
}
