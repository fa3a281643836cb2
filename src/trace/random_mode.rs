//! What becomes of numbers that a module draws at random.

use super::Traced;
use crate::array::Array;
use crate::dim::Sizes;
use crate::error::Result;
use crate::graph::{Inputs, Operator};
use crate::onnx::proto::{GraphProto, attribute_proto::AttributeType};
use std::sync::Arc;

/// What a record does about numbers that its module draws at random.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RandomMode {
    /// It draws the same numbers at every call, from seeds that are written; other runtimes draw others from them.
    #[default]
    Seeded,
    /// Its file has no seeds: every runtime draws what it likes.
    Runtime,
    /// They are inputs of its file, `random_0` and so on: the same everywhere, and in the hands of the caller. A call that leaves them out
    /// draws what the module draws.
    AsInput,
}

impl Traced {
    /// The same record with its draws as inputs, behind the others.
    pub(super) fn with_draws_as_inputs(mut self) -> Traced {
        self.noise = self.graph.open_sources("random");
        self
    }

    /// The numbers that the module draws in a call with these inputs, in the order of the inputs that stand for them.
    ///
    /// ```
    /// use ontrace::trace::RandomMode;
    /// use ontrace::{DType, Module, Tensor, Tracer};
    /// let x = Tensor::ones(&[2], DType::F32)?;
    /// let noisy = Tracer::new().draws(RandomMode::AsInput).trace_fn(|x: Tensor| x.add(Tensor::rand(&[2], DType::F32)?), &x)?;
    /// assert_eq!(noisy.inputs()[1].0, "random_0");
    /// let zeros = Tensor::zeros([2], DType::F32)?;
    /// assert_eq!(noisy.forward(&[x.clone(), zeros])?[0].to_vec::<f32>()?, [1.0, 1.0]);
    /// let noise = Tensor::from(noisy.noise(&[x.to_array()?])?.remove(0));
    /// assert_eq!(noisy.forward(&[x.clone(), noise])?[0].to_vec::<f32>()?, noisy.forward(&[x])?[0].to_vec::<f32>()?);
    /// # Ok::<(), ontrace::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Graph::bind`](crate::graph::Graph::bind).
    pub fn noise(&self, inputs: &[Array]) -> Result<Vec<Array>> {
        if self.noise.is_empty() {
            return Ok(Vec::new());
        }
        let own = self.graph.inputs().len() - self.noise.len();
        let bindings = self.graph.bind_first(own, inputs)?;
        let draw = |op: &Arc<dyn Operator>| Ok(op.eval(&Inputs::new(&[]), Sizes::Bound(&bindings))?.remove(0));
        self.noise.iter().map(draw).collect()
    }
}

/// Takes the seeds out of a graph: whoever runs it draws what it likes.
pub(super) fn unseed(graph: &mut GraphProto) {
    for node in &mut graph.node {
        if matches!(
            node.op_type.as_str(),
            "RandomUniform" | "RandomNormal" | "RandomUniformLike" | "RandomNormalLike" | "Bernoulli" | "Multinomial"
        ) {
            node.attribute.retain(|attribute| attribute.name != "seed" || attribute.r#type != AttributeType::Float as i32);
        }
        node.attribute.iter_mut().filter_map(|attribute| attribute.g.as_mut()).for_each(|graph| unseed(graph));
    }
}
