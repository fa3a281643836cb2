//! A node as its reader sees it: inputs by position, attributes by name and type, with the defaults of the standard.

use super::names::{canonical_domain, node_location};
use super::proto::attribute_proto::AttributeType;
use super::proto::{AttributeProto, GraphProto, NodeProto, TypeProto};
use super::tensor;
use crate::array::Array;
use crate::error::{Error, Result, ResultExt};
use std::cell::Cell;
use std::fmt;

/// A view of a node that remembers which attributes were asked for.
///
/// An attribute of the wrong type is an error ([`Damaged`](crate::ErrorCode::Damaged)); the caller adds the [`location`](Node::location).
pub struct Node<'a> {
    proto: &'a NodeProto,
    index: usize,
    /// The attributes that the caller of a function gave, for attributes that refer to them.
    given: &'a [AttributeProto],
    read: Vec<Cell<bool>>,
}

impl<'a> Node<'a> {
    /// A view of the `index`-th node of a graph.
    pub fn new(proto: &'a NodeProto, index: usize) -> Node<'a> {
        Node::in_function(proto, index, &[])
    }

    /// A view of a node in the body of a function that was called with these attributes.
    pub fn in_function(proto: &'a NodeProto, index: usize, given: &'a [AttributeProto]) -> Node<'a> {
        Node { proto, index, given, read: vec![Cell::new(false); proto.attribute.len()] }
    }

    /// The message itself.
    pub fn proto(&self) -> &'a NodeProto {
        self.proto
    }

    /// Its name; may be empty.
    pub fn name(&self) -> &'a str {
        &self.proto.name
    }

    /// The operator.
    pub fn op_type(&self) -> &'a str {
        &self.proto.op_type
    }

    /// The operator set; `""` is ONNX's own, also where the file says `ai.onnx`.
    pub fn domain(&self) -> &'a str {
        canonical_domain(&self.proto.domain)
    }

    /// The location of errors in this node, `node conv1 (Conv)`; it is formatted where there is an error.
    pub fn location(&self) -> impl fmt::Display + use<'a> {
        let (proto, index) = (self.proto, self.index);
        fmt::from_fn(move |f| f.write_str(&node_location(proto, index)))
    }

    /// The names of the inputs, `None` where an optional one is left out.
    pub fn inputs(&self) -> impl ExactSizeIterator<Item = Option<&'a str>> {
        self.proto.input.iter().map(|name| Some(&name[..]).filter(|name| !name.is_empty()))
    }

    /// The name of an optional input.
    pub fn input(&self, i: usize) -> Option<&'a str> {
        self.inputs().nth(i).flatten()
    }

    /// The name of an input that must be there; `what` is the standard's name for it.
    ///
    /// # Errors
    /// [`Damaged`](crate::ErrorCode::Damaged) where it is left out.
    pub fn required(&self, i: usize, what: &str) -> Result<&'a str> {
        self.input(i).ok_or_else(|| Error::damaged(format!("input {i} ({what}) is missing")))
    }

    /// The names of the outputs, `None` where nobody wants one.
    pub fn outputs(&self) -> impl ExactSizeIterator<Item = Option<&'a str>> {
        self.proto.output.iter().map(|name| Some(&name[..]).filter(|name| !name.is_empty()))
    }

    /// The attribute of this name, marked as read.
    fn attribute(&self, name: &str, kind: AttributeType) -> Result<Option<&'a AttributeProto>> {
        let Some(i) = self.proto.attribute.iter().position(|attribute| attribute.name == name) else { return Ok(None) };
        self.read[i].set(true);
        let mut attribute = &self.proto.attribute[i];
        if !attribute.ref_attr_name.is_empty() {
            // A reference to an attribute that the caller left out is as if it were not there.
            match self.given.iter().find(|given| given.name == attribute.ref_attr_name) {
                Some(given) => attribute = given,
                None => return Ok(None),
            }
        }
        if attribute.r#type != kind as i32 {
            let got = AttributeType::try_from(attribute.r#type).map_or("of an unknown type", |kind| kind.as_str_name());
            return Err(Error::damaged(format!("attribute {name} is {got}, expected {}", kind.as_str_name())));
        }
        Ok(Some(attribute))
    }

    /// The error for an attribute that must be there.
    pub fn missing(&self, name: &str) -> Error {
        Error::damaged(format!("attribute {name} is missing"))
    }

    /// Whether there is an attribute of this name.
    pub fn has(&self, name: &str) -> bool {
        self.proto.attribute.iter().any(|attribute| attribute.name == name)
    }

    /// An integer, if it is there.
    ///
    /// # Errors
    /// As for all attributes, [`Damaged`](crate::ErrorCode::Damaged) where it has another type.
    pub fn find_int(&self, name: &str) -> Result<Option<i64>> {
        Ok(self.attribute(name, AttributeType::Int)?.map(|attribute| attribute.i))
    }

    /// An integer, or its default.
    ///
    /// # Errors
    /// As [`Node::find_int`].
    pub fn int(&self, name: &str, default: i64) -> Result<i64> {
        Ok(self.find_int(name)?.unwrap_or(default))
    }

    /// An integer that means yes or no, or its default.
    ///
    /// # Errors
    /// As [`Node::find_int`]; [`Damaged`](crate::ErrorCode::Damaged) also where it is neither 0 nor 1.
    pub fn flag(&self, name: &str, default: bool) -> Result<bool> {
        match self.int(name, i64::from(default))? {
            0 => Ok(false),
            1 => Ok(true),
            other => Err(Error::damaged(format!("attribute {name} is {other}, expected 0 or 1"))),
        }
    }

    /// Integers, if they are there.
    ///
    /// # Errors
    /// As [`Node::find_int`].
    pub fn ints(&self, name: &str) -> Result<Option<&'a [i64]>> {
        Ok(self.attribute(name, AttributeType::Ints)?.map(|attribute| &attribute.ints[..]))
    }

    /// A float, if it is there.
    ///
    /// # Errors
    /// As [`Node::find_int`].
    pub fn find_float(&self, name: &str) -> Result<Option<f32>> {
        Ok(self.attribute(name, AttributeType::Float)?.map(|attribute| attribute.f))
    }

    /// A float, or its default.
    ///
    /// # Errors
    /// As [`Node::find_int`].
    pub fn float(&self, name: &str, default: f32) -> Result<f32> {
        Ok(self.find_float(name)?.unwrap_or(default))
    }

    /// Floats, if they are there.
    ///
    /// # Errors
    /// As [`Node::find_int`].
    pub fn floats(&self, name: &str) -> Result<Option<&'a [f32]>> {
        Ok(self.attribute(name, AttributeType::Floats)?.map(|attribute| &attribute.floats[..]))
    }

    /// Text, if it is there.
    ///
    /// # Errors
    /// As [`Node::find_int`]; [`Damaged`](crate::ErrorCode::Damaged) also where it is no UTF-8.
    pub fn find_string(&self, name: &str) -> Result<Option<&'a str>> {
        self.attribute(name, AttributeType::String)?.map(|attribute| utf8(name, &attribute.s)).transpose()
    }

    /// Text, or its default.
    ///
    /// # Errors
    /// As [`Node::find_string`].
    pub fn string(&self, name: &str, default: &'a str) -> Result<&'a str> {
        Ok(self.find_string(name)?.unwrap_or(default))
    }

    /// Texts, if they are there.
    ///
    /// # Errors
    /// As [`Node::find_string`].
    pub fn strings(&self, name: &str) -> Result<Option<Vec<&'a str>>> {
        let texts = |attribute: &'a AttributeProto| attribute.strings.iter().map(|s| utf8(name, s)).collect();
        self.attribute(name, AttributeType::Strings)?.map(texts).transpose()
    }

    /// A tensor, if it is there.
    ///
    /// # Errors
    /// As [`Node::find_int`] and [`tensor::array`].
    pub fn tensor(&self, name: &str) -> Result<Option<Array>> {
        let tensor = self.attribute(name, AttributeType::Tensor)?.and_then(|attribute| attribute.t.as_deref());
        tensor.map(tensor::array).transpose().at(format!("attribute {name}"))
    }

    /// A sparse tensor with the zeros filled in, if it is there.
    ///
    /// # Errors
    /// As [`Node::find_int`] and [`tensor::dense`].
    pub fn sparse_tensor(&self, name: &str) -> Result<Option<Array>> {
        let tensor = self.attribute(name, AttributeType::SparseTensor)?.and_then(|attribute| attribute.sparse_tensor.as_deref());
        tensor.map(tensor::dense).transpose().at(format!("attribute {name}"))
    }

    /// A graph, if it is there.
    ///
    /// # Errors
    /// As [`Node::find_int`].
    pub fn graph(&self, name: &str) -> Result<Option<&'a GraphProto>> {
        Ok(self.attribute(name, AttributeType::Graph)?.and_then(|attribute| attribute.g.as_deref()))
    }

    /// A type, if it is there.
    ///
    /// # Errors
    /// As [`Node::find_int`].
    pub fn type_proto(&self, name: &str) -> Result<Option<&'a TypeProto>> {
        Ok(self.attribute(name, AttributeType::TypeProto)?.and_then(|attribute| attribute.tp.as_deref()))
    }

    /// The attributes that nobody asked for: unknown to the reader, so the node may mean something else than it thinks.
    pub fn unread(&self) -> impl Iterator<Item = &'a str> {
        self.proto.attribute.iter().zip(&self.read).filter(|(_, read)| !read.get()).map(|(attribute, _)| &attribute.name[..])
    }
}

fn utf8<'a>(name: &str, bytes: &'a [u8]) -> Result<&'a str> {
    std::str::from_utf8(bytes).map_err(|_| Error::damaged(format!("attribute {name} is not UTF-8")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attribute(name: &str, kind: AttributeType) -> AttributeProto {
        AttributeProto { name: name.into(), r#type: kind as i32, ..Default::default() }
    }

    #[test]
    fn attributes_have_a_type_and_a_default() {
        let axis = AttributeProto { i: -1, ..attribute("axis", AttributeType::Int) };
        let mode = AttributeProto { s: "linear".into(), ..attribute("mode", AttributeType::String) };
        let proto = NodeProto { op_type: "Resize".into(), attribute: vec![axis, mode], ..Default::default() };
        let node = Node::new(&proto, 3);
        assert_eq!((node.int("axis", 1), node.int("other", 7)), (Ok(-1), Ok(7)));
        assert_eq!(node.unread().collect::<Vec<_>>(), ["mode"]);
        assert_eq!(node.string("mode", "nearest"), Ok("linear"));
        assert_eq!(node.unread().count(), 0);
        let error = node.float("axis", 1.0).unwrap_err().at(node.location());
        assert_eq!(error.to_string(), "node #3 (Resize): attribute axis is INT, expected FLOAT");
        assert!(node.flag("axis", false).is_err());
        assert_eq!(node.missing("to").message(), "attribute to is missing");
    }

    #[test]
    fn an_empty_name_is_an_input_left_out() {
        let proto = NodeProto { input: vec!["x".into(), String::new(), "z".into()], domain: "ai.onnx".into(), ..Default::default() };
        let node = Node::new(&proto, 0);
        assert_eq!(node.inputs().collect::<Vec<_>>(), [Some("x"), None, Some("z")]);
        assert_eq!((node.input(1), node.input(9), node.domain()), (None, None, ""));
        assert!(node.required(1, "scales").unwrap_err().to_string().contains("scales"));
    }

    #[test]
    fn a_function_body_refers_to_the_attributes_of_its_caller() {
        let refers = AttributeProto { ref_attr_name: "outer".into(), ..attribute("axis", AttributeType::Int) };
        let proto = NodeProto { attribute: vec![refers], ..Default::default() };
        let given = [AttributeProto { i: 5, ..attribute("outer", AttributeType::Int) }];
        assert_eq!(Node::in_function(&proto, 0, &given).int("axis", 1), Ok(5));
        assert_eq!(Node::new(&proto, 0).int("axis", 1), Ok(1));
    }
}
