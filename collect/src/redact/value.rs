//! Where a value ends, and whether it can be a secret at all.

use super::mark;
use super::scan::{at, slice};

/// Longest value in quotes that is followed to its closing quote.
const LONGEST: usize = 1 << 20;

/// A quote: its byte and how many backslashes stand before it (JSON in JSON: 1, 3, 7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Quote {
    pub byte: u8,
    pub slashes: usize,
}

impl Quote {
    /// The quote at `place`, and the place behind it.
    pub(super) fn opening(text: &[u8], place: usize) -> Option<(Self, usize)> {
        let slashes = slice(text, place, place + 16)
            .iter()
            .take_while(|&&b| b == b'\\')
            .count();
        let byte = at(text, place + slashes);
        matches!(byte, b'"' | b'\'' | b'`').then(|| (Self { byte, slashes }, place + slashes + 1))
    }

    /// Where the value ends whose opening quote ends at `from`; the place of its closing quote with
    /// the backslashes before it. Nothing if the line ends first.
    pub(super) fn closing(self, text: &[u8], from: usize) -> Option<usize> {
        let rest = slice(text, from, from.saturating_add(LONGEST));
        for place in memchr::memchr3_iter(self.byte, b'\n', 0, rest) {
            let byte = at(rest, place);
            if byte != self.byte {
                return None;
            }
            let before = slice(rest, 0, place);
            let slashes = before.iter().rev().take_while(|&&b| b == b'\\').count();
            // In quotes that stand behind n backslashes a backslash is written n+1 times.
            let closes = self.byte == b'\'' && self.slashes == 0
                || slashes < self.slashes
                || slashes % (2 * (self.slashes + 1)) == self.slashes;
            if closes {
                return Some(from + place - slashes.min(self.slashes));
            }
        }
        None
    }
}

/// A value's bytes, without its quotes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Value {
    pub start: usize,
    pub end: usize,
    pub quoted: bool,
}

/// The value at `start`, in quotes or up to where a bare word ends.
pub(super) fn read(text: &[u8], start: usize) -> Value {
    if let Some((quote, inside)) = Quote::opening(text, start) {
        let end = quote
            .closing(text, inside)
            .unwrap_or_else(|| cut_end(text, inside));
        return Value {
            start: inside,
            end,
            quoted: true,
        };
    }
    Value {
        start,
        end: bare_end(text, start),
        quoted: false,
    }
}

/// End of a value whose closing quote was cut off: its line.
fn cut_end(text: &[u8], from: usize) -> usize {
    let rest = slice(text, from, from.saturating_add(LONGEST));
    memchr::memchr2(b'\n', 0, rest).map_or(from + rest.len(), |n| from + n)
}

/// End of a bare word. `,`, `;`, `&` belong to a password unless another field follows them.
pub(super) fn bare_end(text: &[u8], start: usize) -> usize {
    let rest = slice(text, start, start.saturating_add(LONGEST));
    if let Some(mark) = mark::length(rest) {
        let next = at(rest, mark);
        if !next.is_ascii_alphanumeric() {
            return start + mark;
        }
    }
    let mut end = 0;
    while let Some(&b) = rest.get(end) {
        let stops = match b {
            b'\n' | b' ' | b'\t' | b'\r' | 0 | b'"' | b'\'' | b'`' => true,
            b'\\' => matches!(at(rest, end + 1), b'n' | b't' | b'r' | b'"' | b'\\' | b'\''),
            b',' | b';' | b'&' | b'|' => begins_field(slice(rest, end + 1, end + 40)),
            b')' | b']' | b'}' | b'>' => ends_field(slice(rest, end + 1, end + 2)),
            b'<' => at(rest, end + 1) == b'/',
            _ => false,
        };
        if stops {
            break;
        }
        end += 1;
    }
    let word = slice(rest, 0, end);
    let tail = word.iter().rev().take_while(|b| b",;".contains(b)).count();
    start + end - tail
}

/// Whether what follows a comma is `name=`, `name:`, a blank or nothing.
fn begins_field(rest: &[u8]) -> bool {
    let name = rest
        .iter()
        .take_while(|&&b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b' ' | b'.'))
        .count();
    let next = at(rest, name);
    rest.first()
        .is_none_or(|b| b.is_ascii_whitespace() || matches!(b, b'"' | b'\'' | b'\\' | b'{'))
        || (name > 0 && matches!(next, b'=' | b':'))
}

fn ends_field(rest: &[u8]) -> bool {
    rest.first().is_none_or(|b| !b.is_ascii_alphanumeric())
}

/// Databases of nsswitch.conf(5), whose `passwd:` is no password.
fn is_databases(value: &[u8]) -> bool {
    const NAMES: [&[u8]; 9] = [
        b"files",
        b"compat",
        b"sss",
        b"systemd",
        b"ldap",
        b"nis",
        b"winbind",
        b"db",
        b"altfiles",
    ];
    let mut words = value
        .split(u8::is_ascii_whitespace)
        .filter(|w| !w.is_empty());
    words.all(|word| NAMES.contains(&word))
}

/// What is written where a secret could stand but is none: nothing, a reference, a place.
pub(super) fn is_harmless(value: &[u8]) -> bool {
    const WORDS: &[&str] = &[
        "",
        "-",
        "?",
        "nil",
        "<nil>",
        "null",
        "none",
        "true",
        "false",
        "yes",
        "no",
        "on",
        "off",
        "undefined",
        "redacted",
        "<redacted>",
        "[redacted]",
        "masked",
        "hidden",
        "<hidden>",
        "<secret>",
        "<set to the key",
        "unset",
        "<unset>",
        "<none>",
        "<unknown>",
        "unknown",
        "default",
        "required",
        "optional",
        "enabled",
        "disabled",
        "string",
        "<string>",
        "n/a",
        "data+omitted",
        "xxxxx",
        "&{",
        "{}",
        "[]",
        "map[",
        "(nil)",
        "0x0",
        "empty",
        "<empty>",
        "not",
        "failed",
        "invalid",
        "missing",
        "error",
        "expired",
        "found",
        "secret",
        "token",
        "password",
        "the",
        "a",
        "an",
        "is",
        "was",
        "for",
        "from",
        "of",
        "to",
        "in",
        "\\",
    ];
    let value = value.trim_ascii();
    mark::is_one(value)
        || WORDS
            .iter()
            .any(|word| value.eq_ignore_ascii_case(word.as_bytes()))
        || value.iter().all(|b| b"*.x-_#%?".contains(b))
        || is_databases(value)
        || is_reference(value)
        || is_path(value)
}

/// `$(NAME)`, `${NAME}`, `$NAME`, `{{ .Values.x }}`, `%s`, `<your token>`, `&Struct{`, `map[`.
fn is_reference(value: &[u8]) -> bool {
    let named = |rest: &[u8]| {
        rest.iter()
            .all(|b| b.is_ascii_alphanumeric() || b"_.:-".contains(b))
    };
    let in_brackets = |open: &[u8], close: &[u8]| {
        value
            .strip_prefix(open)
            .and_then(|v| v.strip_suffix(close))
            .is_some_and(named)
    };
    in_brackets(b"$(", b")")
        || in_brackets(b"${", b"}")
        || value.strip_prefix(b"$").is_some_and(|rest| {
            rest.iter()
                .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || *b == b'_')
        })
        || value.starts_with(b"{{")
        || value.starts_with(b"map[")
        || (value.len() <= 3 && value.starts_with(b"%"))
        || (value.first().is_some_and(|b| b"&*{[(".contains(b))
            && value
                .iter()
                .skip(1)
                .take_while(|b| b.is_ascii_alphanumeric() || b".*&_".contains(b))
                .count()
                + 1
                < value.len()
            && value.iter().any(|b| b"{[(".contains(b)))
}

/// A file's place: the well-known folders, or a place relative to here.
pub(super) fn is_path(value: &[u8]) -> bool {
    const FOLDERS: &[&str] = &[
        "/etc/",
        "/var/",
        "/run/",
        "/usr/",
        "/home/",
        "/root/",
        "/opt/",
        "/tmp/",
        "/mnt/",
        "/srv/",
        "/data/",
        "/secrets/",
        "/secret/",
        "/proc/",
        "/sys/",
        "/dev/",
        "/lib/",
        "/app/",
        "/config/",
        "/boot/",
        "/snap/",
        "/host/",
        "./",
        "../",
        "~/",
        "file:/",
        "/vault/",
        "/certs/",
        "/bin/",
        "/sbin/",
        "/nix/",
        "/Users/",
        "C:\\",
    ];
    FOLDERS
        .iter()
        .any(|folder| value.starts_with(folder.as_bytes()))
        && !value.iter().any(u8::is_ascii_whitespace)
}

/// `namespace/name` of an object in small letters, as klog writes it.
pub(super) fn is_object_name(value: &[u8]) -> bool {
    let mut parts = value.split(|&b| b == b'/');
    let is_label = |part: &[u8]| {
        !part.is_empty()
            && part
                .iter()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-.".contains(b))
    };
    parts.next().is_some_and(is_label)
        && parts.next().is_some_and(is_label)
        && parts.next().is_none()
}

/// Whether a word in running text can be a secret: no plain word, number, address or place.
pub(super) fn looks_secret(word: &[u8]) -> bool {
    let digit = word.iter().any(u8::is_ascii_digit);
    let letter = word.iter().any(u8::is_ascii_alphabetic);
    let special = word.iter().any(|b| b"!@#$%^&*+~?".contains(b));
    let separated = word.iter().any(|b| b":/()[]{}<>".contains(b));
    let is_time = word.first().is_some_and(u8::is_ascii_digit)
        && word.iter().filter(|b| b.is_ascii_alphabetic()).count() <= 3
        && !special;
    if separated && !word.ends_with(b"=") {
        // A bare word with `/` or `:` in running text is a place, a reference, a call, a struct.
        return word.len() >= 20
            && digit
            && word.iter().any(u8::is_ascii_uppercase)
            && word
                .iter()
                .all(|b| b.is_ascii_alphanumeric() || b"+/=_-".contains(b));
    }
    word.len() >= 6 && letter && (digit || special) && !is_time && !word.starts_with(b"0x")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> &str {
        let value = read(text.as_bytes(), 0);
        text.get(value.start..value.end).unwrap()
    }

    #[test]
    fn values_end_where_they_end() {
        assert_eq!(of(r#""a\"b\\" x"#), r#"a\"b\\"#);
        assert_eq!(of(r#"\"a\\\"b\" x"#), r#"a\\\"b"#);
        assert_eq!(of(r#"\"a" x"#), "a");
        assert_eq!(of("'it''s"), "it");
        assert_eq!(of("a,b;c next"), "a,b;c");
        assert_eq!(of("a,user=x"), "a");
        assert_eq!(of("a&b=c"), "a");
        assert_eq!(of("a,\n"), "a");
        assert_eq!(of("a} x"), "a");
        assert_eq!(of("\"cut off\nnext\""), "cut off");
        assert_eq!(of("a\\nb"), "a");
    }

    #[test]
    fn a_place_or_a_reference_is_no_secret() {
        for harmless in [
            "",
            "<nil>",
            "/etc/kubernetes/token",
            "$(TOKEN)",
            "${TOKEN}",
            "***",
            "&v1.Secret{Name:x}",
            "%s",
        ] {
            assert!(is_harmless(harmless.as_bytes()), "{harmless}");
        }
        for secret in ["hunter2", "/9j/4AAQSkZ", "$ecret", "*sterisk1", "x-1"] {
            assert!(!is_harmless(secret.as_bytes()), "{secret}");
        }
        assert!(is_object_name(b"kube-system/token-cleaner"));
        assert!(!looks_secret(b"10.5s"));
        assert!(looks_secret(b"hunter2"));
    }
}
