//! A bundle that another program has packed, `tar` most likely: one frame, members in the order in
//! which a folder lists them. It is unpacked into a temporary file and read in its own order.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{self, Write};
use std::ops::ControlFlow;
use std::os::unix::fs::FileExt;

use super::batches::{entry, prove};
use super::members::Members;
use super::output::Output;
use super::walk::{Proof, Read, Sink, Walk};
use super::{Contents, Item, index, temporary};
use crate::Limits;
use crate::damage::Damages;

/// Where a member's bytes are, or why there are none.
struct Place {
    offset: u64,
    bytes: Result<u64, String>,
    frame: u64,
}

/// An unpacked bundle.
pub(super) struct Packed {
    limits: Limits,
    top: Option<String>,
    file: File,
    damages: Damages,
    indexes: BTreeMap<u64, Place>,
    places: HashMap<String, Place>,
}

impl Packed {
    /// Unpacks everything.
    pub(super) fn new(members: Members, limits: Limits) -> io::Result<Self> {
        let mut unpacking = Unpacking {
            limits,
            file: io::BufWriter::with_capacity(128 << 10, temporary::file()?),
            length: 0,
            name_bytes: 0,
            error: None,
            damages: Damages::new(limits.damage_count),
            indexes: BTreeMap::new(),
            places: HashMap::new(),
        };
        let top = Walk::new(members, limits, &mut unpacking).run();
        if let Some(error) = unpacking.error {
            return Err(error);
        }
        Ok(Self {
            limits,
            top,
            file: unpacking.file.into_inner()?,
            damages: unpacking.damages,
            indexes: unpacking.indexes,
            places: unpacking.places,
        })
    }

    /// Whether there is anything of a bundle in it.
    pub(super) fn is_bundle(&self) -> bool {
        !self.indexes.is_empty() || self.places.contains_key("capture.json")
    }

    /// The bytes of `capture.json`.
    pub(super) fn capture(&self) -> Option<Vec<u8>> {
        self.read(self.places.get("capture.json")?).ok()
    }

    /// Gives every item in the order in which it was captured.
    pub(super) fn give(mut self, give: &mut dyn FnMut(Item)) -> Contents {
        let mut output = Output::new(self.limits, give);
        output.damages = std::mem::replace(&mut self.damages, Damages::new(0));
        if !self.indexes.contains_key(&0) {
            self.unlisted("capture.json", &mut output);
        }
        for (number, place) in std::mem::take(&mut self.indexes) {
            let path = format!("index/{number}.jsonl");
            match self.read(&place) {
                Ok(bytes) => self.batch((&path, &bytes), place.frame, &mut output),
                Err(why) => output.damages.member(path.as_bytes(), place.frame, &why),
            }
        }
        let summary = self.places.remove("summary.json");
        let mut rest: Vec<(u64, String)> = self
            .places
            .iter()
            .map(|(path, place)| (place.offset, path.clone()))
            .collect();
        rest.sort_unstable();
        for (_, path) in rest {
            self.unlisted(&path, &mut output);
        }
        if let Some(place) = summary
            && let Ok(bytes) = self.read(&place)
        {
            output.summary(&bytes, place.frame);
        }
        output.finish(self.top)
    }

    fn batch(&mut self, index: (&str, &[u8]), frame: u64, output: &mut Output<'_>) {
        output.index(index, frame, &mut |record, damages| {
            let Some(place) = self.places.remove(&record.path) else {
                let why = "listed in the index and not there";
                damages.member(record.path.as_bytes(), frame, why);
                return Err(why.to_owned());
            };
            // The digest decides: such a frame need not have a checksum.
            prove(
                self.member(&record.path, &place),
                record,
                Proof::Unfinished,
                damages,
            )
        });
    }

    fn unlisted(&mut self, path: &str, output: &mut Output<'_>) {
        if let Some(place) = self.places.remove(path)
            && let Ok(entry) = entry(self.member(path, &place))
        {
            output.entry(entry);
        }
    }

    fn member(&self, path: &str, place: &Place) -> Read {
        Read {
            path: path.to_owned(),
            bytes: self.read(place),
            frame: place.frame,
        }
    }

    fn read(&self, place: &Place) -> Result<Vec<u8>, String> {
        let length = place.bytes.clone()?;
        let mut bytes = vec![0; usize::try_from(length).map_err(|e| e.to_string())?];
        self.file
            .read_exact_at(&mut bytes, place.offset)
            .map_err(|error| format!("cannot read the temporary file: {error}"))?;
        Ok(bytes)
    }
}

struct Unpacking {
    limits: Limits,
    file: io::BufWriter<File>,
    length: u64,
    name_bytes: u64,
    error: Option<io::Error>,
    damages: Damages,
    indexes: BTreeMap<u64, Place>,
    places: HashMap<String, Place>,
}

impl Sink for Unpacking {
    fn member(&mut self, read: Read) -> ControlFlow<()> {
        let offset = self.length;
        let size = read.bytes.as_ref().map_or(0, |bytes| bytes.len() as u64);
        self.name_bytes += read.path.len() as u64;
        let limits = [
            ("unpacked", offset + size, self.limits.spool_bytes),
            ("of names", self.name_bytes, self.limits.batch_bytes),
        ];
        for (what, bytes, limit) in limits {
            if bytes > limit {
                let reason = format!("more than {limit} bytes {what}: the rest is not read");
                self.damages.frame(read.frame, &reason);
                return ControlFlow::Break(());
            }
        }
        let bytes = match read.bytes {
            Ok(bytes) => {
                if let Err(error) = self.file.write_all(&bytes) {
                    self.error = Some(error);
                    return ControlFlow::Break(());
                }
                self.length += size;
                Ok(size)
            }
            Err(why) => Err(why),
        };
        let place = Place {
            offset,
            bytes,
            frame: read.frame,
        };
        match index::number(&read.path) {
            Some(number) => self.indexes.insert(number, place),
            None => self.places.insert(read.path, place),
        };
        ControlFlow::Continue(())
    }

    fn boundary(&mut self, _: Proof) {
        // Each entry is proven by its digest when it is given.
    }

    fn damages(&mut self) -> &mut Damages {
        &mut self.damages
    }
}
