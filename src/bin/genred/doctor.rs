//! `genred doctor`: what this machine offers and which engine is chosen.

use crate::console::{Failure, print};
use crate::threads::Threads;
use genred::cpu::target::Target;
use genred::{Cache, Element, generic_sum};

pub(crate) const EXAMPLES: &str = "\
Examples:
  genred doctor
  GENRED_CACHE=off genred doctor";

/// Print it.
///
/// # Errors
/// If no engine compiles for this machine.
pub(crate) fn run() -> Result<(), Failure> {
    Threads::start(None)?;
    let features = Target::host().names();
    let mut text = format!("{:<12}{}\n", "genred", env!("CARGO_PKG_VERSION"));
    let (arch, os) = (std::env::consts::ARCH, std::env::consts::OS);
    text += &format!("{:<12}{arch}, {os}\n", "machine");
    let features = if features.is_empty() { "none".to_owned() } else { features.join(", ") };
    text += &format!("{:<12}{features}\n", "features");
    text += &format!("{:<12}{}\n", "threads", rayon::current_num_threads());
    text += &engine::<f32>()?;
    text += &engine::<f64>()?;
    text += &format!("{:<12}{}\n", "cache", cache());
    print(&text)
}

/// The kernel cache on disk, or why there is none.
fn cache() -> String {
    let disk = Cache::shared().disk();
    match (disk.path, Cache::shared().refused()) {
        (Some(path), _) => {
            format!("{}: {} kernels, {} bytes", path.display(), disk.entries, disk.bytes)
        }
        (None, Some(why)) => format!("not used: {why}"),
        (None, None) => "off".to_owned(),
    }
}

/// The engine of a small kernel, and why others were not chosen.
fn engine<T: Element>() -> Result<String, Failure> {
    let formula = "Exp(-SqNorm2(x - y))";
    let kernel = generic_sum::<T>(formula, "a = Vi(1)", &["x = Vi(3)", "y = Vj(3)"])?;
    let stats = kernel.stats();
    let mut text = format!(
        "{:<12}{} for {formula}, {} in {:.1} ms\n",
        T::DTYPE.name(),
        stats.engine,
        stats.origin.name(),
        stats.build_time.as_secs_f64() * 1e3
    );
    for (name, why) in stats.refusals {
        text += &format!("{:<12}{name} refused: {why}\n", "");
    }
    Ok(text)
}
