//! Which graphs tract plans, and what a session keeps of one that it does not.

use crate::error::Error;
use crate::onnx::Model;
use crate::read::{ModelRest, OnnxModule};
use std::sync::OnceLock;

/// The most nodes of a graph that tract plans: its time grows with the square of them, and is seconds from here on.
const MOST_PLANNED: usize = 4096;

/// The most outputs of such a graph: tract looks through them at every node; of fewer nodes there may be more.
const MOST_OUTPUTS: usize = 64;

/// Why tract does not plan a graph of so many nodes and outputs, where it does not.
pub(super) fn refusal(nodes: usize, outputs: usize) -> Option<Error> {
    let why = match nodes > MOST_PLANNED {
        true => format!("{nodes} nodes takes a time that grows with their square"),
        false if nodes.saturating_mul(outputs) > MOST_OUTPUTS * MOST_PLANNED => {
            format!("{nodes} nodes with {outputs} outputs takes a time that grows with both")
        }
        false => return None,
    };
    Some(Error::runtime(format!("planning {why}")))
}

/// A model that its module runs, decoded again when it is asked for.
pub(super) struct WholeModel {
    rest: ModelRest,
    model: OnceLock<Model>,
}

impl WholeModel {
    pub(super) fn of(rest: ModelRest) -> WholeModel {
        WholeModel { rest, model: OnceLock::new() }
    }

    pub(super) fn with(&self, module: &OnnxModule) -> &Model {
        // What was encoded here is decoded again.
        self.model.get_or_init(|| module.joined(&self.rest).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::array::Array;
    use crate::{ErrorCode, Tensor, trace_fn};

    #[test]
    fn a_graph_of_more_nodes_than_are_planned_is_not_read_by_tract() {
        let chain = |x: Tensor| (0..=MOST_PLANNED).try_fold(x, |x, _| x.add(1.0));
        let traced = trace_fn(chain, &Tensor::from(&[0.0f32])).unwrap();
        let session = traced.session().unwrap();
        let inputs = [Array::vector(vec![2.0f32])];
        assert_eq!(session.run(&inputs).unwrap()[0].to_vec::<f32>().unwrap(), [(MOST_PLANNED + 3) as f32]);
        assert!(session.runs_without_tract() && session.direct.get().is_none());
        let whole = traced.to_unhashed_model(Default::default()).unwrap();
        let graph = whole.proto.graph.map(|graph| crate::onnx::proto::GraphProto { value_info: Vec::new(), ..graph });
        assert_eq!(session.model().proto.graph, graph, "it is there when it is asked for");
        assert_eq!(session.model().initializers, whole.initializers);
        assert_eq!(session.run_unoptimized(&inputs).unwrap_err().code(), ErrorCode::Runtime);
    }

    #[test]
    fn what_tract_looks_through_for_every_node_and_output_is_bounded() {
        for (nodes, outputs, planned) in
            [(1, 1, true), (4096, 64, true), (4097, 1, false), (4096, 65, false), (500, 500, true), (600, 600, false)]
        {
            assert_eq!(refusal(nodes, outputs).is_none(), planned, "{nodes} {outputs}");
        }
    }
}
