//! Input arrays: opened, checked and either read or mapped.

use crate::console::Failure;
use crate::map;
use genred::npy::{Header, Memory, Number, Order};
use genred::{Element, View};
use half::f16;
use memmap2::Mmap;
use std::borrow::Cow;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};
use zerocopy::{FromBytes, Immutable, KnownLayout};

/// Files with at least so many bytes of numbers are mapped instead of read.
const MAPPED_FROM: usize = 1 << 20;

/// A file of which the header was read.
pub(crate) struct Opened {
    pub(crate) path: PathBuf,
    pub(crate) header: Header,
    file: BufReader<File>,
    regular: bool,
}

/// An input with its numbers.
pub(crate) struct Input {
    header: Header,
    bytes: Bytes,
}

enum Bytes {
    Read(Vec<u8>),
    Mapped(Mmap),
}

/// An element type as files store it.
pub(crate) trait Stored: Element + Number + FromBytes + Immutable + KnownLayout {
    /// Numbers from bytes of some order; a rest shorter than a number is left out.
    fn decode(bytes: &[u8], order: Order) -> Vec<Self>;
}

macro_rules! stored {
    ($type:ty) => {
        impl Stored for $type {
            fn decode(bytes: &[u8], order: Order) -> Vec<Self> {
                let (numbers, _) = bytes.as_chunks();
                let from = match order {
                    Order::Little => <$type>::from_le_bytes,
                    Order::Big => <$type>::from_be_bytes,
                };
                numbers.iter().map(|number| from(*number)).collect()
            }
        }
    };
}
stored!(f16);
stored!(f32);
stored!(f64);

fn failure(path: &Path, what: impl std::fmt::Display) -> Failure {
    Failure::new(format!("{} {what}", path.display()))
}

impl Opened {
    /// Open a file and read its header.
    ///
    /// # Errors
    /// If there is no such file or it is not an array of floating-point numbers, whole and without anything after it.
    pub(crate) fn open(path: &Path) -> Result<Opened, Failure> {
        let cannot = |error| Failure::new(format!("cannot open {}: {error}", path.display()));
        let file = File::open(path).map_err(cannot)?;
        let meta = file.metadata().map_err(cannot)?;
        if meta.is_dir() {
            return Err(Failure::new(format!("{} is a directory", path.display())));
        }
        let mut file = BufReader::new(file);
        let header = Header::read(&mut file).map_err(|what| failure(path, what))?;
        let opened = Opened { path: path.to_owned(), header, file, regular: meta.is_file() };
        if opened.regular {
            opened.check_length(meta.len().saturating_sub(opened.header.start as u64))?;
        }
        Ok(opened)
    }

    fn check_length(&self, found: u64) -> Result<(), Failure> {
        let needed = self.header.bytes as u64;
        let shape = self.header.shape_text();
        let dtype = self.header.dtype;
        let array = format!("an array of shape {shape} of {dtype} has {needed} bytes");
        if found < needed {
            let what = format!("is truncated: {array}, but only {found} follow the header");
            return Err(failure(&self.path, what));
        }
        if found > needed {
            let what = format!("holds more than one array: {array}, but more follow the header");
            return Err(failure(&self.path, what));
        }
        Ok(())
    }

    /// Take the numbers into reach.
    ///
    /// # Errors
    /// If the file cannot be read or mapped, or is shorter than it was.
    pub(crate) fn load(mut self) -> Result<Input, Failure> {
        if self.regular && self.header.bytes >= MAPPED_FROM {
            let map = map::map(self.file.get_ref())
                .map_err(|error| failure(&self.path, format!("cannot be mapped: {error}")))?;
            self.check_length(map.len().saturating_sub(self.header.start) as u64)?;
            return Ok(Input { header: self.header, bytes: Bytes::Mapped(map) });
        }
        let mut bytes = Vec::new();
        (&mut self.file)
            .take(self.header.bytes as u64 + 1)
            .read_to_end(&mut bytes)
            .map_err(|error| failure(&self.path, format!("cannot be read: {error}")))?;
        self.check_length(bytes.len() as u64)?;
        Ok(Input { header: self.header, bytes: Bytes::Read(bytes) })
    }
}

impl Input {
    /// The numbers in the file's order of indices: in place where alignment and byte order allow, else copied.
    pub(crate) fn numbers<T: Stored>(&self) -> Cow<'_, [T]> {
        let bytes = match &self.bytes {
            Bytes::Read(bytes) => bytes.as_slice(),
            Bytes::Mapped(map) => &map[self.header.start..],
        };
        match <[T]>::ref_from_bytes(bytes) {
            Ok(numbers) if self.header.order == Order::NATIVE => Cow::Borrowed(numbers),
            _ => Cow::Owned(T::decode(bytes, self.header.order)),
        }
    }

    /// The numbers as an argument: a vector if the array has one axis, points if it has two.
    ///
    /// # Errors
    /// If the array has any other number of axes.
    pub(crate) fn view<'a, T: Stored>(&self, numbers: &'a [T]) -> Result<View<'a, T>, Failure> {
        Ok(match (self.header.shape.as_slice(), self.header.memory) {
            (&[_], _) => View::vector(numbers),
            (&[rows, dim], Memory::C) => View::new(numbers, rows, dim)?,
            (&[rows, dim], Memory::Fortran) => View::with_strides(numbers, rows, dim, 1, rows)?,
            (axes, _) => return Err(Failure::new(format!("an array of {} axes", axes.len()))),
        })
    }
}
