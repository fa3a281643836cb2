//! torch's resampling: sizes, and scales for the positions, which need not be those of the sizes.

use super::resize::{Resize, single_scale};
use crate::array::DType;
use crate::dim::Dim;
use crate::error::{Error, Result};
use crate::kernels::resize::{Coordinates, Interpolation, Rounding, Rule};
use crate::tensor::{Tensor, apply_one};

impl Tensor {
    /// The last axes resampled to these sizes: `nearest`, `linear` or `cubic`, as torch does it.
    ///
    /// A scale that is given and positive is used for the positions instead of that of the sizes.
    /// [torch.nn.functional.interpolate](https://pytorch.org/docs/stable/generated/torch.nn.functional.interpolate.html)
    ///
    /// # Errors
    /// [`Argument`](crate::ErrorCode::Argument) for another mode or too many sizes.
    #[track_caller]
    pub fn upsample(&self, out: &[Dim], mode: &str, corners: bool, scales: &[Option<f64>]) -> Result<Tensor> {
        let first =
            self.rank().checked_sub(out.len()).ok_or_else(|| Error::argument(format!("{} sizes for shape {}", out.len(), self.shape())))?;
        let dims: Vec<Dim> = self.shape()[..first].iter().chain(out).cloned().collect();
        let (coordinates, interpolation) = match (mode, corners) {
            ("nearest", _) => (Coordinates::Asymmetric, Interpolation::Nearest(Rounding::Floor)),
            ("nearest-exact", _) => (Coordinates::HalfPixel, Interpolation::Nearest(Rounding::PreferCeil)),
            ("linear", true) => (Coordinates::AlignCorners, Interpolation::Linear),
            // Not pytorch_half_pixel, which takes the first position for a result of one: torch takes the middle.
            ("linear", false) => (Coordinates::HalfPixel, Interpolation::Linear),
            ("cubic", true) => (Coordinates::AlignCorners, Interpolation::Cubic(-0.75)),
            ("cubic", false) => (Coordinates::HalfPixel, Interpolation::Cubic(-0.75)),
            (other, _) => return Err(Error::argument(format!("unknown mode {other}"))),
        };
        let rule = Rule::new(coordinates, interpolation);
        let have = &self.shape()[first..];
        // Where torch takes an axis as it is, or every element twice, whatever the scale says.
        let plain = |i: usize| match mode {
            "linear" => have[i] == out[i],
            "nearest" => out.len() == 2 && (have[i] == out[i] || &have[i] * 2 == out[i]),
            _ => false,
        };
        let used = |i: usize| scales[i].filter(|&scale| scale > 0.0 && !plain(i));
        let given: Vec<Option<f64>> = match corners || scales.len() != out.len() {
            true => vec![None; out.len()],
            false => (0..out.len()).map(used).collect(),
        };
        // The scales of Resize are singles.
        let precise = |scale: f64| self.dtype() != DType::F64 || f64::from(scale as f32) == scale;
        let single = |i: usize, scale: f64| single_scale(&have[i], &out[i], scale).filter(|_| precise(scale));
        // ONNX takes sizes or scales, for all axes, and makes sizes of the scales.
        if given.iter().enumerate().all(|(i, &scale)| scale.is_none_or(|scale| is_that_of(&have[i], &out[i], scale))) {
            return apply_one(Resize { dims, scales: None, rule, part: None, aspect: None }, &[self]);
        }
        if let Some(scales) =
            given.iter().enumerate().map(|(i, &scale)| scale.and_then(|scale| single(i, scale))).collect::<Option<Vec<_>>>()
        {
            let scales = Some([vec![1f32; first], scales].concat());
            return apply_one(Resize { dims, scales, rule, part: None, aspect: None }, &[self]);
        }
        // A cubic over an image takes the neighbours on both axes, once.
        let all_picked = matches!(interpolation, Interpolation::Cubic(_));
        (0..out.len()).try_fold(self.clone(), |x, i| {
            let axis = first + i;
            let mut dims = x.shape().to_vec();
            dims[axis] = out[i].clone();
            let scale = given[i].filter(|&scale| !is_that_of(&have[i], &out[i], scale));
            let scales = match scale {
                _ if all_picked => return picked_by_scale(&x, axis, &out[i], scale, rule),
                Some(scale) => match single(i, scale) {
                    Some(scale) => Some((0..dims.len()).map(|at| if at == axis { scale } else { 1.0 }).collect()),
                    None => return picked_by_scale(&x, axis, &out[i], Some(scale), rule),
                },
                None => None,
            };
            apply_one(Resize { dims, scales, rule, part: None, aspect: None }, &[&x])
        })
    }
}

/// Whether the scale is that of the sizes.
fn is_that_of(from: &Dim, to: &Dim, scale: f64) -> bool {
    matches!((from.fixed(), to.fixed()), (Some(from), Some(to)) if scale * from as f64 == to as f64)
}

/// One axis resampled as torch does it, at positions that a scale gives, or else the sizes.
fn picked_by_scale(x: &Tensor, axis: usize, out: &Dim, scale: Option<f64>, rule: Rule) -> Result<Tensor> {
    let have = x.shape()[axis].clone();
    if !x.dtype().is_float() && !matches!(rule.interpolation, Interpolation::Nearest(_)) {
        return Err(DType::not_taken(x.dtype()));
    }
    let (half, rounded) = match rule.interpolation {
        Interpolation::Nearest(rounding) => (rounding != Rounding::Floor, Interpolation::Nearest(Rounding::Floor)),
        other => (true, other),
    };
    picked(x, axis, out, Rule { interpolation: rounded, ..rule }, |position| {
        let position = if half { position.add(0.5)? } else { position };
        let step = match scale {
            Some(scale) => Tensor::full((), 1.0 / scale, position.dtype())?,
            None => Tensor::from_dim(&have).cast(position.dtype())?.div(Tensor::from_dim(out).cast(position.dtype())?)?,
        };
        let position = position.mul(step)?;
        if matches!(rounded, Interpolation::Nearest(_)) { Ok(position) } else { position.sub(0.5) }
    })
}

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
