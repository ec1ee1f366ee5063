//! `genred explain`: what each stage of the compiler makes of a formula.

use crate::console::{Failure, print};
use crate::problem::Problem;
use clap::builder::PossibleValuesParser;
use genred::{DType, Element, Stage};
use half::f16;

pub(crate) const EXAMPLES: &str = "\
Examples:
  genred explain Sum \"Exp(-g * SqNorm2(x - y)) * b\" \"a = Vi(1)\" \"x = Vi(3)\" \"y = Vj(3)\" \\
      \"b = Vj(1)\" \"g = Pm(1)\" --stage program
  genred explain ArgMin \"SqDist(x, y)\" \"a = Vi(1)\" \"x = Vi(100)\" \"y = Vj(100)\" --dtype float64";

pub(crate) const DTYPES: [DType; 3] = [DType::F16, DType::F32, DType::F64];

/// The dtype of one of the names that clap lets through.
pub(crate) fn dtype(name: &str) -> DType {
    DTYPES.into_iter().find(|dtype| dtype.name() == name).unwrap_or(DType::F32)
}

/// Arguments of `genred explain`.
#[derive(clap::Args)]
pub(crate) struct Explain {
    #[command(flatten)]
    problem: Problem,

    /// One stage instead of all
    #[arg(long, value_parser = PossibleValuesParser::new(Stage::ALL.map(Stage::name)))]
    stage: Option<String>,

    /// The element type of the arrays
    #[arg(long, default_value = DType::F32.name(), value_parser = PossibleValuesParser::new(DTYPES.map(DType::name)))]
    dtype: String,
}

impl Explain {
    /// Print the stages.
    ///
    /// # Errors
    /// If a text is wrong or no engine takes the formula.
    pub(crate) fn run(self) -> Result<(), Failure> {
        match dtype(&self.dtype) {
            DType::F16 => self.explain::<f16>(),
            DType::F32 => self.explain::<f32>(),
            DType::F64 => self.explain::<f64>(),
        }
    }

    fn explain<T: Element>(self) -> Result<(), Failure> {
        self.problem.formula()?;
        let kernel = self.problem.genred::<T>()?.compile()?;
        let mut text = String::new();
        for stage in Stage::ALL {
            match &self.stage {
                None => text += &format!("=== {}\n{}\n", stage.name(), kernel.explain(stage)),
                Some(wanted) if wanted == stage.name() => text += &kernel.explain(stage),
                Some(_) => {}
            }
        }
        print(&text)
    }
}
