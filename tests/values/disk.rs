//! Kernels from the disk cache: what one cache stored, another over the same directory loads, with the same bits.

use crate::cases::Case;
use crate::suite::{self, Call, Layout};
use genred::cache::{Mode, Options};
use genred::{Backend, Cache, Float, Origin};

/// Rows and columns of the output side: either shape class.
const SIZES: [(usize, usize); 2] = [(41, 70), (3, 300)];

/// A case on every engine that has code.
pub(crate) fn gives_the_same(case: &Case, float: Float) -> Result<(), String> {
    let problem = case.problem()?;
    let formula = problem.typed()?;
    let calls = SIZES.map(|(rows, columns)| {
        let (m, n) = if case.axis == 1 { (rows, columns) } else { (columns, rows) };
        Call::scattered(&formula, m, n)
    });
    for engine in suite::engines(float) {
        if engine.backend == Backend::Eval || !case.holds_for(engine.dtype) {
            continue;
        }
        let folder = tempfile::tempdir().map_err(|e| e.to_string())?;
        let run = |expected: Origin| {
            let cache = Cache::open(Options::new().mode(Mode::ReadWrite).dir(folder.path()));
            let kernel = engine.compile_with(&problem, &cache)?;
            if kernel.origin() != expected {
                return Err(format!("{} is {:?}", engine.name(), kernel.origin()));
            }
            let found: Result<Vec<_>, _> =
                calls.iter().map(|call| kernel.run(call, Layout::Packed)).collect();
            Ok((found?, cache.stats()))
        };
        let (fresh, _) = run(Origin::Compiled)?;
        let (loaded, stats) = run(Origin::Disk)?;
        // The kernels of both shape classes.
        if stats.disk_hits != 2 || stats.misses != 0 {
            return Err(format!("{}: {stats:?}", engine.name()));
        }
        for (call, (fresh, loaded)) in calls.iter().zip(fresh.iter().zip(&loaded)) {
            if !fresh.has_bits_of(loaded) {
                let size = (call.m, call.n);
                return Err(format!("{} {size:?}: {fresh:?}\n{loaded:?}", engine.name()));
            }
        }
    }
    Ok(())
}
