//! Functions and stacks, each stored once.

use std::collections::HashMap;

use super::{Frame, FrameId, StackId};

/// The stack without frames.
pub const EMPTY: StackId = 0;

/// The functions of a profile.
#[derive(Clone, Debug, Default)]
pub struct Symbols {
    frames: Vec<Frame>,
    numbers: HashMap<Frame, FrameId>,
}

impl Symbols {
    /// The number of a frame, which is stored if it is new.
    pub fn intern(&mut self, frame: Frame) -> FrameId {
        if let Some(id) = self.numbers.get(&frame) {
            return *id;
        }
        let id = self.frames.len() as FrameId;
        self.frames.push(frame.clone());
        self.numbers.insert(frame, id);
        id
    }

    /// A frame by its number.
    pub fn get(&self, id: FrameId) -> Option<&Frame> {
        self.frames.get(id as usize)
    }

    /// All frames, by number.
    pub fn all(&self) -> &[Frame] {
        &self.frames
    }
}

/// Stacks as a tree: each is the stack of its caller and one frame more.
#[derive(Clone, Debug)]
pub struct Stacks {
    /// Caller's stack and innermost frame; the place of [`EMPTY`] has none that counts.
    nodes: Vec<(StackId, FrameId)>,
    children: HashMap<(StackId, FrameId), StackId>,
}

impl Default for Stacks {
    fn default() -> Self {
        Self {
            nodes: vec![(EMPTY, FrameId::MAX)],
            children: HashMap::new(),
        }
    }
}

impl Stacks {
    /// The stack that is `caller` and `frame` called from it.
    pub fn push(&mut self, caller: StackId, frame: FrameId) -> StackId {
        let next = self.nodes.len() as StackId;
        let id = *self.children.entry((caller, frame)).or_insert(next);
        if id == next {
            self.nodes.push((caller, frame));
        }
        id
    }

    /// The stack of these frames, outermost first.
    pub fn intern(&mut self, frames: impl IntoIterator<Item = FrameId>) -> StackId {
        frames
            .into_iter()
            .fold(EMPTY, |caller, frame| self.push(caller, frame))
    }

    /// A stack's caller, which has a smaller number, and its innermost frame.
    pub fn node(&self, stack: StackId) -> Option<(StackId, FrameId)> {
        self.nodes
            .get(stack as usize)
            .copied()
            .filter(|_| stack != EMPTY)
    }

    /// The frames of a stack, innermost first.
    pub fn innermost_first(&self, stack: StackId) -> impl Iterator<Item = FrameId> + '_ {
        let mut at = stack;
        std::iter::from_fn(move || {
            let (caller, frame) = self.node(at)?;
            at = caller;
            Some(frame)
        })
    }

    /// The frames of a stack, outermost first.
    pub fn outermost_first(&self, stack: StackId) -> Vec<FrameId> {
        let mut frames: Vec<FrameId> = self.innermost_first(stack).collect();
        frames.reverse();
        frames
    }

    /// Number of stacks, the empty one included.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether there is no stack but the empty one.
    pub fn is_empty(&self) -> bool {
        self.nodes.len() == 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stacks_share_their_callers() {
        let mut stacks = Stacks::default();
        let ab = stacks.intern([1, 2]);
        let abc = stacks.intern([1, 2, 3]);
        assert_eq!(stacks.intern([1, 2]), ab);
        assert_eq!(stacks.push(ab, 3), abc);
        assert_eq!(stacks.outermost_first(abc), [1, 2, 3]);
        assert_eq!(stacks.innermost_first(abc).collect::<Vec<_>>(), [3, 2, 1]);
        assert_eq!(stacks.intern(Vec::new()), EMPTY);
        assert!(stacks.outermost_first(EMPTY).is_empty());
        assert!(stacks.outermost_first(99).is_empty());
        assert_eq!(stacks.len(), 4);
    }
}
