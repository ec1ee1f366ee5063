//! Tokens of formulas and aliases.

use crate::error::{Error, ErrorKind};
use crate::limits;
use crate::span::Span;
use nom::branch::alt;
use nom::bytes::complete::{tag, take_while, take_while1};
use nom::character::complete::{char, digit1, one_of, satisfy};
use nom::combinator::{opt, recognize};
use nom::sequence::preceded;
use nom::{IResult, Parser};

/// What a token is; its text is the span's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A number literal.
    Number,
    /// A name.
    Name,
    /// An operator or punctuation mark.
    Mark(&'static str),
}

/// A token with its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token {
    /// What it is.
    pub kind: Kind,
    /// Where it is.
    pub span: Span,
}

/// Longest first, so that `**` is not two `*`. The last few are recognised to be refused with a reason.
const MARKS: &[&str] = &[
    "**", "<=", ">=", "==", "!=", "//", "<", ">", "|", "+", "-", "*", "/", "(", ")", "[", "]", ",",
    ":", "=", "%", "@", "~", "#", ".",
];

fn number(input: &str) -> IResult<&str, &str> {
    let digits = || take_while1(|c: char| c.is_ascii_digit() || c == '_');
    let exponent = (one_of("eE"), opt(one_of("+-")), digit1);
    let radix = preceded(
        (char('0'), one_of("xXoObB")),
        take_while1(|c: char| c.is_ascii_hexdigit() || c == '_'),
    );
    let fraction = (char('.'), take_while(|c: char| c.is_ascii_digit() || c == '_'));
    let leading_digit = recognize((
        satisfy(|c| c.is_ascii_digit()),
        take_while(|c: char| c.is_ascii_digit() || c == '_'),
    ));
    alt((
        recognize(radix),
        recognize((leading_digit, opt(fraction), opt(exponent))),
        recognize((char('.'), digits(), opt((one_of("eE"), opt(one_of("+-")), digit1)))),
    ))
    .parse(input)
}

fn name(input: &str) -> IResult<&str, &str> {
    recognize((
        satisfy(|c| c.is_ascii_alphabetic() || c == '_'),
        take_while(|c: char| c.is_ascii_alphanumeric() || c == '_'),
    ))
    .parse(input)
}

fn mark(input: &str) -> IResult<&str, &'static str> {
    for text in MARKS {
        if let Ok((rest, _)) = tag::<_, _, nom::error::Error<&str>>(*text).parse(input) {
            return Ok((rest, text));
        }
    }
    Err(nom::Err::Error(nom::error::Error::new(input, nom::error::ErrorKind::Tag)))
}

fn token(input: &str) -> IResult<&str, Kind> {
    alt((number.map(|_| Kind::Number), name.map(|_| Kind::Name), mark.map(Kind::Mark))).parse(input)
}

/// Split a text (named `label` in messages) into tokens.
///
/// # Errors
/// `Syntax` at a character that begins no token; `Limit` when the text is too long.
pub fn tokens(label: &'static str, text: &str) -> Result<Vec<Token>, Error> {
    if text.len() > limits::FORMULA_BYTES {
        let message = format!(
            "the {label} has {} bytes; at most {} are accepted",
            text.len(),
            limits::FORMULA_BYTES
        );
        return Err(Error::new(ErrorKind::Limit, message));
    }
    let mut found = Vec::new();
    let mut rest = text;
    loop {
        rest = rest.trim_start();
        if rest.is_empty() {
            return Ok(found);
        }
        let start = (text.len() - rest.len()) as u32;
        match token(rest) {
            Ok((after, kind)) => {
                found.push(Token {
                    kind,
                    span: Span::new(start, (text.len() - after.len()) as u32),
                });
                rest = after;
            }
            Err(_) => {
                let c = rest.chars().next().unwrap_or(' ');
                let span = Span::new(start, start + c.len_utf8() as u32);
                return Err(Error::at(
                    ErrorKind::Syntax,
                    label,
                    text,
                    span,
                    format!("unexpected character {c:?}"),
                ));
            }
        }
    }
}
