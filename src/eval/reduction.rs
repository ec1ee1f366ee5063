//! Reductions of float64 values over the columns of one row.

use super::Task;
use super::nodes::Nodes;
use super::scalar::Plain;
use crate::reduce::{Family, Preference, Reduction};

/// The results of the current row: values and indices, whichever the reduction has (selections have both).
pub(super) fn row(task: &Task<'_>, nodes: &mut Nodes<'_, Plain>) -> (Vec<f64>, Vec<i64>) {
    match task.reduction.family() {
        Family::Sum => (sum(task, nodes), Vec::new()),
        Family::Exponential => (exponential(task, nodes), Vec::new()),
        Family::Selection => selection(task, nodes),
    }
}

/// A sum in two words, so that the oracle's own rounding is far below any engine's.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Total {
    sum: f64,
    lost: f64,
}

impl Total {
    pub(super) fn add(&mut self, term: f64) {
        let next = self.sum + term;
        let (large, small) =
            if self.sum.abs() >= term.abs() { (self.sum, term) } else { (term, self.sum) };
        self.lost += (large - next) + small;
        self.sum = next;
    }

    /// What `lost` says of infinite sums is NaN, and not meant.
    pub(super) fn value(self) -> f64 {
        if self.sum.is_finite() { self.sum + self.lost } else { self.sum }
    }
}

fn sum(task: &Task<'_>, nodes: &mut Nodes<'_, Plain>) -> Vec<f64> {
    let mut totals = vec![Total::default(); task.output_dim()];
    for column in 0..task.columns() {
        if !nodes.enter_column(column) {
            continue;
        }
        for (total, f) in totals.iter_mut().zip(nodes.value(task.root())) {
            total.add(*f);
        }
    }
    totals.into_iter().map(Total::value).collect()
}

/// The maximum of F in a first pass over the columns, sums of exp(F - maximum) in a second.
///
/// Beside a term +inf finite ones count for nothing, whatever their weight. While the maximum is infinite (nothing but -inf,
/// or +inf somewhere) sums are taken relative to 0.
fn exponential(task: &Task<'_>, nodes: &mut Nodes<'_, Plain>) -> Vec<f64> {
    let mut largest = f64::NEG_INFINITY;
    for column in 0..task.columns() {
        if !nodes.enter_column(column) {
            continue;
        }
        // Ignores NaN, which the sums will propagate.
        largest = largest.max(nodes.value(task.root())[0]);
    }
    let base = if largest.is_finite() { largest } else { 0.0 };
    let mut norm = Total::default();
    let mut sums = vec![Total::default(); task.weight().map_or(1, |w| nodes.value(w).len())];
    for column in 0..task.columns() {
        if !nodes.enter_column(column) {
            continue;
        }
        let f = nodes.value(task.root())[0];
        let beside_top = largest == f64::INFINITY && f.is_finite();
        let factor = if beside_top { 0.0 } else { (f - base).exp() };
        norm.add(factor);
        match task.weight() {
            None => sums[0].add(factor),
            Some(weight) => {
                for (sum, g) in sums.iter_mut().zip(nodes.value(weight)) {
                    sum.add(factor * g);
                }
            }
        }
    }
    let sums = sums.into_iter().map(Total::value);
    match task.reduction {
        Reduction::MaxSumShiftExp => std::iter::once(largest).chain(sums).collect(),
        Reduction::SumSoftMaxWeight => sums.map(|sum| sum / norm.value()).collect(),
        _ => sums.map(|sum| base + sum.ln()).collect(),
    }
}

/// The best `k` values of a component in order, each with its column; equal ones in the order of their columns.
#[derive(Clone, Debug)]
pub(super) struct Best {
    preference: Preference,
    k: usize,
    kept: Vec<(f64, i64)>,
    /// Columns seen.
    seen: usize,
    /// Whether one of them was not NaN.
    any_number: bool,
}

impl Best {
    pub(super) fn new(reduction: Reduction) -> Self {
        let k = reduction.k().unwrap_or(1) as usize;
        let preference = reduction.preference();
        Self { preference, k, kept: Vec::with_capacity(k), seen: 0, any_number: false }
    }

    /// Insert after all kept values that are as good, if it is among the best; NaN is ignored.
    pub(super) fn insert(&mut self, value: f64, column: usize) {
        self.seen += 1;
        if value.is_nan() {
            return;
        }
        self.any_number = true;
        let place = self.kept.partition_point(|(kept, _)| match self.preference {
            Preference::Smallest => *kept <= value,
            Preference::Largest => *kept >= value,
        });
        if place < self.k {
            self.kept.truncate(self.k - 1);
            self.kept.insert(place, (value, column as i64));
        }
    }

    /// The `k`-th best, or what stands for no such point: index -1 with the worst value there is, or with NaN for the slots
    /// that were filled if not every value were NaN.
    pub(super) fn slot(&self, k: usize) -> (f64, i64) {
        let missing = match self.preference {
            _ if k < self.seen && !self.any_number => f64::NAN,
            Preference::Smallest => f64::INFINITY,
            Preference::Largest => f64::NEG_INFINITY,
        };
        self.kept.get(k).copied().unwrap_or((missing, -1))
    }
}

/// Output slots in the order k-th best, then component.
fn selection(task: &Task<'_>, nodes: &mut Nodes<'_, Plain>) -> (Vec<f64>, Vec<i64>) {
    let dim = nodes.value(task.root()).len();
    let mut components = vec![Best::new(task.reduction); dim];
    for column in 0..task.columns() {
        if !nodes.enter_column(column) {
            continue;
        }
        for (best, f) in components.iter_mut().zip(nodes.value(task.root())) {
            best.insert(*f, column);
        }
    }
    let k = task.reduction.k().unwrap_or(1) as usize;
    (0..k).flat_map(|k| components.iter().map(move |best| best.slot(k))).unzip()
}
