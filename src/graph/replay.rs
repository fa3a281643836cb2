//! A graph run on our kernels, at any size that its symbols allow.

use super::{Condition, Graph, Guard, Inputs, Source, ValueId};
use crate::array::Array;
use crate::dim::{Bindings, Sizes, Type};
use crate::error::{Error, Result, ResultExt};
use crate::work::{self, LoopBudget};

impl Graph {
    /// What each symbol stands for in a call with these inputs.
    ///
    /// # Errors
    /// [`Input`](crate::ErrorCode::Input) where an input is missing, left over, or has the wrong dtype or shape;
    /// [`Size`](crate::ErrorCode::Size) where a symbol would stand for two values.
    pub fn bind(&self, inputs: &[Array]) -> Result<Bindings> {
        self.bind_first(self.inputs.len(), inputs)
    }

    /// As [`Graph::bind`], by the first inputs alone.
    pub(crate) fn bind_first(&self, count: usize, inputs: &[Array]) -> Result<Bindings> {
        if inputs.len() != count {
            return Err(Error::input(format!("expected {count} inputs, got {}", inputs.len())));
        }
        let name = |id: ValueId| std::fmt::from_fn(move |f| f.write_str(&self.label(id)));
        for (&id, array) in self.inputs.iter().zip(inputs) {
            let ty = &self.value(id).ty;
            if ty.dtype != array.dtype() {
                let error = Error::input(format!("expected {ty}, got {}{:?}", array.dtype(), array.shape()));
                return Err(error.at(format!("input {}", name(id))));
            }
        }
        let shapes = self.inputs.iter().zip(inputs);
        Bindings::of(shapes.map(|(&id, array)| (name(id), &self.value(id).ty.shape, array.shape())))
    }

    /// The outputs for these inputs.
    ///
    /// # Errors
    /// As [`Graph::bind`], [`Guard`](crate::ErrorCode::Guard) where a [guard](Graph::guards) does not hold, and where a kernel fails.
    pub fn replay(&self, inputs: &[Array]) -> Result<Vec<Array>> {
        self.replay_within(inputs, &Bindings::new())
    }

    /// As [`Graph::replay`], for a graph inside another, whose sizes it may use.
    ///
    /// # Errors
    /// As [`Graph::replay`].
    pub fn replay_within(&self, inputs: &[Array], outer: &Bindings) -> Result<Vec<Array>> {
        self.walk(inputs, outer, |_, _, _| Ok(()))
    }

    /// Runs the graph and shows every node's outputs, in order, to `visit`; returns when it fails or asks to stop.
    ///
    /// # Errors
    /// As [`Graph::replay`], and what `visit` returns.
    pub fn observe(&self, inputs: &[Array], mut visit: impl FnMut(usize, ValueId, &Array) -> Result<()>) -> Result<()> {
        self.walk(inputs, &Bindings::new(), |i, values, _| {
            let mut outputs = self.nodes[i].outputs.iter().filter_map(|&id| Some((id, values[id.index()].as_ref()?)));
            outputs.try_for_each(|(id, array)| visit(i, id, array))
        })?;
        Ok(())
    }

    /// Runs the graph and shows every node's inputs and outputs, in order, and what the symbols stand for; returns the outputs of the graph.
    ///
    /// # Errors
    /// As [`Graph::replay`], and what `visit` returns.
    pub(crate) fn observe_nodes(
        &self,
        inputs: &[Array],
        mut visit: impl FnMut(usize, &[Option<&Array>], &[&Array], &Bindings) -> Result<()>,
    ) -> Result<Vec<Array>> {
        self.walk(inputs, &Bindings::new(), |i, values, bindings| {
            let node = &self.nodes[i];
            let arguments: Vec<Option<&Array>> = node.inputs.iter().map(|id| id.and_then(|id| self.known(id, values))).collect();
            let outputs: Vec<&Array> = node.outputs.iter().filter_map(|id| values[id.index()].as_ref()).collect();
            visit(i, &arguments, &outputs, bindings)
        })
    }

    /// Runs the nodes in order, shows the values after each of them to `visit`, and keeps none longer than it is needed; returns the outputs.
    fn walk(
        &self,
        inputs: &[Array],
        outer: &Bindings,
        mut visit: impl FnMut(usize, &[Option<Array>], &Bindings) -> Result<()>,
    ) -> Result<Vec<Array>> {
        let last_use = self.last_uses();
        let mut values: Vec<Option<Array>> = vec![None; self.values.len()];
        let mut bindings = self.bind(inputs)?;
        bindings.inherit(outer);
        for (&id, array) in self.inputs.iter().zip(inputs) {
            values[id.index()] = Some(array.clone());
        }
        self.guards.iter().try_for_each(|guard| guard.check_sizes(&bindings))?;
        self.check_values(&self.inputs, &values)?;
        let on_data: Vec<&Guard> = self.guards.iter().filter(|guard| guard.depends_on_data()).collect();
        for (i, node) in self.nodes.iter().enumerate() {
            let arguments: Vec<Option<&Array>> = node.inputs.iter().map(|id| id.and_then(|id| self.known(id, &values))).collect();
            let _step = work::step(|f| write!(f, "{}\0{}", node.op.name(), node.location));
            LoopBudget::allow(|| node.outputs.iter().map(|&id| bytes(&self.value(id).ty, &bindings)).fold(0, u64::saturating_add))
                .at(node.op.name())
                .at(&node.location)?;
            let outputs = node.op.eval(&Inputs::new(&arguments), Sizes::Bound(&bindings)).at(node.op.name()).at(&node.location)?;
            for (&id, array) in node.outputs.iter().zip(outputs) {
                // Sizes that depend on data are known from here on.
                for (dim, &n) in self.value(id).ty.shape.iter().zip(array.shape()).filter(|(dim, _)| dim.is_symbolic()) {
                    if let Some(symbol) = dim.expr().as_symbol().filter(|symbol| bindings.get(symbol).is_none()) {
                        bindings.bind(symbol, n as i64)?;
                    }
                }
                values[id.index()] = Some(array);
            }
            if let Some(symbol) = node.op.defines().and_then(|dim| dim.expr().as_symbol().cloned())
                && let Some(array) = node.outputs.first().and_then(|id| values[id.index()].as_ref())
            {
                bindings.bind(&symbol, array.item()?.to_i64())?;
            }
            if !on_data.is_empty() && (node.op.defines().is_some() || node.outputs.iter().any(|id| self.value(*id).ty.shape.is_symbolic()))
            {
                // Those on sizes that depend on data hold before what follows runs.
                on_data.iter().try_for_each(|guard| guard.check_sizes(&bindings))?;
            }
            self.check_values(&node.outputs, &values)?;
            visit(i, &values, &bindings)?;
            last_use.of(i).iter().for_each(|id| values[id.index()] = None);
        }
        let output = |id: &ValueId| self.known(*id, &values).cloned().ok_or_else(|| Error::internal("an output that no node computes"));
        self.outputs.iter().map(output).collect()
    }

    /// Checks the guards on values that were computed just now.
    fn check_values(&self, made: &[ValueId], values: &[Option<Array>]) -> Result<()> {
        for guard in &self.guards {
            if let Condition::Values(id, _) = guard.condition
                && made.contains(&id)
                && let Some(array) = &values[id.index()]
            {
                guard.check_values(array)?;
            }
        }
        Ok(())
    }

    fn known<'a>(&'a self, id: ValueId, values: &'a [Option<Array>]) -> Option<&'a Array> {
        match &self.value(id).source {
            Source::Constant(array, _) => Some(array),
            _ => values[id.index()].as_ref(),
        }
    }

    /// For each node, the values that nothing needs after it.
    pub(crate) fn last_uses(&self) -> &LastUses {
        self.last_uses.get_or_init(|| self.find_last_uses())
    }

    fn find_last_uses(&self) -> LastUses {
        let mut last = vec![None; self.values.len()];
        for (i, node) in (0u32..).zip(&self.nodes) {
            for id in node.inputs.iter().flatten().chain(&node.outputs) {
                last[id.index()] = Some(i);
            }
        }
        for id in &self.outputs {
            last[id.index()] = None;
        }
        // Those of a node stand behind those of the nodes before it.
        let mut ends = vec![0u32; self.nodes.len()];
        last.iter().flatten().for_each(|&node| ends[node as usize] += 1);
        let mut sum = 0;
        for end in &mut ends {
            sum += *end;
            *end = sum;
        }
        let mut values = vec![ValueId::default(); sum as usize];
        let mut next: Vec<u32> = std::iter::once(0).chain(ends.iter().copied()).collect();
        for (i, node) in last.into_iter().enumerate() {
            if let Some(node) = node {
                values[next[node as usize] as usize] = ValueId::new(i);
                next[node as usize] += 1;
            }
        }
        LastUses { ends, values }
    }
}

/// The bytes of a value of this type; 0 where a size is not known yet.
fn bytes(ty: &Type, bindings: &Bindings) -> u64 {
    let sizes = ty.shape.iter().map(|dim| dim.fixed().or_else(|| bindings.eval(&dim.expr())).map_or(0, |n| n.max(0) as u64));
    sizes.fold(ty.dtype.size() as u64, u64::saturating_mul)
}

/// For each node, the values that nothing needs after it.
#[derive(Clone, Debug)]
pub(crate) struct LastUses {
    /// Where those of each node end.
    ends: Vec<u32>,
    values: Vec<ValueId>,
}

impl LastUses {
    /// Those of the `i`-th node.
    pub(crate) fn of(&self, i: usize) -> &[ValueId] {
        let start = i.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.values[start as usize..self.ends[i] as usize]
    }

    /// Those of each node in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &[ValueId]> {
        (0..self.ends.len()).map(|i| self.of(i))
    }
}
