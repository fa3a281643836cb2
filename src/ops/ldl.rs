//! Symmetric matrices as L D Lᵀ, where D has blocks of one or two rows: Bunch's and Kaufman's pivots.
//!
//! [LAPACK's sytf2 and sytrs](https://netlib.org/lapack/explore-html/) with the lower triangle: which rows are exchanged and which make a pair
//! depends on the values, so each step computes both forms and takes one.

use super::linalg::{after, column, ordered, row, size};
use crate::array::DType;
use crate::error::{Error, Result};
use crate::tensor::{Tensor, size};

impl Tensor {
    /// L and D of symmetric matrices A = L D Lᵀ in one lower triangle, and the pivots as i32: the row, counted from 1, that each row was
    /// exchanged with, negative for rows of a block of two.
    /// [torch.linalg.ldl_factor](https://docs.pytorch.org/docs/stable/generated/torch.linalg.ldl_factor.html).
    ///
    /// # Errors
    ///
    /// Where the matrices are not square, larger than 64 by 64, or of symbolic size.
    #[track_caller]
    pub fn ldl_factor(&self) -> Result<(Tensor, Tensor)> {
        factored(self)
    }

    /// The solution X of A X = B from the results of [`ldl_factor`](Tensor::ldl_factor); `self` is the packed matrix.
    /// [torch.linalg.ldl_solve](https://docs.pytorch.org/docs/stable/generated/torch.linalg.ldl_solve.html).
    ///
    /// # Errors
    ///
    /// Where the matrices are not square, larger than 64 by 64, or of symbolic size.
    #[track_caller]
    pub fn ldl_solve(&self, pivots: &Tensor, b: &Tensor) -> Result<Tensor> {
        solved(self, pivots, b)
    }
}

fn square(x: &Tensor) -> Result<i64> {
    match size(x)? {
        (rows, columns) if rows == columns => Ok(rows),
        (rows, columns) => Err(Error::shape(format!("ldl_factor needs a square matrix, got {rows} × {columns}"))),
    }
}

/// One element of each matrix, its axes kept.
fn element(x: &Tensor, i: i64, j: i64) -> Result<Tensor> {
    column(&row(x, i)?, j)
}

/// An order in which two positions are exchanged; the positions are tensors with one last element.
fn exchange(n: i64, a: &Tensor, b: &Tensor) -> Result<Tensor> {
    let positions = Tensor::arange(0, n, 1, DType::I64)?;
    positions.eq(a)?.where_(b, &positions.eq(b)?.where_(a, &positions)?)
}

/// L and D in one lower triangle; and for each row, counted from 1, which it was exchanged with: negative where it is one of a pair.
fn factored(x: &Tensor) -> Result<(Tensor, Tensor)> {
    let (n, dtype) = (square(x)?, x.dtype());
    let front = x.shape()[..x.rank() - 2].to_vec();
    if n == 0 {
        return Ok((x.clone(), Tensor::zeros([front, vec![0.into()]].concat(), DType::I32)?));
    }
    let limit = (1.0 + 17f64.sqrt()) / 8.0;
    let number = |number: f64| Tensor::full((), number, dtype);
    let (zero, unit) = (number(0.0)?, number(1.0)?);
    let lower = x.tril(-1)?;
    let mut rest = x.tril(0)?.add(lower.transpose(-2, -1)?)?;
    let single = [front.as_slice(), &[1.into(), 1.into()]].concat();
    let position = |k: i64| Tensor::full(&single, k, DType::I64);
    let mut second = Tensor::zeros(&single, DType::Bool)?;
    let (mut pending, mut partner) = (x.select(-1, 0i64)?.unsqueeze(-1)?, position(0)?);
    let (mut columns, mut pivots) = (Vec::new(), Vec::new());
    for k in 0..n {
        let (mut pair, mut chosen) = (Tensor::zeros(&single, DType::Bool)?, position(k)?);
        if k + 1 < n {
            let own = element(&rest, k, k)?.abs()?;
            let below = after(n, k, true)?.where_(&column(&rest, k)?.abs()?, &zero)?;
            let (largest, at) = (below.amax(-2, true)?, below.argmax(Some(-2), true)?);
            let across = rest.gather(-2, &at.expand([front.as_slice(), &[1.into(), n.into()]].concat())?)?;
            let positions = Tensor::arange(0, n, 1, DType::I64)?;
            let others = positions.ge(k)?.logical_and(positions.ne(&at)?)?;
            let widest = others.where_(&across.abs()?, &zero)?.amax(-1, true)?;
            let safe = widest.eq(0.0)?.where_(&unit, &widest)?;
            let bound = largest.mul(limit)?;
            let here = own.ge(&bound)?.logical_or(own.ge(bound.mul(largest.div(safe)?)?)?)?;
            let there = across.gather(-1, &at)?.abs()?.ge(widest.mul(limit)?)?;
            pair = here.logical_or(there)?.logical_or(&second)?.logical_not()?;
            chosen = here.logical_or(&second)?.where_(&position(k)?, &at)?;
            let to = pair.where_(&position(k + 1)?, &position(k)?)?;
            let order = exchange(n, &to.squeeze_axes(&[-1])?, &chosen.squeeze_axes(&[-1])?)?;
            rest = ordered(&ordered(&rest, &order)?.transpose(-2, -1)?, &order)?.transpose(-2, -1)?;
        }
        let (own, here) = (element(&rest, k, k)?, column(&rest, k)?);
        let single = after(n, k, true)?.where_(&here.div(own.eq(0.0)?.where_(&unit, &own)?)?, &zero)?;
        let mut next = rest.sub(single.mul(single.transpose(-2, -1)?)?.mul(&own)?)?;
        let at = |k: i64| after(n, k - 1, true)?.logical_and(after(n, k, true)?.logical_not()?);
        let mut kept = at(k)?.where_(&own, &single)?;
        let mut follows = kept.clone();
        if k + 1 < n {
            let (beside, corner) = (element(&rest, k + 1, k)?, element(&rest, k + 1, k + 1)?);
            let safe = pair.where_(&beside, &unit)?;
            let (a, c) = (own.div(&safe)?, corner.div(&safe)?);
            let scale = pair.where_(&a.mul(&c)?.sub(1.0)?.mul(&safe)?, &unit)?;
            let behind = after(n, k + 1, true)?;
            let tail = |x: &Tensor| behind.where_(x, &zero);
            let (first, last) = (tail(&here)?, tail(&column(&rest, k + 1)?)?);
            let (l, m) = (c.mul(&first)?.sub(&last)?.div(&scale)?, a.mul(&last)?.sub(&first)?.div(&scale)?);
            let taken = l.mul(first.transpose(-2, -1)?)?.add(m.mul(last.transpose(-2, -1)?)?)?;
            next = pair.where_(&rest.sub(taken)?, &next)?;
            kept = pair.where_(&at(k)?.where_(&own, &at(k + 1)?.where_(&beside, &l)?)?, &kept)?;
            follows = at(k + 1)?.where_(&corner, &m)?;
        }
        columns.push(second.where_(&pending, &kept)?);
        let counted = chosen.add(1)?;
        partner = second.where_(&partner, &pair.where_(&counted.neg()?, &counted)?)?;
        pivots.push(partner.squeeze_axes(&[-1])?);
        rest = second.where_(&rest, &next)?;
        (pending, second) = (follows, pair);
    }
    let joined = |parts: &[Tensor]| Tensor::cat(&parts.iter().collect::<Vec<_>>(), -1);
    Ok((joined(&columns)?, joined(&pivots)?.cast(DType::I32)?))
}

/// The solution by such factors: the rows exchanged and reduced forwards, divided by the blocks of D, and brought back.
fn solved(packed: &Tensor, pivots: &Tensor, b: &Tensor) -> Result<Tensor> {
    let n = square(packed)?;
    let shape = |t: &Tensor, axes: usize| crate::dim::Shape::new(t.shape()[..t.rank() - axes].to_vec());
    let front = size::broadcast(&shape(packed, 2), &shape(b, 2))?;
    let wide = |t: &Tensor, axes: usize| t.expand([front.to_vec(), t.shape()[t.rank() - axes..].to_vec()].concat());
    let (packed, pivots, mut y) = (wide(packed, 2)?, wide(&pivots.cast(DType::I64)?, 1)?, wide(b, 2)?);
    let zero = Tensor::zeros((), packed.dtype())?;
    // For each row whether it is the first or the second of a pair.
    let (mut firsts, mut orders) = (Vec::<Tensor>::new(), Vec::new());
    for k in 0..n {
        let pivot = pivots.narrow(-1, k, 1i64)?;
        let first = match firsts.last() {
            Some(before) => pivot.lt(0)?.logical_and(before.logical_not()?)?,
            None => pivot.lt(0)?,
        };
        let second = pivot.lt(0)?.logical_and(first.logical_not()?)?;
        let position = |k: i64| Tensor::full((), k, DType::I64);
        let to = first.where_(&position((k + 1).min(n - 1))?, &position(k)?)?;
        orders.push(exchange(n, &to, &second.where_(&to, &pivot.abs()?.sub(1)?)?)?);
        firsts.push(first);
    }
    let wide: Vec<Tensor> = firsts.iter().map(|first| first.unsqueeze(-1)).collect::<Result<_>>()?;
    // What of a column of L stands below its block.
    let part = |k: usize| {
        let i = k as i64;
        let below = wide[k].where_(&after(n, i + 1, true)?, &after(n, i, true)?)?;
        below.where_(&column(&packed, i)?, &zero)
    };
    let at = |k: i64| after(n, k - 1, true)?.logical_and(after(n, k, true)?.logical_not()?);
    for (k, order) in orders.iter().enumerate() {
        y = ordered(&y, order)?;
        y = y.sub(part(k)?.mul(row(&y, k as i64)?)?)?;
    }
    let mut rows = Vec::new();
    for k in 0..n {
        let (own, here) = (element(&packed, k, k)?, row(&y, k)?);
        // The block of two with the row before or behind, where there is one.
        let block = |other: i64, beside: &Tensor| -> Result<Tensor> {
            let corner = element(&packed, other, other)?;
            corner.mul(&here)?.sub(beside.mul(row(&y, other)?)?)?.div(own.mul(&corner)?.sub(beside.square()?)?)
        };
        let mut divided = here.div(&own)?;
        if k + 1 < n {
            divided = wide[k as usize].where_(&block(k + 1, &element(&packed, k + 1, k)?)?, &divided)?;
        }
        if k > 0 {
            divided = wide[k as usize - 1].where_(&block(k - 1, &element(&packed, k, k - 1)?)?, &divided)?;
        }
        rows.push(divided);
    }
    if let [_, ..] = rows.as_slice() {
        y = Tensor::cat(&rows.iter().collect::<Vec<_>>(), -2)?;
    }
    for k in (0..n as usize).rev() {
        let sum = part(k)?.transpose(-2, -1)?.matmul(&y)?;
        y = at(k as i64)?.where_(&y.sub(sum)?, &y)?;
        y = ordered(&y, &orders[k])?;
    }
    Ok(y)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_matrix_with_a_zero_diagonal_needs_pairs() {
        let values = vec![0.0f64, 2.0, 1.0, 0.5, 2.0, 0.0, 3.0, -1.0, 1.0, 3.0, 0.0, 4.0, 0.5, -1.0, 4.0, 0.0];
        let x = Tensor::new([4, 4], values).unwrap();
        let b = Tensor::new([4, 1], vec![1.0f64, 2.0, 3.0, 4.0]).unwrap();
        let (packed, pivots) = x.ldl_factor().unwrap();
        assert!(pivots.to_vec::<i32>().unwrap().iter().any(|&pivot| pivot < 0));
        let y = packed.ldl_solve(&pivots, &b).unwrap();
        for (got, expected) in x.matmul(&y).unwrap().to_vec::<f64>().unwrap().into_iter().zip([1.0, 2.0, 3.0, 4.0]) {
            assert!((got - expected).abs() < 1e-12, "{got}, expected {expected}");
        }
    }
}
