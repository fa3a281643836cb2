//! Conversion between element types.
//!
//! The pairs that networks convert often have a loop of their own; the others go through f64 or i64, a block at a time, so that the
//! thirteen element types need thirteen loops in and thirteen out rather than one a pair.

use super::{Array, DType, Element, room};
use crate::each_dtype;
use crate::error::Result;
use half::{bf16, f16};

/// Elements converted at a time: as f64 they stay in the first cache.
const BLOCK: usize = 1024;

/// A dense array in another dtype: floats through f64 to floats and Bool, all else through i64, which does not hold the upper half of u64.
pub(super) fn convert(x: &Array, dtype: DType) -> Result<Array> {
    use DType::*;
    match (x.dtype(), dtype) {
        (F32, F64) => direct::<f32, f64>(x, |x| x.into()),
        (F64, F32) => direct::<f64, f32>(x, |x| x as f32),
        (F16, F32) => direct::<f16, f32>(x, f16::to_f32),
        (F32, F16) => direct::<f32, f16>(x, |x| f16::from_f64(x.into())),
        (BF16, F32) => direct::<bf16, f32>(x, bf16::to_f32),
        (F32, BF16) => direct::<f32, bf16>(x, |x| bf16::from_f64(x.into())),
        (I64, F32) => direct::<i64, f32>(x, |x| x as f32),
        (F32, I64) => direct::<f32, i64>(x, |x| long(x.into())),
        (I32, F32) => direct::<i32, f32>(x, |x| i64::from(x) as f32),
        (F32, I32) => direct::<f32, i32>(x, |x| word(x.into())),
        (U8, F32) => direct::<u8, f32>(x, |x| x.into()),
        (Bool, F32) => direct::<bool, f32>(x, |x| u8::from(x).into()),
        (F32, Bool) => direct::<f32, bool>(x, |x| x != 0.0),
        (I32, I64) => direct::<i32, i64>(x, |x| x.into()),
        (I64, I32) => direct::<i64, i32>(x, |x| x as i32),
        (Bool, I64) => direct::<bool, i64>(x, |x| x.into()),
        (I64, Bool) => direct::<i64, bool>(x, |x| x != 0),
        (U64, F32) => direct::<u64, f32>(x, |x| x as f32),
        (from, U64) if from.is_float() => write(x, &each_dtype!(from, S => reader(x, S::to_f64)?), unsigned),
        (from, I64) if from.is_float() => write(x, &each_dtype!(from, S => reader(x, S::to_f64)?), long),
        (from, I32 | I16 | I8 | U16 | U8) if from.is_float() => {
            let read = each_dtype!(from, S => reader(x, S::to_f64)?);
            each_dtype!(dtype, T => write(x, &read, |x| T::from_i64(word(x).into())))
        }
        (from, to) if (from.is_float() || from == U64) && (to.is_float() || from != U64 && to == Bool) => {
            let read = each_dtype!(from, S => reader(x, S::to_f64)?);
            each_dtype!(to, T => write(x, &read, T::from_f64))
        }
        (from, to) => {
            let read = each_dtype!(from, S => reader(x, S::to_i64)?);
            each_dtype!(to, T => write(x, &read, T::from_i64))
        }
    }
}

/// A float as an integer of 64 bits without a sign, truncated towards zero; one that is negative wraps, as it does in i64.
fn unsigned(x: f64) -> u64 {
    if x < 2f64.powi(63) { x as i64 as u64 } else { x as u64 }
}

/// A float as an integer of 64 bits, truncated towards zero: the least one where it has none, as torch and ONNX Runtime give on x86.
fn long(x: f64) -> i64 {
    if (-2f64.powi(63)..2f64.powi(63)).contains(&x) { x as i64 } else { i64::MIN }
}

/// As [`long`], of 32 bits. Narrower integers are its lower bits.
fn word(x: f64) -> i32 {
    if x > -2f64.powi(31) - 1.0 && x < 2f64.powi(31) { x as i32 } else { i32::MIN }
}

fn direct<S: Element, T: Element>(x: &Array, convert: impl Fn(S) -> T) -> Result<Array> {
    let (elements, start) = x.span::<S>()?;
    room::<T>(x.len())?;
    Array::new(x.shape(), elements[start..].iter().map(|&x| convert(x)).collect())
}

/// Writes the elements from an index on, in a wide type.
type WideReader<'a, W> = Box<dyn Fn(usize, &mut [W]) + 'a>;

fn reader<S: Element, W: 'static>(x: &Array, widen: fn(S) -> W) -> Result<WideReader<'_, W>> {
    let (elements, start) = x.span::<S>()?;
    Ok(Box::new(move |first, out| out.iter_mut().zip(&elements[start + first..]).for_each(|(out, &x)| *out = widen(x))))
}

fn write<W: Copy + Default, T: Element>(x: &Array, read: &WideReader<W>, narrow: fn(W) -> T) -> Result<Array> {
    let n = x.len();
    room::<T>(n)?;
    let mut out = Vec::with_capacity(n);
    let mut block = [W::default(); BLOCK];
    while out.len() < n {
        let part = &mut block[..BLOCK.min(n - out.len())];
        read(out.len(), part);
        out.extend(part.iter().map(|&x| narrow(x)));
    }
    Array::new(x.shape(), out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pair_converts_as_its_definition() {
        let values = [0.0, -0.0, 1.0, -1.0, 0.4, -2.6, 127.5, 255.0, 300.0, 65535.0, 1e9, -1e9, 1e19, 3e19, f64::NAN, f64::INFINITY];
        for &from in DType::ALL {
            // Long enough for two blocks.
            let x = Array::vector((0..3000).map(|i| values[i % values.len()]).collect::<Vec<f64>>());
            let x = each_dtype_of(&x, from);
            for &to in DType::ALL {
                assert_eq!(
                    format!("{:?}", convert(&x, to).unwrap().to_bytes().unwrap()),
                    format!("{:?}", by_definition(&x, to).to_bytes().unwrap()),
                    "{from} {to}"
                );
            }
        }
    }

    fn each_dtype_of(x: &Array, dtype: DType) -> Array {
        let of =
            || -> Result<Array> { each_dtype!(dtype, T => Ok(Array::vector(x.to_vec::<f64>()?.into_iter().map(T::from_f64).collect()))) };
        of().unwrap()
    }

    fn by_definition(x: &Array, dtype: DType) -> Array {
        let of = || -> Result<Array> {
            each_dtype!(x.dtype(), S => each_dtype!(dtype, T => {
                let elements = x.to_vec::<S>()?.into_iter();
                let (from, to) = (S::DTYPE, T::DTYPE);
                let is_upper = |x: S| (from == DType::U64 && to.is_float() || from.is_float() && to == DType::U64) && x.to_f64() >= 2f64.powi(63);
                Ok(Array::vector(match from.is_float() && (to == DType::Bool || to.is_float()) {
                    true => elements.map(|x| T::from_f64(x.to_f64())).collect::<Vec<T>>(),
                    false if from.is_float() && to != DType::U64 => {
                        let bits = if matches!(to, DType::I64 | DType::U32) { 63 } else { 31 };
                        // U32 alone is cut out of a saturated integer of 64 bits.
                        let has = |x: f64| to == DType::U32 || x.trunc() >= -2f64.powi(bits) && x < 2f64.powi(bits);
                        elements.map(|x| T::from_i64(if has(x.to_f64()) { x.to_i64() } else { -(1i128 << bits) as i64 })).collect()
                    }
                    false => elements.map(|x| if is_upper(x) { T::from_f64(x.to_f64()) } else { T::from_i64(x.to_i64()) }).collect(),
                }))
            }))
        };
        of().unwrap()
    }
}
