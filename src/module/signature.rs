//! What a record takes and gives: names and the structure around them.

use crate::tree::TreeDef;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The structure and the names of what a record takes and gives.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Signature {
    inputs: TreeDef,
    outputs: TreeDef,
    #[serde(skip)]
    output_names: Vec<String>,
    /// What the symbolic lengths were in the example.
    lengths: BTreeMap<String, i64>,
}

impl Signature {
    pub(crate) fn new(inputs: TreeDef, outputs: TreeDef, output_names: Vec<String>, lengths: BTreeMap<String, i64>) -> Signature {
        Signature { inputs, outputs, output_names, lengths }
    }

    /// A list of so many inputs, and one of outputs of these names.
    pub(crate) fn flat(inputs: usize, output_names: Vec<String>, lengths: BTreeMap<String, i64>) -> Signature {
        Signature::new(TreeDef::list(inputs), TreeDef::list(output_names.len()), output_names, lengths)
    }

    /// The same with these names of the outputs.
    pub(crate) fn with_names(self, output_names: Vec<String>) -> Signature {
        Signature { output_names, ..self }
    }

    /// How the inputs are built.
    pub fn inputs(&self) -> &TreeDef {
        &self.inputs
    }

    /// How the outputs are built.
    pub fn outputs(&self) -> &TreeDef {
        &self.outputs
    }

    /// The names of the outputs in order.
    pub fn output_names(&self) -> &[String] {
        &self.output_names
    }

    /// What the symbolic lengths were in the example.
    pub fn lengths(&self) -> &BTreeMap<String, i64> {
        &self.lengths
    }
}
