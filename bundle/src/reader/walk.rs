//! One pass over all members, from damage to damage.

use std::collections::HashSet;
use std::ops::ControlFlow;

use super::frames::{Fault, Found};
use super::index::number;
use super::members::{Member, Members};
use crate::damage::Damages;
use crate::{Limits, member};

/// A member whose name is acceptable.
pub(super) struct Read {
    /// Path below the top folder.
    pub(super) path: String,
    /// Its bytes, or why there are none.
    pub(super) bytes: Result<Vec<u8>, String>,
    /// Offset in the file of its frame.
    pub(super) frame: u64,
}

/// What the bytes met so far are worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Proof {
    /// Their frames ended well: each has a checksum.
    Sound,
    /// Their frame has not ended: they are what was written, as far as that can be known.
    Unfinished,
    /// Their frame is damaged: only a digest can prove them.
    Altered,
}

/// Takes what a walk meets.
pub(super) trait Sink {
    /// Takes a member. The walk ends with a break.
    fn member(&mut self, read: Read) -> ControlFlow<()>;
    /// Everything met since the last boundary is worth this much.
    fn boundary(&mut self, proof: Proof);
    /// Where damage is noted.
    fn damages(&mut self) -> &mut Damages;
}

/// A walk over the members of a bundle.
pub(super) struct Walk<'a> {
    members: Members,
    limits: Limits,
    sink: &'a mut dyn Sink,
    top: Option<String>,
    /// Names are remembered by their hash: a bundle may hold a million of them.
    seen: HashSet<u64>,
    count: u64,
    /// The frame of the last member.
    frame: Option<u64>,
    /// The frame was found behind damage and has not given a member yet.
    doubtful: bool,
}

impl<'a> Walk<'a> {
    pub(super) fn new(members: Members, limits: Limits, sink: &'a mut dyn Sink) -> Self {
        Self {
            members,
            limits,
            sink,
            top: None,
            seen: HashSet::new(),
            count: 0,
            frame: None,
            doubtful: false,
        }
    }

    /// Gives everything to the sink; returns the name of the top folder.
    pub(super) fn run(mut self) -> Option<String> {
        loop {
            match self.step() {
                Ok(ControlFlow::Continue(())) => {}
                Ok(ControlFlow::Break(())) => break,
                Err(fault) => {
                    if self.recover(&fault).is_break() {
                        break;
                    }
                }
            }
        }
        self.top
    }

    fn step(&mut self) -> Result<ControlFlow<()>, Fault> {
        let Some(member) = self.members.next()? else {
            return self.end();
        };
        let before = self.frame.replace(member.frame);
        if before.is_some_and(|frame| frame != member.frame) {
            self.sink.boundary(Proof::Sound);
        }
        self.doubtful = false;
        self.count += 1;
        if self.count > self.limits.entry_count {
            let limit = self.limits.entry_count;
            let reason = format!("more than {limit} members: the rest is not read");
            self.sink.damages().frame(member.frame, &reason);
            self.sink.boundary(Proof::Unfinished);
            return Ok(ControlFlow::Break(()));
        }
        match self.path(&member) {
            Ok(None) => Ok(ControlFlow::Continue(())),
            Ok(Some(path)) => self.give(path, &member),
            Err(reason) => {
                let damages = self.sink.damages();
                damages.member(&member.name, member.frame, &reason);
                Ok(ControlFlow::Continue(()))
            }
        }
    }

    fn give(&mut self, path: String, member: &Member) -> Result<ControlFlow<()>, Fault> {
        let mut limit = self.limits.entry_bytes;
        if number(&path).is_some() {
            limit = limit.min(self.limits.batch_bytes);
        }
        let bytes = if member.size <= limit {
            Ok(self.members.bytes()?)
        } else {
            Err(format!(
                "the member has {} bytes, limit {limit}",
                member.size
            ))
        };
        if let Err(reason) = &bytes {
            let damages = self.sink.damages();
            damages.member(path.as_bytes(), member.frame, reason);
        }
        Ok(self.sink.member(Read {
            path,
            bytes,
            frame: member.frame,
        }))
    }

    /// The member's path below the top folder; none for a member that says nothing.
    fn path(&mut self, member: &Member) -> Result<Option<String>, String> {
        if member.kind.is_dir() {
            return Ok(None);
        }
        let name = member.name.strip_prefix(b"./").unwrap_or(&member.name);
        let name = member::check(name, self.limits.name_bytes).map_err(|e| e.to_string())?;
        if !member.kind.is_file() {
            let kind = describe(member.kind);
            return Err(format!("the member is {kind}, only files are expected"));
        }
        let Some((top, path)) = name.split_once('/') else {
            return Err("the member lies outside of the top folder".to_owned());
        };
        let known = self.top.get_or_insert_with(|| top.to_owned());
        if known != top {
            return Err(format!(
                "the member lies outside of the top folder `{known}`"
            ));
        }
        if !self.seen.insert(member::hash(path)) {
            return Err("a second member of this name".to_owned());
        }
        Ok(Some(path.to_owned()))
    }

    /// At the end of the tar: what is behind it must be zeros, and the last frame must end well.
    fn end(&mut self) -> Result<ControlFlow<()>, Fault> {
        // A tar without members is no bundle, whatever is behind it.
        if self.count > 0 && self.members.drain()? {
            let at = self.members.frames().frame();
            let reason = "there is more behind the end of the tar: it is not read";
            self.sink.damages().frame(at, reason);
        }
        self.sink.boundary(Proof::Sound);
        Ok(ControlFlow::Break(()))
    }

    fn recover(&mut self, fault: &Fault) -> ControlFlow<()> {
        let frames = self.members.frames();
        let (frame, inside) = (frames.frame(), frames.is_inside());
        let at = if matches!(fault, Fault::NoFrame) {
            frames.offset()
        } else {
            frame
        };
        if self.frame.replace(frame) != Some(frame) || !inside {
            self.sink.boundary(Proof::Sound);
        } else if matches!(fault, Fault::Altered(_) | Fault::NotTar(_)) {
            self.sink.boundary(Proof::Altered);
        } else {
            self.sink.boundary(Proof::Unfinished);
        }
        // Behind damage every chance pattern looks like a frame: only one that holds members is
        // worth a word.
        if !self.doubtful || fault.is_final() {
            self.sink.damages().frame(at, &fault.to_string());
        }
        if fault.is_final() {
            return ControlFlow::Break(());
        }
        match self.members.recover() {
            Ok(None) => ControlFlow::Break(()),
            Ok(Some(found)) => {
                self.doubtful |= found == Found::Perhaps;
                ControlFlow::Continue(())
            }
            Err(fault) => {
                self.sink.damages().frame(at, &fault.to_string());
                ControlFlow::Break(())
            }
        }
    }
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
