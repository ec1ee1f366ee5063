//! Aliases: `x = Vi(3)` names an argument of the call, its index and its dim.

use crate::error::{Error, ErrorKind, quoted};
use crate::limits;
use crate::span::Span;
use crate::syntax::token::{Kind, Token, tokens};

/// Which index a variable has: rows of the output side are `I`, points that are reduced over are `J` when the axis is 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Category {
    /// `Vi`: one row for every i.
    I,
    /// `Vj`: one row for every j.
    J,
    /// `Pm`: one vector a call.
    Param,
}

impl Category {
    /// The category that `Vi`, `Vj`, `Pm` (or the older `Vx`, `Vy`) stands for.
    pub fn of(name: &str) -> Option<Category> {
        match name {
            "Vi" | "Vx" => Some(Category::I),
            "Vj" | "Vy" => Some(Category::J),
            "Pm" => Some(Category::Param),
            _ => None,
        }
    }

    /// As written in an alias.
    pub fn text(self) -> &'static str {
        match self {
            Category::I => "Vi",
            Category::J => "Vj",
            Category::Param => "Pm",
        }
    }

    /// The category of KeOps' number: 0 for i, 1 for j, 2 for a parameter.
    pub fn from_number(number: u64) -> Option<Category> {
        [Category::I, Category::J, Category::Param].get(usize::try_from(number).ok()?).copied()
    }
}

/// An argument of the call: its position is its place in [`Formula::variables`](crate::formula::Formula::variables).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Variable {
    /// The alias, or `Var(k,dim,cat)` for an inline variable; for messages only.
    pub name: String,
    /// I, J or parameter.
    pub category: Category,
    /// Columns of the array.
    pub dim: u32,
}

/// One parsed alias or output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alias {
    /// What stands before `=`, if anything does.
    pub name: Option<String>,
    /// `Vi`, `Vj` or `Pm`.
    pub category: Category,
    /// Explicit position, as in `Vi(0, 3)`.
    pub position: Option<u32>,
    /// Columns of the array.
    pub dim: u32,
}

/// What is parsed: outputs have no position and no `Pm`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// A member of the alias list.
    Input,
    /// The output, `a = Vi(1)`.
    Output,
}

impl Role {
    fn label(self) -> &'static str {
        match self {
            Role::Input => "alias",
            Role::Output => "output",
        }
    }
}

const HELP: &str =
    "an alias is written `x = Vi(3)`, `y = Vj(3)` or `p = Pm(1)`: a name, the index, the dim";

/// Parse `name = Vi(dim)` or `name = Vi(position, dim)`; the name may be absent.
///
/// # Errors
/// `Syntax` with the place; `Limit` for dims beyond the limit.
pub fn parse(text: &str, role: Role) -> Result<Alias, Error> {
    let label = role.label();
    let tokens = tokens(label, text)?;
    let error = |span: Span, message: String| {
        Error::at(ErrorKind::Syntax, label, text, span, message).help(HELP)
    };
    let named = format!("{label} `{}`", quoted(text.trim()));
    let end = Span::new(text.len() as u32, text.len() as u32);
    let at = |k: usize| tokens.get(k).copied().unwrap_or(Token { kind: Kind::Mark(""), span: end });
    let word = |k: usize| &text[at(k).span.range()];
    let mut k = 0;
    let mut name = None;
    if at(0).kind == Kind::Name && at(1).kind == Kind::Mark("=") {
        name = Some(word(0).to_owned());
        k = 2;
    }
    if at(k).kind != Kind::Name {
        return Err(error(at(k).span, format!("expected `Vi`, `Vj` or `Pm` in {named}")));
    }
    let nameless_var = role == Role::Input && name.is_none() && word(k) == "Var";
    let category = Category::of(word(k));
    if category.is_none() && !nameless_var {
        let message = format!("`{}` is not an index category in {named}", quoted(word(k)));
        let error = error(at(k).span, message);
        return Err(match word(k) {
            "Var" => error.help("an alias with a position is written `x = Vi(0, 3)`"),
            _ => error,
        });
    }
    let head = k;
    k += 1;
    if at(k).kind != Kind::Mark("(") {
        return Err(error(at(k).span, format!("expected `(` after `{}`", word(head))));
    }
    let mut numbers = Vec::new();
    loop {
        k += 1;
        let token = at(k);
        if token.kind != Kind::Number || !word(k).bytes().all(|b| b.is_ascii_digit()) {
            return Err(error(token.span, format!("expected a whole number in {named}")));
        }
        let value = word(k).parse::<u64>().unwrap_or(u64::MAX);
        numbers.push((value, token.span));
        k += 1;
        match at(k).kind {
            Kind::Mark(",") => {}
            Kind::Mark(")") => break,
            _ => return Err(error(at(k).span, "expected `,` or `)`".into())),
        }
    }
    if k + 1 < tokens.len() {
        return Err(error(
            at(k + 1).span,
            format!("unexpected text after {label} `{}`", quoted(&text[..at(k).span.end as usize])),
        ));
    }
    let (category, position, dim) = match (category, numbers.as_slice()) {
        (Some(category), [dim]) => (category, None, *dim),
        (Some(category), [position, dim]) if role == Role::Input => {
            (category, Some(*position), *dim)
        }
        (None, [position, dim, number]) => {
            let category = Category::from_number(number.0).ok_or_else(|| {
                error(number.1, "the category is 0 for i, 1 for j or 2 for a parameter".into())
            })?;
            (category, Some(*position), *dim)
        }
        (_, numbers) => {
            let wanted = match (category, role) {
                (None, _) => "a position, a dim and a category",
                (_, Role::Input) => "a dim, or a position and a dim",
                (_, Role::Output) => "a dim",
            };
            let message = format!("`{}` takes {wanted}, not {} numbers", word(head), numbers.len());
            return Err(error(at(head).span, message));
        }
    };
    if role == Role::Output && category == Category::Param {
        return Err(error(
            at(head).span,
            "an output has one row for every i or every j, so it is `Vi` or `Vj`".into(),
        ));
    }
    let limit = |(value, span): (u64, Span), what: &str, least: u64, most: usize| {
        if value < least {
            return Err(error(span, format!("the {what} must be at least {least}")));
        }
        u32::try_from(value).ok().filter(|v| *v as usize <= most).ok_or_else(|| {
            Error::at(
                ErrorKind::Limit,
                label,
                text,
                span,
                format!(
                    "the {what} is {}; at most {most} is accepted",
                    quoted(&text[span.range()])
                ),
            )
        })
    };
    let position = position.map(|p| limit(p, "position", 0, limits::ALIASES - 1)).transpose()?;
    let dim = limit(dim, "dim", 1, limits::DIM)?;
    Ok(Alias { name, category, position, dim })
}

/// Place the aliases of a list: variables by position, named ones with their names.
///
/// # Errors
/// `Syntax` for repeated names or positions and for gaps; `Limit` for too many aliases.
pub fn place(
    aliases: &[&str],
    is_reserved: impl Fn(&str) -> bool,
) -> Result<Vec<Option<Variable>>, Error> {
    if aliases.len() > limits::ALIASES {
        let message =
            format!("{} aliases; at most {} are accepted", aliases.len(), limits::ALIASES);
        return Err(Error::new(ErrorKind::Limit, message));
    }
    let mut placed: Vec<Option<Variable>> = Vec::new();
    for (k, text) in aliases.iter().enumerate() {
        let alias = parse(text, Role::Input)?;
        let position = alias.position.unwrap_or(k as u32) as usize;
        let whole = Span::new(0, text.len() as u32);
        let error =
            |at: Span, message: String| Error::at(ErrorKind::Syntax, "alias", text, at, message);
        if let Some(name) = &alias.name {
            let start = text.find(name.as_str()).unwrap_or(0) as u32;
            let at = Span::new(start, start + name.len() as u32);
            if placed.iter().flatten().any(|v| v.name == *name) {
                return Err(error(at, format!("the name `{}` is given twice", quoted(name))));
            }
            if is_reserved(name) {
                return Err(error(
                    at,
                    format!("`{name}` is the name of an operation and cannot be an alias"),
                ));
            }
        }
        if placed.len() <= position {
            placed.resize(position + 1, None);
        }
        if let Some(other) = &placed[position] {
            let message =
                format!("position {position} is already taken by `{}`", quoted(&other.name));
            return Err(error(whole, message));
        }
        let name =
            alias.name.unwrap_or_else(|| inline_name(position as u32, alias.dim, alias.category));
        placed[position] = Some(Variable { name, category: alias.category, dim: alias.dim });
    }
    Ok(placed)
}

/// The name of a variable that has none.
pub fn inline_name(position: u32, dim: u32, category: Category) -> String {
    format!("Var({position},{dim},{})", category as u32)
}
