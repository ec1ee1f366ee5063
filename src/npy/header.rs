//! What stands before the numbers of a `.npy` file. It is untrusted text: it is read within a bound, and every number in it is checked
//! before anything is allocated.

use super::Number;
use crate::dtype::DType;
use std::io::{self, Read, Write};

const MAGIC: &[u8; 6] = b"\x93NUMPY";
/// Longest header that is read; NumPy writes some hundred bytes.
const LONGEST_HEADER: u32 = 64 * 1024;
/// NumPy pads headers so that the numbers begin at a multiple of this.
const ALIGNMENT: usize = 64;

/// Which byte of a number comes first.
///
/// ```
/// use genred::npy::{Header, Order, write_header};
/// let mut file = Vec::new();
/// write_header::<f32>(&mut file, &[2])?;
/// assert_eq!(Header::read(&mut file.as_slice())?.order, Order::Little);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// The least significant.
    Little,
    /// The most significant.
    Big,
}

impl Order {
    /// The order of this machine.
    pub const NATIVE: Order =
        if cfg!(target_endian = "little") { Order::Little } else { Order::Big };
}

/// Which index varies fastest.
///
/// ```
/// use genred::npy::{Header, Memory};
/// // As NumPy writes an array of Fortran order.
/// let text = format!("{:<117}\n", "{'descr': '<f8', 'fortran_order': True, 'shape': (3, 2), }");
/// let file = [b"\x93NUMPY\x01\x00\x76\x00".as_slice(), text.as_bytes()].concat();
/// assert_eq!(Header::read(&mut file.as_slice())?.memory, Memory::Fortran);
/// # Ok::<(), String>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Memory {
    /// The last: row after row.
    C,
    /// The first: column after column.
    Fortran,
}

/// What stands before the numbers.
///
/// ```
/// use genred::DType;
/// use genred::npy::{Header, write_header};
/// let mut file = Vec::new();
/// write_header::<f64>(&mut file, &[100, 3])?;
/// let header = Header::read(&mut file.as_slice())?;
/// assert_eq!((header.dtype, &header.shape[..]), (DType::F64, &[100, 3][..]));
/// assert_eq!((header.start, header.bytes), (file.len(), 2_400));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// Type of the numbers.
    pub dtype: DType,
    /// Order of the bytes of a number.
    pub order: Order,
    /// Order of the numbers.
    pub memory: Memory,
    /// Length of each axis.
    pub shape: Vec<usize>,
    /// Bytes before the numbers.
    pub start: usize,
    /// Bytes of the numbers.
    pub bytes: usize,
}

impl Header {
    /// Read a header from the begin of a file; the numbers come next.
    ///
    /// ```
    /// let mut file = Vec::new();
    /// genred::npy::write_header::<f32>(&mut file, &[2, 3])?;
    /// let header = genred::npy::Header::read(&mut file.as_slice())?;
    /// assert_eq!((header.shape_text().as_str(), header.bytes), ("(2, 3)", 24));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// What is wrong with it, to be said after the file's name.
    pub fn read(file: &mut impl Read) -> Result<Header, String> {
        let mut take = |bytes: &mut [u8]| match file.read_exact(bytes) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                Err("ends within its .npy header".to_owned())
            }
            Err(error) => Err(format!("cannot be read: {error}")),
            Ok(()) => Ok(()),
        };
        let mut magic = [0; 6];
        let begin = take(&mut magic);
        if begin.is_ok() && magic != *MAGIC {
            return Err("is not a .npy file: it does not begin with \\x93NUMPY".to_owned());
        }
        begin?;
        let mut version = [0; 2];
        take(&mut version)?;
        let (len, fixed) = match version[0] {
            1 => {
                let mut len = [0; 2];
                take(&mut len)?;
                (u32::from(u16::from_le_bytes(len)), 10)
            }
            2 | 3 => {
                let mut len = [0; 4];
                take(&mut len)?;
                (u32::from_le_bytes(len), 12)
            }
            other => return Err(format!("has .npy version {other}; 1, 2 and 3 are known")),
        };
        if len > LONGEST_HEADER {
            return Err(format!("has a header of {len} bytes; at most {LONGEST_HEADER} are read"));
        }
        let mut text = vec![0; len as usize];
        take(&mut text)?;
        let fields = Fields::parse(&text)
            .map_err(|(at, what)| format!("has a broken header: {what} at byte {}", fixed + at))?;
        fields.check(fixed + len as usize)
    }

    /// The shape as Python writes it.
    ///
    /// ```
    /// use genred::npy::{Header, write_header};
    /// let mut file = Vec::new();
    /// write_header::<f32>(&mut file, &[7])?;
    /// assert_eq!(Header::read(&mut file.as_slice())?.shape_text(), "(7,)");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn shape_text(&self) -> String {
        tuple(&self.shape)
    }
}

/// A tuple of whole numbers as Python writes it.
fn tuple(numbers: &[usize]) -> String {
    let numbers: Vec<String> = numbers.iter().map(usize::to_string).collect();
    format!("({}{})", numbers.join(", "), if numbers.len() == 1 { "," } else { "" })
}

/// The dictionary of a header.
#[derive(Default)]
struct Fields {
    descr: Option<String>,
    fortran_order: Option<bool>,
    shape: Option<Vec<usize>>,
}

type Broken = (usize, &'static str);

impl Fields {
    fn parse(text: &[u8]) -> Result<Fields, Broken> {
        let mut scan = Scan { text, at: 0 };
        let mut fields = Fields::default();
        scan.expect(b'{', "no `{`")?;
        while !scan.eat(b'}') {
            let at = scan.at;
            let key = scan.string()?;
            scan.expect(b':', "no `:` after a key")?;
            let repeated = match key.as_str() {
                "descr" => fields.descr.replace(scan.string()?).is_some(),
                "fortran_order" => fields.fortran_order.replace(scan.boolean()?).is_some(),
                "shape" => fields.shape.replace(scan.tuple()?).is_some(),
                _ => return Err((at, "a key other than descr, fortran_order and shape")),
            };
            if repeated {
                return Err((at, "a key for the second time"));
            }
            if !scan.eat(b',') {
                scan.expect(b'}', "no `,` or `}`")?;
                break;
            }
        }
        scan.blanks();
        if scan.at < text.len() { Err((scan.at, "text after the dictionary")) } else { Ok(fields) }
    }

    fn check(self, start: usize) -> Result<Header, String> {
        let (Some(descr), Some(fortran), Some(shape)) =
            (self.descr, self.fortran_order, self.shape)
        else {
            return Err("has a header without descr, fortran_order or shape".to_owned());
        };
        let wanted = "float16, float32 or float64 is needed";
        let refused = || format!("holds numbers of dtype `{}`; {wanted}", descr.escape_debug());
        let order = match descr.as_bytes().first() {
            Some(b'<') => Order::Little,
            Some(b'>') => Order::Big,
            Some(b'=') => Order::NATIVE,
            _ => return Err(refused()),
        };
        let dtype = match &descr[1..] {
            "f2" => DType::F16,
            "f4" => DType::F32,
            "f8" => DType::F64,
            _ => return Err(refused()),
        };
        // Strides are computed of all axes but empty ones, so their product must fit as well.
        let axes = shape.iter().filter(|axis| **axis > 0);
        let whole = axes.clone().try_fold(dtype.bytes(), |bytes, axis| bytes.checked_mul(*axis));
        let whole = whole.filter(|bytes| isize::try_from(*bytes).is_ok()).ok_or_else(|| {
            format!("has the shape {}, which is larger than the address space", tuple(&shape))
        })?;
        let bytes = if shape.contains(&0) { 0 } else { whole };
        let memory = if fortran { Memory::Fortran } else { Memory::C };
        Ok(Header { dtype, order, memory, shape, start, bytes })
    }
}

/// A place in a header.
struct Scan<'a> {
    text: &'a [u8],
    at: usize,
}

impl Scan<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn blanks(&mut self) {
        while self.peek().is_some_and(|byte| byte.is_ascii_whitespace()) {
            self.at += 1;
        }
    }

    fn eat(&mut self, mark: u8) -> bool {
        self.blanks();
        let found = self.peek() == Some(mark);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, mark: u8, what: &'static str) -> Result<(), Broken> {
        if self.eat(mark) { Ok(()) } else { Err((self.at, what)) }
    }

    /// A string without escapes, of printable ASCII.
    fn string(&mut self) -> Result<String, Broken> {
        self.blanks();
        let quote = self.peek().filter(|byte| matches!(byte, b'\'' | b'"'));
        let quote = quote.ok_or((self.at, "no string"))?;
        self.at += 1;
        let start = self.at;
        while let Some(byte) = self.peek().filter(|byte| *byte != quote) {
            if !(b' '..=b'~').contains(&byte) || byte == b'\\' {
                return Err((self.at, "a strange character in a string"));
            }
            self.at += 1;
        }
        let inside = &self.text[start..self.at];
        self.expect(quote, "no end of a string")?;
        Ok(inside.iter().map(|byte| char::from(*byte)).collect())
    }

    fn boolean(&mut self) -> Result<bool, Broken> {
        self.blanks();
        for (word, value) in [("True", true), ("False", false)] {
            if self.text[self.at..].starts_with(word.as_bytes()) {
                self.at += word.len();
                return Ok(value);
            }
        }
        Err((self.at, "neither True nor False"))
    }

    fn tuple(&mut self) -> Result<Vec<usize>, Broken> {
        let mut numbers = Vec::new();
        self.expect(b'(', "no tuple")?;
        while !self.eat(b')') {
            numbers.push(self.number()?);
            if !self.eat(b',') {
                self.expect(b')', "no `,` or `)`")?;
                break;
            }
        }
        Ok(numbers)
    }

    /// Digits, and the `L` of old Python's long integers.
    fn number(&mut self) -> Result<usize, Broken> {
        self.blanks();
        let start = self.at;
        let mut value = 0usize;
        while let Some(digit) = self.peek().filter(u8::is_ascii_digit) {
            value = value
                .checked_mul(10)
                .and_then(|value| value.checked_add(usize::from(digit - b'0')))
                .ok_or((start, "a number that is too large"))?;
            self.at += 1;
        }
        if self.at == start {
            return Err((start, "no whole number"));
        }
        self.at += usize::from(self.peek() == Some(b'L'));
        Ok(value)
    }
}

/// Write the header of an array of little-endian numbers, row after row.
///
/// ```
/// let mut file = Vec::new();
/// genred::npy::write_header::<i64>(&mut file, &[2, 3])?;
/// assert!(file.starts_with(b"\x93NUMPY") && file.len() % 64 == 0);
/// assert!(String::from_utf8_lossy(&file).contains("'descr': '<i8', 'fortran_order': False, 'shape': (2, 3)"));
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Errors
/// Of writing.
pub fn write_header<T: Number>(file: &mut impl Write, shape: &[usize]) -> io::Result<()> {
    let descr = T::DESCR;
    let mut text =
        format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {}, }}", tuple(shape));
    let fixed = MAGIC.len() + 4;
    let end = (fixed + text.len() + 1).next_multiple_of(ALIGNMENT);
    text += &" ".repeat(end - fixed - text.len() - 1);
    text.push('\n');
    let len = u16::try_from(text.len()).map_err(io::Error::other)?;
    file.write_all(MAGIC)?;
    file.write_all(&[1, 0])?;
    file.write_all(&len.to_le_bytes())?;
    file.write_all(text.as_bytes())
}

#[cfg(test)]
mod tests;
