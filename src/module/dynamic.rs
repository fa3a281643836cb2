//! The object-safe form of a module, and the adapter that gives it to typed modules.

use super::{Module, Outputs};
use crate::error::{Error, Result};
use crate::tensor::Tensor;
use crate::tree::{Tree, TreeDef};
use std::marker::PhantomData;

/// A function from a list of tensors to [`Outputs`]: the object-safe form of a [`Module`].
///
/// Models from files, traced graphs and sessions implement it. A typed module is converted by [`AsDynModule`]. A call changes nothing: what
/// is known about the outputs is part of the result.
pub trait DynModule {
    /// The outputs for these inputs.
    ///
    /// # Errors
    /// Where the inputs do not fit, or an operation fails.
    fn forward(&self, inputs: &[Tensor]) -> Result<Outputs>;

    /// The output for this input, of a module with one input and one output.
    ///
    /// # Errors
    /// As [`DynModule::forward`], and [`Input`](crate::ErrorCode::Input) where it has more outputs.
    fn call(&self, input: &Tensor) -> Result<Tensor> {
        self.forward(std::slice::from_ref(input))?.into_single()
    }

    /// The names of the inputs; none where any names will do.
    fn input_names(&self) -> Vec<String> {
        Vec::new()
    }

    /// The names of the outputs, where they are known before a call; none where only [`Outputs::names`] of a call tells.
    fn output_names(&self) -> Vec<String> {
        Vec::new()
    }

    /// The structure of the inputs; `None` for a flat list.
    fn input_structure(&self) -> Option<TreeDef> {
        None
    }

    /// The size in bytes of the file that the program was read from, which limits what tracing it may take; `None` without a limit.
    fn file_size(&self) -> Option<usize> {
        None
    }
}

macro_rules! forward_through_pointers {
    ($($Pointer:ty),*) => {
        $(impl<M: DynModule + ?Sized> DynModule for $Pointer {
            fn forward(&self, inputs: &[Tensor]) -> Result<Outputs> {
                (**self).forward(inputs)
            }

            fn input_names(&self) -> Vec<String> {
                (**self).input_names()
            }

            fn output_names(&self) -> Vec<String> {
                (**self).output_names()
            }

            fn input_structure(&self) -> Option<TreeDef> {
                (**self).input_structure()
            }

            fn file_size(&self) -> Option<usize> {
                (**self).file_size()
            }
        })*
    };
}

forward_through_pointers!(&M, Box<M>, std::sync::Arc<M>);

/// What can be used as a [`DynModule`]: every [`Module`] between trees, and every [`DynModule`] itself.
///
/// The parameter `K` tells the two apart. It is inferred, and never written out.
pub trait AsDynModule<K: ?Sized> {
    /// The object-safe form. `inputs` is the structure of the arguments, where it is known; it must be given for a module whose input type does
    /// not [determine](Tree::static_structure) it.
    fn as_dyn(&self, inputs: Option<&TreeDef>) -> Box<dyn DynModule + '_>;
}

/// The parameters of [`AsDynModule`].
pub mod kind {
    use std::marker::PhantomData;

    /// A [`Module<I, O>`](crate::Module).
    pub struct OfModule<I, O>(PhantomData<fn(&I) -> O>);

    /// A [`DynModule`](crate::DynModule).
    pub struct OfDynModule;

    /// A module of this kind with [other names](crate::module::named).
    pub struct OfNamed<K: ?Sized>(PhantomData<K>);
}

impl<M: Module<I, O> + ?Sized, I: Tree, O: Tree> AsDynModule<kind::OfModule<I, O>> for M {
    fn as_dyn(&self, inputs: Option<&TreeDef>) -> Box<dyn DynModule + '_> {
        Box::new(Erased { module: self, structure: I::static_structure().or_else(|| inputs.cloned()), types: PhantomData })
    }
}

impl<M: DynModule + ?Sized> AsDynModule<kind::OfDynModule> for M {
    fn as_dyn(&self, _: Option<&TreeDef>) -> Box<dyn DynModule + '_> {
        Box::new(self)
    }
}

/// A typed module as a [`DynModule`].
struct Erased<'a, M: ?Sized, I, O> {
    module: &'a M,
    structure: Option<TreeDef>,
    types: PhantomData<fn(&I) -> O>,
}

impl<M: Module<I, O> + ?Sized, I: Tree, O: Tree> DynModule for Erased<'_, M, I, O> {
    fn forward(&self, inputs: &[Tensor]) -> Result<Outputs> {
        let list;
        let structure = match &self.structure {
            Some(structure) => structure,
            None => {
                list = TreeDef::list(inputs.len());
                &list
            }
        };
        let mut leaves = inputs.iter().cloned();
        let input = I::tree_unflatten(structure, &mut leaves)?;
        match leaves.len() {
            0 => Ok(Outputs::of(&self.module.forward(&input)?)),
            _ => Err(Error::input(format!("expected {} inputs, got {}", structure.leaf_count(), inputs.len()))),
        }
    }

    fn input_names(&self) -> Vec<String> {
        // A struct names its inputs; indices are no names, and leave the choice to the user.
        match &self.structure {
            Some(structure @ TreeDef::Map(_)) => structure.leaf_names("x"),
            _ => Vec::new(),
        }
    }

    fn input_structure(&self) -> Option<TreeDef> {
        self.structure.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::module::from_fn;

    #[test]
    fn a_wrong_number_of_inputs_is_refused() {
        let x = || Tensor::from(&[1.0f32]);
        let sum = from_fn(|(a, b): (Tensor, Tensor)| a.add(&b));
        let sum = sum.as_dyn(None);
        assert_eq!(sum.forward(&[x(), x()]).unwrap()[0].to_vec::<f32>().unwrap(), [2.0]);
        assert_eq!(sum.forward(&[x(), x(), x()]).unwrap_err().message(), "expected 2 inputs, got 3");
        assert_eq!(sum.forward(&[x()]).unwrap_err().code(), crate::ErrorCode::Input);
    }

    #[test]
    fn a_list_takes_as_many_inputs_as_it_is_given() {
        let x = || Tensor::from(&[1.0f32]);
        let stack = from_fn(|all: Vec<Tensor>| Tensor::cat(&all.iter().collect::<Vec<_>>(), 0));
        assert_eq!(stack.as_dyn(None).forward(&[x(), x(), x()]).unwrap()[0].shape().to_string(), "[3]");
    }

    #[test]
    fn a_struct_names_its_inputs_and_a_tuple_does_not() {
        struct Pair {
            a: Tensor,
            b: Tensor,
        }
        crate::tree!(Pair { a, b });
        let of_struct = from_fn(|it: Pair| it.a.add(&it.b));
        let of_tuple = from_fn(|(a, b): (Tensor, Tensor)| a.add(&b));
        assert_eq!(of_struct.as_dyn(None).input_names(), ["a", "b"]);
        assert!(of_tuple.as_dyn(None).input_names().is_empty());
    }
}
