//! Memory beside views: every array touches an unmapped page, so that a read or a write outside of it ends the process.
//!
//! Each trial runs in a process of its own, so that a crash is a failure with a name and not the end of the run.

#![allow(clippy::print_stdout, reason = "children say what they read, and the suite what it lacks")]

mod calls;
#[path = "../common/mod.rs"]
mod common;
mod stages;
#[path = "../suite/mod.rs"]
mod suite;

use genred::Backend;
use genred::cpu::emitters;
use genred_fuzz_bodies::guard::{Flush, Guarded};
use half::f16;
use libtest_mimic::{Arguments, Failed, Trial};
use std::process::{Command, ExitCode};

/// The argument that makes this program run one trial's body itself.
const CHILD: &str = "--child";

const DTYPES: [&str; 3] = ["float16", "float32", "float64"];

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().collect();
    if let [_, flag, body] = &args[..]
        && flag == CHILD
    {
        child(body);
        return ExitCode::SUCCESS;
    }
    let mut trials = vec![
        Trial::test("reading_before_an_array_is_seen", || dies("read_before")),
        Trial::test("reading_behind_an_array_is_seen", || dies("read_behind")),
        Trial::test("writing_behind_an_array_is_seen", || dies("write_behind")),
    ];
    let (backends, lacking) = suite::backends();
    if !lacking.is_empty() {
        println!("this machine has no {}", lacking.join(", "));
    }
    for backend in backends {
        for dtype in DTYPES {
            let body = format!("calls {} {dtype}", backend.name());
            let name = format!("calls_stay_inside_their_arrays::{}::{dtype}", backend.name());
            trials.push(Trial::test(name, move || lives(&body)));
        }
    }
    for engine in emitters() {
        let body = format!("stages {}", engine.name());
        let name = format!("stages_stay_inside_their_memory::{}", engine.name());
        trials.push(Trial::test(name, move || lives(&body)));
        let body = format!("damaged {}", engine.name());
        let name = format!("verified_programs_stay_inside_their_memory::{}", engine.name());
        trials.push(Trial::test(name, move || lives(&body)));
    }
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

fn run(body: &str) -> Result<std::process::Output, Failed> {
    let program = std::env::current_exe()?;
    Ok(Command::new(program).args([CHILD, body]).output()?)
}

/// The body ends well.
fn lives(body: &str) -> Result<(), Failed> {
    let output = run(body)?;
    if output.status.success() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&output.stderr);
    Err(format!("{}: {}\n{text}", output.status, String::from_utf8_lossy(&output.stdout)).into())
}

/// The body is ended by the memory protection.
fn dies(body: &str) -> Result<(), Failed> {
    use std::os::unix::process::ExitStatusExt;
    let status = run(body)?.status;
    match status.signal() {
        Some(7 | 10 | 11) => Ok(()),
        _ => Err(format!("{body} was to end by a memory fault: {status}").into()),
    }
}

fn child(body: &str) {
    let words: Vec<&str> = body.split(' ').collect();
    match words[..] {
        ["read_before"] => println!("{}", outside(Flush::Front, -1)),
        ["read_behind"] => println!("{}", outside(Flush::Back, 5)),
        ["write_behind"] => {
            let mut memory = Guarded::new(&[1.0f32; 5], Flush::Back);
            // SAFETY: none: this is the fault that the test is about.
            unsafe { std::ptr::write_volatile(memory.as_mut_slice().as_mut_ptr().add(5), 2.0) };
        }
        ["calls", backend, "float16"] => calls::calls::<f16>(of_name(backend)),
        ["calls", backend, "float32"] => calls::calls::<f32>(of_name(backend)),
        ["calls", backend, "float64"] => calls::calls::<f64>(of_name(backend)),
        ["stages", engine] => stages::formulas(engine),
        ["damaged", engine] => stages::damaged(engine),
        _ => panic!("no body `{body}`"),
    }
}

fn outside(flush: Flush, offset: isize) -> f32 {
    let memory = Guarded::new(&[1.0f32; 5], flush);
    // SAFETY: none: this is the fault that the test is about.
    unsafe { std::ptr::read_volatile(memory.as_slice().as_ptr().offset(offset)) }
}

fn of_name(name: &str) -> Backend {
    Backend::from_name(name).expect("a back end")
}
