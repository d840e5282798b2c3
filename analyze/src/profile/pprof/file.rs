//! From bytes to the parts of a pprof file.
//!
//! The file is hostile. It is gone through message by message, so that a small file cannot become
//! a large structure; what is broken is told and the rest is taken.

use std::borrow::Cow;
use std::collections::HashMap;
use std::io::Read;

use flate2::bufread::MultiGzDecoder;
use prost::Message;
use prost::encoding::{WireType, decode_key, decode_varint};

use super::proto::{Function, Location, Mapping, Sample, ValueType};

/// What is taken of a file.
#[derive(Clone, Copy)]
pub(super) struct Limits {
    /// What it may unpack to; 222,000 samples of a large server had 7 MB.
    pub(super) unpacked_bytes: u64,
    /// Strings, functions, lines, mappings and types that are kept.
    pub(super) parts: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            unpacked_bytes: 256 << 20,
            parts: 4_000_000,
        }
    }
}

/// Largest message in it: a stack of 100,000 frames.
const MESSAGE_BYTES: usize = 1 << 20;
/// Longest text; templates of C++ make names of some kilobytes.
const TEXT_BYTES: usize = 64 << 10;

/// The first bytes of gzip.
const GZIP: &[u8] = &[0x1f, 0x8b];

/// The parts of a file, by their numbers.
#[derive(Debug, Default)]
pub(super) struct File {
    bytes: Vec<u8>,
    strings: Vec<String>,
    pub(super) sample_types: Vec<ValueType>,
    pub(super) mappings: HashMap<u64, Mapping>,
    pub(super) locations: HashMap<u64, Location>,
    pub(super) functions: HashMap<u64, Function>,
    pub(super) period_type: ValueType,
    /// The numbers of the file itself, by the tag of their field.
    numbers: HashMap<u32, i64>,
    parts_left: usize,
    /// What is wrong with it, in sentences.
    pub(super) damage: Vec<String>,
}

impl File {
    /// Unpacks and reads a file. What cannot be read is damage; perhaps all of it.
    pub(super) fn read(bytes: &[u8], limits: Limits) -> Self {
        let mut file = Self {
            parts_left: limits.parts,
            ..Self::default()
        };
        let bytes = file.unpack(bytes, limits.unpacked_bytes);
        let mut fields = Fields(&bytes);
        while let Some(field) = fields.next_field() {
            file.field(&field);
            if file.parts_left == 0 {
                file.tell(&format!("it has more than {} parts", limits.parts));
                break;
            }
        }
        if !fields.0.is_empty() && file.parts_left > 0 {
            file.tell("it ends in the middle, or is no profile");
        }
        file.bytes = bytes;
        file
    }

    fn unpack(&mut self, bytes: &[u8], limit: u64) -> Vec<u8> {
        let (mut unpacked, mut packed) = (Vec::new(), MultiGzDecoder::new(bytes).take(limit + 1));
        let mut plain = bytes.take(limit + 1);
        let stream: &mut dyn Read = if bytes.starts_with(GZIP) {
            &mut packed
        } else {
            &mut plain
        };
        if let Err(error) = stream.read_to_end(&mut unpacked) {
            self.tell(&format!("its compression is broken: {error}"));
        }
        if unpacked.len() as u64 > limit {
            unpacked.truncate(limit as usize);
            self.tell(&format!("it has more than {limit} bytes unpacked"));
        }
        unpacked
    }

    fn field(&mut self, field: &Field<'_>) {
        match (field.tag, &field.value) {
            (1, Value::Bytes(bytes)) => self.sample_types.extend(message::<ValueType>(bytes)),
            (3, Value::Bytes(bytes)) => {
                if let Some(mapping) = message::<Mapping>(bytes) {
                    self.mappings.insert(mapping.id, mapping);
                }
            }
            (4, Value::Bytes(bytes)) => {
                if let Some(location) = message::<Location>(bytes) {
                    self.parts_left = self.parts_left.saturating_sub(location.line.len());
                    self.locations.insert(location.id, location);
                }
            }
            (5, Value::Bytes(bytes)) => {
                if let Some(function) = message::<Function>(bytes) {
                    self.functions.insert(function.id, function);
                }
            }
            (6, Value::Bytes(bytes)) => {
                let kept = bytes.get(..TEXT_BYTES).unwrap_or(bytes);
                self.strings
                    .push(String::from_utf8_lossy(kept).into_owned());
            }
            (11, Value::Bytes(bytes)) => self.period_type = message(bytes).unwrap_or_default(),
            (tag, Value::Number(number)) => {
                self.numbers.insert(tag, *number as i64);
                return;
            }
            _ => return,
        }
        self.parts_left = self.parts_left.saturating_sub(1);
    }

    /// A text by its number; empty where there is none.
    pub(super) fn text(&self, number: i64) -> &str {
        usize::try_from(number)
            .ok()
            .and_then(|number| self.strings.get(number))
            .map_or("", String::as_str)
    }

    /// A function's name: that for people, else that in the binary.
    pub(super) fn name(&self, function: &Function) -> &str {
        let name = self.text(function.name);
        if name.is_empty() {
            self.text(function.system_name)
        } else {
            name
        }
    }

    /// A number of the file itself by the tag of its field; 0 where it is not there.
    pub(super) fn number(&self, tag: u32) -> i64 {
        self.numbers.get(&tag).copied().unwrap_or(0)
    }

    /// The samples, read one after the other; what is no sample is nothing.
    pub(super) fn samples(&self) -> impl Iterator<Item = Option<Sample>> + '_ {
        let mut fields = Fields(&self.bytes);
        let samples = std::iter::from_fn(move || fields.next_field());
        samples.filter_map(|field| match field.value {
            Value::Bytes(bytes) if field.tag == 2 => Some(message(bytes)),
            _ => None,
        })
    }

    fn tell(&mut self, what: &str) {
        self.damage.push(what.to_owned());
    }
}

fn message<M: Message + Default>(bytes: &[u8]) -> Option<M> {
    if bytes.len() > MESSAGE_BYTES {
        return None;
    }
    M::decode(bytes).ok()
}

/// Whether the bytes, or the first of them, are those of a profile: its fields have the right types.
pub(super) fn is_profile(bytes: &[u8]) -> bool {
    const LOOKED_AT: usize = 16;
    let head = if bytes.starts_with(GZIP) {
        let mut head = Vec::new();
        // What is cut is looked at as far as it goes.
        let _ = MultiGzDecoder::new(bytes)
            .take(64 << 10)
            .read_to_end(&mut head);
        Cow::Owned(head)
    } else {
        Cow::Borrowed(bytes)
    };
    let mut fields = Fields(&head);
    let mut seen = 0;
    while let Some(field) = fields.next_field().filter(|_| seen < LOOKED_AT) {
        let fits = match field.value {
            Value::Bytes(bytes) => match field.tag {
                1 | 11 => message::<ValueType>(bytes).is_some(),
                2..=6 | 13 => true,
                _ => false,
            },
            Value::Number(_) => matches!(field.tag, 7..=10 | 12..=15),
            Value::Other => false,
        };
        if !fits {
            return false;
        }
        seen += 1;
    }
    seen >= 2
}

/// One field of a message.
struct Field<'a> {
    tag: u32,
    value: Value<'a>,
}

enum Value<'a> {
    Number(u64),
    Bytes(&'a [u8]),
    /// Four or eight bytes: profiles have no such fields.
    Other,
}

/// The fields of a message one after the other; what is left when there is no next one is broken.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn next_field(&mut self) -> Option<Field<'a>> {
        let mut rest = self.0;
        let (tag, wire) = decode_key(&mut rest).ok()?;
        let value = match wire {
            WireType::Varint => Value::Number(decode_varint(&mut rest).ok()?),
            WireType::LengthDelimited => {
                let length = usize::try_from(decode_varint(&mut rest).ok()?).ok()?;
                let (bytes, behind) = rest.split_at_checked(length)?;
                rest = behind;
                Value::Bytes(bytes)
            }
            WireType::SixtyFourBit => {
                rest = rest.get(8..)?;
                Value::Other
            }
            WireType::ThirtyTwoBit => {
                rest = rest.get(4..)?;
                Value::Other
            }
            WireType::StartGroup | WireType::EndGroup => return None,
        };
        self.0 = rest;
        Some(Field { tag, value })
    }
}
