//! The wide engines of x86-64: Program to machine code at 256 bits (AVX2 and FMA) and 512 bits (AVX-512).
//!
//! One stage function after the other goes through three steps: [`select`] makes vector instructions over virtual registers of
//! the scalar program, in the order that [`interleave`] chooses and within the loops of [`stages`] and [`pair`]; [`regalloc`]
//! gives them registers and spill slots; [`encode`] writes the bytes. They perform exactly the program's operations with its
//! fused multiply-adds, so their results have the same bits as those of every other engine.

mod disassemble;
mod encode;
mod interleave;
mod invariant;
mod ir;
mod isa;
mod machine;
mod pair;
mod places;
mod regalloc;
mod select;
mod stages;

#[cfg(test)]
mod tests;

use super::check::check;
use super::target::Target;
use super::{Code, Emitter, Entry, Refused};
use crate::dtype::Float;
use crate::limits;
use crate::loops::program::{Program, Space};
use crate::schedule::{Registers, Schedule};
pub use disassemble::disassembly;
use encode::Blob;
use isa::{Isa, Level};
use stages::Source;

/// Bits of [`Target::features`]: FMA with AVX2, and AVX-512.
const AVX2: u64 = 4 | 8;
const AVX512: u64 = AVX2 | 16;

/// The 256-bit engine.
#[derive(Clone, Copy, Debug)]
pub struct Avx2(());

/// The 512-bit engine.
#[derive(Clone, Copy, Debug)]
pub struct Avx512(());

impl Avx2 {
    /// The engine, if the machine can run what it emits.
    pub fn on(target: Target) -> Option<Avx2> {
        (target.features & AVX2 == AVX2).then_some(Avx2(()))
    }
}

impl Avx512 {
    /// The engine, if the machine can run what it emits.
    pub fn on(target: Target) -> Option<Avx512> {
        (target.features & AVX512 == AVX512).then_some(Avx512(()))
    }
}

impl Emitter for Avx2 {
    fn name(&self) -> &'static str {
        "avx2"
    }

    fn registers(&self, float: Float) -> Registers {
        registers(Isa { level: Level::Avx2, float })
    }

    fn emit(&self, program: &Program, schedule: &Schedule) -> Result<Code, Refused> {
        emit(program, schedule, Level::Avx2)
    }
}

impl Emitter for Avx512 {
    fn name(&self) -> &'static str {
        "avx512"
    }

    fn registers(&self, float: Float) -> Registers {
        registers(Isa { level: Level::Avx512, float })
    }

    fn emit(&self, program: &Program, schedule: &Schedule) -> Result<Code, Refused> {
        emit(program, schedule, Level::Avx512)
    }
}

fn registers(isa: Isa) -> Registers {
    Registers { bytes: (isa.lanes() * isa.float.bytes()) as u32, count: isa.vectors() as u32 }
}

fn emit(program: &Program, schedule: &Schedule, level: Level) -> Result<Code, Refused> {
    let isa = Isa { level, float: program.float };
    check(program, schedule, isa.lanes() as u32)?;
    let source = Source { program, schedule, isa };
    let temps =
        program.slots(Space::Temp) as usize * stages::temp_instances(schedule) * isa.bytes();
    let mut blob = Blob::new(isa);
    let mut entries = [None; 6];
    let mut temp_bytes = temps;
    for entry in [Entry::Param, Entry::Row, Entry::Col, Entry::Pair, Entry::Merge, Entry::Finish] {
        let Some(function) = stages::function(source, entry)? else { continue };
        let allocated = regalloc::allocate(&function, isa, temps)?;
        temp_bytes = temp_bytes.max(allocated.scratch);
        entries[entry as usize] = Some(blob.function(&allocated)?);
        if blob.len() > limits::CODE_BYTES {
            let message =
                format!("the kernel needs more than {} bytes of code", limits::CODE_BYTES);
            return Err(Refused::Limit(message));
        }
    }
    let bytes = blob.finish();
    Ok(Code { bytes, entries, temp_bytes, width: isa.lanes() as u32 })
}
