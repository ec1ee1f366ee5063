use genred::{Genred,View,Backend,Axis,Accumulate,Reduction};
#[test]
fn nan() {
  for r in [Reduction::LogSumExp, Reduction::MaxSumShiftExp] {
  for acc in [Accumulate::Auto, Accumulate::Direct, Accumulate::Kahan] {
    for ys in [vec![f32::INFINITY], vec![f32::INFINITY, 1.0], vec![1.0, f32::INFINITY], vec![1.0, f32::INFINITY, 2.0, f32::INFINITY],vec![f32::INFINITY, f32::INFINITY], vec![f32::NEG_INFINITY, f32::INFINITY, 3.0], vec![f32::NEG_INFINITY, 3.0],vec![f32::NEG_INFINITY]] {
    let k = Genred::<f32>::reduction(r,"y").alias("y=Vj(1)").axis(Axis::J).backend(Backend::Clif).accumulate(acc).compile().unwrap();
    println!("{r:?} {acc:?} {ys:?} Clif {:?}", k.call(&[View::new(&ys,ys.len(),1).unwrap()]).unwrap().as_slice());
    }
  }}
}
