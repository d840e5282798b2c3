//! The reader on any file: it ends, and what it gives is bounded by its limits.

use std::path::Path;

use freezeframe_bundle::{Item, Limits, Reader, member, verify};

const LIMITS: Limits = Limits {
    entry_bytes: 32 << 10,
    entry_count: 200,
    total_bytes: 1 << 20,
    batch_bytes: 64 << 10,
    line_bytes: 2 << 10,
    name_bytes: 256,
    window_log: 18,
    spool_bytes: 1 << 20,
    damage_count: 20,
};
/// Longest text in a list of damage: 300 characters of each part, escaped or not.
const DAMAGE_BYTES: usize = 4 * 300 * 3;
const TAR_BLOCK: usize = 512;

/// Reads the input as a file, or packed as a tar in frames, as its first byte says.
pub(crate) fn run(data: &[u8]) {
    let Some((how, rest)) = data.split_first() else {
        return;
    };
    if how & 1 == 0 {
        read(rest);
    } else {
        read(&pack(rest, *how));
    }
}

/// A sum in each header and a checksum behind each frame, which chance would not find.
fn pack(tar: &[u8], how: u8) -> Vec<u8> {
    let mut tar = tar.to_vec();
    tar.resize(tar.len().next_multiple_of(TAR_BLOCK), 0);
    let mut frames = Vec::new();
    let mut begin = 0;
    let mut place = 0;
    let mut members = 0;
    while let Some(block) = tar.get_mut(place..place + TAR_BLOCK) {
        let header = tar::Header::from_byte_slice(block);
        let size = header.entry_size().unwrap_or(0);
        let mut header = header.clone();
        header.set_cksum();
        // A block of zeros ends the tar.
        if block.iter().any(|byte| *byte != 0) {
            block.copy_from_slice(header.as_bytes());
        }
        members += 1;
        // A frame ends behind its second member, then at chance; or the tar is one frame.
        let ends_frame = how & 2 == 0 && (members == 2 || block.get(508).is_some_and(|b| *b == 1));
        let blocks = size.div_ceil(TAR_BLOCK as u64).min(1 << 20) as usize;
        place = (place + (1 + blocks) * TAR_BLOCK).min(tar.len());
        if ends_frame {
            frames.extend(frame(&tar[begin..place]));
            begin = place;
        }
    }
    frames.extend(frame(&tar[begin..]));
    frames
}

fn frame(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = zstd::stream::raw::Encoder::new(1).unwrap();
    encoder
        .set_parameter(zstd::stream::raw::CParameter::ChecksumFlag(true))
        .unwrap();
    let mut writer = zstd::stream::zio::Writer::new(Vec::new(), encoder);
    std::io::Write::write_all(&mut writer, bytes).unwrap();
    writer.finish().unwrap();
    writer.into_inner().0
}

fn read(file: &[u8]) {
    let open = || Reader::from_stream(file, Path::new("fuzz.tar.zst"), LIMITS);
    let Ok(reader) = open() else {
        return;
    };
    let mut entries = 0;
    let mut entry_bytes = 0;
    let contents = reader.read(&mut |item| match item {
        Item::Entry(entry) => {
            entries += 1;
            entry_bytes += entry.bytes.len() as u64;
            assert!(entry.bytes.len() as u64 <= LIMITS.entry_bytes);
            check_path(&entry.path);
            if let Some(record) = entry.record {
                assert_eq!(record.path, entry.path);
                assert!(record.sha256.is_some());
            }
        }
        Item::Record(record) => {
            assert_eq!(record.sha256, None);
            check_path(&record.path);
        }
    });
    assert!(entries <= LIMITS.entry_count);
    assert!(entry_bytes <= LIMITS.total_bytes);
    assert!(contents.entries <= LIMITS.entry_count);
    assert!(contents.indexes.len() as u64 <= LIMITS.entry_count);
    assert!(contents.damage.len() <= LIMITS.damage_count);
    for damage in &contents.damage {
        let text = damage.to_string();
        assert!(text.len() <= DAMAGE_BYTES, "{} bytes", text.len());
        assert!(!text.chars().any(char::is_control), "{text:?}");
    }

    let (report, again) = verify::verify_reader(open().unwrap());
    assert_eq!(again.entries, contents.entries);
    assert!(report.intact + report.unlisted.len() as u64 <= entries);
    report
        .damage
        .iter()
        .for_each(|damage| drop(damage.to_string()));
}

fn check_path(path: &str) {
    member::check(path.as_bytes(), LIMITS.name_bytes).unwrap();
}
