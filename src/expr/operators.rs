//! Operators of Rust that the language has too.

use super::Expr;
use crate::syntax::Expr as Node;
use crate::syntax::ast::Operator;
use std::ops::{Add, BitOr, Div, Mul, Neg, Sub};

impl Expr {
    pub(super) fn binary(operator: Operator, f: Expr, g: Expr) -> Expr {
        Expr::join([f, g], |args| Node::Binary(operator, args[0], args[1]))
    }
}

macro_rules! operators {
    ($($trait:ident $method:ident $operator:ident),*) => {$(
        impl<R: Into<Expr>> $trait<R> for Expr {
            type Output = Expr;
            fn $method(self, other: R) -> Expr {
                Expr::binary(Operator::$operator, self, other.into())
            }
        }

        impl<R: Into<Expr>> $trait<R> for &Expr {
            type Output = Expr;
            fn $method(self, other: R) -> Expr {
                Expr::binary(Operator::$operator, self.clone(), other.into())
            }
        }

        operators!(@number f64 $trait $method $operator);
        operators!(@number i32 $trait $method $operator);
    )*};
    (@number $number:ident $trait:ident $method:ident $operator:ident) => {
        impl $trait<Expr> for $number {
            type Output = Expr;
            fn $method(self, other: Expr) -> Expr {
                Expr::binary(Operator::$operator, self.into(), other)
            }
        }

        impl $trait<&Expr> for $number {
            type Output = Expr;
            fn $method(self, other: &Expr) -> Expr {
                Expr::binary(Operator::$operator, self.into(), other.clone())
            }
        }
    };
}

operators!(Add add Plus, Sub sub Minus, Mul mul Star, Div div Slash, BitOr bitor Bar);

impl Neg for Expr {
    type Output = Expr;
    fn neg(self) -> Expr {
        Expr::join([self], |args| Node::Neg(args[0]))
    }
}

impl Neg for &Expr {
    type Output = Expr;
    fn neg(self) -> Expr {
        -self.clone()
    }
}
