//! `genred soak` for some seconds: what it prints, and that it leaves nothing behind.

use crate::Folder;

/// The number ahead of a word in a line.
fn number(line: &str, word: &str) -> u64 {
    let before = line.split(word).next().filter(|before| before.len() < line.len());
    let before = before.unwrap_or_else(|| panic!("{word} is not in {line}"));
    before.trim().rsplit([' ', '(']).next().unwrap().parse().unwrap()
}

#[test]
fn some_seconds_of_random_reductions_are_right() {
    let folder = Folder::new();
    std::fs::create_dir(folder.path("tmp")).unwrap();
    let mut command = folder.command(["soak", "--minutes", "0.1", "--threads", "3", "--seed", "5"]);
    let ran = command.env("TMPDIR", folder.path("tmp")).output().unwrap();
    let text = String::from_utf8(ran.stdout).unwrap();
    assert!(ran.status.success(), "{text}\n{}", String::from_utf8_lossy(&ran.stderr));
    assert!(text.ends_with("no wrong result\n"), "{text}");
    assert!(text.contains("too short for a judgement on memory"), "{text}");
    let last = text.lines().rfind(|line| line.contains(" reductions ")).unwrap();
    let (new, refused) = (number(last, " reductions"), number(last, " refused"));
    assert!(new > 20 && refused * 2 < new, "{last}");
    assert!(number(last, " results") > new, "{last}");
    // A kernel is called many times more often than made, and every way to one was taken.
    let compiled = number(last, " kernels compiled");
    assert!(compiled > 20 && number(last, " calls") > 5 * compiled, "{last}");
    assert!(number(last, " from disk") > 0 && number(last, " from memory") > 0, "{last}");
    assert_eq!(number(last, " errors"), 0, "{last}");
    if cfg!(target_os = "linux") {
        for look in ["at the start: ", "after warm-up: ", "at the end: "] {
            let line = text.lines().find(|line| line.starts_with(look));
            assert!(line.is_some_and(|line| line.contains(" KiB resident, ")), "{look}\n{text}");
        }
    }
    let left = std::fs::read_dir(folder.path("tmp")).unwrap().count();
    assert_eq!(left, 0, "the cache of the soak is still there");
}

#[test]
fn a_cache_that_is_given_stays() {
    let folder = Folder::new();
    let dir = folder.path("mine");
    let text = folder.ok(&[
        "soak",
        "--minutes",
        "0.02",
        "--threads",
        "1",
        "--cache",
        dir.to_str().unwrap(),
    ]);
    assert!(text.contains("no wrong result"), "{text}");
    assert!(dir.join("v1").is_dir());
}

#[test]
fn a_time_is_needed() {
    let folder = Folder::new();
    for bad in ["0", "-1", "nan", "inf", "soon"] {
        let ran = folder.run(&["soak", "--minutes", bad]);
        assert!(!ran.success && ran.stderr.contains("--minutes"), "{bad}: {}", ran.stderr);
    }
    assert!(!folder.run(&["soak"]).success);
}
