#[test]
fn replay() {
    let data = std::fs::read(std::env::var("INPUT").unwrap()).unwrap();
    let t = std::env::var("TARGET").unwrap();
    let t = genred_fuzz_bodies::TARGETS.iter().find(|x| x.name == t).unwrap();
    (t.run)(&data);
}
