//! Inputs that nobody supplied: fresh numbers, and other lengths of every symbolic axis.

use crate::array::{Array, DType, Random};
use crate::dim::{Bindings, Sizes, Type};
use crate::error::Result;
use crate::module::Example;
use crate::tensor::Tensor;
use std::collections::BTreeSet;
use std::sync::Arc;

/// One call of both modules.
#[derive(Clone, Debug)]
pub(super) struct Call {
    /// What it shows: `the example`, `seed 1`, `batch = 5`.
    pub(super) what: String,
    pub(super) inputs: Vec<Array>,
    /// Whether the lengths are those of the example.
    pub(super) same_size: bool,
}

/// The lengths that a symbol takes besides the example's: the smallest, the next, and a prime.
fn other_lengths(seen: i64) -> Vec<i64> {
    [1, 2, seen + 1, 5].into_iter().filter(|&n| n != seen).collect::<BTreeSet<_>>().into_iter().collect()
}

/// The calls of a check: the example as it is, fresh numbers, each symbol at other lengths.
pub(super) fn calls(example: &Example, fresh: usize, sizes: bool) -> Result<Vec<Call>> {
    let mut calls = Vec::new();
    let tensors = example.tensors();
    let arrays: Option<Vec<Array>> = tensors.iter().map(|tensor| tensor.value().cloned()).collect();
    if let Some(inputs) = arrays {
        calls.push(Call { what: "the example".to_string(), inputs, same_size: true });
    }
    let mut symbols: BTreeSet<Arc<str>> = BTreeSet::new();
    let mut seen = Bindings::new();
    for dim in tensors.iter().flat_map(|tensor| tensor.shape().to_vec()) {
        if let (Some(symbol), Some(n)) = (dim.expr().as_symbol(), dim.seen()) {
            symbols.insert(symbol.clone());
            seen.bind(symbol, n)?;
        }
    }
    let fresh = if calls.is_empty() { fresh.max(1) } else { fresh };
    for seed in 1..=fresh as u64 {
        calls.push(Call { what: format!("seed {seed}"), inputs: draw(&tensors, &seen, seed)?, same_size: true });
    }
    for symbol in symbols.iter().filter(|_| sizes) {
        for length in other_lengths(seen.get(symbol).unwrap_or(1)) {
            let mut bindings = Bindings::new();
            for (name, n) in seen.iter() {
                bindings.bind(name, if *name == **symbol { length } else { n })?;
            }
            calls.push(Call {
                what: format!("{symbol} = {length}"),
                inputs: draw(&tensors, &bindings, 100 + length as u64)?,
                same_size: false,
            });
        }
    }
    Ok(calls)
}

/// Numbers for inputs of these types at these lengths, distributed like the example's where it has some.
fn draw(tensors: &[Tensor], bindings: &Bindings, seed: u64) -> Result<Vec<Array>> {
    let mut random = Random::new(seed);
    let one = |tensor: &Tensor| {
        let shape = Sizes::Bound(bindings).shape(tensor.shape())?;
        Ok(like(&mut random, tensor.ty(), &shape, tensor.value()))
    };
    tensors.iter().map(one).collect()
}

/// Floats with the example's mean and deviation, integers within its range (indices stay valid), Bools by the toss of a coin.
fn like(random: &mut Random, ty: &Type, shape: &[usize], example: Option<&Array>) -> Array {
    let numbers: Vec<f64> = example.map(Array::to_f64s).unwrap_or_default().into_iter().filter(|x| x.is_finite()).collect();
    if ty.dtype == DType::Bool {
        return random.array(ty.dtype, shape, |random| (random.bits() >> 63) as f64);
    }
    if ty.dtype.is_int() {
        // Without an example 0 and 1 are what any table of two rows takes.
        let low = numbers.iter().copied().fold(f64::INFINITY, f64::min);
        let high = numbers.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let (low, high) = if low <= high { (low as i64, high as i64) } else { (0, 1) };
        return random.array(ty.dtype, shape, |random| random.integer(low, high) as f64);
    }
    let count = numbers.len().max(1) as f64;
    let mean = numbers.iter().sum::<f64>() / count;
    let deviation = (numbers.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / count).sqrt();
    let deviation = if deviation > 0.0 { deviation } else { 1.0 };
    random.array(ty.dtype, shape, |random| mean + deviation * random.normal())
}
