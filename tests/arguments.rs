//! Calls with arguments that do not fit: the error names the alias and the numbers, and nothing is computed.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use genred::{Error, ErrorKind, Genred, View, ViewMut, generic_argmin, generic_sum};
use half::f16;

const ALIASES: [&str; 3] = ["x = Vi(3)", "y = Vj(3)", "g = Pm(2)"];

fn refused(args: &[View<'_, f32>]) -> Error {
    let sum = generic_sum::<f32>("g[0] * SqDist(x, y)", "a = Vi(1)", &ALIASES).unwrap();
    sum.call(args).unwrap_err()
}

#[test]
fn arguments_are_checked_against_their_aliases() {
    let numbers = [1.0f32; 60];
    let view = |rows: usize, dim: usize| View::new(&numbers[..rows * dim], rows, dim).unwrap();
    let (x, y, g) = (view(4, 3), view(5, 3), View::vector(&numbers[..2]));
    for (args, message) in [
        (vec![x, y], "2 arguments are given, but the formula has 3: x, y, g"),
        (vec![view(4, 2), y, g], "`x` has dim 2, but the alias is `x = Vi(3)`"),
        (vec![x, y, View::vector(&numbers[..3])], "`g` has dim 3, but the alias is `g = Pm(2)`"),
        (vec![x, y, view(2, 2)], "`g` has 2 rows, but `g = Pm(2)` is one vector"),
        (vec![View::vector(&numbers[..3]), y, g], "`x` is a one-dimensional array of 3 numbers"),
    ] {
        let error = refused(&args);
        assert_eq!(error.kind(), ErrorKind::Shape);
        assert!(error.to_string().contains(message), "{error}");
    }
}

#[test]
fn rows_of_one_category_agree() {
    let sum =
        generic_sum::<f32>("x * b + y", "a = Vi(1)", &["x = Vi(1)", "b = Vj(1)", "y = Vj(1)"]);
    let numbers = [1.0f32; 20];
    let view = |rows: usize| View::new(&numbers[..rows], rows, 1).unwrap();
    let error = sum.unwrap().call(&[view(4), view(5), view(20)]).unwrap_err();
    let message = "`b` has 5 rows, but `y` has 20: all Vj arguments have one row for every j";
    assert_eq!(error.to_string(), message);
}

#[test]
fn an_output_of_another_shape_is_left_alone() {
    let sum = generic_sum::<f32>("x * y", "a = Vi(1)", &["x = Vi(1)", "y = Vj(1)"]).unwrap();
    let numbers = [1.0f32; 4];
    let view = View::new(&numbers, 4, 1).unwrap();
    let mut out = [7.0f32; 3];
    let error = sum.call_into(&[view, view], ViewMut::new(&mut out, 3, 1).unwrap()).unwrap_err();
    assert_eq!(error.to_string(), "the output array is 3 x 1, but the result is 4 x 1");
    assert_eq!(out, [7.0; 3]);
}

#[test]
fn indices_that_the_dtype_cannot_hold_are_not_rounded() {
    let nearest =
        generic_argmin::<f16>("SqDist(x, y)", "a = Vi(1)", &["x = Vi(1)", "y = Vj(1)"]).unwrap();
    let numbers: Vec<f16> = (0..2_050).map(|k| f16::from_f32(2_049.0 - k as f32)).collect();
    let x = View::new(&numbers[2_049..], 1, 1).unwrap();
    let y = View::new(&numbers, 2_050, 1).unwrap();
    let error = nearest.call(&[x, y]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Range);
    assert_eq!(
        error.to_string(),
        "float16 cannot hold every index of 2050 columns exactly (up to 2048 it can)\n  \
         help: `call_indices` returns exact integers"
    );
    assert_eq!(nearest.call_indices(&[x, y]).unwrap().as_slice(), [2_049]);
    let fewer = y.rows_between(0, 2_049).unwrap();
    assert!(nearest.call(&[x, fewer]).is_ok(), "2048 is the largest index");
}

#[test]
fn values_have_no_indices() {
    let sum = Genred::<f32>::sum("x").output("a = Vi(1)").alias("x = Vi(1)").compile().unwrap();
    let x = View::new(&[1.0f32], 1, 1).unwrap();
    let error = sum.call_indices(&[x]).unwrap_err();
    assert_eq!(
        (error.kind(), error.to_string().as_str()),
        (ErrorKind::Usage, "`Sum` gives values, not indices")
    );
}
