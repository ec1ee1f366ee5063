//! Selections: the K smallest values of each row with their column numbers, sorted by value, then by column.
//!
//! The program tells, once a chunk of columns, whether some value of the chunk reaches its row's threshold; only then are the
//! values looked at one by one. NaN reaches nothing; a missing value is +infinity with index -1. In partial memory, list `l` of
//! K values takes slots `l * K ...` of the value plane and of the index plane.

use super::Source;
use super::scope::Scope;
use super::text::Text;
use crate::cuda::tiling::Kept;
use crate::loops::program::{ArrayId, Space};

/// The threshold of each component and row, and its values in the current chunk.
pub(super) struct Names {
    threshold: String,
    values: String,
}

impl Names {
    pub(super) fn of(source: &Source<'_>) -> Result<Names, String> {
        let first = |space: Space| {
            let arrays = &source.program.arrays;
            let k = arrays.iter().position(|a| a.space == space && a.base == 0);
            let name = k.map(|k| source.name(ArrayId(k as u32)).to_owned());
            name.ok_or_else(|| "a selection keeps no values".to_owned())
        };
        Ok(Names { threshold: first(Space::State)?, values: first(Space::Tile)? })
    }
}

/// Slots of a block's lists: components, K, rows.
fn shape(source: &Source<'_>, kept: Kept) -> String {
    format!("[{}][{}][ROWS]", source.window(kept.dim), kept.k)
}

/// Declarations of a thread's lists, as parameters or variables.
pub(super) fn declarations(source: &Source<'_>, kept: Kept) -> [(String, String, String); 2] {
    let shape = shape(source, kept);
    [("real", "kept"), ("int", "column")].map(|(ty, name)| (ty.into(), name.into(), shape.clone()))
}

fn over_lists(source: &Source<'_>, text: &mut Text, kept: Kept, body: impl FnOnce(&mut Text)) {
    let window = source.window(kept.dim);
    if window <= 32 {
        text.unrolled("e", window);
    } else {
        text.rolled("e", window);
    }
    text.unrolled("r", "ROWS");
    body(text);
    text.close();
    text.close();
}

/// Open a loop over what is kept; unrolled where that is in registers.
fn over_kept(text: &mut Text, kept: Kept) {
    if kept.k == 1 {
        text.unrolled("q", kept.k);
    } else {
        text.rolled("q", kept.k);
    }
}

/// Begin with nothing kept, or with what an earlier launch has kept.
pub(super) fn begin(source: &Source<'_>, text: &mut Text, kept: Kept, names: &Names) {
    over_lists(source, text, kept, |text| {
        over_kept(text, kept);
        text.line("kept[e][q][r] = INF;");
        text.line("column[e][q][r] = -1;");
        text.open("if (resumed)");
        text.line(format!(
            "const long long slot = (long long)({}) * {} + q;",
            source.component(kept.dim),
            kept.k
        ));
        text.line("const long long from = at(slot, a.row_stride, row0 + row_of(r));");
        text.line("kept[e][q][r] = partial[from];");
        text.line("const long long index = partial_index[from];");
        text.line("column[e][q][r] = index < 0 ? -1 : (int)(index - first);");
        text.close();
        text.close();
        reset_threshold(text, kept, names);
    });
}

fn reset_threshold(text: &mut Text, kept: Kept, names: &Names) {
    let (last, threshold) = (kept.k - 1, &names.threshold);
    text.line(format!(
        "{threshold}[e][r] = column[e][{last}][r] < 0 ? INF : below(kept[e][{last}][r]);"
    ));
}

/// Offer all values of a chunk in which some row has a candidate; columns in increasing order.
///
/// One kept value stays in registers. Longer lists lie in the thread's own memory, where the loops over them need not be
/// unrolled: they are touched so rarely that this costs less than registers would.
pub(super) fn offer(source: &Source<'_>, text: &mut Text, kept: Kept, names: &Names) {
    let Names { threshold, values } = names;
    if kept.k == 1 {
        text.unrolled("k", "N");
        text.line("const int c = j + column_of<N>(k);");
        text.open(source.guard());
        over_lists(source, text, kept, |text| {
            text.line(format!("const real f = {values}[e][k][r];"));
            text.open(format!("if (f <= {threshold}[e][r])"));
            text.line("kept[e][0][r] = f;");
            text.line("column[e][0][r] = first_column + c;");
            text.line(format!("{threshold}[e][r] = below(f);"));
            text.close();
        });
        text.close();
        text.close();
        return;
    }
    let window = source.window(kept.dim);
    text.line(format!("real offered[{window}][N][ROWS];"));
    text.unrolled("k", "N");
    over_lists(source, text, kept, |text| {
        text.line(format!("offered[e][k][r] = {values}[e][k][r];"));
    });
    text.close();
    text.rolled("k", "N");
    text.line("const int c = j + column_of<N>(k);");
    text.open(source.guard());
    text.rolled("e", window);
    text.rolled("r", "ROWS");
    let last = kept.k - 1;
    text.line("const real f = offered[e][k][r];");
    text.open(format!("if (column[e][{last}][r] < 0 ? f == f : f < kept[e][{last}][r])"));
    text.line(format!("int q = {last};"));
    text.open("while (q > 0 && (column[e][q - 1][r] < 0 || f < kept[e][q - 1][r]))");
    text.line("kept[e][q][r] = kept[e][q - 1][r];");
    text.line("column[e][q][r] = column[e][q - 1][r];");
    text.line("--q;");
    text.close();
    text.line("kept[e][q][r] = f;");
    text.line("column[e][q][r] = first_column + c;");
    for _ in 0..5 {
        text.close();
    }
    over_lists(source, text, kept, |text| reset_threshold(text, kept, names));
}

/// Write a thread's lists to partial memory.
pub(super) fn end(source: &Source<'_>, text: &mut Text, kept: Kept) {
    let inside = source.is_divided();
    over_lists(source, text, kept, |text| {
        if inside {
            text.open(format!("if (component0 + e < {})", kept.dim));
        }
        over_kept(text, kept);
        text.line(format!(
            "const long long slot = (long long)({}) * {} + q;",
            source.component(kept.dim),
            kept.k
        ));
        text.line("const long long to = at(slot, a.row_stride, row0 + row_of(r));");
        text.line("partial[to] = kept[e][q][r];");
        text.line("partial_index[to] = column[e][q][r] < 0 ? -1 : first + column[e][q][r];");
        text.close();
        if inside {
            text.close();
        }
    });
}

/// The first K of the lists p and q become list p: how many come from each is counted first, then they are merged from the
/// back, in place.
pub(super) fn merge(source: &Source<'_>, scope: &mut Scope<'_>) {
    let Some(kept) = source.kept else { return };
    let (slots, k) = (source.partial_slots(), kept.k);
    let text = &mut scope.text;
    text.line("const long long p = blockIdx.y, step = a.row_stride;");
    text.open("for (long long q = p + gridDim.y; q < a.parts; q += gridDim.y)");
    text.counted("l", kept.dim);
    for (name, part) in [("own", "p"), ("other", "q")] {
        text.line(format!(
            "const long long {name} = at({part} * {slots} + (long long)l * {k}, step, i);"
        ));
    }
    text.line("int n = 0, m = 0;");
    text.open(format!("while (n + m < {k})"));
    text.line("const bool takes = comes_first(a.partial[other + m * step], a.partial_index[other + m * step],");
    text.line("                               a.partial[own + n * step], a.partial_index[own + n * step]);");
    text.line("n += takes ? 0 : 1;");
    text.line("m += takes ? 1 : 0;");
    text.close();
    text.open(format!("for (int to = {k} - 1; m > 0; --to)"));
    text.line("const bool keeps = n > 0 && comes_first(a.partial[other + (m - 1) * step], a.partial_index[other + (m - 1) * step],");
    text.line("                                        a.partial[own + (n - 1) * step], a.partial_index[own + (n - 1) * step]);");
    text.line("n -= keeps ? 1 : 0;");
    text.line("m -= keeps ? 0 : 1;");
    text.line("const long long from = keeps ? own + n * step : other + m * step;");
    text.line("a.partial[own + to * step] = a.partial[from];");
    text.line("a.partial_index[own + to * step] = a.partial_index[from];");
    text.close();
    text.close();
    text.close();
}

/// The order of lists.
pub(super) const ORDER: &str = "\
// Whether a kept value comes before another one; what is missing comes last.
__device__ __forceinline__ bool comes_first(real x, long long x_index, real y, long long y_index) {
    return x_index >= 0 && (y_index < 0 || x < y || (x == y && x_index < y_index));
}

";

/// Lists to results: the q-th of each component together.
pub(super) fn finish(source: &Source<'_>, scope: &mut Scope<'_>) {
    let Some(Kept { dim, k, negated }) = source.kept else { return };
    let text = &mut scope.text;
    text.counted("d", dim);
    text.counted("q", k);
    text.line(format!("const long long from = at((long long)d * {k} + q, a.row_stride, i);"));
    text.line(format!(
        "const long long to = i * {} + (long long)q * {dim} + d;",
        u64::from(dim) * u64::from(k)
    ));
    let sign = if negated { "-" } else { "" };
    // Where every value was NaN, so are the places that would be taken otherwise.
    text.line("const bool none = a.partial_index[from - q * a.row_stride] < 0 && q < a.total;");
    text.line(format!("const real value = none ? NOT_A_NUMBER : {sign}a.partial[from];"));
    text.line("if (a.values != 0) { a.values[to] = narrow(value); }");
    text.line("if (a.indices != 0) { a.indices[to] = a.partial_index[from]; }");
    text.close();
    text.close();
}
