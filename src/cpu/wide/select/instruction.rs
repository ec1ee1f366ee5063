//! The vector instructions of one scalar instruction.

use super::super::ir::{Home, Op, Rounding, Virtual};
use super::super::isa::{Class, Level};
use super::{Instance, Select, range};
use crate::dtype::Float;
use crate::loops::program::{Binary, Compare, Inst, Shift, Unary, Value};

/// 1.5 * 2^23 and 1.5 * 2^52: adding it to a small integer leaves that integer in the low bits.
const MAGIC_F32: f64 = 12_582_912.0;
const MAGIC_F64: f64 = 6_755_399_441_055_744.0;

impl Select<'_> {
    /// One instance of a value; into `target` if that is given.
    pub(super) fn instruction(
        &mut self,
        value: Value,
        at: Instance,
        target: Option<Virtual>,
    ) -> Virtual {
        let program = self.program;
        let class = self.class(value);
        let arg = |this: &Self, v: &Value| this.at(*v, at);
        if let Some(clamped) = self.clamps.get(&value) {
            let clamped = self.at(*clamped, at);
            return self.kept(clamped, target);
        }
        let (op, args): (Op, [Option<Virtual>; 3]) = match &program.value(value).inst {
            Inst::Float(c) => {
                let home = self.float(*c);
                return self.kept(home, target);
            }
            Inst::Int(c) => {
                let home = self.int(*c);
                return self.kept(home, target);
            }
            Inst::Load(array, index) => {
                let loaded = self.load(*array, index, at);
                return self.kept(loaded, target);
            }
            Inst::Counter(id) => {
                let mut counter = self.counters[id];
                if Some(*id) == self.component && at.component > 0 {
                    let ahead = Op::Offset(at.component as i32);
                    counter = self.f.emit(Class::General, ahead, &[counter]);
                }
                (Op::SplatFloat, [Some(counter), None, None])
            }
            Inst::Unary(op, a) => {
                let a = arg(self, a);
                return self.unary(*op, a, target);
            }
            Inst::Binary(Binary::ScaleExp2, a, n) => {
                let sure = match program.value(*n).inst {
                    // NaN and infinity mean what they should there.
                    Inst::Unary(_, clamp) if self.clamps.contains_key(&clamp) => true,
                    _ => range::is_finite_or_nan(program, *n),
                };
                let (a, n) = (arg(self, a), arg(self, n));
                return self.scale(a, n, sure, target);
            }
            Inst::Binary(op, a, b) => {
                let op = if class == Class::Mask { mask_op(*op) } else { vector_op(*op) };
                (op, [Some(arg(self, a)), Some(arg(self, b)), None])
            }
            Inst::Shift(op, a, bits) => {
                let a = arg(self, a);
                return self.shift(*op, a, *bits, target);
            }
            Inst::Fma(a, b, c) => {
                let args = [arg(self, a), arg(self, b), arg(self, c)].map(Some);
                (Op::Fma { negated: false }, args)
            }
            Inst::FmaNeg(a, b, c) => {
                let args = [arg(self, a), arg(self, b), arg(self, c)].map(Some);
                (Op::Fma { negated: true }, args)
            }
            Inst::Compare(op, a, b) => {
                (Op::Compare(*op), [Some(arg(self, a)), Some(arg(self, b)), None])
            }
            Inst::Select(mask, a, b) => {
                (Op::Blend, [arg(self, mask), arg(self, a), arg(self, b)].map(Some))
            }
            Inst::Call(..) => {
                let message = "a transcendental function is not expanded";
                self.refusal.get_or_insert(message.to_owned());
                return self.float(0.0);
            }
            Inst::Bound => unreachable!("bound values are defined by their structure"),
        };
        let args: Vec<Virtual> = args.into_iter().flatten().collect();
        self.result(class, op, &args, target)
    }

    /// An instruction into `target` or a fresh register.
    fn result(
        &mut self,
        class: Class,
        op: Op,
        args: &[Virtual],
        target: Option<Virtual>,
    ) -> Virtual {
        let dst = target.unwrap_or_else(|| self.f.fresh(class));
        self.f.define(dst, op, args);
        dst
    }

    fn vector(&mut self, op: Op, args: &[Virtual]) -> Virtual {
        self.f.emit(Class::Vector, op, args)
    }

    /// A register as it is, or copied to `target`.
    fn kept(&mut self, register: Virtual, target: Option<Virtual>) -> Virtual {
        match target {
            Some(target) => {
                self.f.define(target, Op::Copy, &[register]);
                target
            }
            None => register,
        }
    }

    /// A float in all lanes.
    pub(in super::super) fn float(&mut self, value: f64) -> Virtual {
        let bits = match self.isa.float {
            Float::F32 => u64::from((value as f32).to_bits()),
            Float::F64 => value.to_bits(),
        };
        self.home(Home::Constant(bits))
    }

    /// An integer in all lanes.
    fn int(&mut self, value: i64) -> Virtual {
        let bits = match self.isa.float {
            Float::F32 => u64::from(value as u32),
            Float::F64 => value as u64,
        };
        self.home(Home::Constant(bits))
    }

    fn unary(&mut self, op: Unary, a: Virtual, target: Option<Virtual>) -> Virtual {
        let (f32, wide) = (self.isa.float == Float::F32, self.isa.level == Level::Avx512);
        let sign = match self.isa.float {
            Float::F32 => i64::from(i32::MIN),
            Float::F64 => i64::MIN,
        };
        match op {
            Unary::Neg => {
                let sign = self.int(sign);
                self.result(Class::Vector, Op::Xor, &[a, sign], target)
            }
            Unary::Abs => {
                let rest = self.int(!sign);
                self.result(Class::Vector, Op::And, &[a, rest], target)
            }
            Unary::Sqrt => self.result(Class::Vector, Op::Sqrt, &[a], target),
            Unary::Floor => self.result(Class::Vector, Op::Round(Rounding::Floor), &[a], target),
            Unary::Nearest => {
                self.result(Class::Vector, Op::Round(Rounding::Nearest), &[a], target)
            }
            Unary::ToBits | Unary::FromBits => self.kept(a, target),
            Unary::IntToFloat if f32 || wide => {
                self.result(Class::Vector, Op::IntToFloat, &[a], target)
            }
            Unary::IntToFloat => {
                // |a| <= 2^51: add it to the bits of 1.5*2^52 and subtract that as a float; both are exact.
                let bits = self.int(MAGIC_F64.to_bits() as i64);
                let sum = self.vector(Op::IntAdd, &[a, bits]);
                let magic = self.float(MAGIC_F64);
                self.result(Class::Vector, Op::Sub, &[sum, magic], target)
            }
            Unary::FloatToInt if f32 || wide => {
                self.result(Class::Vector, Op::FloatToInt, &[a], target)
            }
            Unary::FloatToInt => {
                let whole = self.vector(Op::Round(Rounding::Truncate), &[a]);
                let magic = self.float(MAGIC_F64);
                let sum = self.vector(Op::Add, &[whole, magic]);
                let bits = self.int(MAGIC_F64.to_bits() as i64);
                self.result(Class::Vector, Op::IntSub, &[sum, bits], target)
            }
        }
    }

    fn shift(&mut self, op: Shift, a: Virtual, bits: u8, target: Option<Virtual>) -> Virtual {
        let narrow = self.isa.level == Level::Avx2 && self.isa.float == Float::F64;
        if op != Shift::RightArithmetic || !narrow {
            return self.result(Class::Vector, Op::Shift(op, bits), &[a], target);
        }
        // AVX2 has no such shift of 64-bit lanes: shift a + 2^63 and take away what became of 2^63.
        let top = self.int(i64::MIN);
        let flipped = self.vector(Op::Xor, &[a, top]);
        let shifted = self.vector(Op::Shift(Shift::RightLogical, bits), &[flipped]);
        let offset = self.int((i64::MIN as u64 >> bits) as i64);
        self.result(Class::Vector, Op::IntSub, &[shifted, offset], target)
    }

    /// `a * 2^n`; `sure` if `n` is finite or NaN.
    fn scale(&mut self, a: Virtual, n: Virtual, sure: bool, target: Option<Virtual>) -> Virtual {
        if self.isa.level == Level::Avx2 {
            return self.scale_by_halves(a, n, target);
        }
        if sure {
            return self.result(Class::Vector, Op::Scale, &[a, n], target);
        }
        // NaN scaled by infinity is not NaN to the instruction.
        let scaled = self.vector(Op::Scale, &[a, n]);
        let nan = self.f.emit(Class::Mask, Op::Compare(Compare::Unordered), &[a, a]);
        self.result(Class::Vector, Op::Blend, &[nan, a, scaled], target)
    }

    /// By two powers of two whose exponents differ by at most 1: the first product is exact (or the result is 0), the second
    /// rounds.
    fn scale_by_halves(&mut self, a: Virtual, n: Virtual, target: Option<Virtual>) -> Virtual {
        let (magic, bias, digits) = match self.isa.float {
            Float::F32 => (MAGIC_F32, 127, 23),
            Float::F64 => (MAGIC_F64, 1023, 52),
        };
        // With twice the bias added the low bits hold a positive integer, whose halves, rounded down and up, are the exponent fields.
        let origin = self.float(magic + f64::from(2 * bias));
        let sum = self.vector(Op::Add, &[n, origin]);
        let half = self.vector(Op::Shift(Shift::RightLogical, 1), &[sum]);
        let rest = self.vector(Op::IntSub, &[sum, half]);
        let power = self.vector(Op::Shift(Shift::Left, digits), &[half]);
        let product = self.vector(Op::Mul, &[a, power]);
        let power = self.vector(Op::Shift(Shift::Left, digits), &[rest]);
        self.result(Class::Vector, Op::Mul, &[product, power], target)
    }

    /// A mask of the lanes whose number, from `first` on, is below a general register.
    pub(in super::super) fn below(&mut self, limit: Virtual, first: usize) -> Virtual {
        let limit = self.vector(Op::SplatInt, &[limit]);
        let lanes = self.home(Home::Lanes(first as u32));
        let class = self.isa.mask_class();
        self.f.emit(class, Op::Greater, &[limit, lanes])
    }
}

fn vector_op(op: Binary) -> Op {
    match op {
        Binary::Add => Op::Add,
        Binary::Sub => Op::Sub,
        Binary::Mul => Op::Mul,
        Binary::Div => Op::Div,
        Binary::Min => Op::Min,
        Binary::Max => Op::Max,
        Binary::IntAdd => Op::IntAdd,
        Binary::IntSub => Op::IntSub,
        Binary::And => Op::And,
        Binary::Or => Op::Or,
        Binary::Xor => Op::Xor,
        Binary::ScaleExp2 => Op::Scale,
    }
}

fn mask_op(op: Binary) -> Op {
    match op {
        Binary::And => Op::MaskAnd,
        Binary::Or => Op::MaskOr,
        _ => Op::MaskXor,
    }
}
