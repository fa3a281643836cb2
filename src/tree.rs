//! Pytrees: nested tuples, lists, maps, options and structs whose leaves are tensors, flattened to a list and rebuilt from it.

use crate::error::{Error, Result};
use crate::tensor::Tensor;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

/// A pytree: a nested container whose leaves are tensors. The arguments and results of a traced function are trees.
///
/// The path of a leaf is the keys and indices that lead to it: `state.1` is the second element of a tuple that stands in a map under `state`.
/// [`tree!`](crate::tree!) implements this trait for a struct.
/// [JAX: pytrees](https://docs.jax.dev/en/latest/pytrees.html)
///
/// ```
/// use ontrace::{Tensor, Tree};
/// let x = Tensor::from(&[1.0f32]);
/// let pair = (x.clone(), vec![x.clone(), x]);
/// assert_eq!(pair.structure().paths(), ["0", "1.0", "1.1"]);
/// ```
pub trait Tree: Sized + 'static {
    /// Appends the leaves in order, and returns the structure around them.
    fn tree_flatten(&self, leaves: &mut Vec<Tensor>) -> TreeDef;

    /// The tree of this structure with these leaves, taken in order.
    ///
    /// # Errors
    /// [`Input`](crate::ErrorCode::Input) where there are too few leaves, or the structure is that of another type.
    fn tree_unflatten(structure: &TreeDef, leaves: &mut dyn Iterator<Item = Tensor>) -> Result<Self>;

    /// The structure that every value of this type has; `None` where it depends on the value, as the length of a `Vec` does.
    fn static_structure() -> Option<TreeDef> {
        None
    }

    /// The leaves in order.
    fn leaves(&self) -> Vec<Tensor> {
        let mut leaves = Vec::new();
        self.tree_flatten(&mut leaves);
        leaves
    }

    /// The structure around the leaves.
    fn structure(&self) -> TreeDef {
        self.tree_flatten(&mut Vec::new())
    }
}

/// The structure of a tree without its leaves (JAX's treedef). It is part of the signature of a traced graph, and saved with it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TreeDef {
    /// A tensor.
    Leaf,
    /// An option without a value.
    Absent,
    /// A value that is not a tensor, as text.
    Static(String),
    /// Members by index, each of its own type.
    Tuple(Vec<TreeDef>),
    /// Members by index, all of one type.
    List(Vec<TreeDef>),
    /// Members by name: those of a map in the order of the keys, those of a struct as declared.
    Map(Vec<(String, TreeDef)>),
}

impl TreeDef {
    /// A list of this many tensors.
    pub(crate) fn list(count: usize) -> TreeDef {
        TreeDef::List(vec![TreeDef::Leaf; count])
    }

    /// The members, each with its name or index.
    fn members(&self) -> Vec<(String, &TreeDef)> {
        match self {
            TreeDef::Leaf | TreeDef::Absent | TreeDef::Static(_) => Vec::new(),
            TreeDef::Tuple(members) | TreeDef::List(members) => {
                members.iter().enumerate().map(|(i, member)| (i.to_string(), member)).collect()
            }
            TreeDef::Map(members) => members.iter().map(|(name, member)| (name.clone(), member)).collect(),
        }
    }

    fn walk(&self, path: &str, visit: &mut dyn FnMut(String)) {
        if *self == TreeDef::Leaf {
            visit(path.to_string());
        }
        for (name, member) in self.members() {
            member.walk(&below(path, &name), visit);
        }
    }

    /// The paths of the leaves in order; a tensor alone has the empty path.
    pub fn paths(&self) -> Vec<String> {
        let mut paths = Vec::new();
        self.walk("", &mut |path| paths.push(path));
        paths
    }

    /// The number of leaves.
    pub fn leaf_count(&self) -> usize {
        self.paths().len()
    }

    /// The leaves as inputs or outputs of a graph are named: by their path; a tensor alone is called `root`, and a path that begins with
    /// a digit is put behind `root`.
    ///
    /// ```
    /// use ontrace::{Tensor, Tree};
    /// let x = Tensor::from(&[1.0f32]);
    /// assert_eq!(x.structure().leaf_names("x"), ["x"]);
    /// assert_eq!((x.clone(), x).structure().leaf_names("x"), ["x_0", "x_1"]);
    /// ```
    pub fn leaf_names(&self, root: &str) -> Vec<String> {
        let name = |path: String| match path.as_str() {
            "" => root.to_string(),
            path if path.starts_with(|c: char| c.is_ascii_digit()) => format!("{root}_{path}"),
            _ => path,
        };
        self.paths().into_iter().map(name).collect()
    }

    /// Refuses a tree of another structure, with the path at which it differs.
    ///
    /// # Errors
    /// [`Input`](crate::ErrorCode::Input).
    pub fn expect(&self, got: &TreeDef) -> Result<()> {
        self.compare(got, "")
    }

    fn compare(&self, got: &TreeDef, path: &str) -> Result<()> {
        let refused = |what: String| {
            let location = if path.is_empty() { "the arguments".to_string() } else { format!("`{path}`") };
            Err(Error::input(format!("{location}: {what}")))
        };
        let (mine, theirs) = (self.members(), got.members());
        let same_kind = std::mem::discriminant(self) == std::mem::discriminant(got);
        match (self, got) {
            (TreeDef::Static(expected), TreeDef::Static(value)) if expected != value => {
                refused(format!("traced with the value {expected}, got {value}; trace again for another value"))
            }
            (TreeDef::Map(_), TreeDef::Map(_)) => {
                let names = mine.iter().map(|member| member.0.as_str()).collect::<Vec<_>>();
                if let Some((name, _)) = theirs.iter().find(|(name, _)| !names.contains(&name.as_str())) {
                    return refused(format!("there is no `{name}`; the names are: {}", names.join(", ")));
                }
                for (name, member) in &mine {
                    match theirs.iter().find(|(other, _)| other == name) {
                        Some((_, other)) => member.compare(other, &below(path, name))?,
                        None => return refused(format!("`{name}` is missing; the names are: {}", names.join(", "))),
                    }
                }
                Ok(())
            }
            _ if !same_kind => refused(format!("expected {self}, got {got}")),
            _ if mine.len() != theirs.len() => refused(format!("expected {} members, got {}", mine.len(), theirs.len())),
            _ => mine.iter().zip(&theirs).try_for_each(|((name, member), (_, other))| member.compare(other, &below(path, name))),
        }
    }

    /// The members of a struct with these fields, in this order.
    ///
    /// # Errors
    /// [`Input`](crate::ErrorCode::Input) where the structure is not a map with these keys.
    pub fn fields(&self, names: &[&str]) -> Result<Vec<&TreeDef>> {
        match self {
            TreeDef::Map(members) if members.iter().map(|member| member.0.as_str()).eq(names.iter().copied()) => {
                Ok(members.iter().map(|member| &member.1).collect())
            }
            other => other.refuse(&format!("struct of {}", names.join(", "))),
        }
    }

    fn refuse<T>(&self, expected: &str) -> Result<T> {
        Err(Error::input(format!("the structure is {self}, expected {expected}")))
    }
}

impl fmt::Display for TreeDef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |members: &[TreeDef]| members.iter().map(TreeDef::to_string).collect::<Vec<_>>().join(", ");
        match self {
            TreeDef::Leaf => f.write_str("Tensor"),
            TreeDef::Absent => f.write_str("None"),
            TreeDef::Static(value) => write!(f, "Static({value})"),
            TreeDef::Tuple(members) if members.len() == 1 => write!(f, "({},)", members[0]),
            TreeDef::Tuple(members) => write!(f, "({})", list(members)),
            TreeDef::List(members) => write!(f, "[{}]", list(members)),
            TreeDef::Map(members) => {
                let members = members.iter().map(|(name, member)| format!("{name}: {member}")).collect::<Vec<_>>();
                write!(f, "{{{}}}", members.join(", "))
            }
        }
    }
}

fn below(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_string() } else { format!("{path}.{key}") }
}

impl Tree for Tensor {
    fn tree_flatten(&self, leaves: &mut Vec<Tensor>) -> TreeDef {
        leaves.push(self.clone());
        TreeDef::Leaf
    }

    fn static_structure() -> Option<TreeDef> {
        Some(TreeDef::Leaf)
    }

    fn tree_unflatten(structure: &TreeDef, leaves: &mut dyn Iterator<Item = Tensor>) -> Result<Self> {
        match structure {
            TreeDef::Leaf => leaves.next().ok_or_else(|| Error::input("fewer tensors than the structure has leaves")),
            other => other.refuse("tensor"),
        }
    }
}

impl<T: Tree> Tree for Vec<T> {
    fn tree_flatten(&self, leaves: &mut Vec<Tensor>) -> TreeDef {
        TreeDef::List(self.iter().map(|member| member.tree_flatten(leaves)).collect())
    }

    fn tree_unflatten(structure: &TreeDef, leaves: &mut dyn Iterator<Item = Tensor>) -> Result<Self> {
        match structure {
            TreeDef::List(members) => members.iter().map(|member| T::tree_unflatten(member, leaves)).collect(),
            other => other.refuse("list"),
        }
    }
}

impl<T: Tree, const N: usize> Tree for [T; N] {
    fn static_structure() -> Option<TreeDef> {
        Some(TreeDef::List(vec![T::static_structure()?; N]))
    }

    fn tree_flatten(&self, leaves: &mut Vec<Tensor>) -> TreeDef {
        TreeDef::List(self.iter().map(|member| member.tree_flatten(leaves)).collect())
    }

    fn tree_unflatten(structure: &TreeDef, leaves: &mut dyn Iterator<Item = Tensor>) -> Result<Self> {
        let members = Vec::<T>::tree_unflatten(structure, leaves)?;
        let count = members.len();
        <[T; N]>::try_from(members).map_err(|_| Error::input(format!("expected a list of {N}, got {count}")))
    }
}

impl<T: Tree> Tree for Option<T> {
    fn tree_flatten(&self, leaves: &mut Vec<Tensor>) -> TreeDef {
        self.as_ref().map_or(TreeDef::Absent, |tree| tree.tree_flatten(leaves))
    }

    fn tree_unflatten(structure: &TreeDef, leaves: &mut dyn Iterator<Item = Tensor>) -> Result<Self> {
        match structure {
            TreeDef::Absent => Ok(None),
            some => T::tree_unflatten(some, leaves).map(Some),
        }
    }
}

impl<K: Ord + Clone + fmt::Display + FromStr + 'static, T: Tree> Tree for BTreeMap<K, T> {
    fn tree_flatten(&self, leaves: &mut Vec<Tensor>) -> TreeDef {
        TreeDef::Map(self.iter().map(|(key, member)| (key.to_string(), member.tree_flatten(leaves))).collect())
    }

    fn tree_unflatten(structure: &TreeDef, leaves: &mut dyn Iterator<Item = Tensor>) -> Result<Self> {
        let TreeDef::Map(members) = structure else { return structure.refuse("map") };
        let key = |name: &str| name.parse::<K>().map_err(|_| Error::input(format!("`{name}` is not a key of this map")));
        members.iter().map(|(name, member)| Ok((key(name)?, T::tree_unflatten(member, leaves)?))).collect()
    }
}

/// A value that is not a tensor. It is part of the signature of a traced graph, and must be the same at every call.
///
/// ```
/// use ontrace::{Static, Tensor, trace_fn};
/// let traced = trace_fn(|(x, power): (Tensor, Static<i64>)| x.pow(*power), &(Tensor::from(&[3.0f32]), Static(2)))?;
/// assert_eq!(traced.inputs().len(), 1);
/// # Ok::<(), ontrace::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Static<T>(pub T);

impl<T> std::ops::Deref for Static<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: fmt::Display + FromStr + 'static> Tree for Static<T> {
    fn tree_flatten(&self, _: &mut Vec<Tensor>) -> TreeDef {
        TreeDef::Static(self.0.to_string())
    }

    fn tree_unflatten(structure: &TreeDef, _: &mut dyn Iterator<Item = Tensor>) -> Result<Self> {
        match structure {
            TreeDef::Static(text) => {
                text.parse().map(Static).map_err(|_| Error::input(format!("`{text}` is not a value of the requested type")))
            }
            other => other.refuse("static value"),
        }
    }
}

/// A tree whose structure is known only at run time: that of a model loaded from a file, for example.
#[derive(Clone, Debug)]
pub enum DynTree {
    /// A tensor.
    Tensor(Tensor),
    /// An option without a value.
    Absent,
    /// A value that is not a tensor, as text.
    Static(String),
    /// Members by index, each of its own type.
    Tuple(Vec<DynTree>),
    /// Members by index, all of one type.
    List(Vec<DynTree>),
    /// Members by name.
    Map(Vec<(String, DynTree)>),
}

impl DynTree {
    /// The tensor at a path such as `state.1`; a tensor alone is at the empty path.
    pub fn at(&self, path: &str) -> Option<&Tensor> {
        let (first, rest) = path.split_once('.').unwrap_or((path, ""));
        match self {
            DynTree::Tensor(tensor) if path.is_empty() => Some(tensor),
            DynTree::Tuple(members) | DynTree::List(members) => members.get(first.parse::<usize>().ok()?)?.at(rest),
            DynTree::Map(members) => members.iter().find(|member| member.0 == first)?.1.at(rest),
            _ => None,
        }
    }
}

impl Tree for DynTree {
    fn tree_flatten(&self, leaves: &mut Vec<Tensor>) -> TreeDef {
        match self {
            DynTree::Tensor(tensor) => tensor.tree_flatten(leaves),
            DynTree::Absent => TreeDef::Absent,
            DynTree::Static(text) => TreeDef::Static(text.clone()),
            DynTree::Tuple(members) => TreeDef::Tuple(members.iter().map(|member| member.tree_flatten(leaves)).collect()),
            DynTree::List(members) => TreeDef::List(members.iter().map(|member| member.tree_flatten(leaves)).collect()),
            DynTree::Map(members) => {
                TreeDef::Map(members.iter().map(|(name, member)| (name.clone(), member.tree_flatten(leaves))).collect())
            }
        }
    }

    fn tree_unflatten(structure: &TreeDef, leaves: &mut dyn Iterator<Item = Tensor>) -> Result<Self> {
        let all = |members: &[TreeDef], leaves: &mut dyn Iterator<Item = Tensor>| {
            members.iter().map(|member| DynTree::tree_unflatten(member, leaves)).collect::<Result<Vec<_>>>()
        };
        Ok(match structure {
            TreeDef::Leaf => DynTree::Tensor(Tensor::tree_unflatten(structure, leaves)?),
            TreeDef::Absent => DynTree::Absent,
            TreeDef::Static(text) => DynTree::Static(text.clone()),
            TreeDef::Tuple(members) => DynTree::Tuple(all(members, leaves)?),
            TreeDef::List(members) => DynTree::List(all(members, leaves)?),
            TreeDef::Map(members) => {
                let member = |(name, member): &(String, TreeDef)| Ok((name.clone(), DynTree::tree_unflatten(member, leaves)?));
                DynTree::Map(members.iter().map(member).collect::<Result<_>>()?)
            }
        })
    }
}

/// Tuples of up to 12 members, one row for each length.
macro_rules! tuples {
    ($(($($T:ident $t:ident $i:tt),*)),* $(,)?) => {
        $(impl<$($T: Tree),*> Tree for ($($T,)*) {
            fn tree_flatten(&self, leaves: &mut Vec<Tensor>) -> TreeDef {
                TreeDef::Tuple(vec![$(self.$i.tree_flatten(leaves)),*])
            }

            fn static_structure() -> Option<TreeDef> {
                Some(TreeDef::Tuple(vec![$($T::static_structure()?),*]))
            }

            fn tree_unflatten(structure: &TreeDef, leaves: &mut dyn Iterator<Item = Tensor>) -> Result<Self> {
                match structure {
                    TreeDef::Tuple(members) => match members.as_slice() {
                        [$($t),*] => Ok(($($T::tree_unflatten($t, leaves)?,)*)),
                        _ => structure.refuse("tuple of this length"),
                    },
                    other => other.refuse("tuple"),
                }
            }
        })*
    };
}

tuples! {
    (A a 0),
    (A a 0, B b 1),
    (A a 0, B b 1, C c 2),
    (A a 0, B b 1, C c 2, D d 3),
    (A a 0, B b 1, C c 2, D d 3, E e 4),
    (A a 0, B b 1, C c 2, D d 3, E e 4, F f 5),
    (A a 0, B b 1, C c 2, D d 3, E e 4, F f 5, G g 6),
    (A a 0, B b 1, C c 2, D d 3, E e 4, F f 5, G g 6, H h 7),
    (A a 0, B b 1, C c 2, D d 3, E e 4, F f 5, G g 6, H h 7, I i 8),
    (A a 0, B b 1, C c 2, D d 3, E e 4, F f 5, G g 6, H h 7, I i 8, J j 9),
    (A a 0, B b 1, C c 2, D d 3, E e 4, F f 5, G g 6, H h 7, I i 8, J j 9, K k 10),
    (A a 0, B b 1, C c 2, D d 3, E e 4, F f 5, G g 6, H h 7, I i 8, J j 9, K k 10, L l 11),
}

impl Tree for () {
    fn tree_flatten(&self, _: &mut Vec<Tensor>) -> TreeDef {
        TreeDef::Tuple(Vec::new())
    }

    fn static_structure() -> Option<TreeDef> {
        Some(TreeDef::Tuple(Vec::new()))
    }

    fn tree_unflatten(structure: &TreeDef, _: &mut dyn Iterator<Item = Tensor>) -> Result<Self> {
        match structure {
            TreeDef::Tuple(members) if members.is_empty() => Ok(()),
            other => other.refuse("tuple of no members"),
        }
    }
}

/// The [static structure](Tree::static_structure) of a field, for [`tree!`](crate::tree!).
#[doc(hidden)]
pub fn field_structure<S, T: Tree>(_: fn(&S) -> &T) -> Option<TreeDef> {
    T::static_structure()
}

/// Implements [`Tree`] for a struct whose fields are trees. The paths of its leaves begin with the names of the fields.
///
/// ```
/// use ontrace::{Tensor, Tree, trace_fn};
/// struct Inputs {
///     image: Tensor,
///     mask: Option<Tensor>,
/// }
/// ontrace::tree!(Inputs { image, mask });
///
/// let x = Tensor::from(&[1.0f32, 2.0]);
/// let inputs = Inputs { image: x.clone(), mask: Some(x) };
/// let traced = trace_fn(|it: Inputs| it.image.mul(it.mask.as_ref().unwrap_or(&it.image)), &inputs)?;
/// assert_eq!(traced.inputs().iter().map(|input| input.0.as_str()).collect::<Vec<_>>(), ["image", "mask"]);
/// # Ok::<(), ontrace::Error>(())
/// ```
#[macro_export]
macro_rules! tree {
    ($Name:ident { $($field:ident),* $(,)? }) => {
        impl $crate::Tree for $Name {
            fn tree_flatten(&self, leaves: &mut ::std::vec::Vec<$crate::Tensor>) -> $crate::tree::TreeDef {
                $crate::tree::TreeDef::Map(::std::vec![$((
                    ::std::string::String::from(stringify!($field)),
                    $crate::Tree::tree_flatten(&self.$field, leaves),
                )),*])
            }

            fn static_structure() -> ::std::option::Option<$crate::tree::TreeDef> {
                ::std::option::Option::Some($crate::tree::TreeDef::Map(::std::vec![$((
                    ::std::string::String::from(stringify!($field)),
                    $crate::tree::field_structure(|it: &$Name| &it.$field)?,
                )),*]))
            }

            fn tree_unflatten(
                structure: &$crate::tree::TreeDef,
                leaves: &mut dyn ::std::iter::Iterator<Item = $crate::Tensor>,
            ) -> $crate::Result<Self> {
                let members = structure.fields(&[$(stringify!($field)),*])?;
                let mut members = members.into_iter();
                ::std::result::Result::Ok($Name { $($field: $crate::Tree::tree_unflatten(
                    members.next().unwrap_or(&$crate::tree::TreeDef::Absent),
                    leaves,
                )?),* })
            }
        }
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    fn x() -> Tensor {
        Tensor::from(&[1.0f32])
    }

    #[test]
    fn a_tree_is_flattened_with_paths_and_unflattened() {
        type T = (Tensor, (Vec<Tensor>, BTreeMap<String, Tensor>), Option<Tensor>);
        let tree: T = (x(), (vec![x(), x()], BTreeMap::from([("h".to_string(), x())])), None);
        let structure = tree.structure();
        assert_eq!(structure.paths(), ["0", "1.0.0", "1.0.1", "1.1.h"]);
        assert_eq!(structure.to_string(), "(Tensor, ([Tensor, Tensor], {h: Tensor}), None)");
        let again = T::tree_unflatten(&structure, &mut tree.leaves().into_iter()).unwrap();
        assert_eq!(again.structure(), structure);
        assert!(T::tree_unflatten(&structure, &mut vec![x()].into_iter()).is_err());
        assert!(<(Tensor,)>::tree_unflatten(&structure, &mut tree.leaves().into_iter()).is_err());
    }

    #[test]
    fn a_structure_survives_serialization_and_a_dyn_tree_has_any_structure() {
        let tree = (BTreeMap::from([(7i64, [x(), x()])]), Static(2.5f64));
        let structure = tree.structure();
        let json = serde_json::to_string(&structure).unwrap();
        assert_eq!(serde_json::from_str::<TreeDef>(&json).unwrap(), structure);
        let dynamic = DynTree::tree_unflatten(&structure, &mut tree.leaves().into_iter()).unwrap();
        assert_eq!(dynamic.structure(), structure);
        assert!(dynamic.at("0.7.1").is_some() && dynamic.at("0.8.1").is_none());
    }

    #[test]
    fn another_structure_is_refused_with_its_path() {
        let map = |keys: &[&str]| BTreeMap::from_iter(keys.iter().map(|key| (key.to_string(), x()))).structure();
        let refused = |a: TreeDef, b: TreeDef| a.expect(&b).unwrap_err().message().to_string();
        assert_eq!(refused(map(&["a", "b"]), map(&["a"])), "the arguments: `b` is missing; the names are: a, b");
        assert_eq!(refused(map(&["a"]), map(&["a", "c"])), "the arguments: there is no `c`; the names are: a");
        assert_eq!(refused((x(), vec![x()]).structure(), (x(), x()).structure()), "`1`: expected [Tensor], got Tensor");
        assert!(refused(Static(2).structure(), Static(3).structure()).contains("traced with the value 2, got 3"));
    }
}
