//! Bounds of reductions over the columns of one row.

use super::elementwise::{SECOND_ORDER, Sum};
use super::interval::{Bounded, Rounding};
use super::{Task, Tree};
use crate::eval::nodes::{Arithmetic, Nodes};
use crate::eval::reduction::{Best, Total};
use crate::formula::op::Op;
use crate::reduce::{Family, Reduction};

/// The results of the current row, and for selections the oracle's indices.
pub(super) fn row(
    task: &Task<'_>,
    nodes: &mut Nodes<'_, Rounding>,
    tree: Tree,
) -> (Vec<Bounded>, Vec<i64>) {
    match task.reduction.family() {
        Family::Sum => (sum(task, nodes, tree), Vec::new()),
        Family::Exponential => (exponential(task, nodes, tree), Vec::new()),
        Family::Selection => selection(task, nodes),
    }
}

fn sum(task: &Task<'_>, nodes: &mut Nodes<'_, Rounding>, tree: Tree) -> Vec<Bounded> {
    let mut sums = vec![(Total::default(), Sum::default()); task.output_dim()];
    for column in 0..task.columns() {
        if !nodes.enter_column(column) {
            continue;
        }
        for ((total, sum), f) in sums.iter_mut().zip(nodes.value(task.root())) {
            total.add(f.value);
            sum.add(*f);
        }
    }
    let rounding = nodes.arithmetic();
    sums.into_iter()
        .map(|(total, sum)| sum.bounded(&rounding, total.value(), tree.height))
        .collect()
}

/// Roundings of a term exp(F - base) besides the subtraction's, and of one change of the base: an exponential of 2 ulp and a
/// product.
const TERM: f64 = 5.0;
/// Roundings of a logarithm of 2 ulp.
const LOG: f64 = 4.0;

/// The extent of F over the columns.
#[derive(Clone, Copy)]
struct Extent {
    /// The maximum of numbers, as an interval.
    largest: Bounded,
    any_nan: bool,
    any_unknown: bool,
}

fn extent(task: &Task<'_>, nodes: &mut Nodes<'_, Rounding>) -> Extent {
    let none = Bounded::exact(f64::NEG_INFINITY);
    let mut extent = Extent { largest: none, any_nan: false, any_unknown: false };
    for column in 0..task.columns() {
        if !nodes.enter_column(column) {
            continue;
        }
        let f = nodes.value(task.root())[0];
        extent.any_nan |= f.is_nan();
        extent.any_unknown |= f.is_unknown();
        if !f.is_nan() {
            let largest = &mut extent.largest;
            largest.value = largest.value.max(f.value);
            largest.low = largest.low.max(f.low);
            largest.high = largest.high.max(f.high);
        }
    }
    extent
}

/// In exact arithmetic the result does not depend on the base that sums are taken relative to, so the oracle's maximum serves
/// for all engines; an engine's other base shows only in roundings.
fn exponential(task: &Task<'_>, nodes: &mut Nodes<'_, Rounding>, tree: Tree) -> Vec<Bounded> {
    let Extent { largest, any_nan, any_unknown } = extent(task, nodes);
    let base = if largest.value.is_finite() { largest.value } else { 0.0 };
    let dim = task.weight().map_or(1, |w| nodes.value(w).len());
    let mut norm = (Total::default(), Sum::default());
    let mut sums = vec![norm; dim];
    // Whether the weight of some term +inf is not surely positive, and whether some weight is infinite or unknown.
    let (mut any_odd_top, mut any_odd_weight) = (vec![false; dim], vec![false; dim]);
    // Relative to the largest F so far, which engines begin with, every factor is at most 1 and may be 1.
    let mut weights = vec![0.0; dim];
    let rounding = nodes.arithmetic();
    for column in 0..task.columns() {
        if !nodes.enter_column(column) {
            continue;
        }
        let f = nodes.value(task.root())[0];
        let factor = term(&rounding, f, base, tree);
        let value = (f.value - base).exp();
        norm.0.add(value);
        norm.1.add(factor);
        let Some(weight) = task.weight() else {
            sums[0].0.add(value);
            sums[0].1.add(factor);
            continue;
        };
        for (k, g) in nodes.value(weight).iter().enumerate() {
            any_odd_top[k] |= f.value == f64::INFINITY && g.low <= 0.0;
            any_odd_weight[k] |= !g.is_finite();
            weights[k] += g.magnitude();
            sums[k].0.add(value * g.value);
            sums[k].1.add(rounding.apply(&Op::Mul, &[factor, *g]));
        }
    }
    let mut results = Vec::with_capacity(task.output_dim());
    if task.reduction == Reduction::MaxSumShiftExp {
        // Whether the maximum ignores NaN is nobody's business.
        let unsure = any_nan || any_unknown;
        let largest = largest.with_either_zero();
        results.push(if unsure { Bounded::unknown(largest.value) } else { largest });
    }
    let overflows = |k: usize| weights[k] > rounding.largest / 2.0;
    let bounded = |sum: &(Total, Sum)| sum.1.bounded(&rounding, sum.0.value(), tree.height + 1.0);
    for (k, sum) in sums.iter().enumerate() {
        let sum = bounded(sum);
        let top = largest.is_exact() && largest.value == f64::INFINITY;
        let value = match task.reduction {
            Reduction::MaxSumShiftExp => sum.value,
            Reduction::SumSoftMaxWeight => sum.value / norm.0.value(),
            _ => base + sum.value.ln(),
        };
        results.push(if any_nan {
            Bounded::exact(f64::NAN)
        } else if any_unknown || any_odd_weight[k] || largest.is_unknown() || overflows(k) {
            Bounded::unknown(value)
        } else {
            match task.reduction {
                Reduction::MaxSumShiftExp if top => Bounded::unknown(value),
                Reduction::MaxSumShiftExp => rebased(&rounding, sum, largest),
                Reduction::SumSoftMaxWeight if top => Bounded::exact(f64::NAN),
                Reduction::SumSoftMaxWeight => rounding.apply(&Op::Div, &[sum, bounded(&norm)]),
                _ if top && any_odd_top[k] => Bounded::unknown(value),
                _ if top => Bounded::exact(f64::INFINITY),
                _ => log_domain(&rounding, sum, base, largest),
            }
        });
    }
    results
}

/// exp(F - base) for a finite base: the difference is rounded relative to itself, and so are those of later changes of the
/// base, which add up to no more.
fn term(rounding: &Rounding, f: Bounded, base: f64, tree: Tree) -> Bounded {
    if !f.is_finite() {
        let value = (f.value - base).exp();
        return if f.is_exact() { Bounded::exact(value) } else { Bounded::unknown(value) };
    }
    let at = |x: f64| (x - base).exp();
    let (low, high) = (at(f.low), at(f.high));
    let differences = (f.low - base).abs().max((f.high - base).abs());
    let roundings = TERM * (1.0 + tree.rescales) + 2.0 * differences;
    let relative = roundings * rounding.unit * SECOND_ORDER;
    let tiny = TERM * rounding.tiny;
    // A difference may overflow; what has vanished in the oracle has vanished.
    let scaled = |end: f64, by: f64| if end == 0.0 { 0.0 } else { end * by };
    Bounded {
        value: at(f.value),
        low: (scaled(low, 1.0 - relative) - tiny).max(0.0),
        high: scaled(high, 1.0 + relative) + tiny,
    }
}

/// base + log(sum).
fn log_domain(rounding: &Rounding, sum: Bounded, base: f64, largest: Bounded) -> Bounded {
    let value = base + sum.value.ln();
    if sum.is_exact() && sum.value == 0.0 {
        return Bounded::exact(f64::NEG_INFINITY);
    }
    if sum.high < 0.0 {
        return Bounded::exact(f64::NAN);
    }
    if sum.low <= 0.0 || sum.is_unknown() {
        return Bounded::unknown(value);
    }
    // An engine's base differs from this one by the error of F, and so does its logarithm.
    let shift = largest.error();
    let (low, high) = (sum.low.ln(), sum.high.ln());
    let logarithm = low.abs().max(high.abs()) + shift;
    let sizes = LOG * logarithm + base.abs() + shift + (base + low).abs().max((base + high).abs());
    let slack = sizes * rounding.unit * SECOND_ORDER;
    rounding.round(Bounded { value, low: base + low - slack, high: base + high + slack }, 1.0)
}

/// A sum relative to the oracle's maximum, relative to an engine's.
fn rebased(rounding: &Rounding, sum: Bounded, largest: Bounded) -> Bounded {
    if largest.value.is_infinite() {
        return sum;
    }
    let scale = Bounded {
        value: 1.0,
        low: (largest.value - largest.high).exp(),
        high: (largest.value - largest.low).exp(),
    };
    let result = rounding.apply(&Op::Mul, &[sum, scale]);
    Bounded { value: sum.value, ..result }
}

/// A component's best values, and the best of the lower and of the upper ends of their intervals.
struct Ends {
    value: Best,
    low: Best,
    high: Best,
    any_unknown: bool,
    /// Whether some value is certainly not NaN.
    any_number: bool,
    /// Whether some value may or may not be a zero, or one of either sign.
    any_open_zero: bool,
}

/// The k-th best of intervals lies between the k-th best of their lower and of their upper ends.
fn selection(task: &Task<'_>, nodes: &mut Nodes<'_, Rounding>) -> (Vec<Bounded>, Vec<i64>) {
    let dim = nodes.value(task.root()).len();
    let best = || Best::new(task.reduction);
    let ends = || Ends {
        value: best(),
        low: best(),
        high: best(),
        any_unknown: false,
        any_number: false,
        any_open_zero: false,
    };
    let mut components: Vec<Ends> = (0..dim).map(|_| ends()).collect();
    for column in 0..task.columns() {
        if !nodes.enter_column(column) {
            continue;
        }
        for (ends, f) in components.iter_mut().zip(nodes.value(task.root())) {
            ends.value.insert(if f.is_nan() { f64::NAN } else { f.value }, column);
            ends.low.insert(f.low, column);
            ends.high.insert(f.high, column);
            ends.any_unknown |= f.is_unknown();
            ends.any_number |= !f.is_unknown() && !f.is_nan();
            ends.any_open_zero |= !f.is_exact() && f.low <= 0.0 && f.high >= 0.0;
        }
    }
    let k = task.reduction.k().unwrap_or(1) as usize;
    let slot = |ends: &Ends, k: usize| {
        let (value, index) = ends.value.slot(k);
        // If the unknown ones are NaN, all are.
        if ends.any_unknown && !ends.any_number && k < task.columns() {
            return (Bounded::unknown(value), index);
        }
        let slot = Bounded { value, low: ends.low.slot(k).0, high: ends.high.slot(k).0 };
        (if ends.any_open_zero { slot.with_either_zero() } else { slot }, index)
    };
    (0..k).flat_map(|k| components.iter().map(move |c| (c, k))).map(|(c, k)| slot(c, k)).unzip()
}
