//! Vectors of the two instruction sets, as far as the kernels need them.

use core::arch::x86_64::*;

/// (2^r - 1)/r on |r| <= 1/2, lowest power first.
const EXP2_F32: [f32; 6] = [
    std::f32::consts::LN_2,
    2.402_265e-1,
    5.550_357e-2,
    9.618_083e-3,
    1.339_086_3e-3,
    1.545_316_3e-4,
];
/// The same for float64; its error is 0.04 ulp.
const EXP2_F64: [f64; 11] = [
    std::f64::consts::LN_2,
    2.402_265_069_591_009_7e-1,
    5.550_410_866_482_16e-2,
    9.618_129_107_606_888e-3,
    1.333_355_814_641_693_6e-3,
    1.540_353_044_173_605e-4,
    1.525_273_382_983_612e-5,
    1.321_544_258_792_169e-6,
    1.017_806_244_584_577_4e-7,
    7.072_585_949_269_223e-9,
    4.454_960_598_186_518_6e-10,
];

/// A float type and its vectors.
pub(crate) trait Scalar: Copy + PartialOrd + Send + Sync + Default + 'static {
    type Avx2: Vector<T = Self>;
    type Avx512: Vector<T = Self>;
    const INFINITY: Self;
    fn of(value: f64) -> Self;
    fn wide(self) -> f64;
}

impl Scalar for f32 {
    type Avx2 = Float8;
    type Avx512 = Float16;
    const INFINITY: f32 = f32::INFINITY;
    fn of(value: f64) -> f32 {
        value as f32
    }
    fn wide(self) -> f64 {
        f64::from(self)
    }
}

impl Scalar for f64 {
    type Avx2 = Double4;
    type Avx512 = Double8;
    const INFINITY: f64 = f64::INFINITY;
    fn of(value: f64) -> f64 {
        value
    }
    fn wide(self) -> f64 {
        self
    }
}

/// A vector. Only `splat` and `load` make one, so whoever holds one knows that the machine has its instructions.
pub(crate) trait Vector: Copy {
    type T: Scalar;
    const LANES: usize;

    /// # Safety
    /// The machine has the instruction set.
    unsafe fn splat(x: Self::T) -> Self;
    /// # Safety
    /// The machine has the instruction set, and `from` has a vector's elements.
    unsafe fn load(from: *const Self::T) -> Self;
    /// # Safety
    /// `to` has room for a vector's elements.
    unsafe fn store(self, to: *mut Self::T);
    fn add(self, b: Self) -> Self;
    fn sub(self, b: Self) -> Self;
    fn mul(self, b: Self) -> Self;
    fn div(self, b: Self) -> Self;
    fn max(self, b: Self) -> Self;
    fn min(self, b: Self) -> Self;
    fn sqrt(self) -> Self;
    /// `self * b + c`.
    fn fma(self, b: Self, c: Self) -> Self;
    /// `c - self * b`.
    fn fnma(self, b: Self, c: Self) -> Self;
    /// 2^self for results that are normal numbers.
    fn exp2(self) -> Self;
    /// About 1/self, to 2^-12 (2^-14) and refined to about the type's precision: not correctly rounded.
    fn inverse(self) -> Self;
    /// About sqrt(self), likewise, and NaN at 0.
    fn root(self) -> Self;
    /// A bit for each lane that is below `b`'s.
    fn below(self, b: Self) -> u32;
}

macro_rules! methods {
    ($($name:ident($($arg:ident),*) = $intrinsic:ident($($given:ident),*);)*) => {$(
        #[inline(always)]
        fn $name(self $(, $arg: Self)*) -> Self {
            let a = self.0;
            $(let $arg = $arg.0;)*
            // SAFETY: whoever has a vector knows that the machine has its instructions.
            Self(unsafe { $intrinsic(a $(, $given)*) })
        }
    )*};
}

macro_rules! vector {
    ($name:ident, $t:ty, $v:ty, $lanes:expr,
     $splat:ident $load:ident $store:ident $add:ident $sub:ident $mul:ident $div:ident $max:ident $min:ident
     $sqrt:ident $fma:ident $fnma:ident,
     |$a:ident| exp2 $exp2:block inverse $inverse:block root $root:block, |$x:ident, $y:ident| below $below:block) => {
        #[derive(Clone, Copy)]
        pub(crate) struct $name($v);

        impl Vector for $name {
            type T = $t;
            const LANES: usize = $lanes;

            #[inline(always)]
            /// # Safety
            /// See the trait.
            unsafe fn splat(x: $t) -> Self {
                // SAFETY: the caller promises the instruction set.
                Self(unsafe { $splat(x) })
            }
            #[inline(always)]
            /// # Safety
            /// See the trait.
            unsafe fn load(from: *const $t) -> Self {
                // SAFETY: the caller promises the instruction set and the memory.
                Self(unsafe { $load(from) })
            }
            #[inline(always)]
            /// # Safety
            /// See the trait.
            unsafe fn store(self, to: *mut $t) {
                // SAFETY: the caller promises the memory.
                unsafe { $store(to, self.0) }
            }
            methods! {
                add(b) = $add(b);
                sub(b) = $sub(b);
                mul(b) = $mul(b);
                div(b) = $div(b);
                max(b) = $max(b);
                min(b) = $min(b);
                sqrt() = $sqrt();
                fma(b, c) = $fma(b, c);
                fnma(b, c) = $fnma(b, c);
            }
            #[inline(always)]
            fn exp2(self) -> Self {
                let $a = self.0;
                // SAFETY: whoever has a vector knows that the machine has its instructions.
                unsafe { $exp2 }
            }
            #[inline(always)]
            fn inverse(self) -> Self {
                let $a = self.0;
                // SAFETY: as above.
                unsafe { $inverse }
            }
            #[inline(always)]
            fn root(self) -> Self {
                let $a = self.0;
                // SAFETY: as above.
                unsafe { $root }
            }
            #[inline(always)]
            fn below(self, b: Self) -> u32 {
                let ($x, $y) = (self.0, b.0);
                // SAFETY: as above.
                unsafe { $below }
            }
        }
    };
}

/// `1 + r * (c0 + r * (c1 + ...))`.
#[inline(always)]
fn polynomial<V: Vector, const N: usize>(r: V, c: &[V::T; N]) -> V {
    // SAFETY: `r` is a vector, so the machine has its instructions.
    unsafe {
        let mut p = V::splat(c[N - 1]);
        for k in (0..N - 1).rev() {
            p = p.fma(r, V::splat(c[k]));
        }
        p.fma(r, V::splat(V::T::of(1.0)))
    }
}

/// A step towards 1/a from r.
#[inline(always)]
fn newton<V: Vector>(a: V, mut r: V, steps: usize) -> V {
    // SAFETY: `a` is a vector, so the machine has its instructions.
    let one = unsafe { V::splat(V::T::of(1.0)) };
    for _ in 0..steps {
        r = a.fnma(r, one).fma(r, r);
    }
    r
}

/// Steps towards sqrt(a) from r, about 1/sqrt(a).
#[inline(always)]
fn heron<V: Vector>(a: V, r: V, steps: usize) -> V {
    // SAFETY: `a` is a vector, so the machine has its instructions.
    let half = unsafe { V::splat(V::T::of(0.5)) };
    let (mut s, mut h) = (a.mul(r), r.mul(half));
    for _ in 0..steps {
        let e = s.fnma(h, half);
        (s, h) = (s.fma(e, s), h.fma(e, h));
    }
    s
}

vector!(Float16, f32, __m512, 16,
    _mm512_set1_ps _mm512_loadu_ps _mm512_storeu_ps _mm512_add_ps _mm512_sub_ps _mm512_mul_ps _mm512_div_ps
    _mm512_max_ps _mm512_min_ps _mm512_sqrt_ps _mm512_fmadd_ps _mm512_fnmadd_ps,
    |a|
    exp2 {
        let n = _mm512_roundscale_ps::<8>(a);
        let p = polynomial(Float16(_mm512_sub_ps(a, n)), &EXP2_F32);
        Float16(_mm512_scalef_ps(p.0, n))
    }
    inverse { newton(Float16(a), Float16(_mm512_rcp14_ps(a)), 1) }
    root { heron(Float16(a), Float16(_mm512_rsqrt14_ps(a)), 1) },
    |x, y| below { u32::from(_mm512_cmp_ps_mask::<_CMP_LT_OQ>(x, y)) });

vector!(Double8, f64, __m512d, 8,
    _mm512_set1_pd _mm512_loadu_pd _mm512_storeu_pd _mm512_add_pd _mm512_sub_pd _mm512_mul_pd _mm512_div_pd
    _mm512_max_pd _mm512_min_pd _mm512_sqrt_pd _mm512_fmadd_pd _mm512_fnmadd_pd,
    |a|
    exp2 {
        let n = _mm512_roundscale_pd::<8>(a);
        let p = polynomial(Double8(_mm512_sub_pd(a, n)), &EXP2_F64);
        Double8(_mm512_scalef_pd(p.0, n))
    }
    inverse { newton(Double8(a), Double8(_mm512_rcp14_pd(a)), 2) }
    root { heron(Double8(a), Double8(_mm512_rsqrt14_pd(a)), 2) },
    |x, y| below { u32::from(_mm512_cmp_pd_mask::<_CMP_LT_OQ>(x, y)) });

// Adding 1.5 * 2^23 (2^52) rounds to an integer, which is then in the low bits.
vector!(Float8, f32, __m256, 8,
    _mm256_set1_ps _mm256_loadu_ps _mm256_storeu_ps _mm256_add_ps _mm256_sub_ps _mm256_mul_ps _mm256_div_ps
    _mm256_max_ps _mm256_min_ps _mm256_sqrt_ps _mm256_fmadd_ps _mm256_fnmadd_ps,
    |a|
    exp2 {
        let magic = _mm256_set1_ps(12_582_912.0);
        let z = _mm256_add_ps(a, magic);
        let r = _mm256_sub_ps(a, _mm256_sub_ps(z, magic));
        let p = polynomial(Float8(r), &EXP2_F32);
        let exponent = _mm256_slli_epi32::<23>(_mm256_castps_si256(z));
        Float8(_mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(p.0), exponent)))
    }
    inverse { newton(Float8(a), Float8(_mm256_rcp_ps(a)), 1) }
    root { heron(Float8(a), Float8(_mm256_rsqrt_ps(a)), 1) },
    |x, y| below { _mm256_movemask_ps(_mm256_cmp_ps::<_CMP_LT_OQ>(x, y)) as u32 });

vector!(Double4, f64, __m256d, 4,
    _mm256_set1_pd _mm256_loadu_pd _mm256_storeu_pd _mm256_add_pd _mm256_sub_pd _mm256_mul_pd _mm256_div_pd
    _mm256_max_pd _mm256_min_pd _mm256_sqrt_pd _mm256_fmadd_pd _mm256_fnmadd_pd,
    |a|
    exp2 {
        let magic = _mm256_set1_pd(6_755_399_441_055_744.0);
        let z = _mm256_add_pd(a, magic);
        let r = _mm256_sub_pd(a, _mm256_sub_pd(z, magic));
        let p = polynomial(Double4(r), &EXP2_F64);
        let exponent = _mm256_slli_epi64::<52>(_mm256_castpd_si256(z));
        Double4(_mm256_castsi256_pd(_mm256_add_epi64(_mm256_castpd_si256(p.0), exponent)))
    }
    inverse { Double4(_mm256_div_pd(_mm256_set1_pd(1.0), a)) }
    root { Double4(_mm256_sqrt_pd(a)) },
    |x, y| below { _mm256_movemask_pd(_mm256_cmp_pd::<_CMP_LT_OQ>(x, y)) as u32 });
