//! Lowering of soft dynamic time warping and of its gradient.
//!
//! The recursion over the cells is a loop over rows around a loop over columns, so the code does not grow with the sequences.
//! Its tables are filled beforehand: a cell reads what the same loops have written. The gradient's recursion runs the other
//! way, over weights that the first one left behind, and is written out.

use super::stage::Lowering;
use crate::formula::NodeId;
use crate::loops::program::{ArrayId, Axes, Binary, Function, Index, Space, Value};

/// What the recursion over the cells leaves behind.
struct Cells {
    /// The value of the last cell.
    last: Value,
    /// For the gradient: in each cell the weights of its diagonal, upper and left predecessor, and the derivative of its
    /// soft minimum by g. Those of the first row and column, which have one predecessor, are not written.
    kept: Option<[ArrayId; 4]>,
}

/// A cell's predecessors.
struct Before {
    diagonal: Value,
    up: Value,
    left: Value,
}

/// A soft minimum: its value, the weights of its three operands, its derivative by g.
struct SoftMin {
    value: Value,
    weights: [Value; 3],
    slope: Value,
}

impl Lowering<'_> {
    /// The value of a `SoftDtw` node.
    pub(super) fn soft_dtw(&mut self, args: &[NodeId]) -> Value {
        self.cells(args, false).last
    }

    /// All components of a `SoftDtwGradient` node.
    pub(super) fn soft_dtw_gradient(&mut self, args: &[NodeId]) -> Vec<Value> {
        let (n, m) = (self.dim(args[0]) as usize, self.dim(args[1]) as usize);
        let kept = self.cells(args, true).kept.expect("they were asked for");
        let one = self.b.float(1.0);
        let mut total = self.b.float(0.0);
        let mut shares = vec![one; n * m];
        for k in (0..n * m).rev() {
            if self.is_full(args[0]) {
                break;
            }
            let (i, j) = (k / m, k % m);
            let load = |this: &mut Self, array: usize, i: usize, j: usize| {
                this.b.load(kept[array], Index::at((i * m + j) as u32))
            };
            // From each successor its share, times the weight of this cell in it.
            let mut share = None;
            let next = [(1, 1, 0), (1, 0, 1), (0, 1, 2)];
            for (di, dj, weight) in next {
                let (a, b) = (i + di, j + dj);
                if a >= n || b >= m {
                    continue;
                }
                let successor = shares[a * m + b];
                let is_only = (a == 0 && weight == 2) || (b == 0 && weight == 1);
                let term = if is_only {
                    Some((successor, None))
                } else if a == 0 || b == 0 {
                    None
                } else {
                    Some((successor, Some(load(self, weight, a, b))))
                };
                let Some((successor, weight)) = term else { continue };
                share = Some(match (share, weight) {
                    (None, None) => successor,
                    (None, Some(w)) => self.b.mul(successor, w),
                    (Some(sum), None) => self.b.add(sum, successor),
                    (Some(sum), Some(w)) => self.b.mul_add(successor, w, sum),
                });
            }
            if let Some(share) = share {
                shares[k] = share;
            }
            if i > 0 && j > 0 {
                let slope = load(self, 3, i, j);
                total = self.b.mul_add(shares[k], slope, total);
            }
        }
        shares.push(total);
        shares
    }

    fn cells(&mut self, args: &[NodeId], keeps: bool) -> Cells {
        let (n, m) = (self.dim(args[0]), self.dim(args[1]));
        let axes = args.iter().fold(self.axes(args[0]), |axes, a| axes.union(self.axes(*a)));
        let array = |this: &mut Self, name: &str, len: u32| {
            let name = format!("{name}{}", this.b.program().arrays.len());
            let array = this.b.array(name, Space::Temp, len);
            this.b.temp_axes(array, axes);
            array
        };
        let values = array(self, "r", n * m);
        let kept = keeps.then(|| ["wd", "wu", "wl", "dg"].map(|name| array(self, name, n * m)));
        let zero = self.b.float(0.0);
        for table in kept.into_iter().flatten().chain([values]) {
            self.fill(table, 0, n * m, zero);
        }
        self.addressable(args[0]);
        self.addressable(args[1]);
        let first = self.cost(args, &Index::at(0), &Index::at(0));
        self.b.store(values, Index::at(0), first);
        // The first row and the first column have one predecessor each.
        if m > 1 {
            let d = self.b.begin_loop(m - 1);
            let left = self.b.carry(d, first, axes);
            let column = Index::of(d).plus(1);
            let cost = self.cost(args, &Index::at(0), &column);
            let value = self.b.add(cost, left);
            self.b.store(values, column, value);
            self.b.end_loop(d, &[value]);
        }
        if n > 1 {
            let d = self.b.begin_loop(n - 1);
            let up = self.b.carry(d, first, axes);
            let row = Index::of(d).plus(1);
            let cost = self.cost(args, &row, &Index::at(0));
            let value = self.b.add(cost, up);
            self.b.store(values, row.times(m), value);
            self.b.end_loop(d, &[value]);
        }
        if n > 1 && m > 1 {
            self.inner_cells(args, values, kept, axes);
        }
        Cells { last: self.b.load(values, Index::at(n * m - 1)), kept }
    }

    /// The cells that have three predecessors.
    fn inner_cells(
        &mut self,
        args: &[NodeId],
        values: ArrayId,
        kept: Option<[ArrayId; 4]>,
        axes: Axes,
    ) {
        let (n, m) = (self.dim(args[0]), self.dim(args[1]));
        let g = self.value_at(args[2], &Index::at(0));
        let outer = self.b.begin_loop(n - 1);
        let above = Index::of(outer).times(m);
        let first = self.b.load(values, above.plus(m));
        let inner = self.b.begin_loop(m - 1);
        let left = self.b.carry(inner, first, axes);
        let column = Index::of(inner);
        let diagonal = self.b.load(values, above.and(&column));
        let up = self.b.load(values, above.and(&column).plus(1));
        let here = above.and(&column).plus(m + 1);
        let soft = self.soft_min(&Before { diagonal, up, left }, g);
        for (array, value) in kept.into_iter().flatten().zip(soft.all()) {
            self.b.store(array, here.clone(), value);
        }
        let cost = self.cost(args, &Index::of(outer).plus(1), &column.plus(1));
        let value = self.b.add(cost, soft.value);
        self.b.store(values, here, value);
        self.b.end_loop(inner, &[value]);
        self.b.end_loop(outer, &[]);
    }

    /// (x_i - y_j)^2.
    fn cost(&mut self, args: &[NodeId], i: &Index, j: &Index) -> Value {
        let at = |this: &mut Self, arg: NodeId, index: &Index| match this.dim(arg) {
            1 => this.value_at(arg, &Index::at(0)),
            _ => this.value_at(arg, index),
        };
        let (x, y) = (at(self, args[0], i), at(self, args[1], j));
        let difference = self.b.sub(x, y);
        self.b.mul(difference, difference)
    }

    /// m - g*log(sum of exp((m - a)/g)) with m the least a.
    fn soft_min(&mut self, before: &Before, g: Value) -> SoftMin {
        let b = &mut self.b;
        let least = b.binary(Binary::Min, before.diagonal, before.up);
        let least = b.binary(Binary::Min, least, before.left);
        let scaled = [before.diagonal, before.up, before.left].map(|a| {
            let above = b.sub(least, a);
            b.div(above, g)
        });
        let shares = scaled.map(|t| b.call(Function::Exp, vec![t]));
        let two = b.add(shares[0], shares[1]);
        let sum = b.add(two, shares[2]);
        let log = b.call(Function::Log, vec![sum]);
        let value = b.mul_sub_from(g, log, least);
        let weights = shares.map(|share| b.div(share, sum));
        let mut slope = b.neg(log);
        for (weight, t) in weights.iter().zip(scaled) {
            slope = b.mul_add(*weight, t, slope);
        }
        SoftMin { value, weights, slope }
    }
}

impl SoftMin {
    /// What the gradient keeps of it.
    fn all(&self) -> [Value; 4] {
        let [diagonal, up, left] = self.weights;
        [diagonal, up, left, self.slope]
    }
}
