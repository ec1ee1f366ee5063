//! Which slots have been written for certain.

use crate::loops::program::{ArrayId, Index, LoopId, Program, Space};
use std::collections::HashMap;

/// Slots that were written by statements whose loops have ended, as disjoint ranges that do not touch.
#[derive(Default)]
pub(super) struct Written {
    ranges: HashMap<ArrayId, Vec<(u64, u64)>>,
    /// Writes that count once the loop has ended.
    pending: Vec<(LoopId, ArrayId, u64, u64)>,
}

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
            Some(id) => self.pending.push((*id, array, first, end)),
            None => self.add(array, first, end),
        }
    }

    /// A loop has ended.
    pub(super) fn left(&mut self, id: LoopId) {
        for (_, array, first, end) in self.pending.extract_if(.., |p| p.0 == id).collect::<Vec<_>>()
        {
            self.add(array, first, end);
        }
    }

    /// Whether all slots from `first` to before `end` have been written.
    pub(super) fn covers(&self, array: ArrayId, first: u64, end: u64) -> bool {
        let Some(ranges) = self.ranges.get(&array) else { return false };
        let k = ranges.partition_point(|r| r.1 < end);
        ranges.get(k).is_some_and(|r| r.0 <= first && end <= r.1)
    }

    /// Forget what was written to the arrays of a space.
    pub(super) fn forget(&mut self, program: &Program, space: Space) {
        let is_other = |array: &ArrayId| {
            program.arrays.get(array.index()).is_none_or(|array| array.space != space)
        };
        self.ranges.retain(|array, _| is_other(array));
        self.pending.retain(|(_, array, ..)| is_other(array));
    }

    fn add(&mut self, array: ArrayId, mut first: u64, mut end: u64) {
        let ranges = self.ranges.entry(array).or_default();
        let from = ranges.partition_point(|r| r.1 < first);
        let to = ranges.partition_point(|r| r.0 <= end);
        if from < to {
            first = first.min(ranges[from].0);
            end = end.max(ranges[to - 1].1);
        }
        ranges.splice(from..to, [(first, end)]);
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
