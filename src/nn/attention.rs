//! Multi-head attention.

use super::{Init, Linear, Weights, within};
use crate::dim::Dim;
use crate::error::{Error, Result, ResultExt};
use crate::module::Module;
use crate::tensor::Tensor;

/// Multi-head attention: scaled dot-product attention of several heads, between linear projections of its inputs and of its output.
///
/// Parameters: `in_proj_weight` (3 · width, width), `in_proj_bias` (3 · width), `out_proj.weight` (width, width) and `out_proj.bias`
/// (width), as torch has them. Batch first, unlike torch's default; shapes: queries (batch, n, width), keys and values
/// (batch, m, width) → (batch, n, width).
///
/// As a [`Module`] it is self-attention; [`attend`](MultiHeadAttention::attend) takes queries, keys and values apart, and a mask.
/// [torch.nn.MultiheadAttention](https://pytorch.org/docs/stable/generated/torch.nn.MultiheadAttention.html)
///
/// ```
/// use ontrace::nn::{MultiHeadAttention, Weights};
/// use ontrace::{DType, Module, Tensor};
/// let attention = MultiHeadAttention::new(&Weights::seeded(0).at("attn"), 8, 2)?.causal();
/// let y = attention.forward(&Tensor::ones([1, 5, 8], DType::F32)?)?;
/// assert_eq!(y.shape().example(), Some(vec![1, 5, 8]));
/// # Ok::<(), ontrace::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct MultiHeadAttention {
    weight: Tensor,
    bias: Tensor,
    out: Linear,
    width: usize,
    heads: usize,
    causal: bool,
}

impl MultiHeadAttention {
    /// `heads` heads that share `width`.
    ///
    /// # Errors
    /// [`Argument`](crate::ErrorCode::Argument) where the heads do not divide the width, and those of [`Weights::get`].
    pub fn new(weights: &Weights, width: usize, heads: usize) -> Result<MultiHeadAttention> {
        if heads == 0 || !width.is_multiple_of(heads) {
            return Err(Error::argument(format!("width {width} is not divisible by {heads} heads"))).at(weights.path());
        }
        // Xavier's bound √(6 / (inputs + outputs)), torch's choice for this parameter.
        let bound = (6.0 / (4 * width.max(1)) as f64).sqrt();
        Ok(MultiHeadAttention {
            weight: weights.get("in_proj_weight", &[3 * width, width], Init::Uniform(bound))?,
            bias: weights.get("in_proj_bias", &[3 * width], Init::Constant(0.0))?,
            out: Linear::new(&weights.at("out_proj"), width, width)?,
            width,
            heads,
            causal: false,
        })
    }

    /// With a causal mask: no position attends to a later one.
    pub fn causal(self) -> MultiHeadAttention {
        MultiHeadAttention { causal: true, ..self }
    }

    /// Attention of queries (batch, n, width) to keys and values (batch, m, width).
    ///
    /// The mask broadcasts to (batch, heads, n, m): floats are added to the scores, and a Bool says where attention is allowed, as in
    /// [`Tensor::attention`]. (The Bool masks of torch's layer say where it is forbidden: pass their `logical_not`.)
    ///
    /// # Errors
    /// [`Shape`](crate::ErrorCode::Shape) where the shapes do not fit.
    pub fn attend(&self, queries: &Tensor, keys: &Tensor, values: &Tensor, mask: Option<&Tensor>) -> Result<Tensor> {
        let heads = within(&self.weight, || {
            let project = |i: usize, x: &Tensor| {
                let slice = |parameter: &Tensor| parameter.narrow(0, i * self.width, self.width);
                x.linear(&slice(&self.weight)?, Some(&slice(&self.bias)?))
            };
            self.attend_by_head(&project(0, queries)?, &project(1, keys)?, &project(2, values)?, mask)
        })?;
        self.out.forward(&heads)
    }

    /// Self-attention: one product computes queries, keys and values.
    fn self_attention(&self, x: &Tensor) -> Result<Tensor> {
        let heads = within(&self.weight, || match x.linear(&self.weight, Some(&self.bias))?.chunk(3, -1)?.as_slice() {
            [queries, keys, values] => self.attend_by_head(queries, keys, values, None),
            _ => Err(Error::internal("the projection did not split into three parts")),
        })?;
        self.out.forward(&heads)
    }

    /// Splits the last axis into heads, attends in each, and joins the heads again.
    fn attend_by_head(&self, queries: &Tensor, keys: &Tensor, values: &Tensor, mask: Option<&Tensor>) -> Result<Tensor> {
        let split = |x: &Tensor| x.unflatten(-1, &[Dim::from(self.heads), Dim::from(self.width / self.heads)])?.transpose(-3, -2);
        let heads = split(queries)?.attention(&split(keys)?, &split(values)?, mask, self.causal, None)?;
        heads.transpose(-3, -2)?.flatten(-2, -1)
    }
}

impl Module for MultiHeadAttention {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.self_attention(x)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::array::Array;
    use crate::module::DynModule;

    /// All projections the identity, so that the result is the formula alone.
    fn identity(heads: usize) -> MultiHeadAttention {
        let eye = [1f32, 0.0, 0.0, 1.0];
        let weights = Weights::from_map([
            ("in_proj_weight", Array::new(&[6, 2], eye.repeat(3)).unwrap()),
            ("in_proj_bias", Array::vector(vec![0f32; 6])),
            ("out_proj.weight", Array::new(&[2, 2], eye.to_vec()).unwrap()),
            ("out_proj.bias", Array::vector(vec![0f32; 2])),
        ]);
        MultiHeadAttention::new(&weights, 2, heads).unwrap()
    }

    fn near(y: &Tensor, expected: &[f64]) {
        let y = y.to_vec::<f32>().unwrap();
        assert!(y.len() == expected.len() && y.iter().zip(expected).all(|(y, e)| (f64::from(*y) - e).abs() < 1e-6), "{y:?} {expected:?}");
    }

    fn x() -> Tensor {
        Tensor::new([1, 2, 2], vec![1f32, 0.0, 0.0, 1.0]).unwrap()
    }

    /// The softmax of (x, 0).
    fn share(x: f64) -> f64 {
        x.exp() / (x.exp() + 1.0)
    }

    #[test]
    fn one_head_is_the_softmax_formula() {
        let p = share(1.0 / 2f64.sqrt());
        near(&identity(1).forward(&x()).unwrap(), &[p, 1.0 - p, 1.0 - p, p]);
        near(&identity(1).attend(&x(), &x(), &x(), None).unwrap(), &[p, 1.0 - p, 1.0 - p, p]);
    }

    #[test]
    fn two_heads_do_not_see_each_other() {
        let p = share(1.0);
        near(&identity(2).forward(&x()).unwrap(), &[p, 0.5, 0.5, p]);
    }

    #[test]
    fn causal_is_the_mask_of_the_past() {
        let p = share(1.0 / 2f64.sqrt());
        let past = Tensor::new([2, 2], vec![true, false, true, true]).unwrap();
        near(&identity(1).causal().forward(&x()).unwrap(), &[1.0, 0.0, 1.0 - p, p]);
        near(&identity(1).attend(&x(), &x(), &x(), Some(&past)).unwrap(), &[1.0, 0.0, 1.0 - p, p]);
    }

    #[test]
    fn the_parts_are_queries_keys_and_values_in_this_order() {
        // Keys and values of zero weight: uniform attention over the values' bias.
        let weights = Weights::from_map([
            ("in_proj_weight", Array::new(&[3, 1], vec![1f32, 1.0, 0.0]).unwrap()),
            ("in_proj_bias", Array::vector(vec![0f32, 0.0, 5.0])),
            ("out_proj.weight", Array::new(&[1, 1], vec![2f32]).unwrap()),
            ("out_proj.bias", Array::vector(vec![1f32])),
        ]);
        let attention = MultiHeadAttention::new(&weights, 1, 1).unwrap();
        let x = Tensor::new([1, 2, 1], vec![1f32, 3.0]).unwrap();
        near(&attention.forward(&x).unwrap(), &[11.0, 11.0]);
        near(&attention.attend(&x, &x, &x, None).unwrap(), &[11.0, 11.0]);
    }

    #[test]
    fn a_traced_graph_is_right_at_another_size() {
        let attention = MultiHeadAttention::new(&Weights::seeded(5).at("attn"), 4, 2).unwrap().causal();
        let of = |batch: usize, n: usize| {
            let mut random = crate::array::Random::new(n as u64);
            Tensor::from(random.array(crate::DType::F32, &[batch, n, 4], crate::array::Random::normal).unwrap())
        };
        let example = crate::Example::new().input("x", &of(2, 3)).symbolic("x", 0, "batch").unwrap().symbolic("x", 1, "n").unwrap();
        let traced = crate::trace(&attention, example).unwrap();
        assert!(traced.guards().is_empty());
        assert!(traced.parameters().iter().any(|(name, _)| *name == "attn.in_proj_bias"));
        assert!(traced.graph().nodes().iter().all(|node| node.location.scope.starts_with("attn")));
        let x = of(1, 6);
        let expected: Vec<f64> = attention.forward(&x).unwrap().to_vec::<f32>().unwrap().into_iter().map(f64::from).collect();
        near(&traced.call(&x).unwrap(), &expected);
    }
}
