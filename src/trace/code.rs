//! A traced graph printed as a program: constants, then one line for each operation, below its source location.

use super::Traced;
use crate::graph::{Source, SourceLocation, ValueId};
use std::fmt;

/// A traced graph printed as a program: [`Traced::code`].
pub struct GraphListing<'a>(&'a Traced);

impl Traced {
    /// The traced graph printed as a program in the style of Rust. Operators have their ONNX names; large constants are named.
    ///
    /// ```
    /// use ontrace::{Tensor, trace_fn};
    /// let x = Tensor::from(&[1.0f32, 2.0]);
    /// let code = trace_fn(|x: Tensor| x.mul(2.0)?.relu(), &x)?.code().to_string();
    /// assert!(code.starts_with("fn main(x: f32[2]) -> (y: f32[2]) {") && code.ends_with("    (v3)\n}"), "{code}");
    /// # Ok::<(), ontrace::Error>(())
    /// ```
    pub fn code(&self) -> GraphListing<'_> {
        GraphListing(self)
    }
}

impl fmt::Display for GraphListing<'_> {
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
        let mut location = SourceLocation::default();
        for node in graph.nodes() {
            if node.location != location {
                location = node.location.clone();
                writeln!(f, "    // {location}")?;
            }
            let inputs: Vec<String> = node.inputs.iter().map(|id| id.map_or("None".to_string(), |id| graph.label(id))).collect();
            let types: Vec<String> = node.outputs.iter().map(|&id| graph.value(id).ty.to_string()).collect();
            writeln!(f, "    let {}: {} = {}({});", names(&node.outputs), types.join(", "), node.operation(), inputs.join(", "))?;
        }
        writeln!(f, "    ({})", names(graph.outputs()))?;
        f.write_str("}")
    }
}
