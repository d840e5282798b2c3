//! What stands where a secret stood: `<redacted:KIND:TAG:LENGTH>`.
//!
//! - `TAG`: six hex digits of SHA-256 over the salt and the secret. Within one capture equal secrets
//!   have equal tags wherever they stood (a variable, an argument, a log line), so one can still see
//!   that two processes share a password. The salt is never stored: tags of two captures tell nothing.
//! - `LENGTH`: the smallest power of two that is not below the secret's length in bytes: an empty, a
//!   cut and a whole token can be told apart, the length itself cannot be told.
//!
//! The mark has no quote, backslash, blank or `#`: it stands in a JSON string, in a plain YAML scalar
//! (`<` is no indicator, and no colon in it is followed by a blank) and in a log line as it is.

use sha2::{Digest, Sha256};

const OPENING: &[u8] = b"<redacted:";
/// Longest mark: opening, kind, tag, length, with room.
const LONGEST: usize = 64;

/// Appends the mark of `secret`.
pub(super) fn write(out: &mut Vec<u8>, salt: &[u8; 32], kind: &str, secret: &[u8]) {
    let class = secret.len().next_power_of_two();
    let tag = tag(salt, secret);
    out.extend_from_slice(format!("<redacted:{kind}:{tag}:{class}>").as_bytes());
}

/// Appends the pseudonym of an address or host: `<ip:ab12cd>`.
pub(super) fn write_pseudonym(out: &mut Vec<u8>, salt: &[u8; 32], kind: &str, name: &[u8]) {
    let tag = tag(salt, name);
    out.extend_from_slice(format!("<{kind}:{tag}>").as_bytes());
}

/// The same as part of a file name: `node-ab12cd`.
pub(super) fn pseudonym(salt: &[u8; 32], kind: &str, name: &[u8]) -> String {
    format!("{kind}-{}", tag(salt, name))
}

fn tag(salt: &[u8; 32], secret: &[u8]) -> String {
    let digest = Sha256::new()
        .chain_update(salt)
        .chain_update(secret)
        .finalize();
    digest.iter().take(3).map(|b| format!("{b:02x}")).collect()
}

/// Length of the mark that `bytes` begin with.
pub(super) fn length(bytes: &[u8]) -> Option<usize> {
    let rest = bytes.strip_prefix(OPENING)?;
    let end = rest.iter().take(LONGEST).position(|&b| b == b'>')?;
    let mut parts = rest.get(..end)?.split(|&b| b == b':');
    let (kind, tag, class) = (parts.next()?, parts.next()?, parts.next()?);
    let well_formed = parts.next().is_none()
        && !kind.is_empty()
        && kind
            .iter()
            .all(|b| b.is_ascii_lowercase() || b"-0123456789".contains(b))
        && tag.len() == 6
        && tag.iter().all(u8::is_ascii_hexdigit)
        && !class.is_empty()
        && class.iter().all(u8::is_ascii_digit);
    well_formed.then_some(OPENING.len() + end + 1)
}

/// Whether `bytes` are one mark: what is redacted already stays as it is.
pub(super) fn is_one(bytes: &[u8]) -> bool {
    length(bytes) == Some(bytes.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_known_again_and_a_forged_one_is_not() {
        let mut mark = Vec::new();
        write(&mut mark, &[7; 32], "password", b"hunter2");
        assert!(is_one(&mark), "{}", String::from_utf8_lossy(&mark));
        assert!(mark.ends_with(b":8>"));
        for forged in [
            "<redacted:password:hunter2:8>",
            "<redacted:password:ab12cd:8>x",
            "<redacted:my secret:ab12cd:8>",
            "<redacted:>",
            "<redacted:a:b:c:ab12cd:8>",
        ] {
            assert!(!is_one(forged.as_bytes()), "{forged}");
        }
    }
}
