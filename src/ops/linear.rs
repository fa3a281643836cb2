//! Products of matrices.

use super::{Reader, one};
use crate::array::{Array, DType};
use crate::dim::{Dim, Shape, Sizes, Type};
use crate::error::{Error, Result};
use crate::graph::{Attributes, Inputs, Operator};
use crate::kernels::matmul;
use crate::onnx::{GraphBuilder, Name};
use crate::tensor::{Tensor, apply, apply_one};

/// The product of matrices, batched and broadcast; a vector counts as a row on the left, as a column on the right.
/// ONNX: [MatMul](https://onnx.ai/onnx/operators/onnx__MatMul.html).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MatMul;

impl Operator for MatMul {
    fn name(&self) -> &'static str {
        "MatMul"
    }

    fn attributes(&self) -> Attributes {
        Attributes::new()
    }

    fn infer(&self, inputs: &Inputs<Type>) -> Result<Vec<Type>> {
        let (a, b) = (inputs.at(0)?, inputs.at(1)?);
        if a.dtype != b.dtype || a.dtype == DType::Bool {
            return Err(Error::dtype(format!("no matrix product of {} and {}", a.dtype, b.dtype)));
        }
        let refused = || Error::shape(format!("shapes {} and {} have no matrix product", a.shape, b.shape));
        if a.rank() == 0 || b.rank() == 0 {
            return Err(refused());
        }
        let inner = if b.rank() == 1 { 0 } else { b.rank() - 2 };
        if !a.shape[a.rank() - 1].agrees(&b.shape[inner], inputs.constraints()) {
            return Err(refused().help(format!(
                "the last axis of the left operand ({}) must have the size of axis {inner} of the right operand ({})",
                a.shape[a.rank() - 1],
                b.shape[inner]
            )));
        }
        let batch = |ty: &Type| Shape::from(&ty.shape[..ty.rank().saturating_sub(2)]);
        let mut dims = batch(a).broadcast(&batch(b), inputs.constraints())?.to_vec();
        if a.rank() > 1 {
            dims.push(a.shape[a.rank() - 2].clone());
        }
        if b.rank() > 1 {
            dims.push(b.shape[b.rank() - 1].clone());
        }
        Ok(vec![Type::new(a.dtype, dims)])
    }

    fn eval(&self, inputs: &Inputs<Array>, _: Sizes) -> Result<Vec<Array>> {
        Ok(vec![matmul::matmul(inputs.at(0)?, inputs.at(1)?)?])
    }

    fn lower(&self, builder: &mut GraphBuilder, inputs: &[Name], outputs: &[Type]) -> Result<Vec<Name>> {
        Ok(builder.node("MatMul", inputs).write(outputs))
    }
}

/// α·A·B + β·C of matrices, either transposed first. ONNX: [Gemm](https://onnx.ai/onnx/operators/onnx__Gemm.html).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Gemm {
    /// The factor of the product.
    pub alpha: f32,
    /// The factor of what is added.
    pub beta: f32,
    /// Whether A is transposed.
    pub trans_a: bool,
    /// Whether B is transposed.
    pub trans_b: bool,
}

impl Operator for Gemm {
    fn name(&self) -> &'static str {
        "Gemm"
    }

    fn attributes(&self) -> Attributes {
        Attributes::new().with("alpha", self.alpha).with("beta", self.beta).with("transA", self.trans_a).with("transB", self.trans_b)
    }

    fn infer(&self, inputs: &Inputs<Type>) -> Result<Vec<Type>> {
        let (a, b) = (inputs.at(0)?, inputs.at(1)?);
        if a.rank() != 2 || b.rank() != 2 || a.dtype != b.dtype || a.dtype == DType::Bool {
            return Err(Error::shape(format!("expected two matrices of one dtype, got {a} and {b}")));
        }
        let side = |ty: &Type, transposed: bool, axis: usize| ty.shape[if transposed { 1 - axis } else { axis }].clone();
        let (inner_a, inner_b) = (side(a, self.trans_a, 1), side(b, self.trans_b, 0));
        if !inner_a.agrees(&inner_b, inputs.constraints()) {
            return Err(Error::shape(format!(
                "shapes {} and {} have no matrix product: inner sizes {inner_a} and {inner_b}",
                a.shape, b.shape
            )));
        }
        let shape = Shape::new(vec![side(a, self.trans_a, 0), side(b, self.trans_b, 1)]);
        if let Some(c) = inputs.opt(2)
            && (c.dtype != a.dtype || !c.shape.broadcast(&shape, inputs.constraints())?.agrees(&shape, inputs.constraints()))
        {
            return Err(Error::shape(format!("{c} does not broadcast to the product's shape {shape}")));
        }
        Ok(vec![Type::new(a.dtype, shape)])
    }

    fn eval(&self, inputs: &Inputs<Array>, _: Sizes) -> Result<Vec<Array>> {
        let (alpha, beta) = (f64::from(self.alpha), f64::from(self.beta));
        Ok(vec![matmul::gemm(inputs.at(0)?, inputs.at(1)?, inputs.opt(2), alpha, beta, self.trans_a, self.trans_b)?])
    }

    fn lower(&self, builder: &mut GraphBuilder, inputs: &[Name], outputs: &[Type]) -> Result<Vec<Name>> {
        let mut line = builder.node("Gemm", inputs);
        for (name, factor) in [("alpha", self.alpha), ("beta", self.beta)] {
            line = if factor == 1.0 { line } else { line.float(name, factor) };
        }
        for (name, transposed) in [("transA", self.trans_a), ("transB", self.trans_b)] {
            line = if transposed { line.flag(name, true) } else { line };
        }
        Ok(line.write(outputs))
    }
}

pub(super) const READS: &[(&str, Reader)] = &[
    ("MatMul", |_, inputs| Ok(vec![inputs.at(0)?.matmul(inputs.at(1)?)?])),
    ("Gemm", |node, inputs| {
        let op = Gemm {
            alpha: node.float("alpha", 1.0)?,
            beta: node.float("beta", 1.0)?,
            trans_a: node.int("transA", 0)? != 0,
            trans_b: node.int("transB", 0)? != 0,
        };
        apply(op, &[Some(inputs.at(0)?), Some(inputs.at(1)?), inputs.opt(2)])
    }),
];

impl Tensor {
    /// The product of matrices, batched and broadcast as in torch.
    ///
    /// [torch.matmul](https://pytorch.org/docs/stable/generated/torch.matmul.html)
    ///
    /// # Errors
    /// [`Shape`](crate::ErrorCode::Shape) where inner sizes differ.
    #[track_caller]
    pub fn matmul(&self, other: &Tensor) -> Result<Tensor> {
        // Of truth values there is one only where there is nothing to add.
        if self.dtype() == DType::Bool && other.dtype() == DType::Bool && (self.numel() == 0 || other.numel() == 0) {
            return self.cast(DType::F32)?.matmul(&other.cast(DType::F32)?)?.cast(DType::Bool);
        }
        if self.rank() == 1 && other.rank() == 1 {
            // tract has no product of two vectors, but it has one of a matrix and a vector.
            return apply_one(MatMul, &[&self.unsqueeze(0)?, other])?.squeeze_axes(&[0]);
        }
        apply_one(MatMul, &[self, other])
    }

    /// x · weightᵀ + bias, for a weight of shape (out, in).
    ///
    /// [torch.nn.functional.linear](https://pytorch.org/docs/stable/generated/torch.nn.functional.linear.html)
    ///
    /// # Errors
    /// [`Shape`](crate::ErrorCode::Shape) where the last axis of x is not `in` long.
    #[track_caller]
    pub fn linear(&self, weight: &Tensor, bias: Option<&Tensor>) -> Result<Tensor> {
        if self.rank() == 2 && weight.rank() == 2 && bias.is_none_or(|bias| bias.rank() == 1) {
            return self.gemm(weight, bias, true);
        }
        let product = match weight.rank() {
            1 => self.matmul(weight)?,
            _ => self.matmul(&weight.transpose(-2, -1)?)?,
        };
        bias.map_or(Ok(product.clone()), |bias| product.add(bias))
    }

    /// self · other + added of matrices, with `other` perhaps transposed.
    #[track_caller]
    fn gemm(&self, other: &Tensor, added: Option<&Tensor>, trans_b: bool) -> Result<Tensor> {
        let op = Gemm { alpha: 1.0, beta: 1.0, trans_a: false, trans_b };
        one(apply(op, &[Some(self), Some(other), added]))
    }

    /// `beta`·self + `alpha`·a·b of matrices.
    ///
    /// [torch.addmm](https://pytorch.org/docs/stable/generated/torch.addmm.html)
    ///
    /// # Errors
    /// [`Shape`](crate::ErrorCode::Shape) where inner sizes differ.
    #[track_caller]
    pub fn addmm(&self, a: &Tensor, b: &Tensor, beta: f64, alpha: f64) -> Result<Tensor> {
        let single = |factor: f64| f64::from(factor as f32) == factor;
        if self.dtype() == DType::F64 && !(single(alpha) && single(beta)) {
            // The factors of Gemm are singles.
            let product = a.matmul(b)?.mul(alpha)?;
            return if beta == 0.0 { Ok(product) } else { product.add(self.mul(beta)?) };
        }
        let op = Gemm { alpha: alpha as f32, beta: beta as f32, trans_a: false, trans_b: false };
        one(apply(op, &[Some(a), Some(b), Some(self)]))
    }

    /// softmax(q · kᵀ · scale + mask) · v, over the last two axes.
    ///
    /// `mask` is added where it is a float and keeps where it is true; `causal` keeps what is not in the future.
    /// `scale` is 1/√(size of the last axis of q) where it is not given.
    ///
    /// [torch.nn.functional.scaled_dot_product_attention](https://pytorch.org/docs/stable/generated/torch.nn.functional.scaled_dot_product_attention.html)
    ///
    /// # Errors
    /// [`Shape`](crate::ErrorCode::Shape) where the sizes do not fit.
    #[track_caller]
    pub fn attention(&self, k: &Tensor, v: &Tensor, mask: Option<&Tensor>, causal: bool, scale: Option<f64>) -> Result<Tensor> {
        let width = self.dim(-1)?;
        let scale = match (scale, width.fixed()) {
            (Some(scale), _) => Tensor::weak(scale),
            (None, Some(n)) => Tensor::weak(1.0 / (n as f64).sqrt()),
            (None, None) => Tensor::from_dim(&width).cast(self.dtype())?.rsqrt()?,
        };
        // Scaled before the product: the products of halves then stay in range.
        let mut scores = self.mul(&scale)?.matmul(&k.transpose(-2, -1)?)?;
        if causal {
            let (rows, columns) = (self.dim(-2)?, k.dim(-2)?);
            let row = Tensor::arange(0, &rows, 1, DType::I64)?.unsqueeze(1)?;
            let past = Tensor::arange(0, &columns, 1, DType::I64)?.le(row)?;
            scores = scores.masked_fill(&past.logical_not()?, f64::NEG_INFINITY)?;
        }
        scores = match mask {
            None => scores,
            Some(mask) if mask.dtype() == DType::Bool => scores.masked_fill(&mask.logical_not()?, f64::NEG_INFINITY)?,
            Some(mask) => scores.add(mask)?,
        };
        let y = scores.softmax(-1)?.matmul(v)?;
        // Where nothing may be attended to torch gives zeros, not NaN.
        let Some(mask) = mask.filter(|mask| *mask.shape().last().unwrap_or(&Dim::Fixed(0)) != 0) else { return Ok(y) };
        let lost = match mask.dtype() {
            DType::Bool => mask.any(-1, true)?.logical_not()?,
            _ => mask.amax(-1, true)?.eq(f64::NEG_INFINITY)?,
        };
        let has_none = lost.constant().is_some_and(|lost| lost.to_i64s().is_ok_and(|lost| lost.iter().all(|&lost| lost == 0)));
        if has_none { Ok(y) } else { y.masked_fill(&lost, 0.0) }
    }
}

/// What the laws are tried on.
#[cfg(test)]
pub(super) fn examples() -> Vec<super::examples::Case> {
    use super::examples::*;

    cases! {
        "matmul", [floats(&[2, 3]), floats(&[3, 5])], |x| one(x[0].matmul(&x[1])?);
        "matmul_batch", [floats(&[4, 2, 3]), floats(&[4, 3, 5])], |x| one(x[0].matmul(&x[1])?);
        "matmul_broadcast", [floats(&[4, 1, 2, 3]), floats(&[6, 3, 5])], |x| one(x[0].matmul(&x[1])?);
        "matmul_vectors", [floats(&[3]), floats(&[3])], |x| one(x[0].matmul(&x[1])?);
        "matmul_matrix_vector", [floats(&[2, 3]), floats(&[3])], |x| one(x[0].matmul(&x[1])?);
        "matmul_vector_batch", [floats(&[3]), floats(&[4, 3, 5])], |x| one(x[0].matmul(&x[1])?);
        "matmul_i64", [integers(&[2, 3]), integers(&[3, 5])], |x| one(x[0].matmul(&x[1])?);
        "matmul_f64", [of(DType::F64, &[2, 3], -1.0, 1.0), of(DType::F64, &[3, 5], -1.0, 1.0)], |x| one(x[0].matmul(&x[1])?);
        "matmul_f16", [of(DType::F16, &[2, 3], -1.0, 1.0), of(DType::F16, &[3, 5], -1.0, 1.0)], |x| one(x[0].matmul(&x[1])?);
        "linear", [floats(&[2, 3])], |x| one(x[0].linear(&weight(&[5, 3]), Some(&weight(&[5])))?);
        "linear_batch", [floats(&[4, 2, 3])], |x| one(x[0].linear(&weight(&[5, 3]), Some(&weight(&[5])))?);
        "linear_without_bias", [floats(&[2, 3])], |x| one(x[0].linear(&weight(&[5, 3]), None)?);
        "linear_vector", [floats(&[3])], |x| one(x[0].linear(&weight(&[5, 3]), Some(&weight(&[5])))?);
        "addmm", [floats(&[5]), floats(&[2, 3]), floats(&[3, 5])], |x| one(x[0].addmm(&x[1], &x[2], 0.5, 2.0)?);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_linear_layer_is_one_gemm() {
        let x = Tensor::new([2, 3], vec![1.0f32, 0.0, -1.0, 2.0, 1.0, 0.0]).unwrap();
        let w = Tensor::new([2, 3], vec![1.0f32, 2.0, 3.0, 0.0, 1.0, 0.0]).unwrap();
        let y = x.linear(&w, Some(&Tensor::from(&[10.0f32, 20.0]))).unwrap();
        assert_eq!(y.to_vec::<f32>().unwrap(), [8.0, 20.0, 14.0, 21.0]);
    }

    #[test]
    fn inner_sizes_must_meet() {
        let x = Tensor::of_type(Type::new(DType::F32, vec![Dim::Fixed(2), Dim::Fixed(3)]));
        assert!(x.matmul(&x).unwrap_err().help_line().unwrap().contains('3'));
    }
}
