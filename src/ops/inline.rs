//! Inlining: a graph applied to tensors, operator by operator, so that it becomes a part of the trace that is active.

use super::cast::Cast;
use super::control::{If, Loop, Scan};
use crate::array::{Array, DType};
use crate::dim::{Dim, Expr, Shape};
use crate::error::{Error, Result, ResultExt};
use crate::graph::{Computed, Condition, Derivation, Graph, Node, Operator, Source, Substitution, ValueId};
use crate::tensor::dim_tensor::DimTensor;
use crate::tensor::scalar_value::ScalarValue;
use crate::tensor::{Tensor, apply_shared, guard, location, size};
use std::any::Any;
use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

/// The size that each symbol of the inlined graph stands for: looked up only.
type Symbols = HashMap<Arc<str>, Dim>;

/// The outputs of a graph for these tensors. Its symbolic sizes become those of the tensors; its guards become guards of the active trace.
///
/// # Errors
/// [`Input`](crate::ErrorCode::Input) where an input is missing or has another dtype or rank, [`Size`](crate::ErrorCode::Size) where a size is
/// another, [`Guard`](crate::ErrorCode::Guard) where a guard does not hold; and the errors of the operators.
pub(crate) fn inline(graph: &Graph, inputs: &[Tensor]) -> Result<Vec<Tensor>> {
    Inlining::new(|dtype| dtype).run(graph, inputs, None)
}

/// As [`inline`], with other element types: of constants, of inputs, and of operators that name one.
///
/// # Errors
/// As [`inline`]; [`DType`](crate::ErrorCode::DType) where an operator does not take the new type.
pub(crate) fn inline_as(graph: &Graph, inputs: &[Tensor], dtype: impl Fn(DType) -> DType) -> Result<Vec<Tensor>> {
    Inlining::new(dtype).run(graph, inputs, None)
}

struct Inlining<F> {
    dtype: F,
    /// What was computed from parameters in the new element type: once for each computation, by its address; looked up only.
    computed: RefCell<HashMap<*const Computed, Vec<Tensor>>>,
}

impl<F: Fn(DType) -> DType> Inlining<F> {
    fn new(dtype: F) -> Inlining<F> {
        Inlining { dtype, computed: RefCell::default() }
    }

    /// The outputs of a graph; `outer` are the symbols of the graph around it.
    fn run(&self, graph: &Graph, inputs: &[Tensor], outer: Option<&Symbols>) -> Result<Vec<Tensor>> {
        let mut symbols = outer.cloned().unwrap_or_default();
        let mut values: HashMap<ValueId, Tensor> = HashMap::new();
        if inputs.len() != graph.inputs().len() {
            return Err(Error::input(format!("expected {} inputs, got {}", graph.inputs().len(), inputs.len())));
        }
        for (&id, tensor) in graph.inputs().iter().zip(inputs) {
            self.bind_input(graph, id, tensor, &mut symbols).at(format!("input {}", graph.label(id)))?;
            values.insert(id, tensor.clone());
        }
        if outer.is_none() {
            self.check_sizes(graph, inputs, &symbols)?;
        }
        self.add_size_guards(graph, &symbols, false)?;
        for (id, value) in graph.values() {
            if let Source::Constant(array, name) = &value.source {
                values.insert(id, self.constant(array, name.as_ref(), value.derivation.as_deref())?);
            }
        }
        for node in graph.nodes() {
            if let Some((symbol, element)) = scalar_value(node) {
                let tensor = node.inputs.first().copied().flatten().and_then(|id| values.get(&id));
                let dims = tensor.ok_or_else(|| Error::internal("a value is used before it is computed"))?.to_dims()?;
                let dim = dims.get(element).cloned().ok_or_else(|| Error::internal("no such element"))?;
                values.extend(node.outputs.first().map(|&id| (id, Tensor::from_dims([dim.clone()]))));
                symbols.insert(symbol, dim);
                continue;
            }
            let outputs = self.node(node, &values, &symbols).at(node.op.name()).at(&node.location)?;
            for (&id, tensor) in node.outputs.iter().zip(outputs) {
                for (dim, size) in graph.value(id).ty.shape.iter().zip(tensor.shape().iter()) {
                    // A size that depends on data has got a name of its own here.
                    if let Some(symbol) = dim.expr().as_symbol() {
                        symbols.entry(symbol.clone()).or_insert_with(|| size.clone());
                    }
                }
                values.insert(id, tensor);
            }
        }
        self.add_size_guards(graph, &symbols, true)?;
        for condition in graph.guards() {
            if let Condition::Values(id, seen) = &condition.condition
                && let Some(tensor) = values.get(id)
            {
                guard::values(condition, tensor, &seen.cast((self.dtype)(seen.dtype()))?)?;
            }
        }
        let output = |id: &ValueId| values.get(id).cloned().ok_or_else(|| Error::internal("an output that no node computes"));
        graph.outputs().iter().map(output).collect()
    }

    fn bind_input(&self, graph: &Graph, id: ValueId, tensor: &Tensor, symbols: &mut Symbols) -> Result<()> {
        let ty = &graph.value(id).ty;
        if tensor.dtype() != (self.dtype)(ty.dtype) || tensor.rank() != ty.rank() {
            return Err(Error::input(format!("expected {ty}, got {}", tensor.ty())));
        }
        for (dim, size) in ty.shape.iter().zip(tensor.shape().iter()) {
            if let Some(symbol) = dim.expr().as_symbol().filter(|_| dim.is_symbolic()) {
                symbols.entry(symbol.clone()).or_insert_with(|| size.clone());
            }
        }
        Ok(())
    }

    /// Refuses inputs whose sizes are not those of the graph's inputs.
    fn check_sizes(&self, graph: &Graph, inputs: &[Tensor], symbols: &Symbols) -> Result<()> {
        for (&id, tensor) in graph.inputs().iter().zip(inputs) {
            let expected = &graph.value(id).ty;
            let wanted = expected.shape.iter().map(|dim| substituted(dim, symbols)).collect::<Result<Vec<_>>>()?;
            if size::agree(&Shape::new(wanted), tensor.shape()) {
                continue;
            }
            let differs = |(dim, size): (&Dim, &Dim)| dim.fixed().zip(size.fixed()).is_some_and(|(a, b)| a != b);
            let error = format!("expected {expected}, got {}", tensor.ty());
            let error = match expected.shape.iter().zip(tensor.shape().iter()).any(differs) {
                true => Error::input(error),
                false => Error::size(error),
            };
            return Err(error.at(format!("input {}", graph.label(id))));
        }
        Ok(())
    }

    /// Adds the guards on sizes to the active trace: those of the inputs, or those on sizes that depend on data.
    fn add_size_guards(&self, graph: &Graph, symbols: &Symbols, on_data: bool) -> Result<()> {
        let given: Vec<Arc<str>> = graph
            .inputs()
            .iter()
            .flat_map(|&id| graph.value(id).ty.shape.iter().flat_map(|dim| dim.expr().symbols()).collect::<Vec<_>>())
            .collect();
        for condition in graph.guards() {
            if let Condition::Sizes(constraint) = &condition.condition
                && constraint.symbols().iter().all(|symbol| symbols.contains_key(symbol))
                && constraint.symbols().iter().any(|symbol| !given.contains(symbol)) == on_data
            {
                guard::sizes(condition, constraint, symbols)?;
            }
        }
        Ok(())
    }

    /// A constant of the graph with what is known of its parameters.
    fn constant(&self, array: &Array, name: Option<&Arc<str>>, derivation: Option<&Derivation>) -> Result<Tensor> {
        let dtype = (self.dtype)(array.dtype());
        match derivation {
            Some(Derivation::Computed(computed)) if dtype != array.dtype() => {
                let outputs = self.recomputed(computed)?;
                outputs.get(computed.output).cloned().ok_or_else(|| Error::internal("a kernel without this output"))
            }
            _ => Ok(Tensor::of_constant(array.cast(dtype)?, name, derivation)),
        }
    }

    /// What was computed from parameters, computed again in the new element type.
    fn recomputed(&self, computed: &Arc<Computed>) -> Result<Vec<Tensor>> {
        let key = Arc::as_ptr(computed);
        if let Some(known) = self.computed.borrow().get(&key) {
            return Ok(known.clone());
        }
        let input = |input: &Option<(Array, Option<Derivation>)>| {
            input.as_ref().map(|(array, derivation)| self.constant(array, None, derivation.as_ref())).transpose()
        };
        let inputs = computed.inputs.iter().map(input).collect::<Result<Vec<_>>>()?;
        let outputs = self.operator(&computed.op, &inputs, &Symbols::new())?;
        self.computed.borrow_mut().insert(key, outputs.clone());
        Ok(outputs)
    }

    fn node(&self, node: &Node, values: &HashMap<ValueId, Tensor>, symbols: &Symbols) -> Result<Vec<Tensor>> {
        let _scope = (!node.location.scope.is_empty()).then(|| location::absolute_scope(&node.location.scope));
        let _line = location::line(node.location.line.clone());
        let input = |id: &Option<ValueId>| {
            id.map(|id| values.get(&id).cloned().ok_or_else(|| Error::internal("a value is used before it is computed"))).transpose()
        };
        self.operator(&node.op, &node.inputs.iter().map(input).collect::<Result<Vec<_>>>()?, symbols)
    }

    fn operator(&self, op: &Arc<dyn Operator>, inputs: &[Option<Tensor>], symbols: &Symbols) -> Result<Vec<Tensor>> {
        let any: &dyn Any = &**op;
        let mut replay = |graph: &Graph, inputs: &[Tensor]| self.run(graph, inputs, Some(symbols));
        if let Some(op) = any.downcast_ref::<If>() {
            return op.inline(inputs, &mut replay);
        }
        if let Some(op) = any.downcast_ref::<Loop>() {
            return op.inline(inputs, &mut replay);
        }
        if let Some(op) = any.downcast_ref::<Scan>() {
            return op.inline(inputs, &mut replay);
        }
        if let (Some(cast), [Some(x)]) = (any.downcast_ref::<Cast>(), inputs) {
            // None, where the new element type is that of the input.
            return Ok(vec![x.narrow_to((self.dtype)(cast.to), cast.narrowing)?]);
        }
        for symbol in op.dims().iter().flat_map(|dim| dim.expr().symbols()) {
            if !symbols.contains_key(&symbol) {
                return Err(Error::internal(format!("nothing says what size `{symbol}` is")));
            }
        }
        let dim = |dim: &Dim| substituted(dim, symbols).unwrap_or_else(|_| dim.clone());
        let of = Substitution { dim: &dim, dtype: &self.dtype };
        if let Some(dim_tensor) = any.downcast_ref::<DimTensor>() {
            return Ok(vec![Tensor::from_dim_array(of.dim_array(&dim_tensor.dims), dim_tensor.dtype)]);
        }
        let op = op.substituted(&of).unwrap_or_else(|| op.clone());
        apply_shared(op, &inputs.iter().map(Option::as_ref).collect::<Vec<_>>())
    }
}

/// The symbol that stands for an element of an operand, where a node says that, and which element.
fn scalar_value(node: &Node) -> Option<(Arc<str>, usize)> {
    let op: &dyn Any = &*node.op;
    let op = op.downcast_ref::<ScalarValue>()?;
    Some((op.dim.expr().as_symbol()?.clone(), op.element))
}

/// A size with other sizes for its symbols.
fn substituted(dim: &Dim, symbols: &Symbols) -> Result<Dim> {
    if let Some(n) = dim.fixed() {
        return Ok(n.into());
    }
    let expr: Expr = dim.expr();
    if let Some(symbol) = expr.symbols().iter().find(|symbol| !symbols.contains_key(*symbol)) {
        return Err(Error::size(format!("nothing says what size `{symbol}` is")));
    }
    let example = expr.eval(&|symbol| symbols.get(symbol).and_then(Dim::example));
    Ok(Dim::new(expr.substitute(&|symbol| symbols.get(symbol).map(Dim::expr)), example))
}

#[cfg(test)]
mod tests {
    use crate::module::{DynModule, Outputs};
    use crate::nn::{Linear, Weights};
    use crate::trace::record;
    use crate::{Array, DType, Example, Module, Result, Tensor, cond, map, while_loop};

    /// A function of one tensor.
    struct Function<F>(F);

    impl<F: Fn(&Tensor) -> Result<Tensor>> DynModule for Function<F> {
        fn forward(&self, inputs: &[Tensor]) -> Result<Outputs> {
            Ok(Outputs::from(vec![(self.0)(&inputs[0])?]))
        }
    }

    fn symbolic(name: &str, rows: usize) -> Example {
        Example::new().input("x", &Tensor::ones([rows, 3], DType::F32).unwrap()).symbolic("x", 0, name).unwrap()
    }

    /// A trace with a symbolic size is called inside another trace, and is right at a third size.
    fn check(f: fn(&Tensor) -> Result<Tensor>) {
        let callee = record(&Function(f), symbolic("n", 2)).unwrap();
        let call = |x: &Tensor| callee.call(&x.mul(2.0)?);
        let caller = record(&Function(call), symbolic("batch", 4)).unwrap();
        let x = Array::new(&[5, 3], (0..15).map(|i| i as f32 / 7.0 - 1.0).collect()).unwrap();
        let expected = f(&Tensor::from(x.clone()).mul(2.0).unwrap()).unwrap().to_vec::<f32>().unwrap();
        assert_eq!(caller.graph().replay(&[x]).unwrap()[0].to_vec::<f32>().unwrap(), expected, "{caller}");
    }

    #[test]
    fn symbolic_sizes_become_those_of_the_caller() {
        check(|x| x.reshape([x.dim(0)? * 3])?.add(Tensor::from_dim(&x.dim(0)?).cast(DType::F32)?));
        check(|x| x.index_select(0, &x.sum([1], false)?.gt(0.0)?.nonzero()?.reshape([-1])?)?.relu());
    }

    #[test]
    fn control_flow_is_inlined_as_control_flow() {
        check(|x| Ok(cond(&x.sum(.., false)?.gt(0.0)?, || Ok(vec![x.mul(3.0)?]), || Ok(vec![x.neg()?]))?.remove(0)));
        check(|x| Ok(map(std::slice::from_ref(x), |row| Ok(vec![row[0].softmax(0)?]))?.remove(0)));
        check(|x| {
            let below = |x: &Tensor| x.abs()?.sum(.., false)?.lt(100.0);
            let state = while_loop(&below(x)?, vec![x.clone()], |state| {
                let next = state[0].mul(2.0)?.add(1.0)?;
                Ok((below(&next)?, vec![next]))
            });
            Ok(state?.remove(0))
        });
    }

    #[test]
    fn parameters_keep_their_names_and_what_was_computed_from_them_follows() {
        let linear = Linear::new(&Weights::seeded(1).at("fc"), 3, 2).unwrap();
        let callee = record(&linear, symbolic("n", 2)).unwrap();
        let caller = record(&Function(|x: &Tensor| callee.call(x)), symbolic("n", 2)).unwrap();
        assert_eq!(caller.state(), callee.state());
        let double = callee.with_dtype(DType::F64).unwrap();
        assert_eq!(double.state().keys().collect::<Vec<_>>(), callee.state().keys().collect::<Vec<_>>());
        let x = Array::full(DType::F64, &[3, 3], 0.5.into());
        let (got, expected) =
            (double.graph().replay(std::slice::from_ref(&x)).unwrap(), linear.forward(&Tensor::from(x.cast(DType::F32).unwrap())).unwrap());
        for (got, expected) in got[0].to_vec::<f64>().unwrap().iter().zip(expected.to_vec::<f32>().unwrap()) {
            assert!((got - f64::from(expected)).abs() < 1e-5, "{got} {expected}");
        }
    }

    #[test]
    fn a_fixed_size_takes_no_other() {
        let callee =
            record(&Function(|x: &Tensor| x.relu()), Example::new().input("x", &Tensor::ones([2, 3], DType::F32).unwrap())).unwrap();
        let call = |x: &Tensor| callee.call(x);
        let other = Example::new().input("x", &Tensor::ones([4, 3], DType::F32).unwrap());
        assert_eq!(record(&Function(call), other).unwrap_err().code(), crate::ErrorCode::Input);
    }
}
