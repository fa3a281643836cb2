//! Sub-byte integers and 8-bit floats: kept as codes, a byte each, and computed with only after a cast.
//!
//! Their values are those of [ONNX's types](https://onnx.ai/onnx/technical/float8.html).

use super::{Array, DType, contiguous_strides};
use crate::error::{Error, Result};
use bytes::Bytes;

/// What the codes of a narrow dtype mean.
#[derive(Clone, Copy)]
enum Code {
    /// Two's complement, or the number itself.
    Int { bits: u32, signed: bool },
    /// Sign, exponent, mantissa; what the topmost codes mean is said by `Top`.
    Float { exponent: u32, mantissa: u32, bias: i32, top: Top },
    /// An exponent alone, without a sign.
    Power,
}

/// What a float's codes beyond its largest number mean.
#[derive(Clone, Copy, PartialEq)]
enum Top {
    /// There are none: every code is a number.
    Finite,
    /// The topmost code of either sign is NaN.
    Nan,
    /// The topmost exponent is infinity and NaN, as IEEE 754 has it.
    Ieee,
    /// The code of negative zero is NaN.
    Unsigned,
}

/// How elements that a narrow dtype does not have become codes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Narrowing {
    /// What is too large becomes the largest number of an 8-bit float, else infinity or NaN.
    pub saturate: bool,
    /// How an exponent alone ([`DType::F8E8M0`]) is rounded.
    pub round: Round,
}

impl Default for Narrowing {
    /// As ONNX's [Cast](https://onnx.ai/onnx/operators/onnx__Cast.html) where no attribute says otherwise.
    fn default() -> Narrowing {
        Narrowing { saturate: true, round: Round::Up }
    }
}

/// How a number between two powers of two becomes one of them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Round {
    /// The higher one.
    Up,
    /// The lower one.
    Down,
    /// The nearer one, the higher where both are as near.
    Nearest,
}

impl DType {
    /// Bits per element in a file, where an element is narrower than a byte.
    pub fn bits(self) -> usize {
        match self.code() {
            Some(Code::Int { bits, .. }) => bits as usize,
            Some(Code::Float { exponent, mantissa, .. }) => (1 + exponent + mantissa) as usize,
            _ => 8 * self.size(),
        }
    }

    /// Whether the dtype only stores: its elements are computed with after a cast.
    pub fn is_narrow(self) -> bool {
        self.code().is_some()
    }

    /// The lowest and the highest number of a narrow dtype that is not infinite.
    #[doc(hidden)]
    pub fn narrow_limits(self) -> (f64, f64) {
        let values = self.code().map_or([0.0; 256], Code::values);
        let finite = || values.iter().copied().filter(|x| x.is_finite());
        (finite().fold(0.0, f64::min), finite().fold(0.0, f64::max))
    }

    /// The code of a number in a narrow dtype; of any other dtype, its low byte.
    pub(super) fn encode(self, x: f64, how: Narrowing) -> u8 {
        self.code().map_or(x as u8, |code| code.encode(x, how))
    }

    fn code(self) -> Option<Code> {
        let float = |exponent, mantissa, bias, top| Some(Code::Float { exponent, mantissa, bias, top });
        let int = |bits, signed| Some(Code::Int { bits, signed });
        match self {
            DType::F8E4M3FN => float(4, 3, 7, Top::Nan),
            DType::F8E4M3FNUZ => float(4, 3, 8, Top::Unsigned),
            DType::F8E5M2 => float(5, 2, 15, Top::Ieee),
            DType::F8E5M2FNUZ => float(5, 2, 16, Top::Unsigned),
            DType::F8E8M0 => Some(Code::Power),
            DType::F4E2M1 => float(2, 1, 1, Top::Finite),
            DType::I4 => int(4, true),
            DType::U4 => int(4, false),
            DType::I2 => int(2, true),
            DType::U2 => int(2, false),
            _ => None,
        }
    }
}

impl Code {
    /// The number of each byte; the bits above a code's own do not count.
    fn values(self) -> [f64; 256] {
        std::array::from_fn(|byte| self.value(byte as u8))
    }

    fn value(self, byte: u8) -> f64 {
        match self {
            Code::Int { bits, signed } => {
                let code = f64::from(byte & ((1 << bits) - 1));
                let span = f64::from(1u32 << bits);
                if signed && code >= span / 2.0 { code - span } else { code }
            }
            Code::Power if byte == u8::MAX => f64::NAN,
            Code::Power => f64::from(i32::from(byte) - 127).exp2(),
            Code::Float { exponent, mantissa, bias, top } => {
                let magnitude = byte & ((1 << (exponent + mantissa)) - 1);
                let negative = byte >> (exponent + mantissa) & 1 == 1;
                let infinity = ((1u32 << exponent) - 1) << mantissa;
                let number = match top {
                    Top::Nan if u32::from(magnitude) == (1 << (exponent + mantissa)) - 1 => f64::NAN,
                    Top::Ieee if u32::from(magnitude) > infinity => f64::NAN,
                    Top::Ieee if u32::from(magnitude) == infinity => f64::INFINITY,
                    Top::Unsigned if negative && magnitude == 0 => f64::NAN,
                    _ => magnitude_of(u32::from(magnitude), mantissa, bias),
                };
                if negative { -number } else { number }
            }
        }
    }

    /// The largest code of a float that is a number.
    fn largest(exponent: u32, mantissa: u32, top: Top) -> u32 {
        match top {
            Top::Finite | Top::Unsigned => (1 << (exponent + mantissa)) - 1,
            Top::Nan => (1 << (exponent + mantissa)) - 2,
            Top::Ieee => (((1 << exponent) - 1) << mantissa) - 1,
        }
    }

    /// The code of a number: the nearest one, of two as near the even one.
    fn encode(self, x: f64, how: Narrowing) -> u8 {
        match self {
            // Out of range, the low bits are kept, as torch and numpy do for wider integers.
            Code::Int { bits, .. } => (x as i64 & ((1 << bits) - 1)) as u8,
            Code::Power => power(x, how.round),
            Code::Float { exponent, mantissa, bias, top } => {
                let sign = u8::from(x.is_sign_negative()) << (exponent + mantissa);
                let infinity = ((1u32 << exponent) - 1) << mantissa;
                let most = Code::largest(exponent, mantissa, top);
                let nan = match top {
                    // There is no NaN: it becomes a zero, as in numpy's ml_dtypes.
                    Top::Finite => {
                        return if x.is_nan() {
                            1 << (exponent + mantissa)
                        } else {
                            sign | nearest(x.abs(), most, most, mantissa, bias) as u8
                        };
                    }
                    Top::Nan => sign | (most + 1) as u8,
                    Top::Ieee => sign | (infinity + (1 << (mantissa - 1))) as u8,
                    Top::Unsigned => 1 << (exponent + mantissa),
                };
                let over = match top {
                    Top::Ieee => sign | infinity as u8,
                    _ => nan,
                };
                match nearest(x.abs(), most, most + 1, mantissa, bias) {
                    _ if x.is_nan() => nan,
                    code if code <= most => {
                        // Where negative zero is NaN, zero has no sign.
                        if code == 0 && top == Top::Unsigned { 0 } else { sign | code as u8 }
                    }
                    _ if how.saturate => sign | most as u8,
                    _ => over,
                }
            }
        }
    }
}

/// The number of a code without its sign.
fn magnitude_of(code: u32, mantissa: u32, bias: i32) -> f64 {
    let (exponent, fraction) = (code >> mantissa, f64::from(code & ((1 << mantissa) - 1)));
    let unit = f64::from(-(mantissa as i32)).exp2();
    match exponent {
        0 => fraction * unit * f64::from(1 - bias).exp2(),
        _ => (1.0 + fraction * unit) * f64::from(exponent as i32 - bias).exp2(),
    }
}

/// The code from 0 to `last` whose value is nearest, of two as near the even one. Beyond `most`, values go on as if codes did.
fn nearest(x: f64, most: u32, last: u32, mantissa: u32, bias: i32) -> u32 {
    let number = |code: u32| magnitude_of(code, mantissa, bias);
    let (mut low, mut high) = (0, most + 1);
    while high - low > 1 {
        let middle = (low + high) / 2;
        if number(middle) <= x { low = middle } else { high = middle }
    }
    let (below, above) = (x - number(low), number(high) - x);
    let up = above < below || above == below && low % 2 == 1;
    if up { high.min(last) } else { low }
}

/// The code of a power of two; what is smaller than all of them is the smallest, what is larger is NaN, and so is what is not positive.
fn power(x: f64, round: Round) -> u8 {
    const NAN: u8 = u8::MAX;
    if x.is_nan() || x.is_infinite() {
        return NAN;
    }
    let x = x.abs();
    if x < f64::from(-127).exp2() {
        return 0;
    }
    let mut exponent = x.log2().floor();
    // A logarithm may be rounded across a power.
    if exponent.exp2() > x {
        exponent -= 1.0;
    } else if (exponent + 1.0).exp2() <= x {
        exponent += 1.0;
    }
    let part = x / exponent.exp2();
    let up = match round {
        Round::Up => part > 1.0,
        Round::Down => false,
        Round::Nearest => part >= 1.5,
    };
    (exponent + f64::from(u8::from(up)) + 127.0).clamp(0.0, 254.0) as u8
}

impl Array {
    /// The codes of narrow elements as bytes; any other array is itself.
    #[doc(hidden)]
    pub fn codes(&self) -> Array {
        if self.dtype.is_narrow() { Array { dtype: DType::U8, ..self.clone() } } else { self.clone() }
    }

    /// Bytes as codes of a narrow dtype.
    ///
    /// # Errors
    /// [`DType`](crate::ErrorCode::DType) unless this is an array of bytes and the dtype is narrow.
    #[doc(hidden)]
    pub fn with_codes(self, dtype: DType) -> Result<Array> {
        match self.dtype == DType::U8 && dtype.is_narrow() {
            true => Ok(Array { dtype, ..self }),
            false => Err(Error::dtype(format!("{} as codes of {dtype}", self.dtype))),
        }
    }

    /// Narrow elements as doubles; an array of any other dtype is itself.
    ///
    /// # Errors
    /// [`TooBig`](crate::ErrorCode::TooBig) for repeated elements whose dense copy does not fit into memory.
    pub(super) fn widened(&self) -> Result<Array> {
        let Some(code) = self.dtype.code() else { return Ok(self.clone()) };
        let values = code.values();
        let codes = self.codes().to_vec::<u8>()?;
        super::room::<f64>(codes.len())?;
        Array::new(&self.shape, codes.iter().map(|&code| values[usize::from(code)]).collect::<Vec<f64>>())
    }

    /// The same values in a narrow dtype, or in any other as [`Array::cast`].
    ///
    /// # Errors
    /// As [`Array::cast`].
    pub fn narrowed(&self, dtype: DType, how: Narrowing) -> Result<Array> {
        let Some(code) = dtype.code().filter(|_| dtype != self.dtype) else { return self.cast(dtype) };
        let encoded = match (code, self.dtype.is_int()) {
            // Integers lose their high bits, not their low ones as they might in a double.
            (Code::Int { bits, .. }, true) => self.to_i64s()?.into_iter().map(|x| (x & ((1 << bits) - 1)) as u8).collect::<Vec<_>>(),
            _ => self.to_f64s()?.into_iter().map(|x| code.encode(x, how)).collect(),
        };
        let strides = contiguous_strides(&self.shape);
        Ok(Array { dtype, shape: self.shape.clone(), strides, offset: 0, bytes: Bytes::from(encoded) })
    }

    /// The elements in row-major order as a file packs them: those narrower than a byte from the lowest bits of each byte up.
    ///
    /// # Errors
    /// [`TooBig`](crate::ErrorCode::TooBig) for repeated elements whose dense copy does not fit into memory.
    pub fn packed(&self) -> Result<Array> {
        let bits = self.dtype.bits();
        if bits >= 8 {
            return Ok(self.clone());
        }
        let mask = (1u8 << bits) - 1;
        let pack = |codes: &[u8]| codes.iter().enumerate().fold(0, |byte, (i, code)| byte | (code & mask) << (i * bits));
        let codes = self.codes().to_vec::<u8>()?;
        Ok(Array::vector(codes.chunks(8 / bits).map(pack).collect::<Vec<u8>>()))
    }

    /// Elements from the bytes of a file, which packs those narrower than a byte.
    ///
    /// # Errors
    /// As [`Array::from_bytes`].
    pub fn from_packed(dtype: DType, bytes: Bytes, shape: &[usize]) -> Result<Array> {
        let bits = dtype.bits();
        if bits >= 8 {
            return Array::from_bytes(dtype, bytes, shape, None, 0);
        }
        let (each, mask) = (8 / bits, (1u8 << bits) - 1);
        let elements = super::count(shape)?;
        if elements.div_ceil(each) != bytes.len() {
            return Err(Error::damaged(format!("{} bytes for {dtype}{shape:?}", bytes.len())));
        }
        let codes: Vec<u8> = (0..elements).map(|i| bytes[i / each] >> (i % each * bits) & mask).collect();
        Array::from_bytes(dtype, Bytes::from(codes), shape, None, 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn coded(dtype: DType, values: &[f64], how: Narrowing) -> Vec<u8> {
        Array::vector(values.to_vec()).narrowed(dtype, how).unwrap().codes().to_vec().unwrap()
    }

    #[test]
    fn every_code_comes_back_from_its_number() {
        for &dtype in DType::NARROW {
            let codes: Vec<u8> = (0..1u16 << dtype.bits()).map(|code| code as u8).collect();
            let values = Array::vector(codes.clone()).with_codes(dtype).unwrap().to_f64s().unwrap();
            for (code, &number) in codes.iter().zip(&values) {
                let back = coded(dtype, &[number], Narrowing { saturate: false, ..Narrowing::default() })[0];
                assert!(back == *code || number.is_nan(), "{dtype}: {code} is {number} is {back}");
            }
        }
    }

    #[test]
    fn eight_bit_floats_have_the_values_of_the_standard() {
        // Largest and smallest elements: https://onnx.ai/onnx/technical/float8.html
        for (dtype, code, number) in [
            (DType::F8E4M3FN, 0x7e, 448.0),
            (DType::F8E4M3FN, 0x01, 2f64.powi(-9)),
            (DType::F8E4M3FNUZ, 0x7f, 240.0),
            (DType::F8E5M2, 0x7b, 57344.0),
            (DType::F8E5M2, 0x01, 2f64.powi(-16)),
            (DType::F8E5M2FNUZ, 0x7f, 57344.0),
            (DType::F8E8M0, 0x00, 2f64.powi(-127)),
            (DType::F4E2M1, 0x07, 6.0),
            (DType::F4E2M1, 0x09, -0.5),
        ] {
            assert_eq!(coded(dtype, &[number], Narrowing::default()), [code], "{dtype}");
            assert_eq!(Array::vector(vec![code]).with_codes(dtype).unwrap().to_f64s().unwrap(), [number], "{dtype}");
        }
    }

    #[test]
    fn what_is_too_large_saturates_or_does_not() {
        let loose = Narrowing { saturate: false, ..Narrowing::default() };
        assert_eq!(coded(DType::F8E4M3FN, &[464.0, 465.0, f64::INFINITY, -1e9], Narrowing::default()), [0x7e, 0x7e, 0x7e, 0xfe]);
        assert_eq!(coded(DType::F8E4M3FN, &[464.0, 465.0, f64::INFINITY, -1e9], loose), [0x7e, 0x7f, 0x7f, 0xff]);
        assert_eq!(coded(DType::F8E5M2, &[61439.0, 61440.0, f64::NEG_INFINITY], loose), [0x7b, 0x7c, 0xfc]);
        assert_eq!(coded(DType::F8E4M3FNUZ, &[1e9, -0.0], loose), [0x80, 0]);
    }

    #[test]
    fn elements_narrower_than_a_byte_are_packed_from_the_low_bits_up() {
        let x = Array::vector(vec![-1i64, 2, 3]).narrowed(DType::I4, Narrowing::default()).unwrap();
        assert_eq!(x.packed().unwrap().to_vec::<u8>().unwrap(), [0x2f, 0x03]);
        let back = Array::from_packed(DType::I4, x.packed().unwrap().to_bytes().unwrap(), &[3]).unwrap();
        assert_eq!((back.to_i64s().unwrap(), back == x), (vec![-1, 2, 3], true));
        assert!(Array::from_packed(DType::I4, x.packed().unwrap().to_bytes().unwrap(), &[5]).is_err());
    }
}
