//! Losses and distances.

use super::args::{Args, ints_in};
use super::row::{Row, one, tuple};
use super::scalar_type::scalar_type;
use crate::error::{Error, Result};
use crate::ops::{CrossEntropy, Ctc, LossReduction, TripletMargin};
use crate::tensor::Tensor;

pub(super) const ROWS: &[Row] = &[
    one("mse_loss(Tensor self, Tensor target, int reduction=Mean) -> Tensor", |a| {
        a.tensor("self")?.mse_loss(&a.tensor("target")?, reduction(a)?)
    }),
    one("l1_loss(Tensor self, Tensor target, int reduction=Mean) -> Tensor", |a| {
        a.tensor("self")?.l1_loss(&a.tensor("target")?, reduction(a)?)
    }),
    one("smooth_l1_loss(Tensor self, Tensor target, int reduction=Mean, float beta=1.0) -> Tensor", |a| {
        a.tensor("self")?.smooth_l1_loss(&a.tensor("target")?, a.float("beta")?, reduction(a)?)
    }),
    one("huber_loss(Tensor self, Tensor target, int reduction=Mean, float delta=1.0) -> Tensor", |a| {
        a.tensor("self")?.huber_loss(&a.tensor("target")?, a.float("delta")?, reduction(a)?)
    }),
    one("soft_margin_loss(Tensor self, Tensor target, int reduction=Mean) -> Tensor", |a| {
        a.tensor("self")?.soft_margin_loss(&a.tensor("target")?, reduction(a)?)
    }),
    one("kl_div(Tensor self, Tensor target, int reduction=Mean, *, bool log_target=False) -> Tensor", |a| {
        a.tensor("self")?.kl_div(&a.tensor("target")?, a.flag("log_target")?, reduction(a)?)
    }),
    one("poisson_nll_loss(Tensor input, Tensor target, bool log_input, bool full, float eps, int reduction) -> Tensor", |a| {
        a.tensor("input")?.poisson_nll_loss(&a.tensor("target")?, a.flag("log_input")?, a.flag("full")?, a.float("eps")?, reduction(a)?)
    }),
    one("binary_cross_entropy(Tensor self, Tensor target, Tensor? weight=None, int reduction=Mean) -> Tensor", |a| {
        a.tensor("self")?.binary_cross_entropy(&a.tensor("target")?, a.opt_tensor("weight")?.as_ref(), reduction(a)?)
    }),
    one(
        "binary_cross_entropy_with_logits(Tensor self, Tensor target, Tensor? weight=None, Tensor? pos_weight=None, int reduction=Mean) -> Tensor",
        |a| {
            a.tensor("self")?.binary_cross_entropy_with_logits(
                &a.tensor("target")?,
                a.opt_tensor("weight")?.as_ref(),
                a.opt_tensor("pos_weight")?.as_ref(),
                reduction(a)?,
            )
        },
    ),
    one("hinge_embedding_loss(Tensor self, Tensor target, float margin=1.0, int reduction=Mean) -> Tensor", |a| {
        a.tensor("self")?.hinge_embedding_loss(&a.tensor("target")?, a.float("margin")?, reduction(a)?)
    }),
    one("margin_ranking_loss(Tensor input1, Tensor input2, Tensor target, float margin=0.0, int reduction=Mean) -> Tensor", |a| {
        a.tensor("input1")?.margin_ranking_loss(&a.tensor("input2")?, &a.tensor("target")?, a.float("margin")?, reduction(a)?)
    }),
    one("cosine_embedding_loss(Tensor input1, Tensor input2, Tensor target, float margin=0.0, int reduction=Mean) -> Tensor", |a| {
        a.tensor("input1")?.cosine_embedding_loss(&a.tensor("input2")?, &a.tensor("target")?, a.float("margin")?, reduction(a)?)
    }),
    one(
        "triplet_margin_loss(Tensor anchor, Tensor positive, Tensor negative, float margin=1.0, float p=2, float eps=1e-06, bool swap=False, int reduction=Mean) -> Tensor",
        |a| {
            let options = TripletMargin {
                margin: a.float("margin")?,
                p: a.float("p")?,
                epsilon: a.float("eps")?,
                swap: a.flag("swap")?,
                reduction: reduction(a)?,
            };
            a.tensor("anchor")?.triplet_margin_loss(&a.tensor("positive")?, &a.tensor("negative")?, &options)
        },
    ),
    one(
        "multi_margin_loss(Tensor self, Tensor target, Scalar p=1, Scalar margin=1, Tensor? weight=None, int reduction=Mean) -> Tensor",
        |a| {
            a.tensor("self")?.multi_margin_loss(
                &a.tensor("target")?,
                a.float("p")?,
                a.float("margin")?,
                a.opt_tensor("weight")?.as_ref(),
                reduction(a)?,
            )
        },
    ),
    one("multilabel_margin_loss(Tensor self, Tensor target, int reduction=Mean) -> Tensor", |a| {
        a.tensor("self")?.multilabel_margin_loss(&a.tensor("target")?, reduction(a)?)
    }),
    one("nll_loss(Tensor self, Tensor target, Tensor? weight=None, int reduction=Mean, SymInt ignore_index=-100) -> Tensor", nll),
    one("nll_loss_nd(Tensor self, Tensor target, Tensor? weight=None, int reduction=Mean, SymInt ignore_index=-100) -> Tensor", nll),
    one("nll_loss2d(Tensor self, Tensor target, Tensor? weight=None, int reduction=Mean, SymInt ignore_index=-100) -> Tensor", nll),
    tuple(
        "nll_loss_forward(Tensor self, Tensor target, Tensor? weight, int reduction, SymInt ignore_index) -> (Tensor output, Tensor total_weight)",
        |a| {
            let x = a.tensor("self")?;
            let total = match reduction(a)? {
                // What is not reduced is not counted.
                LossReduction::None if x.rank() > 1 => Tensor::zeros((), x.dtype())?,
                _ => x.nll_total_weight(&a.tensor("target")?, a.opt_tensor("weight")?.as_ref(), a.int("ignore_index")?)?,
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
        a.tensor("x1")?.pairwise_distance(&a.tensor("x2")?, a.float("p")?, a.float("eps")?, a.flag("keepdim")?)
    }),
    one("cosine_similarity(Tensor x1, Tensor x2, int dim=1, float eps=1e-08) -> Tensor", |a| {
        a.tensor("x1")?.cosine_similarity(&a.tensor("x2")?, a.int("dim")?, a.float("eps")?)
    }),
    one("cdist(Tensor x1, Tensor x2, float p=2, int? compute_mode=None) -> Tensor", |a| {
        let (x, other) = (a.tensor("x1")?, a.tensor("x2")?);
        let y = x.cdist(&other, a.float("p")?)?;
        // Without points or coordinates the distances are zeros of the first dtype.
        if x.numel() == 0 || other.numel() == 0 { y.cast(x.dtype()) } else { Ok(y) }
    }),
    one("_euclidean_dist(Tensor x1, Tensor x2) -> Tensor", |a| a.tensor("x1")?.cdist(&a.tensor("x2")?, 2.0)),
    one("pdist(Tensor self, float p=2) -> Tensor", |a| a.tensor("self")?.pdist(a.float("p")?)),
    one("_log_softmax_backward_data(Tensor grad_output, Tensor output, int dim, ScalarType input_dtype) -> Tensor", |a| {
        let (grad, y, axis) = (a.tensor("grad_output")?, a.tensor("output")?, a.int("dim")?);
        grad.sub(y.exp()?.mul(grad.sum(axis, true)?)?)?.cast(scalar_type(a.int("input_dtype")?)?)
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

/// The reduction by its number in torch.
fn reduction(a: &Args) -> Result<LossReduction> {
    match a.int("reduction")? {
        0 => Ok(LossReduction::None),
        1 => Ok(LossReduction::Mean),
        2 => Ok(LossReduction::Sum),
        other => Err(Error::argument(format!("unknown reduction {other}"))),
    }
}

fn nll(a: &Args) -> Result<Tensor> {
    a.tensor("self")?.nll_loss(&a.tensor("target")?, a.opt_tensor("weight")?.as_ref(), reduction(a)?, a.int("ignore_index")?)
}

fn cross_entropy(a: &Args) -> Result<Tensor> {
    let options = CrossEntropy {
        weight: a.opt_tensor("weight")?,
        ignore_index: a.int("ignore_index")?,
        label_smoothing: a.float("label_smoothing")?,
        reduction: reduction(a)?,
    };
    a.tensor("self")?.cross_entropy(&a.tensor("target")?, &options)
}

fn ctc(a: &Args, input_lengths: &[i64], target_lengths: &[i64]) -> Result<Tensor> {
    let options = Ctc { blank: a.int("blank")?, zero_infinity: a.flag("zero_infinity")?, reduction: reduction(a)? };
    a.tensor("log_probs")?.ctc_loss(&a.tensor("targets")?, input_lengths, target_lengths, &options)
}
