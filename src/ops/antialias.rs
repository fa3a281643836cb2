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

/// The last two axes resampled by a triangle (reach 1) or a cubic with a = −½ (reach 2) as wide as the step. An axis that keeps its size is left
/// as it is, whatever its scale.
fn filtered(x: &Tensor, out: &[Dim; 2], corners: bool, scales: [Option<f64>; 2], reach: i64) -> Result<Tensor> {
    [1, 0].into_iter().try_fold(x.clone(), |x, i| {
        let (axis, size) = (x.rank() as i64 - 2 + i as i64, &out[i]);
        let n = x.dim(axis)?;
        if n == *size { Ok(x) } else { along(&x, axis, (&n, size), Filter { corners, scale: scales[i], reach }) }
    })
}

/// A filter along one axis.
#[derive(Clone, Copy)]
struct Filter {
    corners: bool,
    scale: Option<f64>,
    reach: i64,
}

impl Filter {
    /// The most elements that make one of the output.
    fn width(self, n: &Dim, out: &Dim) -> Result<Dim> {
        let reach = self.reach;
        let half = match self.scale.filter(|&scale| scale > 0.0 && !self.corners) {
            Some(scale) => Dim::Fixed((reach as f64 * (1.0 / scale).max(1.0)).ceil().min(LARGEST as f64) as i64),
            None => {
                let (steps, of) = if self.corners { (n - 1i64, (out - 1i64).max(1i64)) } else { (n.clone(), out.max(1i64)) };
                ((steps * reach + (&of - 1i64)) / of).max(reach)
            }
        };
        let width = half * 2i64 + 1i64;
        match (&width * out).example() {
            Some(weights) if !(0..=LARGEST).contains(&weights) => Err(Error::too_big(format!("a filter of {width} by {out}"))),
            _ => Ok(width),
        }
    }
}

/// One axis resampled: the elements that each filter reaches, weighed. What it does not reach has no part, not even infinity.
fn along(x: &Tensor, axis: i64, (n, out): (&Dim, &Dim), filter: Filter) -> Result<Tensor> {
    let width = filter.width(n, out)?;
    let (index, weights, inside) = super::constant_where_fixed(&[n, out, &width], || taps(n, out, &width, filter))?;
    let trailing = x.rank() as i64 - 1 - axis;
    let aligned = |t: Tensor| (0..trailing).try_fold(t, |t, _| t.unsqueeze(-1));
    let wide = if x.dtype() == DType::F64 { x.clone() } else { x.cast(DType::F32)? };
    let mut shape = x.shape().to_vec();
    shape.splice(axis as usize..=axis as usize, [out.clone(), width.clone()]);
    let reached = wide.index_select(axis, &index)?.reshape(shape)?;
    let weighed = reached.mul(aligned(weights.cast(wide.dtype())?)?)?;
    let zero = Tensor::zeros((), wide.dtype())?;
    aligned(inside)?.where_(&weighed, &zero)?.sum(axis + 1, false)?.cast(x.dtype())
}

/// The elements that each output is made of, row by row in one vector; their weights, and which of them count, a row an output.
fn taps(n: &Dim, out: &Dim, width: &Dim, filter: Filter) -> Result<(Tensor, Tensor, Tensor)> {
    let float = |dim: Dim| Tensor::from_dim(&dim).cast(DType::F64);
    let index = |dim: &Dim| Tensor::arange(0, dim, 1, DType::I64)?.cast(DType::F64);
    let step = match (filter.corners, filter.scale) {
        // Of one output the step is 0.
        (true, _) => float(n - 1i64)?.mul(float((out - 1i64).min(1i64))?)?.div(float((out - 1i64).max(1i64))?)?,
        (false, Some(scale)) if scale > 0.0 => Tensor::full((), 1.0 / scale, DType::F64)?,
        _ => float(n.clone())?.div(float(out.max(1i64))?)?,
    };
    let reach = step.maximum(1.0)?;
    let support = reach.mul(filter.reach as f64)?;
    let centre = index(out)?.add(0.5)?.mul(&step)?.unsqueeze(1)?;
    let first = centre.sub(&support)?.add(0.5)?.floor()?.maximum(0.0)?;
    let end = centre.add(&support)?.add(0.5)?.floor()?.minimum(float(n.clone())?)?;
    let position = first.add(index(width)?)?;
    let inside = position.lt(&end)?;
    let at = position.sub(&centre)?.add(0.5)?.div(&reach)?.abs()?;
    let zero = Tensor::zeros((), DType::F64)?;
    let weight = match filter.reach {
        1 => at.neg()?.add(1.0)?.maximum(0.0)?,
        _ => {
            let near = at.mul(1.5)?.sub(2.5)?.mul(&at)?.mul(&at)?.add(1.0)?;
            let far = at.mul(-0.5)?.add(2.5)?.mul(&at)?.sub(4.0)?.mul(&at)?.add(2.0)?;
            at.lt(1.0)?.where_(&near, &at.lt(2.0)?.where_(&far, &zero)?)?
        }
    };
    let weight = inside.where_(&weight, &zero)?;
    let sum = weight.sum(-1, true)?;
    // A filter that a scale puts beyond the axis weighs nothing.
    let whole = sum.eq(0.0)?.where_(&Tensor::ones((), DType::F64)?, &sum)?;
    let index = position.minimum(float(n - 1i64)?)?.cast(DType::I64)?.flatten(0, -1)?;
    Ok((index, weight.div(whole)?, inside))
}
