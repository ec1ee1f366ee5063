//! The instruction of each operation, by width and element.

use super::super::ir::{Op, Rounding};
use super::super::isa::{Isa, Level};
use crate::dtype::Float;
use crate::loops::program::{Compare, Shift};
use iced_x86::Code;

/// One of four instructions: 256 or 512 bits, float32 or float64.
pub(super) fn pick(isa: Isa, codes: [Code; 4]) -> Code {
    let wide = usize::from(isa.level == Level::Avx512);
    codes[2 * wide + usize::from(isa.float == Float::F64)]
}

/// The forms of a fused multiply-add by the operand that is overwritten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// `dst = dst * third + second`.
    F132,
    /// `dst = second * dst + third`.
    F213,
    /// `dst = second * third + dst`.
    F231,
}

pub(super) fn fma(isa: Isa, negated: bool, form: Form) -> Code {
    use Code::*;
    let codes = match (negated, form) {
        (false, Form::F132) => [
            VEX_Vfmadd132ps_ymm_ymm_ymmm256,
            VEX_Vfmadd132pd_ymm_ymm_ymmm256,
            EVEX_Vfmadd132ps_zmm_k1z_zmm_zmmm512b32_er,
            EVEX_Vfmadd132pd_zmm_k1z_zmm_zmmm512b64_er,
        ],
        (false, Form::F213) => [
            VEX_Vfmadd213ps_ymm_ymm_ymmm256,
            VEX_Vfmadd213pd_ymm_ymm_ymmm256,
            EVEX_Vfmadd213ps_zmm_k1z_zmm_zmmm512b32_er,
            EVEX_Vfmadd213pd_zmm_k1z_zmm_zmmm512b64_er,
        ],
        (false, Form::F231) => [
            VEX_Vfmadd231ps_ymm_ymm_ymmm256,
            VEX_Vfmadd231pd_ymm_ymm_ymmm256,
            EVEX_Vfmadd231ps_zmm_k1z_zmm_zmmm512b32_er,
            EVEX_Vfmadd231pd_zmm_k1z_zmm_zmmm512b64_er,
        ],
        (true, Form::F132) => [
            VEX_Vfnmadd132ps_ymm_ymm_ymmm256,
            VEX_Vfnmadd132pd_ymm_ymm_ymmm256,
            EVEX_Vfnmadd132ps_zmm_k1z_zmm_zmmm512b32_er,
            EVEX_Vfnmadd132pd_zmm_k1z_zmm_zmmm512b64_er,
        ],
        (true, Form::F213) => [
            VEX_Vfnmadd213ps_ymm_ymm_ymmm256,
            VEX_Vfnmadd213pd_ymm_ymm_ymmm256,
            EVEX_Vfnmadd213ps_zmm_k1z_zmm_zmmm512b32_er,
            EVEX_Vfnmadd213pd_zmm_k1z_zmm_zmmm512b64_er,
        ],
        (true, Form::F231) => [
            VEX_Vfnmadd231ps_ymm_ymm_ymmm256,
            VEX_Vfnmadd231pd_ymm_ymm_ymmm256,
            EVEX_Vfnmadd231ps_zmm_k1z_zmm_zmmm512b32_er,
            EVEX_Vfnmadd231pd_zmm_k1z_zmm_zmmm512b64_er,
        ],
    };
    pick(isa, codes)
}

/// The instruction of an operation on two vectors.
pub(super) fn binary(isa: Isa, op: Op) -> Option<Code> {
    use Code::*;
    let codes = match op {
        Op::Add => [
            VEX_Vaddps_ymm_ymm_ymmm256,
            VEX_Vaddpd_ymm_ymm_ymmm256,
            EVEX_Vaddps_zmm_k1z_zmm_zmmm512b32_er,
            EVEX_Vaddpd_zmm_k1z_zmm_zmmm512b64_er,
        ],
        Op::Sub => [
            VEX_Vsubps_ymm_ymm_ymmm256,
            VEX_Vsubpd_ymm_ymm_ymmm256,
            EVEX_Vsubps_zmm_k1z_zmm_zmmm512b32_er,
            EVEX_Vsubpd_zmm_k1z_zmm_zmmm512b64_er,
        ],
        Op::Mul => [
            VEX_Vmulps_ymm_ymm_ymmm256,
            VEX_Vmulpd_ymm_ymm_ymmm256,
            EVEX_Vmulps_zmm_k1z_zmm_zmmm512b32_er,
            EVEX_Vmulpd_zmm_k1z_zmm_zmmm512b64_er,
        ],
        Op::Div => [
            VEX_Vdivps_ymm_ymm_ymmm256,
            VEX_Vdivpd_ymm_ymm_ymmm256,
            EVEX_Vdivps_zmm_k1z_zmm_zmmm512b32_er,
            EVEX_Vdivpd_zmm_k1z_zmm_zmmm512b64_er,
        ],
        Op::Min => [
            VEX_Vminps_ymm_ymm_ymmm256,
            VEX_Vminpd_ymm_ymm_ymmm256,
            EVEX_Vminps_zmm_k1z_zmm_zmmm512b32_sae,
            EVEX_Vminpd_zmm_k1z_zmm_zmmm512b64_sae,
        ],
        Op::Max => [
            VEX_Vmaxps_ymm_ymm_ymmm256,
            VEX_Vmaxpd_ymm_ymm_ymmm256,
            EVEX_Vmaxps_zmm_k1z_zmm_zmmm512b32_sae,
            EVEX_Vmaxpd_zmm_k1z_zmm_zmmm512b64_sae,
        ],
        Op::Scale => [
            INVALID,
            INVALID,
            EVEX_Vscalefps_zmm_k1z_zmm_zmmm512b32_er,
            EVEX_Vscalefpd_zmm_k1z_zmm_zmmm512b64_er,
        ],
        Op::IntAdd => [
            VEX_Vpaddd_ymm_ymm_ymmm256,
            VEX_Vpaddq_ymm_ymm_ymmm256,
            EVEX_Vpaddd_zmm_k1z_zmm_zmmm512b32,
            EVEX_Vpaddq_zmm_k1z_zmm_zmmm512b64,
        ],
        Op::IntSub => [
            VEX_Vpsubd_ymm_ymm_ymmm256,
            VEX_Vpsubq_ymm_ymm_ymmm256,
            EVEX_Vpsubd_zmm_k1z_zmm_zmmm512b32,
            EVEX_Vpsubq_zmm_k1z_zmm_zmmm512b64,
        ],
        Op::And => [
            VEX_Vandps_ymm_ymm_ymmm256,
            VEX_Vandpd_ymm_ymm_ymmm256,
            EVEX_Vpandd_zmm_k1z_zmm_zmmm512b32,
            EVEX_Vpandq_zmm_k1z_zmm_zmmm512b64,
        ],
        Op::Or => [
            VEX_Vorps_ymm_ymm_ymmm256,
            VEX_Vorpd_ymm_ymm_ymmm256,
            EVEX_Vpord_zmm_k1z_zmm_zmmm512b32,
            EVEX_Vporq_zmm_k1z_zmm_zmmm512b64,
        ],
        Op::Xor => [
            VEX_Vxorps_ymm_ymm_ymmm256,
            VEX_Vxorpd_ymm_ymm_ymmm256,
            EVEX_Vpxord_zmm_k1z_zmm_zmmm512b32,
            EVEX_Vpxorq_zmm_k1z_zmm_zmmm512b64,
        ],
        _ => return None,
    };
    Some(pick(isa, codes))
}

/// The instruction of an operation on one vector, and its immediate.
pub(super) fn unary(isa: Isa, op: Op) -> Option<(Code, Option<u8>)> {
    use Code::*;
    let (codes, immediate) = match op {
        Op::Sqrt => (
            [
                VEX_Vsqrtps_ymm_ymmm256,
                VEX_Vsqrtpd_ymm_ymmm256,
                EVEX_Vsqrtps_zmm_k1z_zmmm512b32_er,
                EVEX_Vsqrtpd_zmm_k1z_zmmm512b64_er,
            ],
            None,
        ),
        Op::Round(rounding) => (
            [
                VEX_Vroundps_ymm_ymmm256_imm8,
                VEX_Vroundpd_ymm_ymmm256_imm8,
                EVEX_Vrndscaleps_zmm_k1z_zmmm512b32_imm8_sae,
                EVEX_Vrndscalepd_zmm_k1z_zmmm512b64_imm8_sae,
            ],
            // Bit 3: no inexact exception.
            Some(match rounding {
                Rounding::Nearest => 8,
                Rounding::Floor => 9,
                Rounding::Truncate => 11,
            }),
        ),
        Op::IntToFloat => (
            [
                VEX_Vcvtdq2ps_ymm_ymmm256,
                INVALID,
                EVEX_Vcvtdq2ps_zmm_k1z_zmmm512b32_er,
                EVEX_Vcvtqq2pd_zmm_k1z_zmmm512b64_er,
            ],
            None,
        ),
        Op::FloatToInt => (
            [
                VEX_Vcvttps2dq_ymm_ymmm256,
                INVALID,
                EVEX_Vcvttps2dq_zmm_k1z_zmmm512b32_sae,
                EVEX_Vcvttpd2qq_zmm_k1z_zmmm512b64_sae,
            ],
            None,
        ),
        Op::Shift(shift, bits) => (shift_codes(shift), Some(bits)),
        _ => return None,
    };
    Some((pick(isa, codes), immediate))
}

fn shift_codes(shift: Shift) -> [Code; 4] {
    use Code::*;
    match shift {
        Shift::Left => [
            VEX_Vpslld_ymm_ymm_imm8,
            VEX_Vpsllq_ymm_ymm_imm8,
            EVEX_Vpslld_zmm_k1z_zmmm512b32_imm8,
            EVEX_Vpsllq_zmm_k1z_zmmm512b64_imm8,
        ],
        Shift::RightLogical => [
            VEX_Vpsrld_ymm_ymm_imm8,
            VEX_Vpsrlq_ymm_ymm_imm8,
            EVEX_Vpsrld_zmm_k1z_zmmm512b32_imm8,
            EVEX_Vpsrlq_zmm_k1z_zmmm512b64_imm8,
        ],
        Shift::RightArithmetic => [
            VEX_Vpsrad_ymm_ymm_imm8,
            INVALID,
            EVEX_Vpsrad_zmm_k1z_zmmm512b32_imm8,
            EVEX_Vpsraq_zmm_k1z_zmmm512b64_imm8,
        ],
    }
}

pub(super) fn compare(isa: Isa) -> Code {
    use Code::*;
    let codes = [
        VEX_Vcmpps_ymm_ymm_ymmm256_imm8,
        VEX_Vcmppd_ymm_ymm_ymmm256_imm8,
        EVEX_Vcmpps_kr_k1_zmm_zmmm512b32_imm8_sae,
        EVEX_Vcmppd_kr_k1_zmm_zmmm512b64_imm8_sae,
    ];
    pick(isa, codes)
}

/// The predicate of a comparison: none of them signals on quiet NaN.
pub(super) fn predicate(compare: Compare) -> u8 {
    match compare {
        Compare::Eq => 0x00,
        Compare::Ne => 0x04,
        Compare::Lt => 0x11,
        Compare::Le => 0x12,
        Compare::Unordered => 0x03,
    }
}

pub(super) fn greater(isa: Isa) -> Code {
    use Code::*;
    let codes = [
        VEX_Vpcmpgtd_ymm_ymm_ymmm256,
        VEX_Vpcmpgtq_ymm_ymm_ymmm256,
        EVEX_Vpcmpgtd_kr_k1_zmm_zmmm512b32,
        EVEX_Vpcmpgtq_kr_k1_zmm_zmmm512b64,
    ];
    pick(isa, codes)
}

pub(super) fn blend(isa: Isa) -> Code {
    use Code::*;
    let codes = [
        VEX_Vblendvps_ymm_ymm_ymmm256_ymm,
        VEX_Vblendvpd_ymm_ymm_ymmm256_ymm,
        EVEX_Vblendmps_zmm_k1z_zmm_zmmm512b32,
        EVEX_Vblendmpd_zmm_k1z_zmm_zmmm512b64,
    ];
    pick(isa, codes)
}

pub(super) fn load(isa: Isa) -> Code {
    use Code::*;
    let codes = [
        VEX_Vmovups_ymm_ymmm256,
        VEX_Vmovupd_ymm_ymmm256,
        EVEX_Vmovups_zmm_k1z_zmmm512,
        EVEX_Vmovupd_zmm_k1z_zmmm512,
    ];
    pick(isa, codes)
}

pub(super) fn store(isa: Isa) -> Code {
    use Code::*;
    let codes = [
        VEX_Vmovups_ymmm256_ymm,
        VEX_Vmovupd_ymmm256_ymm,
        EVEX_Vmovups_zmmm512_k1z_zmm,
        EVEX_Vmovupd_zmmm512_k1z_zmm,
    ];
    pick(isa, codes)
}

/// A register to a register.
pub(super) fn copy(isa: Isa) -> Code {
    use Code::*;
    let codes = [
        VEX_Vmovaps_ymm_ymmm256,
        VEX_Vmovapd_ymm_ymmm256,
        EVEX_Vmovaps_zmm_k1z_zmmm512,
        EVEX_Vmovapd_zmm_k1z_zmmm512,
    ];
    pick(isa, codes)
}

/// Lane 0 to memory.
pub(super) fn store_scalar(isa: Isa) -> Code {
    use Code::*;
    let codes =
        [VEX_Vmovss_m32_xmm, VEX_Vmovsd_m64_xmm, EVEX_Vmovss_m32_k1_xmm, EVEX_Vmovsd_m64_k1_xmm];
    pick(isa, codes)
}

/// A scalar in memory to all lanes.
pub(super) fn broadcast(isa: Isa) -> Code {
    use Code::*;
    let codes = [
        VEX_Vbroadcastss_ymm_m32,
        VEX_Vbroadcastsd_ymm_m64,
        EVEX_Vbroadcastss_zmm_k1z_xmmm32,
        EVEX_Vbroadcastsd_zmm_k1z_xmmm64,
    ];
    pick(isa, codes)
}

/// Lane 0 of an xmm register to all lanes.
pub(super) fn broadcast_register(isa: Isa) -> Code {
    use Code::*;
    let codes = [
        VEX_Vbroadcastss_ymm_xmm,
        VEX_Vbroadcastsd_ymm_xmm,
        EVEX_Vbroadcastss_zmm_k1z_xmmm32,
        EVEX_Vbroadcastsd_zmm_k1z_xmmm64,
    ];
    pick(isa, codes)
}

/// A general register to lane 0, as an integer of the lane's width.
pub(super) fn integer_to_lane(isa: Isa) -> Code {
    use Code::*;
    let codes = [VEX_Vmovd_xmm_rm32, VEX_Vmovq_xmm_rm64, EVEX_Vmovd_xmm_rm32, EVEX_Vmovq_xmm_rm64];
    pick(isa, codes)
}

/// A general register to lane 0, as a float.
pub(super) fn float_to_lane(isa: Isa) -> Code {
    use Code::*;
    let codes = [
        VEX_Vcvtsi2ss_xmm_xmm_rm64,
        VEX_Vcvtsi2sd_xmm_xmm_rm64,
        EVEX_Vcvtsi2ss_xmm_xmm_rm64_er,
        EVEX_Vcvtsi2sd_xmm_xmm_rm64_er,
    ];
    pick(isa, codes)
}

/// The lanes of a vector that have their sign bit set, to a general register.
pub(super) fn signs(isa: Isa) -> Code {
    let code = [
        Code::VEX_Vmovmskps_r32_ymm,
        Code::VEX_Vmovmskpd_r32_ymm,
        Code::VEX_Kmovw_r32_kr,
        Code::VEX_Kmovw_r32_kr,
    ];
    pick(isa, code)
}
