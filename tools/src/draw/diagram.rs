//! The graph of a model as blocks and edges: what pictures show.

use super::text::{shortened, visible};
use super::values::{Constants, Types, attribute_value};
use crate::console::{bytes, count};
use ontrace::onnx::proto::{AttributeProto, GraphProto, NodeProto, ValueInfoProto};
use ontrace::onnx::{LINE_KEY, Model, ModulePath, canonical_domain};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Graphs inside nodes, and calls of functions, below each other.
const DEEPEST: usize = 16;

/// The nodes of all calls of functions; beyond it a call is one block.
const MOST_NODES: usize = 100_000;

/// Characters of a row in a block.
const ROW: usize = 34;

/// What a block stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An input of the model.
    Input,
    /// An output of the model.
    Output,
    /// A node.
    Operator,
    /// A module with all of its nodes, or the function or inner graph of a node.
    Scope,
}

/// A value that a node takes or makes.
#[derive(Clone, Debug, Default)]
pub struct Operand {
    /// Its name.
    pub name: String,
    /// Its type, `f32[1,8]`; empty where it is not known.
    pub ty: String,
    /// For a constant, its index among the constants of the diagram.
    pub constant: Option<usize>,
}

/// A box of the picture.
#[derive(Clone, Debug)]
pub struct Block {
    /// What it stands for.
    pub kind: Kind,
    /// The operator with its domain where it is not ONNX's; for a scope, its last part.
    pub operator: String,
    /// The name of the node or value, or the path of the scope.
    pub name: String,
    /// The scopes it is in from the outermost, as their paths.
    pub scopes: Vec<String>,
    /// The line of the source; may be empty.
    pub line: String,
    /// Names and values.
    pub attributes: Vec<(String, String)>,
    /// What it takes.
    pub inputs: Vec<Operand>,
    /// What it makes.
    pub outputs: Vec<Operand>,
    /// The bytes of its constants.
    pub bytes: u64,
    /// How many nodes it stands for.
    pub operators: usize,
    /// Seconds that it takes, where they were measured.
    pub seconds: Option<f64>,
    /// How far it is from another model, in units of what rounding explains, where that was compared.
    pub difference: Option<f64>,
}

/// A value from one block to another.
#[derive(Clone, Debug)]
pub struct Edge {
    /// The index of the block that makes it.
    pub from: usize,
    /// The index of the block that takes it.
    pub to: usize,
    /// The name of the value.
    pub value: String,
    /// Its type; may be empty.
    pub ty: String,
}

/// Blocks in the order of the file, and what flows between them.
#[derive(Clone, Debug, Default)]
pub struct Diagram {
    /// Inputs, nodes, outputs.
    pub blocks: Vec<Block>,
    /// Each pair of blocks once for each value.
    pub edges: Vec<Edge>,
}

/// The header of a block and the rows below it.
pub struct Face {
    /// The operator.
    pub header: String,
    /// Its name, its constants, the type of its result.
    pub rows: Vec<String>,
}

impl Block {
    fn new(kind: Kind, operator: &str, name: &str) -> Block {
        Block {
            kind,
            operator: operator.to_string(),
            name: name.to_string(),
            scopes: Vec::new(),
            line: String::new(),
            attributes: Vec::new(),
            inputs: Vec::new(),
            outputs: Vec::new(),
            bytes: 0,
            operators: usize::from(kind == Kind::Operator),
            seconds: None,
            difference: None,
        }
    }

    /// A scope as one block, that of these blocks.
    pub fn scope(path: &str, outer: &[String], members: &[&Block]) -> Block {
        let label = path.rsplit(['.', '/']).next().filter(|label| !label.is_empty()).unwrap_or(path);
        // A number says little without what it counts: `layers.3`.
        let label = match path[..path.len() - label.len()].trim_end_matches(['.', '/']).rsplit(['.', '/']).next() {
            Some(before) if label.chars().all(|c| c.is_ascii_digit()) && !before.is_empty() => format!("{before}.{label}"),
            _ => label.to_string(),
        };
        let mut operators: BTreeMap<&str, usize> = BTreeMap::new();
        members.iter().for_each(|member| *operators.entry(&member.operator).or_default() += 1);
        let mut operators: Vec<(&str, usize)> = operators.into_iter().collect();
        operators.sort_by_key(|row| (std::cmp::Reverse(row.1), row.0));
        let list = operators.iter().map(|(operator, count)| format!("{operator} ×{count}")).collect::<Vec<_>>().join(", ");
        let seconds = members.iter().filter_map(|member| member.seconds).reduce(|a, b| a + b);
        let difference = members.iter().filter_map(|member| member.difference).reduce(f64::max);
        Block {
            scopes: outer.to_vec(),
            attributes: vec![("operators".to_string(), list)],
            bytes: members.iter().map(|member| member.bytes).sum(),
            operators: members.iter().map(|member| member.operators).sum(),
            seconds,
            difference,
            ..Block::new(Kind::Scope, &label, path)
        }
    }

    /// Whether its name says more than its operator.
    pub fn has_own_name(&self) -> bool {
        matches!(self.kind, Kind::Operator | Kind::Scope) && !self.name.is_empty() && self.name != self.operator
    }

    /// What the box says; text is visible and short.
    pub fn face(&self) -> Face {
        let short = |text: &str| shortened(&visible(text), ROW);
        let mut rows = Vec::new();
        match self.kind {
            Kind::Input | Kind::Output => {
                let ty = self.inputs.iter().chain(&self.outputs).map(|operand| &operand.ty).find(|ty| !ty.is_empty());
                rows.extend(ty.map(|ty| short(ty)));
                return Face { header: short(&self.name), rows };
            }
            Kind::Scope => {
                rows.extend(self.has_own_name().then(|| short(&self.name)));
                rows.push(count(self.operators, "operator"));
                rows.extend((self.bytes > 0).then(|| bytes(self.bytes)));
            }
            Kind::Operator => {
                rows.extend(self.has_own_name().then(|| short(&self.name)));
                let constants: Vec<&Operand> = self.inputs.iter().filter(|operand| operand.constant.is_some()).collect();
                for operand in constants.iter().take(2) {
                    let room = ROW.saturating_sub(operand.ty.chars().count() + 1).max(8);
                    let name = operand.name.rsplit(['.', '/']).next().unwrap_or(&operand.name);
                    rows.push(short(&format!("{} {}", shortened(&visible(name), room), operand.ty)));
                }
                rows.extend((constants.len() > 2).then(|| format!("and {}", count(constants.len() - 2, "constant"))));
                let made: Vec<&Operand> = self.outputs.iter().filter(|operand| !operand.name.is_empty()).collect();
                match made.as_slice() {
                    [one] if one.ty.is_empty() => {}
                    [one] => rows.push(short(&format!("→ {}", one.ty))),
                    many => rows.extend((!many.is_empty()).then(|| format!("→ {}", count(many.len(), "output")))),
                }
            }
        }
        Face { header: short(&self.operator), rows }
    }

    /// Everything that is known, a line each: the text that a viewer shows where the pointer is.
    pub fn description(&self) -> String {
        let mut lines = vec![format!("{} {}", self.operator, self.name).trim().to_string()];
        lines.extend(self.scopes.last().map(|scope| format!("in {scope}")));
        lines.extend((!self.line.is_empty()).then(|| format!("at {}", self.line)));
        lines.extend(self.attributes.iter().map(|(name, value)| format!("{name} = {value}")));
        for (sign, operands) in [("←", &self.inputs), ("→", &self.outputs)] {
            let named = operands.iter().filter(|operand| !operand.name.is_empty());
            lines.extend(named.map(|operand| format!("{sign} {} {}", operand.name, operand.ty).trim_end().to_string()));
        }
        lines.join("\n")
    }
}

impl Diagram {
    /// The graph of a model. Constants stand in the blocks that use them; the nodes of inner graphs and of functions are scopes of their own.
    pub fn of(model: &Model, types: &Types, constants: &mut Constants) -> Diagram {
        let functions = model.proto.functions.iter();
        let functions = functions.map(|function| ((canonical_domain(&function.domain), function.name.as_str()), function));
        let mut builder = Builder { diagram: Diagram::default(), types, constants, functions: functions.collect(), edges: BTreeSet::new() };
        let Some(graph) = &model.proto.graph else { return builder.diagram };
        let mut names = Names::default();
        for (name, _) in &model.initializers {
            names.bind(name, Origin::Constant(name.clone()));
        }
        for info in &graph.input {
            if !names.0.contains_key(&info.name) {
                let index = builder.input(info);
                names.bind(&info.name, Origin::Blocks(vec![index]));
            }
        }
        builder.graph(graph, &[], "", &mut names, 0);
        for info in &graph.output {
            let ty = builder.types.of(&info.name);
            let operand = builder.operand(&info.name, &names);
            let block = Block { inputs: vec![Operand { ty, ..operand }], ..Block::new(Kind::Output, "output", &info.name) };
            builder.add(block, &[&info.name], &names);
        }
        builder.diagram
    }

    /// The scopes with the blocks in them, in the order of the file.
    pub fn scopes(&self) -> Vec<(String, Vec<usize>)> {
        let mut index: HashMap<&str, usize> = HashMap::new();
        let mut scopes: Vec<(String, Vec<usize>)> = Vec::new();
        for (i, block) in self.blocks.iter().enumerate() {
            for scope in &block.scopes {
                let at = *index.entry(scope).or_insert(scopes.len());
                if at == scopes.len() {
                    scopes.push((scope.clone(), Vec::new()));
                }
                scopes[at].1.push(i);
            }
        }
        scopes
    }

    /// The number of nodes, those in scopes that are one block included.
    pub fn operators(&self) -> usize {
        self.blocks.iter().map(|block| block.operators).sum()
    }
}

/// Where a value comes from.
#[derive(Clone)]
enum Origin {
    Blocks(Vec<usize>),
    Constant(String),
}

/// The values that are visible in a graph.
#[derive(Clone, Default)]
struct Names(HashMap<String, Origin>);

impl Names {
    fn bind(&mut self, name: &str, origin: Origin) {
        self.0.insert(name.to_string(), origin);
    }

    /// The blocks that make a value.
    fn makers(&self, name: &str) -> &[usize] {
        match self.0.get(name) {
            Some(Origin::Blocks(blocks)) => blocks,
            _ => &[],
        }
    }
}

struct Builder<'a> {
    diagram: Diagram,
    types: &'a Types,
    constants: &'a mut Constants,
    functions: HashMap<(&'a str, &'a str), &'a ontrace::onnx::proto::FunctionProto>,
    edges: BTreeSet<(usize, usize, String)>,
}

impl Builder<'_> {
    fn input(&mut self, info: &ValueInfoProto) -> usize {
        let operand = Operand { name: info.name.clone(), ty: self.types.of(&info.name), constant: None };
        self.diagram.blocks.push(Block { outputs: vec![operand], ..Block::new(Kind::Input, "input", &info.name) });
        self.diagram.blocks.len() - 1
    }

    /// Adds a block with the edges of these values to it.
    fn add(&mut self, block: Block, values: &[&str], names: &Names) -> usize {
        let to = self.diagram.blocks.len();
        self.diagram.blocks.push(block);
        values.iter().for_each(|value| self.connect(value, to, names));
        to
    }

    fn connect(&mut self, value: &str, to: usize, names: &Names) {
        for &from in names.makers(value) {
            if self.edges.insert((from, to, value.to_string())) {
                self.diagram.edges.push(Edge { from, to, value: value.to_string(), ty: self.types.of(value) });
            }
        }
    }

    fn operand(&mut self, name: &str, names: &Names) -> Operand {
        let constant = match names.0.get(name) {
            Some(Origin::Constant(key)) => self.constants.find(key),
            _ => None,
        };
        let ty = constant.map_or_else(|| self.types.of(name), |index| self.constants.ty(index));
        Operand { name: name.to_string(), ty, constant }
    }

    /// The nodes of a graph or of the body of a function; `outer` are the scopes around them.
    fn graph(&mut self, graph: &GraphProto, outer: &[String], prefix: &str, names: &mut Names, depth: usize) {
        for initializer in &graph.initializer {
            let key = format!("{prefix}{}", initializer.name);
            self.constants.add_tensor(&key, initializer);
            names.bind(&initializer.name, Origin::Constant(key));
        }
        for sparse in graph.sparse_initializer.iter().filter_map(|sparse| sparse.values.as_ref()) {
            let key = format!("{prefix}{}", sparse.name);
            self.constants.add_tensor(&key, sparse);
            names.bind(&sparse.name, Origin::Constant(key));
        }
        self.nodes(&graph.node, outer, prefix, names, depth);
    }

    fn nodes(&mut self, nodes: &[NodeProto], outer: &[String], prefix: &str, names: &mut Names, depth: usize) {
        for node in nodes {
            if let Some(tensor) = constant_node(node) {
                let key = format!("{prefix}{}", node.output[0]);
                self.constants.add_tensor(&key, tensor);
                names.bind(&node.output[0], Origin::Constant(key));
                continue;
            }
            let function = self.functions.get(&(canonical_domain(&node.domain), node.op_type.as_str())).copied();
            match function {
                Some(function) if depth < DEEPEST && self.diagram.blocks.len() + function.node.len() < MOST_NODES => {
                    let scopes = scopes(node, outer);
                    let path = scopes.last().cloned().unwrap_or_else(|| below(outer, &called(node)));
                    let scopes = if scopes.len() > outer.len() { scopes } else { [outer, std::slice::from_ref(&path)].concat() };
                    let mut inner = Names::default();
                    for (parameter, argument) in function.input.iter().zip(&node.input) {
                        names.0.get(argument).cloned().into_iter().for_each(|origin| inner.bind(parameter, origin));
                    }
                    self.nodes(&function.node, &scopes, &format!("{prefix}{}/", called(node)), &mut inner, depth + 1);
                    for (result, output) in function.output.iter().zip(&node.output) {
                        inner.0.get(result).cloned().into_iter().for_each(|origin| names.bind(output, origin));
                    }
                }
                _ => self.node(node, outer, prefix, names, depth),
            }
        }
    }

    fn node(&mut self, node: &NodeProto, outer: &[String], prefix: &str, names: &mut Names, depth: usize) {
        let mut block = Block::new(Kind::Operator, &operator(node), &node.name);
        block.scopes = scopes(node, outer);
        block.line = metadata(node, LINE_KEY).or_else(|| metadata(node, "pkg.torch.onnx.stack_trace")).unwrap_or_default().to_string();
        let is_graph = |attribute: &&AttributeProto| attribute.g.is_some() || !attribute.graphs.is_empty();
        let plain = node.attribute.iter().filter(|attribute| !is_graph(attribute));
        block.attributes = plain.map(|attribute| (attribute.name.clone(), attribute_value(attribute))).collect();
        block.inputs = node.input.iter().map(|name| self.operand(name, names)).collect();
        let made = |name: &String| Operand { name: name.clone(), ty: self.types.of(name), constant: None };
        block.outputs = node.output.iter().map(made).collect();
        let unique: BTreeSet<usize> = block.inputs.iter().filter_map(|operand| operand.constant).collect();
        block.bytes = unique.into_iter().map(|index| self.constants.bytes(index)).sum();
        // The nodes of inner graphs come before the node, which takes their results.
        let mut results: Vec<(String, Names)> = Vec::new();
        for attribute in node.attribute.iter().filter(is_graph).filter(|_| depth < DEEPEST) {
            for graph in attribute.g.as_deref().into_iter().chain(&attribute.graphs) {
                let title = if node.name.is_empty() { node.output.first().unwrap_or(&node.op_type) } else { &node.name };
                let scope = format!("{}/{}", title, attribute.name);
                let scopes = [block.scopes.as_slice(), &[below(&block.scopes, &scope)]].concat();
                let mut inner = names.clone();
                // The inputs of a body are among those of its node, the last ones first: a loop has its count and condition before them.
                let skipped = if node.op_type == "Loop" { 0 } else { node.input.len().saturating_sub(graph.input.len()) };
                for (parameter, argument) in graph.input.iter().zip(node.input.iter().skip(skipped)) {
                    let origin = names.0.get(argument).cloned().unwrap_or(Origin::Blocks(Vec::new()));
                    inner.bind(&parameter.name, origin);
                }
                self.graph(graph, &scopes, &format!("{prefix}{scope}/"), &mut inner, depth + 1);
                results.extend(graph.output.iter().map(|info| (info.name.clone(), inner.clone())));
            }
        }
        let values: Vec<&str> = node.input.iter().map(String::as_str).filter(|name| !name.is_empty()).collect();
        let index = self.add(block, &values, names);
        for (result, inner) in &results {
            self.connect(result, index, inner);
        }
        for output in node.output.iter().filter(|output| !output.is_empty()) {
            names.bind(output, Origin::Blocks(vec![index]));
        }
    }
}

/// The tensor of a `Constant` node; strings, and numbers as attributes, are nodes like others.
fn constant_node(node: &NodeProto) -> Option<&ontrace::onnx::proto::TensorProto> {
    let is_constant = node.op_type == "Constant" && canonical_domain(&node.domain).is_empty() && node.output.len() == 1;
    node.attribute.iter().find(|attribute| is_constant && attribute.name == "value").and_then(|attribute| attribute.t.as_deref())
}

/// The operator with its domain where it is not ONNX's.
fn operator(node: &NodeProto) -> String {
    match canonical_domain(&node.domain) {
        "" => node.op_type.clone(),
        domain => format!("{domain}.{}", node.op_type),
    }
}

/// What a call is known by.
fn called(node: &NodeProto) -> String {
    if node.name.is_empty() { node.output.first().unwrap_or(&node.op_type).clone() } else { node.name.clone() }
}

fn metadata<'a>(node: &'a NodeProto, key: &str) -> Option<&'a str> {
    node.metadata_props.iter().find(|entry| entry.key == key).map(|entry| entry.value.as_str()).filter(|value| !value.is_empty())
}

/// The path of a scope inside others.
fn below(outer: &[String], scope: &str) -> String {
    outer.last().map_or_else(|| scope.to_string(), |outer| format!("{outer}/{scope}"))
}

/// The scopes of a node, from the outermost.
fn scopes(node: &NodeProto, outer: &[String]) -> Vec<String> {
    outer.iter().cloned().chain(ModulePath::of(node).enclosing().map(|path| below(outer, path))).collect()
}
