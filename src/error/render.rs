//! Places in a text as source lines with carets and labels under them.
//!
//! Places on one line share that line unless they overlap or are too far apart to be shown together. The last label stands
//! beside its carets; earlier ones do too where there is room, and otherwise hang below.

use crate::span::Span;
use std::fmt::{self, Write};

/// Longest part of a source line that is shown.
const SHOWN_COLUMNS: usize = 100;

/// Characters of context that a clipped line shows before the first caret.
const CONTEXT: usize = 30;

/// A text and the places of it that a message is about.
#[derive(Clone, Debug)]
pub(super) struct Source {
    /// What the text is: `formula`, `alias`, `output`.
    pub(super) label: &'static str,
    pub(super) text: String,
    pub(super) spans: Vec<(Span, String)>,
}

/// A place in columns (characters) of its line.
struct Mark<'s> {
    line: usize,
    from: usize,
    width: usize,
    label: &'s str,
}

impl Mark<'_> {
    fn end(&self) -> usize {
        self.from + self.width
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let marks: Vec<Mark<'_>> = self.spans.iter().map(|(span, l)| self.mark(*span, l)).collect();
        for group in groups(marks) {
            self.group(f, &group)?;
        }
        Ok(())
    }
}

/// Marks that share a line, each group by column, groups in the order of their first marks.
fn groups(marks: Vec<Mark<'_>>) -> Vec<Vec<Mark<'_>>> {
    let mut groups: Vec<Vec<Mark<'_>>> = Vec::new();
    for mark in marks {
        let fits = |group: &Vec<Mark<'_>>| {
            let apart = |m: &Mark<'_>| {
                m.line == mark.line && (m.end() <= mark.from || mark.end() <= m.from)
            };
            let near = |m: &Mark<'_>| {
                m.end().max(mark.end()) - m.from.min(mark.from) <= SHOWN_COLUMNS - CONTEXT
            };
            group.iter().all(|m| apart(m) && near(m))
        };
        match groups.iter_mut().find(|group| fits(group)) {
            Some(group) => {
                group.push(mark);
                group.sort_by_key(|m| m.from);
            }
            None => groups.push(vec![mark]),
        }
    }
    groups
}

impl Source {
    /// The place of a span; spans that reach beyond the text, into characters or over lines are cut.
    fn mark<'s>(&self, span: Span, label: &'s str) -> Mark<'s> {
        let text = self.text.as_str();
        let start = text.floor_char_boundary(span.start as usize);
        let line_start = text[..start].rfind('\n').map_or(0, |k| k + 1);
        let line_end = text[start..].find('\n').map_or(text.len(), |k| start + k);
        let end = text.floor_char_boundary(span.end as usize).clamp(start, line_end);
        Mark {
            line: text[..start].matches('\n').count(),
            from: text[line_start..start].chars().count(),
            width: text[start..end].chars().count().max(1),
            label,
        }
    }

    /// One source line with the carets and labels of its marks, which are sorted by column.
    fn group(&self, f: &mut fmt::Formatter<'_>, marks: &[Mark<'_>]) -> fmt::Result {
        let (Some(head), Some(tail)) = (marks.first(), marks.last()) else { return Ok(()) };
        let line = self.text.split('\n').nth(head.line).unwrap_or("");
        let line: Vec<char> = line.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        let first = if line.len() <= SHOWN_COLUMNS || tail.end() <= SHOWN_COLUMNS {
            0
        } else {
            head.from.saturating_sub(CONTEXT)
        };
        let last = line.len().min(first + SHOWN_COLUMNS);
        let before = if first > 0 { "..." } else { "" };
        let after = if last < line.len() { "..." } else { "" };
        let shown: String = line[first..last].iter().collect();
        let prefix = match self.text.contains('\n') {
            false => format!("{}: ", self.label),
            true => format!("{} line {}: ", self.label, head.line + 1),
        };
        write!(f, "\n  {prefix}{before}{shown}{after}")?;
        // Column of a mark on the screen, and its width where the line is cut.
        let indent = 2 + prefix.chars().count() + before.len();
        let column = |m: &Mark<'_>| indent + m.from - first;
        let width = |m: &Mark<'_>| m.width.min((last + 1).saturating_sub(m.from).max(1));

        let mut carets = Row::default();
        let mut hanging = Vec::new();
        for (k, mark) in marks.iter().enumerate() {
            carets.write_at(column(mark), &"^".repeat(width(mark)));
            let room = marks.get(k + 1).map_or(usize::MAX, |next| next.from - mark.end());
            if mark.label.chars().count() + 3 <= room {
                if !mark.label.is_empty() {
                    carets.write_at(column(mark) + width(mark) + 1, mark.label);
                }
            } else if !mark.label.is_empty() {
                hanging.push(mark);
            }
        }
        write!(f, "\n{}", carets.text)?;
        if !hanging.is_empty() {
            let mut bars = Row::default();
            hanging.iter().for_each(|mark| bars.write_at(column(mark), "|"));
            write!(f, "\n{}", bars.text)?;
        }
        while let Some(mark) = hanging.pop() {
            let mut row = Row::default();
            hanging.iter().for_each(|mark| row.write_at(column(mark), "|"));
            row.write_at(column(mark), mark.label);
            write!(f, "\n{}", row.text)?;
        }
        Ok(())
    }
}

/// A line of text that is filled from left to right.
#[derive(Default)]
struct Row {
    text: String,
    columns: usize,
}

impl Row {
    fn write_at(&mut self, column: usize, text: &str) {
        let gap = column.saturating_sub(self.columns);
        let _ = write!(self.text, "{}{text}", " ".repeat(gap));
        self.columns += gap + text.chars().count();
    }
}
