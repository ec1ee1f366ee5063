//! What kernels take of a multiprocessor, read off the report that NVRTC's assembler gives. No device is needed.

use super::{Arch, Nvrtc};
use crate::error::Error;

/// What a kernel takes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resources {
    /// Name of the kernel.
    pub kernel: String,
    /// Registers of a thread.
    pub registers: u32,
    /// Bytes that a thread stores and loads again because registers do not suffice: the text's stores and loads, added.
    pub spilled: u32,
    /// Bytes of a thread's own memory: arrays that are indexed at run time, and what is spilled.
    pub stack: u32,
    /// Bytes of shared memory of a block.
    pub shared: u32,
}

impl Nvrtc {
    /// What each kernel of a source takes on an architecture, in the order of their names.
    ///
    /// # Errors
    /// As [`compile`](Nvrtc::compile), and `Device` if the report is not understood.
    pub fn resources(
        &self,
        source: &str,
        arch: Arch,
        options: &[String],
    ) -> Result<Vec<Resources>, Error> {
        let mut options = options.to_vec();
        options.push("--ptxas-options=-v".into());
        let log = self.compile(source, arch, &options)?.log;
        let mut all = read(&log).ok_or_else(|| {
            super::device_error(format!("NVRTC {} reports resources as\n{log}", self.version))
        })?;
        all.sort_by(|a, b| a.kernel.cmp(&b.kernel));
        Ok(all)
    }
}

/// The kernels of a report; `None` if a number is missing.
fn read(log: &str) -> Option<Vec<Resources>> {
    let mut all = Vec::new();
    // The head of a kernel, its line of memory and its line of registers follow each other.
    let (mut kernel, mut memory) = (None, None);
    for line in log.lines() {
        if let Some((_, rest)) = line.split_once("Compiling entry function '") {
            kernel = rest.split('\'').next();
            memory = None;
        } else if line.contains("bytes stack frame") {
            let spilled =
                before(line, " bytes spill stores")? + before(line, " bytes spill loads")?;
            memory = Some((before(line, " bytes stack frame")?, spilled));
        } else if line.contains("Used ") && line.contains(" registers") {
            let (stack, spilled) = memory.take()?;
            all.push(Resources {
                kernel: kernel.take()?.to_owned(),
                registers: before(line, " registers")?,
                spilled,
                stack,
                // Not mentioned where there is none.
                shared: before(line, " bytes smem").unwrap_or(0),
            });
        }
    }
    (!all.is_empty() && kernel.is_none()).then_some(all)
}

/// The number in front of some words.
fn before(line: &str, words: &str) -> Option<u32> {
    let (head, _) = line.split_once(words)?;
    head.rsplit(' ').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = "\
ptxas info    : 0 bytes gmem
ptxas info    : Compiling entry function 'second' for 'sm_80'
ptxas info    : Function properties for second
ptxas         .     16 bytes stack frame, 12 bytes spill stores, 8 bytes spill loads
ptxas info    : Used 128 registers, used 1 barriers, 3072 bytes smem, 528 bytes cmem[0]
ptxas info    : Compile time = 86.816 ms
ptxas info    : Compiling entry function 'first' for 'sm_80'
ptxas info    : Function properties for first
ptxas         .     0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads
ptxas info    : Used 8 registers, used 0 barriers, 528 bytes cmem[0]
";

    #[test]
    fn reports_are_read() {
        let second = Resources {
            kernel: "second".into(),
            registers: 128,
            spilled: 20,
            stack: 16,
            shared: 3072,
        };
        let first = Resources { kernel: "first".into(), registers: 8, ..Resources::default() };
        assert_eq!(read(LOG), Some(vec![second, first]));
    }

    #[test]
    fn what_is_not_a_report_is_told() {
        assert_eq!(read(""), None);
        assert_eq!(read(&LOG.replace("spill loads", "loads")), None);
        // A kernel without its registers.
        let cut = LOG.rfind("ptxas info    : Used").unwrap();
        assert_eq!(read(&LOG[..cut]), None);
    }
}
