//! Decompression of fields in bounded memory.

/// Longest field; a longer one is left out.
pub(super) const FIELD_BYTES: usize = 256 << 10;

/// Flags of a DATA object.
const XZ: u8 = 1;
const LZ4: u8 = 2;
const ZSTD: u8 = 4;

/// Buffers that are used again for each field.
#[derive(Default)]
pub(super) struct Unpacker {
    text: Vec<u8>,
    zstd: Option<zstd::bulk::Decompressor<'static>>,
}

impl Unpacker {
    /// The text of a field; `flags` are those of its object.
    pub(super) fn unpack<'a>(
        &'a mut self,
        flags: u8,
        payload: &'a [u8],
    ) -> Result<&'a [u8], String> {
        match flags & (XZ | LZ4 | ZSTD) {
            0 if payload.len() > FIELD_BYTES => Err(format!("a field of {} bytes", payload.len())),
            0 => Ok(payload),
            ZSTD => self.zstd(payload),
            LZ4 => self.lz4(payload),
            XZ => self.xz(payload),
            _ => Err(format!("compressed in an unknown way: {flags}")),
        }
    }

    /// At once into a buffer of its own size, so that no frame can ask for a larger window.
    fn zstd(&mut self, payload: &[u8]) -> Result<&[u8], String> {
        let decompressor = match &mut self.zstd {
            Some(decompressor) => decompressor,
            none => none.insert(zstd::bulk::Decompressor::new().map_err(|e| e.to_string())?),
        };
        self.text.clear();
        self.text.reserve_exact(FIELD_BYTES);
        decompressor
            .decompress_to_buffer(payload, &mut self.text)
            .map_err(|error| format!("zstd: {error}"))?;
        Ok(&self.text)
    }

    /// A block of LZ4 behind its unpacked size, 8 bytes.
    fn lz4(&mut self, payload: &[u8]) -> Result<&[u8], String> {
        let size = super::object::u64_at(payload, 0).unwrap_or(u64::MAX);
        if size > FIELD_BYTES as u64 {
            return Err(format!("a field of {size} bytes"));
        }
        self.text.clear();
        self.text.resize(size as usize, 0);
        let block = payload.get(8..).unwrap_or_default();
        let count = lz4_flex::block::decompress_into(block, &mut self.text)
            .map_err(|error| format!("lz4: {error}"))?;
        self.text.truncate(count);
        Ok(&self.text)
    }

    /// `lzma_rs` keeps in memory whatever comes out, so the stream is measured before.
    fn xz(&mut self, payload: &[u8]) -> Result<&[u8], String> {
        match xz_unpacked_bytes(payload) {
            Some(bytes) if bytes <= FIELD_BYTES => {}
            Some(bytes) => return Err(format!("a field of {bytes} bytes")),
            None => return Err("xz of another shape than the journal's".to_owned()),
        }
        self.text.clear();
        lzma_rs::xz_decompress(&mut &*payload, &mut self.text)
            .map_err(|error| format!("xz: {error:?}"))?;
        Ok(&self.text)
    }
}

/// Bytes that an xz stream unpacks to, by the chunks of its one block; nothing if it has several
/// blocks or filters, which could unpack one another (tukaani.org, `xz-file-format`).
pub(crate) fn xz_unpacked_bytes(stream: &[u8]) -> Option<usize> {
    const STREAM_HEADER: usize = 12;
    let byte = |place: usize| stream.get(place).copied().map(usize::from);
    let size = |place: usize| Some((byte(place)? << 8 | byte(place + 1)?) + 1);
    let check_bytes = match byte(7)? {
        0 => 0,
        1 => 4,
        4 => 8,
        _ => return None,
    };
    let header_words = byte(STREAM_HEADER)?;
    let filters = (byte(STREAM_HEADER + 1)? & 3) + 1;
    if header_words == 0 || filters != 1 {
        return None;
    }
    let mut place = STREAM_HEADER + (header_words + 1) * 4;
    let mut unpacked = 0;
    loop {
        let control = byte(place)?;
        match control {
            0 => break,
            1 | 2 => {
                let bytes = size(place + 1)?;
                unpacked += bytes;
                place += 3 + bytes;
            }
            0x80.. => {
                unpacked += ((control & 0x1f) << 16) + size(place + 1)?;
                let has_properties = control >= 0xc0;
                place += 5 + usize::from(has_properties) + size(place + 3)?;
            }
            _ => return None,
        }
    }
    let behind = (place + 1).next_multiple_of(4) + check_bytes;
    // The index begins with 0; another block would not.
    (byte(behind)? == 0).then_some(unpacked)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unpack(flags: u8, payload: &[u8]) -> Result<Vec<u8>, String> {
        Unpacker::default()
            .unpack(flags, payload)
            .map(<[u8]>::to_vec)
    }

    fn xz(text: &[u8]) -> Vec<u8> {
        let mut packed = Vec::new();
        lzma_rs::xz_compress(&mut &*text, &mut packed).unwrap();
        packed
    }

    fn lz4(size: u64, text: &[u8]) -> Vec<u8> {
        [
            size.to_le_bytes().as_slice(),
            &lz4_flex::block::compress(text),
        ]
        .concat()
    }

    /// `MESSAGE=` and 3000 times `A`, by `xz -C none` of xz-utils 5.4.1: as journald does it.
    const XZ_OF_3008: &[u8] = &[
        0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00, 0x00, 0x00, 0xff, 0x12, 0xd9, 0x41, 0x02, 0x00, 0x21,
        0x01, 0x16, 0x00, 0x00, 0x00, 0x74, 0x2f, 0xe5, 0xa3, 0xe0, 0x0b, 0xbf, 0x00, 0x1d, 0x5d,
        0x00, 0x26, 0x91, 0x46, 0xc0, 0xd1, 0x94, 0x57, 0xe4, 0x8f, 0x07, 0x93, 0x6e, 0x3f, 0x26,
        0xdf, 0x58, 0xd5, 0x2f, 0x85, 0x43, 0x6f, 0x6a, 0xea, 0x93, 0x26, 0x9d, 0xca, 0x2d, 0x68,
        0x00, 0x00, 0x00, 0x00, 0x00, 0x01, 0x31, 0xc0, 0x17, 0x00, 0x00, 0x00, 0x28, 0x87, 0xa8,
        0x28, 0xa8, 0x00, 0x0a, 0xfc, 0x02, 0x00, 0x00, 0x00, 0x00, 0x00, 0x59, 0x5a,
    ];

    #[test]
    fn every_way_of_compressing() {
        let text = [b"MESSAGE=".as_slice(), &[b'x'; 5000]].concat();
        assert_eq!(unpack(0, &text), Ok(text.clone()));
        let packed = zstd::bulk::compress(&text, 3).unwrap();
        assert_eq!(unpack(ZSTD, &packed), Ok(text.clone()));
        assert_eq!(unpack(LZ4, &lz4(5008, &text)), Ok(text.clone()));
        assert_eq!(unpack(XZ, &xz(&text)), Ok(text));
        assert!(unpack(XZ | ZSTD, b"").is_err());
    }

    #[test]
    fn bombs_are_refused_before_they_unpack() {
        let zeros = vec![0; 64 << 20];
        let packed = zstd::bulk::compress(&zeros, 3).unwrap();
        assert!(unpack(ZSTD, &packed).unwrap_err().starts_with("zstd"));
        assert_eq!(
            unpack(LZ4, &lz4(1 << 40, b"x")),
            Err("a field of 1099511627776 bytes".to_owned())
        );
        // More comes out than was said.
        assert!(unpack(LZ4, &lz4(10, &[b'x'; 5000])).is_err());
        let large = xz(zeros.get(..FIELD_BYTES + 1).unwrap());
        assert_eq!(
            unpack(XZ, &large),
            Err("a field of 262145 bytes".to_owned())
        );
    }

    #[test]
    fn xz_is_measured_by_its_chunks() {
        for bytes in [1, 3, 4, 65_536, 65_537, 200_000] {
            assert_eq!(xz_unpacked_bytes(&xz(&vec![7; bytes])), Some(bytes));
        }
        assert_eq!(xz_unpacked_bytes(XZ_OF_3008), Some(3008));
        let text = [b"MESSAGE=".as_slice(), &[b'A'; 3000]].concat();
        assert_eq!(unpack(XZ, XZ_OF_3008), Ok(text));
        for cut in 0..60 {
            assert_eq!(xz_unpacked_bytes(XZ_OF_3008.get(..cut).unwrap()), None);
        }
        let two_filters = {
            let mut stream = xz(b"text");
            *stream.get_mut(13).unwrap() |= 1;
            stream
        };
        assert_eq!(xz_unpacked_bytes(&two_filters), None);
    }
}
