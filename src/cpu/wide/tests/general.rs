//! Instructions of general registers, and what surrounds a function: saved registers, jumps, aligned loops.

use super::super::ir::{Condition, Extent, Op};
use super::super::isa::Class;
use super::super::machine::{Base, Machine, Memory, Operand};
use super::encodings::{emitted, expect, read};
use super::isas;
use iced_x86::{Code, Decoder, DecoderOptions, Instruction, Mnemonic};

#[test]
fn general_registers() {
    let at = Operand::Register;
    let none = Operand::None;
    let (base, extent) = (Base::Scratch, Extent::Whole);
    let memory = Operand::Memory(Memory { base, offset: 72, extent });
    for isa in isas() {
        for (op, dst, args, expected) in [
            (Op::Argument(16), 9, [none; 3], "mov r9,[rdi+16]"),
            (Op::Scratch(56), 0, [none; 3], "mov rdi,[rdi+56]"),
            (Op::ScratchAddress, 3, [none; 3], "mov rbx,rdi"),
            (Op::Offset(-640), 12, [at(13), none, none], "lea r12,[r13-640]"),
            (Op::Index(1), 1, [at(2), at(8), none], "lea rcx,[rdx+r8*1+0]"),
            (Op::Index(8), 1, [at(13), at(2), none], "lea rcx,[r13+rdx*8+0]"),
            (Op::Difference, 1, [at(1), at(9), none], "sub rcx,r9"),
            (Op::Difference, 1, [at(2), at(9), none], "mov rcx,rdx;sub rcx,r9"),
            (Op::Difference, 1, [at(1), memory, none], "sub rcx,[rdi+72]"),
            (Op::Scaled(12), 1, [at(9), none, none], "imul rcx,r9,12"),
            (Op::Scaled(-1_000_000), 9, [at(9), none, none], "imul r9,r9,-1000000"),
            (Op::Right(3), 1, [at(1), none, none], "shr rcx,3"),
            (Op::Right(2), 1, [at(14), none, none], "mov rcx,r14;shr rcx,2"),
            (Op::AtMost(256), 1, [at(14), none, none], "mov ecx,256;cmp r14,rcx;cmovb rcx,r14"),
            (Op::Test, 0, [at(5), at(10), none], "cmp rbp,r10"),
            (Op::Test, 0, [at(5), memory, none], "cmp rbp,[rdi+72]"),
            (Op::TestConstant(1_000), 0, [at(15), none, none], "cmp r15,1000"),
            (Op::Return(0), 0, [at(2), none, none], "lea rax,[rdx+rdx*1+0];vzeroupper;ret"),
            (Op::Return(1), 0, [at(2), none, none], "lea rax,[rdx+rdx*1+1];vzeroupper;ret"),
        ] {
            expect(isa, Machine::Op { op, dst, args }, expected);
        }
    }
}

#[test]
fn registers_are_saved_and_restored() {
    let args = [Operand::Register(2), Operand::None, Operand::None];
    let code = vec![Machine::Op { op: Op::Return(0), dst: 0, args }];
    for isa in isas() {
        // Of all sixteen, those that belong to the caller, the stack pointer excepted.
        let bytes = emitted(isa, code.clone(), 0xffff);
        let expected = "push rbx;push rbp;push r12;push r13;push r14;push r15;lea rax,[rdx+rdx*1+0];vzeroupper;\
                        pop r15;pop r14;pop r13;pop r12;pop rbp;pop rbx;ret";
        let expected: Vec<&str> = expected.split(';').collect();
        assert_eq!(read(isa, &bytes, expected.len()), expected);
        let bytes = emitted(isa, code.clone(), 1 << 12 | 1 << 11);
        let expected = ["push r12", "lea rax,[rdx+rdx*1+0]", "vzeroupper", "pop r12", "ret"];
        assert_eq!(read(isa, &bytes, 5), expected);
    }
}

#[test]
fn jumps_reach_their_labels_and_loops_are_aligned() {
    for isa in isas() {
        for before in 0..40 {
            let mut code = vec![Machine::Immediate { dst: 1, value: 1 }];
            code.extend((0..before).map(|k| Machine::Move {
                class: Class::General,
                dst: k % 8,
                src: 9,
            }));
            code.extend([
                Machine::JumpUnless { label: 1, when: Condition::Below },
                Machine::JumpUnless { label: 1, when: Condition::NotEqual },
                Machine::Label { label: 0, is_loop: true },
                Machine::Zero { dst: 3 },
                Machine::Jump { label: 0, when: Condition::Below },
                Machine::Jump { label: 0, when: Condition::NotEqual },
                Machine::Label { label: 1, is_loop: false },
                Machine::Immediate { dst: 2, value: 2 },
            ]);
            let bytes = emitted(isa, code, 0);
            let (start, len) = (5 + 3 * usize::from(before), 6);
            let head = (start + 2 * len).next_multiple_of(32);
            let end = head + 4 + 2 * len;
            let lines = read(isa, &bytes[..end + 5], usize::from(before) + 3);
            let ways = [format!("jae @{end}"), format!("je @{end}")];
            assert_eq!(lines[usize::from(before) + 1..], ways);
            let mut padding = Decoder::with_ip(64, &bytes[..head], 0, DecoderOptions::NONE);
            padding.set_position(start + 2 * len).expect("it is inside");
            while padding.can_decode() {
                assert_eq!(padding.decode().mnemonic(), Mnemonic::Nop, "before {before}");
            }
            let mut body = Decoder::with_ip(64, &bytes, 0, DecoderOptions::NONE);
            body.set_position(head).expect("it is inside");
            body.set_ip(head as u64);
            let body: Vec<Instruction> = (0..4).map(|_| body.decode()).collect();
            assert_eq!(body[0].code(), Code::VEX_Vxorps_xmm_xmm_xmmm128);
            assert_eq!((body[1].mnemonic(), body[1].near_branch64()), (Mnemonic::Jb, head as u64));
            assert_eq!((body[2].mnemonic(), body[2].near_branch64()), (Mnemonic::Jne, head as u64));
            assert_eq!((body[3].mnemonic(), body[3].ip()), (Mnemonic::Mov, end as u64));
        }
    }
}
