//! Nodes and declarations as they are encoded in a file: decoded one at a time when they are needed, because decoded they take fifteen times as much.

use crate::error::{Error, Result};
use crate::onnx::outer_names;
use crate::onnx::proto::{NodeProto, ValueInfoProto};
use prost::Message;
use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

/// The longest encoding of a node that is kept encoded, in bytes: what is longer has tensors, which are slices of the file once decoded, or graphs.
const LONGEST: usize = 512;

/// Messages in order.
#[derive(Debug)]
pub(super) struct Encoded<M> {
    bytes: Vec<u8>,
    /// For each message where its encoding ends.
    ends: Vec<usize>,
    /// The messages that stay decoded, by their index.
    decoded: HashMap<usize, M>,
}

impl Encoded<NodeProto> {
    /// Nodes: those with graphs and the long ones stay decoded.
    pub(super) fn nodes(nodes: Cow<[NodeProto]>) -> Result<Encoded<NodeProto>> {
        Encoded::new(nodes, |node, length| length <= LONGEST && node.attribute.iter().all(|attribute| attribute.g.is_none()))
    }
}

impl Encoded<ValueInfoProto> {
    /// Declarations of values.
    pub(super) fn infos(infos: Vec<ValueInfoProto>) -> Result<Encoded<ValueInfoProto>> {
        Encoded::new(Cow::Owned(infos), |_, _| true)
    }
}

impl<M: Message + Default + Clone> Encoded<M> {
    /// Encodes the messages that `is_short` says of, which it also gets the length of; each that is owned is dropped when it is encoded.
    fn new(messages: Cow<[M]>, is_short: impl Fn(&M, usize) -> bool) -> Result<Encoded<M>> {
        let encodings = messages.iter().map(|message| (message, message.encoded_len()));
        let total = encodings.filter(|(message, length)| is_short(message, *length)).map(|(_, length)| length).sum();
        let mut encoded = Encoded { bytes: Vec::with_capacity(total), ends: Vec::with_capacity(messages.len()), decoded: HashMap::new() };
        match messages {
            Cow::Owned(messages) => messages.into_iter().try_for_each(|message| encoded.push(Cow::Owned(message), &is_short))?,
            Cow::Borrowed(messages) => messages.iter().try_for_each(|message| encoded.push(Cow::Borrowed(message), &is_short))?,
        }
        Ok(encoded)
    }

    fn push(&mut self, message: Cow<M>, is_short: impl Fn(&M, usize) -> bool) -> Result<()> {
        if is_short(&message, message.encoded_len()) {
            message.encode(&mut self.bytes).map_err(|error| Error::internal(error.to_string()))?;
        } else {
            self.decoded.insert(self.ends.len(), message.into_owned());
        }
        self.ends.push(self.bytes.len());
        Ok(())
    }

    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    /// The messages in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = Result<Cow<'_, M>>> {
        (0..self.ends.len()).map(|i| {
            if let Some(message) = self.decoded.get(&i) {
                return Ok(Cow::Borrowed(message));
            }
            let start = i.checked_sub(1).map_or(0, |before| self.ends[before]);
            let message = M::decode(&self.bytes[start..self.ends[i]]);
            message.map(Cow::Owned).map_err(|error| Error::internal(error.to_string()))
        })
    }
}

/// The last use of a value that is not needed afterwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct LastUse {
    /// The node that uses it last or, if none does, makes it.
    node: u32,
    /// Which of the [names](names) of the node.
    name: u32,
}

impl LastUse {
    /// The last uses of the values of these nodes, but for those that are kept, in the order of the nodes; `given` values come from elsewhere.
    pub(super) fn find(nodes: &[NodeProto], given: usize, kept: &HashSet<&str>) -> Vec<LastUse> {
        // At once: a table that grows takes half as much again.
        let mut seen = HashSet::with_capacity(given + nodes.iter().map(|node| node.output.len()).sum::<usize>());
        let mut uses = Vec::new();
        for (node, proto) in nodes.iter().enumerate().rev() {
            let names: Vec<(u32, &str)> = (0..).zip(names(proto)).collect();
            let ended = names.into_iter().rev().filter(|(_, used)| !kept.contains(used) && seen.insert(*used));
            uses.extend(ended.map(|(name, _)| LastUse { node: node as u32, name }));
        }
        uses.reverse();
        uses.shrink_to_fit();
        uses
    }

    /// The values that this node, the `i`-th, uses last; takes them off the front of the list.
    pub(super) fn take<'a>(uses: &mut &[LastUse], i: usize, node: &'a NodeProto) -> Vec<&'a str> {
        let count = uses.iter().take_while(|last| last.node as usize == i).count();
        let (here, rest) = uses.split_at(count);
        *uses = rest;
        if here.is_empty() {
            return Vec::new();
        }
        let mut here = here.iter().peekable();
        (0..).zip(names(node)).filter(|(name, _)| here.next_if(|last| last.name == *name).is_some()).map(|(_, name)| name).collect()
    }
}

/// The values that a node uses and makes.
fn names(node: &NodeProto) -> impl Iterator<Item = &str> {
    node.input.iter().chain(&node.output).map(String::as_str).chain(outer_names(node))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::onnx::proto::{AttributeProto, GraphProto, TensorProto};

    fn node(inputs: &[&str], outputs: &[&str]) -> NodeProto {
        let names = |names: &[&str]| names.iter().map(ToString::to_string).collect();
        NodeProto { input: names(inputs), output: names(outputs), op_type: "Add".into(), ..NodeProto::default() }
    }

    fn with(attribute: AttributeProto, node: NodeProto) -> NodeProto {
        NodeProto { attribute: vec![attribute], ..node }
    }

    #[test]
    fn nodes_come_back_in_order_and_long_ones_without_a_copy_of_their_tensors() {
        let data = bytes::Bytes::from(vec![1u8; 4096]);
        let tensor = TensorProto { raw_data: data.clone(), ..TensorProto::default() };
        let constant = AttributeProto { t: Some(Box::new(tensor)), ..AttributeProto::default() };
        let body = GraphProto { node: vec![node(&["c"], &["d"])], ..GraphProto::default() };
        let branch = AttributeProto { g: Some(Box::new(body)), ..AttributeProto::default() };
        let nodes = vec![
            node(&["x", "y"], &["z"]),
            with(constant, node(&[], &["k"])),
            node(&["z", "k"], &["c"]),
            with(branch, node(&["c"], &["e"])),
        ];
        let encoded = Encoded::nodes(Cow::Borrowed(&nodes)).unwrap();
        let back: Vec<NodeProto> = encoded.iter().map(|node| node.unwrap().into_owned()).collect();
        assert_eq!(back, nodes);
        assert_eq!(back[1].attribute[0].t.as_ref().unwrap().raw_data.as_ptr(), data.as_ptr());
    }

    #[test]
    fn a_value_ends_at_its_last_use_also_inside_a_graph_or_where_nothing_uses_it() {
        let body = GraphProto { node: vec![node(&["x"], &["inner"])], ..GraphProto::default() };
        let branch = AttributeProto { g: Some(Box::new(body)), ..AttributeProto::default() };
        let nodes = [node(&["x", "x"], &["a"]), node(&["a"], &["unused", "y"]), with(branch, node(&["y"], &["z"]))];
        let uses = LastUse::find(&nodes, 1, &HashSet::from(["z"]));
        let mut uses = &uses[..];
        let ended: Vec<Vec<&str>> = nodes.iter().enumerate().map(|(i, node)| LastUse::take(&mut uses, i, node)).collect();
        assert_eq!(ended, [vec![], vec!["a", "unused"], vec!["y", "x"]]);
    }
}
