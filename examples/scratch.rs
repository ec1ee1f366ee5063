use genred::formula::{Category, typing};
use genred::loops::build::{self, Scheme, Source};
use genred::loops::builder::Functions;
use genred::schedule::Lanes;
fn main() {
    let a: Vec<String> = std::env::args().collect();
    let (red, k) = a[1].split_once(':').map_or((a[1].as_str(), None), |(r, k)| (r, Some(k.parse().unwrap())));
    let reduction = genred::Reduction::from_name(red, k).unwrap();
    let dtype = match a[2].as_str() { "f16" => genred::DType::F16, "f32" => genred::DType::F32, _ => genred::DType::F64 };
    let weight = if a[3].is_empty() { None } else { Some(a[3].as_str()) };
    let aliases: Vec<&str> = a[5..].iter().map(|s| s.as_str()).filter(|s| s.contains('=')).collect();
    let lanes = if a.last().unwrap() == "few" { Lanes::Columns } else { Lanes::Rows };
    let formula = typing::formula(&a[4], weight, &aliases).unwrap();
    let lowered = build::build(&Source { formula: &formula, rows: Category::I, reduction, scheme: Scheme::Block, float: dtype.compute(), fma: true, functions: Functions::Intrinsic });
    let request = genred::cuda::Request { reduction, dim: formula.root_dim(0), stored: dtype, lanes, math: Default::default() };
    match request.emit(&lowered) {
        Ok(t) => print!("{}", t.source),
        Err(e) => eprintln!("refused: {e}"),
    }
}
