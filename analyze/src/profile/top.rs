//! The functions of a profile by their weight, as `go tool pprof -top` and `perf report` list them.

use std::collections::HashMap;

use super::scope::Scope;
use super::{Frame, FrameKind, Profile, StackId};

/// A function and what its samples weigh.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Function {
    /// Its name; frames without a name are one function per binary, `[binary]`.
    pub name: String,
    /// The binary, of the first frame with this name.
    pub module: String,
    /// Where it runs.
    pub kind: FrameKind,
    /// Of samples that were in the function itself.
    pub flat: u64,
    /// Of samples that were in it or in what it called; a function that calls itself counts once.
    pub cumulative: u64,
}

/// What comes first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// The heaviest by itself.
    #[default]
    Flat,
    /// The heaviest with what it calls.
    Cumulative,
}

/// The functions of a scope, and the weight of all its samples.
pub fn top(profile: &Profile, scope: &Scope, order: Order) -> (Vec<Function>, u64) {
    let mut weights: HashMap<StackId, u64> = HashMap::new();
    let mut total: u64 = 0;
    for sample in scope.samples(profile) {
        let weight = weights.entry(sample.stack).or_default();
        *weight = weight.saturating_add(sample.weight);
        total = total.saturating_add(sample.weight);
    }
    let (mut functions, numbers) = functions(profile, scope);
    // For each function the stack that it was counted for.
    let mut counted: Vec<Option<StackId>> = vec![None; functions.len()];
    for (stack, weight) in weights {
        let frames = profile.stacks.innermost_first(stack);
        let places = frames.filter_map(|frame| *numbers.get(frame as usize)?);
        for (depth, place) in places.enumerate() {
            let (Some(function), Some(counted)) =
                (functions.get_mut(place), counted.get_mut(place))
            else {
                continue;
            };
            if depth == 0 {
                function.flat = function.flat.saturating_add(weight);
            }
            if counted.replace(stack) != Some(stack) {
                function.cumulative = function.cumulative.saturating_add(weight);
            }
        }
    }
    functions.retain(|function| function.cumulative > 0);
    functions.sort_by(|a, b| {
        let key = |one: &Function| match order {
            Order::Flat => (one.flat, one.cumulative),
            Order::Cumulative => (one.cumulative, one.flat),
        };
        let ((a_first, a_second), (b_first, b_second)) = (key(a), key(b));
        let by_name = || a.name.cmp(&b.name).then_with(|| b_second.cmp(&a_second));
        b_first.cmp(&a_first).then_with(by_name)
    });
    (functions, total)
}

/// The functions that a scope may have, and which of them each frame is; marks are none.
fn functions(profile: &Profile, scope: &Scope) -> (Vec<Function>, Vec<Option<usize>>) {
    let mut functions = Vec::new();
    let mut places: HashMap<(&str, bool), usize> = HashMap::new();
    let all = profile.symbols.all().iter();
    let numbers = all.map(|frame| {
        if frame.kind == FrameKind::Mark || !scope.has_frame(frame) {
            return None;
        }
        let key = if frame.is_named {
            (frame.function.as_str(), true)
        } else {
            (frame.module.as_str(), false)
        };
        Some(*places.entry(key).or_insert_with(|| {
            functions.push(Function {
                name: name(frame),
                module: frame.module.clone(),
                kind: frame.kind,
                flat: 0,
                cumulative: 0,
            });
            functions.len() - 1
        }))
    });
    let numbers = numbers.collect();
    (functions, numbers)
}

fn name(frame: &Frame) -> String {
    let file = frame.module.rsplit('/').next().unwrap_or_default();
    match file.trim_matches(['[', ']']) {
        _ if frame.is_named => frame.function.clone(),
        "" => "[unknown]".to_owned(),
        file => format!("[{file}]"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::scope::Who;
    use crate::profile::testing::{profile, sample};

    fn lines(profile: &Profile, scope: &Scope, order: Order) -> Vec<String> {
        let (functions, total) = top(profile, scope, order);
        let lines = functions
            .iter()
            .map(|one| format!("{}/{total} {} {}", one.flat, one.cumulative, one.name));
        lines.take(4).collect()
    }

    #[test]
    fn flat_and_cumulative() {
        assert_eq!(
            lines(&profile(), &Scope::node(), Order::Flat),
            [
                "2/6 2 runtime.mallocgc",
                "1/6 1 flush",
                "1/6 1 hash",
                "1/6 1 jitted",
            ]
        );
        assert_eq!(
            lines(&profile(), &Scope::node(), Order::Cumulative),
            [
                "0/6 2 main",
                "0/6 2 main.sync",
                "2/6 2 runtime.mallocgc",
                "1/6 1 flush",
            ]
        );
    }

    #[test]
    fn a_scope_and_the_kernel() {
        let pod = Scope::of(Who::Pod("shop/cart-0".into()));
        assert_eq!(lines(&profile(), &pod, Order::Cumulative)[0], "0/3 2 main");
        assert_eq!(
            lines(&profile(), &Scope::kernel(), Order::Flat),
            ["1/2 1 flush", "1/2 1 vfs_read", "0/2 1 kthread"]
        );
    }

    #[test]
    fn recursion_counts_once_and_names_without_a_function_are_their_binary() {
        let mut profile = profile();
        sample(&mut profile, 0, 0, &[("again", FrameKind::User); 5]);
        let again = |profile: &Profile| {
            let (functions, _) = top(profile, &Scope::node(), Order::Flat);
            functions.into_iter().find(|one| one.name == "again")
        };
        let again = again(&profile).unwrap();
        assert_eq!((again.flat, again.cumulative), (1, 1));
        for address in ["[cart]+0x10", "[cart]+0x20"] {
            let frame = Frame {
                function: address.into(),
                is_named: false,
                ..crate::profile::testing::frame("", FrameKind::User)
            };
            let id = profile.symbols.intern(frame);
            let stack = profile.stacks.intern([id]);
            let mut sample = profile.samples[0];
            sample.stack = stack;
            profile.samples.push(sample);
        }
        assert!(lines(&profile, &Scope::node(), Order::Flat).contains(&"2/9 2 [cart]".to_owned()));
    }
}
