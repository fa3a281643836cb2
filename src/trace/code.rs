//! A record as a program to read: constants, then a line an operation, under the place that did it.

use super::Traced;
use crate::graph::{Place, Source, ValueId};
use std::fmt;

/// A record as a program to read: [`Traced::code`].
pub struct Code<'a>(&'a Traced);

impl Traced {
    /// The record as a program to read, in the manner of Rust; operators have their ONNX names, large numbers are constants of a name.
    ///
    /// ```
    /// use ontrace::{Tensor, trace_fn};
    /// let x = Tensor::from(&[1.0f32, 2.0]);
    /// let code = trace_fn(|x: Tensor| x.mul(2.0)?.relu(), &x)?.code().to_string();
    /// assert!(code.starts_with("fn main(x: f32[2]) -> (y: f32[2]) {") && code.ends_with("    (v3)\n}"), "{code}");
    /// # Ok::<(), ontrace::Error>(())
    /// ```
    pub fn code(&self) -> Code<'_> {
        Code(self)
    }
}

impl fmt::Display for Code<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let graph = self.0.graph();
        for guard in graph.guards() {
            writeln!(f, "// valid only for {guard}")?;
        }
        writeln!(f, "fn {} {{", self.0.declaration())?;
        for (id, value) in graph.values() {
            if let Source::Constant(array, _) = &value.source
                && array.rank() > 0
            {
                writeln!(f, "    const {}: {}; // {} bytes", graph.label(id), value.ty, array.byte_len())?;
            }
        }
        let names = |ids: &[ValueId]| ids.iter().map(|&id| graph.label(id)).collect::<Vec<_>>().join(", ");
        let mut place = Place::default();
        for node in graph.nodes() {
            if node.place != place {
                place = node.place.clone();
                writeln!(f, "    // {place}")?;
            }
            let inputs: Vec<String> = node.inputs.iter().map(|id| id.map_or("None".to_string(), |id| graph.label(id))).collect();
            let types: Vec<String> = node.outputs.iter().map(|&id| graph.value(id).ty.to_string()).collect();
            writeln!(f, "    let {}: {} = {}({});", names(&node.outputs), types.join(", "), node.operation(), inputs.join(", "))?;
        }
        writeln!(f, "    ({})", names(graph.outputs()))?;
        f.write_str("}")
    }
}
