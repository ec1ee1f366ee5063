//! Operations of the language as methods: what each means is said in the table of operations
//! ([`table`](crate::formula::table)), by the name that the method's documentation gives.

use super::Expr;
use crate::dtype::Element;
use crate::genred::{Axis, Genred};
use crate::reduce::Reduction;
use crate::syntax::Expr as Node;
use crate::syntax::ast::Operator;
use std::ops::Range;

/// Methods that call an operation with the expression as its first argument, and more expressions or integers after it. Each has an
/// example: an expression, the dim of its variable x, a point x, and the value there.
macro_rules! calls {
    ($($method:ident $name:literal $doc:literal ($($arg:ident: $kind:ident),*)
        $example:literal with $dim:literal [$($x:expr),*] is [$($value:expr),*];)*) => {
        impl Expr {$(
            #[doc = concat!("`", $name, "`", $doc, ".")]
            ///
            /// ```
            /// use genred::expr::vi;
            /// use genred::{Kernel, View};
            #[doc = concat!("let x = vi(\"x\", ", $dim, ");")]
            #[doc = concat!("let f: Kernel<f64> = ", $example, ".sum_over_j().compile()?;")]
            #[doc = concat!("let f = f.call(&[View::new(&", stringify!([$($x),*]), ", 1, ", $dim, ")?])?;")]
            #[doc = concat!("assert_eq!(f.as_slice(), ", stringify!([$($value),*]), ");")]
            /// # Ok::<(), genred::Error>(())
            /// ```
            pub fn $method(&self $(, $arg: calls!(@type $kind))*) -> Expr {
                Expr::call($name, [self.clone() $(, $arg.into())*])
            }
        )*}
    };
    (@type expr) => { impl Into<Expr> };
    (@type int) => { i64 };
    (@type dim) => { u32 };
}

calls! {
    abs "Abs" " of each component" ()
        "x.abs()" with 2 [-2.0, 3.0] is [2.0, 3.0];
    exp "Exp" " of each component" ()
        "x.exp()" with 2 [0.0, 1.0] is [1.0, std::f64::consts::E];
    log "Log" " of each component" ()
        "x.log()" with 2 [1.0, 2.0] is [0.0, std::f64::consts::LN_2];
    sin "Sin" " of each component" ()
        "x.sin()" with 2 [0.0, std::f64::consts::FRAC_PI_2] is [0.0, 1.0];
    cos "Cos" " of each component" ()
        "x.cos()" with 2 [0.0, std::f64::consts::PI] is [1.0, -1.0];
    sqrt "Sqrt" " of each component" ()
        "x.sqrt()" with 2 [9.0, 2.0] is [3.0, std::f64::consts::SQRT_2];
    rsqrt "Rsqrt" " of each component" ()
        "x.rsqrt()" with 2 [4.0, 0.0] is [0.5, 0.0];
    inv "Inv" " of each component" ()
        "x.inv()" with 2 [4.0, -0.5] is [0.25, -2.0];
    square "Square" " of each component" ()
        "x.square()" with 2 [3.0, -0.5] is [9.0, 0.25];
    xlogx "XLogX" " of each component" ()
        "x.xlogx()" with 2 [2.0, 0.0] is [2.0 * std::f64::consts::LN_2, 0.0];
    sin_x_div_x "SinXDivX" " of each component" ()
        "x.sin_x_div_x()" with 2 [0.0, std::f64::consts::FRAC_PI_2] is [1.0, std::f64::consts::FRAC_2_PI];
    asin "Asin" " of each component" ()
        "x.asin()" with 2 [0.0, 1.0] is [0.0, std::f64::consts::FRAC_PI_2];
    acos "Acos" " of each component" ()
        "x.acos()" with 2 [1.0, -1.0] is [0.0, std::f64::consts::PI];
    atan "Atan" " of each component" ()
        "x.atan()" with 2 [0.0, 1.0] is [0.0, std::f64::consts::FRAC_PI_4];
    sign "Sign" " of each component" ()
        "x.sign()" with 2 [-3.0, 0.0] is [-1.0, 0.0];
    step "Step" " of each component" ()
        "x.step()" with 2 [-3.0, 0.0] is [0.0, 1.0];
    relu "ReLU" " of each component" ()
        "x.relu()" with 2 [-3.0, 3.0] is [0.0, 3.0];
    floor "Floor" " of each component" ()
        "x.floor()" with 2 [-1.5, 1.5] is [-2.0, 1.0];
    round "Round" " to a number of decimals" (decimals: int)
        "x.round(1)" with 2 [0.25, -1.04] is [0.3, -1.0];
    powi "Pow" " to an integer power" (exponent: int)
        "x.powi(3)" with 2 [2.0, -2.0] is [8.0, -8.0];
    clamp_int "ClampInt" " between integers" (low: int, high: int)
        "x.clamp_int(0, 2)" with 2 [-1.0, 1.5] is [0.0, 1.5];
    diff_clamp_int "DiffClampInt" ": 1 between integers, else 0" (low: int, high: int)
        "x.diff_clamp_int(0, 2)" with 2 [-1.0, 1.5] is [0.0, 1.0];
    powf "Powf" " to any power" (exponent: expr)
        "x.powf(0.5)" with 2 [4.0, 0.25] is [2.0, 0.5];
    atan2 "Atan2" " of a point, from its y coordinate" (x: expr)
        "x.at(0).atan2(x.at(1))" with 2 [1.0, 1.0] is [std::f64::consts::FRAC_PI_4];
    equal "Equal" ", 1 or 0" (other: expr)
        "x.equal(2)" with 2 [1.0, 2.0] is [0.0, 1.0];
    not_equal "NotEqual" ", 1 or 0" (other: expr)
        "x.not_equal(2)" with 2 [1.0, 2.0] is [1.0, 0.0];
    less_than "LessThan" ", 1 or 0" (other: expr)
        "x.less_than(2)" with 2 [1.0, 2.0] is [1.0, 0.0];
    less_or_equal "LessOrEqual" ", 1 or 0" (other: expr)
        "x.less_or_equal(2)" with 2 [2.0, 3.0] is [1.0, 0.0];
    if_else "IfElse" ": the first value where the expression is `>= 0`" (then: expr, otherwise: expr)
        "x.if_else(7, 8)" with 2 [-1.0, 0.0] is [8.0, 7.0];
    clamp "Clamp" " between bounds" (low: expr, high: expr)
        "x.clamp(0, 1.5)" with 2 [-1.0, 9.0] is [0.0, 1.5];
    modulo "Mod" " from an offset" (modulus: expr, offset: expr)
        "x.modulo(3, 0)" with 2 [4.0, -1.0] is [1.0, 2.0];
    sum "Sum" " of the components" ()
        "x.sum()" with 2 [1.0, 2.0] is [3.0];
    sum_t "SumT" ": a scalar repeated" (dim: dim)
        "x.sum_t(3)" with 1 [5.0] is [5.0, 5.0, 5.0];
    scalprod "Scalprod" ", also written `|`" (other: expr)
        "x.slice(0..2).scalprod(x.slice(2..4))" with 4 [1.0, 2.0, 3.0, 4.0] is [11.0];
    sq_norm2 "SqNorm2" ": the squared norm" ()
        "x.sq_norm2()" with 2 [3.0, 4.0] is [25.0];
    norm2 "Norm2" ": the norm" ()
        "x.norm2()" with 2 [3.0, 4.0] is [5.0];
    normalize "Normalize" " to norm 1" ()
        "x.normalize()" with 2 [0.0, 4.0] is [0.0, 1.0];
    sq_dist "SqDist" ": the squared distance" (other: expr)
        "x.sq_dist(1)" with 2 [3.0, 4.0] is [13.0];
    weighted_sq_norm "WeightedSqNorm" ", from its weight" (vector: expr)
        "x.slice(0..2).weighted_sq_norm(x.slice(2..4))" with 4 [1.0, 10.0, 2.0, 3.0] is [94.0];
    weighted_sq_dist "WeightedSqDist" ", from its weight" (vector: expr, other: expr)
        "x.slice(0..2).weighted_sq_dist(x.slice(2..4), x.slice(4..6))" with 6 [1.0, 10.0, 2.0, 3.0, 1.0, 1.0] is [41.0];
    sq_norm_iso "SqNormIso" ", from its weight" (vector: expr)
        "x.at(0).sq_norm_iso(x.slice(1..3))" with 3 [10.0, 1.0, 2.0] is [50.0];
    sq_norm_diag "SqNormDiag" ", from its weight" (vector: expr)
        "x.slice(0..2).sq_norm_diag(x.slice(2..4))" with 4 [1.0, 10.0, 2.0, 3.0] is [94.0];
    sym_sq_norm "SymSqNorm" ", from its weight" (vector: expr)
        "x.slice(0..4).sym_sq_norm(x.slice(4..6))" with 6 [2.0, 1.0, 1.0, 3.0, 1.0, 2.0] is [18.0];
    max "Max" " of the components" ()
        "x.max()" with 2 [1.0, 5.0] is [5.0];
    min "Min" " of the components" ()
        "x.min()" with 2 [1.0, 5.0] is [1.0];
    arg_max "ArgMax" " of the components" ()
        "x.arg_max()" with 2 [1.0, 5.0] is [1.0];
    arg_min "ArgMin" " of the components" ()
        "x.arg_min()" with 2 [1.0, 5.0] is [0.0];
    elem "Elem" ": one component, also [`at`](Expr::at)" (component: dim)
        "x.elem(1)" with 2 [7.0, 8.0] is [8.0];
    elem_t "ElemT" ": a scalar placed in zeros" (dim: dim, component: dim)
        "x.elem_t(3, 1)" with 1 [7.0] is [0.0, 7.0, 0.0];
    extract "Extract" ": some components, also [`slice`](Expr::slice)" (start: dim, dim: dim)
        "x.extract(1, 2)" with 3 [7.0, 8.0, 9.0] is [8.0, 9.0];
    extract_t "ExtractT" ": a vector placed in zeros" (start: dim, dim: dim)
        "x.extract_t(1, 4)" with 2 [7.0, 8.0] is [0.0, 7.0, 8.0, 0.0];
    concat "Concat" " with another vector" (other: expr)
        "x.concat(0)" with 2 [7.0, 8.0] is [7.0, 8.0, 0.0];
    one_hot "OneHot" " of an index" (dim: dim)
        "x.one_hot(3)" with 1 [1.0] is [0.0, 1.0, 0.0];
    mat_vec_mult "MatVecMult" ": a row-major matrix times a vector" (vector: expr)
        "x.slice(0..4).mat_vec_mult(x.slice(4..6))" with 6 [1.0, 2.0, 3.0, 4.0, 10.0, 1.0] is [12.0, 34.0];
    vec_mat_mult "VecMatMult" ": a vector times a row-major matrix" (matrix: expr)
        "x.slice(0..2).vec_mat_mult(x.slice(2..6))" with 6 [10.0, 1.0, 1.0, 2.0, 3.0, 4.0] is [13.0, 24.0];
    tensor_prod "TensorProd" ": all products of components" (other: expr)
        "x.slice(0..2).tensor_prod(x.slice(2..4))" with 4 [1.0, 2.0, 3.0, 4.0] is [3.0, 4.0, 6.0, 8.0];
    real_to_complex "Real2Complex" ": as real parts" ()
        "x.real_to_complex()" with 2 [1.0, 2.0] is [1.0, 0.0, 2.0, 0.0];
    imag_to_complex "Imag2Complex" ": as imaginary parts" ()
        "x.imag_to_complex()" with 2 [1.0, 2.0] is [0.0, 1.0, 0.0, 2.0];
    complex_real "ComplexReal" ": the real parts" ()
        "x.complex_real()" with 4 [1.0, 2.0, 3.0, 4.0] is [1.0, 3.0];
    complex_imag "ComplexImag" ": the imaginary parts" ()
        "x.complex_imag()" with 4 [1.0, 2.0, 3.0, 4.0] is [2.0, 4.0];
    conj "Conj" ": the complex conjugate" ()
        "x.conj()" with 2 [1.0, 2.0] is [1.0, -2.0];
    complex_abs "ComplexAbs" ": the moduli" ()
        "x.complex_abs()" with 2 [3.0, 4.0] is [5.0];
    complex_square_abs "ComplexSquareAbs" ": the squared moduli" ()
        "x.complex_square_abs()" with 2 [3.0, 4.0] is [25.0];
    complex_angle "ComplexAngle" ": the arguments" ()
        "x.complex_angle()" with 2 [0.0, 2.0] is [std::f64::consts::FRAC_PI_2];
    complex_add "ComplexAdd" " of complex vectors" (other: expr)
        "x.slice(0..2).complex_add(x.slice(2..4))" with 4 [1.0, 2.0, 10.0, 20.0] is [11.0, 22.0];
    complex_subtract "ComplexSubtract" " of complex vectors" (other: expr)
        "x.slice(0..2).complex_subtract(x.slice(2..4))" with 4 [1.0, 2.0, 10.0, 20.0] is [-9.0, -18.0];
    complex_mult "ComplexMult" " of complex vectors" (other: expr)
        "x.slice(0..2).complex_mult(x.slice(2..4))" with 4 [1.0, 2.0, 3.0, 4.0] is [-5.0, 10.0];
    complex_divide "ComplexDivide" " of complex vectors" (other: expr)
        "x.slice(0..2).complex_divide(x.slice(2..4))" with 4 [-5.0, 10.0, 1.0, 2.0] is [3.0, 4.0];
    complex_exp "ComplexExp" " of a complex vector" ()
        "x.complex_exp()" with 2 [1.0, 0.0] is [std::f64::consts::E, 0.0];
    complex_exp1j "ComplexExp1j" ": cos f + i sin f" ()
        "x.complex_exp1j()" with 1 [0.0] is [1.0, 0.0];
    complex_sum "ComplexSum" " of a complex vector" ()
        "x.complex_sum()" with 4 [1.0, 2.0, 3.0, 4.0] is [4.0, 6.0];
    complex_sum_t "ComplexSumT" ": a complex number repeated" (dim: dim)
        "x.complex_sum_t(4)" with 2 [1.0, 2.0] is [1.0, 2.0, 1.0, 2.0];
    complex_real_scal "ComplexRealScal" " of a real and a complex operand" (other: expr)
        "x.at(0).complex_real_scal(x.slice(1..3))" with 3 [2.0, 3.0, 4.0] is [6.0, 8.0];
    b_spline "BSpline" " over the expression as knots" (x: expr, degree: dim)
        "x.slice(0..4).b_spline(x.at(4), 1)" with 5 [0.0, 1.0, 2.0, 3.0, 1.25] is [0.75, 0.25];
    soft_dtw_sq_dist "SoftDTW_SqDist" " of two sequences" (other: expr, softness: expr)
        "x.at(0).soft_dtw_sq_dist(x.at(1), x.at(2))" with 3 [1.0, 3.0, 0.5] is [4.0];
    grad "Grad" " by a variable, applied to a seed" (variable: expr, seed: expr)
        "x.sq_norm2().grad(&x, 1)" with 2 [3.0, 4.0] is [6.0, 8.0];
    grad_matrix "GradMatrix" ": the Jacobian by a variable" (variable: expr)
        "x.square().grad_matrix(&x)" with 2 [3.0, 4.0] is [6.0, 0.0, 0.0, 8.0];
    diff "Diff" " by a variable in a direction" (variable: expr, direction: expr)
        "x.square().diff(&x, &x)" with 2 [3.0, 4.0] is [18.0, 32.0];
    divergence "Divergence" " by a variable" (variable: expr)
        "x.square().divergence(&x)" with 2 [3.0, 4.0] is [14.0];
    laplacian "Laplacian" " by a variable" (variable: expr)
        "x.sq_norm2().laplacian(&x)" with 2 [3.0, 4.0] is [4.0];
    trace_operator "TraceOperator" " of a linear map of a variable" (variable: expr)
        "(&x * 3).trace_operator(&x)" with 2 [3.0, 4.0] is [6.0];
    adjoint_operator "AdjointOperator" " of a linear map of a variable" (variable: expr, seed: expr)
        "(&x * 3).adjoint_operator(&x, &x)" with 2 [3.0, 4.0] is [9.0, 12.0];
    sum_lin_operator "SumLinOperator" " of a linear map of a variable" (variable: expr)
        "(&x * 3).sum_lin_operator(&x)" with 2 [3.0, 4.0] is [6.0];
    factorize "Factorize" ": the expression itself" (part: expr)
        "x.square().factorize(&x)" with 2 [3.0, 4.0] is [9.0, 16.0];
    auto_factorize "AutoFactorize" ": the expression itself" ()
        "x.square().auto_factorize()" with 2 [3.0, 4.0] is [9.0, 16.0];
}

impl Expr {
    /// `f ** g`: a square, an integer power, a root or `Powf`, by what g is.
    ///
    /// ```
    /// let x = genred::expr::vi("x", 1);
    /// assert_eq!(x.pow(3).to_string(), "x**3");
    /// assert_eq!(x.pow(0.5).to_string(), "x**0.5");
    /// ```
    pub fn pow(&self, exponent: impl Into<Expr>) -> Expr {
        Expr::binary(Operator::Power, self.clone(), exponent.into())
    }

    /// `f > g`, 1 or 0.
    ///
    /// ```
    /// use genred::expr::{vi, vj};
    /// assert_eq!(vi("x", 1).greater_than(vj("y", 1)).to_string(), "x > y");
    /// ```
    pub fn greater_than(&self, other: impl Into<Expr>) -> Expr {
        Expr::binary(Operator::Greater, self.clone(), other.into())
    }

    /// `f >= g`, 1 or 0.
    ///
    /// ```
    /// use genred::expr::{vi, vj};
    /// assert_eq!(vi("x", 1).greater_or_equal(vj("y", 1)).to_string(), "x >= y");
    /// ```
    pub fn greater_or_equal(&self, other: impl Into<Expr>) -> Expr {
        Expr::binary(Operator::GreaterEqual, self.clone(), other.into())
    }

    /// `f[k]`, one component.
    ///
    /// ```
    /// assert_eq!(genred::expr::vi("x", 5).at(2).to_string(), "x[2]");
    /// ```
    pub fn at(&self, component: u32) -> Expr {
        Expr::join([self.clone(), component.into()], |args| Node::Index(args[0], args[1]))
    }

    /// `f[a:b]`, some components.
    ///
    /// ```
    /// assert_eq!(genred::expr::vi("x", 5).slice(1..3).to_string(), "x[1:3]");
    /// ```
    pub fn slice(&self, part: Range<u32>) -> Expr {
        let operands = [self.clone(), part.start.into(), part.end.into()];
        Expr::join(operands, |args| Node::Slice(args[0], args[1], args[2]))
    }

    /// `TensorDot`: the axes `contract_f` of `self` are summed against the axes `contract_g` of `other`.
    ///
    /// `places` says where in the result the axes that are left go; they keep their order if it is empty.
    ///
    /// ```
    /// use genred::expr::vi;
    /// use genred::{Kernel, View};
    /// // A matrix of 2 x 3 times its own transpose: the axes of length 3 are summed.
    /// let x = vi("x", 6);
    /// let product = x.tensor_dot(&x, [&[2, 3], &[2, 3]], [&[1], &[1]], &[]);
    /// let product: Kernel<f64> = product.sum_over_j().compile()?;
    /// let a = product.call(&[View::new(&[1.0, 0.0, 2.0, 0.0, 1.0, 1.0], 1, 6)?])?;
    /// assert_eq!(a.as_slice(), [5.0, 2.0, 2.0, 2.0]);
    /// # Ok::<(), genred::Error>(())
    /// ```
    pub fn tensor_dot(
        &self,
        other: impl Into<Expr>,
        [sizes_f, sizes_g]: [&[i64]; 2],
        [contract_f, contract_g]: [&[i64]; 2],
        places: &[i64],
    ) -> Expr {
        let mut args = vec![self.clone(), other.into()];
        args.extend([sizes_f, sizes_g, contract_f, contract_g].map(Expr::list));
        if !places.is_empty() {
            args.push(Expr::list(places));
        }
        Expr::call("TensorDot", args)
    }

    /// `Kron` of tensors with these axis sizes.
    ///
    /// ```
    /// use genred::expr::vi;
    /// use genred::{Kernel, View};
    /// let x = vi("x", 4);
    /// let product: Kernel<f64> = x.slice(0..2).kron(x.slice(2..4), &[2], &[2]).sum_over_j().compile()?;
    /// let a = product.call(&[View::new(&[1.0, 2.0, 10.0, 100.0], 1, 4)?])?;
    /// assert_eq!(a.as_slice(), [10.0, 100.0, 20.0, 200.0]);
    /// # Ok::<(), genred::Error>(())
    /// ```
    pub fn kron(&self, other: impl Into<Expr>, sizes_f: &[i64], sizes_g: &[i64]) -> Expr {
        let lists = [sizes_f, sizes_g].map(Expr::list);
        Expr::call("Kron", [self.clone(), other.into()].into_iter().chain(lists))
    }
}

/// Reductions over both axes, each with what its example shows.
macro_rules! reductions {
    ($($over_j:ident $by_j:literal $over_i:ident $by_i:literal $reduction:ident $(($k:ident = $two:literal))?;)*) => {
        impl Expr {$(
            #[doc = concat!("`", stringify!($reduction), "` over j: a result row for every i.")]
            ///
            /// ```
            /// use genred::expr::{vi, vj};
            /// use genred::{Kernel, View};
            /// let distance = vi("x", 1).sq_dist(vj("y", 1));
            #[doc = concat!("let kernel: Kernel<f64> = distance.", stringify!($over_j), "(", $($two,)? ").compile()?;")]
            /// let args = [View::new(&[0.0, 3.0], 2, 1)?, View::new(&[1.0, 2.0, 5.0], 3, 1)?];
            #[doc = concat!("assert_eq!(kernel.", $by_j, ");")]
            /// # Ok::<(), genred::Error>(())
            /// ```
            pub fn $over_j<T: Element>(&self $(, $k: u32)?) -> Genred<T> {
                self.reduce(Reduction::$reduction $(($k))?, Axis::J)
            }

            #[doc = concat!("`", stringify!($reduction), "` over i: a result row for every j.")]
            ///
            /// ```
            /// use genred::expr::{vi, vj};
            /// use genred::{Kernel, View};
            /// let distance = vi("x", 1).sq_dist(vj("y", 1));
            #[doc = concat!("let kernel: Kernel<f64> = distance.", stringify!($over_i), "(", $($two,)? ").compile()?;")]
            /// let args = [View::new(&[0.0, 3.0], 2, 1)?, View::new(&[1.0, 2.0, 5.0], 3, 1)?];
            #[doc = concat!("assert_eq!(kernel.", $by_i, ");")]
            /// # Ok::<(), genred::Error>(())
            /// ```
            pub fn $over_i<T: Element>(&self $(, $k: u32)?) -> Genred<T> {
                self.reduce(Reduction::$reduction $(($k))?, Axis::I)
            }
        )*}
    };
}

reductions! {
    sum_over_j "call(&args)?.as_slice(), [30.0, 9.0]"
        sum_over_i "call(&args)?.as_slice(), [5.0, 5.0, 29.0]"
        Sum;
    logsumexp_over_j "call(&args)?[(0, 0)].round(), 25.0"
        logsumexp_over_i "call(&args)?[(2, 0)].round(), 25.0"
        LogSumExp;
    min_over_j "call(&args)?.as_slice(), [1.0, 1.0]"
        min_over_i "call(&args)?.as_slice(), [1.0, 1.0, 4.0]"
        Min;
    max_over_j "call(&args)?.as_slice(), [25.0, 4.0]"
        max_over_i "call(&args)?.as_slice(), [4.0, 4.0, 25.0]"
        Max;
    argmin_over_j "call_indices(&args)?.as_slice(), [0, 1]"
        argmin_over_i "call_indices(&args)?.as_slice(), [0, 1, 1]"
        ArgMin;
    argmax_over_j "call_indices(&args)?.as_slice(), [2, 0]"
        argmax_over_i "call_indices(&args)?.as_slice(), [1, 0, 0]"
        ArgMax;
    min_argmin_over_j "call_both(&args)?.1.as_slice(), [0, 1]"
        min_argmin_over_i "call_both(&args)?.1.as_slice(), [0, 1, 1]"
        MinArgMin;
    max_argmax_over_j "call_both(&args)?.0.as_slice(), [25.0, 4.0]"
        max_argmax_over_i "call_both(&args)?.0.as_slice(), [4.0, 4.0, 25.0]"
        MaxArgMax;
    kmin_over_j "call(&args)?.row(0), [1.0, 4.0]"
        kmin_over_i "call(&args)?.row(2), [4.0, 25.0]"
        KMin(k = 2);
    argkmin_over_j "call_indices(&args)?.row(1), [1, 0]"
        argkmin_over_i "call_indices(&args)?.row(0), [0, 1]"
        ArgKMin(k = 2);
    kmin_argkmin_over_j "call_both(&args)?.0.row(1), [1.0, 4.0]"
        kmin_argkmin_over_i "call_both(&args)?.1.row(0), [0, 1]"
        KMinArgKMin(k = 2);
}

impl Expr {
    /// `SumSoftMaxWeight` over j: the mean of the weight under the exponential of the formula.
    ///
    /// ```
    /// use genred::expr::{vi, vj};
    /// use genred::{Kernel, View};
    /// let (x, y) = (vi("x", 1), vj("y", 1));
    /// // Both y are as far from x: their plain mean.
    /// let mean: Kernel<f64> = (-(&x - &y).sq_norm2()).softmax_over_j(&y).compile()?;
    /// let a = mean.call(&[View::new(&[2.0], 1, 1)?, View::new(&[1.0, 3.0], 2, 1)?])?;
    /// assert_eq!(a.as_slice(), [2.0]);
    /// # Ok::<(), genred::Error>(())
    /// ```
    pub fn softmax_over_j<T: Element>(&self, weight: &Expr) -> Genred<T> {
        self.reduce_weighted(Reduction::SumSoftMaxWeight, weight, Axis::J)
    }

    /// The same over i.
    ///
    /// ```
    /// use genred::expr::{vi, vj};
    /// use genred::{Kernel, View};
    /// let (x, y) = (vi("x", 1), vj("y", 1));
    /// let mean: Kernel<f64> = (-(&x - &y).sq_norm2()).softmax_over_i(&x).compile()?;
    /// let a = mean.call(&[View::new(&[1.0, 3.0], 2, 1)?, View::new(&[2.0], 1, 1)?])?;
    /// assert_eq!(a.as_slice(), [2.0]);
    /// # Ok::<(), genred::Error>(())
    /// ```
    pub fn softmax_over_i<T: Element>(&self, weight: &Expr) -> Genred<T> {
        self.reduce_weighted(Reduction::SumSoftMaxWeight, weight, Axis::I)
    }
}
