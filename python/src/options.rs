//! What KeOps' keywords ask for, in the crate's words.

use crate::errors::{self, Class};
use genred::formula::typing;
use genred::reduce::Family;
use genred::{Accumulate, Axis, Backend, DType, Reduction};
use pyo3::prelude::*;

/// The precision of sums that was asked for, by dtype.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Precision {
    /// As the arrays, or wider.
    Auto,
    /// Sums in float16 cannot be had: they are in float32.
    Half,
    /// Sums in float32.
    Single,
    /// Sums in float64.
    Double,
}

/// How sums are accumulated, as far as it does not depend on the dtype.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sums {
    scheme: Accumulate,
    precision: Precision,
}

impl Sums {
    /// From `dtype_acc`, `use_double_acc` and `sum_scheme`.
    pub(crate) fn read(
        py: Python<'_>,
        reduction: Reduction,
        dtype_acc: &str,
        use_double_acc: bool,
        sum_scheme: &str,
    ) -> PyResult<Sums> {
        let usage = |message: &str| errors::error(py, Class::Usage, message, "");
        let name = reduction.name();
        let precision = match dtype_acc {
            "auto" => Precision::Auto,
            "float16" => Precision::Half,
            "float32" => Precision::Single,
            "float64" => Precision::Double,
            other => {
                let message = format!("`dtype_acc` is `{other}`");
                let help = "it is \"auto\", \"float16\", \"float32\" or \"float64\"";
                return Err(errors::error(py, Class::Usage, &message, help));
            }
        };
        if use_double_acc && precision != Precision::Auto {
            return Err(usage("`use_double_acc` and `dtype_acc` cannot both be given"));
        }
        let precision = if use_double_acc { Precision::Double } else { precision };
        let scheme = match sum_scheme {
            "auto" => Accumulate::Auto,
            "direct_sum" => Accumulate::Direct,
            "block_sum" => Accumulate::Block,
            "kahan_scheme" => Accumulate::Kahan,
            other => {
                let message = format!("`sum_scheme` is `{other}`");
                let help = "it is \"auto\", \"direct_sum\", \"block_sum\" or \"kahan_scheme\"";
                return Err(errors::error(py, Class::Usage, &message, help));
            }
        };
        if reduction.family() != Family::Selection {
            return Ok(Sums { scheme, precision });
        }
        if precision != Precision::Auto {
            return Err(usage(&format!(
                "`{name}` adds nothing up, so it takes neither `dtype_acc` nor `use_double_acc`"
            )));
        }
        match scheme {
            // What KeOps calls the order in which selections look at columns.
            Accumulate::Auto | Accumulate::Direct => {
                Ok(Sums { scheme: Accumulate::Auto, precision })
            }
            _ => Err(usage(&format!("`{name}` adds nothing up, so `{sum_scheme}` does not apply"))),
        }
    }

    /// For arrays of a dtype.
    pub(crate) fn of(self, py: Python<'_>, dtype: DType) -> PyResult<Accumulate> {
        let narrower = match (self.precision, dtype) {
            (Precision::Half, DType::F32 | DType::F64) => Some("float16"),
            (Precision::Single, DType::F64) => Some("float32"),
            _ => None,
        };
        if let Some(narrower) = narrower {
            let message = format!(
                "`dtype_acc` is {narrower}, but the arrays are {dtype}: sums would lose what they hold"
            );
            return Err(errors::error(py, Class::Usage, &message, ""));
        }
        // float64 sums of narrower terms are more exact than any scheme among the narrower ones.
        let double = self.precision == Precision::Double && dtype != DType::F64;
        Ok(if double { Accumulate::Double } else { self.scheme })
    }
}

/// KeOps' number of an axis.
pub(crate) fn axis(py: Python<'_>, axis: i64) -> PyResult<Axis> {
    match axis {
        0 => Ok(Axis::I),
        1 => Ok(Axis::J),
        other => {
            let message = format!("`axis` is {other}");
            let help = "0 reduces over i and leaves a row for every j, 1 reduces over j";
            Err(errors::error(py, Class::Usage, &message, help))
        }
    }
}

/// KeOps' and the crate's names of back ends.
pub(crate) fn backend(py: Python<'_>, name: &str) -> PyResult<Backend> {
    match name {
        "auto" => return Ok(Backend::Auto),
        "CPU" => return Ok(Backend::Cpu),
        _ => {}
    }
    if let Some(backend) = Backend::from_name(name) {
        return Ok(backend);
    }
    if name.starts_with("GPU") {
        let help = "`backend=\"CPU\"` or \"auto\" runs on this machine's processor";
        return Err(errors::error(py, Class::Device, "there is no GPU engine yet", help));
    }
    let names: Vec<&str> = Backend::ALL.into_iter().map(Backend::name).collect();
    let message = format!("`backend` is `{name}`");
    let help = format!("it is \"auto\", \"CPU\" or an engine: {}", names.join(", "));
    Err(errors::error(py, Class::Usage, &message, &help))
}

/// The dim of a formula, and of its weight if there is one.
#[pyfunction]
#[pyo3(signature = (formula, aliases, weight=None))]
pub(crate) fn dims_of(
    py: Python<'_>,
    formula: &str,
    aliases: Vec<String>,
    weight: Option<&str>,
) -> PyResult<Vec<u32>> {
    let aliases: Vec<&str> = aliases.iter().map(String::as_str).collect();
    let typed = typing::formula(formula, weight, &aliases).map_err(|e| errors::of(py, &e))?;
    Ok((0..typed.roots.len()).map(|root| typed.root_dim(root)).collect())
}

/// Bytes of the longest formula.
#[pyfunction]
pub(crate) fn largest_formula() -> usize {
    genred::limits::FORMULA_BYTES
}
