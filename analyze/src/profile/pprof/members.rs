//! What a bundle has of pprof: answers under `api/<component>/debug/`.

use std::collections::HashSet;

use freezeframe_bundle::Outcome;

use super::super::{Profile, goroutine};
use super::{OLD_FORMAT, Pprof, is_old, read, sniff};
use crate::table::{Damages, Input};

/// Answers of `debug/pprof/` that are no profiles.
const OTHERS: [&str; 4] = ["cmdline", "symbol", "trace", ""];

/// An answer by its path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member<'a> {
    /// Who answered: `kubelet`.
    pub component: &'a str,
    /// What: `cpu` (whose path ends with `profile`), `heap`, `goroutine`.
    pub kind: &'a str,
}

impl<'a> Member<'a> {
    /// Takes a member's path apart; nothing for one that is no profile.
    pub fn of(path: &'a str) -> Option<Self> {
        let (component, what) = path.strip_prefix("api/")?.split_once("/debug/")?;
        // CRI-O has paths of its own.
        let what = what.strip_prefix("pprof/").unwrap_or(match what {
            "goroutines" => "goroutine",
            "heap" => "heap",
            _ => "",
        });
        let kind = what.split(['?', '/']).next().unwrap_or(what);
        if component.is_empty() || OTHERS.contains(&kind) {
            return None;
        }
        Some(Self {
            component,
            kind: if kind == "profile" { "cpu" } else { kind },
        })
    }
}

/// The profiles of one answer, with their names, and what is wrong with it.
pub fn profiles(member: Member<'_>, bytes: &[u8], entry: &str) -> Pprof {
    let name = format!("{}.{}", member.component, member.kind);
    if sniff(bytes) {
        let mut pprof = read(bytes, entry);
        let is_only_one = pprof.profiles.len() == 1;
        for profile in &mut pprof.profiles {
            profile.name = if is_only_one || profile.event == member.kind {
                name.clone()
            } else {
                format!("{name}.{}", profile.event)
            };
        }
        return pprof;
    }
    if goroutine::sniff(bytes) {
        let dump = goroutine::parse(&String::from_utf8_lossy(bytes));
        return Pprof {
            profiles: vec![goroutine::profile(&dump, &name, entry)],
            // The table of goroutines tells it line by line.
            damage: Vec::new(),
        };
    }
    Pprof {
        profiles: Vec::new(),
        damage: vec![if is_old(bytes) {
            OLD_FORMAT.to_owned()
        } else {
            "not a profile of pprof".to_owned()
        }],
    }
}

/// Samples and stacks of all answers together that are kept: each hostile answer alone is bounded,
/// their number is not.
const KEPT: usize = 8_000_000;

/// The answers of a bundle, one after the other.
#[derive(Debug, Default)]
pub struct Answers {
    profiles: Vec<Profile>,
    kept: usize,
}

impl Answers {
    /// Takes an entry, if it is one.
    pub fn entry(&mut self, input: &Input<'_>, damages: &mut Damages) {
        let Some(member) = Member::of(input.path) else {
            return;
        };
        if self.kept > KEPT {
            damages.add(input, None, "profiles before this one are all that is kept");
            return;
        }
        let pprof = profiles(member, input.bytes, input.entry);
        // The body of an answer that is an error is no profile; its outcome says so.
        let is_answer = input.record.is_none_or(|r| r.outcome == Outcome::Complete);
        for what in pprof.damage.into_iter().filter(|_| is_answer) {
            damages.add(input, None, what);
        }
        for profile in pprof.profiles {
            self.kept += profile.samples.len() + profile.stacks.len();
            self.profiles.push(profile);
        }
    }

    /// The profiles, in an order that does not depend on that of the answers; of each answer the
    /// one to show first as the first. A dump of goroutines stands for the profile of the same name,
    /// which has neither states nor times.
    pub fn finish(self) -> Vec<Profile> {
        let mut profiles = self.profiles;
        profiles.sort_by_cached_key(|profile| {
            let member = Member::of(&profile.entry);
            let owner = member.map(|m| (m.component.to_owned(), m.kind.to_owned()));
            let is_dump = profile.entry.ends_with("debug=2");
            (owner, !is_dump, profile.entry.clone())
        });
        let mut names = HashSet::new();
        profiles.retain(|profile| names.insert(profile.name.clone()));
        profiles
    }
}
