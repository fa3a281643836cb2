//! Comparison of custom operators' kernels with their decompositions.

use super::CheckOptions;
use super::subgraph;
use super::tolerance::apart;
use crate::array::{Array, Tolerance};
use crate::dim::Type;
use crate::error::{Error, ErrorCode, Result, ResultExt};
use crate::graph::{Agreement, Inputs, ValueId};
use crate::trace::Traced;

/// Compares the kernels of users' operators with their decompositions, on the values of this call.
///
/// # Errors
/// [`Mismatch`](ErrorCode::Mismatch) with the operator and its source location.
pub(super) fn agree(traced: &Traced, inputs: &[Array], options: &CheckOptions) -> Result<()> {
    let graph = traced.graph();
    let own: Vec<_> =
        graph.nodes().iter().filter(|node| !node.op.domain().is_empty() && node.op.agreement() != Agreement::Random).collect();
    if own.is_empty() {
        return Ok(());
    }
    let inputs = [inputs.to_vec(), traced.noise(inputs)?].concat();
    let wanted = |id: &ValueId| own.iter().any(|node| node.inputs.contains(&Some(*id)) || node.outputs.contains(id));
    let mut values = subgraph::values(graph, &inputs, wanted)?;
    values.extend(graph.values().filter_map(|(id, value)| Some((id, value.constant()?.clone()))));
    for node in own {
        let arguments: Vec<Option<&Array>> = node.inputs.iter().map(|id| id.and_then(|id| values.get(&id))).collect();
        let what = format!("{}.{}", node.op.domain(), node.op.name());
        let made = node.op.composed(&Inputs::new(&arguments)).at("decomposition").at(&what).at(&node.location)?;
        for (i, (id, made)) in node.outputs.iter().zip(made.into_iter().flatten()).enumerate() {
            let Some(got) = values.get(id) else { continue };
            let exact = node.op.agreement() == Agreement::Exact;
            let tolerance = options.tolerance_for(&made).unwrap_or(if exact { Tolerance::EXACT } else { Tolerance::of(made.dtype()) });
            let found = match apart(got, &made, tolerance, false) {
                None => continue,
                Some(found) => found,
            };
            return Err(Error::new(
                ErrorCode::Mismatch,
                format!("output {i} of the kernel differs from the operator's decomposition: {found}"),
            )
            .at(&what)
            .at(&node.location)
            .help(format!("either the kernel or the decomposition is wrong; the output is {}", Type::from(got))));
        }
    }
    Ok(())
}
