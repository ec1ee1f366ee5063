//! Partial sums of tiles, merged pairwise in a tree that depends on tile numbers only.
//!
//! A leaf is a tile; a node of height h covers the tiles `k * 2^h .. (k + 1) * 2^h`, and is made as soon as both its halves are there.
//! What remains when every tile has been seen is merged from the right. The height above the leaves is log2 of their number,
//! which also keeps rounding errors small. Trees of disjoint tiles may be joined in any order and grouping: the nodes that
//! exist, and so every bit of the result, depend on the set of tiles only.

use super::super::memory::Buffer;
use crate::dtype::Real;

/// Accumulators of a group of rows for disjoint subtrees, left to right.
#[derive(Debug, Default)]
pub(super) struct Tree<C> {
    nodes: Vec<Buffer<C>>,
    /// First tile and height of each node in use; further nodes are spare memory.
    places: Vec<Place>,
}

/// The tiles of a node: `first .. first + 2^height`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) first: u64,
    pub(super) height: u32,
}

impl<C: Real> Tree<C> {
    pub(super) fn clear(&mut self) {
        self.places.clear();
    }

    pub(super) fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// The nodes with their places.
    pub(super) fn nodes(&self) -> impl Iterator<Item = (Place, &[C])> {
        self.places.iter().zip(&self.nodes).map(|(place, node)| (*place, node.as_slice()))
    }

    /// A new node of `len` accumulators on the right, to be filled and then [settled](Tree::settle).
    pub(super) fn open(&mut self, place: Place, len: usize) -> &mut [C] {
        let k = self.places.len();
        if self.nodes.len() == k {
            self.nodes.push(Buffer::default());
        }
        self.places.push(place);
        self.nodes[k].resize(len);
        self.nodes[k].as_mut_slice()
    }

    /// Merge the last nodes as long as they are halves of one.
    pub(super) fn settle(&mut self, merge: &mut impl FnMut(&mut [C], &[C])) {
        while let [.., a, b] = self.places[..]
            && a.is_left_half_beside(b)
        {
            self.merge_last(merge);
            self.places.last_mut().expect("the merged node remains").height += 1;
        }
    }

    /// Append the nodes of the tree of tiles that follow.
    pub(super) fn append(&mut self, right: &Tree<C>, merge: &mut impl FnMut(&mut [C], &[C])) {
        for (place, from) in right.nodes() {
            self.open(place, from.len()).copy_from_slice(from);
            self.settle(merge);
        }
    }

    /// Merge all nodes, from the right, into the accumulators of everything.
    pub(super) fn fold(&mut self, merge: &mut impl FnMut(&mut [C], &[C])) -> &mut [C] {
        while self.places.len() > 1 {
            self.merge_last(merge);
        }
        self.nodes[0].as_mut_slice()
    }

    fn merge_last(&mut self, merge: &mut impl FnMut(&mut [C], &[C])) {
        let last = self.places.len() - 1;
        let (left, right) = self.nodes.split_at_mut(last);
        merge(left[last - 1].as_mut_slice(), right[0].as_slice());
        self.places.pop();
    }
}

impl Place {
    /// Whether this is the left and `other` the right half of one node.
    pub(super) fn is_left_half_beside(self, other: Place) -> bool {
        let size = 1u64.checked_shl(self.height).unwrap_or(0);
        self.height == other.height
            && self.first.is_multiple_of(size.saturating_mul(2))
            && self.first.checked_add(size) == Some(other.first)
    }
}
