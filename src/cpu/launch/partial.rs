//! Partial results: accumulators of all rows for some of the columns, independent of the engine that made them.

use super::select::At;
use super::tree::Place;
use super::{Job, Launcher, Lists, Out, Selection, Workspace};
use crate::dtype::{Element, Real};
use crate::schedule::{LANES_OVER_COLUMNS, Lanes};
use std::collections::BTreeMap;

/// Accumulators of all rows for a set of columns.
#[derive(Clone, Debug, PartialEq)]
pub enum Partial<C> {
    /// Nodes of the merge tree by first tile: their height, and accumulators as `[row][slot][lane]`.
    Sums(BTreeMap<u64, (u32, Vec<C>)>),
    /// Sorted values and indices, `[row][component][k]`.
    Selected(Vec<C>, Vec<i64>),
}

impl<C: Real> Partial<C> {
    /// A partial result that has seen no column.
    pub fn empty(rows: usize, selection: Option<Selection>) -> Partial<C> {
        match selection {
            None => Partial::Sums(BTreeMap::new()),
            Some(selection) => {
                let mut lists = Lists::default();
                lists.clear(rows, selection);
                let (values, indices) = lists.into_parts();
                Partial::Selected(values, indices)
            }
        }
    }
}

impl<C: Real> Launcher<C> {
    /// The accumulators of the job's columns.
    pub fn partial<T: Element>(&self, job: &Job<'_, T>) -> Partial<C> {
        job.on_threads(|threads| self.partial_here(job, threads))
    }

    fn partial_here<T: Element>(&self, job: &Job<'_, T>, threads: usize) -> Partial<C> {
        let mut result = Partial::empty(job.rows, job.selections.first().copied());
        if job.rows == 0 || job.columns == 0 {
            return result;
        }
        let mut workspace = self.workspaces.take();
        let Workspace { param, panel, waiting } = &mut workspace;
        self.prepare_param(job, param);
        let sweep = self.sweep(job, param.as_slice(), threads);
        sweep.panels(0..job.rows, sweep.tiles_of_job(), sweep.held_tiles(threads), panel, waiting);
        match &mut result {
            Partial::Selected(values, indices) => {
                values.clear();
                indices.clear();
                for group in waiting.iter() {
                    let (v, i) = group.lists[0].parts();
                    values.extend(v);
                    indices.extend(i);
                }
            }
            Partial::Sums(nodes) => {
                for (g, group) in waiting.iter().enumerate() {
                    let rows = sweep.group_rows.min(job.rows - g * sweep.group_rows);
                    for (place, states) in group.tree.nodes() {
                        let node = nodes.entry(place.first).or_insert((place.height, Vec::new()));
                        self.rows_of(states, rows, &mut node.1);
                    }
                }
            }
        }
        waiting.clear();
        self.workspaces.give(workspace);
        result
    }

    /// Whether a partial result has the lengths of this kernel's accumulators.
    pub fn fits(&self, partial: &Partial<C>, rows: usize, selection: Option<Selection>) -> bool {
        let slots = self.layout().slots.state as usize * self.partial_lanes();
        match (partial, selection) {
            (Partial::Sums(nodes), None) => {
                nodes.values().all(|(_, states)| Some(states.len()) == rows.checked_mul(slots))
            }
            (Partial::Selected(values, indices), Some(Selection { dim, k, .. })) => {
                let len = rows.checked_mul(dim * k);
                Some(values.len()) == len && Some(indices.len()) == len
            }
            _ => false,
        }
    }

    /// Append the accumulators of a group's node to `[row][slot][lane]`.
    fn rows_of(&self, states: &[C], rows: usize, to: &mut Vec<C>) {
        let layout = self.layout();
        let len = layout.pair_state_len();
        match layout.schedule.lanes {
            Lanes::Columns => to.extend(&states[..rows * len]),
            Lanes::Rows => {
                let (block, slots) = (layout.block(), layout.slots.state as usize);
                for r in 0..rows {
                    let state = &states[r / block * len..][..len];
                    to.extend((0..slots).map(|s| state[s * block + r % block]));
                }
            }
        }
    }

    /// Lanes of a slot of one row in a partial result.
    fn partial_lanes(&self) -> usize {
        match self.layout().schedule.lanes {
            Lanes::Columns => LANES_OVER_COLUMNS,
            Lanes::Rows => 1,
        }
    }

    /// Join the accumulators of other columns of the same rows. The result depends on the union of the columns only.
    pub fn join(&self, partial: &mut Partial<C>, other: &Partial<C>, selection: Option<Selection>) {
        match (partial, other) {
            (Partial::Sums(nodes), Partial::Sums(others)) => {
                nodes.extend(others.iter().map(|(first, node)| (*first, node.clone())));
                self.settle(nodes);
            }
            (Partial::Selected(values, indices), Partial::Selected(v, i)) => {
                let Some(selection) = selection else { return };
                let mut lists =
                    Lists::from_parts(std::mem::take(values), std::mem::take(indices), selection);
                lists.join(&Lists::from_parts(v.clone(), i.clone(), selection));
                (*values, *indices) = lists.into_parts();
            }
            _ => unreachable!("partial results of one kernel are of one family"),
        }
    }

    /// Merge all pairs of nodes that are halves of one.
    fn settle(&self, nodes: &mut BTreeMap<u64, (u32, Vec<C>)>) {
        let mut done: Vec<(Place, Vec<C>)> = Vec::new();
        for (first, (height, states)) in std::mem::take(nodes) {
            done.push((Place { first, height }, states));
            while let [.., (a, _), (b, _)] = &done[..]
                && a.is_left_half_beside(*b)
            {
                let (_, right) = done.pop().expect("there are two");
                let (place, left) = done.last_mut().expect("there is one");
                self.merge_rows(left, &right, self.partial_lanes());
                place.height += 1;
            }
        }
        nodes.extend(done.into_iter().map(|(place, states)| (place.first, (place.height, states))));
    }

    /// Merge accumulators given as `[row][slot][lane]`.
    fn merge_rows(&self, own: &mut [C], others: &[C], lanes: usize) {
        let layout = self.layout();
        let (block, slots) = (layout.block(), layout.slots.state as usize);
        // Accumulator `n` of a slot, counted over rows and lanes.
        let at = |n: usize, s: usize| (n / lanes * slots + s) * lanes + n % lanes;
        let total = own.len() / slots.max(1);
        let mut worker = self.workers.take();
        worker.prepare(layout);
        for first in (0..total).step_by(block) {
            let count = block.min(total - first);
            let (a, b) = (worker.state.as_mut_slice(), worker.other.as_mut_slice());
            for s in 0..slots {
                for lane in 0..count {
                    a[s * block + lane] = own[at(first + lane, s)];
                    b[s * block + lane] = others[at(first + lane, s)];
                }
            }
            self.stages.merge(a, b, worker.scratch.as_mut_slice());
            for s in 0..slots {
                for lane in 0..count {
                    own[at(first + lane, s)] = a[s * block + lane];
                }
            }
        }
        self.workers.give(worker);
    }

    /// Results of a partial result that has seen every column.
    pub fn finish<T: Element>(
        &self,
        partial: &Partial<C>,
        (rows, columns): (usize, usize),
        selection: Option<Selection>,
        mut out: Out<'_, T>,
    ) {
        match (partial, selection) {
            (Partial::Selected(values, indices), Some(selection)) => {
                let lists = Lists::from_parts(values.clone(), indices.clone(), selection);
                let seen = |row: usize, most: usize| match &self.layout().keep {
                    None => columns.min(most),
                    Some(keep) => keep.count(row, 0..columns, most),
                };
                let at = At { values: 0, indices: 0 };
                super::select::finish(rows, seen, None, &lists, (&mut out, at), selection);
            }
            (Partial::Sums(nodes), _) => self.finish_sums(nodes, rows, &mut out),
            _ => unreachable!("partial results of one kernel are of one family"),
        }
    }

    fn finish_sums<T: Element>(
        &self,
        nodes: &BTreeMap<u64, (u32, Vec<C>)>,
        rows: usize,
        out: &mut Out<'_, T>,
    ) {
        let layout = self.layout();
        let (block, slots) = (layout.block(), layout.slots.state as usize);
        let lanes = self.partial_lanes();
        let mut states: Vec<C> = match nodes.values().next_back() {
            Some((_, last)) => last.clone(),
            None => {
                let identity = layout.identity.iter().map(|v| C::from_f64(*v));
                let row: Vec<C> = identity.flat_map(|v| std::iter::repeat_n(v, lanes)).collect();
                row.repeat(rows)
            }
        };
        for (_, left) in nodes.values().rev().skip(1) {
            let mut sum = left.clone();
            self.merge_rows(&mut sum, &states, lanes);
            states = sum;
        }
        // Lane l with lane l + n/2, then n/4, ... as with lanes over columns in one call.
        let mut half = lanes / 2;
        while half > 0 {
            let part = |from: usize| -> Vec<C> {
                states
                    .chunks_exact(2 * half)
                    .flat_map(|row| &row[from..from + half])
                    .copied()
                    .collect()
            };
            let (mut left, right) = (part(0), part(half));
            self.merge_rows(&mut left, &right, half);
            states = left;
            half /= 2;
        }
        let mut worker = self.workers.take();
        worker.prepare(layout);
        worker.out.resize(layout.out_len());
        let mut row = self.rows.take();
        row.resize(layout.row_len());
        let param = vec![C::default(); layout.slots.param as usize];
        for first in (0..rows).step_by(block) {
            let count = block.min(rows - first);
            let state = worker.state.as_mut_slice();
            for lane in 0..block {
                let row = (first + lane.min(count - 1)) * slots;
                for s in 0..slots {
                    state[s * block + lane] = states[row + s];
                }
            }
            let results = worker.out.as_mut_slice();
            let scratch = worker.scratch.as_mut_slice();
            self.stages.finish(&param, row.as_slice(), state, results, scratch);
            for (s, values) in worker.out.as_slice().chunks_exact(block).enumerate() {
                for (lane, value) in values[..count].iter().enumerate() {
                    out.set_value(first + lane, s, value.store());
                }
            }
        }
        self.rows.give(row);
        self.workers.give(worker);
    }
}
