//! The one error type: opaque, cheap to clone, and the owner of the text that it points into.
//!
//! ```
//! use genred::error::{Error, ErrorKind};
//! let error: Error = genred::generic_sum::<f32>("Exq(x)", "a = Vi(1)", &["x = Vi(1)"]).unwrap_err();
//! assert_eq!((error.kind(), error.span()), (ErrorKind::Syntax, Some(0..3)));
//! assert!(error.to_string().ends_with("help: did you mean `Exp`?"));
//! # Ok::<(), genred::Error>(())
//! ```

mod render;

use crate::span::Span;
use render::Source;
use std::fmt;
use std::sync::Arc;

/// What went wrong, coarsely; more kinds may be added.
///
/// ```
/// use genred::{ErrorKind, generic_sum};
/// let of = |formula| generic_sum::<f32>(formula, "a = Vi(1)", &["x = Vi(2)", "y = Vj(3)"]).map_err(|error| error.kind());
/// assert_eq!(of("x +").err(), Some(ErrorKind::Syntax));
/// assert_eq!(of("SqDist(x, y)").err(), Some(ErrorKind::Shape));
/// assert_eq!(of(&"x+".repeat(40_000)).err(), Some(ErrorKind::Limit));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// Text that is not in the language: formula, alias or output.
    Syntax,
    /// Dims, rows, strides or dtypes that do not fit together.
    Shape,
    /// A bound of [`limits`](crate::limits), or one that the caller gave, was exceeded.
    Limit,
    /// Options that contradict each other or the reduction.
    Usage,
    /// A result that the dtype cannot hold exactly.
    Range,
    /// An engine or device that cannot do what was asked for.
    Device,
    /// A linear system that is not positive definite, or was not solved as accurately as asked for.
    Unsolved,
    /// An array that cannot be read, or a result that cannot be written.
    Io,
    /// A [`Cancel`](crate::Cancel) token was used.
    Cancelled,
}

impl ErrorKind {
    /// Every kind, for tests that enumerate them.
    pub const ALL: [ErrorKind; 9] = [
        ErrorKind::Syntax,
        ErrorKind::Shape,
        ErrorKind::Limit,
        ErrorKind::Usage,
        ErrorKind::Range,
        ErrorKind::Device,
        ErrorKind::Unsolved,
        ErrorKind::Io,
        ErrorKind::Cancelled,
    ];
}

/// Any failure of this crate.
///
/// `Display` gives the message, the source line with carets where there is one, and a help line where there is one.
///
/// ```
/// let error = genred::generic_sum::<f32>("SqDist(x, y)", "a = Vi(1)", &["x = Vi(3)", "y = Vj(2)"]).unwrap_err();
/// assert!(error.is_shape());
/// assert!(error.to_string().contains("`x` has dim 3, `y` has dim 2"));
/// ```
#[derive(Clone, Debug)]
pub struct Error(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    kind: ErrorKind,
    message: String,
    source: Option<Source>,
    help: Option<String>,
}

/// Longest quotation of a text in a message.
const QUOTED: usize = 40;

/// A text cut to what a message can quote.
pub(crate) fn quoted(text: &str) -> String {
    match text.char_indices().nth(QUOTED) {
        Some((k, _)) => format!("{}...", &text[..k]),
        None => text.to_owned(),
    }
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Error(Arc::new(Inner { kind, message: message.into(), source: None, help: None }))
    }

    pub(crate) fn shape(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Shape, message)
    }

    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Usage, message)
    }

    /// An error at a place in a text.
    pub(crate) fn at(
        kind: ErrorKind,
        label: &'static str,
        text: &str,
        span: Span,
        message: impl Into<String>,
    ) -> Self {
        let source = Source { label, text: text.to_owned(), spans: vec![(span, String::new())] };
        Error(Arc::new(Inner { kind, message: message.into(), source: Some(source), help: None }))
    }

    fn edit(self, change: impl FnOnce(&mut Inner)) -> Self {
        let mut inner = Inner {
            kind: self.0.kind,
            message: self.0.message.clone(),
            source: self.0.source.clone(),
            help: self.0.help.clone(),
        };
        change(&mut inner);
        Error(Arc::new(inner))
    }

    /// Say something under the first caret.
    pub(crate) fn labelled(self, label: impl Into<String>) -> Self {
        self.edit(|e| {
            if let Some(first) = e.source.as_mut().and_then(|s| s.spans.first_mut()) {
                first.1 = label.into();
            }
        })
    }

    /// Point at a second place of the same text.
    pub(crate) fn and_at(self, span: Span, label: impl Into<String>) -> Self {
        self.edit(|e| {
            if let Some(source) = &mut e.source {
                source.spans.push((span, label.into()));
            }
        })
    }

    pub(crate) fn help(self, help: impl Into<String>) -> Self {
        self.edit(|e| e.help = Some(help.into()))
    }

    /// The kind of the error.
    ///
    /// ```
    /// use genred::{ErrorKind, generic_sum};
    /// let error = generic_sum::<f32>("x +", "a = Vi(1)", &["x = Vi(1)"]).expect_err("it ends too early");
    /// assert_eq!(error.kind(), ErrorKind::Syntax);
    /// assert_eq!(error.span(), Some(3..3));
    /// ```
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Whether some text is not in the language.
    ///
    /// ```
    /// let error = genred::generic_sum::<f32>("x +", "a = Vi(1)", &["x = Vi(1)"]).unwrap_err();
    /// assert!(error.is_syntax() && !error.is_shape());
    /// ```
    pub fn is_syntax(&self) -> bool {
        self.0.kind == ErrorKind::Syntax
    }

    /// Whether dims, rows, strides or dtypes do not fit.
    ///
    /// ```
    /// let error = genred::View::new(&[0.0f32; 6], 2, 2).unwrap_err();
    /// assert!(error.is_shape());
    /// assert_eq!(error.to_string(), "a 2 x 2 array needs a slice of 2*2 elements, not of 6");
    /// ```
    pub fn is_shape(&self) -> bool {
        self.0.kind == ErrorKind::Shape
    }

    /// Whether a limit was exceeded.
    ///
    /// ```
    /// let deep = "(".repeat(1_000) + "x" + &")".repeat(1_000);
    /// let error = genred::generic_sum::<f32>(&deep, "a = Vi(1)", &["x = Vi(1)"]).unwrap_err();
    /// assert!(error.is_limit());
    /// ```
    pub fn is_limit(&self) -> bool {
        self.0.kind == ErrorKind::Limit
    }

    /// Whether an engine or device cannot do what was asked for.
    ///
    /// ```
    /// use genred::{View, generic_sum};
    /// // The interpreter cannot work in pieces.
    /// let sum = genred::Genred::<f64>::sum("x * y").output("a = Vi(1)").aliases(["x = Vi(1)", "y = Vj(1)"]);
    /// let sum = sum.backend(genred::Backend::Eval).compile()?;
    /// let x = View::new(&[1.0, 2.0], 2, 1)?;
    /// assert!(sum.partial(&[x, x], 0, 2).unwrap_err().is_device());
    /// # Ok::<(), genred::Error>(())
    /// ```
    pub fn is_device(&self) -> bool {
        self.0.kind == ErrorKind::Device
    }

    /// Whether the computation was cancelled.
    ///
    /// ```
    /// use genred::{Cancel, View, generic_sum};
    /// let sum = generic_sum::<f64>("x * y", "a = Vi(1)", &["x = Vi(1)", "y = Vj(1)"])?;
    /// let (x, cancel) = (View::new(&[1.0, 2.0], 2, 1)?, Cancel::new());
    /// cancel.cancel();
    /// assert!(sum.stream().input(x).input(x).cancel(&cancel).call().unwrap_err().is_cancelled());
    /// # Ok::<(), genred::Error>(())
    /// ```
    pub fn is_cancelled(&self) -> bool {
        self.0.kind == ErrorKind::Cancelled
    }

    /// Whether a linear system was not solved.
    ///
    /// ```
    /// use genred::{KernelSolve, View, generic_sum};
    /// let aliases = ["x = Vi(1)", "y = Vj(1)", "b = Vj(1)"];
    /// let kernel = generic_sum::<f64>("-Exp(-SqDist(x, y)) * b", "a = Vi(1)", &aliases)?;
    /// let x = View::new(&[0.0, 1.0, 2.0], 3, 1)?;
    /// // The negative of a positive definite matrix.
    /// assert!(KernelSolve::new(&kernel, "b")?.call(&[x, x, x]).unwrap_err().is_unsolved());
    /// # Ok::<(), genred::Error>(())
    /// ```
    pub fn is_unsolved(&self) -> bool {
        self.0.kind == ErrorKind::Unsolved
    }

    /// The byte range of the text that the first caret marks, if the error has a place.
    ///
    /// ```
    /// let formula = "Exp(-SqDst(x, x))";
    /// let error = genred::generic_sum::<f32>(formula, "a = Vi(1)", &["x = Vi(1)"]).unwrap_err();
    /// assert_eq!(error.span().map(|place| &formula[place]), Some("SqDst"));
    /// ```
    pub fn span(&self) -> Option<std::ops::Range<usize>> {
        self.0.source.as_ref().and_then(|s| s.spans.first()).map(|(span, _)| span.range())
    }
}

impl std::error::Error for Error {}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)?;
        if let Some(source) = &self.0.source {
            source.fmt(f)?;
        }
        if let Some(help) = &self.0.help {
            write!(f, "\n  help: {help}")?;
        }
        Ok(())
    }
}
