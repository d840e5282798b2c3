//! The lines of an index.

use crate::{EntryRecord, Limits, member};

/// The `n` of `index/<n>.jsonl`.
pub(super) fn number(path: &str) -> Option<u64> {
    let digits = path.strip_prefix("index/")?.strip_suffix(".jsonl")?;
    let number: u64 = digits.parse().ok()?;
    (number.to_string() == digits).then_some(number)
}

/// The records of an index, or what is wrong with a line.
pub(super) fn records<'a>(
    bytes: &'a [u8],
    limits: &'a Limits,
) -> impl Iterator<Item = Result<EntryRecord, String>> + 'a {
    (1..)
        .zip(bytes.split(|byte| *byte == b'\n'))
        .filter(|(_, line)| !line.is_empty())
        .map(|(n, line)| record(line, limits).map_err(|why| format!("line {n}: {why}")))
}

/// The number of records, readable or not.
pub(super) fn count(bytes: &[u8]) -> u64 {
    let lines = bytes.split(|byte| *byte == b'\n');
    lines.filter(|line| !line.is_empty()).count() as u64
}

fn record(line: &[u8], limits: &Limits) -> Result<EntryRecord, String> {
    if line.len() > limits.line_bytes {
        let limit = limits.line_bytes;
        return Err(format!("{} bytes, limit {limit}", line.len()));
    }
    let record: EntryRecord = serde_json::from_slice(line).map_err(|error| {
        // The parser sees one line; its number is told by the caller.
        error.to_string().replace(" at line 1 column ", ", column ")
    })?;
    member::check(record.path.as_bytes(), limits.name_bytes).map_err(|e| e.to_string())?;
    Ok(record)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_has_one_way_to_write_its_number() {
        assert_eq!(number("index/0.jsonl"), Some(0));
        assert_eq!(number("index/17.jsonl"), Some(17));
        for path in [
            "index/01.jsonl",
            "index/+1.jsonl",
            "index/1.json",
            "1.jsonl",
        ] {
            assert_eq!(number(path), None, "{path}");
        }
    }

    #[test]
    fn bad_lines_are_told_by_number_and_column() {
        let limits = Limits {
            line_bytes: 120,
            ..Limits::default()
        };
        let text = format!(
            "garbage\n\n{{\"path\":\n{}\n{}\n{}",
            "x".repeat(200),
            r#"{"path":"../x","source":"s","outcome":{"is":"complete"},"started_us":1,"took_us":1,"bytes":0}"#,
            r#"{"path":"x","source":"s","outcome":{"is":"complete"},"started_us":1,"took_us":1,"bytes":0}"#,
        );
        let found: Vec<String> = records(text.as_bytes(), &limits)
            .map(|record| record.map_or_else(|why| why, |record| record.path))
            .collect();
        assert_eq!(
            found,
            [
                "line 1: expected value, column 1",
                "line 3: EOF while parsing a value, column 8",
                "line 4: 200 bytes, limit 120",
                "line 5: the name has the part `..`",
                "x",
            ]
        );
        assert_eq!(count(text.as_bytes()), 5);
    }
}
