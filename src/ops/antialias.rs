//! Resampling with an antialiasing filter.

use crate::array::DType;
use crate::dim::Dim;
use crate::error::{Error, Result};
use crate::tensor::Tensor;

/// The most weights of a filter along an axis.
const LARGEST: i64 = 1 << 24;

impl Tensor {
    /// The last two axes resampled by a filter as wide as a step of the output: bilinear, or cubic with a = −½. `scales` are the factors,
    /// where they are not those of the sizes.
    /// [torch.nn.functional.interpolate](https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.interpolate.html).
    ///
    /// # Errors
    ///
    /// [`TooBig`](crate::ErrorCode::TooBig) where the filter of an axis has more than 2²⁴ weights.
    #[track_caller]
    pub fn upsample_antialiased(&self, out: &[Dim; 2], cubic: bool, corners: bool, scales: [Option<f64>; 2]) -> Result<Tensor> {
        filtered(self, out, corners, scales, if cubic { 2 } else { 1 })
    }
}

/// The last two axes resampled by a triangle (reach 1) or a cubic with a = −½ (reach 2) as wide as the step: a matrix for each axis.
fn filtered(x: &Tensor, out: &[Dim; 2], corners: bool, scales: [Option<f64>; 2], reach: i64) -> Result<Tensor> {
    let [height, width] = out;
    let of = |axis: i64, size: &Dim, scale| {
        let n = x.dim(axis)?;
        if (&n * size).example().is_some_and(|weights| !(0..=LARGEST).contains(&weights)) {
            return Err(Error::too_big(format!("a filter of {n} by {size}")));
        }
        super::constant_where_fixed(&[&n, size], || weights(&n, size, corners, scale, reach)?.cast(x.dtype()))
    };
    let (rows, columns) = (of(-2, height, scales[0])?, of(-1, width, scales[1])?);
    rows.matmul(x)?.matmul(&columns.transpose(0, 1)?)
}

/// The weights of n elements in each of `out` outputs, a row an output; the sizes may be symbolic.
fn weights(n: &Dim, out: &Dim, corners: bool, scale: Option<f64>, reach: i64) -> Result<Tensor> {
    let float = |dim: Dim| Tensor::from_dim(&dim).cast(DType::F64);
    let index = |dim: &Dim| Tensor::arange(0, dim, 1, DType::I64)?.cast(DType::F64);
    let step = match (corners, scale) {
        // Of one output the step is 0.
        (true, _) => float(n - 1i64)?.mul(float((out - 1i64).min(1i64))?)?.div(float((out - 1i64).max(1i64))?)?,
        (false, Some(scale)) if scale > 0.0 => Tensor::full((), 1.0 / scale, DType::F64)?,
        _ => float(n.clone())?.div(float(out.max(1i64))?)?,
    };
    let width = step.maximum(1.0)?;
    let support = width.mul(reach as f64)?;
    let (centre, position) = (index(out)?.add(0.5)?.mul(&step)?.unsqueeze(1)?, index(n)?);
    let inside =
        position.ge(centre.sub(&support)?.add(0.5)?.floor()?)?.logical_and(position.lt(centre.add(&support)?.add(0.5)?.floor()?)?)?;
    let at = position.sub(&centre)?.add(0.5)?.div(&width)?.abs()?;
    let zero = Tensor::zeros((), DType::F64)?;
    let weight = match reach {
        1 => at.neg()?.add(1.0)?.maximum(0.0)?,
        _ => {
            let near = at.mul(1.5)?.sub(2.5)?.mul(&at)?.mul(&at)?.add(1.0)?;
            let far = at.mul(-0.5)?.add(2.5)?.mul(&at)?.sub(4.0)?.mul(&at)?.add(2.0)?;
            at.lt(1.0)?.where_(&near, &at.lt(2.0)?.where_(&far, &zero)?)?
        }
    };
    let weight = inside.where_(&weight, &zero)?;
    weight.div(weight.sum(-1, true)?)
}
