//! The functions of Bessel and Airy: fitted polynomials near zero, waves or exponentials further out.

use super::coefficients::ZETA_3;
use super::special::{at_least, at_most, constant, fit, functions, odd, positive, with_nan};
use crate::error::Result;
use crate::tensor::Tensor;
use std::f64::consts::{FRAC_2_PI, FRAC_PI_4, PI};

/// J or Y beyond 8: √(2/πx) (P cos(x − φ) − 8/x Q sin(x − φ)), or with the sine and the cosine exchanged.
fn far(x: &Tensor, order: usize, second: bool) -> Result<Tensor> {
    let x = at_least(x, 8.0)?;
    let u = x.square()?.reciprocal()?.mul(128.0)?.sub(1.0)?;
    let (p, q) = if order == 0 { (fit!(P0), fit!(Q0)) } else { (fit!(P1), fit!(Q1)) };
    let phase = x.sub(FRAC_PI_4 + order as f64 * PI / 2.0)?;
    let (sin, cos) = (phase.sin()?, phase.cos()?);
    let (p, q) = (p.at(&u)?, q.at(&u)?.mul(8.0)?.div(&x)?);
    let wave = if second { p.mul(sin)?.add(q.mul(cos)?)? } else { p.mul(cos)?.sub(q.mul(sin)?)? };
    x.reciprocal()?.mul(FRAC_2_PI)?.sqrt()?.mul(wave)
}

functions! {
    /// J₀, the Bessel function of the first kind of order 0. [torch.special.bessel_j0](https://pytorch.org/docs/stable/special.html)
    bessel_j0(x) {
        let x = x.abs()?;
        let near = fit!(J0).at(&at_most(&x, 8.0)?.square()?.div(32.0)?.sub(1.0)?)?;
        x.lt(8.0)?.where_(&near, &far(&x, 0, false)?)
    }

    /// J₁, the Bessel function of the first kind of order 1. [torch.special.bessel_j1](https://pytorch.org/docs/stable/special.html)
    bessel_j1(x) {
        let y = x.abs()?;
        let near = fit!(J1).at(&at_most(&y, 8.0)?.square()?.div(32.0)?.sub(1.0)?)?.mul(&y)?;
        odd(x, &y.lt(8.0)?.where_(&near, &far(&y, 1, false)?)?)
    }

    /// Y₀, the Bessel function of the second kind of order 0. [torch.special.bessel_y0](https://pytorch.org/docs/stable/special.html)
    bessel_y0(x) {
        let z = at_most(x, 8.0)?;
        let singular = z.log()?.mul(z.bessel_j0()?)?.mul(FRAC_2_PI)?;
        let near = fit!(Y0).at(&z.square()?.div(32.0)?.sub(1.0)?)?.add(singular)?;
        positive(x, &x.lt(8.0)?.where_(&near, &far(x, 0, true)?)?, f64::NEG_INFINITY)
    }

    /// Y₁, the Bessel function of the second kind of order 1. [torch.special.bessel_y1](https://pytorch.org/docs/stable/special.html)
    bessel_y1(x) {
        let z = at_most(x, 8.0)?;
        let singular = z.log()?.mul(z.bessel_j1()?)?.sub(z.reciprocal()?)?.mul(FRAC_2_PI)?;
        let near = fit!(Y1).at(&z.square()?.div(32.0)?.sub(1.0)?)?.mul(&z)?.add(singular)?;
        positive(x, &x.lt(8.0)?.where_(&near, &far(x, 1, true)?)?, f64::NEG_INFINITY)
    }

    /// e^−|x| I₀. [torch.special.i0e](https://pytorch.org/docs/stable/special.html#torch.special.i0e)
    i0e(x) {
        let x = x.abs()?;
        let near = fit!(I0).at(&at_most(&x, 8.0)?.div(4.0)?.sub(1.0)?)?;
        let y = at_least(&x, 8.0)?;
        let far = fit!(I0_FAR).at(&y.reciprocal()?.mul(16.0)?.sub(1.0)?)?.div(y.sqrt()?)?;
        x.lt(8.0)?.where_(&near, &far)
    }

    /// I₀, the modified Bessel function of the first kind of order 0. [torch.special.i0](https://pytorch.org/docs/stable/special.html#torch.special.i0)
    i0(x) {
        x.i0e()?.mul(x.abs()?.exp()?)
    }

    /// e^−|x| I₁. [torch.special.i1e](https://pytorch.org/docs/stable/special.html#torch.special.i1e)
    i1e(x) {
        let z = x.abs()?;
        let near = fit!(I1).at(&at_most(&z, 8.0)?.div(4.0)?.sub(1.0)?)?.mul(&z)?;
        let y = at_least(&z, 8.0)?;
        let far = fit!(I1_FAR).at(&y.reciprocal()?.mul(16.0)?.sub(1.0)?)?.div(y.sqrt()?)?;
        odd(x, &z.lt(8.0)?.where_(&near, &far)?)
    }

    /// I₁, the modified Bessel function of the first kind of order 1. [torch.special.i1](https://pytorch.org/docs/stable/special.html#torch.special.i1)
    i1(x) {
        x.i1e()?.mul(x.abs()?.exp()?)
    }

    /// eˣ K₀. [torch.special.scaled_modified_bessel_k0](https://pytorch.org/docs/stable/special.html)
    k0e(x) {
        let z = at_most(x, 2.0)?;
        let near = fit!(K0).at(&z.square()?.div(2.0)?.sub(1.0)?)?.sub(z.div(2.0)?.log()?.mul(z.i0()?)?)?.mul(z.exp()?)?;
        let y = at_least(x, 2.0)?;
        let far = fit!(K0_FAR).at(&y.reciprocal()?.mul(4.0)?.sub(1.0)?)?.div(y.sqrt()?)?;
        positive(x, &x.le(2.0)?.where_(&near, &far)?, f64::INFINITY)
    }

    /// K₀, the modified Bessel function of the second kind of order 0. [torch.special.modified_bessel_k0](https://pytorch.org/docs/stable/special.html)
    k0(x) {
        x.k0e()?.mul(x.neg()?.exp()?)
    }

    /// eˣ K₁. [torch.special.scaled_modified_bessel_k1](https://pytorch.org/docs/stable/special.html)
    k1e(x) {
        let z = at_most(x, 2.0)?;
        let singular = z.div(2.0)?.log()?.mul(z.i1()?)?;
        let near = fit!(K1).at(&z.square()?.div(2.0)?.sub(1.0)?)?.div(&z)?.add(singular)?.mul(z.exp()?)?;
        let y = at_least(x, 2.0)?;
        let far = fit!(K1_FAR).at(&y.reciprocal()?.mul(4.0)?.sub(1.0)?)?.div(y.sqrt()?)?;
        positive(x, &x.le(2.0)?.where_(&near, &far)?, f64::INFINITY)
    }

    /// K₁, the modified Bessel function of the second kind of order 1. [torch.special.modified_bessel_k1](https://pytorch.org/docs/stable/special.html)
    k1(x) {
        x.k1e()?.mul(x.neg()?.exp()?)
    }

    /// sin x / x, 1 at 0. [torch.special.spherical_bessel_j0](https://pytorch.org/docs/stable/special.html)
    spherical_bessel_j0(x) { x.eq(0.0)?.where_(&constant(x, 1.0)?, &x.sin()?.div(x)?) }

    /// Ai, the Airy function. [torch.special.airy_ai](https://pytorch.org/docs/stable/special.html)
    airy_ai(x) {
        let near = fit!(AIRY).at(&at_most(&at_least(x, -3.0)?, 3.0)?.div(3.0)?)?;
        let y = at_least(&x.abs()?, 3.0)?;
        let (zeta, quarter) = (y.mul(y.sqrt()?)?.mul(2.0 / 3.0)?, y.sqrt()?.sqrt()?);
        let inverse = zeta.reciprocal()?.mul(ZETA_3)?;
        let right = fit!(AIRY_RIGHT).at(&inverse.mul(2.0)?.sub(1.0)?)?.mul(zeta.neg()?.exp()?)?.div(&quarter)?;
        let (v, angle) = (inverse.square()?.mul(2.0)?.sub(1.0)?, zeta.add(FRAC_PI_4)?);
        let wave = angle.sin()?.mul(fit!(AIRY_F).at(&v)?)?.sub(angle.cos()?.mul(fit!(AIRY_G).at(&v)?)?.div(&zeta)?)?;
        let outside = x.gt(0.0)?.where_(&right, &wave.div(quarter.mul(PI.sqrt())?)?)?;
        with_nan(x, &x.abs()?.lt(3.0)?.where_(&near, &outside)?)
    }
}

#[cfg(test)]
mod tests {
    use super::super::special::tests::agree;
    use super::*;

    #[test]
    fn bessel_and_airy_functions_are_mpmaths() {
        agree(&[
            (
                "bessel_j0",
                Tensor::bessel_j0,
                &[
                    (-9.5, -0.193928748),
                    (-4.25, -0.36919977),
                    (-2.5, -0.0483837765),
                    (-0.625, 0.904702223),
                    (0.375, 0.965151536),
                    (1.75, 0.36903253),
                    (3.5, -0.38012774),
                    (7.75, 0.225234069),
                    (12.5, 0.146884055),
                ],
            ),
            (
                "bessel_j1",
                Tensor::bessel_j1,
                &[
                    (-9.5, -0.161264431),
                    (-4.25, 0.155553193),
                    (-2.5, -0.497094102),
                    (-0.625, -0.297487552),
                    (0.375, 0.184223357),
                    (1.75, 0.580156198),
                    (3.5, 0.137377527),
                    (7.75, 0.191602592),
                    (12.5, -0.165483805),
                ],
            ),
            (
                "bessel_y0",
                Tensor::bessel_y0,
                &[
                    (0.125, -1.38968063),
                    (0.75, -0.137172769),
                    (1.75, 0.465492629),
                    (2.5, 0.49807036),
                    (5.5, -0.339480593),
                    (7.75, 0.176769878),
                    (9.5, 0.171210626),
                    (20.0, 0.0626405968),
                ],
            ),
            (
                "bessel_y1",
                Tensor::bessel_y1,
                &[
                    (0.125, -5.19993611),
                    (0.75, -1.03759455),
                    (1.75, -0.253972986),
                    (2.5, 0.145918138),
                    (5.5, -0.023758239),
                    (7.75, -0.214332229),
                    (9.5, 0.203179899),
                    (20.0, -0.165511614),
                ],
            ),
            (
                "i0",
                Tensor::i0,
                &[
                    (-9.5, 1753.48099),
                    (-4.25, 14.0412637),
                    (-2.5, 3.28983914),
                    (-0.625, 1.10006646),
                    (0.375, 1.03546645),
                    (1.75, 1.92525215),
                    (3.5, 7.37820343),
                    (7.75, 338.513754),
                    (12.5, 30596.3352),
                ],
            ),
            (
                "i0e",
                Tensor::i0e,
                &[
                    (-9.5, 0.131251261),
                    (-4.25, 0.20028787),
                    (-2.5, 0.270046442),
                    (-0.625, 0.588823147),
                    (0.375, 0.71166499),
                    (1.75, 0.334558659),
                    (3.5, 0.222802438),
                    (7.75, 0.145812274),
                    (12.5, 0.114021929),
                ],
            ),
            (
                "i1",
                Tensor::i1,
                &[
                    (-9.5, -1658.45308),
                    (-4.25, -12.2508747),
                    (-2.5, -2.51671625),
                    (-0.625, -0.328009173),
                    (0.375, 0.190815267),
                    (1.75, 1.25553751),
                    (3.5, 6.20583492),
                    (7.75, 315.852481),
                    (12.5, 29345.7496),
                ],
            ),
            (
                "i1e",
                Tensor::i1e,
                &[
                    (-9.5, -0.124138248),
                    (-4.25, -0.174749342),
                    (-2.5, -0.20658465),
                    (-0.625, -0.175570658),
                    (0.375, 0.131145287),
                    (1.75, 0.218179705),
                    (3.5, 0.187399977),
                    (7.75, 0.1360511),
                    (12.5, 0.109361431),
                ],
            ),
            (
                "k0",
                Tensor::k0,
                &[
                    (0.125, 2.20786909),
                    (0.75, 0.610582422),
                    (1.75, 0.155379812),
                    (2.5, 0.0623475532),
                    (5.5, 0.00213870857),
                    (7.75, 0.000190995455),
                    (9.5, 3.0057885e-5),
                    (20.0, 5.74123782e-10),
                ],
            ),
            (
                "k0e",
                Tensor::k0e,
                &[
                    (0.125, 2.50184344),
                    (0.75, 1.292603),
                    (1.75, 0.894149084),
                    (2.5, 0.75954869),
                    (5.5, 0.523324732),
                    (7.75, 0.443409779),
                    (9.5, 0.401565132),
                    (20.0, 0.278544877),
                ],
            ),
            (
                "k1",
                Tensor::k1,
                &[
                    (0.125, 7.8311183),
                    (0.75, 0.949580467),
                    (1.75, 0.195477453),
                    (2.5, 0.0738908163),
                    (5.5, 0.00232556901),
                    (7.75, 0.000202963304),
                    (9.5, 3.16020341e-5),
                    (20.0, 5.88305797e-10),
                ],
            ),
            (
                "k1e",
                Tensor::k1e,
                &[
                    (0.125, 8.87381959),
                    (0.75, 2.01026186),
                    (1.75, 1.12489508),
                    (2.5, 0.900174424),
                    (5.5, 0.569047974),
                    (7.75, 0.471194007),
                    (9.5, 0.422194543),
                    (20.0, 0.285425497),
                ],
            ),
            (
                "airy_ai",
                Tensor::airy_ai,
                &[
                    (-9.5, 0.319103248),
                    (-4.25, 0.127782927),
                    (-2.5, -0.112325068),
                    (-0.625, 0.499189238),
                    (0.375, 0.260669573),
                    (1.75, 0.0505698808),
                    (3.5, 0.00258409879),
                    (7.75, 9.53703896e-8),
                    (12.5, 2.39682783e-14),
                ],
            ),
            ("bessel_y0", Tensor::bessel_y0, &[(0.0, f64::NEG_INFINITY), (-1.0, f64::NAN)]),
        ]);
    }
}
