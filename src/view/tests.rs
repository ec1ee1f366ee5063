use super::*;

/// Everything a view can read, row by row.
fn elements(view: &View<'_, f64>) -> Vec<Vec<f64>> {
    (0..view.rows())
        .map(|r| (0..view.dim()).map(|c| view.get(r, c).expect("in shape")).collect())
        .collect()
}

fn ramp(len: usize) -> Vec<f64> {
    (0..len).map(|k| k as f64).collect()
}

#[test]
fn strides_address_the_elements_they_say() {
    let data = ramp(12);
    let plain = View::new(&data, 4, 3).unwrap();
    assert_eq!(elements(&plain)[2], [6.0, 7.0, 8.0]);
    assert!(plain.is_contiguous());
    let padded = View::strided(&data, 3, 2, 5).unwrap();
    assert_eq!(elements(&padded), [[0.0, 1.0], [5.0, 6.0], [10.0, 11.0]]);
    assert!(!padded.is_contiguous());
    let fortran = View::with_strides(&data, 4, 3, 1, 4).unwrap();
    assert_eq!(elements(&fortran)[1], [1.0, 5.0, 9.0]);
    assert!(!fortran.is_contiguous());
    assert!(View::with_strides(&data, 12, 1, 1, 99).unwrap().is_contiguous());
}

#[test]
fn a_view_ends_exactly_where_its_slice_does() {
    for (rows, dim, row_stride, column_stride) in [
        (3, 4, 4, 1),
        (3, 4, 1, 3),
        (5, 2, 7, 3),
        (1, 9, 0, 1),
        (6, 1, 2, 0),
        (4, 4, 0, 0),
        (1, 1, 9, 9),
    ] {
        let needed = (rows - 1) * row_stride + (dim - 1) * column_stride + 1;
        let enough = ramp(needed);
        let view = View::with_strides(&enough, rows, dim, row_stride, column_stride).unwrap();
        assert_eq!(elements(&view).len(), rows);
        let short = View::with_strides(&enough[..needed - 1], rows, dim, row_stride, column_stride);
        assert!(short.unwrap_err().is_shape(), "{rows} {dim} {row_stride} {column_stride}");
    }
}

#[test]
fn sizes_that_overflow_are_errors() {
    let data = ramp(4);
    for (rows, dim, row_stride, column_stride) in [
        (usize::MAX, 2, 2, 1),
        (2, usize::MAX, 1, 1),
        (usize::MAX, 1, usize::MAX, 1),
        (3, 3, usize::MAX / 2, usize::MAX / 2),
        (2, 1, usize::MAX, 0),
        (1, 2, 0, usize::MAX),
    ] {
        let error = View::with_strides(&data, rows, dim, row_stride, column_stride).unwrap_err();
        assert!(error.is_shape());
    }
    assert!(View::new(&data, usize::MAX, usize::MAX).is_err());
    assert!(View::new(&data, 1 << 32, 1 << 32).is_err(), "the product wraps to 0");
}

#[test]
fn empty_views_have_no_elements() {
    let none: [f64; 0] = [];
    for (rows, dim) in [(0, 3), (3, 0), (0, 0)] {
        let view = View::new(&none, rows, dim).unwrap();
        assert_eq!((view.rows(), view.dim(), view.get(0, 0)), (rows, dim, None));
        assert!(view.is_contiguous());
        assert!(ViewMut::new(&mut [0.0; 0], rows, dim).is_ok());
    }
    assert!(View::strided(&none, 0, 3, usize::MAX).is_ok());
}

#[test]
fn nothing_outside_the_shape_is_read_or_written() {
    let data = ramp(12);
    let view = View::strided(&data, 3, 2, 4).unwrap();
    for (row, component) in
        [(3, 0), (0, 2), (usize::MAX, 0), (0, usize::MAX), (usize::MAX, usize::MAX)]
    {
        assert_eq!(view.get(row, component), None);
    }
    let mut out = ramp(12);
    let mut target = ViewMut::strided(&mut out, 3, 2, 4).unwrap();
    target.set(2, 1, -1.0).unwrap();
    assert!(target.set(3, 0, -1.0).unwrap_err().is_shape());
    assert!(target.set(0, 2, -1.0).unwrap_err().is_shape());
    let changed: Vec<usize> = (0..12).filter(|&k| out[k] != k as f64).collect();
    assert_eq!(changed, [9]);
}

#[test]
fn mutable_views_never_overlap_themselves() {
    let mut data = ramp(64);
    // For every small shape and stride, against the set of addresses itself.
    for rows in 0..4 {
        for dim in 0..4 {
            for row_stride in 0..9 {
                for column_stride in 0..9 {
                    let mut places: Vec<usize> = (0..rows)
                        .flat_map(|r| (0..dim).map(move |c| r * row_stride + c * column_stride))
                        .collect();
                    places.sort_unstable();
                    places.dedup();
                    let distinct = places.len() == rows * dim;
                    let view =
                        ViewMut::with_strides(&mut data, rows, dim, row_stride, column_stride);
                    assert!(view.is_err() || distinct, "{rows} {dim} {row_stride} {column_stride}");
                    // The layouts anybody uses are accepted.
                    if row_stride >= dim && column_stride == 1
                        || column_stride >= rows && row_stride == 1
                    {
                        assert!(view.is_ok(), "{rows} {dim} {row_stride} {column_stride}");
                    }
                }
            }
        }
    }
}

#[test]
fn only_one_dimensional_arrays_are_vectors() {
    let data = ramp(3);
    assert!(View::vector(&data).is_vector());
    assert!(View::from(data.as_slice()).is_vector());
    assert!(View::from(&[1.0, 2.0]).is_vector());
    assert!(!View::new(&data, 1, 3).unwrap().is_vector());
}

#[cfg(feature = "ndarray")]
#[test]
fn ndarray_views_of_any_stride_keep_their_elements() {
    use ndarray::{Array1, Array2, s};
    let array = Array2::from_shape_fn((6, 4), |(r, c)| (10 * r + c) as f64);
    let slices = [
        array.view(),
        array.slice(s![..;-1, ..]),
        array.slice(s![.., ..;-1]),
        array.slice(s![1..5;2, 1..3]),
        array.t(),
        array.slice(s![0..0, ..]),
        array.slice(s![2..3, ..;3]),
    ];
    for slice in slices {
        let view = View::from(slice);
        let expected: Vec<Vec<f64>> = slice.outer_iter().map(|row| row.to_vec()).collect();
        assert_eq!(elements(&view), expected);
        assert_eq!(view.is_contiguous(), slice.is_standard_layout());
    }
    let row = array.row(0);
    let spread = row.broadcast((5, 4)).expect("a row repeats");
    assert_eq!(elements(&View::from(spread))[4], [0.0, 1.0, 2.0, 3.0]);
    let line = Array1::from(ramp(7));
    let every_third = View::from(line.slice(s![..;-3]));
    assert!(every_third.is_vector());
    assert_eq!(elements(&every_third), [[6.0, 3.0, 0.0]]);
    let mut target = Array2::zeros((3, 2));
    ViewMut::from(target.slice_mut(s![..;-1, ..])).set(0, 1, 5.0).unwrap();
    assert_eq!(target[[2, 1]], 5.0);
}
