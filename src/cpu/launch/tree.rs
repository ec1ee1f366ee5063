//! Partial sums of tiles, merged pairwise in a tree that depends on tile numbers only.
//!
//! The tree is that of a binary counter: a leaf a tile, and two neighbouring subtrees of 2^n tiles become one of 2^(n+1). What is
//! left at the end is merged from the right. The height above the leaves is log2 of their number, which also keeps rounding
//! errors small.

use super::super::memory::Buffer;
use crate::dtype::Real;

/// Accumulators of a group of rows for subtrees of decreasing size, left to right.
#[derive(Debug, Default)]
pub(super) struct Tree<C> {
    nodes: Vec<Buffer<C>>,
    /// Height of each node in use; further nodes are spare memory.
    heights: Vec<u32>,
}

impl<C: Real> Tree<C> {
    pub(super) fn clear(&mut self) {
        self.heights.clear();
    }

    pub(super) fn is_empty(&self) -> bool {
        self.heights.is_empty()
    }

    /// A new node of `len` accumulators on the right, to be filled and then [settled](Tree::settle).
    pub(super) fn open(&mut self, height: u32, len: usize) -> &mut [C] {
        let k = self.heights.len();
        if self.nodes.len() == k {
            self.nodes.push(Buffer::default());
        }
        self.heights.push(height);
        self.nodes[k].resize(len);
        self.nodes[k].as_mut_slice()
    }

    /// Merge neighbouring subtrees of equal height.
    pub(super) fn settle(&mut self, merge: &mut impl FnMut(&mut [C], &[C])) {
        while let [.., a, b] = self.heights[..]
            && a == b
        {
            self.merge_last(merge);
            *self.heights.last_mut().expect("the merged node remains") += 1;
        }
    }

    /// Append the nodes of the tree of the tiles that follow.
    pub(super) fn append(&mut self, right: &Tree<C>, merge: &mut impl FnMut(&mut [C], &[C])) {
        for (node, height) in right.nodes.iter().zip(&right.heights) {
            let from = node.as_slice();
            self.open(*height, from.len()).copy_from_slice(from);
            self.settle(merge);
        }
    }

    /// Merge all nodes, from the right, into the accumulators of everything.
    pub(super) fn fold(&mut self, merge: &mut impl FnMut(&mut [C], &[C])) -> &mut [C] {
        while self.heights.len() > 1 {
            self.merge_last(merge);
        }
        self.nodes[0].as_mut_slice()
    }

    fn merge_last(&mut self, merge: &mut impl FnMut(&mut [C], &[C])) {
        let last = self.heights.len() - 1;
        let (left, right) = self.nodes.split_at_mut(last);
        merge(left[last - 1].as_mut_slice(), right[0].as_slice());
        self.heights.pop();
    }
}
