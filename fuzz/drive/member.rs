//! Member names: what `escape` writes, `check` accepts and nothing is lost by.

use freezeframe_bundle::member::{NameError, check, escape};

/// The shortest limit that leaves room for something.
const LIMIT_BYTES: usize = 300;

/// Takes the input as a node's path and as a member's name.
pub(crate) fn run(data: &[u8]) {
    let name = escape(data);
    assert!(name.len() <= 3 * data.len());
    assert!(!name.chars().any(char::is_control));
    assert_eq!(unescape(&name), data);
    // An escaped name is refused for its parts or its length alone.
    match check(name.as_bytes(), LIMIT_BYTES) {
        Ok(same) => assert_eq!(same, name),
        Err(NameError::Control | NameError::NotText) => panic!("{name}"),
        Err(_) => {}
    }
    if let Ok(name) = check(data, LIMIT_BYTES) {
        assert_eq!(name.as_bytes(), data);
        assert!(!name.is_empty() && name.len() <= LIMIT_BYTES);
        let path = std::path::Path::new(name);
        assert!(
            path.components()
                .all(|part| matches!(part, std::path::Component::Normal(_)))
        );
    }
}

fn unescape(name: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut parts = name.split('%');
    bytes.extend(parts.next().unwrap_or_default().bytes());
    for part in parts {
        let (digits, rest) = part.split_at(2);
        bytes.push(u8::from_str_radix(digits, 16).unwrap());
        bytes.extend(rest.bytes());
    }
    bytes
}
