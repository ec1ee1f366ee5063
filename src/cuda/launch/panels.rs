//! How a call is divided: columns into segments for different blocks, rows and columns into panels that fit in memory.
//!
//! Segments depend on the shape only, and panels end at whole tiles, so that results have the same bits whatever the memory
//! budget and the device are.

use crate::cuda::layout::Layout;
use crate::error::{Error, ErrorKind};

/// Rows, times segments, that fill any device.
const FULL_ROWS: u64 = 1 << 21;
/// Most segments.
const MOST_SEGMENTS: u64 = 1024;
/// Fewest tiles of a segment: what a block begins and ends with must not cost more than its tiles.
const FEWEST_TILES: u64 = 2;
/// Most columns of a segment: they are counted in 32 bits within one.
const MOST_COLUMNS: u64 = 1 << 30;

/// The columns of a reduction, divided among blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Segments {
    /// Number of segments.
    pub(super) count: u64,
    /// Columns of each but the last.
    pub(super) columns: u64,
}

/// The segments of a reduction of this shape.
pub(super) fn segments(layout: &Layout, rows: u64, columns: u64) -> Segments {
    let tile = u64::from(layout.tiling.tile);
    let wanted = (FULL_ROWS / rows.max(1)).max(1).next_power_of_two().min(MOST_SEGMENTS);
    let each = columns.div_ceil(wanted).max(FEWEST_TILES * tile).min(MOST_COLUMNS);
    let each = each.next_multiple_of(tile);
    Segments { count: columns.div_ceil(each).max(1), columns: each }
}

/// Bytes of device memory that calls need, by what they grow with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Needs {
    pub(super) fixed: u64,
    pub(super) row: u64,
    pub(super) column: u64,
}

impl Needs {
    /// For a number of partial accumulators a row; `copied` if the caller's arrays are not on the device.
    pub(super) fn of(layout: &Layout, partials: u64, copied: bool) -> Needs {
        use crate::loops::program::Space;
        let (float, stored) = (layout.float.bytes() as u64, layout.stored.bytes() as u64);
        let raw = |space| {
            let inputs = layout.inputs.iter().flatten().filter(|i| copied && i.space == space);
            stored * inputs.map(|i| u64::from(i.dim)).sum::<u64>()
        };
        let index = if layout.kept.is_some() { 8 } else { 0 };
        let out = if copied { layout.out * (stored + index) } else { 0 };
        Needs {
            fixed: u64::from(layout.param) * float + raw(Space::Param),
            row: u64::from(layout.row) * float
                + raw(Space::Row)
                + partials.saturating_mul(layout.partial).saturating_mul(float + index)
                + out,
            column: u64::from(layout.col) * float + raw(Space::Col),
        }
    }

    /// For panels of this size.
    pub(super) fn bytes(&self, rows: u64, columns: u64) -> u64 {
        self.fixed
            .saturating_add(self.row.saturating_mul(rows))
            .saturating_add(self.column.saturating_mul(columns))
    }
}

/// Rows and columns that are worked on at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Panels {
    /// Rows of a panel: whole blocks.
    pub(super) rows: u64,
    /// Columns of a panel: whole tiles.
    pub(super) columns: u64,
}

/// The largest panels within a budget.
///
/// # Errors
/// `Device` if not even one block of rows and one tile of columns fit.
pub(super) fn panels(
    layout: &Layout,
    needs: Needs,
    rows: u64,
    columns: u64,
    budget: u64,
) -> Result<Panels, Error> {
    let (block, tile) = (u64::from(layout.tiling.block_rows()), u64::from(layout.tiling.tile));
    let all =
        Panels { rows: rows.next_multiple_of(block), columns: columns.next_multiple_of(tile) };
    if needs.bytes(all.rows, all.columns) <= budget {
        return Ok(all);
    }
    let least = needs.bytes(block, tile);
    if least > budget {
        let message = format!(
            "out of device memory: this reduction needs at least {least} bytes, and the budget is {budget}"
        );
        return Err(Error::new(ErrorKind::Device, message));
    }
    let free = budget - needs.fixed;
    // What fits into some bytes beside the least that the other axis needs.
    let fit = |bytes: u64, each: u64, unit: u64, all: u64| {
        (bytes / each.max(1) / unit * unit).clamp(unit, all.max(unit))
    };
    let half = (free / 2).clamp(needs.row * block, free - needs.column * tile);
    let rows = fit(half, needs.row, block, all.rows);
    let columns = fit(free - rows * needs.row, needs.column, tile, all.columns);
    // Columns that need less than their half leave the rest to rows.
    let rows = fit(free - columns * needs.column, needs.row, block, all.rows);
    Ok(Panels { rows, columns })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cuda::layout::Input;
    use crate::cuda::tiling::Tiling;
    use crate::dtype::{DType, Float};
    use crate::loops::program::Space;

    fn layout() -> Layout {
        let tiling = Tiling {
            rows: 8,
            columns: 4,
            row_threads: 128,
            column_threads: 1,
            tile: 256,
            depth: 0,
            components: 0,
            blocks: 4,
        };
        let inputs = [Space::Row, Space::Col].map(|space| Some(Input { space, dim: 3 }));
        Layout {
            float: Float::F32,
            stored: DType::F32,
            tiling,
            kept: None,
            param: 0,
            row: 3,
            col: 3,
            partial: 1,
            out: 1,
            parts: 1,
            inputs: inputs.to_vec(),
        }
    }

    #[test]
    fn segments_cover_all_columns_in_whole_tiles() {
        let layout = layout();
        for rows in [1, 5, 31, 1_000, 100_000, 10_000_000] {
            for columns in [0, 1, 255, 256, 257, 10_000, 1_000_000, 1 << 40] {
                let Segments { count, columns: each } = segments(&layout, rows, columns);
                assert_eq!(each % 256, 0);
                assert!(each <= MOST_COLUMNS && count >= 1);
                assert!(count * each >= columns && (count - 1) * each < columns.max(1));
                assert!(count <= MOST_SEGMENTS || each == MOST_COLUMNS);
            }
        }
        assert_eq!(segments(&layout, 1 << 21, 1 << 20).count, 1);
    }

    #[test]
    fn panels_stay_within_the_budget() {
        let layout = layout();
        let needs = Needs::of(&layout, 1, true);
        assert_eq!(needs, Needs { fixed: 0, row: 32, column: 24 });
        let least = needs.bytes(1024, 256);
        for budget in [least, least + 1, least * 2, 1 << 20, 1 << 26, 1 << 40] {
            for (rows, columns) in
                [(10, 1_000_000), (1_000_000, 10), (1_000_000, 1_000_000), (1, 0)]
            {
                let Panels { rows: r, columns: c } =
                    panels(&layout, needs, rows, columns, budget).unwrap();
                assert!(needs.bytes(r, c) <= budget, "{budget} {rows} {columns} {r} {c}");
                assert!(r > 0 && r % 1024 == 0 && c % 256 == 0 && (c > 0 || columns == 0));
                // Nothing is left that would hold another block of rows and is wanted.
                let more = r < rows && needs.bytes(r + 1024, c) <= budget;
                assert!(!more, "{budget} {rows} {columns} {r} {c}");
            }
        }
        assert!(panels(&layout, needs, 10, 10, least - 1).unwrap_err().is_device());
    }
}
