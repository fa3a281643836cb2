//! Loss functions.

use super::join::Padding;
use crate::array::{DType, Scalar};
use crate::dim::Dim;
use crate::error::{Error, Result};
use crate::tensor::{Tensor, size};

/// How the losses of single elements become one value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LossReduction {
    /// Not at all.
    None,
    /// Their mean.
    #[default]
    Mean,
    /// Their sum.
    Sum,
}

impl LossReduction {
    fn of(self, loss: Tensor) -> Result<Tensor> {
        match self {
            LossReduction::None => Ok(loss),
            LossReduction::Mean => loss.mean(.., false),
            LossReduction::Sum => loss.sum(.., false),
        }
    }
}

/// The options of [`Tensor::cross_entropy`], with torch's defaults.
#[derive(Clone, Debug)]
pub struct CrossEntropy {
    /// A weight for each class.
    pub weight: Option<Tensor>,
    /// The target that counts nowhere.
    pub ignore_index: i64,
    /// How much of the target is extended over all classes, from 0 to 1.
    pub label_smoothing: f64,
    /// How the losses become one value.
    pub reduction: LossReduction,
}

impl Default for CrossEntropy {
    fn default() -> CrossEntropy {
        CrossEntropy { weight: None, ignore_index: -100, label_smoothing: 0.0, reduction: LossReduction::Mean }
    }
}

/// The options of [`Tensor::ctc_loss`], with torch's defaults.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ctc {
    /// The class that stands for no label.
    pub blank: i64,
    /// Whether an infinite loss, of a target that does not fit its input, becomes 0.
    pub zero_infinity: bool,
    /// How the losses become one value; the mean divides each by the size of its target first.
    pub reduction: LossReduction,
}

/// The options of [`Tensor::triplet_margin_loss`], with torch's defaults.
#[derive(Clone, Copy, Debug)]
pub struct TripletMargin {
    /// How much farther the negative should be than the positive.
    pub margin: f64,
    /// The order of the norm.
    pub p: f64,
    /// What is added to each difference.
    pub epsilon: f64,
    /// Whether the nearer of the anchor and the positive counts for the negative.
    pub swap: bool,
    /// How the losses become one value.
    pub reduction: LossReduction,
}

impl Default for TripletMargin {
    fn default() -> TripletMargin {
        TripletMargin { margin: 1.0, p: 2.0, epsilon: 1e-6, swap: false, reduction: LossReduction::Mean }
    }
}

impl Tensor {
    /// The squared differences, reduced.
    /// [torch.nn.functional.mse_loss](https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.mse_loss.html).
    ///
    /// ```
    /// use ontrace::Tensor;
    /// use ontrace::ops::LossReduction;
    /// let x = Tensor::from(&[1.0f32, 2.0]);
    /// assert_eq!(x.mse_loss(&Tensor::from(&[3.0f32, 2.0]), LossReduction::Mean)?.item()?.to_f64(), 2.0);
    /// # Ok::<(), ontrace::Error>(())
    /// ```
    #[track_caller]
    pub fn mse_loss(&self, target: &Tensor, reduction: LossReduction) -> Result<Tensor> {
        reduction.of(self.sub(target)?.square()?)
    }

    /// The absolute differences, reduced.
    /// [torch.nn.functional.l1_loss](https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.l1_loss.html).
    #[track_caller]
    pub fn l1_loss(&self, target: &Tensor, reduction: LossReduction) -> Result<Tensor> {
        reduction.of(self.sub(target)?.abs()?)
    }

    /// d² / 2β for differences d below β, |d| − β / 2 for others, reduced.
    /// [torch.nn.functional.smooth_l1_loss](https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.smooth_l1_loss.html).
    #[track_caller]
    pub fn smooth_l1_loss(&self, target: &Tensor, beta: f64, reduction: LossReduction) -> Result<Tensor> {
        let distance = self.sub(target)?.abs()?;
        if beta == 0.0 {
            return reduction.of(distance);
        }
        let near = distance.square()?.mul(0.5 / beta)?;
        reduction.of(distance.lt(beta)?.where_(&near, &distance.sub(0.5 * beta)?)?)
    }

    /// d² / 2 for differences d up to δ, δ (|d| − δ / 2) for others, reduced.
    /// [torch.nn.functional.huber_loss](https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.huber_loss.html).
    #[track_caller]
    pub fn huber_loss(&self, target: &Tensor, delta: f64, reduction: LossReduction) -> Result<Tensor> {
        let distance = self.sub(target)?.abs()?;
        let far = distance.sub(0.5 * delta)?.mul(delta)?;
        reduction.of(distance.le(delta)?.where_(&distance.square()?.mul(0.5)?, &far)?)
    }

    /// ln(1 + e^(−x · target)), reduced; the targets are 1 and −1.
    /// [torch.nn.functional.soft_margin_loss](https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.soft_margin_loss.html).
    #[track_caller]
    pub fn soft_margin_loss(&self, target: &Tensor, reduction: LossReduction) -> Result<Tensor> {
        reduction.of(self.mul(target.neg()?)?.exp()?.log1p()?)
    }

    /// The terms of the Kullback-Leibler divergence, reduced: `self` holds logarithms of probabilities, `target` probabilities, or their
    /// logarithms where `log_target` is true. The mean is over all elements, as in torch.
    /// [torch.nn.functional.kl_div](https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.kl_div.html).
    #[track_caller]
    pub fn kl_div(&self, target: &Tensor, log_target: bool, reduction: LossReduction) -> Result<Tensor> {
        let loss = if log_target { target.exp()?.mul(target.sub(self)?)? } else { target.xlogy(target)?.sub(target.mul(self)?)? };
        reduction.of(loss)
    }

    /// The negative log likelihood of counts under a Poisson distribution of rate `self`, or e^`self` where `log_input` is true, reduced.
    /// `full` adds Stirling's approximation of ln(target!), `epsilon` is added to a rate before its logarithm is taken.
    /// [torch.nn.functional.poisson_nll_loss](https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.poisson_nll_loss.html).
    #[track_caller]
    pub fn poisson_nll_loss(&self, target: &Tensor, log_input: bool, full: bool, epsilon: f64, reduction: LossReduction) -> Result<Tensor> {
        let loss = match log_input {
            true => self.exp()?.sub(target.mul(self)?)?,
            false => self.sub(target.mul(self.add(epsilon)?.log()?)?)?,
        };
        let loss = match full {
            // Stirling's approximation of ln(target!), where the target is more than 1.
            true => {
                let stirling = target.xlogy(target)?.sub(target)?.add(target.mul(2.0 * std::f64::consts::PI)?.log()?.mul(0.5)?)?;
                loss.add(stirling.masked_fill(&target.le(1.0)?, 0.0)?)?
            }
            false => loss,
        };
        reduction.of(loss)
    }

    /// −(t ln x + (1 − t) ln(1 − x)) of probabilities x and targets t, times `weight`, reduced. The logarithms are kept from falling below
    /// −100.
    /// [torch.nn.functional.binary_cross_entropy](https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.binary_cross_entropy.html).
    #[track_caller]
    pub fn binary_cross_entropy(&self, target: &Tensor, weight: Option<&Tensor>, reduction: LossReduction) -> Result<Tensor> {
        // torch keeps the logarithms from −∞.
        let log = |p: Tensor| p.log()?.clamp(Some(Scalar::Float(-100.0)), None);
        let no = self.neg()?.add(1.0)?;
        let loss = target.sub(1.0)?.mul(log(no)?)?.sub(target.mul(log(self.clone())?)?)?;
        reduction.of(weighted(loss, weight)?)
    }

    /// [`binary_cross_entropy`](Tensor::binary_cross_entropy) of the sigmoid of `self`, without overflow. `positive_weight` multiplies the
    /// term of the positive class.
    /// [torch.nn.functional.binary_cross_entropy_with_logits](https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.binary_cross_entropy_with_logits.html).
    #[track_caller]
    pub fn binary_cross_entropy_with_logits(
        &self,
        target: &Tensor,
        weight: Option<&Tensor>,
        positive_weight: Option<&Tensor>,
        reduction: LossReduction,
    ) -> Result<Tensor> {
        let log_sigmoid = self.neg()?.softplus(1.0, 20.0)?.neg()?;
        let no = target.neg()?.add(1.0)?.mul(self)?;
        let loss = match positive_weight {
            None => no.sub(log_sigmoid)?,
            Some(more) => no.sub(more.sub(1.0)?.mul(target)?.add(1.0)?.mul(log_sigmoid)?)?,
        };
        reduction.of(weighted(loss, weight)?)
    }

    /// x where the target is 1, max(0, margin − x) where it is −1, reduced.
    /// [torch.nn.functional.hinge_embedding_loss](https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.hinge_embedding_loss.html).
    #[track_caller]
    pub fn hinge_embedding_loss(&self, target: &Tensor, margin: f64, reduction: LossReduction) -> Result<Tensor> {
        // The margin is cut to the dtype of integers.
        let margin = Tensor::full((), margin, self.dtype())?;
        let apart = margin.sub(self)?.clamp(Some(Scalar::Int(0)), None)?.masked_fill(&target.eq(1)?, 0)?;
        let alike = self.masked_fill(&target.eq(-1)?, 0)?;
        reduction.of(apart.add(alike)?)
    }

    /// max(0, −target · (x − other) + margin), reduced; the targets are 1 and −1.
    /// [torch.nn.functional.margin_ranking_loss](https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.margin_ranking_loss.html).
    #[track_caller]
    pub fn margin_ranking_loss(&self, other: &Tensor, target: &Tensor, margin: f64, reduction: LossReduction) -> Result<Tensor> {
        // As torch negates the targets first, those of u8 wrap.
        reduction.of(target.neg()?.mul(self.sub(other)?)?.add(margin)?.clamp(Some(Scalar::Int(0)), None)?)
    }

    /// 1 − cos(x, other) where the target is 1, max(0, cos(x, other) − margin) where it is −1, reduced. The vectors lie on axis 1, or 0 where
    /// there is no batch.
    /// [torch.nn.functional.cosine_embedding_loss](https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.cosine_embedding_loss.html).
    #[track_caller]
    pub fn cosine_embedding_loss(&self, other: &Tensor, target: &Tensor, margin: f64, reduction: LossReduction) -> Result<Tensor> {
        let axis = if target.rank() == 1 { 1 } else { 0 };
        let norm = |t: &Tensor| t.square()?.sum(axis, false)?.add(1e-12);
        let cosine = self.mul(other)?.sum(axis, false)?.div(norm(self)?.mul(norm(other)?)?.sqrt()?)?;
        let zero = Tensor::zeros((), cosine.dtype())?;
        let alike = target.eq(1)?.where_(&cosine.neg()?.add(1.0)?, &zero)?;
        let apart = target.eq(-1)?.where_(&cosine.sub(margin)?.relu()?, &zero)?;
        reduction.of(alike.add(apart)?)
    }

    /// max(0, d(x, positive) − d(x, negative) + margin) with the distance d of [`pairwise_distance`](Tensor::pairwise_distance), reduced.
    /// Where `swap` is true, the negative may be compared with the positive instead, if that is nearer.
    /// [torch.nn.functional.triplet_margin_loss](https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.triplet_margin_loss.html).
    #[track_caller]
    pub fn triplet_margin_loss(&self, positive: &Tensor, negative: &Tensor, options: &TripletMargin) -> Result<Tensor> {
        let TripletMargin { margin, p, epsilon, swap, reduction } = *options;
        let between = |x: &Tensor, y: &Tensor| x.pairwise_distance(y, p, epsilon, false);
        let (near, mut far) = (between(self, positive)?, between(self, negative)?);
        if swap {
            far = far.minimum(between(positive, negative)?)?;
        }
        // In torch's order: a margin is nothing beside a large distance, but may be all of a difference.
        reduction.of(near.add(margin)?.sub(far)?.clamp(Some(Scalar::Int(0)), None)?)
    }

    /// The mean over the classes i ≠ target of max(0, margin − `x[target]` + `x[i]`)ᵖ, times the weight of the target's class, reduced. `self`
    /// has the classes on its last axis, with or without a batch; p is 1 or 2.
    /// [torch.nn.functional.multi_margin_loss](https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.multi_margin_loss.html).
    #[track_caller]
    pub fn multi_margin_loss(
        &self,
        target: &Tensor,
        p: f64,
        margin: f64,
        weight: Option<&Tensor>,
        reduction: LossReduction,
    ) -> Result<Tensor> {
        let flat = self.rank() < 2;
        let shape = target.shape().clone();
        let x = self.cast(self.dtype().or_float())?;
        let (x, target) = if flat { (x.reshape([1, -1])?, target.reshape([1])?) } else { (x, target.clone()) };
        let index = target.unsqueeze(1)?;
        let loss = x.sub(x.gather(1, &index)?)?.add(margin)?;
        let loss = positive_part(&loss)?;
        let loss = if p as i64 == 2 { loss.square()? } else { loss };
        let loss = match weight {
            None => loss,
            Some(weight) => loss.mul(weight.reshape([-1])?.index_select(0, &target)?.unsqueeze(1)?)?,
        };
        let own = Tensor::arange(0, &x.dim(1)?, 1, DType::I64)?.eq(&index)?;
        let loss = loss.masked_fill(&own, 0.0)?.sum(1, false)?.div(Tensor::from_dim(&x.dim(1)?).cast(x.dtype())?)?;
        reduction.of(if flat { loss.reshape(&shape)? } else { loss })?.cast(self.dtype())
    }

    /// The mean over the classes of max(0, 1 − `x[label]` + `x[i]`), summed over the labels of a row and the classes that are none of them,
    /// reduced. The labels of a row end at its first −1.
    /// [torch.nn.functional.multilabel_margin_loss](https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.multilabel_margin_loss.html).
    #[track_caller]
    pub fn multilabel_margin_loss(&self, target: &Tensor, reduction: LossReduction) -> Result<Tensor> {
        let flat = self.rank() < 2;
        let (x, target) = if flat { (self.reshape([1, -1])?, target.reshape([1, -1])?) } else { (self.clone(), target.clone()) };
        let counts = target.lt(0)?.cast(DType::I64)?.cumsum(1)?.eq(0)?;
        let label = target.clamp(Some(Scalar::Int(0)), None)?;
        let classes = Tensor::arange(0, &x.dim(1)?, 1, DType::I64)?;
        let own = label.unsqueeze(2)?.eq(&classes)?.logical_and(counts.unsqueeze(2)?)?.any(1, false)?;
        let gaps = x.unsqueeze(1)?.sub(x.gather(1, &label)?.unsqueeze(2)?)?.add(1.0)?;
        let kept = counts.unsqueeze(2)?.logical_and(own.logical_not()?.unsqueeze(1)?)?.logical_and(gaps.gt(0.0)?)?;
        let loss =
            kept.where_(&gaps, &Tensor::zeros((), x.dtype())?)?.sum([1, 2], false)?.div(Tensor::from_dim(&x.dim(1)?).cast(x.dtype())?)?;
        // Integers have a loss only where there is none to compute.
        reduction.of(if flat { loss.reshape(())? } else { loss })?.cast(self.dtype())
    }

    /// The negative log likelihood −`x[target]`, times the weight of the target's class, reduced. `self` holds logarithms of probabilities with
    /// the classes on axis 1, or 0 where there is no batch; a target that is `ignore_index` counts nowhere. The mean is over the weights.
    /// [torch.nn.functional.nll_loss](https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.nll_loss.html).
    #[track_caller]
    pub fn nll_loss(&self, target: &Tensor, weight: Option<&Tensor>, reduction: LossReduction, ignore_index: i64) -> Result<Tensor> {
        picked(self, target, weight, reduction, ignore_index)
    }

    /// The sum of the weights over which [`nll_loss`](Tensor::nll_loss) takes its mean.
    #[track_caller]
    pub fn nll_total_weight(&self, target: &Tensor, weight: Option<&Tensor>, ignore_index: i64) -> Result<Tensor> {
        target_weight(target, weight, ignore_index, self.dtype())?.1.sum(.., false)
    }

    /// The cross entropy between the softmax of `self` and the target: classes on axis 1, or 0 where there is no batch. The target holds
    /// classes, without the class axis, or a distribution in the shape of `self`.
    /// [torch.nn.functional.cross_entropy](https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.cross_entropy.html).
    ///
    /// ```
    /// use ontrace::Tensor;
    /// use ontrace::ops::CrossEntropy;
    /// let logits = Tensor::from(&[0.0f32, 0.0]).reshape(&[1, 2])?;
    /// let loss = logits.cross_entropy(&Tensor::from(&[1i64]), &CrossEntropy::default())?;
    /// assert!((loss.item()?.to_f64() - 2f64.ln()).abs() < 1e-6);
    /// # Ok::<(), ontrace::Error>(())
    /// ```
    #[track_caller]
    pub fn cross_entropy(&self, target: &Tensor, options: &CrossEntropy) -> Result<Tensor> {
        cross_entropy(self, target, options)
    }

    /// The connectionist temporal classification loss. `self` holds logarithms of probabilities as (steps, batch, classes), or (steps,
    /// classes); `targets` the labels as (batch, longest), or one after the other. The sizes of inputs and targets are fixed.
    /// [torch.nn.functional.ctc_loss](https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.ctc_loss.html).
    ///
    /// # Errors
    ///
    /// Where steps times labels exceed 2²⁰.
    #[track_caller]
    pub fn ctc_loss(&self, targets: &Tensor, input_lengths: &[i64], target_lengths: &[i64], options: &Ctc) -> Result<Tensor> {
        let (single, targets) = (self.rank() == 2, targets.cast(DType::I64)?);
        let log = if single { self.unsqueeze(1)? } else { self.clone() };
        let mut losses = Vec::new();
        let mut start = 0;
        for (i, (&steps, &length)) in input_lengths.iter().zip(target_lengths).enumerate() {
            if steps < 0 || length < 0 || steps * length > 1 << 20 {
                return Err(Error::argument(format!("CTC loss: {steps} steps are too few for {length} labels")));
            }
            if steps == 0 {
                // No label is certain, and some are impossible.
                let loss = if length == 0 { 0.0 } else { f64::INFINITY };
                losses.push(Tensor::full((), loss, log.dtype())?);
                start += length;
                continue;
            }
            let labels = match targets.rank() {
                2 => targets.select(0, i as i64)?.slice(0, ..length)?,
                _ => targets.slice(0, start..start + length)?,
            };
            start += length;
            losses.push(alignment(&log.select(1, i as i64)?, &labels, steps, length, options.blank)?);
        }
        let loss = Tensor::stack(&losses.iter().collect::<Vec<_>>(), 0)?;
        let loss = if options.zero_infinity { loss.masked_fill(&loss.eq(f64::INFINITY)?, 0.0)? } else { loss };
        match options.reduction {
            LossReduction::Mean => {
                let lengths: Vec<f32> = target_lengths.iter().map(|&n| n.max(1) as f32).collect();
                loss.div(Tensor::from(lengths.as_slice()).cast(loss.dtype())?)?.mean(.., false)
            }
            LossReduction::None if single => loss.select(0, 0i64),
            other => other.of(loss),
        }
    }
}

fn weighted(loss: Tensor, weight: Option<&Tensor>) -> Result<Tensor> {
    weight.map_or(Ok(loss.clone()), |weight| loss.mul(weight))
}

/// What counts of each target: the weight of its class, 0 where it is ignored.
fn target_weight(target: &Tensor, weight: Option<&Tensor>, ignored: i64, dtype: DType) -> Result<(Tensor, Tensor)> {
    let kept = target.ne(ignored)?;
    let index = kept.where_(target, &Tensor::zeros((), target.dtype())?)?;
    let counts = match weight {
        None => kept.cast(dtype)?,
        Some(weight) => {
            let weight = with_a_class(&weight.reshape([-1])?, 0)?;
            let weights = weight.index_select(0, &index.reshape([-1])?)?.reshape(target.shape())?;
            kept.where_(&weights, &Tensor::zeros((), weights.dtype())?)?
        }
    };
    Ok((index, counts))
}

/// −x of each target's class: the classes stand on axis 1, or 0 where there is no batch.
fn picked(x: &Tensor, target: &Tensor, weight: Option<&Tensor>, reduction: LossReduction, ignored: i64) -> Result<Tensor> {
    let axis = i64::from(x.rank() > 1);
    // The one target of a vector may be a vector too.
    let target = &if x.rank() == 1 { target.reshape(())? } else { target.clone() };
    let (index, counts) = target_weight(target, weight, ignored, x.dtype())?;
    let chosen = with_a_class(x, axis)?.gather(axis, &index.unsqueeze(axis)?)?.squeeze_axes(&[axis])?;
    // What is ignored counts nothing, also where it is not finite.
    let loss = target.eq(ignored)?.where_(&Tensor::zeros((), x.dtype())?, &chosen.mul(&counts)?.neg()?)?;
    match reduction {
        LossReduction::Mean => loss.sum(.., false)?.div(counts.sum(.., false)?),
        other => other.of(loss),
    }
}

/// One class where there is none: then every target is ignored, and takes what it does not count from there.
fn with_a_class(x: &Tensor, axis: i64) -> Result<Tensor> {
    if x.dim(axis)?.fixed() != Some(0) {
        return Ok(x.clone());
    }
    let behind = x.rank() - 1 - axis as usize;
    x.pad([vec![0; 2 * behind], vec![0, 1]].concat(), Padding::Constant(Scalar::Int(0)))
}

fn alignment(log: &Tensor, labels: &Tensor, steps: i64, length: i64, blank: i64) -> Result<Tensor> {
    let positions = 2 * length + 1;
    let blanks = Tensor::full([length, 1], blank, labels.dtype())?;
    let extended = Tensor::cat(&[&blanks, &labels.unsqueeze(1)?], 1)?.reshape([-1])?;
    let extended = Tensor::cat(&[&extended, &Tensor::full([1i64], blank, labels.dtype())?], 0)?;
    let emitted = log.index_select(1, &extended)?;
    let never = |n: i64| Tensor::full([n], f64::NEG_INFINITY, log.dtype());
    let delayed = |t: &Tensor, by: i64| -> Result<Tensor> {
        if by >= positions {
            return never(positions);
        }
        Tensor::cat(&[&never(by)?, &t.slice(0, ..positions - by)?], 0)
    };
    // A blank may be skipped between two labels that differ.
    let before = if positions > 2 {
        let head = Tensor::full([2i64], blank, labels.dtype())?;
        Tensor::cat(&[&head, &extended.slice(0, ..positions - 2)?], 0)?
    } else {
        extended.clone()
    };
    let may_skip = extended.ne(blank)?.logical_and(extended.ne(&before)?)?;
    let begins = Tensor::arange(0, positions, 1, DType::I64)?.lt(2)?;
    let mut alpha = begins.where_(&emitted.select(0, 0i64)?, &never(positions)?)?;
    for step in 1..steps {
        let skipped = may_skip.where_(&delayed(&alpha, 2)?, &never(positions)?)?;
        let ways = Tensor::stack(&[&alpha, &delayed(&alpha, 1)?, &skipped], 0)?;
        let most = ways.amax(0, false)?;
        let safe = most.masked_fill(&most.eq(f64::NEG_INFINITY)?, 0.0)?;
        let sum = ways.sub(&safe)?.exp()?.sum(0, false)?.log()?.add(&safe)?;
        alpha = sum.add(emitted.select(0, step)?)?;
    }
    let ends = alpha.slice(0, (positions - 2).max(0)..)?;
    let most = ends.amax(.., false)?;
    let safe = most.masked_fill(&most.eq(f64::NEG_INFINITY)?, 0.0)?;
    ends.sub(&safe)?.exp()?.sum(.., false)?.log()?.add(&safe)?.neg()
}

/// Cross entropy of logits: classes on axis 1, or 0 where there is no batch.
fn cross_entropy(x: &Tensor, target: &Tensor, options: &CrossEntropy) -> Result<Tensor> {
    let CrossEntropy { weight, ignore_index: ignored, label_smoothing: smoothing, reduction } = options;
    let (weight, ignored, smoothing, reduction) = (weight.as_ref(), *ignored, *smoothing, *reduction);
    let axis = i64::from(x.rank() > 1);
    let classes = x.dim(axis)?;
    let log = x.log_softmax(axis)?;
    let mut across = vec![Dim::Fixed(1); x.rank()];
    across[axis as usize] = classes.clone();
    let per_class = weight.map(|weight| weight.reshape(&across)).transpose()?;
    let all = |log: &Tensor| per_class.as_ref().map_or(Ok(log.clone()), |weight| log.mul(weight));
    let count = Tensor::from_dim(&classes).cast(x.dtype())?;
    if target.shape() == x.shape() && target.dtype().is_float() {
        // The target is a distribution.
        let target = if smoothing > 0.0 { target.mul(1.0 - smoothing)?.add(count.reciprocal()?.mul(smoothing)?)? } else { target.clone() };
        let loss = all(&log)?.mul(target)?.sum(axis, false)?.neg()?;
        return match reduction {
            LossReduction::Mean => {
                let batch = size::div_exact(&x.numel(), &classes).unwrap_or(Dim::Fixed(1));
                loss.sum(.., false)?.div(Tensor::from_dim(&batch).cast(x.dtype())?)
            }
            other => other.of(loss),
        };
    }
    let sharp = picked(&log, target, weight, reduction, ignored)?;
    if smoothing <= 0.0 {
        return Ok(sharp);
    }
    let smooth = all(&log)?.sum(axis, false)?.neg()?;
    // What is ignored counts nothing, also where it is not finite.
    let smooth = target.ne(ignored)?.where_(&smooth, &Tensor::zeros((), x.dtype())?)?;
    let smooth = match reduction {
        LossReduction::Mean => {
            let (_, counts) = target_weight(target, weight, ignored, x.dtype())?;
            smooth.sum(.., false)?.div(counts.sum(.., false)?)?
        }
        other => other.of(smooth)?,
    };
    sharp.mul(1.0 - smoothing)?.add(smooth.mul(smoothing)?.div(count)?)
}

/// What is positive; 0 for the rest and for NaN.
fn positive_part(x: &Tensor) -> Result<Tensor> {
    x.gt(0.0)?.where_(x, &Tensor::zeros((), x.dtype())?)
}
