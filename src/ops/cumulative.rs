//! Cumulative operations along an axis: running extremes, products and logarithms of sums, integrals, runs of equal elements.

use super::Reduction;
use crate::array::DType;
use crate::dim::Dim;
use crate::error::{Error, Result};
use crate::tensor::Tensor;

impl Tensor {
    /// The largest element so far along an axis, and the last index at which it stood.
    /// [torch.cummax](https://docs.pytorch.org/docs/stable/generated/torch.cummax.html).
    ///
    /// ```
    /// use ontrace::Tensor;
    /// let (values, _) = Tensor::from(&[1i64, 3, 2]).cummax(0)?;
    /// assert_eq!(values.to_vec::<i64>()?, [1, 3, 3]);
    /// # Ok::<(), ontrace::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Argument`](crate::ErrorCode::Argument) where there is no such axis.
    #[track_caller]
    pub fn cummax(&self, axis: i64) -> Result<(Tensor, Tensor)> {
        running(self, axis, true)
    }

    /// The smallest element so far along an axis, and the last index at which it stood.
    /// [torch.cummin](https://docs.pytorch.org/docs/stable/generated/torch.cummin.html).
    ///
    /// # Errors
    ///
    /// [`Argument`](crate::ErrorCode::Argument) where there is no such axis.
    #[track_caller]
    pub fn cummin(&self, axis: i64) -> Result<(Tensor, Tensor)> {
        running(self, axis, false)
    }

    /// The logarithm of the sum of exponentials so far along an axis.
    /// [torch.logcumsumexp](https://docs.pytorch.org/docs/stable/generated/torch.logcumsumexp.html).
    ///
    /// # Errors
    ///
    /// [`Argument`](crate::ErrorCode::Argument) where there is no such axis.
    #[track_caller]
    pub fn logcumsumexp(&self, axis: i64) -> Result<Tensor> {
        log_running_sum(self, axis)
    }

    /// The product of the elements so far along an axis; of integers in i64.
    /// [torch.cumprod](https://docs.pytorch.org/docs/stable/generated/torch.cumprod.html).
    ///
    /// ```
    /// use ontrace::Tensor;
    /// assert_eq!(Tensor::from(&[1i64, 2, 3]).cumprod(0)?.to_vec::<i64>()?, [1, 2, 6]);
    /// # Ok::<(), ontrace::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Argument`](crate::ErrorCode::Argument) where there is no such axis.
    #[track_caller]
    pub fn cumprod(&self, axis: i64) -> Result<Tensor> {
        running_product(self, axis)
    }

    /// The integral along an axis by the trapezoidal rule, the sample points being `step` apart.
    /// [torch.trapezoid](https://docs.pytorch.org/docs/stable/generated/torch.trapezoid.html).
    ///
    /// ```
    /// use ontrace::Tensor;
    /// assert_eq!(Tensor::from(&[1.0f32, 5.0, 10.0]).trapezoid(1.0, 0)?.item()?.to_f64(), 10.5);
    /// # Ok::<(), ontrace::Error>(())
    /// ```
    #[track_caller]
    pub fn trapezoid(&self, step: f64, axis: i64) -> Result<Tensor> {
        if self.dim(axis)? == Dim::Fixed(0) {
            return self.sum(axis, false)?.cast(self.dtype());
        }
        // All of them, less half of the two ends.
        let ends = self.select(axis, 0)?.add(self.select(axis, -1)?)?;
        self.sum(axis, false)?.sub(ends.mul(0.5)?)?.mul(step)
    }

    /// The integral along an axis by the trapezoidal rule over the sample points `x`: a vector, or the shape of the tensor.
    /// [torch.trapezoid](https://docs.pytorch.org/docs/stable/generated/torch.trapezoid.html).
    #[track_caller]
    pub fn trapezoid_over(&self, x: &Tensor, axis: i64) -> Result<Tensor> {
        if self.dim(axis)? == Dim::Fixed(0) {
            return self.sum(axis, false)?.cast(self.dtype());
        }
        trapezia(self, x, axis)?.sum(axis, false)?.div(2.0)
    }

    /// [`trapezoid`](Tensor::trapezoid) from the first sample point to each other one.
    /// [torch.cumulative_trapezoid](https://docs.pytorch.org/docs/stable/generated/torch.cumulative_trapezoid.html).
    #[track_caller]
    pub fn cumulative_trapezoid(&self, step: f64, axis: i64) -> Result<Tensor> {
        let (low, high) = neighbours(self, axis)?;
        low.add(high)?.mul(step / 2.0)?.cumsum(axis)
    }

    /// [`trapezoid_over`](Tensor::trapezoid_over) from the first sample point to each other one.
    /// [torch.cumulative_trapezoid](https://docs.pytorch.org/docs/stable/generated/torch.cumulative_trapezoid.html).
    #[track_caller]
    pub fn cumulative_trapezoid_over(&self, x: &Tensor, axis: i64) -> Result<Tensor> {
        trapezia(self, x, axis)?.cumsum(axis)?.div(2.0)
    }

    /// The elements, or the slices along an axis, without those that equal the one before; then the index in the result for each of them, and
    /// the number of equal ones in each run.
    /// [torch.unique_consecutive](https://docs.pytorch.org/docs/stable/generated/torch.unique_consecutive.html).
    ///
    /// ```
    /// use ontrace::Tensor;
    /// let (values, _, counts) = Tensor::from(&[1i64, 1, 2, 1]).unique_consecutive(None)?;
    /// assert_eq!((values.to_vec::<i64>()?, counts.to_vec::<i64>()?), (vec![1, 2, 1], vec![2, 1, 1]));
    /// # Ok::<(), ontrace::Error>(())
    /// ```
    #[track_caller]
    pub fn unique_consecutive(&self, axis: Option<i64>) -> Result<(Tensor, Tensor, Tensor)> {
        consecutive(self, axis)
    }
}

/// Tensors combined with what stands before them along an axis, of all positions up to each: halves meet, after k rounds each position knows 2ᵏ
/// positions up to itself. `combine` gets those of later positions, then those of earlier ones. Along an axis of symbolic size the rounds are a
/// loop.
fn doubling(state: Vec<Tensor>, axis: i64, combine: impl Fn(&[Tensor], &[Tensor]) -> Result<Vec<Tensor>>) -> Result<Vec<Tensor>> {
    let Some(size) = state.first().map(|x| x.dim(axis)).transpose()? else { return Ok(state) };
    if let Some(n) = size.fixed() {
        let (mut state, mut step) = (state, 1);
        while step < n {
            let part = |x: &Tensor| Ok((x.slice(axis, step..)?, x.slice(axis, ..-step)?));
            let (now, then): (Vec<Tensor>, Vec<Tensor>) = state.iter().map(part).collect::<Result<Vec<_>>>()?.into_iter().unzip();
            let joined = |(x, new): (&Tensor, &Tensor)| Tensor::cat(&[&x.slice(axis, ..step)?, new], axis);
            state = state.iter().zip(&combine(&now, &then)?).map(joined).collect::<Result<_>>()?;
            step *= 2;
        }
        return Ok(state);
    }
    let rank = state.first().map_or(0, Tensor::rank);
    let position = Tensor::arange(0, &size, 1, DType::I64)?;
    let mut across = vec![Dim::Fixed(1); rank];
    across[crate::dim::axis(axis, rank)?] = size.clone();
    let step = Tensor::full((), 1, DType::I64)?;
    let types: Vec<_> = state.iter().map(|x| x.shape().clone()).collect();
    let first: Vec<Tensor> = std::iter::once(step.clone()).chain(state).collect();
    let result = super::while_loop(&step.lt(&size)?, first, |state| {
        let (step, now) = state.split_first().ok_or_else(|| Error::internal("a loop without its step"))?;
        let before = position.sub(step)?;
        let then = now.iter().map(|x| x.index_select(axis, &before.maximum(0)?)).collect::<Result<Vec<_>>>()?;
        let there = before.ge(0)?.reshape(&across)?;
        let next = combine(now, &then)?.into_iter().zip(now).map(|(new, old)| there.where_(&new, old)).collect::<Result<Vec<_>>>()?;
        let step = step.mul(2)?;
        Ok((step.lt(&size)?, std::iter::once(step).chain(next).collect()))
    })?;
    result.into_iter().skip(1).zip(types).map(|(x, shape)| x.reshape(&shape)).collect()
}

/// The largest (smallest) number so far along an axis, and the last position where it stood.
fn running(x: &Tensor, axis: i64, largest: bool) -> Result<(Tensor, Tensor)> {
    if x.rank() == 0 {
        return Ok((x.clone(), Tensor::zeros((), DType::I64)?));
    }
    let axis = x.shape().axis(axis)?;
    let n = x.shape()[axis].clone();
    let mut across = vec![Dim::Fixed(1); x.rank()];
    across[axis] = n.clone();
    let index = Tensor::arange(0, &n, 1, DType::I64)?.reshape(&across)?.expand(x.shape())?;
    let truth = x.dtype() == DType::Bool;
    let value = if truth { x.cast(DType::U8)? } else { x.clone() };
    let combine = |now: &[Tensor], then: &[Tensor]| {
        // What came later stays where both are equal; a NaN stays for good.
        let mut stays = if largest { now[0].ge(&then[0])? } else { now[0].le(&then[0])? };
        if x.dtype().is_float() {
            stays = stays.logical_or(now[0].is_nan()?)?;
        }
        now.iter().zip(then).map(|(now, then)| stays.where_(now, then)).collect()
    };
    let [value, index] = <[Tensor; 2]>::try_from(doubling(vec![value, index], axis as i64, combine)?)
        .map_err(|_| Error::internal("cummax and cummin need two results"))?;
    Ok((if truth { value.cast(DType::Bool)? } else { value }, index))
}

/// One tensor by [`doubling`].
fn doubled(x: Tensor, axis: i64, combine: impl Fn(&Tensor, &Tensor) -> Result<Tensor>) -> Result<Tensor> {
    if x.rank() == 0 {
        return Ok(x);
    }
    super::one(doubling(vec![x], axis, |now, then| Ok(vec![combine(&now[0], &then[0])?])))
}

/// ln Σ eˣ so far along an axis.
fn log_running_sum(x: &Tensor, axis: i64) -> Result<Tensor> {
    doubled(x.cast(x.dtype().or_float())?, axis, |now, then| now.logaddexp(then))
}

/// The product of all values so far along an axis; of integers in i64.
fn running_product(x: &Tensor, axis: i64) -> Result<Tensor> {
    // In double precision as torch: a product of neighbours may overflow where that of all before does not.
    let (wide, dtype) = if x.dtype().is_float() { (DType::F64, x.dtype()) } else { (DType::I64, DType::I64) };
    doubled(x.cast(wide)?, axis, |now, then| now.mul(then))?.cast(dtype)
}

/// The elements along an axis but the last, and those but the first.
fn neighbours(x: &Tensor, axis: i64) -> Result<(Tensor, Tensor)> {
    Ok((x.slice(axis, ..-1)?, x.slice(axis, 1..)?))
}

/// The doubled areas between neighbours along an axis, over positions.
fn trapezia(y: &Tensor, x: &Tensor, axis: i64) -> Result<Tensor> {
    let (low, high) = neighbours(y, axis)?;
    // One row of positions stands for all rows, along the axis; else axes are missing in front.
    let along = y.shape().axis(axis)?;
    let missing = if x.rank() == 1 { along } else { y.rank().saturating_sub(x.rank()) };
    let mut shape = vec![Dim::Fixed(1); missing];
    shape.extend(x.shape().iter().cloned());
    shape.resize(shape.len().max(y.rank()), Dim::Fixed(1));
    let (left, right) = neighbours(&x.reshape(&shape)?, axis)?;
    low.add(high)?.mul(right.sub(left)?)
}

/// The slices along an axis (or all values) of which neighbours that are alike are one.
fn consecutive(x: &Tensor, axis: Option<i64>) -> Result<(Tensor, Tensor, Tensor)> {
    let (slices, along) = match axis {
        None => (x.reshape([-1])?, 0),
        Some(axis) => (x.clone(), x.shape().axis(axis)? as i64),
    };
    let others: Vec<i64> = (0..slices.rank() as i64).filter(|&other| other != along).collect();
    let pairs = (slices.slice(along, 1..)?, slices.slice(along, ..-1)?);
    let changes = pairs.0.ne(pairs.1)?;
    let changes = if others.is_empty() { changes } else { changes.any(&others, false)? };
    let begins = Tensor::cat(&[&Tensor::ones([slices.dim(along)?.min(1i64)], DType::Bool)?, &changes], 0)?;
    let positions = begins.nonzero()?.reshape([-1])?;
    let inverse = begins.cumsum(0)?.sub(1)?;
    let ones = Tensor::ones(inverse.shape(), DType::I64)?;
    let counts = Tensor::zeros([positions.dim(0)?], DType::I64)?.scatter(0, &inverse, ones, Reduction::Add)?;
    let inverse = if axis.is_none() { inverse.reshape(x.shape())? } else { inverse };
    Ok((slices.index_select(along, &positions)?, inverse, counts))
}

/// What the laws are tried on.
#[cfg(test)]
pub(super) fn examples() -> Vec<super::examples::Case> {
    use super::examples::*;

    cases! {
        "cummax", [floats(&[2, 5])], |x| both(x[0].cummax(1)?);
        "cummin_i64", [integers(&[5, 2])], |x| both(x[0].cummin(0)?);
        "cumprod", [floats(&[2, 5])], |x| one(x[0].cumprod(-1)?);
        "logcumsumexp", [floats(&[5, 2])], |x| one(x[0].logcumsumexp(0)?);
    }
}
