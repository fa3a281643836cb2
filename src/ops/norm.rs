//! Normalisation: by stored statistics, or by those of a group of elements.

use super::{Reader, one, widened};
use crate::array::{Array, DType};
use crate::dim::{Dim, Shape, Sizes, Type};
use crate::error::{Error, Result};
use crate::graph::{Attributes, Inputs, Operator};
use crate::kernels::norm;
use crate::onnx::{GraphBuilder, Name, Node};
use crate::tensor::{Tensor, apply, size};

/// (x − mean) / √(var + ε) · scale + bias for each channel. ONNX: [BatchNormalization](https://onnx.ai/onnx/operators/onnx__BatchNormalization.html).
///
/// Inputs: x (batch, channels, …), scale, bias, mean and var (channels).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BatchNorm {
    /// What is added to the variance.
    pub epsilon: f32,
}

impl Operator for BatchNorm {
    fn name(&self) -> &'static str {
        "BatchNormalization"
    }

    fn attributes(&self) -> Attributes {
        Attributes::new().with("epsilon", self.epsilon)
    }

    fn infer(&self, inputs: &Inputs<Type>) -> Result<Vec<Type>> {
        let x = inputs.at(0)?;
        if x.rank() < 2 || !x.dtype.is_float() {
            return Err(Error::shape(format!("expected floats with a channel axis, got {x}")));
        }
        for i in 1..5 {
            let statistic = inputs.at(i)?;
            if statistic.rank() != 1 || !statistic.shape[0].agrees(&x.shape[1], inputs.constraints()) || statistic.dtype != x.dtype {
                return Err(Error::shape(format!("expected {}[{}], got {statistic}", x.dtype, x.shape[1])));
            }
        }
        Ok(vec![x.clone()])
    }

    fn eval(&self, inputs: &Inputs<Array>, _: Sizes) -> Result<Vec<Array>> {
        widened(inputs, |inputs| {
            Ok(vec![norm::batch_norm(inputs.at(0)?, inputs.at(1)?, inputs.at(2)?, inputs.at(3)?, inputs.at(4)?, f64::from(self.epsilon))?])
        })
    }

    fn lower(&self, builder: &mut GraphBuilder, inputs: &[Name], outputs: &[Type]) -> Result<Vec<Name>> {
        Ok(builder.node("BatchNormalization", inputs).float("epsilon", self.epsilon).write(outputs))
    }
}

/// The last axes normalised by their own mean and variance. ONNX: [LayerNormalization](https://onnx.ai/onnx/operators/onnx__LayerNormalization.html).
///
/// Inputs: x, scale, and perhaps a bias, both of the shape of the normalised axes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LayerNorm {
    /// The first of the normalised axes.
    pub axis: usize,
    /// What is added to the variance.
    pub epsilon: f32,
}

impl Operator for LayerNorm {
    fn name(&self) -> &'static str {
        "LayerNormalization"
    }

    fn attributes(&self) -> Attributes {
        Attributes::new().with("axis", self.axis).with("epsilon", self.epsilon)
    }

    fn since(&self) -> i64 {
        17
    }

    fn infer(&self, inputs: &Inputs<Type>) -> Result<Vec<Type>> {
        let x = inputs.at(0)?;
        if self.axis >= x.rank() || !x.dtype.is_float() {
            return Err(Error::argument(format!("cannot normalise from axis {} of {x}", self.axis)));
        }
        let tail = Shape::from(&x.shape[self.axis..]);
        for affine in [Some(inputs.at(1)?), inputs.opt(2)].into_iter().flatten() {
            if affine.dtype != x.dtype || !affine.shape.broadcast(&tail, inputs.constraints())?.agrees(&tail, inputs.constraints()) {
                return Err(Error::shape(format!("expected {}{tail}, got {affine}", x.dtype)));
            }
        }
        Ok(vec![x.clone()])
    }

    fn eval(&self, inputs: &Inputs<Array>, _: Sizes) -> Result<Vec<Array>> {
        widened(inputs, |inputs| {
            Ok(vec![norm::layer_norm(inputs.at(0)?, inputs.opt(1), inputs.opt(2), self.axis, f64::from(self.epsilon))?])
        })
    }

    fn lower(&self, builder: &mut GraphBuilder, inputs: &[Name], outputs: &[Type]) -> Result<Vec<Name>> {
        // Counted from the end, so that the node reads the same whatever stands before.
        let axis = self.axis as i64 - outputs[0].rank() as i64;
        Ok(builder.node("LayerNormalization", inputs).int("axis", axis).float("epsilon", self.epsilon).write(outputs))
    }

    fn lower_decomposed(&self, builder: &mut GraphBuilder, inputs: &[Name], outputs: &[Type]) -> Result<Option<Vec<Name>>> {
        self.composed(builder, inputs, &outputs[0]).map(Some)
    }
}

impl LayerNorm {
    /// The formula, for opsets before 17.
    fn composed(&self, builder: &mut GraphBuilder, inputs: &[Name], ty: &Type) -> Result<Vec<Name>> {
        let axes: Vec<i64> = (self.axis as i64..ty.rank() as i64).map(|axis| axis - ty.rank() as i64).collect();
        let mut narrow = ty.shape.to_vec();
        narrow[self.axis..].fill(Dim::Fixed(1));
        let narrow = Type::new(ty.dtype, narrow);
        let mean = |builder: &mut GraphBuilder, x: Name| {
            builder.node("ReduceMean", &[x]).ints("axes", &axes).flag("keepdims", true).write_one(narrow.clone())
        };
        let centre = mean(builder, inputs[0].clone())?;
        let centred = builder.node("Sub", &[inputs[0].clone(), centre]).write_one(ty.clone())?;
        let square = builder.node("Mul", &[centred.clone(), centred.clone()]).write_one(ty.clone())?;
        let spread = mean(builder, square)?;
        let epsilon = builder.number(ty.dtype, f64::from(self.epsilon));
        let spread = builder.node("Add", &[spread, epsilon]).write_one(narrow.clone())?;
        let root = builder.node("Sqrt", &[spread]).write_one(narrow)?;
        let mut y = builder.node("Div", &[centred, root]).write_one(ty.clone())?;
        for (op, affine) in [("Mul", inputs.get(1)), ("Add", inputs.get(2))] {
            if let Some(affine) = affine.filter(|name| !name.is_empty()) {
                y = builder.node(op, &[y, affine.clone()]).write_one(ty.clone())?;
            }
        }
        Ok(vec![y])
    }
}

/// Each channel of each element normalised by its own mean and variance. ONNX: [InstanceNormalization](https://onnx.ai/onnx/operators/onnx__InstanceNormalization.html).
///
/// Inputs: x (batch, channels, …), scale and bias (channels).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct InstanceNorm {
    /// What is added to the variance.
    pub epsilon: f32,
}

impl Operator for InstanceNorm {
    fn name(&self) -> &'static str {
        "InstanceNormalization"
    }

    fn attributes(&self) -> Attributes {
        Attributes::new().with("epsilon", self.epsilon)
    }

    fn infer(&self, inputs: &Inputs<Type>) -> Result<Vec<Type>> {
        let x = inputs.at(0)?;
        if x.rank() < 3 || !x.dtype.is_float() {
            return Err(Error::shape(format!("expected floats with batch, channels and more, got {x}")));
        }
        for affine in [inputs.at(1)?, inputs.at(2)?] {
            if affine.rank() != 1 || !affine.shape[0].agrees(&x.shape[1], inputs.constraints()) || affine.dtype != x.dtype {
                return Err(Error::shape(format!("expected {}[{}], got {affine}", x.dtype, x.shape[1])));
            }
        }
        Ok(vec![x.clone()])
    }

    fn eval(&self, inputs: &Inputs<Array>, _: Sizes) -> Result<Vec<Array>> {
        widened(inputs, |inputs| Ok(vec![norm::instance_norm(inputs.at(0)?, inputs.opt(1), inputs.opt(2), f64::from(self.epsilon))?]))
    }

    fn lower(&self, builder: &mut GraphBuilder, inputs: &[Name], outputs: &[Type]) -> Result<Vec<Name>> {
        Ok(builder.node("InstanceNormalization", inputs).float("epsilon", self.epsilon).write(outputs))
    }
}

pub(super) const READS: &[(&str, Reader)] = &[
    ("BatchNormalization", |node, inputs| {
        if node.int("training_mode", 0)? != 0 {
            return trained(node, inputs);
        }
        apply(
            BatchNorm { epsilon: node.float("epsilon", 1e-5)? },
            &[inputs.opt(0), inputs.opt(1), inputs.opt(2), inputs.opt(3), inputs.opt(4)],
        )
    }),
    ("LayerNormalization", |node, inputs| {
        let x = inputs.at(0)?;
        let op = LayerNorm { axis: x.shape().axis(node.int("axis", -1)?)?, epsilon: node.float("epsilon", 1e-5)? };
        let mut outputs = apply(op, &[Some(x), inputs.opt(1), inputs.opt(2)])?;
        if node.outputs().len() > 1 {
            // The statistics, where somebody wants them, in the precision that stash_type names.
            let axes: Vec<i64> = (op.axis as i64..x.rank() as i64).collect();
            let stash = match node.int("stash_type", 1)? {
                1 => DType::F32,
                16 => DType::BF16,
                other => return Err(Error::argument(format!("LayerNormalization: stash_type {other}, expected 1 or 16"))),
            };
            let wide = x.cast(if x.dtype() == DType::F64 { DType::F64 } else { DType::F32 })?;
            outputs.push(wide.mean(&axes, true)?.cast(stash)?);
            outputs.push(wide.var(&axes, 0.0, true)?.add(f64::from(op.epsilon))?.rsqrt()?.cast(stash)?);
        }
        Ok(outputs)
    }),
    ("InstanceNormalization", |node, inputs| {
        apply(InstanceNorm { epsilon: node.float("epsilon", 1e-5)? }, &[inputs.opt(0), inputs.opt(1), inputs.opt(2)])
    }),
];

/// Normalised by the statistics of the batch, and the running ones moved towards them.
fn trained(node: &Node, inputs: &Inputs<Tensor>) -> Result<Vec<Tensor>> {
    let (x, mean, var) = (inputs.at(0)?, inputs.at(3)?, inputs.at(4)?);
    let momentum = f64::from(node.float("momentum", 0.9)?);
    let axes: Vec<i64> = (0..x.rank() as i64).filter(|&axis| axis != 1).collect();
    let moved = |old: &Tensor, new: Tensor| old.mul(momentum)?.add(new.mul(1.0 - momentum)?);
    let y = x.batch_norm_by_itself(Some(inputs.at(1)?), Some(inputs.at(2)?), f64::from(node.float("epsilon", 1e-5)?))?;
    let (of_batch, spread) = (x.mean(&axes, false)?, x.var(&axes, 0.0, false)?);
    // Before opset 14 the statistics of the batch were outputs as well.
    Ok(vec![y, moved(mean, of_batch.clone())?, moved(var, spread.clone())?, of_batch, spread])
}

impl Tensor {
    /// Each channel (axis 1) normalised by stored statistics.
    ///
    /// [torch.nn.functional.batch_norm](https://pytorch.org/docs/stable/generated/torch.nn.functional.batch_norm.html) in evaluation mode
    ///
    /// # Errors
    /// [`Shape`](crate::ErrorCode::Shape) where a statistic has not one number a channel.
    #[track_caller]
    pub fn batch_norm(&self, scale: Option<&Tensor>, bias: Option<&Tensor>, mean: &Tensor, var: &Tensor, epsilon: f64) -> Result<Tensor> {
        let (scale, bias) = (self.affine(scale, 1, mean.shape())?, self.affine(bias, 0, mean.shape())?);
        one(apply(BatchNorm { epsilon: epsilon as f32 }, &[Some(self), Some(&scale), Some(&bias), Some(mean), Some(var)]))
    }

    /// Each channel (axis 1) normalised by its own mean and variance over the batch and all other axes.
    ///
    /// # Errors
    /// [`Shape`](crate::ErrorCode::Shape) where there is no channel axis.
    #[track_caller]
    pub fn batch_norm_by_itself(&self, scale: Option<&Tensor>, bias: Option<&Tensor>, epsilon: f64) -> Result<Tensor> {
        let channels = self.dim(1)?;
        let axes: Vec<i64> = (0..self.rank() as i64).filter(|&axis| axis != 1).collect();
        let centred = self.sub(self.mean(&axes, true)?)?;
        let var = centred.square()?.mean(&axes, true)?;
        let normal = centred.div(var.add(epsilon)?.sqrt()?)?;
        normal.scaled_by_channel(channels, scale, bias)
    }

    /// Each channel (axis 1) normalised by the statistics of this batch, as while training, and the running statistics after it: what torch
    /// keeps in buffers goes in and comes out. `momentum` is the share of this batch in them, of whose variance the unbiased estimate is taken.
    ///
    /// [torch.nn.functional.batch_norm](https://pytorch.org/docs/stable/generated/torch.nn.functional.batch_norm.html) with `training=True`
    ///
    /// ```
    /// use ontrace::Tensor;
    /// let x = Tensor::new([2, 1], vec![1.0f32, 3.0])?;
    /// let (mean, var) = (Tensor::from(&[0.0f32]), Tensor::from(&[1.0f32]));
    /// let (y, mean, var) = x.batch_norm_training(None, None, &mean, &var, 0.5, 0.0)?;
    /// assert_eq!(y.to_vec::<f32>()?, [-1.0, 1.0]);
    /// // 0.5·0 + 0.5·2 and 0.5·1 + 0.5·2: the unbiased variance of 1 and 3 is 2.
    /// assert_eq!((mean.to_vec::<f32>()?, var.to_vec::<f32>()?), (vec![1.0], vec![1.5]));
    /// # Ok::<(), ontrace::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Shape`](crate::ErrorCode::Shape) where there is no channel axis, or a statistic has not one number a channel.
    #[track_caller]
    pub fn batch_norm_training(
        &self,
        scale: Option<&Tensor>,
        bias: Option<&Tensor>,
        mean: &Tensor,
        var: &Tensor,
        momentum: f64,
        epsilon: f64,
    ) -> Result<(Tensor, Tensor, Tensor)> {
        let channels = self.dim(1)?;
        let axes: Vec<i64> = (0..self.rank() as i64).filter(|&axis| axis != 1).collect();
        let batch_mean = self.mean(&axes, true)?;
        let centred = self.sub(&batch_mean)?;
        let batch_var = centred.square()?.mean(&axes, true)?;
        let normal = centred.div(batch_var.add(epsilon)?.sqrt()?)?;
        let count: Dim = axes.iter().map(|&axis| self.dim(axis)).collect::<Result<Vec<_>>>()?.into_iter().product();
        let unbiased = batch_var.mul(&count)?.div(&(count - 1i64))?;
        let next = |before: &Tensor, batch: &Tensor| {
            before.mul(1.0 - momentum)?.add(batch.reshape(std::slice::from_ref(&channels))?.mul(momentum)?)
        };
        let after = (next(mean, &batch_mean)?, next(var, &unbiased)?);
        Ok((normal.scaled_by_channel(channels, scale, bias)?, after.0, after.1))
    }

    /// Times a scale and plus a bias of one number a channel (axis 1).
    #[track_caller]
    fn scaled_by_channel(&self, channels: Dim, scale: Option<&Tensor>, bias: Option<&Tensor>) -> Result<Tensor> {
        let mut across = vec![Dim::Fixed(1); self.rank() - 1];
        across[0] = channels;
        let scaled = scale.map_or(Ok(self.clone()), |scale| self.mul(scale.reshape(&across)?))?;
        bias.map_or(Ok(scaled.clone()), |bias| scaled.add(bias.reshape(&across)?))
    }

    /// What was given, or this number in every position.
    fn affine(&self, given: Option<&Tensor>, number: i32, shape: &Shape) -> Result<Tensor> {
        given.map_or_else(|| Tensor::full(shape, number, self.dtype()), |given| Ok(given.clone()))
    }

    /// The last axes normalised by their own mean and variance; `shape` says which they are.
    ///
    /// [torch.nn.functional.layer_norm](https://pytorch.org/docs/stable/generated/torch.nn.functional.layer_norm.html)
    ///
    /// # Errors
    /// [`Shape`](crate::ErrorCode::Shape) where the last axes have another shape.
    #[track_caller]
    pub fn layer_norm(&self, shape: &[Dim], scale: Option<&Tensor>, bias: Option<&Tensor>, epsilon: f64) -> Result<Tensor> {
        // A size that is a value is that of the axis, or the call is not one of the program.
        let fits = |(size, asked): (&Dim, &Dim)| size == asked || asked.depends_on_values() && asked.example().is_none();
        let axis =
            self.rank().checked_sub(shape.len()).filter(|&axis| self.shape()[axis..].iter().zip(shape).all(fits) && !shape.is_empty());
        let axis = axis.ok_or_else(|| Error::shape(format!("the last axes of shape {} are not {shape:?}", self.shape())))?;
        if shape.contains(&Dim::Fixed(0)) {
            return Ok(self.clone());
        }
        let scale = self.affine(scale, 1, &Shape::from(&self.shape()[axis..]))?;
        one(apply(LayerNorm { axis, epsilon: epsilon as f32 }, &[Some(self), Some(&scale), bias]))
    }

    /// Groups of channels normalised by their own mean and variance.
    ///
    /// [torch.nn.functional.group_norm](https://pytorch.org/docs/stable/generated/torch.nn.functional.group_norm.html)
    ///
    /// # Errors
    /// [`Shape`](crate::ErrorCode::Shape) where the channels do not divide into the groups.
    #[track_caller]
    pub fn group_norm(&self, groups: i64, scale: Option<&Tensor>, bias: Option<&Tensor>, epsilon: f64) -> Result<Tensor> {
        if self.rank() < 2 || groups < 1 {
            return Err(Error::shape(format!("{groups} groups do not divide the channels of shape {}", self.shape())));
        }
        let (batch, channels) = (self.dim(0)?, self.dim(1)?);
        // Opset 18's GroupNormalization has a scale per group, not per channel: groups are instances of one channel each.
        let members = size::div_exact(&channels, &Dim::Fixed(groups))
            .ok_or_else(|| Error::shape(format!("{channels} channels are not divisible into {groups} groups")))?;
        let rest = self.shape()[2..].iter().fold(members, |n, dim| n * dim);
        let grouped = self.reshape(&[batch, Dim::Fixed(groups), rest])?;
        let ones = Tensor::from(Array::vector(vec![1f32; groups as usize]).cast(self.dtype())?);
        let zeros = Tensor::from(Array::vector(vec![0f32; groups as usize]).cast(self.dtype())?);
        let op = InstanceNorm { epsilon: epsilon as f32 };
        let normal = one(apply(op, &[Some(&grouped), Some(&ones), Some(&zeros)]))?.reshape(self.shape())?;
        normal.scaled_by_channel(channels, scale, bias)
    }

    /// Each channel of each element normalised by its own mean and variance.
    ///
    /// [torch.nn.functional.instance_norm](https://pytorch.org/docs/stable/generated/torch.nn.functional.instance_norm.html)
    ///
    /// # Errors
    /// [`Shape`](crate::ErrorCode::Shape) where there is no axis after the channels.
    #[track_caller]
    pub fn instance_norm(&self, scale: Option<&Tensor>, bias: Option<&Tensor>, epsilon: f64) -> Result<Tensor> {
        let channels = Shape::new(vec![self.dim(1)?]);
        let (scale, bias) = (self.affine(scale, 1, &channels)?, self.affine(bias, 0, &channels)?);
        one(apply(InstanceNorm { epsilon: epsilon as f32 }, &[Some(self), Some(&scale), Some(&bias)]))
    }

    /// x / √(mean of x² + ε) over the last axis, times a scale.
    ///
    /// # Errors
    /// [`DType`](crate::ErrorCode::DType) for integers.
    #[track_caller]
    pub fn rms_norm(&self, scale: Option<&Tensor>, epsilon: f64) -> Result<Tensor> {
        let wide = if matches!(self.dtype(), DType::F16 | DType::BF16) { self.cast(DType::F32)? } else { self.clone() };
        let normal = wide.mul(wide.square()?.mean(-1, true)?.add(epsilon)?.rsqrt()?)?.cast(self.dtype())?;
        scale.map_or(Ok(normal.clone()), |scale| normal.mul(scale))
    }
}

/// What the laws are tried on.
#[cfg(test)]
pub(super) fn examples() -> Vec<super::examples::Case> {
    use super::examples::*;

    cases! {
        "batch_norm", [floats(&[2, 3, 4, 5])], |x| one(x[0].batch_norm(Some(&weight(&[3])), Some(&weight(&[3])), &weight(&[3]), &weight(&[3]).abs()?, 1e-5)?);
        "batch_norm_rank_2", [floats(&[2, 3])], |x| one(x[0].batch_norm(None, None, &weight(&[3]), &weight(&[3]).abs()?, 1e-3)?);
        "batch_norm_by_itself", [floats(&[2, 3, 4])], |x| one(x[0].batch_norm_by_itself(Some(&weight(&[3])), Some(&weight(&[3])), 1e-5)?);
        "layer_norm", [floats(&[2, 3, 4])], |x| one(x[0].layer_norm(&[Dim::Fixed(4)], Some(&weight(&[4])), Some(&weight(&[4])), 1e-5)?);
        "layer_norm_two_axes", [floats(&[2, 3, 4])], |x| one(x[0].layer_norm(&[Dim::Fixed(3), Dim::Fixed(4)], None, None, 1e-5)?);
        "layer_norm_f64", [of(DType::F64, &[2, 4], -1.0, 1.0)], |x| one(x[0].layer_norm(&[Dim::Fixed(4)], None, None, 1e-5)?);
        "group_norm", [floats(&[2, 6, 5])], |x| one(x[0].group_norm(3, Some(&weight(&[6])), Some(&weight(&[6])), 1e-5)?);
        "instance_norm", [floats(&[2, 3, 4, 5])], |x| one(x[0].instance_norm(Some(&weight(&[3])), Some(&weight(&[3])), 1e-5)?);
        "rms_norm", [floats(&[2, 3, 4])], |x| one(x[0].rms_norm(Some(&weight(&[4])), 1e-5)?);
    }
}
