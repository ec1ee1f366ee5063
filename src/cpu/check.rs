//! What every emitter checks before it begins, so that it may rely on it and never panics.

use super::Refused;
use crate::limits;
use crate::loops::program::{Program, Space, Stmt};
use crate::loops::verify::verify_expanded;
use crate::schedule::{LANES_OVER_COLUMNS, Lanes, Schedule};

/// Most register tiles along each of their axes.
const MOST_INSTANCES: u32 = 16;

/// Whether an engine with `width` lanes can emit a program under a schedule.
///
/// # Errors
/// When the program breaks a rule or is too large, or the schedule does not fit the engine.
pub fn check(program: &Program, schedule: &Schedule, width: u32) -> Result<(), Refused> {
    let stores = program.statements().filter(|stmt| matches!(stmt, Stmt::Store(..)));
    let count = program.values.len() + stores.count();
    if count > limits::PROGRAM_INSTRUCTIONS {
        let limit = limits::PROGRAM_INSTRUCTIONS;
        let why = format!("the program has {count} instructions, more than {limit}");
        return Err(Refused::Limit(why));
    }
    verify_expanded(program)
        .map_err(|defect| Refused::Cannot(format!("the program breaks a rule: {defect}")))?;
    schedule_fits(schedule, width)?;
    for (space, span) in spans(program, schedule, width) {
        if span > limits::SPACE_BYTES {
            let (space, most) = (format!("{space:?}").to_lowercase(), limits::SPACE_BYTES);
            let why = format!("{space} slots would need {span} bytes; at most {most} are accepted");
            return Err(Refused::Limit(why));
        }
    }
    Ok(())
}

fn schedule_fits(schedule: &Schedule, width: u32) -> Result<(), Refused> {
    let Schedule { lanes, mr, nr, components, chunk, tile } = *schedule;
    let over = LANES_OVER_COLUMNS as u32;
    let instances = [mr, nr, components];
    let fits = instances.iter().all(|n| (1..=MOST_INSTANCES).contains(n))
        && chunk > 0
        && tile > 0
        && tile.is_multiple_of(chunk)
        && match lanes {
            Lanes::Rows => true,
            Lanes::Columns => {
                nr == 1 && chunk.is_multiple_of(over) && over.is_multiple_of(mr * width)
            }
        };
    if fits {
        Ok(())
    } else {
        Err(Refused::Cannot(format!("{width} lanes cannot follow the schedule `{schedule}`")))
    }
}

/// Bytes of every space, as the layouts of [`cpu`](super) say.
fn spans(program: &Program, schedule: &Schedule, width: u32) -> [(Space, u64); 8] {
    let slots = |space| u64::from(program.slots(space)) * program.float.bytes() as u64;
    let block = u64::from(schedule.mr * width);
    let (over, state) = match schedule.lanes {
        Lanes::Rows => (block, block),
        Lanes::Columns => (1, block.max(LANES_OVER_COLUMNS as u64)),
    };
    let instances = u64::from(schedule.mr * schedule.nr * schedule.components * width);
    let by_chunk = u64::from(schedule.chunk).saturating_mul(over);
    [
        (Space::Param, slots(Space::Param)),
        (Space::Row, slots(Space::Row).saturating_mul(block)),
        (Space::Col, slots(Space::Col).saturating_mul(schedule.column_stride() as u64)),
        (Space::State, slots(Space::State).saturating_mul(state)),
        (Space::Other, slots(Space::Other).saturating_mul(block)),
        (Space::Out, slots(Space::Out).saturating_mul(block)),
        (Space::Tile, slots(Space::Tile).saturating_mul(by_chunk)),
        (Space::Temp, slots(Space::Temp).saturating_mul(instances)),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dtype::Float;
    use crate::loops::builder::{Builder, Functions, Sharing};
    use crate::loops::program::Index;

    fn rows() -> Schedule {
        Schedule { lanes: Lanes::Rows, mr: 4, nr: 2, components: 1, chunk: 64, tile: 128 }
    }

    fn columns() -> Schedule {
        Schedule { lanes: Lanes::Columns, nr: 1, ..rows() }
    }

    #[test]
    fn schedules_that_an_engine_cannot_follow_are_refused() {
        let program = Builder::new(Float::F32, true, Functions::Expanded).finish();
        assert_eq!(check(&program, &rows(), 16), Ok(()));
        assert_eq!(check(&program, &columns(), 16), Ok(()));
        for wrong in [
            Schedule { mr: 0, ..rows() },
            Schedule { nr: 0, ..rows() },
            Schedule { components: 17, ..rows() },
            Schedule { chunk: 0, ..rows() },
            Schedule { tile: 100, ..rows() },
            Schedule { nr: 2, ..columns() },
            Schedule { mr: 3, ..columns() },
            Schedule { mr: 8, ..columns() },
            Schedule { chunk: 32, ..columns() },
        ] {
            let refused = check(&program, &wrong, 16).expect_err("the schedule is wrong");
            let why = refused.why();
            assert!(why.contains("cannot follow the schedule"), "{why}");
        }
    }

    #[test]
    fn programs_that_span_too_much_memory_are_refused() {
        let mut b = Builder::new(Float::F64, true, Functions::Expanded);
        b.array("f", Space::Tile, 65_536);
        let program = b.finish();
        let wide = Schedule { chunk: 1024, tile: 1024, ..rows() };
        let refused = check(&program, &wide, 8).expect_err("16 GiB of tile");
        let why = "tile slots would need 17179869184 bytes; at most 2147483647 are accepted";
        assert_eq!(refused, Refused::Limit(why.into()));
        assert_eq!(check(&program, &Schedule { chunk: 64, ..wide }, 8), Ok(()));
        // As many slots as there may be, and one more.
        let of = |slots: u32| {
            let mut b = Builder::new(Float::F32, true, Functions::Expanded);
            b.array("p", Space::Param, slots);
            check(&b.finish(), &rows(), 8)
        };
        let most = (limits::SPACE_BYTES / 4) as u32;
        assert_eq!(of(most), Ok(()));
        assert!(matches!(of(most + 1), Err(Refused::Limit(_))));
    }

    #[test]
    fn programs_that_are_too_long_are_refused() {
        let of = |instructions: usize| {
            let mut b = Builder::new(Float::F32, true, Functions::Expanded);
            let x = b.array("x", Space::Row, 1);
            let mut value = b.load(x, Index { offset: 0, terms: Vec::new() });
            for _ in 1..instructions {
                value = b.add(value, value);
            }
            let is_full = b.is_full();
            b.program().row = b.take_block(Sharing::Fresh);
            (check(&b.finish(), &rows(), 8), is_full)
        };
        let most = limits::PROGRAM_INSTRUCTIONS;
        assert_eq!(of(most), (Ok(()), false));
        let why = format!("the program has {} instructions, more than {most}", most + 1);
        assert_eq!(of(most + 1), (Err(Refused::Limit(why)), true));
        // One value, and stores of it.
        let of = |stores: usize| {
            let mut b = Builder::new(Float::F32, true, Functions::Expanded);
            let r = b.array("r", Space::Row, 1);
            let value = b.float(0.0);
            (0..stores).for_each(|_| b.store(r, Index { offset: 0, terms: Vec::new() }, value));
            let is_full = b.is_full();
            b.program().row = b.take_block(Sharing::Fresh);
            (check(&b.finish(), &rows(), 8).is_ok(), is_full)
        };
        assert_eq!([of(most - 1), of(most)], [(true, false), (false, true)]);
        // Loops count while a program is built.
        let full = |loops: usize| {
            let mut b = Builder::new(Float::F32, true, Functions::Expanded);
            for _ in 0..loops {
                let id = b.begin_loop(2);
                b.end_loop(id, &[]);
            }
            b.is_full()
        };
        let most = limits::PROGRAM_INSTRUCTIONS / limits::LOOP_INSTRUCTIONS;
        assert_eq!([full(most), full(most + 1)], [false, true]);
    }

    #[test]
    fn programs_that_break_a_rule_are_refused() {
        let mut b = Builder::new(Float::F64, true, Functions::Expanded);
        b.program().identity.push(0.0);
        let refused = check(&b.finish(), &rows(), 2).expect_err("an identity without a slot");
        assert!(refused.why().starts_with("the program breaks a rule: program: 1 identities"));
    }
}
