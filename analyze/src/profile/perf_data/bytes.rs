//! Fields one after another. Everything is checked: there is no field behind the end.

/// What is left of a record.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// So many bytes.
    pub(super) fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(count)?;
        self.rest = rest;
        Some(taken)
    }

    /// As many bytes as a field of the file says.
    pub(super) fn take_long(&mut self, count: u64) -> Option<&'a [u8]> {
        self.take(usize::try_from(count).ok()?)
    }

    /// So many words of 8 bytes.
    pub(super) fn words(&mut self, count: u64) -> Option<Words<'a>> {
        let bytes = self.take_long(count.checked_mul(8)?)?;
        Some(Words { bytes })
    }

    pub(super) fn u16(&mut self) -> Option<u16> {
        self.take(2)?.try_into().ok().map(u16::from_le_bytes)
    }

    pub(super) fn u32(&mut self) -> Option<u32> {
        self.take(4)?.try_into().ok().map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self) -> Option<u64> {
        self.take(8)?.try_into().ok().map(u64::from_le_bytes)
    }

    /// A text with its length in front, zeros behind it.
    pub(super) fn counted_text(&mut self) -> Option<&'a [u8]> {
        let length = self.u32()?;
        self.take_long(length.into()).map(until_zero)
    }

    /// All that is left, as a text.
    pub(super) fn text(self) -> &'a [u8] {
        until_zero(self.rest)
    }

    /// All that is left.
    pub(super) fn rest(self) -> &'a [u8] {
        self.rest
    }
}

/// Words of 8 bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Words<'a> {
    bytes: &'a [u8],
}

impl<'a> Words<'a> {
    pub(super) const EMPTY: Words<'static> = Words { bytes: &[] };

    /// The words that these bytes are.
    pub(crate) fn of(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }

    /// One after another.
    pub fn iter(self) -> impl Iterator<Item = u64> + 'a {
        let words = self.bytes.chunks_exact(8);
        words.map(|word| word.try_into().map_or(0, u64::from_le_bytes))
    }

    /// As they stand in the file.
    pub fn bytes(self) -> &'a [u8] {
        self.bytes
    }
}

/// The text before the zero that ends it.
fn until_zero(bytes: &[u8]) -> &[u8] {
    bytes.split(|byte| *byte == 0).next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_read_behind_the_end() {
        let mut fields = Fields::new(&[1, 0, 0, 0, 2, 0]);
        assert_eq!(fields.u32(), Some(1));
        assert_eq!(fields.u32(), None);
        assert_eq!(fields.u16(), Some(2));
        assert_eq!(fields.u16(), None);
        assert!(Fields::new(&[0; 64]).words(u64::MAX).is_none());
        assert!(Fields::new(&[0; 64]).take_long(u64::MAX).is_none());
        assert!(Fields::new(&[255; 64]).counted_text().is_none());
        assert_eq!(Fields::new(b"ab\0c").text(), b"ab");
    }
}
