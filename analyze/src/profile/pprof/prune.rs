//! Frames that a profile wants left out: `drop_frames` and `keep_frames`.
//!
//! They are patterns of functions of the profiler itself, such as an allocator. A function that
//! matches is left out with all that it calls; so does `go tool pprof`.

use regex::Regex;

use super::file::File;

/// Places of `drop_frames` and `keep_frames` in a profile.
const DROP_FRAMES: u32 = 7;
const KEEP_FRAMES: u32 = 8;

/// Which functions are left out.
pub(super) struct Prune {
    drop: Regex,
    keep: Option<Regex>,
}

impl Prune {
    /// The patterns of a file; nothing where it has none that can be understood.
    pub(super) fn of(file: &File) -> Option<Self> {
        let pattern = |tag| {
            let text = file.text(file.number(tag));
            Some(text).filter(|text| !text.is_empty())
        };
        let whole = |text: &str| Regex::new(&format!("^({text})$")).ok();
        Some(Self {
            drop: whole(pattern(DROP_FRAMES)?)?,
            keep: pattern(KEEP_FRAMES).and_then(whole),
        })
    }

    /// Whether this function is left out.
    pub(super) fn drops(&self, function: &str) -> bool {
        let name = without_arguments(function);
        self.drop.is_match(name) && !self.keep.as_ref().is_some_and(|keep| keep.is_match(name))
    }
}

/// A name of C++ up to its arguments.
fn without_arguments(name: &str) -> &str {
    const PARTS_OF_NAMES: [&str; 2] = ["(anonymous namespace)", "operator()"];
    // Names of functions of old 64-bit PowerPC begin with a dot.
    let name = name.strip_prefix('.').unwrap_or(name);
    let mut from = 0;
    while let Some(found) = name.get(from..).and_then(|rest| rest.find('(')) {
        let at = from + found;
        let behind = PARTS_OF_NAMES.iter().find_map(|part| {
            let start = at.checked_sub(part.find('(')?)?;
            name.get(start..)?
                .starts_with(part)
                .then_some(start + part.len())
        });
        match behind {
            Some(behind) => from = behind,
            None => return name.get(..at).unwrap_or(name),
        }
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_no_part_of_a_name() {
        for (name, bare) in [
            ("main.main", "main.main"),
            ("operator new(unsigned long)", "operator new"),
            ("(anonymous namespace)::f(int)", "(anonymous namespace)::f"),
            ("S::operator()(char) const", "S::operator()"),
            (".malloc", "malloc"),
        ] {
            assert_eq!(without_arguments(name), bare);
        }
    }
}
