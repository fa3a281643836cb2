//! Structural validation of a model: all that can be checked without the semantics of operators, before anything runs.

use super::function_calls;
use super::names::{canonical_domain, node_location, printable};
use super::proto::attribute_proto::AttributeType;
use super::proto::tensor_proto::DataType;
use super::proto::{
    AttributeProto, FunctionProto, GraphProto, NodeProto, OperatorSetIdProto, TensorProto, TensorShapeProto, TypeProto, ValueInfoProto,
    Version, tensor_shape_proto, type_proto,
};
use super::{Model, tensor};
use crate::array::Array;
use crate::error::{Error, ErrorCode, Result};
use std::collections::{HashMap, HashSet};

/// The oldest revision of the format that says which operator set a model means.
pub const OLDEST_IR: i64 = Version::IrVersion2017113 as i64;

/// The newest revision of the format that there is.
pub const NEWEST_IR: i64 = Version::IrVersion as i64;

/// The newest version of ONNX's own operator set that there is.
pub const NEWEST_OPSET: i64 = 28;

/// The longest axis and the most elements that a declared shape may have.
const LONGEST_AXIS: i64 = i32::MAX as i64;
const MOST_ELEMENTS: i64 = 1 << 40;

/// Findings reported before the rest is only counted.
const MOST_FINDINGS: usize = 100;

/// Subgraphs inside each other.
const MOST_NESTED: usize = 32;

/// What [`verify`] found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    /// Why the model must not run; at most a hundred.
    pub errors: Vec<Error>,
    /// Warnings: deviations from the standard that are not ambiguous.
    pub warnings: Vec<Error>,
    /// Findings beyond the hundred.
    pub more: usize,
}

impl Findings {
    /// The first error, which says how many others there are.
    ///
    /// # Errors
    /// The first error.
    pub fn into_result(self) -> Result<()> {
        let others = (self.errors.len() + self.more).saturating_sub(1);
        match self.errors.into_iter().next() {
            None => Ok(()),
            Some(first) if others == 0 => Err(first),
            Some(first) => Err(first.help(format!("{others} more findings like this"))),
        }
    }
}

/// Checks a model's structure: versions and operator sets, names, single assignment, order, scopes, attributes,
/// tensors, declared types, functions. What operators mean (axes, kernels, dtypes) is left to those who know them.
///
/// Source: <https://onnx.ai/onnx/repo-docs/IR.html>.
pub fn verify(model: &Model) -> Findings {
    let mut check = Check::default();
    check.model(model);
    check.findings
}

/// A step on the way to what is looked at; spelled out only where something is found.
#[derive(Clone, Copy)]
enum PathStep<'a> {
    Node(&'a NodeProto, usize),
    Named(&'static str, &'a str),
}

/// The names that a graph makes visible, to be taken back behind it; `None` where all names are.
#[derive(Default)]
struct Own<'a>(Option<Vec<&'a str>>);

impl<'a> Own<'a> {
    fn add(&mut self, name: &'a str) {
        self.0.iter_mut().for_each(|names| names.push(name));
    }
}

#[derive(Default)]
struct Check<'a> {
    findings: Findings,
    path: Vec<PathStep<'a>>,
    /// The names that can be seen from here.
    visible: HashSet<&'a str>,
    functions: HashSet<function_calls::Key<'a>>,
    imports: HashMap<&'a str, i64>,
    /// The domains that the model imports.
    domains: HashSet<&'a str>,
    /// The attributes of the function whose body this is.
    parameters: Option<HashSet<&'a str>>,
    nested: usize,
}

impl<'a> Check<'a> {
    fn locate(&self, mut error: Error) -> Error {
        for step in self.path.iter().rev() {
            error = match step {
                PathStep::Node(proto, index) => error.at(node_location(proto, *index)),
                PathStep::Named(what, "") => error.at(what),
                PathStep::Named(what, name) => error.at(format!("{what} {}", printable(name))),
            };
        }
        error
    }

    fn report(&mut self, error: Error) {
        if self.findings.errors.len() < MOST_FINDINGS {
            let error = self.locate(error);
            self.findings.errors.push(error);
        } else {
            self.findings.more += 1;
        }
    }

    fn damaged(&mut self, what: impl Into<String>) {
        self.report(Error::damaged(what));
    }

    fn warn(&mut self, what: impl Into<String>) {
        if self.findings.warnings.len() < MOST_FINDINGS {
            let warning = self.locate(Error::damaged(what));
            self.findings.warnings.push(warning);
        } else {
            self.findings.more += 1;
        }
    }

    /// Runs a check one step further in.
    fn within(&mut self, step: PathStep<'a>, check: impl FnOnce(&mut Self)) {
        self.path.push(step);
        check(self);
        self.path.pop();
    }

    fn model(&mut self, model: &'a Model) {
        let version = model.proto.ir_version;
        if version > NEWEST_IR {
            self.report(Error::new(ErrorCode::TooNew, format!("IR version {version}; the newest known is {NEWEST_IR}")));
        } else if version < OLDEST_IR {
            self.report(Error::unsupported(format!("IR version {version}; the oldest that is read is {OLDEST_IR}")));
        }
        for function in &model.proto.functions {
            if !self.functions.insert(function_calls::key(function)) {
                self.damaged(format!("duplicate function {}", printable(&function.name)));
            }
        }
        if model.proto.opset_import.is_empty() {
            self.damaged("no operator set is imported");
        }
        self.imports = self.imported(&model.proto.opset_import);
        self.domains = self.imports.keys().copied().collect();
        match &model.proto.graph {
            Some(graph) => self.graph(graph, &model.initializers, true),
            None => self.damaged("the model has no graph"),
        }
        for function in &model.proto.functions {
            self.within(PathStep::Named("function", &function.name), |check| check.function(function));
        }
        if let Err(error) = function_calls::check(&model.proto) {
            self.report(error);
        }
        if !model.proto.training_info.is_empty() {
            self.warn("training graphs are not checked");
        }
    }

    fn imported(&mut self, imports: &'a [OperatorSetIdProto]) -> HashMap<&'a str, i64> {
        let mut known = HashMap::new();
        for import in imports {
            let (domain, version) = (canonical_domain(&import.domain), import.version);
            let title = if domain.is_empty() { "ONNX".into() } else { printable(domain) };
            self.name("operator set", domain);
            // ONNX's checker and its runtimes hold versions in 32 bits.
            if version < 1 || !domain.is_empty() && i32::try_from(version).is_err() {
                self.damaged(format!("invalid version {version} of operator set {title}"));
            } else if domain.is_empty() && version > NEWEST_OPSET {
                self.report(Error::new(ErrorCode::TooNew, format!("operator set {version}; the newest known is {NEWEST_OPSET}")));
            }
            match known.insert(domain, version) {
                Some(other) if other != version => self.damaged(format!("operator set {title} both in version {other} and {version}")),
                Some(_) => self.warn(format!("operator set {title} is imported twice")),
                None => {}
            }
        }
        known
    }

    /// Names are printed and passed on, so none may hold what a terminal or a C string takes for something else.
    fn name(&mut self, what: &str, name: &str) {
        if name.contains(char::is_control) {
            self.damaged(format!("{what} {} holds a control character", printable(name)));
        }
    }

    /// Makes a name visible; noted in `own` so that it can be taken back.
    fn define(&mut self, what: &str, name: &'a str, own: &mut Own<'a>) {
        self.name(what, name);
        match self.visible.insert(name) {
            true => own.add(name),
            false => self.damaged(format!("{what} {} is defined twice", printable(name))),
        }
    }

    /// Makes a name of a nested graph visible, which may hide one around it: an input or an initializer, but not the output of a node.
    fn shadow(&mut self, what: &str, name: &'a str, own: &mut Own<'a>) {
        self.name(what, name);
        if self.visible.insert(name) {
            own.add(name);
        }
    }

    fn graph(&mut self, graph: &'a GraphProto, initializers: &'a [(String, Array)], outermost: bool) {
        self.name("graph", &graph.name);
        let mut own = Own((!outermost).then(Vec::new));
        if outermost {
            // At once: a table that grows takes half as much again.
            self.visible.reserve(initializers.len() + graph.input.len() + graph.node.iter().map(|node| node.output.len()).sum::<usize>());
        }
        let mut inputs = HashSet::new();
        for input in &graph.input {
            if input.name.is_empty() {
                self.damaged("an input without a name");
                continue;
            }
            if outermost && input.r#type.as_ref().is_none_or(|ty| ty.value.is_none()) {
                self.damaged(format!("input {} without a type", printable(&input.name)));
            }
            match inputs.insert(&input.name[..]) {
                true if outermost => self.define("input", &input.name, &mut own),
                true => self.shadow("input", &input.name, &mut own),
                false => self.damaged(format!("input {} is defined twice", printable(&input.name))),
            }
            self.declared("input", input);
        }

        // An initializer of an input's name is that input's default.
        let names = initializers.iter().map(|initializer| &initializer.0[..]);
        let names = names.chain(graph.initializer.iter().map(|tensor| &tensor.name[..]));
        let sparse = graph.sparse_initializer.iter().filter_map(|sparse| Some(&sparse.values.as_ref()?.name[..]));
        let mut defaults = HashSet::new();
        for name in names.chain(sparse) {
            if name.is_empty() {
                self.damaged("an initializer without a name");
            } else if inputs.contains(name) {
                if !defaults.insert(name) {
                    self.damaged(format!("initializer {} is defined twice", printable(name)));
                }
            } else if outermost {
                self.define("initializer", name, &mut own);
            } else if defaults.insert(name) {
                self.shadow("initializer", name, &mut own);
            } else {
                self.damaged(format!("initializer {} is defined twice", printable(name)));
            }
        }
        for tensor in &graph.initializer {
            self.within(PathStep::Named("initializer", &tensor.name), |check| check.tensor(tensor));
        }
        for sparse in &graph.sparse_initializer {
            self.sparse(tensor::check_sparse(sparse));
        }

        for value in &graph.value_info {
            self.name("value", &value.name);
            self.declared("value", value);
        }
        self.nodes(&graph.node, &mut own);
        if outermost && graph.output.is_empty() {
            self.damaged("the graph has no outputs");
        }
        let mut outputs = HashSet::new();
        for output in &graph.output {
            if outermost && !outputs.insert(&output.name[..]) {
                self.damaged(format!("output {} is listed twice", printable(&output.name)));
            }
            self.declared("output", output);
            self.made("output", &output.name);
        }
        match own.0 {
            Some(own) => own.into_iter().for_each(|name| {
                self.visible.remove(name);
            }),
            None => self.visible = HashSet::new(),
        }
    }

    /// An output that somebody has to make.
    fn made(&mut self, what: &str, name: &str) {
        if !self.visible.contains(name) {
            self.damaged(format!("{what} {} is not produced by a node, input or initializer", printable(name)));
        }
    }

    fn function(&mut self, function: &'a FunctionProto) {
        let outside = std::mem::take(&mut self.visible);
        let imports = self.imported(&function.opset_import);
        let imports = std::mem::replace(&mut self.imports, imports);
        let mut own = Own::default();
        if function.name.is_empty() {
            self.damaged("a function without a name");
        }
        for input in &function.input {
            self.define("input", input, &mut own);
        }
        let defaults = function.attribute_proto.iter().map(|attribute| &attribute.name);
        let mut parameters = HashSet::new();
        for name in function.attribute.iter().chain(defaults) {
            self.name("attribute", name);
            if name.is_empty() || !parameters.insert(&name[..]) {
                self.damaged(format!("attribute {} has no name or occurs twice", printable(name)));
            }
        }
        for attribute in &function.attribute_proto {
            self.within(PathStep::Named("attribute", &attribute.name), |check| check.attribute(attribute));
        }
        self.parameters = Some(parameters);
        self.nodes(&function.node, &mut own);
        for output in &function.output {
            self.made("output", output);
        }
        self.parameters = None;
        self.imports = imports;
        self.visible = outside;
    }

    fn nodes(&mut self, nodes: &'a [NodeProto], own: &mut Own<'a>) {
        let mut names = HashSet::new();
        for (index, node) in nodes.iter().enumerate() {
            self.within(PathStep::Node(node, index), |check| {
                if !node.name.is_empty() && !names.insert(&node.name[..]) {
                    check.warn("duplicate node name");
                }
                check.node(node, &nodes[index..], own);
            });
        }
    }

    fn node(&mut self, node: &'a NodeProto, rest: &'a [NodeProto], own: &mut Own<'a>) {
        for (what, name) in [("name", &node.name), ("operator", &node.op_type), ("domain", &node.domain), ("overload", &node.overload)] {
            self.name(what, name);
        }
        let domain = canonical_domain(&node.domain);
        if node.op_type.is_empty() {
            self.damaged("node without an op_type");
        } else if !self.imports.contains_key(domain) && !self.is_call_inside_a_function(node) {
            let domain = if domain.is_empty() { "ONNX's own operator set".into() } else { format!("operator set {}", printable(domain)) };
            self.damaged(format!("{domain} is not in opset_import"));
        }
        for input in node.input.iter().filter(|input| !input.is_empty() && !self.visible.contains(&input[..])).collect::<Vec<_>>() {
            let later = self.findings.errors.len() < MOST_FINDINGS && rest.iter().any(|node| node.output.contains(input));
            let what = if later {
                "is used before it is produced: the nodes are not topologically sorted"
            } else {
                "is not produced by a node, input or initializer"
            };
            self.damaged(format!("input {} {what}", printable(input)));
        }
        let mut names = HashSet::new();
        for attribute in &node.attribute {
            self.within(PathStep::Named("attribute", &attribute.name), |check| {
                if attribute.name.is_empty() || !names.insert(&attribute.name[..]) {
                    check.damaged("an attribute has no name or occurs twice");
                }
                check.attribute(attribute);
            });
        }
        for output in node.output.iter().filter(|output| !output.is_empty()) {
            self.define("output", output, own);
        }
    }

    /// Whether a node calls a function of the model inside another one: ONNX's checker looks for its domain among the model's imports too.
    fn is_call_inside_a_function(&self, node: &NodeProto) -> bool {
        let is_known = self.functions.contains(&function_calls::callee(node)) && self.domains.contains(canonical_domain(&node.domain));
        self.parameters.is_some() && is_known
    }

    fn attribute(&mut self, attribute: &'a AttributeProto) {
        self.name("attribute", &attribute.name);
        if !attribute.ref_attr_name.is_empty() {
            match &self.parameters {
                None => self.damaged("a reference to a function's attribute outside a function"),
                Some(known) if !known.contains(&attribute.ref_attr_name[..]) => {
                    self.damaged(format!(
                        "a reference to attribute {}, which the function does not declare",
                        printable(&attribute.ref_attr_name)
                    ));
                }
                Some(_) => {}
            }
        }
        let kind = match AttributeType::try_from(attribute.r#type) {
            Ok(AttributeType::Undefined) | Err(_) => return self.damaged(format!("type {}", attribute.r#type)),
            Ok(kind) => kind,
        };
        for (field, filled) in filled(attribute) {
            if filled && field != kind {
                self.damaged(format!("{} holds {}", kind.as_str_name(), field.as_str_name()));
            }
            // An absent number is zero and an absent list is empty, but there is no absent graph.
            let message =
                matches!(kind, AttributeType::Tensor | AttributeType::Graph | AttributeType::SparseTensor | AttributeType::TypeProto);
            if !filled && field == kind && message && attribute.ref_attr_name.is_empty() {
                self.damaged(format!("{} has no value", kind.as_str_name()));
            }
        }
        for tensor in attribute.t.as_deref().into_iter().chain(&attribute.tensors) {
            self.tensor(tensor);
        }
        for sparse in attribute.sparse_tensor.as_deref().into_iter().chain(&attribute.sparse_tensors) {
            self.sparse(tensor::check_sparse(sparse));
        }
        for kind in attribute.tp.as_deref().into_iter().chain(&attribute.type_protos) {
            self.kind(kind, 0);
        }
        for graph in attribute.g.as_deref().into_iter().chain(&attribute.graphs) {
            if self.nested == MOST_NESTED {
                self.report(Error::too_deep(format!("graphs nested over {MOST_NESTED} deep")));
                continue;
            }
            self.nested += 1;
            self.graph(graph, &[], false);
            self.nested -= 1;
        }
    }

    /// Reads a tensor for its errors; types that we have no array for are well formed all the same.
    fn tensor(&mut self, tensor: &TensorProto) {
        self.sparse(tensor::array(tensor).map(drop));
    }

    fn sparse(&mut self, read: Result<()>) {
        if let Err(error) = read
            && error.code() != ErrorCode::Unsupported
        {
            self.report(error);
        }
    }

    fn declared(&mut self, what: &'static str, value: &'a ValueInfoProto) {
        if let Some(kind) = &value.r#type {
            self.within(PathStep::Named(what, &value.name), |check| check.kind(kind, 0));
        }
    }

    fn kind(&mut self, kind: &TypeProto, nested: usize) {
        use type_proto::Value;
        if nested == MOST_NESTED {
            return self.report(Error::too_deep("a type nested too deeply"));
        }
        let inner = match &kind.value {
            // As good as none: exporters leave it where they do not know the type.
            None => return,
            Some(Value::TensorType(kind)) => {
                self.elements(kind.elem_type);
                return self.shape(kind.shape.as_ref());
            }
            Some(Value::SparseTensorType(kind)) => {
                self.elements(kind.elem_type);
                return self.shape(kind.shape.as_ref());
            }
            Some(Value::OpaqueType(_)) => return,
            Some(Value::MapType(kind)) => {
                self.elements(kind.key_type);
                &kind.value_type
            }
            Some(Value::SequenceType(kind)) => &kind.elem_type,
            Some(Value::OptionalType(kind)) => &kind.elem_type,
        };
        match inner {
            Some(inner) => self.kind(inner, nested + 1),
            None => self.damaged("a container without an element type"),
        }
    }

    fn elements(&mut self, data_type: i32) {
        if matches!(DataType::try_from(data_type), Ok(DataType::Undefined) | Err(_)) {
            self.damaged(format!("{data_type} is not an ONNX element type"));
        }
    }

    fn shape(&mut self, shape: Option<&TensorShapeProto>) {
        use tensor_shape_proto::dimension::Value;
        let mut elements = 1i64;
        for dim in shape.iter().flat_map(|shape| &shape.dim) {
            match &dim.value {
                // Unknown, as in ONNX Runtime: old exporters write −1.
                Some(Value::DimValue(n)) if *n < 0 => {}
                Some(Value::DimValue(n)) if *n > LONGEST_AXIS => self.report(Error::too_big(format!("an axis of size {n}"))),
                Some(Value::DimValue(n)) => elements = elements.saturating_mul((*n).max(1)),
                Some(Value::DimParam(symbol)) => self.name("dimension", symbol),
                None => {}
            }
        }
        if elements > MOST_ELEMENTS {
            self.report(Error::too_big(format!("a shape of over {MOST_ELEMENTS} elements")));
        }
    }
}

/// Which fields of an attribute hold something, by the type that they are for.
fn filled(attribute: &AttributeProto) -> [(AttributeType, bool); 14] {
    [
        (AttributeType::Float, attribute.f.to_bits() != 0),
        (AttributeType::Int, attribute.i != 0),
        (AttributeType::String, !attribute.s.is_empty()),
        (AttributeType::Tensor, attribute.t.is_some()),
        (AttributeType::Graph, attribute.g.is_some()),
        (AttributeType::SparseTensor, attribute.sparse_tensor.is_some()),
        (AttributeType::TypeProto, attribute.tp.is_some()),
        (AttributeType::Floats, !attribute.floats.is_empty()),
        (AttributeType::Ints, !attribute.ints.is_empty()),
        (AttributeType::Strings, !attribute.strings.is_empty()),
        (AttributeType::Tensors, !attribute.tensors.is_empty()),
        (AttributeType::Graphs, !attribute.graphs.is_empty()),
        (AttributeType::SparseTensors, !attribute.sparse_tensors.is_empty()),
        (AttributeType::TypeProtos, !attribute.type_protos.is_empty()),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::onnx::proto::*;
    use crate::onnx::sample::{self, body, branch, int, node, value};

    /// The findings after a change to a good model.
    fn after(change: impl FnOnce(&mut Model, &mut GraphProto)) -> Findings {
        let mut model = sample::branches();
        let mut graph = model.proto.graph.take().unwrap();
        change(&mut model, &mut graph);
        model.proto.graph = Some(graph);
        verify(&model)
    }

    fn tensor_attribute(t: TensorProto) -> AttributeProto {
        AttributeProto { name: "value".into(), r#type: AttributeType::Tensor as i32, t: Some(Box::new(t)), ..Default::default() }
    }

    #[test]
    fn a_good_model_is_good() {
        assert_eq!(after(|_, _| {}), Findings::default());
    }

    type Change = fn(&mut Model, &mut GraphProto);

    /// One row a wrong: what is changed, the code, and a part of what is said.
    const WRONGS: &[(Change, ErrorCode, &str)] = &[
        (|m, _| m.proto.ir_version = 99, ErrorCode::TooNew, "IR version 99"),
        (|m, _| m.proto.ir_version = 2, ErrorCode::Unsupported, "IR version 2"),
        (|m, _| m.proto.opset_import[0].version = 999, ErrorCode::TooNew, "operator set 999"),
        (|m, _| m.proto.opset_import[0].version = 0, ErrorCode::Damaged, "version 0"),
        (
            |m, _| m.proto.opset_import.push(OperatorSetIdProto { domain: "mine".into(), version: 1 << 53 }),
            ErrorCode::Damaged,
            "invalid version 9007199254740992 of operator set mine",
        ),
        (|m, _| m.proto.opset_import.clear(), ErrorCode::Damaged, "no operator set"),
        (
            |m, _| m.proto.opset_import.push(OperatorSetIdProto { domain: "ai.onnx".into(), version: 11 }),
            ErrorCode::Damaged,
            "both in version 17 and 11",
        ),
        (|_, g| g.node[0].domain = "com.acme".into(), ErrorCode::Damaged, "node #0 (Gemm): operator set com.acme is not in opset_import"),
        (|_, g| g.output[0].name = "z".into(), ErrorCode::Damaged, "output z is not produced by a node, input or initializer"),
        (|_, g| g.output.clear(), ErrorCode::Damaged, "the graph has no outputs"),
        (|_, g| g.output.push(g.output[0].clone()), ErrorCode::Damaged, "is listed twice"),
        (|_, g| g.node.swap(0, 1), ErrorCode::Damaged, "input h is not produced by a node, input or initializer"),
        (
            |_, g| g.node.insert(0, node("Relu", &["h"], &["k"])),
            ErrorCode::Damaged,
            "node #0 (Relu): input h is used before it is produced",
        ),
        (
            |_, g| g.node.push(node("Relu", &["q"], &["r"])),
            ErrorCode::Damaged,
            "node #2 (Relu): input q is not produced by a node, input or initializer",
        ),
        (|_, g| g.node.push(node("Relu", &["x"], &["h"])), ErrorCode::Damaged, "output h is defined twice"),
        (|_, g| g.node.push(node("Relu", &["x"], &["weight"])), ErrorCode::Damaged, "output weight is defined twice"),
        (|_, g| g.node.push(node("Relu", &["x"], &["x"])), ErrorCode::Damaged, "output x is defined twice"),
        (|_, g| g.node.push(node("Relu", &["a"], &["r"])), ErrorCode::Damaged, "input a is not produced by a node, input or initializer"),
        (|_, g| g.node.push(node("", &["x"], &["r"])), ErrorCode::Damaged, "without an op_type"),
        (|_, g| g.input.push(value("x", 1, &[])), ErrorCode::Damaged, "input x is defined twice"),
        (|_, g| g.input[0].r#type = None, ErrorCode::Damaged, "input x without a type"),
        (|_, g| g.input.push(value("n", 0, &[])), ErrorCode::Damaged, "input n: 0 is not an ONNX element type"),
        (|_, g| g.input[0].r#type = Some(TypeProto::default()), ErrorCode::Damaged, "input x without a type"),
        (|_, g| g.input.push(value("n", 1, &["2147483648"])), ErrorCode::TooBig, "size 2147483648"),
        (|_, g| g.value_info.push(value("n", 1, &["2147483647", "2147483647", "9"])), ErrorCode::TooBig, "value n"),
        (|_, g| g.input.push(value("a\0b", 1, &[])), ErrorCode::Damaged, r#"input "a\0b" holds a control character"#),
        (|_, g| g.node[0].name = "\x1b[31m".into(), ErrorCode::Damaged, r#"node "\u{1b}[31m" (Gemm): name "\u{1b}[31m" holds"#),
        (|m, _| m.initializers.push(m.initializers[0].clone()), ErrorCode::Damaged, "initializer weight is defined twice"),
        (|m, _| m.initializers[0].0.clear(), ErrorCode::Damaged, "an initializer without a name"),
        (
            |_, g| g.node[0].attribute.push(int("transB", 0)),
            ErrorCode::Damaged,
            "attribute transB: an attribute has no name or occurs twice",
        ),
        (|_, g| g.node[0].attribute[0].r#type = 0, ErrorCode::Damaged, "attribute transB: type 0"),
        (|_, g| g.node[0].attribute[0].r#type = 77, ErrorCode::Damaged, "attribute transB: type 77"),
        (|_, g| g.node[0].attribute[0].floats.push(1.0), ErrorCode::Damaged, "INT holds FLOATS"),
        (|_, g| g.node[0].attribute[0].r#type = AttributeType::Graph as i32, ErrorCode::Damaged, "GRAPH has no value"),
        (|_, g| g.node[0].attribute[0].ref_attr_name = "x".into(), ErrorCode::Damaged, "outside a function"),
        (
            |_, g| {
                let short = TensorProto { data_type: 1, dims: vec![2], raw_data: vec![0; 9].into(), ..Default::default() };
                g.node[0].attribute.push(tensor_attribute(short))
            },
            ErrorCode::Damaged,
            "attribute value: 9 bytes in raw_data, expected 8 for f32[2]",
        ),
        (
            |_, g| {
                let inner = branch("then", "h", vec![node("Relu", &["x"], &["h"])], vec![]);
                g.node[1].attribute[0] = body("then_branch", inner)
            },
            ErrorCode::Damaged,
            "node choose (If): attribute then_branch: node #0 (Relu): output h is defined twice",
        ),
        (
            |_, g| g.node[1].attribute[0] = body("then_branch", branch("then", "nothing", vec![], vec![])),
            ErrorCode::Damaged,
            "attribute then_branch: output nothing is not produced by a node, input or initializer",
        ),
        (
            |m, _| m.proto.functions.push(FunctionProto { name: "f".into(), output: vec!["y".into()], ..Default::default() }),
            ErrorCode::Damaged,
            "function f: output y is not produced by a node, input or initializer",
        ),
    ];

    #[test]
    fn every_wrong_is_found_with_its_code_and_location() {
        for (i, (change, code, part)) in WRONGS.iter().enumerate() {
            let findings = after(change);
            let found = |error: &Error| error.code() == *code && error.to_string().contains(part);
            assert!(findings.errors.iter().any(found), "row {i} ({part}): {findings:?}");
        }
    }

    #[test]
    fn what_is_odd_but_clear_is_a_warning() {
        let findings = after(|_, g| {
            g.node[0].name = "choose".into();
        });
        assert_eq!((findings.errors.len(), findings.warnings.len()), (0, 1));
        let default = after(|_, g| g.input.push(value("weight", 1, &["2", "2"])));
        assert_eq!(default, Findings::default(), "an initializer may be an input's default");
        let unknown = after(|_, g| g.input.push(value("n", 1, &["-1"])));
        assert_eq!(unknown, Findings::default(), "a size below 0 is unknown");
        let duplicates = after(|_, g| g.node[1].attribute[1] = g.node[1].attribute[0].clone());
        assert_eq!(duplicates.errors.len(), 1, "branches may use the same names, attributes may not: {duplicates:?}");
    }

    #[test]
    fn an_input_of_a_body_may_hide_an_outer_name() {
        let hiding = |twice: bool| {
            after(|_, g| {
                let mut inner = branch("then", "k", vec![node("Relu", &["h"], &["k"])], vec![]);
                inner.input.extend(vec![value("h", 1, &["2"]); if twice { 2 } else { 1 }]);
                g.node[1].attribute[0] = body("then_branch", inner);
                g.node.push(node("Relu", &["h"], &["still_there"]));
            })
        };
        assert_eq!(hiding(false), Findings::default());
        assert!(hiding(true).errors[0].to_string().contains("input h is defined twice"));
    }

    #[test]
    fn a_thousand_wrongs_are_a_hundred_findings() {
        let findings = after(|_, g| g.node.extend((0..1000).map(|_| node("Relu", &["q"], &[""]))));
        assert_eq!((findings.errors.len(), findings.more), (100, 900));
        let error = findings.into_result().unwrap_err();
        assert_eq!(error.help_line(), Some("999 more findings like this"));
    }

    #[test]
    fn a_function_sees_nothing_but_its_inputs() {
        let refers = AttributeProto { ref_attr_name: "alpha".into(), r#type: 1, name: "alpha".into(), ..Default::default() };
        let function = FunctionProto {
            name: "Leaky".into(),
            domain: "mine".into(),
            input: vec!["v".into()],
            output: vec!["w".into()],
            attribute: vec!["alpha".into()],
            opset_import: vec![OperatorSetIdProto { domain: String::new(), version: 17 }],
            node: vec![NodeProto { attribute: vec![refers], ..node("LeakyRelu", &["v"], &["w"]) }],
            ..Default::default()
        };
        let with = |function: FunctionProto| after(|m, _| m.proto.functions.push(function));
        assert_eq!(with(function.clone()), Findings::default());
        let mut outside = function.clone();
        outside.node[0].input[0] = "x".into();
        assert!(with(outside).errors[0].to_string().contains("input x is not produced by a node, input or initializer"));
        let call = NodeProto { domain: "mine".into(), ..node("Leaky", &["x"], &["called"]) };
        let called = |imports: bool| {
            let import = OperatorSetIdProto { domain: "mine".into(), version: 1 };
            after(|m, g| {
                m.proto.functions.push(function.clone());
                m.proto.opset_import.extend(imports.then_some(import));
                g.node.push(call.clone());
            })
        };
        assert_eq!(called(true), Findings::default());
        assert!(called(false).errors[0].to_string().contains("operator set mine is not in opset_import"));
        let mut unknown = function;
        unknown.attribute.clear();
        assert!(with(unknown).errors[0].to_string().contains("a reference to attribute alpha, which the function does not declare"));
    }
}
