//! What networks compute all day in f32, written so that a loop over it becomes vector instructions.
//!
//! No branch and no call. Multiplications and additions are one instruction in [`vectorised`](super::vector::vectorised) loops where the machine has it,
//! and a call where it has not: slower, and the same values. The polynomials are near-minimax (Chebyshev) fits by Horner's scheme. Where powers of an
//! argument would be below the normal numbers, which processors compute a hundred times slower, they are 0 or those of a larger argument: what is lost
//! is far below a unit in the last place.

/// c₀xⁿ + c₁xⁿ⁻¹ + … + cₙ
#[inline(always)]
fn polynomial<const N: usize>(x: f32, coefficients: [f32; N]) -> f32 {
    coefficients[1..].iter().fold(coefficients[0], |sum, &c| sum.mul_add(x, c))
}

/// 2^k, where that is no subnormal number; 0 for k = −127.
#[inline(always)]
fn power(k: i32) -> f32 {
    f32::from_bits((k.wrapping_add(127) as u32) << 23)
}

/// Adding 1.5 · 2²³ leaves the nearest integer in the low bits.
const ROUND: f32 = 12_582_912.0;

/// The integer that was rounded so.
#[inline(always)]
fn whole(rounded: f32) -> i32 {
    rounded.to_bits().wrapping_sub(ROUND.to_bits()) as i32
}

/// e^x as m and k of m · 2^k: x = k ln 2 + r with |r| ≤ ½ ln 2, and m = e^r is a near-minimax polynomial.
#[inline(always)]
fn parts(x: f32) -> (f32, i32) {
    // ln 2 in two parts, the first short enough for k · HIGH to be exact.
    const HIGH: f32 = 0.693_359_4;
    const LOW: f32 = -2.121_944_4e-4;
    let rounded = x.mul_add(std::f32::consts::LOG2_E, ROUND);
    let k = rounded - ROUND;
    let r = (-k).mul_add(LOW, (-k).mul_add(HIGH, x));
    let tail = [1.989_124_7e-4, 1.393_388_1e-3, 8.333_31e-3, 4.166_646_3e-2, 0.166_666_67, 0.5];
    (polynomial(r, tail).mul_add(r, 1.0).mul_add(r, 1.0), whole(rounded))
}

/// e^x in f32, within 1 unit in the last place, without a branch: a loop over it becomes vector instructions.
///
/// 2^k is multiplied in two halves, so that results below the normal values are rounded once.
#[inline(always)]
pub fn exp(x: f32) -> f32 {
    // Comparisons that NaN fails hand NaN on.
    let x = if x < -104.0 { -104.0 } else { x };
    let x = if x > 89.0 { 89.0 } else { x };
    let (m, k) = parts(x);
    // Results of 0 are not rounded to it.
    let second = if x <= -104.0 { 0.0 } else { power(k.wrapping_sub(k >> 1)) };
    m * power(k >> 1) * second
}

/// e^x in f32 for x up to 0, within 1 unit in the last place, without a branch; 0 where it would be below the normal values.
#[inline(always)]
pub fn exp_up_to_0(x: f32) -> f32 {
    // e^−88 is 0 here. A comparison that NaN fails hands NaN on.
    let (m, k) = parts(if x < -88.0 { -88.0 } else { x });
    m * power(k)
}

/// 1 / (1 + e^−x) in f32, within 2 units in the last place, without a branch; 0 where it would be below the normal values.
#[inline(always)]
pub fn sigmoid(x: f32) -> f32 {
    let small = exp_up_to_0(-x.abs());
    (if x < 0.0 { small } else { 1.0 }) / (1.0 + small)
}

/// ln(1 + x) in f32 for x from 0 to 1, within 2 units in the last place, without a branch.
///
/// It is 2 artanh s for s = x / (2 + x), which is at most ⅓: its series ends soon.
#[inline(always)]
pub fn ln_1p_unit(x: f32) -> f32 {
    let s = x / (2.0 + x);
    let square = s * s;
    let tail = polynomial(square, [1.0 / 15.0, 1.0 / 13.0, 1.0 / 11.0, 1.0 / 9.0, 1.0 / 7.0, 0.2, 1.0 / 3.0]);
    2.0 * (s + s * square * tail)
}

/// t², or 0 where that changes no function that is t + c·t³ + … near 0.
#[inline(always)]
fn square_of(t: f32) -> f32 {
    if t < 3e-5 { 0.0 } else { t * t }
}

/// The hyperbolic tangent in f32, within 1.5 units in the last place, without a branch.
#[inline(always)]
pub fn tanh(x: f32) -> f32 {
    let t = x.abs();
    let square = square_of(t);
    let odd = polynomial(square, [-6.096_714e-3, 2.099_718e-2, -5.385_090_8e-2, 0.133_327_7, -0.333_333_28]);
    let small = t + t * square * odd;
    let large = 1.0 - 2.0 / (exp(2.0 * t) + 1.0);
    (if t < 0.625 { small } else { large }).copysign(x)
}

/// The error function in f32, within 1.5 units in the last place, without a branch.
///
/// Near 0 an odd polynomial; further out 1 − e^−h, where h = −ln erfc is nearly a parabola.
#[inline(always)]
pub fn erf(x: f32) -> f32 {
    let t = x.abs();
    let square = square_of(t);
    let odd = polynomial(square, [8.334_719e-5, -8.134_709e-4, 5.200_369e-3, -2.685_915_1e-2, 0.112_836_91, -0.376_126_35, 0.128_379_17]);
    let small = t + t * odd;
    // From 4 on the error function is 1 in f32; what is below ½ is not taken from here.
    let far = if t > 4.0 { 4.0 } else { t };
    let far = if far < 0.5 { 0.5 } else { far };
    let h = polynomial(
        far,
        [
            -1.643_569_7e-6,
            4.617_791_3e-5,
            -5.977_435e-4,
            4.763_575_3e-3,
            -2.643_101_8e-2,
            0.110_094_48,
            0.631_814_54,
            1.130_237_6,
            -3.204_415_3e-4,
        ],
    );
    let large = 1.0 - exp(-h);
    (if t < 0.92 { small } else { large }).copysign(x)
}

/// The distribution function of the normal distribution in f32, right to 2 · 10⁻⁷, without a branch.
///
/// Φ(−a) = 2^−h, where h = −log₂ Φ(−a) is nearly a parabola: what is small is right to 5 · 10⁻⁶ of itself down to a = −5.6, and beyond
/// that as good as 0. The whole part of h becomes an exponent, and 2 to the power of the rest, at most ½ from 0, is a near-minimax polynomial.
#[inline(always)]
pub fn phi(x: f32) -> f32 {
    let distance = x.abs();
    let tail = polynomial(
        distance,
        [
            2.131_308_6e-8,
            -6.628_586e-7,
            8.841_184e-6,
            -6.400_856e-5,
            2.370_153_2e-4,
            8.676_826e-5,
            -7.048_784_3e-3,
            5.250_546_3e-2,
            0.459_202_1,
        ],
    );
    let h = distance.mul_add(distance.mul_add(tail, 1.151_106), 1.0);
    // 2^−127 is 0 here. A comparison that NaN fails hands NaN on.
    let h = if h > 127.0 { 127.0 } else { h };
    let rounded = ROUND - h;
    let rest = -(h + (rounded - ROUND));
    let powers = [1.546_144_8e-4, 1.339_086_7e-3, 9.618_057e-3, 5.550_357e-2, 0.240_226_5, std::f32::consts::LN_2, 1.0];
    let small = polynomial(rest, powers) * power(whole(rounded));
    if x < 0.0 { small } else { 1.0 - small }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The largest error of `f` in units in the last place of the double that `g` gives, over floats of every magnitude.
    fn worst(f: impl Fn(f32) -> f32, g: impl Fn(f64) -> f64) -> f64 {
        let mut worst = 0f64;
        for bits in (0..=u32::MAX).step_by(20_011) {
            let x = f32::from_bits(bits);
            let (got, expected) = (f(x), g(f64::from(x)));
            if x.is_nan() {
                assert!(got.is_nan());
                continue;
            }
            let nearest = expected as f32;
            if got == nearest {
                continue;
            }
            assert!(got.is_finite() && nearest.is_finite(), "{x}: {got}, not {expected}");
            let unit = f64::from(f32::from_bits(nearest.abs().to_bits() + 1)) - f64::from(nearest.abs());
            worst = worst.max((f64::from(got) - expected).abs() / unit);
        }
        worst
    }

    #[test]
    fn single_precision_is_right_to_the_last_bits() {
        let logistic = |x: f64| if x < -87.3 { 0.0 } else { 1.0 / (1.0 + (-x).exp()) };
        let normal = |x: f32| if (-88.1..-87.2).contains(&x) { 0.0 } else { x };
        let errors =
            [worst(exp, f64::exp), worst(tanh, f64::tanh), worst(|x| sigmoid(normal(x)), |x| logistic(f64::from(normal(x as f32))))];
        assert!(errors[0] <= 1.0 && errors[1] <= 1.5 && errors[2] <= 2.0, "{errors:?}");
        let error = worst(erf, libm::erf);
        assert!(error <= 1.5, "{error}");
        let below = |x: f32| normal(-x.abs());
        let power = |x: f64| if x < -87.3 { 0.0 } else { x.exp() };
        let error = worst(|x| exp_up_to_0(below(x)), |x| power(f64::from(below(x as f32))));
        assert!(error <= 1.0, "{error}");
    }

    #[test]
    fn a_logarithm_near_0_is_right_to_the_last_bits() {
        let near = |x: f32| if x.is_nan() || (0.0..=1.0).contains(&x) { x } else { 0.5 };
        let error = worst(|x| ln_1p_unit(near(x)), |x| f64::from(near(x as f32)).ln_1p());
        assert!(error <= 2.0, "{error}");
    }

    #[test]
    fn the_normal_distribution_is_right_where_it_is_small_and_where_it_is_large() {
        for i in -56_000..=200_000 {
            let x = i as f32 * 1e-4;
            let expected = 0.5 * libm::erfc(-f64::from(x) * std::f64::consts::FRAC_1_SQRT_2);
            let error = (f64::from(phi(x)) - expected).abs();
            assert!(error <= 2e-7 && (x > 0.0 || error <= 5e-6 * expected), "{x}: {}, not {expected}", phi(x));
        }
        assert_eq!((phi(0.0), phi(f32::INFINITY), phi(30.0)), (0.5, 1.0, 1.0));
        assert!((6..2000).all(|i| phi(-i as f32) < 2e-9) && phi(f32::NEG_INFINITY) == 0.0 && phi(f32::NAN).is_nan());
    }

    #[test]
    fn the_ends_are_exact() {
        assert_eq!((exp(0.0), exp(f32::INFINITY), exp(f32::NEG_INFINITY), exp(89.0)), (1.0, f32::INFINITY, 0.0, f32::INFINITY));
        assert_eq!((tanh(f32::INFINITY), tanh(-100.0), erf(f32::INFINITY), erf(-5.0)), (1.0, -1.0, 1.0, -1.0));
        assert_eq!((sigmoid(f32::INFINITY), sigmoid(0.0), sigmoid(f32::NEG_INFINITY), sigmoid(-100.0)), (1.0, 0.5, 0.0, 0.0));
        assert!(tanh(-0.0).is_sign_negative() && erf(-0.0).is_sign_negative());
        assert_eq!(exp(-103.0), (-103f64).exp() as f32);
    }
}
