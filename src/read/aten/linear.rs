//! Products of matrices, and the attention that is made of them.

use super::{Args, Row, one, tuple};
use crate::array::DType;
use crate::dim::Dim;
use crate::error::{Error, Result};
use crate::tensor::Tensor;

pub(super) const ROWS: &[Row] = &[
    one("matmul(Tensor self, Tensor other) -> Tensor", |a| a.tensor(0)?.matmul(&a.tensor(1)?)),
    one("mm(Tensor self, Tensor mat2) -> Tensor", |a| a.tensor(0)?.matmul(&a.tensor(1)?)),
    one("bmm(Tensor self, Tensor mat2) -> Tensor", |a| a.tensor(0)?.matmul(&a.tensor(1)?)),
    one("mv(Tensor self, Tensor vec) -> Tensor", |a| a.tensor(0)?.matmul(&a.tensor(1)?)),
    one("dot(Tensor self, Tensor tensor) -> Tensor", |a| a.tensor(0)?.mul(a.tensor(1)?)?.sum(None, false)),
    one("linear(Tensor input, Tensor weight, Tensor? bias=None) -> Tensor", |a| {
        a.tensor(0)?.linear(&a.tensor(1)?, a.opt_tensor(2)?.as_ref())
    }),
    one("addmm(Tensor self, Tensor mat1, Tensor mat2, *, Scalar beta=1, Scalar alpha=1) -> Tensor", |a| {
        a.tensor(0)?.addmm(&a.tensor(1)?, &a.tensor(2)?, a.float(3)?, a.float(4)?)
    }),
    one("baddbmm(Tensor self, Tensor batch1, Tensor batch2, *, Scalar beta=1, Scalar alpha=1) -> Tensor", |a| {
        let product = a.tensor(1)?.matmul(&a.tensor(2)?)?;
        let product = if a.float(4)? == 1.0 { product } else { product.mul(Tensor::weak(a.number(4)?))? };
        match a.float(3)? {
            0.0 => Ok(product),
            1.0 => product.add(a.tensor(0)?),
            _ => product.add(a.tensor(0)?.mul(Tensor::weak(a.number(3)?))?),
        }
    }),
    one(
        "scaled_dot_product_attention(Tensor query, Tensor key, Tensor value, Tensor? attn_mask=None, float dropout_p=0.0, bool is_causal=False, *, float? scale=None, bool enable_gqa=False) -> Tensor",
        |a| {
            if a.float(4)? > 0.0 {
                return Err(Error::unsupported("attention with dropout").help("call .eval() on the model before it is traced"));
            }
            let (q, mut k, mut v) = (a.tensor(0)?, a.tensor(1)?, a.tensor(2)?);
            if a.flag(7)? {
                (k, v) = (shared_heads(&q, &k)?, shared_heads(&q, &v)?);
            }
            q.attention(&k, &v, a.opt_tensor(3)?.as_ref(), a.flag(5)?, a.opt_float(6)?)
        },
    ),
    tuple(
        "_native_multi_head_attention(Tensor query, Tensor key, Tensor value, int embed_dim, int num_head, Tensor qkv_weight, Tensor qkv_bias, Tensor proj_weight, Tensor proj_bias, Tensor? mask=None, bool need_weights=True, bool average_attn_weights=True, int? mask_type=None) -> (Tensor, Tensor)",
        |a| {
            let head = Head {
                embed: a.int(3)?,
                heads: a.int(4)?,
                in_weight: a.tensor(5)?,
                in_bias: a.tensor(6)?,
                out_weight: a.tensor(7)?,
                out_bias: a.tensor(8)?,
            };
            let mask = mask(a, 9, 12)?;
            let (y, weights) = head.attend(&a.tensor(0)?, &a.tensor(1)?, &a.tensor(2)?, mask.as_ref())?;
            let weights = match (a.flag(10)?, a.flag(11)?) {
                (false, _) => Tensor::zeros::<i64>(&[0], y.dtype())?,
                (true, true) => weights.mean(Some(&[1]), false)?,
                (true, false) => weights,
            };
            Ok(vec![y, weights])
        },
    ),
    one(
        "_transformer_encoder_layer_fwd(Tensor src, int embed_dim, int num_heads, Tensor qkv_weight, Tensor qkv_bias, Tensor proj_weight, Tensor proj_bias, bool use_gelu, bool norm_first, float eps, Tensor norm_weight_1, Tensor norm_bias_1, Tensor norm_weight_2, Tensor norm_bias_2, Tensor ffn_weight_1, Tensor ffn_bias_1, Tensor ffn_weight_2, Tensor ffn_bias_2, Tensor? mask=None, int? mask_type=None) -> Tensor",
        encoder_layer,
    ),
];

/// Keys and values of fewer heads, each repeated for the queries that share it.
fn shared_heads(q: &Tensor, x: &Tensor) -> Result<Tensor> {
    let (many, few) = (q.dim(-3)?, x.dim(-3)?);
    let times = many.div_exact(&few).and_then(|n| n.fixed()).ok_or_else(|| Error::shape(format!("{many} heads do not share {few}")))?;
    if times == 1 {
        return Ok(x.clone());
    }
    let axis = x.rank() - 3;
    let mut wide = x.shape().to_vec();
    wide.insert(axis + 1, Dim::Fixed(times));
    x.unsqueeze(axis as i64 + 1)?.expand(&wide)?.flatten(axis as i64, axis as i64 + 1)
}

/// The mask of the fused operators, as one that keeps where it is true (or is added, where it is a float).
fn mask(a: &Args, mask: usize, kind: usize) -> Result<Option<Tensor>> {
    let Some(mask) = a.opt_tensor(mask)? else { return Ok(None) };
    // 0: (rows, columns), 1: what of each element of the batch is padding, 2: the full shape.
    let mask = match (a.opt_ints(kind)?.map(|kind| kind[0]), mask.rank()) {
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
            return Err(Error::argument(format!("{} heads of {} channels", self.heads, self.embed)));
        }
        let width = self.embed / self.heads;
        let (weights, biases) = (self.in_weight.chunk(3, 0)?, self.in_bias.chunk(3, 0)?);
        let project = |x: &Tensor, i: usize| -> Result<Tensor> {
            let (weight, bias) = weights.get(i).zip(biases.get(i)).ok_or_else(|| Error::shape("a projection that is not three"))?;
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
        embed: a.int(1)?,
        heads: a.int(2)?,
        in_weight: a.tensor(3)?,
        in_bias: a.tensor(4)?,
        out_weight: a.tensor(5)?,
        out_bias: a.tensor(6)?,
    };
    let (gelu, first, epsilon) = (a.flag(7)?, a.flag(8)?, a.float(9)?);
    let mask = mask(a, 18, 19)?;
    let normal = |x: &Tensor, i: usize| x.layer_norm(&[x.dim(-1)?], Some(&a.tensor(i)?), Some(&a.tensor(i + 1)?), epsilon);
    let attend = |x: &Tensor| head.attend(x, x, x, mask.as_ref()).map(|both| both.0);
    let feed = |x: &Tensor| -> Result<Tensor> {
        let inner = x.linear(&a.tensor(14)?, Some(&a.tensor(15)?))?;
        let inner = if gelu { inner.gelu(false)? } else { inner.relu()? };
        inner.linear(&a.tensor(16)?, Some(&a.tensor(17)?))
    };
    let x = a.tensor(0)?;
    if first {
        let x = x.add(attend(&normal(&x, 10)?)?)?;
        return x.add(feed(&normal(&x, 12)?)?);
    }
    let x = normal(&x.add(attend(&x)?)?, 10)?;
    normal(&x.add(feed(&x)?)?, 12)
}
