//! Variables that choose engines and name libraries, in a program with more rights than its user.

use super::privileges::{as_nobody, can_change_owner, line};
use super::{actor_of, program_for_everybody, succeed};
use crate::cache::*;
use genred::cache::{Cache, Mode, Options};
use genred::cuda::nvrtc::Nvrtc;
use genred::device::Driver;
use genred::{Axis, Genred};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

pub(crate) const TESTS: &[(&str, fn())] = &[(
    "variables_are_not_obeyed_with_more_rights_than_the_user",
    variables_are_not_obeyed_with_more_rights_than_the_user,
)];

/// What a library says when it is loaded.
const LOADED: &str = "the marker is loaded";

/// A library that says when it is loaded and is good for nothing else; `None`, with the reason printed, where there is no compiler.
fn marker(dir: &Path) -> Option<std::path::PathBuf> {
    let (source, library) = (dir.join("marker.c"), dir.join("marker.so"));
    let said = format!("{LOADED}\\n");
    let text = format!(
        "#include <unistd.h>\n__attribute__((constructor)) static void loaded(void) \
         {{ if (write(1, \"{said}\", {})) return; }}\n",
        LOADED.len() + 1
    );
    std::fs::write(&source, text).expect("our own directory");
    let compiler = std::env::var_os("CC").unwrap_or_else(|| "cc".into());
    let mut command = Command::new(compiler);
    match command.args(["-shared", "-fPIC", "-o"]).arg(&library).arg(&source).output() {
        Ok(done) if done.status.success() => Some(library),
        Ok(done) => {
            without("a library of ours", String::from_utf8_lossy(&done.stderr).trim());
            None
        }
        Err(error) => {
            without("a library of ours", error);
            None
        }
    }
}

/// The `variables` role, and how often it loaded the marker.
fn said(program: &Path, variables: &[(&str, &Path)]) -> (String, usize) {
    let mut command = actor_of(program, "variables", &[]);
    command.envs(variables.iter().copied()).current_dir("/");
    let out = succeed(as_nobody(command));
    let loads = out.matches(LOADED).count();
    (out, loads)
}

fn variables_are_not_obeyed_with_more_rights_than_the_user() {
    if !can_change_owner() {
        return;
    }
    let (temp, _) = temp_on_disk();
    let dir = temp.path();
    let program = program_for_everybody(dir);
    let Some(marker) = marker(dir) else { return };
    // Where NVRTC is looked for: in a toolkit, and in an environment of Python.
    let (toolkit, python) = (dir.join("toolkit"), dir.join("python"));
    let package = "lib/python3.12/site-packages/nvidia/cu13/lib";
    let places = [
        toolkit.join("lib64"),
        python.join(package),
        python.join(".local").join(package),
        python.join("bin"),
    ];
    for place in &places {
        std::fs::create_dir_all(place).expect("our own directory");
        std::fs::copy(&marker, place.join("libnvrtc.so.13")).expect("our own directory");
    }
    std::fs::write(python.join("bin/python3"), "").expect("our own directory");
    let chmod = Command::new("chmod").args(["-R", "a+rX"]).arg(dir).status();
    assert!(chmod.expect("chmod runs").success());
    let libraries: &[(&str, &Path)] = &[
        ("GENRED_CUDA_DRIVER", &marker),
        ("GENRED_NVRTC", &marker),
        ("CUDA_PATH", &toolkit),
        ("CUDA_HOME", &toolkit),
        ("VIRTUAL_ENV", &python),
        ("CONDA_PREFIX", &python),
        ("PATH", &places[3]),
        ("HOME", &python),
    ];
    let engines: &[(&str, &Path)] =
        &[("GENRED_CPU", Path::new("no-engine")), ("GENRED_CUDA", Path::new("auto"))];

    // An ordinary program obeys each of them.
    assert_eq!(said(&program, &[]).1, 0);
    for variable in libraries {
        let (out, loads) = said(&program, &[*variable]);
        assert!(loads > 0, "{variable:?}: {out}");
    }
    let (out, _) = said(&program, &engines[..1]);
    assert!(line(&out, "engine ").contains("no engine `no-engine`"), "{out}");
    let (out, _) = said(&program, &engines[1..]);
    assert!(!line(&out, "device ").contains("not asked for"), "{out}");

    // One that has its owner's rights, or its group's, or a capability obeys none, alone or with the others.
    let all = [libraries, engines].concat();
    for mode in [0o4755, 0o2755] {
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(mode)).unwrap();
        obeys_none(&program, &all, dir);
    }
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    let capable = Command::new("setcap").arg("cap_net_raw+ep").arg(&program).output();
    match capable {
        Ok(done) if done.status.success() => obeys_none(&program, &all, dir),
        Ok(done) => without("file capabilities", String::from_utf8_lossy(&done.stderr).trim()),
        Err(error) => without("file capabilities", error),
    }
}

fn obeys_none(program: &Path, all: &[(&str, &Path)], dir: &Path) {
    let alone = all.iter().map(std::slice::from_ref);
    for variables in alone.chain([all]) {
        let (out, loads) = said(program, variables);
        assert_eq!(loads, 0, "{variables:?}: {out}");
        assert!(line(&out, "engine ").starts_with("Ok"), "{variables:?}: {out}");
        assert!(line(&out, "device ").contains("not asked for"), "{variables:?}: {out}");
        assert!(!out.contains(&*dir.to_string_lossy()), "{variables:?}: {out}");
    }
}

/// What the variables make of a kernel and of the search for libraries.
pub(crate) fn variables() {
    let sum = Genred::<f32>::sum("x*y").aliases(["x = Vi(1)", "y = Vj(1)"]).axis(Axis::J);
    let kernel = sum.cache(&Cache::open(Options::new().mode(Mode::Off))).compile();
    println!("engine {:?}", kernel.as_ref().map(|kernel| kernel.stats().engine));
    // As many pairs as are worth a device.
    let stats = kernel.and_then(|kernel| kernel.prepare(1 << 20, 1 << 20));
    println!("device {:?}", stats.map(|stats| stats.refusals));
    println!("driver {:?}", Driver::find());
    println!("nvrtc {:?}", Nvrtc::find(None));
}
