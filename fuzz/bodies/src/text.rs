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

    /// Check that an error can be shown, and that its place lies in the text that it shows.
    pub fn check(&self, error: &Error) {
        let shown = error.to_string();
        assert!(!shown.trim().is_empty(), "an error without a message");
        assert!(!format!("{error:?}").is_empty());
        let Some(span) = error.span() else { return };
        let (texts, line) = self.named(&shown);
        let fits = |text: &&str| {
            let flat: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
            flat.contains(line) && text.get(span.clone()).is_some()
        };
        assert!(texts.iter().any(fits), "{span:?} does not lie in the text that is shown: {shown}");
    }

    /// The texts of the kind that a message with a place names, and what it shows of one.
    fn named<'s>(&self, shown: &'s str) -> (Vec<&'a str>, &'s str) {
        let kinds = [
            ("formula", vec![self.formula]),
            ("weight", vec![self.formula]),
            ("output", vec![self.output]),
            ("alias", self.aliases.clone()),
        ];
        // A quotation in the message itself may have line ends, so it is the last such line.
        for line in shown.lines().rev() {
            let Some((head, rest)) = line.strip_prefix("  ").and_then(|l| l.split_once(": "))
            else {
                continue;
            };
            let kind = head.split_once(" line ").map_or(head, |(kind, _)| kind);
            if let Some((_, texts)) = kinds.iter().find(|(name, _)| *name == kind) {
                // Long lines are cut.
                let rest = rest.strip_prefix("...").unwrap_or(rest);
                return (texts.clone(), rest.strip_suffix("...").unwrap_or(rest));
            }
        }
        panic!("a place in no text: {shown}");
    }
}
