//! The columns of a call that takes only some of them.

use std::ops::Range;

/// Ranges of columns that stand for one run of columns, one range after another: the *place* of a column is its number in that run.
#[derive(Clone, Copy, Debug)]
pub struct Pieces<'a> {
    /// Disjoint, ascending, none empty.
    ranges: &'a [Range<usize>],
    /// The place of each range's first column.
    places: &'a [usize],
}

impl<'a> Pieces<'a> {
    /// Pieces of ranges and the places where they begin.
    pub fn new(ranges: &'a [Range<usize>], places: &'a [usize]) -> Pieces<'a> {
        debug_assert_eq!(ranges.len(), places.len(), "each range has a place");
        Pieces { ranges, places }
    }

    /// The column at a place.
    pub fn column(&self, place: usize) -> usize {
        let range = self.places.partition_point(|first| *first <= place) - 1;
        self.ranges[range].start + (place - self.places[range])
    }

    /// The columns at some places: where each run of adjacent ones begins, counted from the first place, and its columns.
    pub fn columns(&self, places: Range<usize>) -> impl Iterator<Item = (usize, Range<usize>)> {
        let first = self.places.partition_point(|first| *first <= places.start).saturating_sub(1);
        let pairs = self.ranges[first..].iter().zip(&self.places[first..]);
        let (start, end) = (places.start, places.end);
        pairs.take_while(move |(_, place)| **place < end).map(move |(range, place)| {
            let from = range.start + start.saturating_sub(*place);
            let to = range.end.min(range.start + (end - place));
            (place.max(&start) - start, from..to)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_and_columns_belong_together() {
        let ranges = [2..5, 9..10, 10..14];
        let places = [0, 3, 4];
        let pieces = Pieces::new(&ranges, &places);
        let all: Vec<usize> = ranges.iter().cloned().flatten().collect();
        for (place, column) in all.iter().enumerate() {
            assert_eq!(pieces.column(place), *column);
        }
        for first in 0..=all.len() {
            for end in first..=all.len() {
                let mut seen = Vec::new();
                for (at, columns) in pieces.columns(first..end) {
                    assert_eq!(at, seen.len());
                    seen.extend(columns);
                }
                assert_eq!(seen, all[first..end], "{first}..{end}");
            }
        }
    }
}
