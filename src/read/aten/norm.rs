//! Normalisation.

use super::args::Args;
use super::row::{Row, one, tuple, value};
use super::value::Value;
use crate::array::DType;
use crate::error::{Error, Result};
use crate::tensor::Tensor;

pub(super) const ROWS: &[Row] = &[
    one(
        "batch_norm(Tensor input, Tensor? weight, Tensor? bias, Tensor? running_mean, Tensor? running_var, bool training, float momentum, float eps, bool cudnn_enabled) -> Tensor",
        |a| {
            let (x, scale, bias) = (a.tensor("input")?, a.opt_tensor("weight")?, a.opt_tensor("bias")?);
            if x.numel() == 0 && x.rank() < 2 {
                return Ok(x);
            }
            match (a.flag("training")?, a.opt_tensor("running_mean")?, a.opt_tensor("running_var")?) {
                (false, Some(mean), Some(var)) => x.batch_norm(scale.as_ref(), bias.as_ref(), &mean, &var, a.float("eps")?),
                // Without running statistics those of the batch are used in evaluation too.
                _ => {
                    update(a, &x, a.float("momentum")?)?;
                    let y = x.batch_norm_by_itself(scale.as_ref(), bias.as_ref(), a.float("eps")?)?;
                    let axes: Vec<i64> = (0..x.rank() as i64).filter(|&axis| axis != 1).collect();
                    if a.float("eps")? == 0.0 { constants_at_mean(&x, y, bias, &axes) } else { Ok(y) }
                }
            }
        },
    ),
    one(
        "layer_norm(Tensor input, SymInt[] normalized_shape, Tensor? weight=None, Tensor? bias=None, float eps=1e-05, bool cudnn_enable=True) -> Tensor",
        |a| {
            a.tensor("input")?.layer_norm(
                &a.dims("normalized_shape")?,
                a.opt_tensor("weight")?.as_ref(),
                a.opt_tensor("bias")?.as_ref(),
                a.float("eps")?,
            )
        },
    ),
    one(
        "group_norm(Tensor input, int num_groups, Tensor? weight=None, Tensor? bias=None, float eps=1e-05, bool cudnn_enabled=True) -> Tensor",
        |a| {
            a.tensor("input")?.group_norm(
                a.int("num_groups")?,
                a.opt_tensor("weight")?.as_ref(),
                a.opt_tensor("bias")?.as_ref(),
                a.float("eps")?,
            )
        },
    ),
    one(
        "instance_norm(Tensor input, Tensor? weight, Tensor? bias, Tensor? running_mean, Tensor? running_var, bool use_input_stats, float momentum, float eps, bool cudnn_enabled) -> Tensor",
        |a| {
            let (x, weight, bias) = (a.tensor("input")?, a.opt_tensor("weight")?, a.opt_tensor("bias")?);
            match (a.flag("use_input_stats")?, a.opt_tensor("running_mean")?, a.opt_tensor("running_var")?) {
                (false, Some(mean), Some(var)) => x.batch_norm(weight.as_ref(), bias.as_ref(), &mean, &var, a.float("eps")?),
                _ => {
                    let y = x.instance_norm(weight.as_ref(), bias.as_ref(), a.float("eps")?)?;
                    let axes: Vec<i64> = (2..x.rank() as i64).collect();
                    if a.float("eps")? == 0.0 { constants_at_mean(&x, y, bias, &axes) } else { Ok(y) }
                }
            }
        },
    ),
    one("rms_norm(Tensor input, SymInt[] normalized_shape, Tensor? weight=None, float? eps=None) -> Tensor", |a| {
        let (x, axes) = (a.tensor("input")?, a.dims("normalized_shape")?.len());
        if axes == 1 {
            return x.rms_norm(a.opt_tensor("weight")?.as_ref(), least(&x, a.opt_float("eps")?));
        }
        let y = x.mul(inverse_root(&x, axes, a.opt_float("eps")?)?)?;
        a.opt_tensor("weight")?.map_or(Ok(y.clone()), |weight| y.mul(weight))
    }),
    tuple("_fused_rms_norm(Tensor input, int[] normalized_shape, Tensor? weight, float? eps) -> (Tensor, Tensor)", |a| {
        let (x, axes, epsilon) = (a.tensor("input")?, a.dims("normalized_shape")?.len(), a.opt_float("eps")?);
        let root = inverse_root(&x, axes, epsilon)?;
        let y = match axes {
            1 => x.rms_norm(a.opt_tensor("weight")?.as_ref(), least(&x, epsilon))?,
            _ => {
                let y = x.mul(&root)?;
                a.opt_tensor("weight")?.map_or(Ok(y.clone()), |weight| y.mul(weight))?
            }
        };
        Ok(vec![y, root])
    }),
    one("norm_except_dim(Tensor v, int pow=2, int dim=0) -> Tensor", |a| {
        let (v, p) = (a.tensor("v")?, a.float("pow")?);
        if a.int("dim")? == -1 { v.norm(p, .., false) } else { v.norm_except(p, a.int("dim")?) }
    }),
    tuple("_weight_norm_interface(Tensor v, Tensor g, int dim=0) -> (Tensor, Tensor)", |a| {
        let (v, axis) = (a.tensor("v")?, a.int("dim")?);
        Ok(vec![v.weight_norm(&a.tensor("g")?, axis)?, v.norm_except(2.0, axis)?])
    }),
    one("_weight_norm(Tensor v, Tensor g, int dim=0) -> Tensor", |a| a.tensor("v")?.weight_norm(&a.tensor("g")?, a.int("dim")?)),
    tuple(
        "native_layer_norm(Tensor input, SymInt[] normalized_shape, Tensor? weight, Tensor? bias, float eps) -> (Tensor, Tensor, Tensor)",
        |a| {
            let (x, shape, epsilon) = (a.tensor("input")?, a.dims("normalized_shape")?, a.float("eps")?);
            let axes: Vec<i64> = (1..=shape.len() as i64).map(|axis| -axis).collect();
            let y = x.layer_norm(&shape, a.opt_tensor("weight")?.as_ref(), a.opt_tensor("bias")?.as_ref(), epsilon)?;
            // torch has a mean of nothing, which is 0.
            let mean = if shape.contains(&crate::Dim::Fixed(0)) { x.sum(&axes, true)? } else { x.mean(&axes, true)? };
            Ok(vec![y, mean, x.var(&axes, 0.0, true)?.add(epsilon)?.rsqrt()?])
        },
    ),
    tuple(
        "native_group_norm(Tensor input, Tensor? weight, Tensor? bias, SymInt N, SymInt C, SymInt HxW, int group, float eps) -> (Tensor, Tensor, Tensor)",
        |a| {
            let (x, groups, epsilon) = (a.tensor("input")?, a.int("group")?, a.float("eps")?);
            let y = x.group_norm(groups, a.opt_tensor("weight")?.as_ref(), a.opt_tensor("bias")?.as_ref(), epsilon)?;
            let rest = (a.dim("C")? * a.dim("HxW")?) / groups;
            let grouped = x.reshape(&[a.dim("N")?, groups.into(), rest])?;
            Ok(vec![y, grouped.mean(-1, false)?, grouped.var(-1, 0.0, false)?.add(epsilon)?.rsqrt()?])
        },
    ),
    tuple(
        "native_batch_norm(Tensor input, Tensor? weight, Tensor? bias, Tensor? running_mean, Tensor? running_var, bool training, float momentum, float eps) -> (Tensor, Tensor, Tensor)",
        |a| batch_norm(a, true, a.flag("training")?, a.float("momentum")?, a.float("eps")?),
    ),
    tuple(
        "_native_batch_norm_legit(Tensor input, Tensor? weight, Tensor? bias, Tensor running_mean, Tensor running_var, bool training, float momentum, float eps) -> (Tensor, Tensor, Tensor)",
        |a| batch_norm(a, true, a.flag("training")?, a.float("momentum")?, a.float("eps")?),
    ),
    tuple(
        "_native_batch_norm_legit(Tensor input, Tensor? weight, Tensor? bias, bool training, float momentum, float eps) -> (Tensor, Tensor, Tensor)",
        |a| batch_norm(a, false, true, a.float("momentum")?, a.float("eps")?),
    ),
    tuple(
        "_native_batch_norm_legit_no_training(Tensor input, Tensor? weight, Tensor? bias, Tensor running_mean, Tensor running_var, float momentum, float eps) -> (Tensor, Tensor, Tensor)",
        |a| batch_norm(a, true, false, a.float("momentum")?, a.float("eps")?),
    ),
    tuple(
        "_batch_norm_with_update(Tensor input, Tensor? weight, Tensor? bias, Tensor running_mean, Tensor running_var, float momentum, float eps) -> (Tensor, Tensor, Tensor, Tensor)",
        |a| reserving(a, true, a.float("momentum")?, a.float("eps")?),
    ),
    tuple(
        "_batch_norm_no_update(Tensor input, Tensor? weight, Tensor? bias, Tensor? running_mean, Tensor? running_var, float momentum, float eps) -> (Tensor, Tensor, Tensor, Tensor)",
        |a| reserving(a, false, a.float("momentum")?, a.float("eps")?),
    ),
    tuple(
        "cudnn_batch_norm(Tensor input, Tensor weight, Tensor? bias, Tensor? running_mean, Tensor? running_var, bool training, float exponential_average_factor, float epsilon) -> (Tensor, Tensor, Tensor, Tensor)",
        |a| reserving(a, a.flag("training")?, a.float("exponential_average_factor")?, a.float("epsilon")?),
    ),
    // The last results say which library computed it, and keep what that needs for gradients.
    value(
        "_batch_norm_impl_index(Tensor input, Tensor? weight, Tensor? bias, Tensor? running_mean, Tensor? running_var, bool training, float momentum, float eps, bool cudnn_enabled) -> (Tensor, Tensor, Tensor, Tensor, int)",
        |a| {
            let all = reserving(a, a.flag("training")?, a.float("momentum")?, a.float("eps")?)?;
            Ok(Value::tuple(all.into_iter().map(Value::from).chain([Value::Int(0.into())]).collect()))
        },
    ),
    // These give the new statistics and leave the old ones.
    tuple(
        "_batch_norm_with_update_functional(Tensor input, Tensor? weight, Tensor? bias, Tensor running_mean, Tensor running_var, float momentum, float eps) -> (Tensor, Tensor, Tensor, Tensor, Tensor, Tensor)",
        |a| {
            let mut all = batch_norm(a, false, true, a.float("momentum")?, a.float("eps")?)?;
            all.push(Tensor::zeros([0], DType::U8)?);
            all.extend(statistics(a, &a.tensor("input")?, a.float("momentum")?)?);
            Ok(all)
        },
    ),
    tuple(
        "_native_batch_norm_legit_functional(Tensor input, Tensor? weight, Tensor? bias, Tensor running_mean, Tensor running_var, bool training, float momentum, float eps) -> (Tensor, Tensor, Tensor, Tensor, Tensor)",
        |a| {
            let training = a.flag("training")?;
            let mut all = batch_norm(a, !training, training, a.float("momentum")?, a.float("eps")?)?;
            all.extend(if training {
                statistics(a, &a.tensor("input")?, a.float("momentum")?)?
            } else {
                [a.tensor("running_mean")?, a.tensor("running_var")?]
            });
            Ok(all)
        },
    ),
];

/// What is normalised over these axes without an epsilon: torch takes what does not vary for its mean.
fn constants_at_mean(x: &Tensor, y: Tensor, bias: Option<Tensor>, axes: &[i64]) -> Result<Tensor> {
    let is_constant = x.amax(axes, true)?.eq(x.amin(axes, true)?)?;
    let bias = bias.map_or_else(|| Tensor::zeros([1], y.dtype()), |bias| bias.cast(y.dtype()))?;
    let across: Vec<i64> = std::iter::once(-1).chain(vec![1; x.rank().saturating_sub(2)]).collect();
    is_constant.where_(&bias.reshape(across)?, &y)
}

/// What is added to a mean of squares: the rounding of the dtype where torch is told nothing.
fn least(x: &Tensor, epsilon: Option<f64>) -> f64 {
    epsilon.unwrap_or(if x.dtype() == DType::F64 { f64::EPSILON } else { f64::from(f32::EPSILON) })
}

/// 1 / √(the mean of squares over the last axes).
fn inverse_root(x: &Tensor, axes: usize, epsilon: Option<f64>) -> Result<Tensor> {
    let axes: Vec<i64> = (1..=axes as i64).map(|axis| -axis).collect();
    x.square()?.mean(&axes, true)?.add(least(x, epsilon))?.rsqrt()
}

/// The axes of all that is no channel.
fn but_channels(x: &Tensor) -> Vec<i64> {
    (0..x.rank() as i64).filter(|&axis| axis != 1).collect()
}

/// Running mean and variance as they are after this batch.
fn statistics(a: &Args, x: &Tensor, momentum: f64) -> Result<[Tensor; 2]> {
    let axes = but_channels(x);
    let moved = |old: Tensor, new: Tensor| old.mul(1.0 - momentum)?.add(new.mul(momentum)?)?.cast(old.dtype());
    let mean = moved(a.tensor("running_mean")?, x.mean(&axes, false)?)?;
    Ok([mean, moved(a.tensor("running_var")?, x.var(&axes, 1.0, false)?)?])
}

/// Moves the running statistics towards those of the batch.
///
/// Those of a module would have to be carried from call to call, which a traced graph does not do.
fn update(a: &Args, x: &Tensor, momentum: f64) -> Result<()> {
    if a.is_none("running_mean")? || a.is_none("running_var")? {
        return Ok(());
    }
    for (name, new) in ["running_mean", "running_var"].into_iter().zip(statistics(a, x, momentum)?) {
        let view = a.view(name)?;
        if view.read()?.parameter().is_some() {
            return Err(training());
        }
        view.write(new)?;
    }
    Ok(())
}

/// What the native spelling gives: the result, and the statistics of the batch where they were used. `running` says that there are running
/// statistics, to be used or to be moved.
fn batch_norm(a: &Args, running: bool, training: bool, momentum: f64, epsilon: f64) -> Result<Vec<Tensor>> {
    let (x, scale, bias) = (a.tensor("input")?, a.opt_tensor("weight")?, a.opt_tensor("bias")?);
    let running = running && a.has("running_mean") && a.has("running_var");
    if running && !training {
        let y = x.batch_norm(scale.as_ref(), bias.as_ref(), &a.tensor("running_mean")?, &a.tensor("running_var")?, epsilon)?;
        let nothing = Tensor::zeros([0], x.dtype())?;
        return Ok(vec![y, nothing.clone(), nothing]);
    }
    let axes = but_channels(&x);
    let (mean, deviation) = (x.mean(&axes, false)?, x.var(&axes, 0.0, false)?.add(epsilon)?.rsqrt()?);
    if running {
        update(a, &x, momentum)?;
    }
    Ok(vec![x.batch_norm_by_itself(scale.as_ref(), bias.as_ref(), epsilon)?, mean, deviation])
}

/// As [`batch_norm`], and the room that torch reserves for gradients, which is empty.
fn reserving(a: &Args, training: bool, momentum: f64, epsilon: f64) -> Result<Vec<Tensor>> {
    let mut all = batch_norm(a, true, training, momentum, epsilon)?;
    all.push(Tensor::zeros([0], DType::U8)?);
    Ok(all)
}

fn training() -> Error {
    Error::unsupported("batch norm in training mode updates its running statistics").help("call .eval() on the model before it is traced")
}
