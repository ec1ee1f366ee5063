//! Nanoseconds a pair of every engine's kernels beside the hand-written ones of `genred bench`, on one thread, all in one run.
//!
//! `cargo bench --bench engines [problem]`; with `sweep` as a second argument it prints register tiles of one problem.

#![allow(clippy::print_stdout, reason = "a bench prints its table")]

#[cfg(target_arch = "x86_64")]
#[allow(dead_code, reason = "not every problem of the tool is here")]
#[path = "../src/bin/genred/bench/reference/mod.rs"]
mod reference;

#[cfg(not(target_arch = "x86_64"))]
fn main() {
    println!("the reference kernels are for x86-64");
}

#[cfg(target_arch = "x86_64")]
fn main() {
    x86::main();
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::reference::{Arrays, Formula, Hand, Scalar, Set};
    use genred::cpu::clif::Clif;
    use genred::cpu::code::Native;
    use genred::cpu::layout::Layout;
    use genred::cpu::stages::{Pairs, Stages};
    use genred::cpu::target::Target;
    use genred::cpu::wide::{Avx2, Avx512};
    use genred::cpu::{Emitter, Refused};
    use genred::dtype::Real;
    use genred::formula::{Category, typing};
    use genred::loops::build::{self, Lowered, Scheme, Source};
    use genred::loops::builder::Functions;
    use genred::loops::program::Space;
    use genred::schedule::{Lanes, Schedule};
    use genred::{Float, Reduction};
    use std::time::Instant;

    /// Register tile: vectors of rows, columns, components.
    type Tile = (u32, u32, u32);

    struct Problem {
        name: &'static str,
        formula: &'static str,
        weight: Option<&'static str>,
        aliases: &'static [&'static str],
        reduction: Reduction,
        chunk: u32,
        tile: u32,
        /// Register tiles of avx512, avx2 and clif.
        tiles: [Tile; 3],
        /// The hand-written kernel.
        reference: Formula,
        /// About how many pairs the fastest engine does in a microsecond: only for the length of a run.
        rate: usize,
    }

    const XY: &[&str] = &["x = Vi(3)", "y = Vj(3)"];
    const ROWS: [Tile; 3] = [(4, 1, 1), (2, 1, 1), (4, 1, 1)];
    const CONTRACTION: [Tile; 3] = [(4, 4, 1), (2, 4, 1), (2, 4, 1)];

    const PROBLEMS: &[Problem] = &[
        Problem {
            name: "gauss",
            formula: "Exp(-SqNorm2(x - y))",
            weight: None,
            aliases: XY,
            reduction: Reduction::Sum,
            chunk: 256,
            tile: 2048,
            tiles: ROWS,
            reference: Formula::Gaussian,
            rate: 8000,
        },
        Problem {
            name: "weighted",
            formula: "Exp(-SqNorm2(x - y))*b",
            weight: None,
            aliases: &["x = Vi(3)", "y = Vj(3)", "b = Vj(1)"],
            reduction: Reduction::Sum,
            chunk: 256,
            tile: 2048,
            tiles: ROWS,
            reference: Formula::Weighted,
            rate: 8000,
        },
        Problem {
            name: "logsumexp",
            formula: "-SqNorm2(x - y)",
            weight: None,
            aliases: XY,
            reduction: Reduction::LogSumExp,
            chunk: 64,
            tile: 2048,
            tiles: ROWS,
            reference: Formula::LogSumExp,
            rate: 8000,
        },
        Problem {
            name: "argmin100",
            formula: "SqDist(x, y)",
            weight: None,
            aliases: &["x = Vi(100)", "y = Vj(100)"],
            reduction: Reduction::ArgMin,
            chunk: 64,
            tile: 256,
            tiles: CONTRACTION,
            reference: Formula::Nearest(1),
            rate: 1000,
        },
        Problem {
            name: "dot64",
            formula: "(x | y)",
            weight: None,
            aliases: &["x = Vi(64)", "y = Vj(64)"],
            reduction: Reduction::Sum,
            chunk: 256,
            tile: 256,
            tiles: CONTRACTION,
            reference: Formula::Product,
            rate: 2000,
        },
        Problem {
            name: "cauchy",
            formula: "1/(1 + SqDist(x, y))",
            weight: None,
            aliases: XY,
            reduction: Reduction::Sum,
            chunk: 256,
            tile: 2048,
            tiles: ROWS,
            reference: Formula::Cauchy,
            rate: 12000,
        },
        Problem {
            name: "laplace",
            formula: "Exp(-Norm2(x - y))",
            weight: None,
            aliases: XY,
            reduction: Reduction::Sum,
            chunk: 256,
            tile: 2048,
            tiles: ROWS,
            reference: Formula::Laplace,
            rate: 8000,
        },
        Problem {
            name: "sqdist16",
            formula: "SqDist(x, y)",
            weight: None,
            aliases: &["x = Vi(16)", "y = Vj(16)"],
            reduction: Reduction::ArgMin,
            chunk: 64,
            tile: 1024,
            tiles: CONTRACTION,
            reference: Formula::Nearest(1),
            rate: 4000,
        },
        Problem {
            name: "argmin3",
            formula: "SqDist(x, y)",
            weight: None,
            aliases: XY,
            reduction: Reduction::ArgMin,
            chunk: 64,
            tile: 2048,
            tiles: ROWS,
            reference: Formula::Nearest(1),
            rate: 16000,
        },
        Problem {
            name: "vector10",
            formula: "Exp(-SqNorm2(x - y))*b",
            weight: None,
            aliases: &["x = Vi(3)", "y = Vj(3)", "b = Vj(10)"],
            reduction: Reduction::Sum,
            chunk: 64,
            tile: 2048,
            tiles: [(4, 1, 5), (2, 1, 5), (2, 1, 5)],
            reference: Formula::Vectors,
            rate: 4000,
        },
        Problem {
            name: "gradient",
            formula: "Grad(Exp(-SqNorm2(x - y)), x, 1)",
            weight: None,
            aliases: XY,
            reduction: Reduction::Sum,
            chunk: 256,
            tile: 2048,
            tiles: ROWS,
            reference: Formula::Gradient,
            rate: 6000,
        },
    ];

    /// Runs of each kernel, by turns. The fastest counts: what else the machine does only ever adds to a run.
    const RUNS: usize = 41;
    /// Length of a run of the fastest kernel.
    const MICROSECONDS: usize = 1000;

    trait Reference: Real + Scalar {}
    impl Reference for f32 {}
    impl Reference for f64 {}

    /// Memory aligned to a cache line.
    struct Buffer<T> {
        memory: Vec<T>,
        start: usize,
    }

    impl<T: Real> Buffer<T> {
        fn new(len: usize, fill: impl Fn(usize) -> f64) -> Self {
            let memory = vec![T::from_f64(0.0); len + 64];
            let start = memory.as_ptr().align_offset(64);
            let mut buffer = Buffer { memory, start };
            for (k, value) in buffer.memory[start..start + len].iter_mut().enumerate() {
                *value = T::from_f64(fill(k));
            }
            buffer
        }

        fn get(&self) -> &[T] {
            &self.memory[self.start..]
        }

        fn get_mut(&mut self) -> &mut [T] {
            &mut self.memory[self.start..]
        }
    }

    /// A number in [0, 1) that is always the same.
    fn uniform(seed: usize) -> f64 {
        let mut z = (seed as u64).wrapping_add(0x9e37_79b9_7f4a_7c15);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }

    fn lower(problem: &Problem, float: Float) -> Lowered {
        let formula = typing::formula(problem.formula, problem.weight, problem.aliases)
            .unwrap_or_else(|e| panic!("{}: {e}", problem.formula));
        build::build(&Source {
            formula: &formula,
            rows: Category::I,
            reductions: &[problem.reduction],
            scheme: Scheme::Block,
            float,
            fma: true,
            functions: Functions::Expanded,
        })
        .expect("a program within its limit")
    }

    /// Something that can be timed: runs over a number of pairs.
    struct Contestant {
        name: String,
        /// One run; the number of pairs.
        run: Box<dyn FnMut() -> usize>,
        nanoseconds: Vec<f64>,
        note: String,
    }

    impl Contestant {
        fn best(&self) -> f64 {
            self.nanoseconds.iter().copied().fold(f64::INFINITY, f64::min)
        }

        fn median(&self) -> f64 {
            let mut sorted = self.nanoseconds.clone();
            sorted.sort_by(f64::total_cmp);
            sorted[sorted.len() / 2]
        }
    }

    fn engine<T: Reference>(
        problem: &Problem,
        lowered: &Lowered,
        emitter: &dyn Emitter,
        tile: Tile,
    ) -> Result<Contestant, Refused> {
        let schedule = Schedule {
            lanes: Lanes::Rows,
            mr: tile.0,
            nr: tile.1,
            components: tile.2,
            chunk: problem.chunk,
            tile: problem.tile,
        };
        let start = Instant::now();
        let code = emitter.emit(&lowered.program, &schedule)?;
        let emitted = start.elapsed();
        if std::env::var("GENRED_ASM").is_ok_and(|name| name == emitter.name()) {
            println!("{}", genred::cpu::wide::disassembly(&code));
        }
        let layout = Layout::of(lowered, schedule, &code);
        let native = Native::<T>::load(&code, layout.clone())?;
        let block = layout.block();
        let rows = block * (256 / block).max(1);
        let blocks = rows / block;
        let mut scratch = Buffer::<T>::new(layout.scratch, |_| 0.0);
        let mut param = Buffer::<T>::new(layout.slots.param as usize + 1, uniform);
        native.param(param.get_mut(), scratch.get_mut());
        let mut row: Vec<Buffer<T>> = (0..blocks)
            .map(|b| Buffer::new(layout.row_len(), |k| uniform(k + b * 1_000_003)))
            .collect();
        for row in &mut row {
            native.row(param.get(), row.get_mut(), scratch.get_mut());
        }
        let mut col = Buffer::<T>::new(layout.col_len() + 64, |k| uniform(k + 77_777_777));
        let columns = schedule.tile as usize;
        native.col(param.get(), col.get_mut(), 0..columns, scratch.get_mut());
        let threshold = lowered
            .program
            .arrays
            .iter()
            .find(|a| a.space == Space::State && a.name == "threshold")
            .map(|a| a.base as usize);
        let identity = layout.identity.clone();
        let mut state: Vec<Buffer<T>> = (0..blocks)
            .map(|_| {
                Buffer::new(layout.state_len(), |k| {
                    // No value reaches the threshold, so that the kernel never leaves early.
                    let slot = k / block;
                    if Some(slot) == threshold { f64::NEG_INFINITY } else { identity[slot] }
                })
            })
            .collect();
        let mut tile_memory = Buffer::<T>::new(layout.tile_len(), |_| 0.0);
        let sweeps = sweeps(problem, rows * columns);
        let bytes = code.bytes.len();
        let run = move || {
            for _ in 0..sweeps {
                for (row, state) in row.iter().zip(&mut state) {
                    let done = native.pair(Pairs {
                        param: param.get(),
                        row: row.get(),
                        col: col.get(),
                        state: state.get_mut(),
                        tile: tile_memory.get_mut(),
                        scratch: scratch.get_mut(),
                        columns: 0..columns,
                    });
                    assert_eq!(done.columns, columns, "the kernel leaves early");
                }
            }
            sweeps * rows * columns
        };
        let note = format!("{:.0} us to emit {bytes} bytes", emitted.as_secs_f64() * 1e6);
        let name = format!("{} {}x{}x{}", emitter.name(), tile.0, tile.1, tile.2);
        Ok(Contestant { name, run: Box::new(run), nanoseconds: Vec::new(), note })
    }

    fn sweeps(problem: &Problem, pairs: usize) -> usize {
        (MICROSECONDS * problem.rate / pairs).max(1)
    }

    /// The dim of an alias such as `x = Vi(3)`; 0 if there is none.
    fn dim(problem: &Problem, position: usize) -> usize {
        let number = |alias: &&str| alias[alias.find('(')? + 1..alias.len() - 1].parse().ok();
        problem.aliases.get(position).and_then(number).unwrap_or(0)
    }

    /// The hand-written kernels of an instruction set in all their register tiles, each over 256 rows.
    fn hands<T: Reference>(problem: &Problem, set: Set) -> Vec<Contestant> {
        let (dim, dim_b) = (dim(problem, 0), dim(problem, 2));
        let all = Hand::<T>::all(set, problem.reference, dim, dim_b);
        let contestant = |hand: Hand<T>| {
            let (rows, columns) = (256, problem.tile as usize);
            let random = |len: usize, seed: usize| -> Vec<T> {
                (0..len).map(|k| T::of(uniform(k + seed))).collect()
            };
            let (x, y) = (random(rows * dim, 0), random(columns * dim, 77_777_777));
            let b = random(columns * dim_b, 99_999_999);
            let width = if problem.reference == Formula::Gradient { 3 } else { dim_b.max(1) };
            let mut out = vec![0.0; rows * width];
            let sweeps = sweeps(problem, rows * columns);
            let run = move || {
                let arrays = Arrays { x: &x, y: &y, b: &b, dim, dim_b };
                for _ in 0..sweeps {
                    hand.run(&arrays, 1, &mut out);
                }
                std::hint::black_box(out[0]);
                sweeps * rows * columns
            };
            let approximate = if hand.approximate { " approximate" } else { "" };
            let name = format!("hand {set:?} {}{approximate}", hand.tile);
            let (nanoseconds, note) = (Vec::new(), String::new());
            Contestant { name, run: Box::new(run), nanoseconds, note }
        };
        all.into_iter().map(contestant).collect()
    }

    fn race(contestants: &mut [Contestant]) {
        for c in contestants.iter_mut() {
            (c.run)();
        }
        for _ in 0..RUNS {
            for c in contestants.iter_mut() {
                let start = Instant::now();
                let pairs = (c.run)();
                c.nanoseconds.push(start.elapsed().as_secs_f64() * 1e9 / pairs as f64);
            }
        }
    }

    fn emitters() -> (Option<Avx512>, Option<Avx2>) {
        let host = Target::host();
        (Avx512::on(host), Avx2::on(host))
    }

    fn measure<T: Reference>(problem: &Problem, float: Float) {
        let lowered = lower(problem, float);
        let (avx512, avx2) = emitters();
        let engines: [Option<Box<dyn Emitter>>; 3] = [
            avx512.map(|e| Box::new(e) as Box<dyn Emitter>),
            avx2.map(|e| Box::new(e) as Box<dyn Emitter>),
            Some(Box::new(Clif)),
        ];
        let mut contestants = Vec::new();
        contestants.extend(hands::<T>(problem, Set::Avx512));
        contestants.extend(hands::<T>(problem, Set::Avx2));
        for (emitter, tile) in engines.iter().zip(problem.tiles) {
            let Some(emitter) = emitter else { continue };
            match engine::<T>(problem, &lowered, emitter.as_ref(), tile) {
                Ok(contestant) => contestants.push(contestant),
                Err(refused) => println!("{} {}: {}", problem.name, emitter.name(), refused.why()),
            }
        }
        race(&mut contestants);
        print(problem, float, &contestants);
    }

    fn print(problem: &Problem, float: Float, contestants: &[Contestant]) {
        let hands = contestants.iter().filter(|c| c.name.starts_with("hand"));
        let limit = hands.map(Contestant::best).min_by(f64::total_cmp);
        for c in contestants {
            let ratio = limit.map_or(String::new(), |l| format!("{:5.2}", l / c.best()));
            println!(
                "{:10} {float} {:18} {:8.4} ns {ratio:5}  (median {:.4}) {}",
                problem.name,
                c.name,
                c.best(),
                c.median(),
                c.note
            );
        }
    }

    /// Register tiles of one problem on each wide engine.
    fn sweep<T: Reference>(problem: &Problem, float: Float) {
        let lowered = lower(problem, float);
        let (avx512, avx2) = emitters();
        let engines: [Option<Box<dyn Emitter>>; 3] = [
            avx512.map(|e| Box::new(e) as Box<dyn Emitter>),
            avx2.map(|e| Box::new(e) as Box<dyn Emitter>),
            Some(Box::new(Clif)),
        ];
        let mut contestants: Vec<Contestant> = hands::<T>(problem, Set::Avx512);
        for emitter in engines.iter().flatten() {
            for mr in [1, 2, 3, 4, 6] {
                for nr in [1, 2, 3, 4, 6] {
                    let components: &[u32] =
                        if problem.name.starts_with("vector") { &[1, 2, 5] } else { &[1] };
                    for c in components {
                        if mr * nr * c <= 32 {
                            contestants.extend(
                                engine::<T>(problem, &lowered, emitter.as_ref(), (mr, nr, *c)).ok(),
                            );
                        }
                    }
                }
            }
        }
        race(&mut contestants);
        contestants.sort_by(|a, b| a.best().total_cmp(&b.best()));
        print(problem, float, &contestants);
    }

    pub(super) fn main() {
        let args: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with("--")).collect();
        let wanted = args.first().map(String::as_str).unwrap_or("");
        let sweeping = args.get(1).is_some_and(|a| a == "sweep");
        for problem in PROBLEMS.iter().filter(|p| p.name.contains(wanted)) {
            if sweeping {
                sweep::<f32>(problem, Float::F32);
                sweep::<f64>(problem, Float::F64);
            } else {
                measure::<f32>(problem, Float::F32);
                measure::<f64>(problem, Float::F64);
            }
        }
    }
}
