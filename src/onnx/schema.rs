//! ONNX's operator schemas, and the comparison of a model's nodes with them: attributes, numbers of inputs and outputs, element types.
//!
//! Source: <https://onnx.ai/onnx/operators/>, written to `schemas.txt` by `tools/reference/schemas.py`.

use super::Model;
use super::names::{canonical_domain, node_location, printable};
use super::proto::attribute_proto::AttributeType;
use super::proto::{NodeProto, OperatorSetIdProto};
use super::tensor::type_name;
use crate::error::Error;
use std::collections::HashMap;
use std::sync::OnceLock;

/// One row for each operator and version; the columns are described in `schemas.py`.
const ROWS: &str = include_str!("schemas.txt");

/// How deeply graphs may nest.
const DEEPEST: usize = 32;

/// What a version of an operator allows.
#[derive(Clone, Debug, PartialEq)]
pub struct OperatorSchema {
    /// The version that it came with.
    pub since: i64,
    is_deprecated: bool,
    inputs: (usize, Option<usize>),
    outputs: (usize, Option<usize>),
    /// Name, kind and whether it must be there.
    attributes: Vec<(&'static str, char, bool)>,
    /// The element types of each input as base-36 digits of ONNX's numbers; the last counts for all further ones.
    types: Vec<&'static str>,
}

impl OperatorSchema {
    /// The schema of an operator of ONNX's own operator set in this version; `None` where there is none.
    pub fn of(operator: &str, opset: i64) -> Option<&'static OperatorSchema> {
        static TABLE: OnceLock<HashMap<&'static str, Vec<OperatorSchema>>> = OnceLock::new();
        let table = TABLE.get_or_init(|| {
            let mut table: HashMap<&'static str, Vec<OperatorSchema>> = HashMap::new();
            for (name, schema) in ROWS.lines().filter_map(OperatorSchema::parse) {
                table.entry(name).or_default().push(schema);
            }
            table
        });
        table.get(operator)?.iter().rfind(|schema| schema.since <= opset)
    }

    fn parse(row: &'static str) -> Option<(&'static str, OperatorSchema)> {
        let mut columns = row.split('|');
        let (name, since, deprecated) = (columns.next()?, columns.next()?.parse().ok()?, columns.next()?);
        let mut range = || {
            let (least, most) = columns.next()?.split_once('-')?;
            Some((least.parse().ok()?, most.parse().ok()))
        };
        let (inputs, outputs) = (range()?, range()?);
        let attribute = |text: &'static str| {
            let (name, kind) = text.split_once(':')?;
            Some((name, kind.chars().next()?, kind.ends_with('!')))
        };
        let attributes = columns.next()?.split_whitespace().map(attribute).collect::<Option<_>>()?;
        let types = columns.next()?.split_whitespace().collect();
        Some((name, OperatorSchema { since, is_deprecated: deprecated == "d", inputs, outputs, attributes, types }))
    }

    /// Whether the input at this position may have this element type (ONNX's number).
    pub fn allows(&self, input: usize, element_type: i32) -> bool {
        let Some(types) = self.types.get(input).or(self.types.last()) else { return true };
        let digit = u32::try_from(element_type).ok().and_then(|number| char::from_digit(number, 36));
        *types == "*" || digit.is_none_or(|digit| types.contains(digit))
    }
}

/// The kind of an attribute in the table.
const KINDS: &[(AttributeType, char)] = &[
    (AttributeType::Float, 'f'),
    (AttributeType::Int, 'i'),
    (AttributeType::String, 's'),
    (AttributeType::Tensor, 't'),
    (AttributeType::Graph, 'g'),
    (AttributeType::Floats, 'F'),
    (AttributeType::Ints, 'I'),
    (AttributeType::Strings, 'S'),
    (AttributeType::Tensors, 'T'),
    (AttributeType::Graphs, 'G'),
    (AttributeType::SparseTensor, 'p'),
    (AttributeType::TypeProto, 'y'),
];

/// What the nodes of a model have that ONNX's schemas do not allow: unknown or missing attributes, attributes of another type, too many or too few
/// inputs and outputs. Operators of other domains and functions of the model are not looked at.
pub fn check_schemas(model: &Model) -> Vec<Error> {
    let mut found = Vec::new();
    if let Some(graph) = &model.proto.graph {
        nodes(&graph.node, opset(&model.proto.opset_import), model, 0, &mut found);
    }
    for function in &model.proto.functions {
        let before = found.len();
        nodes(&function.node, opset(&function.opset_import), model, 0, &mut found);
        let inside = found.split_off(before);
        found.extend(inside.into_iter().map(|error| error.at(format!("function {}", printable(&function.name)))));
    }
    found
}

fn opset(imports: &[OperatorSetIdProto]) -> Option<i64> {
    imports.iter().find(|import| canonical_domain(&import.domain).is_empty()).map(|import| import.version)
}

fn nodes(list: &[NodeProto], opset: Option<i64>, model: &Model, depth: usize, found: &mut Vec<Error>) {
    for (index, proto) in list.iter().enumerate().filter(|_| depth < DEEPEST) {
        let before = found.len();
        let is_function = model.proto.functions.iter().any(|function| super::calls(proto, function));
        if canonical_domain(&proto.domain).is_empty() && !is_function {
            let wrong = opset.map(|opset| node(proto, opset)).unwrap_or_default();
            found.extend(wrong);
        }
        for attribute in &proto.attribute {
            for graph in attribute.g.as_deref().into_iter().chain(&attribute.graphs) {
                nodes(&graph.node, opset, model, depth + 1, found);
            }
        }
        let inside = found.split_off(before);
        found.extend(inside.into_iter().map(|error| error.at(node_location(proto, index))));
    }
}

/// What one node has that its schema does not allow.
fn node(proto: &NodeProto, opset: i64) -> Vec<Error> {
    let operator = printable(&proto.op_type);
    let Some(schema) = OperatorSchema::of(&proto.op_type, opset) else {
        return vec![Error::damaged(format!("ONNX has no operator {operator} in opset {opset}"))];
    };
    let mut wrong = Vec::new();
    if schema.is_deprecated {
        wrong.push(format!("{operator} is deprecated since opset {}", schema.since));
        return wrong.into_iter().map(Error::damaged).collect();
    }
    for attribute in &proto.attribute {
        let name = printable(&attribute.name);
        match schema.attributes.iter().find(|known| known.0 == attribute.name) {
            None => {
                let known: Vec<&str> = schema.attributes.iter().map(|known| known.0).collect();
                let known = if known.is_empty() { "none".to_string() } else { known.join(", ") };
                wrong.push(format!("{operator} has no attribute {name} in opset {opset} (it has {known})"));
            }
            Some((_, kind, _)) => {
                let given = KINDS.iter().find(|row| row.0 as i32 == attribute.r#type);
                let expected = KINDS.iter().find(|row| row.1 == *kind).map_or("?", |row| row.0.as_str_name());
                if let Some((given, _)) = given.filter(|row| row.1 != *kind) {
                    wrong.push(format!("attribute {name} is {}, expected {expected}", given.as_str_name()));
                }
            }
        }
    }
    let is_given = |name: &str| proto.attribute.iter().any(|attribute| attribute.name == name);
    let missing = schema.attributes.iter().filter(|(name, _, required)| *required && !is_given(name));
    wrong.extend(missing.map(|(name, ..)| format!("{operator} needs the attribute {name}")));
    for (what, count, (least, most)) in [("input", proto.input.len(), schema.inputs), ("output", proto.output.len(), schema.outputs)] {
        if count < least || most.is_some_and(|most| count > most) {
            let range = match most {
                Some(most) if most == least => least.to_string(),
                Some(most) => format!("{least} to {most}"),
                None => format!("at least {least}"),
            };
            wrong.push(format!("{operator} has {count} {what}s, expected {range}"));
        }
    }
    wrong.into_iter().map(Error::damaged).collect()
}

/// The message for an element type that an input may not have.
pub(crate) fn wrong_type(operator: &str, input: usize, element_type: i32, opset: i64) -> Option<Error> {
    let schema = OperatorSchema::of(operator, opset).filter(|schema| !schema.allows(input, element_type))?;
    let version = schema.since;
    Some(Error::damaged(format!("{operator} (version {version}) does not take {} as input {input}", type_name(element_type))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::onnx::proto::{AttributeProto, GraphProto};
    use crate::onnx::sample::{self, int, node};

    fn after(change: impl FnOnce(&mut GraphProto)) -> Vec<String> {
        let mut model = sample::branches();
        let mut graph = model.proto.graph.take().unwrap();
        change(&mut graph);
        model.proto.graph = Some(graph);
        check_schemas(&model).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn every_row_is_read() {
        assert_eq!(ROWS.lines().filter_map(OperatorSchema::parse).count(), ROWS.lines().count());
        assert_eq!(OperatorSchema::of("Relu", 13).unwrap().since, 13);
        assert_eq!(OperatorSchema::of("Relu", 25).unwrap().since, 14);
        assert!(OperatorSchema::of("Relu", 13).unwrap().allows(0, 1) && !OperatorSchema::of("Relu", 13).unwrap().allows(0, 7));
        assert!(OperatorSchema::of("Nothing", 18).is_none());
    }

    #[test]
    fn what_a_schema_does_not_allow_is_found() {
        assert_eq!(after(|_| {}), Vec::<String>::new());
        let added = |proto: NodeProto| after(|graph| graph.node.push(proto)).join("; ");
        let with = |attribute: AttributeProto| NodeProto { attribute: vec![attribute], ..node("Relu", &["x"], &["r"]) };
        assert!(added(with(int("slope", 1))).ends_with("(Relu): Relu has no attribute slope in opset 17 (it has none)"));
        let softmax = |attribute| NodeProto { attribute: vec![attribute], ..node("Softmax", &["x"], &["r"]) };
        let text =
            AttributeProto { name: "axis".into(), r#type: AttributeType::String as i32, s: b"1".to_vec().into(), ..Default::default() };
        assert!(added(softmax(text)).contains("attribute axis is STRING, expected INT"));
        assert!(added(node("Concat", &["x"], &["r"])).contains("Concat needs the attribute axis"));
        assert!(added(node("Add", &["x"], &["r"])).contains("Add has 1 inputs, expected 2"));
        assert!(added(node("Upsample", &["x", "x"], &["r"])).contains("deprecated"));
        assert!(added(node("Frobnicate", &["x"], &["r"])).contains("ONNX has no operator Frobnicate in opset 17"));
    }
}
