//! Netlink messages, as the members `netlink/*.bin` hold them: one after the other, each with its
//! header and aligned to four bytes (`linux/netlink.h`).
//!
//! Numbers are in the node's byte order, which is little-endian on every machine that is supported.
//! Nothing here trusts a length: what does not fit ends the walk, and every step moves forward, so
//! that attributes nested in attributes cannot make it last.

/// Bytes of a message's header: length, type, flags, sequence number, port.
pub const HEADER_BYTES: usize = 16;
/// Bytes of an attribute's header: length and type.
const ATTRIBUTE_HEADER_BYTES: usize = 4;
/// `NLA_TYPE_MASK`: the other bits say that an attribute is nested or in network byte order.
const TYPE_MASK: u16 = 0x3fff;

/// One message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message<'a> {
    /// `nlmsg_type`.
    pub kind: u16,
    /// `nlmsg_flags`.
    pub flags: u16,
    /// `nlmsg_seq`.
    pub sequence: u32,
    /// What follows the header.
    pub body: &'a [u8],
    /// Header and body, without the padding after them.
    pub whole: &'a [u8],
}

/// A length that does not fit, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a netlink message at byte {at}")]
pub struct Broken {
    /// Bytes before it.
    pub at: usize,
}

/// Messages one after the other. After the first broken one there is no other.
#[derive(Clone, Debug)]
pub struct Messages<'a> {
    rest: &'a [u8],
    at: usize,
}

/// The messages in these bytes.
pub fn messages(bytes: &[u8]) -> Messages<'_> {
    Messages { rest: bytes, at: 0 }
}

impl<'a> Iterator for Messages<'a> {
    type Item = Result<Message<'a>, Broken>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let Some(message) = first(self.rest) else {
            self.rest = &[];
            return Some(Err(Broken { at: self.at }));
        };
        let step = aligned(message.whole.len());
        self.rest = self.rest.get(step..).unwrap_or_default();
        self.at += step;
        Some(Ok(message))
    }
}

fn first(bytes: &[u8]) -> Option<Message<'_>> {
    let length = u32_at(bytes, 0)? as usize;
    let whole = bytes.get(..length)?;
    Some(Message {
        kind: u16_at(whole, 4)?,
        flags: u16_at(whole, 6)?,
        sequence: u32_at(whole, 8)?,
        body: whole.get(HEADER_BYTES..)?,
        whole,
    })
}

/// Makes a message; its port is left to the kernel.
pub fn message(kind: u16, flags: u16, sequence: u32, body: &[u8]) -> Vec<u8> {
    let length = (HEADER_BYTES + body.len()) as u32;
    let mut bytes = Vec::with_capacity(aligned(length as usize));
    bytes.extend(length.to_le_bytes());
    bytes.extend(kind.to_le_bytes());
    bytes.extend(flags.to_le_bytes());
    bytes.extend(sequence.to_le_bytes());
    bytes.extend([0; 4]);
    bytes.extend(body);
    bytes
}

/// Attributes one after the other, as (type, value). What does not fit ends them.
#[derive(Clone, Debug)]
pub struct Attributes<'a> {
    rest: &'a [u8],
}

/// The attributes in these bytes.
pub fn attributes(bytes: &[u8]) -> Attributes<'_> {
    Attributes { rest: bytes }
}

/// The attributes of a message after a fixed structure of so many bytes.
pub fn attributes_after(body: &[u8], bytes: usize) -> Attributes<'_> {
    attributes(body.get(aligned(bytes)..).unwrap_or_default())
}

impl<'a> Iterator for Attributes<'a> {
    type Item = (u16, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let length = usize::from(u16_at(self.rest, 0)?);
        let kind = u16_at(self.rest, 2)? & TYPE_MASK;
        let value = self.rest.get(ATTRIBUTE_HEADER_BYTES..length)?;
        self.rest = self.rest.get(aligned(length)..).unwrap_or_default();
        Some((kind, value))
    }
}

impl<'a> Attributes<'a> {
    /// The value of the first attribute of a type.
    pub fn get(&self, kind: u16) -> Option<&'a [u8]> {
        self.clone()
            .find(|(found, _)| *found == kind)
            .map(|(_, value)| value)
    }

    /// A text, without the zero that ends it.
    pub fn text(&self, kind: u16) -> Option<String> {
        let value = self.get(kind)?;
        let value = value.split(|byte| *byte == 0).next().unwrap_or_default();
        Some(String::from_utf8_lossy(value).into_owned())
    }

    /// A number of 32 bits.
    pub fn u32(&self, kind: u16) -> Option<u32> {
        u32_at(self.get(kind)?, 0)
    }

    /// The attributes that are the value of one.
    #[must_use]
    pub fn nested(&self, kind: u16) -> Attributes<'a> {
        attributes(self.get(kind).unwrap_or_default())
    }
}

/// The next multiple of four.
fn aligned(length: usize) -> usize {
    length.saturating_add(3) & !3
}

fn array<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..at.checked_add(N)?)?.try_into().ok()
}

/// The byte at this place.
pub fn u8_at(bytes: &[u8], at: usize) -> Option<u8> {
    bytes.get(at).copied()
}

/// The number of 16 bits at this place.
pub fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    array(bytes, at).map(u16::from_le_bytes)
}

/// The number of 32 bits at this place.
pub fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    array(bytes, at).map(u32::from_le_bytes)
}

/// The number of 64 bits at this place.
pub fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    array(bytes, at).map(u64::from_le_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
        let mut bytes = ((4 + value.len()) as u16).to_le_bytes().to_vec();
        bytes.extend(kind.to_le_bytes());
        bytes.extend(value);
        bytes.resize(aligned(bytes.len()), 0);
        bytes
    }

    #[test]
    fn messages_and_attributes_come_back() {
        let mut body = vec![7; 8];
        body.extend(attribute(3, b"eth0\0"));
        body.extend(attribute(4 | 0x8000, &1500u32.to_le_bytes()));
        let inner = attribute(1, b"veth\0");
        body.extend(attribute(18, &inner));
        let mut bytes = message(16, 2, 9, &body);
        bytes.extend(message(3, 2, 9, &[0; 4]));
        let found: Vec<Message<'_>> = messages(&bytes).map(Result::unwrap).collect();
        assert_eq!(found.len(), 2);
        assert_eq!((found[0].kind, found[0].sequence), (16, 9));
        let attributes = attributes_after(found[0].body, 8);
        assert_eq!(attributes.text(3).as_deref(), Some("eth0"));
        assert_eq!(attributes.u32(4), Some(1500));
        assert_eq!(attributes.nested(18).text(1).as_deref(), Some("veth"));
        assert_eq!(attributes.u32(5), None);
        assert_eq!(attributes.u32(3).map(|_| ()), Some(()));
    }

    #[test]
    fn a_cut_anywhere_ends_the_walk() {
        let whole = [
            message(1, 0, 1, &attribute(1, b"abc")),
            message(2, 0, 1, b""),
        ]
        .concat();
        for length in 0..whole.len() {
            let cut = &whole[..length];
            let found: Vec<_> = messages(cut).collect();
            assert!(found.len() <= 2);
            assert_eq!(
                found.iter().any(Result::is_err),
                length != 0 && length != 24,
                "{length}"
            );
        }
    }

    #[test]
    fn lengths_that_lie_do_not_loop() {
        for length in [0u32, 1, 15, 17, u32::MAX] {
            let mut bytes = message(1, 0, 1, b"");
            bytes[..4].copy_from_slice(&length.to_le_bytes());
            assert_eq!(messages(&bytes).count(), 1);
        }
        for length in [0u16, 1, 3, 9, u16::MAX] {
            let mut bytes = attribute(1, b"abcd");
            bytes[..2].copy_from_slice(&length.to_le_bytes());
            assert_eq!(attributes(&bytes).count(), 0);
        }
        // An attribute that holds nothing but its header still moves the walk forward.
        assert_eq!(attributes(&[4, 0, 1, 0, 4, 0, 1, 0]).count(), 2);
    }
}
