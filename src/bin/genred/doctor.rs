//! `genred doctor`: what this machine offers and which engine is chosen.

use crate::console::{Failure, print};
use crate::threads::Threads;
use genred::cpu::target::Target;
use genred::cuda::nvrtc::Nvrtc;
use genred::cuda::{Device, Driver};
use genred::{Backend, Cache, Element, Error, generic_sum};

pub(crate) const EXAMPLES: &str = "\
Examples:
  genred doctor
  GENRED_CACHE=off genred doctor";

/// Every variable that something depends on.
const VARIABLES: [&str; 12] = [
    "GENRED_CPU",
    "GENRED_CUDA",
    "GENRED_CUDA_DEVICES",
    "GENRED_CUDA_DRIVER",
    "GENRED_NVRTC",
    "GENRED_CACHE",
    "GENRED_CACHE_DIR",
    "GENRED_CACHE_MAX_SIZE",
    "GENRED_CACHE_SYSTEM",
    "GENRED_CACHE_VERIFY",
    "RAYON_NUM_THREADS",
    "NO_COLOR",
];

/// Print it.
///
/// # Errors
/// If no engine compiles for this machine.
pub(crate) fn run() -> Result<(), Failure> {
    Threads::start(None)?;
    let features = Target::host().names();
    let features = if features.is_empty() { "none".to_owned() } else { features.join(", ") };
    let mut text = line("genred", env!("CARGO_PKG_VERSION"));
    text += &line("machine", &format!("{}, {}", std::env::consts::ARCH, std::env::consts::OS));
    text += &line("features", &features);
    text += &line("threads", &rayon::current_num_threads().to_string());
    text += &line("engines", &engines());
    text += &line("float32", &engine::<f32>()?);
    text += &line("float64", &engine::<f64>()?);
    text += &line("cuda", &devices());
    text += &line("nvrtc", &nvrtc());
    text += &line("cache", &cache());
    text += &line("variables", &variables());
    print(&text)
}

/// A name and what is to be said of it; further lines stand below the first.
fn line(name: &str, said: &str) -> String {
    format!("{name:<12}{}\n", said.replace('\n', "\n            "))
}

/// The variables that are set.
fn variables() -> String {
    let set = VARIABLES.iter().filter_map(|name| {
        let value = std::env::var_os(name)?;
        Some(format!("{name}={}", value.to_string_lossy()))
    });
    let set: Vec<String> = set.collect();
    if set.is_empty() { "none is set".to_owned() } else { set.join("\n") }
}

/// The CPU engines of this machine in the order in which they are asked, and those that it cannot run.
fn engines() -> String {
    let names = Backend::cpu_engines();
    let forced = std::env::var("GENRED_CPU").ok().filter(|name| !name.is_empty());
    let mut lines = vec![match forced {
        Some(name) => format!("{}; GENRED_CPU leaves `{name}`", names.join(", ")),
        None => format!("{}: the first that takes a formula runs it", names.join(", ")),
    }];
    for name in ["avx512", "avx2"].into_iter().filter(|name| !names.contains(name)) {
        lines.push(format!("no {name}: the processor or the system does not have it"));
    }
    lines.join("\n")
}

/// The CUDA driver and its devices, or why there are none.
fn devices() -> String {
    let found = Driver::find().and_then(|driver| {
        let (version, path) = (driver.version(), driver.path().display());
        let mut lines = vec![format!("driver for CUDA {version}, {path}")];
        for ordinal in 0..driver.count()? {
            lines.push(Device::open(&driver, ordinal)?.info().to_string());
        }
        let asked = std::env::var("GENRED_CUDA").is_ok_and(|value| value == "auto");
        lines.push(if asked {
            "`auto` uses it for calls that are worth the copy: GENRED_CUDA=auto".to_owned()
        } else {
            "`auto` does not use it: GENRED_CUDA is not `auto`".to_owned()
        });
        Ok(lines.join("\n"))
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
        // That it was opened means that the check of its owner and of who may write there has passed.
        (Some(path), _) => format!(
            "{}: {} kernels, {} bytes of at most {}\n{}",
            path.display(),
            disk.entries,
            disk.bytes,
            disk.max_size,
            if cfg!(unix) {
                "trusted: nobody else can put a file there"
            } else {
                "who can put a file there is left to the platform"
            }
        ),
        (None, Some(why)) => format!("not used: {why}"),
        (None, None) => "off".to_owned(),
    }
}

/// The engine of a small kernel, and why others were not chosen.
fn engine<T: Element>() -> Result<String, Failure> {
    let formula = "Exp(-SqNorm2(x - y))";
    let kernel = generic_sum::<T>(formula, "a = Vi(1)", &["x = Vi(3)", "y = Vj(3)"])?;
    let stats = kernel.stats();
    let mut lines = vec![format!(
        "{} for {formula}, {} in {:.1} ms",
        stats.engine,
        stats.origin.name(),
        stats.build_time.as_secs_f64() * 1e3
    )];
    lines.extend(stats.refusals.iter().map(|(name, why)| format!("{name} refused: {why}")));
    Ok(lines.join("\n"))
}
