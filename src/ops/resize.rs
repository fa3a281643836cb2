//! Resampling: other lengths of axes, with numbers between the numbers.

use super::{Reader, widened};
use crate::array::{Array, DType};
use crate::dim::{Dim, Sizes, Type};
use crate::error::{Error, Result};
use crate::graph::{Inputs, Operator};
use crate::kernels::resize::{self, Coordinates, Interpolation, Rounding, Scale};
use crate::onnx::{Name, Pen};
use crate::tensor::{Tensor, apply_one};

/// Other lengths for the last axes. ONNX: [Resize](https://onnx.ai/onnx/operators/onnx__Resize.html).
#[derive(Clone, Debug, PartialEq)]
pub struct Resize {
    /// The length of every axis in the result.
    pub lengths: Vec<Dim>,
    /// Result over input for every axis, where it is not just that of the lengths.
    pub scales: Option<Vec<f32>>,
    /// How places are carried back.
    pub coordinates: Coordinates,
    /// What stands between the numbers.
    pub interpolation: Interpolation,
}

/// ONNX's names of the ways to carry a place back.
const COORDINATES: &[(Coordinates, &str)] = &[
    (Coordinates::HalfPixel, "half_pixel"),
    (Coordinates::PytorchHalfPixel, "pytorch_half_pixel"),
    (Coordinates::AlignCorners, "align_corners"),
    (Coordinates::Asymmetric, "asymmetric"),
];

/// ONNX's names of the rules of rounding.
const ROUNDINGS: &[(Rounding, &str)] = &[
    (Rounding::PreferFloor, "round_prefer_floor"),
    (Rounding::PreferCeil, "round_prefer_ceil"),
    (Rounding::Floor, "floor"),
    (Rounding::Ceil, "ceil"),
];

impl Operator for Resize {
    fn name(&self) -> &'static str {
        "Resize"
    }

    fn infer(&self, inputs: &Inputs<Type>) -> Result<Vec<Type>> {
        let x = inputs.at(0)?;
        let nearest = matches!(self.interpolation, Interpolation::Nearest(_));
        if x.rank() != self.lengths.len() || self.scales.as_ref().is_some_and(|scales| scales.len() != x.rank()) {
            return Err(Error::argument(format!("{} lengths for {x}", self.lengths.len())));
        }
        if x.dtype == DType::Bool || !(nearest || x.dtype.is_float()) {
            return Err(DType::not_taken(x.dtype));
        }
        if self.lengths.iter().any(|dim| dim.seen().is_some_and(|n| n < 1)) {
            return Err(Error::shape(format!("resized to {:?}", self.lengths)));
        }
        Ok(vec![Type::new(x.dtype, self.lengths.clone())])
    }

    fn eval(&self, inputs: &Inputs<Array>, sizes: Sizes) -> Result<Vec<Array>> {
        widened(inputs, |inputs| {
            let x = inputs.at(0)?;
            let lengths = sizes.shape(&self.lengths)?;
            let scale = |axis: usize| match &self.scales {
                Some(scales) => f64::from(scales[axis]),
                None => lengths[axis] as f64 / x.shape()[axis] as f64,
            };
            let changed = (0..x.rank()).filter(|&axis| lengths[axis] != x.shape()[axis] || scale(axis) != 1.0);
            let scales: Vec<Scale> = changed.map(|axis| Scale { axis, length: lengths[axis], scale: scale(axis) }).collect();
            Ok(vec![resize::resize(x, &scales, self.coordinates, self.interpolation)?])
        })
    }

    fn lower(&self, pen: &mut Pen, inputs: &[Name], outputs: &[Type]) -> Result<Vec<Name>> {
        let none = Name::from("");
        let (scales, lengths) = match &self.scales {
            Some(scales) => (pen.constant(&Array::vector(scales.clone())), none.clone()),
            None => (none.clone(), pen.dims(&self.lengths)?),
        };
        let coordinates = COORDINATES.iter().find(|row| row.0 == self.coordinates).map_or("half_pixel", |row| row.1);
        let line = pen.node("Resize", &[inputs[0].clone(), none, scales, lengths]).string("coordinate_transformation_mode", coordinates);
        Ok(match self.interpolation {
            Interpolation::Nearest(rounding) => {
                let rounding = ROUNDINGS.iter().find(|row| row.0 == rounding).map_or("round_prefer_floor", |row| row.1);
                line.string("mode", "nearest").string("nearest_mode", rounding)
            }
            Interpolation::Linear => line.string("mode", "linear"),
            Interpolation::Cubic(a) => line.string("mode", "cubic").float("cubic_coeff_a", a as f32),
        }
        .write(outputs))
    }

    fn dims(&self) -> Vec<&Dim> {
        self.lengths.iter().collect()
    }
}

pub(super) const READS: &[(&str, Reader)] = &[("Resize", |node, inputs| {
    let x = inputs.at(0)?;
    for (name, plain) in [("antialias", 0), ("exclude_outside", 0)] {
        if node.int(name, plain)? != plain {
            return Err(Error::unsupported(format!("Resize with {name}")));
        }
    }
    if node.ints("axes")?.is_some() || node.string("keep_aspect_ratio_policy", "stretch")? != "stretch" {
        return Err(Error::unsupported("Resize of chosen axes or with a policy"));
    }
    let wanted = node.string("coordinate_transformation_mode", "half_pixel")?;
    let coordinates = COORDINATES.iter().find(|row| row.1 == wanted).ok_or_else(|| Error::unsupported(format!("Resize by {wanted}")))?.0;
    let interpolation = match node.string("mode", "nearest")? {
        "linear" => Interpolation::Linear,
        "cubic" => Interpolation::Cubic(f64::from(node.float("cubic_coeff_a", -0.75)?)),
        "nearest" => {
            let wanted = node.string("nearest_mode", "round_prefer_floor")?;
            Interpolation::Nearest(
                ROUNDINGS.iter().find(|row| row.1 == wanted).ok_or_else(|| Error::argument(format!("nearest_mode {wanted}")))?.0,
            )
        }
        other => return Err(Error::argument(format!("the mode {other}"))),
    };
    let scales = inputs.opt(2).filter(|scales| scales.count() != 0);
    let (lengths, scales) = match (inputs.opt(3), scales) {
        (Some(lengths), _) => (super::lengths(lengths)?, None),
        (None, Some(scales)) => {
            let scales =
                scales.constant().ok_or_else(|| Error::no_value("scales that depend on data"))?.cast(DType::F32).to_vec::<f32>()?;
            let length = |(dim, &scale): (&Dim, &f32)| match dim.fixed() {
                Some(n) => Ok(Dim::Fixed((n as f64 * f64::from(scale)).floor() as i64)),
                None if scale.fract() == 0.0 => Ok(dim * (scale as i64)),
                None => Err(Error::size(format!("{dim} times {scale} is no length"))),
            };
            (x.shape().iter().zip(&scales).map(length).collect::<Result<_>>()?, Some(scales))
        }
        _ => return Err(Error::argument("Resize without lengths and without scales")),
    };
    Ok(vec![apply_one(Resize { lengths, scales, coordinates, interpolation }, &[x])?])
})];

impl Tensor {
    /// The last axes resampled to these lengths: `nearest`, `linear` or `cubic`, as torch does it.
    ///
    /// A scale that is given is used for the places instead of that of the lengths.
    /// [torch.nn.functional.interpolate](https://pytorch.org/docs/stable/generated/torch.nn.functional.interpolate.html)
    ///
    /// # Errors
    /// [`Argument`](crate::Code::Argument) for another mode or too many lengths.
    #[track_caller]
    pub fn upsample(&self, out: &[Dim], mode: &str, corners: bool, scales: &[Option<f64>]) -> Result<Tensor> {
        let first = self
            .rank()
            .checked_sub(out.len())
            .ok_or_else(|| Error::argument(format!("{} lengths for shape {}", out.len(), self.shape())))?;
        let lengths: Vec<Dim> = self.shape()[..first].iter().chain(out).cloned().collect();
        let (coordinates, interpolation) = match (mode, corners) {
            ("nearest", _) => (Coordinates::Asymmetric, Interpolation::Nearest(Rounding::Floor)),
            ("nearest-exact", _) => (Coordinates::HalfPixel, Interpolation::Nearest(Rounding::PreferCeil)),
            ("linear", true) => (Coordinates::AlignCorners, Interpolation::Linear),
            ("linear", false) => (Coordinates::PytorchHalfPixel, Interpolation::Linear),
            ("cubic", true) => (Coordinates::AlignCorners, Interpolation::Cubic(-0.75)),
            ("cubic", false) => (Coordinates::HalfPixel, Interpolation::Cubic(-0.75)),
            (other, _) => return Err(Error::argument(format!("the mode {other}"))),
        };
        let given = (scales.len() == out.len() && !corners).then(|| scales.iter().copied().collect::<Option<Vec<f64>>>()).flatten();
        let scales =
            given.map(|given| vec![1f32; first].into_iter().chain(given.into_iter().map(|scale| scale as f32)).collect::<Vec<_>>());
        // Only where the lengths follow from the scales may these stand in their place.
        let scales = scales.filter(|scales| {
            self.shape().iter().zip(&lengths).zip(scales).all(|((dim, length), &scale)| match (dim.fixed(), length.fixed()) {
                (Some(n), Some(m)) => (n as f64 * f64::from(scale)).floor() as i64 == m,
                _ => dim * (scale as i64) == *length && scale.fract() == 0.0,
            })
        });
        apply_one(Resize { lengths, scales, coordinates, interpolation }, &[self])
    }
}
