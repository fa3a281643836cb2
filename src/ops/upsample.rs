//! torch's resampling: sizes, and scales for the positions, which need not be those of the sizes.

use super::resample::picked;
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
