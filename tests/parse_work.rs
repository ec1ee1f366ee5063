//! Parsing takes memory in proportion to the text: a parser that copies what is left, or what it has, at every token does not.
//!
//! Allocated bytes are counted, not time, so that the result is the same on every machine. Work that allocates nothing is not seen.

#![allow(clippy::print_stdout, reason = "the numbers are of interest where a text takes too much")]

use genred::syntax::parse;
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// The allocator of the system, with the bytes that each thread has asked for.
struct Counted;

thread_local! {
    static BYTES: Cell<usize> = const { Cell::new(0) };
}

fn count(bytes: usize) {
    BYTES.set(BYTES.get() + bytes);
}

// SAFETY: everything is left to the system's allocator; a thread-local number that needs no memory is counted beside.
unsafe impl GlobalAlloc for Counted {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(memory, layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // It may have to be copied whole.
        count(size);
        // SAFETY: as above.
        unsafe { System.realloc(memory, layout, size) }
    }
}

#[global_allocator]
static COUNTED: Counted = Counted;

/// What parsing a text and showing what is wrong with it asks for.
fn bytes(text: &str) -> usize {
    let before = BYTES.get();
    let shown = parse(text).map_err(|error| error.to_string());
    let bytes = BYTES.get() - before;
    drop(shown);
    bytes
}

/// A name, and a text of any length.
type Texts = (&'static str, fn(usize) -> String);

#[test]
fn a_text_of_twice_the_length_takes_twice_the_memory() {
    // Long in every direction, whole and broken at the end.
    let texts: [Texts; 13] = [
        ("sums", |n| format!("x{}", "+x".repeat(n))),
        ("powers", |n| format!("x{}", "**x".repeat(n))),
        ("signs", |n| format!("{}x", "-".repeat(n))),
        ("indices", |n| format!("x{}", "[0]".repeat(n))),
        ("comparisons", |n| format!("x{}", "+(x<x)".repeat(n))),
        ("numbers", |n| format!("x{}", "*1e29".repeat(n))),
        ("calls", |n| format!("Sum(u{})", "*Exp(b)".repeat(n))),
        ("arguments", |n| format!("Concat({})", vec!["x"; n].join(","))),
        ("lists", |n| format!("Ind({})", vec!["[1,2]"; n].join(","))),
        ("a name", |n| "x".repeat(n)),
        ("blanks", |n| format!("{}x", " ".repeat(n))),
        ("lines", |n| format!("{}x x", "x +\n".repeat(n))),
        ("no end", |n| format!("x{}+", "+x".repeat(n))),
    ];
    for (name, text) in texts {
        let (once, twice) = (bytes(&text(4_000)), bytes(&text(8_000)));
        println!("{name}: {once} bytes, {twice} bytes");
        // Rounding, and the message, may differ.
        assert!(twice <= 2 * once + once / 8 + 1_024, "{name}: {once} bytes, then {twice}");
    }
}
