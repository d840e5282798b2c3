//! Objects of a journal file: bounded reads and decompression.

use std::fs::File;
use std::os::unix::fs::FileExt;

/// Where and why something could not be read.
pub(super) type Damage = (u64, String);

/// Kinds of objects.
pub(super) const DATA: u8 = 1;
pub(super) const ENTRY: u8 = 3;
pub(super) const ENTRY_ARRAY: u8 = 6;

/// type, flags, reserved, size.
pub(super) const HEADER_BYTES: u64 = 16;
/// A larger object is no log message.
const OBJECT_BYTES: u64 = 1 << 20;
/// Longest field after decompression; the rest of it is cut.
const FIELD_BYTES: usize = 256 << 10;
/// xz cannot be decompressed in bounded memory: larger objects are left out.
const XZ_BYTES: usize = 16 << 10;

const COMPRESSED_XZ: u8 = 1;
const COMPRESSED_LZ4: u8 = 2;
const COMPRESSED_ZSTD: u8 = 4;

/// An object's content behind its header.
pub(super) struct Object {
    pub(super) flags: u8,
    pub(super) body: Vec<u8>,
}

/// Reads an object of this kind; `limit` bounds its body.
pub(super) fn read(
    file: &File,
    length: u64,
    offset: u64,
    kind: u8,
    limit: u64,
) -> Result<Object, Damage> {
    let fail = |reason: String| (offset, reason);
    if !offset.is_multiple_of(8)
        || offset
            .checked_add(HEADER_BYTES)
            .is_none_or(|end| end > length)
    {
        return Err(fail(format!("an object at {offset} of {length} bytes")));
    }
    let mut header = [0; HEADER_BYTES as usize];
    file.read_exact_at(&mut header, offset)
        .map_err(|error| fail(error.to_string()))?;
    let size = u64_at(&header, 8).unwrap_or(0);
    let [found, flags, ..] = header;
    if found != kind {
        return Err(fail(format!(
            "an object of kind {found} where {kind} is expected"
        )));
    }
    let body = size.checked_sub(HEADER_BYTES).filter(|body| *body <= limit);
    let Some(body) = body.filter(|_| offset.checked_add(size).is_some_and(|end| end <= length))
    else {
        return Err(fail(format!("an object of {size} bytes")));
    };
    let mut bytes = vec![0; body as usize];
    file.read_exact_at(&mut bytes, offset + HEADER_BYTES)
        .map_err(|error| fail(error.to_string()))?;
    Ok(Object { flags, body: bytes })
}

/// Reads a DATA object: `NAME=value`.
pub(super) fn data(
    file: &File,
    length: u64,
    offset: u64,
    is_compact: bool,
) -> Result<Vec<u8>, Damage> {
    let object = read(file, length, offset, DATA, OBJECT_BYTES)?;
    // hash, next_hash, next_field, entry, entry_array, n_entries; compact files add two words.
    let skip = if is_compact { 56 } else { 48 };
    let payload = object
        .body
        .get(skip..)
        .ok_or((offset, "a field without value".to_owned()))?;
    decompress(object.flags, payload).map_err(|reason| (offset, reason))
}

fn decompress(flags: u8, payload: &[u8]) -> Result<Vec<u8>, String> {
    if flags & COMPRESSED_ZSTD != 0 {
        use std::io::Read;
        let decoder =
            zstd::stream::read::Decoder::with_buffer(payload).map_err(|e| e.to_string())?;
        let mut text = Vec::new();
        decoder
            .take(FIELD_BYTES as u64)
            .read_to_end(&mut text)
            .map_err(|e| e.to_string())?;
        Ok(text)
    } else if flags & COMPRESSED_LZ4 != 0 {
        let size = u64_at(payload, 0).unwrap_or(u64::MAX);
        let block = payload.get(8..).unwrap_or_default();
        if size > FIELD_BYTES as u64 {
            return Err(format!("a field of {size} bytes"));
        }
        lz4_flex::block::decompress(block, size as usize).map_err(|e| e.to_string())
    } else if flags & COMPRESSED_XZ != 0 {
        if payload.len() > XZ_BYTES {
            return Err(format!("{} bytes of xz", payload.len()));
        }
        let mut text = Vec::new();
        lzma_rs::xz_decompress(&mut &*payload, &mut text).map_err(|e| format!("{e:?}"))?;
        text.truncate(FIELD_BYTES);
        Ok(text)
    } else {
        Ok(payload.get(..FIELD_BYTES).unwrap_or(payload).to_vec())
    }
}

pub(super) fn u64_at(bytes: &[u8], place: usize) -> Option<u64> {
    let bytes = bytes.get(place..place.checked_add(8)?)?;
    Some(u64::from_le_bytes(bytes.try_into().ok()?))
}

pub(super) fn u32_at(bytes: &[u8], place: usize) -> Option<u32> {
    let bytes = bytes.get(place..place.checked_add(4)?)?;
    Some(u32::from_le_bytes(bytes.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_compressions_of_the_journal() {
        let text = b"MESSAGE="
            .iter()
            .chain([b'x'; 5000].iter())
            .copied()
            .collect::<Vec<u8>>();
        let zstd = zstd::bulk::compress(&text, 3).unwrap();
        assert_eq!(decompress(COMPRESSED_ZSTD, &zstd), Ok(text.clone()));
        let mut lz4 = (text.len() as u64).to_le_bytes().to_vec();
        lz4.extend(lz4_flex::block::compress(&text));
        assert_eq!(decompress(COMPRESSED_LZ4, &lz4), Ok(text.clone()));
        let mut xz = Vec::new();
        lzma_rs::xz_compress(&mut &text[..], &mut xz).unwrap();
        assert_eq!(decompress(COMPRESSED_XZ, &xz), Ok(text.clone()));
        assert_eq!(decompress(0, &text), Ok(text));
    }

    #[test]
    fn bombs_are_refused() {
        let huge = [u64::MAX.to_le_bytes().as_slice(), b"x"].concat();
        assert!(decompress(COMPRESSED_LZ4, &huge).is_err());
        let zeros = zstd::bulk::compress(&vec![0; 64 << 20], 3).unwrap();
        assert_eq!(
            decompress(COMPRESSED_ZSTD, &zeros).map(|text| text.len()),
            Ok(FIELD_BYTES)
        );
        assert!(decompress(COMPRESSED_XZ, &vec![0; 20_000]).is_err());
    }
}
