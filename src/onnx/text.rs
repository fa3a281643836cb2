//! A model as text: one line for each node, names escaped, small constants in full.

use super::names::{printable, shorten};
use super::proto::attribute_proto::AttributeType;
use super::proto::{
    AttributeProto, FunctionProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, SparseTensorProto, TensorProto, TensorShapeProto,
    TypeProto, ValueInfoProto, tensor_shape_proto, type_proto,
};
use super::{Model, tensor};
use crate::array::Array;
use std::collections::BTreeMap;
use std::fmt::{self, Display, Formatter, Write};

/// The most elements of a tensor or list that are printed.
const MOST_ELEMENTS: usize = 16;

/// Subgraphs inside each other before the rest becomes an ellipsis; a file never has so many.
const DEEPEST: usize = 64;

/// A list in the way of `[1, 2]`.
fn list<T>(items: &[T], show: impl Fn(&T) -> String) -> String {
    let shown: Vec<_> = items.iter().take(MOST_ELEMENTS).map(show).collect();
    let rest = if items.len() > MOST_ELEMENTS { format!(", … {} in all", items.len()) } else { String::new() };
    format!("[{}{rest}]", shown.join(", "))
}

/// Text or bytes of an attribute.
fn string(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => format!("\"{}\"", shorten(text).escape_debug()),
        Err(_) => format!("{} bytes", bytes.len()),
    }
}

fn shape(shape: Option<&TensorShapeProto>) -> String {
    use tensor_shape_proto::dimension::Value;
    let length = |dim: &tensor_shape_proto::Dimension| match &dim.value {
        Some(Value::DimValue(n)) => n.to_string(),
        Some(Value::DimParam(symbol)) if !symbol.is_empty() => printable(symbol),
        _ => "?".into(),
    };
    shape.map_or_else(String::new, |shape| format!("[{}]", shape.dim.iter().map(length).collect::<Vec<_>>().join(",")))
}

impl Display for TypeProto {
    /// `f32[batch,10]`, `sequence(f32[?])`; without brackets where even the rank is unknown.
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        use type_proto::Value;
        let inner = |kind: &Option<Box<TypeProto>>| kind.as_ref().map_or_else(|| "?".into(), |kind| kind.to_string());
        match &self.value {
            None => f.write_str("?"),
            Some(Value::TensorType(kind)) => write!(f, "{}{}", tensor::type_name(kind.elem_type), shape(kind.shape.as_ref())),
            Some(Value::SparseTensorType(kind)) => {
                write!(f, "sparse({}{})", tensor::type_name(kind.elem_type), shape(kind.shape.as_ref()))
            }
            Some(Value::SequenceType(kind)) => write!(f, "sequence({})", inner(&kind.elem_type)),
            Some(Value::OptionalType(kind)) => write!(f, "optional({})", inner(&kind.elem_type)),
            Some(Value::MapType(kind)) => write!(f, "map({}, {})", tensor::type_name(kind.key_type), inner(&kind.value_type)),
            Some(Value::OpaqueType(kind)) => write!(f, "opaque({}, {})", printable(&kind.domain), printable(&kind.name)),
        }
    }
}

/// The type of an array, and its elements where they are few.
fn array(array: &Array) -> String {
    match array.len() <= MOST_ELEMENTS {
        true => array.to_string(),
        false => format!("{}{}", array.dtype(), dims(array.shape())),
    }
}

fn dims<T: Display>(dims: &[T]) -> String {
    format!("[{}]", dims.iter().map(T::to_string).collect::<Vec<_>>().join(","))
}

fn elements(tensor: &TensorProto) -> String {
    match tensor::array(tensor) {
        Ok(values) => array(&values),
        Err(_) => format!("{}{}", tensor::type_name(tensor.data_type), dims(&tensor.dims)),
    }
}

fn sparse(tensor: &SparseTensorProto) -> String {
    let kind = tensor.values.as_ref().map_or(0, |values| values.data_type);
    format!("sparse {}{}", tensor::type_name(kind), dims(&tensor.dims))
}

/// Lines with an indentation.
struct Printer<'a, 'b> {
    out: &'a mut Formatter<'b>,
    depth: usize,
}

impl Printer<'_, '_> {
    fn line(&mut self) -> fmt::Result {
        write!(self.out, "\n{:1$}", "", 2 * self.depth)
    }

    fn model(&mut self, model: &ModelProto, initializers: &[(String, Array)]) -> fmt::Result {
        write!(self.out, "onnx ir {}{}", model.ir_version, opsets(&model.opset_import))?;
        if !model.producer_name.is_empty() {
            write!(self.out, ", by {} {}", printable(&model.producer_name), shorten(&model.producer_version).escape_debug())?;
        }
        for entry in &model.metadata_props {
            self.line()?;
            write!(self.out, "{} = {}", printable(&entry.key), string(entry.value.as_bytes()))?;
        }
        if let Some(graph) = &model.graph {
            self.line()?;
            self.graph(graph, initializers)?;
        }
        for function in &model.functions {
            self.line()?;
            self.function(function)?;
        }
        self.out.write_char('\n')
    }

    fn graph(&mut self, graph: &GraphProto, initializers: &[(String, Array)]) -> fmt::Result {
        if self.depth > DEEPEST {
            return self.out.write_char('…');
        }
        let values = |values: &[ValueInfoProto]| values.iter().map(value).collect::<Vec<_>>().join(", ");
        write!(self.out, "graph {}({}) -> ({}) {{", printable(&graph.name), values(&graph.input), values(&graph.output))?;
        self.depth += 1;
        for (title, data) in initializers {
            self.line()?;
            write!(self.out, "{} = {}", printable(title), array(data))?;
        }
        for initializer in &graph.initializer {
            self.line()?;
            write!(self.out, "{} = {}", printable(&initializer.name), elements(initializer))?;
        }
        for initializer in &graph.sparse_initializer {
            self.line()?;
            let title = initializer.values.as_ref().map_or("", |values| &values.name);
            write!(self.out, "{} = {}", printable(title), sparse(initializer))?;
        }
        let values = graph.value_info.iter().chain(&graph.output);
        let types = values.filter_map(|value| Some((&value.name[..], value.r#type.as_ref()?))).collect();
        self.nodes(&graph.node, &types)?;
        self.depth -= 1;
        self.line()?;
        self.out.write_char('}')
    }

    fn function(&mut self, function: &FunctionProto) -> fmt::Result {
        let names = |names: &[String]| names.iter().map(|title| printable(title)).collect::<Vec<_>>().join(", ");
        write!(self.out, "function {}", operator(&function.domain, &function.name, &function.overload))?;
        write!(self.out, "({}", names(&function.input))?;
        let mut separator = "; ";
        for attribute in &function.attribute {
            write!(self.out, "{separator}{}", printable(attribute))?;
            separator = ", ";
        }
        for attribute in &function.attribute_proto {
            self.out.write_str(separator)?;
            self.attribute(attribute)?;
            separator = ", ";
        }
        write!(self.out, ") -> ({}){} {{", names(&function.output), opsets(&function.opset_import))?;
        self.depth += 1;
        let types = function.value_info.iter().filter_map(|value| Some((&value.name[..], value.r#type.as_ref()?))).collect();
        self.nodes(&function.node, &types)?;
        self.depth -= 1;
        self.line()?;
        self.out.write_char('}')
    }

    fn nodes(&mut self, nodes: &[NodeProto], types: &BTreeMap<&str, &TypeProto>) -> fmt::Result {
        let absent = |title: &String| if title.is_empty() { "_".into() } else { printable(title) };
        for node in nodes {
            self.line()?;
            for (i, output) in node.output.iter().enumerate() {
                write!(self.out, "{}{}", if i > 0 { ", " } else { "" }, absent(output))?;
                if let Some(kind) = types.get(&output[..]) {
                    write!(self.out, ": {kind}")?;
                }
            }
            let inputs: Vec<_> = node.input.iter().map(absent).collect();
            let nothing = if node.output.is_empty() { "_" } else { "" };
            write!(self.out, "{nothing} = {}({})", operator(&node.domain, &node.op_type, &node.overload), inputs.join(", "))?;
            for (i, attribute) in node.attribute.iter().enumerate() {
                self.out.write_str(if i == 0 { " {" } else { ", " })?;
                self.attribute(attribute)?;
            }
            if !node.attribute.is_empty() {
                self.out.write_char('}')?;
            }
        }
        Ok(())
    }

    fn attribute(&mut self, attribute: &AttributeProto) -> fmt::Result {
        write!(self.out, "{}=", printable(&attribute.name))?;
        if !attribute.ref_attr_name.is_empty() {
            return write!(self.out, "@{}", printable(&attribute.ref_attr_name));
        }
        let text = match attribute.r#type() {
            AttributeType::Undefined => "?".into(),
            AttributeType::Float => format!("{:?}", attribute.f),
            AttributeType::Int => attribute.i.to_string(),
            AttributeType::String => string(&attribute.s),
            AttributeType::Tensor => attribute.t.as_deref().map_or_else(|| "?".into(), elements),
            AttributeType::SparseTensor => attribute.sparse_tensor.as_deref().map_or_else(|| "?".into(), sparse),
            AttributeType::TypeProto => attribute.tp.as_deref().map_or_else(|| "?".into(), TypeProto::to_string),
            AttributeType::Floats => list(&attribute.floats, |x| format!("{x:?}")),
            AttributeType::Ints => list(&attribute.ints, i64::to_string),
            AttributeType::Strings => list(&attribute.strings, |s| string(s)),
            AttributeType::Tensors => list(&attribute.tensors, elements),
            AttributeType::SparseTensors => list(&attribute.sparse_tensors, sparse),
            AttributeType::TypeProtos => list(&attribute.type_protos, TypeProto::to_string),
            AttributeType::Graph => return attribute.g.iter().try_for_each(|graph| self.graph(graph, &[])),
            AttributeType::Graphs => {
                for (i, graph) in attribute.graphs.iter().enumerate() {
                    self.out.write_str(if i == 0 { "[" } else { ", " })?;
                    self.graph(graph, &[])?;
                }
                "]".into()
            }
        };
        self.out.write_str(&text)
    }
}

fn value(value: &ValueInfoProto) -> String {
    match &value.r#type {
        Some(kind) => format!("{}: {kind}", printable(&value.name)),
        None => printable(&value.name),
    }
}

fn operator(domain: &str, op_type: &str, overload: &str) -> String {
    let domain = if domain.is_empty() { String::new() } else { format!("{}.", printable(domain)) };
    let overload = if overload.is_empty() { String::new() } else { format!(":{}", printable(overload)) };
    format!("{domain}{}{overload}", printable(op_type))
}

fn opsets(imports: &[OperatorSetIdProto]) -> String {
    let import = |import: &OperatorSetIdProto| match &import.domain[..] {
        "" | "ai.onnx" => format!(", opset {}", import.version),
        domain => format!(", {} {}", printable(domain), import.version),
    };
    imports.iter().map(import).collect()
}

impl Display for Model {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        Printer { out: f, depth: 0 }.model(&self.proto, &self.initializers)
    }
}

impl Display for ModelProto {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        Printer { out: f, depth: 0 }.model(self, &[])
    }
}

impl Display for GraphProto {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        Printer { out: f, depth: 0 }.graph(self, &[])
    }
}

#[cfg(test)]
mod tests {
    use crate::onnx::sample;

    #[test]
    fn a_model_reads_as_a_list_of_assignments() {
        assert_eq!(
            sample::branches().to_string(),
            r#"onnx ir 8, opset 17, by "torch export" 2.9
graph main(x: f32[batch,2], flag: bool[]) -> (y: f32[batch,2]) {
  weight = f32[2,2] [[1, 2], [3, 4]]
  h: f32[batch,2] = Gemm(x, weight) {transB=1}
  y: f32[batch,2] = If(flag) {then_branch=graph then() -> (a) {
    a = Relu(h)
  }, else_branch=graph else() -> (b) {
    two = f32[] 2
    b = Mul(h, two)
  }}
}
"#
        );
    }
}
