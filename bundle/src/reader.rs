//! Reads a bundle, whatever became of it.
//!
//! Reading never fails once a bundle was opened: it gives what is there and a list of damage. A
//! frame that cannot be decoded costs its own batch; the next frame is looked for behind it.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::{Capture, Digest, EntryRecord, FormatVersion, Limits, Summary, member};

/// First bytes of a zstd frame (RFC 8878, section 3.1.1).
const FRAME_MAGIC: [u8; 4] = [0x28, 0xB5, 0x2F, 0xFD];
/// Where a tar header says `ustar`.
const TAR_MAGIC_AT: usize = 257;

/// Why a file is not a bundle.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The file cannot be opened or read.
    #[error("cannot read `{}`", .0.display())]
    Io(PathBuf, #[source] io::Error),
    /// The file is not a regular file.
    #[error("`{path}` is {1}, not a bundle", path = .0.display())]
    NotAFile(PathBuf, &'static str),
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

/// Something that could not be read.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Damage {
    /// The member concerned, where it is known; control characters are escaped.
    pub member: Option<String>,
    /// Offset in the file of the frame in which it was found.
    pub offset: u64,
    /// What is wrong.
    pub reason: String,
}

impl std::fmt::Display for Damage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "offset {}: ", self.offset)?;
        if let Some(member) = &self.member {
            write!(f, "`{member}`: ")?;
        }
        f.write_str(&self.reason)
    }
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
    /// The record of a read that gave no bytes.
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
    path: PathBuf,
    file: Counted,
    limits: Limits,
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

    /// Reads a bundle from an open, seekable file; `path` is its name in messages.
    pub fn from_file(path: &Path, file: File, limits: Limits) -> Result<Self, OpenError> {
        let mut reader = Self {
            path: path.to_owned(),
            file: Counted::new(file),
            limits,
        };
        reader.check_magic()?;
        reader.check_version()?;
        Ok(reader)
    }

    /// Reads a bundle from a stream that cannot be wound back, such as standard input: it is
    /// written to a temporary file without a name first.
    pub fn from_stream(mut stream: impl Read, limits: Limits) -> Result<Self, OpenError> {
        let name = Path::new("-");
        let io_error = |error| OpenError::Io(name.to_owned(), error);
        let mut file = unnamed_file().map_err(io_error)?;
        io::copy(&mut stream, &mut file).map_err(io_error)?;
        file.rewind().map_err(io_error)?;
        Self::from_file(name, file, limits)
    }

    /// Gives every item in the order in which it was written, then tells what was damaged.
    ///
    /// Memory is bounded by the limits, not by the bundle.
    pub fn read(mut self, give: &mut dyn FnMut(Item)) -> Contents {
        let mut run = Run::new(self.limits, give);
        let mut offset = 0;
        let mut lost_since: Option<u64> = None;
        while let Some(at) = self.next_frame(offset, &mut run) {
            if lost_since.is_none() && at > offset {
                run.damage(
                    None,
                    offset,
                    format!("{} bytes are not a frame", at - offset),
                );
            }
            let before = run.contents.entries;
            let result = self.read_frame(at, &mut run);
            match result {
                Ok(end) => {
                    lost_since = None;
                    offset = end;
                }
                Err(error) => {
                    // Behind damage every chance pattern looks like a frame: only one that
                    // holds members is worth a word.
                    if lost_since.is_none() || run.contents.entries > before {
                        run.damage(None, at, frame_error(&error));
                    }
                    lost_since = Some(at);
                    offset = at + FRAME_MAGIC.len() as u64;
                }
            }
            if run.exhausted() {
                let limit = self.limits.total_bytes;
                run.damage(
                    None,
                    at,
                    format!("more than {limit} bytes decompressed: the rest is not read"),
                );
                break;
            }
        }
        run.finish()
    }

    fn check_magic(&mut self) -> Result<(), OpenError> {
        let mut start = [0; 512];
        let length = read_up_to(&mut self.file, &mut start)
            .map_err(|error| OpenError::Io(self.path.clone(), error))?;
        let start = &start[..length];
        if start.starts_with(&FRAME_MAGIC) {
            return Ok(());
        }
        let what = if start.is_empty() {
            "the file is empty"
        } else if start.get(TAR_MAGIC_AT..TAR_MAGIC_AT + 5) == Some(b"ustar") {
            "it is a tar without zstd; compress it with `zstd`"
        } else if start.starts_with(&[0x1F, 0x8B]) {
            "it is compressed by gzip, not by zstd"
        } else if start.starts_with(b"age-encryption.org/") {
            "it is encrypted; decrypt it with `age -d` first"
        } else if start
            .iter()
            .all(|b| b.is_ascii_graphic() || b.is_ascii_whitespace())
        {
            "it is text"
        } else {
            "it does not begin with a zstd frame (offset 0)"
        };
        Err(OpenError::NotABundle(self.path.clone(), what.to_owned()))
    }

    /// Reads the first frame for its `capture.json` and refuses a newer major version.
    fn check_version(&mut self) -> Result<(), OpenError> {
        let mut saw_member = false;
        let mut version = None;
        let mut note = |item: Item| {
            saw_member = true;
            if let Item::Entry(entry) = item
                && entry.path == "capture.json"
            {
                version = lenient_version(&entry.bytes);
            }
        };
        let limits = Limits {
            total_bytes: self.limits.batch_bytes,
            ..self.limits
        };
        let mut run = Run::new(limits, &mut note);
        let result = self.read_frame(0, &mut run);
        let contents = run.finish();
        if let Some(version) = version
            && !version.is_readable()
        {
            let supported = FormatVersion::CURRENT.major;
            return Err(OpenError::TooNew(self.path.clone(), version, supported));
        }
        // A damaged first frame is no reason to give up what lies behind it; a frame that was
        // read to its end and holds no tar is no bundle.
        if result.is_ok() && !saw_member && contents.top.is_none() {
            let reason = "the first zstd frame holds no tar (offset 0)".to_owned();
            return Err(OpenError::NotABundle(self.path.clone(), reason));
        }
        Ok(())
    }

    /// Offset of the first frame at or behind `from`.
    fn next_frame(&mut self, from: u64, run: &mut Run<'_>) -> Option<u64> {
        match self.file.find(from, &FRAME_MAGIC) {
            Ok(found) => {
                if found.is_none() {
                    let length = self.file.offset;
                    if length > from && run.contents.damage.is_empty() {
                        run.damage(
                            None,
                            from,
                            format!("{} bytes are not a frame", length - from),
                        );
                    }
                }
                found
            }
            Err(error) => {
                run.damage(None, from, format!("cannot read on: {error}"));
                None
            }
        }
    }

    /// Reads one frame and gives its items; returns the offset behind it.
    fn read_frame(&mut self, at: u64, run: &mut Run<'_>) -> io::Result<u64> {
        self.file.seek_to(at)?;
        let mut decoder = zstd::stream::read::Decoder::with_buffer(&mut self.file)?.single_frame();
        decoder.window_log_max(run.limits.window_log)?;
        let mut input = Bounded {
            inner: decoder,
            left: run.limits.total_bytes.saturating_sub(run.decoded_bytes),
            read: 0,
        };
        let result = run.tar(&mut input, at).and_then(|()| {
            // The end of the frame holds its checksum: only then are the members proven.
            io::copy(&mut input, &mut io::sink()).map(|_| ())
        });
        run.decoded_bytes += input.read;
        drop(input);
        run.deliver(result.is_err(), at);
        result.map(|()| self.file.offset)
    }
}

/// What a frame's failure means to a person.
fn frame_error(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => "the file ends inside this frame".to_owned(),
        _ => format!("the frame cannot be decoded: {error}"),
    }
}

/// A file that disappears when it is closed, whatever happens.
fn unnamed_file() -> io::Result<File> {
    let unique = std::time::SystemTime::UNIX_EPOCH
        .elapsed()
        .unwrap_or_default()
        .as_nanos();
    let name = format!("freezeframe-{}-{unique}", std::process::id());
    let path = std::env::temp_dir().join(name);
    let file = File::options()
        .read(true)
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&path)?;
    std::fs::remove_file(&path)?;
    Ok(file)
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

/// The version alone, so that a newer `capture.json` with other fields still tells it.
fn lenient_version(bytes: &[u8]) -> Option<FormatVersion> {
    #[derive(serde::Deserialize)]
    struct OnlyVersion {
        format: FormatVersion,
    }
    let capture: OnlyVersion = serde_json::from_slice(bytes).ok()?;
    Some(capture.format)
}

/// One pass over the frames.
struct Run<'a> {
    limits: Limits,
    give: &'a mut dyn FnMut(Item),
    contents: Contents,
    decoded_bytes: u64,
    waiting: Vec<Entry>,
    waiting_bytes: u64,
    records: HashMap<String, EntryRecord>,
    seen: HashSet<u64>,
}

impl<'a> Run<'a> {
    fn new(limits: Limits, give: &'a mut dyn FnMut(Item)) -> Self {
        Self {
            limits,
            give,
            contents: Contents::default(),
            decoded_bytes: 0,
            waiting: Vec::new(),
            waiting_bytes: 0,
            records: HashMap::new(),
            seen: HashSet::new(),
        }
    }

    fn exhausted(&self) -> bool {
        self.decoded_bytes >= self.limits.total_bytes
    }

    fn damage(&mut self, member: Option<&[u8]>, offset: u64, reason: impl Into<String>) {
        if self.contents.damage.len() >= self.limits.damage_count {
            self.contents.more_damage += 1;
            return;
        }
        let member = member.map(|name| {
            let shown = &name[..name.len().min(200)];
            member::escape(shown)
        });
        let reason = reason.into();
        self.contents.damage.push(Damage {
            member,
            offset,
            reason,
        });
    }

    /// Reads the members of one frame.
    fn tar(&mut self, input: &mut dyn Read, at: u64) -> io::Result<()> {
        let mut archive = tar::Archive::new(input);
        let mut long_name: Option<Vec<u8>> = None;
        // Raw: extension members are handled here, where their size is bounded.
        for entry in archive.entries()?.raw(true) {
            let mut entry = entry?;
            let kind = entry.header().entry_type();
            let size = entry.size();
            if kind.is_gnu_longname() || kind.is_pax_local_extensions() {
                let bound = self.limits.name_bytes as u64 * 2;
                if size > bound {
                    self.damage(None, at, format!("a name of {size} bytes, limit {bound}"));
                    long_name = Some(Vec::new());
                    continue;
                }
                let mut bytes = Vec::new();
                entry.read_to_end(&mut bytes)?;
                long_name = if kind.is_gnu_longname() {
                    Some(bytes.strip_suffix(&[0]).unwrap_or(&bytes).to_vec())
                } else {
                    pax_path(&bytes).or(long_name)
                };
                continue;
            }
            let name = long_name
                .take()
                .unwrap_or_else(|| entry.path_bytes().into_owned());
            if kind.is_pax_global_extensions() || kind.is_dir() {
                continue;
            }
            if !kind.is_file() {
                let kind = describe(kind);
                self.damage(
                    Some(&name),
                    at,
                    format!("the member is {kind}, only files are expected"),
                );
                continue;
            }
            if size > self.limits.entry_bytes {
                let limit = self.limits.entry_bytes;
                let reason = format!("the member has {size} bytes, limit {limit}");
                self.damage(Some(&name), at, reason.clone());
                // To pass over it would mean to decompress it.
                return Err(io::Error::other(reason));
            }
            if let Some(path) = self.accept_name(&name, at) {
                let mut bytes = Vec::with_capacity(size.min(1 << 20) as usize);
                entry.read_to_end(&mut bytes)?;
                if (bytes.len() as u64) < size {
                    self.damage(
                        Some(&name),
                        at,
                        format!("cut after {} of {size} bytes", bytes.len()),
                    );
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                self.member(path, bytes, at);
            }
        }
        Ok(())
    }

    /// Checks a member's name and takes the top folder off.
    fn accept_name(&mut self, name: &[u8], at: u64) -> Option<String> {
        let name = name.strip_prefix(b"./").unwrap_or(name);
        let text = match member::check(name, self.limits.name_bytes) {
            Ok(text) => text,
            Err(error) => {
                self.damage(Some(name), at, error.to_string());
                return None;
            }
        };
        let Some((top, path)) = text.split_once('/') else {
            self.damage(Some(name), at, "the member lies outside of the top folder");
            return None;
        };
        let known = self.contents.top.get_or_insert_with(|| top.to_owned());
        if known != top {
            let reason = format!("the member lies outside of the top folder `{known}`");
            self.damage(Some(name), at, reason);
            return None;
        }
        if !self.seen.insert(name_hash(path)) {
            self.damage(Some(name), at, "a second member of this name");
            return None;
        }
        Some(path.to_owned())
    }

    fn member(&mut self, path: String, bytes: Vec<u8>, at: u64) {
        self.contents.entries += 1;
        if let Some(number) = index_number(&path) {
            self.index(number, &path, &bytes, at);
        } else if path == "summary.json" {
            match serde_json::from_slice(&bytes) {
                Ok(summary) => self.contents.summary = Some(summary),
                Err(error) => self.damage(Some(path.as_bytes()), at, error.to_string()),
            }
        } else {
            if path == "capture.json" {
                match serde_json::from_slice(&bytes) {
                    Ok(capture) => self.contents.capture = Some(capture),
                    Err(error) => self.damage(Some(path.as_bytes()), at, error.to_string()),
                }
            }
            self.waiting_bytes += bytes.len() as u64;
            self.waiting.push(Entry {
                path,
                bytes,
                record: None,
                frame_offset: at,
            });
            if self.waiting_bytes > self.limits.batch_bytes {
                self.deliver(false, at);
            }
        }
    }

    fn index(&mut self, number: u64, path: &str, bytes: &[u8], at: u64) {
        let mut lines = 0;
        for (n, line) in bytes.split(|b| *b == b'\n').enumerate() {
            if line.is_empty() {
                continue;
            }
            lines += 1;
            match serde_json::from_slice::<EntryRecord>(line) {
                Ok(record) if record.sha256.is_some() => {
                    self.records.insert(record.path.clone(), record);
                }
                Ok(record) => (self.give)(Item::Record(record)),
                Err(error) => {
                    let reason = format!("line {}: {error}", n + 1);
                    self.damage(Some(path.as_bytes()), at, reason);
                }
            }
        }
        let digest = Digest::of(bytes).0;
        self.contents.indexes.insert(number, (digest, lines));
    }

    /// Gives the waiting entries with their records. In a frame that failed, an entry that is not
    /// what its record says is damage.
    fn deliver(&mut self, failed: bool, at: u64) {
        for mut entry in std::mem::take(&mut self.waiting) {
            entry.record = self.records.remove(&entry.path);
            if failed
                && let Some(expected) = entry.record.as_ref().and_then(|r| r.sha256.as_ref())
                && *expected != Digest::of(&entry.bytes).0
            {
                self.damage(
                    Some(entry.path.as_bytes()),
                    at,
                    "altered: the digest differs",
                );
                continue;
            }
            (self.give)(Item::Entry(entry));
        }
        self.waiting_bytes = 0;
        for path in std::mem::take(&mut self.records).into_keys() {
            // An entry too large to be held back until its index came was given without record.
            if self.seen.contains(&name_hash(&path)) {
                continue;
            }
            self.damage(
                Some(path.as_bytes()),
                at,
                "listed in the index and not there",
            );
        }
    }

    fn finish(mut self) -> Contents {
        if self.contents.capture.is_none() {
            self.damage(
                Some(b"capture.json"),
                0,
                "missing: node, clocks and page size are unknown",
            );
        }
        if self.contents.summary.is_none() {
            self.damage(
                Some(b"summary.json"),
                0,
                "missing: the capture was killed or the file is cut; finished batches are read",
            );
        }
        self.contents
    }
}

/// Names are remembered by their hash: a bundle may hold a million of them.
fn name_hash(path: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    path.hash(&mut hasher);
    hasher.finish()
}

fn index_number(path: &str) -> Option<u64> {
    path.strip_prefix("index/")?
        .strip_suffix(".jsonl")?
        .parse()
        .ok()
}

fn describe(kind: tar::EntryType) -> &'static str {
    if kind.is_symlink() || kind.is_hard_link() {
        "a link"
    } else if kind.is_character_special() || kind.is_block_special() {
        "a device"
    } else if kind.is_fifo() {
        "a FIFO"
    } else {
        "of an unknown kind"
    }
}

/// The `path` of a pax header, which is `length key=value\n`, again and again.
fn pax_path(bytes: &[u8]) -> Option<Vec<u8>> {
    tar::PaxExtensions::new(bytes)
        .filter_map(Result::ok)
        .find(|extension| extension.key_bytes() == b"path")
        .map(|extension| extension.value_bytes().to_vec())
}

fn read_up_to(input: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut length = 0;
    while length < buffer.len() {
        match input.read(&mut buffer[length..])? {
            0 => break,
            n => length += n,
        }
    }
    Ok(length)
}

/// A reader that stops with an error when its budget is used up.
struct Bounded<R> {
    inner: R,
    left: u64,
    read: u64,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.left == 0 {
            return Err(io::Error::other(
                "the limit of decompressed bytes is reached",
            ));
        }
        let length = buffer
            .len()
            .min(usize::try_from(self.left).unwrap_or(usize::MAX));
        let read = self.inner.read(&mut buffer[..length])?;
        self.left -= read as u64;
        self.read += read as u64;
        Ok(read)
    }
}

/// A buffered file that knows its offset.
struct Counted {
    file: BufReader<File>,
    offset: u64,
}

impl Counted {
    fn new(file: File) -> Self {
        Self {
            file: BufReader::with_capacity(128 << 10, file),
            offset: 0,
        }
    }

    fn seek_to(&mut self, offset: u64) -> io::Result<()> {
        let by = i64::try_from(offset).unwrap_or(i64::MAX) - self.offset as i64;
        self.file.seek_relative(by)?;
        self.offset = offset;
        Ok(())
    }

    /// Looks for `magic` from `from` on; leaves the offset at the end of the file if it is not
    /// there.
    fn find(&mut self, from: u64, magic: &[u8; 4]) -> io::Result<Option<u64>> {
        self.seek_to(from)?;
        let mut last = [0; 4];
        let mut count = 0;
        loop {
            let buffer = self.file.fill_buf()?;
            if buffer.is_empty() {
                return Ok(None);
            }
            let length = buffer.len();
            for (n, byte) in buffer.iter().enumerate() {
                last.rotate_left(1);
                last[3] = *byte;
                count += 1;
                if count >= 4 && last == *magic {
                    let at = self.offset + n as u64 - 3;
                    return Ok(Some(at));
                }
            }
            self.consume(length);
        }
    }
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(buffer)?;
        self.offset += read as u64;
        Ok(read)
    }
}

impl BufRead for Counted {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.file.fill_buf()
    }

    fn consume(&mut self, amount: usize) {
        self.file.consume(amount);
        self.offset += amount as u64;
    }
}

impl Seek for Counted {
    fn seek(&mut self, position: SeekFrom) -> io::Result<u64> {
        self.offset = self.file.seek(position)?;
        Ok(self.offset)
    }
}
