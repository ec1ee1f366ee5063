//! What each stage may read, write and vary over.

use crate::loops::program::{Axes, Space};

/// The part of a program being checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// Arrays, loops and identities, before any statement.
    Tables,
    Param,
    Row,
    Col,
    /// The `pair` block of a pass over columns.
    Pair,
    /// The `step` block of a pass over columns.
    Step,
    /// The block of a pass once a chunk.
    Chunk,
    Merge,
    Finish,
}

impl Stage {
    pub(super) fn name(self) -> &'static str {
        match self {
            Stage::Tables => "program",
            Stage::Param => "param",
            Stage::Row => "row",
            Stage::Col => "col",
            Stage::Pair => "pair",
            Stage::Step => "step",
            Stage::Chunk => "chunk",
            Stage::Merge => "merge",
            Stage::Finish => "finish",
        }
    }

    pub(super) fn reads(self, space: Space) -> bool {
        use Space::{Col, Other, Out, Param, Row, State, Temp};
        match self {
            Stage::Tables | Stage::Step => false,
            Stage::Param => matches!(space, Param | Temp),
            Stage::Row => matches!(space, Param | Row | Temp),
            Stage::Col => matches!(space, Param | Col | Temp),
            Stage::Pair => !matches!(space, Other | Out),
            Stage::Chunk | Stage::Finish => matches!(space, Param | Row | State | Temp),
            Stage::Merge => matches!(space, State | Other | Temp),
        }
    }

    pub(super) fn writes(self, space: Space) -> bool {
        use Space::{Col, Out, Param, Row, State, Temp, Tile};
        match self {
            Stage::Tables | Stage::Step => false,
            Stage::Param => matches!(space, Param | Temp),
            Stage::Row => matches!(space, Row | Temp),
            Stage::Col => matches!(space, Col | Temp),
            Stage::Pair => matches!(space, Tile | Temp),
            Stage::Chunk | Stage::Merge => matches!(space, State | Temp),
            Stage::Finish => matches!(space, Out | Temp),
        }
    }

    /// The axes that values of the stage may vary over; `component` where the pass has components.
    pub(super) fn axes(self) -> Axes {
        let none = Axes::default();
        match self {
            Stage::Tables | Stage::Param => none,
            Stage::Row => Axes { row: true, ..none },
            Stage::Col => Axes { col: true, ..none },
            Stage::Pair | Stage::Step => Axes { row: true, col: true, partial: true, ..none },
            Stage::Chunk | Stage::Merge | Stage::Finish => {
                Axes { row: true, partial: true, ..none }
            }
        }
    }
}
