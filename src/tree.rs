//! Nested tuples, lists and options of tensors ⇄ flat leaves with names.

use crate::error::{Error, Result};
use crate::tensor::Tensor;
use std::collections::BTreeMap;

/// A value made of tensors: what a traced function takes and gives.
///
/// Leaves are named by their path: the second element of a tuple in a map under `state` is `state.1`.
pub trait Tree: Sized {
    /// Appends the tensors in order, each with its path below `path`.
    fn flatten(&self, path: &str, leaves: &mut Vec<(String, Tensor)>);

    /// The same structure as `self` around other tensors, taken in order.
    ///
    /// # Errors
    /// [`Input`](crate::Code::Input) where there are too few tensors.
    fn rebuild(&self, leaves: &mut dyn Iterator<Item = Tensor>) -> Result<Self>;

    /// The tensors in order.
    fn leaves(&self) -> Vec<Tensor> {
        let mut leaves = Vec::new();
        self.flatten("", &mut leaves);
        leaves.into_iter().map(|leaf| leaf.1).collect()
    }
}

fn below(path: &str, key: impl std::fmt::Display) -> String {
    if path.is_empty() { key.to_string() } else { format!("{path}.{key}") }
}

impl Tree for Tensor {
    fn flatten(&self, path: &str, leaves: &mut Vec<(String, Tensor)>) {
        leaves.push((path.to_string(), self.clone()));
    }

    fn rebuild(&self, leaves: &mut dyn Iterator<Item = Tensor>) -> Result<Self> {
        leaves.next().ok_or_else(|| Error::input("fewer tensors than the structure has places"))
    }
}

impl<T: Tree> Tree for Vec<T> {
    fn flatten(&self, path: &str, leaves: &mut Vec<(String, Tensor)>) {
        for (i, tree) in self.iter().enumerate() {
            tree.flatten(&below(path, i), leaves);
        }
    }

    fn rebuild(&self, leaves: &mut dyn Iterator<Item = Tensor>) -> Result<Self> {
        self.iter().map(|tree| tree.rebuild(leaves)).collect()
    }
}

impl<T: Tree> Tree for Option<T> {
    fn flatten(&self, path: &str, leaves: &mut Vec<(String, Tensor)>) {
        if let Some(tree) = self {
            tree.flatten(path, leaves);
        }
    }

    fn rebuild(&self, leaves: &mut dyn Iterator<Item = Tensor>) -> Result<Self> {
        self.as_ref().map(|tree| tree.rebuild(leaves)).transpose()
    }
}

impl<T: Tree> Tree for BTreeMap<String, T> {
    fn flatten(&self, path: &str, leaves: &mut Vec<(String, Tensor)>) {
        for (key, tree) in self {
            tree.flatten(&below(path, key), leaves);
        }
    }

    fn rebuild(&self, leaves: &mut dyn Iterator<Item = Tensor>) -> Result<Self> {
        self.iter().map(|(key, tree)| Ok((key.clone(), tree.rebuild(leaves)?))).collect()
    }
}

/// Tuples, one row a length.
macro_rules! tuples {
    ($(($($T:ident $i:tt),*)),*) => {
        $(impl<$($T: Tree),*> Tree for ($($T,)*) {
            fn flatten(&self, path: &str, leaves: &mut Vec<(String, Tensor)>) {
                $(self.$i.flatten(&below(path, $i), leaves);)*
            }

            fn rebuild(&self, leaves: &mut dyn Iterator<Item = Tensor>) -> Result<Self> {
                Ok(($(self.$i.rebuild(leaves)?,)*))
            }
        })*
    };
}

tuples!((A 0), (A 0, B 1), (A 0, B 1, C 2), (A 0, B 1, C 2, D 3), (A 0, B 1, C 2, D 3, E 4), (A 0, B 1, C 2, D 3, E 4, F 5));

impl Tree for () {
    fn flatten(&self, _: &str, _: &mut Vec<(String, Tensor)>) {}

    fn rebuild(&self, _: &mut dyn Iterator<Item = Tensor>) -> Result<Self> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_is_rebuilt_around_its_leaves_and_names_them_by_path() {
        let x = || Tensor::from(&[1.0f32]);
        let tree = (x(), (vec![x(), x()], BTreeMap::from([("h".to_string(), x())])));
        let mut leaves = Vec::new();
        tree.flatten("", &mut leaves);
        let names: Vec<_> = leaves.iter().map(|leaf| leaf.0.as_str()).collect();
        assert_eq!(names, ["0", "1.0.0", "1.0.1", "1.1.h"]);
        let again = tree.rebuild(&mut tree.leaves().into_iter()).unwrap();
        assert_eq!(again.leaves().len(), 4);
        assert!(tree.rebuild(&mut vec![x()].into_iter()).is_err());
    }
}
