//! Where random test cases get their decisions from: a seed, or the bytes of a fuzzer.

/// A stream of decisions. Out of bytes it answers 0 to every question, so whatever asks must end when it hears 0.
pub struct Choices<'a> {
    source: Source<'a>,
}

enum Source<'a> {
    /// splitmix64.
    Seed(u64),
    Bytes(&'a [u8]),
}

impl<'a> Choices<'a> {
    /// An endless stream that depends on the seed only.
    pub fn from_seed(seed: u64) -> Choices<'a> {
        Choices { source: Source::Seed(seed) }
    }

    /// The stream that the bytes spell.
    pub fn from_bytes(bytes: &'a [u8]) -> Choices<'a> {
        Choices { source: Source::Bytes(bytes) }
    }

    /// The next bits.
    pub fn bits(&mut self) -> u64 {
        match &mut self.source {
            Source::Seed(state) => {
                *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
                let z = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
                let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
                z ^ (z >> 31)
            }
            Source::Bytes(bytes) => {
                let (head, tail) = bytes.split_at(bytes.len().min(2));
                *bytes = tail;
                head.iter().fold(0, |bits, byte| bits << 8 | u64::from(*byte))
            }
        }
    }

    /// Whether every further answer is 0.
    pub fn is_empty(&self) -> bool {
        matches!(self.source, Source::Bytes([]))
    }

    /// 64 bits that differ between any two streams, where [`bits`](Choices::bits) may give fewer.
    pub fn word(&mut self) -> u64 {
        match self.source {
            Source::Seed(_) => self.bits(),
            Source::Bytes(_) => (0..4).fold(0, |word, _| word << 16 | self.bits()),
        }
    }

    /// A number below `n`.
    pub fn below(&mut self, n: u32) -> u32 {
        (self.bits() % u64::from(n.max(1))) as u32
    }

    /// An index into a list of `len` items; 0 if there are none.
    pub fn index(&mut self, len: usize) -> usize {
        (self.bits() % len.max(1) as u64) as usize
    }

    /// A number of the range, its ends included.
    pub fn within(&mut self, from: u32, to: u32) -> u32 {
        from + self.below(to - from + 1)
    }

    /// True about `percent` times of a hundred; false at the end of the stream.
    pub fn chance(&mut self, percent: u32) -> bool {
        self.below(100) >= 100 - percent
    }

    /// One of the items.
    pub fn pick<T: Clone>(&mut self, items: &[T]) -> T {
        items[self.below(items.len() as u32) as usize].clone()
    }

    /// A float64 of any kind: small integers, ordinary numbers, all magnitudes, zeros, subnormals, infinities, NaN.
    pub fn number(&mut self) -> f64 {
        match self.below(16) {
            0 => f64::from(self.below(17)) - 8.0,
            1 => self.pick(&[0.0, -0.0]),
            2 => self.pick(&[f64::INFINITY, f64::NEG_INFINITY]),
            3 => f64::NAN,
            4 => {
                // Of the sizes where float32 and float64 overflow, become subnormal, lose integers.
                let exponents = [-1074, -1030, -1022, -149, -140, -126, 22, 23, 24, 31, 51, 52, 53];
                let exponent = self.pick(&exponents);
                self.fraction() * 2f64.powi(exponent / 2) * 2f64.powi(exponent - exponent / 2)
            }
            5 => {
                let exponent = self.pick(&[127, 128, 1023, 60, -60]);
                self.fraction() * 2f64.powi(exponent)
            }
            6 => f64::from(self.below(1 << 20)) + 0.5,
            _ => self.fraction() * 4.0,
        }
    }

    /// A number in [-1, 1).
    pub fn fraction(&mut self) -> f64 {
        (self.word() as i64 as f64) * 2f64.powi(-63)
    }
}
