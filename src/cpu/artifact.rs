//! A kernel as bytes: its layout, then its code. What the cache stores, and all that a cached kernel needs to run.
//!
//! Little endian, fields in the order of [`encode`]; `cache-format.md` has the table. Decoding is total: any bytes give an artifact or
//! `None`. That the bytes are those that were once encoded is the cache's to ensure, before anything here is executed.

use super::Code;
use super::layout::{IndexSlot, Input, Layout, Slots};
use crate::dtype::Float;
use crate::limits;
use crate::loops::keep::{Keep, Part, Sign};
use crate::loops::program::Space;
use crate::schedule::{Lanes, Schedule};
use crate::wire::{Reader, Writer};

/// Alignment of the code within the artifact, and of the artifact itself.
const ALIGNMENT: usize = 64;
/// An absent entry point.
const ABSENT: u32 = u32::MAX;

/// Comparisons of conditions, in the order of their numbers.
const SIGNS: [Sign; 4] = [Sign::Zero, Sign::NotZero, Sign::Negative, Sign::NotPositive];

/// How a kernel came to be, for people.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Notes {
    /// The engine that emitted it.
    pub engine: String,
    /// Engines that were asked before, each with the reason why it refused.
    pub refusals: Vec<(String, String)>,
}

/// The bytes of a kernel.
pub fn encode(code: &Code, layout: &Layout, notes: &Notes) -> Vec<u8> {
    let mut w = Writer::default();
    w.u32(super::ARGS_ABI);
    w.text(&notes.engine);
    w.u32(notes.refusals.len() as u32);
    for (engine, why) in &notes.refusals {
        w.text(engine);
        w.text(why);
    }
    w.u32(layout.float.bytes() as u32);
    let Schedule { lanes, mr, nr, components, chunk, tile } = layout.schedule;
    w.u32(u32::from(lanes == Lanes::Columns));
    for field in [mr, nr, components, chunk, tile, layout.width] {
        w.u32(field);
    }
    w.u64(layout.scratch as u64);
    let Slots { param, row, col, state, out, tile } = layout.slots;
    for field in [param, row, col, state, out, tile] {
        w.u32(field);
    }
    for entry in code.entries {
        w.u32(entry.unwrap_or(ABSENT));
    }
    w.u32(layout.identity.len() as u32);
    for value in &layout.identity {
        w.u64(value.to_bits());
    }
    w.u32(layout.inputs.len() as u32);
    for input in &layout.inputs {
        w.u32(Space::argument_number(input.as_ref().map(|input| input.space)));
        w.u32(input.as_ref().map_or(0, |input| input.base));
        w.u32(input.as_ref().map_or(0, |input| input.dim));
    }
    w.u32(layout.indices.len() as u32);
    for IndexSlot { space, base, factor, offset } in &layout.indices {
        w.u32(Space::argument_number(Some(*space)));
        w.u32(*base);
        w.u64(factor.cast_unsigned());
        w.u64(offset.cast_unsigned());
    }
    write_keep(&mut w, layout.keep.as_ref());
    w.u32(code.bytes.len() as u32);
    w.0.resize(w.0.len().next_multiple_of(ALIGNMENT), 0);
    w.0.extend(&code.bytes);
    w.0
}

/// The kernel of some bytes; `None` if they are not one.
pub fn decode(bytes: &[u8]) -> Option<(Code, Layout, Notes)> {
    let mut r = Reader(bytes);
    if r.u32()? != super::ARGS_ABI {
        return None;
    }
    let engine = r.text()?;
    let refusals = r.u32()?;
    let refusals = (0..refusals).map(|_| Some((r.text()?, r.text()?))).collect::<Option<_>>()?;
    let notes = Notes { engine, refusals };
    let float = match r.u32()? {
        4 => Float::F32,
        8 => Float::F64,
        _ => return None,
    };
    let lanes = match r.u32()? {
        0 => Lanes::Rows,
        1 => Lanes::Columns,
        _ => return None,
    };
    let [mr, nr, components, chunk, tile, width] = r.array()?;
    let schedule = Schedule { lanes, mr, nr, components, chunk, tile };
    let scratch = usize::try_from(r.u64()?).ok()?;
    let [param, row, col, state, out, tile_slots] = r.array()?;
    let slots = Slots { param, row, col, state, out, tile: tile_slots };
    let entries = r.array::<6>()?.map(|entry| (entry != ABSENT).then_some(entry));
    let identity = r.u32()?;
    let identity = (0..identity).map(|_| Some(f64::from_bits(r.u64()?))).collect::<Option<_>>()?;
    let inputs = r.u32()?;
    let inputs = (0..inputs).map(|_| read_input(&mut r)).collect::<Option<_>>()?;
    let indices = r.u32()?;
    let indices = (0..indices).map(|_| read_index(&mut r)).collect::<Option<_>>()?;
    let keep = read_keep(&mut r)?;
    let len = r.u32()? as usize;
    let start = (bytes.len() - r.0.len()).next_multiple_of(ALIGNMENT);
    let code = bytes.get(start..)?;
    let inside = |entry: &Option<u32>| entry.is_none_or(|entry| (entry as usize) < len);
    let sound = code.len() == len && len <= limits::CODE_BYTES && entries.iter().all(inside);
    let layout = Layout { float, schedule, width, scratch, slots, identity, inputs, indices, keep };
    let code = Code {
        bytes: code.to_vec(),
        entries,
        temp_bytes: scratch.checked_mul(float.bytes())?,
        width,
    };
    sound.then_some((code, layout, notes))
}

/// The number of parts, 0 for no condition, and each part: what it is, and its numbers.
fn write_keep(w: &mut Writer, keep: Option<&Keep>) {
    let parts = keep.map_or(&[][..], Keep::parts);
    w.u32(parts.len() as u32);
    for part in parts {
        let (what, numbers) = match *part {
            Part::Always(holds) => (0, [i64::from(holds), 0, 0]),
            Part::Both(a, b) => (1, [i64::from(a), i64::from(b), 0]),
            Part::Either(a, b) => (2, [i64::from(a), i64::from(b), 0]),
            Part::Compare { sign, row, column, offset } => {
                let sign = SIGNS.iter().position(|known| *known == sign).unwrap_or(0);
                (3 + sign as u32, [row, column, offset])
            }
        };
        w.u32(what);
        numbers.iter().for_each(|n| w.u64(n.cast_unsigned()));
    }
}

fn read_keep(r: &mut Reader<'_>) -> Option<Option<Keep>> {
    let count = r.u32()?;
    if count == 0 {
        return Some(None);
    }
    let mut parts = Vec::new();
    for _ in 0..count {
        let what = r.u32()?;
        let numbers = [r.i64()?, r.i64()?, r.i64()?];
        let [a, b] = [numbers[0], numbers[1]].map(|n| u32::try_from(n).ok());
        parts.push(match what {
            0 => Part::Always(numbers[0] != 0),
            1 => Part::Both(a?, b?),
            2 => Part::Either(a?, b?),
            _ => {
                let sign = *SIGNS.get(what as usize - 3)?;
                let [row, column, offset] = numbers;
                Part::Compare { sign, row, column, offset }
            }
        });
    }
    Keep::of_parts(parts).map(Some)
}

fn read_index(r: &mut Reader<'_>) -> Option<IndexSlot> {
    let space = match r.u32()? {
        2 => Space::Row,
        3 => Space::Col,
        _ => return None,
    };
    Some(IndexSlot { space, base: r.u32()?, factor: r.i64()?, offset: r.i64()? })
}

fn read_input(r: &mut Reader<'_>) -> Option<Option<Input>> {
    let [space, base, dim] = r.array()?;
    Some(Space::of_argument(space)?.map(|space| Input { space, base, dim }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> (Code, Layout, Notes) {
        let schedule = Schedule {
            lanes: Lanes::Columns,
            mr: 4,
            nr: 1,
            components: 2,
            chunk: 2_048,
            tile: 4_096,
        };
        let input = Input { space: Space::Col, base: 2, dim: 3 };
        let layout = Layout {
            float: Float::F64,
            schedule,
            width: 2,
            scratch: 6,
            slots: Slots { param: 1, row: 2, col: 5, state: 4, out: 1, tile: 0 },
            identity: vec![0.0, f64::NEG_INFINITY],
            inputs: vec![None, Some(input)],
            indices: vec![IndexSlot { space: Space::Row, base: 1, factor: -2, offset: 7 }],
            keep: Keep::of_parts(vec![
                Part::Always(true),
                Part::Compare { sign: Sign::NotPositive, row: 1, column: -1, offset: 5 },
                Part::Both(0, 1),
                Part::Either(1, 2),
            ]),
        };
        let entries = [Some(0), None, None, Some(64), None, Some(70)];
        let refusals = vec![("avx512".into(), "too large".into())];
        let notes = Notes { engine: "clif".into(), refusals };
        (Code { bytes: (0..90).collect(), entries, temp_bytes: 48, width: 2 }, layout, notes)
    }

    #[test]
    fn artifacts_come_back() {
        let (code, layout, notes) = sample();
        assert_eq!(decode(&encode(&code, &layout, &notes)), Some((code, layout, notes)));
    }

    #[test]
    fn code_has_at_most_as_many_bytes_as_allowed() {
        let (code, layout, notes) = sample();
        let of = |len: usize| {
            let code = Code { bytes: vec![0xc3; len], ..code.clone() };
            decode(&encode(&code, &layout, &notes)).map(|(code, ..)| code.bytes.len())
        };
        assert_eq!(of(limits::CODE_BYTES), Some(limits::CODE_BYTES));
        assert_eq!(of(limits::CODE_BYTES + 1), None);
    }

    #[test]
    fn every_truncation_and_extension_is_refused() {
        let (code, layout, notes) = sample();
        let bytes = encode(&code, &layout, &notes);
        for len in 0..bytes.len() {
            assert_eq!(decode(&bytes[..len]), None, "{len}");
        }
        assert_eq!(decode(&[bytes.as_slice(), &[0]].concat()), None);
    }

    #[test]
    fn no_byte_makes_it_panic() {
        let (code, layout, notes) = sample();
        let bytes = encode(&code, &layout, &notes);
        for k in 0..bytes.len() {
            for value in [0, 1, 0x7f, 0xff] {
                let mut bytes = bytes.clone();
                bytes[k] = value;
                let _ = decode(&bytes);
            }
        }
    }
}
