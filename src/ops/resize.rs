//! Resampling: other sizes of axes, with values between the values.

use super::{Reader, widened};
use crate::array::{Array, DType};
use crate::dim::{Dim, Sizes, Type};
use crate::error::{Error, Result};
use crate::graph::{Attributes, FIRST_OPSET, Inputs, Operator, Substitution};
use crate::kernels::resize::{self, Coordinates, Interpolation, Rounding, Rule, Scale};
use crate::onnx::{GraphBuilder, Name, Node};
use crate::tensor::{Tensor, apply_one, fraction};
use std::sync::Arc;

/// Other sizes for the last axes. ONNX: [Resize](https://onnx.ai/onnx/operators/onnx__Resize.html).
#[derive(Clone, Debug, PartialEq)]
pub struct Resize {
    /// The size of every axis in the result.
    pub dims: Vec<Dim>,
    /// Result over input for every axis, where it is not just that of the sizes.
    pub scales: Option<Vec<f32>>,
    /// How values are made from those of the input.
    pub rule: Rule,
    /// The part of every axis that is cropped, all starts and then all ends, where one is.
    pub part: Option<Vec<f32>>,
    /// One scale for some axes, from sizes that were asked for.
    pub aspect: Option<Aspect>,
}

/// Sizes that were asked for of some axes, which keep their proportion: what fits in, or what covers.
#[derive(Clone, Debug, PartialEq)]
pub struct Aspect {
    /// Whether no size exceeds what was asked for, or none falls short.
    pub within: bool,
    /// The axes.
    pub axes: Vec<usize>,
    /// The sizes that were asked for.
    pub asked: Vec<Dim>,
}

impl Aspect {
    /// The scale of an input of these sizes.
    fn scale(&self, shape: &[usize], asked: &[usize]) -> f64 {
        let scales = self.axes.iter().zip(asked).map(|(&axis, &asked)| asked as f64 / shape[axis] as f64);
        scales.reduce(if self.within { f64::min } else { f64::max }).unwrap_or(1.0)
    }

    /// The size of an axis under the one scale, rounded half up.
    fn size(&self, shape: &[Dim], axis: usize) -> Dim {
        // Rounding keeps the order: the smallest of the rounded sizes is that of the smallest scale.
        let sizes = self.axes.iter().zip(&self.asked).map(|(&other, asked)| match other == axis {
            true => asked.clone(),
            false => (asked * &shape[axis] * 2 + &shape[other]) / (&shape[other] * 2),
        });
        sizes.reduce(|a, b| if self.within { a.min(b) } else { a.max(b) }).unwrap_or_else(|| shape[axis].clone())
    }
}

/// ONNX's names of the ways to carry a position back.
const COORDINATES: &[(Coordinates, &str)] = &[
    (Coordinates::HalfPixel, "half_pixel"),
    (Coordinates::PytorchHalfPixel, "pytorch_half_pixel"),
    (Coordinates::HalfPixelSymmetric, "half_pixel_symmetric"),
    (Coordinates::AlignCorners, "align_corners"),
    (Coordinates::Asymmetric, "asymmetric"),
    (Coordinates::Crop, "tf_crop_and_resize"),
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

    fn attributes(&self) -> Attributes {
        let rule = &self.rule;
        let coordinates = COORDINATES.iter().find(|row| row.0 == rule.coordinates).map_or("half_pixel", |row| row.1);
        let attributes = match rule.interpolation {
            Interpolation::Nearest(rounding) => {
                let rounding = ROUNDINGS.iter().find(|row| row.0 == rounding).map_or("round_prefer_floor", |row| row.1);
                Attributes::new().with("mode", "nearest").with("nearest_mode", rounding)
            }
            Interpolation::Linear => Attributes::new().with("mode", "linear"),
            Interpolation::Cubic(a) => Attributes::new().with("mode", "cubic").with("cubic_coeff_a", a),
        };
        let attributes = attributes
            .with("coordinate_transformation_mode", coordinates)
            .with("antialias", rule.antialias)
            .with("exclude_outside", rule.exclude_outside)
            .with("extrapolation_value", rule.extrapolation)
            .with("sizes", &self.dims)
            .with_some("scales", self.scales.as_ref())
            .with_some("roi", self.part.as_ref());
        match &self.aspect {
            Some(aspect) => attributes
                .with("keep_aspect_ratio_policy", if aspect.within { "not_larger" } else { "not_smaller" })
                .with("axes", &aspect.axes)
                .with("requested_sizes", &aspect.asked),
            None => attributes,
        }
    }

    fn since(&self) -> i64 {
        match self.rule {
            Rule { coordinates: Coordinates::HalfPixelSymmetric, .. } => 19,
            Rule { antialias: true, .. } => 18,
            _ if self.aspect.is_some() => 18,
            _ => FIRST_OPSET,
        }
    }

    fn infer(&self, inputs: &Inputs<Type>) -> Result<Vec<Type>> {
        let x = inputs.at(0)?;
        let nearest = matches!(self.rule.interpolation, Interpolation::Nearest(_));
        let misfit = self.part.as_ref().is_some_and(|part| part.len() != 2 * x.rank());
        if misfit || x.rank() != self.dims.len() || self.scales.as_ref().is_some_and(|scales| scales.len() != x.rank()) {
            return Err(Error::argument(format!("{} sizes for {x}", self.dims.len())));
        }
        if !(nearest || x.dtype.is_float()) {
            return Err(DType::not_taken(x.dtype));
        }
        if self.dims.iter().any(|dim| dim.example().is_some_and(|n| n < 1)) {
            return Err(Error::shape(format!("cannot resize to {:?}", self.dims)));
        }
        Ok(vec![Type::new(x.dtype, self.dims.clone())])
    }

    fn eval(&self, inputs: &Inputs<Array>, sizes: Sizes) -> Result<Vec<Array>> {
        widened(inputs, |inputs| {
            let x = inputs.at(0)?;
            let out = sizes.shape(&self.dims)?;
            let kept = self.aspect.as_ref().map(|aspect| Ok(aspect.scale(x.shape(), &sizes.shape(&aspect.asked)?))).transpose()?;
            let scale = |axis: usize| match (&self.scales, &self.aspect, kept) {
                (Some(scales), ..) => f64::from(scales[axis]),
                (None, Some(aspect), Some(kept)) if aspect.axes.contains(&axis) => kept,
                _ => out[axis] as f64 / x.shape()[axis] as f64,
            };
            let part = |axis: usize| match &self.part {
                Some(part) => (f64::from(part[axis]), f64::from(part[x.rank() + axis])),
                None => (0.0, 1.0),
            };
            let changes = |axis: usize| out[axis] != x.shape()[axis] || scale(axis) != 1.0 || part(axis) != (0.0, 1.0);
            // A cubic over images takes the neighbours of both axes.
            let image = matches!(self.rule.interpolation, Interpolation::Cubic(_)) && x.rank() == 4 && (changes(2) || changes(3));
            let changed = (0..x.rank()).filter(|&axis| changes(axis) || (image && axis >= 2));
            let scales: Vec<Scale> = changed.map(|axis| Scale { axis, length: out[axis], scale: scale(axis), part: part(axis) }).collect();
            Ok(vec![resize::resize(x, &scales, self.rule)?])
        })
    }

    fn lower(&self, builder: &mut GraphBuilder, inputs: &[Name], outputs: &[Type]) -> Result<Vec<Name>> {
        let none = Name::from("");
        let rule = &self.rule;
        let (scales, sizes) = match (&self.scales, &self.aspect) {
            (Some(scales), _) => (builder.constant(&Array::vector(scales.clone())), none.clone()),
            (None, Some(aspect)) => (none.clone(), builder.dims(&aspect.asked)?),
            (None, None) => (none.clone(), builder.dims(&self.dims)?),
        };
        let part = self.part.as_ref().map_or(none, |part| builder.constant(&Array::vector(part.clone())));
        let coordinates = COORDINATES.iter().find(|row| row.0 == rule.coordinates).map_or("half_pixel", |row| row.1);
        let mut node =
            builder.node("Resize", &[inputs[0].clone(), part, scales, sizes]).string("coordinate_transformation_mode", coordinates);
        for (name, set) in [("antialias", rule.antialias), ("exclude_outside", rule.exclude_outside)] {
            node = if set { node.flag(name, true) } else { node };
        }
        if rule.extrapolation != 0.0 {
            node = node.float("extrapolation_value", rule.extrapolation as f32);
        }
        if let Some(aspect) = &self.aspect {
            let axes: Vec<i64> = aspect.axes.iter().map(|&axis| axis as i64).collect();
            node = node.ints("axes", &axes).string("keep_aspect_ratio_policy", if aspect.within { "not_larger" } else { "not_smaller" });
        }
        Ok(match rule.interpolation {
            Interpolation::Nearest(rounding) => {
                let rounding = ROUNDINGS.iter().find(|row| row.0 == rounding).map_or("round_prefer_floor", |row| row.1);
                node.string("mode", "nearest").string("nearest_mode", rounding)
            }
            Interpolation::Linear => node.string("mode", "linear"),
            Interpolation::Cubic(a) => node.string("mode", "cubic").float("cubic_coeff_a", a as f32),
        }
        .write(outputs))
    }

    fn substituted(&self, of: &Substitution) -> Option<Arc<dyn Operator>> {
        let aspect = self.aspect.clone().map(|aspect| Aspect { asked: of.dims(&aspect.asked), ..aspect });
        Some(Arc::new(Resize { dims: of.dims(&self.dims), aspect, ..self.clone() }))
    }
}

/// Sizes times scales, rounded down.
fn scaled(sizes: &[Dim], scales: &[f32]) -> Result<Vec<Dim>> {
    sizes.iter().zip(scales).map(|(dim, &scale)| scaled_size(dim, f64::from(scale))).collect()
}

/// Sizes below this are those at which scales are compared.
const COMPARED: i64 = 1 << 16;

/// A size times a factor, rounded down, as floating-point arithmetic has it. Of a symbolic size the factor is the simplest fraction that gives the
/// same at every size below 2¹⁶.
///
/// # Errors
/// [`Argument`](crate::ErrorCode::Argument) for a factor that is negative or not finite, [`Size`](crate::ErrorCode::Size) where no fraction
/// gives the same sizes.
pub(crate) fn scaled_size(dim: &Dim, factor: f64) -> Result<Dim> {
    if !factor.is_finite() || factor < 0.0 {
        return Err(Error::argument(format!("resize: a scale of {factor}")));
    }
    let floor = |n: i64| (n as f64 * factor).floor() as i64;
    match dim.fixed() {
        Some(n) => Ok(Dim::Fixed(floor(n))),
        None => match fraction(factor, floor) {
            Some((p, q, rest)) => Ok((dim * p + rest) / q),
            None => Err(Error::size(format!("resize: {dim} × {factor} is no integer expression")).help("give that axis a fixed size")),
        },
    }
}

/// The scale as an f32 that gives these sizes in arithmetic of f32 and of f64, for a symbolic size at every size below 2¹⁶.
pub(super) fn single_scale(dim: &Dim, length: &Dim, scale: f64) -> Option<f32> {
    let (near, sizes) = (
        scale as f32,
        match dim.fixed() {
            Some(n) => n..n + 1,
            None => 1..COMPARED,
        },
    );
    let fits = |&single: &f32| {
        let floor = |n: i64| (n as f64 * f64::from(single)).floor() as i64;
        scaled_size(dim, f64::from(single)).is_ok_and(|size| size == *length)
            && sizes.clone().all(|n| floor(n) == (n as f32 * single).floor() as i64)
    };
    [near, f32::from_bits(near.to_bits() + 1), f32::from_bits(near.to_bits().saturating_sub(1))].into_iter().find(fits)
}

/// Scales, or a region: a trace holds for those of the example.
fn floats_of(given: &Tensor, what: &str) -> Result<Vec<f32>> {
    if given.is_type_only() {
        return Err(Error::no_value(format!("{what} must not depend on data")));
    }
    given.to_array()?.cast(DType::F32)?.to_vec::<f32>()
}

/// What Resize was until opset 9: positions divided by the scale, and rounded down.
fn upsample(node: &Node, inputs: &Inputs<Tensor>) -> Result<Vec<Tensor>> {
    let x = inputs.at(0)?;
    let scales = match (inputs.opt(1), node.floats("scales")?) {
        (Some(scales), _) => floats_of(scales, "Upsample: scales")?,
        (None, Some(scales)) => scales.to_vec(),
        _ => return Err(Error::argument("Upsample: scales are missing")),
    };
    let interpolation = match node.string("mode", "nearest")? {
        "nearest" => Interpolation::Nearest(Rounding::Floor),
        "linear" | "bilinear" => Interpolation::Linear,
        other => return Err(Error::argument(format!("unknown mode {other}"))),
    };
    if scales.len() != x.rank() {
        return Err(Error::argument(format!("{} scales do not fit {}", scales.len(), x.ty())));
    }
    let dims = scaled(x.shape(), &scales)?;
    let rule = Rule::new(Coordinates::Asymmetric, interpolation);
    Ok(vec![resampled(x, Resize { dims, scales: Some(scales), rule, part: None, aspect: None })?])
}

/// Integers are interpolated as floats, and rounded towards zero.
fn resampled(x: &Tensor, op: Resize) -> Result<Tensor> {
    if x.dtype().is_float() || matches!(op.rule.interpolation, Interpolation::Nearest(_)) {
        return apply_one(op, &[x]);
    }
    let wide = if x.dtype().size() < 4 { DType::F32 } else { DType::F64 };
    apply_one(op, &[&x.cast(wide)?])?.cast(x.dtype())
}

/// What opsets 11 and 12 call `tf_half_pixel_for_nn`, and no other has: the position (x + ½) / scale, of axes that a scale changes.
fn from_pixel_ends(x: &Tensor, dims: &[Dim], scales: Option<&[f32]>, rule: Rule) -> Result<Tensor> {
    (0..x.rank()).try_fold(x.clone(), |x, axis| {
        let (have, out) = (x.shape()[axis].clone(), &dims[axis]);
        if have == *out && scales.is_none_or(|scales| scales[axis] == 1.0) {
            return Ok(x);
        }
        super::resample::picked(&x, axis, out, rule, |position| {
            let scale = match scales {
                Some(scales) => Tensor::full((), scales[axis], position.dtype())?,
                None => Tensor::from_dim(out).cast(position.dtype())?.div(Tensor::from_dim(&have).cast(position.dtype())?)?,
            };
            position.add(0.5)?.div(scale)
        })
    })
}

pub(super) const READS: &[(&str, Reader)] = &[
    ("Upsample", upsample),
    ("Resize", |node, inputs| {
        let x = inputs.at(0)?;
        let wanted = node.string("coordinate_transformation_mode", "half_pixel")?;
        let pixel_ends = wanted == "tf_half_pixel_for_nn";
        let coordinates = match COORDINATES.iter().find(|row| row.1 == wanted) {
            Some(row) => row.0,
            None if pixel_ends => Coordinates::HalfPixel,
            None => return Err(Error::unsupported(format!("Resize: unsupported mode {wanted}"))),
        };
        let interpolation = match node.string("mode", "nearest")? {
            "linear" => Interpolation::Linear,
            "cubic" => Interpolation::Cubic(f64::from(node.float("cubic_coeff_a", -0.75)?)),
            "nearest" => {
                let wanted = node.string("nearest_mode", "round_prefer_floor")?;
                Interpolation::Nearest(
                    ROUNDINGS.iter().find(|row| row.1 == wanted).ok_or_else(|| Error::argument(format!("nearest_mode {wanted}")))?.0,
                )
            }
            other => return Err(Error::argument(format!("unknown mode {other}"))),
        };
        let rule = Rule {
            antialias: node.int("antialias", 0)? != 0,
            exclude_outside: node.int("exclude_outside", 0)? != 0,
            extrapolation: f64::from(node.float("extrapolation_value", 0.0)?),
            ..Rule::new(coordinates, interpolation)
        };
        let rank = x.rank();
        let axes: Vec<usize> = match node.ints("axes")? {
            Some(axes) => axes.iter().map(|&axis| x.shape().axis(axis)).collect::<Result<_>>()?,
            None => (0..rank).collect(),
        };
        let floats = |i: usize, what: &str| -> Result<Option<Vec<f32>>> {
            let Some(given) = inputs.opt(i).filter(|given| given.numel() != 0) else { return Ok(None) };
            floats_of(given, &format!("Resize: {what}")).map(Some)
        };
        let all = |what: &str, given: usize| {
            if given == axes.len() { Ok(()) } else { Err(Error::argument(format!("Resize: {given} {what} for {} axes", axes.len()))) }
        };
        let part = match floats(1, "a region")?.filter(|_| coordinates == Coordinates::Crop) {
            Some(given) => {
                all("Resize: roi must have two values per axis", given.len() / 2)?;
                let mut part = [vec![0f32; rank], vec![1f32; rank]].concat();
                axes.iter().enumerate().for_each(|(i, &axis)| (part[axis], part[rank + axis]) = (given[i], given[axes.len() + i]));
                Some(part)
            }
            None if coordinates == Coordinates::Crop => return Err(Error::argument("Resize: tf_crop_and_resize needs roi")),
            None => None,
        };
        let mut dims = x.shape().to_vec();
        let (mut scales, mut aspect) = (None, None);
        match (inputs.opt(3).filter(|dims| dims.numel() != 0), floats(2, "scales")?) {
            (Some(_), Some(_)) => return Err(Error::damaged("Resize: both sizes and scales given")),
            (Some(given), None) => {
                let given = super::dims_of(given)?;
                all("sizes", given.len())?;
                let policy = node.string("keep_aspect_ratio_policy", "stretch")?;
                if policy == "stretch" {
                    axes.iter().zip(given).for_each(|(&axis, length)| dims[axis] = length);
                } else {
                    let kept = Aspect { within: policy == "not_larger", axes: axes.clone(), asked: given };
                    axes.iter().for_each(|&axis| dims[axis] = kept.size(x.shape(), axis));
                    aspect = Some(kept);
                }
            }
            (None, Some(given)) => {
                all("scales", given.len())?;
                let mut whole = vec![1f32; rank];
                axes.iter().zip(given).for_each(|(&axis, scale)| whole[axis] = scale);
                dims = scaled(&dims, &whole)?;
                scales = Some(whole);
            }
            _ => return Err(Error::argument("Resize: neither sizes nor scales given")),
        }
        if pixel_ends {
            return Ok(vec![from_pixel_ends(x, &dims, scales.as_deref(), rule)?]);
        }
        Ok(vec![resampled(x, Resize { dims, scales, rule, part, aspect })?])
    }),
];

/// What the laws are tried on.
#[cfg(test)]
pub(super) fn examples() -> Vec<super::examples::Case> {
    use super::examples::*;

    cases! {
        "upsample_nearest", [floats(&[2, 3, 4, 5])], |x| one(x[0].upsample(&[x[0].dim(2)? * 2, x[0].dim(3)? * 3], "nearest", false, &[Some(2.0), Some(3.0)])?);
        "upsample_nearest_to", [floats(&[2, 3, 4, 5])], |x| one(x[0].upsample(&[Dim::Fixed(7), Dim::Fixed(3)], "nearest", false, &[])?);
        "upsample_nearest_half", [floats(&[2, 3, 5, 7])], |x| one(x[0].upsample(&[scaled_size(&x[0].dim(2)?, 0.5)?, scaled_size(&x[0].dim(3)?, 1.4)?], "nearest", false, &[Some(0.5), Some(1.4)])?);
        "upsample_linear_three_halves", [floats(&[2, 3, 5])], |x| one(x[0].upsample(&[scaled_size(&x[0].dim(2)?, 1.5)?], "linear", false, &[Some(1.5)])?);
        "upsample_cubic_as_another", [floats(&[2, 3, 4, 5]), floats(&[7, 3])], |x| one(x[0].upsample(&[x[1].dim(0)?, x[1].dim(1)?], "cubic", true, &[])?);
        "upsample_nearest_contradiction", [floats(&[2, 3, 5])], |x| one(x[0].upsample(&[Dim::Fixed(3)], "nearest", false, &[Some(10.0)])?);
        "upsample_linear_contradiction", [floats(&[2, 3, 5, 4])], |x| one(x[0].upsample(&[Dim::Fixed(3), Dim::Fixed(7)], "linear", false, &[Some(1.4), None])?);
        "upsample_cubic_contradiction", [floats(&[2, 3, 5, 4])], |x| one(x[0].upsample(&[Dim::Fixed(7), Dim::Fixed(3)], "cubic", false, &[Some(1.1), Some(0.9)])?);
        "antialiased_linear", [floats(&[2, 9, 7])], |x| one(x[0].upsample_antialiased(&[Dim::Fixed(4), Dim::Fixed(5)], false, false, [None, None])?);
        "antialiased_cubic", [floats(&[2, 9, 7])], |x| one(x[0].upsample_antialiased(&[x[0].dim(1)? / 2, x[0].dim(2)? * 2], true, false, [Some(0.5), Some(2.0)])?);
        "antialiased_corners", [floats(&[2, 9, 7]), floats(&[3, 5])], |x| one(x[0].upsample_antialiased(&[x[1].dim(0)?, x[1].dim(1)?], false, true, [None, None])?);
        "upsample_linear", [floats(&[2, 3, 5])], |x| one(x[0].upsample(&[x[0].dim(2)? * 2], "linear", false, &[Some(2.0)])?);
        "upsample_bilinear", [floats(&[2, 3, 4, 5])], |x| one(x[0].upsample(&[Dim::Fixed(7), Dim::Fixed(8)], "linear", false, &[])?);
        "upsample_to_one", [floats(&[2, 3, 4, 5])], |x| one(x[0].upsample(&[Dim::Fixed(1), Dim::Fixed(1)], "linear", false, &[])?);
        "upsample_corners", [floats(&[2, 3, 4, 5])], |x| one(x[0].upsample(&[Dim::Fixed(7), Dim::Fixed(8)], "linear", true, &[])?);
        "upsample_cubic", [floats(&[2, 3, 4, 5])], |x| one(x[0].upsample(&[x[0].dim(2)? * 2, x[0].dim(3)? * 2], "cubic", false, &[Some(2.0), Some(2.0)])?);
    }
}
