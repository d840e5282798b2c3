//! Reads a bundle, whatever became of it.
//!
//! Reading never fails once a bundle was opened: it gives what is there and a list of damage. A
//! frame that cannot be decoded costs its own batch; the next frame is looked for behind it. What
//! is given is what was captured: an entry of a damaged frame is given only if its digest proves
//! it, or if the file merely ends there.
//!
//! `input` reads the file, `frames` decompresses it, `members` takes the tar apart, `walk` goes
//! over all of it and around damage; `batches` or `packed` put entries and records together, and
//! `output` gives them away.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::{Capture, Damage, EntryRecord, FormatVersion, Limits, Summary};

mod batches;
mod frames;
mod index;
mod input;
mod members;
mod output;
mod packed;
mod peek;
mod temporary;
mod walk;

use peek::{Packing, Peek};

/// Why a file is not a bundle.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The file cannot be opened or read.
    #[error("cannot read `{}`", .0.display())]
    Io(PathBuf, #[source] io::Error),
    /// The bundle comes from a stream or was packed by another program, and there is no room to
    /// put it down.
    #[error("cannot write a temporary file in `{}`", .0.display())]
    NoRoom(PathBuf, #[source] io::Error),
    /// The file is not a regular file.
    #[error("`{path}` is {1}, not a bundle", path = .0.display())]
    NotAFile(PathBuf, &'static str),
    /// The stream is longer than the limit.
    #[error("`{path}` has more than {1} bytes", path = .0.display())]
    TooLong(PathBuf, u64),
    /// The file is something else.
    #[error("`{path}` is not a bundle: {1}", path = .0.display())]
    NotABundle(PathBuf, String),
    /// The bundle was written by a newer program.
    #[error(
        "`{path}` has bundle format {1}, this program reads up to {2}.x: use a newer `analyze`",
        path = .0.display()
    )]
    TooNew(PathBuf, FormatVersion, u32),
}

/// A member with its bytes.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Path below the top folder.
    pub path: String,
    /// The bytes stored.
    pub bytes: Vec<u8>,
    /// Its record; missing where the bundle was cut before the batch's index.
    pub record: Option<EntryRecord>,
    /// Offset in the file of the frame that holds it.
    pub frame_offset: u64,
}

/// What a bundle consists of.
#[derive(Clone, Debug)]
pub enum Item {
    /// A member with its bytes; `capture.json` is the first.
    Entry(Entry),
    /// The record of a read that gave no bytes, or whose bytes are lost from the bundle: that is
    /// an outcome `failed`, whatever it was on the node.
    Record(EntryRecord),
}

/// What remains to be told when all items were given.
#[derive(Clone, Debug, Default)]
pub struct Contents {
    /// `capture.json`.
    pub capture: Option<Capture>,
    /// `summary.json`; missing where the capture was killed or the file was cut.
    pub summary: Option<Summary>,
    /// Name of the top folder.
    pub top: Option<String>,
    /// What could not be read.
    pub damage: Vec<Damage>,
    /// Damage beyond what the list holds.
    pub more_damage: u64,
    /// Digest and number of lines of each index that was read, by number.
    pub indexes: HashMap<u64, (String, u64)>,
    /// Members read.
    pub entries: u64,
}

/// A bundle that was opened.
pub struct Reader {
    limits: Limits,
    source: Source,
}

enum Source {
    Batches(members::Members),
    Packed(packed::Packed),
}

impl Reader {
    /// Opens a bundle; looks at the first bytes and at `capture.json`.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        Self::open_with(path, Limits::default())
    }

    /// Opens a bundle with limits of one's own.
    pub fn open_with(path: &Path, limits: Limits) -> Result<Self, OpenError> {
        let io_error = |error| OpenError::Io(path.to_owned(), error);
        let metadata = std::fs::metadata(path).map_err(io_error)?;
        if let Some(what) = not_a_file(&metadata) {
            return Err(OpenError::NotAFile(path.to_owned(), what));
        }
        let file = File::open(path).map_err(io_error)?;
        Self::from_file(path, file, limits)
    }

    /// Reads a bundle from a stream, through a temporary file that has no name; `name` stands for
    /// the stream in messages.
    pub fn from_stream(stream: impl Read, name: &Path, limits: Limits) -> Result<Self, OpenError> {
        let file = temporary::file().map_err(no_room)?;
        let whole = temporary::copy(stream, &file, limits.spool_bytes)
            .map_err(|error| OpenError::Io(name.to_owned(), error))?;
        if !whole {
            return Err(OpenError::TooLong(name.to_owned(), limits.spool_bytes));
        }
        Self::from_file(name, file, limits)
    }

    /// Reads a bundle from an open, seekable file; `path` is its name in messages.
    pub fn from_file(path: &Path, file: File, limits: Limits) -> Result<Self, OpenError> {
        let io_error = |error| OpenError::Io(path.to_owned(), error);
        let again = || file.try_clone().map_err(io_error);
        let not_a_bundle = |why| OpenError::NotABundle(path.to_owned(), why);

        let mut input = input::Input::new(again()?).map_err(io_error)?;
        if let Some(what) = peek::not_zstd(&mut input).map_err(io_error)? {
            return Err(not_a_bundle(what.to_owned()));
        }
        let peek = Peek::at(again()?, &limits)
            .map_err(io_error)?
            .map_err(not_a_bundle)?;
        let frames = frames::Frames::new(file, &limits).map_err(io_error)?;
        let members = members::Members::new(frames);
        let (source, version) = match peek.packing {
            Packing::Batches => (Source::Batches(members), peek.version),
            Packing::Other => {
                let packed = packed::Packed::new(members, limits).map_err(no_room)?;
                if !packed.is_bundle() {
                    let why = "it is a tar that holds neither `capture.json` nor an index";
                    return Err(not_a_bundle(why.to_owned()));
                }
                let version = packed.capture().and_then(|bytes| peek::version(&bytes));
                (Source::Packed(packed), version)
            }
        };
        match version {
            Some(version) if !version.is_readable() => {
                let supported = FormatVersion::CURRENT.major;
                Err(OpenError::TooNew(path.to_owned(), version, supported))
            }
            _ => Ok(Self { limits, source }),
        }
    }

    /// Gives every item in the order in which it was captured, then tells what was damaged.
    ///
    /// Memory is bounded by the limits, not by the bundle.
    pub fn read(self, give: &mut dyn FnMut(Item)) -> Contents {
        match self.source {
            Source::Batches(members) => {
                let output = output::Output::new(self.limits, give);
                let mut batches = batches::Batches::new(output);
                let top = walk::Walk::new(members, self.limits, &mut batches).run();
                batches.output.finish(top)
            }
            Source::Packed(packed) => packed.give(give),
        }
    }
}

fn no_room(error: io::Error) -> OpenError {
    OpenError::NoRoom(std::env::temp_dir(), error)
}

fn not_a_file(metadata: &std::fs::Metadata) -> Option<&'static str> {
    use std::os::unix::fs::FileTypeExt;
    let kind = metadata.file_type();
    if kind.is_file() {
        None
    } else if kind.is_dir() {
        Some("a folder")
    } else if kind.is_fifo() {
        Some("a FIFO")
    } else if kind.is_socket() {
        Some("a socket")
    } else {
        Some("a device")
    }
}
