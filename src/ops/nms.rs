//! Boxes by score, without those that overlap a better one.

use super::{Reader, given};
use crate::array::{Array, DType};
use crate::dim::{Dim, Sizes, Type};
use crate::error::{Error, Result};
use crate::graph::{Agreement, Attributes, Inputs, Operator};
use crate::kernels::nms::{NmsOptions, suppress};
use crate::onnx::{GraphBuilder, Name};
use crate::tensor::{Tensor, apply};

/// The boxes that stay, as (sample, class, box), best first. Inputs: boxes, scores, and as single values how many stay at most, how much they
/// may overlap, and which score they must exceed; the last three may be absent. How many stay depends on the data.
///
/// ONNX: [NonMaxSuppression](https://onnx.ai/onnx/operators/onnx__NonMaxSuppression.html)
#[derive(Clone, Debug, PartialEq)]
pub struct NonMaxSuppression {
    /// Whether boxes are their middle and their sides instead of two corners.
    pub centred: bool,
}

impl Operator for NonMaxSuppression {
    fn name(&self) -> &'static str {
        "NonMaxSuppression"
    }

    fn attributes(&self) -> Attributes {
        Attributes::new().with("center_point_box", self.centred)
    }

    fn infer(&self, inputs: &Inputs<Type>) -> Result<Vec<Type>> {
        let (boxes, scores) = (inputs.at(0)?, inputs.at(1)?);
        let misfit = || Error::shape(format!("boxes {boxes} do not match scores {scores}"));
        let ([batch, count, four], [samples, _, positions]) = (&boxes.shape[..], &scores.shape[..]) else { return Err(misfit()) };
        if batch != samples || count != positions || *four != 4i64 {
            return Err(misfit());
        }
        if boxes.dtype != DType::F32 || scores.dtype != DType::F32 {
            return Err(Error::dtype(format!("boxes and scores must be f32, got {boxes} and {scores}")));
        }
        for (i, dtype) in [(2, DType::I64), (3, DType::F32), (4, DType::F32)] {
            if let Some(ty) = inputs.opt(i).filter(|ty| ty.dtype != dtype || ty.shape.iter().any(|n| *n != 1i64)) {
                return Err(Error::argument(format!("expected one element of {dtype}, got {ty}")));
            }
        }
        Ok(vec![Type::new(DType::I64, vec![Dim::of_data(0), Dim::Fixed(3)])])
    }

    fn eval(&self, inputs: &Inputs<Array>, _: Sizes) -> Result<Vec<Array>> {
        let number = |i: usize| inputs.opt(i).map(|x| x.reshape(&[])?.item()).transpose();
        let rule = NmsOptions {
            most: number(2)?.map_or(0, |n| usize::try_from(n.to_i64()).unwrap_or(0)),
            overlap: number(3)?.map_or(0.0, |x| x.to_f64() as f32),
            least: number(4)?.map(|x| x.to_f64() as f32),
            centred: self.centred,
        };
        Ok(vec![suppress(inputs.at(0)?, inputs.at(1)?, &rule)?])
    }

    fn lower(&self, builder: &mut GraphBuilder, inputs: &[Name], outputs: &[Type]) -> Result<Vec<Name>> {
        let node = builder.node("NonMaxSuppression", inputs);
        Ok(if self.centred { node.int("center_point_box", 1) } else { node }.write(outputs))
    }

    fn agreement(&self) -> Agreement {
        Agreement::Exact
    }
}

pub(super) const READS: &[(&str, Reader)] = &[("NonMaxSuppression", |node, inputs| {
    let operands: Vec<Option<&Tensor>> = (0..5).map(|i| inputs.opt(i)).collect();
    apply(NonMaxSuppression { centred: node.int("center_point_box", 0)? != 0 }, given(&operands))
})];

impl Tensor {
    /// The positions of those boxes (n, 4), each as x and y of two corners, that share no more than `overlap` of what they cover together with a
    /// box of a better score: best first. How many depends on the data. They are compared in f32.
    ///
    /// [torchvision.ops.nms](https://docs.pytorch.org/vision/stable/generated/torchvision.ops.nms.html)
    ///
    /// # Errors
    /// [`Shape`](crate::ErrorCode::Shape) where boxes and scores (n) do not fit.
    #[track_caller]
    pub fn nms(&self, scores: &Tensor, overlap: f64) -> Result<Tensor> {
        if self.rank() != 2 || scores.rank() != 1 {
            return Err(Error::shape(format!("boxes {} do not match scores {}", self.ty(), scores.ty())));
        }
        let (boxes, scores) = (self.cast(DType::F32)?.unsqueeze(0)?, scores.cast(DType::F32)?.unsqueeze(0)?.unsqueeze(0)?);
        // A share above a bound in f64 is one above the next f32 below it.
        let near = overlap as f32;
        let below = if f64::from(near) > overlap { near.next_down() } else { near };
        let (all, bound) = (Tensor::from(&[i64::from(i32::MAX)]), Tensor::from(&[below]));
        let found = apply(NonMaxSuppression { centred: false }, &[Some(&boxes), Some(&scores), Some(&all), Some(&bound)])?;
        found.first().ok_or_else(|| Error::internal("NonMaxSuppression has no output"))?.select(1, 2i64)
    }
}

/// What the laws are tried on.
#[cfg(test)]
pub(super) fn examples() -> Vec<super::examples::Case> {
    use super::examples::*;

    cases! {
        "nms", [of(DType::F32, &[9, 4], 0.0, 7.0), of(DType::F32, &[9], 0.0, 1.0)], |x| one(x[0].nms(&x[1], 0.25)?);
    }
}
