//! A traced graph in f16, with nodes that stay in f32 where values would not fit.

use super::Traced;
use crate::array::{Array, DType};
use crate::dim::{Dim, Type};
use crate::error::{Error, Result};
use crate::graph::{Condition, Graph, Guard, Inputs, Node, Operator, Source, Substitution, ValueId};
use crate::ops::Cast;
use std::any::Any;
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::Arc;

/// The largest magnitude that a value of a node in f16 may have in the runs that were measured: half of what f16 holds, because other inputs may lead
/// to more.
const LARGEST: f64 = 65504.0 / 2.0;

/// The least normal f16. A constant that is smaller loses digits, or becomes 0: an epsilon no longer keeps a division from 0.
const SMALLEST: f64 = 6.103515625e-5;

/// Constants of at most this many elements are numbers of the program rather than weights.
const FEW: usize = 16;

/// Why a node stays in f32.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum WideReason {
    /// A value of this magnitude goes in or comes out.
    TooLarge(f64),
    /// A constant of this magnitude goes in.
    TooSmall(f64),
    /// The operator is not defined for f16, or has a graph inside.
    Operator,
}

impl fmt::Display for WideReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            WideReason::TooLarge(x) => write!(f, "values of up to {x:.3e}; f16 holds 65504"),
            WideReason::TooSmall(x) => write!(f, "a constant of {x:.1e}, too small for f16"),
            WideReason::Operator => f.write_str("not defined for f16"),
        }
    }
}

/// A traced graph in f16, and what of it is not.
#[derive(Clone, Debug)]
pub struct MixedPrecision {
    /// The graph.
    pub traced: Traced,
    /// How many nodes compute in f16.
    pub half: usize,
    /// The nodes that stay in f32: operator, where it comes from, and why.
    pub wide: Vec<(String, String, WideReason)>,
}

impl Traced {
    /// The traced graph with f16 in place of f32, but for nodes whose values do not fit: those of the runs with these inputs, each a set of all inputs in
    /// order. Inputs and outputs stay f32, with casts at the border, unless `with_borders`.
    ///
    /// # Errors
    /// [`Unsupported`](crate::ErrorCode::Unsupported) where the graph holds only for certain values of floats; the errors of a run.
    pub fn to_mixed_precision(&self, runs: &[Vec<Array>], with_borders: bool) -> Result<MixedPrecision> {
        let is_float_guard = |guard: &Guard| matches!(&guard.condition, Condition::Values(_, seen) if seen.dtype() == DType::F32);
        if let Some(guard) = self.graph.guards().iter().find(|guard| is_float_guard(guard)) {
            return Err(Error::unsupported(format!("{guard}: f16 has other values")).help("convert the model for f32"));
        }
        let reasons = wide_nodes(&self.graph, runs)?;
        let mut conversion = Conversion { from: &self.graph, to: Graph::default(), values: HashMap::new(), cast: HashMap::new() };
        for &id in self.graph.inputs() {
            let ty = &self.graph.value(id).ty;
            let ty = if with_borders { narrowed(ty) } else { ty.clone() };
            let new = conversion.to.add_input(&self.graph.label(id), ty);
            conversion.values.insert(id, new);
        }
        let (mut half, mut wide) = (0, Vec::new());
        for (i, node) in self.graph.nodes().iter().enumerate() {
            let reason = reasons.get(&i);
            let has_floats = node.inputs.iter().flatten().chain(&node.outputs).any(|id| self.graph.value(*id).ty.dtype == DType::F32);
            match reason {
                Some(reason) if has_floats => wide.push((node.op.name().to_string(), node.location.to_string(), reason.clone())),
                None if has_floats => half += 1,
                _ => {}
            }
            conversion.node(node, reason.is_none())?;
        }
        let mut outputs = Vec::with_capacity(self.graph.outputs().len());
        for &id in self.graph.outputs() {
            let is_float = self.graph.value(id).ty.dtype == DType::F32;
            outputs.push(match (is_float, with_borders) {
                (false, _) => conversion.value(id)?,
                (true, true) => conversion.as_dtype(id, DType::F16)?,
                (true, false) => conversion.as_dtype(id, DType::F32)?,
            });
        }
        for guard in self.graph.guards() {
            let mut guard = guard.clone();
            if let Condition::Values(id, _) = &mut guard.condition {
                *id = conversion.value(*id)?;
            }
            conversion.to.add_guard(guard);
        }
        let mut graph = conversion.to;
        graph.set_outputs(outputs);
        graph.prune();
        Ok(MixedPrecision { traced: Traced { graph, verdict: None, ..self.clone() }, half, wide })
    }
}

/// A type with f16 in place of f32.
fn narrowed(ty: &Type) -> Type {
    Type::new(narrow(ty.dtype), ty.shape.clone())
}

fn narrow(dtype: DType) -> DType {
    if dtype == DType::F32 { DType::F16 } else { dtype }
}

/// An operator with f16 in place of f32.
fn as_half(op: &Arc<dyn Operator>) -> Arc<dyn Operator> {
    let any: &dyn Any = &**op;
    if let Some(cast) = any.downcast_ref::<Cast>() {
        return Arc::new(Cast { to: narrow(cast.to), ..cast.clone() });
    }
    op.substituted(&Substitution { dim: &Dim::clone, dtype: &narrow }).unwrap_or_else(|| op.clone())
}

/// The largest magnitude among the finite elements of f32.
fn magnitude(array: &Array) -> f64 {
    if array.dtype() != DType::F32 {
        return 0.0;
    }
    let values = array.elements::<f32>();
    values.map_or(f64::INFINITY, |values| values.iter().filter(|x| x.is_finite()).fold(0f32, |most, x| most.max(x.abs())).into())
}

/// The nodes that stay in f32, and why.
fn wide_nodes(graph: &Graph, runs: &[Vec<Array>]) -> Result<BTreeMap<usize, WideReason>> {
    let mut reasons = BTreeMap::new();
    for (i, node) in graph.nodes().iter().enumerate() {
        if !is_defined(graph, node) {
            reasons.insert(i, WideReason::Operator);
            continue;
        }
        let constants = node.inputs.iter().flatten().filter_map(|id| graph.value(*id).constant());
        for array in constants.filter(|array| array.dtype() == DType::F32) {
            if magnitude(array) > LARGEST {
                reasons.insert(i, WideReason::TooLarge(magnitude(array)));
            } else if array.len() <= FEW
                && let Some(tiny) = array.to_f64s()?.into_iter().map(f64::abs).find(|x| *x > 0.0 && *x < SMALLEST)
            {
                reasons.entry(i).or_insert(WideReason::TooSmall(tiny));
            }
        }
    }
    for inputs in runs {
        graph.observe_nodes(inputs, |i, inputs, outputs, _| {
            let most = inputs.iter().flatten().chain(outputs).map(|array| magnitude(array)).fold(0.0, f64::max);
            if most > LARGEST {
                let worst = match reasons.get(&i) {
                    Some(WideReason::TooLarge(known)) => most.max(*known),
                    _ => most,
                };
                reasons.insert(i, WideReason::TooLarge(worst));
            }
            Ok(())
        })?;
    }
    Ok(reasons)
}

/// Whether a node can be computed in f16.
fn is_defined(graph: &Graph, node: &Node) -> bool {
    let types: Vec<Option<Type>> = node.inputs.iter().map(|id| id.map(|id| narrowed(&graph.value(id).ty))).collect();
    let types: Vec<Option<&Type>> = types.iter().map(Option::as_ref).collect();
    let expected = node.outputs.iter().map(|id| narrow(graph.value(*id).ty.dtype));
    let inferred = as_half(&node.op).infer(&Inputs::new(&types));
    node.op.graphs().is_empty() && node.op.domain().is_empty() && inferred.is_ok_and(|types| types.iter().map(|ty| ty.dtype).eq(expected))
}

/// A graph that is written anew in mixed precision.
struct Conversion<'a> {
    from: &'a Graph,
    to: Graph,
    /// The values of the new graph, by those of the old.
    values: HashMap<ValueId, ValueId>,
    /// The same in another dtype.
    cast: HashMap<(ValueId, DType), ValueId>,
}

impl Conversion<'_> {
    fn node(&mut self, node: &Node, is_half: bool) -> Result<()> {
        let dtype = if is_half { DType::F16 } else { DType::F32 };
        let mut inputs = Vec::with_capacity(node.inputs.len());
        for id in &node.inputs {
            let converted = |conversion: &mut Self, id: ValueId| match conversion.from.value(id).ty.dtype {
                DType::F32 => conversion.as_dtype(id, dtype),
                _ => conversion.value(id),
            };
            inputs.push(id.map(|id| converted(self, id)).transpose()?);
        }
        let old = node.outputs.iter().map(|id| &self.from.value(*id).ty);
        let types = old.map(|ty| if is_half { narrowed(ty) } else { ty.clone() }).collect();
        let op = if is_half { as_half(&node.op) } else { node.op.clone() };
        let outputs = self.to.add_node(op, inputs, types, node.location.clone());
        self.values.extend(node.outputs.iter().copied().zip(outputs));
        Ok(())
    }

    /// A value of the new graph, in the dtype that it was made in.
    fn value(&mut self, id: ValueId) -> Result<ValueId> {
        if let Some(known) = self.values.get(&id) {
            return Ok(*known);
        }
        let value = self.from.value(id);
        let Source::Constant(array, name) = &value.source else { return Err(Error::internal("a value is used before it is computed")) };
        let new = self.to.add_constant(array, name.as_ref(), value.derivation.as_deref().cloned());
        self.values.insert(id, new);
        Ok(new)
    }

    /// A float of the new graph in this dtype.
    fn as_dtype(&mut self, id: ValueId, dtype: DType) -> Result<ValueId> {
        if let Some(known) = self.cast.get(&(id, dtype)) {
            return Ok(*known);
        }
        let new = match &self.from.value(id).source {
            Source::Constant(array, name) => self.to.add_constant(&array.cast(dtype)?, name.as_ref(), None),
            _ => {
                let made = self.value(id)?;
                let ty = self.to.value(made).ty.clone();
                if ty.dtype == dtype {
                    made
                } else {
                    let op = Cast { to: dtype, narrowing: crate::array::Narrowing::default() };
                    let types = vec![Type::new(dtype, ty.shape)];
                    self.to.add_node(Arc::new(op), vec![Some(made)], types, Default::default())[0]
                }
            }
        };
        self.cast.insert((id, dtype), new);
        Ok(new)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{DynModule, Example, Tensor, module, record};

    fn traced(f: impl Fn(Tensor) -> Result<Tensor>, x: &Tensor) -> Traced {
        record(&module::from_fn(f), Example::of(x)).unwrap()
    }

    fn dtypes(traced: &Traced) -> Vec<DType> {
        let graph = traced.graph();
        let nodes = graph.nodes().iter().filter(|node| node.op.name() != "Cast");
        nodes.map(|node| graph.value(node.outputs[0]).ty.dtype).collect()
    }

    fn mixed(f: impl Fn(Tensor) -> Result<Tensor>, x: &Tensor, with_borders: bool) -> MixedPrecision {
        traced(f, x).to_mixed_precision(&[vec![x.to_array().unwrap()]], with_borders).unwrap()
    }

    #[test]
    fn nodes_with_large_values_stay_in_f32_and_the_borders_too() {
        let x = Tensor::from(&[1.0f32, -300.0, 2.5]);
        let result = mixed(|x| x.relu()?.add(1)?.square()?.square()?.sqrt()?.sqrt(), &Tensor::from(&[1.0f32, 300.0, 2.5]), false);
        assert_eq!(dtypes(&result.traced), [DType::F16, DType::F16, DType::F32, DType::F32, DType::F32, DType::F32]);
        assert!(result.wide.iter().all(|row| matches!(row.2, WideReason::TooLarge(_))) && result.half == 2, "{:?}", result.wide);
        let ty = |list: Vec<(String, Type)>| list[0].1.dtype;
        assert_eq!((ty(result.traced.inputs()), ty(result.traced.outputs())), (DType::F32, DType::F32));
        assert_eq!(result.traced.call(&x).unwrap().to_vec::<f32>().unwrap(), [2.0, 1.0, 3.5]);
        let result = mixed(|x| x.relu(), &x, true);
        assert_eq!((ty(result.traced.inputs()), ty(result.traced.outputs())), (DType::F16, DType::F16));
        assert_eq!(result.traced.graph().nodes().len(), 1);
    }

    #[test]
    fn a_tiny_epsilon_and_a_mask_of_huge_values_keep_their_nodes_in_f32() {
        let x = Tensor::from(&[0.0f32, 1.0]);
        let result = mixed(|x| x.add(1e-12)?.reciprocal()?.mul(1e-12)?.relu(), &x, false);
        assert!(result.wide.iter().any(|row| row.2 == WideReason::TooSmall(f64::from(1e-12f32))), "{:?}", result.wide);
        assert!(result.traced.call(&x).unwrap().to_vec::<f32>().unwrap()[0].is_finite());
        let result = mixed(|x| x.mul(-3e38)?.softmax(0), &x, false);
        assert_eq!((result.half, result.wide.len()), (0, 2), "{:?}", result.wide);
    }

    #[test]
    fn casts_to_f32_become_casts_to_f16_and_integers_stay() {
        let x = Tensor::from(&[1i64, 2]);
        let result = mixed(|x| x.add(1)?.cast(DType::F32)?.mul(0.5)?.cast(DType::I64), &x, false);
        assert!(result.traced.graph().nodes().iter().all(|node| result.traced.graph().value(node.outputs[0]).ty.dtype != DType::F32));
        assert_eq!(result.traced.call(&x).unwrap().to_vec::<i64>().unwrap(), [1, 1]);
    }
}
