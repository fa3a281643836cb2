//! Calls of a session with trees of tensors, and with tensors and arrays by name.

use super::Session;
use crate::array::Array;
use crate::dim::Type;
use crate::error::{Error, Result};
use crate::module;
use crate::tensor::Tensor;
use crate::tree::Tree;
use std::collections::BTreeMap;

impl Session {
    /// The outputs for a tree of inputs, as a tree: the types may be those of the traced function, or [`DynTree`](crate::tree::DynTree).
    ///
    /// ```
    /// use ontrace::{Tensor, trace_fn};
    /// let (x, y) = (Tensor::from(&[1.0f32]), Tensor::from(&[5.0f32]));
    /// let traced = trace_fn(|(x, y): (Tensor, Tensor)| Ok((x.add(&y)?, vec![x.mul(&y)?])), &(x.clone(), y.clone()))?;
    /// let (sum, products): (Tensor, Vec<Tensor>) = traced.session()?.call_tree(&(x, y))?;
    /// assert_eq!((sum.to_vec::<f32>()?, products[0].to_vec::<f32>()?), (vec![6.0], vec![5.0]));
    /// # Ok::<(), ontrace::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Input`](crate::ErrorCode::Input) where the tree has another structure than the example of the trace, naming the argument and the line of the
    /// call; else as [`Session::run`]. A model that ontrace did not write has no structure but a list of inputs and outputs.
    #[track_caller]
    pub fn call_tree<I: Tree, O: Tree>(&self, inputs: &I) -> Result<O> {
        module::call_tree(self, inputs)
    }

    /// The outputs, with their names, for inputs given by name, in any order.
    ///
    /// ```
    /// use ontrace::{Example, Tensor, module, trace};
    /// let (x, y) = (Tensor::from(&[1.0f32]), Tensor::from(&[2.0f32]));
    /// let model = module::from_fn(|(x, y): (Tensor, Tensor)| x.sub(&y));
    /// let session = trace(&model, Example::new().input("left", &x).input("right", &y))?.session()?;
    /// assert_eq!(session.call_named(&[("right", &y), ("left", &x)])?["y"].to_vec::<f32>()?, [-1.0]);
    /// # Ok::<(), ontrace::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Input`](crate::ErrorCode::Input) where a name is unknown, given twice or missing; the names are listed.
    pub fn call_named(&self, inputs: &[(&str, &Tensor)]) -> Result<BTreeMap<String, Tensor>> {
        module::call_named(self, inputs)
    }

    /// The outputs by name, for inputs by name, in any order.
    ///
    /// ```
    /// use ontrace::{Array, Example, Tensor, module, trace};
    /// let (x, y) = (Tensor::from(&[1.0f32]), Tensor::from(&[2.0f32]));
    /// let model = module::from_fn(|(x, y): (Tensor, Tensor)| x.sub(&y));
    /// let session = trace(&model, Example::new().input("left", &x).input("right", &y))?.session()?;
    /// let (five, three) = (Array::vector(vec![5.0f32]), Array::vector(vec![3.0f32]));
    /// let outputs = session.run_named([("right", &three), ("left", &five)])?;
    /// assert_eq!(outputs["y"].to_vec::<f32>()?, [2.0]);
    /// # Ok::<(), ontrace::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Session::run`], and [`Input`](crate::ErrorCode::Input) where a name is unknown, given twice or missing.
    pub fn run_named<'a, N: AsRef<str>>(&self, inputs: impl IntoIterator<Item = (N, &'a Array)>) -> Result<NamedOutputs> {
        let names = || self.inputs.iter().map(|input| input.0.as_str()).collect::<Vec<_>>().join(", ");
        let mut given: Vec<Option<&Array>> = vec![None; self.inputs.len()];
        for (name, array) in inputs {
            let name = name.as_ref();
            let index = self.inputs.iter().position(|input| input.0 == name);
            let index = index.ok_or_else(|| Error::input(format!("no input `{name}`")).help(format!("the inputs are: {}", names())))?;
            if given[index].replace(array).is_some() {
                return Err(Error::input(format!("input `{name}` is given twice")));
            }
        }
        let array = |(array, (name, _)): (Option<&Array>, &(String, Type))| {
            array.cloned().ok_or_else(|| Error::input(format!("input `{name}` is missing")).help(format!("the inputs are: {}", names())))
        };
        let arrays = given.into_iter().zip(&self.inputs).map(array).collect::<Result<Vec<_>>>()?;
        let outputs = self.run(&arrays)?;
        Ok(NamedOutputs(self.outputs.iter().map(|output| output.0.clone()).zip(outputs).collect()))
    }
}

/// The outputs of a call, by name: `outputs["logits"]`. In the order of the model's outputs.
#[derive(Clone, Debug)]
pub struct NamedOutputs(Vec<(String, Array)>);

impl NamedOutputs {
    /// The output of this name.
    pub fn get(&self, name: &str) -> Option<&Array> {
        self.0.iter().find(|output| output.0 == name).map(|output| &output.1)
    }

    /// The outputs with their names, in the order of the model.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Array)> {
        self.0.iter().map(|(name, array)| (name.as_str(), array))
    }
}

impl std::ops::Index<&str> for NamedOutputs {
    type Output = Array;

    /// # Panics
    /// Where the model has no output of this name; [`NamedOutputs::get`] does not panic.
    fn index(&self, name: &str) -> &Array {
        self.get(name).unwrap_or_else(|| panic!("no output `{name}`"))
    }
}

impl IntoIterator for NamedOutputs {
    type Item = (String, Array);
    type IntoIter = std::vec::IntoIter<(String, Array)>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}
