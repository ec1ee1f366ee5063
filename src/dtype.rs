//! Element types: what arrays store ([`DType`], [`Element`]) and what kernels compute in ([`Float`]).
//!
//! float16 is a storage type only: it is widened while tiles are packed and rounded once at the end, so no
//! engine ever does arithmetic in it.
//!
//! ```
//! use genred::dtype::{DType, Element, Float};
//! use half::f16;
//! assert_eq!((f16::DTYPE, f16::DTYPE.compute()), (DType::F16, Float::F32));
//! // Summed in float32 and rounded once: 0.1 as float16 is 0.09998.
//! let sum = genred::generic_sum::<f16>("y", "a = Vi(1)", &["x = Vi(1)", "y = Vj(1)"])?;
//! let (x, y) = ([f16::ZERO], [f16::from_f32(0.1); 1_000]);
//! let a = sum.call(&[genred::View::new(&x, 1, 1)?, genred::View::new(&y, 1_000, 1)?])?;
//! assert_eq!(a[(0, 0)].to_f32(), 100.0);
//! # Ok::<(), genred::Error>(())
//! ```

use half::f16;
use std::fmt;

/// The element type of the arrays of a call.
///
/// ```
/// use genred::{DType, Element};
/// assert_eq!((f64::DTYPE, f64::DTYPE.bytes()), (DType::F64, 8));
/// assert_eq!(DType::F16.to_string(), "float16");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum DType {
    /// IEEE binary16: stored only; computed in binary32.
    F16,
    /// IEEE binary32.
    F32,
    /// IEEE binary64.
    F64,
}

/// The type that a compiled kernel computes and accumulates in.
///
/// ```
/// use genred::{DType, Float};
/// assert_eq!(DType::F16.compute(), Float::F32);
/// assert_eq!(Float::F64.to_string(), "f64");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Float {
    /// IEEE binary32.
    F32,
    /// IEEE binary64.
    F64,
}

impl DType {
    /// Size of one element in bytes.
    ///
    /// ```
    /// assert_eq!(genred::DType::F16.bytes(), 2);
    /// ```
    pub const fn bytes(self) -> usize {
        match self {
            DType::F16 => 2,
            DType::F32 => 4,
            DType::F64 => 8,
        }
    }

    /// The NumPy name: `float16`, `float32` or `float64`.
    ///
    /// ```
    /// assert_eq!(genred::DType::F32.name(), "float32");
    /// ```
    pub const fn name(self) -> &'static str {
        match self {
            DType::F16 => "float16",
            DType::F32 => "float32",
            DType::F64 => "float64",
        }
    }

    /// The type that kernels over this dtype compute in when no wider accumulator is asked for.
    ///
    /// ```
    /// use genred::{DType, Float};
    /// assert_eq!(DType::F16.compute(), Float::F32);
    /// ```
    pub const fn compute(self) -> Float {
        match self {
            DType::F16 | DType::F32 => Float::F32,
            DType::F64 => Float::F64,
        }
    }

    /// The largest integer `n` such that every integer in `0..=n` is exactly representable.
    ///
    /// ```
    /// assert_eq!(genred::DType::F16.largest_exact_index(), 2048);
    /// ```
    pub const fn largest_exact_index(self) -> u64 {
        match self {
            DType::F16 => 1 << 11,
            DType::F32 => 1 << 24,
            DType::F64 => 1 << 53,
        }
    }
}

impl fmt::Display for DType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Float {
    /// Size of one value in bytes.
    ///
    /// ```
    /// assert_eq!(genred::Float::F64.bytes(), 8);
    /// ```
    pub const fn bytes(self) -> usize {
        match self {
            Float::F32 => 4,
            Float::F64 => 8,
        }
    }

    /// Short name as printed in programs: `f32` or `f64`.
    ///
    /// ```
    /// assert_eq!(genred::Float::F32.name(), "f32");
    /// ```
    pub const fn name(self) -> &'static str {
        match self {
            Float::F32 => "f32",
            Float::F64 => "f64",
        }
    }
}

impl fmt::Display for Float {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

pub(crate) mod sealed {
    use zerocopy::{FromBytes, Immutable, IntoBytes};

    /// Numbers whose every bit pattern is one, so that arrays of them are read from and written to files as they are.
    pub trait Stored: Copy + Default + Send + Sync + FromBytes + IntoBytes + Immutable {
        /// The number with its bytes in the other order.
        fn swapped(self) -> Self;
    }

    impl Stored for half::f16 {
        fn swapped(self) -> Self {
            Self::from_bits(self.to_bits().swap_bytes())
        }
    }
    impl Stored for f32 {
        fn swapped(self) -> Self {
            Self::from_bits(self.to_bits().swap_bytes())
        }
    }
    impl Stored for f64 {
        fn swapped(self) -> Self {
            Self::from_bits(self.to_bits().swap_bytes())
        }
    }
    impl Stored for i64 {
        fn swapped(self) -> Self {
            self.swap_bytes()
        }
    }

    pub trait Sealed: Stored {}
    impl Sealed for half::f16 {}
    impl Sealed for f32 {}
    impl Sealed for f64 {}
}

/// A type that arrays of a call may store: `half::f16`, `f32` or `f64` (sealed).
///
/// ```
/// use genred::{DType, Element};
/// assert_eq!(<f32 as Element>::DTYPE, DType::F32);
/// ```
pub trait Element: sealed::Sealed + Copy + Default + Send + Sync + fmt::Debug + 'static {
    /// The dtype of this type.
    const DTYPE: DType;
    /// Exact widening.
    ///
    /// ```
    /// use genred::Element;
    /// assert_eq!(half::f16::MAX.to_f64(), 65504.0);
    /// ```
    fn to_f64(self) -> f64;
    /// Rounding to nearest, ties to even.
    ///
    /// ```
    /// use genred::Element;
    /// // float16 has 11 bits: 2049 is halfway between two numbers.
    /// assert_eq!(half::f16::from_f64(2049.0).to_f64(), 2048.0);
    /// ```
    fn from_f64(value: f64) -> Self;
    /// Widening to `f32`; rounds for `f64`.
    ///
    /// ```
    /// use genred::Element;
    /// assert_eq!(Element::to_f32(16_777_217.0f64), 16_777_216.0);
    /// ```
    fn to_f32(self) -> f32;
    /// From `f32`; rounds for `f16`.
    ///
    /// ```
    /// use genred::Element;
    /// assert_eq!(<f64 as Element>::from_f32(0.1), f64::from(0.1f32));
    /// ```
    fn from_f32(value: f32) -> Self;
}

/// A type that kernels compute in: `f32` or `f64` (sealed). For engines.
#[doc(hidden)]
pub trait Real: Element + PartialOrd {
    /// The compute type of this type.
    const FLOAT: Float;
    /// +infinity.
    const INFINITY: Self;
    /// Not a number.
    const NAN: Self;
    /// From what an array stores: exact unless the array is wider.
    fn load<T: Element>(stored: T) -> Self;
    /// To what an array stores, rounded once.
    fn store<T: Element>(self) -> T;
    /// The next smaller value; of -infinity and NaN themselves.
    fn below(self) -> Self;
    /// With the other sign.
    fn negated(self) -> Self;
}

impl Real for f32 {
    const FLOAT: Float = Float::F32;
    const INFINITY: Self = f32::INFINITY;
    const NAN: Self = f32::NAN;
    fn load<T: Element>(stored: T) -> Self {
        stored.to_f32()
    }
    fn store<T: Element>(self) -> T {
        T::from_f32(self)
    }
    fn below(self) -> Self {
        self.next_down()
    }
    fn negated(self) -> Self {
        -self
    }
}

impl Real for f64 {
    const FLOAT: Float = Float::F64;
    const INFINITY: Self = f64::INFINITY;
    const NAN: Self = f64::NAN;
    fn load<T: Element>(stored: T) -> Self {
        stored.to_f64()
    }
    fn store<T: Element>(self) -> T {
        T::from_f64(self)
    }
    fn below(self) -> Self {
        self.next_down()
    }
    fn negated(self) -> Self {
        -self
    }
}

impl Element for f16 {
    const DTYPE: DType = DType::F16;
    fn to_f64(self) -> f64 {
        f16::to_f64(self)
    }
    fn from_f64(value: f64) -> Self {
        f16::from_f64(value)
    }
    fn to_f32(self) -> f32 {
        f16::to_f32(self)
    }
    fn from_f32(value: f32) -> Self {
        f16::from_f32(value)
    }
}

impl Element for f32 {
    const DTYPE: DType = DType::F32;
    fn to_f64(self) -> f64 {
        f64::from(self)
    }
    fn from_f64(value: f64) -> Self {
        value as f32
    }
    fn to_f32(self) -> f32 {
        self
    }
    fn from_f32(value: f32) -> Self {
        value
    }
}

impl Element for f64 {
    const DTYPE: DType = DType::F64;
    fn to_f64(self) -> f64 {
        self
    }
    fn from_f64(value: f64) -> Self {
        value
    }
    fn to_f32(self) -> f32 {
        self as f32
    }
    fn from_f32(value: f32) -> Self {
        f64::from(value)
    }
}
