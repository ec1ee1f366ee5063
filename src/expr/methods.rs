//! Operations of the language as methods: what each means is said in the table of operations
//! ([`table`](crate::formula::table)), by the name that the method's documentation gives.

use super::Expr;
use crate::dtype::Element;
use crate::genred::{Axis, Genred};
use crate::reduce::Reduction;
use crate::syntax::Expr as Node;
use crate::syntax::ast::Operator;
use std::ops::Range;

/// Methods that call an operation with the expression as its first argument, and more expressions or integers after it.
macro_rules! calls {
    ($($method:ident $name:literal $doc:literal ($($arg:ident: $kind:ident),*);)*) => {
        impl Expr {$(
            #[doc = concat!("`", $name, "`", $doc, ".")]
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
    abs "Abs" " of each component" ();
    exp "Exp" " of each component" ();
    log "Log" " of each component" ();
    sin "Sin" " of each component" ();
    cos "Cos" " of each component" ();
    sqrt "Sqrt" " of each component" ();
    rsqrt "Rsqrt" " of each component" ();
    inv "Inv" " of each component" ();
    square "Square" " of each component" ();
    xlogx "XLogX" " of each component" ();
    sin_x_div_x "SinXDivX" " of each component" ();
    asin "Asin" " of each component" ();
    acos "Acos" " of each component" ();
    atan "Atan" " of each component" ();
    sign "Sign" " of each component" ();
    step "Step" " of each component" ();
    relu "ReLU" " of each component" ();
    floor "Floor" " of each component" ();
    round "Round" " to a number of decimals" (decimals: int);
    powi "Pow" " to an integer power" (exponent: int);
    clamp_int "ClampInt" " between integers" (low: int, high: int);
    diff_clamp_int "DiffClampInt" ": 1 between integers, else 0" (low: int, high: int);
    powf "Powf" " to any power" (exponent: expr);
    atan2 "Atan2" " of a point, from its y coordinate" (x: expr);
    equal "Equal" ", 1 or 0" (other: expr);
    not_equal "NotEqual" ", 1 or 0" (other: expr);
    less_than "LessThan" ", 1 or 0" (other: expr);
    less_or_equal "LessOrEqual" ", 1 or 0" (other: expr);
    if_else "IfElse" ": the first value where the expression is `>= 0`" (then: expr, otherwise: expr);
    clamp "Clamp" " between bounds" (low: expr, high: expr);
    modulo "Mod" " from an offset" (modulus: expr, offset: expr);
    sum "Sum" " of the components" ();
    sum_t "SumT" ": a scalar repeated" (dim: dim);
    scalprod "Scalprod" ", also written `|`" (other: expr);
    sq_norm2 "SqNorm2" ": the squared norm" ();
    norm2 "Norm2" ": the norm" ();
    normalize "Normalize" " to norm 1" ();
    sq_dist "SqDist" ": the squared distance" (other: expr);
    weighted_sq_norm "WeightedSqNorm" ", from its weight" (vector: expr);
    weighted_sq_dist "WeightedSqDist" ", from its weight" (vector: expr, other: expr);
    sq_norm_iso "SqNormIso" ", from its weight" (vector: expr);
    sq_norm_diag "SqNormDiag" ", from its weight" (vector: expr);
    sym_sq_norm "SymSqNorm" ", from its weight" (vector: expr);
    max "Max" " of the components" ();
    min "Min" " of the components" ();
    arg_max "ArgMax" " of the components" ();
    arg_min "ArgMin" " of the components" ();
    elem "Elem" ": one component, also [`at`](Expr::at)" (component: dim);
    elem_t "ElemT" ": a scalar placed in zeros" (dim: dim, component: dim);
    extract "Extract" ": some components, also [`slice`](Expr::slice)" (start: dim, dim: dim);
    extract_t "ExtractT" ": a vector placed in zeros" (start: dim, dim: dim);
    concat "Concat" " with another vector" (other: expr);
    one_hot "OneHot" " of an index" (dim: dim);
    mat_vec_mult "MatVecMult" ": a row-major matrix times a vector" (vector: expr);
    vec_mat_mult "VecMatMult" ": a vector times a row-major matrix" (matrix: expr);
    tensor_prod "TensorProd" ": all products of components" (other: expr);
    real_to_complex "Real2Complex" ": as real parts" ();
    imag_to_complex "Imag2Complex" ": as imaginary parts" ();
    complex_real "ComplexReal" ": the real parts" ();
    complex_imag "ComplexImag" ": the imaginary parts" ();
    conj "Conj" ": the complex conjugate" ();
    complex_abs "ComplexAbs" ": the moduli" ();
    complex_square_abs "ComplexSquareAbs" ": the squared moduli" ();
    complex_angle "ComplexAngle" ": the arguments" ();
    complex_add "ComplexAdd" " of complex vectors" (other: expr);
    complex_subtract "ComplexSubtract" " of complex vectors" (other: expr);
    complex_mult "ComplexMult" " of complex vectors" (other: expr);
    complex_divide "ComplexDivide" " of complex vectors" (other: expr);
    complex_exp "ComplexExp" " of a complex vector" ();
    complex_exp1j "ComplexExp1j" ": cos f + i sin f" ();
    complex_sum "ComplexSum" " of a complex vector" ();
    complex_sum_t "ComplexSumT" ": a complex number repeated" (dim: dim);
    complex_real_scal "ComplexRealScal" " of a real and a complex operand" (other: expr);
    b_spline "BSpline" " over the expression as knots" (x: expr, degree: dim);
    soft_dtw_sq_dist "SoftDTW_SqDist" " of two sequences" (other: expr, softness: expr);
    grad "Grad" " by a variable, applied to a seed" (variable: expr, seed: expr);
    grad_matrix "GradMatrix" ": the Jacobian by a variable" (variable: expr);
    diff "Diff" " by a variable in a direction" (variable: expr, direction: expr);
    divergence "Divergence" " by a variable" (variable: expr);
    laplacian "Laplacian" " by a variable" (variable: expr);
    trace_operator "TraceOperator" " of a linear map of a variable" (variable: expr);
    adjoint_operator "AdjointOperator" " of a linear map of a variable" (variable: expr, seed: expr);
    sum_lin_operator "SumLinOperator" " of a linear map of a variable" (variable: expr);
    factorize "Factorize" ": the expression itself" (part: expr);
    auto_factorize "AutoFactorize" ": the expression itself" ();
}

impl Expr {
    /// `f ** g`: a square, an integer power, a root or `Powf`, by what g is.
    pub fn pow(&self, exponent: impl Into<Expr>) -> Expr {
        Expr::binary(Operator::Power, self.clone(), exponent.into())
    }

    /// `f > g`, 1 or 0.
    pub fn greater_than(&self, other: impl Into<Expr>) -> Expr {
        Expr::binary(Operator::Greater, self.clone(), other.into())
    }

    /// `f >= g`, 1 or 0.
    pub fn greater_or_equal(&self, other: impl Into<Expr>) -> Expr {
        Expr::binary(Operator::GreaterEqual, self.clone(), other.into())
    }

    /// `f[k]`, one component.
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
    pub fn kron(&self, other: impl Into<Expr>, sizes_f: &[i64], sizes_g: &[i64]) -> Expr {
        let lists = [sizes_f, sizes_g].map(Expr::list);
        Expr::call("Kron", [self.clone(), other.into()].into_iter().chain(lists))
    }
}

/// Reductions over both axes.
macro_rules! reductions {
    ($($over_j:ident $over_i:ident $reduction:ident $(($k:ident))?;)*) => {
        impl Expr {$(
            #[doc = concat!("`", stringify!($reduction), "` over j: a result row for every i.")]
            pub fn $over_j<T: Element>(&self $(, $k: u32)?) -> Genred<T> {
                self.reduce(Reduction::$reduction $(($k))?, Axis::J)
            }

            #[doc = concat!("`", stringify!($reduction), "` over i: a result row for every j.")]
            pub fn $over_i<T: Element>(&self $(, $k: u32)?) -> Genred<T> {
                self.reduce(Reduction::$reduction $(($k))?, Axis::I)
            }
        )*}
    };
}

reductions! {
    sum_over_j sum_over_i Sum;
    logsumexp_over_j logsumexp_over_i LogSumExp;
    min_over_j min_over_i Min;
    max_over_j max_over_i Max;
    argmin_over_j argmin_over_i ArgMin;
    argmax_over_j argmax_over_i ArgMax;
    min_argmin_over_j min_argmin_over_i MinArgMin;
    max_argmax_over_j max_argmax_over_i MaxArgMax;
    kmin_over_j kmin_over_i KMin(k);
    argkmin_over_j argkmin_over_i ArgKMin(k);
    kmin_argkmin_over_j kmin_argkmin_over_i KMinArgKMin(k);
}

impl Expr {
    /// `SumSoftMaxWeight` over j: the mean of the weight under the exponential of the formula.
    pub fn softmax_over_j<T: Element>(&self, weight: &Expr) -> Genred<T> {
        self.reduce_weighted(Reduction::SumSoftMaxWeight, weight, Axis::J)
    }

    /// The same over i.
    pub fn softmax_over_i<T: Element>(&self, weight: &Expr) -> Genred<T> {
        self.reduce_weighted(Reduction::SumSoftMaxWeight, weight, Axis::I)
    }
}
