//! The CUDA engine's sources through the real NVRTC, which needs no device: to binaries without a word of warning, and how many
//! registers they take. `.ci/nvrtc` installs it; where there is none, these tests say so and check nothing.

use crate::cases::{self, Case};
use crate::common::choices::Choices;
use crate::common::device_problems;
use genred::cuda::Math;
use genred::cuda::nvrtc::{Arch, Nvrtc};
use std::io::Write;
use std::num::NonZero;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// The architectures that binaries are made for: Turing, Ampere, Hopper, Blackwell.
const ARCHS: [u32; 4] = [75, 80, 90, 100];
/// The one that all cases are compiled for; every `SAMPLE`th case is for the others.
const MAIN: u32 = 80;
const SAMPLE: usize = 8;
/// Every case for all architectures instead.
const ALL: &str = "GENRED_NVRTC_ALL";
/// What a binary begins with, and the number of CUDA in its head.
const ELF: &[u8] = b"\x7fELF";
const EM_CUDA: u16 = 190;

/// A line that is shown even if the test passes.
fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// NVRTC, or the reason why nothing is checked. What `GENRED_NVRTC` names must be there.
fn nvrtc(test: &str) -> Option<Nvrtc> {
    match Nvrtc::find(None) {
        Ok(nvrtc) => Some(nvrtc),
        Err(error) if std::env::var_os("GENRED_NVRTC").is_some_and(|v| !v.is_empty()) => {
            panic!("{error}")
        }
        Err(error) => {
            say(&format!("SKIPPED {test}: {error}"));
            None
        }
    }
}

/// `work` for every item, on all processors.
fn for_each<T: Sync>(items: &[T], work: impl Fn(&T) + Sync) {
    let next = AtomicUsize::new(0);
    let threads = thread::available_parallelism().map_or(1, NonZero::get);
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(item) = items.get(next.fetch_add(1, Ordering::Relaxed)) {
                    work(item);
                }
            });
        }
    });
}

/// The cases with the architectures that they are compiled for; some of them with approximate functions.
fn chosen() -> Vec<(Case, u32)> {
    let all = std::env::var_os(ALL).is_some_and(|v| !v.is_empty());
    let mut chosen = Vec::new();
    for (k, case) in cases::cases(&mut Choices::from_seed(7)).into_iter().enumerate() {
        let mut case = case;
        if k % SAMPLE == 1 {
            case.math = Math::Fast;
        }
        for (n, arch) in ARCHS.into_iter().enumerate() {
            if all || arch == MAIN || k % SAMPLE == 2 * n {
                chosen.push((case.clone(), arch));
            }
        }
    }
    chosen
}

#[test]
fn sources_compile_without_warnings() {
    let Some(nvrtc) = nvrtc("sources_compile_without_warnings") else { return };
    let chosen = chosen();
    let failures = Mutex::new(Vec::new());
    let bytes = AtomicUsize::new(0);
    for_each(&chosen, |(case, arch)| {
        let emitted = case.emit().unwrap_or_else(|why| panic!("{why}"));
        let arch = Arch::from_number(*arch);
        let why = match nvrtc.compile(&emitted.source, arch, &emitted.options) {
            Err(error) => error.to_string(),
            Ok(output) if !output.log.is_empty() => output.log,
            Ok(output) => {
                let machine = output.cubin.get(18..20).map(|b| u16::from_le_bytes([b[0], b[1]]));
                assert!(output.cubin.starts_with(ELF) && machine == Some(EM_CUDA));
                bytes.fetch_add(output.cubin.len(), Ordering::Relaxed);
                return;
            }
        };
        failures.lock().unwrap().push(format!("{} for {arch}: {why}", case.name()));
    });
    let failures = failures.into_inner().unwrap();
    crate::assert_none(&failures, chosen.len());
    let of = |arch: u32| chosen.iter().filter(|(_, a)| *a == arch).count();
    let counts = ARCHS.map(|arch| format!("{} for sm_{arch}", of(arch))).join(", ");
    let bytes = bytes.into_inner();
    say(&format!("NVRTC {}: {counts}; no warnings, {bytes} bytes in all", nvrtc.version()));
}

#[test]
fn kernels_of_the_documented_problems_keep_to_registers() {
    let test = "kernels_of_the_documented_problems_keep_to_registers";
    let Some(nvrtc) = nvrtc(test) else { return };
    let problems = device_problems::problems();
    let sources: Vec<_> = problems.iter().map(|p| p.source().expect("a kernel")).collect();
    let all: Vec<_> = (0..problems.len()).flat_map(|k| ARCHS.map(|arch| (k, arch))).collect();
    for_each(&all, |(k, arch)| {
        let (name, (source, options)) = (&problems[*k].name, &sources[*k]);
        let found = nvrtc.resources(source, Arch::from_number(*arch), options);
        let found = found.unwrap_or_else(|e| panic!("{name} for sm_{arch}: {e}"));
        let pair = found.iter().find(|r| r.kernel == "genred_pair").expect("the pair kernel");
        assert!((16..=255).contains(&pair.registers), "{name} for sm_{arch}: {pair:?}");
        for kernel in &found {
            assert_eq!(kernel.spilled, 0, "{name} for sm_{arch}: {kernel:?}");
        }
    });
}

#[test]
fn what_does_not_compile_is_shown() {
    let Some(nvrtc) = nvrtc("what_does_not_compile_is_shown") else { return };
    let arch = Arch::from_number(MAIN);
    let error = nvrtc.compile("__global__ void k() { return 1 }", arch, &[]).unwrap_err();
    let text = error.to_string();
    assert!(error.is_device() && text.contains("sm_80") && text.contains("genred.cu"), "{text}");
    // Devices older than it knows.
    let text = nvrtc.target(Arch::from_number(30)).unwrap_err().to_string();
    assert!(text.contains("does not compile for sm_30"), "{text}");
    // A newer device of a known family takes the family's binaries.
    assert_eq!(nvrtc.target(Arch::from_number(89)).unwrap().major, 8);
}
