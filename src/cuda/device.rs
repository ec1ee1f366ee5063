//! Devices: what there are, and one that is in use.

use super::driver::{Driver, Handle};
use super::nvrtc::{Arch, Version};
use crate::environment;
use crate::error::{Error, ErrorKind};
use std::ffi::c_int;
use std::fmt;
use std::sync::Arc;

/// What a device is.
///
/// ```no_run
/// let info = genred::device::available()?;
/// println!("{} has {} GiB", info.name, info.memory >> 30);
/// # Ok::<(), genred::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceInfo {
    /// Its number, from 0.
    pub ordinal: usize,
    /// Its name.
    pub name: String,
    /// What it executes.
    pub arch: Arch,
    /// Bytes of its memory.
    pub memory: usize,
    /// Number of its multiprocessors.
    pub multiprocessors: u32,
    /// Their highest clock, in kHz.
    pub clock_khz: u32,
    /// The newest CUDA version that its driver takes.
    pub driver: Version,
}

impl fmt::Display for DeviceInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let DeviceInfo { ordinal, name, arch, memory, multiprocessors, driver, .. } = self;
        let gib = *memory as f64 / f64::from(1 << 30);
        write!(
            f,
            "{ordinal}: {name}, {arch}, {multiprocessors} multiprocessors, {gib:.1} GiB, driver for CUDA {driver}"
        )
    }
}

/// A device in use: its primary context is kept until the last owner is gone.
///
/// ```no_run
/// let device = genred::device::Device::first()?;
/// assert_eq!(device.info().ordinal, 0);
/// # Ok::<(), genred::Error>(())
/// ```
#[derive(Debug)]
pub struct Device {
    driver: Driver,
    info: DeviceInfo,
    number: c_int,
    context: Handle,
}

impl Device {
    /// Use a device.
    ///
    /// ```no_run
    /// use genred::device::{Device, Driver};
    /// let driver = Driver::find()?;
    /// let last = Device::open(&driver, driver.count()? - 1)?;
    /// println!("{}", last.info());
    /// # Ok::<(), genred::Error>(())
    /// ```
    ///
    /// # Errors
    /// `Device` if there is no such device or it cannot be used.
    pub fn open(driver: &Driver, ordinal: usize) -> Result<Arc<Device>, Error> {
        let (info, number) = driver.describe(ordinal)?;
        let context = driver.retain(number)?;
        Ok(Arc::new(Device { driver: driver.clone(), info, number, context }))
    }

    /// The first device of this machine.
    ///
    /// ```no_run
    /// let device = genred::device::Device::first()?;
    /// println!("{}", device.info());
    /// # Ok::<(), genred::Error>(())
    /// ```
    ///
    /// # Errors
    /// `Device` if there is no driver or no device.
    pub fn first() -> Result<Arc<Device>, Error> {
        Device::open(&Driver::find()?, 0)
    }

    /// What it is.
    ///
    /// ```no_run
    /// let device = genred::device::Device::first()?;
    /// assert!(device.info().memory > 0 && device.info().arch.major >= 5);
    /// # Ok::<(), genred::Error>(())
    /// ```
    pub fn info(&self) -> &DeviceInfo {
        &self.info
    }

    pub(super) fn driver(&self) -> &Driver {
        &self.driver
    }

    pub(super) fn context(&self) -> Handle {
        self.context
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        self.driver.release(self.number);
    }
}

/// Which devices calls are shared by: `all`, or numbers like `0,2`; the first one alone by default.
const VARIABLE: &str = "GENRED_CUDA_DEVICES";

/// The devices that calls use: those that `GENRED_CUDA_DEVICES` names, all of one architecture, or the first one.
///
/// # Errors
/// `Device` if there is no driver or no device, if one that is named is not there, or if they differ in architecture.
pub fn chosen() -> Result<Vec<Arc<Device>>, Error> {
    let driver = Driver::find()?;
    let named = environment::var(VARIABLE).unwrap_or_default();
    let wanted: Vec<usize> = match named.trim() {
        "" => vec![0],
        "all" => (0..driver.count()?).collect(),
        list => {
            list.split(',').map(|n| n.trim().parse()).collect::<Result<_, _>>().map_err(|_| {
                let message =
                    format!("{VARIABLE} is `{list}`, but must be `all` or numbers like `0,2`");
                Error::new(ErrorKind::Device, message)
            })?
        }
    };
    let devices =
        wanted.iter().map(|n| Device::open(&driver, *n)).collect::<Result<Vec<_>, _>>()?;
    let arch = |device: &Arc<Device>| device.info.arch;
    if let Some(other) = devices.iter().find(|device| arch(device) != arch(&devices[0])) {
        let message = format!(
            "devices {} and {} of {VARIABLE} differ in architecture: {} and {}",
            devices[0].info.ordinal,
            other.info.ordinal,
            arch(&devices[0]),
            arch(other)
        );
        return Err(Error::new(ErrorKind::Device, message).help("name devices of one architecture"));
    }
    Ok(devices)
}

/// The first device of this machine, if CUDA can be used on it.
///
/// ```
/// match genred::device::available() {
///     Ok(device) => println!("{device}"),
///     Err(why) => assert!(why.is_device()),
/// }
/// ```
///
/// # Errors
/// `Device`: no driver, a driver that is too old or does not start, no device.
pub fn available() -> Result<DeviceInfo, Error> {
    Driver::find()?.describe(0).map(|(info, _)| info)
}
