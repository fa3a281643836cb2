//! The result of a call whose number of outputs is known only at run time.

use crate::dim::Shape;
use crate::error::{Error, Result};
use crate::tensor::Tensor;
use crate::tree::{Tree, TreeDef};
use std::ops::Deref;

/// The outputs of a [`DynModule`](super::DynModule): tensors in order, their names, and the structure around them.
///
/// It dereferences to a slice of tensors.
///
/// ```
/// use ontrace::{Tensor, module::Outputs};
/// let (a, b) = (Tensor::from(&[1.0f32]), Tensor::from(&[2.0f32]));
/// let outputs = Outputs::of(&(a, b));
/// assert_eq!((outputs.len(), outputs.names().to_vec()), (2, vec!["y_0".to_string(), "y_1".to_string()]));
/// let (_, b): (Tensor, Tensor) = outputs.into_tree()?;
/// assert_eq!(b.to_vec::<f32>()?, [2.0]);
/// # Ok::<(), ontrace::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Outputs {
    tensors: Vec<Tensor>,
    names: Vec<String>,
    structure: TreeDef,
    /// The attributes that the call wrote to and that the next call of the source reads.
    state: Vec<String>,
    /// The declared shapes, where the file has them.
    declared: Vec<Option<Shape>>,
}

impl Outputs {
    /// The leaves of a tree, with their paths as names; a tensor alone is `y`.
    pub fn of(tree: &impl Tree) -> Outputs {
        let mut tensors = Vec::new();
        let structure = tree.tree_flatten(&mut tensors);
        Outputs { names: structure.leaf_names("y"), tensors, structure, state: Vec::new(), declared: Vec::new() }
    }

    /// A list of outputs with these names.
    pub(crate) fn of_list(tensors: Vec<Tensor>, names: Vec<String>) -> Outputs {
        Outputs { structure: TreeDef::list(tensors.len()), tensors, names, state: Vec::new(), declared: Vec::new() }
    }

    /// The same outputs with other names, in order; where there are fewer names the rest keep theirs.
    #[must_use]
    pub fn with_names<S: Into<String>>(mut self, names: impl IntoIterator<Item = S>) -> Outputs {
        self.names.iter_mut().zip(names).for_each(|(name, new)| *name = new.into());
        self
    }

    /// The same outputs in another structure.
    ///
    /// # Errors
    /// [`Internal`](crate::ErrorCode::Internal) where it has another number of leaves.
    pub fn with_structure(self, structure: TreeDef) -> Result<Outputs> {
        match structure.leaf_count() == self.tensors.len() {
            true => Ok(Outputs { structure, ..self }),
            false => Err(Error::internal(format!("{} outputs do not have the structure {structure}", self.tensors.len()))),
        }
    }

    /// The same outputs of a module that keeps these attributes from call to call.
    pub(crate) fn with_state(self, state: Vec<String>) -> Outputs {
        Outputs { state, ..self }
    }

    #[cfg(test)]
    pub(crate) fn state(&self) -> &[String] {
        &self.state
    }

    /// The same outputs with the shapes that the file declares.
    pub(crate) fn with_declared(self, declared: Vec<Option<Shape>>) -> Outputs {
        Outputs { declared, ..self }
    }

    /// The names in order.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The structure around the tensors: a list where the module knows no other.
    pub fn structure(&self) -> &TreeDef {
        &self.structure
    }

    /// All but the tensors: names, structure, attributes that are kept, and declared shapes.
    pub(crate) fn into_description(self) -> (Vec<String>, TreeDef, Vec<String>, Vec<Option<Shape>>) {
        (self.names, self.structure, self.state, self.declared)
    }

    /// The tensors as a list.
    pub fn into_tensors(self) -> Vec<Tensor> {
        self.tensors
    }

    /// The output of this name.
    pub fn get(&self, name: &str) -> Option<&Tensor> {
        self.names.iter().position(|known| known == name).map(|i| &self.tensors[i])
    }

    /// The outputs as a tree.
    ///
    /// # Errors
    /// [`Input`](crate::ErrorCode::Input) where they have another structure. A tensor alone and a list of one fit each other.
    pub fn into_tree<O: Tree>(self) -> Result<O> {
        let flat = matches!(&self.structure, TreeDef::List(members) if members.iter().all(|member| *member == TreeDef::Leaf));
        let structure = match O::static_structure() {
            // A module that knows no structure gives a list.
            Some(wanted) if flat && wanted.leaf_count() == self.tensors.len() => wanted,
            _ => self.structure,
        };
        O::tree_unflatten(&structure, &mut self.tensors.into_iter())
    }

    /// The output of a module that has one.
    ///
    /// # Errors
    /// [`Input`](crate::ErrorCode::Input) where there is none, or more than one.
    pub fn into_single(self) -> Result<Tensor> {
        let count = self.tensors.len();
        let single = self.tensors.into_iter().next().filter(|_| count == 1);
        single.ok_or_else(|| Error::input(format!("expected a module of one output, got {count}")))
    }
}

/// A list of outputs: one is called `y`, several `y_0`, `y_1` and so on.
impl From<Vec<Tensor>> for Outputs {
    fn from(tensors: Vec<Tensor>) -> Outputs {
        let names = (0..tensors.len()).map(|i| default_name(i, tensors.len())).collect();
        Outputs::of_list(tensors, names)
    }
}

/// For each of the expected names the position of the output that has it, where the names are the same ones in any order; `None` where outputs can
/// only be matched by position.
///
/// ```
/// let names = |names: [&str; 2]| names.map(String::from);
/// let order = ontrace::module::output_order(&names(["a", "b"]), &names(["b", "a"]));
/// assert_eq!(order, Some(vec![1, 0]));
/// assert_eq!(ontrace::module::output_order(&names(["a", "b"]), &names(["p", "q"])), None);
/// ```
pub fn output_order(expected: &[String], names: &[String]) -> Option<Vec<usize>> {
    let order: Vec<usize> = expected.iter().map(|name| names.iter().position(|other| other == name)).collect::<Option<_>>()?;
    let distinct: std::collections::BTreeSet<usize> = order.iter().copied().collect();
    (order.len() == names.len() && distinct.len() == names.len()).then_some(order)
}

/// The name of an output that has no other: `y`, or `y_0`, `y_1` and so on where there are several.
pub(crate) fn default_name(i: usize, count: usize) -> String {
    if count == 1 { "y".to_string() } else { format!("y_{i}") }
}

impl Deref for Outputs {
    type Target = [Tensor];

    fn deref(&self) -> &[Tensor] {
        &self.tensors
    }
}

impl IntoIterator for Outputs {
    type Item = Tensor;
    type IntoIter = std::vec::IntoIter<Tensor>;

    fn into_iter(self) -> Self::IntoIter {
        self.tensors.into_iter()
    }
}

impl<'a> IntoIterator for &'a Outputs {
    type Item = &'a Tensor;
    type IntoIter = std::slice::Iter<'a, Tensor>;

    fn into_iter(self) -> Self::IntoIter {
        self.tensors.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flat_list_fits_every_structure_of_its_size() {
        let x = || Tensor::from(&[1.0f32]);
        assert!(Outputs::from(vec![x()]).into_tree::<Tensor>().is_ok());
        assert!(Outputs::from(vec![x(), x(), x()]).into_tree::<(Tensor, (Tensor, Tensor))>().is_ok());
        assert!(Outputs::from(vec![x(), x()]).into_tree::<Tensor>().is_err());
        assert!(Outputs::from(vec![x(), x()]).into_single().is_err());
        assert!(Outputs::of(&(x(), vec![x()])).into_tree::<(Tensor, Vec<Tensor>)>().is_ok());
    }

    #[test]
    fn names_that_are_not_given_stay() {
        let x = || Tensor::from(&[1.0f32]);
        let outputs = Outputs::from(vec![x(), x()]).with_names(["sum"]);
        assert_eq!(outputs.names(), ["sum", "y_1"]);
        assert!(outputs.get("sum").is_some() && outputs.get("y_0").is_none());
    }
}
