//! The problems that are timed.

#[cfg(target_arch = "x86_64")]
use super::reference::Formula;
use genred::Reduction;

/// A reduction of random points in the unit cube.
#[derive(Clone, Copy)]
pub(super) struct Problem {
    /// Its name on the command line.
    pub(super) id: &'static str,
    pub(super) reduction: Reduction,
    pub(super) formula: &'static str,
    pub(super) rows: usize,
    pub(super) columns: usize,
    /// Of x and y, of b where there is one, and of the result.
    pub(super) dim: usize,
    pub(super) dim_b: usize,
    pub(super) dim_out: usize,
    /// What the reference kernels call it.
    #[cfg(target_arch = "x86_64")]
    pub(super) hand: Formula,
}

macro_rules! problems {
    ($($id:literal $reduction:expr, $formula:literal, $rows:literal x $columns:literal,
       dims $dim:literal $dim_b:literal $dim_out:literal, $hand:expr;)*) => {
        /// Every problem.
        pub(super) const ALL: &[Problem] = &[$(Problem {
            id: $id,
            reduction: $reduction,
            formula: $formula,
            rows: $rows,
            columns: $columns,
            dim: $dim,
            dim_b: $dim_b,
            dim_out: $dim_out,
            #[cfg(target_arch = "x86_64")]
            hand: {
                use Formula::*;
                $hand
            },
        }),*];
    };
}

problems! {
    "P1" Reduction::Sum, "Exp(-SqNorm2(x - y))", 4096 x 10000, dims 3 0 1, Gaussian;
    "P1-weighted" Reduction::Sum, "Exp(-SqNorm2(x - y)) * b", 4096 x 10000, dims 3 1 1, Weighted;
    "P2" Reduction::LogSumExp, "-SqNorm2(x - y)", 4096 x 10000, dims 3 0 1, LogSumExp;
    "P3" Reduction::ArgMin, "SqDist(x, y)", 1024 x 10000, dims 100 0 1, Nearest(1);
    "P4-D3-K3" Reduction::ArgKMin(3), "SqDist(x, y)", 4096 x 20000, dims 3 0 3, Nearest(3);
    "P4-D3-K10" Reduction::ArgKMin(10), "SqDist(x, y)", 4096 x 20000, dims 3 0 10, Nearest(10);
    "P4-D100-K3" Reduction::ArgKMin(3), "SqDist(x, y)", 1024 x 10000, dims 100 0 3, Nearest(3);
    "P4-D100-K10" Reduction::ArgKMin(10), "SqDist(x, y)", 1024 x 10000, dims 100 0 10, Nearest(10);
    "P5-b10" Reduction::Sum, "Exp(-SqNorm2(x - y)) * b", 4096 x 5000, dims 3 10 10, Vectors;
    "P5-gradient" Reduction::Sum, "Grad(Exp(-SqNorm2(x - y)), x, 1)", 4096 x 5000, dims 3 0 3, Gradient;
    "P6-dot" Reduction::Sum, "(x | y)", 2048 x 5000, dims 64 0 1, Product;
    "P6-laplace" Reduction::Sum, "Exp(-Norm2(x - y))", 4096 x 10000, dims 3 0 1, Laplace;
    "P6-cauchy" Reduction::Sum, "1 / (1 + SqDist(x, y))", 4096 x 10000, dims 3 0 1, Cauchy;
    "P6-root" Reduction::Sum, "Sqrt(SqDist(x, y))", 4096 x 10000, dims 3 0 1, Root;
    "b64" Reduction::Sum, "Exp(-SqNorm2(x - y)) * b", 2048 x 5000, dims 3 64 64, Vectors;
    "argmin-D784" Reduction::ArgMin, "SqDist(x, y)", 512 x 4000, dims 784 0 1, Nearest(1);
    "few-rows" Reduction::Sum, "Exp(-SqNorm2(x - y))", 5 x 1000000, dims 3 0 1, FewRows;
    "few-rows-square" Reduction::Sum, "Exp(-SqNorm2(x - y))", 2240 x 2233, dims 3 0 1, Gaussian;
}

impl Problem {
    /// `a = Vi(3)`.
    pub(super) fn output(&self) -> String {
        format!("a = Vi({})", self.dim_out)
    }

    /// The aliases of x, y and, where there is one, b.
    pub(super) fn aliases(&self) -> Vec<String> {
        let mut aliases = vec![format!("x = Vi({})", self.dim), format!("y = Vj({})", self.dim)];
        if self.dim_b > 0 {
            aliases.push(format!("b = Vj({})", self.dim_b));
        }
        aliases
    }
}
