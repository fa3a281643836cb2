//! Sizes that went through floating-point arithmetic: `floor(h * 0.5)` is a size again once it is cast to an integer.

use super::recorder::{self, TracedRef};
use crate::array::DType;
use crate::dim::{Dim, DimArray};
use crate::graph::{Graph, Source, ValueId};

/// Sizes below this are those at which integer arithmetic is compared with the program's.
const COMPARED: i64 = 1 << 16;

/// The largest denominator of a factor that is tried as a simple fraction.
const SIMPLE: i64 = 1000;

/// What a program does with a size as a float.
#[derive(Clone, Copy, Debug)]
enum ScalingStep {
    Mul(f64),
    Div(f64),
    Floor,
    Ceil,
    Round,
}

/// A size, and the steps of arithmetic of a dtype that it went through.
#[derive(Clone, Debug)]
struct Scaled {
    dim: Dim,
    dtype: DType,
    steps: Vec<ScalingStep>,
}

impl Scaled {
    /// The float that comes of a size, as the dtype rounds it.
    fn of(&self, n: i64) -> f64 {
        let rounded = |x: f64| if self.dtype == DType::F32 { f64::from(x as f32) } else { x };
        self.steps.iter().fold(rounded(n as f64), |x, step| {
            rounded(match step {
                ScalingStep::Mul(y) => x * y,
                ScalingStep::Div(y) => x / y,
                ScalingStep::Floor => x.floor(),
                ScalingStep::Ceil => x.ceil(),
                ScalingStep::Round => x.round_ties_even(),
            })
        })
    }

    /// The size that is left once it is an integer again, where integer arithmetic gives the same at every size that is compared.
    fn whole(&self) -> Option<Dim> {
        if let Some(n) = self.dim.fixed() {
            return Some(Dim::Fixed(self.of(n) as i64));
        }
        let factor = self.steps.iter().fold(1.0, |factor, step| match step {
            ScalingStep::Mul(y) => factor * y,
            ScalingStep::Div(y) => factor / y,
            _ => factor,
        });
        fraction(factor, |n| self.of(n) as i64).map(|(p, q, rest)| (&self.dim * p + rest) / q)
    }
}

/// The simplest fraction near a factor, and what to add before dividing, for which (n · p + rest) / q rounded down is the same as `of`, for every n
/// that is compared.
pub(crate) fn fraction(factor: f64, of: impl Fn(i64) -> i64) -> Option<(i64, i64, i64)> {
    if !(0.0..4096.0).contains(&factor) {
        return None;
    }
    let same = |&(p, q, rest): &(i64, i64, i64)| (1..COMPARED).all(|n| (n * p + rest) / q == of(n));
    let near = |q: i64| {
        Some(((factor * q as f64).round() as i64, q)).filter(|&(p, q)| (p as f64 / q as f64 - factor).abs() * 1e5 * (q as f64) < 1.0)
    };
    let whole = 1i64 << 32;
    let exact = (factor * whole as f64).floor() as i64;
    let fractions = (1..=SIMPLE).filter_map(near).chain([(exact, whole), (exact + 1, whole)]);
    // Rounded down, rounded up, rounded to the nearest.
    fractions.flat_map(|(p, q)| [(p, q, 0), (p, q, q - 1), (p, q, q / 2)]).find(same)
}

/// The integers that a traced float tensor becomes by a cast, where it follows from sizes.
pub(super) fn sizes(traced_ref: TracedRef) -> Option<DimArray> {
    let found = recorder::of_graph(traced_ref, |graph| {
        let value = graph.value(traced_ref.value);
        (value.ty.rank() <= 1).then(|| scaled(graph, traced_ref.value)).flatten().map(|all| (value.ty.rank() == 0, all))
    });
    let (scalar, all) = found?;
    let dims = all.iter().map(Scaled::whole).collect::<Option<Vec<_>>>()?;
    Some(DimArray { scalar, dims }).filter(DimArray::is_symbolic)
}

/// The elements of a value as sizes that went through arithmetic.
fn scaled(graph: &Graph, id: ValueId) -> Option<Vec<Scaled>> {
    let ty = &graph.value(id).ty;
    if !matches!(ty.dtype, DType::F32 | DType::F64) {
        return None;
    }
    let node = graph.nodes().iter().rev().find(|node| node.outputs.contains(&id))?;
    let input = |i: usize| node.inputs.get(i).copied().flatten();
    let stepped = |all: Vec<Scaled>, step: ScalingStep| {
        Some(all.into_iter().map(|one| Scaled { steps: [one.steps, vec![step]].concat(), ..one }).collect::<Vec<_>>())
    };
    match node.op.name() {
        "Cast" if graph.value(input(0)?).ty.dtype.is_int() => {
            let maker = graph.nodes().iter().rev().find(|node| input(0).is_some_and(|id| node.outputs.contains(&id)))?;
            let dims = (maker.op.name() == "DimTensor").then(|| maker.op.dims())?;
            Some(dims.into_iter().map(|dim| Scaled { dim, dtype: ty.dtype, steps: vec![] }).collect())
        }
        "Cast" => scaled(graph, input(0)?).map(|all| all.into_iter().map(|one| Scaled { dtype: ty.dtype, ..one }).collect()),
        "Reshape" | "Squeeze" | "Unsqueeze" | "Identity" => scaled(graph, input(0)?),
        "Floor" => stepped(scaled(graph, input(0)?)?, ScalingStep::Floor),
        "Ceil" => stepped(scaled(graph, input(0)?)?, ScalingStep::Ceil),
        "Round" => stepped(scaled(graph, input(0)?)?, ScalingStep::Round),
        name @ ("Mul" | "Div") => {
            let (all, values) = match (constants(graph, input(0)?), constants(graph, input(1)?)) {
                (None, Some(values)) => (scaled(graph, input(0)?)?, values),
                (Some(values), None) if name == "Mul" => (scaled(graph, input(1)?)?, values),
                _ => return None,
            };
            let count = all.len().max(values.len());
            let one = |i: usize| {
                let (number, of) = (values.get(i % values.len().max(1))?, all.get(i % all.len().max(1))?);
                let step = if name == "Mul" { ScalingStep::Mul(*number) } else { ScalingStep::Div(*number) };
                Some(Scaled { steps: [of.steps.as_slice(), &[step]].concat(), ..of.clone() })
            };
            (0..count).map(one).collect()
        }
        _ => None,
    }
}

/// The values of a small constant of rank 0 or 1.
fn constants(graph: &Graph, id: ValueId) -> Option<Vec<f64>> {
    match &graph.value(id).source {
        Source::Constant(array, _) if array.rank() <= 1 && array.len() <= 8 => array.to_f64s().ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Result;
    use crate::module::{Example, from_fn};
    use crate::tensor::Tensor;

    #[test]
    fn a_factor_is_the_fraction_that_rounds_the_same() {
        let of = |factor: f64| fraction(factor, |n| (n as f64 * factor).floor() as i64);
        assert_eq!(of(0.5), Some((1, 2, 0)));
        assert_eq!(of(0.1), Some((1, 10, 0)));
        // 90 · 0.7 is 62.99999999999999: no fraction rounds so at every size.
        assert_eq!(of(0.7), None);
        assert_eq!(fraction(0.5, |n| (n as f64 * 0.5).ceil() as i64), Some((1, 2, 1)));
    }

    #[test]
    fn a_size_that_was_a_float_is_a_size_again() -> Result<()> {
        let halved = from_fn(|x: Tensor| {
            let half = Tensor::from_dim(&x.dim(0)?).cast(DType::F32)?.mul(0.7)?.floor()?.cast(DType::I64)?;
            let half = half.symbolic_values().map(|dims| dims.dims[0].to_string());
            assert_eq!(half.as_deref(), Some("floor((7*n)/10)"));
            Ok(x)
        });
        let x = Tensor::zeros([9], DType::F32)?;
        crate::trace::record(&halved, Example::new().input("x", &x).symbolic("x", 0, "n")?).map(drop)
    }
}
