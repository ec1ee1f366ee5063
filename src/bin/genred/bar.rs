//! The bar of a long reduction.

use crate::console::colours;
use genred::Progress;
use indicatif::{ProgressBar, ProgressStyle};
use std::time::{Duration, Instant};

/// How long it takes until a rate is known.
const SOON: Duration = Duration::from_millis(200);
/// Prefixes of thousands.
const PREFIXES: [&str; 7] = ["", "k", "M", "G", "T", "P", "E"];

/// Pairs that are done, how many a second, and the time that is left: on stderr, if that is a terminal. Gone when dropped.
pub(crate) struct Bar {
    bar: ProgressBar,
    start: Instant,
}

impl Bar {
    /// A bar at its beginning.
    pub(crate) fn new() -> Bar {
        let template = if colours() {
            "{wide_bar:.green} {percent:>3} %  {msg}{eta} left"
        } else {
            "{wide_bar} {percent:>3} %  {msg}{eta} left"
        };
        let style = ProgressStyle::with_template(template);
        let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
        Bar { bar: ProgressBar::new(0).with_style(style), start: Instant::now() }
    }

    /// Show how far it is.
    pub(crate) fn show(&self, progress: Progress) {
        self.bar.set_length(progress.total());
        let elapsed = self.start.elapsed();
        if elapsed > SOON {
            let rate = rate(progress.pairs() as f64 / elapsed.as_secs_f64());
            self.bar.set_message(format!("{rate}pairs/s  "));
        }
        self.bar.set_position(progress.pairs());
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// `12.3 G`.
fn rate(mut number: f64) -> String {
    let mut prefix = 0;
    while number >= 1e3 && prefix + 1 < PREFIXES.len() {
        number /= 1e3;
        prefix += 1;
    }
    let digits = usize::from(number < 100.0);
    format!("{number:.digits$} {}", PREFIXES[prefix])
}
