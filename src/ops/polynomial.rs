//! Polynomials whose order is a tensor too.

use super::special::{at_least, at_most, constant};
use crate::error::{Error, Result};
use crate::tensor::{Tensor, size};

/// Polynomials whose order is a tensor too, truncated to an integer; 0 where it is negative.
impl Tensor {
    /// Tₙ(x): cos nθ where x = cos θ. [torch.special.chebyshev_polynomial_t](https://pytorch.org/docs/stable/special.html)
    ///
    /// # Errors
    /// [`Shape`](crate::ErrorCode::Shape) where the shapes do not broadcast.
    #[track_caller]
    pub fn chebyshev_t(&self, n: &Tensor) -> Result<Tensor> {
        let order = Order::of(self, n)?;
        order.signed(&order.waves(&order.n, 1.0)?.0)
    }

    /// Uₙ(x): sin (n + 1)θ / sin θ where x = cos θ. [torch.special.chebyshev_polynomial_u](https://pytorch.org/docs/stable/special.html)
    ///
    /// # Errors
    /// [`Shape`](crate::ErrorCode::Shape) where the shapes do not broadcast.
    #[track_caller]
    pub fn chebyshev_u(&self, n: &Tensor) -> Result<Tensor> {
        let order = Order::of(self, n)?;
        let next = order.n.add(1.0)?;
        let (_, sine) = order.waves(&next, 1.0)?;
        let (_, one) = order.waves(&constant(&order.n, 1.0)?, 1.0)?;
        order.signed(&order.x.abs()?.eq(1.0)?.where_(&next, &sine.div(one)?)?)
    }

    /// Vₙ(x): cos (n + ½)θ / cos ½θ where x = cos θ. [torch.special.chebyshev_polynomial_v](https://pytorch.org/docs/stable/special.html)
    ///
    /// # Errors
    /// [`Shape`](crate::ErrorCode::Shape) where the shapes do not broadcast.
    #[track_caller]
    pub fn chebyshev_v(&self, n: &Tensor) -> Result<Tensor> {
        Order::of(self, n)?.halves(false)
    }

    /// Wₙ(x): sin (n + ½)θ / sin ½θ where x = cos θ. [torch.special.chebyshev_polynomial_w](https://pytorch.org/docs/stable/special.html)
    ///
    /// # Errors
    /// [`Shape`](crate::ErrorCode::Shape) where the shapes do not broadcast.
    #[track_caller]
    pub fn chebyshev_w(&self, n: &Tensor) -> Result<Tensor> {
        Order::of(self, n)?.halves(true)
    }

    /// A polynomial by its recurrence up to the largest order, which is read: p₀ = 1, p₁, and pₖ₊₁ from x, k, pₖ and pₖ₋₁.
    pub(crate) fn by_recurrence(
        &self,
        n: &Tensor,
        first: impl Fn(&Tensor) -> Result<Tensor>,
        next: impl Fn(&Tensor, f64, &Tensor, &Tensor) -> Result<Tensor>,
    ) -> Result<Tensor> {
        let order = Order::of(self, n)?;
        let most = order.n.to_array()?.to_f64s()?.into_iter().fold(0.0, f64::max);
        if most > 256.0 {
            return Err(Error::too_big(format!("a polynomial of order {most} is not supported")));
        }
        let one = order.x.mul(0.0)?.add(1.0)?;
        let (mut before, mut last) = (one.clone(), first(&order.x)?);
        let mut y = order.n.eq(0.0)?.where_(&one, &constant(&order.x, 0.0)?)?;
        for k in 1..=most as i64 {
            y = order.n.eq(k as f64)?.where_(&last, &y)?;
            (before, last) = (last.clone(), next(&order.x, k as f64, &last, &before)?);
        }
        Ok(y)
    }
}

/// An argument, and an order truncated to an integer.
struct Order {
    x: Tensor,
    n: Tensor,
}

impl Order {
    fn of(x: &Tensor, n: &Tensor) -> Result<Order> {
        let dtype = crate::array::DType::result(&[(x.dtype(), x.strength()), (n.dtype(), n.strength())])?.or_float();
        let shape = size::broadcast(x.shape(), n.shape())?;
        Ok(Order { x: x.cast(dtype)?.expand(&shape)?, n: n.cast(dtype)?.trunc()?.expand(&shape)? })
    }

    /// cos and sin of `times` the angle whose cosine is |x| (or cosh and sinh, where |x| is larger), perhaps a part of it.
    fn waves(&self, times: &Tensor, part: f64) -> Result<(Tensor, Tensor)> {
        let y = self.x.abs()?;
        let inner = at_most(&y, 1.0)?.acos()?.mul(part)?.mul(times)?;
        let outer = at_least(&y, 1.0)?.acosh()?.mul(part)?.mul(times)?;
        let inside = y.le(1.0)?;
        Ok((inside.where_(&inner.cos()?, &outer.cosh()?)?, inside.where_(&inner.sin()?, &outer.sinh()?)?))
    }

    /// The value at |x| with the sign of an odd order of negative values.
    fn signed(&self, y: &Tensor) -> Result<Tensor> {
        let odd = self.n.remainder(2.0)?.ne(0.0)?.logical_and(self.x.lt(0.0)?)?;
        let y = odd.where_(&y.neg()?, y)?;
        self.n.lt(0.0)?.where_(&constant(&self.x, 0.0)?, &y)
    }

    /// Vₙ, or Wₙ: up to the sign each is the other of the negative argument.
    fn halves(&self, w: bool) -> Result<Tensor> {
        let (odd, one) = (self.n.mul(2.0)?.add(1.0)?, constant(&self.n, 1.0)?);
        let ((cosine, sine), (one_cosine, one_sine)) = (self.waves(&odd, 0.5)?, self.waves(&one, 0.5)?);
        let upright = cosine.div(one_cosine)?;
        let leaning = self.x.abs()?.eq(1.0)?.where_(&odd, &sine.div(one_sine)?)?;
        let negative = self.x.lt(0.0)?;
        self.signed(&if w { negative.where_(&upright, &leaning)? } else { negative.where_(&leaning, &upright)? })
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
