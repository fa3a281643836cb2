//! Random samples in a traced graph: seeded, left to the runtime, or inputs.

use super::Traced;
use crate::array::Array;
use crate::dim::Sizes;
use crate::error::Result;
use crate::graph::{Inputs, Operator};
use std::sync::Arc;

/// How random samples of a module are exported.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum RandomMode {
    /// The same samples at every call, from seeds in the file; other runtimes generate other samples from these seeds.
    #[default]
    Seeded,
    /// The file has no seeds: every runtime uses its own.
    Runtime,
    /// The samples are inputs of the file, `random_0` and so on, under the control of the caller. A call that leaves them out
    /// uses the samples that the module would.
    AsInput,
}

impl Traced {
    /// The traced graph with its random samples as inputs after the others.
    pub(super) fn with_samples_as_inputs(mut self) -> Traced {
        self.noise = self.graph.open_sources("random");
        self
    }

    /// The random samples of a call with these inputs, in the order of the inputs that they become.
    ///
    /// ```
    /// use ontrace::trace::RandomMode;
    /// use ontrace::{DType, DynModule, Tensor, Tracer};
    /// let x = Tensor::ones(&[2], DType::F32)?;
    /// let noisy = Tracer::new().random_mode(RandomMode::AsInput).trace_fn(|x: Tensor| x.add(Tensor::rand(&[2], DType::F32)?), &x)?;
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
        let sample = |op: &Arc<dyn Operator>| Ok(op.eval(&Inputs::new(&[]), Sizes::Bound(&bindings))?.remove(0));
        self.noise.iter().map(sample).collect()
    }
}
