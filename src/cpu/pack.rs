//! Packing: from the user's arrays, of any dtype and stride, to the slots that stages read.
//!
//! This is where float16 is widened, and where every input number is read exactly once for each time it is packed.

use super::layout::{IndexSlot, Input};
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
            4 => transpose::<4, T, C>(from, slots, stride),
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

/// What a slot holds for a row or column; the call has checked that it is exact.
pub(super) fn number<C: Real>(slot: &IndexSlot, number: usize) -> C {
    C::from_f64((slot.factor * number.cast_signed() as i64 + slot.offset) as f64)
}

/// Short points: each goes to all its slots at once, in a loop that compilers turn into shuffles of whole vectors.
fn transpose<const D: usize, T: Element, C: Real>(from: &[T], slots: &mut [C], stride: usize) {
    let (points, _) = from.as_chunks::<D>();
    let mut slots = slots.chunks_mut(stride);
    let rows: [&mut [C]; D] = std::array::from_fn(|_| {
        &mut slots.next().expect("every component has a slot")[..points.len()]
    });
    for (p, point) in points.iter().enumerate() {
        for k in 0..D {
            rows[k][p] = C::load(point[k]);
        }
    }
}

/// Components of a square that is transposed in registers.
const SQUARE: usize = 4;

/// Long points: squares of `SQUARE` points by as many components; what does not fill one is copied value by value.
fn transpose_long<T: Element, C: Real>(from: &[T], dim: usize, slots: &mut [C], stride: usize) {
    let squares = dim / SQUARE;
    let whole = from.len() / dim / SQUARE * SQUARE;
    for (g, group) in from[..whole * dim].chunks_exact(SQUARE * dim).enumerate() {
        let rows: [&[T]; SQUARE] = std::array::from_fn(|p| &group[p * dim..][..dim]);
        for q in 0..squares {
            let square: [[T; SQUARE]; SQUARE] = std::array::from_fn(|p| {
                *rows[p][q * SQUARE..].first_chunk().expect("it is inside")
            });
            let column = |k: usize| -> [C; SQUARE] { square.map(|row| C::load(row[k])) };
            for k in 0..SQUARE {
                let to = (q * SQUARE + k) * stride + g * SQUARE;
                slots[to..][..SQUARE].copy_from_slice(&column(k));
            }
        }
        for k in squares * SQUARE..dim {
            for (p, row) in rows.iter().enumerate() {
                slots[k * stride + g * SQUARE + p] = C::load(row[k]);
            }
        }
    }
    for (p, point) in from.chunks_exact(dim).enumerate().skip(whole) {
        for (k, value) in point.iter().enumerate() {
            slots[k * stride + p] = C::load(*value);
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
