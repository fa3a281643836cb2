//! Halves computed as singles: f16 and bf16 are widened to f32 before a kernel and rounded once after it.

use crate::array::{Array, DType};
use crate::error::{Error, Result};

/// Runs a kernel on arrays of one dtype, of which it sees no f16 and no bf16.
///
/// # Errors
/// [`DType`](crate::ErrorCode::DType) where the dtypes differ, and whatever the kernel gives.
pub fn widened(inputs: &[&Array], kernel: impl FnOnce(&[&Array]) -> Result<Array>) -> Result<Array> {
    let Some(dtype) = inputs.first().map(|input| input.dtype()) else { return kernel(inputs) };
    if let Some(other) = inputs.iter().find(|input| input.dtype() != dtype) {
        return Err(Error::dtype(format!("expected {dtype} like the first operand, got {}", other.dtype())));
    }
    if !matches!(dtype, DType::F16 | DType::BF16) {
        return kernel(inputs);
    }
    let wide: Vec<Array> = inputs.iter().map(|input| input.cast(DType::F32)).collect::<Result<_>>()?;
    kernel(&wide.iter().collect::<Vec<_>>())?.cast(dtype)
}
