use genred::{Genred,View,Backend,Axis};
use genred_fuzz_bodies::{Choices, differential};
#[test]
fn one() {
  for b in [Backend::Clif, Backend::Eval] {
    for f in ["Rsqrt(x)", "1/Rsqrt(x)", "2**x/Rsqrt(x)", "Sqrt(x)", "Powf(x, 1)", "Powf(x,0)", "Rsqrt(Sqrt(x))", "1/Rsqrt(Sqrt(x))"] {
    let xs = [0.0f32, -0.0, 1e-40, -1e-40, f32::INFINITY, f32::NEG_INFINITY, -1.0, 1e30, f32::NAN, 1e-45];
    let k = Genred::<f32>::sum(f).alias("x=Vi(1)").axis(Axis::J).backend(b).compile().unwrap();
    println!("{b:?} {f} {:?}", k.call(&[View::new(&xs,xs.len(),1).unwrap()]).unwrap().as_slice());
    }
  }
}
#[test]
fn many() {
    let n: u64 = std::env::var("N").unwrap_or("3000".into()).parse().unwrap();
    let f: u64 = std::env::var("F").unwrap_or("0".into()).parse().unwrap();
    std::panic::set_hook(Box::new(|_| {}));
    let (mut acc, mut bad, mut res, mut unk) = (0, 0, 0, 0);
    for seed in f..f+n {
        let case = differential::case(&mut Choices::from_seed(seed));
        match std::panic::catch_unwind(|| differential::check(&case)) {
            Ok(differential::Verdict::Agreed{results, unknown}) => {acc += 1; res += results; unk += unknown;},
            Ok(_) => {}
            Err(e) => { bad += 1; let m = e.downcast_ref::<String>().cloned().or(e.downcast_ref::<&str>().map(|s| s.to_string())).unwrap(); if bad < 40 { println!("SEED {seed}: {}", m); } }
        }
    }
    println!("TOTAL {n} accepted {acc} bad {bad} results {res} unknown {unk}");
}
#[test]
fn bounds() {
    use genred::eval::{Matrix, Task, bound, pair};
    use genred::formula::{typing, Category};
    for f in ["Rsqrt(x)", "1/Rsqrt(x)", "Rsqrt(Sqrt(x))/Rsqrt(y)", "Rsqrt(Sqrt(x))", "Rsqrt(Sqrt(Powf(x,y)))"] {
      for (x, y) in [(-0.0,-0.0),(0.0,0.0),(f64::INFINITY,0.0),(2f64.powi(-24),f64::INFINITY),(0.0, f64::INFINITY), (2.0, f64::INFINITY), (f64::INFINITY,f64::INFINITY)] {
        let formula = typing::formula(f, None, &["x = Pm(1)", "y = Pm(1)"]).unwrap();
        let inputs = [Matrix::new(1,1,vec![x]), Matrix::new(1,1,vec![y])];
        let task = Task{formula: &formula, rows: Category::I, reduction: genred::Reduction::Sum, float: genred::Float::F32, inputs: &inputs, m:1, n:1};
        println!("{f} {x} {y} {:?} {:?}", pair(&task,0,0), bound::pair(&task,0,0));
      }
    }
}
