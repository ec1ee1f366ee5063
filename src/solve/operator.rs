//! A kernel as a matrix: its products with vectors, its columns, its diagonal.

use super::KernelSolve;
use crate::alias::Category;
use crate::dtype::{DType, Element};
use crate::error::{Error, ErrorKind};
use crate::formula::grad::Coupling;
use crate::kernel::Shape;
use crate::ranges::{RangeArrays, Ranges};
use crate::view::{View, ViewMut};

/// K for the arguments of one call. Its vectors hold `dim` components a row; they belong to `systems()` independent systems of `width`
/// adjacent components each.
pub(super) struct Operator<'a, T> {
    solve: &'a KernelSolve<T>,
    args: Vec<View<'a, T>>,
    rows: usize,
    dim: usize,
    width: usize,
}

impl<'a, T: Element> Operator<'a, T> {
    pub(super) fn new(
        solve: &'a KernelSolve<T>,
        args: &[View<'a, T>],
    ) -> Result<Operator<'a, T>, Error> {
        let Shape { rows, columns } = solve.kernel.check(args)?;
        if rows != columns {
            let (i, j) = if solve.kernel.plan().rows == Category::I {
                (rows, columns)
            } else {
                (columns, rows)
            };
            return Err(Error::shape(format!(
                "there are {i} rows i and {j} rows j: the matrix of a solve is square"
            ))
            .help("`KernelSolve` takes the same points for i and for j"));
        }
        let dim = solve.kernel.dim();
        let width = if solve.coupling == Coupling::Mixed { dim } else { 1 };
        Ok(Operator { solve, args: args.to_vec(), rows, dim, width })
    }

    pub(super) fn solve(&self) -> &KernelSolve<T> {
        self.solve
    }

    /// Numbers of a whole vector.
    pub(super) fn len(&self) -> usize {
        self.rows * self.dim
    }

    /// Rows and components of a whole vector.
    pub(super) fn shape(&self) -> (usize, usize) {
        (self.rows, self.dim)
    }

    /// Number of systems.
    pub(super) fn systems(&self) -> usize {
        self.dim / self.width
    }

    /// Number of unknowns of each system.
    pub(super) fn unknowns(&self) -> usize {
        self.rows * self.width
    }

    /// The place of an unknown in a whole vector.
    pub(super) fn place(&self, system: usize, unknown: usize) -> usize {
        unknown / self.width * self.dim + system * self.width + unknown % self.width
    }

    /// How messages name a place of a whole vector.
    pub(super) fn named(&self, place: usize) -> String {
        format!("row {}, component {}", place / self.dim, place % self.dim)
    }

    /// The right-hand sides.
    pub(super) fn right_hand_side(&self) -> Result<Vec<f64>, Error> {
        let view = &self.args[self.solve.vector];
        let number = |place| view.get(place / self.dim, place % self.dim);
        let b: Vec<f64> = (0..self.len()).map(|p| number(p).map_or(f64::NAN, T::to_f64)).collect();
        match b.iter().position(|value| !value.is_finite()) {
            None => Ok(b),
            Some(place) => {
                let name = &self.solve.kernel.plan().formula.variables[self.solve.vector].name;
                let message = format!("`{name}` is {} in {}", b[place], self.named(place));
                Err(Error::new(ErrorKind::Unsolved, message))
            }
        }
    }

    /// K times a whole vector, which is checked to be finite; `when` ends the message.
    pub(super) fn product(
        &self,
        vector: &[T],
        product: &mut [T],
        when: impl Fn() -> String,
    ) -> Result<(), Error> {
        let mut args = self.args.clone();
        args[self.solve.vector] = View::new(vector, self.rows, self.dim)?;
        self.solve.kernel.call_into(&args, ViewMut::new(product, self.rows, self.dim)?)?;
        match product.iter().position(|value| !value.to_f64().is_finite()) {
            None => Ok(()),
            Some(place) => {
                let (value, at) = (product[place].to_f64(), self.named(place));
                let message = format!("K times a vector is {value} in {at}, {}", when());
                Err(Error::new(ErrorKind::Unsolved, message))
            }
        }
    }

    /// The column of K for an unknown of a system, as numbers of that system.
    pub(super) fn column(&self, system: usize, unknown: usize) -> Result<Vec<f64>, Error> {
        let point = unknown / self.width;
        let mut unit = vec![T::default(); self.len()];
        unit[self.place(system, unknown)] = T::from_f64(1.0);
        // One column of the whole reduction: it keeps its number, which the formula may ask for.
        let split = [0, point, point + 1, self.rows];
        let (rows, keep) = ([0, self.rows], [false, true, false]);
        let ranges = match self.solve.kernel.plan().rows {
            Category::J => Ranges::from_mask(&keep, &split, &rows)?,
            _ => Ranges::from_mask(&keep, &rows, &split)?,
        };
        let column = self.over(&ranges, &unit)?;
        Ok((0..self.unknowns()).map(|k| column[self.place(system, k)].to_f64()).collect())
    }

    /// The diagonal of K, as a whole vector: the pairs i = j alone.
    pub(super) fn diagonal(&self) -> Result<Vec<f64>, Error> {
        let single: Vec<[i64; 2]> = (0..self.rows as i64).map(|k| [k, k + 1]).collect();
        let slices: Vec<i64> = (1..=self.rows as i64).collect();
        let ranges = Ranges::from_arrays(
            self.rows,
            self.rows,
            &RangeArrays {
                ranges_i: &single,
                slices_i: &slices,
                redranges_j: &single,
                ranges_j: &single,
                slices_j: &slices,
                redranges_i: &single,
            },
        )?;
        let mut diagonal = vec![0.0; self.len()];
        for component in 0..self.width {
            let here = |place: usize| place % self.width == component;
            let unit = |place| T::from_f64(if here(place) { 1.0 } else { 0.0 });
            let unit: Vec<T> = (0..self.len()).map(unit).collect();
            let product = self.over(&ranges, &unit)?;
            for place in (0..self.len()).filter(|place| here(*place)) {
                diagonal[place] = product[place].to_f64();
            }
        }
        Ok(diagonal)
    }

    /// K over some pairs times a whole vector.
    fn over(&self, ranges: &Ranges, vector: &[T]) -> Result<Vec<T>, Error> {
        let mut args = self.args.clone();
        args[self.solve.vector] = View::new(vector, self.rows, self.dim)?;
        Ok(self.solve.kernel.with_ranges(ranges).call(&args)?.into_vec())
    }

    /// Whether K is visibly not symmetric: then `u'Kv` and `v'Ku` for two vectors of signs.
    pub(super) fn asymmetry(&self) -> Result<Option<(f64, f64)>, Error> {
        let sign = |seed: u64| {
            move |place: usize| {
                let mixed = (place as u64 + seed).wrapping_mul(0x9e37_79b9_7f4a_7c15);
                if (mixed ^ (mixed >> 29)) & (1 << 20) == 0 { 1.0 } else { -1.0 }
            }
        };
        let (u, v) = (sign(1), sign(1 << 32));
        let mut product = vec![T::default(); self.len()];
        let mut times = |of: &dyn Fn(usize) -> f64, with: &dyn Fn(usize) -> f64| {
            let vector: Vec<T> = (0..self.len()).map(|place| T::from_f64(of(place))).collect();
            self.product(&vector, &mut product, || "while its symmetry was checked".into())?;
            let entries = product.iter().map(|entry| entry.to_f64());
            let dot: f64 = entries.clone().enumerate().map(|(k, entry)| with(k) * entry).sum();
            let norm = entries.map(|entry| entry * entry).sum::<f64>().sqrt();
            Ok::<_, Error>((dot, norm))
        };
        let ((u_kv, kv), (v_ku, ku)) = (times(&v, &u)?, times(&u, &v)?);
        // Rounding makes a difference of some units in the last place of the largest terms.
        let unit = if T::DTYPE == DType::F64 { f64::EPSILON } else { f32::EPSILON.into() };
        let scale = (kv + ku) * (self.len() as f64).sqrt();
        Ok(((u_kv - v_ku).abs() > 1e3 * unit * scale).then_some((u_kv, v_ku)))
    }
}
