//! Statistics: medians, quantiles, modes, covariances.

use crate::array::{DType, Scalar};
use crate::dim::Dim;
use crate::error::Result;
use crate::tensor::Tensor;

/// How a quantile that falls between two elements is computed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum QuantileInterpolation {
    /// On the line between them.
    #[default]
    Linear,
    /// The lower one.
    Lower,
    /// The higher one.
    Higher,
    /// The nearer one.
    Nearest,
    /// Their mean.
    Midpoint,
}

impl Tensor {
    /// The lower median along an axis, and its index; NaN where any element is.
    /// [torch.median](https://docs.pytorch.org/docs/stable/generated/torch.median.html).
    ///
    /// ```
    /// use ontrace::Tensor;
    /// let (value, index) = Tensor::from(&[3.0f32, 1.0, 2.0, 7.0]).median(0, false)?;
    /// assert_eq!((value.item()?.to_f64(), index.item()?.to_i64()), (2.0, 2));
    /// # Ok::<(), ontrace::Error>(())
    /// ```
    #[track_caller]
    pub fn median(&self, axis: i64, keep: bool) -> Result<(Tensor, Tensor)> {
        median(self, axis, keep)
    }

    /// The lower median of the elements along an axis that are not NaN, and its index.
    /// [torch.nanmedian](https://docs.pytorch.org/docs/stable/generated/torch.nanmedian.html).
    #[track_caller]
    pub fn nanmedian(&self, axis: i64, keep: bool) -> Result<(Tensor, Tensor)> {
        nan_median(self, axis, keep)
    }

    /// The k-th smallest element along an axis, counted from 1, and its index.
    /// [torch.kthvalue](https://docs.pytorch.org/docs/stable/generated/torch.kthvalue.html).
    #[track_caller]
    pub fn kthvalue(&self, k: impl Into<Dim>, axis: i64, keep: bool) -> Result<(Tensor, Tensor)> {
        let (values, indices) = sorted(self, axis, false)?;
        let position = k.into() - 1i64;
        Ok((at(&values, axis, position.clone(), keep)?, at(&indices, axis, position, keep)?))
    }

    /// Quantiles along an axis, or of all elements where none is given. `q` holds probabilities, as a scalar or a vector; with a vector the
    /// quantiles are the first axis of the result. NaN where any element is.
    /// [torch.quantile](https://docs.pytorch.org/docs/stable/generated/torch.quantile.html).
    ///
    /// ```
    /// use ontrace::Tensor;
    /// use ontrace::ops::QuantileInterpolation;
    /// let x = Tensor::from(&[0.0f32, 1.0, 2.0, 3.0]);
    /// let y = x.quantile(&Tensor::from(&[0.5f32]), None, false, QuantileInterpolation::Linear)?;
    /// assert_eq!(y.to_vec::<f32>()?, [1.5]);
    /// # Ok::<(), ontrace::Error>(())
    /// ```
    #[track_caller]
    pub fn quantile(&self, q: &Tensor, axis: Option<i64>, keep: bool, interpolation: QuantileInterpolation) -> Result<Tensor> {
        quantile(self, q, axis, keep, interpolation, false)
    }

    /// [`quantile`](Tensor::quantile) of the elements that are not NaN.
    /// [torch.nanquantile](https://docs.pytorch.org/docs/stable/generated/torch.nanquantile.html).
    #[track_caller]
    pub fn nanquantile(&self, q: &Tensor, axis: Option<i64>, keep: bool, interpolation: QuantileInterpolation) -> Result<Tensor> {
        quantile(self, q, axis, keep, interpolation, true)
    }

    /// The most frequent value along an axis, of several the smallest, and its last index.
    /// [torch.mode](https://docs.pytorch.org/docs/stable/generated/torch.mode.html).
    ///
    /// ```
    /// use ontrace::Tensor;
    /// let (value, index) = Tensor::from(&[2i64, 1, 2, 1, 3]).mode(0, false)?;
    /// assert_eq!((value.item()?.to_i64(), index.item()?.to_i64()), (1, 3));
    /// # Ok::<(), ontrace::Error>(())
    /// ```
    #[track_caller]
    pub fn mode(&self, axis: i64, keep: bool) -> Result<(Tensor, Tensor)> {
        mode(self, axis, keep)
    }

    /// The covariance matrix of variables, which are the rows, over observations, which are the columns. `correction` is subtracted from the
    /// number of observations; `counts` says how often each observation counts, `weights` how much.
    /// [torch.cov](https://docs.pytorch.org/docs/stable/generated/torch.cov.html).
    #[track_caller]
    pub fn cov(&self, correction: i64, counts: Option<&Tensor>, weights: Option<&Tensor>) -> Result<Tensor> {
        covariance(self, correction, counts, weights)
    }

    /// The matrix of Pearson correlation coefficients of variables, which are the rows.
    /// [torch.corrcoef](https://docs.pytorch.org/docs/stable/generated/torch.corrcoef.html).
    #[track_caller]
    pub fn corrcoef(&self) -> Result<Tensor> {
        let c = covariance(self, 1, None, None)?;
        if c.rank() == 0 {
            return c.div(&c);
        }
        let deviation = c.diagonal(0, 0, 1)?.sqrt()?;
        let y = c.div(deviation.unsqueeze(1)?)?.div(deviation.unsqueeze(0)?)?;
        y.clamp(Some(Scalar::Float(-1.0)), Some(Scalar::Float(1.0)))
    }
}

/// All values along an axis in order; equal ones as they stood.
pub(crate) fn sorted(x: &Tensor, axis: i64, descending: bool) -> Result<(Tensor, Tensor)> {
    if x.rank() == 0 {
        return Ok((x.clone(), Tensor::zeros((), DType::I64)?));
    }
    if x.dtype() == DType::Bool {
        let (values, indices) = x.cast(DType::U8)?.sort(axis, descending)?;
        return Ok((values.cast(DType::Bool)?, indices));
    }
    x.sort(axis, descending)
}

/// One position along an axis.
fn at(x: &Tensor, axis: i64, position: Dim, keep: bool) -> Result<Tensor> {
    if x.rank() == 0 {
        return Ok(x.clone());
    }
    if keep { x.narrow(axis, position, 1i64) } else { x.select(axis, position) }
}

/// The lower middle of the values along an axis; NaN if any is.
fn median(x: &Tensor, axis: i64, keep: bool) -> Result<(Tensor, Tensor)> {
    let (values, indices) = sorted(x, axis, false)?;
    let n = if x.rank() == 0 { Dim::Fixed(1) } else { x.dim(axis)? };
    let end = n - 1i64;
    let position = &end / 2i64;
    let (middle, index) = (at(&values, axis, position.clone(), keep)?, at(&indices, axis, position, keep)?);
    if !x.dtype().is_float() || x.rank() == 0 {
        return Ok((middle, index));
    }
    // NaNs stand at the end of the order, whatever the middle is.
    let (last, last_index) = (at(&values, axis, end, keep)?, x.is_nan()?.cast(DType::U8)?.argmax(Some(axis), keep)?);
    let lost = last.is_nan()?;
    Ok((lost.where_(&last, &middle)?, lost.where_(&last_index, &index)?))
}

/// The lower middle of the values along an axis that are not NaN.
fn nan_median(x: &Tensor, axis: i64, keep: bool) -> Result<(Tensor, Tensor)> {
    if !x.dtype().is_float() || x.rank() == 0 {
        return median(x, axis, keep);
    }
    let (values, indices) = sorted(x, axis, false)?;
    let count = x.is_nan()?.logical_not()?.sum(axis, true)?;
    let position = count.sub(1)?.clamp(Some(Scalar::Int(0)), None)?.floor_divide(2)?;
    let (middle, index) = (values.gather(axis, &position)?, indices.gather(axis, &position)?);
    if keep { Ok((middle, index)) } else { Ok((middle.squeeze_axes(&[axis])?, index.squeeze_axes(&[axis])?)) }
}

/// Quantiles along an axis, those of all elements where no axis is given; the quantiles are the first axis of the result.
fn quantile(x: &Tensor, q: &Tensor, axis: Option<i64>, keep: bool, interpolation: QuantileInterpolation, skip_nan: bool) -> Result<Tensor> {
    let (q, rank) = (q.strengthened(), x.rank());
    let axis = axis.filter(|_| rank > 0);
    let all = axis.is_none();
    let (x, axis) = match axis {
        None => (x.reshape([-1])?, 0),
        Some(axis) => (x.clone(), x.shape().axis(axis)?),
    };
    // The quantile as torch holds it, and its position in doubles: 0.7 in f32 is a little less, and so is what lies between two elements.
    let q = q.cast(x.dtype())?.cast(DType::F64)?;
    // The quantiles stand before all other axes.
    let (values, _) = sorted(&x.transpose(axis as i64, -1)?, -1, false)?;
    let nan = x.transpose(axis as i64, -1)?.is_nan()?;
    let last = match skip_nan {
        true => nan.logical_not()?.sum(-1, true)?.sub(1)?.clamp(Some(Scalar::Int(0)), None)?.cast(DType::F64)?,
        false => Tensor::from_dim(&(x.dim(axis as i64)? - 1i64)).cast(DType::F64)?.reshape(vec![1i64; values.rank()])?,
    };
    let position = last.mul(q.reshape([-1])?)?;
    let mut shape = values.shape().to_vec();
    let count = shape.len() - 1;
    shape[count] = q.numel();
    let position = position.expand(&shape)?;
    let (below, above) = (position.floor()?, position.ceil()?);
    let fetch = |position: &Tensor| values.gather(-1, &position.cast(DType::I64)?);
    let y = match interpolation {
        QuantileInterpolation::Lower => fetch(&below)?,
        QuantileInterpolation::Higher => fetch(&above)?,
        QuantileInterpolation::Nearest => fetch(&position.round()?)?,
        // From the end that is nearer, which decides what infinities leave.
        QuantileInterpolation::Midpoint => {
            let high = fetch(&above)?;
            high.sub(high.sub(fetch(&below)?)?.mul(0.5)?)?
        }
        QuantileInterpolation::Linear => fetch(&below)?.lerp(&fetch(&above)?, &position.sub(&below)?.cast(x.dtype())?)?,
    };
    let y = if skip_nan { y } else { y.masked_fill(&nan.any(-1, true)?.expand(&shape)?, f64::NAN)? };
    // [.., axis' old neighbour .., q] to [q, ..], with the axis as one or gone.
    let y = y.unsqueeze(0)?.transpose(0, -1)?.transpose(axis as i64 + 1, -1)?;
    let y = match (keep, all) {
        (true, true) => y.reshape([vec![q.numel()], vec![Dim::Fixed(1); rank]].concat())?,
        (true, false) => y,
        (false, _) => y.squeeze_axes(&[axis as i64 + 1])?,
    };
    if q.rank() == 0 { y.squeeze_axes(&[0]) } else { Ok(y) }
}

/// The number that stands most often along an axis (the smallest of several), and its last position.
fn mode(x: &Tensor, axis: i64, keep: bool) -> Result<(Tensor, Tensor)> {
    if x.rank() == 0 {
        return Ok((x.clone(), Tensor::zeros((), DType::I64)?));
    }
    let axis = x.shape().axis(axis)? as i64;
    let moved = x.transpose(axis, -1)?;
    let (ordered, _) = sorted(&moved, -1, false)?;
    let alike = ordered.unsqueeze(-1)?.eq(ordered.unsqueeze(-2)?)?.sum(-1, false)?;
    let value = ordered.gather(-1, &alike.argmax(Some(-1), true)?)?;
    // The last position of several: of the positions that hold the number, the largest.
    let positions = Tensor::arange(0, &x.dim(axis)?, 1, DType::I64)?;
    let index = moved.eq(&value)?.cast(DType::I64)?.mul(positions.add(1)?)?.amax(-1, true)?.sub(1)?;
    let (value, index) = (value.transpose(axis, -1)?, index.transpose(axis, -1)?);
    if keep { Ok((value, index)) } else { Ok((value.squeeze_axes(&[axis])?, index.squeeze_axes(&[axis])?)) }
}

fn covariance(x: &Tensor, correction: i64, counts: Option<&Tensor>, weights: Option<&Tensor>) -> Result<Tensor> {
    let x = if x.rank() < 2 { x.reshape([1, -1])? } else { x.clone() };
    // In the dtypes that are given: products of narrow integers wrap.
    let weight = match (counts, weights) {
        (None, None) => None,
        (Some(one), None) | (None, Some(one)) => Some(one.clone()),
        (Some(counts), Some(weights)) => Some(counts.mul(weights)?),
    };
    let total = match &weight {
        None => Tensor::from_dim(&x.dim(1)?),
        Some(weight) => weight.sum(.., false)?,
    };
    let weighted = |x: &Tensor| weight.as_ref().map_or(Ok(x.clone()), |weight| x.mul(weight));
    let centred = match &weight {
        // The mean of one observation is that, whatever it weighs.
        Some(_) if x.dim(1)? == 1 => Tensor::zeros(x.shape(), x.dtype().or_float())?,
        _ => x.sub(weighted(&x)?.sum(1, true)?.div(&total)?)?,
    };
    let freedom = match (weights, &weight) {
        (Some(weights), Some(weight)) if correction != 0 => {
            total.sub(weight.mul(weights)?.sum(.., false)?.mul(correction)?.div(&total)?)?
        }
        _ => total.sub(correction)?,
    };
    let right = weighted(&centred)?.transpose(0, 1)?;
    let c = centred.cast(right.dtype())?.matmul(&right)?.div(freedom.clamp(Some(Scalar::Int(0)), None)?)?;
    if c.dim(0)? == 1 { c.reshape(()) } else { Ok(c) }
}
