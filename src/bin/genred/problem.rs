//! What is computed, as `reduce` and `explain` take it from the command line.

use crate::console::Failure;
use clap::ArgAction;
use clap::builder::PossibleValuesParser;
use genred::formula::{Formula, typing};
use genred::{Accumulate, Backend, Element, Genred, Reduction, k_of_output};

/// Names of back ends.
fn backends() -> impl Iterator<Item = &'static str> {
    Backend::ALL.into_iter().map(Backend::name)
}

const ACCUMULATES: [(&str, Accumulate); 5] = [
    ("auto", Accumulate::Auto),
    ("direct", Accumulate::Direct),
    ("block", Accumulate::Block),
    ("kahan", Accumulate::Kahan),
    ("double", Accumulate::Double),
];

/// A reduction of a formula over aliases.
#[derive(clap::Args)]
pub(crate) struct Problem {
    /// Sum, LogSumExp, SumSoftMaxWeight, Max_SumShiftExp, Min, Max, ArgMin, ArgMax, Min_ArgMin, Max_ArgMax, KMin,
    /// ArgKMin or KMin_ArgKMin
    #[arg(value_name = "REDUCTION")]
    reduction: String,

    /// What is computed of each pair, such as "Exp(-SqNorm2(x - y))"; may begin with `-`
    #[arg(value_name = "FORMULA", allow_hyphen_values = true)]
    formula: String,

    /// "a = Vi(D)" for one result row for every i, "a = Vj(D)" for every j; D is the formula's dim, K times the formula's
    /// dim for K-reductions, the weight's dim with --weight
    #[arg(value_name = "OUTPUT")]
    output: String,

    /// "x = Vi(D)", "y = Vj(D)" or "p = Pm(D)", one for each argument of the formula, in order
    #[arg(value_name = "ALIAS")]
    aliases: Vec<String>,

    /// How many values KMin, ArgKMin and KMin_ArgKMin keep; by default the output's dim divided by the formula's
    #[arg(long, allow_negative_numbers = true)]
    k: Option<u32>,

    /// The weight of LogSumExp, SumSoftMaxWeight and Max_SumShiftExp
    #[arg(long, value_name = "FORMULA2", allow_hyphen_values = true)]
    weight: Option<String>,

    /// A condition on pairs, such as "IndexI != IndexJ"; others take no part. May be repeated: all must be met
    #[arg(long, value_name = "CONDITION", allow_hyphen_values = true)]
    keep: Vec<String>,

    /// What evaluates the formula
    #[arg(long, value_name = "ENGINE", default_value = "auto", value_parser = PossibleValuesParser::new(backends()))]
    backend: String,

    /// How sums are accumulated
    #[arg(long, value_name = "SCHEME", default_value = "auto", value_parser = PossibleValuesParser::new(ACCUMULATES.map(|(name, _)| name)))]
    accumulate: String,

    // Only the long form: `-h` may be a formula. Behind the options of the subcommand.
    /// Print help
    #[arg(long, action = ArgAction::Help, display_order = usize::MAX)]
    help: Option<bool>,
}

impl Problem {
    /// The formula and its weight, typed.
    ///
    /// # Errors
    /// If a text is wrong.
    pub(crate) fn formula(&self) -> Result<Formula, Failure> {
        self.aliases_are_not_files()?;
        Ok(typing::formula(&self.formula, self.weight.as_deref(), &self.aliases())?)
    }

    fn aliases(&self) -> Vec<&str> {
        self.aliases.iter().map(String::as_str).collect()
    }

    fn aliases_are_not_files(&self) -> Result<(), Failure> {
        match self.aliases.iter().find(|alias| alias.ends_with(".npy")) {
            Some(file) => {
                let message = format!("`{file}` stands where an alias is expected");
                Err(Failure::new(message).and("  help: every file needs its own --in or --out"))
            }
            None => Ok(()),
        }
    }

    /// The reduction.
    ///
    /// # Errors
    /// For an unknown name, and for a K that is missing or too many or out of range.
    pub(crate) fn reduction(&self) -> Result<Reduction, Failure> {
        let takes_k = Reduction::from_name(&self.reduction, Some(1)).is_ok();
        let k = match self.k {
            None if takes_k => Some(k_of_output(&self.formula, &self.output, &self.aliases())?),
            given => given,
        };
        Reduction::from_name(&self.reduction, k).map_err(Failure::new)
    }

    /// The kernel of an element type, not yet compiled.
    ///
    /// # Errors
    /// As [`reduction`](Problem::reduction), and if this build has no such back end.
    pub(crate) fn genred<T: Element>(&self) -> Result<Genred<T>, Failure> {
        let backend = Backend::from_name(&self.backend).ok_or_else(|| {
            Failure::new(format!("the back end `{}` is not in this build", self.backend))
        })?;
        let accumulate = ACCUMULATES.iter().find(|(name, _)| *name == self.accumulate);
        let accumulate = accumulate.map_or(Accumulate::Auto, |(_, scheme)| *scheme);
        let genred = Genred::reduction(self.reduction()?, &self.formula)
            .output(&self.output)
            .aliases(&self.aliases)
            .backend(backend)
            .accumulate(accumulate);
        let genred = self.keep.iter().fold(genred, |genred, condition| genred.keep(condition));
        Ok(match &self.weight {
            Some(weight) => genred.weight(weight),
            None => genred,
        })
    }
}
