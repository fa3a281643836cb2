//! Repeated modules as functions: bodies that are equal up to names and weights are written once and called.

use super::builder::{LINE_KEY, SCOPE_KEY};
use super::digest::Names;
use super::model::Model;
use super::names::{each_name, each_use};
use super::proto::attribute_proto::AttributeType;
use super::proto::{AttributeProto, FunctionProto, GraphProto, NodeProto, OperatorSetIdProto, StringStringEntryProto};
use super::{canonical_domain, tensor};
use crate::array::Array;
use crate::error::Result;
use prost::Message;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

/// The domain of the functions that modules become.
pub const MODULES_DOMAIN: &str = "ontrace.modules";

/// A body of fewer nodes is not worth a call.
const FEWEST: usize = 2;

/// Constants up to this size stand in the body of a function, where all of its calls have the same.
const SMALL: usize = 1024;

/// The nodes of one module, and the values that connect them to the rest of the graph.
struct ModuleNodes {
    path: String,
    nodes: Vec<usize>,
    /// The names that come from elsewhere, in the order of their first use.
    taken: Vec<String>,
    /// The names that are used elsewhere, in the order in which they are made.
    given: Vec<String>,
}

/// What belongs to a module that is there several times.
struct ModuleFunction {
    function: FunctionProto,
    /// Which of the names that come from elsewhere are inputs of the function: the others are constants in it.
    inputs: Vec<bool>,
}

fn metadata<'a>(node: &'a NodeProto, key: &str) -> &'a str {
    node.metadata_props.iter().find(|entry| entry.key == key).map_or("", |entry| &entry.value)
}

/// The rest of a path below another; `None` where it is not below it.
fn below<'a>(path: &'a str, module: &str) -> Option<&'a str> {
    match path.strip_prefix(module)? {
        "" => Some(""),
        rest => rest.strip_prefix('.'),
    }
}

/// A path without the segments that are values: `encoder.layers.3` is `encoder.layers`.
fn without_indices(path: &str) -> Vec<&str> {
    path.split('.').filter(|part| !part.chars().all(|c| c.is_ascii_digit())).collect()
}

impl Model {
    /// Writes every module that is there more than once as one function; the deepest first, so that functions call functions. What `kept`
    /// names can be found by its name afterwards too; `parameters` are inputs of functions even where they are small and shared.
    ///
    /// # Errors
    /// [`TooBig`](crate::ErrorCode::TooBig) where a constant does not fit into memory.
    pub(crate) fn write_modules_as_functions(&mut self, kept: &[String], parameters: &[&str]) -> Result<()> {
        let Some(mut graph) = self.proto.graph.take() else { return Ok(()) };
        let mut paths: BTreeSet<&str> = BTreeSet::new();
        let scopes: Vec<String> = graph.node.iter().map(|node| metadata(node, SCOPE_KEY).to_string()).collect();
        for scope in scopes.iter().filter(|scope| !scope.is_empty()) {
            paths.extend(scope.match_indices('.').map(|(end, _)| &scope[..end]).chain([scope.as_str()]));
        }
        let mut levels: BTreeMap<usize, Vec<&str>> = BTreeMap::new();
        for path in paths {
            levels.entry(path.split('.').count()).or_default().push(path);
        }
        let parameters: HashSet<&str> = parameters.iter().copied().collect();
        for paths in levels.values().rev() {
            self.write_level(&mut graph, paths, kept, &parameters)?;
        }
        let mut used: HashSet<&str> = graph.output.iter().map(|info| info.name.as_str()).collect();
        graph.node.iter().for_each(|node| {
            each_use(node, &mut |name| {
                used.insert(name);
            })
        });
        self.initializers.retain(|(name, _)| parameters.contains(name.as_str()) || used.contains(name.as_str()));
        let made: HashSet<&str> = graph.node.iter().flat_map(|node| &node.output).map(String::as_str).collect();
        let left: Vec<bool> = graph.value_info.iter().map(|info| made.contains(info.name.as_str())).collect();
        let mut left = left.into_iter();
        graph.value_info.retain(|_| left.next() == Some(true));
        if self.proto.functions.iter().any(|function| function.domain == MODULES_DOMAIN) {
            self.proto.opset_import.push(OperatorSetIdProto { domain: MODULES_DOMAIN.to_string(), version: 1 });
        }
        self.proto.graph = Some(graph);
        Ok(())
    }

    /// Writes the modules at these paths, none of which is inside another, as functions.
    fn write_level(&mut self, graph: &mut GraphProto, paths: &[&str], kept: &[String], parameters: &HashSet<&str>) -> Result<()> {
        let mut classes: Vec<Vec<ModuleNodes>> = Vec::new();
        let mut known: HashMap<Vec<u8>, usize> = HashMap::new();
        for group in groups(graph, paths, kept) {
            if group.nodes.len() < FEWEST || group.given.is_empty() || order(graph, &group).is_none() {
                continue;
            }
            let class = *known.entry(shape(graph, &group)).or_insert(classes.len());
            match classes.get_mut(class) {
                Some(class) => class.push(group),
                None => classes.push(vec![group]),
            }
        }
        for class in classes.into_iter().filter(|class| class.len() > 1) {
            // Nodes are moved with every call that is written: these are the same, elsewhere.
            let moved = |graph: &GraphProto, group: &ModuleNodes| groups(graph, &[&group.path], kept).pop();
            let class: Vec<ModuleNodes> = class.iter().filter_map(|group| moved(graph, group)).collect();
            if class.len() < 2 {
                continue;
            }
            let body = self.body(graph, &class, parameters)?;
            let mut called = false;
            for group in class {
                let Some(group) = moved(graph, &group) else { continue };
                called |= replace(graph, &group, &body);
            }
            if called {
                self.proto.functions.push(body.function);
            }
        }
        Ok(())
    }

    /// The function that all groups of a class are.
    fn body(&self, graph: &GraphProto, class: &[ModuleNodes], parameters: &HashSet<&str>) -> Result<ModuleFunction> {
        let first = &class[0];
        let constant = |i: usize| -> Option<&Array> {
            let name = &first.taken[i];
            let shared = !parameters.contains(name.as_str()) && class.iter().all(|group| group.taken[i] == *name);
            self.initializer(name).filter(|array| shared && array.byte_len() <= SMALL)
        };
        let constants: Vec<Option<&Array>> = (0..first.taken.len()).map(constant).collect();
        let mut names = Inner { module: &first.path, names: HashMap::new(), taken: HashSet::new() };
        let inputs: Vec<String> = first
            .taken
            .iter()
            .zip(&constants)
            .filter(|(_, constant)| constant.is_none())
            .map(|(name, _)| names.input(self, name))
            .collect();
        let mut nodes: Vec<NodeProto> = Vec::new();
        for (name, array) in first.taken.iter().zip(&constants) {
            if let Some(array) = array {
                nodes.push(constant_node(names.inner(name), array)?);
            }
        }
        for (i, &index) in first.nodes.iter().enumerate() {
            let mut node = graph.node[index].clone();
            each_name(&mut node, &mut |name| *name = names.inner(name));
            node.name = node.output.first().cloned().unwrap_or_default();
            let line = metadata(&node, LINE_KEY).to_string();
            let scope = below(metadata(&node, SCOPE_KEY), &first.path).unwrap_or_default().to_string();
            // A line is that of all calls, or of none.
            let same = class.iter().all(|group| metadata(&graph.node[group.nodes[i]], LINE_KEY) == line);
            node.metadata_props.retain(|entry| entry.key != SCOPE_KEY && (entry.key != LINE_KEY || same));
            if !scope.is_empty() {
                node.metadata_props.insert(0, StringStringEntryProto { key: SCOPE_KEY.to_string(), value: scope });
            }
            nodes.push(node);
        }
        let function = FunctionProto {
            name: self.free_name(class),
            domain: MODULES_DOMAIN.to_string(),
            input: inputs,
            output: first.given.iter().map(|name| names.inner(name)).collect(),
            opset_import: self.imports(&nodes),
            node: nodes,
            ..FunctionProto::default()
        };
        Ok(ModuleFunction { function, inputs: constants.iter().map(Option::is_none).collect() })
    }

    /// What the paths of a class have in common, with a number where another function has that name.
    fn free_name(&self, class: &[ModuleNodes]) -> String {
        let mut common = without_indices(&class[0].path);
        for group in &class[1..] {
            let other = without_indices(&group.path);
            let same = common.iter().rev().zip(other.iter().rev()).take_while(|(a, b)| a == b).count();
            common.drain(..common.len() - same);
        }
        if common.is_empty() {
            common = without_indices(&class[0].path);
        }
        let wanted = if common.is_empty() { "module".to_string() } else { common.join(".") };
        let taken = |name: &str| self.proto.functions.iter().any(|function| function.domain == MODULES_DOMAIN && function.name == name);
        let numbered = (1..).map(|n| format!("{wanted}_{n}"));
        std::iter::once(wanted.clone()).chain(numbered).find(|name| !taken(name)).unwrap_or(wanted)
    }

    /// The operator sets of these nodes.
    fn imports(&self, nodes: &[NodeProto]) -> Vec<OperatorSetIdProto> {
        fn domains<'a>(nodes: &'a [NodeProto], found: &mut BTreeSet<&'a str>) {
            for node in nodes {
                found.insert(canonical_domain(&node.domain));
                node.attribute.iter().filter_map(|attribute| attribute.g.as_ref()).for_each(|graph| domains(&graph.node, found));
            }
        }
        let mut found = BTreeSet::from([""]);
        domains(nodes, &mut found);
        let import = |domain: &str| OperatorSetIdProto { domain: domain.to_string(), version: self.opset(domain).unwrap_or(1) };
        found.into_iter().map(import).collect()
    }
}

/// The names in the body of a function.
struct Inner<'a> {
    module: &'a str,
    names: HashMap<String, String>,
    taken: HashSet<String>,
}

impl Inner<'_> {
    fn give(&mut self, outer: &str, wanted: &str) -> String {
        let numbered = (1..).map(|n| format!("{wanted}_{n}"));
        let free = std::iter::once(wanted.to_string()).chain(numbered).find(|name| !self.taken.contains(name));
        let name = free.unwrap_or_else(|| wanted.to_string());
        self.taken.insert(name.clone());
        self.names.insert(outer.to_string(), name.clone());
        name
    }

    /// An input: a weight has its own name, what is computed elsewhere is `x`.
    fn input(&mut self, model: &Model, outer: &str) -> String {
        let wanted = match below(outer, self.module) {
            Some(name) if !name.is_empty() => name,
            _ if model.initializer(outer).is_some() => outer,
            _ => "x",
        };
        self.give(outer, wanted)
    }

    /// Any other value: its own name, without the path of the module.
    fn inner(&mut self, outer: &str) -> String {
        match self.names.get(outer) {
            _ if outer.is_empty() => String::new(),
            Some(known) => known.clone(),
            None => {
                let wanted = below(outer, self.module).filter(|name| !name.is_empty()).unwrap_or(outer).to_string();
                self.give(outer, &wanted)
            }
        }
    }
}

fn constant_node(name: String, array: &Array) -> Result<NodeProto> {
    let value = AttributeProto {
        name: "value".to_string(),
        r#type: AttributeType::Tensor as i32,
        t: Some(Box::new(tensor::proto("", array)?)),
        ..AttributeProto::default()
    };
    Ok(NodeProto {
        op_type: "Constant".to_string(),
        name: name.clone(),
        output: vec![name],
        attribute: vec![value],
        ..NodeProto::default()
    })
}

/// The nodes of the modules at these paths, none of which is inside another.
fn groups(graph: &GraphProto, paths: &[&str], kept: &[String]) -> Vec<ModuleNodes> {
    let mut groups: Vec<ModuleNodes> =
        paths.iter().map(|path| ModuleNodes { path: path.to_string(), nodes: Vec::new(), taken: Vec::new(), given: Vec::new() }).collect();
    let positions: HashMap<&str, usize> = paths.iter().enumerate().map(|(i, path)| (*path, i)).collect();
    let group_of = |node: &NodeProto| {
        let scope = metadata(node, SCOPE_KEY);
        let prefixes = scope.match_indices('.').map(|(end, _)| &scope[..end]).chain([scope]);
        prefixes.filter_map(|prefix| positions.get(prefix).copied()).next()
    };
    let owners: Vec<Option<usize>> = graph.node.iter().map(group_of).collect();
    // Who uses what: the groups apart from the rest.
    let mut users: HashMap<&str, BTreeSet<Option<usize>>> = HashMap::new();
    for (node, owner) in graph.node.iter().zip(&owners) {
        each_use(node, &mut |name| {
            users.entry(name).or_default().insert(*owner);
        });
    }
    for name in graph.output.iter().map(|info| &info.name).chain(kept) {
        users.entry(name).or_default().insert(None);
    }
    let mut made: Vec<HashSet<&str>> = vec![HashSet::new(); groups.len()];
    for (i, (node, owner)) in graph.node.iter().zip(&owners).enumerate() {
        let Some(owner) = *owner else { continue };
        let group = &mut groups[owner];
        group.nodes.push(i);
        each_use(node, &mut |name| {
            if !made[owner].contains(name) && !group.taken.iter().any(|taken| taken == name) {
                group.taken.push(name.to_string());
            }
        });
        for output in node.output.iter().filter(|name| !name.is_empty()) {
            made[owner].insert(output);
            if users.get(output.as_str()).is_some_and(|users| users.iter().any(|user| *user != Some(owner))) {
                group.given.push(output.clone());
            }
        }
    }
    groups.retain(|group| !group.nodes.is_empty());
    groups
}

/// What two groups have in common where they are calls of one function: all but names, weights and lines.
fn shape(graph: &GraphProto, group: &ModuleNodes) -> Vec<u8> {
    let mut names = Names::default();
    let mut key = Vec::new();
    for &i in &group.nodes {
        let mut node = graph.node[i].clone();
        let scope = below(metadata(&node, SCOPE_KEY), &group.path).unwrap_or_default().to_string();
        names.node(&mut node);
        node.doc_string = scope;
        key.extend(node.encode_length_delimited_to_vec());
    }
    for output in &group.given {
        let mut name = output.clone();
        names.rename(&mut name);
        key.extend(name.into_bytes());
        key.push(0);
    }
    key
}

/// The positions of the other nodes before and behind the group; `None` where one of them needs something of the group that the group needs again.
fn order(graph: &GraphProto, group: &ModuleNodes) -> Option<(Vec<usize>, Vec<usize>)> {
    let inside: HashSet<usize> = group.nodes.iter().copied().collect();
    let mut of_group: HashSet<&str> = HashSet::new();
    let mut behind_names: HashSet<&str> = HashSet::new();
    let (mut before, mut behind) = (Vec::new(), Vec::new());
    for (i, node) in graph.node.iter().enumerate() {
        let (mut of_inside, mut of_behind) = (false, false);
        each_use(node, &mut |name| {
            of_inside |= of_group.contains(name);
            of_behind |= behind_names.contains(name);
        });
        let outputs = node.output.iter().map(String::as_str);
        if inside.contains(&i) {
            if of_behind {
                return None;
            }
            of_group.extend(outputs);
        } else if of_inside || of_behind {
            behind_names.extend(outputs);
            behind.push(i);
        } else {
            before.push(i);
        }
    }
    Some((before, behind))
}

/// Replaces a group by a call; `false` where the group cannot be contiguous.
fn replace(graph: &mut GraphProto, group: &ModuleNodes, body: &ModuleFunction) -> bool {
    let Some((before, behind)) = order(graph, group) else { return false };
    let last = group.nodes.last().copied().unwrap_or_default();
    // What does not depend on the group keeps its position, so that the graph stays in topological order.
    let (before, after): (Vec<usize>, Vec<usize>) = before.into_iter().partition(|&i| i < last);
    let mut rest: Vec<usize> = after.into_iter().chain(behind).collect();
    rest.sort_unstable();
    let call = NodeProto {
        op_type: body.function.name.clone(),
        domain: MODULES_DOMAIN.to_string(),
        name: group.given.first().cloned().unwrap_or_default(),
        input: group.taken.iter().zip(&body.inputs).filter(|(_, is_input)| **is_input).map(|(name, _)| name.clone()).collect(),
        output: group.given.clone(),
        metadata_props: vec![StringStringEntryProto { key: SCOPE_KEY.to_string(), value: group.path.clone() }],
        ..NodeProto::default()
    };
    let mut nodes: Vec<Option<NodeProto>> = std::mem::take(&mut graph.node).into_iter().map(Some).collect();
    let mut take = |positions: Vec<usize>| positions.into_iter().filter_map(|i| nodes[i].take()).collect::<Vec<_>>();
    let (mut first, second) = (take(before), take(rest));
    first.push(call);
    first.extend(second);
    graph.node = first;
    true
}
