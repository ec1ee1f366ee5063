//! The problems that the CUDA engine is judged by, and their sources.

use genred::{Backend, Error, Genred, Reduction, Stage};

/// A reduction of float32 arrays.
pub struct Problem {
    /// As in tables.
    pub name: String,
    reduction: Reduction,
    formula: &'static str,
    output: u32,
    /// Besides `x` and `y`.
    more: &'static [&'static str],
    /// Dim of `x` and `y`.
    dim: u32,
}

/// All of them.
pub fn problems() -> Vec<Problem> {
    const GAUSS: &str = "Exp(-SqDist(x, y))";
    let mut all = Vec::new();
    let mut add = |name: &str, reduction, formula, dim, output, more| {
        let name = name.to_owned();
        all.push(Problem { name, reduction, formula, output, more, dim });
    };
    add("Gaussian D=3", Reduction::Sum, GAUSS, 3, 1, &[]);
    add("LogSumExp D=3", Reduction::LogSumExp, "-SqDist(x, y)", 3, 1, &[]);
    for dim in [3, 10, 100, 784] {
        add(&format!("ArgMin D={dim}"), Reduction::ArgMin, "SqDist(x, y)", dim, 1, &[]);
    }
    for dim in [3, 100] {
        add(&format!("ArgKMin K=10 D={dim}"), Reduction::ArgKMin(10), "SqDist(x, y)", dim, 10, &[]);
    }
    for dim in [16, 64, 256, 1024] {
        add(&format!("Gaussian D={dim}"), Reduction::Sum, GAUSS, dim, 1, &[]);
    }
    let long = "Exp(-SqDist(x, y)) * b";
    add("b in R^64", Reduction::Sum, long, 3, 64, &["b = Vj(64)"]);
    let gradient = "Grad(Exp(-SqDist(x, y)) * b, x, e)";
    add("gradient in x", Reduction::Sum, gradient, 3, 3, &["b = Vj(1)", "e = Vi(1)"]);
    for dim in [6, 10, 14] {
        let name = format!("gradient in x, D={dim}");
        add(&name, Reduction::Sum, gradient, dim, dim, &["b = Vj(1)", "e = Vi(1)"]);
    }
    add("vectors x - y, D=12", Reduction::Sum, "Exp(-SqDist(x, y)) * (x - y)", 12, 12, &[]);
    let gradient_64: &[&str] = &["b = Vj(64)", "e = Vi(64)"];
    add("gradient in x, b in R^64", Reduction::Sum, gradient, 3, 3, gradient_64);
    all
}

impl Problem {
    /// CUDA C++ and the options that it is compiled with, for many rows: what `genred explain --stage cuda` prints.
    ///
    /// # Errors
    /// If the problem is not well-formed.
    pub fn source(&self) -> Result<(String, Vec<String>), Error> {
        let Problem { dim, output, .. } = self;
        let mut aliases = vec![format!("x = Vi({dim})"), format!("y = Vj({dim})")];
        aliases.extend(self.more.iter().map(|alias| (*alias).to_owned()));
        let kernel = Genred::<f32>::reduction(self.reduction, self.formula)
            .output(format!("a = Vi({output})"))
            .aliases(aliases.iter().map(String::as_str))
            .backend(Backend::Cpu)
            .compile()?;
        let text = kernel.explain(Stage::Cuda);
        let options = text.lines().find_map(|line| line.strip_prefix("// nvrtc "));
        let options = options.unwrap_or_default().split(' ').map(str::to_owned).collect();
        Ok((text, options))
    }
}
