//! Errors as Python exceptions: the classes are defined in `genred.errors`, where they can have two bases.

use genred::{Error, ErrorKind};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyType;

const MODULE: &str = "genred.errors";

/// A class of `genred.errors`.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Class {
    Formula,
    Shape,
    DType,
    Usage,
    Limit,
    Device,
    Missing,
    Unsolved,
}

/// What a mistake is, with a line of help if there is one.
pub(crate) fn error(py: Python<'_>, class: Class, message: &str, help: &str) -> PyErr {
    let text =
        if help.is_empty() { message.to_owned() } else { format!("{message}\n  help: {help}") };
    raise(py, class, text)
}

/// An error of the crate: its message has the place, the carets and the help.
pub(crate) fn of(py: Python<'_>, error: &Error) -> PyErr {
    let class = match error.kind() {
        ErrorKind::Syntax => Class::Formula,
        ErrorKind::Shape => Class::Shape,
        ErrorKind::Limit => Class::Limit,
        ErrorKind::Device => Class::Device,
        ErrorKind::Unsolved => Class::Unsolved,
        _ => Class::Usage,
    };
    raise(py, class, error.to_string())
}

fn raise(py: Python<'_>, class: Class, text: String) -> PyErr {
    static CLASSES: [PyOnceLock<Py<PyType>>; 8] = [const { PyOnceLock::new() }; 8];
    let name = match class {
        Class::Formula => "FormulaError",
        Class::Shape => "ShapeError",
        Class::DType => "DTypeError",
        Class::Usage => "UsageError",
        Class::Limit => "LimitError",
        Class::Device => "DeviceError",
        Class::Missing => "NotSupportedError",
        Class::Unsolved => "UnsolvedError",
    };
    match CLASSES[class as usize].import(py, MODULE, name) {
        Ok(class) => PyErr::from_type(class.clone(), text),
        Err(broken) => broken,
    }
}
