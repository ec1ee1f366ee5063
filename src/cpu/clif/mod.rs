//! The portable engine: Program to Cranelift IR with 128-bit vectors, for every instruction set that Cranelift knows.
//!
//! Only operations that lower to instructions everywhere are used; nothing may become a library call or need a relocation,
//! so the code is a position-independent blob.

mod lower;
mod stages;

use super::check::check;
use super::target::Target;
use super::{Code, Emitter, Entry, Refused};
use crate::dtype::Float;
use crate::limits;
use crate::loops::program::{Program, Stmt};
use crate::schedule::{Registers, Schedule};
use cranelift_codegen::control::ControlPlane;
use cranelift_codegen::ir::{AbiParam, Function, Signature, UserFuncName, types};
use cranelift_codegen::isa::{CallConv, OwnedTargetIsa};
use cranelift_codegen::settings::{self, Configurable};
use cranelift_codegen::{Context, ir};
use cranelift_frontend::FunctionBuilderContext;
use std::sync::OnceLock;

/// Bytes of a vector.
pub(crate) const VECTOR_BYTES: usize = 16;
/// Scalar instructions beyond which the linear-time register allocator is used (its code is slower; the other one is quadratic
/// in live values).
const SINGLE_PASS_ABOVE: usize = 5_000;

/// The Cranelift engine.
#[derive(Clone, Copy, Debug, Default)]
pub struct Clif;

impl Emitter for Clif {
    fn name(&self) -> &'static str {
        "clif"
    }

    fn registers(&self, _: Float) -> Registers {
        let count = if cfg!(target_arch = "aarch64") { 32 } else { 16 };
        Registers { bytes: VECTOR_BYTES as u32, count }
    }

    fn emit(&self, program: &Program, schedule: &Schedule) -> Result<Code, Refused> {
        check(program, schedule, width(program))?;
        let mut context = FunctionBuilderContext::new();
        let mut code =
            Code { bytes: Vec::new(), entries: [None; 6], temp_bytes: 0, width: width(program) };
        code.temp_bytes = lower::temp_bytes(program, schedule);
        for entry in
            [Entry::Param, Entry::Row, Entry::Col, Entry::Pair, Entry::Merge, Entry::Finish]
        {
            if block(program, entry).is_some_and(<[Stmt]>::is_empty) {
                continue;
            }
            let function = build(program, schedule, entry, &mut context)?;
            let bytes = compile(function)?;
            code.bytes.resize(code.bytes.len().next_multiple_of(64), 0);
            code.entries[entry as usize] = Some(code.bytes.len() as u32);
            code.bytes.extend(bytes);
            if code.bytes.len() > limits::CODE_BYTES {
                return Err(Refused::Limit(format!(
                    "the kernel needs more than {} bytes of code",
                    limits::CODE_BYTES
                )));
            }
        }
        Ok(code)
    }
}

/// Lanes of a vector of the program's type.
pub(crate) fn width(program: &Program) -> u32 {
    (VECTOR_BYTES / program.float.bytes()) as u32
}

/// The statements of a straight stage; `None` for the pair stage.
fn block(program: &Program, entry: Entry) -> Option<&[Stmt]> {
    match entry {
        Entry::Param => Some(&program.param),
        Entry::Row => Some(&program.row),
        Entry::Col => Some(&program.col),
        Entry::Pair => None,
        Entry::Merge => Some(&program.merge),
        Entry::Finish => Some(&program.finish),
    }
}

/// The Cranelift IR of the pair stage, as `explain` shows it.
///
/// # Errors
/// When the program is refused.
pub fn text(program: &Program, schedule: &Schedule) -> Result<String, Refused> {
    check(program, schedule, width(program))?;
    let function = build(program, schedule, Entry::Pair, &mut FunctionBuilderContext::new())?;
    Ok(function.display().to_string())
}

/// What [`LoadedCode`](crate::cpu::code::LoadedCode) calls stages by.
fn convention(isa: &OwnedTargetIsa) -> CallConv {
    if cfg!(target_arch = "x86_64") {
        return CallConv::SystemV;
    }
    CallConv::triple_default(isa.triple())
}

fn build(
    program: &Program,
    schedule: &Schedule,
    entry: Entry,
    context: &mut FunctionBuilderContext,
) -> Result<Function, Refused> {
    let isa = isa()?;
    let mut signature = Signature::new(convention(&isa));
    signature.params.push(AbiParam::new(types::I64));
    signature.returns.push(AbiParam::new(types::I64));
    let mut function =
        Function::with_name_signature(UserFuncName::user(0, entry as u32), signature);
    stages::emit(program, schedule, entry, &mut function, context, isa.frontend_config());
    Ok(function)
}

fn compile(function: Function) -> Result<Vec<u8>, Refused> {
    let large = function.dfg.num_insts() > SINGLE_PASS_ABOVE;
    let isa = if large { single_pass_isa()? } else { isa()? };
    let mut context = Context::for_function(function);
    let compiled = context
        .compile(isa.as_ref(), &mut ControlPlane::default())
        .map_err(|e| Refused::Cannot(format!("Cranelift refused the program: {:?}", e.inner)))?;
    if !compiled.buffer.relocs().is_empty() {
        return Err(Refused::Cannot(
            "the program needs a run-time library on this processor".into(),
        ));
    }
    Ok(compiled.buffer.data().to_vec())
}

fn isa() -> Result<OwnedTargetIsa, Refused> {
    static ISA: OnceLock<Result<OwnedTargetIsa, String>> = OnceLock::new();
    ISA.get_or_init(|| host_isa("backtracking")).clone().map_err(Refused::Cannot)
}

fn single_pass_isa() -> Result<OwnedTargetIsa, Refused> {
    static ISA: OnceLock<Result<OwnedTargetIsa, String>> = OnceLock::new();
    ISA.get_or_init(|| host_isa("single_pass")).clone().map_err(Refused::Cannot)
}

fn host_isa(allocator: &str) -> Result<OwnedTargetIsa, String> {
    if cfg!(target_arch = "x86_64") && Target::host().features & 1 == 0 {
        return Err("the processor has no SSE4.1".into());
    }
    let mut flags = settings::builder();
    for (name, value) in [
        ("opt_level", "none"),
        ("is_pic", "false"),
        ("unwind_info", "false"),
        ("enable_verifier", if cfg!(debug_assertions) { "true" } else { "false" }),
        ("regalloc_algorithm", allocator),
        ("enable_probestack", "false"),
    ] {
        flags.set(name, value).map_err(|e| format!("{name}: {e}"))?;
    }
    let builder = cranelift_native::builder()?;
    builder.finish(settings::Flags::new(flags)).map_err(|e| e.to_string())
}

/// Memory flags of every access: in bounds by the launcher's checks, any alignment.
fn access() -> ir::MemFlagsData {
    ir::MemFlagsData::new().with_notrap()
}
