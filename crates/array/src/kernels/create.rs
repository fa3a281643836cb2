//! Arrays from a rule.

use super::fill::zeros;
use crate::array::{Array, DType, Element, Scalar, count};
use crate::each_dtype;
use crate::error::{Error, Result};

/// `start`, `start` + `delta`, … up to but without `limit`, counted in doubles for floats and exactly for integers.
///
/// <https://onnx.ai/onnx/operators/onnx__Range.html>, `torch.arange`.
///
/// # Errors
/// [`Argument`](crate::ErrorCode::Argument) where `delta` is 0 or a bound is not finite; [`DType`](crate::ErrorCode::DType) for Bool;
/// [`TooBig`](crate::ErrorCode::TooBig).
pub fn range(dtype: DType, start: Scalar, limit: Scalar, delta: Scalar) -> Result<Array> {
    let n = range_len(dtype, start, limit, delta)?;
    each_dtype!(dtype, T: number => {
        let mut out = zeros::<T>(n)?;
        if dtype.is_float() {
            let (start, delta) = (start.to_f64(), delta.to_f64());
            out.iter_mut().enumerate().for_each(|(i, out)| *out = T::from_f64(start + i as f64 * delta));
        } else {
            let (start, delta) = (start.to_i64(), delta.to_i64());
            out.iter_mut().enumerate().for_each(|(i, out)| *out = T::from_i64(start.wrapping_add(delta.wrapping_mul(i as i64))));
        }
        Ok(Array::vector(out))
    })
}

/// How many values [`range`] gives.
///
/// # Errors
/// As [`range`].
pub fn range_len(dtype: DType, start: Scalar, limit: Scalar, delta: Scalar) -> Result<usize> {
    let refused = || Error::argument(format!("invalid range: start {start}, limit {limit}, delta {delta}"));
    if dtype.is_float() {
        let n = ((limit.to_f64() - start.to_f64()) / delta.to_f64()).ceil().max(0.0);
        // NaN is lost in a maximum: a range of 0 by 0 shows here.
        if delta.to_f64() == 0.0 || ![start, limit, delta].iter().all(|x| x.to_f64().is_finite()) {
            return Err(refused());
        }
        return if n < (1u64 << 48) as f64 { count(&[n as usize]) } else { Err(Error::too_big(refused().message())) };
    }
    let (start, limit, delta) = (i128::from(start.to_i64()), i128::from(limit.to_i64()), i128::from(delta.to_i64()));
    if delta == 0 {
        return Err(refused());
    }
    let n = (limit - start + delta - delta.signum()) / delta;
    count(&[usize::try_from(n.max(0)).map_err(|_| Error::too_big(refused().message()))?])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_end_before_their_limit() {
        let ints = |a: i64, b: i64, d: i64| range(DType::I64, a.into(), b.into(), d.into()).map(|x| x.to_i64s().unwrap());
        assert_eq!(ints(3, 9, 3), Ok(vec![3, 6]));
        assert_eq!(ints(10, 4, -2), Ok(vec![10, 8, 6]));
        assert_eq!(ints(10, 4, -4), Ok(vec![10, 6]));
        assert_eq!(ints(0, -1, 1), Ok(vec![]));
        assert_eq!(ints(0, 1, i64::MIN), Ok(vec![]));
        assert_eq!(ints(i64::MIN, i64::MAX, i64::MAX), Ok(vec![i64::MIN, -1, i64::MAX - 1]));
        let floats = range(DType::F32, 0.0.into(), 1.0.into(), 0.25.into()).unwrap();
        assert_eq!(floats, Array::vector(vec![0f32, 0.25, 0.5, 0.75]));
    }

    #[test]
    fn ranges_that_never_end_are_refused() {
        use crate::ErrorCode;
        let code = |dtype, a: Scalar, b: Scalar, d: Scalar| range(dtype, a, b, d).unwrap_err().code();
        assert_eq!(code(DType::I64, 0.into(), 5.into(), 0.into()), ErrorCode::Argument);
        assert_eq!(code(DType::F32, 0.0.into(), 0.0.into(), 0.0.into()), ErrorCode::Argument);
        assert_eq!(code(DType::F32, 0.0.into(), f64::INFINITY.into(), 1.0.into()), ErrorCode::Argument);
        assert_eq!(code(DType::F32, 0.0.into(), f64::NAN.into(), 1.0.into()), ErrorCode::Argument);
        assert_eq!(code(DType::F64, 0.0.into(), 1.0.into(), 1e-300.into()), ErrorCode::TooBig);
        assert_eq!(code(DType::I64, i64::MIN.into(), i64::MAX.into(), 1.into()), ErrorCode::TooBig);
        assert_eq!(code(DType::Bool, 0.into(), 1.into(), 1.into()), ErrorCode::DType);
    }
}
