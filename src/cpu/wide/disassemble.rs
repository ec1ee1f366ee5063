//! Machine code as text, for `explain`.

use crate::cpu::Code;
use iced_x86::{Decoder, DecoderOptions, FlowControl, Formatter, Instruction, IntelFormatter};
use std::collections::HashSet;
use std::fmt::Write;

/// Names of the stages in the order of [`Code::entries`].
const STAGES: [&str; 6] = ["param", "row", "col", "pair", "merge", "finish"];

/// The code of every stage in Intel syntax, jump targets marked.
pub fn disassembly(code: &Code) -> String {
    let mut text = String::new();
    for (name, entry) in STAGES.iter().zip(code.entries) {
        if let Some(entry) = entry {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{name}:");
            stage(&code.bytes, entry as usize, &mut text);
        }
    }
    text
}

/// The instructions from an entry to the return that no jump goes beyond.
fn stage(bytes: &[u8], entry: usize, text: &mut String) {
    let mut decoder = Decoder::with_ip(64, &bytes[entry..], entry as u64, DecoderOptions::NONE);
    let mut instructions: Vec<Instruction> = Vec::new();
    let mut targets = HashSet::new();
    let mut furthest = 0;
    while decoder.can_decode() {
        let instruction = decoder.decode();
        let flow = instruction.flow_control();
        if matches!(flow, FlowControl::ConditionalBranch | FlowControl::UnconditionalBranch) {
            targets.insert(instruction.near_branch_target());
            furthest = furthest.max(instruction.near_branch_target());
        }
        let ends = matches!(flow, FlowControl::Return) && instruction.next_ip() > furthest;
        instructions.push(instruction);
        if ends || instruction.is_invalid() {
            break;
        }
    }
    let mut formatter = IntelFormatter::new();
    let options = formatter.options_mut();
    options.set_first_operand_char_index(14);
    options.set_branch_leading_zeros(false);
    let mut line = String::new();
    for instruction in &instructions {
        line.clear();
        formatter.format(instruction, &mut line);
        let mark = if targets.contains(&instruction.ip()) { '>' } else { ' ' };
        let _ = writeln!(text, "{mark}{:6x}  {line}", instruction.ip());
    }
}
