//! Random samples and dropout.

use super::args::Args;
use super::row::{Row, one, tuple};
use crate::array::{DType, Scalar};
use crate::dim::Dim;
use crate::error::Result;
use crate::ops::Distribution;
use crate::tensor::Tensor;

pub(super) const ROWS: &[Row] = &[
    one("rand(SymInt[] size, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor", |a| {
        Tensor::rand(&a.dims("size")?, a.opt_dtype("dtype")?.unwrap_or(DType::F32))
    }),
    one(
        "rand(SymInt[] size, *, Generator? generator, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor",
        |a| Tensor::rand(&a.dims("size")?, a.opt_dtype("dtype")?.unwrap_or(DType::F32)),
    ),
    one(
        "rand_like(Tensor self, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None, MemoryFormat? memory_format=None) -> Tensor",
        |a| Tensor::rand(a.tensor("self")?.shape(), a.opt_dtype("dtype")?.unwrap_or(a.tensor("self")?.dtype())),
    ),
    one(
        "randn(SymInt[] size, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor",
        |a| Tensor::randn(&a.dims("size")?, a.opt_dtype("dtype")?.unwrap_or(DType::F32)),
    ),
    one(
        "randn(SymInt[] size, *, Generator? generator, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor",
        |a| Tensor::randn(&a.dims("size")?, a.opt_dtype("dtype")?.unwrap_or(DType::F32)),
    ),
    one(
        "randn_like(Tensor self, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None, MemoryFormat? memory_format=None) -> Tensor",
        |a| Tensor::randn(a.tensor("self")?.shape(), a.opt_dtype("dtype")?.unwrap_or(a.tensor("self")?.dtype())),
    ),
    one(
        "randint(SymInt high, SymInt[] size, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor",
        |a| whole(a.tensor("high")?.mul(0)?, a.tensor("high")?, &a.dims("size")?, a.opt_dtype("dtype")?.unwrap_or(DType::I64)),
    ),
    one(
        "randint(SymInt low, SymInt high, SymInt[] size, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor",
        |a| whole(a.tensor("low")?, a.tensor("high")?, &a.dims("size")?, a.opt_dtype("dtype")?.unwrap_or(DType::I64)),
    ),
    one(
        "randint_like(Tensor self, SymInt high, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None, MemoryFormat? memory_format=None) -> Tensor",
        |a| {
            whole(
                a.tensor("high")?.mul(0)?,
                a.tensor("high")?,
                a.tensor("self")?.shape(),
                a.opt_dtype("dtype")?.unwrap_or(a.tensor("self")?.dtype()),
            )
        },
    ),
    one(
        "randint_like(Tensor self, SymInt low, SymInt high, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None, MemoryFormat? memory_format=None) -> Tensor",
        |a| {
            whole(
                a.tensor("low")?,
                a.tensor("high")?,
                a.tensor("self")?.shape(),
                a.opt_dtype("dtype")?.unwrap_or(a.tensor("self")?.dtype()),
            )
        },
    ),
    one("randperm(SymInt n, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor", |a| {
        Tensor::rand([a.dim("n")?], DType::F32)?.sort(0, false)?.1.cast(a.opt_dtype("dtype")?.unwrap_or(DType::I64))
    }),
    one("normal(Tensor mean, float std=1, *, Generator? generator=None) -> Tensor", |a| {
        Tensor::randn(a.tensor("mean")?.shape(), a.tensor("mean")?.dtype())?.mul(a.float("std")?)?.add(a.tensor("mean")?)
    }),
    one("normal(float mean, Tensor std, *, Generator? generator=None) -> Tensor", |a| {
        Tensor::randn(a.tensor("std")?.shape(), a.tensor("std")?.dtype())?.mul(a.tensor("std")?)?.add(a.float("mean")?)
    }),
    one("normal(Tensor mean, Tensor std, *, Generator? generator=None) -> Tensor", |a| {
        let (mean, deviation) = (a.tensor("mean")?, a.tensor("std")?);
        let both = mean.add(deviation.mul(0.0)?)?;
        Tensor::randn(both.shape(), both.dtype())?.mul(deviation)?.add(mean)
    }),
    one("normal_functional(Tensor self, float mean=0, float std=1, *, Generator? generator=None) -> Tensor", |a| {
        random_like(a, |x| Tensor::sample(Distribution::Normal(a.float("mean")? as f32, a.float("std")? as f32), x.shape(), x.dtype()))
    }),
    one("normal_(Tensor self, float mean=0, float std=1, *, Generator? generator=None) -> Tensor", |a| {
        random_like(a, |x| Tensor::sample(Distribution::Normal(a.float("mean")? as f32, a.float("std")? as f32), x.shape(), x.dtype()))
    }),
    one("uniform(Tensor self, float from=0, float to=1, *, Generator? generator=None) -> Tensor", |a| {
        random_like(a, |x| Tensor::sample(Distribution::Uniform(a.float("from")? as f32, a.float("to")? as f32), x.shape(), x.dtype()))
    }),
    one("exponential(Tensor self, float lambd=1, *, Generator? generator=None) -> Tensor", |a| {
        random_like(a, |x| Tensor::rand(x.shape(), x.dtype())?.neg()?.add(1.0)?.log()?.div(-a.float("lambd")?))
    }),
    one("log_normal(Tensor self, float mean=1, float std=2, *, Generator? generator=None) -> Tensor", |a| {
        random_like(a, |x| {
            Tensor::sample(Distribution::Normal(a.float("mean")? as f32, a.float("std")? as f32), x.shape(), x.dtype())?.exp()
        })
    }),
    one("cauchy(Tensor self, float median=0, float sigma=1, *, Generator? generator=None) -> Tensor", |a| {
        let angle = |x: &Tensor| Tensor::rand(x.shape(), x.dtype())?.sub(0.5)?.mul(std::f64::consts::PI);
        random_like(a, |x| angle(x)?.tan()?.mul(a.float("sigma")?)?.add(a.float("median")?))
    }),
    // How many trials it takes, the first at least.
    one("geometric(Tensor self, float p, *, Generator? generator=None) -> Tensor", |a| {
        let rest = |x: &Tensor| Tensor::rand(x.shape(), DType::F32)?.neg()?.add(1.0)?.log();
        random_like(a, |x| rest(x)?.div((-a.float("p")?).ln_1p())?.ceil()?.clamp(Some(Scalar::Float(1.0)), None)?.cast(x.dtype()))
    }),
    one("random(Tensor self, int from, int? to, *, Generator? generator=None) -> Tensor", |a| {
        random_like(a, |x| {
            let end = if a.is_none("to")? { unlike(x.dtype()) } else { a.float("to")? };
            whole(a.tensor("from")?, Tensor::weak(Scalar::Float(end)), x.shape(), x.dtype())
        })
    }),
    one("random(Tensor self, int to, *, Generator? generator=None) -> Tensor", |a| {
        random_like(a, |x| whole(a.tensor("to")?.mul(0)?, a.tensor("to")?, x.shape(), x.dtype()))
    }),
    one("random(Tensor self, *, Generator? generator=None) -> Tensor", |a| {
        random_like(a, |x| whole(Tensor::weak(Scalar::Float(0.0)), Tensor::weak(Scalar::Float(unlike(x.dtype()))), x.shape(), x.dtype()))
    }),
    one("bernoulli(Tensor self, *, Generator? generator=None) -> Tensor", |a| a.tensor("self")?.bernoulli()),
    one("bernoulli(Tensor self, float p, *, Generator? generator=None) -> Tensor", |a| {
        random_like(a, |x| Tensor::rand(x.shape(), DType::F32)?.lt(a.float("p")?)?.cast(x.dtype()))
    }),
    one("bernoulli(Tensor self, Tensor p, *, Generator? generator=None) -> Tensor", |a| {
        random_like(a, |x| Tensor::rand(x.shape(), DType::F32)?.lt(a.tensor("p")?)?.cast(x.dtype()))
    }),
    one("multinomial(Tensor self, int num_samples, bool replacement=False, *, Generator? generator=None) -> Tensor", |a| {
        a.tensor("self")?.multinomial(a.int("num_samples")?, a.flag("replacement")?)
    }),
    one("dropout(Tensor input, float p, bool train) -> Tensor", |a| dropped(a, |x| x.shape().to_vec())),
    // Whole channels are kept or dropped.
    one("feature_dropout(Tensor input, float p, bool train) -> Tensor", |a| dropped(a, channels)),
    one("alpha_dropout(Tensor input, float p, bool train) -> Tensor", |a| alpha(a, |x| x.shape().to_vec())),
    one("feature_alpha_dropout(Tensor input, float p, bool train) -> Tensor", |a| alpha(a, channels)),
    tuple("native_dropout(Tensor input, float p, bool? train) -> (Tensor, Tensor)", |a| {
        let x = a.tensor("input")?;
        if a.is_none("train")? || !a.flag("train")? || a.float("p")? == 0.0 {
            return Ok(vec![x.clone(), Tensor::ones(x.shape(), DType::Bool)?]);
        }
        let (y, kept) = x.drop_out(a.float("p")?)?;
        Ok(vec![y, kept])
    }),
    one(
        "rrelu(Tensor self, Scalar lower=0.125, Scalar upper=0.3333333333333333, bool training=False, Generator? generator=None) -> Tensor",
        |a| Ok(sloped(a)?.0),
    ),
    one(
        "rrelu_with_noise(Tensor self, Tensor(b!) noise, Scalar lower=0.125, Scalar upper=0.3333333333333333, bool training=False, Generator? generator=None) -> Tensor",
        |a| {
            let (y, slopes) = sloped(a)?;
            if let Some(slopes) = slopes {
                a.view("noise")?.assign(&slopes)?;
            }
            Ok(y)
        },
    ),
    tuple(
        "rrelu_with_noise_functional(Tensor self, Tensor noise, Scalar lower=0.125, Scalar upper=0.3333333333333333, bool training=False, Generator? generator=None) -> (Tensor, Tensor noise_out)",
        |a| {
            let (y, slopes) = sloped(a)?;
            Ok(vec![y, slopes.map_or_else(|| a.tensor("noise"), Ok)?])
        },
    ),
];

/// Negative elements times random slopes while training, and the slopes, which are 1 for the other elements.
fn sloped(a: &Args) -> Result<(Tensor, Option<Tensor>)> {
    let (x, low, high) = (a.tensor("self")?, a.float("lower")?, a.float("upper")?);
    if !a.flag("training")? {
        return Ok((x.leaky_relu((low + high) / 2.0)?, None));
    }
    let samples = Tensor::sample(Distribution::Uniform(low as f32, high as f32), x.shape(), x.dtype())?;
    let slopes = x.le(0)?.where_(&samples, &Tensor::ones((), x.dtype())?)?;
    Ok((x.mul(&slopes)?, Some(slopes)))
}

/// The exclusive upper end of `random` for a dtype where none is given.
fn unlike(dtype: DType) -> f64 {
    match dtype {
        DType::Bool => 2.0,
        DType::BF16 => 257.0,
        DType::F16 => 2049.0,
        DType::F32 => 16_777_217.0,
        DType::U8 => 256.0,
        DType::I8 => 128.0,
        DType::I16 => 32_768.0,
        DType::I32 => 2_147_483_648.0,
        // 2⁵³, up to which f64 has every whole number, for i64 as well: a sample has no more digits.
        _ => 9_007_199_254_740_992.0,
    }
}

/// A random tensor in the shape and dtype of another.
fn random_like(a: &Args, sample: impl Fn(&Tensor) -> Result<Tensor>) -> Result<Tensor> {
    sample(&a.tensor("self")?)
}

/// Integers from `low` up to `high`, which is not reached.
fn whole(low: Tensor, high: Tensor, shape: &[Dim], dtype: DType) -> Result<Tensor> {
    let wide = |x: &Tensor| x.strengthened().cast(DType::F64);
    let (low, high) = (wide(&low)?, wide(&high)?);
    Tensor::rand(shape, DType::F64)?.mul(high.sub(&low)?)?.add(low)?.floor()?.cast(dtype)
}

/// One value for each channel of each element of a batch.
fn channels(x: &Tensor) -> Vec<Dim> {
    x.shape().iter().enumerate().map(|(axis, n)| if axis < 2 { n.clone() } else { Dim::Fixed(1) }).collect()
}

/// The dropout mask in `shape`; `None` where nothing is dropped.
fn kept(a: &Args, shape: impl Fn(&Tensor) -> Vec<Dim>) -> Result<Option<Tensor>> {
    let (x, p) = (a.tensor("input")?, a.float("p")?);
    match a.flag("train")? && p > 0.0 {
        true => Ok(Some(Tensor::rand(shape(&x), DType::F32)?.ge(p)?.cast(x.dtype())?)),
        false => Ok(None),
    }
}

fn dropped(a: &Args, shape: impl Fn(&Tensor) -> Vec<Dim>) -> Result<Tensor> {
    let (x, p) = (a.tensor("input")?, a.float("p")?);
    match kept(a, shape)? {
        None => Ok(x),
        // Everything is dropped: nothing is left to scale.
        Some(_) if p == 1.0 => x.mul(0),
        Some(kept) => x.mul(kept)?.mul(1.0 / (1.0 - p)),
    }
}

/// What is dropped becomes the least that SELU gives, and all is scaled so that mean and variance stay.
fn alpha(a: &Args, shape: impl Fn(&Tensor) -> Vec<Dim>) -> Result<Tensor> {
    const LEAST: f64 = -1.758_099_340_847_376_6;
    let (x, p) = (a.tensor("input")?, a.float("p")?);
    match kept(a, shape)? {
        None => Ok(x),
        Some(_) if p == 1.0 => x.mul(0),
        Some(kept) => {
            let scale = 1.0 / ((1.0 - p) * (1.0 + p * LEAST * LEAST)).sqrt();
            let shifted = kept.mul(-1)?.add(1)?.mul(LEAST)?.add(p * -LEAST)?;
            x.mul(&kept)?.add(shifted)?.mul(scale)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::table::call;
    use super::super::value::Value;
    use super::*;

    /// Many samples.
    fn samples(name: &str, dtype: DType, arguments: &[Value]) -> Vec<f64> {
        let x = Value::from(Tensor::zeros([10_000i64], dtype).unwrap());
        let y = call(name, &[&[x], arguments].concat(), &[]).unwrap();
        y.view().unwrap().read().unwrap().to_array().unwrap().to_f64s().unwrap()
    }

    fn median(mut values: Vec<f64>) -> f64 {
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    }

    #[test]
    fn samples_have_the_middle_and_the_range_of_their_distribution() {
        assert!((median(samples("log_normal_", DType::F32, &[Value::Float(1.0), Value::Float(0.5)])) - 1f64.exp()).abs() < 0.1);
        assert!((median(samples("cauchy_", DType::F32, &[Value::Float(3.0), Value::Float(0.5)])) - 3.0).abs() < 0.1);
        let trials = samples("geometric_", DType::I64, &[Value::Float(0.25)]);
        assert!(trials.iter().all(|&n| n >= 1.0) && (trials.iter().sum::<f64>() / 10_000.0 - 4.0).abs() < 0.3);
        let whole = samples("random_", DType::F32, &[Value::Int((-2).into()), Value::Int(3.into())]);
        let mut seen: Vec<i64> = whole.iter().map(|&x| x as i64).collect();
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen, [-2, -1, 0, 1, 2]);
        assert!(samples("random_", DType::U8, &[]).iter().any(|&x| x > 200.0));
    }
}
