//! Protocol buffers as they are written: fields, each a number and a value.

/// A value as it is written.
#[derive(Clone, Copy)]
pub(super) enum Value<'a> {
    Number(u64),
    Fixed64(u64),
    Fixed32(u32),
    Bytes(&'a [u8]),
}

/// Fields of a message, up to its end or to where it is damaged.
pub(super) struct Fields<'a> {
    rest: &'a [u8],
    pub(super) is_damaged: bool,
}

impl<'a> Fields<'a> {
    pub(super) fn of(message: &'a [u8]) -> Self {
        Self {
            rest: message,
            is_damaged: false,
        }
    }

    fn read(&mut self) -> Option<(u32, Value<'a>)> {
        let mut rest = self.rest;
        let key = varint(&mut rest)?;
        let value = match key & 7 {
            0 => Value::Number(varint(&mut rest)?),
            1 => {
                let (bytes, behind) = rest.split_first_chunk()?;
                rest = behind;
                Value::Fixed64(u64::from_le_bytes(*bytes))
            }
            2 => {
                let length = usize::try_from(varint(&mut rest)?).ok()?;
                let (bytes, behind) = rest.split_at_checked(length)?;
                rest = behind;
                Value::Bytes(bytes)
            }
            5 => {
                let (bytes, behind) = rest.split_first_chunk()?;
                rest = behind;
                Value::Fixed32(u32::from_le_bytes(*bytes))
            }
            _ => return None,
        };
        self.rest = rest;
        Some((u32::try_from(key >> 3).ok()?, value))
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = (u32, Value<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() || self.is_damaged {
            return None;
        }
        let read = self.read();
        self.is_damaged = read.is_none();
        read
    }
}

pub(super) fn varint(rest: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let (byte, behind) = rest.split_first()?;
        *rest = behind;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

/// The message up to the end of its last field that is whole: what is left of one that was cut.
pub(crate) fn whole_fields(message: &[u8]) -> &[u8] {
    let mut fields = Fields::of(message);
    fields.by_ref().for_each(drop);
    let end = message.len() - fields.rest.len();
    message.get(..end).unwrap_or_default()
}

/// Appends a field of bytes: a text, a message.
pub(crate) fn put_bytes(message: &mut Vec<u8>, number: u8, bytes: &[u8]) {
    message.push(number << 3 | 2);
    let mut length = bytes.len();
    while length >= 128 {
        message.push(length as u8 | 0x80);
        length >>= 7;
    }
    message.push(length as u8);
    message.extend_from_slice(bytes);
}

/// Appends a field that is true.
pub(crate) fn put_true(message: &mut Vec<u8>, number: u8) {
    message.extend([number << 3, 1]);
}
