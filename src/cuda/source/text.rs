//! Lines of source under construction.

use std::fmt::Write as _;

/// Source text that grows line by line, indented by its open braces.
#[derive(Debug, Default)]
pub(super) struct Text {
    out: String,
    depth: usize,
}

impl Text {
    /// One line.
    pub(super) fn line(&mut self, line: impl AsRef<str>) {
        let line = line.as_ref();
        if !line.is_empty() {
            let _ = write!(self.out, "{:width$}{line}", "", width = 4 * self.depth);
        }
        self.out.push('\n');
    }

    /// A line that opens a block.
    pub(super) fn open(&mut self, head: impl AsRef<str>) {
        self.line(format!("{} {{", head.as_ref()).trim_start());
        self.depth += 1;
    }

    /// Close the innermost block.
    pub(super) fn close(&mut self) {
        self.close_with("");
    }

    /// Close the innermost block and say something behind the brace.
    pub(super) fn close_with(&mut self, tail: &str) {
        self.depth -= 1;
        self.line(format!("}}{tail}"));
    }

    /// An unrolled counted loop.
    pub(super) fn unrolled(&mut self, counter: &str, count: impl std::fmt::Display) {
        self.line("#pragma unroll");
        self.counted(counter, count);
    }

    /// A counted loop that stays one.
    pub(super) fn rolled(&mut self, counter: &str, count: impl std::fmt::Display) {
        self.line("#pragma unroll 1");
        self.counted(counter, count);
    }

    /// A counted loop that the compiler may unroll.
    pub(super) fn counted(&mut self, counter: &str, count: impl std::fmt::Display) {
        self.open(format!("for (int {counter} = 0; {counter} < {count}; ++{counter})"));
    }

    /// Everything written.
    pub(super) fn finish(self) -> String {
        debug_assert_eq!(self.depth, 0, "a block is open");
        self.out
    }
}
