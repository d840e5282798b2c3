//! Headers of HTTP/2 (RFC 7541), as much as a gRPC call takes.
//!
//! Outgoing headers are literals that nobody has to remember. Incoming ones are decoded without a
//! dynamic table: the connection's settings give it no room. Of the static table only `:status` matters.

/// Longest name or value that is looked at.
const LONGEST: usize = 64 << 10;
/// Entries of the static table.
const STATIC: u64 = 61;

/// Symbols of the Huffman code by the length of their codes in bits, each length in order of the
/// symbols (RFC 7541, appendix B): the code is canonical, so the codes follow. It holds every
/// character of ASCII that can be printed; what is beyond ends the text.
const CODES: [(u32, &[u8]); 11] = [
    (5, b"012aceiost"),
    (6, b" %-./3456789=A_bdfghlmnpru"),
    (7, b":BCDEFGHIJKLMNOPQRSTUVWYjkqvwxyz"),
    (8, b"&*,;XZ"),
    (10, b"!\"()?"),
    (11, b"'+|"),
    (12, b"#>"),
    (13, b"\0$@[]~"),
    (14, b"^}"),
    (15, b"<`{"),
    (19, b"\\"),
];

/// Appends a header whose name is at this place of the static table.
pub(crate) fn put_indexed(block: &mut Vec<u8>, index: u8, value: &str) {
    put_number(block, 0, 4, index.into());
    put_text(block, value);
}

/// Appends a header with a name of its own, in small letters.
pub(crate) fn put(block: &mut Vec<u8>, name: &str, value: &str) {
    block.push(0);
    put_text(block, name);
    put_text(block, value);
}

/// Appends a header that is whole in the static table.
pub(crate) fn put_static(block: &mut Vec<u8>, index: u8) {
    block.push(0x80 | index);
}

fn put_text(block: &mut Vec<u8>, text: &str) {
    put_number(block, 0, 7, text.len() as u64);
    block.extend_from_slice(text.as_bytes());
}

/// An integer with a prefix of so many bits (section 5.1).
fn put_number(block: &mut Vec<u8>, first: u8, bits: u32, mut number: u64) {
    let most = (1u64 << bits) - 1;
    if number < most {
        block.push(first | number as u8);
        return;
    }
    block.push(first | most as u8);
    number -= most;
    while number >= 128 {
        block.push(number as u8 | 0x80);
        number >>= 7;
    }
    block.push(number as u8);
}

/// Gives `:status` and every header with a name of its own to `each`.
pub(crate) fn decode(block: &[u8], each: &mut dyn FnMut(&str, &str)) -> Result<(), &'static str> {
    let mut rest = block;
    while let Some(first) = rest.first().copied() {
        match first {
            0x80.. => {
                let index = number(&mut rest, 7)?;
                if let Some(status) = status(index)? {
                    each(":status", status);
                }
            }
            // The table's new size: there is none.
            0x20..0x40 => {
                number(&mut rest, 5)?;
            }
            _ => {
                let bits = if first >= 0x40 { 6 } else { 4 };
                let index = number(&mut rest, bits)?;
                let name = match index {
                    0 => text(&mut rest)?,
                    index if status(index)?.is_some() => ":status".to_owned(),
                    _ => String::new(),
                };
                let value = text(&mut rest)?;
                if !name.is_empty() {
                    each(&name, &value);
                }
            }
        }
    }
    Ok(())
}

/// The value of `:status` at a place of the static table, if the place is one of it.
fn status(index: u64) -> Result<Option<&'static str>, &'static str> {
    const VALUES: [&str; 7] = ["200", "204", "206", "304", "400", "404", "500"];
    if index == 0 || index > STATIC {
        return Err("a header that refers to a table which it was told not to use");
    }
    let place = index.checked_sub(8).and_then(|n| usize::try_from(n).ok());
    Ok(place.and_then(|place| VALUES.get(place)).copied())
}

fn number(rest: &mut &[u8], bits: u32) -> Result<u64, &'static str> {
    const CUT: &str = "a header that is cut";
    let (first, mut behind) = rest.split_first().ok_or(CUT)?;
    let most = (1u64 << bits) - 1;
    let mut number = u64::from(*first) & most;
    if number == most {
        let mut shift = 0;
        loop {
            let (byte, further) = behind.split_first().ok_or(CUT)?;
            behind = further;
            number += u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                break;
            }
            shift += 7;
            if shift > 28 {
                return Err("a header with a number that is too large");
            }
        }
    }
    *rest = behind;
    Ok(number)
}

fn text(rest: &mut &[u8]) -> Result<String, &'static str> {
    let is_huffman = rest.first().is_some_and(|byte| byte & 0x80 != 0);
    let length = number(rest, 7)? as usize;
    let (text, behind) = rest
        .split_at_checked(length.min(LONGEST + 1))
        .filter(|_| length <= LONGEST)
        .ok_or("a header that is cut")?;
    *rest = behind;
    let text = if is_huffman {
        huffman(text)
    } else {
        text.to_vec()
    };
    Ok(String::from_utf8_lossy(&text).into_owned())
}

/// Decodes a text up to its padding, or up to a symbol that is not in [`CODES`].
fn huffman(bytes: &[u8]) -> Vec<u8> {
    let mut text = Vec::with_capacity(bytes.len() * 8 / 5);
    let (mut code, mut length) = (0u32, 0u32);
    let bits = bytes
        .iter()
        .flat_map(|byte| (0..8).rev().map(move |n| u32::from(byte >> n & 1)));
    for bit in bits {
        code = code << 1 | bit;
        length += 1;
        if let Some(symbol) = symbol(code, length) {
            text.push(symbol);
            (code, length) = (0, 0);
        } else if length > 19 {
            break;
        }
    }
    text
}

fn symbol(code: u32, length: u32) -> Option<u8> {
    let (mut first, mut before) = (0u32, 0u32);
    for (bits, symbols) in CODES {
        first <<= bits - before;
        if bits == length {
            let place = code.checked_sub(first)? as usize;
            return symbols.get(place).copied();
        }
        first += symbols.len() as u32;
        before = bits;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(block: &[u8]) -> Vec<(String, String)> {
        let mut found = Vec::new();
        decode(block, &mut |name, value| {
            found.push((name.to_owned(), value.to_owned()));
        })
        .unwrap();
        found
    }

    #[test]
    fn huffman_codes_are_those_of_the_standard() {
        // RFC 7541, appendix C.4 and C.6.
        let of = |bytes: &[u8]| String::from_utf8(huffman(bytes)).unwrap();
        let example = b"\xf1\xe3\xc2\xe5\xf2\x3a\x6b\xa0\xab\x90\xf4\xff";
        assert_eq!(of(example), "www.example.com");
        assert_eq!(of(b"\xa8\xeb\x10\x64\x9c\xbf"), "no-cache");
        assert_eq!(of(b"\x25\xa8\x49\xe9\x5b\xb8\xe8\xb4\xbf"), "custom-value");
        let date = b"\xd0\x7a\xbe\x94\x10\x54\xd4\x44\xa8\x20\x05\x95\x04\x0b\x81\x66\xe0\x82\xa6\x2d\x1b\xff";
        assert_eq!(of(date), "Mon, 21 Oct 2013 20:13:21 GMT");
        // From the table: `<` 15 bits 7ffc, `\` 19 bits 7fff0, `~` 13 bits 1ffd, `0` 5 bits 0.
        let all = (0x7ffc_u64 << 37) | (0x7_fff0 << 18) | (0x1ffd << 5);
        let padded = (all << 4) | 0xf;
        assert_eq!(of(&padded.to_be_bytes()[1..]), "<\\~0");
    }

    #[test]
    fn a_text_ends_where_it_cannot_be_read() {
        // 30 bits: the end of a text within it, which is an error of the sender.
        assert_eq!(huffman(b"\x1f\xff\xff\xff\xff"), b"a");
    }

    #[test]
    fn numbers_have_any_length() {
        let mut block = Vec::new();
        put_number(&mut block, 0, 5, 1337);
        assert_eq!(block, [31, 154, 10], "RFC 7541, C.1.2");
        assert_eq!(number(&mut &block[..], 5), Ok(1337));
        assert!(number(&mut &b"\xff\xff\xff\xff\xff\xff\xff\xff"[..], 7).is_err());
        assert!(number(&mut &b"\xff"[..], 7).is_err());
    }

    #[test]
    fn what_is_written_can_be_read() {
        let mut block = Vec::new();
        put_static(&mut block, 8);
        put(&mut block, "grpc-status", "5");
        put_indexed(&mut block, 31, "application/grpc");
        put(&mut block, "grpc-message", &"x".repeat(500));
        let found = headers(&block);
        assert_eq!(found[0], (":status".into(), "200".into()));
        assert_eq!(found[1], ("grpc-status".into(), "5".into()));
        assert_eq!(found[2], ("grpc-message".into(), "x".repeat(500)));
        assert_eq!(found.len(), 3);
    }

    #[test]
    fn hostile_blocks_are_errors() {
        for block in [
            &b"\xbf\x80"[..],
            b"\xff\x00",
            b"\x00\x05ab",
            b"\x00\xff\xff\xff\xff\xff\xff",
            b"\x7e",
            b"\x80",
        ] {
            assert!(decode(block, &mut |_, _| {}).is_err(), "{block:?}");
        }
        assert_eq!(headers(b"\x20\x88"), [(":status".into(), "200".into())]);
    }
}
