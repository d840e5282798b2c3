//! What stands around the records of a file (tools/perf/Documentation/perf.data-file-format.txt).

use std::collections::HashMap;

use super::attribute::{Attribute, without_modifiers};
use super::bytes::Fields;
use super::record::Raw;

/// `PERFILE2`, and the same of a machine with the other order of bytes.
pub(super) const MAGIC: &[u8; 8] = b"PERFILE2";
pub(super) const MAGIC_SWAPPED: &[u8; 8] = b"2ELIFREP";
/// Size of the header of a file, and of a stream.
pub(super) const FILE_HEADER: usize = 104;
pub(super) const PIPE_HEADER: usize = 16;
/// Numbers of features (`HEADER_*` in tools/perf/util/header.h).
pub(super) mod feature {
    pub(crate) const BUILD_ID: u32 = 2;
    pub(crate) const OS_RELEASE: u32 = 4;
    pub(crate) const CPUS: u32 = 7;
    pub(crate) const EVENT_DESC: u32 = 12;
    pub(crate) const ALL: u32 = 256;
}

/// Most events, and ids of them: one per event and CPU.
const EVENTS: usize = 1024;
const IDS: usize = 1 << 20;
/// Files whose build id is kept.
const BUILD_IDS: usize = 1 << 17;
/// `PERF_RECORD_MISC_BUILD_ID_SIZE`: the length of the build id is told.
const BUILD_ID_SIZE: u16 = 1 << 15;
/// `PERF_EVENT_UPDATE__NAME`.
const UPDATE_NAME: u64 = 2;

/// A part of the file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Section {
    pub(super) offset: u64,
    pub(super) size: u64,
}

impl Section {
    pub(super) fn parse(fields: &mut Fields<'_>) -> Option<Self> {
        Some(Self {
            offset: fields.u64()?,
            size: fields.u64()?,
        })
    }
}

/// The header of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct FileHeader {
    pub(super) attribute_bytes: u64,
    pub(super) attributes: Section,
    pub(super) data: Section,
    features: [u64; 4],
}

impl FileHeader {
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let mut fields = Fields::new(bytes);
        fields.take(16)?;
        let attribute_bytes = fields.u64()?;
        let attributes = Section::parse(&mut fields)?;
        let data = Section::parse(&mut fields)?;
        let _event_types = Section::parse(&mut fields)?;
        let features = [fields.u64()?, fields.u64()?, fields.u64()?, fields.u64()?];
        Some(Self {
            attribute_bytes,
            attributes,
            data,
            features,
        })
    }

    /// Numbers of the features that the file has, in the order of their sections.
    pub(super) fn features(&self) -> Vec<u32> {
        let has = |number: &u32| {
            let word = self.features.get(*number as usize / 64);
            word.is_some_and(|word| word >> (number % 64) & 1 == 1)
        };
        (0..feature::ALL).filter(has).collect()
    }
}

/// An event of the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Event {
    /// What was sampled.
    pub attribute: Attribute,
    /// Its name without modifiers: `cycles`, `cpu-clock`.
    pub name: String,
}

/// What the file says of itself.
#[derive(Clone, Debug, Default)]
pub struct Head {
    /// The events.
    pub events: Vec<Event>,
    /// Kernel release.
    pub os_release: Option<String>,
    /// CPUs that were online.
    pub cpus: Option<u32>,
    /// Build ids by path.
    pub build_ids: HashMap<Vec<u8>, Vec<u8>>,
    /// Places of events by id.
    ids: HashMap<u64, usize>,
}

impl Head {
    /// Adds an event; false if there is no room.
    pub(super) fn add(&mut self, attribute: Attribute, ids: impl Iterator<Item = u64>) -> bool {
        if self.events.len() >= EVENTS {
            return false;
        }
        let place = self.events.len();
        self.events.push(Event {
            name: attribute.name(),
            attribute,
        });
        let room = IDS.saturating_sub(self.ids.len());
        self.ids.extend(ids.take(room).map(|id| (id, place)));
        true
    }

    /// The event with this id. Records that `perf` itself made have id 0: they are of the first.
    pub(super) fn event_of(&self, id: u64) -> Option<usize> {
        match self.ids.get(&id) {
            Some(place) => Some(*place),
            None if id == 0 => Some(0),
            None => None,
        }
    }

    /// `PERF_RECORD_HEADER_ATTR` of a stream.
    pub(super) fn attribute_record(&mut self, body: &[u8]) -> Option<()> {
        let mut fields = Fields::new(body);
        fields.u32()?;
        let size = fields.u32()? as usize;
        let attribute = Attribute::parse(body.get(..size)?)?;
        let ids = Fields::new(body.get(size..)?).rest().len() as u64 / 8;
        let ids = Fields::new(body.get(size..)?).words(ids)?;
        self.add(attribute, ids.iter()).then_some(())
    }

    /// `PERF_RECORD_EVENT_UPDATE` of a stream: among others, the name of an event.
    pub(super) fn update_record(&mut self, body: &[u8]) -> Option<()> {
        let mut fields = Fields::new(body);
        let (what, id) = (fields.u64()?, fields.u64()?);
        if what == UPDATE_NAME {
            let place = self.event_of(id)?;
            self.rename(place, fields.text());
        }
        Some(())
    }

    /// A feature: the section of a file, or what a record of a stream holds.
    pub(super) fn feature(&mut self, number: u32, bytes: &[u8]) -> Option<()> {
        let mut fields = Fields::new(bytes);
        match number {
            feature::OS_RELEASE => {
                let text = fields.counted_text()?;
                self.os_release = Some(String::from_utf8_lossy(text).into_owned());
            }
            feature::CPUS => {
                let (_available, online) = (fields.u32()?, fields.u32()?);
                self.cpus = Some(online);
            }
            feature::EVENT_DESC => self.names(fields)?,
            feature::BUILD_ID => self.build_ids(bytes)?,
            _ => {}
        }
        Some(())
    }

    /// `HEADER_EVENT_DESC`: the events again, with their names.
    fn names(&mut self, mut fields: Fields<'_>) -> Option<()> {
        let (count, attribute_bytes) = (fields.u32()?, fields.u32()?);
        for number in 0..count as usize {
            fields.take_long(attribute_bytes.into())?;
            let ids = fields.u32()?;
            let name = fields.counted_text()?;
            let first = fields.words(ids.into())?.iter().next();
            // A stream may tell them in another order.
            let place = first.and_then(|id| self.ids.get(&id).copied());
            self.rename(place.unwrap_or(number), name);
        }
        Some(())
    }

    fn rename(&mut self, place: usize, name: &[u8]) {
        let name = String::from_utf8_lossy(name);
        if let Some(event) = self.events.get_mut(place)
            && !name.is_empty()
        {
            without_modifiers(&name).clone_into(&mut event.name);
        }
    }

    /// `HEADER_BUILD_ID`: records of build ids, one after another.
    fn build_ids(&mut self, bytes: &[u8]) -> Option<()> {
        let mut fields = Fields::new(bytes);
        while !fields.rest().is_empty() {
            let (_kind, misc, size) = (fields.u32()?, fields.u16()?, fields.u16()?);
            let body = fields.take(usize::from(size).checked_sub(8)?)?;
            self.build_id_record(misc, body)?;
        }
        Some(())
    }

    /// `PERF_RECORD_HEADER_BUILD_ID` of a stream.
    pub(super) fn build_id_record(&mut self, misc: u16, body: &[u8]) -> Option<()> {
        let mut fields = Fields::new(body);
        let _pid = fields.u32()?;
        let (id, size) = (fields.take(20)?, *fields.take(4)?.first()?);
        let size = if misc & BUILD_ID_SIZE == 0 {
            20
        } else {
            usize::from(size)
        };
        if self.build_ids.len() < BUILD_IDS
            && let Some(id) = id.get(..size).filter(|id| !id.is_empty())
        {
            self.build_ids.insert(fields.text().to_vec(), id.to_vec());
        }
        Some(())
    }

    /// Whether a record is of the head, which is taken in.
    pub(super) fn take(&mut self, raw: &Raw<'_>) -> Option<Result<(), &'static str>> {
        use super::record::kind;
        let taken = match raw.kind {
            kind::HEADER_ATTR => self.attribute_record(raw.body),
            kind::EVENT_UPDATE => self.update_record(raw.body),
            kind::HEADER_BUILD_ID => self.build_id_record(raw.misc, raw.body),
            kind::HEADER_FEATURE => {
                let mut fields = Fields::new(raw.body);
                let number = fields.u64().and_then(|number| u32::try_from(number).ok());
                number.and_then(|number| self.feature(number, fields.rest()))
            }
            _ => return None,
        };
        Some(taken.ok_or("a record about the events or files is cut"))
    }
}
