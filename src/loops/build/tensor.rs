//! Lowering of permutations and of products of tensors: nested counted loops over their axes.

use super::stage::{Lowering, UNROLL};
use crate::formula::NodeId;
use crate::formula::op::{Axis, Stride};
use crate::loops::program::{ArrayId, Index, LoopId, Value};

/// Loops that one tensor operation nests; slower axes are written out.
const LOOPS: usize = 6;

/// The digits of a component in the mixed radix of the axes' lengths.
fn digits(component: u32, lens: impl DoubleEndedIterator<Item = u32>) -> Vec<u32> {
    let mut rest = component;
    let mut digits: Vec<u32> = lens
        .rev()
        .map(|len| {
            let digit = rest % len;
            rest /= len;
            digit
        })
        .collect();
    digits.reverse();
    digits
}

/// Which component of its operand a component of a `Gather` is.
pub(super) fn gathered(index: &Index, start: u32, axes: &[Stride]) -> Index {
    match axes {
        [axis] => index.times(axis.step).plus(start),
        _ => {
            let digits = digits(index.offset, axes.iter().map(|a| a.len));
            let offset: u32 = digits.iter().zip(axes).map(|(digit, a)| digit * a.step).sum();
            Index::at(start + offset)
        }
    }
}

/// Where a contraction is: in the result, in the first and in the second operand.
#[derive(Clone)]
struct Place {
    result: Index,
    f: Index,
    g: Index,
}

impl Lowering<'_> {
    /// Store a permutation to an array.
    pub(super) fn permute(&mut self, f: NodeId, start: u32, axes: &[Stride], array: ArrayId) {
        let (mut from, mut to) = (Index::at(start), Index::at(0));
        let mut width: u32 = axes.iter().map(|a| a.len).product();
        let mut loops = Vec::new();
        for axis in axes {
            width /= axis.len;
            let id = self.b.begin_loop(axis.len);
            from = from.and(&Index::of(id).times(axis.step));
            to = to.and(&Index::of(id).times(width));
            loops.push(id);
        }
        let value = self.value_at(f, &from);
        self.b.store(array, to, value);
        for id in loops.into_iter().rev() {
            self.b.end_loop(id, &[]);
        }
    }

    /// Store a contraction to an array.
    pub(super) fn contract(
        &mut self,
        (f, g): (NodeId, NodeId),
        kept: &[Axis],
        summed: &[Axis],
        array: ArrayId,
    ) {
        let inner = LOOPS.saturating_sub(summed.len()).min(kept.len());
        let (outer, inner) = kept.split_at(kept.len() - inner);
        let width: u32 = inner.iter().map(|a| a.len).product();
        let count: u32 = outer.iter().map(|a| a.len).product();
        for k in 0..count {
            if self.is_full(f) {
                return;
            }
            let digits = digits(k, outer.iter().map(|a| a.len));
            let offset = |step: fn(&Axis) -> u32| -> u32 {
                digits.iter().zip(outer).map(|(digit, a)| digit * step(a)).sum()
            };
            let mut place = Place {
                result: Index::at(k * width),
                f: Index::at(offset(|a| a.f)),
                g: Index::at(offset(|a| a.g)),
            };
            let mut rest = width;
            let mut loops = Vec::new();
            for axis in inner {
                rest /= axis.len;
                let id = self.b.begin_loop(axis.len);
                place = place.along(axis, id);
                place.result = place.result.and(&Index::of(id).times(rest));
                loops.push(id);
            }
            let value = self.contraction((f, g), (&place.f, &place.g), summed);
            self.b.store(array, place.result, value);
            for id in loops.into_iter().rev() {
                self.b.end_loop(id, &[]);
            }
        }
    }

    /// One component of a contraction, at a constant index.
    pub(super) fn contracted(
        &mut self,
        operands: (NodeId, NodeId),
        kept: &[Axis],
        summed: &[Axis],
        component: u32,
    ) -> Value {
        let digits = digits(component, kept.iter().map(|a| a.len));
        let offset = |step: fn(&Axis) -> u32| -> u32 {
            digits.iter().zip(kept).map(|(digit, a)| digit * step(a)).sum()
        };
        let (f, g) = (Index::at(offset(|a| a.f)), Index::at(offset(|a| a.g)));
        self.contraction(operands, (&f, &g), summed)
    }

    /// The sum over axes of products of components: written out if short, else loops around one running value.
    fn contraction(
        &mut self,
        (f, g): (NodeId, NodeId),
        (f0, g0): (&Index, &Index),
        summed: &[Axis],
    ) -> Value {
        let count: u32 = summed.iter().map(|a| a.len).product();
        let place = Place { result: Index::default(), f: f0.clone(), g: g0.clone() };
        let terms = if count <= UNROLL { summed } else { &summed[summed.len().min(LOOPS)..] };
        let looped = &summed[..summed.len() - terms.len()];
        let mut place = place;
        let mut open = Vec::new();
        let mut sum = None;
        let axes = self.axes(f).union(self.axes(g));
        for axis in looped {
            let outside = sum.unwrap_or_else(|| self.b.float(0.0));
            let id = self.b.begin_loop(axis.len);
            sum = Some(self.b.carry(id, outside, axes));
            place = place.along(axis, id);
            open.push(id);
        }
        let count: u32 = terms.iter().map(|a| a.len).product();
        for k in 0..count {
            let digits = digits(k, terms.iter().map(|a| a.len));
            let offset = |step: fn(&Axis) -> u32| -> u32 {
                digits.iter().zip(terms).map(|(digit, a)| digit * step(a)).sum()
            };
            let a = self.value_at(f, &place.f.plus(offset(|a| a.f)));
            let b = self.value_at(g, &place.g.plus(offset(|a| a.g)));
            sum = Some(match sum {
                None => self.b.mul(a, b),
                Some(sum) => self.b.mul_add(a, b, sum),
            });
        }
        let mut sum = sum.expect("every axis has a length of at least 1");
        for id in open.into_iter().rev() {
            sum = self.b.end_loop(id, &[sum])[0];
        }
        sum
    }
}

impl Place {
    /// With a loop along an axis of both operands.
    fn along(&self, axis: &Axis, id: LoopId) -> Place {
        let step = |index: &Index, step: u32| match step {
            0 => index.clone(),
            _ => index.and(&Index::of(id).times(step)),
        };
        Place { result: self.result.clone(), f: step(&self.f, axis.f), g: step(&self.g, axis.g) }
    }
}
