//! One tensor here, another there: where, masked fill, clamp.

use super::Reader;
use crate::array::{Array, DType, Scalar};
use crate::dim::{Sizes, Type};
use crate::error::{Error, Result};
use crate::graph::{Agreement, Attributes, Inputs, Operator};
use crate::kernels::elementwise;
use crate::onnx::{GraphBuilder, Name};
use crate::tensor::{Operand, Tensor, apply_one};

/// The second input where the first is true, the third elsewhere; all three broadcast. ONNX: [Where](https://onnx.ai/onnx/operators/onnx__Where.html).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Where;

impl Operator for Where {
    fn name(&self) -> &'static str {
        "Where"
    }

    fn attributes(&self) -> Attributes {
        Attributes::new()
    }

    fn infer(&self, inputs: &Inputs<Type>) -> Result<Vec<Type>> {
        let (condition, a, b) = (inputs.at(0)?, inputs.at(1)?, inputs.at(2)?);
        if condition.dtype != DType::Bool || a.dtype != b.dtype {
            return Err(Error::dtype(format!(
                "expected a bool and two tensors of one dtype, got {}, {} and {}",
                condition.dtype, a.dtype, b.dtype
            )));
        }
        Ok(vec![Type::new(a.dtype, condition.shape.broadcast(&a.shape, inputs.constraints())?.broadcast(&b.shape, inputs.constraints())?)])
    }

    fn eval(&self, inputs: &Inputs<Array>, _: Sizes) -> Result<Vec<Array>> {
        Ok(vec![elementwise::choose(inputs.at(0)?, inputs.at(1)?, inputs.at(2)?)?])
    }

    fn lower(&self, builder: &mut GraphBuilder, inputs: &[Name], outputs: &[Type]) -> Result<Vec<Name>> {
        Ok(builder.node("Where", inputs).write(outputs))
    }

    fn agreement(&self) -> Agreement {
        Agreement::Exact
    }
}

/// Between a fixed lowest and highest number; NaN stays. ONNX: [Clip](https://onnx.ai/onnx/operators/onnx__Clip.html).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Clip {
    /// The lowest number, if there is one.
    pub low: Option<Scalar>,
    /// The highest number, if there is one; it wins over the lowest.
    pub high: Option<Scalar>,
}

impl Clip {
    fn apply(self, x: &Tensor) -> Result<Tensor> {
        apply_one(self, &[x])
    }

    /// With infinities for ends that are absent: without them ONNX cuts an infinite float at the largest finite one.
    fn apply_with_infinities(self, x: &Tensor) -> Result<Tensor> {
        let end = |end: Option<Scalar>, infinity: f64| if x.dtype().is_float() { end.or(Some(Scalar::Float(infinity))) } else { end };
        Clip { low: end(self.low, f64::NEG_INFINITY), high: end(self.high, f64::INFINITY) }.apply(x)
    }
}

impl Operator for Clip {
    fn name(&self) -> &'static str {
        "Clip"
    }

    fn attributes(&self) -> Attributes {
        Attributes::new().with_some("min", self.low).with_some("max", self.high)
    }

    fn infer(&self, inputs: &Inputs<Type>) -> Result<Vec<Type>> {
        let x = inputs.at(0)?;
        if x.dtype == DType::Bool { Err(DType::not_taken(x.dtype)) } else { Ok(vec![x.clone()]) }
    }

    fn eval(&self, inputs: &Inputs<Array>, _: Sizes) -> Result<Vec<Array>> {
        super::widened(inputs, |inputs| Ok(vec![elementwise::clip(inputs.at(0)?, self.low, self.high)?]))
    }

    fn lower(&self, builder: &mut GraphBuilder, inputs: &[Name], outputs: &[Type]) -> Result<Vec<Name>> {
        let dtype = outputs[0].dtype;
        let mut end = |number: Option<Scalar>| number.map_or_else(|| Name::from(""), |number| builder.number(dtype, number));
        let (low, high) = (end(self.low), end(self.high));
        Ok(builder.node("Clip", &[inputs[0].clone(), low, high]).write(outputs))
    }

    fn agreement(&self) -> Agreement {
        Agreement::Exact
    }
}

pub(super) const READS: &[(&str, Reader)] = &[
    ("Where", |_, inputs| Ok(vec![apply_one(Where, &[inputs.at(0)?, inputs.at(1)?, inputs.at(2)?])?])),
    ("Clip", |node, inputs| {
        let x = inputs.at(0)?;
        let end = |input: usize, attribute: &str| match inputs.opt(input) {
            Some(number) => Ok(Some(number.clone())),
            None => Ok(node.find_float(attribute)?.map(|number| Tensor::weak(f64::from(number)))),
        };
        // An absent end stays absent: what becomes of an infinity is left to who runs the model.
        Ok(vec![clamped(x, end(1, "min")?.as_ref(), end(2, "max")?.as_ref(), Clip::apply)?])
    }),
];

impl Tensor {
    /// The values of `a` where this is true, of `b` elsewhere, in the dtype that both promote to.
    ///
    /// [torch.where](https://pytorch.org/docs/stable/generated/torch.where.html)
    ///
    /// # Errors
    /// [`DType`](crate::ErrorCode::DType) unless this is Bool.
    #[track_caller]
    pub fn where_(&self, a: &Tensor, b: &Tensor) -> Result<Tensor> {
        let (a, b) = a.promoted(b)?;
        apply_one(Where, &[self, &a, &b])
    }

    /// This number where the mask is true.
    ///
    /// [torch.Tensor.masked_fill](https://pytorch.org/docs/stable/generated/torch.Tensor.masked_fill_.html)
    ///
    /// # Errors
    /// Where shapes do not broadcast.
    #[track_caller]
    pub fn masked_fill(&self, mask: &Tensor, number: impl Operand) -> Result<Tensor> {
        let number = number.into_tensor()?.cast(self.dtype())?;
        apply_one(Where, &[&mask.cast(DType::Bool)?, &number, self])
    }

    /// Between two values, either of which may be absent.
    ///
    /// [torch.clamp](https://pytorch.org/docs/stable/generated/torch.clamp.html)
    ///
    /// # Errors
    /// [`DType`](crate::ErrorCode::DType) for Bool.
    #[track_caller]
    pub fn clamp(&self, low: Option<Scalar>, high: Option<Scalar>) -> Result<Tensor> {
        let ends = [low, high].into_iter().flatten().map(|number| (number.dtype(), crate::array::PromotionPriority::Weak));
        let dtype = DType::result(&std::iter::once((self.dtype(), self.strength())).chain(ends).collect::<Vec<_>>())?;
        // A low end below all that the dtype holds cuts nothing, and so a high one.
        let (least, most) = match dtype {
            DType::U8 => (0, i64::from(u8::MAX)),
            DType::I8 => (i64::from(i8::MIN), i64::from(i8::MAX)),
            DType::U16 => (0, i64::from(u16::MAX)),
            DType::I16 => (i64::from(i16::MIN), i64::from(i16::MAX)),
            DType::U32 => (0, i64::from(u32::MAX)),
            DType::I32 => (i64::from(i32::MIN), i64::from(i32::MAX)),
            _ => (i64::MIN, i64::MAX),
        };
        let held = |end: Option<Scalar>| end.map(|end| if dtype.is_int() { Scalar::Int(end.to_i64().clamp(least, most)) } else { end });
        Clip { low: held(low), high: held(high) }.apply_with_infinities(&self.cast(dtype)?)
    }

    /// Between two tensors that broadcast, either of which may be absent; where they cross, the high one wins.
    ///
    /// # Errors
    /// [`Shape`](crate::ErrorCode::Shape) where the shapes do not broadcast.
    #[track_caller]
    pub fn clamp_tensors(&self, low: Option<&Tensor>, high: Option<&Tensor>) -> Result<Tensor> {
        clamped(self, low, high, Clip::apply_with_infinities)
    }
}

/// A clip where the ends are numbers, else maxima and minima.
fn clamped(x: &Tensor, low: Option<&Tensor>, high: Option<&Tensor>, clip: fn(Clip, &Tensor) -> Result<Tensor>) -> Result<Tensor> {
    let strong = |x: &Tensor| (x.dtype(), x.strength());
    // A bound that decides the dtype is more than a number, and Clip takes no truth values.
    let keeps = |end: &Tensor| x.dtype() != DType::Bool && DType::result(&[strong(x), strong(end)]).is_ok_and(|dtype| dtype == x.dtype());
    let number = |end: Option<&Tensor>| match end {
        None => Some(None),
        Some(end) if end.numel() == 1 && end.rank() == 0 && keeps(end) => end.constant().and_then(|array| array.item().ok()).map(Some),
        Some(_) => None,
    };
    if let (Some(low), Some(high)) = (number(low), number(high)) {
        return clip(Clip { low, high }, x);
    }
    if let (Some(low), Some(high)) = (low, high) {
        let [x, low, high] = Tensor::promoted_all([x.clone(), low.clone(), high.clone()])?;
        return x.maximum(low)?.minimum(high);
    }
    let raised = low.map_or(Ok(x.clone()), |low| x.maximum(low))?;
    high.map_or(Ok(raised.clone()), |high| raised.minimum(high))
}

/// What the laws are tried on.
#[cfg(test)]
pub(super) fn examples() -> Vec<super::examples::Case> {
    use super::examples::*;

    let cases = cases! {
        "where", [bools(&[2, 3]), floats(&[2, 3]), floats(&[3])], |x| one(x[0].where_(&x[1], &x[2])?);
        "where_broadcast", [bools(&[2, 1]), integers(&[3]), integers(&[])], |x| one(x[0].where_(&x[1], &x[2])?);
        "masked_fill", [floats(&[2, 3]), bools(&[3])], |x| one(x[0].masked_fill(&x[1], f64::NEG_INFINITY)?);
        "clamp_i64", [integers(&[2, 3])], |x| one(x[0].clamp(Some(Scalar::Int(-2)), Some(Scalar::Int(3)))?);
        "clamp_tensors", [floats(&[2, 3]), these(DType::F32, &[3], &[-1.0, 0.0, -0.5])], |x| one(x[0].clamp_tensors(Some(&x[1]), None)?);
    };
    [
        &[cases][..],
        &[
            unary("clamp", |x| x.clamp(Some(Scalar::Float(-0.5)), Some(Scalar::Float(0.75))), -2.0, 2.0),
            unary("clamp_below", |x| x.clamp(Some(Scalar::Float(0.25)), None), -2.0, 2.0),
        ],
    ]
    .concat()
    .concat()
}
