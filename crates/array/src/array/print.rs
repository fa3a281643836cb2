//! Display of arrays: `f32[2,3] [[0.5, 1.0, …], …]`, never more than a few elements.

use super::{Array, DType};
use std::fmt;

/// Elements shown of an axis before the rest becomes an ellipsis.
const SHOWN: usize = 6;

impl fmt::Debug for Array {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Array {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shape: Vec<_> = self.shape.iter().map(usize::to_string).collect();
        write!(f, "{}[{}] ", self.dtype, shape.join(","))?;
        axis(self, f)
    }
}

/// Prints what is left of an array below the axes already walked.
fn axis(array: &Array, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let Some(&length) = array.shape.first() else {
        return match array.dtype {
            DType::U64 => write!(f, "{}", array.to_vec::<u64>().map_err(|_| fmt::Error)?[0]),
            DType::Bool => write!(f, "{}", array.item().map_err(|_| fmt::Error)?),
            dtype if dtype.is_float() => match array.item().map_err(|_| fmt::Error)?.to_f64() as f32 {
                x if x != 0.0 && x.is_finite() && !(1e-4..1e9).contains(&x.abs()) => write!(f, "{x:e}"),
                x => write!(f, "{x}"),
            },
            _ => write!(f, "{}", array.item().map_err(|_| fmt::Error)?),
        };
    };
    f.write_str("[")?;
    for i in 0..length.min(SHOWN) {
        if i > 0 {
            f.write_str(", ")?;
        }
        let row = array.slice(0, i, 1, 1).map_err(|_| fmt::Error)?;
        axis(&Array { shape: row.shape[1..].into(), strides: row.strides[1..].into(), ..row }, f)?;
    }
    f.write_str(if length > SHOWN { ", …]" } else { "]" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_without_a_sign_have_none() {
        assert_eq!(Array::vector(vec![1u64, u64::MAX]).to_string(), "u64[2] [1, 18446744073709551615]");
    }

    #[test]
    fn very_small_and_very_large_floats_have_exponents() {
        let array = Array::vector(vec![0.5f32, 0.0, -1.25e-7, 3e12, f32::NAN]);
        assert_eq!(array.to_string(), "f32[5] [0.5, 0, -1.25e-7, 3e12, NaN]");
    }
}
