//! A builder of ONNX graphs: names, attributes, constants, and sizes that are computed once for each expression.

use super::model::Model;
use super::names::each_name;
use super::proto::attribute_proto::AttributeType;
use super::proto::{self, AttributeProto, FunctionProto, NodeProto, OperatorSetIdProto, StringStringEntryProto};
use super::schema::check_written;
use super::tensor;
use crate::array::{Array, DType, Scalar};
use crate::dim::{Dim, Expr, Step, Type};
use crate::error::{Error, Result};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

/// The name of a value in the graph; empty for an optional input that is absent.
pub type Name = Arc<str>;

/// Node metadata: the path of the module that a node belongs to.
pub const SCOPE_KEY: &str = "ontrace.scope";
/// Node metadata: the source location that a node comes from.
pub const LINE_KEY: &str = "ontrace.line";

/// Where what a symbol stands for is read in the graph.
#[derive(Clone)]
enum SymbolSource {
    /// The size of an axis of a value.
    Axis(Name, usize),
    /// The only element of an i64 vector.
    Element(Name),
}

/// A builder of an ONNX graph.
#[derive(Default)]
pub struct GraphBuilder {
    opset: i64,
    nodes: Vec<NodeProto>,
    initializers: Vec<(String, Array)>,
    /// The type of every value, in the order of their definition.
    types: Vec<(Name, Type)>,
    known: HashMap<Name, usize>,
    taken: HashSet<Name>,
    /// The next suffix of each name that was wanted and taken.
    suffixes: HashMap<String, usize>,
    /// Where what each symbol stands for is read.
    symbols: BTreeMap<Arc<str>, SymbolSource>,
    /// Sizes that the graph already computes, each a vector of one element.
    sizes: HashMap<Expr, Name>,
    /// Unnamed constants that are already in the graph, by dtype, shape and bytes.
    constants: HashMap<(DType, Vec<usize>, Vec<u8>), Name>,
    /// Initializers by the address of their data: a subgraph may use those of the graph around it.
    written: HashMap<usize, Vec<(Array, Name)>>,
    /// The functions that nodes of other domains call, and the versions of those domains.
    functions: Vec<FunctionProto>,
    imports: BTreeMap<String, i64>,
    scope: String,
    line: String,
    /// Whether random operators are written without their seeds.
    seedless: bool,
    /// Whether the types of values between inputs and outputs are left out.
    is_terse: bool,
}

impl GraphBuilder {
    /// A builder for this opset.
    pub fn new(opset: i64) -> GraphBuilder {
        GraphBuilder { opset, ..GraphBuilder::default() }
    }

    /// Writes random operators without their seeds: every runtime uses its own.
    pub fn without_seeds(self) -> GraphBuilder {
        GraphBuilder { seedless: true, ..self }
    }

    /// Leaves out the types of values between inputs and outputs, which only other programs need.
    pub(crate) fn without_inner_types(self) -> GraphBuilder {
        GraphBuilder { is_terse: true, ..self }
    }

    /// Makes room for so many further nodes.
    pub(crate) fn reserve_nodes(&mut self, nodes: usize) {
        self.nodes.reserve(nodes);
        self.types.reserve(nodes);
    }

    /// The opset that is being written.
    pub fn opset(&self) -> i64 {
        self.opset
    }

    /// Sets the scope and the source location of the nodes that follow.
    pub fn at(&mut self, scope: &str, line: &str) {
        self.scope = scope.to_string();
        self.line = line.to_string();
    }

    /// A unique name: this one, or this one with a number.
    pub fn fresh(&mut self, wanted: &str) -> Name {
        let wanted = if wanted.is_empty() { "value" } else { wanted };
        if !self.taken.contains(wanted) {
            let name = Name::from(wanted);
            self.taken.insert(name.clone());
            return name;
        }
        // Numbers go on where they ended, so that many nodes of one name take no longer than as many of different names.
        let next = self.suffixes.entry(wanted.to_string()).or_insert(1);
        loop {
            let name = Name::from(format!("{wanted}_{next}"));
            *next += 1;
            if self.taken.insert(name.clone()) {
                return name;
            }
        }
    }

    /// Reserves names for the outputs; they are given by [`GraphBuilder::finish`].
    pub fn reserve<'a>(&mut self, names: impl IntoIterator<Item = &'a str>) {
        self.taken.extend(names.into_iter().map(Name::from));
    }

    /// The size of a symbol is read where it is first the size of an axis: of an input, or of a node whose sizes depend on data.
    fn declare(&mut self, name: &Name, ty: Type) {
        for (axis, dim) in ty.shape.iter().enumerate().filter(|(_, dim)| dim.is_symbolic()) {
            if let Some(symbol) = dim.expr().as_symbol() {
                self.symbols.entry(symbol.clone()).or_insert(SymbolSource::Axis(name.clone(), axis));
            }
        }
        self.known.insert(name.clone(), self.types.len());
        self.types.push((name.clone(), ty));
    }

    /// Says that a symbol stands for the only element of an i64 vector from here on.
    pub fn bind(&mut self, symbol: &Arc<str>, name: &Name) {
        self.sizes.retain(|expr, _| !expr.symbols().contains(symbol));
        self.symbols.insert(symbol.clone(), SymbolSource::Element(name.clone()));
    }

    /// Declares an input of the graph.
    pub fn input(&mut self, wanted: &str, ty: &Type) -> Name {
        let name = self.fresh(wanted);
        self.declare(&name, ty.clone());
        name
    }

    /// The type of a value.
    ///
    /// # Errors
    /// [`Internal`](crate::ErrorCode::Internal) where the graph has no such value.
    pub fn ty(&self, name: &Name) -> Result<&Type> {
        let index = self.known.get(name).ok_or_else(|| Error::internal(format!("`{name}` is not a value of the ONNX graph")))?;
        Ok(&self.types[*index].1)
    }

    /// A named initializer: a parameter. The same view of the same bytes is written once.
    pub fn parameter(&mut self, wanted: &str, array: &Array) -> Name {
        let known = self.written.get(&array.address()).into_iter().flatten().find(|(other, _)| other.is_same(array));
        if let Some((_, name)) = known {
            return name.clone();
        }
        let name = self.fresh(wanted);
        self.written.entry(array.address()).or_default().push((array.clone(), name.clone()));
        self.initializers.push((name.to_string(), array.clone()));
        self.declare(&name, Type::from(array));
        name
    }

    /// An unnamed initializer; small equal ones are written once.
    pub fn constant(&mut self, array: &Array) -> Name {
        const SMALL: usize = 256;
        let bytes = (array.byte_len() <= SMALL).then(|| array.to_bytes().ok()).flatten();
        let key = bytes.map(|bytes| (array.dtype(), array.shape().to_vec(), bytes.to_vec()));
        if let Some(name) = key.as_ref().and_then(|key| self.constants.get(key)) {
            return name.clone();
        }
        let name = self.parameter("constant", array);
        if let Some(key) = key {
            self.constants.insert(key, name.clone());
        }
        name
    }

    /// A scalar constant of this dtype.
    pub fn number(&mut self, dtype: DType, number: impl Into<Scalar>) -> Name {
        let number = number.into();
        self.constant(&Array::full(dtype, &[], number))
    }

    /// Integers as a constant i64 vector: axes, pads, repeats.
    pub fn ints(&mut self, ints: &[i64]) -> Name {
        self.constant(&Array::vector(ints.to_vec()))
    }

    /// Sizes as an i64 vector, constant as far as they are fixed.
    ///
    /// # Errors
    /// [`Size`](crate::ErrorCode::Size) where a symbol belongs to no input.
    pub fn dims(&mut self, dims: &[Dim]) -> Result<Name> {
        let mut parts: Vec<Name> = Vec::new();
        let mut fixed: Vec<i64> = Vec::new();
        for dim in dims {
            match dim.fixed() {
                Some(n) => fixed.push(n),
                None => {
                    if !fixed.is_empty() {
                        parts.push(self.ints(&std::mem::take(&mut fixed)));
                    }
                    parts.push(self.size(&dim.expr())?);
                }
            }
        }
        if !fixed.is_empty() || parts.is_empty() {
            parts.push(self.ints(&fixed));
        }
        match parts.as_slice() {
            [one] => Ok(one.clone()),
            _ => self.node("Concat", &parts).int("axis", 0).write_one(Type::new(DType::I64, vec![Dim::from(dims.len())])),
        }
    }

    /// A size as an i64 vector of one element. Its nodes are outside the scope of any module, since all share it.
    fn size(&mut self, expr: &Expr) -> Result<Name> {
        if let Some(name) = self.sizes.get(expr) {
            return Ok(name.clone());
        }
        let one = || Type::new(DType::I64, vec![Dim::Fixed(1)]);
        let (scope, line) = (std::mem::take(&mut self.scope), std::mem::take(&mut self.line));
        let name = match expr.step() {
            Step::Number(n) => self.ints(&[n]),
            Step::Symbol(symbol) => {
                let (value, axis) = match self.symbols.get(&symbol).cloned() {
                    Some(SymbolSource::Axis(value, axis)) => (value, axis as i64),
                    Some(SymbolSource::Element(name)) => {
                        (self.scope, self.line) = (scope, line);
                        return Ok(name);
                    }
                    None => {
                        return Err(Error::size(format!("no value of the graph has an axis of size `{symbol}`"))
                            .help("one input axis must have this size by itself, not inside an expression"));
                    }
                };
                if self.opset < 15 {
                    // Shape had no attributes start and end yet.
                    let rank = Dim::from(self.ty(&value)?.rank());
                    let shape = self.node("Shape", &[value]).write_one(Type::new(DType::I64, vec![rank]))?;
                    let index = self.ints(&[axis]);
                    let name = self.node("Gather", &[shape, index]).int("axis", 0).write_one(one())?;
                    (self.scope, self.line) = (scope, line);
                    self.sizes.insert(expr.clone(), name.clone());
                    return Ok(name);
                }
                self.node("Shape", &[value]).int("start", axis).int("end", axis + 1).write_one(one())?
            }
            Step::Sum(terms) => self.fold("Add", &terms)?,
            Step::Product(factors) => self.fold("Mul", &factors)?,
            Step::Floor(a, b) => {
                let (mut dividend, divisor) = (self.size(&a)?, self.size(&b)?);
                // ONNX's integer Div truncates, its Mod takes the divisor's sign: a − a mod b is divisible.
                if !a.is_nonnegative() {
                    let rest = self.node("Mod", &[dividend.clone(), divisor.clone()]).write_one(one())?;
                    dividend = self.node("Sub", &[dividend, rest]).write_one(one())?;
                }
                self.node("Div", &[dividend, divisor]).write_one(one())?
            }
            Step::Min(a, b) => self.fold("Min", &[a, b])?,
            Step::Max(a, b) => self.fold("Max", &[a, b])?,
        };
        (self.scope, self.line) = (scope, line);
        self.sizes.insert(expr.clone(), name.clone());
        Ok(name)
    }

    fn fold(&mut self, op: &str, operands: &[Expr]) -> Result<Name> {
        let mut names = operands.iter().map(|operand| self.size(operand)).collect::<Result<Vec<_>>>()?.into_iter();
        let mut folded = names.next().ok_or_else(|| Error::internal("a sum without terms"))?;
        for name in names {
            folded = self.node(op, &[folded, name]).write_one(Type::new(DType::I64, vec![Dim::Fixed(1)]))?;
        }
        Ok(folded)
    }

    /// A builder of a node of the standard domain.
    pub fn node(&mut self, op: &str, inputs: &[Name]) -> NodeBuilder<'_> {
        let mut input: Vec<String> = inputs.iter().map(|name| name.to_string()).collect();
        while input.last().is_some_and(String::is_empty) {
            input.pop();
        }
        NodeBuilder { node: NodeProto { op_type: op.to_string(), input, ..NodeProto::default() }, builder: self }
    }

    /// Builds a subgraph: the body of a branch or a loop. `build` gets the names of its inputs and gives those of its outputs; it
    /// may use every name that the graph has so far.
    ///
    /// # Errors
    /// The errors of `build`.
    pub fn subgraph(
        &mut self,
        name: &str,
        inputs: &[(&str, Type)],
        build: impl FnOnce(&mut GraphBuilder, &[Name]) -> Result<Vec<Name>>,
    ) -> Result<proto::GraphProto> {
        // What is computed inside is not seen outside.
        let (sizes, symbols) = (self.sizes.clone(), self.symbols.clone());
        let outer = std::mem::take(&mut self.nodes);
        let origin = (self.scope.clone(), self.line.clone());
        let names: Vec<Name> = inputs.iter().map(|(name, ty)| self.input(name, ty)).collect();
        let built = build(self, &names).and_then(|outputs| {
            (self.scope, self.line) = origin.clone();
            self.results(outputs)
        });
        let nodes = std::mem::replace(&mut self.nodes, outer);
        (self.sizes, self.symbols) = (sizes, symbols);
        let info = |name: &Name| Ok(value_info(name, self.ty(name)?));
        Ok(proto::GraphProto {
            name: name.to_string(),
            input: names.iter().map(info).collect::<Result<_>>()?,
            output: built?.iter().map(info).collect::<Result<_>>()?,
            node: nodes,
            ..proto::GraphProto::default()
        })
    }

    /// The outputs of a graph or function, each made in it and named once.
    fn results(&mut self, outputs: Vec<Name>) -> Result<Vec<Name>> {
        // Each is there until it is named.
        let mut made = self.made_of(outputs.iter());
        let mut own: Vec<Name> = Vec::new();
        for output in outputs {
            let ty = self.ty(&output)?.clone();
            own.push(if made.remove(&output) { output } else { self.node("Identity", &[output]).write_one(ty)? });
        }
        Ok(own)
    }

    /// Those of these values that a node makes.
    fn made_of<'a>(&self, values: impl Iterator<Item = &'a Name>) -> HashSet<Name> {
        let wanted: HashSet<&str> = values.map(|name| &**name).collect();
        let made = self.nodes.iter().flat_map(|node| &node.output).filter(|name| wanted.contains(name.as_str()));
        made.map(|name| name.as_str().into()).collect()
    }

    /// Writes the body of a function, which sees nothing but its inputs; absent ones keep their position. [`NodeBuilder::calling`] gives it its name.
    ///
    /// # Errors
    /// The errors of `build`; [`Unsupported`](crate::ErrorCode::Unsupported) where the opset lacks something in it.
    pub fn body(
        &mut self,
        inputs: &[Option<Type>],
        build: impl FnOnce(&mut GraphBuilder, &[Name]) -> Result<Vec<Name>>,
    ) -> Result<FunctionProto> {
        // Functions in the body are found again, and given the names that they have outside.
        let functions = std::mem::take(&mut self.functions);
        let mut builder = GraphBuilder { functions, seedless: self.seedless, ..GraphBuilder::new(self.opset) };
        let input = |(i, ty): (usize, &Option<Type>)| match ty {
            Some(ty) => builder.input(&format!("input_{i}"), ty),
            None => builder.fresh(&format!("input_{i}")),
        };
        let names: Vec<Name> = inputs.iter().enumerate().map(input).collect();
        let built = build(&mut builder, &names).and_then(|outputs| {
            builder.at("", "");
            builder.results(outputs)
        });
        self.functions = std::mem::take(&mut builder.functions);
        let outputs = built?;
        builder.check()?;
        let constants = std::mem::take(&mut builder.initializers);
        let constant = |(name, array): &(String, Array)| {
            Ok(NodeProto {
                op_type: "Constant".to_string(),
                name: name.clone(),
                output: vec![name.clone()],
                attribute: vec![AttributeProto {
                    name: "value".to_string(),
                    r#type: AttributeType::Tensor as i32,
                    t: Some(Box::new(tensor::proto("", array)?)),
                    ..AttributeProto::default()
                }],
                ..NodeProto::default()
            })
        };
        self.imports.extend(builder.imports.clone());
        let text = |names: &[Name]| names.iter().map(|name| name.to_string()).collect();
        Ok(FunctionProto {
            input: text(&names),
            output: text(&outputs),
            node: constants.iter().map(constant).chain(builder.nodes.into_iter().map(Ok)).collect::<Result<_>>()?,
            opset_import: imports(self.opset, &builder.imports),
            ..FunctionProto::default()
        })
    }

    /// Finishes the model: these values are its outputs, under these names.
    ///
    /// # Errors
    /// [`Internal`](crate::ErrorCode::Internal) where an output is not a value of the graph.
    pub fn finish(mut self, graph_name: &str, inputs: &[Name], outputs: &[(String, Name)]) -> Result<Model> {
        let mut produced = self.made_of(outputs.iter().map(|output| &output.1));
        let mut renames: HashMap<String, String> = HashMap::new();
        for (wanted, value) in outputs {
            let carrier = match produced.remove(value) {
                true => value.clone(),
                // An input, a constant or an output named twice: a node of its own carries the name.
                false => {
                    let ty = self.ty(value)?.clone();
                    self.at("", "");
                    self.node("Identity", std::slice::from_ref(value)).write_one(ty)?
                }
            };
            renames.insert(carrier.to_string(), wanted.clone());
        }
        self.rename(&renames);
        let finals: Vec<Name> = outputs.iter().map(|(wanted, _)| wanted.as_str().into()).collect();
        self.check()?;
        let types: HashMap<&Name, &Type> = self.types.iter().map(|(name, ty)| (name, ty)).collect();
        let info =
            |name: &Name| types.get(name).map(|ty| value_info(name, ty)).ok_or_else(|| Error::internal(format!("`{name}` has no type")));
        let inner = || {
            let produced: HashSet<&str> = self.nodes.iter().flat_map(|node| &node.output).map(String::as_str).collect();
            let is_final: HashSet<&Name> = finals.iter().collect();
            let inner = self.types.iter().filter(|(name, _)| produced.contains(&**name) && !is_final.contains(name));
            inner.map(|(name, ty)| value_info(name, ty)).collect()
        };
        let graph = proto::GraphProto {
            name: graph_name.to_string(),
            input: inputs.iter().map(info).collect::<Result<_>>()?,
            output: finals.iter().map(info).collect::<Result<_>>()?,
            value_info: if self.is_terse { Vec::new() } else { inner() },
            node: self.nodes,
            ..proto::GraphProto::default()
        };
        let proto = proto::ModelProto {
            ir_version: ir_version(self.opset),
            producer_name: env!("CARGO_PKG_NAME").to_string(),
            producer_version: env!("CARGO_PKG_VERSION").to_string(),
            opset_import: imports(self.opset, &self.imports),
            graph: Some(graph),
            functions: self.functions,
            ..proto::ModelProto::default()
        };
        Ok(Model { proto, initializers: self.initializers })
    }

    /// The number of nodes that are written.
    pub(crate) fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Refuses nodes and element types that the opset does not allow.
    pub(crate) fn check(&self) -> Result<()> {
        check_types(self.types.iter().map(|(name, ty)| (&**name, ty)), self.opset)?;
        let element_type = |name: &str| self.known.get(name).map(|&index| tensor::data_type(self.types[index].1.dtype));
        check_written(&self.nodes, self.opset, &element_type)
    }

    /// Gives values other names wherever they are used: the name before, and the one after.
    fn rename(&mut self, renames: &HashMap<String, String>) {
        let mut renamed = |slot: &mut String| {
            if let Some(wanted) = renames.get(slot) {
                slot.clone_from(wanted);
            }
        };
        self.nodes.iter_mut().for_each(|node| each_name(node, &mut renamed));
        let moved: Vec<(Name, usize)> =
            renames.iter().filter_map(|(before, wanted)| Some((wanted.as_str().into(), self.known.remove(before.as_str())?))).collect();
        for (name, index) in moved {
            self.types[index].0 = name.clone();
            self.known.insert(name, index);
        }
    }
}

/// The IR version that came with an opset; an older one serves the opsets before it.
fn ir_version(opset: i64) -> i64 {
    match opset {
        ..=22 => 10,
        23 => 11,
        24 => 12,
        25.. => 13,
    }
}

/// Refuses element types that the opset lacks, and names the first value that has one.
///
/// # Errors
/// [`Unsupported`](crate::ErrorCode::Unsupported).
fn check_types<'a>(values: impl Iterator<Item = (&'a str, &'a Type)>, opset: i64) -> Result<()> {
    for (name, ty) in values {
        let first = tensor::since(ty.dtype);
        if opset < first {
            return Err(Error::unsupported(format!("element type {} needs opset {first}, the model has opset {opset}", ty.dtype))
                .at(format!("value {name}"))
                .help(format!("write opset {first} or later")));
        }
    }
    Ok(())
}

/// The operator sets that nodes are of: ONNX's own, then those of other domains.
fn imports(opset: i64, others: &BTreeMap<String, i64>) -> Vec<OperatorSetIdProto> {
    let others = others.iter().map(|(domain, version)| OperatorSetIdProto { domain: domain.clone(), version: *version });
    std::iter::once(OperatorSetIdProto { domain: String::new(), version: opset }).chain(others).collect()
}

/// The declaration of a value: its name and type.
pub(crate) fn value_info(name: &str, ty: &Type) -> proto::ValueInfoProto {
    use proto::tensor_shape_proto::{Dimension, dimension::Value};
    use proto::type_proto;
    let size = |dim: &Dim| match dim.fixed() {
        Some(n) => Value::DimValue(n),
        None => Value::DimParam(dim.to_string()),
    };
    let dim = ty.shape.iter().map(|dim| Dimension { value: Some(size(dim)), ..Dimension::default() }).collect();
    let tensor = type_proto::Tensor { elem_type: tensor::data_type(ty.dtype), shape: Some(proto::TensorShapeProto { dim }) };
    let ty = proto::TypeProto { value: Some(type_proto::Value::TensorType(tensor)), ..proto::TypeProto::default() };
    proto::ValueInfoProto { name: name.to_string(), r#type: Some(ty), ..proto::ValueInfoProto::default() }
}

/// A builder of one node.
pub struct NodeBuilder<'a> {
    builder: &'a mut GraphBuilder,
    node: NodeProto,
}

impl NodeBuilder<'_> {
    fn attribute(mut self, name: &str, kind: AttributeType, fill: impl FnOnce(&mut AttributeProto)) -> Self {
        let mut attribute = AttributeProto { name: name.to_string(), r#type: kind as i32, ..AttributeProto::default() };
        fill(&mut attribute);
        self.node.attribute.push(attribute);
        self
    }

    /// The attributes so far, without writing the node.
    pub(crate) fn into_attributes(self) -> Vec<AttributeProto> {
        self.node.attribute
    }

    /// An integer attribute.
    pub fn int(self, name: &str, x: i64) -> Self {
        self.attribute(name, AttributeType::Int, |a| a.i = x)
    }

    /// A truth value, as the integer 0 or 1.
    pub fn flag(self, name: &str, x: bool) -> Self {
        self.int(name, i64::from(x))
    }

    /// An attribute of several integers.
    pub fn ints(self, name: &str, x: &[i64]) -> Self {
        self.attribute(name, AttributeType::Ints, |a| a.ints = x.to_vec())
    }

    /// A graph as an attribute: the body of a branch or a loop.
    pub fn graph(self, name: &str, graph: proto::GraphProto) -> Self {
        self.attribute(name, AttributeType::Graph, |a| a.g = Some(graph.into()))
    }

    /// A float attribute.
    pub fn float(self, name: &str, x: f32) -> Self {
        self.attribute(name, AttributeType::Float, |a| a.f = x)
    }

    /// An attribute of several floats.
    pub fn floats(self, name: &str, x: &[f32]) -> Self {
        self.attribute(name, AttributeType::Floats, |a| a.floats = x.to_vec())
    }

    /// An attribute of several strings.
    pub fn strings(self, name: &str, x: &[&str]) -> Self {
        self.attribute(name, AttributeType::Strings, |a| a.strings = x.iter().map(|text| text.as_bytes().to_vec().into()).collect())
    }

    /// A string attribute.
    pub fn string(self, name: &str, x: &str) -> Self {
        self.attribute(name, AttributeType::String, |a| a.s = x.as_bytes().to_vec().into())
    }

    /// The seed of a random operator, unless the model is written [without seeds](GraphBuilder::without_seeds).
    pub fn seed(self, x: f32) -> Self {
        if self.builder.seedless { self } else { self.float("seed", x) }
    }

    /// A dtype, as the number of ONNX's `DataType`.
    pub fn dtype(self, name: &str, x: DType) -> Self {
        self.int(name, i64::from(tensor::data_type(x)))
    }

    /// A tensor attribute.
    ///
    /// # Errors
    /// [`TooBig`](crate::ErrorCode::TooBig) for repeated elements whose dense copy does not fit into memory.
    pub fn tensor(self, name: &str, x: &Array) -> Result<Self> {
        let x = tensor::proto("", x)?;
        Ok(self.attribute(name, AttributeType::Tensor, |a| a.t = Some(Box::new(x))))
    }

    /// Says that the operator is of another domain than ONNX's own, in this version of it.
    pub fn domain(mut self, domain: &str, version: i64) -> Self {
        self.node.domain = domain.to_string();
        let known = self.builder.imports.entry(domain.to_string()).or_insert(version);
        *known = version.max(*known);
        self
    }

    /// Makes the node the call of a function with this body. The function has the operator's name and the node's attributes; where there is
    /// another body under that name, it is an overload of it.
    pub fn calling(mut self, body: FunctionProto) -> Self {
        let attribute = self.node.attribute.iter().map(|attribute| attribute.name.clone()).collect();
        let (domain, name) = (self.node.domain.clone(), self.node.op_type.clone());
        let mut function = FunctionProto { domain, name, attribute, ..body };
        for n in 0.. {
            function.overload = if n == 0 { String::new() } else { n.to_string() };
            let same = |known: &&FunctionProto| super::function_calls::key(known) == super::function_calls::key(&function);
            match self.builder.functions.iter().find(same) {
                Some(known) if *known == function => break,
                Some(_) => {}
                None => {
                    self.builder.functions.push(function.clone());
                    break;
                }
            }
        }
        self.node.overload = function.overload;
        self
    }

    /// Adds the node to the graph; its outputs, which have these types, are named after the scope and the operator.
    pub fn write(mut self, types: &[Type]) -> Vec<Name> {
        let builder = &mut *self.builder;
        let wanted = if builder.scope.is_empty() { self.node.op_type.clone() } else { format!("{}.{}", builder.scope, self.node.op_type) };
        let mut names = Vec::with_capacity(types.len());
        for ty in types {
            let name = builder.fresh(&wanted);
            builder.declare(&name, ty.clone());
            names.push(name);
        }
        self.node.output = names.iter().map(|name| name.to_string()).collect();
        self.node.name = self.node.output.first().cloned().unwrap_or_default();
        for (key, value) in [(SCOPE_KEY, &builder.scope), (LINE_KEY, &builder.line)] {
            if !value.is_empty() {
                self.node.metadata_props.push(StringStringEntryProto { key: key.to_string(), value: value.clone() });
            }
        }
        self.node.attribute.shrink_to_fit();
        self.node.metadata_props.shrink_to_fit();
        builder.nodes.push(self.node);
        names
    }

    /// Adds the node to the graph; its only output has this type.
    ///
    /// # Errors
    /// None in practice: the result saves callers a wrapping.
    pub fn write_one(self, ty: Type) -> Result<Name> {
        self.write(&[ty]).into_iter().next().ok_or_else(|| Error::internal("a node without an output"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_numbered_without_trying_those_before() {
        let mut builder = GraphBuilder::new(18);
        builder.reserve(["Relu_2"]);
        let names: Vec<Name> = (0..100_000).map(|_| builder.fresh("Relu")).collect();
        assert_eq!([&*names[0], &*names[1], &*names[2], &*names[99_999]], ["Relu", "Relu_1", "Relu_3", "Relu_100000"]);
    }

    #[test]
    fn outputs_may_swap_their_names_and_share_a_value() {
        let mut builder = GraphBuilder::new(18);
        let ty = Type::new(DType::F32, vec![Dim::from(2)]);
        let x = builder.input("x", &ty);
        let a = builder.node("Relu", std::slice::from_ref(&x)).write_one(ty.clone()).unwrap();
        let b = builder.node("Neg", std::slice::from_ref(&a)).write_one(ty).unwrap();
        let named = |name: &str, value: &Name| (name.to_string(), value.clone());
        let outputs = [named(&b, &a), named(&a, &b), named("again", &a), named("same", &x)];
        let graph = builder.finish("g", &[x], &outputs).unwrap().proto.graph.unwrap();
        assert_eq!(graph.output.iter().map(|output| &*output.name).collect::<Vec<_>>(), [&*b, &*a, "again", "same"]);
        let uses: Vec<(&str, &str, &str)> = graph.node.iter().map(|node| (&*node.op_type, &*node.input[0], &*node.output[0])).collect();
        assert_eq!(uses, [("Relu", "x", &*b), ("Neg", &*b, &*a), ("Identity", &*b, "again"), ("Identity", "x", "same")]);
    }
}
