//! Products of matrices, and attention.

use super::args::Args;
use super::row::{Row, one, tuple, value};
use super::value::Value;
use crate::array::DType;
use crate::dim::Dim;
use crate::error::{Error, Result};
use crate::tensor::{Tensor, size};

pub(super) const ROWS: &[Row] = &[
    one("matmul(Tensor self, Tensor other) -> Tensor", |a| a.tensor("self")?.matmul(&a.tensor("other")?)),
    one("mm(Tensor self, Tensor mat2) -> Tensor", |a| a.tensor("self")?.matmul(&a.tensor("mat2")?)),
    one("bmm(Tensor self, Tensor mat2) -> Tensor", |a| a.tensor("self")?.matmul(&a.tensor("mat2")?)),
    one("mv(Tensor self, Tensor vec) -> Tensor", |a| a.tensor("self")?.matmul(&a.tensor("vec")?)),
    one("dot(Tensor self, Tensor tensor) -> Tensor", |a| total(&a.tensor("self")?.mul(a.tensor("tensor")?)?, None)),
    one("linear(Tensor input, Tensor weight, Tensor? bias=None) -> Tensor", |a| {
        a.tensor("input")?.linear(&a.tensor("weight")?, a.opt_tensor("bias")?.as_ref())
    }),
    one("addmm(Tensor self, Tensor mat1, Tensor mat2, *, Scalar beta=1, Scalar alpha=1) -> Tensor", |a| {
        let x = a.tensor("self")?;
        if a.varies("beta")? || a.varies("alpha")? || !x.dtype().is_float() {
            return combined(a, &x, a.tensor("mat1")?.matmul(&a.tensor("mat2")?)?);
        }
        x.addmm(&a.tensor("mat1")?, &a.tensor("mat2")?, a.float("beta")?, a.float("alpha")?)
    }),
    one("baddbmm(Tensor self, Tensor batch1, Tensor batch2, *, Scalar beta=1, Scalar alpha=1) -> Tensor", |a| {
        combined(a, &a.tensor("self")?, a.tensor("batch1")?.matmul(&a.tensor("batch2")?)?)
    }),
    one("addbmm(Tensor self, Tensor batch1, Tensor batch2, *, Scalar beta=1, Scalar alpha=1) -> Tensor", |a| {
        combined(a, &a.tensor("self")?, a.tensor("batch1")?.matmul(&a.tensor("batch2")?)?.sum(0, false)?)
    }),
    one("addmv(Tensor self, Tensor mat, Tensor vec, *, Scalar beta=1, Scalar alpha=1) -> Tensor", |a| {
        combined(a, &a.tensor("self")?, a.tensor("mat")?.matmul(&a.tensor("vec")?)?)
    }),
    one("addr(Tensor self, Tensor vec1, Tensor vec2, *, Scalar beta=1, Scalar alpha=1) -> Tensor", |a| {
        let (x, y, z) = (a.tensor("self")?, a.tensor("vec1")?, a.tensor("vec2")?);
        let dtype = DType::result(&[(x.dtype(), x.strength()), (y.dtype(), y.strength()), (z.dtype(), z.strength())])?;
        combined(a, &x.cast(dtype)?, y.cast(dtype)?.unsqueeze(1)?.mul(z.cast(dtype)?.unsqueeze(0)?)?)
    }),
    one("ger(Tensor self, Tensor vec2) -> Tensor", |a| a.tensor("self")?.unsqueeze(1)?.mul(a.tensor("vec2")?.unsqueeze(0)?)),
    one("inner(Tensor self, Tensor other) -> Tensor", |a| {
        let (x, y) = (a.tensor("self")?, a.tensor("other")?);
        if x.rank() == 0 || y.rank() == 0 { x.mul(y) } else { x.tensordot(&y, &[-1], &[-1]) }
    }),
    one("vdot(Tensor self, Tensor other) -> Tensor", |a| total(&a.tensor("self")?.mul(a.tensor("other")?)?, None)),
    one("linalg_vecdot(Tensor x, Tensor y, *, int dim=-1) -> Tensor", |a| {
        total(&a.tensor("x")?.mul(a.tensor("y")?)?, Some(&[a.int("dim")?]))
    }),
    one("tensordot(Tensor self, Tensor other, int[] dims_self, int[] dims_other) -> Tensor", |a| {
        a.tensor("self")?.tensordot(&a.tensor("other")?, &a.ints("dims_self")?, &a.ints("dims_other")?)
    }),
    one("kron(Tensor self, Tensor other) -> Tensor", |a| a.tensor("self")?.kron(&a.tensor("other")?)),
    one("chain_matmul(Tensor[] matrices) -> Tensor", |a| chain(&a.tensors("matrices")?)),
    one("linalg_multi_dot(Tensor[] tensors) -> Tensor", |a| chain(&a.tensors("tensors")?)),
    one("einsum(str equation, Tensor[] tensors, *, int[]? path=None) -> Tensor", |a| {
        let operands = a.tensors("tensors")?;
        Tensor::einsum(a.opt_str("equation")?.unwrap_or_default(), &operands.iter().collect::<Vec<_>>())
    }),
    one("bilinear(Tensor input1, Tensor input2, Tensor weight, Tensor? bias=None) -> Tensor", |a| {
        a.tensor("input1")?.bilinear(&a.tensor("input2")?, &a.tensor("weight")?, a.opt_tensor("bias")?.as_ref())
    }),
    one("cross(Tensor self, Tensor other, int? dim=None) -> Tensor", |a| {
        let x = a.tensor("self")?;
        let axis = match a.opt_ints("dim")? {
            Some(axis) => axis[0],
            None => x.shape().iter().position(|n| *n == 3).ok_or_else(|| Error::shape("cross product: no axis of size 3"))? as i64,
        };
        x.cross(&a.tensor("other")?, axis)
    }),
    one("linalg_cross(Tensor self, Tensor other, *, int dim=-1) -> Tensor", |a| {
        a.tensor("self")?.cross(&a.tensor("other")?, a.int("dim")?)
    }),
    tuple(
        "_scaled_dot_product_flash_attention_for_cpu(Tensor query, Tensor key, Tensor value, float dropout_p=0.0, bool is_causal=False, *, Tensor? attn_mask=None, float? scale=None) -> (Tensor output, Tensor logsumexp)",
        |a| {
            let (y, sum) = fused(a, Some("attn_mask"))?;
            Ok(vec![y, sum])
        },
    ),
    // The kernels of programs that were exported on a GPU. What they give beside is for gradients and for dropout.
    value(
        "_scaled_dot_product_flash_attention(Tensor query, Tensor key, Tensor value, float dropout_p=0.0, bool is_causal=False, bool return_debug_mask=False, *, float? scale=None) -> (Tensor, Tensor, Tensor, Tensor, SymInt, SymInt, Tensor, Tensor, Tensor)",
        |a| attended(fused(a, None)?, 9),
    ),
    value(
        "_scaled_dot_product_efficient_attention(Tensor query, Tensor key, Tensor value, Tensor? attn_bias, bool compute_log_sumexp, float dropout_p=0.0, bool is_causal=False, *, float? scale=None) -> (Tensor, Tensor, Tensor, Tensor)",
        |a| attended(fused(a, Some("attn_bias"))?, 4),
    ),
    value(
        "_scaled_dot_product_cudnn_attention(Tensor query, Tensor key, Tensor value, Tensor? attn_bias, bool compute_log_sumexp, float dropout_p=0.0, bool is_causal=False, bool return_debug_mask=False, *, float? scale=None) -> (Tensor, Tensor, Tensor, Tensor, SymInt, SymInt, Tensor, Tensor, Tensor)",
        |a| attended(fused(a, Some("attn_bias"))?, 9),
    ),
    value(
        "_scaled_dot_product_fused_attention_overrideable(Tensor query, Tensor key, Tensor value, Tensor? attn_bias=None, float dropout_p=0.0, bool is_causal=False, bool return_debug_mask=False, *, float? scale=None) -> (Tensor, Tensor, Tensor, Tensor, SymInt, SymInt, Tensor, Tensor, Tensor)",
        |a| attended(fused(a, Some("attn_bias"))?, 9),
    ),
    tuple(
        "_scaled_dot_product_attention_math(Tensor query, Tensor key, Tensor value, Tensor? attn_mask=None, float dropout_p=0.0, bool is_causal=False, Tensor? dropout_mask=None, *, float? scale=None, bool enable_gqa=False) -> (Tensor, Tensor)",
        |a| {
            let (q, k, v) = operands(a, a.flag("enable_gqa")?)?;
            let mask = a.opt_tensor("attn_mask")?;
            let scores = scores(&q, &k, mask.as_ref(), a.flag("is_causal")?, a.opt_float("scale")?)?;
            let weights = match mask {
                None => scores.softmax(-1)?,
                // A row of which nothing is left is zero.
                Some(_) => scores.softmax(-1)?.masked_fill(&scores.eq(f64::NEG_INFINITY)?.all(-1, true)?, 0.0)?,
            };
            let kept = if a.float("dropout_p")? > 0.0 { weights.drop_out(a.float("dropout_p")?)?.0 } else { weights.clone() };
            Ok(vec![kept.matmul(&v)?, weights])
        },
    ),
    one("_addmm_activation(Tensor self, Tensor mat1, Tensor mat2, *, Scalar beta=1, Scalar alpha=1, bool use_gelu=False) -> Tensor", |a| {
        let y = combined(a, &a.tensor("self")?, a.tensor("mat1")?.matmul(&a.tensor("mat2")?)?)?;
        if a.flag("use_gelu")? { y.gelu(false) } else { y.relu() }
    }),
    // (batch, steps, 3 · heads · width) to queries, keys and values of (batch, heads, steps, width), the queries scaled.
    tuple("_transform_bias_rescale_qkv(Tensor qkv, Tensor qkv_bias, int num_heads) -> (Tensor, Tensor, Tensor)", |a| {
        let (x, heads) = (a.tensor("qkv")?.add(a.tensor("qkv_bias")?)?, a.int("num_heads")?);
        let channels = x.dim(-1)?.fixed().ok_or_else(|| Error::size("attention needs a fixed number of channels"))?;
        let width = channels.checked_div(3 * heads).filter(|&n| n > 0).ok_or_else(|| Error::argument(format!("{heads} heads")))?;
        let parts = x.unflatten(-1, [3, heads, width])?.permute(&[2, 0, 3, 1, 4])?;
        let part = |i: i64| parts.select(0, i);
        Ok(vec![part(0)?.mul(1.0 / (width as f64).sqrt())?, part(1)?, part(2)?])
    }),
    one(
        "scaled_dot_product_attention(Tensor query, Tensor key, Tensor value, Tensor? attn_mask=None, float dropout_p=0.0, bool is_causal=False, *, float? scale=None, bool enable_gqa=False) -> Tensor",
        |a| {
            let (q, k, v) = operands(a, a.flag("enable_gqa")?)?;
            let (mask, causal, scale, dropout) =
                (a.opt_tensor("attn_mask")?, a.flag("is_causal")?, a.opt_float("scale")?, a.float("dropout_p")?);
            if dropout > 0.0 {
                return scores(&q, &k, mask.as_ref(), causal, scale)?.softmax(-1)?.drop_out(dropout)?.0.matmul(&v);
            }
            q.attention(&k, &v, mask.as_ref(), causal, scale)
        },
    ),
    tuple(
        "_native_multi_head_attention(Tensor query, Tensor key, Tensor value, int embed_dim, int num_head, Tensor qkv_weight, Tensor qkv_bias, Tensor proj_weight, Tensor proj_bias, Tensor? mask=None, bool need_weights=True, bool average_attn_weights=True, int? mask_type=None) -> (Tensor, Tensor)",
        |a| {
            let head = Head {
                embed: a.int("embed_dim")?,
                heads: a.int("num_head")?,
                in_weight: a.tensor("qkv_weight")?,
                in_bias: a.tensor("qkv_bias")?,
                out_weight: a.tensor("proj_weight")?,
                out_bias: a.tensor("proj_bias")?,
            };
            let mask = mask(a)?;
            let (y, weights) = head.attend(&a.tensor("query")?, &a.tensor("key")?, &a.tensor("value")?, mask.as_ref())?;
            let weights = match (a.flag("need_weights")?, a.flag("average_attn_weights")?) {
                (false, _) => Tensor::zeros([0], y.dtype())?,
                (true, true) => weights.mean(1, false)?,
                (true, false) => weights,
            };
            Ok(vec![y, weights])
        },
    ),
    one(
        "_transformer_encoder_layer_fwd(Tensor src, int embed_dim, int num_heads, Tensor qkv_weight, Tensor qkv_bias, Tensor proj_weight, Tensor proj_bias, bool use_gelu, bool norm_first, float eps, Tensor norm_weight_1, Tensor norm_bias_1, Tensor norm_weight_2, Tensor norm_bias_2, Tensor ffn_weight_1, Tensor ffn_bias_1, Tensor ffn_weight_2, Tensor ffn_bias_2, Tensor? mask=None, int? mask_type=None) -> Tensor",
        encoder_layer,
    ),
    one("_int_mm(Tensor self, Tensor mat2) -> Tensor", |a| {
        let wide = |name: &str| a.tensor(name)?.cast(DType::I32);
        wide("self")?.matmul(&wide("mat2")?)?.cast(DType::I32)
    }),
    one(
        "_trilinear(Tensor i1, Tensor i2, Tensor i3, int[] expand1, int[] expand2, int[] expand3, int[] sumdim, int unroll_dim=1) -> Tensor",
        |a| {
            let wide = |name: &str, axes: &str| a.tensor(name)?.unsqueeze_axes(&a.ints(axes)?);
            let product = wide("i1", "expand1")?.mul(wide("i2", "expand2")?)?.mul(wide("i3", "expand3")?)?;
            let axes = a.ints("sumdim")?;
            if axes.is_empty() { Ok(product) } else { total(&product, Some(&axes)) }
        },
    ),
    one("_grouped_mm(Tensor self, Tensor mat2, Tensor? offs=None, Tensor? bias=None, ScalarType? out_dtype=None) -> Tensor", |a| {
        let (x, matrices) = (a.tensor("self")?, a.tensor("mat2")?);
        let y = match (x.rank(), matrices.rank(), a.opt_tensor("offs")?) {
            (3, 3, None) => x.matmul(&matrices)?,
            (2, 3, Some(ends)) => x.grouped_matmul(&matrices, &ends)?,
            (3, 2, Some(ends)) => matrices.transpose(0, 1)?.grouped_matmul(&x.transpose(-2, -1)?, &ends)?.transpose(0, 1)?,
            (2, 2, Some(ends)) => x.grouped_products(&matrices, &ends)?,
            _ => {
                return Err(Error::argument("offsets are needed where one of the matrices has two axes, and none where both have three"));
            }
        };
        let y = a.opt_tensor("bias")?.map_or(Ok(y.clone()), |bias| y.add(bias))?;
        a.opt_dtype("out_dtype")?.map_or(Ok(y.clone()), |dtype| y.cast(dtype))
    }),
    one("transformers::grouped_mm_fallback(Tensor input, Tensor weight, Tensor offs) -> Tensor", |a| {
        a.tensor("input")?.grouped_matmul(&a.tensor("weight")?, &a.tensor("offs")?)
    }),
];

/// The sum that a product of vectors is: of integers in their own dtype.
fn total(x: &Tensor, axes: Option<&[i64]>) -> Result<Tensor> {
    x.sum(axes, false)?.cast(x.dtype())
}

/// β · self + α · product: what the `add` family adds up.
fn combined(a: &Args, x: &Tensor, product: Tensor) -> Result<Tensor> {
    let dtype = x.dtype();
    // A sum of integers keeps its dtype, and what it is scaled by is cut to it.
    // What is not of its dtype is promoted, which only `addr` takes.
    let whole = dtype.is_int() && product.dtype() == dtype;
    let factor = |name: &str| a.number(name).map(|factor| if whole { crate::Scalar::Int(factor.to_i64()) } else { factor });
    let scaled = |x: Tensor, by: &str| match a.varies(by)? {
        true => x.mul(a.tensor(by)?),
        false if factor(by)?.to_f64() == 1.0 => Ok(x),
        false => x.mul(Tensor::weak(factor(by)?)),
    };
    if dtype == DType::Bool && product.dtype() == dtype {
        // Of truth values the product is "and", the sum "or".
        let product = if a.float("alpha")? == 0.0 { product.mul(0)? } else { product }.cast(DType::Bool)?;
        return if a.float("beta")? == 0.0 { Ok(product) } else { product.logical_or(x) };
    }
    let product = scaled(product, "alpha")?;
    if !a.varies("beta")? && factor("beta")?.to_f64() == 0.0 {
        return product.expand(&size::broadcast(product.shape(), x.shape())?);
    }
    product.add(scaled(x.clone(), "beta")?)
}

/// The product of matrices, of which the first and the last may be vectors, in the order of the fewest multiplications, as far as sizes are fixed: it shows
/// beside infinities.
fn chain(matrices: &[Tensor]) -> Result<Tensor> {
    let (first, rest) = matrices.split_first().ok_or_else(|| Error::argument("a product of no matrices"))?;
    let n = matrices.len();
    let last = matrices.last().filter(|last| last.rank() == 1).map(|_| Dim::Fixed(1));
    let mut sizes: Vec<Dim> = if first.rank() == 1 { vec![Dim::Fixed(1), first.dim(0)?] } else { first.shape().to_vec() };
    for x in rest {
        sizes.extend(x.shape().iter().skip(1).cloned());
    }
    sizes.extend(last.filter(|_| n > 1));
    let fixed: Option<Vec<f64>> = sizes.iter().map(|size| size.fixed().map(|n| n as f64)).collect();
    let Some(sizes) = fixed.filter(|sizes| sizes.len() == n + 1 && n > 2) else {
        return rest.iter().try_fold(first.clone(), |product, x| product.matmul(x));
    };
    // The least cost of the product from one matrix to another, and behind which of them it is parted; of three that cost the same the first two come first.
    let mut parts = vec![vec![(0.0, 0); n]; n];
    for length in 1..n {
        for from in 0..n - length {
            let to = from + length;
            let cost = |at: usize| parts[from][at].0 + parts[at + 1][to].0 + sizes[from] * sizes[at + 1] * sizes[to + 1];
            let costs = (from..to).map(|at| (cost(at), at));
            let cheaper = |a: (f64, usize), b: (f64, usize)| if b.0 < a.0 || b.0 == a.0 && n == 3 { b } else { a };
            parts[from][to] = costs.reduce(cheaper).unwrap_or_default();
        }
    }
    product(matrices, &parts, 0, n - 1)
}

/// The product from one matrix to another, parted as it says.
fn product(matrices: &[Tensor], parts: &[Vec<(f64, usize)>], from: usize, to: usize) -> Result<Tensor> {
    if from == to {
        return Ok(matrices[from].clone());
    }
    let at = parts[from][to].1;
    product(matrices, parts, from, at)?.matmul(&product(matrices, parts, at + 1, to)?)
}

/// How much each query is like each key, −∞ where the mask hides it.
fn scores(q: &Tensor, k: &Tensor, mask: Option<&Tensor>, causal: bool, scale: Option<f64>) -> Result<Tensor> {
    let width = q.dim(-1)?.fixed().ok_or_else(|| Error::size("attention needs a fixed number of channels"))?;
    let scores = q.matmul(&k.transpose(-2, -1)?)?.mul(scale.unwrap_or(1.0 / (width as f64).sqrt()))?;
    let scores = match causal {
        true => {
            let keep = Tensor::ones([q.dim(-2)?, k.dim(-2)?], DType::Bool)?.tril(0)?;
            scores.masked_fill(&keep.logical_not()?, f64::NEG_INFINITY)?
        }
        false => scores,
    };
    match mask {
        Some(mask) if mask.dtype() == DType::Bool => scores.masked_fill(&mask.logical_not()?, f64::NEG_INFINITY),
        Some(mask) => scores.add(mask),
        None => Ok(scores),
    }
}

/// Attention and the logarithm of what its weights are divided by; schemas differ in the name of the mask.
fn fused(a: &Args, mask: Option<&str>) -> Result<(Tensor, Tensor)> {
    let (q, k, v) = (a.tensor("query")?, a.tensor("key")?, a.tensor("value")?);
    let mask = mask.map_or(Ok(None), |name| a.opt_tensor(name))?;
    let (causal, scale) = (a.flag("is_causal")?, a.opt_float("scale")?);
    let y = q.attention(&k, &v, mask.as_ref(), causal, scale)?;
    Ok((y, scores(&q, &k, mask.as_ref(), causal, scale)?.logsumexp(-1, false)?))
}

/// The results of a kernel that gives so many, of which two are of use.
fn attended((y, sum): (Tensor, Tensor), count: usize) -> Result<Value> {
    let mut all = vec![y.into(), sum.into()];
    all.resize(count, Value::None);
    Ok(Value::tuple(all))
}

/// Queries, keys and values; `grouped` says that several heads of the queries share one of the others.
fn operands(a: &Args, grouped: bool) -> Result<(Tensor, Tensor, Tensor)> {
    let (q, k, v) = (a.tensor("query")?, a.tensor("key")?, a.tensor("value")?);
    let own = |x: Tensor| if grouped { shared_heads(&q, &x) } else { Ok(x) };
    let (k, v) = (own(k)?, own(v)?);
    Ok((q, k, v))
}

/// Keys and values of fewer heads, each repeated for the queries that share it.
fn shared_heads(q: &Tensor, x: &Tensor) -> Result<Tensor> {
    let (many, few) = (q.dim(-3)?, x.dim(-3)?);
    let times = size::div_exact(&many, &few)
        .and_then(|n| n.fixed())
        .ok_or_else(|| Error::shape(format!("{many} query heads are not a multiple of {few} key and value heads")))?;
    if times == 1 {
        return Ok(x.clone());
    }
    let axis = x.rank() - 3;
    let mut wide = x.shape().to_vec();
    wide.insert(axis + 1, Dim::Fixed(times));
    x.unsqueeze(axis as i64 + 1)?.expand(&wide)?.flatten(axis as i64, axis as i64 + 1)
}

/// The mask of the fused operators, as one that keeps where it is true (or is added, where it is a float).
fn mask(a: &Args) -> Result<Option<Tensor>> {
    let Some(mask) = a.opt_tensor("mask")? else { return Ok(None) };
    // 0: (rows, columns), 1: what of each element of the batch is padding, 2: the full shape.
    let mask = match (a.opt_ints("mask_type")?.map(|kind| kind[0]), mask.rank()) {
        (Some(1), 2) => mask.unsqueeze_axes(&[1, 2])?,
        _ => mask,
    };
    if mask.dtype() == DType::Bool { mask.logical_not().map(Some) } else { Ok(Some(mask)) }
}

/// The weights of an attention with several heads.
struct Head {
    embed: i64,
    heads: i64,
    in_weight: Tensor,
    in_bias: Tensor,
    out_weight: Tensor,
    out_bias: Tensor,
}

impl Head {
    /// The output and the weights of each head, batch first.
    fn attend(&self, q: &Tensor, k: &Tensor, v: &Tensor, mask: Option<&Tensor>) -> Result<(Tensor, Tensor)> {
        if self.heads < 1 || self.embed % self.heads != 0 {
            return Err(Error::argument(format!("{} heads do not divide {} channels", self.heads, self.embed)));
        }
        let width = self.embed / self.heads;
        let (weights, biases) = (self.in_weight.chunk(3, 0)?, self.in_bias.chunk(3, 0)?);
        let project = |x: &Tensor, i: usize| -> Result<Tensor> {
            let (weight, bias) =
                weights.get(i).zip(biases.get(i)).ok_or_else(|| Error::shape("the projection did not split into three parts"))?;
            let projected = x.linear(weight, Some(bias))?;
            projected.reshape(&[x.dim(0)?, x.dim(1)?, self.heads.into(), width.into()])?.transpose(1, 2)
        };
        let (q, k, v) = (project(q, 0)?, project(k, 1)?, project(v, 2)?);
        let scores = q.mul(1.0 / (width as f64).sqrt())?.matmul(&k.transpose(-2, -1)?)?;
        let scores = match mask {
            None => scores,
            Some(mask) if mask.dtype() == DType::Bool => scores.masked_fill(&mask.logical_not()?, f64::NEG_INFINITY)?,
            Some(mask) => scores.add(mask)?,
        };
        let weights = scores.softmax(-1)?;
        let joined = weights.matmul(&v)?.transpose(1, 2)?.flatten(2, 3)?;
        Ok((joined.linear(&self.out_weight, Some(&self.out_bias))?, weights))
    }
}

fn encoder_layer(a: &Args) -> Result<Tensor> {
    let head = Head {
        embed: a.int("embed_dim")?,
        heads: a.int("num_heads")?,
        in_weight: a.tensor("qkv_weight")?,
        in_bias: a.tensor("qkv_bias")?,
        out_weight: a.tensor("proj_weight")?,
        out_bias: a.tensor("proj_bias")?,
    };
    let (gelu, first, epsilon) = (a.flag("use_gelu")?, a.flag("norm_first")?, a.float("eps")?);
    let mask = mask(a)?;
    let normal =
        |x: &Tensor, weight: &str, bias: &str| x.layer_norm(&[x.dim(-1)?], Some(&a.tensor(weight)?), Some(&a.tensor(bias)?), epsilon);
    let (first_norm, second_norm) =
        (|x: &Tensor| normal(x, "norm_weight_1", "norm_bias_1"), |x: &Tensor| normal(x, "norm_weight_2", "norm_bias_2"));
    let attend = |x: &Tensor| head.attend(x, x, x, mask.as_ref()).map(|both| both.0);
    let feed = |x: &Tensor| -> Result<Tensor> {
        let inner = x.linear(&a.tensor("ffn_weight_1")?, Some(&a.tensor("ffn_bias_1")?))?;
        let inner = if gelu { inner.gelu(false)? } else { inner.relu()? };
        inner.linear(&a.tensor("ffn_weight_2")?, Some(&a.tensor("ffn_bias_2")?))
    };
    let x = a.tensor("src")?;
    if first {
        let x = x.add(attend(&first_norm(&x)?)?)?;
        return x.add(feed(&second_norm(&x)?)?);
    }
    let x = first_norm(&x.add(attend(&x)?)?)?;
    second_norm(&x.add(feed(&x)?)?)
}

#[cfg(test)]
mod tests {
    use super::super::table::call;
    use super::*;

    #[test]
    fn the_kernels_of_other_machines_attend_alike() {
        let tensor = |seed: i64| {
            let values: Vec<f32> = (0..24).map(|i| ((i * seed) % 7) as f32 / 3.0 - 1.0).collect();
            Value::from(Tensor::new([1, 2, 3, 4], values).unwrap())
        };
        let three = || vec![tensor(3), tensor(5), tensor(4)];
        let with = |more: &[Value]| [three(), more.to_vec()].concat();
        let causal = [("is_causal".to_string(), Value::Bool(true)), ("scale".to_string(), Value::Float(0.3))];
        let plain = call("scaled_dot_product_attention", &three(), &causal).unwrap();
        let values = |value: &Value| value.view().unwrap().read().unwrap().to_vec::<f32>().unwrap();
        for (name, more, count) in [
            ("_scaled_dot_product_flash_attention", vec![], 9),
            ("_scaled_dot_product_efficient_attention", vec![Value::None, Value::Bool(false)], 4),
            ("_scaled_dot_product_cudnn_attention", vec![Value::None, Value::Bool(false)], 9),
            ("_scaled_dot_product_fused_attention_overrideable", vec![], 9),
        ] {
            let results = call(name, &with(&more), &causal).unwrap().elements().unwrap();
            assert_eq!((results.len(), values(&results[0])), (count, values(&plain)), "{name}");
        }
    }
}
