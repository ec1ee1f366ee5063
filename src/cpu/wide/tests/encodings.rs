//! Every form of instruction that is emitted, read back by a decoder: what it is, with which operands, and that the decoder's
//! reading encodes to the same bytes.
//!
//! What is expected is written as the instruction set's manual writes it. In it `%` stands for `ps` or `pd`, `$` for `ss` or
//! `sd`, `#` for `d` or `q`; `{d}`, `{a}`, `{b}`, `{c}` for the operands' vectors, `{x:d}` for the xmm register of one.

use super::super::encode::Blob;
use super::super::ir::{Extent, Op, Rounding};
use super::super::isa::{Class, Isa, Level};
use super::super::machine::{Base, Machine, Memory, Operand};
use super::super::regalloc::Allocated;
use super::isas;
use crate::dtype::Float;
use crate::loops::program::{Compare, Shift};
use iced_x86::{Decoder, DecoderOptions, Encoder, Instruction, Mnemonic, OpKind, Register};

const GENERAL: [&str; 16] = [
    "rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13",
    "r14", "r15",
];

/// Every operation that is an instruction of vectors or masks with plain operands, with its form at a width.
fn form(isa: Isa, op: Op) -> Option<&'static str> {
    let wide = isa.level == Level::Avx512;
    let either = |narrow: &'static str, other: &'static str| if wide { other } else { narrow };
    let double = isa.float == Float::F64;
    let by_float = |f32: &'static str, f64: &'static str| if double { f64 } else { f32 };
    Some(match op {
        Op::Add => "vadd% {d},{a},{b}",
        Op::Sub => "vsub% {d},{a},{b}",
        Op::Mul => "vmul% {d},{a},{b}",
        Op::Div => "vdiv% {d},{a},{b}",
        Op::Min => "vmin% {d},{a},{b}",
        Op::Max => "vmax% {d},{a},{b}",
        Op::Scale if wide => "vscalef% {d},{a},{b}",
        Op::IntAdd => "vpadd# {d},{a},{b}",
        Op::IntSub => "vpsub# {d},{a},{b}",
        Op::And => either("vand% {d},{a},{b}", "vpand# {d},{a},{b}"),
        Op::Or => either("vor% {d},{a},{b}", "vpor# {d},{a},{b}"),
        Op::Xor => either("vxor% {d},{a},{b}", "vpxor# {d},{a},{b}"),
        Op::Sqrt => "vsqrt% {d},{a}",
        Op::Round(Rounding::Nearest) => either("vround% {d},{a},8", "vrndscale% {d},{a},8"),
        Op::Round(Rounding::Floor) => either("vround% {d},{a},9", "vrndscale% {d},{a},9"),
        Op::Round(Rounding::Truncate) => either("vround% {d},{a},11", "vrndscale% {d},{a},11"),
        Op::Shift(Shift::Left, 7) => "vpsll# {d},{a},7",
        Op::Shift(Shift::RightLogical, 7) => "vpsrl# {d},{a},7",
        Op::Shift(Shift::RightArithmetic, 7) if wide || !double => "vpsra# {d},{a},7",
        Op::IntToFloat if wide || !double => by_float("vcvtdq2ps {d},{a}", "vcvtqq2pd {d},{a}"),
        Op::FloatToInt if wide || !double => by_float("vcvttps2dq {d},{a}", "vcvttpd2qq {d},{a}"),
        Op::Compare(Compare::Eq) => "vcmp% {k:d},{a},{b},0",
        Op::Compare(Compare::Ne) => "vcmp% {k:d},{a},{b},4",
        Op::Compare(Compare::Lt) => "vcmp% {k:d},{a},{b},17",
        Op::Compare(Compare::Le) => "vcmp% {k:d},{a},{b},18",
        Op::Compare(Compare::Unordered) => "vcmp% {k:d},{a},{b},3",
        Op::Greater => "vpcmpgt# {k:d},{a},{b}",
        Op::Blend => either("vblendv% {d},{c},{b},{a}", "vblendm% {d}{{{k:a}}},{c},{b}"),
        Op::MaskAnd => either("vandps {d},{a},{b}", "kandw {k:d},{k:a},{k:b}"),
        Op::MaskOr => either("vorps {d},{a},{b}", "korw {k:d},{k:a},{k:b}"),
        Op::MaskXor => either("vxorps {d},{a},{b}", "kxorw {k:d},{k:a},{k:b}"),
        Op::Any => either("vmovmsk% {e:d},{a}", "kmovw {e:d},{k:a}"),
        Op::SplatFloat => "vcvtsi2$ {x:d},{x:d},{r:a};vbroadcast$ {d},{x:d}",
        Op::SplatInt => by_float(
            "vmovd {x:d},{e:a};vbroadcast$ {d},{x:d}",
            "vmovq {x:d},{r:a};vbroadcast$ {d},{x:d}",
        ),
        // Of general registers, and what has its own kind of machine instruction.
        _ => return None,
    })
}

/// The operations that `form` knows.
fn operations() -> Vec<Op> {
    use Compare::{Eq, Le, Lt, Ne, Unordered};
    let mut all = vec![
        Op::Add,
        Op::Sub,
        Op::Mul,
        Op::Div,
        Op::Min,
        Op::Max,
        Op::Scale,
        Op::IntAdd,
        Op::IntSub,
        Op::And,
        Op::Or,
        Op::Xor,
        Op::Sqrt,
        Op::IntToFloat,
        Op::FloatToInt,
        Op::Greater,
        Op::Blend,
        Op::MaskAnd,
        Op::MaskOr,
        Op::MaskXor,
        Op::Any,
        Op::SplatFloat,
        Op::SplatInt,
    ];
    all.extend([Rounding::Nearest, Rounding::Floor, Rounding::Truncate].map(Op::Round));
    all.extend([Eq, Ne, Lt, Le, Unordered].map(Op::Compare));
    let shifts = [Shift::Left, Shift::RightLogical, Shift::RightArithmetic];
    all.extend(shifts.map(|shift| Op::Shift(shift, 7)));
    all
}

/// Which operand may be memory.
fn folded(op: Op) -> Option<usize> {
    match op {
        Op::Sqrt | Op::Round(_) | Op::IntToFloat | Op::FloatToInt => Some(0),
        Op::Any | Op::SplatFloat | Op::SplatInt | Op::Shift(..) => None,
        Op::MaskAnd | Op::MaskOr | Op::MaskXor => None,
        _ => Some(1),
    }
}

/// The text that a form stands for.
fn text(isa: Isa, form: &str, dst: u8, args: &[String; 3], numbers: [u8; 3]) -> String {
    let double = isa.float == Float::F64;
    let pick = |f32: &'static str, f64: &'static str| if double { f64 } else { f32 };
    let mut text = form.replace('%', pick("ps", "pd"));
    text = text.replace('$', pick("ss", "sd")).replace('#', pick("d", "q"));
    let registers = [("d", dst), ("a", numbers[0]), ("b", numbers[1]), ("c", numbers[2])];
    for (name, number) in registers {
        let n = usize::from(number);
        let mask = match isa.level {
            Level::Avx2 => vector(isa, number),
            Level::Avx512 => format!("k{number}"),
        };
        let general = GENERAL.get(n).copied().unwrap_or_default();
        let low = match general.strip_prefix('r') {
            Some(rest) if n < 8 => format!("e{rest}"),
            _ => format!("{general}d"),
        };
        text = text.replace(&format!("{{k:{name}}}"), &mask);
        text = text.replace(&format!("{{x:{name}}}"), &format!("xmm{number}"));
        text = text.replace(&format!("{{r:{name}}}"), general);
        text = text.replace(&format!("{{e:{name}}}"), &low);
    }
    text = text.replace("{d}", &vector(isa, dst));
    for (name, arg) in ["{a}", "{b}", "{c}"].iter().zip(args) {
        text = text.replace(name, arg);
    }
    text.replace("{{", "{").replace("}}", "}")
}

fn vector(isa: Isa, number: u8) -> String {
    match isa.level {
        Level::Avx2 => format!("ymm{number}"),
        Level::Avx512 => format!("zmm{number}"),
    }
}

/// Registers of operands, low ones and such that need the prefixes' other bits.
fn numbers(isa: Isa) -> Vec<[u8; 4]> {
    let mut all = vec![[1, 2, 3, 4], [5, 5, 5, 5], [7, 6, 1, 2]];
    all.push([9, 10, 11, 15]);
    all.push([3, 12, 4, 8]);
    if isa.level == Level::Avx512 {
        all.extend([[17, 2, 31, 16], [1, 24, 9, 30], [31, 15, 16, 8]]);
    }
    all
}

/// Memory operands, with their text: whole vectors, and where the instruction set has it one scalar for all lanes.
fn memories(isa: Isa) -> Vec<(Memory, String)> {
    let mut all = Vec::new();
    let mut extents = vec![(Extent::Whole, "")];
    if isa.level == Level::Avx512 {
        extents.push((Extent::Splat, "{bcst}"));
    }
    for (extent, mark) in extents {
        for base in [0, 3, 5, 12, 13, 15] {
            for offset in [0, 4, 64, -128, 8_128, 8_192, 1 << 20] {
                let memory = Memory { base: Base::Register(base), offset, extent };
                all.push((memory, format!("[{}{offset:+}]{mark}", GENERAL[usize::from(base)])));
            }
        }
        all.push((Memory { base: Base::Scratch, offset: 192, extent }, format!("[rdi+192]{mark}")));
    }
    let (bits, seven) = match isa.float {
        Float::F32 => (u64::from(1.5f32.to_bits()), 7),
        Float::F64 => (1.5f64.to_bits(), 7),
    };
    let constant = |base, extent| Memory { base, offset: 0, extent };
    let size = isa.float.bytes();
    let lane = |bits: u64| bits.to_le_bytes()[..size].to_vec();
    let whole = lane(bits).repeat(isa.lanes());
    let place = match isa.level {
        Level::Avx2 => format!("[={whole:?}]"),
        Level::Avx512 => format!("[={:?}]{{bcst}}", lane(bits)),
    };
    all.push((constant(Base::Constant(bits), Extent::Splat), place));
    let counted: Vec<u8> = (seven..).take(isa.lanes()).flat_map(lane).collect();
    all.push((constant(Base::Lanes(7), Extent::Whole), format!("[={counted:?}]")));
    all
}

/// A function of some machine instructions as it is emitted, and the registers that it writes.
pub(super) fn emitted(isa: Isa, code: Vec<Machine>, written: u16) -> Vec<u8> {
    let mut blob = Blob::new(isa);
    let allocated = Allocated { code, scratch: 0, written };
    assert_eq!(blob.function(&allocated), Ok(0), "{:?}", allocated.code);
    let len = blob.len();
    let bytes = blob.finish();
    assert_eq!(bytes.len(), len, "what is compared with the limit");
    bytes
}

/// Read `count` instructions back, as text.
pub(super) fn read(isa: Isa, bytes: &[u8], count: usize) -> Vec<String> {
    let mut decoder = Decoder::with_ip(64, bytes, 0, DecoderOptions::NONE);
    let mut lines = Vec::new();
    for _ in 0..count {
        let at = decoder.position();
        let instruction = decoder.decode();
        assert!(!instruction.is_invalid(), "{isa:?}: {:x?} after {lines:?}", &bytes[at..]);
        let mut encoder = Encoder::new(64);
        let len = encoder.encode(&instruction, at as u64).expect("it was decoded");
        assert_eq!(encoder.take_buffer(), &bytes[at..at + len], "{isa:?}: {instruction}");
        lines.push(written(isa, bytes, &instruction));
    }
    lines
}

/// An instruction as the forms write it.
fn written(isa: Isa, bytes: &[u8], instruction: &Instruction) -> String {
    let mnemonic = format!("{:?}", instruction.mnemonic()).to_lowercase();
    let name = |register: Register| format!("{register:?}").to_lowercase();
    let operand = |k: u32| match instruction.op_kind(k) {
        OpKind::Register => {
            let mask = instruction.op_mask();
            let masked = k == 0 && mask != Register::None;
            let mark = if masked { format!("{{{}}}", name(mask)) } else { String::new() };
            name(instruction.op_register(k)) + &mark
        }
        OpKind::Memory => {
            let mark = if instruction.is_broadcast() { "{bcst}" } else { "" };
            if instruction.memory_base() == Register::RIP {
                let at = instruction.memory_displacement64() as usize;
                let broadcast = instruction.is_broadcast()
                    || matches!(
                        instruction.mnemonic(),
                        Mnemonic::Vbroadcastss | Mnemonic::Vbroadcastsd
                    );
                let len = if broadcast { isa.float.bytes() } else { isa.bytes() };
                return format!("[={:?}]{mark}", &bytes[at..at + len]);
            }
            let index = match instruction.memory_index() {
                Register::None => String::new(),
                index => format!("+{}*{}", name(index), instruction.memory_index_scale()),
            };
            let offset = instruction.memory_displacement64().cast_signed();
            format!("[{}{index}{offset:+}]{mark}", name(instruction.memory_base()))
        }
        OpKind::NearBranch64 => format!("@{}", instruction.near_branch64()),
        _ => instruction.immediate(k).cast_signed().to_string(),
    };
    let operands: Vec<String> = (0..instruction.op_count()).map(operand).collect();
    format!("{mnemonic} {}", operands.join(",")).trim_end().to_owned()
}

/// What is emitted for one machine instruction is what is expected, instructions being parted by `;`.
pub(super) fn expect(isa: Isa, machine: Machine, expected: &str) {
    let expected: Vec<&str> = expected.split(';').collect();
    let bytes = emitted(isa, vec![machine], 0);
    assert_eq!(read(isa, &bytes, expected.len()), expected, "{isa:?}, {machine:?}");
    // Nothing follows but what fills up to the constants.
    let len = decoded_len(&bytes, expected.len());
    let code = len.next_multiple_of(64).min(bytes.len());
    assert!(bytes[len..code].iter().all(|b| *b == 0xcc), "{isa:?}, {machine:?}: {bytes:x?}");
}

fn decoded_len(bytes: &[u8], count: usize) -> usize {
    let mut decoder = Decoder::with_ip(64, bytes, 0, DecoderOptions::NONE);
    let last = decoder.iter().take(count).last();
    last.map_or(0, |instruction| instruction.next_ip() as usize)
}

#[test]
fn operations_on_registers() {
    for isa in isas() {
        let mut seen = 0;
        for op in operations() {
            let Some(form) = form(isa, op) else { continue };
            for [dst, a, b, c] in numbers(isa) {
                // There are eight mask registers and sixteen general ones.
                let most = match isa.level {
                    Level::Avx512 if form.contains("{k:") => 7,
                    _ if form.contains("{r:") || form.contains("{e:") => 15,
                    _ => 31,
                };
                let [dst, a, b, c] = [dst, a, b, c].map(|n| n.min(most));
                let args = [a, b, c].map(Operand::Register);
                let names = [a, b, c].map(|n| vector(isa, n));
                expect(
                    isa,
                    Machine::Op { op, dst, args },
                    &text(isa, form, dst, &names, [a, b, c]),
                );
                seen += 1;
            }
        }
        assert!(seen > 100, "{isa:?}: {seen}");
    }
}

#[test]
fn operations_on_memory() {
    for isa in isas() {
        for op in operations() {
            let (Some(form), Some(place)) = (form(isa, op), folded(op)) else { continue };
            for (memory, name) in memories(isa) {
                let numbers = [2, 3, 4];
                let mut args = numbers.map(Operand::Register);
                args[place] = Operand::Memory(memory);
                let mut names = numbers.map(|n| vector(isa, n));
                names[place] = name;
                expect(isa, Machine::Op { op, dst: 1, args }, &text(isa, form, 1, &names, numbers));
                // Operations that commute may have it first.
                if matches!(op, Op::Add | Op::Mul | Op::IntAdd | Op::And | Op::Or | Op::Xor) {
                    args.swap(0, 1);
                    let machine = Machine::Op { op, dst: 1, args };
                    expect(isa, machine, &text(isa, form, 1, &names, numbers));
                }
            }
        }
    }
}

#[test]
fn fused_multiply_adds() {
    for isa in isas() {
        for (negated, name) in [(false, "vfmadd"), (true, "vfnmadd")] {
            let check =
                |args: [Operand; 3], form: &str, dst: u8, numbers: [u8; 3], memory: &str| {
                    let names = numbers.map(|n| vector(isa, n));
                    let form = format!("{name}{}", form.replace("{m}", memory));
                    let machine = Machine::Op { op: Op::Fma { negated }, dst, args };
                    expect(isa, machine, &text(isa, &form, dst, &names, numbers));
                };
            let at = Operand::Register;
            for [d, a, b, _] in numbers(isa) {
                if d == a {
                    continue;
                }
                // a * b + d, d * b + a, b * d + a.
                check([at(a), at(b), at(d)], "231% {d},{a},{b}", d, [a, b, d], "");
                check([at(d), at(b), at(a)], "213% {d},{b},{c}", d, [d, b, a], "");
                check([at(b), at(d), at(a)], "213% {d},{a},{c}", d, [b, d, a], "");
                // d * b + d, a square of d with a, and of a with d.
                check([at(d), at(b), at(d)], "231% {d},{a},{b}", d, [d, b, d], "");
                check([at(d), at(d), at(a)], "213% {d},{b},{c}", d, [d, d, a], "");
                check([at(a), at(a), at(d)], "231% {d},{a},{b}", d, [a, a, d], "");
            }
            for (memory, name) in memories(isa) {
                let m = Operand::Memory(memory);
                check([m, at(3), at(1)], "231% {d},{b},{m}", 1, [0, 3, 1], &name);
                check([at(3), m, at(1)], "231% {d},{a},{m}", 1, [3, 0, 1], &name);
                check([at(1), m, at(3)], "132% {d},{c},{m}", 1, [1, 0, 3], &name);
                check([m, at(1), at(3)], "132% {d},{c},{m}", 1, [0, 1, 3], &name);
                check([at(1), at(3), m], "213% {d},{b},{m}", 1, [1, 3, 0], &name);
                check([at(3), at(1), m], "213% {d},{a},{m}", 1, [3, 1, 0], &name);
            }
        }
    }
}

#[test]
fn loads_stores_and_moves() {
    for isa in isas() {
        let wide = isa.level == Level::Avx512;
        let check = |machine: Machine, form: &str, dst: u8, memory: &str| {
            let form = form.replace("{m}", memory);
            let other = if form.contains("{r:") { 13 } else { 6 };
            let names = [other; 3].map(|n| vector(isa, n));
            expect(isa, machine, &text(isa, &form, dst, &names, [other; 3]));
        };
        for (memory, name) in memories(isa) {
            let is_constant = matches!(memory.base, Base::Constant(_));
            let name = name.replace("{bcst}", "");
            for dst in numbers(isa).concat() {
                let form = match memory.extent {
                    // Constants of the narrow set are whole vectors.
                    Extent::Splat if wide || !is_constant => "vbroadcast$ {d},{m}",
                    _ => "vmovu% {d},{m}",
                };
                check(Machine::Load { class: Class::Vector, dst, from: memory }, form, dst, &name);
            }
            if is_constant || matches!(memory.base, Base::Lanes(_)) {
                continue;
            }
            let whole = Memory { extent: Extent::Whole, ..memory };
            for src in numbers(isa).concat() {
                let store =
                    |extent| Machine::Store { class: Class::Vector, src, to: whole, extent };
                check(store(Extent::Whole), "vmovu% {m},{d}", src, &name);
                check(store(Extent::Splat), "vmov$ {m},{x:d}", src, &name);
            }
            let (class, from, to, extent) = (Class::General, whole, whole, Extent::Whole);
            check(Machine::Load { class, dst: 9, from }, "mov {r:d},{m}", 9, &name);
            check(Machine::Store { class, src: 9, to, extent }, "mov {m},{r:d}", 9, &name);
            if wide {
                let class = Class::Mask;
                check(Machine::Load { class, dst: 5, from }, "kmovw {k:d},{m}", 5, &name);
                check(Machine::Store { class, src: 5, to, extent }, "kmovw {m},{k:d}", 5, &name);
            }
        }
        // One scalar for all lanes, which is no operand of the narrow set's arithmetic.
        let splat = Memory { base: Base::Register(3), offset: 8, extent: Extent::Splat };
        let load = Machine::Load { class: Class::Vector, dst: 2, from: splat };
        check(load, "vbroadcast$ {d},{m}", 2, "[rbx+8]");
        for dst in numbers(isa).concat() {
            check(Machine::Move { class: Class::Vector, dst, src: 6 }, "vmova% {d},{a}", dst, "");
            let zero = if dst < 16 { "vxorps {x:d},{x:d},{x:d}" } else { "vpxord {d},{d},{d}" };
            check(Machine::Zero { dst }, zero, dst, "");
        }
        check(Machine::Move { class: Class::General, dst: 3, src: 13 }, "mov {r:d},{r:a}", 3, "");
        for (dst, name) in [(3, "ebx"), (13, "r13d")] {
            expect(isa, Machine::Immediate { dst, value: 77 }, &format!("mov {name},77"));
        }
        if wide {
            expect(isa, Machine::Move { class: Class::Mask, dst: 3, src: 6 }, "kmovw k3,k6");
        }
    }
}
