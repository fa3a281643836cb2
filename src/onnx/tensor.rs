//! Conversion between ONNX's tensors and arrays.

use super::proto::tensor_proto::{DataLocation, DataType};
use super::proto::{SparseTensorProto, TensorProto};
use crate::array::{Array, DType, Element, count};
use crate::error::{Error, Result};
use bytes::Bytes;
use half::{bf16, f16};

/// ONNX's number of each dtype (<https://onnx.ai/onnx/repo-docs/IR.html#standard-data-types>).
const TYPES: &[(DType, DataType)] = &[
    (DType::Bool, DataType::Bool),
    (DType::U8, DataType::Uint8),
    (DType::I8, DataType::Int8),
    (DType::I16, DataType::Int16),
    (DType::I32, DataType::Int32),
    (DType::I64, DataType::Int64),
    (DType::U16, DataType::Uint16),
    (DType::U32, DataType::Uint32),
    (DType::U64, DataType::Uint64),
    (DType::F16, DataType::Float16),
    (DType::BF16, DataType::Bfloat16),
    (DType::F32, DataType::Float),
    (DType::F64, DataType::Double),
    (DType::F8E4M3FN, DataType::Float8e4m3fn),
    (DType::F8E4M3FNUZ, DataType::Float8e4m3fnuz),
    (DType::F8E5M2, DataType::Float8e5m2),
    (DType::F8E5M2FNUZ, DataType::Float8e5m2fnuz),
    (DType::F8E8M0, DataType::Float8e8m0),
    (DType::F4E2M1, DataType::Float4e2m1),
    (DType::I4, DataType::Int4),
    (DType::U4, DataType::Uint4),
    (DType::I2, DataType::Int2),
    (DType::U2, DataType::Uint2),
];

/// Axes that a tensor of a file may have; numpy stops at 64 too.
const MOST_AXES: usize = 64;

/// The largest dense form of a sparse tensor, because its size is not justified by the size of the file.
const MOST_DENSE: usize = 64 << 20;

/// The first opset that has an element type, of those from 13 on.
pub(crate) fn since(dtype: DType) -> i64 {
    match dtype {
        DType::F8E4M3FN | DType::F8E4M3FNUZ | DType::F8E5M2 | DType::F8E5M2FNUZ => 19,
        DType::I4 | DType::U4 => 21,
        DType::F4E2M1 => 23,
        DType::F8E8M0 => 24,
        DType::I2 | DType::U2 => 25,
        _ => 13,
    }
}

/// ONNX's number of a dtype.
pub fn data_type(dtype: DType) -> i32 {
    TYPES.iter().find(|row| row.0 == dtype).map_or(DataType::Undefined, |row| row.1) as i32
}

/// The dtype of ONNX's number.
///
/// # Errors
/// [`Unsupported`](crate::ErrorCode::Unsupported) naming a type that ONNX has and we have not (strings, complex numbers), [`Damaged`](crate::ErrorCode::Damaged) for a number that means nothing.
pub fn dtype(data_type: i32) -> Result<DType> {
    match DataType::try_from(data_type) {
        Ok(DataType::Undefined) => Err(Error::damaged("an element type is missing")),
        Ok(kind) => TYPES
            .iter()
            .find_map(|row| (row.1 == kind).then_some(row.0))
            .ok_or_else(|| Error::unsupported(format!("unsupported element type {}", kind.as_str_name()))),
        Err(_) => Err(Error::damaged(format!("{data_type} is not an ONNX element type"))),
    }
}

/// The name of an element type: ours where there is one, otherwise ONNX's in lower case, otherwise the number.
pub fn type_name(data_type: i32) -> String {
    match (dtype(data_type), DataType::try_from(data_type)) {
        (Ok(dtype), _) => dtype.name().into(),
        (_, Ok(kind)) => kind.as_str_name().to_lowercase(),
        _ => format!("type {data_type}"),
    }
}

/// The shape of these dims.
///
/// # Errors
/// [`Damaged`](crate::ErrorCode::Damaged) for a negative size, [`Unsupported`](crate::ErrorCode::Unsupported) beyond 64 axes,
/// [`TooBig`](crate::ErrorCode::TooBig) where the number of elements is beyond the address space.
pub fn shape(dims: &[i64]) -> Result<Vec<usize>> {
    if dims.len() > MOST_AXES {
        return Err(Error::unsupported(format!("a tensor of {} axes", dims.len())));
    }
    let length = |&n| usize::try_from(n).map_err(|_| Error::damaged(format!("negative or too large size {n} in shape {dims:?}")));
    let shape = dims.iter().map(length).collect::<Result<Vec<_>>>()?;
    count(&shape)?;
    Ok(shape)
}

/// Whether the data is external.
pub fn is_external(tensor: &TensorProto) -> bool {
    tensor.data_location == DataLocation::External as i32 || !tensor.external_data.is_empty()
}

pub(super) fn not_loaded() -> Error {
    Error::read("the tensor's data is in an external file that was not loaded").help("load the model by its path")
}

/// The elements of a tensor: a view of `raw_data`, or a copy of a typed field.
///
/// # Errors
/// As [`dtype`] and [`shape`]; [`Damaged`](crate::ErrorCode::Damaged) where there are more or fewer elements than the shape has, in a field
/// that does not belong to the type, in two fields, or outside the type's range; [`Unsupported`](crate::ErrorCode::Unsupported) for
/// a segment; [`Read`](crate::ErrorCode::Read) where the data is external and was not loaded.
pub fn array(tensor: &TensorProto) -> Result<Array> {
    let dtype = dtype(tensor.data_type)?;
    let shape = shape(&tensor.dims)?;
    if tensor.segment.is_some() {
        return Err(Error::unsupported("tensors in segments are not supported"));
    }
    if is_external(tensor) {
        return Err(not_loaded());
    }
    let fields = [
        ("raw_data", tensor.raw_data.len()),
        ("float_data", tensor.float_data.len()),
        ("int32_data", tensor.int32_data.len()),
        ("int64_data", tensor.int64_data.len()),
        ("double_data", tensor.double_data.len()),
        ("uint64_data", tensor.uint64_data.len()),
        ("string_data", tensor.string_data.len()),
    ];
    let filled: Vec<_> = fields.into_iter().filter(|field| field.1 > 0).collect();
    let (field, length) = match filled[..] {
        [] => ("raw_data", 0),
        [field] => field,
        _ => return Err(Error::damaged(format!("a tensor has data in both {} and {}", filled[0].0, filled[1].0))),
    };
    let elements = count(&shape)?;
    // Elements narrower than a byte are packed in either field.
    let packed = (elements * dtype.bits()).div_ceil(8);
    let expected = if field == "raw_data" || dtype.bits() < 8 { packed } else { elements };
    if length != expected {
        let unit = if field == "raw_data" { "bytes" } else { "elements" };
        return Err(Error::damaged(format!("{length} {unit} in {field}, expected {expected} for {dtype}{shape:?}")));
    }
    match (dtype, field) {
        (_, "raw_data") => Array::from_packed(dtype, tensor.raw_data.clone(), &shape),
        (DType::F32, "float_data") => Array::new(&shape, tensor.float_data.clone()),
        (DType::F64, "double_data") => Array::new(&shape, tensor.double_data.clone()),
        (DType::I64, "int64_data") => Array::new(&shape, tensor.int64_data.clone()),
        (DType::U64, "uint64_data") => Array::new(&shape, tensor.uint64_data.clone()),
        (DType::U32, "uint64_data") => convert(&shape, &tensor.uint64_data, |x| u32::try_from(x).ok()),
        (DType::I32, "int32_data") => Array::new(&shape, tensor.int32_data.clone()),
        (DType::I16, "int32_data") => convert(&shape, &tensor.int32_data, |x| i16::try_from(x).ok()),
        (DType::I8, "int32_data") => convert(&shape, &tensor.int32_data, |x| i8::try_from(x).ok()),
        (DType::U16, "int32_data") => convert(&shape, &tensor.int32_data, |x| u16::try_from(x).ok()),
        (DType::U8, "int32_data") => convert(&shape, &tensor.int32_data, |x| u8::try_from(x).ok()),
        (narrow, "int32_data") if narrow.is_narrow() => {
            let bytes = convert(&[length], &tensor.int32_data, |x| u8::try_from(x).ok())?;
            Array::from_packed(dtype, bytes.to_bytes()?, &shape)
        }
        (DType::Bool, "int32_data") => convert(&shape, &tensor.int32_data, |x| [false, true].get(usize::try_from(x).ok()?).copied()),
        (DType::F16, "int32_data") => convert(&shape, &tensor.int32_data, |x| u16::try_from(x).ok().map(f16::from_bits)),
        (DType::BF16, "int32_data") => convert(&shape, &tensor.int32_data, |x| u16::try_from(x).ok().map(bf16::from_bits)),
        _ => Err(Error::damaged(format!("{dtype} data in field {field}"))),
    }
}

/// The elements of a typed field in a narrower type.
fn convert<S: Copy + std::fmt::Display, T: Element>(shape: &[usize], data: &[S], narrow: impl Fn(S) -> Option<T>) -> Result<Array> {
    let narrow = |&x: &S| narrow(x).ok_or_else(|| Error::damaged(format!("{x} is not a valid {}", T::DTYPE)));
    Array::new(shape, data.iter().map(narrow).collect::<Result<_>>()?)
}

/// An array as a named tensor: its bytes are shared where they stand in row-major order.
///
/// # Errors
/// [`TooBig`](crate::ErrorCode::TooBig) for repeated elements whose dense copy does not fit into memory.
pub fn proto(name: &str, array: &Array) -> Result<TensorProto> {
    Ok(TensorProto { raw_data: array.packed()?.to_bytes()?, ..header(name, array) })
}

/// The name, type and shape of an array as a tensor without its data.
pub(super) fn header(name: &str, array: &Array) -> TensorProto {
    TensorProto {
        name: name.into(),
        data_type: data_type(array.dtype()),
        dims: array.shape().iter().map(|&n| n as i64).collect(),
        ..TensorProto::default()
    }
}

/// A sparse tensor whose parts fit together.
struct Sparse {
    shape: Vec<usize>,
    values: Array,
    /// Flat positions, ascending.
    positions: Vec<usize>,
}

fn sparse(tensor: &SparseTensorProto) -> Result<Sparse> {
    let missing = |what| Error::damaged(format!("a sparse tensor without {what}"));
    let shape = shape(&tensor.dims)?;
    let values = array(tensor.values.as_ref().ok_or_else(|| missing("values"))?)?;
    let indices = array(tensor.indices.as_ref().ok_or_else(|| missing("indices"))?)?;
    if indices.dtype() != DType::I64 {
        return Err(Error::damaged(format!("indices of type {}, expected i64", indices.dtype())));
    }
    let width = match *indices.shape() {
        [n] if *values.shape() == [n] => 1,
        [n, rank] if *values.shape() == [n] && rank == shape.len() => rank,
        _ => {
            return Err(Error::damaged(format!(
                "sparse tensor: values of shape {:?} do not fit indices of shape {:?} and {} axes",
                values.shape(),
                indices.shape(),
                shape.len()
            )));
        }
    };
    let flat = [count(&shape)?];
    let sizes = if indices.rank() == 1 { &flat[..] } else { &shape[..] };
    let elements = indices.to_vec::<i64>()?;
    let outside = || Error::damaged(format!("sparse tensor: index out of range for shape {shape:?}"));
    let mut positions = Vec::with_capacity(values.len());
    for i in 0..values.len() {
        let index = elements.get(i * width..(i + 1) * width).unwrap_or_default();
        let position = index.iter().zip(sizes).try_fold(0usize, |position, (&at, &length)| {
            let at = usize::try_from(at).ok().filter(|&at| at < length).ok_or_else(outside)?;
            Ok::<_, Error>(position * length + at)
        })?;
        if positions.last().is_some_and(|&last| last >= position) {
            return Err(Error::damaged("sparse tensor: indices are not in ascending order"));
        }
        positions.push(position);
    }
    Ok(Sparse { shape, values, positions })
}

/// Whether the parts of a sparse tensor fit together.
///
/// # Errors
/// As [`array()`], and [`Damaged`](crate::ErrorCode::Damaged) where indices do not ascend or lie outside the shape.
pub fn check_sparse(tensor: &SparseTensorProto) -> Result<()> {
    sparse(tensor).map(drop)
}

/// A sparse tensor as a dense array.
///
/// # Errors
/// As [`check_sparse`], and [`TooBig`](crate::ErrorCode::TooBig) where the dense form takes over 64 MiB.
pub fn dense(tensor: &SparseTensorProto) -> Result<Array> {
    let Sparse { shape, values, positions } = sparse(tensor)?;
    let size = values.dtype().size();
    let length = count(&shape)? * size;
    if length > MOST_DENSE {
        return Err(Error::too_big(format!("a sparse tensor of shape {shape:?} takes {length} bytes when it is filled up")));
    }
    let mut bytes = vec![0u8; length];
    for (&position, value) in positions.iter().zip(values.to_bytes()?.chunks_exact(size)) {
        bytes[position * size..(position + 1) * size].copy_from_slice(value);
    }
    Array::from_bytes(values.dtype(), Bytes::from(bytes), &shape, None, 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorCode;

    fn typed(data_type: DataType, dims: &[i64]) -> TensorProto {
        TensorProto { data_type: data_type as i32, dims: dims.to_vec(), ..TensorProto::default() }
    }

    #[test]
    fn every_dtype_survives_the_way_there_and_back() {
        for &dtype in DType::ALL.iter().chain(DType::NARROW) {
            let x = Array::vector(vec![0f32, 1.0, 1.0, 0.0, 1.0, 0.0]).cast(dtype).unwrap().reshape(&[2, 3]).unwrap();
            let tensor = proto("x", &x).unwrap();
            assert_eq!((super::dtype(tensor.data_type), array(&tensor)), (Ok(dtype), Ok(x.clone())));
            assert_eq!(array(&proto("x", &x.permute(&[1, 0]).unwrap()).unwrap()).unwrap(), x.permute(&[1, 0]).unwrap());
        }
    }

    #[test]
    fn raw_data_is_not_copied() {
        let tensor = proto("x", &Array::vector(vec![1f32, 2.0])).unwrap();
        assert_eq!(array(&tensor).unwrap().address(), tensor.raw_data.as_ptr() as usize);
    }

    #[test]
    fn typed_fields_hold_the_types_that_the_standard_names() {
        let ints = |kind, data: &[i32]| array(&TensorProto { int32_data: data.to_vec(), ..typed(kind, &[data.len() as i64]) });
        // 1.5 in half precision is 0x3e00, in bfloat16 0x3fc0.
        assert_eq!(ints(DataType::Float16, &[0x3e00]).unwrap(), Array::vector(vec![f16::from_f32(1.5)]));
        assert_eq!(ints(DataType::Bfloat16, &[0x3fc0]).unwrap(), Array::vector(vec![bf16::from_f32(1.5)]));
        assert_eq!(ints(DataType::Bool, &[1, 0]).unwrap(), Array::vector(vec![true, false]));
        assert_eq!(ints(DataType::Int8, &[-128]).unwrap(), Array::vector(vec![-128i8]));
        assert_eq!(ints(DataType::Uint8, &[256]).unwrap_err().code(), ErrorCode::Damaged);
        assert_eq!(ints(DataType::Bool, &[2]).unwrap_err().code(), ErrorCode::Damaged);
        assert_eq!(ints(DataType::Float, &[1]).unwrap_err().message(), "f32 data in field int32_data");
        let wide = TensorProto { uint64_data: vec![1 << 32], ..typed(DataType::Uint32, &[]) };
        assert_eq!(array(&wide).unwrap_err().message(), "4294967296 is not a valid u32");
    }

    #[test]
    fn neither_more_nor_fewer_values_than_the_shape_has() {
        for length in [0, 7, 9, 16] {
            let tensor = TensorProto { raw_data: vec![0; length].into(), ..typed(DataType::Float, &[2]) };
            assert_eq!(array(&tensor).unwrap_err().code(), ErrorCode::Damaged, "{length}");
        }
        let twice = TensorProto { float_data: vec![0.0], raw_data: vec![0; 4].into(), ..typed(DataType::Float, &[1]) };
        assert_eq!(array(&twice).unwrap_err().message(), "a tensor has data in both raw_data and float_data");
        assert!(array(&typed(DataType::Float, &[3, 0])).unwrap().is_empty());
    }

    #[test]
    fn sizes_that_no_memory_has_are_refused() {
        for (dims, code) in [
            (vec![-1], ErrorCode::Damaged),
            (vec![1 << 40, 1 << 40], ErrorCode::TooBig),
            (vec![0, 1 << 62, 1 << 62], ErrorCode::TooBig),
            (vec![i64::MAX], ErrorCode::TooBig),
            (vec![i64::MIN, 0], ErrorCode::Damaged),
            (vec![1; 65], ErrorCode::Unsupported),
        ] {
            assert_eq!(array(&typed(DataType::Uint8, &dims)).unwrap_err().code(), code, "{dims:?}");
        }
    }

    #[test]
    fn types_that_we_have_not_are_named() {
        assert_eq!(dtype(14).unwrap_err().to_string(), "unsupported element type COMPLEX64");
        assert_eq!(dtype(8).unwrap_err().code(), ErrorCode::Unsupported);
        assert_eq!(dtype(99).unwrap_err().code(), ErrorCode::Damaged);
        assert_eq!((type_name(1), type_name(22), type_name(99)), ("f32".into(), "i4".into(), "type 99".into()));
    }

    #[test]
    fn a_sparse_tensor_is_filled_up_with_zeros() {
        let mut tensor = SparseTensorProto {
            values: Some(proto("v", &Array::vector(vec![5f32, 7.0])).unwrap()),
            indices: Some(proto("i", &Array::new(&[2, 2], vec![0i64, 1, 1, 2]).unwrap()).unwrap()),
            dims: vec![2, 3],
        };
        assert_eq!(dense(&tensor).unwrap().to_f64s().unwrap(), [0.0, 5.0, 0.0, 0.0, 0.0, 7.0]);
        tensor.indices = Some(proto("i", &Array::vector(vec![1i64, 5])).unwrap());
        assert_eq!(dense(&tensor).unwrap().to_f64s().unwrap(), [0.0, 5.0, 0.0, 0.0, 0.0, 7.0]);
        for wrong in [vec![5i64, 1], vec![1, 1], vec![-1, 2], vec![1, 6], vec![1]] {
            tensor.indices = Some(proto("i", &Array::vector(wrong)).unwrap());
            assert_eq!(dense(&tensor).unwrap_err().code(), ErrorCode::Damaged);
        }
        tensor.indices = Some(proto("i", &Array::vector(vec![1i64, 5])).unwrap());
        tensor.dims = vec![1 << 20, 1 << 20];
        assert_eq!((check_sparse(&tensor), dense(&tensor).unwrap_err().code()), (Ok(()), ErrorCode::TooBig));
    }
}
