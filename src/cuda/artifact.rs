//! A compiled kernel as bytes: its layout, then its CUBIN. What the cache stores, and all that a cached kernel needs to run.
//!
//! Little endian, fields in the order of [`encode`]. Decoding is total: any bytes give a kernel or `None`. That the bytes are those
//! that were once encoded is the cache's to ensure: a driver takes damaged binaries without complaint.

use super::layout::{Input, Layout};
use super::source::ARGS_ABI;
use super::tiling::{Kept, Tiling};
use crate::dtype::{DType, Float};
use crate::limits;
use crate::loops::program::Space;
use crate::wire::{Reader, Writer};

/// A kernel of a device.
#[derive(Clone, Debug, PartialEq)]
pub struct Cubin {
    /// The device's binary.
    pub bytes: Vec<u8>,
    /// What the launcher must know of it.
    pub layout: Layout,
}

/// The bytes of a kernel.
pub fn encode(cubin: &Cubin) -> Vec<u8> {
    let Layout { float, stored, tiling, kept, param, row, col, partial, out, parts, inputs } =
        &cubin.layout;
    let mut w = Writer::default();
    w.u32(ARGS_ABI);
    w.u32(float.bytes() as u32);
    w.u32(stored.bytes() as u32);
    let Tiling { rows, columns, row_threads, column_threads, tile, depth, components, blocks } =
        *tiling;
    for field in [rows, columns, row_threads, column_threads, tile, depth, components, blocks] {
        w.u32(field);
    }
    let Kept { dim, k, negated } = kept.unwrap_or(Kept { dim: 0, k: 0, negated: false });
    for field in [dim, k, u32::from(negated), *param, *row, *col, *parts] {
        w.u32(field);
    }
    w.u64(*partial);
    w.u64(*out);
    w.u32(inputs.len() as u32);
    for input in inputs {
        w.u32(Space::argument_number(input.as_ref().map(|input| input.space)));
        w.u32(input.as_ref().map_or(0, |input| input.dim));
    }
    w.u32(cubin.bytes.len() as u32);
    w.0.extend(&cubin.bytes);
    w.0
}

/// The kernel of some bytes; `None` if they are not one.
pub fn decode(bytes: &[u8]) -> Option<Cubin> {
    let mut r = Reader(bytes);
    if r.u32()? != ARGS_ABI {
        return None;
    }
    let float = match r.u32()? {
        4 => Float::F32,
        8 => Float::F64,
        _ => return None,
    };
    let stored = match r.u32()? {
        2 => DType::F16,
        4 => DType::F32,
        8 => DType::F64,
        _ => return None,
    };
    let [rows, columns, row_threads, column_threads, tile, depth, components, blocks] =
        r.array()?;
    let tiling =
        Tiling { rows, columns, row_threads, column_threads, tile, depth, components, blocks };
    let [dim, k, negated, param, row, col, parts] = r.array()?;
    let kept = match (dim, k, negated) {
        (0, 0, 0) => None,
        (1.., 1.., 0 | 1) => Some(Kept { dim, k, negated: negated == 1 }),
        _ => return None,
    };
    let (partial, out) = (r.u64()?, r.u64()?);
    let count = r.u32()?;
    let inputs = (0..count).map(|_| read_input(&mut r)).collect::<Option<_>>()?;
    let len = r.u32()? as usize;
    let sound = r.0.len() == len
        && len <= limits::CODE_BYTES
        && tiling.is_sound()
        && (1..=limits::DIM as u32).contains(&parts)
        && partial <= MOST_SLOTS
        && out <= MOST_SLOTS;
    let layout =
        Layout { float, stored, tiling, kept, param, row, col, partial, out, parts, inputs };
    sound.then(|| Cubin { bytes: r.0.to_vec(), layout })
}

/// Slots of a row beyond any that a formula can have.
const MOST_SLOTS: u64 = 4 * (limits::DIM as u64) * (limits::K as u64);

fn read_input(r: &mut Reader<'_>) -> Option<Option<Input>> {
    let [space, dim] = r.array()?;
    Some(Space::of_argument(space)?.map(|space| Input { space, dim }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Cubin {
        let tiling = Tiling {
            rows: 8,
            columns: 4,
            row_threads: 128,
            column_threads: 1,
            tile: 256,
            depth: 0,
            components: 3,
            blocks: 4,
        };
        let inputs = vec![None, Some(Input { space: Space::Col, dim: 3 })];
        let layout = Layout {
            float: Float::F64,
            stored: DType::F16,
            tiling,
            kept: Some(Kept { dim: 2, k: 5, negated: true }),
            param: 1,
            row: 2,
            col: 5,
            partial: 10,
            out: 10,
            parts: 1,
            inputs,
        };
        Cubin { bytes: (0..90).collect(), layout }
    }

    #[test]
    fn kernels_come_back() {
        let cubin = sample();
        assert_eq!(decode(&encode(&cubin)), Some(cubin));
    }

    #[test]
    fn every_truncation_and_extension_is_refused() {
        let bytes = encode(&sample());
        for len in 0..bytes.len() {
            assert_eq!(decode(&bytes[..len]), None, "{len}");
        }
        assert_eq!(decode(&[bytes.as_slice(), &[0]].concat()), None);
    }

    #[test]
    fn no_byte_makes_it_panic() {
        let bytes = encode(&sample());
        for k in 0..bytes.len() {
            for value in [0, 1, 0x7f, 0xff] {
                let mut bytes = bytes.clone();
                bytes[k] = value;
                let _ = decode(&bytes);
            }
        }
    }
}
