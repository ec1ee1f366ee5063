//! The few functions of the CUDA driver that are used, and owners of what they make.
//!
//! # Invariants
//!
//! Every owner keeps its device alive, and with it the device's primary context: the same one that other CUDA libraries in the
//! process use, so device pointers may be exchanged with them. A context is made current around each call that needs one and the
//! caller's is restored, so nothing here depends on the thread. Errors of the driver become [`Error`]s of kind `Device`.

use super::device::{Device, DeviceInfo};
use super::library::{self, functions};
use super::nvrtc::{Arch, Version};
use crate::environment;
use crate::error::{Error, ErrorKind};
use std::ffi::{CStr, CString, c_char, c_int, c_uint, c_void};
use std::fmt;
use std::path::{Path, PathBuf};
use std::ptr;
use std::sync::Arc;

mod memory;
mod stream;

pub(super) use memory::{Memory, Pinned};
pub(super) use stream::{Event, Stream};

functions! {
    /// The driver's interface of CUDA 11.
    Functions {
        init = "cuInit" (c_uint) -> c_int;
        version = "cuDriverGetVersion" (*mut c_int) -> c_int;
        error_name = "cuGetErrorName" (c_int, *mut *const c_char) -> c_int;
        error_string = "cuGetErrorString" (c_int, *mut *const c_char) -> c_int;
        device_count = "cuDeviceGetCount" (*mut c_int) -> c_int;
        device = "cuDeviceGet" (*mut c_int, c_int) -> c_int;
        device_name = "cuDeviceGetName" (*mut c_char, c_int, c_int) -> c_int;
        device_attribute = "cuDeviceGetAttribute" (*mut c_int, c_int, c_int) -> c_int;
        device_memory = "cuDeviceTotalMem_v2" (*mut usize, c_int) -> c_int;
        context_retain = "cuDevicePrimaryCtxRetain" (*mut Handle, c_int) -> c_int;
        context_release = "cuDevicePrimaryCtxRelease_v2" (c_int) -> c_int;
        context_push = "cuCtxPushCurrent_v2" (Handle) -> c_int;
        context_pop = "cuCtxPopCurrent_v2" (*mut Handle) -> c_int;
        memory_info = "cuMemGetInfo_v2" (*mut usize, *mut usize) -> c_int;
        memory_alloc = "cuMemAlloc_v2" (*mut u64, usize) -> c_int;
        memory_free = "cuMemFree_v2" (u64) -> c_int;
        pinned_alloc = "cuMemHostAlloc" (*mut *mut c_void, usize, c_uint) -> c_int;
        pinned_free = "cuMemFreeHost" (*mut c_void) -> c_int;
        upload = "cuMemcpyHtoDAsync_v2" (u64, *const c_void, usize, Handle) -> c_int;
        download = "cuMemcpyDtoHAsync_v2" (*mut c_void, u64, usize, Handle) -> c_int;
        stream_create = "cuStreamCreate" (*mut Handle, c_uint) -> c_int;
        stream_destroy = "cuStreamDestroy_v2" (Handle) -> c_int;
        stream_synchronize = "cuStreamSynchronize" (Handle) -> c_int;
        stream_wait = "cuStreamWaitEvent" (Handle, Handle, c_uint) -> c_int;
        event_create = "cuEventCreate" (*mut Handle, c_uint) -> c_int;
        event_record = "cuEventRecord" (Handle, Handle) -> c_int;
        event_synchronize = "cuEventSynchronize" (Handle) -> c_int;
        event_elapsed = "cuEventElapsedTime" (*mut f32, Handle, Handle) -> c_int;
        event_destroy = "cuEventDestroy_v2" (Handle) -> c_int;
        module_load = "cuModuleLoadData" (*mut Handle, *const c_void) -> c_int;
        module_unload = "cuModuleUnload" (Handle) -> c_int;
        module_function = "cuModuleGetFunction" (*mut Handle, Handle, *const c_char) -> c_int;
        launch = "cuLaunchKernel" (Handle, c_uint, c_uint, c_uint, c_uint, c_uint, c_uint, c_uint, Handle, *mut *mut c_void, *mut *mut c_void) -> c_int;
    }
}

/// An opaque object of the driver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(transparent)]
pub(super) struct Handle(*mut c_void);

// SAFETY: the driver's objects may be used from any thread; the handle itself is only a number here.
unsafe impl Send for Handle {}
// SAFETY: as above.
unsafe impl Sync for Handle {}

const NULL: Handle = Handle(ptr::null_mut());

const OUT_OF_MEMORY: c_int = 2;
const STUB: c_int = 34;
const NO_DEVICE: c_int = 100;
const INVALID_IMAGE: c_int = 200;
const NO_BINARY: c_int = 209;
const SYSTEM_MISMATCH: c_int = 803;
const FORWARD_COMPATIBILITY: c_int = 804;

/// The oldest driver whose binaries and functions are used.
const OLDEST: Version = Version { major: 11, minor: 2 };

const CLOCK: c_int = 13;
const MULTIPROCESSORS: c_int = 16;
const CAPABILITY_MAJOR: c_int = 75;
const CAPABILITY_MINOR: c_int = 76;

/// Streams that do not wait for the default stream of the process.
const NON_BLOCKING: c_uint = 1;
/// Events that only order work.
const WITHOUT_TIMING: c_uint = 2;

#[cfg(not(windows))]
const NAMES: &[&str] = &["libcuda.so.1", "libcuda.so"];
#[cfg(windows)]
const NAMES: &[&str] = &["nvcuda.dll"];

/// The variable that names the driver's library where it is not where the dynamic linker looks.
const VARIABLE: &str = "GENRED_CUDA_DRIVER";

/// A loaded and initialised driver.
///
/// ```no_run
/// let driver = genred::device::Driver::find()?;
/// println!("{} takes CUDA {}", driver.path().display(), driver.version());
/// # Ok::<(), genred::Error>(())
/// ```
#[derive(Clone)]
pub struct Driver {
    functions: Functions,
    version: Version,
    path: PathBuf,
}

impl fmt::Debug for Driver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Driver({}, {})", self.version, self.path.display())
    }
}

fn device_error(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Device, message)
}

impl Driver {
    /// Load the driver of this machine, or the library that `GENRED_CUDA_DRIVER` names.
    ///
    /// ```
    /// use genred::device::Driver;
    /// // Where there is none, the error says what is needed.
    /// if let Err(why) = Driver::find() {
    ///     assert!(why.is_device() && why.to_string().contains("CUDA"));
    /// }
    /// ```
    ///
    /// # Errors
    /// `Device` if there is none, it is too old, or it does not start.
    pub fn find() -> Result<Driver, Error> {
        if let Some(named) = environment::var_os(VARIABLE).filter(|v| !v.is_empty()) {
            return Driver::open(Path::new(&named));
        }
        let mut texts = Vec::new();
        for name in NAMES {
            match library::open(Path::new(name)) {
                Ok(_) => return Driver::open(Path::new(name)),
                Err(text) => texts.push(text),
            }
        }
        let message = format!("there is no CUDA driver on this machine ({})", texts.join("; "));
        Err(device_error(message)
            .help("CUDA needs an NVIDIA device with its driver; CPU engines need neither"))
    }

    /// Load a particular library.
    ///
    /// ```
    /// use genred::device::Driver;
    /// let error = Driver::open(std::path::Path::new("/no/such/library.so")).unwrap_err();
    /// assert!(error.to_string().starts_with("the CUDA driver cannot be loaded from /no/such/library.so"));
    /// ```
    ///
    /// # Errors
    /// As [`find`](Driver::find).
    pub fn open(path: &Path) -> Result<Driver, Error> {
        let shown = path.display();
        let library = library::open(path).map_err(|e| {
            device_error(format!("the CUDA driver cannot be loaded from {shown}: {e}"))
        })?;
        // SAFETY: the types are those of cuda.h, of the versions that the symbols name.
        let functions = unsafe { Functions::of(library) }.map_err(|name| {
            device_error(format!("the CUDA driver {shown} has no `{name}`: it is too old"))
        })?;
        let mut driver = Driver { functions, version: OLDEST, path: path.to_owned() };
        // SAFETY: the first call of the driver; it may be repeated.
        driver.check(unsafe { (functions.init)(0) }, "starting the driver")?;
        let mut number = 0;
        // SAFETY: the pointer is valid.
        let status = unsafe { (functions.version)(&mut number) };
        driver.check(status, "asking for the driver's version")?;
        let number = number.unsigned_abs();
        driver.version = Version { major: number / 1000, minor: number % 1000 / 10 };
        if driver.version < OLDEST {
            let message =
                format!("the CUDA driver takes CUDA {}, but {OLDEST} is needed", driver.version);
            return Err(device_error(message).help("update the NVIDIA driver"));
        }
        Ok(driver)
    }

    /// The library, by the path or the name that it was found by.
    ///
    /// ```no_run
    /// let driver = genred::device::Driver::find()?;
    /// println!("{}", driver.path().display());
    /// # Ok::<(), genred::Error>(())
    /// ```
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The newest CUDA version whose binaries it takes.
    ///
    /// ```no_run
    /// use genred::device::{Driver, Version};
    /// assert!(Driver::find()?.version() >= Version { major: 11, minor: 2 });
    /// # Ok::<(), genred::Error>(())
    /// ```
    pub fn version(&self) -> Version {
        self.version
    }

    /// Number of devices.
    ///
    /// ```no_run
    /// use genred::device::{Device, Driver};
    /// let driver = Driver::find()?;
    /// for ordinal in 0..driver.count()? {
    ///     println!("{}", Device::open(&driver, ordinal)?.info());
    /// }
    /// # Ok::<(), genred::Error>(())
    /// ```
    ///
    /// # Errors
    /// `Device` if there is none.
    pub fn count(&self) -> Result<usize, Error> {
        let mut count = 0;
        // SAFETY: the pointer is valid.
        self.check(unsafe { (self.functions.device_count)(&mut count) }, "counting devices")?;
        match usize::try_from(count) {
            Ok(count @ 1..) => Ok(count),
            _ => Err(device_error("the CUDA driver sees no device")
                .help("CUDA_VISIBLE_DEVICES may hide it")),
        }
    }

    /// What a device is, and its number in the driver's calls.
    pub(super) fn describe(&self, ordinal: usize) -> Result<(DeviceInfo, c_int), Error> {
        let count = self.count()?;
        let wanted = c_int::try_from(ordinal).ok().filter(|_| ordinal < count);
        let wanted = wanted.ok_or_else(|| {
            device_error(format!(
                "there is no CUDA device {ordinal}: {count} are there, counted from 0"
            ))
        })?;
        let f = &self.functions;
        let mut device = 0;
        let mut name = [0 as c_char; 128];
        let mut memory = 0;
        // SAFETY: the pointers are valid, and the name's length is passed.
        unsafe {
            self.check((f.device)(&mut device, wanted), "opening a device")?;
            self.check(
                (f.device_name)(name.as_mut_ptr(), 127, device),
                "asking for a device's name",
            )?;
            self.check((f.device_memory)(&mut memory, device), "asking for a device's memory")?;
        }
        let attribute = |attribute| {
            let mut value = 0;
            // SAFETY: the pointer is valid.
            let code = unsafe { (f.device_attribute)(&mut value, attribute, device) };
            self.check(code, "asking for a device's properties").map(|()| value.unsigned_abs())
        };
        let arch =
            Arch { major: attribute(CAPABILITY_MAJOR)?, minor: attribute(CAPABILITY_MINOR)? };
        // SAFETY: the driver terminated the text, which was zeroed besides.
        let name = unsafe { CStr::from_ptr(name.as_ptr()) }.to_string_lossy().into_owned();
        let (multiprocessors, clock_khz) = (attribute(MULTIPROCESSORS)?, attribute(CLOCK)?);
        let driver = self.version;
        let info = DeviceInfo { ordinal, name, arch, memory, multiprocessors, clock_khz, driver };
        Ok((info, device))
    }

    /// The primary context of a device, to be released once.
    pub(super) fn retain(&self, device: c_int) -> Result<Handle, Error> {
        let mut context = NULL;
        // SAFETY: the pointer is valid and the device was given by the driver.
        let code = unsafe { (self.functions.context_retain)(&mut context, device) };
        self.check(code, "opening a device's context").map(|()| context)
    }

    /// Give a primary context back.
    pub(super) fn release(&self, device: c_int) {
        // SAFETY: released once for each time it was retained.
        unsafe { (self.functions.context_release)(device) };
    }

    /// The error of a code.
    fn check(&self, code: c_int, doing: &str) -> Result<(), Error> {
        if code == 0 {
            return Ok(());
        }
        let text = |function: unsafe extern "system" fn(c_int, *mut *const c_char) -> c_int| {
            let mut text = ptr::null();
            // SAFETY: any code may be asked about.
            let known = unsafe { function(code, &mut text) } == 0 && !text.is_null();
            // SAFETY: a terminated text that lives as long as the library.
            known.then(|| unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned())
        };
        let name = text(self.functions.error_name).unwrap_or_else(|| format!("error {code}"));
        let meaning = text(self.functions.error_string).unwrap_or_default();
        let error = device_error(format!("CUDA failed while {doing}: {meaning} ({name})"));
        Err(match code {
            OUT_OF_MEMORY => error.help("a smaller memory budget makes calls work in more, smaller panels"),
            STUB => error.help("the library is a stub for linking: the driver's own directory must come first"),
            NO_DEVICE => error.help("CUDA_VISIBLE_DEVICES may hide the device"),
            INVALID_IMAGE | NO_BINARY => error.help("the binary was compiled for another device or a newer driver"),
            SYSTEM_MISMATCH | FORWARD_COMPATIBILITY => error.help("the driver's library and kernel module differ in version: restart, or update the driver"),
            _ => error,
        })
    }
}

/// A context that is current on this thread until dropped.
struct Current<'a>(&'a Driver);

impl<'a> Current<'a> {
    fn enter(device: &'a Device) -> Result<Current<'a>, Error> {
        let driver = device.driver();
        // SAFETY: the context is retained by the device.
        let code = unsafe { (driver.functions.context_push)(device.context()) };
        driver.check(code, "entering a device's context").map(|()| Current(driver))
    }
}

impl Drop for Current<'_> {
    fn drop(&mut self) {
        let mut popped = NULL;
        // SAFETY: pops the context that `enter` pushed on this thread.
        unsafe { (self.0.functions.context_pop)(&mut popped) };
    }
}

impl Device {
    fn call(&self, doing: &str, call: impl FnOnce(&Functions) -> c_int) -> Result<(), Error> {
        let _current = Current::enter(self)?;
        self.driver().check(call(&self.driver().functions), doing)
    }

    /// Bytes of memory that are free.
    ///
    /// ```no_run
    /// let device = genred::device::Device::first()?;
    /// assert!(device.free_memory()? <= device.info().memory);
    /// # Ok::<(), genred::Error>(())
    /// ```
    ///
    /// # Errors
    /// `Device` if the driver fails.
    pub fn free_memory(&self) -> Result<usize, Error> {
        let (mut free, mut total) = (0, 0);
        // SAFETY: the pointers are valid.
        self.call("asking for free memory", |f| unsafe { (f.memory_info)(&mut free, &mut total) })?;
        Ok(free)
    }
}

/// A loaded CUBIN.
#[derive(Debug)]
pub(super) struct Module {
    device: Arc<Device>,
    handle: Handle,
}

impl Module {
    pub(super) fn load(device: &Arc<Device>, cubin: &[u8]) -> Result<Module, Error> {
        let mut handle = NULL;
        // SAFETY: the bytes are a whole CUBIN: they come from the compiler or, verified by digest, from the cache.
        let load = |f: &Functions| unsafe { (f.module_load)(&mut handle, cubin.as_ptr().cast()) };
        device.call("loading a kernel", load)?;
        Ok(Module { device: Arc::clone(device), handle })
    }

    /// A kernel by name; it lives as long as the module.
    pub(super) fn function(&self, name: &str) -> Result<Handle, Error> {
        let mut function = NULL;
        let text =
            CString::new(name).map_err(|_| device_error("a kernel's name contains a NUL"))?;
        let find = |f: &Functions| {
            // SAFETY: the module is alive and the name is terminated.
            unsafe { (f.module_function)(&mut function, self.handle, text.as_ptr()) }
        };
        self.device.call(&format!("looking for kernel `{name}`"), find)?;
        Ok(function)
    }
}

impl Drop for Module {
    fn drop(&mut self) {
        // SAFETY: loaded by `load` and unloaded once; its kernels have been waited for.
        let _ =
            self.device.call("unloading a kernel", |f| unsafe { (f.module_unload)(self.handle) });
    }
}
