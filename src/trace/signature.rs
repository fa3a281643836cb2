//! What a record takes and gives: names, types, and the structure around them.

use super::Traced;
use crate::tree::Structure;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// The structure and the names of what a record takes and gives.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Signature {
    inputs: Structure,
    outputs: Structure,
    #[serde(skip)]
    output_names: Vec<String>,
    /// What the symbolic lengths were in the example.
    lengths: BTreeMap<String, i64>,
}

impl Signature {
    pub(super) fn new(inputs: Structure, outputs: Structure, output_names: Vec<String>, lengths: BTreeMap<String, i64>) -> Signature {
        Signature { inputs, outputs, output_names, lengths }
    }

    /// A list of so many inputs, and one of outputs of these names.
    pub(super) fn flat(inputs: usize, output_names: Vec<String>, lengths: BTreeMap<String, i64>) -> Signature {
        Signature::new(Structure::list(inputs), Structure::list(output_names.len()), output_names, lengths)
    }

    /// The same with these names of the outputs.
    pub(super) fn with_names(self, output_names: Vec<String>) -> Signature {
        Signature { output_names, ..self }
    }

    /// How the inputs are built.
    pub fn inputs(&self) -> &Structure {
        &self.inputs
    }

    /// How the outputs are built.
    pub fn outputs(&self) -> &Structure {
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

/// The declaration of a record, `main(x: f32[batch,3]) -> (y: f32[batch])`: [`Traced::declaration`].
pub struct Declaration<'a>(&'a Traced);

impl Traced {
    /// What it takes and gives, in a line.
    ///
    /// ```
    /// use ontrace::{Example, Tensor, module, record};
    /// let x = Tensor::new([2, 3], vec![0f32; 6])?;
    /// let traced = record(&module::function(|x: Tensor| x.relu(), &x), Example::of(&x).symbolic("x", 0, "batch")?)?;
    /// assert_eq!(traced.declaration().to_string(), "main(x: f32[batch,3]) -> (y: f32[batch,3])");
    /// # Ok::<(), ontrace::Error>(())
    /// ```
    pub fn declaration(&self) -> Declaration<'_> {
        Declaration(self)
    }
}

impl fmt::Display for Declaration<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list =
            |named: Vec<(String, crate::Type)>| named.iter().map(|(name, ty)| format!("{name}: {ty}")).collect::<Vec<_>>().join(", ");
        write!(f, "{}({}) -> ({})", self.0.name, list(self.0.inputs()), list(self.0.outputs()))
    }
}
