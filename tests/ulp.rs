mod common;
use common::functions::*;
use genred::Float;
use genred::cpu::Emitter;
use genred::cpu::clif::Clif;
use genred::cpu::code::Native;
use genred::cpu::layout::Layout;
use std::time::Instant;

#[test]
fn look() {
    let mut exact = Exact::new();
    for fma in [true, false] {
        for f in ALL {
            let lowered = program(f, Float::F32, fma);
            let code = Clif.emit(&lowered.program, &SCHEDULE).unwrap();
            let k = Native::<f32>::load(&code, Layout::of(&lowered, SCHEDULE, &code)).unwrap();
            let t = Instant::now();
            let args = arguments(f, Float::F32, 4_000_000, 1);
            let a32: Vec<[f32; 2]> = args.iter().map(|a| [a[0] as f32, a[1] as f32]).collect();
            let got = evaluate(&k, &a32);
            let mut worst = (0.0, 0.0, 0.0, 0.0, 0.0);
            for (a, g) in args.iter().zip(&got) {
                let r = double(f, a[0], a[1]);
                let g = f64::from(*g);
                let rc = r.clamp(-2f64.powi(128), 2f64.powi(128));
                let gc = g.clamp(-2f64.powi(128), 2f64.powi(128));
                let e = if g.is_nan() {
                    f64::INFINITY
                } else {
                    (gc - rc).abs() / unit(Float::F32, rc.abs().min(2f64.powi(127)))
                };
                if e > worst.0 {
                    worst = (e, a[0], a[1], g, r);
                }
            }
            let dt32 = t.elapsed();
            let lowered = program(f, Float::F64, fma);
            let code = Clif.emit(&lowered.program, &SCHEDULE).unwrap();
            let k = Native::<f64>::load(&code, Layout::of(&lowered, SCHEDULE, &code)).unwrap();
            let t = Instant::now();
            let args = arguments(f, Float::F64, 20000, 1);
            let got = evaluate(&k, &args);
            let mut worst64 = (0.0, 0.0, 0.0, 0.0, 0.0);
            for (a, g) in args.iter().zip(&got) {
                let mut n = exact.value(f, a[0], a[1]);
                let r = n.to_f64();
                if !r.is_finite() {
                    println!("?? {f:?} {a:?} {r}");
                    continue;
                }
                let sign = if f == genred::loops::program::Function::Pow
                    && a[0] < 0.0
                    && a[1] % 2.0 != 0.0
                {
                    -1.0
                } else {
                    1.0
                };
                let e = if g.is_nan() {
                    f64::INFINITY
                } else if g.is_infinite() {
                    println!("inf {f:?} {a:?} {r}");
                    0.0
                } else {
                    n.minus(g * sign).abs() / unit(Float::F64, r)
                };
                if e > worst64.0 {
                    worst64 = (e, a[0], a[1], *g, r);
                }
            }
            println!(
                "{f:?} fma {fma}\n   f32 {worst:?} {:?} insts {}\n   f64 {worst64:?} {:?}",
                dt32,
                lowered.program.row.len(),
                t.elapsed()
            );
        }
    }
}
