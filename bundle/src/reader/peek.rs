//! The first look at a file: whether it is a bundle, of which version, and who packed it.

use std::fs::File;
use std::ops::ControlFlow;

use super::frames::Frames;
use super::input::{FRAME_MAGIC, Input, begins_frame};
use super::members::Members;
use super::walk::{Proof, Read, Sink, Walk};
use crate::damage::Damages;
use crate::{FormatVersion, Limits};

/// Where a tar header says `ustar`.
const TAR_MAGIC_AT: usize = 257;

/// Who packed the bundle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Packing {
    /// `collect`: batches in frames of their own.
    Batches,
    /// Another program.
    Other,
}

/// What the first bytes say the file is, where that is no zstd.
pub(super) fn not_zstd(input: &mut Input) -> std::io::Result<Option<&'static str>> {
    let mut start = [0; 512];
    let length = input.read_up_to(&mut start)?;
    let start = &start[..length];
    Ok(if start.is_empty() {
        Some("it is empty")
    } else if begins_frame(start) {
        None
    } else if FRAME_MAGIC.starts_with(start) {
        Some("it ends inside its first frame (offset 0)")
    } else if start.get(TAR_MAGIC_AT..TAR_MAGIC_AT + 5) == Some(b"ustar") {
        Some("it is a tar without zstd; compress it with `zstd`")
    } else if start.starts_with(&[0x1F, 0x8B]) {
        Some("it is compressed by gzip, not by zstd")
    } else if start.starts_with(b"age-encryption.org/") {
        Some("it is encrypted; decrypt it with `age -d` first")
    } else if start
        .iter()
        .all(|b| b.is_ascii_graphic() || b.is_ascii_whitespace())
    {
        Some("it is text")
    } else {
        Some("it does not begin with a zstd frame (offset 0)")
    })
}

/// What the first members say.
pub(super) struct Peek {
    pub(super) packing: Packing,
    pub(super) version: Option<FormatVersion>,
    members: u64,
    ended: bool,
    damages: Damages,
}

impl Peek {
    /// Reads the first frame of a bundle, and as far as there is a member.
    pub(super) fn at(file: File, limits: &Limits) -> std::io::Result<Result<Self, String>> {
        let mut peek = Self {
            packing: Packing::Batches,
            version: None,
            members: 0,
            ended: false,
            damages: Damages::new(1),
        };
        let members = Members::new(Frames::new(file, limits)?);
        Walk::new(members, *limits, &mut peek).run();
        if peek.members > 0 {
            return Ok(Ok(peek));
        }
        let why = match peek.damages.list.first() {
            Some(damage) => format!("no member can be read; {damage}"),
            None => "there is no member in it".to_owned(),
        };
        Ok(Err(why))
    }
}

impl Sink for Peek {
    fn member(&mut self, read: Read) -> ControlFlow<()> {
        self.members += 1;
        match (self.members, read.path.as_str()) {
            (1, "capture.json") => {
                self.version = read.bytes.ok().and_then(|bytes| version(&bytes));
                ControlFlow::Continue(())
            }
            (2, "index/0.jsonl") => ControlFlow::Continue(()),
            // The first frame has ended, well or not: this member is in another one.
            _ if self.ended => ControlFlow::Break(()),
            _ => {
                self.packing = Packing::Other;
                ControlFlow::Break(())
            }
        }
    }

    fn boundary(&mut self, _: Proof) {
        self.ended = true;
    }

    fn damages(&mut self) -> &mut Damages {
        &mut self.damages
    }
}

/// The version alone, so that a newer `capture.json` with other fields still tells it.
pub(super) fn version(bytes: &[u8]) -> Option<FormatVersion> {
    #[derive(serde::Deserialize)]
    struct OnlyVersion {
        format: FormatVersion,
    }
    let capture: OnlyVersion = serde_json::from_slice(bytes).ok()?;
    Some(capture.format)
}
