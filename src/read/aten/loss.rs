//! Losses and distances.

use super::args::{Args, ints_in};
use super::row::{Row, one, tuple};
use super::scalar_type::scalar_type;
use crate::array::{DType, Scalar};
use crate::dim::Dim;
use crate::error::{Error, Result};
use crate::tensor::{Tensor, size};

pub(super) const ROWS: &[Row] = &[
    one("mse_loss(Tensor self, Tensor target, int reduction=Mean) -> Tensor", |a| {
        reduced(a.tensor("self")?.sub(a.tensor("target")?)?.square()?, a.int("reduction")?)
    }),
    one("l1_loss(Tensor self, Tensor target, int reduction=Mean) -> Tensor", |a| {
        reduced(a.tensor("self")?.sub(a.tensor("target")?)?.abs()?, a.int("reduction")?)
    }),
    one("smooth_l1_loss(Tensor self, Tensor target, int reduction=Mean, float beta=1.0) -> Tensor", |a| {
        let (distance, beta) = (a.tensor("self")?.sub(a.tensor("target")?)?.abs()?, a.float("beta")?);
        if beta == 0.0 {
            return reduced(distance, a.int("reduction")?);
        }
        let near = distance.square()?.mul(0.5 / beta)?;
        reduced(distance.lt(beta)?.where_(&near, &distance.sub(0.5 * beta)?)?, a.int("reduction")?)
    }),
    one("huber_loss(Tensor self, Tensor target, int reduction=Mean, float delta=1.0) -> Tensor", |a| {
        let (distance, delta) = (a.tensor("self")?.sub(a.tensor("target")?)?.abs()?, a.float("delta")?);
        let far = distance.sub(0.5 * delta)?.mul(delta)?;
        reduced(distance.le(delta)?.where_(&distance.square()?.mul(0.5)?, &far)?, a.int("reduction")?)
    }),
    one("soft_margin_loss(Tensor self, Tensor target, int reduction=Mean) -> Tensor", |a| {
        reduced(a.tensor("self")?.mul(a.tensor("target")?.neg()?)?.exp()?.log1p()?, a.int("reduction")?)
    }),
    one("kl_div(Tensor self, Tensor target, int reduction=Mean, *, bool log_target=False) -> Tensor", |a| {
        let (x, target) = (a.tensor("self")?, a.tensor("target")?);
        let loss = if a.flag("log_target")? { target.exp()?.mul(target.sub(x)?)? } else { target.xlogy(&target)?.sub(target.mul(x)?)? };
        reduced(loss, a.int("reduction")?)
    }),
    one("poisson_nll_loss(Tensor input, Tensor target, bool log_input, bool full, float eps, int reduction) -> Tensor", |a| {
        let (x, target, epsilon) = (a.tensor("input")?, a.tensor("target")?, a.float("eps")?);
        let loss = match a.flag("log_input")? {
            true => x.exp()?.sub(target.mul(&x)?)?,
            false => x.sub(target.mul(x.add(epsilon)?.log()?)?)?,
        };
        let loss = match a.flag("full")? {
            // Stirling's approximation of ln(target!), where the target is more than 1.
            true => {
                let stirling = target.xlogy(&target)?.sub(&target)?.add(target.mul(2.0 * std::f64::consts::PI)?.log()?.mul(0.5)?)?;
                loss.add(stirling.masked_fill(&target.le(1.0)?, 0.0)?)?
            }
            false => loss,
        };
        reduced(loss, a.int("reduction")?)
    }),
    one("binary_cross_entropy(Tensor self, Tensor target, Tensor? weight=None, int reduction=Mean) -> Tensor", |a| {
        let (x, target) = (a.tensor("self")?, a.tensor("target")?);
        // torch keeps the logarithms from −∞.
        let log = |p: Tensor| p.log()?.clamp(Some(Scalar::Float(-100.0)), None);
        let no = x.neg()?.add(1.0)?;
        let loss = target.sub(1.0)?.mul(log(no)?)?.sub(target.mul(log(x)?)?)?;
        reduced(weighted(loss, a.opt_tensor("weight")?)?, a.int("reduction")?)
    }),
    one(
        "binary_cross_entropy_with_logits(Tensor self, Tensor target, Tensor? weight=None, Tensor? pos_weight=None, int reduction=Mean) -> Tensor",
        |a| {
            let (x, target) = (a.tensor("self")?, a.tensor("target")?);
            let log_sigmoid = x.neg()?.softplus(1.0, 20.0)?.neg()?;
            let no = target.neg()?.add(1.0)?.mul(&x)?;
            let loss = match a.opt_tensor("pos_weight")? {
                None => no.sub(log_sigmoid)?,
                Some(more) => no.sub(more.sub(1.0)?.mul(&target)?.add(1.0)?.mul(log_sigmoid)?)?,
            };
            reduced(weighted(loss, a.opt_tensor("weight")?)?, a.int("reduction")?)
        },
    ),
    one("hinge_embedding_loss(Tensor self, Tensor target, float margin=1.0, int reduction=Mean) -> Tensor", |a| {
        let (x, target) = (a.tensor("self")?, a.tensor("target")?);
        let apart = x.neg()?.add(a.float("margin")?)?.relu()?.masked_fill(&target.eq(1)?, 0)?;
        let alike = x.masked_fill(&target.eq(-1)?, 0)?;
        reduced(apart.add(alike)?, a.int("reduction")?)
    }),
    one("margin_ranking_loss(Tensor input1, Tensor input2, Tensor target, float margin=0.0, int reduction=Mean) -> Tensor", |a| {
        let distance = a.tensor("input1")?.sub(a.tensor("input2")?)?;
        reduced(distance.mul(a.tensor("target")?)?.neg()?.add(a.float("margin")?)?.clamp(Some(Scalar::Int(0)), None)?, a.int("reduction")?)
    }),
    one("cosine_embedding_loss(Tensor input1, Tensor input2, Tensor target, float margin=0.0, int reduction=Mean) -> Tensor", |a| {
        let (x, y, target) = (a.tensor("input1")?, a.tensor("input2")?, a.tensor("target")?);
        let axis = if target.rank() == 1 { 1 } else { 0 };
        let norm = |t: &Tensor| t.square()?.sum(axis, false)?.add(1e-12);
        let cosine = x.mul(&y)?.sum(axis, false)?.div(norm(&x)?.mul(norm(&y)?)?.sqrt()?)?;
        let zero = Tensor::zeros((), cosine.dtype())?;
        let alike = target.eq(1)?.where_(&cosine.neg()?.add(1.0)?, &zero)?;
        let apart = target.eq(-1)?.where_(&cosine.sub(a.float("margin")?)?.relu()?, &zero)?;
        reduced(alike.add(apart)?, a.int("reduction")?)
    }),
    one(
        "triplet_margin_loss(Tensor anchor, Tensor positive, Tensor negative, float margin=1.0, float p=2, float eps=1e-06, bool swap=False, int reduction=Mean) -> Tensor",
        |a| {
            let (anchor, positive, negative) = (a.tensor("anchor")?, a.tensor("positive")?, a.tensor("negative")?);
            let between = |x: &Tensor, y: &Tensor| distance(x, y, a.float("p")?, a.float("eps")?, false);
            let (near, mut far) = (between(&anchor, &positive)?, between(&anchor, &negative)?);
            if a.flag("swap")? {
                far = far.minimum(between(&positive, &negative)?)?;
            }
            reduced(near.sub(far)?.add(a.float("margin")?)?.clamp(Some(Scalar::Int(0)), None)?, a.int("reduction")?)
        },
    ),
    one(
        "multi_margin_loss(Tensor self, Tensor target, Scalar p=1, Scalar margin=1, Tensor? weight=None, int reduction=Mean) -> Tensor",
        |a| {
            let (x, target, p) = (a.tensor("self")?, a.tensor("target")?, a.float("p")?);
            let (x, target) = if x.rank() < 2 { (x.reshape(&[1, -1])?, target.reshape(&[1])?) } else { (x, target) };
            let index = target.unsqueeze(1)?;
            let loss = x.sub(x.gather(1, &index)?)?.add(a.float("margin")?)?.relu()?;
            let loss = if p == 2.0 { loss.square()? } else { loss };
            let loss = match a.opt_tensor("weight")? {
                None => loss,
                Some(weight) => loss.mul(weight.index_select(0, &target)?.unsqueeze(1)?)?,
            };
            let own = Tensor::arange(0, &x.dim(1)?, 1, DType::I64)?.eq(&index)?;
            let loss = loss.masked_fill(&own, 0.0)?.sum(1, false)?.div(Tensor::from_dim(&x.dim(1)?).cast(x.dtype())?)?;
            let loss = if a.tensor("self")?.rank() < 2 { loss.reshape(())? } else { loss };
            reduced(loss, a.int("reduction")?)
        },
    ),
    one("multilabel_margin_loss(Tensor self, Tensor target, int reduction=Mean) -> Tensor", |a| {
        let (x, target) = (a.tensor("self")?, a.tensor("target")?);
        let flat = x.rank() < 2;
        let (x, target) = if flat { (x.reshape(&[1, -1])?, target.reshape(&[1, -1])?) } else { (x, target) };
        // Labels up to the first −1 count.
        let counts = target.lt(0)?.cast(DType::I64)?.cumsum(1)?.eq(0)?;
        let place = target.clamp(Some(Scalar::Int(0)), None)?;
        let classes = Tensor::arange(0, &x.dim(1)?, 1, DType::I64)?;
        let own = place.unsqueeze(2)?.eq(&classes)?.logical_and(counts.unsqueeze(2)?)?.any(1, false)?;
        let gaps = x.unsqueeze(1)?.sub(x.gather(1, &place)?.unsqueeze(2)?)?.add(1.0)?.relu()?;
        let kept = counts.unsqueeze(2)?.logical_and(own.logical_not()?.unsqueeze(1)?)?.cast(x.dtype())?;
        let loss = gaps.mul(kept)?.sum([1, 2], false)?.div(Tensor::from_dim(&x.dim(1)?).cast(x.dtype())?)?;
        let loss = if flat { loss.reshape(())? } else { loss };
        reduced(loss, a.int("reduction")?)
    }),
    one("nll_loss(Tensor self, Tensor target, Tensor? weight=None, int reduction=Mean, SymInt ignore_index=-100) -> Tensor", nll),
    one("nll_loss_nd(Tensor self, Tensor target, Tensor? weight=None, int reduction=Mean, SymInt ignore_index=-100) -> Tensor", nll),
    one("nll_loss2d(Tensor self, Tensor target, Tensor? weight=None, int reduction=Mean, SymInt ignore_index=-100) -> Tensor", nll),
    tuple(
        "nll_loss_forward(Tensor self, Tensor target, Tensor? weight, int reduction, SymInt ignore_index) -> (Tensor output, Tensor total_weight)",
        |a| {
            let (target, dtype) = (a.tensor("target")?, a.tensor("self")?.dtype());
            let total = match a.int("reduction")? {
                // What is not reduced is not counted.
                0 => Tensor::zeros((), dtype)?,
                _ => target_weight(&target, a.opt_tensor("weight")?.as_ref(), a.int("ignore_index")?, dtype)?.1.sum(.., false)?,
            };
            Ok(vec![nll(a)?, total])
        },
    ),
    one(
        "cross_entropy_loss(Tensor self, Tensor target, Tensor? weight=None, int reduction=Mean, SymInt ignore_index=-100, float label_smoothing=0.0) -> Tensor",
        cross_entropy,
    ),
    one(
        "ctc_loss(Tensor log_probs, Tensor targets, int[] input_lengths, int[] target_lengths, int blank=0, int reduction=Mean, bool zero_infinity=False) -> Tensor",
        |a| ctc(a, &a.ints("input_lengths")?, &a.ints("target_lengths")?),
    ),
    one(
        "ctc_loss(Tensor log_probs, Tensor targets, Tensor input_lengths, Tensor target_lengths, int blank=0, int reduction=Mean, bool zero_infinity=False) -> Tensor",
        |a| ctc(a, &ints_in(&a.tensor("input_lengths")?)?, &ints_in(&a.tensor("target_lengths")?)?),
    ),
    one("pairwise_distance(Tensor x1, Tensor x2, float p=2, float eps=1e-06, bool keepdim=False) -> Tensor", |a| {
        distance(&a.tensor("x1")?, &a.tensor("x2")?, a.float("p")?, a.float("eps")?, a.flag("keepdim")?)
    }),
    one("cosine_similarity(Tensor x1, Tensor x2, int dim=1, float eps=1e-08) -> Tensor", |a| {
        let (x, y, axis, epsilon) = (a.tensor("x1")?, a.tensor("x2")?, a.int("dim")?, a.float("eps")?);
        let shape = size::broadcast(x.shape(), y.shape())?;
        let (x, y) = (x.expand(&shape)?, y.expand(&shape)?);
        let unit = |t: &Tensor| t.div(t.norm(2.0, axis, true)?.clamp(Some(Scalar::Float(epsilon)), None)?);
        unit(&x)?.mul(unit(&y)?)?.sum(axis, false)
    }),
    one("cdist(Tensor x1, Tensor x2, float p=2, int? compute_mode=None) -> Tensor", |a| {
        between(&a.tensor("x1")?, &a.tensor("x2")?, a.float("p")?)
    }),
    one("_euclidean_dist(Tensor x1, Tensor x2) -> Tensor", |a| between(&a.tensor("x1")?, &a.tensor("x2")?, 2.0)),
    one("pdist(Tensor self, float p=2) -> Tensor", |a| {
        let x = a.tensor("self")?;
        let n = x.dim(0)?.fixed().ok_or_else(|| Error::size("pairwise distances need a fixed number of points"))?;
        let pairs: Vec<(i64, i64)> = (0..n).flat_map(|i| (i + 1..n).map(move |j| (i, j))).collect();
        let rows = |index: Vec<i64>| x.index_select(0, &Tensor::from(index.as_slice()));
        let (first, second) = (rows(pairs.iter().map(|pair| pair.0).collect())?, rows(pairs.iter().map(|pair| pair.1).collect())?);
        first.sub(second)?.norm(a.float("p")?, -1, false)
    }),
    tuple("_log_softmax_backward_data(Tensor grad_output, Tensor output, int dim, ScalarType input_dtype) -> Tensor", |a| {
        let (grad, y, axis) = (a.tensor("grad_output")?, a.tensor("output")?, a.int("dim")?);
        Ok(vec![grad.sub(y.exp()?.mul(grad.sum(axis, true)?)?)?])
    }),
    one("_softmax_backward_data(Tensor grad_output, Tensor output, int dim, ScalarType input_dtype) -> Tensor", |a| {
        let (grad, y, axis) = (a.tensor("grad_output")?, a.tensor("output")?, a.int("dim")?);
        let product = grad.mul(&y)?;
        product.sub(y.mul(product.sum(axis, true)?)?)?.cast(scalar_type(a.int("input_dtype")?)?)
    }),
    one("native_dropout_backward(Tensor grad_output, Tensor mask, float scale) -> Tensor", |a| {
        let (grad, mask) = (a.tensor("grad_output")?, a.tensor("mask")?);
        grad.mul(mask.cast(grad.dtype())?)?.mul(a.float("scale")?)
    }),
];

/// 0: as it is; 1: the mean; 2: the sum.
fn reduced(loss: Tensor, reduction: i64) -> Result<Tensor> {
    match reduction {
        0 => Ok(loss),
        1 => loss.mean(.., false),
        2 => loss.sum(.., false),
        other => Err(Error::argument(format!("unknown reduction {other}"))),
    }
}

fn weighted(loss: Tensor, weight: Option<Tensor>) -> Result<Tensor> {
    weight.map_or(Ok(loss.clone()), |weight| loss.mul(weight))
}

fn distance(x: &Tensor, y: &Tensor, p: f64, epsilon: f64, keep: bool) -> Result<Tensor> {
    x.sub(y)?.add(epsilon)?.norm(p, -1, keep)
}

/// The distances of all points of one set to all of the other.
fn between(x: &Tensor, y: &Tensor, p: f64) -> Result<Tensor> {
    x.unsqueeze(-2)?.sub(y.unsqueeze(-3)?)?.norm(p, -1, false)
}

fn nll(a: &Args) -> Result<Tensor> {
    picked(&a.tensor("self")?, &a.tensor("target")?, a.opt_tensor("weight")?.as_ref(), a.int("reduction")?, a.int("ignore_index")?)
}

/// What counts of each target: the weight of its class, 0 where it is ignored.
fn target_weight(target: &Tensor, weight: Option<&Tensor>, ignored: i64, dtype: DType) -> Result<(Tensor, Tensor)> {
    let kept = target.ne(ignored)?;
    let index = kept.where_(target, &Tensor::zeros((), target.dtype())?)?;
    let kept = kept.cast(dtype)?;
    let counts = match weight {
        None => kept,
        Some(weight) => weight.reshape(&[-1])?.index_select(0, &index.reshape(&[-1])?)?.reshape(target.shape())?.mul(kept)?,
    };
    Ok((index, counts))
}

/// −x of each target's class: the classes stand on axis 1, or 0 where there is no batch.
fn picked(x: &Tensor, target: &Tensor, weight: Option<&Tensor>, reduction: i64, ignored: i64) -> Result<Tensor> {
    let axis = i64::from(x.rank() > 1);
    let (index, counts) = target_weight(target, weight, ignored, x.dtype())?;
    let chosen = x.gather(axis, &index.unsqueeze(axis)?)?.squeeze_axes(&[axis])?;
    let loss = chosen.mul(&counts)?.neg()?;
    match reduction {
        1 => loss.sum(.., false)?.div(counts.sum(.., false)?),
        other => reduced(loss, other),
    }
}

fn cross_entropy(a: &Args) -> Result<Tensor> {
    let (x, target, weight) = (a.tensor("self")?, a.tensor("target")?, a.opt_tensor("weight")?);
    let (reduction, ignored, smoothing) = (a.int("reduction")?, a.int("ignore_index")?, a.float("label_smoothing")?);
    let axis = i64::from(x.rank() > 1);
    let classes = x.dim(axis)?;
    let log = x.log_softmax(axis)?;
    let mut across = vec![Dim::Fixed(1); x.rank()];
    across[axis as usize] = classes.clone();
    let per_class = weight.as_ref().map(|weight| weight.reshape(&across)).transpose()?;
    let all = |log: &Tensor| per_class.as_ref().map_or(Ok(log.clone()), |weight| log.mul(weight));
    let count = Tensor::from_dim(&classes).cast(x.dtype())?;
    if target.shape() == x.shape() && target.dtype().is_float() {
        // The target is a distribution.
        let target = if smoothing > 0.0 { target.mul(1.0 - smoothing)?.add(count.reciprocal()?.mul(smoothing)?)? } else { target };
        let loss = all(&log)?.mul(target)?.sum(axis, false)?.neg()?;
        return match reduction {
            1 => {
                let batch = size::div_exact(&x.numel(), &classes).unwrap_or(Dim::Fixed(1));
                loss.sum(.., false)?.div(Tensor::from_dim(&batch).cast(x.dtype())?)
            }
            other => reduced(loss, other),
        };
    }
    let sharp = picked(&log, &target, weight.as_ref(), reduction, ignored)?;
    if smoothing == 0.0 {
        return Ok(sharp);
    }
    let smooth = all(&log)?.sum(axis, false)?.neg()?;
    let kept = target.ne(ignored)?;
    let smooth = smooth.mul(kept.cast(x.dtype())?)?;
    let smooth = match reduction {
        1 => {
            let (_, counts) = target_weight(&target, weight.as_ref(), ignored, x.dtype())?;
            smooth.sum(.., false)?.div(counts.sum(.., false)?)?
        }
        other => reduced(smooth, other)?,
    };
    sharp.mul(1.0 - smoothing)?.add(smooth.mul(smoothing)?.div(count)?)
}

/// The probability of all alignments, step by step: α over the target with blanks between.
fn ctc(a: &Args, input_lengths: &[i64], target_lengths: &[i64]) -> Result<Tensor> {
    let (log, targets, blank, reduction, finite) =
        (a.tensor("log_probs")?, a.tensor("targets")?, a.int("blank")?, a.int("reduction")?, a.flag("zero_infinity")?);
    let single = log.rank() == 2;
    let log = if single { log.unsqueeze(1)? } else { log };
    let mut losses = Vec::new();
    let mut start = 0;
    for (i, (&steps, &length)) in input_lengths.iter().zip(target_lengths).enumerate() {
        if steps < 1 || length < 0 || steps * length > 1 << 20 {
            return Err(Error::argument(format!("CTC loss: {steps} steps are too few for {length} labels")));
        }
        let labels = match targets.rank() {
            2 => targets.select(0, i as i64)?.slice(0, ..length)?,
            _ => targets.slice(0, start..start + length)?,
        };
        start += length;
        losses.push(alignment(&log.select(1, i as i64)?, &labels, steps, length, blank)?);
    }
    let loss = Tensor::stack(&losses.iter().collect::<Vec<_>>(), 0)?;
    let loss = if finite { loss.masked_fill(&loss.eq(f64::INFINITY)?, 0.0)? } else { loss };
    match reduction {
        1 => {
            let lengths: Vec<f32> = target_lengths.iter().map(|&n| n.max(1) as f32).collect();
            loss.div(Tensor::from(lengths.as_slice()).cast(loss.dtype())?)?.mean(.., false)
        }
        0 if single => loss.select(0, 0i64),
        other => reduced(loss, other),
    }
}

fn alignment(log: &Tensor, labels: &Tensor, steps: i64, length: i64, blank: i64) -> Result<Tensor> {
    let places = 2 * length + 1;
    let blanks = Tensor::full([length, 1], blank, labels.dtype())?;
    let spread = Tensor::cat(&[&blanks, &labels.unsqueeze(1)?], 1)?.reshape(&[-1])?;
    let spread = Tensor::cat(&[&spread, &Tensor::full([1i64], blank, labels.dtype())?], 0)?;
    let emitted = log.index_select(1, &spread)?;
    let never = |n: i64| Tensor::full([n], f64::NEG_INFINITY, log.dtype());
    let delayed = |t: &Tensor, by: i64| -> Result<Tensor> {
        if by >= places {
            return never(places);
        }
        Tensor::cat(&[&never(by)?, &t.slice(0, ..places - by)?], 0)
    };
    // A blank may be skipped between two labels that differ.
    let before = if places > 2 {
        let head = Tensor::full([2i64], blank, labels.dtype())?;
        Tensor::cat(&[&head, &spread.slice(0, ..places - 2)?], 0)?
    } else {
        spread.clone()
    };
    let may_skip = spread.ne(blank)?.logical_and(spread.ne(&before)?)?;
    let begins = Tensor::arange(0, places, 1, DType::I64)?.lt(2)?;
    let mut alpha = begins.where_(&emitted.select(0, 0i64)?, &never(places)?)?;
    for step in 1..steps {
        let skipped = may_skip.where_(&delayed(&alpha, 2)?, &never(places)?)?;
        let ways = Tensor::stack(&[&alpha, &delayed(&alpha, 1)?, &skipped], 0)?;
        let most = ways.amax(0, false)?;
        let safe = most.masked_fill(&most.eq(f64::NEG_INFINITY)?, 0.0)?;
        let sum = ways.sub(&safe)?.exp()?.sum(0, false)?.log()?.add(&safe)?;
        alpha = sum.add(emitted.select(0, step)?)?;
    }
    let ends = alpha.slice(0, (places - 2).max(0)..)?;
    let most = ends.amax(.., false)?;
    let safe = most.masked_fill(&most.eq(f64::NEG_INFINITY)?, 0.0)?;
    ends.sub(&safe)?.exp()?.sum(.., false)?.log()?.add(&safe)?.neg()
}
