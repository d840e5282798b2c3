//! The little of DER (X.690) that a certificate's names and times take.

/// A value: its tag and its contents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Value<'a> {
    pub(super) tag: u8,
    pub(super) contents: &'a [u8],
}

/// Tags.
pub(super) const INTEGER: u8 = 0x02;
pub(super) const OBJECT_IDENTIFIER: u8 = 0x06;
pub(super) const UTC_TIME: u8 = 0x17;
pub(super) const GENERALIZED_TIME: u8 = 0x18;
pub(super) const SEQUENCE: u8 = 0x30;
pub(super) const SET: u8 = 0x31;
/// `[0]`, constructed: a certificate's version.
pub(super) const CONTEXT_0: u8 = 0xa0;

/// Takes the next value.
pub(super) fn next<'a>(bytes: &mut &'a [u8]) -> Option<Value<'a>> {
    let (tag, rest) = bytes.split_first()?;
    let (first, mut rest) = rest.split_first()?;
    let length = match first {
        0..=0x7f => usize::from(*first),
        // The certificates of a node have far less than 16 MiB.
        0x81..=0x83 => {
            let (digits, after) = rest.split_at_checked(usize::from(first & 3))?;
            rest = after;
            digits
                .iter()
                .fold(0, |sum, digit| sum << 8 | usize::from(*digit))
        }
        _ => return None,
    };
    let (contents, rest) = rest.split_at_checked(length)?;
    *bytes = rest;
    Some(Value {
        tag: *tag,
        contents,
    })
}

/// Takes the next value, which has this tag.
pub(super) fn expect<'a>(bytes: &mut &'a [u8], tag: u8) -> Option<&'a [u8]> {
    next(bytes)
        .filter(|value| value.tag == tag)
        .map(|value| value.contents)
}

/// An object identifier in digits and dots.
pub(super) fn identifier(contents: &[u8]) -> String {
    let mut parts = Vec::new();
    let mut part: u64 = 0;
    for byte in contents {
        part = part << 7 | u64::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            if parts.is_empty() {
                let first = (part / 40).min(2);
                parts.extend([first, part - first * 40]);
            } else {
                parts.push(part);
            }
            part = 0;
        }
    }
    let parts: Vec<_> = parts.iter().map(u64::to_string).collect();
    parts.join(".")
}

/// A point in time as `2036-11-20T22:06:03Z`.
pub(super) fn time(value: Value<'_>) -> Option<String> {
    let text = std::str::from_utf8(value.contents).ok()?;
    let digits = text.strip_suffix('Z')?;
    if !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let digits = match (value.tag, digits.len()) {
        // Two digits stand for 1950 to 2049 (RFC 5280, 4.1.2.5.1).
        (UTC_TIME, 12) if digits < "50" => format!("20{digits}"),
        (UTC_TIME, 12) => format!("19{digits}"),
        (GENERALIZED_TIME, 14) => digits.to_owned(),
        _ => return None,
    };
    let part = |from: usize, to: usize| digits.get(from..to);
    Some(format!(
        "{}-{}-{}T{}:{}:{}Z",
        part(0, 4)?,
        part(4, 6)?,
        part(6, 8)?,
        part(8, 10)?,
        part(10, 12)?,
        part(12, 14)?
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_taken_in_order() {
        let mut bytes = &[0x02, 1, 7, 0x30, 0x81, 2, 1, 2, 0xff][..];
        assert_eq!(expect(&mut bytes, INTEGER), Some(&[7][..]));
        assert_eq!(expect(&mut bytes, SEQUENCE), Some(&[1, 2][..]));
        assert_eq!(next(&mut bytes), None);
        for hostile in [
            &[0x30][..],
            &[0x30, 0x84, 0xff, 0xff, 0xff, 0xff],
            &[0x30, 0x80],
            &[0x30, 5, 0],
        ] {
            assert_eq!(next(&mut &*hostile), None);
        }
    }

    #[test]
    fn identifiers_and_times_are_readable() {
        assert_eq!(identifier(&[0x55, 4, 3]), "2.5.4.3");
        assert_eq!(
            identifier(&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d]),
            "1.2.840.113549"
        );
        assert_eq!(identifier(&[0xff; 40]), "");
        let at = |tag, contents: &'static str| {
            let contents = contents.as_bytes();
            time(Value { tag, contents })
        };
        assert_eq!(
            at(UTC_TIME, "361120220603Z").as_deref(),
            Some("2036-11-20T22:06:03Z")
        );
        assert_eq!(
            at(UTC_TIME, "500101000000Z").as_deref(),
            Some("1950-01-01T00:00:00Z")
        );
        assert_eq!(
            at(GENERALIZED_TIME, "21200101000000Z").as_deref(),
            Some("2120-01-01T00:00:00Z")
        );
        assert_eq!(at(UTC_TIME, "3611202206Z"), None);
        assert_eq!(at(GENERALIZED_TIME, "21200101\u{e4}0000Z"), None);
    }
}
