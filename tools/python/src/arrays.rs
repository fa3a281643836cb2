//! Arrays of numpy and of ontrace.

use half::{bf16, f16};
use numpy::{Element, PyArray, PyArrayDyn, PyArrayMethods, PyUntypedArray, PyUntypedArrayMethods};
use ontrace::{Array, DType, Error, Result, Type};
use pyo3::prelude::*;

/// Name, dtype, and sizes as text: numbers, or expressions of symbols.
pub type NamedType = (String, &'static str, Vec<String>);

/// The types of inputs or outputs.
pub fn named_types(types: &[(String, Type)]) -> Vec<NamedType> {
    let sizes = |ty: &Type| ty.shape.iter().map(ToString::to_string).collect();
    types.iter().map(|(name, ty)| (name.clone(), ty.dtype.name(), sizes(ty))).collect()
}

/// The elements of an array of this element type, in row-major order.
fn elements<T: Element + Clone>(array: &Bound<'_, PyUntypedArray>) -> Result<Vec<T>> {
    let typed = array.cast::<PyArrayDyn<T>>().map_err(|error| Error::input(error.to_string()))?;
    let view = typed.try_readonly().map_err(|error| Error::input(error.to_string()))?;
    // `as_slice` gives the elements of arrays in column-major order too, in the order of memory.
    Ok(match view.as_slice() {
        Ok(slice) if array.is_c_contiguous() => slice.to_vec(),
        _ => view.as_array().iter().cloned().collect(),
    })
}

/// An array of numpy as one of ontrace; bfloat16 comes as the bits of its elements, which numpy has no type for.
///
/// # Errors
/// [`Input`](ontrace::ErrorCode::Input) where the array is not of this dtype.
pub fn from_numpy(dtype: &str, array: &Bound<'_, PyUntypedArray>) -> Result<Array> {
    let shape = array.shape();
    match DType::parse(dtype) {
        Some(DType::F16) => Array::new(shape, elements::<f16>(array)?),
        Some(DType::BF16) => Array::new(shape, elements::<u16>(array)?.into_iter().map(bf16::from_bits).collect()),
        Some(DType::F32) => Array::new(shape, elements::<f32>(array)?),
        Some(DType::F64) => Array::new(shape, elements::<f64>(array)?),
        Some(DType::I8) => Array::new(shape, elements::<i8>(array)?),
        Some(DType::I16) => Array::new(shape, elements::<i16>(array)?),
        Some(DType::I32) => Array::new(shape, elements::<i32>(array)?),
        Some(DType::I64) => Array::new(shape, elements::<i64>(array)?),
        Some(DType::U8) => Array::new(shape, elements::<u8>(array)?),
        Some(DType::U16) => Array::new(shape, elements::<u16>(array)?),
        Some(DType::U32) => Array::new(shape, elements::<u32>(array)?),
        Some(DType::U64) => Array::new(shape, elements::<u64>(array)?),
        Some(DType::Bool) => Array::new(shape, elements::<bool>(array)?),
        _ => Err(Error::input(format!("arrays of dtype {dtype} cannot be given"))),
    }
}

fn array<'py, T: Element>(py: Python<'py>, elements: Vec<T>, shape: &[usize]) -> Result<Bound<'py, PyAny>> {
    let array = PyArray::from_vec(py, elements).reshape(shape.to_vec());
    array.map(Bound::into_any).map_err(|error| Error::internal(error.to_string()))
}

/// An array of ontrace as one of numpy, with its dtype; bfloat16 goes as the bits of its elements.
///
/// # Errors
/// [`DType`](ontrace::ErrorCode::DType) for what numpy has no type for.
pub fn to_numpy<'py>(py: Python<'py>, from: &Array) -> Result<(&'static str, Bound<'py, PyAny>)> {
    let shape = from.shape();
    let made = match from.dtype() {
        DType::F16 => array(py, from.to_vec::<f16>()?, shape),
        DType::BF16 => array(py, from.to_vec::<bf16>()?.into_iter().map(bf16::to_bits).collect(), shape),
        DType::F32 => array(py, from.to_vec::<f32>()?, shape),
        DType::F64 => array(py, from.to_vec::<f64>()?, shape),
        DType::I8 => array(py, from.to_vec::<i8>()?, shape),
        DType::I16 => array(py, from.to_vec::<i16>()?, shape),
        DType::I32 => array(py, from.to_vec::<i32>()?, shape),
        DType::I64 => array(py, from.to_vec::<i64>()?, shape),
        DType::U8 => array(py, from.to_vec::<u8>()?, shape),
        DType::U16 => array(py, from.to_vec::<u16>()?, shape),
        DType::U32 => array(py, from.to_vec::<u32>()?, shape),
        DType::U64 => array(py, from.to_vec::<u64>()?, shape),
        DType::Bool => array(py, from.to_vec::<bool>()?, shape),
        other => Err(Error::dtype(format!("numpy has no dtype for {other}"))),
    };
    Ok((from.dtype().name(), made?))
}
