//! ONNX's operator schemas, and the comparison of a model's nodes with them: attributes, numbers of inputs and outputs, element types.
//!
//! Source: <https://onnx.ai/onnx/operators/>, written to `schemas.txt` by `tools/reference/schemas.py`.

use super::Model;
use super::function_calls::{Key, callee, key};
use super::names::{canonical_domain, node_location, printable};
use super::proto::attribute_proto::AttributeType;
use super::proto::tensor_proto::DataType;
use super::proto::{GraphProto, NodeProto, OperatorSetIdProto, type_proto};
use super::rules::{broken_rules, broken_type_rule, wrong_rank};
use super::tensor::{self, type_name};
use crate::error::{Error, ErrorCode, Result};
use std::collections::{HashMap, HashSet};
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
    parameters: [Vec<FormalParameter>; 2],
}

/// An input or output of an operator; the last of them stands for all further ones.
#[derive(Clone, Debug, PartialEq)]
struct FormalParameter {
    /// Inputs and outputs of one variable have one type; empty where the type is a fixed one.
    variable: &'static str,
    /// The element types as base-36 digits of ONNX's numbers; `*` where it may be no tensor.
    types: &'static str,
    is_required: bool,
    /// Whether each of any number of values has a type of its own.
    is_heterogeneous: bool,
}

impl FormalParameter {
    fn parse(text: &'static str, variables: &[(&'static str, &'static str)]) -> Option<FormalParameter> {
        let name = text.trim_end_matches(['?', '+', '~']);
        let (variable, types) = match name.strip_prefix('=') {
            Some(types) => ("", types),
            None => *variables.iter().find(|variable| variable.0 == name)?,
        };
        Some(FormalParameter { variable, types, is_required: !text.ends_with(['?', '~']), is_heterogeneous: text.ends_with('~') })
    }

    fn allows(&self, element_type: i32) -> bool {
        let digit = u32::try_from(element_type).ok().and_then(|number| char::from_digit(number, 36));
        self.types == "*" || digit.is_none_or(|digit| self.types.contains(digit))
    }
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
        let variables = columns.next()?.split_whitespace().map(|text| text.split_once('=')).collect::<Option<Vec<_>>>()?;
        let mut parameters =
            || columns.next()?.split_whitespace().map(|text| FormalParameter::parse(text, &variables)).collect::<Option<Vec<_>>>();
        let parameters = [parameters()?, parameters()?];
        Some((name, OperatorSchema { since, is_deprecated: deprecated == "d", inputs, outputs, attributes, parameters }))
    }

    /// Whether the operator has an attribute of this name.
    #[cfg(test)]
    pub(super) fn has(&self, attribute: &str) -> bool {
        self.attributes.iter().any(|known| known.0 == attribute)
    }

    /// Whether the input at this position may have this element type (ONNX's number).
    pub fn allows(&self, input: usize, element_type: i32) -> bool {
        let inputs = &self.parameters[0];
        inputs.get(input).or(inputs.last()).is_none_or(|parameter| parameter.allows(element_type))
    }

    /// What the inputs and outputs of a node have that is not allowed, given the element types of its values as far as they are known: types, unequal
    /// types of one variable, a required input that is absent.
    fn wrong_types(&self, proto: &NodeProto, element_type: &dyn Fn(&str) -> Option<i32>) -> Vec<String> {
        let operator = printable(&proto.op_type);
        let (mut wrong, mut bound) = (Vec::new(), Vec::<(&str, i32, String)>::new());
        for ((what, names), parameters) in [("input", &proto.input), ("output", &proto.output)].into_iter().zip(&self.parameters) {
            for (i, name) in names.iter().enumerate() {
                let Some(parameter) = parameters.get(i).or(parameters.last()) else { continue };
                if name.is_empty() {
                    if parameter.is_required && what == "input" {
                        wrong.push(format!("{operator} needs input {i}"));
                    }
                    continue;
                }
                let Some(given) = element_type(name) else { continue };
                let value = format!("{what} {i}");
                if !parameter.allows(given) {
                    let takes = if what == "input" { "take" } else { "give" };
                    wrong.push(format!("{operator} (version {}) does not {takes} {} as {value}", self.since, type_name(given)));
                } else if !parameter.variable.is_empty() && !parameter.is_heterogeneous {
                    match bound.iter().find(|other| other.0 == parameter.variable) {
                        Some((_, other, first)) if *other != given => {
                            let (given, other) = (type_name(given), type_name(*other));
                            wrong.push(format!("{operator} has one type for {first} and {value}, but they are {other} and {given}"));
                        }
                        Some(_) => {}
                        None => bound.push((parameter.variable, given, value)),
                    }
                }
            }
        }
        wrong.extend(broken_type_rule(proto, element_type));
        wrong
    }

    /// The element types of a node's outputs, where they follow from those of its inputs.
    fn result_types<'a>(&self, proto: &'a NodeProto, types: &Types<'a>) -> Vec<(&'a str, i32)> {
        let [inputs, outputs] = &self.parameters;
        let given = proto.input.iter().enumerate().filter_map(|(i, name)| {
            let parameter =
                inputs.get(i).or(inputs.last()).filter(|parameter| !parameter.is_heterogeneous && !parameter.variable.is_empty())?;
            Some((parameter.variable, types.get(name)?))
        });
        let bound: HashMap<&str, i32> = given.collect();
        let is_free = |parameter: &FormalParameter| inputs.iter().all(|input| input.variable != parameter.variable);
        let result = |(i, name): (usize, &'a String)| {
            let parameter = outputs.get(i).or(outputs.last()).filter(|parameter| !parameter.is_heterogeneous && !name.is_empty())?;
            let mut digits = parameter.types.chars();
            let only = match (digits.next()?, digits.next()) {
                (digit, None) => digit.to_digit(36).and_then(|digit| i32::try_from(digit).ok()),
                _ => None,
            };
            // A sequence and its elements have variables of their own, so this is the type of a tensor.
            let known = only.or_else(|| bound.get(parameter.variable).copied());
            Some((name.as_str(), known.or_else(|| named_type(proto).filter(|_| parameter.types != "*" && is_free(parameter)))?))
        };
        proto.output.iter().enumerate().filter_map(result).collect()
    }
}

/// The element type that an attribute of a node names.
fn named_type(proto: &NodeProto) -> Option<i32> {
    let number = |name: &str| proto.attribute.iter().find(|attribute| attribute.name == name && attribute.ref_attr_name.is_empty());
    match proto.op_type.as_str() {
        "Cast" => i32::try_from(number("to")?.i).ok(),
        "ConstantOfShape" => number("value").map_or(Some(DataType::Float as i32), |value| Some(value.t.as_ref()?.data_type)),
        // The statistics among its outputs; the first output has the type of the input.
        "LayerNormalization" => number("stash_type").map_or(Some(DataType::Float as i32), |ty| i32::try_from(ty.i).ok()),
        _ => None,
    }
    .filter(|&element_type| element_type != 0)
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
/// inputs and outputs, element types as far as they follow from those of the inputs, and outputs and values that are declared with others. Operators of other domains and functions of the
/// model are not looked at.
pub fn check_schemas(model: &Model) -> Vec<Error> {
    let mut found = Vec::new();
    let functions: HashSet<Key> = model.proto.functions.iter().map(key).collect();
    if let Some(graph) = &model.proto.graph {
        let initializers = model.initializers.iter().map(|(name, array)| (name.as_str(), tensor::data_type(array.dtype())));
        let types = Types::of(graph, initializers, None);
        nodes_of(graph, opset(&model.proto.opset_import), &functions, types, 0, &mut found);
        let inputs: HashSet<&str> = graph.input.iter().map(|info| info.name.as_str()).collect();
        let hidden = model.initializers.iter().find(|(name, _)| model.proto.ir_version < 4 && !inputs.contains(name.as_str()));
        found.extend(hidden.map(|(name, _)| {
            let version = model.proto.ir_version;
            Error::unsupported(format!("initializer {} is no input of the graph, which IR version {version} demands", printable(name)))
                .help("IR version 4 and later do not: raise `ir_version`")
        }));
        let ranks: HashMap<&str, usize> = model.initializers.iter().map(|(name, array)| (name.as_str(), array.shape().len())).collect();
        for (index, proto) in graph.node.iter().enumerate().filter(|(_, proto)| canonical_domain(&proto.domain).is_empty()) {
            let wrong = wrong_rank(proto, &|name| ranks.get(name).copied());
            found.extend(wrong.map(|wrong| Error::shape(wrong).at(node_location(proto, index))));
        }
    }
    for function in &model.proto.functions {
        let before = found.len();
        nodes(&function.node, opset(&function.opset_import), &functions, &mut Types::default(), 0, &mut found);
        let inside = found.split_off(before);
        found.extend(inside.into_iter().map(|error| error.at(format!("function {}", printable(&function.name)))));
    }
    found
}

/// Refuses a model with attributes that its operators do not have, or without those that they need, with wrong numbers of inputs and outputs, and with
/// outputs that are declared with another element type than they have: what would be read as something else than it was meant as.
///
/// # Errors
/// [`Damaged`](ErrorCode::Damaged), with the node.
pub(crate) fn refuse_misread(model: &Model) -> Result<()> {
    match check_schemas(model).into_iter().find(|error| error.code() == ErrorCode::Damaged) {
        Some(error) => Err(error),
        None => Ok(()),
    }
}

fn opset(imports: &[OperatorSetIdProto]) -> Option<i64> {
    imports.iter().find(|import| canonical_domain(&import.domain).is_empty()).map(|import| import.version)
}

/// Element types of values by name: those of a graph, then of what it sees around it.
#[derive(Default)]
struct Types<'a> {
    /// `None` for what is no tensor, and hides one around the graph.
    own: HashMap<&'a str, Option<i32>>,
    around: Option<&'a Types<'a>>,
}

impl<'a> Types<'a> {
    /// The element types of a graph's inputs and initializers. What it declares of other values is compared with what they are elsewhere.
    fn of(graph: &'a GraphProto, initializers: impl ExactSizeIterator<Item = (&'a str, i32)>, around: Option<&'a Types<'a>>) -> Types<'a> {
        let outputs: usize = graph.node.iter().map(|node| node.output.len()).sum();
        // At once: a table that grows takes half as much again.
        let names = initializers.len() + graph.initializer.len() + graph.input.len() + outputs;
        let mut own = HashMap::with_capacity(names);
        own.extend(initializers.map(|(name, ty)| (name, Some(ty))));
        own.extend(graph.initializer.iter().map(|tensor| (tensor.name.as_str(), Some(tensor.data_type))));
        own.extend(graph.input.iter().map(|info| match info.r#type.as_ref().and_then(|ty| ty.value.as_ref()) {
            Some(type_proto::Value::TensorType(ty)) => (info.name.as_str(), Some(ty.elem_type)),
            _ => (info.name.as_str(), None),
        }));
        Types { own, around }
    }

    fn get(&self, name: &str) -> Option<i32> {
        match self.own.get(name) {
            Some(ty) => *ty,
            None => self.around?.get(name),
        }
    }
}

/// The nodes of a graph, and the element types that it declares of what they compute.
fn nodes_of<'a>(
    graph: &'a GraphProto,
    opset: Option<i64>,
    functions: &HashSet<Key>,
    mut types: Types<'a>,
    depth: usize,
    found: &mut Vec<Error>,
) {
    nodes(&graph.node, opset, functions, &mut types, depth, found);
    let outputs = graph.output.iter().map(|info| ("output", info));
    for (what, info) in outputs.chain(graph.value_info.iter().map(|info| ("value", info))) {
        let Some(actual) = types.get(&info.name) else { continue };
        let ty = match info.r#type.as_ref().and_then(|ty| ty.value.as_ref()) {
            Some(type_proto::Value::TensorType(ty)) => ty,
            None => continue,
            Some(other) => {
                let wrong = format!("declared as {}, but is a tensor of {}", kind(other), type_name(actual));
                found.push(Error::damaged(wrong).at(format!("{what} {}", printable(&info.name))));
                continue;
            }
        };
        if actual != ty.elem_type && ty.elem_type != 0 {
            let wrong = format!("declared as {}, but is {}", type_name(ty.elem_type), type_name(actual));
            found.push(Error::damaged(wrong).at(format!("{what} {}", printable(&info.name))));
        }
    }
}

/// What a declared type is.
fn kind(declared: &type_proto::Value) -> &'static str {
    match declared {
        type_proto::Value::TensorType(_) => "a tensor",
        type_proto::Value::SequenceType(_) => "a sequence",
        type_proto::Value::MapType(_) => "a map",
        type_proto::Value::OptionalType(_) => "an optional value",
        type_proto::Value::SparseTensorType(_) => "a sparse tensor",
        type_proto::Value::OpaqueType(_) => "an opaque value",
    }
}

fn nodes<'a>(
    list: &'a [NodeProto],
    opset: Option<i64>,
    functions: &HashSet<Key>,
    types: &mut Types<'a>,
    depth: usize,
    found: &mut Vec<Error>,
) {
    for (index, proto) in list.iter().enumerate().filter(|_| depth < DEEPEST) {
        let before = found.len();
        let is_function = functions.contains(&callee(proto));
        if let Some(opset) = opset.filter(|_| canonical_domain(&proto.domain).is_empty() && !is_function) {
            found.extend(node(proto, opset));
            if let Some(schema) = OperatorSchema::of(&proto.op_type, opset) {
                found.extend(schema.wrong_types(proto, &|name| types.get(name)).into_iter().map(Error::dtype));
                for (name, element_type) in schema.result_types(proto, types) {
                    if types.get(name).is_none() {
                        types.own.insert(name, Some(element_type));
                    }
                }
            }
        }
        for attribute in &proto.attribute {
            for graph in attribute.g.as_deref().into_iter().chain(&attribute.graphs) {
                nodes_of(graph, opset, functions, Types::of(graph, [].into_iter(), Some(types)), depth + 1, found);
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
        return vec![Error::new(ErrorCode::UnknownOperators, format!("ONNX has no operator {operator} in opset {opset}"))];
    };
    let mut wrong = Vec::new();
    if schema.is_deprecated {
        return vec![Error::unsupported(format!("{operator} is deprecated since opset {}", schema.since))];
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
    wrong.extend(broken_rules(proto, schema.since));
    wrong.into_iter().map(Error::damaged).collect()
}

/// What the operands and results of a node are that its schema does not allow, given the element types of values as far as they are known.
pub(crate) fn wrong_types(proto: &NodeProto, opset: i64, element_type: &dyn Fn(&str) -> Option<i32>) -> Vec<Error> {
    let schema = OperatorSchema::of(&proto.op_type, opset).filter(|_| canonical_domain(&proto.domain).is_empty());
    schema.map(|schema| schema.wrong_types(proto, element_type)).unwrap_or_default().into_iter().map(Error::dtype).collect()
}

/// Refuses nodes of a graph to be written that ONNX's schemas do not allow, in the graphs inside them too.
///
/// # Errors
/// [`Unsupported`](crate::ErrorCode::Unsupported): the opset lacks the operator, an attribute or a type.
pub(super) fn check_written(list: &[NodeProto], opset: i64, element_type: &dyn Fn(&str) -> Option<i32>) -> Result<()> {
    for (index, proto) in list.iter().enumerate().filter(|(_, proto)| canonical_domain(&proto.domain).is_empty()) {
        let wrong = node(proto, opset).into_iter().chain(wrong_types(proto, opset, element_type)).next();
        if let Some(wrong) = wrong {
            let first = wrong.message().to_string();
            return Err(Error::unsupported(format!("ONNX cannot express this in opset {opset}: {first}")).at(node_location(proto, index)));
        }
        for graph in proto.attribute.iter().filter_map(|attribute| attribute.g.as_deref()) {
            check_written(&graph.node, opset, element_type)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::onnx::proto::AttributeProto;
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
    fn values_of_one_type_variable_have_one_type() {
        let types = |name: &str| match name {
            "f" => Some(1),
            "d" => Some(11),
            "n" => Some(7),
            "s" => Some(8),
            _ => None,
        };
        let wrong = |op: &str, inputs: &[&str], outputs: &[&str]| -> Vec<String> {
            wrong_types(&node(op, inputs, outputs), 18, &types).iter().map(ToString::to_string).collect()
        };
        assert_eq!(wrong("Add", &["f", "f"], &["f"]), Vec::<String>::new());
        assert!(wrong("Add", &["f", "d"], &["f"])[0].contains("Add has one type for input 0 and input 1, but they are f32 and f64"));
        assert!(wrong("Relu", &["f"], &["d"])[0].contains("one type for input 0 and output 0"));
        assert!(wrong("ArgMax", &["f"], &["f"])[0].contains("does not give f32 as output 0"));
        assert!(wrong("Concat", &["f", "f", "n"], &["f"])[0].contains("input 0 and input 2"));
        assert!(wrong("MaxPool", &["n"], &["n"])[0].contains("MaxPool (version 12) does not take i64 as input 0"));
        assert!(wrong("Mean", &["f", "", "f"], &["f"])[0].contains("Mean needs input 1"));
        assert!(wrong("Clip", &["", "f"], &["f"])[0].contains("Clip needs input 0"));
        assert_eq!(wrong("Clip", &["f", "", "f"], &["f"]), Vec::<String>::new());
        assert_eq!(wrong("Loop", &["n", "", "f", "d"], &["f", "d"]), Vec::<String>::new(), "states have types of their own");
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
        let two = |first: NodeProto, second: NodeProto| after(|graph| graph.node.extend([first, second])).join("; ");
        assert!(two(node("Shape", &["x"], &["s"]), node("Sqrt", &["s"], &["r"])).contains("Sqrt (version 13) does not take i64"));
        assert!(two(node("Neg", &["x"], &["n"]), node("Not", &["n"], &["r"])).contains("Not (version 1) does not take f32 as input 0"));
        let declared_as = |number| {
            let mut model = sample::branches();
            let graph = model.proto.graph.as_mut().unwrap();
            let cast = NodeProto { attribute: vec![int("to", 7)], ..node("Cast", &["x"], &["c"]) };
            graph.node.extend([node("Relu", &["x"], &["r"]), cast]);
            graph.output.push(sample::value("r", number, &[]));
            graph.value_info.push(sample::value("c", number, &[]));
            check_schemas(&model).iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        let map = after(|graph| {
            let ty = type_proto::Map { key_type: 7, value_type: sample::value("", 1, &[]).r#type.map(Box::new) };
            let ty = crate::onnx::proto::TypeProto { value: Some(type_proto::Value::MapType(Box::new(ty))), ..Default::default() };
            graph.node.push(node("Relu", &["x"], &["r"]));
            graph.output.push(crate::onnx::proto::ValueInfoProto { name: "r".into(), r#type: Some(ty), ..Default::default() });
        });
        assert_eq!(map, ["output r: declared as a map, but is a tensor of f32"]);
        assert_eq!(declared_as(1), ["value c: declared as f32, but is i64"]);
        assert_eq!(declared_as(7), ["output r: declared as i64, but is f32"]);
        let version_3 = |is_input: bool| {
            let mut model = sample::branches();
            model.proto.ir_version = 3;
            let graph = model.proto.graph.as_mut().unwrap();
            graph.input.extend(model.initializers.iter().filter(|_| is_input).map(|(name, _)| sample::value(name, 1, &[])));
            check_schemas(&model).iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
        };
        assert!(version_3(false).contains("is no input of the graph, which IR version 3 demands"), "{}", version_3(false));
        assert_eq!(version_3(true), "");
        assert!(added(node("Frobnicate", &["x"], &["r"])).contains("ONNX has no operator Frobnicate in opset 17"));
    }
}
