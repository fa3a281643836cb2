//! Attention in ONNX's own spellings, and what language models put beside it: read as its decomposition, and never written.

use super::{Padding, Reader, Window};
use crate::array::{DType, Scalar};
use crate::dim::Dim;
use crate::error::{Error, Result};
use crate::graph::Inputs;
use crate::onnx::{Node, tensor};
use crate::tensor::{Tensor, size};

pub(super) const READS: &[(&str, Reader)] =
    &[("RotaryEmbedding", rotary), ("Attention", attention), ("LinearAttention", linear), ("CausalConvWithState", causal_conv)];

/// Heads repeated so that each query head has one of its own.
fn shared(x: &Tensor, many: &Dim) -> Result<Tensor> {
    let few = x.dim(1)?;
    let times = size::div_exact(many, &few)
        .and_then(|n| n.fixed())
        .ok_or_else(|| Error::shape(format!("{many} query heads are not a multiple of {few} key and value heads")))?;
    if times == 1 {
        return Ok(x.clone());
    }
    let mut wide = x.shape().to_vec();
    wide.insert(2, Dim::Fixed(times));
    x.unsqueeze(2)?.expand(&wide)?.flatten(1, 2)
}

fn rotary(node: &Node, inputs: &Inputs<Tensor>) -> Result<Vec<Tensor>> {
    let (x, cos, sin, ids) = (inputs.at(0)?, inputs.at(1)?, inputs.at(2)?, inputs.opt(3));
    let heads = node.int("num_heads", 0)?;
    // (batch, heads, steps, channels) or (batch, steps, heads · channels): the steps come second from here on.
    let split = if x.rank() == 3 { x.unflatten(2, [heads, -1])? } else { x.transpose(1, 2)? };
    let wide = split.dim(-1)?.fixed().ok_or_else(|| Error::size("the number of channels must be fixed"))?;
    let rotated = match node.int("rotary_embedding_dim", 0)? {
        0 => wide,
        n => n,
    };
    let (head, rest) = (split.slice(-1, ..rotated)?, split.slice(-1, rotated..)?);
    let pick = |table: &Tensor| -> Result<Tensor> {
        let table = ids.map_or(Ok(table.clone()), |ids| table.index_select(0, ids))?;
        table.slice(-1, ..rotated / 2)?.unsqueeze(2)
    };
    let (cos, sin) = (pick(cos)?, pick(sin)?);
    let interleaved = node.int("interleaved", 0)? != 0;
    let (a, b) = if interleaved {
        (head.slice_step(-1, .., 2)?, head.slice_step(-1, 1.., 2)?)
    } else {
        (head.slice(-1, ..rotated / 2)?, head.slice(-1, rotated / 2..)?)
    };
    let (re, im) = (a.mul(&cos)?.sub(b.mul(&sin)?)?, a.mul(&sin)?.add(b.mul(&cos)?)?);
    let new = if interleaved { Tensor::stack(&[&re, &im], -1)?.flatten(-2, -1)? } else { Tensor::cat(&[&re, &im], -1)? };
    let y = if rotated == wide { new } else { Tensor::cat(&[&new, &rest], -1)? };
    Ok(vec![if x.rank() == 3 { y.reshape(x.shape())? } else { y.transpose(1, 2)? }])
}

fn attention(node: &Node, inputs: &Inputs<Tensor>) -> Result<Vec<Tensor>> {
    let (q, k, v) = (inputs.at(0)?, inputs.at(1)?, inputs.at(2)?);
    let flat = q.rank() == 3;
    let heads = |x: &Tensor, name: &str| {
        if x.rank() == 4 {
            return Ok(x.clone());
        }
        x.unflatten(2, [node.int(name, 0)?, -1])?.transpose(1, 2)
    };
    let (q, mut k, mut v) = (heads(q, "q_num_heads")?, heads(k, "kv_num_heads")?, heads(v, "kv_num_heads")?);
    if let (Some(past_k), Some(past_v)) = (inputs.opt(4), inputs.opt(5)) {
        k = Tensor::cat(&[past_k, &k], 2)?;
        v = Tensor::cat(&[past_v, &v], 2)?;
    }
    let (present_k, present_v) = (k.clone(), v.clone());
    (k, v) = (shared(&k, &q.dim(1)?)?, shared(&v, &q.dim(1)?)?);
    let dtype = q.dtype();
    let width = q.dim(-1)?.fixed().ok_or_else(|| Error::size("attention needs a fixed number of channels"))?;
    let scale = node.find_float("scale")?.map_or(1.0 / (width as f64).sqrt(), f64::from);
    let root = scale.sqrt();
    let mut scores = q.mul(root)?.matmul(&k.mul(root)?.transpose(-2, -1)?)?;
    let raw = scores.clone();
    let (rows, columns) = (q.dim(2)?, k.dim(2)?);
    let softcap = f64::from(node.float("softcap", 0.0)?);
    let mode = node.int("qk_matmul_output_mode", 0)?;
    // What may be seen: the mask, what is not in the future, and what there is.
    let mut bias: Option<Tensor> = None;
    let mut hide = |mask: Tensor| -> Result<()> {
        let low = Tensor::zeros((), dtype)?;
        let term = mask.where_(&low, &Tensor::full((), f64::NEG_INFINITY, dtype)?)?;
        bias = Some(bias.take().map_or(Ok(term.clone()), |bias| bias.add(&term))?);
        Ok(())
    };
    let (before, after) = (node.int("left_window_size", -1)?, node.int("right_window_size", -1)?);
    let causal = node.int("is_causal", 0)? != 0;
    if causal || before >= 0 || after >= 0 {
        // The position of a query among the keys.
        let offset = match (inputs.opt(6), inputs.opt(4)) {
            (Some(seen), _) => seen.cast(DType::I64)?.sub(&rows)?.reshape([-1, 1, 1, 1])?,
            (None, Some(past)) => Tensor::from_dim(&past.dim(2)?),
            (None, None) => Tensor::from_dim(&Dim::Fixed(0)),
        };
        let position = Tensor::arange(0, &rows, 1, DType::I64)?.unsqueeze(1)?.add(offset)?;
        let column = Tensor::arange(0, &columns, 1, DType::I64)?;
        if causal {
            hide(column.le(&position)?)?;
        }
        if before >= 0 {
            hide(column.ge(position.sub(before)?)?)?;
        }
        if after >= 0 {
            hide(column.le(position.add(after)?)?)?;
        }
    }
    if let Some(seen) = inputs.opt(6) {
        let column = Tensor::arange(0, &columns, 1, DType::I64)?;
        hide(column.lt(seen.cast(DType::I64)?.reshape([-1, 1, 1, 1])?)?)?;
    }
    if let Some(mask) = inputs.opt(3) {
        let short = &columns - &mask.dim(-1)?;
        // A mask of fewer columns hides the others.
        let filled = |x: &Tensor, number: Scalar| {
            if short == 0 { Ok(x.clone()) } else { x.pad(&[Dim::Fixed(0), short.clone()], Padding::Constant(number)) }
        };
        if mask.dtype() == DType::Bool {
            hide(filled(mask, Scalar::Bool(false))?)?;
        } else {
            let term = filled(mask, Scalar::Float(f64::NEG_INFINITY))?.cast(dtype)?;
            bias = Some(bias.take().map_or(Ok(term.clone()), |bias| bias.add(&term))?);
        }
    }
    if softcap > 0.0 {
        scores = scores.div(softcap)?.tanh()?.mul(softcap)?;
    }
    let capped = scores.clone();
    if let Some(bias) = &bias {
        scores = scores.add(bias)?;
    }
    let precise = match node.int("softmax_precision", 0)? {
        0 => dtype,
        number => crate::onnx::tensor::dtype(number as i32)?,
    };
    let masked = scores.clone();
    let mut weights = scores.cast(precise)?.softmax(-1)?.cast(dtype)?;
    if bias.is_some() {
        // A row of which nothing may be seen gives zeros.
        let lost = masked.eq(f64::NEG_INFINITY)?.all(-1, true)?;
        weights = lost.where_(&Tensor::zeros((), dtype)?, &weights)?;
    }
    let y = weights.matmul(&v)?;
    let y = if flat { y.transpose(1, 2)?.flatten(2, 3)? } else { y };
    let shown = match mode {
        0 => raw,
        1 => capped,
        2 => masked,
        _ => weights,
    };
    Ok(vec![y, present_k, present_v, shown])
}

/// Attention that remembers by a matrix a head: every step fades it, adds the outer product of key and value, and reads it by the query.
///
/// ONNX [LinearAttention](https://onnx.ai/onnx/operators/onnx__LinearAttention.html): x (batch, steps, heads · width); every step is written out.
fn linear(node: &Node, inputs: &Inputs<Tensor>) -> Result<Vec<Tensor>> {
    let heads = |name: &str| node.find_int(name)?.filter(|&n| n > 0).ok_or_else(|| node.missing(name));
    let (many, few) = (heads("q_num_heads")?, heads("kv_num_heads")?);
    let rule = node.string("update_rule", "gated_delta")?;
    let (fades, corrects) = match rule {
        "linear" => (false, false),
        "gated" => (true, false),
        "delta" => (false, true),
        "gated_delta" => (true, true),
        other => return Err(Error::argument(format!("unknown update rule {other}"))),
    };
    // (batch, steps, heads, width), in f32 whatever comes in.
    let split = |x: &Tensor, heads: i64| x.cast(DType::F32)?.unflatten(2, [heads, -1]);
    let (q, k, v) = (split(inputs.at(0)?, many)?, split(inputs.at(1)?, few)?, split(inputs.at(2)?, few)?);
    let decay = if fades { Some(split(inputs.at(4)?, few)?.exp()?.unsqueeze(-1)?) } else { None };
    let rate = match inputs.opt(5).filter(|_| corrects) {
        Some(beta) => Some(beta.cast(DType::F32)?.unsqueeze(-1)?),
        None if corrects => return Err(Error::argument(format!("update rule {rule} needs a decay input"))),
        None => None,
    };
    let steps = q.dim(1)?.fixed().ok_or_else(|| Error::size("linear attention needs a fixed number of steps, because it is unrolled"))?;
    let (width, depth) = (k.dim(-1)?, v.dim(-1)?);
    let scale = match (node.float("scale", 0.0)?, width.fixed()) {
        (0.0, Some(width)) => 1.0 / (width as f64).sqrt(),
        (0.0, None) => return Err(Error::size("attention needs a fixed number of channels")),
        (scale, _) => f64::from(scale),
    };
    let mut state = match inputs.opt(3) {
        Some(past) => past.cast(DType::F32)?,
        None => Tensor::zeros([q.dim(0)?, Dim::Fixed(few), width, depth], DType::F32)?,
    };
    let mut outputs = Vec::new();
    for step in 0..steps {
        let at = |x: &Tensor| x.select(1, step);
        let (key, mut value) = (at(&k)?, at(&v)?);
        if let Some(decay) = &decay {
            state = state.mul(at(decay)?)?;
        }
        let row = key.unsqueeze(2)?;
        if let Some(rate) = &rate {
            let known = row.matmul(&state)?.squeeze_axes(&[2])?;
            value = value.sub(known)?.mul(at(rate)?)?;
        }
        state = state.add(key.unsqueeze(3)?.mul(value.unsqueeze(2)?)?)?;
        outputs.push(at(&q)?.unsqueeze(2)?.matmul(&shared(&state, &Dim::Fixed(many))?)?.squeeze_axes(&[2])?);
    }
    let y = Tensor::stack(&outputs.iter().collect::<Vec<_>>(), 1)?.mul(scale)?.flatten(2, 3)?;
    let (like, kept) = (inputs.at(0)?.dtype(), inputs.opt(3).unwrap_or(inputs.at(0)?).dtype());
    Ok(vec![y.cast(like)?, state.cast(kept)?])
}

/// A convolution of each channel by itself over what has been: the end of what came before is put in front, and the end is handed on.
///
/// ONNX [CausalConvWithState](https://onnx.ai/onnx/operators/onnx__CausalConvWithState.html): x (batch, channels, steps), weight
/// (channels, 1, taps), state (batch, channels, taps − 1).
fn causal_conv(node: &Node, inputs: &Inputs<Tensor>) -> Result<Vec<Tensor>> {
    let (x, weight) = (inputs.at(0)?, inputs.at(1)?);
    let taps = weight.dim(-1)?.fixed().ok_or_else(|| Error::size("the kernel size must be fixed"))?;
    let channels = weight.dim(0)?.fixed().ok_or_else(|| Error::size("the number of channels must be fixed"))?;
    let whole = match inputs.opt(3) {
        Some(past) => Tensor::cat(&[past, x], 2)?,
        None => x.pad([taps - 1, 0], Padding::Constant(Scalar::Int(0)))?,
    };
    let y = whole.conv(weight, inputs.opt(2), Window::dense(1), channels as usize)?;
    let y = match node.string("activation", "none")? {
        "none" => y,
        "silu" | "swish" => y.cast(y.dtype().or_float())?.silu()?,
        other => return Err(Error::argument(format!("unknown activation {other}"))),
    };
    let length = whole.dim(2)?;
    Ok(vec![y, whole.narrow(2, &length - (taps - 1), taps - 1)?])
}

/// Attention of q, k and v (batch, heads, steps, width) with functions of its own for the scores and the weights, by the names of the
/// attributes that hold them.
///
/// ONNX [FlexAttention](https://onnx.ai/onnx/operators/onnx_aionnxpreview_FlexAttention.html)
///
/// # Errors
/// Where the shapes do not fit, and what the functions say.
pub(crate) fn flex_attention(node: &Node, [q, k, v]: [&Tensor; 3], through: impl Fn(&str, Tensor) -> Result<Tensor>) -> Result<Tensor> {
    if [q, k, v].iter().any(|x| x.rank() != 4) {
        return Err(Error::shape(format!("attention does not support query {}, key {} and value {}", q.ty(), k.ty(), v.ty())));
    }
    let (k, v) = (shared(k, &q.dim(1)?)?, shared(v, &q.dim(1)?)?);
    let width = q.dim(-1)?.fixed().ok_or_else(|| Error::size("attention needs a fixed number of channels"))?;
    let root = node.find_float("scale")?.map_or(1.0 / (width as f64).sqrt(), f64::from).sqrt();
    let precise = match node.find_int("softmax_precision")? {
        Some(number) => tensor::dtype(number as i32)?,
        None if q.dtype() == DType::F64 => DType::F64,
        None => DType::F32,
    };
    let scores = q.mul(root)?.matmul(&k.mul(root)?.transpose(-2, -1)?)?.cast(precise)?;
    let weights = through("prob_mod", through("score_mod", scores)?.softmax(-1)?)?;
    weights.matmul(&v.cast(precise)?)?.cast(v.dtype())
}

/// What the laws are tried on.
#[cfg(test)]
pub(super) fn examples() -> Vec<super::examples::Case> {
    use super::examples::*;

    cases! {
        "attention", [floats(&[2, 4, 5, 8]), floats(&[2, 4, 7, 8]), floats(&[2, 4, 7, 6])], |x| one(x[0].attention(&x[1], &x[2], None, false, None)?);
        "attention_causal", [floats(&[2, 5, 8]), floats(&[2, 5, 8]), floats(&[2, 5, 8])], |x| one(x[0].attention(&x[1], &x[2], None, true, None)?);
        "attention_masked", [floats(&[2, 5, 8]), floats(&[2, 7, 8]), floats(&[2, 7, 8]), floats(&[5, 7])], |x| one(x[0].attention(&x[1], &x[2], Some(&x[3]), false, Some(0.3))?);
    }
}
