//! Signatures: the structure and names of inputs and outputs.

use crate::tree::TreeDef;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The signature of a traced graph: the structure of its inputs, and the structure and names of its outputs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Signature {
    inputs: TreeDef,
    outputs: TreeDef,
    #[serde(skip)]
    output_names: Vec<String>,
    /// The symbolic sizes, with their values in the example.
    example_sizes: BTreeMap<String, i64>,
}

impl Signature {
    pub(crate) fn new(inputs: TreeDef, outputs: TreeDef, output_names: Vec<String>, example_sizes: BTreeMap<String, i64>) -> Signature {
        Signature { inputs, outputs, output_names, example_sizes }
    }

    /// The signature of a list of `inputs` inputs and a list of outputs with these names.
    pub(crate) fn flat(inputs: usize, output_names: Vec<String>, example_sizes: BTreeMap<String, i64>) -> Signature {
        Signature::new(TreeDef::list(inputs), TreeDef::list(output_names.len()), output_names, example_sizes)
    }

    /// The same signature with other names of the outputs.
    pub(crate) fn with_names(self, output_names: Vec<String>) -> Signature {
        Signature { output_names, ..self }
    }

    /// The structure of the inputs.
    pub fn inputs(&self) -> &TreeDef {
        &self.inputs
    }

    /// The structure of the outputs.
    pub fn outputs(&self) -> &TreeDef {
        &self.outputs
    }

    /// The names of the outputs in order.
    pub fn output_names(&self) -> &[String] {
        &self.output_names
    }

    /// The symbolic sizes, with their values in the example.
    pub fn example_sizes(&self) -> &BTreeMap<String, i64> {
        &self.example_sizes
    }
}
