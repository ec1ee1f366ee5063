//! A small writer and reader of `.npy` files that shares nothing with the tool's.

use half::f16;
use std::path::Path;

/// An array in a file: `descr` as NumPy writes it, numbers in the order of the file.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Array {
    pub(crate) descr: String,
    pub(crate) shape: Vec<usize>,
    pub(crate) numbers: Vec<f64>,
}

/// The bytes of a number of a dtype.
pub(crate) fn bytes(descr: &str, number: f64) -> Vec<u8> {
    match descr {
        "<f2" => f16::from_f64(number).to_le_bytes().to_vec(),
        ">f2" => f16::from_f64(number).to_be_bytes().to_vec(),
        "<f4" => (number as f32).to_le_bytes().to_vec(),
        ">f4" => (number as f32).to_be_bytes().to_vec(),
        "<f8" => number.to_le_bytes().to_vec(),
        ">f8" => number.to_be_bytes().to_vec(),
        _ => panic!("descr {descr}"),
    }
}

fn number(descr: &str, bytes: &[u8]) -> f64 {
    match descr {
        "<f2" => f16::from_le_bytes(bytes.try_into().unwrap()).to_f64(),
        "<f4" => f64::from(f32::from_le_bytes(bytes.try_into().unwrap())),
        "<f8" => f64::from_le_bytes(bytes.try_into().unwrap()),
        "<i8" => i64::from_le_bytes(bytes.try_into().unwrap()) as f64,
        _ => panic!("descr {descr}"),
    }
}

/// A file with any header and any bytes.
pub(crate) fn raw(header: &str, data: &[u8]) -> Vec<u8> {
    let mut file = b"\x93NUMPY\x01\x00".to_vec();
    let padded = format!("{header:<117}\n");
    file.extend((padded.len() as u16).to_le_bytes());
    file.extend(padded.as_bytes());
    file.extend(data);
    file
}

/// A file as NumPy writes it, numbers in C order.
pub(crate) fn file(descr: &str, shape: &[usize], numbers: &[f64]) -> Vec<u8> {
    assert_eq!(numbers.len(), shape.iter().product::<usize>());
    let axes: String = shape.iter().map(|axis| format!("{axis}, ")).collect();
    let header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({axes}), }}");
    let data: Vec<u8> = numbers.iter().flat_map(|number| bytes(descr, *number)).collect();
    raw(&header, &data)
}

/// Read what the tool wrote: version 1, little-endian, C order.
pub(crate) fn read(path: &Path) -> Array {
    let file = std::fs::read(path).unwrap();
    assert_eq!(&file[..8], b"\x93NUMPY\x01\x00");
    let start = 10 + usize::from(u16::from_le_bytes([file[8], file[9]]));
    assert_eq!(start % 64, 0, "numbers are aligned");
    let header = std::str::from_utf8(&file[10..start]).unwrap();
    assert!(header.contains("'fortran_order': False") && header.ends_with('\n'), "{header}");
    let between = |from: &str, to: &str| {
        let rest = &header[header.find(from).unwrap() + from.len()..];
        rest[..rest.find(to).unwrap()].to_owned()
    };
    let descr = between("'descr': '", "'");
    let axes = between("'shape': (", ")");
    let axes = axes.split(',').map(str::trim).filter(|axis| !axis.is_empty());
    let shape: Vec<usize> = axes.map(|axis| axis.parse().unwrap()).collect();
    let size: usize = descr[2..].parse().unwrap();
    let numbers: Vec<f64> = file[start..].chunks(size).map(|bytes| number(&descr, bytes)).collect();
    assert_eq!(numbers.len(), shape.iter().product::<usize>());
    Array { descr, shape, numbers }
}
