//! Inputs that nobody supplied: fresh numbers, the odd ones among them, and other lengths of every symbolic axis.

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
    /// The length of each symbol.
    pub(super) lengths: Bindings,
    /// Whether the lengths are those of the example.
    pub(super) same_size: bool,
}

/// How numbers are drawn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Numbers {
    /// As they are in the example.
    Given,
    /// Distributed like the example's.
    Fresh,
    /// Within the example's range, its ends and zero among them.
    Ends,
    /// Signs turned, zeros of both signs, ties, whole numbers, large and small ones.
    Odd,
    /// NaN and infinities among them.
    NotFinite,
    /// Integers counted from the end too.
    Negative,
}

/// A call to be made: drawn when its turn comes, so that only one is in memory.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) what: String,
    pub(super) numbers: Numbers,
    pub(super) lengths: Bindings,
    pub(super) same_size: bool,
    seed: u64,
}

/// The lengths that a symbol takes besides the example's: the next, the smallest, a prime; and what stands in for those that a module
/// refuses, because it wants multiples or more.
fn other_lengths(seen: i64) -> impl Iterator<Item = i64> {
    let primes = [3, 5, 2, 7];
    let prime = primes.into_iter().find(|&p| p != seen && p != seen + 1).unwrap_or(11);
    let first = [seen + 1, 1, prime];
    let further = [seen + 2, 2, 2 * seen, seen + 4, 3 * seen, seen / 2, 4 * seen, seen + 8, 16];
    let mut tried = BTreeSet::from([seen]);
    first.into_iter().chain(further).filter(move |&n| n >= 1 && tried.insert(n))
}

/// Lengths of one symbol, to be tried in order until enough of them could be compared.
#[derive(Clone, Debug)]
pub(super) struct Lengths {
    pub(super) symbol: Arc<str>,
    pub(super) plans: Vec<Plan>,
}

/// What can be varied in an example.
pub(super) struct Variations {
    tensors: Vec<Tensor>,
    /// The lengths of the example.
    pub(super) seen: Bindings,
}

impl Variations {
    pub(super) fn of(example: &Example) -> Result<Variations> {
        let tensors = example.tensors();
        let mut seen = Bindings::new();
        for (symbol, n) in example.symbols() {
            seen.bind(&symbol, n)?;
        }
        Ok(Variations { tensors, seen })
    }

    /// Whether the example has numbers.
    pub(super) fn has_numbers(&self) -> bool {
        self.tensors.iter().all(|tensor| tensor.value().is_some())
    }

    fn has(&self, test: impl Fn(DType) -> bool) -> bool {
        self.tensors.iter().any(|tensor| test(tensor.dtype()))
    }

    fn at_seen(&self, what: String, numbers: Numbers, seed: u64) -> Plan {
        Plan { what, numbers, lengths: self.seen.clone(), same_size: true, seed }
    }

    /// The example itself.
    pub(super) fn example(&self) -> Plan {
        self.at_seen("the example".to_string(), Numbers::Given, 0)
    }

    /// Fresh numbers at the example's lengths.
    pub(super) fn fresh(&self, seed: u64) -> Plan {
        self.at_seen(format!("seed {seed}"), Numbers::Fresh, seed)
    }

    /// The odd numbers: any, where both sides run the same kernels; within the example's range where they do not, because every runtime
    /// loses an overflow or a NaN in its own way.
    pub(super) fn odd(&self, same_kernels: bool) -> Vec<Plan> {
        if !same_kernels {
            return vec![self.at_seen("the ends of the range".to_string(), Numbers::Ends, 50)];
        }
        let mut plans = vec![self.at_seen("odd numbers".to_string(), Numbers::Odd, 51)];
        if self.has(DType::is_float) {
            plans.push(self.at_seen("NaN and infinity".to_string(), Numbers::NotFinite, 52));
        }
        if self.has(|dtype| dtype.is_int()) {
            plans.push(self.at_seen("negative integers".to_string(), Numbers::Negative, 53));
        }
        plans
    }

    /// Each symbol at other lengths, the others as in the example, as far as `allowed` says that they may be.
    pub(super) fn lengths(&self, allowed: &dyn Fn(&Bindings) -> bool, zero: bool) -> Result<Vec<Lengths>> {
        let mut all = Vec::new();
        for (symbol, seen) in self.seen.iter() {
            let mut plans = Vec::new();
            for length in other_lengths(seen).chain(zero.then_some(0)) {
                let lengths = self.with(&[(symbol, length)])?;
                if allowed(&lengths) {
                    let seed = 100 + length as u64;
                    plans.push(Plan { what: format!("{symbol} = {length}"), numbers: Numbers::Fresh, lengths, same_size: false, seed });
                }
            }
            all.push(Lengths { symbol: symbol.into(), plans });
        }
        Ok(all)
    }

    /// Every symbol at a length of its own, so that no axis can stand in for another.
    pub(super) fn all_different(&self, allowed: &dyn Fn(&Bindings) -> bool) -> Result<Option<Plan>> {
        if self.seen.iter().count() < 2 {
            return Ok(None);
        }
        let mut free: Vec<i64> = vec![3, 5, 2, 7, 4, 11, 6, 13, 17, 19, 23];
        let mut changes = Vec::new();
        for (symbol, seen) in self.seen.iter() {
            let i = free.iter().position(|&n| n != seen).unwrap_or(0);
            changes.push((symbol, if free.is_empty() { seen + 1 } else { free.remove(i) }));
        }
        let lengths = self.with(&changes)?;
        let what = changes.iter().map(|(symbol, n)| format!("{symbol} = {n}")).collect::<Vec<_>>().join(", ");
        Ok(allowed(&lengths).then_some(Plan { what, numbers: Numbers::Fresh, lengths, same_size: false, seed: 99 }))
    }

    fn with(&self, changes: &[(&str, i64)]) -> Result<Bindings> {
        let mut lengths = Bindings::new();
        for (name, n) in self.seen.iter() {
            let changed = changes.iter().find(|change| change.0 == name).map_or(n, |change| change.1);
            lengths.bind(name, changed)?;
        }
        Ok(lengths)
    }

    /// The inputs of a call.
    pub(super) fn draw(&self, plan: Plan) -> Result<Call> {
        let mut random = Random::new(plan.seed);
        let one = |tensor: &Tensor| match (plan.numbers, tensor.value()) {
            (Numbers::Given, Some(array)) => Ok(array.clone()),
            _ => {
                let shape = Sizes::Bound(&plan.lengths).shape(tensor.shape())?;
                Ok(like(&mut random, plan.numbers, tensor.ty(), &shape, tensor.value()))
            }
        };
        let inputs = self.tensors.iter().map(one).collect::<Result<_>>()?;
        Ok(Call { what: plan.what, inputs, lengths: plan.lengths, same_size: plan.same_size })
    }
}

/// Floats with the example's mean and deviation, integers within its range (indices stay valid), Bools by the toss of a coin; some of
/// them changed as asked.
fn like(random: &mut Random, numbers: Numbers, ty: &Type, shape: &[usize], example: Option<&Array>) -> Array {
    let given: Vec<f64> = example.map(Array::to_f64s).unwrap_or_default().into_iter().filter(|x| x.is_finite()).collect();
    if ty.dtype == DType::Bool {
        return random.array(ty.dtype, shape, |random| (random.bits() >> 63) as f64);
    }
    let low = given.iter().copied().fold(f64::INFINITY, f64::min);
    let high = given.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let mut i = 0;
    if ty.dtype.is_int() {
        // Without an example 0 and 1 are what any table of two rows takes.
        let (low, high) = if low <= high { (low as i64, high as i64) } else { (0, 1) };
        let signed = !matches!(ty.dtype, DType::U8 | DType::U16 | DType::U32 | DType::U64);
        return random.array(ty.dtype, shape, |random| {
            i += 1;
            let x = random.integer(low, high);
            let x = match (numbers, i % 4) {
                (Numbers::Odd | Numbers::Ends, 0) => low,
                (Numbers::Odd | Numbers::Ends, 1) => high,
                (Numbers::Negative, 0 | 1) if signed => -1 - x.abs(),
                _ => x,
            };
            x as f64
        });
    }
    let count = given.len().max(1) as f64;
    let mean = given.iter().sum::<f64>() / count;
    let deviation = (given.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / count).sqrt();
    let deviation = if deviation > 0.0 { deviation } else { 1.0 };
    let mut last = 0.0;
    random.array(ty.dtype, shape, |random| {
        i += 1;
        let x = mean + deviation * random.normal();
        let x = match (numbers, i % 8) {
            (Numbers::Odd, 0) | (Numbers::NotFinite, 4) => -x,
            (Numbers::Odd, 1) => 0.0,
            (Numbers::Odd, 2) => -0.0,
            (Numbers::Odd, 3) => 16.0 * x,
            (Numbers::Odd, 4) => x / 1024.0,
            (Numbers::Odd, 5) => x.round() + 0.5,
            (Numbers::Odd, 6) => last,
            (Numbers::NotFinite, 1) => f64::NAN,
            (Numbers::NotFinite, 3) => f64::INFINITY,
            (Numbers::NotFinite, 6) => f64::NEG_INFINITY,
            (Numbers::Ends, 1) if low <= high => low,
            (Numbers::Ends, 3) if low <= high => high,
            (Numbers::Ends, 5) if low <= 0.0 && 0.0 <= high => 0.0,
            (Numbers::Ends, 7) => last,
            (Numbers::Ends, _) if low < high => x.clamp(low, high),
            _ => x,
        };
        last = x;
        x
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_symbol_is_tried_at_the_next_length_at_one_and_at_a_prime_first() {
        let first = |seen| other_lengths(seen).take(3).collect::<Vec<_>>();
        assert_eq!((first(1), first(2), first(3), first(8)), (vec![2, 3, 5], vec![3, 1, 5], vec![4, 1, 5], vec![9, 1, 3]));
        assert!(other_lengths(6).any(|n| n % 4 == 0), "a module may want multiples of four");
    }

    #[test]
    fn several_symbols_get_lengths_of_their_own() {
        let x = Tensor::new([3, 3], vec![0f32; 9]).unwrap();
        let example = Example::new().input("x", &x).symbolic("x", 0, "n").unwrap().symbolic("x", 1, "m").unwrap();
        let variations = Variations::of(&example).unwrap();
        let call = variations.draw(variations.all_different(&|_| true).unwrap().unwrap()).unwrap();
        assert_eq!((call.inputs[0].shape(), call.what.as_str()), ([2, 5].as_slice(), "m = 5, n = 2"));
        let odd = |lengths: &Bindings| lengths.iter().all(|(_, n)| n % 2 == 1);
        let lengths = variations.lengths(&odd, false).unwrap();
        assert!(lengths.iter().all(|symbol| symbol.plans.len() > 2 && symbol.plans.iter().all(|plan| odd(&plan.lengths))));
    }

    #[test]
    fn odd_numbers_have_zeros_of_both_signs_and_ties() {
        let variations = Variations::of(&Example::new().input("x", &Tensor::new([16], vec![1f32; 16]).unwrap())).unwrap();
        let x = variations.draw(variations.odd(true).remove(0)).unwrap().inputs[0].to_vec::<f32>().unwrap();
        assert!(x.iter().any(|x| *x == 0.0 && x.is_sign_negative()) && x.iter().any(|x| *x == 0.0 && x.is_sign_positive()));
        assert!(x.windows(2).any(|pair| pair[0] == pair[1] && pair[0] != 0.0));
    }
}
