//! Where a stage finds its spaces: strides, and the pointers that follow loops.

use super::ir::{Address, Function, Op, Virtual};
use super::isa::Class;
use crate::loops::program::{Index, LoopId, Space};

/// Strides of a space, in bytes.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Place {
    /// From slot to slot.
    pub(super) slot: usize,
    /// From vector to vector along lanes; `None`: one scalar for all lanes.
    pub(super) lane: Option<usize>,
    /// From point to point along the other axis.
    pub(super) point: usize,
}

/// What a pointer follows: a space and those terms of an index whose loops are open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Key {
    pub(super) space: Space,
    pub(super) terms: Vec<(LoopId, u32)>,
}

impl Key {
    /// The key of an index while `open` loops are open.
    pub(super) fn of(space: Space, index: &Index, open: &[LoopId]) -> Key {
        let mut terms: Vec<_> =
            index.terms.iter().filter(|(id, _)| open.contains(id)).copied().collect();
        terms.sort_unstable();
        Key { space, terms }
    }

    /// The stride of a loop, if the key follows it.
    pub(super) fn stride(&self, id: LoopId) -> Option<u32> {
        self.terms.iter().find(|(term, _)| *term == id).map(|(_, stride)| *stride)
    }

    /// The key without a loop.
    fn without(&self, id: LoopId) -> Key {
        let terms = self.terms.iter().filter(|(term, _)| *term != id).copied().collect();
        Key { space: self.space, terms }
    }
}

/// The pointers of the open loops.
#[derive(Default)]
pub(super) struct Places {
    strides: Vec<(Space, Place)>,
    /// Innermost last; `None` is the scratch memory.
    pointers: Vec<(Key, Option<Virtual>)>,
    /// A pointer would have to move by more than 2 GiB at once.
    pub(super) is_too_far: bool,
}

/// Pointers that a loop advances, to be dropped when it ends.
pub(super) struct Advance {
    /// Number of pointers below.
    mark: usize,
    steps: Vec<(Virtual, i32)>,
}

impl Advance {
    /// Move on by a multiple of the steps.
    pub(super) fn times(&self, factor: usize) -> Advance {
        let steps = self.steps.iter().map(|(p, by)| (*p, by * factor as i32)).collect();
        Advance { mark: self.mark, steps }
    }
}

impl Places {
    /// Declare a space; `base` is `None` for scratch memory.
    pub(super) fn declare(&mut self, space: Space, base: Option<Virtual>, place: Place) {
        self.strides.push((space, place));
        self.pointers.push((Key { space, terms: Vec::new() }, base));
    }

    /// Strides of a space that the stage may use.
    pub(super) fn strides(&self, space: Space) -> Place {
        let declared = self.strides.iter().rev().find(|(s, _)| *s == space);
        declared.expect("a verified stage uses spaces that it may use").1
    }

    /// The pointer that follows a key.
    pub(super) fn pointer(&self, key: &Key) -> Option<Virtual> {
        let found = self.pointers.iter().rev().find(|(k, _)| k == key);
        found.expect("loops open pointers for every key in their bodies").1
    }

    fn copy(f: &mut Function, base: Option<Virtual>) -> Virtual {
        match base {
            Some(base) => f.emit(Class::General, Op::Copy, &[base]),
            None => f.emit(Class::General, Op::ScratchAddress, &[]),
        }
    }

    /// Open pointers for those of `keys` that follow the loop `id`, whose counter goes up by `by`.
    pub(super) fn open_loop(
        &mut self,
        f: &mut Function,
        keys: &[Key],
        id: LoopId,
        by: u32,
    ) -> Advance {
        let mut advance = Advance { mark: self.pointers.len(), steps: Vec::new() };
        for key in keys {
            let Some(stride) = key.stride(id) else { continue };
            let pointer = Self::copy(f, self.pointer(&key.without(id)));
            let bytes = self.bytes(key, stride, by);
            advance.steps.push((pointer, bytes));
            self.pointers.push((key.clone(), Some(pointer)));
        }
        advance
    }

    /// Bytes by which a key's pointer moves when a counter goes up by `by`.
    fn bytes(&mut self, key: &Key, stride: u32, by: u32) -> i32 {
        let slots = u64::from(stride) * u64::from(by);
        let bytes = slots.saturating_mul(self.strides(key.space).slot as u64);
        i32::try_from(bytes).unwrap_or_else(|_| {
            self.is_too_far = true;
            0
        })
    }

    /// Start those of `keys` that follow the loop `id`, whose pointers are open, at a counter of `start`.
    pub(super) fn start_at(&mut self, f: &mut Function, keys: &[Key], id: LoopId, start: u32) {
        for key in keys {
            let Some(stride) = key.stride(id) else { continue };
            let bytes = self.bytes(key, stride, start);
            if let Some(pointer) = self.pointer(key) {
                f.define(pointer, Op::Offset(bytes), &[pointer]);
            }
        }
    }

    /// Open pointers for those of `keys` in a space that start `ahead` bytes further on and go on by `by` bytes.
    pub(super) fn open_cursor(
        &mut self,
        f: &mut Function,
        keys: &[Key],
        space: Space,
        ahead: Option<Virtual>,
        by: i32,
        advance: &mut Advance,
    ) {
        for key in keys.iter().filter(|key| key.space == space) {
            let base = self.pointer(key);
            let pointer = match (base, ahead) {
                (Some(base), Some(ahead)) => f.emit(Class::General, Op::Index(1), &[base, ahead]),
                _ => Self::copy(f, base),
            };
            advance.steps.push((pointer, by));
            self.pointers.push((key.clone(), Some(pointer)));
        }
    }

    /// An advance without pointers.
    pub(super) fn open_nothing(&self) -> Advance {
        Advance { mark: self.pointers.len(), steps: Vec::new() }
    }

    /// Let a single pointer follow a key until the advance is closed.
    pub(super) fn follow(&mut self, key: Key, pointer: Virtual) {
        self.pointers.push((key, Some(pointer)));
    }

    /// Move the pointers on.
    pub(super) fn step(f: &mut Function, advance: &Advance) {
        for (pointer, by) in &advance.steps {
            if *by != 0 {
                f.define(*pointer, Op::Offset(*by), &[*pointer]);
            }
        }
    }

    /// Drop the pointers.
    pub(super) fn close(&mut self, advance: &Advance) {
        self.pointers.truncate(advance.mark);
    }

    /// The address of an element from a key's pointer.
    pub(super) fn address(&self, key: &Key, offset: i32) -> Address {
        Address { base: self.pointer(key), offset }
    }
}
