//! Floats by their parts: the sign, the angle of two, the neighbours.

use super::special::constant;
use crate::array::DType;
use crate::error::{Error, Result};
use crate::tensor::{Tensor, size};
use std::f64::consts::PI;

impl Tensor {
    /// Whether the sign is minus, that of a zero too.
    ///
    /// [torch.signbit](https://pytorch.org/docs/stable/generated/torch.signbit.html)
    ///
    /// # Errors
    /// Where the tensor belongs to another trace.
    #[track_caller]
    pub fn sign_bit(&self) -> Result<Tensor> {
        match self.dtype() {
            DType::Bool => Tensor::zeros(self.shape(), DType::Bool),
            dtype if dtype.is_int() => self.lt(0),
            // The reciprocal of a zero keeps its sign.
            _ => self.lt(0.0)?.logical_or(self.reciprocal()?.eq(f64::NEG_INFINITY)?),
        }
    }

    /// The magnitude of this with the sign of the other.
    ///
    /// [torch.copysign](https://pytorch.org/docs/stable/generated/torch.copysign.html)
    ///
    /// # Errors
    /// [`Shape`](crate::ErrorCode::Shape) where the shapes do not broadcast.
    #[track_caller]
    pub fn copysign(&self, sign: &Tensor) -> Result<Tensor> {
        let (magnitude, _) = self.promoted(sign)?;
        let magnitude = magnitude.cast(magnitude.dtype().or_float())?.abs()?;
        sign.sign_bit()?.where_(&magnitude.neg()?, &magnitude)
    }

    /// The angle of the point (x, this) from −π to π.
    ///
    /// [torch.atan2](https://pytorch.org/docs/stable/generated/torch.atan2.html)
    ///
    /// # Errors
    /// [`Shape`](crate::ErrorCode::Shape) where the shapes do not broadcast.
    #[track_caller]
    pub fn atan2(&self, x: &Tensor) -> Result<Tensor> {
        let (y, x) = self.promoted(x)?;
        let dtype = y.dtype().or_float();
        let (y, x) = (y.cast(dtype)?, x.cast(dtype)?);
        let ratio = y.abs()?.div(x.abs()?)?;
        let ratio = y.eq(0.0)?.logical_and(x.eq(0.0)?)?.where_(&constant(&y, 0.0)?, &ratio)?;
        let ratio = y.is_inf()?.logical_and(x.is_inf()?)?.where_(&constant(&y, 1.0)?, &ratio)?;
        let angle = ratio.atan()?;
        x.sign_bit()?.where_(&angle.neg()?.add(PI)?, &angle)?.copysign(&y)
    }

    /// The float next to this towards the other; the other where they are equal.
    ///
    /// The neighbours are those of Rump, Zimmermann, Boldo and Melquiond, Computing predecessor and successor in rounding to nearest (2009):
    /// a sum with a little more than half the distance to them is rounded there.
    /// [torch.nextafter](https://pytorch.org/docs/stable/generated/torch.nextafter.html)
    ///
    /// # Errors
    /// [`DType`](crate::ErrorCode::DType) where they are no floats, [`Shape`](crate::ErrorCode::Shape) where the shapes do not broadcast.
    #[track_caller]
    pub fn next_after(&self, other: &Tensor) -> Result<Tensor> {
        let dtype = self.promoted(other)?.0.dtype();
        // The digits, the exponent of the least normal number, and that of the largest number's end.
        let (digits, least, end) = match dtype {
            DType::F64 => (53, -1022, 1024),
            DType::F32 => (24, -126, 128),
            DType::BF16 => (8, -126, 128),
            DType::F16 => (11, -14, 16),
            _ => return Err(Error::dtype(format!("nextafter needs a float, got {dtype}"))),
        };
        // powi goes by the inverse of a power that may be infinite.
        let power = |n: i32| libm::scalbn(1.0, n);
        // Sums of shorter floats are computed in f32 and rounded once.
        let wide = if dtype == DType::F64 { DType::F64 } else { DType::F32 };
        let shape = size::broadcast(self.shape(), other.shape())?;
        let (x, y) = (self.cast(wide)?.expand(&shape)?, other.cast(wide)?.expand(&shape)?);
        let more = power(-digits) * (1.0 + 2.0 * power(-digits));
        // Where the distance itself would be below the normal values the sum is one of larger values.
        let scale = if dtype == wide { power(2 * digits) } else { 1.0 };
        let size = x.abs()?;
        let tiny = size.le(power(least))?;
        let small = size.lt(power(least) * scale)?;
        let up = y.gt(&x)?;
        let towards = |step: &Tensor| up.where_(step, &step.neg()?);
        let near = |x: &Tensor| x.add(towards(&x.abs()?.mul(more)?)?)?.cast(dtype);
        let subnormal = x.add(towards(&constant(&x, power(least - digits + 1))?.expand(&shape)?)?)?.cast(dtype)?;
        let scaled = near(&small.where_(&x, &constant(&x, 0.0)?)?.mul(scale)?)?.mul(constant(&x, 1.0 / scale)?.cast(dtype)?)?;
        let next = tiny.where_(&subnormal, &small.where_(&scaled, &near(&x)?)?)?;
        // From an infinity the way leads to the largest number.
        let largest = (power(1 - digits) - 2.0) * power(end - 1);
        let largest = towards(&constant(&x, largest)?.expand(&shape)?)?.cast(dtype)?;
        let next = x.is_inf()?.where_(&largest, &next)?;
        let lost = x.is_nan()?.logical_or(y.is_nan()?)?;
        lost.where_(&constant(&next, f64::NAN)?, &x.eq(&y)?.where_(&y.cast(dtype)?, &next)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_float_is_one_step_of_its_bits() {
        let tiny = f32::from_bits(1);
        let values = [
            0.0,
            -0.0,
            1.0,
            -1.0,
            1.5,
            0.1,
            3e38,
            f32::MAX,
            f32::MIN,
            f32::MIN_POSITIVE,
            -f32::MIN_POSITIVE,
            tiny,
            -tiny,
            1e-40,
            2e-38,
            -3e-36,
            1.99e-31,
            16777216.0,
            -0.9999999,
            f32::INFINITY,
            f32::NEG_INFINITY,
        ];
        for towards in [f32::INFINITY, f32::NEG_INFINITY] {
            let got = Tensor::from(&values).next_after(&Tensor::from(&[towards])).unwrap().to_vec::<f32>().unwrap();
            for (x, got) in values.into_iter().zip(got) {
                let expected = if towards > 0.0 { x.next_up() } else { x.next_down() };
                assert_eq!(got, expected, "{x:e} towards {towards}");
            }
        }
        let wide = [0.0f64, 1.0, -1.0, 5e-324, f64::MIN_POSITIVE, 3e-308, 1e-290, 1.7e308, f64::MAX];
        let got = Tensor::from(&wide).next_after(&Tensor::from(&[f64::INFINITY])).unwrap().to_vec::<f64>().unwrap();
        assert_eq!(got, wide.map(f64::next_up));
        let same = Tensor::from(&[1.0f32, f32::NAN]).next_after(&Tensor::from(&[1.0f32, 2.0])).unwrap().to_vec::<f32>().unwrap();
        assert!(same[0] == 1.0 && same[1].is_nan());
    }

    #[test]
    fn every_half_has_its_neighbour() {
        let bits: Vec<u16> = (0..0x7c00).chain(0x8000..0xfc00).collect();
        let values: Vec<half::f16> = bits.iter().map(|&bits| half::f16::from_bits(bits)).collect();
        let up = Tensor::from(values.as_slice()).next_after(&Tensor::from(&[half::f16::INFINITY])).unwrap().to_vec::<half::f16>().unwrap();
        for (x, up) in values.iter().zip(up) {
            let expected = match x.to_bits() {
                0x8000 | 0 => 1,
                bits if bits < 0x8000 => bits + 1,
                bits => bits - 1,
            };
            let (got, expected) = (f32::from(up), f32::from(half::f16::from_bits(expected)));
            assert_eq!(got, expected, "{x}");
        }
    }
}
