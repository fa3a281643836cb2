//! The non-linear functions of networks.

use super::{Row, one, tuple};
use crate::error::{Error, Result};
use crate::tensor::Tensor;

pub(super) const ROWS: &[Row] = &[
    one("relu(Tensor self) -> Tensor", |a| a.tensor(0)?.relu()),
    one("gelu(Tensor self, *, str approximate=\"none\") -> Tensor", |a| a.tensor(0)?.gelu(a.opt_str(1)? == Some("tanh"))),
    one("silu(Tensor self) -> Tensor", |a| a.tensor(0)?.silu()),
    one("mish(Tensor self) -> Tensor", |a| a.tensor(0)?.mish()),
    one("hardsigmoid(Tensor self) -> Tensor", |a| a.tensor(0)?.hard_sigmoid()),
    one("hardswish(Tensor self) -> Tensor", |a| a.tensor(0)?.hard_swish()),
    one("leaky_relu(Tensor self, Scalar negative_slope=0.01) -> Tensor", |a| a.tensor(0)?.leaky_relu(a.float(1)?)),
    one("elu(Tensor self, Scalar alpha=1, Scalar scale=1, Scalar input_scale=1) -> Tensor", |a| {
        if a.float(3)? != 1.0 {
            return Err(Error::unsupported("elu with an input scale"));
        }
        let y = a.tensor(0)?.elu(a.float(1)?)?;
        if a.float(2)? == 1.0 { Ok(y) } else { y.mul(a.float(2)?) }
    }),
    one("selu(Tensor self) -> Tensor", |a| a.tensor(0)?.selu()),
    one("softplus(Tensor self, Scalar beta=1, Scalar threshold=20) -> Tensor", |a| a.tensor(0)?.softplus(a.float(1)?, a.float(2)?)),
    one("softsign(Tensor self) -> Tensor", |a| a.tensor(0)?.softsign()),
    one("log_sigmoid(Tensor self) -> Tensor", |a| log_sigmoid(&a.tensor(0)?)),
    one("prelu(Tensor self, Tensor weight) -> Tensor", |a| {
        let (x, slope) = (a.tensor(0)?, a.tensor(1)?);
        let slope = if slope.numel() == 1 || x.rank() < 2 {
            slope
        } else {
            let mut across = vec![crate::Dim::Fixed(1); x.rank() - 1];
            across[0] = slope.numel();
            slope.reshape(&across)?
        };
        x.lt(0)?.where_(&x.mul(&slope)?, &x)
    }),
    one("glu(Tensor self, int dim=-1) -> Tensor", |a| a.tensor(0)?.glu(a.int(1)?)),
    one("softmax(Tensor self, int dim, ScalarType? dtype=None) -> Tensor", |a| {
        let x = a.tensor(0)?;
        a.opt_dtype(2)?.map_or(Ok(x.clone()), |dtype| x.cast(dtype))?.softmax(a.int(1)?)
    }),
    one("_softmax(Tensor self, int dim, bool half_to_float) -> Tensor", |a| a.tensor(0)?.softmax(a.int(1)?)),
    one("log_softmax(Tensor self, int dim, ScalarType? dtype=None) -> Tensor", |a| {
        let x = a.tensor(0)?;
        a.opt_dtype(2)?.map_or(Ok(x.clone()), |dtype| x.cast(dtype))?.log_softmax(a.int(1)?)
    }),
    one("_log_softmax(Tensor self, int dim, bool half_to_float) -> Tensor", |a| a.tensor(0)?.log_softmax(a.int(1)?)),
    one("celu(Tensor self, Scalar alpha=1.0) -> Tensor", |a| {
        let (x, alpha) = (a.tensor(0)?, a.float(1)?);
        let low = x.minimum(0.0)?.div(alpha)?.expm1()?.mul(alpha)?;
        x.gt(0.0)?.where_(&x, &low)
    }),
    one("hardshrink(Tensor self, Scalar lambd=0.5) -> Tensor", |a| {
        let (x, edge) = (a.tensor(0)?, a.float(1)?);
        x.masked_fill(&x.ge(-edge)?.logical_and(x.le(edge)?)?, 0.0)
    }),
    one("softshrink(Tensor self, Scalar lambd=0.5) -> Tensor", |a| {
        let (x, edge) = (a.tensor(0)?, a.float(1)?);
        let high = x.sub(edge)?;
        let inner = x.lt(-edge)?.where_(&x.add(edge)?, &x.mul(0.0)?)?;
        x.gt(edge)?.where_(&high, &inner)
    }),
    one("_safe_softmax(Tensor self, int dim, ScalarType? dtype=None) -> Tensor", |a| {
        let x = a.tensor(0)?;
        let x = a.opt_dtype(2)?.map_or(Ok(x.clone()), |dtype| x.cast(dtype))?;
        // A row of which nothing is left is zero.
        let lost = x.eq(f64::NEG_INFINITY)?.all(a.int(1)?, true)?;
        let y = x.softmax(a.int(1)?)?;
        y.masked_fill(&lost.expand(y.shape())?, 0.0)
    }),
    // The buffer is there for gradients.
    tuple("log_sigmoid_forward(Tensor self) -> (Tensor output, Tensor buffer)", |a| {
        let x = a.tensor(0)?;
        Ok(vec![log_sigmoid(&x)?, x.abs()?.neg()?.exp()?])
    }),
    // The slopes are broadcast already.
    one("_prelu_kernel(Tensor self, Tensor weight) -> Tensor", |a| {
        let x = a.tensor(0)?;
        x.gt(0)?.where_(&x, &x.mul(a.tensor(1)?)?)
    }),
    one("_masked_softmax(Tensor self, Tensor mask, int? dim=None, int? mask_type=None) -> Tensor", |a| {
        let (x, mask) = (a.tensor(0)?, a.tensor(1)?);
        // 0: (rows, columns), 1: what of each element of the batch is padding, 2: the full shape.
        let mask = match (a.opt_ints(3)?.map(|kind| kind[0]), mask.rank()) {
            (Some(1), 2) => mask.unsqueeze_axes(&[1, 2])?,
            _ => mask,
        };
        x.masked_fill(&mask.expand(x.shape())?, f64::NEG_INFINITY)?.softmax(a.opt_ints(2)?.map_or(-1, |axis| axis[0]))
    }),
];

fn log_sigmoid(x: &Tensor) -> Result<Tensor> {
    x.neg()?.softplus(1.0, 20.0)?.neg()
}
