//! A problem of which only some pairs are kept, with the oracle on the kept columns of each row.

#![allow(dead_code, unreachable_pub, reason = "each test binary uses a part")]

use genred::eval::{self, Matrix, Task};
use genred::formula::{Category, typing};
use genred::{Array, Backend, Element, Float, Genred, Kernel, Reduction};

pub const REDUCTIONS: [Reduction; 13] = Reduction::all(3);
pub const ALIASES: [&str; 3] = ["x = Vi(2)", "y = Vj(2)", "g = Pm(1)"];
pub const FORMULA: &str = "SqDist(x, y) - g * y[0]";
pub const WEIGHT: &str = "y * g";
/// The value of g.
pub const G: f64 = 0.5;

/// The problem under a reduction.
pub fn genred<T: Element>(reduction: Reduction, rows: Category) -> Genred<T> {
    let weighted = reduction == Reduction::SumSoftMaxWeight;
    let dim = reduction.output_dim(1, weighted.then_some(2));
    let vector = if rows == Category::I { "Vi" } else { "Vj" };
    let genred = Genred::<T>::reduction(reduction, FORMULA)
        .output(format!("a = {vector}({dim})"))
        .aliases(ALIASES);
    if weighted { genred.weight(WEIGHT) } else { genred }
}

/// The kernel of an engine, unless this machine lacks its vectors; Cranelift and the interpreter are everywhere.
pub fn compile<T: Element>(genred: Genred<T>, backend: Backend) -> Option<Kernel<T>> {
    match genred.backend(backend).compile() {
        Ok(kernel) => Some(kernel),
        Err(error) if error.is_device() && matches!(backend, Backend::Avx2 | Backend::Avx512) => {
            None
        }
        Err(error) => panic!("{error}"),
    }
}

/// Points of the plane, as float64.
pub struct Points<'a> {
    pub x: &'a [f64],
    pub y: &'a [f64],
}

impl Points<'_> {
    /// The oracle on one row and the columns that it keeps; indices among all columns.
    fn row(
        &self,
        (reduction, rows): (Reduction, Category),
        row: usize,
        keeps: impl Fn(usize, usize) -> bool,
    ) -> (Vec<f64>, Vec<i64>) {
        let weighted = reduction == Reduction::SumSoftMaxWeight;
        let formula = typing::formula(FORMULA, weighted.then_some(WEIGHT), &ALIASES).unwrap();
        let (own, other) = if rows == Category::I { (self.x, self.y) } else { (self.y, self.x) };
        let takes = |c: &usize| if rows == Category::I { keeps(row, *c) } else { keeps(*c, row) };
        let kept: Vec<usize> = (0..other.len() / 2).filter(takes).collect();
        let one = Matrix::new(1, 2, own[row * 2..][..2].to_vec());
        let many = kept.iter().flat_map(|c| other[c * 2..][..2].to_vec()).collect();
        let many = Matrix::new(kept.len(), 2, many);
        let g = Matrix::new(1, 1, vec![G]);
        let (m, n) = if rows == Category::I { (1, kept.len()) } else { (kept.len(), 1) };
        let inputs = if rows == Category::I { [one, many, g] } else { [many, one, g] };
        let task =
            Task { formula: &formula, rows, reduction, float: Float::F64, inputs: &inputs, m, n };
        let outcome = eval::reduce(&task);
        let indices = outcome.indices.map(|i| i.values).unwrap_or_default();
        let global = |place: i64| usize::try_from(place).map_or(-1, |place| kept[place] as i64);
        (outcome.values.values, indices.into_iter().map(global).collect())
    }

    /// Every row of a result is what the oracle finds for it.
    pub fn check<T: Element>(
        &self,
        problem: (Reduction, Category),
        (values, indices): &(Array<T>, Option<Array<i64>>),
        keeps: impl Fn(usize, usize) -> bool,
        place: &str,
    ) {
        for row in 0..values.rows() {
            let (expected, at) = self.row(problem, row, &keeps);
            for (found, expected) in values.row(row).iter().zip(&expected) {
                let found = found.to_f64();
                assert!(agree(found, *expected), "{place} row {row}: {found}, not {expected}");
            }
            if let Some(indices) = indices {
                assert_eq!(indices.row(row), at, "{place} row {row}");
            }
        }
    }
}

/// Values of F are multiples of 1/8, whose sums are exact in float32; exponentials are not.
pub fn agree(found: f64, expected: f64) -> bool {
    found == expected
        || (found.is_nan() && expected.is_nan())
        || (found - expected).abs() <= 4e-6 * expected.abs().max(1.0)
}
