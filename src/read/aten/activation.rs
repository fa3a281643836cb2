//! The non-linear functions of networks.

use super::row::{Row, one, tuple};
use crate::array::{DType, Scalar};

pub(super) const ROWS: &[Row] = &[
    one("relu(Tensor self) -> Tensor", |a| a.tensor("self")?.relu()),
    one("gelu(Tensor self, *, str approximate=\"none\") -> Tensor", |a| a.tensor("self")?.gelu(a.opt_str("approximate")? == Some("tanh"))),
    one("silu(Tensor self) -> Tensor", |a| a.tensor("self")?.silu()),
    one("mish(Tensor self) -> Tensor", |a| a.tensor("self")?.mish()),
    one("hardsigmoid(Tensor self) -> Tensor", |a| a.tensor("self")?.hard_sigmoid()),
    one("hardswish(Tensor self) -> Tensor", |a| {
        let x = a.tensor("self")?;
        match x.dtype() {
            // The sixth that ONNX multiplies by is a single.
            DType::F64 => x.add(3.0)?.clamp(Some(Scalar::Float(0.0)), Some(Scalar::Float(6.0)))?.mul(&x)?.div(6.0),
            _ => x.hard_swish(),
        }
    }),
    one("leaky_relu(Tensor self, Scalar negative_slope=0.01) -> Tensor", |a| a.tensor("self")?.leaky_relu(a.float("negative_slope")?)),
    one("elu(Tensor self, Scalar alpha=1, Scalar scale=1, Scalar input_scale=1) -> Tensor", |a| {
        let (x, alpha, within) = (a.tensor("self")?, a.float("alpha")?, a.float("input_scale")?);
        // What torch decomposes celu into has another factor in the exponent.
        let y = if within == 1.0 { x.elu(alpha)? } else { x.gt(0.0)?.where_(&x, &x.minimum(0.0)?.mul(within)?.expm1()?.mul(alpha)?)? };
        if a.float("scale")? == 1.0 { Ok(y) } else { y.mul(a.float("scale")?) }
    }),
    one("selu(Tensor self) -> Tensor", |a| a.tensor("self")?.selu()),
    one("softplus(Tensor self, Scalar beta=1, Scalar threshold=20) -> Tensor", |a| {
        a.tensor("self")?.softplus(a.float("beta")?, a.float("threshold")?)
    }),
    one("softsign(Tensor self) -> Tensor", |a| a.tensor("self")?.softsign()),
    one("log_sigmoid(Tensor self) -> Tensor", |a| a.tensor("self")?.logsigmoid()),
    one("prelu(Tensor self, Tensor weight) -> Tensor", |a| {
        let (x, slope) = (a.tensor("self")?, a.tensor("weight")?);
        let slope = if slope.numel() == 1 || x.rank() < 2 {
            slope
        } else {
            let mut across = vec![crate::Dim::Fixed(1); x.rank() - 1];
            across[0] = slope.numel();
            slope.reshape(&across)?
        };
        // Not below 0 alone: an infinite or unknown slope makes NaN of 0.
        x.gt(0)?.where_(&x, &x.mul(&slope)?)?.reshape(x.shape())
    }),
    one("glu(Tensor self, int dim=-1) -> Tensor", |a| a.tensor("self")?.glu(a.int("dim")?)),
    one("softmax(Tensor self, int dim, ScalarType? dtype=None) -> Tensor", |a| {
        let x = a.tensor("self")?;
        a.opt_dtype("dtype")?.map_or(Ok(x.clone()), |dtype| x.cast(dtype))?.softmax(a.int("dim")?)
    }),
    one("_softmax(Tensor self, int dim, bool half_to_float) -> Tensor", |a| a.tensor("self")?.softmax(a.int("dim")?)),
    one("log_softmax(Tensor self, int dim, ScalarType? dtype=None) -> Tensor", |a| {
        let x = a.tensor("self")?;
        a.opt_dtype("dtype")?.map_or(Ok(x.clone()), |dtype| x.cast(dtype))?.log_softmax(a.int("dim")?)
    }),
    one("_log_softmax(Tensor self, int dim, bool half_to_float) -> Tensor", |a| a.tensor("self")?.log_softmax(a.int("dim")?)),
    one("celu(Tensor self, Scalar alpha=1.0) -> Tensor", |a| a.tensor("self")?.celu(a.float("alpha")?)),
    one("hardshrink(Tensor self, Scalar lambd=0.5) -> Tensor", |a| a.tensor("self")?.hardshrink(a.float("lambd")?)),
    one("softshrink(Tensor self, Scalar lambd=0.5) -> Tensor", |a| a.tensor("self")?.softshrink(a.float("lambd")?)),
    one("_safe_softmax(Tensor self, int dim, ScalarType? dtype=None) -> Tensor", |a| {
        let given = a.tensor("self")?;
        let x = a.opt_dtype("dtype")?.map_or(Ok(given.clone()), |dtype| given.cast(dtype))?;
        // A row of which nothing is left is zero, unless it became so by a cast.
        let lost = given.eq(f64::NEG_INFINITY)?.all(a.int("dim")?, true)?;
        let y = x.softmax(a.int("dim")?)?;
        y.masked_fill(&lost.expand(y.shape())?, 0.0)
    }),
    // The buffer is there for gradients.
    tuple("log_sigmoid_forward(Tensor self) -> (Tensor output, Tensor buffer)", |a| {
        let x = a.tensor("self")?;
        Ok(vec![x.logsigmoid()?, x.abs()?.neg()?.exp()?])
    }),
    // The slopes are broadcast already.
    one("_prelu_kernel(Tensor self, Tensor weight) -> Tensor", |a| {
        let x = a.tensor("self")?;
        x.gt(0)?.where_(&x, &x.mul(a.tensor("weight")?)?)
    }),
    one("_masked_softmax(Tensor self, Tensor mask, int? dim=None, int? mask_type=None) -> Tensor", |a| {
        let (x, mask) = (a.tensor("self")?, a.tensor("mask")?);
        // 0: (rows, columns), 1: what of each element of the batch is padding, 2: the full shape.
        let mask = match (a.opt_ints("mask_type")?.map(|kind| kind[0]), mask.rank()) {
            // Beside other ranks than 4 it has the full shape whatever is said.
            (Some(1), 2) if x.rank() == 4 => mask.unsqueeze_axes(&[1, 2])?,
            _ => mask,
        };
        x.masked_fill(&mask.expand(x.shape())?, f64::NEG_INFINITY)?.softmax(a.opt_ints("dim")?.map_or(-1, |axis| axis[0]))
    }),
];
