//! The journal's export format: `FIELD=value` lines; a value with line ends is written as the
//! field's name, a length of eight bytes (little endian) and the bytes.
//! Source: <https://systemd.io/JOURNAL_EXPORT_FORMATS/>

use super::scan::slice;

/// A part of an export.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Part<'a> {
    /// Lines of text, entry separators and all.
    Lines(&'a [u8]),
    /// A field in the binary form: its name with the line end, and its value.
    Field { head: &'a [u8], value: &'a [u8] },
}

/// Parts of an export in their order; whatever is damaged counts as lines.
pub(super) struct Parts<'a> {
    rest: &'a [u8],
    next: Option<Part<'a>>,
}

impl<'a> Parts<'a> {
    pub(super) fn new(export: &'a [u8]) -> Self {
        Self {
            rest: export,
            next: None,
        }
    }
}

impl<'a> Iterator for Parts<'a> {
    type Item = Part<'a>;

    fn next(&mut self) -> Option<Part<'a>> {
        if let Some(part) = self.next.take() {
            return Some(part);
        }
        if self.rest.is_empty() {
            return None;
        }
        let mut place = 0;
        while let Some(length) = memchr::memchr(b'\n', slice(self.rest, place, self.rest.len())) {
            let line = slice(self.rest, place, place + length);
            if is_field_name(line)
                && let Some((field, rest)) = self.field(place, place + length + 1)
            {
                let lines = slice(self.rest, 0, place);
                self.rest = rest;
                if lines.is_empty() {
                    return Some(field);
                }
                self.next = Some(field);
                return Some(Part::Lines(lines));
            }
            place += length + 1;
        }
        Some(Part::Lines(std::mem::take(&mut self.rest)))
    }
}

impl<'a> Parts<'a> {
    /// The field whose name stands at `from..behind`, and what follows it.
    fn field(&self, from: usize, behind: usize) -> Option<(Part<'a>, &'a [u8])> {
        let length = self.rest.get(behind..behind + 8)?;
        let length = usize::try_from(u64::from_le_bytes(length.try_into().ok()?)).ok()?;
        let start = behind + 8;
        let value = self.rest.get(start..start.checked_add(length)?)?;
        let rest = self.rest.get(start + length..)?.strip_prefix(b"\n")?;
        let head = self.rest.get(from..behind)?;
        Some((Part::Field { head, value }, rest))
    }
}

fn is_field_name(line: &[u8]) -> bool {
    !line.is_empty()
        && line.len() <= 64
        && line
            .iter()
            .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || *b == b'_')
}

/// Appends a field in the binary form.
pub(super) fn write_field(out: &mut Vec<u8>, head: &[u8], value: &[u8]) {
    out.extend_from_slice(head);
    out.extend_from_slice(&(value.len() as u64).to_le_bytes());
    out.extend_from_slice(value);
    out.push(b'\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_told_apart_by_their_lengths() {
        let mut export = b"__CURSOR=a\n".to_vec();
        write_field(&mut export, b"MESSAGE\n", b"one\n\ntwo");
        export.extend_from_slice(b"_PID=1\n\n__CURSOR=b\n");
        let parts: Vec<Part> = Parts::new(&export).collect();
        assert_eq!(
            parts,
            [
                Part::Lines(b"__CURSOR=a\n"),
                Part::Field {
                    head: b"MESSAGE\n",
                    value: b"one\n\ntwo"
                },
                Part::Lines(b"_PID=1\n\n__CURSOR=b\n"),
            ]
        );
    }

    #[test]
    fn damage_is_text() {
        let export = b"MESSAGE\n\xff\xff\xff\xff\xff\xff\xff\x7fabc\n";
        assert_eq!(
            Parts::new(export).collect::<Vec<_>>(),
            [Part::Lines(export)]
        );
    }
}
