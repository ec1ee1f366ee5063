//! The words of the language, for libFuzzer's mutations.

use genred::formula::table;
use std::fmt::Write;

const MARKS: [&str; 20] = [
    "**", "<=", ">=", "==", "!=", "<", ">", "|", "+", "-", "*", "/", "(", ")", "[", "]", ",", ":",
    "=", ";",
];
const PIECES: [&str; 12] = [
    "a = Vi(1)",
    "; x = Vi(3)",
    "; y = Vj(3)",
    "; p = Pm(1)",
    "x",
    "y",
    "p",
    "0",
    "1",
    "64",
    "65536",
    "1e308",
];

/// `fuzz/genred.dict`: every operation's names, every mark, and pieces of aliases. A test keeps the file equal.
pub fn text() -> String {
    let mut text = String::from(
        "# Generated from the table of operations: UPDATE_GOLDEN=1 cargo test --test fuzz\n",
    );
    for row in table::TABLE {
        for name in row.names {
            let open = if row.args.is_empty() { "" } else { "(" };
            let _ = writeln!(text, "\"{name}{open}\"");
        }
    }
    for piece in MARKS.iter().chain(&PIECES) {
        let _ = writeln!(text, "\"{piece}\"");
    }
    text
}
