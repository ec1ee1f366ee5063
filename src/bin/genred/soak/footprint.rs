//! What the program takes of the machine: resident memory and open descriptors.

use std::fmt;

/// Growth of resident memory that passes, in percent.
const GROWTH: u64 = 5;

/// Variables by which glibc gives freed memory back; it reads them when a program starts.
#[cfg(all(unix, target_env = "gnu"))]
const ALLOCATOR: [(&str, &str); 3] = [
    ("MALLOC_ARENA_MAX", "1"),
    ("MALLOC_TRIM_THRESHOLD_", "65536"),
    ("MALLOC_MMAP_THRESHOLD_", "65536"),
];

/// Start this program again in its own place, with an allocator that gives back what is freed, unless the environment says how
/// it works. Without one, or if that fails, the program goes on.
pub(super) fn give_memory_back() {
    #[cfg(all(unix, target_env = "gnu"))]
    if ALLOCATOR.iter().all(|(name, _)| std::env::var_os(name).is_none())
        && let Ok(exe) = std::env::current_exe()
    {
        use std::os::unix::process::CommandExt;
        let args = std::env::args_os().skip(1);
        // It returns only if it fails.
        let _ = std::process::Command::new(exe).args(args).envs(ALLOCATOR).exec();
    }
}

/// A look at the program while none of its threads works; what the system does not tell is `None`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Footprint {
    /// KiB.
    resident: Option<u64>,
    descriptors: Option<usize>,
}

impl Footprint {
    /// What Linux says in /proc; other systems say nothing.
    pub(super) fn now() -> Footprint {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let resident = resident.and_then(|text| text.trim().strip_suffix(" kB")?.parse().ok());
        // Reading the directory opens it.
        let descriptors = std::fs::read_dir("/proc/self/fd").ok().map(|all| all.count() - 1);
        Footprint { resident, descriptors }
    }

    /// A complaint if memory has grown by more than is allowed: the mean of the last quarter of some looks beside that of the first,
    /// because memory goes up and down with the kernels of the moment.
    pub(super) fn memory_grown(looks: &[Footprint]) -> Option<String> {
        let resident: Vec<u64> = looks.iter().filter_map(|look| look.resident).collect();
        let quarter = resident.len().div_ceil(4);
        let mean = |part: &[u64]| part.iter().sum::<u64>() / part.len().max(1) as u64;
        let (start, end) =
            (mean(&resident[..quarter]), mean(&resident[resident.len() - quarter..]));
        let grown = end * 100 > start * (100 + GROWTH);
        let message =
            format!("resident memory grew from {start} to {end} KiB, more than {GROWTH} %");
        grown.then_some(message)
    }

    /// A complaint if more descriptors are open.
    pub(super) fn descriptors_grown(&self, before: &Footprint) -> Option<String> {
        let (end, start) = self.descriptors.zip(before.descriptors)?;
        (end > start).then(|| format!("open descriptors grew from {start} to {end}"))
    }
}

impl fmt::Display for Footprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.resident {
            Some(resident) => write!(f, "{resident} KiB resident")?,
            None => write!(f, "resident memory unknown")?,
        }
        match self.descriptors {
            Some(descriptors) => write!(f, ", {descriptors} descriptors"),
            None => write!(f, ", descriptors unknown"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn footprint(resident: u64, descriptors: usize) -> Footprint {
        Footprint { resident: Some(resident), descriptors: Some(descriptors) }
    }

    #[test]
    fn five_percent_pass_and_no_more() {
        let grown = |looks: &[u64]| {
            let looks: Vec<Footprint> = looks.iter().map(|kib| footprint(*kib, 7)).collect();
            Footprint::memory_grown(&looks)
        };
        assert_eq!(grown(&[20_000, 21_000]), None);
        assert_eq!(grown(&[20_000, 10_000]), None);
        assert_eq!(grown(&[]), None);
        let complaint = grown(&[20_000, 21_001]).unwrap();
        assert!(complaint.contains("from 20000 to 21001 KiB"), "{complaint}");
        // Ups and downs pass, what grows all the time does not.
        assert_eq!(grown(&[20_000, 22_000, 20_000, 22_000, 20_000, 22_000, 20_000, 22_000]), None);
        let complaint = grown(&[20, 21, 22, 23, 24, 25, 26, 27].map(|mib| mib * 1_024)).unwrap();
        assert!(complaint.contains("from 20992 to 27136 KiB"), "{complaint}");
    }

    #[test]
    fn no_more_descriptors_pass() {
        let before = footprint(20_000, 7);
        assert_eq!(footprint(20_000, 7).descriptors_grown(&before), None);
        let complaint = footprint(20_000, 8).descriptors_grown(&before).unwrap();
        assert!(complaint.contains("from 7 to 8"), "{complaint}");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn an_open_file_is_counted() {
        // Other tests of this program open files too: enough that theirs do not matter.
        let before = Footprint::now();
        assert!(before.resident.unwrap() > 100, "{before}");
        let files: Vec<_> =
            (0..40).map(|_| std::fs::File::open("/proc/self/status").unwrap()).collect();
        let after = Footprint::now();
        assert!(after.descriptors.unwrap() >= before.descriptors.unwrap() + 20, "{after}");
        drop(files);
    }
}
