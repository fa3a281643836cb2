//! Random samples. An operator gets its seed when it is applied, and the seed is written: the same traced graph samples the same values.

use super::Reader;
use crate::array::{Array, DType, Random};
use crate::dim::{Dim, Shape, Sizes, Type};
use crate::error::{Error, Result};
use crate::graph::{Agreement, Attributes, Inputs, Operator, Substitution};
use crate::onnx::{GraphBuilder, Name, Node};
use crate::tensor::{Tensor, apply_one};
use std::cell::Cell;
use std::sync::Arc;

thread_local! {
    /// The seed of this thread's next sample.
    static NEXT: Cell<u32> = const { Cell::new(0) };
}

/// Runs a function whose samples begin with this seed; those around it go on as if it had not run.
///
/// [`trace`](crate::trace()) and the checker run a module with seed 0, so that it samples what its traced graph samples. Values of other
/// programs' generators are not reproduced.
///
/// ```
/// use ontrace::ops::seeded;
/// use ontrace::{DType, Tensor};
/// let sample = || seeded(7, || Tensor::rand([4], DType::F32)?.to_vec::<f32>());
/// assert_eq!(sample()?, sample()?);
/// # Ok::<(), ontrace::Error>(())
/// ```
pub fn seeded<R>(seed: u32, run: impl FnOnce() -> R) -> R {
    /// Also where the function panics.
    struct Before(u32);
    impl Drop for Before {
        fn drop(&mut self) {
            NEXT.set(self.0);
        }
    }
    let _before = Before(NEXT.replace(seed));
    run()
}

/// Integers, as many as an f32 represents exactly.
fn next_seed() -> f32 {
    let seed = NEXT.get();
    NEXT.set(seed.wrapping_add(1) % (1 << 24));
    seed as f32
}

/// How values are distributed.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Distribution {
    /// Evenly from the first number to the second, which is not reached.
    Uniform(f32, f32),
    /// Around a mean, with a standard deviation.
    Normal(f32, f32),
}

/// Values of a distribution. ONNX: [RandomUniform](https://onnx.ai/onnx/operators/onnx__RandomUniform.html), RandomNormal, and the
/// same two with the shape of a tensor.
#[derive(Clone, Debug, PartialEq)]
pub struct RandomSample {
    /// How they are distributed.
    pub distribution: Distribution,
    /// The shape.
    pub shape: Shape,
    /// A float.
    pub dtype: DType,
    /// What the values follow from, besides the shape.
    pub seed: f32,
}

impl Operator for RandomSample {
    fn name(&self) -> &'static str {
        match self.distribution {
            Distribution::Uniform(..) => "RandomUniform",
            Distribution::Normal(..) => "RandomNormal",
        }
    }

    fn attributes(&self) -> Attributes {
        let attributes = match self.distribution {
            Distribution::Uniform(low, high) => Attributes::new().with("low", low).with("high", high),
            Distribution::Normal(mean, scale) => Attributes::new().with("mean", mean).with("scale", scale),
        };
        attributes.with("shape", &self.shape).with("dtype", self.dtype).with("seed", self.seed)
    }

    fn infer(&self, _: &Inputs<Type>) -> Result<Vec<Type>> {
        if !self.dtype.is_float() {
            return Err(DType::not_taken(self.dtype));
        }
        if self.shape.iter().any(|dim| dim.fixed().is_some_and(|n| n < 0)) {
            return Err(Error::shape(format!("negative size in {}", self.shape)));
        }
        Ok(vec![Type::new(self.dtype, self.shape.clone())])
    }

    fn eval(&self, _: &Inputs<Array>, sizes: Sizes) -> Result<Vec<Array>> {
        let shape = sizes.shape(&self.shape)?;
        crate::array::count(&shape)?;
        // As many bits as the dtype holds: none is rounded up to the end that is left out.
        let steps = match self.dtype {
            DType::BF16 => 2f64.powi(8),
            DType::F16 => 2f64.powi(11),
            _ => 2f64.powi(24),
        };
        let sample = |random: &mut Random| match self.distribution {
            Distribution::Uniform(low, high) => {
                f64::from(low) + (f64::from(high) - f64::from(low)) * ((random.uniform() * steps).floor() / steps)
            }
            Distribution::Normal(mean, deviation) => f64::from(mean) + f64::from(deviation) * random.normal(),
        };
        Ok(vec![Random::new(self.seed.to_bits().into()).array(self.dtype, &shape, sample)?])
    }

    fn lower(&self, builder: &mut GraphBuilder, _: &[Name], outputs: &[Type]) -> Result<Vec<Name>> {
        // Before opset 22 no halves of Google's kind are sampled.
        let dtype = if self.dtype == DType::BF16 && builder.opset() < 22 { DType::F32 } else { self.dtype };
        let fixed: Option<Vec<i64>> = self.shape.iter().map(Dim::fixed).collect();
        let node = match &fixed {
            Some(shape) => builder.node(self.name(), &[]).ints("shape", shape),
            None => {
                let shape = builder.dims(&self.shape)?;
                let value = Array::full(DType::F32, &[1], 0.into());
                let like = builder.node("ConstantOfShape", &[shape]).tensor("value", &value)?;
                let like = like.write_one(Type::new(DType::F32, self.shape.clone()))?;
                builder.node(&format!("{}Like", self.name()), &[like])
            }
        };
        let node = match self.distribution {
            Distribution::Uniform(low, high) => node.float("low", low).float("high", high),
            Distribution::Normal(mean, deviation) => node.float("mean", mean).float("scale", deviation),
        };
        let node = node.dtype("dtype", dtype).seed(self.seed);
        if dtype == self.dtype {
            return Ok(node.write(outputs));
        }
        let wide = node.write_one(Type::new(dtype, self.shape.clone()))?;
        Ok(builder.node("Cast", &[wide]).dtype("to", self.dtype).write(outputs))
    }

    fn agreement(&self) -> Agreement {
        Agreement::Random
    }

    fn substituted(&self, of: &Substitution) -> Option<Arc<dyn Operator>> {
        Some(Arc::new(RandomSample { shape: of.dims(&self.shape).into(), dtype: of.dtype(self.dtype), ..self.clone() }))
    }
}

/// The seed that a node says, or the next one.
fn seed(node: &Node) -> Result<f32> {
    Ok(node.find_float("seed")?.unwrap_or_else(next_seed))
}

fn dtype(node: &Node, default: DType) -> Result<DType> {
    node.find_int("dtype")?.map_or(Ok(default), |n| crate::onnx::tensor::dtype(n as i32))
}

fn distribution(node: &Node) -> Result<Distribution> {
    Ok(match node.op_type().starts_with("RandomUniform") {
        true => Distribution::Uniform(node.float("low", 0.0)?, node.float("high", 1.0)?),
        false => Distribution::Normal(node.float("mean", 0.0)?, node.float("scale", 1.0)?),
    })
}

const OF_SHAPE: Reader = |node, _| {
    let shape: Vec<Dim> = node.ints("shape")?.unwrap_or_default().iter().copied().map(Dim::Fixed).collect();
    let op = RandomSample { distribution: distribution(node)?, shape: shape.into(), dtype: dtype(node, DType::F32)?, seed: seed(node)? };
    Ok(vec![apply_one(op, &[])?])
};

const LIKE: Reader = |node, inputs| {
    let x = inputs.at(0)?;
    let dtype = dtype(node, x.dtype())?;
    let op = RandomSample { distribution: distribution(node)?, shape: x.shape().clone(), dtype, seed: seed(node)? };
    Ok(vec![apply_one(op, &[])?])
};

pub(super) const READS: &[(&str, Reader)] = &[
    ("RandomUniform", OF_SHAPE),
    ("RandomNormal", OF_SHAPE),
    ("RandomUniformLike", LIKE),
    ("RandomNormalLike", LIKE),
    ("Bernoulli", |node, inputs| {
        let x = inputs.at(0)?;
        let samples = RandomSample { distribution: UNIT, shape: x.shape().clone(), dtype: x.dtype(), seed: seed(node)? };
        Ok(vec![apply_one(samples, &[])?.lt(x)?.cast(dtype(node, x.dtype())?)?])
    }),
    ("Multinomial", |node, inputs| {
        let seed = seed(node)?;
        let samples = inputs.at(0)?.softmax(-1)?.sampled(node.int("sample_size", 1)?, true, seed)?;
        Ok(vec![samples.cast(dtype(node, DType::I32)?)?])
    }),
];

const UNIT: Distribution = Distribution::Uniform(0.0, 1.0);

impl Tensor {
    /// Values evenly distributed from 0 to 1, which is not reached.
    ///
    /// [torch.rand](https://pytorch.org/docs/stable/generated/torch.rand.html)
    ///
    /// # Errors
    /// [`DType`](crate::ErrorCode::DType) unless a float, [`Shape`](crate::ErrorCode::Shape) for a negative size.
    #[track_caller]
    pub fn rand(shape: impl Into<Shape>, dtype: DType) -> Result<Tensor> {
        Tensor::sample(UNIT, shape, dtype)
    }

    /// Values of the standard normal distribution.
    ///
    /// [torch.randn](https://pytorch.org/docs/stable/generated/torch.randn.html)
    ///
    /// # Errors
    /// As [`Tensor::rand`].
    #[track_caller]
    pub fn randn(shape: impl Into<Shape>, dtype: DType) -> Result<Tensor> {
        Tensor::sample(Distribution::Normal(0.0, 1.0), shape, dtype)
    }

    /// Values of a distribution.
    ///
    /// # Errors
    /// As [`Tensor::rand`].
    #[track_caller]
    pub fn sample(distribution: Distribution, shape: impl Into<Shape>, dtype: DType) -> Result<Tensor> {
        let shape = shape.into();
        apply_one(RandomSample { distribution, shape, dtype, seed: next_seed() }, &[])
    }

    /// 1 with the probability that stands in this tensor, otherwise 0.
    ///
    /// [torch.bernoulli](https://pytorch.org/docs/stable/generated/torch.bernoulli.html)
    ///
    /// # Errors
    /// [`DType`](crate::ErrorCode::DType) unless a float.
    #[track_caller]
    pub fn bernoulli(&self) -> Result<Tensor> {
        Tensor::sample(UNIT, self.shape(), self.dtype())?.lt(self)?.cast(self.dtype())
    }

    /// Each number 0 with probability `p`, and the others scaled so that the mean stays.
    ///
    /// [torch.nn.functional.dropout](https://pytorch.org/docs/stable/generated/torch.nn.functional.dropout.html) while training
    ///
    /// # Errors
    /// [`DType`](crate::ErrorCode::DType) unless a float, [`Argument`](crate::ErrorCode::Argument) unless 0 ≤ p ≤ 1.
    #[track_caller]
    pub fn drop_out(&self, p: f64) -> Result<(Tensor, Tensor)> {
        if !(0.0..=1.0).contains(&p) {
            return Err(Error::argument(format!("invalid probability {p}")));
        }
        let kept = Tensor::sample(UNIT, self.shape(), DType::F32)?.ge(p)?;
        let scale = if p < 1.0 { 1.0 / (1.0 - p) } else { 0.0 };
        Ok((self.mul(kept.cast(self.dtype())?)?.mul(scale)?, kept))
    }

    /// Indices along the last axis, sampled with the weights that stand there: (…, n) → (…, `count`).
    ///
    /// [torch.multinomial](https://pytorch.org/docs/stable/generated/torch.multinomial.html)
    ///
    /// # Errors
    /// [`DType`](crate::ErrorCode::DType) unless a float, [`Shape`](crate::ErrorCode::Shape) of a scalar or where more are sampled than there are.
    #[track_caller]
    pub fn multinomial(&self, count: i64, again: bool) -> Result<Tensor> {
        self.sampled(count, again, next_seed())
    }

    #[track_caller]
    fn sampled(&self, count: i64, again: bool, seed: f32) -> Result<Tensor> {
        if self.rank() == 0 || count < 0 {
            return Err(Error::shape(format!("{count} samples from a tensor of shape {}", self.shape())));
        }
        let sample = |shape: Shape| apply_one(RandomSample { distribution: UNIT, shape, dtype: self.dtype(), seed }, &[]);
        if again {
            // The first index at which the running sum of the weights exceeds the number sampled.
            let sums = self.cumsum(-1)?;
            let total = sums.narrow(-1, self.dim(-1)? - 1, 1)?;
            let mut shape: Vec<Dim> = self.shape().to_vec();
            *shape.last_mut().ok_or_else(|| Error::internal("expected a tensor with at least one axis"))? = Dim::Fixed(count);
            let sampled = sample(shape.into())?.mul(&total)?.unsqueeze(-1)?;
            return sums.unsqueeze(-2)?.le(&sampled)?.cast(DType::I64)?.sum(-1, false);
        }
        // The largest of exponentials whose rates are the weights: Efraimidis and Spirakis.
        let keys = sample(self.shape().clone())?.log()?.div(self)?;
        Ok(keys.topk(count, -1, true)?.1)
    }
}

/// What the laws are tried on.
#[cfg(test)]
pub(super) fn examples() -> Vec<super::examples::Case> {
    use super::examples::*;

    cases! {
        "rand", [floats(&[2, 3])], |x| one(seeded(1, || Tensor::rand(x[0].shape(), DType::F32))?.add(&x[0])?);
        "randn", [floats(&[2, 3])], |x| one(seeded(2, || Tensor::randn(x[0].shape(), DType::F64))?.add(&x[0])?);
        "draw_f16", [floats(&[2])], |x| one(seeded(3, || Tensor::sample(Distribution::Uniform(-1.0, 3.0), x[0].shape(), DType::F16))?.add(&x[0])?);
        "bernoulli", [of(DType::F32, &[4, 5], 0.0, 1.0)], |x| one(seeded(4, || x[0].bernoulli())?);
        "drop_out", [floats(&[4, 5])], |x| both(seeded(5, || x[0].drop_out(0.4))?);
        "multinomial", [of(DType::F32, &[2, 4], 0.1, 1.0)], |x| one(seeded(6, || x[0].multinomial(3, true))?);
        "multinomial_once", [of(DType::F32, &[2, 4], 0.1, 1.0)], |x| one(seeded(7, || x[0].multinomial(3, false))?);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Example, record, trace_fn};

    /// Mean and variance.
    fn moments(x: &Tensor) -> (f64, f64) {
        let x = x.to_array().unwrap().to_f64s().unwrap();
        let mean = x.iter().sum::<f64>() / x.len() as f64;
        (mean, x.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / x.len() as f64)
    }

    fn near(x: &Tensor, mean: f64, variance: f64) {
        let (m, v) = moments(x);
        assert!((m - mean).abs() < 0.02 && (v - variance).abs() < 0.02, "{m} {v}, expected {mean} {variance}");
    }

    #[test]
    fn what_is_sampled_has_the_moments_of_its_distribution() {
        seeded(3, || {
            let shape = &[100i64, 300];
            for dtype in [DType::F16, DType::BF16, DType::F32, DType::F64] {
                let uniform = Tensor::rand(shape, dtype).unwrap();
                near(&uniform, 0.5, 1.0 / 12.0);
                assert!(uniform.to_array().unwrap().to_f64s().unwrap().iter().all(|x| (0.0..1.0).contains(x)), "{dtype}");
                near(&Tensor::randn(shape, dtype).unwrap(), 0.0, 1.0);
            }
            near(&Tensor::sample(Distribution::Normal(2.0, 0.5), shape, DType::F32).unwrap(), 2.0, 0.25);
            let p = Tensor::full(shape, 0.3, DType::F32).unwrap();
            near(&p.bernoulli().unwrap(), 0.3, 0.21);
            // 1 with probability 0.8, scaled by 1.25.
            let (y, kept) = Tensor::ones(shape, DType::F32).unwrap().drop_out(0.2).unwrap();
            near(&y, 1.0, 0.25);
            near(&kept, 0.8, 0.16);
        });
    }

    #[test]
    fn indices_are_sampled_by_their_weights() {
        seeded(5, || {
            let weights = Tensor::from(&[1.0f32, 0.0, 3.0]);
            let sampled = weights.multinomial(20_000, true).unwrap().to_array().unwrap().to_i64s().unwrap();
            let share = sampled.iter().filter(|&&i| i == 2).count() as f64 / 20_000.0;
            assert!((share - 0.75).abs() < 0.02 && sampled.iter().all(|&i| i != 1), "{share}");
            for _ in 0..20 {
                let mut both = weights.multinomial(2, false).unwrap().to_array().unwrap().to_i64s().unwrap();
                both.sort_unstable();
                assert_eq!(both, [0, 2], "a weight of 0 is sampled last");
            }
        });
    }

    #[test]
    fn a_traced_graph_samples_what_its_module_drew() {
        let x = Tensor::zeros([3, 4], DType::F32).unwrap();
        let noisy = |x: Tensor| x.add(Tensor::randn(x.shape(), DType::F32)?)?.add(Tensor::rand([4], DType::F32)?);
        // Tracing checks, so that the session must give the same samples; and one sample is not the next.
        let traced = trace_fn(noisy, &x).unwrap();
        assert_eq!(traced.graph().nodes().iter().filter(|node| node.op.agreement() == Agreement::Random).count(), 2);
        let (a, b) = seeded(0, || (noisy(x.clone()).unwrap(), noisy(x.clone()).unwrap()));
        assert_ne!(a.to_vec::<f32>().unwrap(), b.to_vec::<f32>().unwrap());
        let module = crate::module::from_fn(noisy);
        let symbolic = record(&module, Example::new().input("x", &x).symbolic("x", 0, "n").unwrap()).unwrap();
        let names: Vec<_> = symbolic.to_model().unwrap().proto.graph.unwrap().node.into_iter().map(|node| node.op_type).collect();
        assert!(names.contains(&"RandomNormalLike".to_string()) && names.contains(&"RandomUniform".to_string()), "{names:?}");
    }

    #[test]
    fn wrong_samples_are_refused_by_code() {
        assert_eq!(Tensor::rand([2i64], DType::I64).unwrap_err().code(), crate::ErrorCode::DType);
        assert_eq!(Tensor::rand([-2i64], DType::F32).unwrap_err().code(), crate::ErrorCode::Shape);
        assert_eq!(Tensor::rand([1i64 << 60], DType::F32).unwrap_err().code(), crate::ErrorCode::TooBig);
        let x = Tensor::from(&[1.0f32]);
        assert_eq!(x.drop_out(1.5).unwrap_err().code(), crate::ErrorCode::Argument);
        assert!(x.multinomial(2, false).is_err() && x.multinomial(-1, true).is_err());
    }
}
