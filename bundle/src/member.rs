//! Names of members.
//!
//! A node's file names are bytes; a member's name is printable UTF-8 without tricks. Bytes outside
//! of it, and `%` itself, are written as `%XX`.

use std::hash::{DefaultHasher, Hash, Hasher};

/// Why a member name is refused.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// The name is empty.
    #[error("the name is empty")]
    Empty,
    /// The name is longer than the limit.
    #[error("the name has {0} bytes, limit {1}")]
    TooLong(usize, usize),
    /// The name is not UTF-8.
    #[error("the name is not UTF-8")]
    NotText,
    /// The name begins with `/`.
    #[error("the name is absolute")]
    Absolute,
    /// A part of the name is empty, `.` or `..`.
    #[error("the name has the part `{0}`")]
    Part(String),
    /// The name holds a control character.
    #[error("the name holds a control character")]
    Control,
}

/// Writes a node's path as a member name: control bytes, bytes that are not UTF-8 and `%` become
/// `%XX`.
pub fn escape(path: &[u8]) -> String {
    let mut name = String::with_capacity(path.len());
    for chunk in path.utf8_chunks() {
        for c in chunk.valid().chars() {
            if c.is_control() || c == '%' {
                let mut buffer = [0; 4];
                for byte in c.encode_utf8(&mut buffer).bytes() {
                    push_hex(&mut name, byte);
                }
            } else {
                name.push(c);
            }
        }
        for byte in chunk.invalid() {
            push_hex(&mut name, *byte);
        }
    }
    name
}

fn push_hex(name: &mut String, byte: u8) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    name.push('%');
    name.push(char::from(HEX[usize::from(byte >> 4)]));
    name.push(char::from(HEX[usize::from(byte & 15)]));
}

/// Checks a name as found in a bundle and returns it.
pub fn check(name: &[u8], limit: usize) -> Result<&str, NameError> {
    if name.is_empty() {
        return Err(NameError::Empty);
    }
    if name.len() > limit {
        return Err(NameError::TooLong(name.len(), limit));
    }
    let name = std::str::from_utf8(name).map_err(|_| NameError::NotText)?;
    if name.starts_with('/') {
        return Err(NameError::Absolute);
    }
    if name.chars().any(char::is_control) {
        return Err(NameError::Control);
    }
    match name
        .split('/')
        .find(|part| matches!(*part, "" | "." | ".."))
    {
        Some(part) => Err(NameError::Part(part.to_owned())),
        None => Ok(name),
    }
}

/// What names are remembered by: a bundle may hold a million of them.
pub(crate) fn hash(path: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    path.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escaping_keeps_text_and_marks_the_rest() {
        assert_eq!(escape(b"proc/1/stat"), "proc/1/stat");
        assert_eq!(escape(b"a%b\nc\xff"), "a%25b%0Ac%FF");
        assert_eq!(escape("kübe".as_bytes()), "kübe");
    }

    #[test]
    fn hostile_names_are_refused() {
        for name in [
            "",
            "/etc/passwd",
            "../../etc/passwd",
            "a//b",
            "a/./b",
            "a\nb",
        ] {
            assert!(check(name.as_bytes(), 100).is_err(), "{name:?}");
        }
        assert!(check(&[b'a'; 101], 100).is_err());
        assert_eq!(check(b"root/proc/1/stat", 100), Ok("root/proc/1/stat"));
    }
}
