//! Random numbers of the demonstration: the same on every run.

/// A generator of normally distributed numbers.
pub(crate) struct Random {
    state: u64,
}

impl Random {
    pub(crate) fn new(seed: u64) -> Random {
        Random { state: seed }
    }

    /// A number in (0, 1], by SplitMix64.
    pub(crate) fn uniform(&mut self) -> f64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.state;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^= bits >> 31;
        ((bits >> 11) + 1) as f64 / (1u64 << 53) as f64
    }

    /// Numbers of mean 0 and variance 1, by Box and Muller.
    pub(crate) fn normal(&mut self, len: usize) -> Vec<f32> {
        let mut numbers = Vec::with_capacity(len + 1);
        while numbers.len() < len {
            let radius = (-2.0 * self.uniform().ln()).sqrt();
            let (sin, cos) = (std::f64::consts::TAU * self.uniform()).sin_cos();
            numbers.extend([(radius * cos) as f32, (radius * sin) as f32]);
        }
        numbers.truncate(len);
        numbers
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn normal_numbers_have_mean_0_and_variance_1() {
        let numbers = Random::new(1).normal(100_001);
        assert_eq!(numbers.len(), 100_001);
        let moment = |power: i32| {
            let powers = numbers.iter().map(|x| f64::from(*x).powi(power));
            powers.sum::<f64>() / numbers.len() as f64
        };
        assert!(moment(1).abs() < 0.02, "mean {}", moment(1));
        assert!((moment(2) - 1.0).abs() < 0.02, "variance {}", moment(2));
        assert!((moment(4) - 3.0).abs() < 0.15, "fourth moment {}", moment(4));
    }
}
