//! The time that each node of a plan takes.

use super::{Engine, Session, conversion, panic};
use crate::array::Array;
use crate::error::Result;
use crate::onnx::SCOPE_KEY;
use std::collections::HashMap;
use std::time::Duration;

/// A node of a plan, and how long it took in one call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeTime {
    /// The name of the node in the plan: that of the ONNX node it begins with, and what tract adds to it.
    pub name: String,
    /// What the plan runs there, in tract's words: one operator may stand for several of ONNX that were fused.
    pub kernel: String,
    /// The ONNX operator of the node that it is named for, where it is one of the model.
    pub op: Option<String>,
    /// The path of the module that this node belongs to, `layer1.0.conv1`; empty where the model does not say it.
    pub scope: String,
    /// The time of its evaluation.
    pub time: Duration,
}

impl Session {
    /// Runs the model once and gives the time of each node of the plan, in the order of execution; `None` where no plan of tract's runs these inputs,
    /// but ontrace's kernels run all of the model. The clock is read twice a node, which adds some 50 ns to each.
    ///
    /// ```
    /// use ontrace::{Array, Tensor, trace_fn};
    /// let x = Tensor::from(&[1.0f32, 2.0]);
    /// let session = trace_fn(|x: Tensor| x.exp()?.cumsum(0), &x)?.session()?;
    /// let nodes = session.profile(&[Array::vector(vec![5.0f32, 6.0])])?.unwrap_or_default();
    /// assert!(nodes.iter().any(|node| node.op.as_deref() == Some("Exp")));
    /// # Ok::<(), ontrace::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Session::run`].
    pub fn profile(&self, inputs: &[Array]) -> Result<Option<Vec<NodeTime>>> {
        let runnable = match self.engine(inputs)? {
            Engine::Specialised(plan) => return plan.session.profile(&plan.inputs(inputs)),
            Engine::Fallback(..) => return Ok(None),
            Engine::Tract(runnable) => runnable,
        };
        let known = self.nodes_by_name();
        let mut times = Vec::new();
        let observe = |name: &str, kernel: &str, time: Duration| {
            let (op, scope) = named_for(name, &known).map_or((None, ""), |(op, scope)| (Some(op.to_string()), *scope));
            times.push(NodeTime { name: name.to_string(), kernel: kernel.to_string(), op, scope: scope.to_string(), time });
        };
        let run = || -> Result<()> {
            let tensors = inputs.iter().map(|array| conversion::to_tract(array).map(Into::into)).collect::<Result<_>>()?;
            panic::guarded(|| runnable.run_timed(tensors, observe)).map(|_| ())
        };
        self.on_threads(run)?;
        Ok(Some(times))
    }

    /// Operator and scope of the nodes of the model.
    fn nodes_by_name(&self) -> HashMap<&str, (&str, &str)> {
        let nodes = self.model.proto.graph.iter().flat_map(|graph| &graph.node);
        let scope = |node: &'_ crate::onnx::proto::NodeProto| node.metadata_props.iter().position(|entry| entry.key == SCOPE_KEY);
        nodes
            .map(|node| {
                let scope = scope(node).map_or("", |i| node.metadata_props[i].value.as_str());
                (node.name.as_str(), (node.op_type.as_str(), scope))
            })
            .collect()
    }
}

/// The node of the model that a node of the plan is named for: the longest name that its own begins with.
fn named_for<'a>(name: &str, known: &'a HashMap<&str, (&str, &str)>) -> Option<&'a (&'a str, &'a str)> {
    let mut ends: Vec<usize> = name.char_indices().map(|(at, _)| at).skip(1).chain([name.len()]).collect();
    ends.reverse();
    ends.into_iter().find_map(|end| known.get(&name[..end]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::noise;
    use crate::{Tensor, trace_fn};
    use std::time::Instant;

    #[test]
    fn every_node_has_a_time_and_together_they_take_no_longer_than_the_call() {
        let weight = noise(&[64, 64], 1);
        let x = noise(&[32, 64], 2);
        let session = trace_fn(move |x: Tensor| x.matmul(&weight)?.tanh()?.softmax(-1), &x).unwrap().session().unwrap();
        let inputs = [x.to_array().unwrap()];
        session.run(&inputs).unwrap();
        let started = Instant::now();
        let nodes = session.profile(&inputs).unwrap().unwrap();
        let elapsed = started.elapsed();
        let ops: Vec<&str> = nodes.iter().filter_map(|node| node.op.as_deref()).collect();
        assert!(ops.contains(&"MatMul") && ops.contains(&"Tanh") && ops.contains(&"Softmax"), "{nodes:?}");
        assert!(nodes.iter().map(|node| node.time).sum::<Duration>() <= elapsed, "{nodes:?} in {elapsed:?}");
    }

    #[test]
    fn the_longest_name_decides() {
        let known = HashMap::from([("a", ("Add", "")), ("a.Mul", ("Mul", "a"))]);
        assert_eq!(named_for("a.Mul.cast", &known), Some(&("Mul", "a")));
        assert_eq!(named_for("b", &known), None);
    }
}
