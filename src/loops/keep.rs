//! Which pairs take part in a reduction, worked out in integers: for the launcher, which leaves out what does not.

use crate::formula::op::Op;
use crate::formula::{Category, Formula};
use crate::limits;
use std::ops::Range;

/// A condition on the numbers of row and column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keep {
    /// Operands before users, the whole condition last; at least one, at most [`limits::CONDITION`].
    parts: Vec<Part>,
}

/// A part of a condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Holds for every pair, or for none.
    Always(bool),
    /// `row*rows + column*columns + offset` compared with 0.
    Compare {
        /// How.
        sign: Sign,
        /// Times the row's number.
        row: i64,
        /// Times the column's number.
        column: i64,
        /// What is added.
        offset: i64,
    },
    /// Both of two parts hold.
    Both(u32, u32),
    /// One of two parts holds, or both.
    Either(u32, u32),
}

/// Which integers a comparison with 0 takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sign {
    /// 0.
    Zero,
    /// All but 0.
    NotZero,
    /// Below 0.
    Negative,
    /// 0 and below.
    NotPositive,
}

/// For how many of some pairs a condition holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holds {
    /// For all.
    All,
    /// For none.
    None,
    /// For some, perhaps.
    Some,
}

impl Keep {
    /// The condition of a formula whose result has rows of this category.
    pub fn of(formula: &Formula, rows: Category) -> Option<Keep> {
        let keep = formula.keep?;
        let needed = formula.needed(&[keep]);
        let mut places: Vec<u32> = vec![0; formula.nodes.len()];
        let mut parts: Vec<Part> = Vec::new();
        for (k, node) in formula.nodes.iter().enumerate().filter(|(k, _)| needed[*k]) {
            let place = |arg: usize| places[node.args[arg].index()];
            let compare = |sign| match formula.node(node.args[0]).op {
                Op::Index { i, j, offset } => {
                    let (row, column) = if rows == Category::I { (i, j) } else { (j, i) };
                    Part::Compare { sign, row, column, offset }
                }
                _ => unreachable!("the typer compares indices only"),
            };
            let part = match &node.op {
                Op::Constant(number) => Part::Always(!number.is_zero()),
                Op::Equal => compare(Sign::Zero),
                Op::NotEqual => compare(Sign::NotZero),
                Op::LessThan => compare(Sign::Negative),
                Op::LessOrEqual => compare(Sign::NotPositive),
                Op::Mul => Part::Both(place(0), place(1)),
                Op::Square => Part::Both(place(0), place(0)),
                Op::Add => Part::Either(place(0), place(1)),
                _ => continue,
            };
            places[k] = parts.len() as u32;
            parts.push(part);
        }
        Some(Keep { parts })
    }

    /// A condition of such parts; `None` if they are not one.
    pub fn of_parts(parts: Vec<Part>) -> Option<Keep> {
        let sound = |(k, part): (usize, &Part)| match part {
            Part::Both(a, b) | Part::Either(a, b) => (*a as usize) < k && (*b as usize) < k,
            Part::Compare { row, column, offset, .. } => [row, column, offset]
                .iter()
                .all(|n| n.unsigned_abs() <= limits::INDEX_FACTOR as u64),
            Part::Always(_) => true,
        };
        let whole = (1..=limits::CONDITION).contains(&parts.len());
        (whole && parts.iter().enumerate().all(sound)).then_some(Keep { parts })
    }

    /// Its parts.
    pub fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// For how many pairs of some rows and columns it holds; neither is empty.
    pub fn holds(&self, rows: &Range<usize>, columns: &Range<usize>) -> Holds {
        let mut known = [Holds::None; limits::CONDITION];
        for (k, part) in self.parts.iter().enumerate() {
            known[k] = match *part {
                Part::Always(true) => Holds::All,
                Part::Always(false) => Holds::None,
                Part::Compare { sign, row, column, offset } => {
                    let (a, b) = extent(row, rows);
                    let (c, d) = extent(column, columns);
                    let offset = i128::from(offset);
                    sign.holds(a + c + offset, b + d + offset)
                }
                Part::Both(a, b) => match (known[a as usize], known[b as usize]) {
                    (Holds::None, _) | (_, Holds::None) => Holds::None,
                    (Holds::All, Holds::All) => Holds::All,
                    _ => Holds::Some,
                },
                Part::Either(a, b) => match (known[a as usize], known[b as usize]) {
                    (Holds::All, _) | (_, Holds::All) => Holds::All,
                    (Holds::None, Holds::None) => Holds::None,
                    _ => Holds::Some,
                },
            };
        }
        known[self.parts.len() - 1]
    }

    /// Of how many columns a row's pair takes part, counted up to `most`.
    pub fn count(&self, row: usize, columns: Range<usize>, most: usize) -> usize {
        let (mut count, mut open) = (0, vec![columns]);
        while let Some(columns) = open.pop() {
            if count >= most || columns.is_empty() {
                continue;
            }
            match self.holds(&(row..row + 1), &columns) {
                Holds::All => count += columns.len(),
                Holds::None => {}
                Holds::Some if columns.len() == 1 => {}
                Holds::Some => {
                    let middle = columns.start + columns.len() / 2;
                    open.extend([columns.start..middle, middle..columns.end]);
                }
            }
        }
        count.min(most)
    }
}

/// Least and largest `factor * number` over some numbers.
fn extent(factor: i64, numbers: &Range<usize>) -> (i128, i128) {
    let at = |number: usize| i128::from(factor) * number as i128;
    let (first, last) = (at(numbers.start), at(numbers.end - 1));
    (first.min(last), first.max(last))
}

impl Sign {
    /// For how many integers from `low` to `high`.
    fn holds(self, low: i128, high: i128) -> Holds {
        let (all, none) = match self {
            Sign::Zero => (low == 0 && high == 0, low > 0 || high < 0),
            Sign::NotZero => (low > 0 || high < 0, low == 0 && high == 0),
            Sign::Negative => (high < 0, low >= 0),
            Sign::NotPositive => (high <= 0, low > 0),
        };
        match (all, none) {
            (true, _) => Holds::All,
            (_, true) => Holds::None,
            _ => Holds::Some,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formula::typing;

    fn keep(condition: &str) -> Keep {
        let aliases = ["x = Vi(1)", "y = Vj(1)"];
        let formula = typing::kept("x - y", None, &[condition], &aliases).unwrap();
        Keep::of(&formula, Category::I).unwrap()
    }

    #[test]
    fn what_holds_on_a_block_holds_for_its_pairs() {
        type Pair = fn(usize, usize) -> bool;
        let cases: [(&str, Pair); 6] = [
            ("IndexI != IndexJ", |i, j| i != j),
            ("IndexI < IndexJ", |i, j| i < j),
            ("(IndexI - IndexJ <= 2) * (IndexJ - IndexI <= 1)", |i, j| i <= j + 2 && j <= i + 1),
            ("(IndexI == 3) + (2*IndexJ >= IndexI + 5)", |i, j| i == 3 || 2 * j >= i + 5),
            ("(IndexI < IndexJ) * 0", |_, _| false),
            ("(IndexI == IndexJ) + 1", |_, _| true),
        ];
        for (condition, holds) in cases {
            let keep = keep(condition);
            for i in 0..8 {
                for j in 0..8 {
                    let one = keep.holds(&(i..i + 1), &(j..j + 1));
                    assert_eq!(one == Holds::All, holds(i, j), "{condition} at ({i}, {j})");
                    for (rows, columns) in
                        [(i..8, j..8), (i..i + 3, j..j + 2), (0..i + 1, j..j + 1)]
                    {
                        let pairs = rows.clone().flat_map(|i| columns.clone().map(move |j| (i, j)));
                        let count = pairs.clone().filter(|(i, j)| holds(*i, *j)).count();
                        match keep.holds(&rows, &columns) {
                            Holds::All => assert_eq!(count, pairs.count(), "{condition}"),
                            Holds::None => assert_eq!(count, 0, "{condition}"),
                            Holds::Some => {}
                        }
                    }
                    let count = (j..8).filter(|j| holds(i, *j)).count();
                    assert_eq!(keep.count(i, j..8, usize::MAX), count, "{condition} row {i}");
                    assert_eq!(keep.count(i, j..8, 2), count.min(2), "{condition} row {i}");
                }
            }
        }
    }

    #[test]
    fn only_sound_parts_are_a_condition() {
        assert_eq!(Keep::of_parts(Vec::new()), None);
        assert_eq!(Keep::of_parts(vec![Part::Both(0, 0)]), None);
        assert_eq!(Keep::of_parts(vec![Part::Always(true); 65]), None);
        let far = Part::Compare { sign: Sign::Zero, row: i64::MIN, column: 0, offset: 0 };
        assert_eq!(Keep::of_parts(vec![far]), None);
        let keep = keep("(IndexI < IndexJ) + (IndexI == 7)");
        assert_eq!(Keep::of_parts(keep.parts().to_vec()), Some(keep));
    }
}
