//! Generated inputs: random values, edge-case values, and other sizes of every symbolic axis.

use super::input_uses;
use super::use_analysis::InputUse;
use crate::array::{Array, DType, Random};
use crate::dim::{Bindings, Sizes, Type};
use crate::error::Result;
use crate::graph::Graph;
use crate::module::Example;
use crate::tensor::Tensor;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

/// One call of both modules.
#[derive(Clone, Debug)]
pub(super) struct Call {
    /// What it shows: `the example`, `seed 1`, `batch = 5`.
    pub(super) what: String,
    pub(super) inputs: Vec<Array>,
    /// The size of each symbol.
    pub(super) sizes: Bindings,
    /// Whether the sizes are those of the example.
    pub(super) same_size: bool,
    /// Whether the values are as in the example, not edge cases.
    pub(super) is_typical: bool,
}

/// How values are sampled.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum InputMode {
    /// As they are in the example.
    Given,
    /// Distributed like the example's.
    Fresh,
    /// Within the example's range, its ends and zero among them.
    Ends,
    /// Both signs, zeros of both signs, ties, integers, large and small values.
    EdgeCase,
    /// NaN and infinities among them.
    NotFinite,
    /// Integers counted from the end too.
    Negative,
}

/// A call to be made: its inputs are sampled just before it, so that only one set is in memory.
#[derive(Clone, Debug)]
pub(super) struct CallSpec {
    pub(super) what: String,
    pub(super) mode: InputMode,
    pub(super) sizes: Bindings,
    pub(super) same_size: bool,
    seed: u64,
}

/// The sizes that a symbol takes besides the example's: the next, the smallest, a prime; and what stands in for those that a module
/// refuses, because it wants multiples or more.
fn other_sizes(seen: i64) -> impl Iterator<Item = i64> {
    let primes = [3, 5, 2, 7];
    let prime = primes.into_iter().find(|&p| p != seen && p != seen + 1).unwrap_or(11);
    let first = [seen + 1, 1, prime];
    let further = [seen + 2, 2, 2 * seen, seen + 4, 3 * seen, seen / 2, 4 * seen, seen + 8, 16];
    let mut tried = BTreeSet::from([seen]);
    first.into_iter().chain(further).filter(move |&n| n >= 1 && tried.insert(n))
}

/// How many sizes of a symbol are enough, how far from the example's they are looked for, and how many combinations of several symbols' are
/// tried.
const ENOUGH: usize = 3;
const FAR: i64 = 512;
const COMBINATIONS: usize = 256;

/// The sizes of one symbol, to be tried in order until enough of them could be compared.
#[derive(Clone, Debug)]
pub(super) struct SymbolSizes {
    pub(super) symbol: Arc<str>,
    pub(super) specs: Vec<CallSpec>,
}

/// What can be varied in an example.
#[derive(Clone)]
pub(super) struct InputGenerator {
    pub(super) tensors: Vec<Tensor>,
    /// Their names.
    names: Vec<String>,
    /// What each input is used for.
    pub(super) uses: Vec<InputUse>,
    /// Which inputs keep the values of the example: those that the graph is specialized for, and those that were asked for.
    held: Vec<bool>,
    /// Those that the graph is specialized for.
    guarded: Vec<bool>,
    /// The sizes of the example.
    pub(super) example_sizes: Bindings,
}

impl InputGenerator {
    pub(super) fn of(example: &Example, graph: &Graph) -> Result<InputGenerator> {
        let tensors = example.tensors();
        let mut uses = input_uses::of(graph);
        uses.resize(tensors.len(), InputUse::Other);
        for (used, value) in uses.iter_mut().zip(tensors.iter().map(Tensor::value)) {
            // What looks like a mask, but is given other values, is something else.
            let is_flag = |array: &Array| array.to_f64s().is_ok_and(|values| values.iter().all(|x| *x == 0.0 || *x == 1.0));
            if *used == InputUse::Mask && value.is_some_and(|array| !is_flag(array)) {
                *used = InputUse::Other;
            }
        }
        let mut seen = Bindings::new();
        for (symbol, n) in example.symbols() {
            seen.bind(&symbol, n)?;
        }
        // Any other value would be refused by its guard, and nothing else be compared with it.
        let guarded: Vec<_> = graph.guarded().collect();
        let mut held: Vec<bool> = graph.inputs().iter().map(|id| guarded.contains(id)).collect();
        held.resize(tensors.len(), false);
        let names = example.inputs().iter().map(|input| input.0.clone()).collect();
        Ok(InputGenerator { tensors, names, uses, guarded: held.clone(), held, example_sizes: seen })
    }

    /// The same, where these inputs keep their values, too.
    pub(super) fn holding(mut self, names: &[String]) -> InputGenerator {
        for (held, name) in self.held.iter_mut().zip(&self.names) {
            *held |= names.contains(name);
        }
        self
    }

    /// Whether any input takes other values than the example's.
    pub(super) fn varies(&self) -> bool {
        self.held.iter().any(|held| !held) || !self.has_values()
    }

    /// Which inputs had one value in every call, and which.
    pub(super) fn held_values(&self) -> Vec<String> {
        const SHOWN: usize = 16;
        let held = self.held.iter().zip(&self.guarded).map(|(held, guarded)| held.then_some(guarded));
        let inputs = self.names.iter().zip(&self.tensors).zip(held);
        let values = |array: &Array| -> Option<String> {
            // Without its type.
            Some(array.to_string().split_once(' ')?.1.to_string()).filter(|_| array.rank() < 2 && array.len() <= SHOWN)
        };
        let note = |((name, tensor), held): ((&String, &Tensor), Option<&bool>)| {
            let (is_guarded, array) = (held?, tensor.value()?);
            let kept = match values(array) {
                Some(values) => format!("input `{name}` was {values} in every call"),
                None => format!("input `{name}` had the values of the example in every call"),
            };
            Some(if *is_guarded { format!("{kept}: the graph is traced for this value, and others were not tried") } else { kept })
        };
        inputs.filter_map(note).collect()
    }

    /// What each input is in the calls, those that are alike in one line.
    pub(super) fn described(&self) -> Vec<String> {
        let mut lines: Vec<(String, Vec<&str>)> = Vec::new();
        for (((name, tensor), used), _) in self.names.iter().zip(&self.tensors).zip(&self.uses).zip(&self.held).filter(|(_, held)| !**held)
        {
            let rank = tensor.shape().rank();
            let values = match tensor.value() {
                None => used.describe(tensor.dtype(), rank),
                Some(_) if used.is_particular() => format!("the example; {}", used.describe(tensor.dtype(), rank)),
                Some(_) if tensor.dtype() == DType::Bool => "the example; random truth values".to_string(),
                Some(_) if tensor.dtype().is_float() => "the example; random values with its mean and deviation".to_string(),
                Some(_) => "the example; random values in its range".to_string(),
            };
            match lines.iter_mut().find(|line| line.0 == values) {
                Some(line) => line.1.push(name),
                None => lines.push((values, vec![name])),
            }
        }
        lines.into_iter().map(|(values, names)| format!("{}: {values}", names.join(", "))).collect()
    }

    /// Whether the example has values.
    pub(super) fn has_values(&self) -> bool {
        self.tensors.iter().all(|tensor| tensor.value().is_some())
    }

    fn has(&self, test: impl Fn(DType) -> bool) -> bool {
        self.tensors.iter().any(|tensor| test(tensor.dtype()))
    }

    fn at_example_sizes(&self, what: String, mode: InputMode, seed: u64) -> CallSpec {
        CallSpec { what, mode, sizes: self.example_sizes.clone(), same_size: true, seed }
    }

    /// The example itself.
    pub(super) fn example(&self) -> CallSpec {
        self.at_example_sizes("the example".to_string(), InputMode::Given, 0)
    }

    /// Random values at the example's sizes.
    pub(super) fn fresh(&self, seed: u64) -> CallSpec {
        self.at_example_sizes(format!("seed {seed}"), InputMode::Fresh, seed)
    }

    /// How many calls with fresh values cover the tables that inputs index.
    pub(super) fn calls_to_cover(&self) -> usize {
        let calls = |(tensor, used): (&Tensor, &InputUse)| {
            let (Some((low, high)), Some(shape)) = (used.range(Sizes::Bound(&self.example_sizes)), tensor.shape().example()) else {
                return 0;
            };
            let count = shape.iter().product::<usize>().max(1);
            usize::try_from(high - low + 1).unwrap_or(0).div_ceil(count)
        };
        self.tensors.iter().zip(&self.uses).map(calls).max().unwrap_or(0)
    }

    /// The odd mode: any, where both sides run the same kernels; within the example's range where they do not, because every runtime
    /// loses an overflow or a NaN in its own way.
    pub(super) fn edge_cases(&self, same_kernels: bool) -> Vec<CallSpec> {
        if !same_kernels {
            return vec![self.at_example_sizes("the ends of the range".to_string(), InputMode::Ends, 50)];
        }
        let mut specs = vec![self.at_example_sizes("edge-case values".to_string(), InputMode::EdgeCase, 51)];
        if self.has(DType::is_float) {
            specs.push(self.at_example_sizes("NaN and infinity".to_string(), InputMode::NotFinite, 52));
        }
        if self.has(|dtype| dtype.is_int()) {
            specs.push(self.at_example_sizes("negative integers".to_string(), InputMode::Negative, 53));
        }
        specs
    }

    /// The symbols of the example.
    pub(super) fn symbols(&self) -> impl Iterator<Item = Arc<str>> {
        self.example_sizes.iter().map(|(symbol, _)| symbol.into())
    }

    /// Each symbol at other sizes, the others as in the example, as far as `allowed` says that they may be: the first `most` of them.
    pub(super) fn other_sizes(&self, allowed: &dyn Fn(&Bindings) -> bool, zero: bool, most: usize) -> Result<Vec<SymbolSizes>> {
        let mut all = Vec::new();
        for (symbol, seen) in self.example_sizes.iter().take(most) {
            let mut specs = Vec::new();
            for size in self.allowed_sizes(symbol, seen, allowed)?.into_iter().chain(zero.then_some(0)) {
                let sizes = self.with(&[(symbol, size)])?;
                if allowed(&sizes) {
                    let seed = 100 + size as u64;
                    specs.push(CallSpec { what: format!("{symbol} = {size}"), mode: InputMode::Fresh, sizes, same_size: false, seed });
                }
            }
            all.push(SymbolSizes { symbol: symbol.into(), specs });
        }
        Ok(all)
    }

    /// The sizes of a symbol that are allowed while the others are as in the example: of the usual ones, and where these are too few of those
    /// next to the example's.
    fn allowed_sizes(&self, symbol: &str, seen: i64, allowed: &dyn Fn(&Bindings) -> bool) -> Result<Vec<i64>> {
        let is_allowed = |size: &i64| self.with(&[(symbol, *size)]).is_ok_and(|sizes| allowed(&sizes));
        let mut sizes: Vec<i64> = other_sizes(seen).filter(is_allowed).collect();
        if sizes.len() < ENOUGH {
            let near = (1..=FAR).flat_map(|step| [seen - step, seen + step]).filter(|&size| size > 0 && !sizes.contains(&size));
            sizes.extend(near.filter(is_allowed).take(ENOUGH - sizes.len()).collect::<Vec<_>>());
        }
        Ok(sizes)
    }

    /// Every symbol at a size of its own, so that no axis can stand in for another.
    pub(super) fn all_different(&self, allowed: &dyn Fn(&Bindings) -> bool) -> Result<Option<CallSpec>> {
        if self.example_sizes.iter().count() < 2 {
            return Ok(None);
        }
        let mut free: Vec<i64> = vec![3, 5, 2, 7, 4, 11, 6, 13, 17, 19, 23];
        let mut changes = Vec::new();
        for (symbol, seen) in self.example_sizes.iter() {
            let i = free.iter().position(|&n| n != seen).unwrap_or(0);
            changes.push((symbol, if free.is_empty() { seen + 1 } else { free.remove(i) }));
        }
        if !allowed(&self.with(&changes)?) {
            let fitting;
            changes = match self.all_different_near(allowed)? {
                Some(others) => others,
                None => {
                    fitting = self.fitting(allowed, true)?;
                    let Some(fitting) = &fitting else { return Ok(None) };
                    fitting.iter().map(|(symbol, n)| (&**symbol, *n)).collect()
                }
            };
            return Ok(Some(self.at_sizes(&changes)?));
        }
        Ok(Some(self.at_sizes(&changes)?))
    }

    fn at_sizes(&self, changes: &[(&str, i64)]) -> Result<CallSpec> {
        let sizes = self.with(changes)?;
        let what = changes.iter().map(|(symbol, n)| format!("{symbol} = {n}")).collect::<Vec<_>>().join(", ");
        Ok(CallSpec { what, mode: InputMode::Fresh, sizes, same_size: false, seed: 99 })
    }

    /// Sizes that are allowed together, one of those that each symbol can have by itself; as many of them as can be differ.
    fn all_different_near<'a>(&'a self, allowed: &dyn Fn(&Bindings) -> bool) -> Result<Option<Vec<(&'a str, i64)>>> {
        let mut combinations: Vec<Vec<(&'a str, i64)>> = vec![Vec::new()];
        for (symbol, seen) in self.example_sizes.iter() {
            let sizes = self.allowed_sizes(symbol, seen, allowed)?;
            // What no size but the example's is allowed for alone may still change with the others.
            let sizes = if sizes.is_empty() { other_sizes(seen).take(ENOUGH).collect() } else { sizes };
            let mut longer = Vec::new();
            for changes in &combinations {
                longer.extend(sizes.iter().map(|&size| changes.iter().copied().chain([(symbol, size)]).collect::<Vec<_>>()));
            }
            longer.truncate(COMBINATIONS);
            combinations = longer;
        }
        let allowed = combinations.into_iter().filter(|changes| self.with(changes).is_ok_and(|sizes| allowed(&sizes)));
        Ok(allowed.max_by_key(|changes| changes.iter().map(|change| change.1).collect::<BTreeSet<_>>().len()))
    }

    pub(super) fn with(&self, changes: &[(&str, i64)]) -> Result<Bindings> {
        let changes: HashMap<&str, i64> = changes.iter().copied().collect();
        let mut sizes = Bindings::new();
        for (name, n) in self.example_sizes.iter() {
            sizes.bind(name, changes.get(name).copied().unwrap_or(n))?;
        }
        Ok(sizes)
    }

    /// The inputs of a call.
    pub(super) fn generate(&self, spec: CallSpec) -> Result<Call> {
        let mut random = Random::new(spec.seed);
        let one = |((tensor, used), held): ((&Tensor, &InputUse), &bool)| match (spec.mode, tensor.value()) {
            (InputMode::Given, Some(array)) => Ok(array.clone()),
            (_, Some(array)) if *held && Sizes::Bound(&spec.sizes).shape(tensor.shape()).is_ok_and(|shape| shape == array.shape()) => {
                Ok(array.clone())
            }
            (mode, value) => {
                let sizes = Sizes::Bound(&spec.sizes);
                let shape = sizes.shape(tensor.shape())?;
                // Indices go through their table; what nobody gave is fit for its use. A row that is masked altogether has no values to compare.
                let is_fresh = matches!(mode, InputMode::Given | InputMode::Fresh) && (value.is_none() || used.is_particular());
                let is_mask = used.is_particular() && used.range(sizes).is_none() && mode == InputMode::Ends;
                // Sizes that do not fit would only be refused.
                if is_fresh || is_mask || matches!(used, InputUse::Sizes(_)) {
                    return used.values(&mut random, spec.seed.saturating_sub(1) as usize, tensor.ty(), &shape, sizes);
                }
                like(&mut random, mode, tensor.ty(), &shape, value, used.range(sizes))
            }
        };
        let inputs = self.tensors.iter().zip(&self.uses).zip(&self.held).map(one).collect::<Result<_>>()?;
        let is_typical = matches!(spec.mode, InputMode::Given | InputMode::Fresh);
        Ok(Call { what: spec.what, inputs, sizes: spec.sizes, same_size: spec.same_size, is_typical })
    }
}

/// Floats with the example's mean and deviation, integers within its range (indices stay valid), Bools by the toss of a coin; some of
/// them changed as asked.
fn like(
    random: &mut Random,
    mode: InputMode,
    ty: &Type,
    shape: &[usize],
    example: Option<&Array>,
    indices: Option<(i64, i64)>,
) -> Result<Array> {
    let given: Vec<f64> = example.map(Array::to_f64s).transpose()?.unwrap_or_default().into_iter().filter(|x| x.is_finite()).collect();
    if ty.dtype == DType::Bool {
        return random.array(ty.dtype, shape, |random| (random.bits() >> 63) as f64);
    }
    let low = given.iter().copied().fold(f64::INFINITY, f64::min);
    let high = given.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let mut i = 0;
    if ty.dtype.is_int() {
        // Without an example 0 and 1 are what any table of two rows takes.
        let unknown = if shape.is_empty() { input_uses::COUNTS } else { (0, 1) };
        let (low, high) = indices.unwrap_or(if low <= high { (low as i64, high as i64) } else { unknown });
        let signed = !matches!(ty.dtype, DType::U8 | DType::U16 | DType::U32 | DType::U64);
        return random.array(ty.dtype, shape, |random| {
            i += 1;
            let x = random.integer(low, high);
            let x = match (mode, i % 4) {
                (InputMode::EdgeCase | InputMode::Ends, 0) => low,
                (InputMode::EdgeCase | InputMode::Ends, 1) => high,
                (InputMode::Negative, 0 | 1) if signed => -1 - x.abs(),
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
        let x = match (mode, i % 8) {
            (InputMode::EdgeCase, 0) | (InputMode::NotFinite, 4) => -x,
            (InputMode::EdgeCase, 1) => 0.0,
            (InputMode::EdgeCase, 2) => -0.0,
            (InputMode::EdgeCase, 3) => 16.0 * x,
            (InputMode::EdgeCase, 4) => x / 1024.0,
            (InputMode::EdgeCase, 5) => x.round() + 0.5,
            (InputMode::EdgeCase, 6) => last,
            (InputMode::NotFinite, 1) => f64::NAN,
            (InputMode::NotFinite, 3) => f64::INFINITY,
            (InputMode::NotFinite, 6) => f64::NEG_INFINITY,
            (InputMode::Ends, 1) if low <= high => low,
            (InputMode::Ends, 3) if low <= high => high,
            (InputMode::Ends, 5) if low <= 0.0 && 0.0 <= high => 0.0,
            (InputMode::Ends, 7) => last,
            (InputMode::Ends, _) if low < high => x.clamp(low, high),
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
    fn a_symbol_is_tried_at_the_next_size_at_one_and_at_a_prime_first() {
        let first = |seen| other_sizes(seen).take(3).collect::<Vec<_>>();
        assert_eq!((first(1), first(2), first(3), first(8)), (vec![2, 3, 5], vec![3, 1, 5], vec![4, 1, 5], vec![9, 1, 3]));
        assert!(other_sizes(6).any(|n| n % 4 == 0), "a module may want multiples of four");
    }

    #[test]
    fn several_symbols_get_sizes_of_their_own() {
        let x = Tensor::new([3, 3], vec![0f32; 9]).unwrap();
        let example = Example::new().input("x", &x).symbolic("x", 0, "n").unwrap().symbolic("x", 1, "m").unwrap();
        let generator = InputGenerator::of(&example, &Graph::default()).unwrap();
        let call = generator.generate(generator.all_different(&|_| true).unwrap().unwrap()).unwrap();
        assert_eq!((call.inputs[0].shape(), call.what.as_str()), ([2, 5].as_slice(), "m = 5, n = 2"));
        let odd = |sizes: &Bindings| sizes.iter().all(|(_, n)| n % 2 == 1);
        let sizes = generator.other_sizes(&odd, false, 2).unwrap();
        assert!(sizes.iter().all(|symbol| symbol.specs.len() > 2 && symbol.specs.iter().all(|spec| odd(&spec.sizes))));
    }

    #[test]
    fn edge_case_values_have_zeros_of_both_signs_and_ties() {
        let generator =
            InputGenerator::of(&Example::new().input("x", &Tensor::new([16], vec![1f32; 16]).unwrap()), &Graph::default()).unwrap();
        let x = generator.generate(generator.edge_cases(true).remove(0)).unwrap().inputs[0].to_vec::<f32>().unwrap();
        assert!(x.iter().any(|x| *x == 0.0 && x.is_sign_negative()) && x.iter().any(|x| *x == 0.0 && x.is_sign_positive()));
        assert!(x.windows(2).any(|pair| pair[0] == pair[1] && pair[0] != 0.0));
    }
}
