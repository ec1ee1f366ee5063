//! What a kernel tells about how it was made.

use crate::cache::Origin;
use std::time::Duration;

/// A stage of the compiler whose result [`Kernel::explain`](crate::Kernel::explain) shows.
///
/// ```
/// use genred::{Stage, generic_sum};
/// let kde = generic_sum::<f32>("Exp(-SqDist(x, y))", "a = Vi(1)", &["x = Vi(3)", "y = Vj(3)"])?;
/// for stage in Stage::ALL {
///     assert!(!kde.explain(stage).is_empty(), "{}", stage.name());
/// }
/// # Ok::<(), genred::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Stage {
    /// The formula as parsed, with places.
    Parse,
    /// Operations with dims and how often each changes.
    Typed,
    /// The staged scalar program, with transcendental functions as calls.
    Program,
    /// How the program is laid over the machine.
    Schedule,
    /// Cranelift's intermediate representation of the pair stage.
    Clif,
    /// The machine code of the chosen engine, disassembled (on x86-64).
    Asm,
    /// The CUDA C++ source: made without a device, a driver or a compiler for one.
    Cuda,
    /// What identifies the kernel in the cache.
    Key,
}

impl Stage {
    /// Every stage, on the way down.
    pub const ALL: [Stage; 8] = [
        Stage::Parse,
        Stage::Typed,
        Stage::Program,
        Stage::Schedule,
        Stage::Clif,
        Stage::Asm,
        Stage::Cuda,
        Stage::Key,
    ];

    /// The name that the tool takes.
    ///
    /// ```
    /// assert_eq!(genred::Stage::Program.name(), "program");
    /// ```
    pub fn name(self) -> &'static str {
        match self {
            Stage::Parse => "parse",
            Stage::Typed => "typed",
            Stage::Program => "program",
            Stage::Schedule => "schedule",
            Stage::Clif => "clif",
            Stage::Asm => "asm",
            Stage::Cuda => "cuda",
            Stage::Key => "key",
        }
    }
}

/// How a kernel was made.
///
/// ```
/// use genred::{Backend, Genred};
/// let sum = Genred::<f64>::sum("x * y").output("a = Vi(1)").aliases(["x = Vi(1)", "y = Vj(1)"]);
/// let stats = sum.backend(Backend::Clif).compile()?.stats();
/// assert!(stats.engine == "clif" && stats.code_bytes > 0 && stats.refusals.is_empty());
/// # Ok::<(), genred::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Stats {
    /// The engine that runs it.
    pub engine: String,
    /// Where its code came from.
    pub origin: Origin,
    /// Time from strings to a callable kernel.
    pub build_time: Duration,
    /// Bytes of machine code.
    pub code_bytes: usize,
    /// Engines that were asked before, each with the reason why it refused.
    pub refusals: Vec<(String, String)>,
}
