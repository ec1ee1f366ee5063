//! The way down to a CUDA device: the same typed plan, lowered with its functions as intrinsics, as CUDA C++, compiled to a CUBIN
//! that is kept on disk like native code.
//!
//! NVRTC is looked for, but not loaded, to find an entry: its version is read off file names. A process whose kernels are on
//! disk never loads it, and does not even need it installed.

use super::{Choice, lower_for};
use crate::cache::{self, Cache, Fields, Key, Kind, Origin, Raw, key};
use crate::cpu::artifact::Notes;
use crate::cuda::floor::PairWork;
use crate::cuda::nvrtc::{Arch, KNOWN, Nvrtc, Version};
use crate::cuda::{self, Emitted, Launcher, Math, Request, artifact, device};
use crate::engine::{Compiled, Engine, Plan};
use crate::error::{Error, ErrorKind};
use crate::formula::Category;
use crate::loops::builder::Functions;
use crate::schedule::Lanes;
use std::sync::Arc;
use std::time::Instant;

/// The engine's name.
pub(crate) const NAME: &str = "cuda";

/// The source of a plan for a shape class; needs neither a device nor a compiler.
///
/// # Errors
/// `Device` if the program needs more of a thread or a block than devices have.
fn emit(plan: &Plan, math: Math, lanes: Lanes) -> Result<Emitted, Error> {
    let request = Request {
        reduction: plan.reduction,
        dim: plan.formula.root_dim(0),
        stored: plan.stored,
        lanes,
        math,
    };
    request.emit(&lower_for(plan, Functions::Intrinsic, true)?)
}

/// What identifies the kernel of a plan on a device's architecture, compiled by a version of NVRTC. Without either it is
/// the kernel as a process keeps it in memory: on the devices of this machine, with a budget.
fn key(plan: &Plan, lanes: Lanes, target: Option<(Arch, Version)>, options: &str) -> Key {
    let formula = plan.formula.canonical_text();
    let generator = target.map_or("nvrtc".to_owned(), |(_, version)| format!("nvrtc {version}"));
    let device = target.map_or(String::new(), |(arch, _)| arch.to_string());
    Key::new(&Fields {
        engine: key::ENGINE_VERSION,
        epoch: key::CODEGEN_EPOCH,
        source: key::SOURCE_DIGEST,
        generator: &generator,
        formula: &formula,
        reduction: plan.reduction.name(),
        k: plan.reduction.k().unwrap_or(0),
        rows: if plan.rows == Category::I { "i" } else { "j" },
        dtype: plan.stored.name(),
        accumulator: plan.float.name(),
        scheme: plan.scheme.name(),
        schedule: match lanes {
            Lanes::Rows => "lanes=rows",
            Lanes::Columns => "lanes=columns",
        },
        back_end: NAME,
        kind: Kind::Cubin,
        arch: key::ARCH_CUDA,
        os: "",
        abi: "",
        features: 0,
        argument_abi: cuda::ARGS_ABI,
        device: &device,
        options,
    })
}

/// The key that messages and stage `key` show: that of the kernel in memory, which names no compiler and no device.
pub(super) fn shown(plan: &Plan, lanes: Lanes, asked: &str) -> Key {
    key(plan, lanes, None, asked)
}

/// The kernel of a plan for one shape class: from memory, from disk, or compiled.
///
/// # Errors
/// `Device`: no driver, no device, or none of NVRTC and a kernel on disk.
pub(super) fn obtain(
    plan: &Plan,
    choice: &Choice,
    lanes: Lanes,
    cache: &Cache,
) -> Result<(Arc<Compiled>, Origin), Error> {
    let (budget, math) = (choice.device_memory, choice.math);
    let memory = budget.map_or(String::new(), |b| format!("memory {b} "));
    let shared = key(plan, lanes, None, &format!("{memory}{math:?}"));
    let raw = Raw::new().bytes(shared.digest());
    cache.once(&raw, &shared, || {
        let devices = device::chosen()?;
        let accept = |bytes: &[u8]| load(bytes, &devices, budget);
        let first = devices[0].info();
        let emitted = emit(plan, math, lanes)?;
        let options = emitted.options.join(" ");
        let (arch, newest) = (first.arch, first.driver);
        let keyed = |version| key(plan, lanes, Some((arch, version)), &options);
        // What is installed decides; where nothing is, whatever some NVRTC once made for this device will do.
        let mut versions = Nvrtc::installed();
        if versions.is_empty() {
            versions = KNOWN.to_vec();
        }
        versions.retain(|version| version.major <= newest.major);
        for version in versions {
            if let Some((compiled, origin)) = cache.recover(&keyed(version), accept) {
                let bytes = compiled.bytes;
                return Ok((Arc::new(compiled), bytes, origin));
            }
        }
        let nvrtc = Nvrtc::find(Some((arch, newest)))?;
        let (compiled, origin) = cache.obtain(&keyed(nvrtc.version()), 0, accept, || {
            let start = Instant::now();
            let cubin = cuda::compile(&emitted, &nvrtc, nvrtc.target(arch)?)?;
            let compile_ns = u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX);
            Ok::<_, Error>(cache::Compiled { code: artifact::encode(&cubin), compile_ns })
        })?;
        let bytes = compiled.bytes;
        Ok((Arc::new(compiled), bytes, origin))
    })
}

/// A kernel on the devices, of an artifact that the cache has verified.
fn load(
    bytes: &[u8],
    devices: &[Arc<device::Device>],
    budget: Option<u64>,
) -> Result<Compiled, Error> {
    let cubin = artifact::decode(bytes)
        .ok_or_else(|| Error::new(ErrorKind::Device, "this is not a kernel of a CUDA device"))?;
    let mut launcher = Launcher::new(devices, &cubin)?;
    if let Some(bytes) = budget {
        launcher = launcher.with_budget(bytes);
    }
    let notes = Notes { engine: NAME.into(), refusals: Vec::new() };
    Ok(Compiled { engine: Engine::Cuda(launcher), notes, bytes: cubin.bytes.len() })
}

/// The operations of a pair.
///
/// # Errors
/// `Limit` if the program is too large.
pub(crate) fn work(plan: &Plan) -> Result<PairWork, Error> {
    Ok(PairWork::of(&lower_for(plan, Functions::Intrinsic, true)?.program))
}

/// The text of stage `cuda`.
pub(super) fn source(plan: &Plan, math: Math, lanes: Lanes) -> String {
    match emit(plan, math, lanes) {
        Ok(emitted) => {
            let options = emitted.options.join(" ");
            format!("// {}\n// nvrtc {options}\n{}", emitted.layout.tiling, emitted.source)
        }
        Err(error) => format!("// {error}\n"),
    }
}
