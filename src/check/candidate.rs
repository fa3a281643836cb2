//! Candidates of a check: they compute the whole traced graph, and subgraphs of it when a fault is located.

use crate::error::{Error, Result};
use crate::module::{DynModule, Outputs};
use crate::onnx::Model;
use crate::read::OnnxModule;
use crate::tensor::Tensor;
use crate::trace::{ExportOptions, Traced};
use crate::tree::TreeDef;

/// A module that was made from a traced graph.
pub trait Candidate: DynModule {
    /// The same candidate made from a subgraph, so that the node that is wrong can be found.
    ///
    /// # Errors
    /// Where it cannot be made; a subject that does not say otherwise answers for the whole only.
    fn subgraph(&self, _subgraph: &Traced) -> Result<Box<dyn Candidate>> {
        Err(Error::unsupported("cannot cut a subgraph out of a black box"))
    }

    /// The ONNX model that it runs, where it runs one.
    fn model(&self) -> Option<&Model> {
        None
    }

    /// Whether it runs the kernels that the module ran, so that its answers are the same to the bit.
    fn replays(&self) -> bool {
        false
    }
}

impl Candidate for Traced {
    fn subgraph(&self, part: &Traced) -> Result<Box<dyn Candidate>> {
        Ok(Box::new(part.clone()))
    }

    fn replays(&self) -> bool {
        true
    }
}

impl Candidate for OnnxModule {
    fn subgraph(&self, part: &Traced) -> Result<Box<dyn Candidate>> {
        Ok(Box::new(OnnxModule::with_operators(part.to_unhashed_model(ExportOptions::default())?, &part.operators())?))
    }
}

#[cfg(feature = "tract")]
impl Candidate for crate::runtime::Session {
    fn subgraph(&self, part: &Traced) -> Result<Box<dyn Candidate>> {
        Ok(Box::new(part.session()?))
    }

    fn model(&self) -> Option<&Model> {
        Some(self.model())
    }
}

/// Any module, as a subject that answers for the whole only.
pub struct BlackBox<M>(pub M);

impl<M: DynModule> DynModule for BlackBox<M> {
    fn forward(&self, inputs: &[Tensor]) -> Result<Outputs> {
        self.0.forward(inputs)
    }

    fn input_names(&self) -> Vec<String> {
        self.0.input_names()
    }

    fn input_structure(&self) -> Option<TreeDef> {
        self.0.input_structure()
    }
}

impl<M: DynModule> Candidate for BlackBox<M> {}
