//! Answers of calls: one JSON value in a member of its own.

use serde::de::DeserializeOwned;

use super::{Damages, Input};

/// The longest answer that is read. The collector's are bounded to less; a row in memory is many
/// times as large as the few bytes that can stand for it.
const LIMIT_BYTES: usize = 8 << 20;

/// Reads an answer; one that cannot be read is damage.
pub fn parse<T: DeserializeOwned>(input: &Input<'_>, damages: &mut Damages) -> Option<T> {
    if input.bytes.len() > LIMIT_BYTES {
        damages.add(input, None, format!("longer than {LIMIT_BYTES} bytes"));
        return None;
    }
    match serde_json::from_slice(input.bytes) {
        Ok(answer) => Some(answer),
        Err(error) => {
            damages.add(input, None, error.to_string());
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_long_or_no_json_is_damage() {
        let mut damages = Damages::default();
        let mut read = |bytes: &[u8]| {
            let input = Input {
                entry: "calls/x.json",
                path: "calls/x.json",
                reading: 0,
                bytes,
                record: None,
            };
            parse::<Vec<u8>>(&input, &mut damages)
        };
        assert_eq!(read(b"[1]"), Some(vec![1]));
        assert_eq!(read(b"[1"), None);
        assert_eq!(read(&vec![b' '; LIMIT_BYTES + 1]), None);
        assert_eq!(damages.list.len(), 2);
    }
}
