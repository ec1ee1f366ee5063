//! Exact literals: rationals of any size, rounded once to the compute type.

use num_rational::BigRational;

/// An exact rational constant.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Number(pub BigRational);
