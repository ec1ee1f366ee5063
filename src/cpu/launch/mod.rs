//! One call of a kernel: inputs packed into tiles, row groups swept over them in parallel, results written.
//!
//! The columns are packed tile by tile into a *panel* that all row groups share; a *group* is some blocks of rows, swept over
//! the panel's tiles in one task. Each tile gives one leaf of a merge tree whose shape depends on the tile's number only
//! ([`tree`]), so a result has the same bits for any number of threads, however rows and columns were divided among them.
//! Selections keep sorted lists instead ([`lists`], [`select`]), whose merge is exact. A kernel of several reductions has both; their
//! results stand beside each other in the arrays of one [`Out`], those of sums first.

mod kept;
mod lists;
mod packing;
mod partial;
mod pieces;
mod search;
mod select;
mod sweep;
mod tree;
mod waiting;
mod worker;

pub use crate::launch::{Indices, Out};
pub use partial::Partial;
pub use pieces::Pieces;
pub use waiting::Waiting;

use super::layout::Layout;
use super::memory::{Buffer, Pool};
use super::pack;
use super::stages::Stages;
use crate::dtype::{Element, Real};
use crate::loops::program::Space;
use crate::reduce::{Family, Preference, Reduction};
use crate::view::View;
use lists::Lists;
use std::sync::atomic::{AtomicBool, Ordering};
use sweep::Sweep;
use tree::Tree;
use worker::Worker;

/// What a selection keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Selection {
    /// Components of F, each selected on its own.
    pub dim: usize,
    /// Values kept.
    pub k: usize,
    /// Which values come first.
    pub preference: Preference,
}

impl Selection {
    /// The selection of a reduction of a formula of dim `dim`, if it is one.
    pub fn of(reduction: Reduction, dim: u32) -> Option<Selection> {
        (reduction.family() == Family::Selection).then(|| Selection {
            dim: dim as usize,
            k: reduction.k().unwrap_or(1) as usize,
            preference: reduction.preference(),
        })
    }
}

/// Where the work runs.
#[derive(Clone, Copy, Debug)]
pub enum Threads<'a> {
    /// On the calling thread.
    One,
    /// On rayon's pool that the caller is in, or its global one.
    Current,
    /// On a pool of its own.
    Own(&'a rayon::ThreadPool),
}

/// What is computed: arrays whose shapes have been checked against the kernel's formula.
#[derive(Clone, Copy, Debug)]
pub struct Job<'a, T> {
    /// One view a variable, in positional order.
    pub inputs: &'a [View<'a, T>],
    /// Output rows.
    pub rows: usize,
    /// Columns that are reduced over.
    pub columns: usize,
    /// Number of the first of them among the columns of the whole reduction: a multiple of the schedule's tile.
    pub first: usize,
    /// Number of the first row, where the formula has row numbers.
    pub first_row: usize,
    /// Where the arrays have more columns than take part: those that do, `columns` of them.
    pub pieces: Option<Pieces<'a>>,
    /// Whether something is summed.
    pub sums: bool,
    /// What is selected: at most one selection for either preference, all of the same dim.
    pub selections: &'a [Selection],
    /// Where the work runs.
    pub threads: Threads<'a>,
    /// Set by whoever wants no result any more; looked at between groups of rows of a call whose columns come in pieces.
    pub cancel: Option<&'a AtomicBool>,
}

impl Threads<'_> {
    /// How many threads there are.
    pub fn count(self) -> usize {
        match self {
            Threads::One => 1,
            Threads::Current => rayon::current_num_threads(),
            Threads::Own(pool) => pool.current_num_threads(),
        }
    }
}

impl<T: Sync> Job<'_, T> {
    fn is_cancelled(&self) -> bool {
        self.cancel.is_some_and(|flag| flag.load(Ordering::Relaxed))
    }

    /// Run `work` where the job says, with the number of threads that it may use; small jobs stay on the calling thread.
    pub fn on_threads<R: Send>(&self, work: impl FnOnce(usize) -> R + Send) -> R {
        let small = self.rows.saturating_mul(self.columns.max(1)) < SMALL;
        match self.threads {
            Threads::Own(pool) if !small => pool.install(|| work(pool.current_num_threads())),
            Threads::Current if !small => work(rayon::current_num_threads()),
            _ => work(1),
        }
    }
}

/// What is carried from tile to tile for a group of rows.
#[derive(Debug, Default)]
struct Group<C> {
    /// Partial accumulators of sums.
    tree: Tree<C>,
    /// Kept values of each selection.
    lists: [Lists<C>; 2],
}

/// Buffers of one call.
#[derive(Debug, Default)]
struct Workspace<C> {
    param: Buffer<C>,
    panel: Buffer<C>,
    /// Groups that wait for the next panel.
    waiting: Vec<Group<C>>,
}

/// A kernel ready to be called: its stages and the memory of its calls.
#[derive(Debug)]
pub struct Launcher<C> {
    stages: Box<dyn Stages<C>>,
    workspaces: Pool<Workspace<C>>,
    workers: Pool<Worker<C>>,
    /// Packed rows of groups.
    rows: Pool<Buffer<C>>,
    groups: Pool<Group<C>>,
}

/// Bytes of the packed columns that are held at once.
const PANEL_BYTES: usize = 16 << 20;
/// Bytes of accumulators that wait between panels; beyond it the rows are done in several passes.
const WAITING_BYTES: usize = 128 << 20;
/// Heights of nodes of the merge tree that are alive at the same time, about.
const WAITING_HEIGHTS: usize = 8;
/// The same, for each thread, where few groups of rows share the columns: they are then swept while still in cache.
const CACHED_PANEL_BYTES: usize = 1 << 20;
/// Groups of rows from which packed columns are used often enough to come from memory.
const MANY_GROUPS: usize = 8;
/// Rows of a group, that many blocks or that many rows: how often a packed column tile is used once it is in cache (bench: P3).
const GROUP_BLOCKS: usize = 8;
const GROUP_ROWS: usize = 256;
/// Rows of a task below which columns are divided instead of rows.
const TASK_ROWS: usize = 128;
/// Bytes of a group's rows: with a tile they fill a level-2 cache (bench: argmin-D784).
const GROUP_BYTES: usize = 896 << 10;
/// Pairs below which a call stays on its thread: a few tens of microseconds of work.
const SMALL: usize = 1 << 17;
/// Tasks for each thread.
const TASKS_PER_THREAD: usize = 2;

/// Tasks of a call: several for each thread, so that uneven ones balance.
fn tasks(threads: usize) -> usize {
    if threads == 1 { 1 } else { TASKS_PER_THREAD * threads }
}

impl<C: Real> Launcher<C> {
    /// A launcher of a kernel.
    pub fn new(stages: Box<dyn Stages<C>>) -> Launcher<C> {
        let (workspaces, workers) = (Pool::new(), Pool::new());
        Launcher { stages, workspaces, workers, rows: Pool::new(), groups: Pool::new() }
    }

    /// Free the memory that is kept for further calls.
    pub fn release(&self) {
        self.workspaces.clear();
        self.workers.clear();
        self.rows.clear();
        select::release::<C>();
        self.groups.clear();
    }

    /// The kernel's layout.
    pub fn layout(&self) -> &Layout {
        self.stages.layout()
    }

    /// Run a call.
    pub fn run<T: Element>(&self, job: &Job<'_, T>, out: Out<'_, T>) {
        job.on_threads(|threads| self.run_here(job, out, threads));
    }

    fn run_here<T: Element>(&self, job: &Job<'_, T>, out: Out<'_, T>, threads: usize) {
        if job.rows == 0 {
            return;
        }
        let mut workspace = self.workspaces.take();
        let Workspace { param, panel, waiting } = &mut workspace;
        self.prepare_param(job, param);
        let mut sweep = self.sweep(job, param.as_slice(), threads);
        let tiles = sweep.tiles_of_job();
        let held = sweep.held_tiles(threads);
        if tiles.len() <= held {
            panel.resize(tiles.len() * self.layout().col_len());
            sweep.pack(tiles.clone(), panel.as_mut_slice());
            (sweep.panel, sweep.first_tile) = (panel.as_slice(), tiles.start);
            sweep.whole(0..job.rows, tiles, out);
        } else {
            let step = sweep.waiting_rows();
            let mut rest = out;
            for first in (0..job.rows).step_by(step) {
                let rows = first..job.rows.min(first + step);
                let (here, others) = rest.split_rows(rows.len());
                sweep.panels(rows.clone(), tiles.clone(), held, panel, waiting);
                sweep.finish_all(rows, waiting, here);
                rest = others;
            }
            waiting.clear();
        }
        self.workspaces.give(workspace);
    }

    /// What the tasks of a call share, before anything is packed.
    fn sweep<'a, T: Element>(
        &'a self,
        job: &'a Job<'a, T>,
        param: &'a [C],
        threads: usize,
    ) -> Sweep<'a, T, C> {
        self.sweep_in(self.group_rows(job.rows, threads), job, param, threads)
    }

    /// The same for groups of so many rows.
    fn sweep_in<'a, T: Element>(
        &'a self,
        group_rows: usize,
        job: &'a Job<'a, T>,
        param: &'a [C],
        threads: usize,
    ) -> Sweep<'a, T, C> {
        let groups = job.rows.div_ceil(group_rows).max(1);
        Sweep {
            stages: &*self.stages,
            layout: self.layout(),
            job,
            param,
            panel: &[],
            first_tile: 0,
            group_rows,
            workers: &self.workers,
            rows: &self.rows,
            groups: &self.groups,
            parallel: threads > 1,
            splits: tasks(threads).div_ceil(groups).next_power_of_two().ilog2(),
        }
    }

    /// Rows of a group, of a call with so many rows on so many threads: whole blocks, as many as stay in cache packed, and about the
    /// same number in each group.
    fn group_rows(&self, rows: usize, threads: usize) -> usize {
        let layout = self.layout();
        let block = layout.block();
        let row = layout.slots.row as usize * layout.float.bytes();
        let fit = (GROUP_BYTES / row.max(1) / block).max(1) * block;
        let most = GROUP_ROWS.max(GROUP_BLOCKS * block).min(fit);
        let few = TASK_ROWS.min(rows.div_ceil(threads));
        let task = rows.div_ceil(tasks(threads)).max(few).max(1);
        task.div_ceil(task.div_ceil(most)).div_ceil(block) * block
    }

    fn prepare_param<T: Element>(&self, job: &Job<'_, T>, param: &mut Buffer<C>) {
        let layout = self.stages.layout();
        param.resize(layout.slots.param as usize);
        for (view, input) in job.inputs.iter().zip(&layout.inputs) {
            if let Some(input) = input.filter(|i| i.space == Space::Param) {
                pack::parameter(view, input, param.as_mut_slice());
            }
        }
        let mut worker = self.workers.take();
        worker.scratch.resize(layout.scratch);
        self.stages.param(param.as_mut_slice(), worker.scratch.as_mut_slice());
        self.workers.give(worker);
    }
}
