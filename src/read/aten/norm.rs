//! Normalisation.

use super::{Row, one};
use crate::error::{Error, Result};
use crate::tensor::Tensor;

pub(super) const ROWS: &[Row] = &[
    one(
        "batch_norm(Tensor input, Tensor? weight, Tensor? bias, Tensor? running_mean, Tensor? running_var, bool training, float momentum, float eps, bool cudnn_enabled) -> Tensor",
        |a| {
            let (x, scale, bias) = (a.tensor(0)?, a.opt_tensor(1)?, a.opt_tensor(2)?);
            match (a.flag(5)?, a.opt_tensor(3)?, a.opt_tensor(4)?) {
                (false, Some(mean), Some(var)) => x.batch_norm(scale.as_ref(), bias.as_ref(), &mean, &var, a.float(7)?),
                // Without running statistics those of the batch are used in evaluation too, and nothing is updated.
                (true, None, None) => x.batch_norm_by_itself(scale.as_ref(), bias.as_ref(), a.float(7)?),
                _ => Err(training()),
            }
        },
    ),
    one(
        "layer_norm(Tensor input, SymInt[] normalized_shape, Tensor? weight=None, Tensor? bias=None, float eps=1e-05, bool cudnn_enable=True) -> Tensor",
        |a| a.tensor(0)?.layer_norm(&a.dims(1)?, a.opt_tensor(2)?.as_ref(), a.opt_tensor(3)?.as_ref(), a.float(4)?),
    ),
    one(
        "group_norm(Tensor input, int num_groups, Tensor? weight=None, Tensor? bias=None, float eps=1e-05, bool cudnn_enabled=True) -> Tensor",
        |a| a.tensor(0)?.group_norm(a.int(1)?, a.opt_tensor(2)?.as_ref(), a.opt_tensor(3)?.as_ref(), a.float(4)?),
    ),
    one(
        "instance_norm(Tensor input, Tensor? weight, Tensor? bias, Tensor? running_mean, Tensor? running_var, bool use_input_stats, float momentum, float eps, bool cudnn_enabled) -> Tensor",
        |a| {
            let (x, weight, bias) = (a.tensor(0)?, a.opt_tensor(1)?, a.opt_tensor(2)?);
            match (a.flag(5)?, a.opt_tensor(3)?, a.opt_tensor(4)?) {
                (false, Some(mean), Some(var)) => x.batch_norm(weight.as_ref(), bias.as_ref(), &mean, &var, a.float(7)?),
                _ => x.instance_norm(weight.as_ref(), bias.as_ref(), a.float(7)?),
            }
        },
    ),
    one("rms_norm(Tensor input, SymInt[] normalized_shape, Tensor? weight=None, float? eps=None) -> Tensor", |a| {
        if a.dims(1)?.len() != 1 {
            return Err(Error::unsupported("rms_norm over several axes"));
        }
        let x = a.tensor(0)?;
        x.rms_norm(a.opt_tensor(2)?.as_ref(), a.opt_float(3)?.unwrap_or(f64::from(f32::EPSILON)))
    }),
    one("_weight_norm(Tensor v, Tensor g, int dim=0) -> Tensor", |a| weight_norm(&a.tensor(0)?, &a.tensor(1)?, a.int(2)?)),
];

fn training() -> Error {
    Error::unsupported("batch norm while training, which updates its statistics").help("call .eval() on the model before it is traced")
}

/// v · g / ‖v‖, the norm being taken over all axes but one (or all, for -1).
pub(super) fn weight_norm(v: &Tensor, g: &Tensor, axis: i64) -> Result<Tensor> {
    let axes: Vec<i64> = match axis {
        -1 => (0..v.rank() as i64).collect(),
        axis => {
            let kept = v.shape().axis(axis)? as i64;
            (0..v.rank() as i64).filter(|&other| other != kept).collect()
        }
    };
    v.mul(g.div(v.norm(2.0, Some(&axes), true)?)?)
}
