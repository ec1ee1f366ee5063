//! Where NVRTC may be. Nothing is run to find out: directories are looked into.

use super::Version;
use crate::environment;
use crate::error::Error;
use std::env::split_paths;
use std::fs;
use std::path::{Path, PathBuf};

/// What to do when it is nowhere.
pub(super) const HELP: &str = "install a CUDA toolkit, or `pip install nvidia-cuda-nvrtc-cu12` (or `nvidia-cuda-nvrtc` for \
     CUDA 13), or set GENRED_NVRTC to the library; searched: the dynamic linker's path, CUDA_PATH, CUDA_HOME, \
     /usr/local/cuda*, and the Python environments of VIRTUAL_ENV, CONDA_PREFIX, PATH and the home directory";

/// The variable that names the library, or a directory with it.
const VARIABLE: &str = "GENRED_NVRTC";

/// Names that the dynamic linker may know, newest first: it is asked for a version only where the newest is not installed.
#[cfg(not(windows))]
const NAMES: &[&str] = &["libnvrtc.so.13", "libnvrtc.so.12", "libnvrtc.so", "libnvrtc.so.11.2"];
#[cfg(windows)]
const NAMES: &[&str] = &["nvrtc64_130_0.dll", "nvrtc64_120_0.dll", "nvrtc64_112_0.dll"];

/// Libraries to try, best first.
///
/// # Errors
/// `Device` if the variable names something that is not there: it is not silently ignored.
pub(super) fn candidates() -> Result<Vec<PathBuf>, Error> {
    if let Some(named) = environment::var_os(VARIABLE).filter(|v| !v.is_empty()) {
        let named = PathBuf::from(named);
        let found = if named.is_dir() { libraries(&named) } else { vec![named.clone()] };
        if found.iter().any(|path| path.exists()) {
            return Ok(found);
        }
        let message = format!("{VARIABLE} is {}, but there is no NVRTC", named.display());
        return Err(super::device_error(message));
    }
    let mut found: Vec<PathBuf> = NAMES.iter().map(PathBuf::from).collect();
    for directory in toolkits().into_iter().chain(packages()) {
        found.extend(libraries(&directory));
    }
    Ok(found)
}

/// Libraries of NVRTC in a directory, newest first.
fn libraries(directory: &Path) -> Vec<PathBuf> {
    let is_nvrtc = |name: &str| {
        // Not the builtins, not the alternative build of some packages.
        let version = name.strip_prefix("libnvrtc.so");
        version.is_some_and(|v| v.bytes().all(|c| c == b'.' || c.is_ascii_digit()))
            || name.starts_with("nvrtc64_") && name.ends_with("_0.dll")
    };
    let mut found = children(directory, is_nvrtc);
    found.sort();
    found.reverse();
    found
}

/// The version of a library, by the builtins that lie beside it: `libnvrtc-builtins.so.12.9`. `None` for a name that only the
/// dynamic linker can resolve.
pub(super) fn version(library: &Path) -> Option<Version> {
    let directory = library.parent().filter(|parent| !parent.as_os_str().is_empty())?;
    // Names may be links to `libnvrtc.so.12.9.86`; of several versions in a directory, the one of the same major number counts.
    let name = library.file_name()?.to_str()?;
    let wanted = name.strip_prefix("libnvrtc.so.").and_then(|v| v.split('.').next()?.parse().ok());
    let versions = children(directory, |name| name.starts_with("libnvrtc-builtins.so."));
    let numbers = versions.iter().filter_map(|path| {
        let number = path.file_name()?.to_str()?.strip_prefix("libnvrtc-builtins.so.")?;
        let mut parts = number.split('.').map(|part| part.parse().ok());
        Some(Version { major: parts.next()??, minor: parts.next()?? })
    });
    numbers.filter(|v| wanted.is_none_or(|major: u32| major == v.major)).max()
}

/// Entries of a directory whose names fit, in no order.
fn children(directory: &Path, fits: impl Fn(&str) -> bool) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(directory) else { return Vec::new() };
    let paths = entries.filter_map(Result::ok).map(|entry| entry.path());
    paths.filter(|p| p.file_name().and_then(|n| n.to_str()).is_some_and(&fits)).collect()
}

/// Library directories of installed toolkits.
fn toolkits() -> Vec<PathBuf> {
    let named =
        ["CUDA_PATH", "CUDA_HOME"].into_iter().filter_map(environment::var_os).map(PathBuf::from);
    let mut installed = children(Path::new("/usr/local"), |name| name.starts_with("cuda"));
    installed.sort();
    installed.reverse();
    let roots = named.chain(installed);
    roots.flat_map(|root| ["lib64", "lib", "bin"].map(|part| root.join(part))).collect()
}

/// Library directories of the `nvidia-cuda-nvrtc` packages.
fn packages() -> Vec<PathBuf> {
    let mut prefixes: Vec<PathBuf> = ["VIRTUAL_ENV", "CONDA_PREFIX"]
        .into_iter()
        .filter_map(environment::var_os)
        .map(PathBuf::from)
        .collect();
    for directory in environment::var_os("PATH").iter().flat_map(split_paths) {
        if directory.join("python3").exists() && directory.ends_with("bin") {
            prefixes.extend(directory.parent().map(Path::to_owned));
        }
    }
    prefixes.extend(environment::var_os("HOME").map(|home| PathBuf::from(home).join(".local")));
    prefixes.dedup();
    let mut found = Vec::new();
    for prefix in prefixes {
        for python in children(&prefix.join("lib"), |name| name.starts_with("python3")) {
            for site in ["site-packages", "dist-packages"] {
                found.extend(in_site(&python.join(site)));
            }
        }
    }
    found
}

/// The packages of CUDA 13 have one directory for all libraries, earlier ones a directory each.
fn in_site(site: &Path) -> Vec<PathBuf> {
    let nvidia = site.join("nvidia");
    let mut parts = children(&nvidia, |name| name == "cuda_nvrtc" || name.starts_with("cu1"));
    parts.sort();
    parts.into_iter().map(|part| part.join("lib")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_are_told_from_their_builtins() {
        let directory = tempfile::tempdir().unwrap();
        let names = [
            "libnvrtc.so.12",
            "libnvrtc.so.13",
            "libnvrtc-builtins.so.12.9",
            "libnvrtc.alt.so.12",
            "other",
        ];
        for name in names {
            fs::write(directory.path().join(name), "").unwrap();
        }
        let found = libraries(directory.path());
        let names: Vec<_> = found.iter().filter_map(|p| p.file_name()?.to_str()).collect();
        assert_eq!(names, ["libnvrtc.so.13", "libnvrtc.so.12"]);
    }

    #[test]
    fn versions_are_read_off_names() {
        let directory = tempfile::tempdir().unwrap();
        for name in ["libnvrtc.so.12", "libnvrtc-builtins.so.12.9", "libnvrtc-builtins.so.13.0"] {
            fs::write(directory.path().join(name), "").unwrap();
        }
        let of = |name: &str| version(&directory.path().join(name));
        assert_eq!(of("libnvrtc.so.12"), Some(Version { major: 12, minor: 9 }));
        assert_eq!(of("libnvrtc.so.13"), Some(Version { major: 13, minor: 0 }));
        assert_eq!(of("libnvrtc.so.11.2"), None);
        assert_eq!(version(Path::new("libnvrtc.so.12")), None);
    }

    #[test]
    fn packages_of_both_layouts_are_seen() {
        let directory = tempfile::tempdir().unwrap();
        for part in ["cuda_nvrtc", "cu13", "cublas"] {
            fs::create_dir_all(directory.path().join("nvidia").join(part).join("lib")).unwrap();
        }
        let found = in_site(directory.path());
        let parts: Vec<_> =
            found.iter().map(|p| p.strip_prefix(directory.path()).unwrap()).collect();
        assert_eq!(parts, [Path::new("nvidia/cu13/lib"), Path::new("nvidia/cuda_nvrtc/lib")]);
    }
}
