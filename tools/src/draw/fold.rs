//! Parts of a diagram: scopes as one block, and what is near a node.

use super::diagram::{Block, Diagram, Edge, Kind};
use crate::suggestion::nearest;
use ontrace::{Error, Result};
use std::collections::{BTreeSet, HashMap};

impl Diagram {
    /// The diagram whose scopes deeper than this are one block each; a scope of one node stays that node.
    pub fn folded(&self, depth: usize) -> Diagram {
        let scopes: HashMap<String, Vec<usize>> = self.scopes().into_iter().collect();
        let whole: Vec<usize> = (0..self.blocks.len()).filter(|&i| self.blocks[i].kind == Kind::Operator).collect();
        let (mut blocks, mut index) = (Vec::new(), vec![0; self.blocks.len()]);
        let mut known: HashMap<&str, usize> = HashMap::new();
        for (i, block) in self.blocks.iter().enumerate() {
            let scope = match depth {
                0 if block.kind == Kind::Operator => Some(("", &whole)),
                0 => None,
                // A scope at this depth is folded where it has more than one node.
                _ => block
                    .scopes
                    .get(depth - 1)
                    .and_then(|scope| scopes.get_key_value(scope))
                    .map(|(scope, members)| (scope.as_str(), members)),
            };
            index[i] = match scope.filter(|scope| scope.1.len() > 1) {
                None => {
                    blocks.push(block.clone());
                    blocks.len() - 1
                }
                Some((scope, members)) => *known.entry(scope).or_insert_with(|| {
                    let members: Vec<&Block> = members.iter().map(|&i| &self.blocks[i]).collect();
                    let title = if scope.is_empty() { "model" } else { scope };
                    blocks.push(Block::scope(title, &block.scopes[..depth.saturating_sub(1)], &members));
                    blocks.len() - 1
                }),
            };
        }
        self.with_blocks(blocks, |i| Some(index[i]))
    }

    /// The part of the diagram that is at most so many edges from a node.
    ///
    /// # Errors
    /// [`Argument`](ontrace::ErrorCode::Argument) where there is no such node.
    pub fn around(&self, name: &str, hops: usize) -> Result<Diagram> {
        let mut kept = self.find(name)?;
        for _ in 0..hops {
            let before = kept.len();
            let near = self.edges.iter().filter(|edge| kept.contains(&edge.from) != kept.contains(&edge.to));
            let near: Vec<usize> = near.flat_map(|edge| [edge.from, edge.to]).collect();
            kept.extend(near);
            if kept.len() == before {
                break;
            }
        }
        let positions: HashMap<usize, usize> = kept.iter().enumerate().map(|(at, &i)| (i, at)).collect();
        let blocks = kept.iter().map(|&i| self.blocks[i].clone()).collect();
        Ok(self.with_blocks(blocks, |i| positions.get(&i).copied()))
    }

    /// The blocks of this name: nodes, inputs and outputs, else those that make the value, else those in the scope.
    ///
    /// # Errors
    /// [`Argument`](ontrace::ErrorCode::Argument) where there is none, with the names that are like it.
    pub fn find(&self, name: &str) -> Result<BTreeSet<usize>> {
        let with =
            |test: &dyn Fn(&Block) -> bool| -> BTreeSet<usize> { (0..self.blocks.len()).filter(|&i| test(&self.blocks[i])).collect() };
        let found = [
            with(&|block| block.name == name),
            with(&|block| block.outputs.iter().any(|operand| operand.name == name)),
            with(&|block| block.scopes.iter().any(|scope| scope == name)),
        ];
        match found.into_iter().find(|found| !found.is_empty() && !name.is_empty()) {
            Some(found) => Ok(found),
            None => {
                let scopes = self.scopes();
                let names = self.blocks.iter().map(|block| block.name.as_str()).chain(scopes.iter().map(|scope| scope.0.as_str()));
                let names: BTreeSet<String> = names.filter(|name| !name.is_empty()).map(str::to_string).collect();
                let names: Vec<String> = names.into_iter().collect();
                let help = match nearest(name, &names) {
                    Some(other) => format!("did you mean `{other}`?"),
                    None => {
                        format!("give the name of a node, a value or a scope, such as {}", names[..names.len().min(6)].join(", "))
                    }
                };
                Err(Error::argument(format!("there is no node, value or scope `{name}`")).help(help))
            }
        }
    }

    /// Other blocks, with the edges between them; `index` says where a block is now.
    fn with_blocks(&self, blocks: Vec<Block>, index: impl Fn(usize) -> Option<usize>) -> Diagram {
        let mut seen = BTreeSet::new();
        let mut edges = Vec::new();
        for edge in &self.edges {
            if let (Some(from), Some(to)) = (index(edge.from), index(edge.to))
                && from != to
                && seen.insert((from, to, edge.value.as_str()))
            {
                edges.push(Edge { from, to, ..edge.clone() });
            }
        }
        Diagram { blocks, edges }
    }
}
