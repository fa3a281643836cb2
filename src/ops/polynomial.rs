//! Polynomials whose order is a tensor too.

use super::fori_loop;
use super::special::{at_least, at_most, constant};
use crate::array::DType;
use crate::error::{Error, Result};
use crate::tensor::{Tensor, size};

/// Polynomials whose order is a tensor too, truncated to an integer of 64 bits; 0 where that is negative or there is none.
///
/// Outside the interval torch computes them by the recurrence pₖ₊₁ = 2x·pₖ − pₖ₋₁, which is NaN two orders after it is infinite.
impl Tensor {
    /// Tₙ(x): cos nθ where x = cos θ. [torch.special.chebyshev_polynomial_t](https://pytorch.org/docs/stable/special.html)
    ///
    /// # Errors
    /// [`Shape`](crate::ErrorCode::Shape) where the shapes do not broadcast.
    #[track_caller]
    pub fn chebyshev_t(&self, n: &Tensor) -> Result<Tensor> {
        let order = Order::of(self, n)?;
        let inside = order.inner(1.0)?.mul(&order.n)?.cos()?;
        let outside = |n: &Tensor| order.outer(1.0)?.mul(n)?.cosh();
        order.finished(&inside, outside, &order.x)
    }

    /// Uₙ(x): sin (n + 1)θ / sin θ where x = cos θ. [torch.special.chebyshev_polynomial_u](https://pytorch.org/docs/stable/special.html)
    ///
    /// # Errors
    /// [`Shape`](crate::ErrorCode::Shape) where the shapes do not broadcast.
    #[track_caller]
    pub fn chebyshev_u(&self, n: &Tensor) -> Result<Tensor> {
        let order = Order::of(self, n)?;
        let (next, angle) = (order.n.add(1.0)?, order.inner(1.0)?);
        let inside = order.x.abs()?.eq(1.0)?.where_(&next, &angle.mul(&next)?.sin()?.div(angle.sin()?)?)?;
        let outside = |n: &Tensor| ratio(&order.outer(1.0)?, &n.add(1.0)?, Tensor::sinh);
        order.finished(&inside, outside, &order.x.mul(2.0)?)
    }

    /// Vₙ(x): cos (n + ½)θ / cos ½θ where x = cos θ. [torch.special.chebyshev_polynomial_v](https://pytorch.org/docs/stable/special.html)
    ///
    /// # Errors
    /// [`Shape`](crate::ErrorCode::Shape) where the shapes do not broadcast.
    #[track_caller]
    pub fn chebyshev_v(&self, n: &Tensor) -> Result<Tensor> {
        let order = Order::of(self, n)?;
        order.halves(false, &order.x.mul(2.0)?.sub(1.0)?)
    }

    /// Wₙ(x): sin (n + ½)θ / sin ½θ where x = cos θ. [torch.special.chebyshev_polynomial_w](https://pytorch.org/docs/stable/special.html)
    ///
    /// # Errors
    /// [`Shape`](crate::ErrorCode::Shape) where the shapes do not broadcast.
    #[track_caller]
    pub fn chebyshev_w(&self, n: &Tensor) -> Result<Tensor> {
        let order = Order::of(self, n)?;
        order.halves(true, &order.x.mul(2.0)?.add(1.0)?)
    }

    /// A polynomial by its recurrence up to the largest order, which is read: p₀ = 1, p₁, and pₖ₊₁ from x, k, pₖ and pₖ₋₁. Where it is `limited`,
    /// torch gives NaN for an order above 512, and above 128 in single precision.
    pub(crate) fn by_recurrence(
        &self,
        n: &Tensor,
        limited: bool,
        first: impl Fn(&Tensor) -> Result<Tensor>,
        next: impl Fn(&Tensor, &Tensor, &Tensor, &Tensor) -> Result<Tensor>,
    ) -> Result<Tensor> {
        let order = Order::of(self, n)?;
        let limit = limited.then(|| if order.x.dtype() == DType::F64 { 512.0 } else { 128.0 });
        let most = order.n.to_array()?.to_f64s()?.into_iter().fold(0.0, f64::max).min(limit.unwrap_or(f64::INFINITY));
        if most > LONGEST {
            return Err(Error::too_big(format!("a polynomial of order {most} is not supported")));
        }
        let one = constant(&order.x, 1.0)?.expand(order.x.shape())?;
        let (mut before, mut last) = (one.clone(), first(&order.x)?);
        let mut y = order.n.eq(0.0)?.where_(&one, &constant(&order.x, 0.0)?)?;
        if most > UNROLLED {
            let step = |k: &Tensor, state: &[Tensor]| {
                let k = k.add(1)?.cast(order.x.dtype())?;
                let found = order.n.eq(&k)?.where_(&state[1], &state[2])?;
                Ok(vec![state[1].clone(), next(&order.x, &k, &state[1], &state[0])?, found])
            };
            y = fori_loop(most as i64, vec![before, last, y], step)?.remove(2);
        } else {
            for k in 1..=most as i64 {
                let k = constant(&order.x, k as f64)?;
                y = order.n.eq(&k)?.where_(&last, &y)?;
                (before, last) = (last.clone(), next(&order.x, &k, &last, &before)?);
            }
        }
        match limit {
            Some(limit) => order.n.gt(limit)?.where_(&constant(&order.x, f64::NAN)?, &y),
            None => Ok(y),
        }
    }
}

/// The most steps of a recurrence, and how many of them are traced one by one.
const LONGEST: f64 = 100_000.0;
const UNROLLED: f64 = 512.0;

/// Where the exponential is the larger part of a hyperbolic sine or cosine, to the last digit.
const FAR: f64 = 20.0;

/// `f(times · x) / f(x)` of a hyperbolic sine or cosine, which need not be infinite where its numerator is.
fn ratio(x: &Tensor, times: &Tensor, f: fn(&Tensor) -> Result<Tensor>) -> Result<Tensor> {
    let (wide, near) = (x.mul(times)?, at_most(x, FAR)?);
    // Infinite arguments stand on both sides of this difference.
    let far = x.is_inf()?.where_(x, &wide.sub(x)?)?;
    // In two steps: the exponential alone overflows where half of it does not.
    let root = far.mul(0.5)?.exp()?;
    let growth = root.mul(near.exp()?.div(f(&near)?.mul(2.0)?)?)?.mul(&root)?;
    wide.lt(FAR)?.where_(&f(&wide)?.div(f(x)?)?, &growth)
}

/// An argument, and an order truncated to an integer; −1 where that has no 64 bits.
struct Order {
    x: Tensor,
    n: Tensor,
}

impl Order {
    fn of(x: &Tensor, n: &Tensor) -> Result<Order> {
        let dtype = DType::result(&[(x.dtype(), x.strength()), (n.dtype(), n.strength())])?.or_float();
        let shape = size::broadcast(x.shape(), n.shape())?;
        let n = n.cast(dtype)?.trunc()?;
        let n = n.ge(0.0)?.logical_and(n.lt(-(i64::MIN as f64))?)?.where_(&n, &constant(&n, -1.0)?)?;
        Ok(Order { x: x.cast(dtype)?.expand(&shape)?, n: n.expand(&shape)? })
    }

    /// A part of the angle whose cosine is |x|, where that is at most 1.
    fn inner(&self, part: f64) -> Result<Tensor> {
        at_most(&self.x.abs()?, 1.0)?.acos()?.mul(part)
    }

    /// A part of the number whose hyperbolic cosine is |x|, where that is at least 1.
    fn outer(&self, part: f64) -> Result<Tensor> {
        at_least(&self.x.abs()?, 1.0)?.acosh()?.mul(part)
    }

    /// The polynomial from its values at |x| ≤ 1 and, for an order, at |x| > 1, with the sign of an odd order of negative values; 1 and `first`
    /// for the orders 0 and 1.
    fn finished(&self, inside: &Tensor, outside: impl Fn(&Tensor) -> Result<Tensor>, first: &Tensor) -> Result<Tensor> {
        let infinite = |y: &Tensor| y.eq(f64::INFINITY);
        let before = infinite(&outside(&self.n.sub(2.0)?)?)?.logical_and(self.n.gt(2.0)?)?;
        let outside = before.where_(&constant(&self.x, f64::NAN)?, &outside(&self.n)?)?;
        let y = self.x.abs()?.le(1.0)?.where_(inside, &outside)?;
        let odd = self.n.remainder(2.0)?.ne(0.0)?.logical_and(self.x.lt(0.0)?)?;
        let y = odd.where_(&y.neg()?, &y)?;
        let y = self.x.is_nan()?.where_(&self.x, &y)?;
        let y = self.n.eq(1.0)?.where_(first, &y)?;
        let y = self.n.eq(0.0)?.where_(&constant(&self.x, 1.0)?, &y)?;
        self.n.lt(0.0)?.where_(&constant(&self.x, 0.0)?, &y)
    }

    /// Vₙ, or Wₙ: up to the sign each is the other of the negative argument.
    fn halves(&self, w: bool, first: &Tensor) -> Result<Tensor> {
        let (odd, angle) = (self.n.mul(2.0)?.add(1.0)?, self.inner(0.5)?);
        let negative = self.x.lt(0.0)?;
        let either =
            |upright: &Tensor, leaning: &Tensor| if w { negative.where_(upright, leaning) } else { negative.where_(leaning, upright) };
        let upright = angle.mul(&odd)?.cos()?.div(angle.cos()?)?;
        let leaning = self.x.abs()?.eq(1.0)?.where_(&odd, &angle.mul(&odd)?.sin()?.div(angle.sin()?)?)?;
        let outside = |n: &Tensor| {
            let (part, times) = (self.outer(0.5)?, n.mul(2.0)?.add(1.0)?);
            either(&ratio(&part, &times, Tensor::cosh)?, &ratio(&part, &times, Tensor::sinh)?)
        };
        self.finished(&either(&upright, &leaning)?, outside, first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chebyshev_polynomials_hold_inside_and_outside() {
        let x = Tensor::from(&[-2.0f32, -1.0, -0.3, 0.7, 1.0, 3.0]);
        let of = |f: fn(f32) -> f32| x.to_vec::<f32>().unwrap().into_iter().map(f).collect::<Vec<_>>();
        let n = |n: f32| Tensor::from(&[n]);
        let cases = [
            (x.chebyshev_t(&n(3.0)).unwrap(), of(|x| 4.0 * x * x * x - 3.0 * x)),
            (x.chebyshev_u(&n(3.0)).unwrap(), of(|x| 8.0 * x * x * x - 4.0 * x)),
            (x.chebyshev_v(&n(2.0)).unwrap(), of(|x| 4.0 * x * x - 2.0 * x - 1.0)),
            (x.chebyshev_w(&n(2.0)).unwrap(), of(|x| 4.0 * x * x + 2.0 * x - 1.0)),
        ];
        for (got, expected) in cases {
            for (got, expected) in got.to_vec::<f32>().unwrap().into_iter().zip(expected) {
                assert!((got - expected).abs() <= 3e-5 * (1.0 + expected.abs()), "{got}, expected {expected}");
            }
        }
    }
}
