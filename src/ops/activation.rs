//! The non-linear functions of networks.

use super::{Reader, widened};
use crate::array::{Array, DType, Scalar};
use crate::dim::{Sizes, Type};
use crate::error::{Error, Result};
use crate::graph::{Attributes, FIRST_OPSET, Inputs, Operator};
use crate::kernels::activation::SELU;
use crate::kernels::{activation, norm};
use crate::onnx::{GraphBuilder, Name};
use crate::tensor::{Tensor, apply_one, size};

pub use crate::kernels::activation::Activation;

/// eˣ over its sum along an axis, or the logarithm of that. ONNX: [Softmax](https://onnx.ai/onnx/operators/onnx__Softmax.html), LogSoftmax.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Softmax {
    /// The axis.
    pub axis: usize,
    /// Whether the logarithm is taken.
    pub log: bool,
}

impl Operator for Softmax {
    fn name(&self) -> &'static str {
        if self.log { "LogSoftmax" } else { "Softmax" }
    }

    fn attributes(&self) -> Attributes {
        Attributes::new().with("axis", self.axis)
    }

    fn infer(&self, inputs: &Inputs<Type>) -> Result<Vec<Type>> {
        let x = inputs.at(0)?;
        if !x.dtype.is_float() {
            return Err(Error::dtype(format!("{} does not take {}", self.name(), x.dtype)));
        }
        if self.axis >= x.rank() {
            return Err(Error::argument(format!("{} does not support axis {} of {x}", self.name(), self.axis)));
        }
        Ok(vec![x.clone()])
    }

    fn eval(&self, inputs: &Inputs<Array>, _: Sizes) -> Result<Vec<Array>> {
        let kernel = if self.log { norm::log_softmax } else { norm::softmax };
        widened(inputs, |inputs| Ok(vec![kernel(inputs.at(0)?, self.axis)?]))
    }

    fn lower(&self, builder: &mut GraphBuilder, inputs: &[Name], outputs: &[Type]) -> Result<Vec<Name>> {
        Ok(builder.node(self.name(), inputs).int("axis", self.axis as i64).write(outputs))
    }
}

impl Operator for Activation {
    fn name(&self) -> &'static str {
        match self {
            Activation::LeakyRelu(_) => "LeakyRelu",
            Activation::Elu(_) => "Elu",
            Activation::Selu => "Selu",
            Activation::HardSigmoid(..) => "HardSigmoid",
            Activation::HardSwish => "HardSwish",
            Activation::Mish => "Mish",
            Activation::Celu(_) => "Celu",
            Activation::Gelu { .. } => "Gelu",
        }
    }

    fn attributes(&self) -> Attributes {
        match *self {
            Activation::LeakyRelu(alpha) | Activation::Elu(alpha) | Activation::Celu(alpha) => Attributes::new().with("alpha", alpha),
            Activation::HardSigmoid(alpha, beta) => Attributes::new().with("alpha", alpha).with("beta", beta),
            Activation::Gelu { tanh } => Attributes::new().with("approximate", if tanh { "tanh" } else { "none" }),
            Activation::Selu | Activation::HardSwish | Activation::Mish => Attributes::new(),
        }
    }

    fn since(&self) -> i64 {
        match self {
            Activation::Gelu { .. } => 20,
            Activation::HardSwish => 14,
            Activation::Mish => 18,
            _ => FIRST_OPSET,
        }
    }

    fn infer(&self, inputs: &Inputs<Type>) -> Result<Vec<Type>> {
        let x = inputs.at(0)?;
        if x.dtype.is_float() { Ok(vec![x.clone()]) } else { Err(DType::not_taken(x.dtype)) }
    }

    fn eval(&self, inputs: &Inputs<Array>, _: Sizes) -> Result<Vec<Array>> {
        widened(inputs, |inputs| Ok(vec![activation::activation(*self, inputs.at(0)?)?]))
    }

    fn lower(&self, builder: &mut GraphBuilder, inputs: &[Name], outputs: &[Type]) -> Result<Vec<Name>> {
        let node = builder.node(self.name(), inputs);
        Ok(match *self {
            Activation::LeakyRelu(a) | Activation::Elu(a) | Activation::Celu(a) => node.float("alpha", a),
            Activation::HardSigmoid(a, b) => node.float("alpha", a).float("beta", b),
            Activation::Gelu { tanh: true } => node.string("approximate", "tanh"),
            _ => node,
        }
        .write(outputs))
    }

    fn lower_decomposed(&self, builder: &mut GraphBuilder, inputs: &[Name], outputs: &[Type]) -> Result<Option<Vec<Name>>> {
        let gate = match *self {
            Activation::Gelu { tanh } => return written_out(builder, &inputs[0], tanh, outputs).map(Some),
            Activation::HardSwish => {
                builder.node("HardSigmoid", inputs).float("alpha", 1.0 / 6.0).float("beta", 0.5).write_one(outputs[0].clone())?
            }
            Activation::Mish => {
                let soft = builder.node("Softplus", inputs).write_one(outputs[0].clone())?;
                builder.node("Tanh", &[soft]).write_one(outputs[0].clone())?
            }
            _ => return Ok(None),
        };
        Ok(Some(builder.node("Mul", &[inputs[0].clone(), gate]).write(outputs)))
    }
}

/// Gelu as the formula that runtimes know it by.
fn written_out(builder: &mut GraphBuilder, x: &Name, tanh: bool, outputs: &[Type]) -> Result<Vec<Name>> {
    let ty = &outputs[0];
    let mut number = |op: &str, x: &Name, number: f64| {
        let number = builder.number(ty.dtype, number);
        builder.node(op, &[x.clone(), number]).write_one(ty.clone())
    };
    let half = number("Mul", x, 0.5)?;
    let inner = if tanh {
        let square = builder.node("Mul", &[x.clone(), x.clone()]).write_one(ty.clone())?;
        let cube = builder.node("Mul", &[square, x.clone()]).write_one(ty.clone())?;
        let number = builder.number(ty.dtype, 0.044715);
        let scaled = builder.node("Mul", &[cube, number]).write_one(ty.clone())?;
        let sum = builder.node("Add", &[x.clone(), scaled]).write_one(ty.clone())?;
        let number = builder.number(ty.dtype, (2.0 / std::f64::consts::PI).sqrt());
        let angle = builder.node("Mul", &[sum, number]).write_one(ty.clone())?;
        builder.node("Tanh", &[angle]).write_one(ty.clone())?
    } else {
        // A division: ONNX Runtime makes one kernel of this form alone.
        let scaled = number("Div", x, std::f64::consts::SQRT_2)?;
        builder.node("Erf", &[scaled]).write_one(ty.clone())?
    };
    let number = builder.number(ty.dtype, 1.0);
    let share = builder.node("Add", &[inner, number]).write_one(ty.clone())?;
    Ok(builder.node("Mul", &[half, share]).write(outputs))
}

pub(super) const READS: &[(&str, Reader)] = &[
    ("Softmax", |node, inputs| {
        let x = inputs.at(0)?;
        super::has_axes(node, x)?;
        Ok(vec![x.softmax(node.int("axis", -1)?)?])
    }),
    ("LogSoftmax", |node, inputs| {
        let x = inputs.at(0)?;
        super::has_axes(node, x)?;
        Ok(vec![x.log_softmax(node.int("axis", -1)?)?])
    }),
    ("LeakyRelu", |node, inputs| read(Activation::LeakyRelu(node.float("alpha", 0.01)?), inputs)),
    ("Elu", |node, inputs| read(Activation::Elu(node.float("alpha", 1.0)?), inputs)),
    ("Celu", |node, inputs| read(Activation::Celu(node.float("alpha", 1.0)?), inputs)),
    ("Selu", |node, inputs| match (node.float("alpha", SELU.0)?, node.float("gamma", SELU.1)?) {
        SELU => read(Activation::Selu, inputs),
        (alpha, gamma) => Ok(vec![apply_one(Activation::Elu(alpha), &[inputs.at(0)?])?.mul(gamma)?]),
    }),
    ("HardSigmoid", |node, inputs| read(Activation::HardSigmoid(node.float("alpha", 0.2)?, node.float("beta", 0.5)?), inputs)),
    ("HardSwish", |_, inputs| read(Activation::HardSwish, inputs)),
    ("Mish", |_, inputs| read(Activation::Mish, inputs)),
    ("PRelu", |_, inputs| {
        let (x, slope) = (inputs.at(0)?, inputs.at(1)?);
        // Older files give a slope a channel as a vector.
        let by_channel =
            slope.rank() == 1 && x.rank() > 2 && slope.shape()[0] == x.shape()[1] && slope.shape()[0] != x.shape()[x.rank() - 1];
        let slope = &if by_channel { slope.reshape([vec![-1i64], vec![1; x.rank() - 2]].concat())? } else { slope.clone() };
        Ok(vec![x.lt(0)?.where_(&x.mul(slope)?, x)?])
    }),
    ("Gelu", |node, inputs| {
        let tanh = node.string("approximate", "none")? == "tanh";
        Ok(vec![inputs.at(0)?.gelu(tanh)?])
    }),
    ("Dropout", |_, inputs| {
        let x = inputs.at(0)?;
        let number =
            |i: usize| inputs.opt(i).map(|x| x.constant().ok_or_else(|| Error::no_value("the dropout ratio must be constant"))).transpose();
        let ratio = number(1)?.map_or(Ok(0.5), |ratio| ratio.item().map(Scalar::to_f64))?;
        if ratio != 0.0 && number(2)?.map_or(Ok(false), |on| on.item().map(|on| on.to_f64() != 0.0))? {
            let (y, kept) = x.drop_out(ratio)?;
            return Ok(vec![y, kept.cast(DType::Bool)?]);
        }
        Ok(vec![x.clone(), Tensor::full(x.shape(), true, DType::Bool)?])
    }),
];

fn read(op: Activation, inputs: &Inputs<Tensor>) -> Result<Vec<Tensor>> {
    Ok(vec![apply_one(op, &[inputs.at(0)?])?])
}

impl Tensor {
    /// eˣ over its sum along an axis.
    ///
    /// [torch.softmax](https://pytorch.org/docs/stable/generated/torch.nn.functional.softmax.html)
    ///
    /// # Errors
    /// [`Argument`](crate::ErrorCode::Argument) where the axis does not exist, [`DType`](crate::ErrorCode::DType) of integers and Bools.
    #[track_caller]
    pub fn softmax(&self, axis: i64) -> Result<Tensor> {
        self.softmax_of(axis, false)
    }

    /// The logarithm of [`Tensor::softmax`].
    ///
    /// # Errors
    /// [`Argument`](crate::ErrorCode::Argument) where the axis does not exist.
    #[track_caller]
    pub fn log_softmax(&self, axis: i64) -> Result<Tensor> {
        self.softmax_of(axis, true)
    }

    #[track_caller]
    fn softmax_of(&self, axis: i64, log: bool) -> Result<Tensor> {
        if self.rank() == 0 {
            return self.unsqueeze(0)?.softmax_of(0, log)?.squeeze();
        }
        let axis = self.shape().axis(axis)?;
        if !self.dtype().is_float() && self.numel() == 0 {
            // torch looks at the dtype of elements, and here are none.
            return Ok(self.clone());
        }
        apply_one(Softmax { axis, log }, &[self])
    }

    #[track_caller]
    fn activation(&self, op: Activation) -> Result<Tensor> {
        apply_one(op, &[self])
    }

    /// The Gaussian error linear unit: x · Φ(x), exact or by torch's tanh approximation.
    ///
    /// [torch.nn.functional.gelu](https://pytorch.org/docs/stable/generated/torch.nn.functional.gelu.html)
    ///
    /// # Errors
    /// [`DType`](crate::ErrorCode::DType) for integers.
    #[track_caller]
    pub fn gelu(&self, tanh: bool) -> Result<Tensor> {
        self.activation(Activation::Gelu { tanh })
    }

    /// x · sigmoid(x), also called Swish.
    ///
    /// # Errors
    /// [`DType`](crate::ErrorCode::DType) for integers.
    #[track_caller]
    pub fn silu(&self) -> Result<Tensor> {
        self.mul(self.sigmoid()?)
    }

    /// x · tanh(softplus(x))
    ///
    /// # Errors
    /// [`DType`](crate::ErrorCode::DType) for integers.
    #[track_caller]
    pub fn mish(&self) -> Result<Tensor> {
        self.activation(Activation::Mish)
    }

    /// max(0, min(1, x/6 + ½))
    ///
    /// # Errors
    /// [`DType`](crate::ErrorCode::DType) for integers.
    #[track_caller]
    pub fn hard_sigmoid(&self) -> Result<Tensor> {
        // ONNX's alpha is a float of 32 bits.
        if self.dtype() == DType::F64 {
            return self.add(3.0)?.clamp(Some(Scalar::Float(0.0)), Some(Scalar::Float(6.0)))?.div(6.0);
        }
        self.activation(Activation::HardSigmoid(1.0 / 6.0, 0.5))
    }

    /// x · max(0, min(1, x/6 + ½))
    ///
    /// # Errors
    /// [`DType`](crate::ErrorCode::DType) for integers.
    #[track_caller]
    pub fn hard_swish(&self) -> Result<Tensor> {
        self.activation(Activation::HardSwish)
    }

    /// x, but x · `slope` below 0.
    ///
    /// # Errors
    /// [`DType`](crate::ErrorCode::DType) for integers.
    #[track_caller]
    pub fn leaky_relu(&self, slope: f64) -> Result<Tensor> {
        self.activation(Activation::LeakyRelu(slope as f32))
    }

    /// x, but α(eˣ − 1) below 0.
    ///
    /// # Errors
    /// [`DType`](crate::ErrorCode::DType) for integers.
    #[track_caller]
    pub fn elu(&self, alpha: f64) -> Result<Tensor> {
        self.activation(Activation::Elu(alpha as f32))
    }

    /// The self-normalising exponential unit.
    ///
    /// # Errors
    /// [`DType`](crate::ErrorCode::DType) for integers.
    #[track_caller]
    pub fn selu(&self) -> Result<Tensor> {
        // ONNX's alpha and gamma are floats of 32 bits.
        if self.dtype() == DType::F64 {
            let (alpha, gamma) = (1.673_263_242_354_377_2, 1.050_700_987_355_480_5);
            return self.gt(0.0)?.where_(&self.mul(gamma)?, &self.minimum(0.0)?.expm1()?.mul(alpha * gamma)?);
        }
        self.activation(Activation::Selu)
    }

    /// log(1 + eᵝˣ) / β, and x itself where β·x is above the threshold.
    ///
    /// # Errors
    /// [`DType`](crate::ErrorCode::DType) for integers.
    #[track_caller]
    pub fn softplus(&self, beta: f64, threshold: f64) -> Result<Tensor> {
        let scaled = if beta == 1.0 { self.clone() } else { self.mul(beta)? };
        let soft = apply_one(super::unary::Unary::Softplus, &[&scaled])?;
        let soft = if beta == 1.0 { soft } else { soft.div(beta)? };
        // Above torch's threshold of 20 the two are one number in f32.
        if threshold >= 20.0 { Ok(soft) } else { scaled.gt(threshold)?.where_(self, &soft) }
    }

    /// The first half of an axis times the sigmoid of the second.
    ///
    /// # Errors
    /// [`Shape`](crate::ErrorCode::Shape) where the axis has no halves.
    #[track_caller]
    pub fn glu(&self, axis: i64) -> Result<Tensor> {
        let half = size::div_exact(&self.dim(axis)?, &2i64.into())
            .ok_or_else(|| Error::shape(format!("axis {axis} of shape {} cannot be split into halves", self.shape())))?;
        match self.split_with_sizes(&[half.clone(), half], axis)?.as_slice() {
            [a, b] => a.mul(b.sigmoid()?),
            _ => Err(Error::internal("the split did not give two halves")),
        }
    }
}

/// What the laws are tried on.
#[cfg(test)]
pub(super) fn examples() -> Vec<super::examples::Case> {
    use super::examples::*;

    let cases = cases! {
        "softplus_beta", [of(DType::F32, &[2, 3], -9.0, 9.0)], |x| one(x[0].softplus(2.0, 5.0)?);
        "glu", [floats(&[2, 6])], |x| one(x[0].glu(-1)?);
        "prelu", [floats(&[2, 3, 4])], |x| one(x[0].gt(0.0)?.where_(&x[0], &x[0].mul(weight(&[3, 1]))?)?);
        "softmax", [floats(&[2, 3, 4])], |x| one(x[0].softmax(-1)?);
        "softmax_first", [floats(&[2, 3])], |x| one(x[0].softmax(0)?);
        "softmax_rank_0", [floats(&[])], |x| one(x[0].softmax(0)?);
        "softmax_f64", [of(DType::F64, &[2, 3], -3.0, 3.0)], |x| one(x[0].softmax(1)?);
        "softmax_f16", [of(DType::F16, &[2, 3], -3.0, 3.0)], |x| one(x[0].softmax(1)?);
        "log_softmax", [floats(&[2, 3])], |x| one(x[0].log_softmax(-1)?);
        "log_softmax_first", [floats(&[2, 3])], |x| one(x[0].log_softmax(0)?);
    };
    [
        &[cases][..],
        &[
            unary("softplus", |x| x.softplus(1.0, 20.0), -4.0, 4.0),
            unary("leaky_relu", |x| x.leaky_relu(0.1), -2.0, 2.0),
            unary("elu", |x| x.elu(1.5), -2.0, 2.0),
            unary("selu", Tensor::selu, -2.0, 2.0),
            unary("silu", Tensor::silu, -3.0, 3.0),
            unary("mish", Tensor::mish, -3.0, 3.0),
            unary("gelu", |x| x.gelu(false), -3.0, 3.0),
            unary("gelu_tanh", |x| x.gelu(true), -3.0, 3.0),
            unary("hard_sigmoid", Tensor::hard_sigmoid, -4.0, 4.0),
            unary("hard_swish", Tensor::hard_swish, -4.0, 4.0),
        ],
    ]
    .concat()
    .concat()
}
