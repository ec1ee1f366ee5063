//! Block-sparse reductions against the oracle on the kept columns of each row, on every engine.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "common/kept.rs"]
mod kept;

use genred::formula::Category;
use genred::{Backend, Element, Genred, RangeArrays, Ranges, Reduction, View, cluster};
use kept::{ALIASES, FORMULA, Points, REDUCTIONS, compile};
use std::sync::Arc;

struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % n
    }

    /// Multiples of 1/8, so that values of F and their sums are exact in float32.
    fn points(&mut self, count: usize) -> Vec<f64> {
        (0..count * 2).map(|_| self.below(17) as f64 / 8.0 - 1.0).collect()
    }

    /// Offsets of some clusters of `points` points, some of them empty.
    fn offsets(&mut self, points: usize, clusters: usize) -> Vec<usize> {
        let mut inner: Vec<usize> = (1..clusters).map(|_| self.below(points + 1)).collect();
        inner.sort_unstable();
        [vec![0], inner, vec![points]].concat()
    }
}

/// Points, a mask and the kept columns of every row, worked out point by point.
struct Case {
    x: Vec<f64>,
    y: Vec<f64>,
    mask: Vec<bool>,
    i: Vec<usize>,
    j: Vec<usize>,
}

impl Case {
    fn new(seed: u64, m: usize, n: usize, clusters: (usize, usize)) -> Case {
        let mut random = Random(seed);
        let (i, j) = (random.offsets(m, clusters.0), random.offsets(n, clusters.1));
        let mask = (0..clusters.0 * clusters.1).map(|_| random.below(2) == 0).collect();
        Case { x: random.points(m), y: random.points(n), mask, i, j }
    }

    fn ranges(&self) -> Ranges {
        Ranges::from_mask(&self.mask, &self.i, &self.j).unwrap()
    }

    fn m(&self) -> usize {
        self.x.len() / 2
    }

    fn n(&self) -> usize {
        self.y.len() / 2
    }

    fn keeps(&self, i: usize, j: usize) -> bool {
        let cluster = |offsets: &[usize], p: usize| offsets.iter().rposition(|o| *o <= p).unwrap();
        self.mask[cluster(&self.i, i) * (self.j.len() - 1) + cluster(&self.j, j)]
    }
}

fn converted<T: Element>(values: &[f64]) -> Vec<T> {
    values.iter().map(|v| T::from_f64(*v)).collect()
}

fn compare<T: Element>(case: &Case, backend: Backend) {
    let (x, y, g) = (converted::<T>(&case.x), converted::<T>(&case.y), [T::from_f64(kept::G)]);
    let args = [
        View::new(&x, case.m(), 2).unwrap(),
        View::new(&y, case.n(), 2).unwrap(),
        View::vector(&g),
    ];
    let ranges = case.ranges();
    for rows in [Category::I, Category::J] {
        for reduction in REDUCTIONS {
            let Some(kernel) = compile::<T>(kept::genred(reduction, rows), backend) else {
                continue;
            };
            let ranged = kernel.with_ranges(&ranges);
            let has_indices = kernel.call_both(&args).is_ok();
            let (values, indices) = if has_indices {
                let (values, indices) = ranged.call_both(&args).unwrap();
                (values, Some(indices))
            } else {
                (ranged.call(&args).unwrap(), None)
            };
            let place = format!("{reduction:?} {rows:?} {backend:?}");
            let points = Points { x: &case.x, y: &case.y };
            points.check((reduction, rows), &(values, indices), |i, j| case.keeps(i, j), &place);
        }
    }
}

#[test]
fn random_masks_agree_with_the_oracle_on_every_engine() {
    for backend in [Backend::Clif, Backend::Avx2, Backend::Avx512, Backend::Eval] {
        compare::<f32>(&Case::new(1, 90, 130, (5, 6)), backend);
        compare::<f64>(&Case::new(2, 41, 37, (4, 3)), backend);
    }
    // Rows of which some have no column at all, and none.
    compare::<f32>(&Case::new(3, 12, 300, (6, 2)), Backend::Auto);
    compare::<f32>(&Case { mask: vec![false; 30], ..Case::new(1, 90, 130, (5, 6)) }, Backend::Auto);
    compare::<f64>(&Case { mask: vec![true; 30], ..Case::new(1, 90, 130, (5, 6)) }, Backend::Auto);
}

/// Blocks of more than a tile of columns, in clusters of many and of few rows.
fn large() -> (Case, Ranges) {
    let mut case = Case::new(7, 300, 20_000, (4, 9));
    case.i = vec![0, 10, 150, 290, 300];
    case.j = vec![0, 2_000, 4_321, 7_000, 7_001, 9_000, 12_000, 15_500, 18_000, 20_000];
    case.mask = (0..36).map(|k| (k / 9 + k % 9) % 3 != 0).collect();
    let ranges = case.ranges();
    (case, ranges)
}

fn view(values: &[f32]) -> View<'_, f32> {
    View::new(values, values.len() / 2, 2).unwrap()
}

#[test]
fn a_cluster_has_the_bits_of_a_call_on_its_rows_and_columns_alone() {
    let (case, ranges) = large();
    let (x, y, g) = (converted::<f32>(&case.x), converted::<f32>(&case.y), [0.37f32]);
    for reduction in [Reduction::Sum, Reduction::LogSumExp, Reduction::ArgKMin(3)] {
        let kernel = kept::genred::<f32>(reduction, Category::I).compile().unwrap();
        let args = [view(&x), view(&y), View::vector(&g)];
        let found = kernel.with_ranges(&ranges).call(&args).unwrap();
        for c in 0..4 {
            let rows = case.i[c]..case.i[c + 1];
            let kept: Vec<usize> = (0..case.n()).filter(|j| case.keeps(rows.start, *j)).collect();
            assert!(kept.len() > 4_096, "the test needs several tiles");
            let columns: Vec<f32> = kept.iter().flat_map(|j| [y[j * 2], y[j * 2 + 1]]).collect();
            let own = view(&x[rows.start * 2..rows.end * 2]);
            let alone = kernel.call(&[own, view(&columns), View::vector(&g)]).unwrap();
            for (r, row) in rows.enumerate() {
                let expected: Vec<f32> = match reduction {
                    Reduction::ArgKMin(_) => {
                        alone.row(r).iter().map(|place| kept[*place as usize] as f32).collect()
                    }
                    _ => alone.row(r).to_vec(),
                };
                assert_eq!(found.row(row), expected, "{reduction:?} row {row}");
            }
        }
    }
}

#[test]
fn any_number_of_threads_gives_the_same_bits() {
    let (case, ranges) = large();
    let (x, y, g) = (converted::<f32>(&case.x), converted::<f32>(&case.y), [0.37f32]);
    let args = [
        View::new(&x, case.m(), 2).unwrap(),
        View::new(&y, case.n(), 2).unwrap(),
        View::vector(&g),
    ];
    for output in ["a = Vi(1)", "a = Vj(1)"] {
        let build = || Genred::<f32>::logsumexp(FORMULA).output(output).aliases(ALIASES);
        let one = build().single_threaded().compile().unwrap();
        let one = one.with_ranges(&ranges).call(&args).unwrap();
        for threads in [2, 5] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let many = build().pool(Arc::new(pool)).compile().unwrap();
            assert_eq!(many.with_ranges(&ranges).call(&args).unwrap(), one, "{threads} threads");
        }
        let mut into = vec![0.0; one.as_slice().len()];
        let kernel = build().compile().unwrap();
        let view = genred::ViewMut::new(&mut into, one.rows(), 1).unwrap();
        kernel.with_ranges(&ranges).call_into(&args, view).unwrap();
        assert_eq!(into, one.as_slice());
    }
}

/// The same blocks by a factor: row i has its cluster's row of the mask, column j is one-hot.
#[test]
fn gradients_are_those_of_the_masked_formula() {
    let mut case = Case::new(11, 24, 31, (3, 4));
    (case.i, case.j) = (vec![0, 7, 16, 24], vec![0, 9, 10, 22, 31]);
    case.mask = (0..12).map(|k| (k / 4 + k % 4) % 2 == 0).collect();
    let of = |offsets: &[usize], p: usize| offsets.iter().rposition(|o| *o <= p).unwrap();
    let u: Vec<f64> = (0..case.m())
        .flat_map(|i| (0..4).map(move |c| (i, c)))
        .map(|(i, c)| f64::from(u8::from(case.mask[of(&case.i, i) * 4 + c])))
        .collect();
    let v: Vec<f64> = (0..case.n())
        .flat_map(|j| (0..4).map(move |c| (j, c)))
        .map(|(j, c)| f64::from(u8::from(of(&case.j, j) == c)))
        .collect();
    let f = "Exp(-g * SqDist(x, y))";
    let masked = ["(u | v) * Exp(-g * SqDist(x, y))", "Exp(-g * SqDist(x, y)) + Log(u | v)"];
    let reductions = [Reduction::Sum, Reduction::LogSumExp];
    let g = [0.7];
    let xy = [
        View::new(&case.x, case.m(), 2).unwrap(),
        View::new(&case.y, case.n(), 2).unwrap(),
        View::vector(&g),
    ];
    let with_mask = [
        xy[0],
        xy[1],
        xy[2],
        View::new(&u, case.m(), 4).unwrap(),
        View::new(&v, case.n(), 4).unwrap(),
    ];
    let ranges = case.ranges();
    for (reduction, masked) in reductions.into_iter().zip(masked) {
        for output in ["a = Vi(1)", "a = Vj(1)"] {
            let plain =
                Genred::<f64>::reduction(reduction, f).output(output).aliases(ALIASES).compile();
            let dense = Genred::<f64>::reduction(reduction, masked)
                .output(output)
                .aliases(ALIASES)
                .aliases(["u = Vi(4)", "v = Vj(4)"])
                .compile();
            let (plain, dense) = (plain.unwrap(), dense.unwrap());
            let rows = plain.shape(&xy).unwrap().0;
            let seed: Vec<f64> = (0..rows).map(|r| 1.0 + r as f64 / 8.0).collect();
            let seed = View::new(&seed, rows, 1).unwrap();
            for name in ["x", "y", "g"] {
                let found = plain.grad(name).unwrap();
                let found = found.with_ranges(&ranges).call(&xy, seed).unwrap();
                let expected = dense.grad(name).unwrap().call(&with_mask, seed).unwrap();
                assert_eq!((found.rows(), found.dim()), (expected.rows(), expected.dim()));
                for (found, expected) in found.as_slice().iter().zip(expected.as_slice()) {
                    assert!(
                        (found - expected).abs() <= 1e-12 * expected.abs().max(1.0),
                        "{reduction:?} by {name}, {output}: {found}, not {expected}"
                    );
                }
            }
        }
    }
}

#[test]
fn the_gradient_of_a_minimum_is_at_the_kept_column() {
    let (x, y) = ([0.0f64, 1.0], [0.1, 0.8, 3.0]);
    let args = [View::new(&x, 2, 1).unwrap(), View::new(&y, 3, 1).unwrap()];
    let ranges = Ranges::from_mask(&[false, true], &[0, 2], &[0, 2, 3]).unwrap();
    let min = Genred::<f64>::min("SqDist(x, y)").output("a = Vi(1)");
    let min = min.aliases(["x = Vi(1)", "y = Vj(1)"]).compile().unwrap();
    let seed = View::new(&[1.0, 1.0], 2, 1).unwrap();
    let by_y = min.grad("y").unwrap().with_ranges(&ranges).call(&args, seed).unwrap();
    assert_eq!(by_y.as_slice(), [0.0, 0.0, 2.0 * 3.0 + 2.0 * 2.0]);
}

/// Two clusters with gaps around them, in an order of their own.
const ARRAYS: RangeArrays<'static> = RangeArrays {
    ranges_i: &[[4, 5], [0, 2]],
    slices_i: &[2, 3],
    redranges_j: &[[4, 5], [2, 3], [0, 2]],
    ranges_j: &[[0, 2], [2, 3], [4, 5]],
    slices_j: &[1, 2, 3],
    redranges_i: &[[0, 2], [4, 5], [4, 5]],
};

#[test]
fn six_arrays_mean_what_keops_says() {
    let ranges = Ranges::from_arrays(6, 5, &ARRAYS).unwrap();
    let (x, y) = ([0.0, 1.0, 2.0, 3.0, 4.0, 5.0], [0.0, 1.0, 2.0, 3.0, 4.0]);
    let args = [View::new(&x, 6, 1).unwrap(), View::new(&y, 5, 1).unwrap()];
    let run = |reduction| {
        let genred = Genred::<f64>::reduction(reduction, "y + x * 0").output("a = Vi(1)");
        let kernel = genred.aliases(["x = Vi(1)", "y = Vj(1)"]).compile().unwrap();
        kernel.with_ranges(&ranges).call(&args).unwrap().into_vec()
    };
    let inf = f64::INFINITY;
    assert_eq!(run(Reduction::Sum), [1.0, 1.0, 0.0, 0.0, 6.0, 0.0]);
    assert_eq!(run(Reduction::Min), [0.0, 0.0, inf, inf, 2.0, inf]);
    assert_eq!(run(Reduction::Max), [1.0, 1.0, -inf, -inf, 4.0, -inf]);
    assert_eq!(run(Reduction::ArgMin), [0.0, 0.0, -1.0, -1.0, 2.0, -1.0]);
    assert_eq!(run(Reduction::LogSumExp)[2..4], [-inf, -inf]);
    let (none, two) = ([false; 4], [false, true, false, true]);
    let mask = [[true, false, false, false], none, two, none].concat();
    let same = Ranges::from_mask(&mask, &[0, 2, 4, 5, 6], &[0, 2, 3, 4, 5]).unwrap();
    assert_eq!(same, ranges, "whoever writes the same blocks gets the same ranges");
    assert_eq!(ranges.transposed().transposed(), ranges);
}

#[test]
fn arrays_that_do_not_fit_are_refused_with_their_place() {
    let refused = |arrays: RangeArrays<'_>, says: &str| {
        let error = Ranges::from_arrays(6, 5, &arrays).unwrap_err();
        assert!(error.is_shape() && error.to_string().contains(says), "{error}");
    };
    let a = ARRAYS;
    refused(
        RangeArrays { ranges_i: &[[4, 5], [0, 7]], ..a },
        "`ranges_i[1]` is [0, 7], but there are 6",
    );
    refused(
        RangeArrays { ranges_i: &[[4, 3], [0, 2]], ..a },
        "`ranges_i[0]` is [4, 3]: it ends before",
    );
    refused(
        RangeArrays { ranges_i: &[[-1, 3], [3, 4]], ..a },
        "`ranges_i[0]` is [-1, 3]: there are no",
    );
    refused(
        RangeArrays { ranges_i: &[[1, 5], [0, 2]], ..a },
        "row 1 is in `ranges_i[0]` and in `ranges_i[1]`",
    );
    refused(RangeArrays { slices_i: &[2], ..a }, "`ranges_i` has 2 clusters, but `slices_i` 1");
    refused(RangeArrays { slices_i: &[2, 1], ..a }, "`slices_i[1]` is 1, below the 2 before it");
    refused(RangeArrays { slices_i: &[2, 4], ..a }, "`slices_i[1]` is 4, but `redranges_j` has 3");
    refused(
        RangeArrays { slices_i: &[1, 2], ..a },
        "`slices_i` ends at 2, but `redranges_j` has 3",
    );
    refused(
        RangeArrays { redranges_j: &[[2, 5], [2, 3], [0, 2]], ..a },
        "column 2 is in `redranges_j[0]` and in `redranges_j[1]`, both of `ranges_i[0]`",
    );
    refused(RangeArrays { ranges_j: &[[0, 2], [2, 3], [4, 6]], ..a }, "`ranges_j[2]` is [4, 6]");
    refused(
        RangeArrays { redranges_i: &[[0, 2], [4, 5], [3, 4]], ..a },
        "but `ranges_j`, `slices_j`, `redranges_i` 6 others",
    );
    refused(RangeArrays { redranges_i: &[[0, 2], [4, 5], [4, 6]], ..a }, "keep 6 pairs, but");
}

#[test]
fn masks_and_calls_that_do_not_fit_are_refused() {
    let says = |result: Result<Ranges, genred::Error>, says: &str| {
        let error = result.unwrap_err();
        assert!(error.is_shape() && error.to_string().contains(says), "{error}");
    };
    says(
        Ranges::from_mask(&[true], &[0, 2], &[0, 1, 2]),
        "`keep` has 1 entries, but there are 1 x 2",
    );
    says(Ranges::from_mask(&[true], &[1, 2], &[0, 2]), "`offsets_i[0]` is 1");
    says(Ranges::from_mask(&[true], &[0], &[0, 2]), "`offsets_i` needs");
    says(Ranges::from_mask(&[true; 2], &[0, 2], &[0, 2, 1]), "`offsets_j[2]` is 1, below the 2");
    let ranges = Ranges::from_mask(&[true], &[0, 2], &[0, 3]).unwrap();
    let sum = Genred::<f64>::sum("x * y").output("a = Vj(1)").aliases(["x = Vi(1)", "y = Vj(1)"]);
    let sum = sum.compile().unwrap();
    let (x, y) = ([0.0; 2], [0.0; 4]);
    let args = [View::new(&x, 2, 1).unwrap(), View::new(&y, 4, 1).unwrap()];
    let error = sum.with_ranges(&ranges).call(&args).unwrap_err().to_string();
    assert!(
        error.contains("of 2 points i and 3 points j, but the arguments have 2 and 4"),
        "{error}"
    );
    let seed = View::new(&y, 4, 1).unwrap();
    assert!(sum.grad("x").unwrap().with_ranges(&ranges).call(&args, seed).unwrap_err().is_shape());
}

#[test]
fn clusters_refuse_what_they_cannot_label() {
    let x = [0.0f64, f64::NAN];
    let view = View::new(&x, 2, 1).unwrap();
    let error = cluster::grid_cluster(view, 1.0).unwrap_err().to_string();
    assert!(error.contains("point 1 is in no cell"), "{error}");
    assert!(cluster::grid_cluster(view, 0.0).is_err());
    assert!(cluster::sort_clusters(&[0, usize::MAX]).is_err());
    let clusters = cluster::sort_clusters(&[0, 1, 0]).unwrap();
    assert!(clusters.sort(view).unwrap_err().is_shape());
    assert!(clusters.unsort(view).is_err() && clusters.centroids(view).is_err());
    assert_eq!(cluster::sort_clusters(&[]).unwrap().offsets(), [0, 0]);
}
