//! What a request may choose: the axis, and what evaluates the formula.

/// Which axis is reduced over, where no output alias says it.
///
/// ```
/// use genred::{Axis, Genred, View};
/// let sum = |axis| Genred::<f64>::sum("x * y").aliases(["x = Vi(1)", "y = Vj(1)"]).axis(axis).compile();
/// let args = [View::new(&[1.0, 2.0], 2, 1)?, View::new(&[1.0, 10.0, 100.0], 3, 1)?];
/// assert_eq!(sum(Axis::J)?.call(&args)?.as_slice(), [111.0, 222.0]);
/// assert_eq!(sum(Axis::I)?.call(&args)?.as_slice(), [3.0, 30.0, 300.0]);
/// # Ok::<(), genred::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Axis {
    /// Over i: the result has one row for every j. KeOps' axis 0.
    I,
    /// Over j: the result has one row for every i. KeOps' axis 1.
    J,
}

/// What evaluates the formula.
///
/// ```
/// use genred::{Backend, Genred};
/// let sum = Genred::<f64>::sum("x * y").output("a = Vi(1)").aliases(["x = Vi(1)", "y = Vj(1)"]);
/// assert_eq!(sum.backend(Backend::Clif).compile()?.stats().engine, "clif");
/// # Ok::<(), genred::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Backend {
    /// The fastest CPU engine that takes the formula; where `GENRED_CUDA=auto` is set, a CUDA device for calls that are worth the
    /// copy. [`Kernel::prepare`](crate::Kernel::prepare) says what a call would run on, and why not on a device.
    #[default]
    Auto,
    /// The fastest CPU engine that takes the formula.
    Cpu,
    /// Cranelift's 128-bit vectors.
    Clif,
    /// The widest vectors of this x86-64 processor.
    Wide,
    /// 256-bit vectors.
    Avx2,
    /// 512-bit vectors.
    Avx512,
    /// NVIDIA devices, through the CUDA driver. Not yet measured on hardware.
    Cuda,
    /// The interpreter that defines what formulas mean: float64 inside, slow.
    Eval,
}

impl Backend {
    /// The back end of a name as the tool takes it.
    ///
    /// ```
    /// assert_eq!(genred::Backend::from_name("clif"), Some(genred::Backend::Clif));
    /// ```
    pub fn from_name(name: &str) -> Option<Backend> {
        Backend::ALL.into_iter().find(|backend| backend.name() == name)
    }

    /// Every back end.
    pub const ALL: [Backend; 8] = [
        Backend::Auto,
        Backend::Cpu,
        Backend::Clif,
        Backend::Wide,
        Backend::Avx2,
        Backend::Avx512,
        Backend::Cuda,
        Backend::Eval,
    ];

    /// The name that the tool takes.
    ///
    /// ```
    /// assert_eq!(genred::Backend::Avx512.name(), "avx512");
    /// ```
    pub fn name(self) -> &'static str {
        match self {
            Backend::Auto => "auto",
            Backend::Cpu => "cpu",
            Backend::Clif => "clif",
            Backend::Wide => "wide",
            Backend::Avx2 => "avx2",
            Backend::Avx512 => "avx512",
            Backend::Cuda => "cuda",
            Backend::Eval => "eval",
        }
    }
}
