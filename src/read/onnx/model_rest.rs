//! What a model has beside its module: with both, the model is there again when it is asked for.

use super::encoded::Encoded;
use super::run::Parameters;
use crate::array::Array;
use crate::error::{Error, Result};
use crate::onnx::Model;
use crate::onnx::proto::{GraphProto, ModelProto, NodeProto, ValueInfoProto};
use std::borrow::Cow;
use std::collections::BTreeSet;

/// A model without the lists of its graph that a module has; the inputs are encoded.
pub(crate) struct ModelRest {
    proto: ModelProto,
    inputs: Encoded<ValueInfoProto>,
}

impl ModelRest {
    /// Takes the nodes out of a model; what else is long stays in it alone.
    pub(super) fn of(model: &mut Model) -> Result<(Vec<NodeProto>, ModelRest)> {
        let mut graph = model.proto.graph.take().ok_or_else(|| Error::damaged("a model without a graph"))?;
        let nodes = std::mem::take(&mut graph.node);
        let inputs = Encoded::infos(graph.input.clone())?;
        let lists = GraphProto {
            initializer: std::mem::take(&mut graph.initializer),
            input: std::mem::take(&mut graph.input),
            output: std::mem::take(&mut graph.output),
            value_info: std::mem::take(&mut graph.value_info),
            ..GraphProto::default()
        };
        let proto = ModelProto { graph: Some(graph.clone()), ..model.proto.clone() };
        let GraphProto { initializer, input, output, value_info, .. } = lists;
        model.proto.graph = Some(GraphProto { initializer, input, output, value_info, ..graph });
        Ok((nodes, ModelRest { proto, inputs }))
    }

    /// The model with these lists; its initializers are in the order of their names.
    pub(super) fn join(
        &self,
        nodes: &Encoded<NodeProto>,
        outputs: &Encoded<ValueInfoProto>,
        values: &Encoded<ValueInfoProto>,
        parameters: &Parameters,
    ) -> Result<Model> {
        let infos = |infos: &Encoded<ValueInfoProto>| infos.iter().map(|info| info.map(Cow::into_owned)).collect::<Result<Vec<_>>>();
        let graph = GraphProto {
            node: nodes.iter().map(|node| node.map(Cow::into_owned)).collect::<Result<_>>()?,
            input: infos(&self.inputs)?,
            output: infos(outputs)?,
            value_info: infos(values)?,
            ..self.proto.graph.clone().unwrap_or_default()
        };
        let sparse: BTreeSet<&str> =
            graph.sparse_initializer.iter().filter_map(|sparse| Some(sparse.values.as_ref()?.name.as_str())).collect();
        let dense = parameters.iter().filter(|(name, _)| !sparse.contains(&***name));
        let mut initializers: Vec<(String, Array)> = dense.map(|(name, array)| (name.to_string(), (**array).clone())).collect();
        initializers.sort_by(|(a, _), (b, _)| a.cmp(b));
        Ok(Model { proto: ModelProto { graph: Some(graph), ..self.proto.clone() }, initializers })
    }
}
