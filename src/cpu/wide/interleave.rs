//! The order in which the instances of a block's instructions are emitted.
//!
//! Instances of the same scalar instruction stand side by side in groups of a few, so that their dependency chains overlap;
//! group follows group. Where only about one value an instance is alive (the running sum of a contraction), the block is cut,
//! and all groups run up to there before the first goes on: what they share is then loaded once.

/// A point of the register tile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Instance {
    /// Vector along the lane axis.
    pub(super) lane: usize,
    /// Point of the other axis.
    pub(super) point: usize,
    /// Component.
    pub(super) component: usize,
}

/// Instances of the register tile along its three axes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shape {
    /// Vectors along the lane axis.
    pub(super) lanes: usize,
    /// Points of the other axis.
    pub(super) points: usize,
    /// Components.
    pub(super) components: usize,
}

impl Shape {
    /// A single instance.
    pub(super) const ONE: Shape = Shape { lanes: 1, points: 1, components: 1 };

    /// Number of instances.
    pub(super) fn count(self) -> usize {
        self.lanes * self.points * self.components
    }

    /// All instances, those of a point together and lanes innermost.
    pub(super) fn instances(self) -> impl Iterator<Item = Instance> {
        (0..self.points).flat_map(move |point| {
            (0..self.components).flat_map(move |component| {
                (0..self.lanes).map(move |lane| Instance { lane, point, component })
            })
        })
    }

    /// The position of an instance among this shape's, which may have extent 1 where the instance's does not.
    pub(super) fn position(self, at: Instance) -> usize {
        let within = |k: usize, n: usize| if n == 1 { 0 } else { k };
        (within(at.point, self.points) * self.components + within(at.component, self.components))
            * self.lanes
            + within(at.lane, self.lanes)
    }
}

/// A statement as the order sees it.
#[derive(Clone, Debug)]
pub(super) struct Piece {
    /// Its instances.
    pub(super) shape: Shape,
    /// Statements of the same segment whose results it reads.
    pub(super) reads: Vec<usize>,
    /// Whether its result takes a register: not a store, nor what memory operands can supply.
    pub(super) held: bool,
    /// Whether its result is read after the segment.
    pub(super) leaves: bool,
    /// Whether it must stay in its place among others of the kind: it reads or writes memory that the block changes.
    pub(super) fixed: bool,
}

/// How a segment is emitted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Order {
    /// Instances of a group.
    pub(super) group: usize,
    /// Ends of the slices, the last one being the number of statements.
    pub(super) ends: Vec<usize>,
}

/// Chains that a core can overlap and that are worth standing side by side, with few registers and with many (bench: engines).
const CHAINS: [usize; 2] = [4, 8];

/// How many instances stand side by side on a machine with some number of registers.
pub(super) fn chains(registers: usize) -> usize {
    CHAINS[usize::from(registers >= 32)]
}

/// The order of statements in which each result is computed shortly before it is read: fewer are alive at a time.
pub(super) fn sunk(pieces: &[Piece]) -> Vec<usize> {
    // The longest chain of operations below each result; the longer operand is computed first.
    let mut heights = vec![0u32; pieces.len()];
    for (k, piece) in pieces.iter().enumerate() {
        heights[k] = piece.reads.iter().map(|r| heights[*r] + 1).max().unwrap_or(0);
    }
    let mut order = Vec::with_capacity(pieces.len());
    let mut placed = vec![false; pieces.len()];
    let mut stack = Vec::new();
    for (k, piece) in pieces.iter().enumerate() {
        if !(piece.fixed || piece.leaves) {
            continue;
        }
        stack.push(k);
        while let Some(top) = stack.last().copied() {
            let missing = pieces[top].reads.iter().filter(|r| !placed[**r]);
            match missing.max_by_key(|r| heights[**r]) {
                Some(next) => stack.push(*next),
                None => {
                    stack.pop();
                    if !std::mem::replace(&mut placed[top], true) {
                        order.push(top);
                    }
                }
            }
        }
    }
    order
}

/// The same statements in another order.
pub(super) fn reordered(pieces: Vec<Piece>, order: &[usize]) -> Vec<Piece> {
    let mut places = vec![0; pieces.len()];
    order.iter().enumerate().for_each(|(place, k)| places[*k] = place);
    let at = |k: &usize| {
        let reads = pieces[*k].reads.iter().map(|r| places[*r]).collect();
        Piece { reads, ..pieces[*k].clone() }
    };
    order.iter().map(at).collect()
}

/// Choose the order of a segment with at most some [`chains`], `registers` being what is left beside values that live longer.
pub(super) fn order(pieces: &[Piece], shape: Shape, chains: usize, registers: usize) -> Order {
    let count = shape.count();
    let whole = Order { group: count.min(chains), ends: vec![pieces.len()] };
    if pieces.is_empty() || count == 1 {
        return whole;
    }
    let last = last_reads(pieces);
    let instances: Vec<Instance> = shape.instances().collect();
    let (cuts, across) =
        if count > chains { cuts(pieces, &last, count, registers) } else { (Vec::new(), 0) };
    let mut group = count.min(chains);
    while group > 1 && across + pressure(pieces, &last, &instances[..group]) > registers {
        group /= 2;
    }
    let mut ends = cuts;
    ends.push(pieces.len());
    Order { group, ends }
}

/// The last statement that reads each result; beyond the end if it leaves.
fn last_reads(pieces: &[Piece]) -> Vec<usize> {
    let mut last: Vec<usize> =
        pieces.iter().enumerate().map(|(k, p)| if p.leaves { pieces.len() } else { k }).collect();
    for (k, piece) in pieces.iter().enumerate() {
        for read in &piece.reads {
            last[*read] = last[*read].max(k);
        }
    }
    last
}

/// Positions before which at most one value an instance is alive and all of them fit, and the most that are alive at one.
fn cuts(pieces: &[Piece], last: &[usize], count: usize, registers: usize) -> (Vec<usize>, usize) {
    if count + 2 > registers {
        return (Vec::new(), 0);
    }
    // Values begin at their statement and end after their last read.
    let mut change = vec![0isize; pieces.len() + 2];
    for (k, piece) in pieces.iter().enumerate() {
        if piece.held {
            let n = piece.shape.count() as isize;
            change[k + 1] += n;
            change[(last[k] + 1).min(pieces.len() + 1)] -= n;
        }
    }
    let (mut now, mut most) = (0, 0);
    let mut cuts = Vec::new();
    for (k, step) in change.iter().enumerate().take(pieces.len()) {
        now += step;
        if k > 0 && now <= count as isize {
            cuts.push(k);
            most = most.max(now);
        }
    }
    (cuts, most as usize)
}

/// Most values of a group alive at once.
fn pressure(pieces: &[Piece], last: &[usize], group: &[Instance]) -> usize {
    let distinct = |shape: Shape| {
        let mut seen = vec![false; shape.count()];
        group.iter().for_each(|at| seen[shape.position(*at)] = true);
        seen.iter().filter(|s| **s).count()
    };
    let mut change = vec![0isize; pieces.len() + 1];
    for (k, piece) in pieces.iter().enumerate() {
        if piece.held {
            let n = distinct(piece.shape) as isize;
            change[k] += n;
            change[last[k].min(pieces.len())] -= n;
        }
    }
    let (mut now, mut most) = (0, 0);
    for step in change {
        now += step;
        most = most.max(now);
    }
    most as usize
}
