//! Cumulative operations along an axis: running extremes, products and logarithms of sums, integrals, runs of equal elements.

use super::Reduction;
use crate::array::DType;
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
    /// Along an axis of symbolic size.
    #[track_caller]
    pub fn cummax(&self, axis: i64) -> Result<(Tensor, Tensor)> {
        running(self, axis, true)
    }

    /// The smallest element so far along an axis, and the last index at which it stood.
    /// [torch.cummin](https://docs.pytorch.org/docs/stable/generated/torch.cummin.html).
    ///
    /// # Errors
    ///
    /// Along an axis of symbolic size.
    #[track_caller]
    pub fn cummin(&self, axis: i64) -> Result<(Tensor, Tensor)> {
        running(self, axis, false)
    }

    /// The logarithm of the sum of exponentials so far along an axis.
    /// [torch.logcumsumexp](https://docs.pytorch.org/docs/stable/generated/torch.logcumsumexp.html).
    ///
    /// # Errors
    ///
    /// Along an axis of symbolic size.
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
    /// Along an axis of symbolic size.
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
        trapezia(self, None, Some(step), axis)?.sum(axis, false)
    }

    /// The integral along an axis by the trapezoidal rule over the sample points `x`: a vector, or the shape of the tensor.
    /// [torch.trapezoid](https://docs.pytorch.org/docs/stable/generated/torch.trapezoid.html).
    #[track_caller]
    pub fn trapezoid_over(&self, x: &Tensor, axis: i64) -> Result<Tensor> {
        trapezia(self, Some(x), None, axis)?.sum(axis, false)
    }

    /// [`trapezoid`](Tensor::trapezoid) from the first sample point to each other one.
    /// [torch.cumulative_trapezoid](https://docs.pytorch.org/docs/stable/generated/torch.cumulative_trapezoid.html).
    #[track_caller]
    pub fn cumulative_trapezoid(&self, step: f64, axis: i64) -> Result<Tensor> {
        trapezia(self, None, Some(step), axis)?.cumsum(axis)
    }

    /// [`trapezoid_over`](Tensor::trapezoid_over) from the first sample point to each other one.
    /// [torch.cumulative_trapezoid](https://docs.pytorch.org/docs/stable/generated/torch.cumulative_trapezoid.html).
    #[track_caller]
    pub fn cumulative_trapezoid_over(&self, x: &Tensor, axis: i64) -> Result<Tensor> {
        trapezia(self, Some(x), None, axis)?.cumsum(axis)
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

/// The largest (smallest) number so far along an axis, and the last position where it stood.
///
/// Halves meet: after k rounds each position knows the extreme of 2ᵏ positions up to itself.
fn running(x: &Tensor, axis: i64, largest: bool) -> Result<(Tensor, Tensor)> {
    if x.rank() == 0 {
        return Ok((x.clone(), Tensor::zeros((), DType::I64)?));
    }
    let axis = x.shape().axis(axis)?;
    let n = x.shape()[axis].fixed().ok_or_else(|| Error::size("cummax and cummin need a fixed size"))?;
    let mut across = vec![1i64; x.rank()];
    across[axis] = n;
    let mut index = Tensor::arange(0, n, 1, DType::I64)?.reshape(&across)?.expand(x.shape())?;
    let truth = x.dtype() == DType::Bool;
    let mut value = if truth { x.cast(DType::U8)? } else { x.clone() };
    let axis = axis as i64;
    let mut step = 1;
    while step < n {
        let head = |t: &Tensor| t.slice(axis, ..step);
        let (now, then) = (value.slice(axis, step..)?, value.slice(axis, ..-step)?);
        let (now_at, then_at) = (index.slice(axis, step..)?, index.slice(axis, ..-step)?);
        // What came later stays where both are equal; a NaN stays for good.
        let mut stays = if largest { now.ge(&then)? } else { now.le(&then)? };
        if x.dtype().is_float() {
            stays = stays.logical_or(now.is_nan()?)?;
        }
        let (new, new_at) = (stays.where_(&now, &then)?, stays.where_(&now_at, &then_at)?);
        (value, index) = (Tensor::cat(&[&head(&value)?, &new], axis)?, Tensor::cat(&[&head(&index)?, &new_at], axis)?);
        step *= 2;
    }
    Ok((if truth { value.cast(DType::Bool)? } else { value }, index))
}

/// ln Σ eˣ so far along an axis, by the same halving.
fn log_running_sum(x: &Tensor, axis: i64) -> Result<Tensor> {
    if x.rank() == 0 {
        return Ok(x.clone());
    }
    let axis = x.shape().axis(axis)? as i64;
    let n = x.dim(axis)?.fixed().ok_or_else(|| Error::size("a cumulative sum needs a fixed size here"))?;
    let mut value = x.cast(x.dtype().or_float())?;
    let mut step = 1;
    while step < n {
        let head = value.slice(axis, ..step)?;
        let (now, then) = (value.slice(axis, step..)?, value.slice(axis, ..-step)?);
        value = Tensor::cat(&[&head, &now.logaddexp(&then)?], axis)?;
        step *= 2;
    }
    Ok(value)
}

/// The product of all values so far along an axis, by the same halving; of integers in i64.
fn running_product(x: &Tensor, axis: i64) -> Result<Tensor> {
    let mut value = if x.dtype().is_float() { x.clone() } else { x.cast(DType::I64)? };
    if x.rank() == 0 {
        return Ok(value);
    }
    let axis = x.shape().axis(axis)? as i64;
    let n = x.dim(axis)?.fixed().ok_or_else(|| Error::size("a cumulative product needs a fixed size"))?;
    let mut step = 1;
    while step < n {
        let head = value.slice(axis, ..step)?;
        let (now, then) = (value.slice(axis, step..)?, value.slice(axis, ..-step)?);
        value = Tensor::cat(&[&head, &now.mul(then)?], axis)?;
        step *= 2;
    }
    Ok(value)
}

/// The areas between neighbours along an axis.
fn trapezia(y: &Tensor, x: Option<&Tensor>, width: Option<f64>, axis: i64) -> Result<Tensor> {
    let y = y.cast(y.dtype().or_float())?;
    let pair = |t: &Tensor, axis: i64| -> Result<(Tensor, Tensor)> { Ok((t.slice(axis, ..-1)?, t.slice(axis, 1..)?)) };
    let (low, high) = pair(&y, axis)?;
    let height = low.add(high)?.mul(0.5)?;
    match x {
        None => height.mul(width.unwrap_or(1.0)),
        Some(x) => {
            // One row of positions stands for all rows, along the axis.
            let (left, right) = if x.rank() == 1 { pair(x, 0)? } else { pair(x, axis)? };
            let mut widths = right.sub(left)?;
            if x.rank() == 1 {
                let after = y.rank() - 1 - y.shape().axis(axis)?;
                for _ in 0..after {
                    widths = widths.unsqueeze(-1)?;
                }
            }
            height.mul(widths)
        }
    }
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
