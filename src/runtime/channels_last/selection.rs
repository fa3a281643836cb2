//! Concatenations, splits and shuffles of channels: what they make is a list of channels of other values, and is written only where something else needs it.
//! Several of them after one another are then one movement of the channels that are used.

use super::super::channels_last_op::LayerKernel;
use super::Pass;
use crate::array::DType;
use crate::dim::Type;
use crate::kernels::channel_selection::ChannelSelection;
use crate::onnx::Node;
use crate::onnx::proto::NodeProto;
use std::collections::HashMap;
use std::sync::Arc;

/// The most channels of a value that is not written at once: what is kept of each is then little.
const MOST: usize = 4096;

/// A value of the new graph that has channels last.
#[derive(PartialEq)]
struct ChannelSource {
    name: String,
    channels: usize,
}

/// A channel of a value that is written.
type Channel = (Arc<ChannelSource>, usize);

/// The channels of a value that is not written yet.
pub(super) struct Selected {
    channels: Vec<Channel>,
    rank: usize,
    /// The name of the node that makes it.
    node: String,
}

impl<'a> Pass<'a, '_> {
    /// How many channels images of f32 have; `None` where a value is something else, or that depends on the call.
    fn width(&self, name: &str, rank: usize) -> Option<usize> {
        let ty = self.types.get(name).filter(|ty| ty.dtype == DType::F32 && ty.rank() == rank)?;
        ty.shape[1].fixed().and_then(|n| usize::try_from(n).ok()).filter(|&width| width <= MOST)
    }

    /// The channels of images, in terms of values that are written.
    fn channels(&mut self, name: &str, rank: usize, width: usize) -> Vec<Channel> {
        if let Some(selected) = self.selected.get(name) {
            return selected.channels.clone();
        }
        let source = Arc::new(ChannelSource { name: self.last(name, rank), channels: width });
        (0..width).map(|channel| (source.clone(), channel)).collect()
    }

    /// Has a node make a value of these channels.
    fn select(&mut self, node: &NodeProto, output: &str, channels: Vec<Channel>, rank: usize) {
        self.kernels.replaces(node);
        self.selected.insert(output.to_string(), Selected { channels, rank, node: node.name.clone() });
    }

    /// Channels that several images have one after the other.
    pub(super) fn concatenated(&mut self, node: &NodeProto, output: &str, rank: usize) -> Option<()> {
        let widths = node.input.iter().map(|name| self.width(name, rank)).collect::<Option<Vec<usize>>>()?;
        self.width(output, rank)?;
        let parts: Vec<_> = node.input.iter().zip(widths).flat_map(|(name, width)| self.channels(name, rank, width)).collect();
        self.select(node, output, parts, rank);
        Some(())
    }

    /// Images whose channels are divided.
    pub(super) fn divided(&mut self, node: &NodeProto, x: &str, rank: usize) -> Option<()> {
        let outputs: Vec<&str> = node.output.iter().map(String::as_str).collect();
        let widths = outputs.iter().map(|name| self.width(name, rank)).collect::<Option<Vec<usize>>>()?;
        let width = self.width(x, rank).filter(|&width| widths.iter().sum::<usize>() == width)?;
        let mut channels = self.channels(x, rank, width).into_iter();
        for (name, width) in outputs.into_iter().zip(widths) {
            let part = channels.by_ref().take(width).collect();
            self.select(node, name, part, rank);
        }
        Some(())
    }

    /// Some of the channels of images, at equal distances.
    pub(super) fn sliced(&mut self, i: usize, x: &str, output: &str, rank: usize) -> Option<()> {
        let node = self.node(i);
        let only = |input: usize, absent: Option<i64>| match node.input(input) {
            Some(name) => match self.constant(Some(name))?.to_i64s().ok()?[..] {
                [value] => Some(value),
                _ => None,
            },
            None => absent,
        };
        let (start, end, axis, step) = (only(1, None)?, only(2, None)?, only(3, None)?, only(4, Some(1))?);
        let (width, count) = (self.width(x, rank)?, self.width(output, rank)?);
        if ![1, 1 - rank as i64].contains(&axis) || step < 1 {
            return None;
        }
        let bound = |at: i64| (if at < 0 { at.saturating_add(width as i64) } else { at }).clamp(0, width as i64) as usize;
        let channels = self.channels(x, rank, width);
        let chosen: Vec<_> = channels.into_iter().take(bound(end)).skip(bound(start)).step_by(step as usize).collect();
        if chosen.len() != count {
            return None;
        }
        self.select(&self.graph.node[i], output, chosen, rank);
        Some(())
    }

    /// The nodes that shuffle channels, beginning with this one: channels as groups, groups and their members exchanged, and channels again.
    pub(super) fn shuffled(&mut self, i: usize, x: &'a str) -> Option<()> {
        let (transpose, restore) = {
            let transpose = self.user(self.only_output(i, "Reshape")?)?;
            (transpose, self.user(self.only_output(transpose, "Transpose")?)?)
        };
        let (grouped, output) = (self.only_output(i, "Reshape")?, self.only_output(restore, "Reshape")?);
        let (before, groups) = (self.types.get(x)?, self.types.get(grouped)?);
        let (rank, divided) = (before.rank(), &groups.shape);
        let is_same = |a: &Type, b: &Type| a.dtype == b.dtype && a.shape == b.shape;
        let spatial = before.shape[2..] == divided[3.min(divided.len())..] && before.shape[0] == divided[0];
        let perm: Vec<i64> = [0, 2, 1].into_iter().chain(3..=rank as i64).collect();
        if rank < 3 || divided.len() != rank + 1 || !spatial || !is_same(before, self.types.get(output)?) {
            return None;
        }
        if self.node(transpose).ints("perm").ok()?? != perm {
            return None;
        }
        let (width, count) = (self.width(x, rank)?, usize::try_from(divided[1].fixed()?).ok().filter(|&count| count > 0)?);
        let members = width / count;
        let channels = self.channels(x, rank, width);
        let shuffled = (0..width).map(|to| channels[to % count * members + to / count].clone()).collect();
        for node in [i, transpose] {
            self.kernels.replaces(&self.graph.node[node]);
        }
        self.done.extend([transpose, restore]);
        self.select(&self.graph.node[restore], output, shuffled, rank);
        Some(())
    }

    /// The result of a node of ONNX with one, where it is of this kind.
    fn only_output(&self, i: usize, op_type: &str) -> Option<&'a str> {
        let node: Node<'a> = self.node(i);
        let is_of_onnx = node.op_type() == op_type && node.domain().is_empty();
        if is_of_onnx && node.outputs().len() == 1 { node.outputs().next()? } else { None }
    }

    /// Writes a value of selected channels, where this is one that is not written yet.
    pub(super) fn write_selected(&mut self, name: &str) {
        let Some(selected) = self.selected.get(name).filter(|_| !self.last.contains_key(name)) else { return };
        // What was written before and begins alike is read as a whole.
        let before = self.written.as_ref().and_then(|before| Some((before, self.selected.get(before)?, self.last.get(before)?.0.clone())));
        let begun = before.filter(|(before, known, _)| *before != name && selected.channels.starts_with(&known.channels));
        let begun = begun.map(|(_, known, name)| Arc::new(ChannelSource { name, channels: known.channels.len() }));
        let whole = begun.iter().flat_map(|source| (0..source.channels).map(|channel| (source.clone(), channel)));
        let rest = selected.channels.iter().skip(begun.as_ref().map_or(0, |source| source.channels)).cloned();
        let mut sources: Vec<Arc<ChannelSource>> = Vec::new();
        let mut indices: HashMap<String, usize> = HashMap::new();
        let mut channels = Vec::with_capacity(selected.channels.len());
        for (source, channel) in whole.chain(rest) {
            let index = *indices.entry(source.name.clone()).or_insert_with(|| {
                sources.push(source.clone());
                sources.len() - 1
            });
            channels.push((index, channel));
        }
        let (rank, node) = (selected.rank, selected.node.clone());
        let is_whole = |source: &ChannelSource| channels.iter().map(|channel| channel.1).eq(0..source.channels);
        if let [source] = &sources[..]
            && is_whole(source)
        {
            self.last.insert(name.to_string(), (source.name.clone(), rank));
            return;
        }
        let selection = ChannelSelection::new(sources.iter().map(|source| source.channels).collect(), &channels);
        let inputs = sources.iter().map(|source| source.name.clone()).collect();
        self.written = Some(name.to_string());
        self.layer(node, LayerKernel::Select(Arc::new(selection)), inputs, name, rank);
    }

    /// The rank of a value that has, or can have, its channels last without a transposition.
    pub(super) fn rank_of_last(&self, name: &str) -> Option<usize> {
        self.last.get(name).map(|known| known.1).or_else(|| self.selected.get(name).map(|selected| selected.rank))
    }
}
