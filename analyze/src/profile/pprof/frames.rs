//! From the addresses of a pprof file to frames and stacks.

use std::collections::HashMap;
use std::rc::Rc;

use super::file::File;
use super::proto::{Location, Mapping};
use super::prune::Prune;
use crate::profile::demangle::{demangle, kind_of};
use crate::profile::{Frame, FrameId, FrameKind, StackId, Stacks, Symbols};

/// Deepest stack, counted from the innermost frame; Go stops at 128, Java at 2,048.
const DEPTH: usize = 2_048;
/// Number of stacks that are kept, callers counted.
const STACKS: usize = 2_000_000;
/// Bytes of names in all frames.
const NAME_BYTES: usize = 64 << 20;

/// The frames of an address, and what `drop_frames` makes of them.
#[derive(Default)]
struct Place {
    /// Innermost first, and whether it has a name.
    frames: Vec<(FrameId, bool)>,
    /// What it calls is left out.
    cuts_beneath: bool,
    /// So is itself.
    is_dropped: bool,
}

/// The stack of a sample.
#[derive(Clone, Copy, Default)]
pub(super) struct Stack {
    pub(super) id: StackId,
    pub(super) frames: u64,
    pub(super) unnamed: u64,
}

/// Makes frames and stacks of addresses.
pub(super) struct Frames<'a> {
    file: &'a File,
    prune: Option<Prune>,
    places: HashMap<u64, Rc<Place>>,
    pub(super) symbols: Symbols,
    pub(super) stacks: Stacks,
    name_bytes_left: usize,
    /// Frames whose address the file does not have.
    pub(super) unknown: u64,
    /// Stacks of which outer frames are cut, or that are left out as there are too many.
    pub(super) cut: u64,
}

impl<'a> Frames<'a> {
    pub(super) fn new(file: &'a File) -> Self {
        Self {
            file,
            prune: Prune::of(file),
            places: HashMap::new(),
            symbols: Symbols::default(),
            stacks: Stacks::default(),
            name_bytes_left: NAME_BYTES,
            unknown: 0,
            cut: 0,
        }
    }

    /// The stack of these addresses, which are innermost first.
    pub(super) fn stack(&mut self, locations: &[u64]) -> Stack {
        let places: Vec<Rc<Place>> = locations
            .iter()
            .take(DEPTH)
            .filter_map(|id| self.place(*id))
            .collect();
        let kept = places.get(first_kept(&places)..).unwrap_or_default();
        let frames = kept.iter().flat_map(|place| &place.frames);
        let mut frames: Vec<(FrameId, bool)> = frames.take(DEPTH).copied().collect();
        if locations.len() > DEPTH || self.stacks.len() > STACKS {
            self.cut += 1;
        }
        if self.stacks.len() > STACKS {
            frames.clear();
        }
        Stack {
            frames: frames.len() as u64,
            unnamed: frames.iter().filter(|(_, is_named)| !is_named).count() as u64,
            id: self.stacks.intern(frames.iter().rev().map(|(id, _)| *id)),
        }
    }

    fn place(&mut self, id: u64) -> Option<Rc<Place>> {
        if let Some(place) = self.places.get(&id) {
            return Some(Rc::clone(place));
        }
        let Some(location) = self.file.locations.get(&id) else {
            self.unknown += 1;
            return None;
        };
        let place = Rc::new(self.make_place(location));
        self.places.insert(id, Rc::clone(&place));
        Some(place)
    }

    fn make_place(&mut self, location: &Location) -> Place {
        let module = self.file.mappings.get(&location.mapping_id);
        let file = self.file;
        let names = location.line.iter().take(DEPTH).map(|line| {
            let function = file.functions.get(&line.function_id);
            function.map_or("", |function| file.name(function))
        });
        let names: Vec<&str> = names.collect();
        // The outermost function that is left out takes along those inlined into it.
        let dropped = names
            .iter()
            .rposition(|name| self.prune.as_ref().is_some_and(|prune| prune.drops(name)));
        let is_dropped = dropped.is_some_and(|place| place + 1 == names.len());
        let kept_from = dropped.filter(|_| !is_dropped).map_or(0, |place| place + 1);
        let mut frames: Vec<(FrameId, bool)> = Vec::new();
        for name in names.get(kept_from..).unwrap_or_default() {
            frames.push(self.frame(name, location, module));
        }
        if names.is_empty() {
            frames.push(self.frame("", location, module));
        }
        Place {
            frames,
            cuts_beneath: dropped.is_some(),
            is_dropped,
        }
    }

    fn frame(
        &mut self,
        name: &str,
        location: &Location,
        mapping: Option<&Mapping>,
    ) -> (FrameId, bool) {
        let module = mapping.map_or("", |mapping| self.file.text(mapping.filename));
        let cost = name.len() + module.len();
        let has_room = self.name_bytes_left >= cost;
        self.name_bytes_left = self.name_bytes_left.saturating_sub(cost);
        let (name, module) = if has_room { (name, module) } else { ("", "") };
        let is_named = !name.is_empty();
        let function = if is_named {
            readable(name)
        } else {
            address_name(location.address, module, mapping)
        };
        let frame = Frame {
            kind: kind(&function, module),
            function,
            module: module.to_owned(),
            is_named,
        };
        (self.symbols.intern(frame), is_named)
    }
}

/// Place of the innermost address that is kept. What is dropped before the first function of the
/// program stays: without it the stack would be empty.
fn first_kept(places: &[Rc<Place>]) -> usize {
    let is_plain = |place: &Rc<Place>| !place.cuts_beneath;
    let Some(outermost_plain) = places.iter().rposition(is_plain) else {
        return 0;
    };
    let inner = places.get(..outermost_plain).unwrap_or_default();
    let Some(cut) = inner.iter().rposition(|place| place.cuts_beneath) else {
        return 0;
    };
    cut + usize::from(inner.get(cut).is_some_and(|place| place.is_dropped))
}

/// A name as in the source; `go tool pprof` too looks for mangled ones.
fn readable(name: &str) -> String {
    let is_mangled = ["_Z", "__Z", "_R"]
        .iter()
        .any(|begin| name.starts_with(begin));
    if is_mangled {
        demangle(name)
    } else {
        name.to_owned()
    }
}

/// `[module]+0x<offset>`, or the address.
fn address_name(address: u64, module: &str, mapping: Option<&Mapping>) -> String {
    let file = module.rsplit('/').next().unwrap_or(module);
    match mapping.filter(|_| !file.is_empty()) {
        None => format!("{address:#x}"),
        Some(mapping) => {
            let offset = address
                .wrapping_sub(mapping.memory_start)
                .wrapping_add(mapping.file_offset);
            format!("[{}]+{offset:#x}", file.trim_matches(['[', ']']))
        }
    }
}

/// By the binary's name; that of the kernel and its modules is in brackets. Without a binary a name
/// in brackets is a mark that an export has kept.
fn kind(function: &str, module: &str) -> FrameKind {
    let is_in_brackets = |text: &str| text.starts_with('[') && text.ends_with(']');
    if module.is_empty() && is_in_brackets(function) {
        return FrameKind::Mark;
    }
    // `/tmp/perf-4711.map`; `perf report` writes `[JIT] tid 4711`.
    let is_generated = module.contains("/perf-") || module.starts_with("[JIT]");
    let of_user = ["[vdso]", "[vsyscall]", "[heap]", "[stack]", "[anon]"];
    if is_generated {
        FrameKind::Generated
    } else if is_in_brackets(module) && !of_user.contains(&module) {
        FrameKind::Kernel
    } else {
        kind_of(function)
    }
}
