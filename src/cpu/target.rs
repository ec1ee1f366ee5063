//! What the host can execute.

/// Instruction-set features that kernels may use, detected at run time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Target {
    /// Fused multiply-add in hardware.
    pub fma: bool,
    /// Own, stable numbering of the detected features: 1 sse4.1, 2 avx, 4 fma, 8 avx2, 16 avx512 f/dq/vl/bw, 32 neon.
    pub features: u64,
}

impl Target {
    /// The machine this runs on, operating-system support for wide registers included.
    pub fn host() -> Target {
        #[cfg(target_arch = "x86_64")]
        {
            let avx512 = is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512dq")
                && is_x86_feature_detected!("avx512vl")
                && is_x86_feature_detected!("avx512bw");
            let bits = [
                is_x86_feature_detected!("sse4.1"),
                is_x86_feature_detected!("avx"),
                is_x86_feature_detected!("fma"),
                is_x86_feature_detected!("avx2"),
                avx512,
            ];
            let features = bits.iter().enumerate().map(|(k, on)| u64::from(*on) << k).sum();
            Target { fma: bits[1] && bits[2], features }
        }
        #[cfg(target_arch = "aarch64")]
        {
            Target { fma: true, features: 32 }
        }
        #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
        {
            Target { fma: false, features: 0 }
        }
    }

    /// The names of the detected features.
    pub fn names(&self) -> Vec<&'static str> {
        let all = ["sse4.1", "avx", "fma", "avx2", "avx512", "neon"];
        all.iter()
            .enumerate()
            .filter(|(k, _)| self.features >> k & 1 == 1)
            .map(|(_, name)| *name)
            .collect()
    }
}
