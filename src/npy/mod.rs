//! The `.npy` format: headers, files that are read a range of rows at a time, results written row after row.
//!
//! Written here rather than taken from a crate because three things are needed together: float16, both byte orders, and arrays
//! that stay in their file.
//!
//! ```
//! use genred::npy::{Reader, Writer};
//! # let folder = tempfile::tempdir()?;
//! # let path = folder.path().join("x.npy");
//! let mut file = Writer::new(std::fs::File::create(&path)?, &[2, 1])?;
//! file.write(&[1.0f64, 2.0])?;
//! let sum = genred::generic_sum::<f64>("x * y", "a = Vi(1)", &["x = Vi(1)", "y = Vj(1)"])?;
//! let a = sum.stream().input(Reader::open(&path)?).input(Reader::open(&path)?).call()?;
//! assert_eq!(a.as_slice(), [3.0, 6.0]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod header;

pub use header::{Header, Memory, Order, write_header};

use crate::dtype::sealed::Stored;
use crate::dtype::{DType, Element};
use crate::error::{Error, ErrorKind};
use half::f16;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom, Write};
use std::marker::PhantomData;
use std::ops::Range;
use std::path::{Path, PathBuf};
use zerocopy::IntoBytes;

/// A number that a `.npy` file of a result holds: an [`Element`], or `i64` for indices (sealed).
///
/// ```
/// use genred::npy::Number;
/// assert_eq!((f32::DESCR, i64::DESCR), ("<f4", "<i8"));
/// ```
pub trait Number: Stored {
    /// NumPy's name of its little-endian form.
    const DESCR: &'static str;
}

impl Number for f16 {
    const DESCR: &'static str = "<f2";
}
impl Number for f32 {
    const DESCR: &'static str = "<f4";
}
impl Number for f64 {
    const DESCR: &'static str = "<f8";
}
impl Number for i64 {
    const DESCR: &'static str = "<i8";
}

/// Numbers of a column-major file that are read at once.
const STRIDED: usize = 1 << 14;

/// An array in a `.npy` file, read a range of rows at a time; what is not asked for is never in memory.
///
/// Files are read, not mapped: pages of a mapped file count as memory of the program, and a file that is cut short meanwhile would end it
/// instead of giving an error.
///
/// ```
/// use genred::npy::{Reader, Writer};
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("x.npy");
/// let mut file = Writer::new(std::fs::File::create(&path)?, &[2, 3])?;
/// file.write(&[1.0f32, 2.0, 3.0, 4.0, 5.0, 6.0])?;
/// let mut x = Reader::<f32>::open(&path)?;
/// let mut second = [0.0; 3];
/// x.read(1..2, &mut second)?;
/// assert_eq!((x.rows(), x.dim(), second), (2, 3, [4.0, 5.0, 6.0]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Reader<T> {
    path: PathBuf,
    file: File,
    header: Header,
    element: PhantomData<fn() -> T>,
}

impl<T: Element> Reader<T> {
    /// Open a file of `T`s: one axis is a vector, for a parameter; two are rows.
    ///
    /// ```
    /// use genred::npy::{Reader, Writer};
    /// let folder = tempfile::tempdir()?;
    /// let path = folder.path().join("x.npy");
    /// Writer::new(std::fs::File::create(&path)?, &[2, 1])?.write(&[1.0f32, 2.0])?;
    /// assert_eq!(Reader::<f32>::open(&path)?.rows(), 2);
    /// let wrong = Reader::<f64>::open(&path).unwrap_err().to_string();
    /// assert!(wrong.ends_with("x.npy holds float32, not float64"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// `Io` if there is no such file or it is no whole `.npy` array; `Shape` if it holds numbers of another dtype, or has other than one
    /// or two axes.
    pub fn open(path: impl AsRef<Path>) -> Result<Reader<T>, Error> {
        let path = path.as_ref();
        let io = |what: String| Error::new(ErrorKind::Io, format!("{} {what}", path.display()));
        let cannot = |error: io::Error| io(format!("cannot be opened: {error}"));
        let file = File::open(path).map_err(cannot)?;
        let meta = file.metadata().map_err(cannot)?;
        if !meta.is_file() {
            return Err(io("is no regular file, so ranges of it cannot be read".to_owned()));
        }
        let header = Header::read(&mut BufReader::new(&file)).map_err(io)?;
        let Header { dtype, bytes, .. } = header;
        let found = meta.len().saturating_sub(header.start as u64);
        if found != bytes as u64 {
            let shape = header.shape_text();
            return Err(io(format!(
                "is damaged: an array of shape {shape} of {dtype} has {bytes} bytes, but {found} follow the header"
            )));
        }
        if dtype != T::DTYPE {
            let message = format!("{} holds {dtype}, not {}", path.display(), T::DTYPE);
            return Err(Error::shape(message));
        }
        if !(1..=2).contains(&header.shape.len()) {
            let message = format!(
                "{} has shape {}, but arguments have one or two axes",
                path.display(),
                header.shape_text()
            );
            return Err(Error::shape(message));
        }
        Ok(Reader { path: path.to_owned(), file, header, element: PhantomData })
    }

    /// The path that it was opened by.
    ///
    /// ```
    /// use genred::npy::{Reader, Writer};
    /// let folder = tempfile::tempdir()?;
    /// let path = folder.path().join("x.npy");
    /// Writer::new(std::fs::File::create(&path)?, &[1])?.write(&[1.0f32])?;
    /// assert_eq!(Reader::<f32>::open(&path)?.path(), path);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether the array has one axis, and so is a parameter.
    ///
    /// ```
    /// use genred::npy::{Reader, Writer};
    /// let folder = tempfile::tempdir()?;
    /// let path = folder.path().join("g.npy");
    /// Writer::new(std::fs::File::create(&path)?, &[2])?.write(&[1.0f32, 2.0])?;
    /// assert!(Reader::<f32>::open(&path)?.is_vector());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn is_vector(&self) -> bool {
        self.header.shape.len() == 1
    }

    /// Number of points; 1 for a vector.
    ///
    /// ```
    /// use genred::npy::{Reader, Writer};
    /// let folder = tempfile::tempdir()?;
    /// let path = folder.path().join("x.npy");
    /// Writer::new(std::fs::File::create(&path)?, &[3, 2])?.write(&[0.0f32; 6])?;
    /// assert_eq!(Reader::<f32>::open(&path)?.rows(), 3);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn rows(&self) -> usize {
        if self.is_vector() { 1 } else { self.header.shape[0] }
    }

    /// Number of components of each point.
    ///
    /// ```
    /// use genred::npy::{Reader, Writer};
    /// let folder = tempfile::tempdir()?;
    /// let path = folder.path().join("x.npy");
    /// Writer::new(std::fs::File::create(&path)?, &[3, 2])?.write(&[0.0f32; 6])?;
    /// assert_eq!(Reader::<f32>::open(&path)?.dim(), 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn dim(&self) -> usize {
        self.header.shape[self.header.shape.len() - 1]
    }

    /// Read rows, one after another, to a slice of as many numbers.
    ///
    /// ```
    /// use genred::npy::{Reader, Writer};
    /// let folder = tempfile::tempdir()?;
    /// let path = folder.path().join("x.npy");
    /// Writer::new(std::fs::File::create(&path)?, &[3, 2])?.write(&[1.0f32, 2.0, 3.0, 4.0, 5.0, 6.0])?;
    /// let mut last_two = [0.0; 4];
    /// Reader::<f32>::open(&path)?.read(1..3, &mut last_two)?;
    /// assert_eq!(last_two, [3.0, 4.0, 5.0, 6.0]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// Of reading; `InvalidInput` if there are no such rows or the slice has another length.
    pub fn read(&mut self, rows: Range<usize>, into: &mut [T]) -> io::Result<()> {
        let (all, dim) = (self.rows(), self.dim());
        if rows.start > rows.end || rows.end > all || into.len() != rows.len() * dim {
            let message =
                format!("rows {rows:?} of {all} x {dim} numbers to a slice of {}", into.len());
            return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
        }
        if self.header.memory == Memory::C || self.is_vector() || dim <= 1 {
            return self.numbers(rows.start * dim, into);
        }
        let mut some = vec![T::default(); rows.len().min(STRIDED)];
        for first in rows.clone().step_by(STRIDED) {
            let some = &mut some[..STRIDED.min(rows.end - first)];
            for component in 0..dim {
                self.numbers(component * all + first, some)?;
                let places = into[(first - rows.start) * dim..].iter_mut().skip(component);
                for (to, from) in places.step_by(dim).zip(&*some) {
                    *to = *from;
                }
            }
        }
        Ok(())
    }

    /// Read numbers that are adjacent in the file, from number `first` on.
    fn numbers(&mut self, first: usize, into: &mut [T]) -> io::Result<()> {
        let start = self.header.start + first * size_of::<T>();
        self.file.seek(SeekFrom::Start(start as u64))?;
        self.file.read_exact(into.as_mut_bytes())?;
        if self.header.order != Order::NATIVE {
            into.iter_mut().for_each(|number| *number = number.swapped());
        }
        Ok(())
    }

    /// The dtype of the numbers.
    ///
    /// ```
    /// use genred::DType;
    /// use genred::npy::{Reader, Writer};
    /// let folder = tempfile::tempdir()?;
    /// let path = folder.path().join("x.npy");
    /// Writer::new(std::fs::File::create(&path)?, &[1])?.write(&[1.0f64])?;
    /// assert_eq!(Reader::<f64>::open(&path)?.dtype(), DType::F64);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn dtype(&self) -> DType {
        T::DTYPE
    }
}

/// A `.npy` file that is being written, numbers in order of rows.
///
/// ```
/// let mut file = genred::npy::Writer::new(Vec::new(), &[1, 2])?;
/// file.write(&[1i64, 2])?;
/// assert!(file.is_whole());
/// assert_eq!(file.into_inner().len(), 128 + 16);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct Writer<W, T> {
    file: W,
    /// Numbers that are still missing.
    missing: usize,
    element: PhantomData<fn(T)>,
}

impl<W: Write, T: Number> Writer<W, T> {
    /// Begin a file of an array of a shape.
    ///
    /// ```
    /// let file = genred::npy::Writer::<_, f32>::new(Vec::new(), &[2, 3])?;
    /// // The header is there, six numbers are missing.
    /// assert!(!file.is_whole() && file.into_inner().starts_with(b"\x93NUMPY"));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    /// Of writing the header.
    pub fn new(mut file: W, shape: &[usize]) -> io::Result<Writer<W, T>> {
        write_header::<T>(&mut file, shape)?;
        Ok(Writer { file, missing: shape.iter().product(), element: PhantomData })
    }

    /// Write the next numbers.
    ///
    /// ```
    /// let mut file = genred::npy::Writer::new(Vec::new(), &[2, 1])?;
    /// file.write(&[1.0f64])?;
    /// file.write(&[2.0])?;
    /// assert!(file.write(&[3.0]).is_err(), "the array has two numbers");
    /// assert!(file.into_inner().ends_with(&2f64.to_le_bytes()));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    /// Of writing; `InvalidInput` if the array has not so many more.
    pub fn write(&mut self, numbers: &[T]) -> io::Result<()> {
        self.missing = self.missing.checked_sub(numbers.len()).ok_or_else(|| {
            io::Error::new(io::ErrorKind::InvalidInput, "more numbers than the array has")
        })?;
        if Order::NATIVE == Order::Little {
            return self.file.write_all(numbers.as_bytes());
        }
        numbers.iter().try_for_each(|number| self.file.write_all(number.swapped().as_bytes()))
    }

    /// Whether every number has been written.
    ///
    /// ```
    /// let mut file = genred::npy::Writer::new(Vec::new(), &[2])?;
    /// file.write(&[1.0f64])?;
    /// assert!(!file.is_whole());
    /// file.write(&[2.0])?;
    /// assert!(file.is_whole());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn is_whole(&self) -> bool {
        self.missing == 0
    }

    /// What was written to.
    ///
    /// ```
    /// let mut file = genred::npy::Writer::new(Vec::new(), &[1])?;
    /// file.write(&[7i64])?;
    /// let bytes: Vec<u8> = file.into_inner();
    /// assert!(bytes.ends_with(&7i64.to_le_bytes()));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn into_inner(self) -> W {
        self.file
    }
}
