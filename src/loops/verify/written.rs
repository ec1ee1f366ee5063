//! Which slots have been written for certain.

use crate::loops::program::{ArrayId, Index, LoopId, Program, Space};
use std::collections::{BTreeMap, HashMap};

/// Slots that were written by statements whose loops have ended. Time to note and to ask is logarithmic in what was noted, because
/// a program may store to very many slots in any order.
#[derive(Default)]
pub(super) struct Written {
    scratch: HashMap<ArrayId, Ranges>,
    others: HashMap<ArrayId, Ranges>,
    /// Writes that count once the loop has ended.
    pending: HashMap<LoopId, Vec<(ArrayId, u64, u64)>>,
}

/// Disjoint ranges that do not touch: the end of each by its first slot.
type Ranges = BTreeMap<u64, u64>;

impl Written {
    /// Note a store inside the loops `open`, outermost first.
    pub(super) fn store(
        &mut self,
        program: &Program,
        array: ArrayId,
        index: &Index,
        open: &[LoopId],
    ) {
        let Some((first, end)) = dense(program, index) else { return };
        match open.iter().find(|id| index.terms.iter().any(|(term, _)| term == *id)) {
            Some(id) => self.pending.entry(*id).or_default().push((array, first, end)),
            None => self.add(program, array, first, end),
        }
    }

    /// A loop has ended.
    pub(super) fn left(&mut self, program: &Program, id: LoopId) {
        for (array, first, end) in self.pending.remove(&id).unwrap_or_default() {
            self.add(program, array, first, end);
        }
    }

    /// Whether all slots from `first` to before `end` have been written.
    pub(super) fn covers(&self, array: ArrayId, first: u64, end: u64) -> bool {
        let ranges = self.scratch.get(&array).or_else(|| self.others.get(&array));
        let Some(ranges) = ranges else { return false };
        ranges.range(..=first).next_back().is_some_and(|(_, written)| end <= *written)
    }

    /// Forget what was written to scratch arrays. No loop is open.
    pub(super) fn forget_scratch(&mut self) {
        self.scratch = HashMap::new();
    }

    fn add(&mut self, program: &Program, array: ArrayId, mut first: u64, mut end: u64) {
        let is_scratch =
            { program.arrays.get(array.index()) }.is_some_and(|a| a.space == Space::Temp);
        let arrays = if is_scratch { &mut self.scratch } else { &mut self.others };
        let ranges = arrays.entry(array).or_default();
        // Those that it meets become one with it.
        while let Some((start, other)) = ranges.range(..=end).next_back().map(|(a, b)| (*a, *b))
            && first <= other
        {
            ranges.remove(&start);
            (first, end) = (first.min(start), end.max(other));
        }
        ranges.insert(first, end);
    }
}

/// The range of slots that an index runs over, if it leaves out none.
fn dense(program: &Program, index: &Index) -> Option<(u64, u64)> {
    let mut terms: Vec<(u64, u64)> = Vec::new();
    for (id, stride) in &index.terms {
        let count = u64::from(program.loops.get(id.index())?.count);
        terms.push((u64::from(*stride), count));
    }
    terms.sort_unstable();
    let mut length = 1;
    for (stride, count) in terms {
        if stride > length {
            return None;
        }
        length += stride * count.saturating_sub(1);
    }
    Some((u64::from(index.offset), u64::from(index.offset) + length))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dtype::Float;
    use crate::loops::builder::{Builder, Functions};
    use crate::loops::program::{Array, Loop};
    use std::collections::HashSet;

    /// A scratch and another array, and loops of 1, 2, ... iterations.
    fn program(slots: u32) -> Program {
        let mut program = Builder::new(Float::F32, false, Functions::Intrinsic).finish();
        for (name, space) in [("scratch", Space::Temp), ("row", Space::Row)] {
            program.arrays.push(Array { name: name.into(), space, base: 0, len: slots });
        }
        program.loops = (1..5)
            .map(|count| Loop { count, carried: Vec::new(), body: Vec::new(), skip_unless: None })
            .collect();
        program
    }

    /// Random stores in and outside of loops, against the set of the slots that they write.
    #[test]
    fn slots_written_are_those_of_the_stores() {
        let slots = 60;
        let program = program(slots);
        let mut random = 9u32;
        let mut below = |most: u32| {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (random >> 16) % most
        };
        for _ in 0..300 {
            let (mut written, mut expected) = (Written::default(), HashSet::new());
            for _ in 0..below(40) {
                let (array, id) = (ArrayId(below(2)), LoopId(below(4)));
                let (stride, count) = (below(2), program.loops[id.index()].count);
                let offset = below(slots - 4);
                let index = Index { offset, terms: vec![(id, stride)] };
                written.store(&program, array, &index, &[id]);
                let range = offset..offset + count;
                let before = range.clone().all(|slot| expected.contains(&(array, slot)));
                let covers = written.covers(array, range.start.into(), range.end.into());
                assert_eq!(covers, before, "a store counts when its loop has ended");
                written.left(&program, id);
                expected.extend((0..count).map(|k| (array, offset + k * stride)));
            }
            if below(2) == 0 {
                written.forget_scratch();
                expected.retain(|(array, _)| *array != ArrayId(0));
            }
            for array in [ArrayId(0), ArrayId(1)] {
                for first in 0..slots {
                    for end in first + 1..=slots {
                        let all = (first..end).all(|slot| expected.contains(&(array, slot)));
                        let covers = written.covers(array, first.into(), end.into());
                        assert_eq!(covers, all, "{array:?}: {first}..{end}");
                    }
                }
            }
        }
    }

    /// What takes minutes if each store moves or visits those before it.
    #[test]
    fn very_many_stores_that_do_not_touch() {
        let slots = 1_000_000;
        let program = program(slots);
        let mut written = Written::default();
        let id = LoopId(3);
        for offset in (0..slots).step_by(2).rev() {
            let index = Index { offset, terms: vec![(LoopId(0), 1)] };
            written.store(&program, ArrayId(1), &index, &[id, LoopId(0)]);
            written.left(&program, LoopId(0));
            written.forget_scratch();
        }
        assert!(written.covers(ArrayId(1), 4, 5) && !written.covers(ArrayId(1), 4, 6));
    }
}
