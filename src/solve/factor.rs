//! Small dense systems: the Cholesky decomposition.

/// Replace the lower triangle of a symmetric row-major matrix by its Cholesky factor; `false` if it is not positive definite.
pub(super) fn cholesky(matrix: &mut [f64], n: usize) -> bool {
    for i in 0..n {
        for j in 0..=i {
            let (a, b) = (&matrix[i * n..i * n + j], &matrix[j * n..j * n + j]);
            let rest = matrix[i * n + j] - dot(a, b);
            matrix[i * n + j] = if i > j {
                rest / matrix[j * n + j]
            } else if rest > 0.0 {
                rest.sqrt()
            } else {
                return false;
            };
        }
    }
    true
}

/// Solve with a factor that [`cholesky`] made, in place.
pub(super) fn solve(factor: &[f64], n: usize, b: &mut [f64]) {
    for i in 0..n {
        b[i] = (b[i] - dot(&factor[i * n..i * n + i], &b[..i])) / factor[i * n + i];
    }
    for i in (0..n).rev() {
        let below: f64 = (i + 1..n).map(|k| factor[k * n + i] * b[k]).sum();
        b[i] = (b[i] - below) / factor[i * n + i];
    }
}

/// The scalar product, summed in order.
pub(super) fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_system_with_a_known_solution_is_solved() {
        // The upper triangle is never read.
        let mut matrix = [4.0, f64::NAN, f64::NAN, 2.0, 5.0, f64::NAN, 1.0, 3.0, 6.0];
        assert!(cholesky(&mut matrix, 3));
        let mut b = [4.0 + 4.0 + 3.0, 2.0 + 10.0 + 9.0, 1.0 + 6.0 + 18.0];
        solve(&matrix, 3, &mut b);
        for (k, x) in b.iter().enumerate() {
            assert!((x - (k + 1) as f64).abs() < 1e-14, "{b:?}");
        }
    }

    #[test]
    fn what_is_not_positive_definite_is_refused() {
        assert!(!cholesky(&mut [1.0, 2.0, 2.0, 1.0], 2));
        assert!(!cholesky(&mut [f64::NAN], 1));
    }
}
