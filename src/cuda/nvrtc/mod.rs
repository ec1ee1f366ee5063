//! The run-time compiler: source text in, a CUBIN for one architecture out. It needs no device.

mod find;
mod resources;

pub use resources::Resources;

use super::library::{self, functions};
use crate::error::{Error, ErrorKind};
use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::fmt;
use std::path::{Path, PathBuf};
use std::ptr;

functions! {
    /// NVRTC, as of version 11.2.
    Functions {
        version = "nvrtcVersion" (*mut c_int, *mut c_int) -> c_int;
        error_string = "nvrtcGetErrorString" (c_int) -> *const c_char;
        supported_count = "nvrtcGetNumSupportedArchs" (*mut c_int) -> c_int;
        supported = "nvrtcGetSupportedArchs" (*mut c_int) -> c_int;
        create = "nvrtcCreateProgram" (*mut *mut c_void, *const c_char, *const c_char, c_int, *const *const c_char, *const *const c_char) -> c_int;
        destroy = "nvrtcDestroyProgram" (*mut *mut c_void) -> c_int;
        compile = "nvrtcCompileProgram" (*mut c_void, c_int, *const *const c_char) -> c_int;
        log_size = "nvrtcGetProgramLogSize" (*mut c_void, *mut usize) -> c_int;
        log = "nvrtcGetProgramLog" (*mut c_void, *mut c_char) -> c_int;
        cubin_size = "nvrtcGetCUBINSize" (*mut c_void, *mut usize) -> c_int;
        cubin = "nvrtcGetCUBIN" (*mut c_void, *mut c_char) -> c_int;
    }
}

/// A version of a CUDA component.
///
/// ```
/// use genred::device::Version;
/// assert!(Version { major: 12, minor: 9 } < Version { major: 13, minor: 0 });
/// assert_eq!(Version { major: 12, minor: 9 }.to_string(), "12.9");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version {
    /// Version of the toolkit.
    pub major: u32,
    /// Release of it.
    pub minor: u32,
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// The architecture of a device: its compute capability.
///
/// ```
/// use genred::device::Arch;
/// assert_eq!(Arch { major: 9, minor: 0 }.to_string(), "sm_90");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Arch {
    /// First part.
    pub major: u32,
    /// Second part.
    pub minor: u32,
}

impl Arch {
    /// The architecture of a number like 90.
    ///
    /// ```
    /// use genred::device::Arch;
    /// assert_eq!(Arch::from_number(120), Arch { major: 12, minor: 0 });
    /// ```
    pub fn from_number(number: u32) -> Arch {
        Arch { major: number / 10, minor: number % 10 }
    }

    /// A number like 90.
    ///
    /// ```
    /// use genred::device::Arch;
    /// assert_eq!(Arch { major: 8, minor: 6 }.number(), 86);
    /// ```
    pub fn number(self) -> u32 {
        10 * self.major + self.minor
    }
}

impl fmt::Display for Arch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sm_{}", self.number())
    }
}

/// Versions whose binaries a process without NVRTC takes from the cache, newest first.
pub const KNOWN: &[Version] = &{
    const LAST: [(u32, u32); 3] = [(13, 9), (12, 9), (11, 8)];
    let mut all = [Version { major: 0, minor: 0 }; 29];
    let (mut n, mut k) = (0, 0);
    while k < LAST.len() {
        let (major, last) = LAST[k];
        let mut minor = last + 1;
        while minor > 0 {
            minor -= 1;
            all[n] = Version { major, minor };
            n += 1;
        }
        k += 1;
    }
    all
};

/// A loaded run-time compiler.
#[derive(Clone)]
pub struct Nvrtc {
    functions: Functions,
    version: Version,
    path: PathBuf,
}

impl fmt::Debug for Nvrtc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Nvrtc({}, {})", self.version, self.path.display())
    }
}

/// What compilation gave.
#[derive(Clone, Debug)]
pub struct Output {
    /// The binary for the device.
    pub cubin: Vec<u8>,
    /// What the compiler had to say: empty unless there are warnings or a report was asked for.
    pub log: String,
}

/// A program that is destroyed with the value.
struct Program<'a> {
    functions: &'a Functions,
    handle: *mut c_void,
}

impl Drop for Program<'_> {
    fn drop(&mut self) {
        // SAFETY: the handle was made by `create` and is destroyed once.
        unsafe { (self.functions.destroy)(&mut self.handle) };
    }
}

fn device_error(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Device, message)
}

impl Nvrtc {
    /// Find and load NVRTC: where `GENRED_NVRTC` says, where the dynamic linker looks, in CUDA toolkits, and in the
    /// `nvidia-cuda-nvrtc` packages of Python installations. `wanted` is the device's architecture with the newest CUDA version
    /// that its driver takes binaries of.
    ///
    /// # Errors
    /// `Device`, with what to do, if none is found or none found suits.
    pub fn find(wanted: Option<(Arch, Version)>) -> Result<Nvrtc, Error> {
        let mut refused = None;
        for path in find::candidates()? {
            let Ok(nvrtc) = Nvrtc::open(&path) else { continue };
            match wanted.and_then(|(arch, driver)| nvrtc.unsuitable(arch, driver)) {
                None => return Ok(nvrtc),
                Some(error) => refused = refused.or(Some(error)),
            }
        }
        let missing =
            || device_error("NVRTC, CUDA's run-time compiler, was not found").help(find::HELP);
        Err(refused.unwrap_or_else(missing))
    }

    /// Versions that are installed, best first, read off the names of files: nothing is loaded.
    pub fn installed() -> Vec<Version> {
        let candidates = find::candidates().unwrap_or_default();
        let mut versions = Vec::new();
        for version in candidates.iter().filter_map(|path| find::version(path)) {
            if !versions.contains(&version) {
                versions.push(version);
            }
        }
        versions
    }

    /// Why binaries of this compiler would not run.
    fn unsuitable(&self, arch: Arch, driver: Version) -> Option<Error> {
        let (version, path) = (self.version, self.path.display());
        if version.major > driver.major {
            let message = format!(
                "NVRTC {version} ({path}) is newer than the driver, which takes CUDA {driver}"
            );
            let help =
                format!("update the driver, or `pip install nvidia-cuda-nvrtc-cu{}`", driver.major);
            return Some(device_error(message).help(help));
        }
        self.target(arch).err()
    }

    /// What to compile for so that a device of an architecture takes the binary: itself, or the nearest one before it.
    ///
    /// # Errors
    /// `Device` if this compiler knows neither.
    pub fn target(&self, arch: Arch) -> Result<Arch, Error> {
        let runs = |known: &Arch| known.major == arch.major && known.minor <= arch.minor;
        self.archs().into_iter().filter(runs).max().ok_or_else(|| {
            let message = format!(
                "NVRTC {} ({}) does not compile for {arch}",
                self.version,
                self.path.display()
            );
            device_error(message).help("install the NVRTC of another CUDA version")
        })
    }

    /// Load a particular library.
    ///
    /// # Errors
    /// `Device` if it cannot be loaded or is too old.
    pub fn open(path: &Path) -> Result<Nvrtc, Error> {
        let shown = path.display();
        let library = library::open(path)
            .map_err(|e| device_error(format!("NVRTC cannot be loaded from {shown}: {e}")))?;
        // SAFETY: the types are those of nvrtc.h.
        let functions = unsafe { Functions::of(library) }.map_err(|name| {
            device_error(format!("{shown} has no `{name}`: it is too old or not NVRTC"))
        })?;
        let (mut major, mut minor) = (0, 0);
        // SAFETY: both pointers are valid.
        let code = unsafe { (functions.version)(&mut major, &mut minor) };
        if code != 0 {
            return Err(device_error(format!("{shown} does not tell its version (error {code})")));
        }
        let version = Version { major: major.unsigned_abs(), minor: minor.unsigned_abs() };
        Ok(Nvrtc { functions, version, path: path.to_owned() })
    }

    /// Its version.
    pub fn version(&self) -> Version {
        self.version
    }

    /// Where it was loaded from.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The architectures that it compiles for.
    pub fn archs(&self) -> Vec<Arch> {
        let mut count = 0;
        // SAFETY: the pointer is valid.
        let code = unsafe { (self.functions.supported_count)(&mut count) };
        let mut numbers = vec![0; usize::try_from(count).unwrap_or(0)];
        // SAFETY: there is room for as many numbers as were announced.
        if code != 0 || unsafe { (self.functions.supported)(numbers.as_mut_ptr()) } != 0 {
            return Vec::new();
        }
        numbers.into_iter().map(|n: c_int| Arch::from_number(n.unsigned_abs())).collect()
    }

    /// Compile a source for an architecture.
    ///
    /// # Errors
    /// `Device`, with the compiler's log.
    pub fn compile(&self, source: &str, arch: Arch, options: &[String]) -> Result<Output, Error> {
        let f = &self.functions;
        let text = CString::new(source).map_err(|_| device_error("the source contains a NUL"))?;
        let mut all = vec![format!("--gpu-architecture={arch}")];
        all.extend(options.iter().cloned());
        let all: Vec<CString> = all
            .into_iter()
            .map(|o| CString::new(o).map_err(|_| device_error("an option contains a NUL")))
            .collect::<Result<_, _>>()?;
        let pointers: Vec<*const c_char> = all.iter().map(|o| o.as_ptr()).collect();
        let mut handle = ptr::null_mut();
        // SAFETY: the texts are terminated and live until the call returns, which copies them; there are no headers.
        let code = unsafe {
            (f.create)(
                &mut handle,
                text.as_ptr(),
                c"genred.cu".as_ptr(),
                0,
                ptr::null(),
                ptr::null(),
            )
        };
        self.check(code)?;
        let program = Program { functions: f, handle };
        let count = c_int::try_from(pointers.len()).expect("a handful of options");
        // SAFETY: the program is alive and the options outlive the call.
        let code = unsafe { (f.compile)(program.handle, count, pointers.as_ptr()) };
        let log = self.bytes(&program, f.log_size, f.log)?;
        let log = String::from_utf8_lossy(&log).trim_end_matches('\0').trim_end().to_owned();
        if code != 0 {
            let what = self.message(code);
            return Err(device_error(format!("NVRTC {} for {arch}: {what}\n{log}", self.version)));
        }
        Ok(Output { cubin: self.bytes(&program, f.cubin_size, f.cubin)?, log })
    }

    /// Bytes that a program offers by a size and a copy function.
    fn bytes(
        &self,
        program: &Program<'_>,
        size: unsafe extern "system" fn(*mut c_void, *mut usize) -> c_int,
        copy: unsafe extern "system" fn(*mut c_void, *mut c_char) -> c_int,
    ) -> Result<Vec<u8>, Error> {
        let mut len = 0;
        // SAFETY: the program is alive.
        self.check(unsafe { size(program.handle, &mut len) })?;
        let mut bytes = vec![0u8; len];
        // SAFETY: there is room for as many bytes as were announced.
        self.check(unsafe { copy(program.handle, bytes.as_mut_ptr().cast()) })?;
        Ok(bytes)
    }

    fn message(&self, code: c_int) -> String {
        // SAFETY: any code may be asked about; the answer is a static text.
        let text = unsafe { (self.functions.error_string)(code) };
        if text.is_null() {
            return format!("error {code}");
        }
        // SAFETY: a terminated text that lives as long as the library.
        unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned()
    }

    fn check(&self, code: c_int) -> Result<(), Error> {
        if code == 0 { Ok(()) } else { Err(device_error(format!("NVRTC: {}", self.message(code)))) }
    }
}
