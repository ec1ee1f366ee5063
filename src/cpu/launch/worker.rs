//! The buffers of a task, and how it merges accumulators.

use super::super::layout::Layout;
use super::super::memory::Buffer;
use super::sweep::Sweep;
use crate::dtype::{Element, Real};
use crate::schedule::{LANES_OVER_COLUMNS, Lanes};
use std::ops::Range;

/// Buffers of one task.
#[derive(Debug, Default)]
pub(super) struct Worker<C> {
    pub(super) state: Buffer<C>,
    pub(super) other: Buffer<C>,
    pub(super) tile: Buffer<C>,
    pub(super) out: Buffer<C>,
    pub(super) scratch: Buffer<C>,
}

impl<C: Real> Worker<C> {
    pub(super) fn prepare(&mut self, layout: &Layout) {
        self.scratch.resize(layout.scratch);
        self.tile.resize(layout.tile_len());
        self.state.resize(layout.state_len().max(layout.pair_state_len()));
        self.other.resize(layout.state_len());
    }

    /// Merge the accumulators of whole units.
    pub(super) fn merge<T: Element>(
        &mut self,
        sweep: &Sweep<'_, T, C>,
        state: &mut [C],
        other: &[C],
    ) {
        let layout = sweep.layout;
        let len = layout.pair_state_len();
        if len == 0 {
            return;
        }
        for (state, other) in state.chunks_exact_mut(len).zip(other.chunks_exact(len)) {
            match layout.schedule.lanes {
                Lanes::Rows => sweep.stages.merge(state, other, self.scratch.as_mut_slice()),
                Lanes::Columns => {
                    let block = layout.block();
                    for lane in (0..LANES_OVER_COLUMNS).step_by(block) {
                        take_lanes(self.state.as_mut_slice(), block, state, lane..lane + block);
                        take_lanes(self.other.as_mut_slice(), block, other, lane..lane + block);
                        self.merge_taken(sweep, state, lane..lane + block);
                    }
                }
            }
        }
    }

    /// Merge the virtual lanes of one row into lane 0: lane l with lane l + 32, then 16, ... 1.
    pub(super) fn fold_lanes<T: Element>(&mut self, sweep: &Sweep<'_, T, C>, state: &mut [C]) {
        let block = sweep.layout.block();
        let mut half = LANES_OVER_COLUMNS / 2;
        while half > 0 {
            for lane in (0..half).step_by(block) {
                let to = lane..lane + block.min(half);
                take_lanes(self.state.as_mut_slice(), block, state, to.clone());
                let from = to.start + half..to.end + half;
                take_lanes(self.other.as_mut_slice(), block, state, from);
                self.merge_taken(sweep, state, to);
            }
            half /= 2;
        }
    }

    /// Merge the lanes taken to `self.state` and `self.other`, and put them back into a row's `state`.
    fn merge_taken<T: Element>(
        &mut self,
        sweep: &Sweep<'_, T, C>,
        state: &mut [C],
        lanes: Range<usize>,
    ) {
        let block = sweep.layout.block();
        let (own, theirs) = (self.state.as_mut_slice(), self.other.as_slice());
        sweep.stages.merge(own, theirs, self.scratch.as_mut_slice());
        for (to, from) in state.chunks_exact_mut(LANES_OVER_COLUMNS).zip(own.chunks_exact(block)) {
            to[lanes.clone()].copy_from_slice(&from[..lanes.len()]);
        }
    }

    /// The accumulators of block `b` of the group, one lane a row, into `self.state`.
    pub(super) fn block_state<T: Element>(
        &mut self,
        sweep: &Sweep<'_, T, C>,
        states: &mut [C],
        b: usize,
        count: usize,
    ) {
        let layout = sweep.layout;
        let (block, slots) = (layout.block(), layout.slots.state as usize);
        match layout.schedule.lanes {
            Lanes::Rows => {
                let len = layout.state_len();
                self.state.as_mut_slice()[..len].copy_from_slice(&states[b * len..][..len]);
            }
            Lanes::Columns => {
                let len = layout.pair_state_len();
                let first = b * block;
                for r in first..first + count {
                    self.fold_lanes(sweep, &mut states[r * len..][..len]);
                }
                let state = self.state.as_mut_slice();
                for lane in 0..block {
                    let row = (first + lane.min(count - 1)) * len;
                    for s in 0..slots {
                        state[s * block + lane] = states[row + s * LANES_OVER_COLUMNS];
                    }
                }
            }
        }
    }
}

/// Copy virtual lanes of one row's accumulators to the front of a block.
fn take_lanes<C: Real>(to: &mut [C], block: usize, state: &[C], lanes: Range<usize>) {
    for (to, from) in to.chunks_exact_mut(block).zip(state.chunks_exact(LANES_OVER_COLUMNS)) {
        to[..lanes.len()].copy_from_slice(&from[lanes.clone()]);
    }
}
