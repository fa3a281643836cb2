//! Resampling an axis at computed positions: neighbours are gathered and weighed.

use crate::array::DType;
use crate::dim::Dim;
use crate::error::{Error, Result};
use crate::kernels::resize::{Interpolation, Rounding, Rule};
use crate::tensor::Tensor;

/// One axis resampled at positions of the input that are computed from those of the result: neighbours are picked, and weighed.
pub(super) fn picked(x: &Tensor, axis: usize, out: &Dim, rule: Rule, source: impl Fn(Tensor) -> Result<Tensor>) -> Result<Tensor> {
    let (n, at) = (&x.shape()[axis], axis as i64);
    let dtype = if x.dtype() == DType::F64 { DType::F64 } else { DType::F32 };
    let last = || Tensor::from_dim(&(n - 1i64)).cast(dtype);
    let position = || source(Tensor::arange(0, out, 1, DType::I64)?.cast(dtype)?);
    let inside = |position: Tensor| position.maximum(0.0)?.minimum(last()?)?.cast(DType::I64);
    if let Interpolation::Nearest(rounding) = rule.interpolation {
        let nearest = |position: Tensor| match rounding {
            Rounding::Floor => position.floor(),
            Rounding::Ceil => position.ceil(),
            Rounding::PreferFloor => position.sub(0.5)?.ceil(),
            Rounding::PreferCeil => position.add(0.5)?.floor(),
        };
        let index = super::constant_where_fixed(&[n, out], || inside(nearest(position()?)?))?;
        return x.index_select(at, &index);
    }
    let column = |t: Tensor| (axis + 1..x.rank()).try_fold(t, |t, _| t.unsqueeze(-1));
    let (base, t) = super::constant_where_fixed(&[n, out], || {
        let position = position()?;
        // A cubic goes on beyond the ends, where all of its neighbours are the last element. Of a line both neighbours behind the last element
        // are that one, and neither weight is 0, which matters to infinities.
        let is_line = rule.interpolation == Interpolation::Linear;
        let position = if is_line { position.maximum(0.0)? } else { position };
        let base = if is_line { position.floor()?.minimum(last()?)? } else { position.floor()? };
        let t = position.sub(&base)?;
        let t = if is_line { t.minimum(1.0)? } else { t };
        Ok((base, t))
    })?;
    let weights = super::constant_where_fixed(&[n, out], || {
        weights(&base, &t, &last()?, rule)?.into_iter().map(|(at, weight)| Ok((at, column(weight)?))).collect::<Result<Vec<_>>>()
    })?;
    let wide = x.cast(dtype)?;
    let mut sum: Option<Tensor> = None;
    for (offset, weight) in weights {
        let index = super::constant_where_fixed(&[n, out], || inside(base.add(offset as f64)?))?;
        let part = wide.index_select(at, &index)?.mul(weight)?;
        sum = Some(match sum {
            Some(sum) => sum.add(part)?,
            None => part,
        });
    }
    sum.ok_or_else(|| Error::internal("an interpolation without neighbours"))?.cast(x.dtype())
}

/// The neighbours of positions, from the one before each, and their weights at a fraction t of a step.
fn weights(base: &Tensor, t: &Tensor, last: &Tensor, rule: Rule) -> Result<Vec<(i64, Tensor)>> {
    let rest = t.neg()?.add(1.0)?;
    let Interpolation::Cubic(a) = rule.interpolation else { return Ok(vec![(0, rest), (1, t.clone())]) };
    let near = |t: &Tensor| t.mul(a + 2.0)?.sub(a + 3.0)?.mul(t)?.mul(t)?.add(1.0);
    let far = |t: &Tensor| t.mul(a)?.sub(5.0 * a)?.mul(t)?.add(8.0 * a)?.mul(t)?.sub(4.0 * a);
    let all = vec![(-1, far(&t.add(1.0)?)?), (0, near(t)?), (1, near(&rest)?), (2, far(&rest.add(1.0)?)?)];
    if !rule.exclude_outside {
        return Ok(all);
    }
    let inside = |(offset, weight): (i64, Tensor)| -> Result<(i64, Tensor)> {
        let at = base.add(offset as f64)?;
        let inside = at.ge(0.0)?.logical_and(at.le(last)?)?;
        Ok((offset, weight.mul(inside.cast(weight.dtype())?)?))
    };
    let all = all.into_iter().map(inside).collect::<Result<Vec<_>>>()?;
    let sum = all[1..].iter().try_fold(all[0].1.clone(), |sum, (_, weight)| sum.add(weight))?;
    all.into_iter().map(|(offset, weight)| Ok((offset, weight.div(&sum)?))).collect()
}
