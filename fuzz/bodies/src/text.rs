//! Bytes as what a user writes: `formula; output; alias; alias ...`.

use genred::Error;
use std::borrow::Cow;

/// The texts of one reduction.
#[derive(Clone, Debug)]
pub struct Text<'a> {
    /// The formula.
    pub formula: &'a str,
    /// The output alias; empty if there is none.
    pub output: &'a str,
    /// The aliases.
    pub aliases: Vec<&'a str>,
}

/// The bytes as text; what is not UTF-8 becomes the replacement character, which is not in the language but has three bytes.
pub fn decoded(bytes: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(bytes)
}

impl<'a> Text<'a> {
    /// Split at semicolons, which are not in the language.
    pub fn split(text: &'a str) -> Text<'a> {
        let mut parts = text.split(';');
        let formula = parts.next().unwrap_or_default();
        let output = parts.next().unwrap_or_default().trim();
        Text { formula, output, aliases: parts.map(str::trim).collect() }
    }

    /// Check that an error can be shown and points into one of the texts it may be about.
    pub fn check(&self, error: &Error) {
        let shown = error.to_string();
        assert!(!shown.trim().is_empty(), "an error without a message");
        assert!(!format!("{error:?}").is_empty());
        if let Some(span) = error.span() {
            let texts = [self.formula, self.output].into_iter().chain(self.aliases.iter().copied());
            let fits = |text: &str| {
                span.start <= span.end
                    && span.end <= text.len()
                    && text.is_char_boundary(span.start)
                    && text.is_char_boundary(span.end)
            };
            assert!({ texts }.any(fits), "{span:?} lies in none of the texts: {shown}");
        }
    }
}
