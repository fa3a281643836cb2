//! NumPy's array files: `.npy` (one array) and `.npz` (arrays by name in a zip file), read and written.
//!
//! Source: [`numpy.lib.format`](https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html). bfloat16 is no dtype of NumPy: as
//! with the ml_dtypes package, its arrays are stored as two opaque bytes an element, `|V2`.

use super::zip::Archive;
use crate::array::{Array, DType, count};
use crate::error::{Error, Result, ResultExt};
use bytes::Bytes;
use flate2::Crc;
use indexmap::IndexMap;

const MAGIC: &[u8] = b"\x93NUMPY";
/// The longest header: that of an array of dozens of axes has a few hundred bytes.
const LONGEST_HEADER: usize = 1 << 16;
/// Headers end at multiples of this, so that the elements are aligned.
const ALIGNMENT: usize = 64;

/// NumPy's name of each dtype in a header, little-endian.
const DTYPES: &[(DType, &str)] = &[
    (DType::Bool, "|b1"),
    (DType::U8, "|u1"),
    (DType::I8, "|i1"),
    (DType::U16, "<u2"),
    (DType::I16, "<i2"),
    (DType::U32, "<u4"),
    (DType::I32, "<i4"),
    (DType::U64, "<u8"),
    (DType::I64, "<i8"),
    (DType::F16, "<f2"),
    (DType::BF16, "|V2"),
    (DType::F32, "<f4"),
    (DType::F64, "<f8"),
];

/// Whether bytes begin as an `.npy` file does.
pub fn is_npy(bytes: &[u8]) -> bool {
    bytes.starts_with(MAGIC)
}

/// The array of an `.npy` file. Elements in this machine's order stay where they are.
///
/// # Errors
/// [`Damaged`](crate::ErrorCode::Damaged) where the bytes are no such file, [`Unsupported`](crate::ErrorCode::Unsupported) for complex numbers, texts,
/// objects and structures.
///
/// ```
/// use ontrace::{Array, read::numpy};
/// let x = Array::vector(vec![1.5f32, -2.0]);
/// assert_eq!(numpy::read_npy(&numpy::write_npy(&x)?.into())?, x);
/// # Ok::<(), ontrace::Error>(())
/// ```
pub fn read_npy(bytes: &Bytes) -> Result<Array> {
    let cut = || Error::damaged("the .npy header is cut off");
    let rest = bytes.strip_prefix(MAGIC).ok_or_else(|| Error::damaged("not an .npy file: it does not begin with \\x93NUMPY"))?;
    let (&[version, _], rest) = rest.split_first_chunk::<2>().ok_or_else(cut)?;
    let (length, rest) = match version {
        1 => rest.split_first_chunk::<2>().map(|(length, rest)| (usize::from(u16::from_le_bytes(*length)), rest)).ok_or_else(cut)?,
        2 | 3 => rest.split_first_chunk::<4>().map(|(length, rest)| (u32::from_le_bytes(*length) as usize, rest)).ok_or_else(cut)?,
        other => return Err(Error::unsupported(format!(".npy format version {other}, expected 1 to 3"))),
    };
    if length > LONGEST_HEADER {
        return Err(Error::too_big(format!("an .npy header of {length} bytes")));
    }
    let header = rest.get(..length).ok_or_else(cut)?;
    let header = NpyHeader::parse(&String::from_utf8_lossy(header))?;
    let data = bytes.slice(bytes.len() - rest.len() + length..);
    let (dtype, big_endian) = dtype(&header.descriptor)?;
    let size = count(&header.shape)?.checked_mul(dtype.size()).filter(|&size| size <= data.len());
    let size = size.ok_or_else(|| {
        Error::damaged(format!("{} bytes of elements, expected {} of shape {:?}", data.len(), header.descriptor, header.shape))
    })?;
    let data = data.slice(..size);
    let data = if big_endian { swapped(&data, dtype.size()) } else { data };
    Array::from_bytes(dtype, data, &header.shape, header.column_major.then(|| column_major(&header.shape)).as_deref(), 0)
}

/// The arrays of an `.npz` file by name, in the order of the file.
///
/// # Errors
/// As [`read_npy`], naming the array.
pub fn read_npz(bytes: &Bytes) -> Result<IndexMap<String, Array>> {
    let archive = Archive::open_arrays(bytes.clone())?;
    let array = |entry: &str| {
        let name = entry.strip_suffix(".npy").unwrap_or(entry);
        Ok((name.to_string(), archive.slice(entry).and_then(|bytes| read_npy(&bytes)).at(name)?))
    };
    archive.names().map(array).collect()
}

/// The bytes of an `.npy` file with this array.
///
/// NumPy has no dtype for floats of eight bits and for smaller numbers: these are widened to f32, i8 and u8.
///
/// # Errors
/// Where the array cannot be widened.
pub fn write_npy(array: &Array) -> Result<Vec<u8>> {
    let dtype = match array.dtype() {
        DType::U4 | DType::U2 => DType::U8,
        narrow if narrow.is_narrow() && narrow.is_int() => DType::I8,
        narrow if narrow.is_narrow() => DType::F32,
        dtype => dtype,
    };
    let array = if dtype == array.dtype() { array.clone() } else { array.cast(dtype)? };
    let row = DTYPES.iter().find(|row| row.0 == dtype);
    let descriptor = row.ok_or_else(|| Error::unsupported(format!("the npy format has no dtype {dtype}")))?.1;
    let shape: String = array.shape().iter().map(|n| format!("{n}, ")).collect();
    let shape = if array.rank() == 1 { shape.trim_end() } else { shape.trim_end_matches(", ") };
    let mut header = format!("{{'descr': '{descriptor}', 'fortran_order': False, 'shape': ({shape}), }}");
    let unpadded = MAGIC.len() + 4 + header.len() + 1;
    header.extend(std::iter::repeat_n(' ', unpadded.next_multiple_of(ALIGNMENT) - unpadded));
    header.push('\n');
    let length = u16::try_from(header.len()).map_err(|_| Error::unsupported("an array of that many axes has no .npy header"))?;
    let elements = array.to_bytes()?;
    let mut bytes = Vec::with_capacity(MAGIC.len() + 4 + header.len() + elements.len());
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(&[1, 0]);
    bytes.extend_from_slice(&length.to_le_bytes());
    bytes.extend_from_slice(header.as_bytes());
    bytes.extend_from_slice(&elements);
    Ok(bytes)
}

/// The bytes of an `.npz` file with these arrays, not compressed, as `numpy.savez` writes it.
///
/// # Errors
/// As [`write_npy`]; [`Unsupported`](crate::ErrorCode::Unsupported) where it would have 4 GiB or more.
pub fn write_npz(arrays: &[(String, Array)]) -> Result<Vec<u8>> {
    let too_long = |_| Error::unsupported("an .npz file of 4 GiB or more is not written").help("write .safetensors");
    let (mut file, mut directory) = (Vec::new(), Vec::new());
    for (name, array) in arrays {
        let entry = format!("{name}.npy");
        let bytes = write_npy(array).at(name)?;
        let mut crc = Crc::new();
        crc.update(&bytes);
        let (size, offset) = (u32::try_from(bytes.len()).map_err(too_long)?, u32::try_from(file.len()).map_err(too_long)?);
        let name_length = u16::try_from(entry.len()).map_err(|_| Error::unsupported("the name of an array is too long"))?;
        // Version 2.0, names in UTF-8, stored, 1 January 1980; checksum, both sizes, the length of the name, no extra field.
        let mut common = [20u16, 0x800, 0, 0, 0x21].map(u16::to_le_bytes).concat();
        common.extend([crc.sum(), size, size].map(u32::to_le_bytes).concat());
        common.extend([name_length, 0].map(u16::to_le_bytes).concat());
        file.extend(b"PK\x03\x04");
        file.extend(&common);
        file.extend(entry.as_bytes());
        file.extend(&bytes);
        directory.extend(b"PK\x01\x02");
        directory.extend(20u16.to_le_bytes());
        directory.extend(&common);
        // No comment, disk 0, no attributes.
        directory.extend([0u8; 10]);
        directory.extend(offset.to_le_bytes());
        directory.extend(entry.as_bytes());
    }
    let (start, size) = (u32::try_from(file.len()).map_err(too_long)?, u32::try_from(directory.len()).map_err(too_long)?);
    let entries = u16::try_from(arrays.len()).map_err(|_| Error::unsupported("more than 65535 arrays in an .npz file"))?;
    file.extend(&directory);
    file.extend(b"PK\x05\x06");
    file.extend([0, 0, entries, entries].map(u16::to_le_bytes).concat());
    file.extend([size, start].map(u32::to_le_bytes).concat());
    file.extend([0, 0]);
    Ok(file)
}

/// The dtype that a descriptor names, and whether its elements are big-endian.
fn dtype(descriptor: &str) -> Result<(DType, bool)> {
    let (order, kind) = match descriptor.split_at_checked(1) {
        Some((order @ ("<" | ">" | "|" | "="), kind)) => (order, kind),
        _ => ("=", descriptor),
    };
    let kind = match kind {
        "?" | "bool" => "b1",
        "bfloat16" => "V2",
        kind => kind,
    };
    if let Some((dtype, _)) = DTYPES.iter().find(|row| row.1[1..] == *kind) {
        return Ok((*dtype, order == ">" && dtype.size() > 1));
    }
    let name = match kind {
        "c8" => "complex64",
        "c16" => "complex128",
        "f16" => "longdouble",
        "O" => "object",
        _ => descriptor,
    };
    let error = Error::unsupported(format!("dtype {name} is not read from .npy and .npz files"));
    Err(match kind {
        "c8" | "c16" => error.help("save the real and imaginary parts as an axis of two, as torch.view_as_real gives them"),
        _ => error.help("save it as one of bool, int8 to int64, uint8 to uint64, float16, float32, float64, bfloat16"),
    })
}

/// The strides of an array whose first axis is innermost.
fn column_major(shape: &[usize]) -> Vec<isize> {
    let mut next = 1isize;
    let stride = |&length: &usize| {
        let stride = next;
        next = next.saturating_mul(isize::try_from(length).unwrap_or(isize::MAX));
        stride
    };
    shape.iter().map(stride).collect()
}

/// Elements in the other byte order.
fn swapped(bytes: &[u8], width: usize) -> Bytes {
    bytes.chunks_exact(width).flat_map(|element| element.iter().rev().copied()).collect::<Vec<u8>>().into()
}

/// What the header of an `.npy` file says: a Python dictionary with three entries.
struct NpyHeader {
    descriptor: String,
    column_major: bool,
    shape: Vec<usize>,
}

impl NpyHeader {
    fn parse(text: &str) -> Result<NpyHeader> {
        let wrong = || Error::damaged(format!("invalid .npy header: {}", text.trim().escape_default()));
        let field = |name: &str| {
            let quoted = [format!("'{name}'"), format!("\"{name}\"")];
            let rest = quoted.iter().find_map(|quoted| text.split_once(quoted.as_str())).map(|(_, rest)| rest.trim_start());
            rest.and_then(|rest| rest.strip_prefix(':')).map(str::trim_start).ok_or_else(wrong)
        };
        let descriptor = field("descr")?;
        if descriptor.starts_with('[') {
            return Err(Error::unsupported("structured arrays are not read from .npy and .npz files").help("save each field as an array"));
        }
        let quote = descriptor.chars().next().filter(|c| matches!(c, '\'' | '"')).ok_or_else(wrong)?;
        let descriptor = descriptor[1..].split_once(quote).ok_or_else(wrong)?.0.to_string();
        let column_major = match field("fortran_order")? {
            text if text.starts_with("True") => true,
            text if text.starts_with("False") => false,
            _ => return Err(wrong()),
        };
        let shape = field("shape")?.strip_prefix('(').and_then(|rest| rest.split_once(')')).ok_or_else(wrong)?.0;
        let sizes = shape.split(',').map(str::trim).filter(|size| !size.is_empty());
        // Python 2 wrote long integers with an L.
        let shape = sizes.map(|size| size.trim_end_matches('L').parse().map_err(|_| wrong())).collect::<Result<_>>()?;
        Ok(NpyHeader { descriptor, column_major, shape })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use half::{bf16, f16};

    /// The file that numpy writes for `np.array([[1, 2, 3], [4, 5, 6]], np.int16)` in this order and byte order.
    fn file(descriptor: &str, fortran: &str, shape: &str, data: &[u8]) -> Bytes {
        let header = format!("{{'descr': '{descriptor}', 'fortran_order': {fortran}, 'shape': {shape}, }}\n");
        [MAGIC, &[1, 0], &(header.len() as u16).to_le_bytes(), header.as_bytes(), data].concat().into()
    }

    #[test]
    fn every_dtype_of_numpy_is_written_and_read_again() {
        let halves = [1.0f32, -0.5, 65504.0, f32::INFINITY];
        let arrays = [
            Array::vector(halves.map(f16::from_f32).to_vec()),
            Array::new(&[2, 2], halves.map(bf16::from_f32).to_vec()).unwrap(),
            Array::vector(vec![true, false]),
            Array::scalar(-7i64),
            Array::vector(vec![u64::MAX]),
            Array::new(&[1, 0, 3], Vec::<f64>::new()).unwrap(),
            Array::new(&[2, 3], vec![1i8, 2, 3, 4, 5, 6]).unwrap().permute(&[1, 0]).unwrap(),
        ];
        for array in &arrays {
            let bytes: Bytes = write_npy(array).unwrap().into();
            assert_eq!(read_npy(&bytes).unwrap(), *array);
        }
        let named: Vec<(String, Array)> = arrays.iter().enumerate().map(|(i, array)| (format!("x/{i}:0"), array.clone())).collect();
        let read = read_npz(&write_npz(&named).unwrap().into()).unwrap();
        assert_eq!(read.into_iter().collect::<Vec<_>>(), named);
    }

    #[test]
    fn both_byte_orders_and_both_orders_of_axes_are_read() {
        let expected = Array::new(&[2, 3], vec![1i16, 2, 3, 4, 5, 6]).unwrap();
        let little: Vec<u8> = [1i16, 2, 3, 4, 5, 6].iter().flat_map(|n| n.to_le_bytes()).collect();
        let big: Vec<u8> = [1i16, 2, 3, 4, 5, 6].iter().flat_map(|n| n.to_be_bytes()).collect();
        let columns: Vec<u8> = [1i16, 4, 2, 5, 3, 6].iter().flat_map(|n| n.to_le_bytes()).collect();
        assert_eq!(read_npy(&file("<i2", "False", "(2, 3)", &little)).unwrap(), expected);
        assert_eq!(read_npy(&file(">i2", "False", "(2L, 3L)", &big)).unwrap(), expected);
        assert_eq!(read_npy(&file("<i2", "True", "(2, 3)", &columns)).unwrap(), expected);
        assert_eq!(read_npy(&file("|b1", "False", "(1,)", &[1])).unwrap(), Array::vector(vec![true]));
    }

    #[test]
    fn what_has_no_dtype_of_ours_is_refused_by_its_name() {
        for (descriptor, name) in [("<c8", "complex64"), ("<U5", "<U5"), ("|O", "object"), ("<f16", "longdouble"), ("|V1", "|V1")] {
            let error = read_npy(&file(descriptor, "False", "(1,)", &[0; 64])).unwrap_err();
            assert_eq!(error.code(), crate::ErrorCode::Unsupported, "{descriptor}");
            assert!(error.message().contains(name), "{error}");
        }
    }

    #[test]
    fn a_damaged_file_is_an_error() {
        for bytes in [
            file("<f4", "False", "(3,)", &[0; 8]),
            file("<f4", "False", "(4294967296, 4294967296, 4294967296)", &[]),
            file("<f4", "Perhaps", "(1,)", &[0; 4]),
            file("<f4", "False", "1", &[0; 4]),
            file("|b1", "False", "(1,)", &[7]),
            Bytes::from_static(b"\x93NUMPY\x01\x00\xff\xff{}"),
            Bytes::from_static(b"\x93NUMPY\x09\x00\x00\x00"),
            Bytes::from_static(b"\x93NUM"),
        ] {
            assert!(read_npy(&bytes).is_err(), "{bytes:?}");
        }
    }
}
