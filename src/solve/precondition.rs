//! Approximate inverses of `alpha I + K`.

use super::operator::Operator;
use super::{KernelSolve, Preconditioner, factor};
use crate::dtype::{DType, Element};
use crate::error::{Error, ErrorKind};
use crate::formula::grad::Coupling;

/// A symmetric, positive definite map of the vectors of one system.
pub(super) enum Inverse {
    Identity,
    /// Division by these numbers.
    Diagonal(Vec<f64>),
    /// The inverse of `shift I + L L'`.
    LowRank(LowRank),
}

pub(super) struct LowRank {
    shift: f64,
    rank: usize,
    /// L, a row for every unknown.
    rows: Vec<f64>,
    /// The Cholesky factor of `shift I + L'L`.
    inner: Vec<f64>,
}

/// The approximate inverses of all systems: one each, or a single one for all.
pub(super) struct Inverses(Vec<Inverse>);

impl Inverses {
    pub(super) fn of(&self, system: usize) -> &Inverse {
        &self.0[system % self.0.len()]
    }
}

/// What a solver asks for.
pub(super) fn of<T: Element>(
    operator: &Operator<'_, T>,
    solve: &KernelSolve<T>,
) -> Result<Inverses, Error> {
    // Systems with the same matrix share one.
    let systems = if solve.coupling == Coupling::Same { 1 } else { operator.systems() };
    if solve.preconditioner == Preconditioner::None || operator.unknowns() == 0 {
        return Ok(Inverses(vec![Inverse::Identity]));
    }
    let diagonal = operator.diagonal()?;
    for (place, value) in diagonal.iter().enumerate() {
        let sum = solve.alpha + value;
        if !(sum > 0.0 && sum.is_finite()) {
            return Err(Error::new(
                ErrorKind::Unsolved,
                format!(
                    "alpha I + K is not positive definite: its diagonal is {sum} in {}",
                    operator.named(place)
                ),
            ));
        }
    }
    let each = (0..systems).map(|system| {
        let unknowns = 0..operator.unknowns();
        let own: Vec<f64> = unknowns.map(|k| diagonal[operator.place(system, k)]).collect();
        Ok(match solve.preconditioner {
            Preconditioner::None => Inverse::Identity,
            Preconditioner::Jacobi => {
                Inverse::Diagonal(own.into_iter().map(|value| solve.alpha + value).collect())
            }
            Preconditioner::Nystrom(rank) => {
                match LowRank::new(operator, system, own, rank, solve.alpha)? {
                    Some(low_rank) => Inverse::LowRank(low_rank),
                    None => Inverse::Identity,
                }
            }
        })
    });
    each.collect::<Result<_, Error>>().map(Inverses)
}

impl LowRank {
    /// A partial Cholesky decomposition of K: each step takes the column with the largest diagonal of what is left. `None` if its
    /// products are beyond float64.
    fn new<T: Element>(
        operator: &Operator<'_, T>,
        system: usize,
        mut left: Vec<f64>,
        rank: usize,
        alpha: f64,
    ) -> Result<Option<LowRank>, Error> {
        let n = left.len();
        let most = rank.min(n);
        let mut l: Vec<f64> = Vec::new();
        if n.checked_mul(most).is_none_or(|len| l.try_reserve_exact(len).is_err()) {
            let message =
                format!("no memory for a Nystrom preconditioner of rank {most} of {n} unknowns");
            return Err(Error::new(ErrorKind::Limit, message));
        }
        l.resize(n * most, 0.0);
        // Below this the columns are rounding errors.
        let unit = if T::DTYPE == DType::F64 { f64::EPSILON } else { f32::EPSILON.into() };
        let floor = 8.0 * unit * left.iter().copied().fold(0.0, f64::max);
        let mut rank = 0;
        while rank < most {
            let pivot = (1..n).fold(0, |best, k| if left[k] > left[best] { k } else { best });
            if left[pivot] <= floor || left[pivot].is_nan() {
                break;
            }
            let column = operator.column(system, pivot)?;
            let root = left[pivot].sqrt();
            let of_pivot = l[pivot * most..pivot * most + rank].to_vec();
            for (k, entry) in column.into_iter().enumerate() {
                let row = &mut l[k * most..k * most + rank + 1];
                let value = (entry - factor::dot(&row[..rank], &of_pivot)) / root;
                row[rank] = value;
                left[k] -= value * value;
            }
            left[pivot] = 0.0;
            rank += 1;
        }
        if rank < most {
            // Rows without the columns that were not needed.
            for k in 0..n {
                l.copy_within(k * most..k * most + rank, k * rank);
            }
            l.truncate(n * rank);
        }
        Ok(LowRank::of_rows(l, rank, n, alpha))
    }

    fn of_rows(rows: Vec<f64>, rank: usize, n: usize, alpha: f64) -> Option<LowRank> {
        let mut products = vec![0.0; rank * rank];
        for row in rows.chunks_exact(rank.max(1)).take(n) {
            for (i, a) in row.iter().enumerate() {
                for (sum, b) in products[i * rank..i * rank + i + 1].iter_mut().zip(row) {
                    *sum += a * b;
                }
            }
        }
        let trace: f64 = (0..rank).map(|i| products[i * rank + i]).sum();
        // At least so much that rounding cannot make the small matrix indefinite.
        let mut shift = alpha.max(f64::EPSILON * rank as f64 * trace);
        while shift.is_finite() {
            let mut inner = products.clone();
            (0..rank).for_each(|i| inner[i * rank + i] += shift);
            if factor::cholesky(&mut inner, rank) {
                return Some(LowRank { shift, rank, rows, inner });
            }
            shift *= 4.0;
        }
        None
    }

    fn apply(&self, r: &[f64], z: &mut [f64]) {
        let mut small = vec![0.0; self.rank];
        let rows = || self.rows.chunks_exact(self.rank.max(1));
        for (row, r) in rows().zip(r) {
            small.iter_mut().zip(row).for_each(|(sum, l)| *sum += l * r);
        }
        factor::solve(&self.inner, self.rank, &mut small);
        z.copy_from_slice(r);
        for (row, z) in rows().zip(z.iter_mut()) {
            *z -= factor::dot(row, &small);
        }
        z.iter_mut().for_each(|z| *z /= self.shift);
    }
}

impl Inverse {
    /// The image z of r.
    pub(super) fn apply(&self, r: &[f64], z: &mut [f64]) {
        match self {
            Inverse::Identity => z.copy_from_slice(r),
            Inverse::Diagonal(diagonal) => {
                z.iter_mut().zip(r).zip(diagonal).for_each(|((z, r), d)| *z = r / d);
            }
            Inverse::LowRank(low_rank) => low_rank.apply(r, z),
        }
    }
}
