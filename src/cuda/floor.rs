//! The time below which the operations of a call cannot stay on a device, however they are scheduled: what measured times are
//! compared with.

use super::device::DeviceInfo;
use super::nvrtc::Arch;
use crate::dtype::Float;
use crate::loops::program::{Binary, Function, Inst, Over, Program, Stmt, Unary};

/// What a pair takes, by the unit that executes it. A floor: conversions, comparisons, loads and the expansion of functions are
/// not counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PairWork {
    /// The type of the operations.
    pub float: Float,
    /// Sums, products and fused ones.
    pub ffma: u64,
    /// Functions, divisions and roots: the special function unit (MUFU) in float32. There is none for float64, where each takes
    /// one of the other operations at least.
    pub mufu: u64,
}

/// Results a clock of a multiprocessor, by the table of arithmetic throughput in NVIDIA's programming guide.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Rates {
    single: u64,
    double: u64,
    mufu: u64,
}

impl Rates {
    fn of(arch: Arch) -> Rates {
        let (single, double) = match (arch.major, arch.minor) {
            (..7, _) | (7, 5) => (64, 2),
            (7, _) | (8, 0) => (64, 32),
            (9 | 10, 0) => (128, 64),
            _ => (128, 2),
        };
        Rates { single, double, mufu: 16 }
    }
}

impl PairWork {
    /// Count the pair stage of a program whose functions are intrinsics.
    pub fn of(program: &Program) -> PairWork {
        let mut work = PairWork { float: program.float, ffma: 0, mufu: 0 };
        for pass in program.passes.iter().filter(|pass| pass.over == Over::Columns) {
            let components =
                pass.components.map_or(1, |id| u64::from(program.loops[id.index()].count));
            let mut open: Vec<(u64, &[Stmt])> =
                vec![(components, &pass.pair), (components, &pass.step)];
            while let Some((times, block)) = open.pop() {
                for stmt in block {
                    match stmt {
                        Stmt::Let(value) => {
                            work.count(&program.value(*value).inst, times);
                        }
                        Stmt::Store(..) => {}
                        Stmt::Loop(id) => {
                            let inner = &program.loops[id.index()];
                            open.push((times.saturating_mul(inner.count.into()), &inner.body));
                        }
                    }
                }
            }
        }
        work
    }

    fn count(&mut self, inst: &Inst, times: u64) {
        let (ffma, mufu) = match inst {
            Inst::Binary(Binary::Add | Binary::Sub | Binary::Mul, ..)
            | Inst::Fma(..)
            | Inst::FmaNeg(..) => (1, 0),
            Inst::Binary(Binary::Div, ..) | Inst::Unary(Unary::Sqrt, _) => (0, 1),
            // A logarithm and an exponential.
            Inst::Call(Function::Pow, _) => (0, 2),
            Inst::Call(..) => (0, 1),
            _ => (0, 0),
        };
        self.ffma = self.ffma.saturating_add(times.saturating_mul(ffma));
        self.mufu = self.mufu.saturating_add(times.saturating_mul(mufu));
    }

    /// Milliseconds that so many pairs take at least, at the device's highest clock.
    pub fn milliseconds(&self, pairs: f64, device: &DeviceInfo) -> f64 {
        let rates = Rates::of(device.arch);
        let clocks = match self.float {
            Float::F32 => {
                let ffma = self.ffma as f64 / rates.single as f64;
                ffma.max(self.mufu as f64 / rates.mufu as f64)
            }
            Float::F64 => (self.ffma + self.mufu) as f64 / rates.double as f64,
        };
        let clocks_a_millisecond = f64::from(device.clock_khz) * f64::from(device.multiprocessors);
        pairs * clocks / clocks_a_millisecond
    }
}
