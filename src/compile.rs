//! The way down: the one file that knows every stage of the compiler, in order. From a typed plan to callable code: lower, choose
//! a schedule, emit, keep in the cache, load.

use crate::cache::{self, Cache, Fields, Key, Kind, Origin, Raw, key};
use crate::cpu::artifact::{self, Notes};
use crate::cpu::clif::{self, Clif};
use crate::cpu::code::Native;
use crate::cpu::launch::Launcher;
use crate::cpu::layout::Layout;
use crate::cpu::target::Target;
use crate::cpu::{Code, Emitter, Refused, emitters};
use crate::cuda::Math;
use crate::dtype::Float;
use crate::engine::{Compiled, Engine, Plan};
use crate::environment;
use crate::error::{Error, ErrorKind};
use crate::formula::Category;
use crate::genred::Backend;
use crate::kernel::Stage;
use crate::loops::build::{self, Lowered, Source, TooLarge};
use crate::loops::builder::Functions;
use crate::reduce::{Family, Reduction};
use crate::schedule::{Cost, Lanes, Registers, Schedule};
use crate::syntax;
use std::sync::Arc;
use std::time::Instant;

pub(crate) mod device;

/// The engines that may run a kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Choice {
    /// Names of native engines, best first, or `eval`, or `cuda`; part of the key.
    pub(crate) names: String,
    /// Bytes of a device's memory that a call may use.
    pub(crate) device_memory: Option<u64>,
    /// How exact functions are on a device.
    pub(crate) math: Math,
    /// Whether calls with enough work go to a device if there is one.
    pub(crate) device: OnDevice,
}

/// When a call that may run on CPU engines runs on a CUDA device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OnDevice {
    /// The back end names CPU engines.
    Never,
    /// The back end is `auto`, and the environment does not let it use devices.
    NotAsked,
    /// If there is a device, and the work is worth the copy.
    IfWorth,
}

/// Restricts the CPU engines of this process to one: `clif`, `avx2` or `avx512`.
const FORCE: &str = "GENRED_CPU";

/// `auto` here lets [`Backend::Auto`] use CUDA devices: not yet by default, because no device has been measured, results of a device
/// and of a CPU engine differ in the last bits, and a program that does not ask must not start CUDA.
const ASK: &str = "GENRED_CUDA";

impl Choice {
    pub(crate) fn of(
        backend: Backend,
        device_memory: Option<u64>,
        math: Math,
    ) -> Result<Choice, Error> {
        let available = |names: &[&str]| -> Vec<&'static str> {
            let all = emitters();
            let wanted = all.iter().map(|e| e.name()).filter(|name| names.contains(name));
            wanted.collect()
        };
        let forced = environment::var(FORCE).filter(|name| !name.is_empty());
        let names = match (backend, &forced) {
            (Backend::Eval, _) => vec!["eval"],
            (Backend::Cuda, _) => vec![device::NAME],
            (Backend::Auto | Backend::Cpu, Some(name)) => available(&[name]),
            (Backend::Auto | Backend::Cpu, None) => available(&["avx512", "avx2", "clif"]),
            (Backend::Wide, _) => available(&["avx512", "avx2"]),
            (Backend::Clif, _) => available(&["clif"]),
            (Backend::Avx2, _) => available(&["avx2"]),
            (Backend::Avx512, _) => available(&["avx512"]),
        };
        if names.is_empty() {
            let wanted = forced.unwrap_or_else(|| backend.name().to_owned());
            let message = format!("this machine has no engine `{wanted}`");
            return Err(Error::new(ErrorKind::Device, message)
                .help(format!("its CPU engines are {}", Backend::cpu_engines().join(", "))));
        }
        let asked = || environment::var(ASK).is_some_and(|value| value == "auto");
        let device = match backend {
            Backend::Auto if asked() => OnDevice::IfWorth,
            Backend::Auto => OnDevice::NotAsked,
            _ => OnDevice::Never,
        };
        Ok(Choice { names: names.join(","), device_memory, math, device })
    }

    /// The same without a CUDA engine that calls may go to.
    pub(crate) fn without_device(self) -> Choice {
        Choice { device: OnDevice::Never, ..self }
    }

    /// The same with the CUDA engine alone.
    pub(crate) fn on_device(&self) -> Choice {
        Choice { names: device::NAME.into(), device: OnDevice::Never, ..self.clone() }
    }

    /// Whether it is the CUDA engine alone.
    pub(crate) fn is_device(&self) -> bool {
        self.names == device::NAME
    }

    /// The native engines, best first.
    fn emitters(&self) -> Vec<Box<dyn Emitter>> {
        let mut all = emitters();
        all.retain(|e| self.names.split(',').any(|name| name == e.name()));
        all
    }
}

impl Backend {
    /// Names of the CPU engines that this machine can run, in the order in which [`Backend::Auto`] asks them.
    ///
    /// ```
    /// assert_eq!(genred::Backend::cpu_engines().last(), Some(&"clif"));
    /// ```
    pub fn cpu_engines() -> Vec<&'static str> {
        emitters().iter().map(|engine| engine.name()).collect()
    }
}

/// What identifies the code of a plan for one shape class; `asked` is what only messages and calls depend on.
pub(crate) fn key(plan: &Plan, choice: &Choice, lanes: Lanes, asked: &str) -> Key {
    if choice.is_device() {
        return device::shown(plan, lanes, asked);
    }
    let formula = plan.formula.canonical_text();
    let beside = plan.beside.iter().map(|part| match part.k() {
        Some(k) => format!("+{}({k})", part.name()),
        None => format!("+{}", part.name()),
    });
    let reduction: String =
        std::iter::once(plan.reduction.name().to_owned()).chain(beside).collect();
    let generator = format!("cranelift {}", cranelift_codegen::VERSION);
    Key::new(&Fields {
        engine: key::ENGINE_VERSION,
        epoch: key::CODEGEN_EPOCH,
        source: key::SOURCE_DIGEST,
        generator: &generator,
        formula: &formula,
        reduction: &reduction,
        k: plan.reduction.k().unwrap_or(0),
        rows: if plan.rows == Category::I { "i" } else { "j" },
        dtype: plan.float.name(),
        accumulator: plan.float.name(),
        scheme: plan.scheme.name(),
        schedule: match lanes {
            Lanes::Rows => "lanes=rows",
            Lanes::Columns => "lanes=columns",
        },
        back_end: &choice.names,
        kind: Kind::Native,
        arch: key::arch(),
        os: std::env::consts::OS,
        abi: crate::cpu::code::ABI,
        features: Target::host().features,
        argument_abi: crate::cpu::ARGS_ABI,
        device: "",
        options: asked,
    })
}

/// The code of a plan for one shape class: from memory, from disk, or compiled.
pub(crate) fn obtain(
    plan: &Plan,
    choice: &Choice,
    lanes: Lanes,
    cache: &Cache,
) -> Result<(Arc<Compiled>, Origin), Error> {
    if choice.names == "eval" {
        let notes = Notes { engine: "eval".into(), refusals: Vec::new() };
        let compiled = Compiled { engine: Engine::Eval, notes, bytes: 0 };
        return Ok((Arc::new(compiled), Origin::Compiled));
    }
    if choice.is_device() {
        return device::obtain(plan, choice, lanes, cache);
    }
    let key = key(plan, choice, lanes, "");
    let raw = Raw::new().bytes(key.digest());
    cache.once(&raw, &key, || {
        let features = Target::host().features;
        let (compiled, origin) = cache.obtain(&key, features, load, || {
            let start = Instant::now();
            let code = compile(plan, choice, lanes)?;
            let compile_ns = u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX);
            Ok::<_, Error>(cache::Compiled { code, compile_ns })
        })?;
        let bytes = compiled.bytes;
        Ok((Arc::new(compiled), bytes, origin))
    })
}

/// The way down from a typed formula to code, for one shape class.
fn compile(plan: &Plan, choice: &Choice, lanes: Lanes) -> Result<Vec<u8>, Error> {
    let lowered = lower(plan, Functions::Expanded)?;
    // Every engine verifies the program before it emits anything.
    let costs = Costs::of(plan, &lowered)?;
    let mut refusals: Vec<(String, String)> = Vec::new();
    let mut kind = ErrorKind::Device;
    for emitter in choice.emitters() {
        let schedule = costs.schedule(emitter.registers(plan.float), lanes);
        match emitter.emit(&lowered.program, &schedule) {
            Ok(code) => {
                let layout = Layout::of(&lowered, schedule, &code);
                let notes = Notes { engine: emitter.name().into(), refusals };
                return Ok(artifact::encode(&code, &layout, &notes));
            }
            Err(refused) => {
                if matches!(refused, Refused::Limit(_)) {
                    kind = ErrorKind::Limit;
                }
                refusals.push((emitter.name().into(), refused.why().to_owned()));
            }
        }
    }
    let reasons: Vec<String> =
        refusals.iter().map(|(name, why)| format!("{name}: {why}")).collect();
    let message = format!("no engine takes this formula ({})", reasons.join("; "));
    Err(Error::new(kind, message))
}

/// What the schedule of a plan is chosen from.
struct Costs {
    /// Of its program.
    whole: Cost,
    /// Of the sum among several parts on its own.
    sum: Option<Cost>,
}

impl Costs {
    fn of(plan: &Plan, lowered: &Lowered) -> Result<Costs, Error> {
        let family = plan.reduction.family();
        let sum = match (family, plan.beside.len()) {
            (Family::Selection, _) | (_, 0) => None,
            _ => {
                let parts = &[plan.reduction];
                let fma = Target::host().fma;
                let alone = lower_parts(plan, parts, Functions::Expanded, fma)?;
                Some(alone.program.cost(family))
            }
        };
        Ok(Costs { whole: lowered.program.cost(family), sum })
    }

    /// Sums are cut into chunks and tiles as they are on their own, so that they have the same bits; selections have them always.
    fn schedule(&self, registers: Registers, lanes: Lanes) -> Schedule {
        let schedule = Schedule::choose(self.whole, registers, lanes);
        let Some(sum) = self.sum else { return schedule };
        let Schedule { chunk, tile, .. } = Schedule::choose(sum, registers, lanes);
        Schedule { chunk, tile, ..schedule }
    }
}

/// Callable code of an artifact.
fn load(bytes: &[u8]) -> Result<Compiled, Error> {
    let refused = |why: String| Error::new(ErrorKind::Device, why);
    let (code, layout, notes) =
        artifact::decode(bytes).ok_or_else(|| refused("this is not a kernel".into()))?;
    let engine = match layout.float {
        Float::F32 => Native::<f32>::load(&code, layout)
            .map(|native| Engine::F32(Launcher::new(Box::new(native)))),
        Float::F64 => Native::<f64>::load(&code, layout)
            .map(|native| Engine::F64(Launcher::new(Box::new(native)))),
    };
    let engine = engine.map_err(|refusal| refused(refusal.why().to_owned()))?;
    Ok(Compiled { engine, notes, bytes: code.bytes.len() })
}

/// The text of a stage.
pub(crate) fn explain(plan: &Plan, choice: &Choice, compiled: &Compiled, stage: Stage) -> String {
    explained(plan, choice, compiled, stage).unwrap_or_else(|error| format!("{error}\n"))
}

fn explained(
    plan: &Plan,
    choice: &Choice,
    compiled: &Compiled,
    stage: Stage,
) -> Result<String, Error> {
    let schedule = match compiled.engine.layout() {
        Ok(layout) => layout.schedule,
        Err(error) if matches!(stage, Stage::Schedule | Stage::Clif | Stage::Asm) => {
            return Err(error);
        }
        Err(_) => Costs::of(plan, &lower(plan, Functions::Expanded)?)?
            .schedule(Clif.registers(plan.float), Lanes::Rows),
    };
    Ok(match stage {
        Stage::Parse => match syntax::parse(&plan.text) {
            Ok(ast) => ast.tree(),
            Err(error) => error.to_string(),
        },
        Stage::Typed => plan.formula.text(),
        Stage::Program => lower(plan, Functions::Intrinsic)?.program.text(Some(&schedule)),
        Stage::Schedule => format!("{} {schedule}\n", compiled.notes.engine),
        Stage::Asm => {
            let program = lower(plan, Functions::Expanded)?.program;
            let emitter = emitters().into_iter().find(|e| e.name() == compiled.notes.engine);
            match emitter.map(|emitter| emitter.emit(&program, &schedule)) {
                Some(Ok(code)) => {
                    format!("; {} {schedule}\n{}", compiled.notes.engine, listing(&code))
                }
                Some(Err(refused)) => format!("refused: {}\n", refused.why()),
                None => format!("this machine has no engine `{}`\n", compiled.notes.engine),
            }
        }
        Stage::Cuda => device::source(plan, choice.math, Lanes::Rows),
        Stage::Key => key(plan, choice, Lanes::Rows, "").to_string(),
        Stage::Clif => {
            let program = lower(plan, Functions::Expanded)?.program;
            clif::text(&program, &schedule)
                .unwrap_or_else(|refused| format!("refused: {}\n", refused.why()))
        }
    })
}

/// Machine code as text, where there is a disassembler for it.
fn listing(code: &Code) -> String {
    #[cfg(target_arch = "x86_64")]
    return crate::cpu::wide::disassembly(code);
    #[cfg(not(target_arch = "x86_64"))]
    return format!("{} bytes; there is no disassembler for this processor\n", code.bytes.len());
}

/// The staged program of a plan for this machine's processor.
///
/// # Errors
/// `Limit` with the part of the formula at which it becomes too large.
fn lower(plan: &Plan, functions: Functions) -> Result<Lowered, Error> {
    lower_for(plan, functions, Target::host().fma)
}

/// The staged program of a plan for a machine that fuses products with sums, or does not.
///
/// # Errors
/// As [`lower`].
fn lower_for(plan: &Plan, functions: Functions, fma: bool) -> Result<Lowered, Error> {
    let parts: Vec<Reduction> = plan.parts().collect();
    lower_parts(plan, &parts, functions, fma)
}

/// The same with some parts of a plan only.
fn lower_parts(
    plan: &Plan,
    parts: &[Reduction],
    functions: Functions,
    fma: bool,
) -> Result<Lowered, Error> {
    let lowered = build::build(&Source {
        formula: &plan.formula,
        rows: plan.rows,
        reductions: parts,
        scheme: plan.scheme,
        float: plan.float,
        fma,
        functions,
    });
    lowered.map_err(|too_large| {
        let TooLarge { span, in_weight } = too_large;
        let error = match (span.is_empty(), in_weight) {
            (false, false) => {
                Error::at(ErrorKind::Limit, "formula", &plan.text, span, too_large.to_string())
            }
            (_, true) => Error::new(ErrorKind::Limit, format!("{too_large}, in its weight")),
            _ => Error::new(ErrorKind::Limit, too_large.to_string()),
        };
        error.help("vectors of up to 16 components, and parts used again, are written out")
    })
}
