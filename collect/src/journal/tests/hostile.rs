//! Files that are cut, damaged, or made to harm: no panic, bounded work, and nothing lost but what
//! is broken.

use std::os::unix::fs::FileExt;

use super::*;

fn read(file: File) -> Harvest {
    harvest(vec![("file".to_owned(), file)], budget(), |_| true)
}

fn word(bytes: &[u8], place: usize) -> u64 {
    object::u64_at(bytes, place).unwrap()
}

/// Bytes of a file up to the first of the zeros at its end.
fn used(bytes: &[u8]) -> usize {
    bytes.iter().rposition(|byte| *byte != 0).unwrap() + 1
}

/// Offsets of the entry arrays.
fn arrays(bytes: &[u8]) -> Vec<usize> {
    let next = |offset: &u64| Some(word(bytes, *offset as usize + 16)).filter(|next| *next != 0);
    std::iter::successors(Some(word(bytes, 176)), next)
        .map(|offset| offset as usize)
        .collect()
}

/// A cheap generator: the same damage in every run.
fn random(state: &mut u64, limit: usize) -> usize {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    (*state % limit as u64) as usize
}

#[test]
fn a_broken_chain_of_entries_loses_no_entry() {
    // `journalctl` finds 0, 4, 12, 38, 116 and 350 of them.
    for (name, entries) in [("dirty", 633), ("compact", 60), ("regular", 60)] {
        let whole = bytes(name);
        for array in arrays(&whole) {
            let mut broken = whole.clone();
            broken[array] = 0xff;
            let harvest = read(file(&broken));
            assert_eq!(harvest.entries, entries, "{name}: the array at {array}");
            assert_eq!(harvest.damage.len(), 1, "{:?}", harvest.damage);
        }
    }
}

#[test]
fn a_broken_entry_costs_itself() {
    let whole = bytes("compact");
    let last = *arrays(&whole).last().unwrap();
    let item = object::u32_at(&whole, last + 24).unwrap() as usize;
    for (place, byte) in [
        (item, 9),
        (item + 8, 0),
        (item + 14, 0x7f),
        (last + 27, 0xff),
    ] {
        let mut broken = whole.clone();
        broken[place] = byte;
        let harvest = read(file(&broken));
        assert_eq!(harvest.entries, 59, "{place}");
        assert_eq!(harvest.damage.len(), 1, "{place}: {:?}", harvest.damage);
    }
}

#[test]
fn what_was_written_before_the_power_failed_is_read() {
    // Pages that did not reach the disk are zeros; the header did.
    let whole = bytes("dirty");
    let first = arrays(&whole)[0];
    let mut before = 0;
    for end in (first.next_multiple_of(4096)..used(&whole)).step_by(4096) {
        let mut lost = whole.clone();
        lost[end..].fill(0);
        let zeroed = read(file(&lost)).entries;
        let cut = read(file(&whole[..end])).entries;
        // Of the entry that the cut goes through, zeros leave what stands before it.
        assert!((cut..=cut + 1).contains(&zeroed), "{end}: {zeroed}, {cut}");
        assert!(zeroed >= before, "{end}: {zeroed} entries after {before}");
        before = zeroed;
    }
    assert!(before > 600, "{before}");
}

#[test]
fn a_page_lost_in_the_middle_costs_its_own_entries() {
    let whole = bytes("dirty");
    let arrays = arrays(&whole);
    // All arrays are gone: entries are found object by object, on both sides of the hole.
    let mut holed = whole.clone();
    let middle = usize::midpoint(arrays[0], used(&whole)) & !4095;
    holed[middle..middle + 4096].fill(0);
    holed[arrays[0]] = 0;
    let entries = read(file(&holed)).entries;
    assert!((600..633).contains(&entries), "{entries}");
}

#[test]
fn cut_anywhere() {
    let whole = bytes("compact");
    let first = arrays(&whole)[0];
    let file = file(&whole);
    // In the header, in the hash tables, then at each 512 bytes.
    let cuts = (0..300)
        .chain((300..first).step_by(256 << 10))
        .chain((first..used(&whole)).step_by(512))
        .rev();
    for cut in cuts {
        file.set_len(cut as u64).unwrap();
        let harvest = read(file.try_clone().unwrap());
        assert!(harvest.entries <= 60, "{cut}");
    }
}

#[test]
fn flipped_anywhere() {
    let mut state = 0x2545_F491_4F6C_DD1D_u64;
    for name in FILES {
        let whole = bytes(name);
        let used = used(&whole);
        let first = arrays(&whole)[0] - 4096;
        let file = file(&whole);
        for _ in 0..150 {
            let mut places = Vec::new();
            for _ in 0..=random(&mut state, 8) {
                // The header, or behind the hash tables, which are not read.
                let place = match random(&mut state, 4) {
                    0 => random(&mut state, 272),
                    _ => first + random(&mut state, used - first),
                };
                let byte = whole[place] ^ (1 << random(&mut state, 8));
                file.write_all_at(&[byte], place as u64).unwrap();
                places.push(place);
            }
            let began = Instant::now();
            let harvest = read(file.try_clone().unwrap());
            assert!(harvest.entries <= 120, "{name}: {places:?}");
            assert!(began.elapsed() < Duration::from_secs(5), "{places:?}");
            for place in places {
                file.write_all_at(&whole[place..=place], place as u64)
                    .unwrap();
            }
        }
        assert_eq!(read(file).entries, 60);
    }
}

/// A journal file made object by object, as no journald would.
struct Forged(Vec<u8>);

impl Forged {
    fn new() -> Self {
        let mut header = vec![0; 272];
        header[..8].copy_from_slice(b"LPKSHHRH");
        header[88..96].copy_from_slice(&272_u64.to_le_bytes());
        Self(header)
    }

    fn object(&mut self, kind: u8, flags: u8, body: &[u8]) -> u64 {
        let offset = self.0.len() as u64;
        self.0.extend([kind, flags, 0, 0, 0, 0, 0, 0]);
        self.0.extend((body.len() as u64 + 16).to_le_bytes());
        self.0.extend(body);
        self.0.resize(self.0.len().next_multiple_of(8), 0);
        offset
    }

    fn data(&mut self, flags: u8, payload: &[u8]) -> u64 {
        self.object(1, flags, &[&[0; 48], payload].concat())
    }

    fn entry(&mut self, realtime_us: u64, fields: &[u64]) -> u64 {
        let mut body = vec![0; 48];
        body[8..16].copy_from_slice(&realtime_us.to_le_bytes());
        for field in fields {
            body.extend(field.to_le_bytes());
            body.extend([0; 8]);
        }
        self.object(3, 0, &body)
    }

    fn array(&mut self, next: u64, items: &[u64]) -> u64 {
        let words: Vec<u8> = std::iter::once(&next)
            .chain(items)
            .flat_map(|word| word.to_le_bytes())
            .collect();
        self.object(6, 0, &words)
    }

    fn file(mut self, first_array: u64) -> File {
        self.0[176..184].copy_from_slice(&first_array.to_le_bytes());
        file(&self.0)
    }
}

#[test]
fn a_forged_file_is_read() {
    let mut forged = Forged::new();
    let field = forged.data(0, b"MESSAGE=forged");
    let entry = forged.entry(7, &[field]);
    let array = forged.array(0, &[entry, 0, 0]);
    let harvest = read(forged.file(array));
    assert_eq!(messages(&harvest), ["forged"]);
    assert_eq!(harvest.damage, []);
}

#[test]
fn one_large_field_named_a_thousand_times() {
    let large = [b"MESSAGE=".as_slice(), &vec![b'x'; 250 << 10]].concat();
    let packed = zstd::bulk::compress(&large, 3).unwrap();
    let mut forged = Forged::new();
    let field = forged.data(4, &packed);
    let entries: Vec<u64> = (0..1000)
        .map(|number| forged.entry(number, &[field; 1000]))
        .collect();
    let array = forged.array(0, &entries);
    let harvest = read(forged.file(array));
    assert!(harvest.export.len() <= budget().bytes);
    assert_eq!(harvest.stopped_by, Some("the byte limit"));
    assert_eq!(harvest.damage[0].2, "an entry that is too long");
}

#[test]
fn a_chain_that_turns_back_ends() {
    let mut forged = Forged::new();
    let field = forged.data(0, b"MESSAGE=once");
    let entry = forged.entry(7, &[field]);
    let first = forged.0.len() as u64;
    forged.array(first, &[entry]);
    let harvest = read(forged.file(first));
    assert_eq!(messages(&harvest), ["once"]);
    assert_eq!(harvest.damage[0].2, "the chain of entries is broken");
}

#[test]
fn a_sparse_file_of_a_tebibyte_ends() {
    let mut forged = Forged::new();
    let field = forged.data(0, b"MESSAGE=old");
    let entry = forged.entry(7, &[field]);
    let array = forged.array(0, &[entry]);
    let size = (1_u64 << 40) - array;
    forged.0[array as usize + 8..array as usize + 16].copy_from_slice(&size.to_le_bytes());
    // Its last object is said to be at its end.
    forged.0[136..144].copy_from_slice(&(1_u64 << 40).to_le_bytes());
    let file = forged.file(array);
    file.set_len(1 << 40).unwrap();
    let began = Instant::now();
    read(file);
    assert!(
        began.elapsed() < Duration::from_secs(10),
        "{:?}",
        began.elapsed()
    );
}

#[test]
fn entries_that_are_none_count_as_looked_at() {
    let mut forged = Forged::new();
    let array = forged.array(0, &vec![64; 50_000]);
    let harvest = read(forged.file(array));
    assert_eq!(harvest.stopped_by, Some("the limit of entries"));
    assert_eq!(harvest.damage.len(), 1, "{:?}", harvest.damage);
}

#[test]
fn what_is_no_regular_file_is_refused() {
    let (reader, _writer) = std::io::pipe().unwrap();
    let pipe = File::from(std::os::fd::OwnedFd::from(reader));
    assert_eq!(read(pipe).damage[0].2, "no regular file");
    let mut newer = bytes("compact");
    newer[12] |= 0x80;
    assert_eq!(read(file(&newer)).damage[0].2, "a newer journal format");
}
