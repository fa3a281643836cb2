//! Special functions of one number that the standard library lacks.

use std::f64::consts::{FRAC_2_SQRT_PI, PI, SQRT_2};

/// c₀xⁿ + c₁xⁿ⁻¹ + … + cₙ.
fn series<const N: usize>(x: f64, coefficients: [f64; N]) -> f64 {
    coefficients.into_iter().fold(0.0, |sum, c| sum * x + c)
}

/// The inverse of the error function: ±∞ at ±1, NaN beyond.
///
/// Wichura's rational approximation of the normal quantile (AS 241, Applied Statistics 37, 1988), whose argument is (1 + x)/2,
/// and one Newton step.
pub fn erfinv(x: f64) -> f64 {
    let (sign, x) = (x, x.abs());
    let distance = 1.0 - x;
    if x.is_nan() || distance < 0.0 {
        return f64::NAN;
    }
    if distance == 0.0 {
        return f64::INFINITY.copysign(sign);
    }
    let q = x / 2.0;
    let quantile = if q <= 0.425 {
        let r = 0.180_625 - q * q;
        q * series(
            r,
            [
                2_509.080_928_730_122_7,
                33_430.575_583_588_13,
                67_265.770_927_008_7,
                45_921.953_931_549_87,
                13_731.693_765_509_46,
                1_971.590_950_306_551_3,
                133.141_667_891_784_38,
                3.387_132_872_796_366_5,
            ],
        ) / series(
            r,
            [
                5_226.495_278_852_854,
                28_729.085_735_721_943,
                39_307.895_800_092_71,
                21_213.794_301_586_597,
                5_394.196_021_424_751,
                687.187_007_492_057_9,
                42.313_330_701_600_91,
                1.0,
            ],
        )
    } else {
        let r = (-(distance / 2.0).ln()).sqrt();
        let (r, above, below) = if r <= 5.0 {
            let above = [
                7.745_450_142_783_414e-4,
                0.022_723_844_989_269_184,
                0.241_780_725_177_450_6,
                1.270_458_252_452_368_4,
                3.647_848_324_763_204_5,
                5.769_497_221_460_691,
                4.630_337_846_156_546,
                1.423_437_110_749_683_5,
            ];
            let below = [
                1.050_750_071_644_416_9e-9,
                5.475_938_084_995_345e-4,
                0.015_198_666_563_616_457,
                0.148_103_976_427_480_08,
                0.689_767_334_985_1,
                1.676_384_830_183_803_8,
                2.053_191_626_637_759,
                1.0,
            ];
            (r - 1.6, above, below)
        } else {
            let above = [
                2.010_334_399_292_288e-7,
                2.711_555_568_743_487_6e-5,
                0.001_242_660_947_388_078_4,
                0.026_532_189_526_576_124,
                0.296_560_571_828_504_87,
                1.784_826_539_917_291_3,
                5.463_784_911_164_114,
                6.657_904_643_501_103,
            ];
            let below = [
                2.044_263_103_389_939_8e-15,
                1.421_511_758_316_446e-7,
                1.846_318_317_510_054_8e-5,
                7.868_691_311_456_133e-4,
                0.014_875_361_290_850_615,
                0.136_929_880_922_735_8,
                0.599_832_206_555_888,
                1.0,
            ];
            (r - 5.0, above, below)
        };
        series(r, above) / series(r, below)
    };
    let y = quantile / SQRT_2;
    // Far out the distance to 1 is what x still tells.
    let error = if x < 0.5 { libm::erf(y) - x } else { distance - libm::erfc(y) };
    (y - error / (FRAC_2_SQRT_PI * (-y * y).exp())).copysign(sign)
}

/// The derivative of ln Γ; ∓∞ at ±0 and NaN at the negative integers, as `torch.digamma`.
pub fn digamma(x: f64) -> f64 {
    if x == 0.0 {
        return f64::INFINITY.copysign(-x);
    }
    if x < 0.0 {
        // ψ(x) = ψ(1 − x) − π cot πx; the fraction keeps the cotangent exact.
        let fraction = x.fract();
        return if fraction == 0.0 { f64::NAN } else { digamma(1.0 - x) - PI / (PI * fraction).tan() };
    }
    let (mut x, mut shift) = (x, 0.0);
    while x < 10.0 {
        shift += 1.0 / x;
        x += 1.0;
    }
    // The asymptotic series, with Bernoulli's numbers.
    let y = 1.0 / (x * x);
    let tail = y * series(y, [1.0 / 12.0, -691.0 / 32760.0, 1.0 / 132.0, -1.0 / 240.0, 1.0 / 252.0, -1.0 / 120.0, 1.0 / 12.0]);
    x.ln() - 0.5 / x - tail - shift
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn erfinv_undoes_erf() {
        // From mpmath.
        for (x, y) in [
            (0.1, 0.088_855_990_494_257_69),
            (0.5, 0.476_936_276_204_469_9),
            (-0.9, -1.163_087_153_676_674_3),
            (0.999, 2.326_753_765_513_524_5),
            (1e-10, 8.862_269_254_527_581e-11),
        ] {
            assert!((erfinv(x) / y - 1.0).abs() < 4e-15, "{x}: {} {y}", erfinv(x));
        }
        for y in [-5.0, -3.0, -0.1, 0.3, 2.0, 4.5] {
            // Beyond 1 the slope of erf, not the inverse, limits what can come back.
            assert!((erfinv(libm::erf(y)) - y).abs() < 1e-15 * (y * y).exp(), "{y}");
        }
        assert_eq!((erfinv(0.0), erfinv(1.0), erfinv(-1.0)), (0.0, f64::INFINITY, f64::NEG_INFINITY));
        assert!(erfinv(1.1).is_nan() && erfinv(f64::NAN).is_nan() && erfinv(-0.0).is_sign_negative());
    }

    #[test]
    fn digamma_at_known_points() {
        const EULER: f64 = 0.577_215_664_901_532_9;
        let known = [(1.0, -EULER), (0.5, -EULER - 4f64.ln()), (-0.5, 2.0 - EULER - 4f64.ln()), (10.0, 7129.0 / 2520.0 - EULER)];
        for (x, expected) in known {
            assert!((digamma(x) - expected).abs() < 1e-14 * expected.abs().max(1.0), "{x}: {} {expected}", digamma(x));
        }
        assert!(digamma(-3.0).is_nan() && digamma(0.0) == f64::NEG_INFINITY && digamma(-0.0) == f64::INFINITY);
        assert_eq!(digamma(f64::INFINITY), f64::INFINITY);
    }
}
