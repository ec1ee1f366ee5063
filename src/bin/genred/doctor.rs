//! `genred doctor`: what this machine offers and which engine is chosen.

use crate::console::{Failure, print};
use crate::threads::Threads;
use genred::cpu::target::Target;
use genred::cuda::nvrtc::Nvrtc;
use genred::cuda::{Device, Driver};
use genred::{Cache, Element, Error, generic_sum};

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
    text += &format!("{:<12}{}\n", "cuda", devices());
    text += &format!("{:<12}{}\n", "nvrtc", nvrtc());
    text += &format!("{:<12}{}\n", "cache", cache());
    print(&text)
}

/// The CUDA driver and its devices, or why there are none.
fn devices() -> String {
    let found = Driver::find().and_then(|driver| {
        let mut lines = vec![format!("driver for CUDA {}", driver.version())];
        for ordinal in 0..driver.count()? {
            lines.push(Device::open(&driver, ordinal)?.info().to_string());
        }
        Ok(lines.join(&format!("\n{:<12}", "")))
    });
    found.unwrap_or_else(|error| one_line(&error))
}

/// The compiler for devices: where it is and what it compiles for, or what to do where there is none.
fn nvrtc() -> String {
    let found = Nvrtc::find(None).map(|nvrtc| {
        let archs: Vec<String> = nvrtc.archs().into_iter().map(|arch| arch.to_string()).collect();
        format!("{} at {}, for {}", nvrtc.version(), nvrtc.path().display(), archs.join(" "))
    });
    found.unwrap_or_else(|error| one_line(&error))
}

fn one_line(error: &Error) -> String {
    error.to_string().trim_start_matches("error: ").lines().next().unwrap_or_default().to_owned()
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
