//! The CUDA engine: a [`Program`](crate::loops::program::Program) as CUDA C++, compiled by NVRTC to a CUBIN, run through the
//! driver.
//!
//! **Not yet measured on hardware.** Its sources are compiled for the host with the device language emulated, and compared with the
//! oracle (`tests/cuda`), and by NVRTC where it is installed; no device has run them yet.
//!
//! Nothing here is linked: the driver and the compiler are looked for when they are first asked for, and whatever is missing is
//! an error that says so. A cached CUBIN needs the driver only.
//!
//! * [`tiling`]: how a program is laid over blocks and threads.
//! * `source`: the text of the kernels.
//! * [`nvrtc`]: the compiler.
//! * [`device`], [`driver`]: what devices there are, and the few driver functions that are used.
//! * [`floor`]: the time that the operations of a call take at least.
//! * [`launch`]: a call: host arrays copied in panels, or arrays that are on the device already.
//!
//! # Accuracy
//!
//! Arithmetic is the program's, fused where the program fuses and nowhere else (`--fmad=false`); division and square root are
//! correctly rounded, subnormal numbers are kept. Functions are CUDA's: by its documentation their largest errors in float32 are 2
//! ulp for exp, exp2, sin, cos, asin, acos, atan, 1 ulp for log, 3 for atan2, 4 for pow; in float64 1 ulp for exp, exp2 and log, 2
//! for the others. [`Math::Fast`] gives that up for speed.

pub mod artifact;
pub mod device;
pub mod driver;
pub mod floor;
pub mod launch;
pub mod layout;
mod library;
pub mod nvrtc;
mod source;
mod survey;
pub mod tiling;

pub use artifact::Cubin;
pub use device::{Device, DeviceInfo, available};
pub use driver::Driver;
pub use launch::Launcher;
pub use source::ARGS_ABI;

use crate::dtype::DType;
use crate::error::{Error, ErrorKind};
use crate::loops::build::Lowered;
use crate::loops::verify::verify;
use crate::reduce::{Family, Preference, Reduction};
use crate::schedule::Lanes;
use layout::Layout;
use nvrtc::{Arch, Nvrtc};
use tiling::{Kept, Tiling};

/// How exact functions and arithmetic are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Math {
    /// As the module documentation says.
    #[default]
    Accurate,
    /// Hardware approximations of functions, division and square root; subnormal numbers may become zero; products and sums
    /// are fused wherever possible.
    Fast,
}

/// What a source is made from besides the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Request {
    /// The reduction.
    pub reduction: Reduction,
    /// Dim of its formula.
    pub dim: u32,
    /// Type of the caller's arrays.
    pub stored: DType,
    /// The shape class.
    pub lanes: Lanes,
    /// How exact it is.
    pub math: Math,
}

/// A source that compiles to a kernel.
#[derive(Clone, Debug, PartialEq)]
pub struct Emitted {
    /// CUDA C++.
    pub source: String,
    /// What the launcher must know of the kernel.
    pub layout: Layout,
    /// Options of the compiler besides the architecture: part of a cache key.
    pub options: Vec<String>,
}

impl Request {
    /// What a selection keeps.
    pub fn kept(&self) -> Option<Kept> {
        (self.reduction.family() == Family::Selection).then(|| Kept {
            dim: self.dim,
            k: self.reduction.k().unwrap_or(1),
            negated: self.reduction.preference() == Preference::Largest,
        })
    }

    /// The tiling for a verified program.
    pub fn tiling(&self, lowered: &Lowered) -> Tiling {
        Tiling::choose(&lowered.program, self.reduction.family(), self.kept(), self.lanes)
    }

    /// Options of the compiler besides the architecture.
    pub fn options(&self) -> Vec<String> {
        let fast: &[&str] = match (self.math, self.reduction.family()) {
            (Math::Accurate, _) => &["--fmad=false"],
            // The order of kept values needs subnormal numbers.
            (Math::Fast, Family::Selection) => {
                &["--fmad=true", "--prec-div=false", "--prec-sqrt=false"]
            }
            (Math::Fast, _) => &["--use_fast_math", "--fmad=true"],
        };
        ["--std=c++17"].iter().chain(fast).map(|o| (*o).to_owned()).collect()
    }

    /// The source of a program, lowered with its functions as intrinsics.
    ///
    /// # Errors
    /// `Device` if the program needs more of a thread or a block than devices have.
    pub fn emit(&self, lowered: &Lowered) -> Result<Emitted, Error> {
        check(lowered)?;
        self.emitted(lowered, self.tiling(lowered))
    }

    /// The same for a tiling of the caller's.
    ///
    /// # Errors
    /// As [`emit`](Request::emit).
    pub fn emit_with(&self, lowered: &Lowered, tiling: Tiling) -> Result<Emitted, Error> {
        check(lowered)?;
        self.emitted(lowered, tiling)
    }

    /// The source of a verified program.
    fn emitted(&self, lowered: &Lowered, tiling: Tiling) -> Result<Emitted, Error> {
        let (family, kept) = (self.reduction.family(), self.kept());
        let (source, parts, partial) =
            source::emit(lowered, &tiling, family, kept, self.stored).map_err(refused)?;
        let layout = Layout::of(lowered, tiling, kept, self.stored, (parts, partial));
        Ok(Emitted { source, layout, options: self.options() })
    }
}

fn refused(why: String) -> Error {
    Error::new(ErrorKind::Device, format!("this formula cannot run with CUDA: {why}"))
}

/// Refuse what the engine cannot do, and programs that break a rule: neither a tiling is chosen nor a source made of these.
fn check(lowered: &Lowered) -> Result<(), Error> {
    if !lowered.indices.is_empty() || lowered.keep.is_some() {
        let why = "the CUDA engine does not have `IndexI`, `IndexJ` and conditions on them yet";
        return Err(refused(why.to_owned()));
    }
    verify(&lowered.program).map_err(|defect| refused(defect.to_string()))
}

/// Compile a source for an architecture.
///
/// # Errors
/// `Device` if the compiler does not know the architecture or refuses the source.
pub fn compile(emitted: &Emitted, nvrtc: &Nvrtc, arch: Arch) -> Result<Cubin, Error> {
    let output = nvrtc.compile(&emitted.source, arch, &emitted.options)?;
    Ok(Cubin { bytes: output.cubin, layout: emitted.layout.clone() })
}
