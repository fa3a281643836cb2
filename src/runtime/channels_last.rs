//! Convolutional networks with the channels of their images last: a pass over the model before tract reads it.
//!
//! ONNX has channels before the spatial axes. A convolution by a [packed kernel](PackedConv) wants them together, and so do the operators
//! between two convolutions, which then need no transposition. What follows a convolution and is used nowhere else becomes part of it: batch
//! normalisation, an addition, an activation.

mod selection;
#[cfg(test)]
mod tests;

use super::activation_op::activation_of;
use super::channels_last_op::{LayerKernel, LayerOp};
use super::fallback_table::types;
use super::kernel_nodes::{Kernels, with_nodes};
use crate::array::{Array, DType};
use crate::dim::{Shape, Type};
use crate::error::{Error, Result};
use crate::kernels::channels_last::{ChannelsLastPool, Normalisation, Pooling, SpatialReduction};
use crate::kernels::conv::Window;
use crate::kernels::fused_activation::FusedActivation;
use crate::kernels::packed_conv::PackedConv;
use crate::onnx::proto::attribute_proto::AttributeType;
use crate::onnx::proto::{AttributeProto, GraphProto, NodeProto};
use crate::onnx::{Model, Node, canonical_domain, outer_names, value_info};
use selection::Selected;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

/// Operators of one operand that treat each element by itself; further inputs are numbers.
const UNARY: &[&str] = &[
    "Abs",
    "Cast",
    "Celu",
    "Clip",
    "Elu",
    "Erf",
    "Exp",
    "Gelu",
    "HardSigmoid",
    "HardSwish",
    "Identity",
    "LeakyRelu",
    "Log",
    "Mish",
    "Neg",
    "Reciprocal",
    "Relu",
    "Selu",
    "Sigmoid",
    "Softplus",
    "Softsign",
    "Sqrt",
    "Swish",
    "Tanh",
    "ThresholdedRelu",
];

/// Operators of two operands that broadcast.
const BINARY: &[&str] = &["Add", "Div", "Max", "Min", "Mul", "Pow", "Sub"];

/// Operators that reduce axes and keep them at length 1.
const REDUCTIONS: &[&str] = &["ReduceL1", "ReduceL2", "ReduceMax", "ReduceMean", "ReduceMin", "ReduceSum", "ReduceSumSquare"];

/// Rewrites a model; `None` where it has no convolution for a packed kernel. The values of these names stay.
///
/// # Errors
/// [`TooBig`](crate::ErrorCode::TooBig) where there is no room for a kernel.
pub(super) fn channels_last(model: &Model, kept: &BTreeSet<&str>, kernels: &mut Kernels) -> Result<Option<Model>> {
    let Some(graph) = model.proto.graph.as_ref().filter(|graph| graph.node.iter().any(|node| node.op_type == "Conv")) else {
        return Ok(None);
    };
    let pass = Pass::new(model, graph, kept, kernels);
    let fusions: Vec<Fusion> = (0..graph.node.len()).filter_map(|i| pass.fusion(i)).collect();
    if fusions.is_empty() { Ok(None) } else { pass.rewrite(fusions, kept).map(Some) }
}

/// A convolution and what follows it: one node of the new graph, in place of the last of these.
struct Fusion<'a> {
    conv: usize,
    weight: &'a Array,
    bias: Option<&'a Array>,
    normalised: Option<usize>,
    /// The value that is added.
    added: Option<&'a str>,
    activation: Option<FusedActivation>,
    /// All nodes, the convolution first.
    nodes: Vec<usize>,
    output: &'a str,
}

struct Pass<'a, 'k> {
    model: &'a Model,
    graph: &'a GraphProto,
    types: HashMap<&'a str, Type>,
    constants: HashMap<&'a str, &'a Array>,
    /// The nodes that use a value; a value that must stay has a user that is no node.
    users: HashMap<&'a str, Vec<usize>>,
    names: HashSet<&'a str>,
    /// Values with channels last, by the values of the model, and their ranks.
    last: HashMap<String, (String, usize)>,
    /// Values of the model that are channels of others.
    selected: HashMap<String, Selected>,
    /// The last of these that was written.
    written: Option<String>,
    /// Nodes of the model that are part of what is there.
    done: HashSet<usize>,
    /// Values of the model that the new graph has as they are.
    present: HashSet<String>,
    nodes: Vec<NodeProto>,
    initializers: Vec<(String, Array)>,
    types_of_last: Vec<(String, Type)>,
    kernels: &'k mut Kernels,
}

impl<'a, 'k> Pass<'a, 'k> {
    fn new(model: &'a Model, graph: &'a GraphProto, kept: &BTreeSet<&'a str>, kernels: &'k mut Kernels) -> Pass<'a, 'k> {
        let mut users: HashMap<&str, Vec<usize>> = HashMap::new();
        let mut names: HashSet<&str> = model.initializers.iter().map(|initializer| initializer.0.as_str()).collect();
        names.extend(graph.input.iter().map(|info| info.name.as_str()));
        let present = names.iter().map(|name| name.to_string()).collect();
        for (i, node) in graph.node.iter().enumerate() {
            node.input.iter().map(String::as_str).chain(outer_names(node)).for_each(|name| users.entry(name).or_default().push(i));
            names.extend(node.output.iter().map(String::as_str));
        }
        kept.iter().for_each(|name| users.entry(name).or_default().push(usize::MAX));
        let constants = model.initializers.iter().map(|(name, array)| (name.as_str(), array)).collect();
        let (last, nodes) = (HashMap::new(), Vec::with_capacity(graph.node.len()));
        let (initializers, types_of_last) = Default::default();
        let types = types(graph, model);
        let (selected, written, done) = Default::default();
        Pass {
            model,
            graph,
            types,
            constants,
            users,
            names,
            last,
            selected,
            written,
            done,
            present,
            nodes,
            initializers,
            types_of_last,
            kernels,
        }
    }

    fn node(&self, i: usize) -> Node<'a> {
        Node::new(&self.graph.node[i], i)
    }

    fn constant(&self, name: Option<&str>) -> Option<&'a Array> {
        self.constants.get(name?).copied()
    }

    /// The only node that uses a value.
    fn user(&self, name: &str) -> Option<usize> {
        match self.users.get(name)?[..] {
            [user] if user < self.graph.node.len() => Some(user),
            _ => None,
        }
    }

    /// The convolution of this number with what follows it, where a packed kernel suits it.
    fn fusion(&self, i: usize) -> Option<Fusion<'a>> {
        let node = self.node(i);
        if node.op_type() != "Conv" || node.domain() != "" || node.string("auto_pad", "NOTSET").ok()? != "NOTSET" {
            return None;
        }
        let weight = self.constant(node.input(1)).filter(|weight| weight.dtype() == DType::F32)?;
        let bias = node.input(2).map(|name| self.constant(Some(name)).filter(|bias| bias.dtype() == DType::F32));
        let groups = usize::try_from(node.int("group", 1).ok()?).ok()?;
        if bias.is_some_and(|bias| bias.is_none()) || self.constant(node.input(0)).is_some() || !PackedConv::suits(weight.shape(), groups) {
            return None;
        }
        // One that crops, or has too few numbers, is not for a packed kernel.
        window(&node, weight.rank() - 2).ok()?;
        let output = node.outputs().next()??;
        let mut fusion =
            Fusion { conv: i, weight, bias: bias.flatten(), normalised: None, added: None, activation: None, nodes: vec![i], output };
        while self.extend(&mut fusion).is_some() {}
        Some(fusion)
    }

    /// Takes the next node into a fusion; `None` where it ends.
    fn extend(&self, fusion: &mut Fusion<'a>) -> Option<()> {
        if fusion.activation.is_some() {
            return None;
        }
        let i = self.user(fusion.output)?;
        let node = self.node(i);
        let output = node.outputs().next()??;
        if node.domain() != "" {
            return None;
        }
        match node.op_type() {
            "BatchNormalization" if fusion.added.is_none() && fusion.normalised.is_none() => {
                let [scale, _] = self.normalisation(&node).ok()??;
                if scale.len() != fusion.weight.shape()[0] || node.input(0) != Some(fusion.output) {
                    return None;
                }
                fusion.normalised = Some(i);
            }
            "Add" if fusion.added.is_none() => {
                let other = node.inputs().flatten().find(|name| *name != fusion.output)?;
                let same = |name: &str| self.types.get(name);
                if self.constants.contains_key(other) || same(other)? != same(fusion.output)? {
                    return None;
                }
                fusion.added = Some(other);
            }
            _ => fusion.activation = Some(activation_of(&node, |name| self.constant(Some(name)))?),
        }
        fusion.nodes.push(i);
        fusion.output = output;
        Some(())
    }

    fn rewrite(mut self, mut fusions: Vec<Fusion<'a>>, kept: &BTreeSet<&str>) -> Result<Model> {
        // An addition that two fusions end with belongs to the later one: what the other gives is there by then.
        let mut owners: HashMap<usize, usize> = HashMap::new();
        for i in 0..fusions.len() {
            if let Some(at) = self.addition(&fusions[i])
                && let Some(before) = owners.insert(fusions[i].nodes[at], i)
            {
                self.cut(&mut fusions[before]);
            }
        }
        let ends: HashMap<usize, usize> = fusions.iter().enumerate().filter_map(|(i, fusion)| Some((*fusion.nodes.last()?, i))).collect();
        let inside: HashSet<usize> = fusions.iter().flat_map(|fusion| fusion.nodes.iter().copied()).collect();
        for i in 0..self.graph.node.len() {
            match ends.get(&i) {
                Some(&fusion) => self.convolution(&fusions[fusion])?,
                None if inside.contains(&i) || self.done.contains(&i) => {}
                None => self.other(i)?,
            }
        }
        for name in kept {
            self.first(name);
        }
        let mut model = with_nodes(self.model, self.nodes, self.initializers);
        let graph = model.proto.graph.get_or_insert_default();
        graph.value_info.extend(self.types_of_last.iter().map(|(name, ty)| value_info(name, ty)));
        Ok(model)
    }

    /// Which of the nodes of a fusion is the addition.
    fn addition(&self, fusion: &Fusion) -> Option<usize> {
        fusion.nodes.iter().position(|&i| self.node(i).op_type() == "Add")
    }

    /// Shortens a fusion to what comes before its addition.
    fn cut(&self, fusion: &mut Fusion<'a>) {
        let Some(at) = self.addition(fusion) else { return };
        fusion.nodes.truncate(at);
        (fusion.added, fusion.activation) = (None, None);
        if let Some(Some(output)) = fusion.nodes.last().and_then(|&i| self.node(i).outputs().next()) {
            fusion.output = output;
        }
    }

    /// The layer of a fusion, its input and its results with channels last.
    fn convolution(&mut self, fusion: &Fusion<'a>) -> Result<()> {
        let node = self.node(fusion.conv);
        let (kernel, rank) = (&fusion.weight.shape()[2..], fusion.weight.rank());
        let groups = node.int("group", 1)?.max(1) as usize;
        let mut weights = fusion.weight.to_vec::<f32>()?;
        let mut bias = fusion.bias.map(Array::to_vec::<f32>).transpose()?;
        if let Some(normalised) = fusion.normalised
            && let Some([scale, shift]) = self.normalisation(&self.node(normalised))?
        {
            let each = weights.len().checked_div(scale.len()).unwrap_or(0).max(1);
            weights.chunks_mut(each).zip(&scale).for_each(|(filter, scale)| filter.iter_mut().for_each(|weight| *weight *= scale));
            let before = bias.unwrap_or_else(|| vec![0.0; scale.len()]);
            bias = Some(before.iter().zip(&scale).zip(shift).map(|((bias, scale), shift)| bias * scale + shift).collect());
        }
        let window = window(&node, kernel.len())?;
        // As large as the convolution's own: what follows keeps the shape.
        let steps: Option<Vec<usize>> = self
            .types
            .get(fusion.output)
            .and_then(|ty| ty.shape.get(2..)?.iter().map(|size| usize::try_from(size.fixed()?).ok()).collect());
        let conv = PackedConv::new((fusion.weight.shape(), &weights), bias, window, groups, fusion.activation, steps.as_deref())?;
        let input = node.required(0, "X")?;
        let mut inputs = vec![self.last(input, rank)];
        inputs.extend(fusion.added.map(|added| self.last(added, rank)));
        let conv_node = &self.graph.node[fusion.conv];
        self.kernels.replaces(conv_node);
        self.layer(conv_node.name.clone(), LayerKernel::Conv(Arc::new(conv)), inputs, fusion.output, rank);
        Ok(())
    }

    /// Adds a node of ours.
    fn layer(&mut self, name: String, layer: LayerKernel, inputs: Vec<String>, output: &str, rank: usize) {
        let output = self.new_last(output, rank);
        self.push_layer(name, layer, inputs, output);
    }

    /// Adds a node of ours whose result has this name in the new graph.
    fn push_layer(&mut self, name: String, layer: LayerKernel, inputs: Vec<String>, output: String) {
        let node = self.kernels.node(LayerOp(layer), name, inputs, vec![output]);
        self.nodes.push(node);
    }

    /// The name of a value with channels last that a node is about to make.
    fn new_last(&mut self, name: &str, rank: usize) -> String {
        let mut new = format!("{name}.channels_last");
        while self.names.contains(new.as_str()) {
            new.push('_');
        }
        if let Some(ty) = self.types.get(name).filter(|ty| ty.rank() == rank) {
            let shape: Shape = to_last(rank).into_iter().map(|axis| ty.shape[axis].clone()).collect();
            self.types_of_last.push((new.clone(), Type::new(ty.dtype, shape)));
        }
        self.last.insert(name.to_string(), (new.clone(), rank));
        new
    }

    /// A value with channels last.
    fn last(&mut self, name: &str, rank: usize) -> String {
        self.write_selected(name);
        if let Some((known, _)) = self.last.get(name) {
            return known.clone();
        }
        let new = self.new_last(name, rank);
        // What else is transposed may meet a transposition that undoes it, which tract finds.
        let is_input = self.graph.input.iter().any(|info| info.name == name);
        if is_input && self.types.get(name).is_some_and(|ty| ty.dtype == DType::F32) {
            self.push_layer(format!("{name}.transposed"), LayerKernel::Move, vec![name.to_string()], new.clone());
        } else {
            self.transpose(name.to_string(), new.clone(), to_last(rank));
        }
        new
    }

    /// Has a value of the model as it is.
    fn first(&mut self, name: &str) {
        self.write_selected(name);
        if !self.present.contains(name)
            && let Some((last, rank)) = self.last.get(name).cloned()
        {
            self.transpose(last, name.to_string(), to_first(rank));
            self.present.insert(name.to_string());
        }
    }

    fn transpose(&mut self, from: String, to: String, order: Vec<usize>) {
        let perm = ints("perm", order.into_iter().map(|axis| axis as i64).collect());
        self.nodes.push(NodeProto {
            op_type: "Transpose".to_string(),
            // tract takes the name of a value for one of a node, where this has none: another may have that.
            name: format!("{from}.transposed"),
            input: vec![from],
            output: vec![to],
            attribute: vec![perm],
            ..NodeProto::default()
        });
    }

    /// A node that no fusion has: with channels last where an operand is, and where it can be.
    fn other(&mut self, i: usize) -> Result<()> {
        let node = &self.graph.node[i];
        let rank = node.input.iter().find_map(|name| self.rank_of_last(name));
        let onnx = canonical_domain(&node.domain).is_empty();
        if onnx && self.moved(i, rank)?.is_some() {
            return Ok(());
        }
        let needed: Vec<&str> = node.input.iter().map(String::as_str).chain(outer_names(node)).collect();
        needed.into_iter().for_each(|name| self.first(name));
        self.present.extend(node.output.iter().cloned());
        self.nodes.push(node.clone());
        Ok(())
    }

    /// Adds a node of the model with its operands, and results, with channels last; `None` where it does not know how.
    fn moved(&mut self, i: usize, rank: Option<usize>) -> Result<Option<()>> {
        let (node, proto) = (self.node(i), &self.graph.node[i]);
        let (Some(x), Some(output)) = (node.input(0), node.outputs().next().flatten()) else { return Ok(None) };
        if node.op_type() == "Transpose" {
            return Ok(self.moved_transpose(&node, x, output));
        }
        let Some(rank) = rank else { return Ok(None) };
        let here = self.rank_of_last(x).is_some();
        match node.op_type() {
            op if UNARY.contains(&op) && here => self.again(proto, rank, |_| {}),
            op if BINARY.contains(&op) => {
                if !node.inputs().all(|name| name.is_some_and(|name| self.broadcasts(name, rank))) {
                    return Ok(None);
                }
                if let Some((images, scale)) = self.scaling(&node, rank) {
                    let inputs = [images, scale].map(|name| self.last(name, rank));
                    self.layer(proto.name.clone(), LayerKernel::Scale, inputs.to_vec(), output, rank);
                    return Ok(Some(()));
                }
                let mut new = proto.clone();
                for (name, new) in proto.input.iter().zip(&mut new.input) {
                    *new = self.operand(name, rank)?;
                }
                new.output = vec![self.new_last(output, rank)];
                self.nodes.push(new);
            }
            "Concat" => {
                let whole = |name: &str| self.rank_of_last(name).is_some() || self.types.get(name).is_some_and(|ty| ty.rank() == rank);
                let (Ok(axis), true) = (node.int("axis", 1), node.inputs().flatten().all(whole)) else { return Ok(None) };
                let Some(axis) = moved_axis(axis, rank) else { return Ok(None) };
                if axis + 1 == rank as i64 && self.concatenated(proto, output, rank).is_some() {
                    return Ok(Some(()));
                }
                let inputs: Vec<String> = proto.input.iter().map(|name| self.last(name, rank)).collect();
                self.again(proto, rank, |new| {
                    new.input = inputs;
                    replace(new, int("axis", axis));
                });
            }
            op if REDUCTIONS.contains(&op) && here => {
                let axes = match node.input(1) {
                    Some(name) => self.constant(Some(name)).and_then(|axes| axes.to_i64s().ok()),
                    None => node.ints("axes")?.map(<[i64]>::to_vec),
                };
                let axes: Option<Vec<i64>> = axes.and_then(|axes| axes.into_iter().map(|axis| moved_axis(axis, rank)).collect());
                let Some(axes) = axes.filter(|axes| !axes.is_empty()) else { return Ok(None) };
                let kept = node.int("keepdims", 1)? == 1;
                if self.reduced(proto, &axes, rank, kept) {
                    return Ok(Some(()));
                }
                if !kept {
                    return Ok(None);
                }
                let input = node.input(1).map(|_| self.new_constant(Array::vector(axes.clone())));
                self.again(proto, rank, |new| match input {
                    Some(input) => new.input[1] = input,
                    None => replace(new, ints("axes", axes)),
                });
            }
            "Pad" if here && node.input(3).is_none() && node.string("mode", "constant")? == "constant" => {
                let pads = self.constant(node.input(1)).and_then(|pads| pads.to_i64s().ok()).filter(|pads| pads.len() == 2 * rank);
                let Some(pads) = pads else { return Ok(None) };
                let pads = to_last(rank).into_iter().chain(to_last(rank).into_iter().map(|axis| axis + rank)).map(|i| pads[i]).collect();
                let input = self.new_constant(Array::vector(pads));
                self.again(proto, rank, |new| new.input[1] = input);
            }
            "Split" if here => {
                let Some(axis) = moved_axis(node.int("axis", 0)?, rank) else { return Ok(None) };
                if axis + 1 == rank as i64 && self.divided(proto, x, rank).is_some() {
                    return Ok(Some(()));
                }
                self.again(proto, rank, |new| replace(new, int("axis", axis)));
            }
            "Slice" if here => return Ok(self.sliced(i, x, output, rank)),
            "Reshape" if here => return Ok(self.shuffled(i, x)),
            "BatchNormalization" if here => return self.normalised(&node, x, output, rank),
            "MaxPool" | "AveragePool" if here && node.outputs().len() == 1 && !super::is_vast_pool(proto) => {
                let Some(pool) = pool(&node, rank - 2).ok().flatten() else { return Ok(None) };
                if self.types.get(x).is_none_or(|ty| ty.dtype != DType::F32) {
                    return Ok(None);
                }
                let input = self.last(x, rank);
                self.kernels.replaces(proto);
                self.layer(proto.name.clone(), LayerKernel::Pool(Arc::new(pool)), vec![input], output, rank);
            }
            _ => return Ok(None),
        }
        Ok(Some(()))
    }

    /// Adds a node again, with its first operand and its results with channels last; further operands stay.
    fn again(&mut self, node: &NodeProto, rank: usize, change: impl FnOnce(&mut NodeProto)) {
        let mut new = node.clone();
        new.input[0] = self.last(&node.input[0], rank);
        node.input[1..].iter().for_each(|name| self.first(name));
        new.output = node.output.iter().map(|name| if name.is_empty() { String::new() } else { self.new_last(name, rank) }).collect();
        change(&mut new);
        self.nodes.push(new);
    }

    /// Adds a reduction to a number for each channel, where that is what a node does to images of f32.
    fn reduced(&mut self, node: &NodeProto, axes: &[i64], rank: usize, kept: bool) -> bool {
        let reduction = match node.op_type.as_str() {
            "ReduceMean" => SpatialReduction::Mean,
            "ReduceSum" => SpatialReduction::Sum,
            "ReduceL2" => SpatialReduction::Norm,
            _ => return false,
        };
        let spatial: BTreeSet<i64> = (1..rank as i64 - 1).collect();
        let [x, output] = [&node.input[0], &node.output[0]];
        let is_float = self.types.get(x.as_str()).is_some_and(|ty| ty.dtype == DType::F32 && ty.shape.iter().all(|n| *n != 0));
        if axes.iter().copied().collect::<BTreeSet<i64>>() != spatial || !is_float || !kept && self.model.opset("").unwrap_or(0) < 13 {
            return false;
        }
        let input = self.last(x, rank);
        if kept {
            self.layer(node.name.clone(), LayerKernel::Reduce(reduction), vec![input], output, rank);
            return true;
        }
        // The axes are left out afterwards: what has channels last has them all.
        let reduced = format!("{output}.channels_last.reduced");
        let axes = self.new_constant(Array::vector(spatial.into_iter().collect::<Vec<i64>>()));
        self.push_layer(node.name.clone(), LayerKernel::Reduce(reduction), vec![input], reduced.clone());
        self.nodes.push(NodeProto {
            op_type: "Squeeze".to_string(),
            name: format!("{output}.squeezed"),
            input: vec![reduced, axes],
            output: vec![output.clone()],
            ..NodeProto::default()
        });
        self.present.insert(output.clone());
        true
    }

    /// A transposition that a model makes itself: from channels last the values are there, to channels first they need not be moved.
    fn moved_transpose(&mut self, node: &Node, x: &str, output: &str) -> Option<()> {
        let perm: Vec<usize> = node.ints("perm").ok()??.iter().map(|&axis| usize::try_from(axis).ok()).collect::<Option<_>>()?;
        let rank = perm.len();
        if rank < 3 {
            return None;
        }
        if perm == to_last(rank) && self.rank_of_last(x).is_some() {
            let last = self.last(x, rank);
            self.nodes.push(NodeProto {
                op_type: "Identity".to_string(),
                name: format!("{last}.first"),
                input: vec![last],
                output: vec![output.to_string()],
                ..NodeProto::default()
            });
            self.present.insert(output.to_string());
            return Some(());
        }
        if perm == to_first(rank) && self.has_convolution_after(output) {
            self.first(x);
            self.last.insert(output.to_string(), (x.to_string(), rank));
            return Some(());
        }
        None
    }

    /// Whether a convolution, or what would be carried along with one, uses a value.
    fn has_convolution_after(&self, name: &str) -> bool {
        let takes = |&i: &usize| {
            self.graph.node.get(i).is_some_and(|node| {
                let op = node.op_type.as_str();
                op == "Conv" || op == "Transpose" || BINARY.contains(&op) || UNARY.contains(&op)
            })
        };
        self.users.get(name).is_some_and(|users| users.iter().all(takes))
    }

    /// Whether a value can be an operand beside one with channels last.
    fn broadcasts(&self, name: &str, rank: usize) -> bool {
        self.rank_of_last(name).is_some()
            || self.constants.get(name).is_some_and(|array| array.rank() <= rank)
            || self.types.get(name).is_some_and(|ty| ty.rank() == rank || ty.rank() < rank && ty.shape.iter().all(|n| *n == 1))
    }

    /// Images of f32 and a number for each channel of each that they are multiplied by, where that is what a node does.
    fn scaling(&self, node: &Node<'a>, rank: usize) -> Option<(&'a str, &'a str)> {
        let whole = |name: &str| self.types.get(name).filter(|ty| ty.rank() == rank && ty.dtype == DType::F32);
        let fits = |images: &str, scale: &str| -> Option<bool> {
            let (images, scale) = (whole(images)?, whole(scale)?);
            Some(
                images.shape[..2] == scale.shape[..2]
                    && scale.shape[2..].iter().all(|n| *n == 1)
                    && images.shape[2..].iter().any(|n| *n != 1),
            )
        };
        let (a, b) = (node.input(0)?, node.input(1)?);
        if node.op_type() != "Mul" || [a, b].iter().any(|name| self.constants.contains_key(name)) {
            return None;
        }
        if fits(a, b)? { Some((a, b)) } else { fits(b, a)?.then_some((b, a)) }
    }

    /// A value as an operand beside one with channels last.
    fn operand(&mut self, name: &str, rank: usize) -> Result<String> {
        if let Some(array) = self.constants.get(name).copied()
            && self.rank_of_last(name).is_none()
        {
            if array.len() == 1 {
                return Ok(name.to_string());
            }
            let shape = [&vec![1; rank - array.rank()], array.shape()].concat();
            let moved = array.reshape(&shape)?.permute(&to_last(rank))?.contiguous()?;
            return Ok(self.new_constant(moved));
        }
        if self.rank_of_last(name).is_none() && self.types.get(name).is_some_and(|ty| ty.rank() < rank) {
            self.first(name);
            return Ok(name.to_string());
        }
        Ok(self.last(name, rank))
    }

    fn new_constant(&mut self, array: Array) -> String {
        let mut name = format!("channels_last.{}", self.initializers.len());
        while self.names.contains(name.as_str()) {
            name.push('_');
        }
        self.initializers.push((name.clone(), array));
        name
    }

    /// A normalisation of f32 that no convolution takes in, with the activation that follows.
    fn normalised(&mut self, node: &Node<'a>, x: &str, output: &'a str, rank: usize) -> Result<Option<()>> {
        let is_f32 = self.types.get(x).is_some_and(|ty| ty.dtype == DType::F32);
        let Some([scale, shift]) = self.normalisation(node)?.filter(|_| is_f32) else { return Ok(None) };
        let next = self.user(output).filter(|&next| self.node(next).domain().is_empty());
        let activation = next.and_then(|next| Some((next, activation_of(&self.node(next), |name| self.constant(Some(name)))?)));
        let end = activation.and_then(|(next, _)| self.node(next).outputs().next()?);
        let (activation, output) = match (activation, end) {
            (Some((next, activation)), Some(end)) => {
                self.kernels.replaces(&self.graph.node[next]);
                self.done.insert(next);
                (Some(activation), end)
            }
            _ => (None, output),
        };
        let x = self.last(x, rank);
        let normalisation = Normalisation { scale, shift, activation };
        self.layer(node.name().to_string(), LayerKernel::Normalise(Arc::new(normalisation)), vec![x], output, rank);
        Ok(Some(()))
    }

    /// What a normalisation multiplies the values of each channel by, and what it then adds; `None` where that is not known before it runs.
    fn normalisation(&self, node: &Node) -> Result<Option<[Vec<f32>; 2]>> {
        let statistic =
            |input: usize| self.constant(node.input(input)).filter(|array| array.dtype() == DType::F32).map(Array::to_vec::<f32>);
        let (Some(scale), Some(shift), Some(mean), Some(variance)) = (statistic(1), statistic(2), statistic(3), statistic(4)) else {
            return Ok(None);
        };
        if node.outputs().len() > 1 || node.int("training_mode", 0)? != 0 {
            return Ok(None);
        }
        let epsilon = f64::from(node.float("epsilon", 1e-5)?);
        let factors: Vec<f64> =
            scale?.iter().zip(variance?).map(|(&scale, variance)| f64::from(scale) / (f64::from(variance) + epsilon).sqrt()).collect();
        let shifts =
            shift?.into_iter().zip(mean?).zip(&factors).map(|((shift, mean), factor)| (f64::from(shift) - f64::from(mean) * factor) as f32);
        Ok(Some([factors.iter().map(|&factor| factor as f32).collect(), shifts.collect()]))
    }
}

/// The axes of a value in the order that puts channels last.
fn to_last(rank: usize) -> Vec<usize> {
    [0].into_iter().chain(2..rank).chain([1]).collect()
}

/// The axes of a value with channels last in the order of the model.
fn to_first(rank: usize) -> Vec<usize> {
    [0, rank - 1].into_iter().chain(1..rank - 1).collect()
}

/// Where an axis of the model is, with channels last.
fn moved_axis(axis: i64, rank: usize) -> Option<i64> {
    let axis = usize::try_from(if axis < 0 { axis + rank as i64 } else { axis }).ok()?;
    to_last(rank).into_iter().position(|from| from == axis).map(|axis| axis as i64)
}

fn int(name: &str, i: i64) -> AttributeProto {
    AttributeProto { name: name.to_string(), r#type: AttributeType::Int as i32, i, ..AttributeProto::default() }
}

fn ints(name: &str, ints: Vec<i64>) -> AttributeProto {
    AttributeProto { name: name.to_string(), r#type: AttributeType::Ints as i32, ints, ..AttributeProto::default() }
}

/// Sets an attribute.
fn replace(node: &mut NodeProto, attribute: AttributeProto) {
    node.attribute.retain(|other| other.name != attribute.name);
    node.attribute.push(attribute);
}

/// The window of a convolution or a pooling.
fn window(node: &Node, axes: usize) -> Result<Window> {
    let sizes = |name: &str, default: usize, count: usize| -> Result<Vec<usize>> {
        let values = node.ints(name)?.map(<[i64]>::to_vec).unwrap_or_else(|| vec![default as i64; count]);
        values.into_iter().map(|n| usize::try_from(n).map_err(|_| Error::unsupported(format!("{name} {n}")))).collect()
    };
    let mut pads = sizes("pads", 0, 2 * axes)?;
    let pads_end = pads.split_off(axes.min(pads.len()));
    let window = Window { strides: sizes("strides", 1, axes)?, dilations: sizes("dilations", 1, axes)?, pads_begin: pads, pads_end };
    // Of whatever sizes the images are.
    window.check(&vec![1; axes], &vec![1; axes])?;
    Ok(window)
}

/// A pooling; `None` where it is of a kind that has no kernel here.
fn pool(node: &Node, axes: usize) -> Result<Option<ChannelsLastPool>> {
    let (max, ceil) = (node.op_type() == "MaxPool", node.int("ceil_mode", 0)? != 0);
    let plain = node.string("auto_pad", "NOTSET")? == "NOTSET" && node.int("storage_order", 0)? == 0 && (max || !ceil);
    let kernel = node.ints("kernel_shape")?.unwrap_or_default().iter().map(|&n| usize::try_from(n).unwrap_or(0)).collect();
    let pooling = match node.int("count_include_pad", 0)? {
        _ if max => Pooling::Max,
        0 => Pooling::Mean,
        _ => Pooling::MeanWithPadding,
    };
    Ok(if plain { Some(ChannelsLastPool { pooling, kernel, window: window(node, axes)?, ceil }) } else { None })
}
