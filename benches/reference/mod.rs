//! Hand-written AVX-512 kernels: what a specialist would write for one formula, as the measure of generated code.
//!
//! They work on the same packed layout as kernels do: a block of `4 * LANES` rows as `x[slot * BLOCK + row]`, columns as
//! `y[slot * stride + column]`, an accumulator a row. They cut corners where the library may not: coordinates come
//! pre-scaled, and neither infinities nor NaN are cared for.

#![allow(
    clippy::missing_safety_doc,
    clippy::undocumented_unsafe_blocks,
    clippy::excessive_precision,
    clippy::approx_constant,
    unreachable_pub,
    reason = "benchmark code: every pointer is into the buffers that the bench made for the layout above"
)]

/// (2^r - 1)/r on |r| <= 1/2, lowest power first.
const EXP2_F32: [f32; 6] = [
    6.9314718802622878106e-1,
    2.4022650760568126945e-1,
    5.5503571142190778186e-2,
    9.6180825572778514913e-3,
    1.3390863364671234381e-3,
    1.5453162945120690177e-4,
];
const EXP2_F64: [f64; 12] = [
    6.9314718055994530925e-1,
    2.4022650695910071233e-1,
    5.5504108664821627039e-2,
    9.6181291076284794928e-3,
    1.3333558146406470697e-3,
    1.5403530393370733411e-4,
    1.5252733841556772589e-5,
    1.321548680870556279e-6,
    1.0178057087733941105e-7,
    7.0548973041554992774e-9,
    4.455817908336064493e-10,
    2.5729324177362304214e-11,
];

macro_rules! kernels {
    ($module:ident, $t:ty, $v:ty, $lanes:expr, $exp2:ident, $terms:expr,
     $set1:ident $load:ident $store:ident $add:ident $sub:ident $mul:ident $div:ident $max:ident $min:ident
     $fma:ident $round:ident $scalef:ident $sqrt:ident $rcp:ident $rsqrt:ident $fnma:ident, $newton:expr) => {
        /// Kernels over one float type.
        pub mod $module {
            use core::arch::x86_64::*;

            /// Vectors of rows in a block.
            pub const MR: usize = 4;
            /// Rows of a block.
            pub const BLOCK: usize = MR * $lanes;
            const L: usize = $lanes;

            /// A block of rows, columns and where results go.
            #[derive(Clone, Copy)]
            pub struct Job {
                pub x: *const $t,
                pub y: *const $t,
                pub stride: usize,
                pub columns: usize,
                pub sums: *mut $t,
                pub tile: *mut $t,
            }

            #[inline]
            #[target_feature(enable = "avx512f,avx512dq")]
            unsafe fn exp2(t: $v) -> $v {
                let n = $round::<8>(t);
                let r = $sub(t, n);
                let mut p = $set1(super::$exp2[$terms - 1]);
                for k in (0..$terms - 1).rev() {
                    p = $fma(p, r, $set1(super::$exp2[k]));
                }
                p = $fma(p, r, $set1(1.0));
                $scalef(p, n)
            }

            /// `|x - y|^2` of three dimensions for the vectors of a block.
            #[inline]
            #[target_feature(enable = "avx512f,avx512dq")]
            unsafe fn squares(x: &[[$v; 3]; MR], y: *const $t, stride: usize) -> [$v; MR] {
                let y = unsafe { [$set1(*y), $set1(*y.add(stride)), $set1(*y.add(2 * stride))] };
                let mut q = [$set1(0.0); MR];
                for m in 0..MR {
                    let t = $sub(x[m][0], y[0]);
                    q[m] = $mul(t, t);
                }
                for d in 1..3 {
                    for m in 0..MR {
                        let t = $sub(x[m][d], y[d]);
                        q[m] = $fma(t, t, q[m]);
                    }
                }
                q
            }

            #[inline]
            #[target_feature(enable = "avx512f,avx512dq")]
            unsafe fn rows(job: &Job) -> [[$v; 3]; MR] {
                let mut x = [[$set1(0.0); 3]; MR];
                for m in 0..MR {
                    for d in 0..3 {
                        x[m][d] = unsafe { $load(job.x.add(d * BLOCK + m * L)) };
                    }
                }
                x
            }

            #[inline]
            #[target_feature(enable = "avx512f,avx512dq")]
            unsafe fn sum_of(job: &Job, value: impl Fn([$v; MR], usize) -> [$v; MR]) {
                unsafe {
                    let x = rows(job);
                    let mut sums = [$set1(0.0); MR];
                    for c in 0..job.columns {
                        let v = value(squares(&x, job.y.add(c), job.stride), c);
                        for m in 0..MR {
                            sums[m] = $add(sums[m], v[m]);
                        }
                    }
                    for m in 0..MR {
                        let to = job.sums.add(m * L);
                        $store(to, $add($load(to), sums[m]));
                    }
                }
            }

            /// Sum of `2^-|x - y|^2`.
            #[target_feature(enable = "avx512f,avx512dq")]
            pub unsafe fn gaussian(job: Job) {
                unsafe {
                    sum_of(&job, |q, _| q.map(|q| exp2($sub($set1(0.0), q))));
                }
            }

            /// Sum of `2^-|x - y|^2 b`, b in slot 3 of the columns.
            #[target_feature(enable = "avx512f,avx512dq")]
            pub unsafe fn weighted(job: Job) {
                unsafe {
                    let x = rows(&job);
                    let mut sums = [$set1(0.0); MR];
                    for c in 0..job.columns {
                        let q = squares(&x, job.y.add(c), job.stride);
                        let b = $set1(*job.y.add(3 * job.stride + c));
                        for m in 0..MR {
                            sums[m] = $fma(exp2($sub($set1(0.0), q[m])), b, sums[m]);
                        }
                    }
                    for m in 0..MR {
                        let to = job.sums.add(m * L);
                        $store(to, $add($load(to), sums[m]));
                    }
                }
            }

            /// Sum of `1 / (1 + |x - y|^2)`, with a division.
            #[target_feature(enable = "avx512f,avx512dq")]
            pub unsafe fn cauchy(job: Job) {
                unsafe {
                    let one = $set1(1.0);
                    sum_of(&job, |q, _| q.map(|q| $div(one, $add(one, q))));
                }
            }

            /// The same by an approximate reciprocal and Newton's steps: not correctly rounded.
            #[target_feature(enable = "avx512f,avx512dq")]
            pub unsafe fn cauchy_fast(job: Job) {
                unsafe {
                    let one = $set1(1.0);
                    sum_of(&job, |q, _| {
                        q.map(|q| {
                            let a = $add(one, q);
                            let mut r = $rcp(a);
                            for _ in 0..$newton {
                                r = $fma(r, $fnma(a, r, one), r);
                            }
                            r
                        })
                    });
                }
            }

            /// Sum of `2^-|x - y|`, with a square root.
            #[target_feature(enable = "avx512f,avx512dq")]
            pub unsafe fn laplace(job: Job) {
                unsafe {
                    sum_of(&job, |q, _| q.map(|q| exp2($sub($set1(0.0), $sqrt(q)))));
                }
            }

            /// The same by an approximate reciprocal root and Newton's steps: not correctly rounded, and wrong at 0.
            #[target_feature(enable = "avx512f,avx512dq")]
            pub unsafe fn laplace_fast(job: Job) {
                unsafe {
                    sum_of(&job, |q, _| {
                        q.map(|q| {
                            let r = $rsqrt(q);
                            let mut s = $mul(q, r);
                            let mut h = $mul($set1(0.5), r);
                            for _ in 0..$newton {
                                let e = $fnma(s, h, $set1(0.5));
                                s = $fma(s, e, s);
                                h = $fma(h, e, h);
                            }
                            exp2($sub($set1(0.0), s))
                        })
                    });
                }
            }

            /// Maximum and sum of `2^(-|x - y|^2 - maximum)`, in chunks of 64 columns; `sums` holds the maxima behind the sums.
            #[target_feature(enable = "avx512f,avx512dq")]
            pub unsafe fn logsumexp(job: Job) {
                unsafe {
                    let x = rows(&job);
                    let maxima = job.sums.add(BLOCK);
                    let mut sums = [$set1(0.0); MR];
                    let mut top = [$set1(0.0); MR];
                    for m in 0..MR {
                        sums[m] = $load(job.sums.add(m * L));
                        top[m] = $load(maxima.add(m * L));
                    }
                    for first in (0..job.columns).step_by(64) {
                        let mut most = top;
                        for c in 0..64 {
                            let q = squares(&x, job.y.add(first + c), job.stride);
                            for m in 0..MR {
                                let v = $sub($set1(0.0), q[m]);
                                $store(job.tile.add(c * BLOCK + m * L), v);
                                most[m] = $max(v, most[m]);
                            }
                        }
                        for m in 0..MR {
                            sums[m] = $mul(sums[m], exp2($sub(top[m], most[m])));
                        }
                        top = most;
                        for c in 0..64 {
                            for m in 0..MR {
                                let v = $load(job.tile.add(c * BLOCK + m * L));
                                sums[m] = $add(sums[m], exp2($sub(v, top[m])));
                            }
                        }
                    }
                    for m in 0..MR {
                        $store(job.sums.add(m * L), sums[m]);
                        $store(maxima.add(m * L), top[m]);
                    }
                }
            }

            /// `|x - y|^2` (or the scalar product) of `dim` dimensions for 4 vectors of rows and 4 columns.
            #[inline]
            #[target_feature(enable = "avx512f,avx512dq")]
            unsafe fn contraction<const DIFFERENCE: bool>(
                job: &Job,
                dim: usize,
                c: usize,
            ) -> [[$v; MR]; 4] {
                unsafe {
                    let mut s = [[$set1(0.0); MR]; 4];
                    for d in 0..dim {
                        let mut x = [$set1(0.0); MR];
                        for m in 0..MR {
                            x[m] = $load(job.x.add(d * BLOCK + m * L));
                        }
                        for k in 0..4 {
                            let y = $set1(*job.y.add(d * job.stride + c + k));
                            for m in 0..MR {
                                if DIFFERENCE {
                                    let t = $sub(x[m], y);
                                    s[k][m] = $fma(t, t, s[k][m]);
                                } else {
                                    s[k][m] = $fma(x[m], y, s[k][m]);
                                }
                            }
                        }
                    }
                    s
                }
            }

            /// Smallest `|x - y|^2` of 100 dimensions a row; values go to the tile of a chunk of 64 columns.
            #[target_feature(enable = "avx512f,avx512dq")]
            pub unsafe fn nearest(job: Job) {
                unsafe {
                    let mut least = [$set1(0.0); MR];
                    for m in 0..MR {
                        least[m] = $load(job.sums.add(m * L));
                    }
                    for c in (0..job.columns).step_by(4) {
                        let s = contraction::<true>(&job, 100, c);
                        for k in 0..4 {
                            for m in 0..MR {
                                $store(job.tile.add((c % 64 + k) * BLOCK + m * L), s[k][m]);
                                least[m] = $min(s[k][m], least[m]);
                            }
                        }
                    }
                    for m in 0..MR {
                        $store(job.sums.add(m * L), least[m]);
                    }
                }
            }

            /// Sum of the scalar products of 64 dimensions.
            #[target_feature(enable = "avx512f,avx512dq")]
            pub unsafe fn product(job: Job) {
                unsafe {
                    let mut sums = [$set1(0.0); MR];
                    for c in (0..job.columns).step_by(4) {
                        let s = contraction::<false>(&job, 64, c);
                        for k in 0..4 {
                            for m in 0..MR {
                                sums[m] = $add(sums[m], s[k][m]);
                            }
                        }
                    }
                    for m in 0..MR {
                        let to = job.sums.add(m * L);
                        $store(to, $add($load(to), sums[m]));
                    }
                }
            }
        }
    };
}

kernels!(single, f32, __m512, 16, EXP2_F32, 6,
    _mm512_set1_ps _mm512_loadu_ps _mm512_storeu_ps _mm512_add_ps _mm512_sub_ps _mm512_mul_ps _mm512_div_ps
    _mm512_max_ps _mm512_min_ps _mm512_fmadd_ps _mm512_roundscale_ps _mm512_scalef_ps _mm512_sqrt_ps
    _mm512_rcp14_ps _mm512_rsqrt14_ps _mm512_fnmadd_ps, 1);
kernels!(double, f64, __m512d, 8, EXP2_F64, 12,
    _mm512_set1_pd _mm512_loadu_pd _mm512_storeu_pd _mm512_add_pd _mm512_sub_pd _mm512_mul_pd _mm512_div_pd
    _mm512_max_pd _mm512_min_pd _mm512_fmadd_pd _mm512_roundscale_pd _mm512_scalef_pd _mm512_sqrt_pd
    _mm512_rcp14_pd _mm512_rsqrt14_pd _mm512_fnmadd_pd, 2);
