//! The `genred` command-line tool.

fn main() {}
