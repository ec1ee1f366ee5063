//! Packing: from the user's arrays, of any dtype and stride, to the slots that stages read.
//!
//! This is where float16 is widened, and where every input number is read exactly once for each time it is packed.

use super::layout::Input;
use crate::dtype::{Element, Real};
use crate::view::View;

/// Pack a parameter: `param[base + k]`.
pub(super) fn parameter<T: Element, C: Real>(view: &View<'_, T>, input: Input, param: &mut [C]) {
    let slots = &mut param[input.base as usize..][..input.dim as usize];
    for (k, slot) in slots.iter_mut().enumerate() {
        *slot = C::load(view.get(0, k).expect("the parameter's dim was checked"));
    }
}

/// Pack `count` points from `first` on, slot by slot: component `k` of point `p` goes to `slots[(base + k) * stride + p]`.
pub(super) fn points<T: Element, C: Real>(
    view: &View<'_, T>,
    input: Input,
    first: usize,
    count: usize,
    slots: &mut [C],
    stride: usize,
) {
    let dim = input.dim as usize;
    let slots = &mut slots[input.base as usize * stride..];
    if let Some(all) = view.as_slice() {
        let from = &all[first * dim..][..count * dim];
        match dim {
            1 => transpose::<1, T, C>(from, slots, stride),
            2 => transpose::<2, T, C>(from, slots, stride),
            3 => transpose::<3, T, C>(from, slots, stride),
            _ => transpose_long(from, dim, slots, stride),
        }
        return;
    }
    for p in 0..count {
        match view.row(first + p) {
            Some(row) => {
                for (k, value) in row.iter().enumerate() {
                    slots[k * stride + p] = C::load(*value);
                }
            }
            None => {
                for k in 0..dim {
                    let value = view.get(first + p, k).expect("the shape was checked");
                    slots[k * stride + p] = C::load(value);
                }
            }
        }
    }
}

/// Short points: the components of a point are read together, and each slot is written in order.
fn transpose<const D: usize, T: Element, C: Real>(from: &[T], slots: &mut [C], stride: usize) {
    let count = from.len() / D;
    let (points, _) = from.as_chunks::<D>();
    for k in 0..D {
        for (slot, point) in slots[k * stride..][..count].iter_mut().zip(points) {
            *slot = C::load(point[k]);
        }
    }
}

/// Points a block of the transposition of long ones: a cache line of float32 in each slot.
const BLOCK: usize = 16;

/// Long points, in blocks that stay in cache.
fn transpose_long<T: Element, C: Real>(from: &[T], dim: usize, slots: &mut [C], stride: usize) {
    for (b, block) in from.chunks(BLOCK * dim).enumerate() {
        let points = block.len() / dim;
        for k in 0..dim {
            let slot = &mut slots[k * stride + b * BLOCK..][..points];
            for (p, value) in slot.iter_mut().enumerate() {
                *value = C::load(block[p * dim + k]);
            }
        }
    }
}

/// Fill the lanes of a block of rows beyond the last row with its values, so that no lane computes on garbage.
pub(super) fn pad_rows<C: Real>(input: Input, count: usize, slots: &mut [C], block: usize) {
    for k in 0..input.dim as usize {
        let lanes = &mut slots[(input.base as usize + k) * block..][..block];
        let last = lanes[count - 1];
        lanes[count..].fill(last);
    }
}
