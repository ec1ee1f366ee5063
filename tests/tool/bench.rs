//! `genred bench`: what it prints; that references and kernels agree is checked by the tool itself, which fails otherwise.

use crate::Folder;

/// A small run of everything on some engine.
fn lines(engine: &str, dtype: &str) -> Vec<serde_json::Value> {
    let size = ["--rows", "70", "--columns", "333", "--repeat", "1", "--json"];
    let text = Folder::new().ok(&[
        &["bench", "--engine", engine, "--dtype", dtype, "--threads", "2"],
        &size[..],
    ]
    .concat());
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn every_problem_is_right_on_every_engine_beside_its_reference() {
    let ids: Vec<String> =
        lines("auto", "float32").iter().map(|l| l["problem"].to_string()).collect();
    for id in ["P1", "P1-weighted", "P2", "P3", "P4-D100-K10", "P5-b10", "P6-root", "few-rows"] {
        assert!(ids.contains(&format!("\"{id}\"")), "{id} is not among {ids:?}");
    }
    let has = |feature| genred::cpu::target::Target::host().names().contains(&feature);
    for (engine, feature) in [("clif", None), ("avx2", Some("avx2")), ("avx512", Some("avx512"))] {
        if feature.is_some_and(|feature| !has(feature)) {
            continue;
        }
        for (dtype, allowed) in [("float32", 2e-6), ("float64", 1e-14)] {
            let lines = lines(engine, dtype);
            assert_eq!(lines.len(), ids.len());
            for line in lines {
                assert_eq!((&line["engine"], &line["dtype"]), (&engine.into(), &dtype.into()));
                assert_eq!(line["rows"].as_u64().zip(line["columns"].as_u64()), Some((70, 333)));
                assert!(line["error"].as_f64().unwrap() < allowed, "{line}");
                assert!(line["seconds"].as_f64().unwrap() > 0.0, "{line}");
                let (own, hand) = (line["seconds"].as_f64(), line["hand_seconds"].as_f64());
                let ratio = hand.zip(own).map(|(hand, own)| hand / own);
                let printed = line["ratio"].as_f64();
                assert_eq!(ratio.is_some(), printed.is_some());
                let off = ratio.zip(printed).map_or(0.0, |(a, b)| (a / b - 1.0).abs());
                assert!(off < 1e-3, "{line}");
            }
        }
    }
}

#[test]
fn one_problem_is_a_line_below_the_heading() {
    let folder = Folder::new();
    let text = folder.ok(&[
        "bench",
        "--problem",
        "P1",
        "--dtype",
        "float64",
        "--rows",
        "40",
        "--columns",
        "50",
    ]);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 2, "{text}");
    assert!(lines[0].starts_with("problem ") && lines[0].contains(" ratio "), "{text}");
    assert!(lines[1].starts_with("P1 ") && lines[1].contains(" float64 "), "{text}");
    for wrong in [["--problem", "P7"], ["--engine", "mmx"], ["--threads", "0"], ["--repeat", "0"]] {
        let ran = folder.run(&["bench", wrong[0], wrong[1]]);
        assert!(!ran.success && ran.stderr.contains(wrong[1]), "{}", ran.stderr);
    }
    let help = folder.ok(&["bench", "--help"]);
    assert!(help.contains("genred bench --engine avx2"), "{help}");
}
