//! Random values that are the same on every machine and in every year.

use super::{Array, DType};
use crate::each_dtype;
use crate::error::Result;

/// A generator with a fixed algorithm: [SplitMix64](https://prng.di.unimi.it/splitmix64.c) by Sebastiano Vigna.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// The sequence that belongs to a seed.
    pub fn new(seed: u64) -> Random {
        Random(seed)
    }

    /// 64 random bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number in 0 ≤ x < 1, with 53 bits.
    pub fn uniform(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// A number of the standard normal distribution (Box and Muller's cosine).
    pub fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.uniform()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.uniform()).cos()
    }

    /// An integer in `low ..= high`.
    pub fn integer(&mut self, low: i64, high: i64) -> i64 {
        let span = (high as i128 - low as i128 + 1).max(1) as u128;
        (low as i128 + (self.bits() as u128 % span) as i128) as i64
    }

    /// An array of a shape whose elements `sample` gives, in row-major order.
    ///
    /// # Errors
    /// [`TooBig`](crate::ErrorCode::TooBig) where it does not fit into memory.
    pub fn array(&mut self, dtype: DType, shape: &[usize], mut sample: impl FnMut(&mut Random) -> f64) -> Result<Array> {
        use super::Element;
        let count = super::count(shape)?;
        each_dtype!(dtype, T => {
            super::room::<T>(count)?;
            Array::new(shape, (0..count).map(|_| T::from_f64(sample(self))).collect::<Vec<T>>())
        }, else self.array(DType::F64, shape, sample)?.cast(dtype))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sequence_is_splitmix() {
        // The reference implementation's first outputs for seed 1234567.
        let mut random = Random::new(1_234_567);
        assert_eq!([random.bits(), random.bits(), random.bits()], [6457827717110365317, 3203168211198807973, 9817491932198370423]);
    }

    #[test]
    fn moments_are_those_of_the_distribution() {
        let mut random = Random::new(7);
        let x = random.array(DType::F64, &[10_000], Random::normal).unwrap().to_f64s().unwrap();
        let mean = x.iter().sum::<f64>() / 1e4;
        let var = x.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / 1e4;
        assert!(mean.abs() < 0.05 && (var - 1.0).abs() < 0.05, "{mean} {var}");
        assert!((0..100).all(|_| (-2..=3).contains(&random.integer(-2, 3))));
    }
}
