//! Values behind telling names: `password=x`, `"token": "x"`, `apiKey: x`, `--secret x`.

use super::arguments;
use super::scan::{Scan, Style};
use super::token;
use super::value::{self, Quote, Value};

/// What the search looks for (in any case); the name around it decides.
pub(super) const WORDS: &[&str] = &[
    "passw",
    "passphrase",
    "pass=",
    "pass:",
    "pass\"",
    "pass\\",
    "pass ",
    "pass'",
    "storepass",
    "keypass",
    "requirepass",
    "masterauth",
    "pwd",
    "secret",
    "token",
    "api_key",
    "api-key",
    "apikey",
    "access_key",
    "access-key",
    "accesskey",
    "account_key",
    "account-key",
    "accountkey",
    "shared_key",
    "sharedkey",
    "private_key",
    "private-key",
    "privatekey",
    "encryption_key",
    "encryption-key",
    "encryptionkey",
    "signing_key",
    "signing-key",
    "signingkey",
    "master_key",
    "master-key",
    "masterkey",
    "license_key",
    "license-key",
    "licensekey",
    "auth_key",
    "auth-key",
    "authkey",
    "key-data",
    "keydata",
    "credential",
    "session_id",
    "session-id",
    "sessionid",
    "\"auth\"",
    "auth\\\"",
    "_auth=",
    "_auth ",
    "sig=",
    "webhook_url",
];

/// Endings of names (without `_`, `-`, `.`, in small letters) and the kind of what they name.
const ENDINGS: &[(&str, &str)] = &[
    ("password", "password"),
    ("passwd", "password"),
    ("passphrase", "password"),
    ("pwd", "password"),
    ("passwordhash", "password"),
    ("pass", "password"),
    ("masterauth", "password"),
    ("passcode", "password"),
    ("secret", "secret"),
    ("secretkey", "secret-key"),
    ("secretaccesskey", "secret-key"),
    ("secretkeybase", "secret-key"),
    ("token", "token"),
    ("tokenvalue", "token"),
    ("apikey", "api-key"),
    ("accesskey", "secret-key"),
    ("accountkey", "azure-key"),
    ("sharedkey", "secret-key"),
    ("privatekey", "private-key"),
    ("encryptionkey", "secret-key"),
    ("signingkey", "secret-key"),
    ("masterkey", "secret-key"),
    ("licensekey", "secret-key"),
    ("authkey", "secret-key"),
    ("clientkeydata", "private-key"),
    ("credential", "credential"),
    ("credentials", "credential"),
    ("sessionid", "session"),
    ("webhookurl", "webhook"),
];

/// Whole names: too short to be endings.
const NAMES: &[(&str, &str)] = &[
    ("auth", "docker-auth"),
    ("sig", "signature"),
    ("tokendata", "token"),
];

/// Names that end like secrets and are none.
const PUBLIC: &[&str] = &[
    "continuetoken",
    "nextpagetoken",
    "pagetoken",
    "nexttoken",
    "speculationstorebypass",
    "bypass",
    "compass",
    "oldpwd",
    "lastpass",
    "firstpass",
    "automountserviceaccounttoken",
    "numpass",
];

/// What a name tells about its value, if it is a secret.
pub(super) fn kind_of_name(name: &[u8]) -> Option<&'static str> {
    let plain: Vec<u8> = name
        .iter()
        .filter(|b| !b"_-.".contains(b))
        .map(u8::to_ascii_lowercase)
        .collect();
    let digits = plain
        .iter()
        .rev()
        .take_while(|b| b.is_ascii_digit())
        .count();
    let plain = plain.get(..plain.len() - digits)?;
    if PUBLIC.iter().any(|public| plain == public.as_bytes()) {
        return None;
    }
    let whole = NAMES.iter().find(|(word, _)| plain == word.as_bytes());
    let ending = || {
        ENDINGS
            .iter()
            .find(|(word, _)| plain.ends_with(word.as_bytes()))
    };
    whole.or_else(ending).map(|(_, kind)| *kind)
}

/// No word of running text, place or name is longer. What is, is taken out whatever it looks like:
/// hostile text would be read again and again otherwise.
const LONG: usize = 1024;

/// How surely what follows a name is its value.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Bond {
    /// `name=value`, `"name": "value"`.
    Sure,
    /// A line of its own: `name: value with blanks`.
    Line,
    /// `--name value`.
    Flag,
    /// `name: word` in running text.
    Loose,
}

/// A trigger word was seen at `start..end`.
pub(super) fn search(scan: &mut Scan, start: usize, end: usize) {
    let end = start
        + scan
            .slice(start, end)
            .iter()
            .take_while(|&&b| super::scan::is_name(b))
            .count();
    let (start, end) = match scan.at(start) {
        b'"' => (start + 1, start + 5),
        _ => scan.name_around(start, end),
    };
    // What a flag's value was is no name.
    let start = start.max(scan.resume.min(end));
    let name = scan.slice(start, end);
    let Some(kind) = kind_of_name(name) else {
        return;
    };
    let Some((value, bond)) = value_of(scan, start, end) else {
        return;
    };
    // sudo logs the folder it was called in.
    if !(name == b"PWD" && scan.at(value.start) == b'/') {
        judge(scan, kind, value, bond);
    }
}

/// The value of the name at `start..end`.
fn value_of(scan: &Scan, start: usize, end: usize) -> Option<(Value, Bond)> {
    let text = scan.text;
    // <password>x</password>
    if scan.before(start) == b'<' && scan.at(end) == b'>' {
        let rest = scan.slice(end + 1, scan.line_end_within(end + 1, 4096));
        let length = memchr::memchr(b'<', rest)?;
        let value = Value {
            start: end + 1,
            end: end + 1 + length,
            quoted: true,
        };
        return Some((value, Bond::Sure));
    }
    let (quoted, mut place) = match Quote::opening(text, end) {
        Some((_, behind)) => (true, behind),
        None => (false, end),
    };
    if quoted && scan.at(place) == b']' {
        place += 1; // config['password'] = 'x'
    }
    let separator = scan.skip_blanks(place);
    let sign = scan.at(separator);
    let is_flag = scan.slice(start, end).starts_with(b"-");
    if !matches!(sign, b'=' | b':') {
        if is_flag && let Some(next) = next_of_list(scan, start, end) {
            return Some((value::read(text, next), Bond::Flag));
        }
        let is_flag = is_flag || is_directive(scan, start, end);
        let follows = separator > place && is_flag && !quoted;
        return follows.then(|| (value::read(text, separator), Bond::Flag));
    }
    let mut at = separator + 1;
    if sign == b':' && scan.at(at) == b'=' || sign == b'=' && scan.at(at) == b'>' {
        at += 1;
    }
    let spaced = scan.skip_blanks(at) > at;
    let at = scan.skip_blanks(at);
    let begins_line = scan.begins_line(start);
    let bond = match sign {
        b'=' if spaced && begins_line => Bond::Line,
        b'=' => Bond::Sure,
        _ if quoted => Bond::Sure,
        _ if spaced && begins_line => Bond::Line,
        _ => Bond::Loose,
    };
    Some((value::read(text, at), bond))
}

/// Where the next element of a list of arguments begins, if the flag at `start..end` is one:
/// `["--password", "x"]` in JSON, or two lines that begin with `- ` in YAML.
fn next_of_list(scan: &Scan, start: usize, end: usize) -> Option<usize> {
    const BLANKS: usize = 256;
    let blanks = |place| {
        let rest = scan.slice(place, place + BLANKS);
        rest.iter().take_while(|b| b.is_ascii_whitespace()).count()
    };
    let quote = Quote::opening(scan.text, end);
    let behind = quote.map_or(end, |(_, behind)| behind);
    if let Some((quote, _)) = quote {
        let comma = behind + blanks(behind);
        let next = comma + 1 + blanks(comma + 1);
        let is_element = Quote::opening(scan.text, next).is_some_and(|(other, _)| other == quote);
        if scan.at(comma) == b',' && is_element {
            return Some(next);
        }
    }
    let from = start.saturating_sub(BLANKS);
    let before = scan.slice(from, start);
    let line = match memchr::memrchr(b'\n', before) {
        Some(end) => before.get(end + 1..).unwrap_or_default(),
        None if from == 0 => before,
        None => return None,
    };
    let next = behind + blanks(behind);
    let gap = scan.slice(behind, next);
    let is_item = line.trim_ascii_start().starts_with(b"- ") && gap.contains(&b'\n');
    (is_item && scan.slice(next, next + 2) == b"- ").then_some(next + 2)
}

/// Files in which a blank alone stands between name and value: redis.conf, .netrc.
fn is_directive(scan: &Scan, start: usize, end: usize) -> bool {
    let name = scan.slice(start, end);
    let redis = matches!(name, b"requirepass" | b"masterauth") && scan.begins_line(start);
    let before = scan.slice(start.saturating_sub(128), start);
    let line =
        memchr::memrchr(b'\n', before).map_or(before, |n| before.get(n..).unwrap_or_default());
    redis || (name == b"password" && memchr::memmem::find(line, b"login ").is_some())
}

/// Notes the value if it is a secret.
fn judge(scan: &mut Scan, kind: &'static str, mut value: Value, bond: Bond) {
    if bond == Bond::Line && !value.quoted {
        value.end = line_value_end(scan, value.start);
    }
    let bytes = scan.slice(value.start, value.end);
    if bytes.len() > LONG {
        return scan.found(value.start, value.end, kind);
    }
    // Names, types, counts: klog writes `secret="namespace/name"`.
    if value::is_harmless(bytes) || (kind != "password" && is_plain(bytes)) {
        return;
    }
    let is_struct = !value.quoted && bytes.first().is_some_and(|b| b"{[(&".contains(b));
    if is_struct && (bond == Bond::Loose || bytes.len() < 2 || kind != "password") {
        return;
    }
    let next = scan.at(value.end);
    match bond {
        Bond::Flag if bytes.starts_with(b"-") || arguments::is_redirection(bytes) => return,
        Bond::Loose if !value.quoted => {
            // A password in running text may be a plain word, if it is the last one.
            let alone = kind == "password"
                && matches!(next, b'\n' | b'\r' | b'"' | b',' | b';' | b'}' | 0)
                && bytes.iter().any(|b| !b.is_ascii_digit())
                && bytes.len() >= 4;
            if !alone && !value::looks_secret(bytes) {
                return;
            }
        }
        Bond::Sure if !value.quoted && kind != "password" && bytes.len() < 4 => return,
        _ => {}
    }
    let kind = token::kind_of(bytes).unwrap_or(kind);
    // A bare number behind a quoted name is JSON: the mark has to be a string.
    let is_number = !value.quoted
        && bytes
            .iter()
            .all(|b| b.is_ascii_digit() || b"+-.eE".contains(b));
    let style = match quote_before(scan, value.start) {
        Some(slashes) if is_number => Style::Quoted(slashes),
        _ => Style::Plain,
    };
    scan.found_as(value.start, value.end, kind, style);
}

/// Backslashes before the closing quote of the JSON name before a value.
fn quote_before(scan: &Scan, value: usize) -> Option<u8> {
    let before = scan.slice(value.saturating_sub(32), value).trim_ascii_end();
    let before = before
        .strip_suffix(b":")?
        .trim_ascii_end()
        .strip_suffix(b"\"")?;
    Some(before.iter().rev().take_while(|&&b| b == b'\\').count() as u8)
}

/// Objects by name, small numbers, words: what names such as `token` and `secret` hold in logs.
fn is_plain(bytes: &[u8]) -> bool {
    value::is_object_name(bytes) || (bytes.len() < 6 && bytes.iter().all(u8::is_ascii_digit))
}

/// End of a scalar that has its line for itself: a comment ends it too.
fn line_value_end(scan: &Scan, start: usize) -> usize {
    let end = scan.line_end_within(start, 1 << 20);
    let line = scan.slice(start, end);
    if matches!(line.first(), Some(b'|' | b'>' | b'&' | b'{' | b'[')) {
        return value::bare_end(scan.text, start);
    }
    let comment = line
        .windows(2)
        .position(|pair| pair == b" #")
        .unwrap_or(line.len());
    start + scan.slice(start, start + comment).trim_ascii_end().len()
}
