//! Nested tuples, lists, maps, options and structs of tensors ⇄ flat leaves with names.

use crate::error::{Error, Result};
use crate::tensor::Tensor;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

/// A value made of tensors: what a traced function takes and gives.
///
/// Leaves are named by their path: the second element of a tuple in a map under `state` is `state.1`. Structs become trees by [`tree!`](crate::tree!).
///
/// ```
/// use ontrace::{Tensor, Tree};
/// let x = Tensor::from(&[1.0f32]);
/// let pair = (x.clone(), vec![x.clone(), x]);
/// assert_eq!(pair.structure().names(), ["0", "1.0", "1.1"]);
/// ```
pub trait Tree: Sized {
    /// Appends the tensors in order; gives the structure around them.
    fn take_apart(&self, leaves: &mut Vec<Tensor>) -> Structure;

    /// The tree of this structure around these tensors, taken in order.
    ///
    /// # Errors
    /// [`Input`](crate::ErrorCode::Input) where there are too few tensors, or the structure is no such tree.
    fn assemble(structure: &Structure, leaves: &mut dyn Iterator<Item = Tensor>) -> Result<Self>;

    /// The tensors in order.
    fn leaves(&self) -> Vec<Tensor> {
        let mut leaves = Vec::new();
        self.take_apart(&mut leaves);
        leaves
    }

    /// The structure around the tensors.
    fn structure(&self) -> Structure {
        self.take_apart(&mut Vec::new())
    }
}

/// How a tree is built, without its tensors: a part of the signature of a trace, and saved with it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Structure {
    /// A tensor.
    Leaf,
    /// An option without a value.
    Absent,
    /// A value that is no tensor, as text: part of the signature.
    Static(String),
    /// Members by place, each of its own kind.
    Tuple(Vec<Structure>),
    /// Members by place, all of one kind.
    List(Vec<Structure>),
    /// Members by name: a map, sorted, or a struct, as declared.
    Map(Vec<(String, Structure)>),
}

impl Structure {
    /// A list of so many tensors.
    pub(crate) fn list(count: usize) -> Structure {
        Structure::List(vec![Structure::Leaf; count])
    }

    /// The members, each with its name or place.
    fn members(&self) -> Vec<(String, &Structure)> {
        match self {
            Structure::Leaf | Structure::Absent | Structure::Static(_) => Vec::new(),
            Structure::Tuple(members) | Structure::List(members) => {
                members.iter().enumerate().map(|(i, member)| (i.to_string(), member)).collect()
            }
            Structure::Map(members) => members.iter().map(|(name, member)| (name.clone(), member)).collect(),
        }
    }

    fn walk(&self, path: &str, visit: &mut dyn FnMut(String)) {
        if *self == Structure::Leaf {
            visit(path.to_string());
        }
        for (name, member) in self.members() {
            member.walk(&below(path, &name), visit);
        }
    }

    /// The paths of the tensors in order; that of a tensor alone is empty.
    pub fn names(&self) -> Vec<String> {
        let mut names = Vec::new();
        self.walk("", &mut |path| names.push(path));
        names
    }

    /// Refuses a tree that is built otherwise, naming the place where it is.
    ///
    /// # Errors
    /// [`Input`](crate::ErrorCode::Input).
    pub fn expect(&self, got: &Structure) -> Result<()> {
        self.compare(got, "")
    }

    fn compare(&self, got: &Structure, path: &str) -> Result<()> {
        let refused = |what: String| {
            let place = if path.is_empty() { "the arguments".to_string() } else { format!("`{path}`") };
            Err(Error::input(format!("{place}: {what}")))
        };
        let (mine, theirs) = (self.members(), got.members());
        let same_kind = std::mem::discriminant(self) == std::mem::discriminant(got);
        match (self, got) {
            (Structure::Static(expected), Structure::Static(value)) if expected != value => {
                refused(format!("traced with the value {expected}, got {value}; trace again for another value"))
            }
            (Structure::Map(_), Structure::Map(_)) => {
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

    /// The members of these names, in this order: what a struct is assembled from.
    ///
    /// # Errors
    /// [`Input`](crate::ErrorCode::Input) where the names are others.
    pub fn fields(&self, names: &[&str]) -> Result<Vec<&Structure>> {
        match self {
            Structure::Map(members) if members.iter().map(|member| member.0.as_str()).eq(names.iter().copied()) => {
                Ok(members.iter().map(|member| &member.1).collect())
            }
            other => other.refuse(&format!("struct of {}", names.join(", "))),
        }
    }

    fn refuse<T>(&self, wanted: &str) -> Result<T> {
        Err(Error::input(format!("the structure is {self}, expected {wanted}")))
    }
}

impl fmt::Display for Structure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |members: &[Structure]| members.iter().map(Structure::to_string).collect::<Vec<_>>().join(", ");
        match self {
            Structure::Leaf => f.write_str("Tensor"),
            Structure::Absent => f.write_str("None"),
            Structure::Static(value) => write!(f, "Static({value})"),
            Structure::Tuple(members) if members.len() == 1 => write!(f, "({},)", members[0]),
            Structure::Tuple(members) => write!(f, "({})", list(members)),
            Structure::List(members) => write!(f, "[{}]", list(members)),
            Structure::Map(members) => {
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
    fn take_apart(&self, leaves: &mut Vec<Tensor>) -> Structure {
        leaves.push(self.clone());
        Structure::Leaf
    }

    fn assemble(structure: &Structure, leaves: &mut dyn Iterator<Item = Tensor>) -> Result<Self> {
        match structure {
            Structure::Leaf => leaves.next().ok_or_else(|| Error::input("fewer tensors than the structure has leaves")),
            other => other.refuse("tensor"),
        }
    }
}

impl<T: Tree> Tree for Vec<T> {
    fn take_apart(&self, leaves: &mut Vec<Tensor>) -> Structure {
        Structure::List(self.iter().map(|member| member.take_apart(leaves)).collect())
    }

    fn assemble(structure: &Structure, leaves: &mut dyn Iterator<Item = Tensor>) -> Result<Self> {
        match structure {
            Structure::List(members) => members.iter().map(|member| T::assemble(member, leaves)).collect(),
            other => other.refuse("list"),
        }
    }
}

impl<T: Tree, const N: usize> Tree for [T; N] {
    fn take_apart(&self, leaves: &mut Vec<Tensor>) -> Structure {
        Structure::List(self.iter().map(|member| member.take_apart(leaves)).collect())
    }

    fn assemble(structure: &Structure, leaves: &mut dyn Iterator<Item = Tensor>) -> Result<Self> {
        let members = Vec::<T>::assemble(structure, leaves)?;
        let count = members.len();
        <[T; N]>::try_from(members).map_err(|_| Error::input(format!("a list of {count}, expected {N}")))
    }
}

impl<T: Tree> Tree for Option<T> {
    fn take_apart(&self, leaves: &mut Vec<Tensor>) -> Structure {
        self.as_ref().map_or(Structure::Absent, |tree| tree.take_apart(leaves))
    }

    fn assemble(structure: &Structure, leaves: &mut dyn Iterator<Item = Tensor>) -> Result<Self> {
        match structure {
            Structure::Absent => Ok(None),
            some => T::assemble(some, leaves).map(Some),
        }
    }
}

impl<K: Ord + Clone + fmt::Display + FromStr, T: Tree> Tree for BTreeMap<K, T> {
    fn take_apart(&self, leaves: &mut Vec<Tensor>) -> Structure {
        Structure::Map(self.iter().map(|(key, member)| (key.to_string(), member.take_apart(leaves))).collect())
    }

    fn assemble(structure: &Structure, leaves: &mut dyn Iterator<Item = Tensor>) -> Result<Self> {
        let Structure::Map(members) = structure else { return structure.refuse("map") };
        let key = |name: &str| name.parse::<K>().map_err(|_| Error::input(format!("`{name}` is not a key of this map")));
        members.iter().map(|(name, member)| Ok((key(name)?, T::assemble(member, leaves)?))).collect()
    }
}

/// A value that is no tensor: part of the signature of a trace, the same at every call.
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

impl<T: fmt::Display + FromStr> Tree for Static<T> {
    fn take_apart(&self, _: &mut Vec<Tensor>) -> Structure {
        Structure::Static(self.0.to_string())
    }

    fn assemble(structure: &Structure, _: &mut dyn Iterator<Item = Tensor>) -> Result<Self> {
        match structure {
            Structure::Static(text) => {
                text.parse().map(Static).map_err(|_| Error::input(format!("`{text}` is not a value of the requested type")))
            }
            other => other.refuse("static value"),
        }
    }
}

/// A tree whose structure is known only when the program runs: that of a record which was loaded from a file, say.
#[derive(Clone, Debug)]
pub enum DynTree {
    /// A tensor.
    Tensor(Tensor),
    /// An option without a value.
    Absent,
    /// A value that is no tensor, as text.
    Static(String),
    /// Members by place, each of its own kind.
    Tuple(Vec<DynTree>),
    /// Members by place, all of one kind.
    List(Vec<DynTree>),
    /// Members by name.
    Map(Vec<(String, DynTree)>),
}

impl DynTree {
    /// The tensor at a path such as `state.1`; the empty path is that of a tensor alone.
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
    fn take_apart(&self, leaves: &mut Vec<Tensor>) -> Structure {
        match self {
            DynTree::Tensor(tensor) => tensor.take_apart(leaves),
            DynTree::Absent => Structure::Absent,
            DynTree::Static(text) => Structure::Static(text.clone()),
            DynTree::Tuple(members) => Structure::Tuple(members.iter().map(|member| member.take_apart(leaves)).collect()),
            DynTree::List(members) => Structure::List(members.iter().map(|member| member.take_apart(leaves)).collect()),
            DynTree::Map(members) => {
                Structure::Map(members.iter().map(|(name, member)| (name.clone(), member.take_apart(leaves))).collect())
            }
        }
    }

    fn assemble(structure: &Structure, leaves: &mut dyn Iterator<Item = Tensor>) -> Result<Self> {
        let all = |members: &[Structure], leaves: &mut dyn Iterator<Item = Tensor>| {
            members.iter().map(|member| DynTree::assemble(member, leaves)).collect::<Result<Vec<_>>>()
        };
        Ok(match structure {
            Structure::Leaf => DynTree::Tensor(Tensor::assemble(structure, leaves)?),
            Structure::Absent => DynTree::Absent,
            Structure::Static(text) => DynTree::Static(text.clone()),
            Structure::Tuple(members) => DynTree::Tuple(all(members, leaves)?),
            Structure::List(members) => DynTree::List(all(members, leaves)?),
            Structure::Map(members) => {
                let member = |(name, member): &(String, Structure)| Ok((name.clone(), DynTree::assemble(member, leaves)?));
                DynTree::Map(members.iter().map(member).collect::<Result<_>>()?)
            }
        })
    }
}

/// Tuples, one row a length.
macro_rules! tuples {
    ($(($($T:ident $t:ident $i:tt),*)),* $(,)?) => {
        $(impl<$($T: Tree),*> Tree for ($($T,)*) {
            fn take_apart(&self, leaves: &mut Vec<Tensor>) -> Structure {
                Structure::Tuple(vec![$(self.$i.take_apart(leaves)),*])
            }

            fn assemble(structure: &Structure, leaves: &mut dyn Iterator<Item = Tensor>) -> Result<Self> {
                match structure {
                    Structure::Tuple(members) => match members.as_slice() {
                        [$($t),*] => Ok(($($T::assemble($t, leaves)?,)*)),
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
    fn take_apart(&self, _: &mut Vec<Tensor>) -> Structure {
        Structure::Tuple(Vec::new())
    }

    fn assemble(structure: &Structure, _: &mut dyn Iterator<Item = Tensor>) -> Result<Self> {
        match structure {
            Structure::Tuple(members) if members.is_empty() => Ok(()),
            other => other.refuse("empty tuple"),
        }
    }
}

/// Makes a struct of trees a [`Tree`], whose members have the names of its fields.
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
            fn take_apart(&self, leaves: &mut ::std::vec::Vec<$crate::Tensor>) -> $crate::tree::Structure {
                $crate::tree::Structure::Map(::std::vec![$((
                    ::std::string::String::from(stringify!($field)),
                    $crate::Tree::take_apart(&self.$field, leaves),
                )),*])
            }

            fn assemble(
                structure: &$crate::tree::Structure,
                leaves: &mut dyn ::std::iter::Iterator<Item = $crate::Tensor>,
            ) -> $crate::Result<Self> {
                let members = structure.fields(&[$(stringify!($field)),*])?;
                let mut members = members.into_iter();
                ::std::result::Result::Ok($Name { $($field: $crate::Tree::assemble(
                    members.next().unwrap_or(&$crate::tree::Structure::Absent),
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
    fn a_tree_is_assembled_around_its_leaves_and_names_them_by_path() {
        type T = (Tensor, (Vec<Tensor>, BTreeMap<String, Tensor>), Option<Tensor>);
        let tree: T = (x(), (vec![x(), x()], BTreeMap::from([("h".to_string(), x())])), None);
        let structure = tree.structure();
        assert_eq!(structure.names(), ["0", "1.0.0", "1.0.1", "1.1.h"]);
        assert_eq!(structure.to_string(), "(Tensor, ([Tensor, Tensor], {h: Tensor}), None)");
        let again = T::assemble(&structure, &mut tree.leaves().into_iter()).unwrap();
        assert_eq!(again.structure(), structure);
        assert!(T::assemble(&structure, &mut vec![x()].into_iter()).is_err());
        assert!(<(Tensor,)>::assemble(&structure, &mut tree.leaves().into_iter()).is_err());
    }

    #[test]
    fn what_was_saved_is_the_same_structure_and_a_nest_holds_any() {
        let tree = (BTreeMap::from([(7i64, [x(), x()])]), Static(2.5f64));
        let structure = tree.structure();
        let json = serde_json::to_string(&structure).unwrap();
        assert_eq!(serde_json::from_str::<Structure>(&json).unwrap(), structure);
        let nest = DynTree::assemble(&structure, &mut tree.leaves().into_iter()).unwrap();
        assert_eq!(nest.structure(), structure);
        assert!(nest.at("0.7.1").is_some() && nest.at("0.8.1").is_none());
    }

    #[test]
    fn another_structure_is_refused_with_the_place() {
        let map = |keys: &[&str]| BTreeMap::from_iter(keys.iter().map(|key| (key.to_string(), x()))).structure();
        let refused = |a: Structure, b: Structure| a.expect(&b).unwrap_err().message().to_string();
        assert_eq!(refused(map(&["a", "b"]), map(&["a"])), "the arguments: `b` is missing; the names are: a, b");
        assert_eq!(refused(map(&["a"]), map(&["a", "c"])), "the arguments: there is no `c`; the names are: a");
        assert_eq!(refused((x(), vec![x()]).structure(), (x(), x()).structure()), "`1`: expected [Tensor], got Tensor");
        assert!(refused(Static(2).structure(), Static(3).structure()).contains("traced with the value 2, got 3"));
    }
}
