//! Partial results as bytes: what is read back is checked whole before it is believed.

use super::{Accumulated, Accumulators, Partial};
use crate::dtype::{Element, Float, Real};
use crate::engine::Engine;
use crate::error::Error;
use crate::kernel::{Kernel, Shape};
use crate::wire::{Reader, Writer};
use std::collections::BTreeMap;
use std::marker::PhantomData;

/// First bytes of a serialised partial result; the digit is the format's version.
const MAGIC: [u8; 8] = *b"genredP1";

impl<T: Element> Kernel<T> {
    /// A partial result as bytes: versioned, little endian, with a digest at the end.
    ///
    /// ```
    /// # use genred::{View, generic_sum};
    /// let sum = generic_sum::<f32>("x * y", "a = Vi(1)", &["x = Vi(1)", "y = Vj(1)"])?;
    /// let (x, y) = ([1.0f32, 2.0], [3.0f32, 4.0]);
    /// let part = sum.partial(&[View::new(&x, 2, 1)?, View::new(&y, 2, 1)?], 0, 2)?;
    /// let bytes = sum.partial_to_bytes(&part);
    /// assert_eq!(sum.finish(&sum.partial_from_bytes(&bytes)?)?.as_slice(), [7.0, 14.0]);
    /// # Ok::<(), genred::Error>(())
    /// ```
    pub fn partial_to_bytes(&self, partial: &Partial<T>) -> Vec<u8> {
        let mut w = Writer(MAGIC.to_vec());
        w.0.extend(partial.kernel);
        for number in [partial.shape.rows, partial.shape.columns, partial.columns.len()] {
            w.u64(number as u64);
        }
        for (first, end) in &partial.columns {
            w.u64(*first as u64);
            w.u64(*end as u64);
        }
        match &partial.accumulators {
            Accumulated::F32(a) => write(a, &mut w),
            Accumulated::F64(a) => write(a, &mut w),
        }
        let digest = blake3::hash(&w.0);
        w.0.extend(digest.as_bytes());
        w.0
    }

    /// The partial result of such bytes, made by an equal kernel on any machine.
    ///
    /// ```
    /// use genred::{View, generic_sum};
    /// let sum = generic_sum::<f64>("x * y", "a = Vi(1)", &["x = Vi(1)", "y = Vj(1)"])?;
    /// let x = View::new(&[1.0, 2.0], 2, 1)?;
    /// let part = sum.partial(&[x, x], 0, 2)?;
    /// let mut bytes = sum.partial_to_bytes(&part);
    /// assert_eq!(sum.partial_from_bytes(&bytes)?, part);
    /// bytes[20] ^= 1;
    /// assert!(sum.partial_from_bytes(&bytes).is_err());
    /// # Ok::<(), genred::Error>(())
    /// ```
    ///
    /// # Errors
    /// `Usage` if the bytes are damaged or of another reduction.
    pub fn partial_from_bytes(&self, bytes: &[u8]) -> Result<Partial<T>, Error> {
        let damaged = || Error::usage("these bytes are not a partial result, or are damaged");
        let (body, digest) = bytes.split_last_chunk::<32>().ok_or_else(damaged)?;
        if blake3::hash(body).as_bytes() != digest {
            return Err(damaged());
        }
        let mut r = Reader(body.strip_prefix(MAGIC.as_slice()).ok_or_else(damaged)?);
        let kernel = r.bytes::<32>().ok_or_else(damaged)?;
        let shape = read_shape(&mut r).ok_or_else(damaged)?;
        let columns = read_ranges(&mut r, shape.columns).ok_or_else(damaged)?;
        let accumulators = match self.plan().float {
            Float::F32 => read(&mut r).map(Accumulated::F32),
            Float::F64 => read(&mut r).map(Accumulated::F64),
        };
        let accumulators = accumulators.filter(|_| r.0.is_empty()).ok_or_else(damaged)?;
        let partial = Partial { accumulators, shape, columns, kernel, element: PhantomData };
        self.check_partial(&partial)?;
        if !self.fits(&partial)? {
            return Err(damaged());
        }
        Ok(partial)
    }

    /// Whether the accumulators have the lengths that this kernel works with.
    fn fits(&self, partial: &Partial<T>) -> Result<bool, Error> {
        let engine = &self.compiled_for(partial.shape)?.engine;
        let (rows, selection) = (partial.shape.rows, self.selection());
        Ok(match (engine, &partial.accumulators) {
            (Engine::F32(launcher), Accumulated::F32(a)) => launcher.fits(a, rows, selection),
            (Engine::F64(launcher), Accumulated::F64(a)) => launcher.fits(a, rows, selection),
            _ => false,
        })
    }
}

fn write<C: Real>(accumulators: &Accumulators<C>, w: &mut Writer) {
    let floats = |values: &[C], w: &mut Writer| {
        w.u64(values.len() as u64);
        values.iter().for_each(|v| w.u64(v.to_f64().to_bits()));
    };
    match accumulators {
        Accumulators::Sums(nodes) => {
            w.u64(0);
            w.u64(nodes.len() as u64);
            for (first, (height, states)) in nodes {
                w.u64(*first);
                w.u64(u64::from(*height));
                floats(states, w);
            }
        }
        Accumulators::Selected(values, indices) => {
            w.u64(1);
            floats(values, w);
            indices.iter().for_each(|i| w.u64(i.cast_unsigned()));
        }
    }
}

fn length(r: &mut Reader<'_>) -> Option<usize> {
    // Each counted thing takes at least 8 bytes, so a larger count is a lie.
    usize::try_from(r.u64()?).ok().filter(|n| *n <= r.0.len() / 8)
}

fn read_shape(r: &mut Reader<'_>) -> Option<Shape> {
    let mut size = || usize::try_from(r.u64()?).ok();
    Some(Shape { rows: size()?, columns: size()? })
}

fn read_ranges(r: &mut Reader<'_>, total: usize) -> Option<Vec<(usize, usize)>> {
    let count = length(r)?;
    let mut ranges = Vec::new();
    for _ in 0..count {
        let (first, end) = (r.u64()? as usize, r.u64()? as usize);
        let after = ranges.last().is_none_or(|(_, last)| first > *last);
        if first >= end || end > total || !after {
            return None;
        }
        ranges.push((first, end));
    }
    Some(ranges)
}

fn read<C: Real>(r: &mut Reader<'_>) -> Option<Accumulators<C>> {
    let floats = |r: &mut Reader<'_>| -> Option<Vec<C>> {
        let count = length(r)?;
        (0..count).map(|_| Some(C::from_f64(f64::from_bits(r.u64()?)))).collect()
    };
    match r.u64()? {
        0 => {
            let mut nodes = BTreeMap::new();
            for _ in 0..length(r)? {
                let first = r.u64()?;
                let height = u32::try_from(r.u64()?).ok().filter(|h| *h < 64)?;
                nodes.insert(first, (height, floats(r)?));
            }
            Some(Accumulators::Sums(nodes))
        }
        1 => {
            let values = floats(r)?;
            let indices = (0..values.len()).map(|_| r.i64());
            Some(Accumulators::Selected(values, indices.collect::<Option<_>>()?))
        }
        _ => None,
    }
}
