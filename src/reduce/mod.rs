//! Reductions: what is accumulated over the reduced axis, and what comes out.
//!
//! ```
//! use genred::Genred;
//! use genred::reduce::{Outputs, Reduction};
//! let nearest = Reduction::from_name("ArgKMin", Some(3)).expect("a name of the documentation");
//! assert_eq!((nearest.outputs(), nearest.output_dim(1, None)), (Outputs::Indices, 3));
//! let kernel = Genred::<f32>::reduction(nearest, "SqDist(x, y)").output("k = Vi(3)")
//!     .aliases(["x = Vi(2)", "y = Vj(2)"]).compile()?;
//! assert_eq!(kernel.dim(), 3);
//! # Ok::<(), genred::Error>(())
//! ```

/// A reduction over the columns of each row. `K` counts the smallest values that are kept.
///
/// ```
/// use genred::{Genred, Reduction, View};
/// let by = |reduction| {
///     let of = Genred::<f64>::reduction(reduction, "y").output("a = Vi(1)").aliases(["x = Vi(1)", "y = Vj(1)"]);
///     Ok::<_, genred::Error>(of.compile()?.call(&[View::new(&[0.0], 1, 1)?, View::new(&[3.0, -1.0, 2.0], 3, 1)?])?[(0, 0)])
/// };
/// assert_eq!((by(Reduction::Sum)?, by(Reduction::Min)?, by(Reduction::ArgMax)?), (4.0, -1.0, 0.0));
/// # Ok::<(), genred::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reduction {
    /// Sum of F. Output: D.
    Sum,
    /// log of the sum of exp(F) (times the weight). Output: 1, or the weight's dim.
    LogSumExp,
    /// Mean of the weight under exp(F), of weights whose sum does not overflow. Output: the weight's dim.
    SumSoftMaxWeight,
    /// The raw pair (m, s): m = max F, s = sum of exp(F - m) (times the weight). Output: 1 + 1, or 1 + the weight's dim.
    MaxSumShiftExp,
    /// Smallest F. Output: D.
    Min,
    /// Largest F. Output: D.
    Max,
    /// Index of the smallest F. Output: D indices.
    ArgMin,
    /// Index of the largest F. Output: D indices.
    ArgMax,
    /// Smallest F and its index. Outputs: D values, D indices.
    MinArgMin,
    /// Largest F and its index. Outputs: D values, D indices.
    MaxArgMax,
    /// The K smallest F, ascending. Output: K x D.
    KMin(u32),
    /// Their indices. Output: K x D indices.
    ArgKMin(u32),
    /// Both. Outputs: K x D values, K x D indices.
    KMinArgKMin(u32),
}

/// How sums are accumulated.
///
/// ```
/// use genred::{Accumulate, Genred, View};
/// let sum = |how| {
///     let request = Genred::<f32>::sum("y").output("a = Vi(1)").aliases(["x = Vi(1)", "y = Vj(1)"]);
///     let y = vec![0.1; 1 << 20];
///     let args = [View::new(&[0.0], 1, 1)?, View::new(&y, 1 << 20, 1)?];
///     let a = request.accumulate(how).compile()?.call(&args)?;
///     Ok::<_, genred::Error>((f64::from(a[(0, 0)]) - f64::from(0.1f32) * f64::from(1 << 20)).abs())
/// };
/// assert!(sum(Accumulate::Direct)? > 100.0 * sum(Accumulate::Kahan)?);
/// # Ok::<(), genred::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Accumulate {
    /// [`Accumulate::Block`].
    #[default]
    Auto,
    /// One accumulator, added to term by term.
    Direct,
    /// A temporary accumulator is flushed into the main one every few hundred terms.
    Block,
    /// Compensated (Kahan) summation.
    Kahan,
    /// Everything is computed and accumulated in float64 and rounded once at the end.
    Double,
}

/// What a reduction needs besides F.
///
/// ```
/// use genred::reduce::{Family, Reduction};
/// assert_eq!(Reduction::SumSoftMaxWeight.family(), Family::Exponential);
/// assert_eq!(Reduction::all(3).iter().filter(|r| r.family() == Family::Selection).count(), 9);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Family {
    /// Running sums of F's components.
    Sum,
    /// Running (max, sum of shifted exponentials); F of dim 1.
    Exponential,
    /// The smallest (or largest) values and their indices.
    Selection,
}

/// The order in which a selection prefers values.
///
/// ```
/// use genred::reduce::{Preference, Reduction};
/// assert_eq!(Reduction::MaxArgMax.preference(), Preference::Largest);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Preference {
    /// Smaller values first.
    Smallest,
    /// Larger values first.
    Largest,
}

/// What a call of a reduction returns.
///
/// ```
/// use genred::reduce::{Outputs, Reduction};
/// assert_eq!(Reduction::KMinArgKMin(5).outputs(), Outputs::Both);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outputs {
    /// One array in the dtype.
    Values,
    /// One array of indices.
    Indices,
    /// Values, then indices.
    Both,
}

impl Reduction {
    /// The reduction of a name as users of KeOps write it (`Sum`, `LogSumExp`, `ArgKMin`, `MinArgMin`, ...); `k` for the
    /// K-reductions.
    ///
    /// ```
    /// use genred::Reduction;
    /// assert_eq!(Reduction::from_name("ArgKMin", Some(3)), Ok(Reduction::ArgKMin(3)));
    /// assert_eq!(Reduction::from_name("MinArgMin", None), Ok(Reduction::MinArgMin));
    /// assert!(Reduction::from_name("KMin", None).is_err());
    /// ```
    ///
    /// # Errors
    /// The text of a usage error: an unknown name (with the nearest one), a missing, superfluous or out-of-range `k`.
    pub fn from_name(name: &str, k: Option<u32>) -> Result<Reduction, String> {
        let Some(&(_, make)) = NAMES.iter().find(|(known, _)| *known == name) else {
            let folded = |s: &str| s.replace('_', "").to_ascii_lowercase();
            let near = NAMES.iter().find(|(known, _)| folded(known) == folded(name));
            let hint = match near {
                Some((known, _)) => format!("did you mean `{known}`?"),
                None => {
                    let known: Vec<&str> = NAMES.iter().map(|(known, _)| *known).collect();
                    format!("known reductions: {}", known.join(", "))
                }
            };
            return Err(format!("unknown reduction `{name}`; {hint}"));
        };
        match (make, k) {
            (Make::Plain(reduction), None) => Ok(reduction),
            (Make::Plain(_), Some(_)) => Err(format!("`{name}` takes no K")),
            (Make::WithK(_), None) => {
                Err(format!("`{name}` needs K, the number of values to keep"))
            }
            (Make::WithK(make), Some(k)) if (1..=crate::limits::K as u32).contains(&k) => {
                Ok(make(k))
            }
            (Make::WithK(_), Some(k)) => {
                Err(format!("K of `{name}` must be from 1 to {}, not {k}", crate::limits::K))
            }
        }
    }

    /// All reductions, in the order of the documentation; those with a K have this one.
    ///
    /// ```
    /// use genred::Reduction;
    /// assert_eq!(Reduction::all(3)[11], Reduction::ArgKMin(3));
    /// ```
    pub const fn all(k: u32) -> [Reduction; 13] {
        [
            Reduction::Sum,
            Reduction::LogSumExp,
            Reduction::SumSoftMaxWeight,
            Reduction::MaxSumShiftExp,
            Reduction::Min,
            Reduction::Max,
            Reduction::ArgMin,
            Reduction::ArgMax,
            Reduction::MinArgMin,
            Reduction::MaxArgMax,
            Reduction::KMin(k),
            Reduction::ArgKMin(k),
            Reduction::KMinArgKMin(k),
        ]
    }

    /// The name, without K.
    ///
    /// ```
    /// assert_eq!(genred::Reduction::KMinArgKMin(4).name(), "KMin_ArgKMin");
    /// ```
    pub fn name(self) -> &'static str {
        match self {
            Reduction::Sum => "Sum",
            Reduction::LogSumExp => "LogSumExp",
            Reduction::SumSoftMaxWeight => "SumSoftMaxWeight",
            Reduction::MaxSumShiftExp => "Max_SumShiftExp",
            Reduction::Min => "Min",
            Reduction::Max => "Max",
            Reduction::ArgMin => "ArgMin",
            Reduction::ArgMax => "ArgMax",
            Reduction::MinArgMin => "Min_ArgMin",
            Reduction::MaxArgMax => "Max_ArgMax",
            Reduction::KMin(_) => "KMin",
            Reduction::ArgKMin(_) => "ArgKMin",
            Reduction::KMinArgKMin(_) => "KMin_ArgKMin",
        }
    }

    /// The K of a K-reduction.
    ///
    /// ```
    /// assert_eq!(genred::Reduction::Sum.k(), None);
    /// ```
    pub fn k(self) -> Option<u32> {
        match self {
            Reduction::KMin(k) | Reduction::ArgKMin(k) | Reduction::KMinArgKMin(k) => Some(k),
            _ => None,
        }
    }

    /// Which accumulator it uses.
    ///
    /// ```
    /// use genred::reduce::{Family, Reduction};
    /// assert_eq!(Reduction::LogSumExp.family(), Family::Exponential);
    /// ```
    pub fn family(self) -> Family {
        match self {
            Reduction::Sum => Family::Sum,
            Reduction::LogSumExp | Reduction::SumSoftMaxWeight | Reduction::MaxSumShiftExp => {
                Family::Exponential
            }
            _ => Family::Selection,
        }
    }

    /// The order of a selection; `Smallest` for the others.
    ///
    /// ```
    /// use genred::reduce::{Preference, Reduction};
    /// assert_eq!(Reduction::ArgKMin(3).preference(), Preference::Smallest);
    /// ```
    pub fn preference(self) -> Preference {
        match self {
            Reduction::Max | Reduction::ArgMax | Reduction::MaxArgMax => Preference::Largest,
            _ => Preference::Smallest,
        }
    }

    /// What a call returns.
    ///
    /// ```
    /// use genred::reduce::{Outputs, Reduction};
    /// let of = |reduction: Reduction| reduction.outputs();
    /// assert_eq!([of(Reduction::Min), of(Reduction::ArgMin)], [Outputs::Values, Outputs::Indices]);
    /// ```
    pub fn outputs(self) -> Outputs {
        match self {
            Reduction::ArgMin | Reduction::ArgMax | Reduction::ArgKMin(_) => Outputs::Indices,
            Reduction::MinArgMin | Reduction::MaxArgMax | Reduction::KMinArgKMin(_) => {
                Outputs::Both
            }
            _ => Outputs::Values,
        }
    }

    /// Whether a weight formula is required, allowed or refused.
    ///
    /// ```
    /// use genred::reduce::{Reduction, Weight};
    /// assert_eq!(Reduction::SumSoftMaxWeight.weight(), Weight::Required);
    /// assert_eq!(Reduction::Sum.weight(), Weight::Refused);
    /// ```
    pub fn weight(self) -> Weight {
        match self {
            Reduction::SumSoftMaxWeight => Weight::Required,
            Reduction::LogSumExp | Reduction::MaxSumShiftExp => Weight::Optional,
            _ => Weight::Refused,
        }
    }

    /// Columns of the result for a formula of dim `formula` and a weight of dim `weight`.
    ///
    /// ```
    /// use genred::Reduction;
    /// assert_eq!(Reduction::KMin(5).output_dim(3, None), 15);
    /// assert_eq!(Reduction::LogSumExp.output_dim(1, Some(4)), 4);
    /// ```
    pub fn output_dim(self, formula: u32, weight: Option<u32>) -> u32 {
        match self {
            Reduction::LogSumExp | Reduction::SumSoftMaxWeight => weight.unwrap_or(1),
            Reduction::MaxSumShiftExp => 1 + weight.unwrap_or(1),
            _ => formula * self.k().unwrap_or(1),
        }
    }
}

/// The reductions that one pass computes to give several of one formula: those that accumulate, in the order given, then for either
/// preference the one selection that keeps enough for all of them.
pub(crate) fn parts(reductions: &[Reduction]) -> Vec<Reduction> {
    let mut parts: Vec<Reduction> = Vec::new();
    for reduction in reductions {
        if reduction.family() != Family::Selection && !parts.contains(reduction) {
            parts.push(*reduction);
        }
    }
    for preference in [Preference::Smallest, Preference::Largest] {
        let of = reductions
            .iter()
            .filter(|r| r.family() == Family::Selection && r.preference() == preference);
        parts.extend(of.map(|r| r.k().unwrap_or(1)).max().map(|k| match preference {
            Preference::Largest => Reduction::MaxArgMax,
            Preference::Smallest if k == 1 => Reduction::MinArgMin,
            Preference::Smallest => Reduction::KMinArgKMin(k),
        }));
    }
    parts
}

/// Whether a reduction takes a weight formula.
///
/// ```
/// use genred::reduce::{Reduction, Weight};
/// assert_eq!(Reduction::LogSumExp.weight(), Weight::Optional);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weight {
    /// It must be given.
    Required,
    /// It may be given.
    Optional,
    /// It must not be given.
    Refused,
}

#[derive(Clone, Copy)]
enum Make {
    Plain(Reduction),
    WithK(fn(u32) -> Reduction),
}

/// Every accepted name; the first of equal reductions is the canonical one.
const NAMES: &[(&str, Make)] = &[
    ("Sum", Make::Plain(Reduction::Sum)),
    ("LogSumExp", Make::Plain(Reduction::LogSumExp)),
    ("LogSumExpWeight", Make::Plain(Reduction::LogSumExp)),
    ("SumSoftMaxWeight", Make::Plain(Reduction::SumSoftMaxWeight)),
    ("SoftMax", Make::Plain(Reduction::SumSoftMaxWeight)),
    ("Max_SumShiftExp", Make::Plain(Reduction::MaxSumShiftExp)),
    ("Max_SumShiftExpWeight", Make::Plain(Reduction::MaxSumShiftExp)),
    ("Min", Make::Plain(Reduction::Min)),
    ("Max", Make::Plain(Reduction::Max)),
    ("ArgMin", Make::Plain(Reduction::ArgMin)),
    ("ArgMax", Make::Plain(Reduction::ArgMax)),
    ("Min_ArgMin", Make::Plain(Reduction::MinArgMin)),
    ("MinArgMin", Make::Plain(Reduction::MinArgMin)),
    ("Max_ArgMax", Make::Plain(Reduction::MaxArgMax)),
    ("MaxArgMax", Make::Plain(Reduction::MaxArgMax)),
    ("KMin", Make::WithK(Reduction::KMin)),
    ("ArgKMin", Make::WithK(Reduction::ArgKMin)),
    ("KMin_ArgKMin", Make::WithK(Reduction::KMinArgKMin)),
    ("KMinArgKMin", Make::WithK(Reduction::KMinArgKMin)),
];
