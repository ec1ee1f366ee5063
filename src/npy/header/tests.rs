use super::*;

fn file(header: &str) -> Vec<u8> {
    let mut file = b"\x93NUMPY\x01\x00".to_vec();
    file.extend((header.len() as u16).to_le_bytes());
    file.extend(header.as_bytes());
    file
}

fn read(header: &str) -> Result<Header, String> {
    Header::read(&mut file(header).as_slice())
}

const GOOD: &str = "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }      \n";

#[test]
fn headers_as_numpy_writes_them() {
    let header = read(GOOD).unwrap();
    assert_eq!(header.dtype, DType::F32);
    assert_eq!((header.order, header.memory), (Order::Little, Memory::C));
    assert_eq!(header.shape, [3, 4]);
    assert_eq!((header.start, header.bytes), (10 + GOOD.len(), 48));
    assert_eq!(header.shape_text(), "(3, 4)");
}

#[test]
fn other_spellings_of_headers() {
    let header = read("{\"shape\":(7L,),\"fortran_order\":True,\"descr\":\">f8\"}").unwrap();
    assert_eq!((header.dtype, header.order), (DType::F64, Order::Big));
    assert_eq!((header.memory, header.bytes), (Memory::Fortran, 56));
    assert_eq!(header.shape_text(), "(7,)");
    let scalar = read("{'descr': '=f2', 'fortran_order': False, 'shape': ()}").unwrap();
    assert_eq!((scalar.order, scalar.bytes), (Order::NATIVE, 2));
    assert_eq!(scalar.shape_text(), "()");
    let empty = read("{'descr': '<f2', 'fortran_order': False, 'shape': (0, 5)}").unwrap();
    assert_eq!(empty.bytes, 0);
}

#[test]
fn versions_2_and_3_have_longer_lengths() {
    for version in [2, 3] {
        let mut file = b"\x93NUMPY".to_vec();
        file.extend([version, 0]);
        file.extend((GOOD.len() as u32).to_le_bytes());
        file.extend(GOOD.as_bytes());
        let header = Header::read(&mut file.as_slice()).unwrap();
        assert_eq!(header.start, 12 + GOOD.len());
    }
}

#[test]
fn every_truncation_is_refused() {
    let whole = file(GOOD);
    for len in 0..whole.len() {
        let error = Header::read(&mut &whole[..len]).unwrap_err();
        assert_eq!(error, "ends within its .npy header", "{len} bytes");
    }
}

#[test]
fn every_changed_byte_gives_a_header_or_a_message() {
    let whole = file(GOOD);
    let (mut refused, mut taken) = (0, 0);
    for at in 0..whole.len() {
        for byte in 0..=255 {
            let mut changed = whole.clone();
            changed[at] = byte;
            match Header::read(&mut changed.as_slice()) {
                Ok(_) => taken += 1,
                Err(_) => refused += 1,
            }
        }
    }
    assert!(refused > 10_000 && taken > 100, "{refused} refused, {taken} taken");
}

#[test]
fn broken_headers_say_what_is_wrong() {
    let cases = [
        ("", "no `{`"),
        ("{", "no string"),
        ("{'descr'", "no `:`"),
        ("{'descr': '<f4'", "no `,` or `}`"),
        ("{'descr': '<f4", "no end of a string"),
        ("{'descr': [('a', '<f4')], }", "no string"),
        ("{'descr': '<f4\\x00'}", "a strange character"),
        ("{'colour': 'red'}", "a key other than"),
        ("{'descr': '<f4', 'descr': '<f4'}", "second time"),
        ("{'fortran_order': 1}", "neither True nor False"),
        ("{'shape': [3]}", "no tuple"),
        ("{'shape': (3 4)}", "no `,` or `)`"),
        ("{'shape': (-3,)}", "no whole number"),
        ("{'shape': (3.5,)}", "no `,` or `)`"),
        ("{'shape': (99999999999999999999999,)}", "too large"),
        ("{'shape': (3,)}", "without descr"),
        ("{'descr': '<f4', 'fortran_order': False, 'shape': (3,)} x", "text after"),
        ("{'descr': '<i8', 'fortran_order': False, 'shape': (3,)}", "dtype `<i8`"),
        ("{'descr': '|u1', 'fortran_order': False, 'shape': (3,)}", "dtype `|u1`"),
        ("{'descr': '<f16', 'fortran_order': False, 'shape': (3,)}", "dtype `<f16`"),
        ("{'descr': '', 'fortran_order': False, 'shape': (3,)}", "dtype ``"),
        ("{'descr': 'f4', 'fortran_order': False, 'shape': (3,)}", "dtype `f4`"),
        (
            "{'descr': '<f8', 'fortran_order': False, 'shape': (4294967296, 4294967296)}",
            "larger than the address space",
        ),
        (
            "{'descr': '<f8', 'fortran_order': False, 'shape': (0, 4294967296, 4294967296)}",
            "larger than the address space",
        ),
    ];
    for (header, expected) in cases {
        let error = read(header).unwrap_err();
        assert!(error.contains(expected), "{header}: {error}");
    }
}

#[test]
fn other_files_are_refused() {
    let error = |bytes: &[u8]| Header::read(&mut &bytes[..]).unwrap_err();
    assert!(error(b"PK\x03\x04....").contains("not a .npy file"));
    assert!(error(b"\x93NUMPY\x09\x00....").contains("version 9"));
    assert!(error(b"\x93NUMPY\x02\x00\xff\xff\xff\xff").contains("header of 4294967295 bytes"));
}

#[test]
fn written_headers_are_aligned_and_read_back() {
    for shape in [vec![], vec![3], vec![1000, 2], vec![usize::MAX / 16, 1, 1], vec![1; 30]] {
        let mut file = Vec::new();
        write_header::<f64>(&mut file, &shape).unwrap();
        assert_eq!(file.len() % ALIGNMENT, 0);
        assert_eq!(file.last(), Some(&b'\n'));
        let header = Header::read(&mut file.as_slice()).unwrap();
        assert_eq!((header.shape, header.start), (shape, file.len()));
        assert_eq!((header.dtype, header.order), (DType::F64, Order::Little));
    }
}
