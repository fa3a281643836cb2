//! Structural hashes: a number for each node and value that says what it computes from the graph's inputs.

use super::{Graph, Node, Source, ValueId};
use crate::array::Array;
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

/// Hashes of constants by address: a view onto the same bytes is hashed once. Looked up only, never iterated.
#[derive(Default)]
pub(crate) struct ConstantHashes(HashMap<usize, Vec<(Array, u64)>>);

impl ConstantHashes {
    /// Hashes by which two graphs can be compared without reading the constants that both have as the same view of the same bytes: where they are
    /// equal by these they are equal.
    pub(crate) fn by_identity(a: &Graph, b: &Graph) -> ConstantHashes {
        let constants = |graph: &Graph| graph.values().filter_map(|(_, value)| value.constant().cloned()).collect::<Vec<Array>>();
        let mut own: HashMap<usize, Vec<Array>> = HashMap::new();
        constants(a).into_iter().for_each(|array| own.entry(array.address()).or_default().push(array));
        let mut known: HashMap<usize, Vec<(Array, u64)>> = HashMap::new();
        for array in constants(b) {
            if own.get(&array.address()).is_some_and(|own| own.iter().any(|own| own.is_same(&array))) {
                let mut hasher = DefaultHasher::new();
                ("identity", array.address(), array.dtype(), array.shape(), array.strides()).hash(&mut hasher);
                known.entry(array.address()).or_default().push((array, hasher.finish()));
            }
        }
        ConstantHashes(known)
    }

    /// The hash of the elements of a constant.
    pub(super) fn of(&mut self, array: &Array) -> u64 {
        self.hash(array)
    }

    fn hash(&mut self, array: &Array) -> u64 {
        let known = self.0.entry(array.address()).or_default();
        if let Some((_, hash)) = known.iter().find(|(other, _)| other.is_same(array)) {
            return *hash;
        }
        let mut hasher = DefaultHasher::new();
        array.hash_bytes(&mut hasher);
        let hash = hasher.finish();
        known.push((array.clone(), hash));
        hash
    }
}

/// The hash of each value and node: of the operator with its attributes, and of the hashes of its inputs. Names, source locations, the order of
/// independent nodes and the sizes of the example are no part of it.
pub(crate) struct StructuralHashes {
    values: Vec<u64>,
    /// In the order of the graph's nodes.
    pub(crate) nodes: Vec<u64>,
}

impl StructuralHashes {
    /// The hash of a value.
    pub(crate) fn value(&self, id: ValueId) -> u64 {
        self.values[id.index()]
    }
}

fn operation(node: &Node, inputs: impl Iterator<Item = Option<u64>>) -> u64 {
    let mut hasher = DefaultHasher::new();
    (node.op.name(), node.op.domain(), node.op.attributes()).hash(&mut hasher);
    inputs.for_each(|input| input.hash(&mut hasher));
    hasher.finish()
}

impl Graph {
    /// The structural hash of every value and node.
    pub(crate) fn structural_hashes(&self, constants: &mut ConstantHashes) -> StructuralHashes {
        let mut values = vec![0u64; self.values.len()];
        for (position, &id) in self.inputs.iter().enumerate() {
            let mut hasher = DefaultHasher::new();
            let ty = &self.value(id).ty;
            ("input", position, ty.dtype, ty.rank()).hash(&mut hasher);
            values[id.index()] = hasher.finish();
        }
        for (id, value) in self.values() {
            if let Source::Constant(array, _) = &value.source {
                values[id.index()] = constants.hash(array);
            }
        }
        let mut nodes = Vec::with_capacity(self.nodes.len());
        for node in &self.nodes {
            let hash = operation(node, node.inputs.iter().map(|input| input.map(|id| values[id.index()])));
            for (i, &id) in node.outputs.iter().enumerate() {
                values[id.index()] = hash.rotate_left(i as u32 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            }
            nodes.push(hash);
        }
        StructuralHashes { values, nodes }
    }

    /// One hash of what the graph's outputs are, as computed from its inputs.
    pub(crate) fn structural_hash(&self) -> u64 {
        let hashes = self.structural_hashes(&mut ConstantHashes::default());
        let mut hasher = DefaultHasher::new();
        self.inputs.len().hash(&mut hasher);
        self.outputs.iter().for_each(|&id| hashes.value(id).hash(&mut hasher));
        hasher.finish()
    }
}
