//! Adapters: modules from closures and from other modules.

use super::{AsDynModule, DynModule, Module, Outputs, kind};
use crate::error::{Error, Result};
use crate::tensor::Tensor;
use crate::tree::{Tree, TreeDef};
use std::marker::PhantomData;

/// A closure as a [`Module`]: [`from_fn`].
pub struct FromFn<F, I, O> {
    f: F,
    types: PhantomData<fn(I) -> O>,
}

/// A closure over a tensor, or over a tree of tensors, as a module.
///
/// ```
/// use ontrace::{Example, Tensor, module, trace};
/// let (x, y) = (Tensor::from(&[1.0f32, 2.0]), Tensor::from(&[3.0f32, 4.0]));
/// let sum = module::from_fn(|(x, y): (Tensor, Tensor)| x.add(&y));
/// let traced = trace(&sum, Example::new().input("left", &x).input("right", &y).symbolic("left", 0, "n")?.symbolic("right", 0, "n")?)?;
/// assert_eq!(traced.declaration().to_string(), "main(left: f32[n], right: f32[n]) -> (y: f32[n])");
/// # Ok::<(), ontrace::Error>(())
/// ```
pub fn from_fn<F, I, O>(f: F) -> FromFn<F, I, O>
where
    F: Fn(I) -> Result<O>,
    I: Tree,
    O: Tree,
{
    FromFn { f, types: PhantomData }
}

impl<F, I, O> Module<I, O> for FromFn<F, I, O>
where
    F: Fn(I) -> Result<O>,
    I: Tree,
    O: Tree,
{
    fn forward(&self, input: &I) -> Result<O> {
        // The closure takes its argument by value: a tree is cloned by its leaves, which are cheap to clone.
        let mut leaves = Vec::new();
        let structure = input.tree_flatten(&mut leaves);
        (self.f)(I::tree_unflatten(&structure, &mut leaves.into_iter())?)
    }
}

/// A [`DynModule`] as a [`Module`] between these trees: [`typed`].
pub struct TypedModule<M, I, O> {
    module: M,
    types: PhantomData<fn(&I) -> O>,
}

/// A module whose types are known at run time only (one that was loaded from a file, say) as a typed one, to be a layer of a network.
///
/// ```
/// use ontrace::nn::{Activation, Sequential};
/// use ontrace::{Module, Tensor, module, trace_fn};
/// let x = Tensor::from(&[-1.0f32, 2.0]);
/// let double = trace_fn(|x: Tensor| x.mul(2.0), &x)?;
/// let net = Sequential::new().push(module::typed(double)).push(Activation::Relu);
/// assert_eq!(net.forward(&x)?.to_vec::<f32>()?, [0.0, 4.0]);
/// # Ok::<(), ontrace::Error>(())
/// ```
pub fn typed<M: DynModule, I: Tree, O: Tree>(module: M) -> TypedModule<M, I, O> {
    TypedModule { module, types: PhantomData }
}

impl<M: DynModule, I: Tree, O: Tree> Module<I, O> for TypedModule<M, I, O> {
    fn forward(&self, input: &I) -> Result<O> {
        let mut leaves = Vec::new();
        let structure = input.tree_flatten(&mut leaves);
        if let Some(expected) = self.module.input_structure() {
            expected.expect(&structure)?;
        }
        self.module.forward(&leaves)?.into_tree()
    }
}

/// A module whose inputs and outputs have other names: [`named`].
pub struct NamedModule<M> {
    module: M,
    inputs: Vec<String>,
    outputs: Vec<String>,
}

/// The module with these names for its inputs and outputs, in order. An empty list keeps the names of the module. The inputs of an
/// [`Example`](super::Example) may then be given by name, in any order.
///
/// ```
/// use ontrace::{Example, Tensor, module, trace};
/// let x = Tensor::from(&[1.0f32]);
/// let scaled = module::from_fn(|(x, by): (Tensor, Tensor)| x.mul(&by));
/// let scaled = module::named(scaled, &["signal", "gain"], &["louder"]);
/// let traced = trace(&scaled, Example::new().input("gain", &x).input("signal", &x))?;
/// assert_eq!(traced.declaration().to_string(), "main(signal: f32[1], gain: f32[1]) -> (louder: f32[1])");
/// # Ok::<(), ontrace::Error>(())
/// ```
pub fn named<M>(module: M, inputs: &[&str], outputs: &[&str]) -> NamedModule<M> {
    let strings = |names: &[&str]| names.iter().map(|name| name.to_string()).collect();
    NamedModule { module, inputs: strings(inputs), outputs: strings(outputs) }
}

impl<M: AsDynModule<K>, K: ?Sized> AsDynModule<kind::OfNamed<K>> for NamedModule<M> {
    fn as_dyn(&self, inputs: Option<&TreeDef>) -> Box<dyn DynModule + '_> {
        Box::new(DynNamedModule { module: self.module.as_dyn(inputs), inputs: &self.inputs, outputs: &self.outputs })
    }
}

struct DynNamedModule<'a> {
    module: Box<dyn DynModule + 'a>,
    inputs: &'a [String],
    outputs: &'a [String],
}

impl DynModule for DynNamedModule<'_> {
    fn forward(&self, inputs: &[Tensor]) -> Result<Outputs> {
        Ok(self.module.forward(inputs)?.with_names(self.outputs))
    }

    fn input_names(&self) -> Vec<String> {
        if self.inputs.is_empty() { self.module.input_names() } else { self.inputs.to_vec() }
    }

    fn output_names(&self) -> Vec<String> {
        let mut names = self.module.output_names();
        names.iter_mut().zip(self.outputs).for_each(|(name, new)| name.clone_from(new));
        names
    }

    fn file_size(&self) -> Option<usize> {
        self.module.file_size()
    }

    fn input_structure(&self) -> Option<TreeDef> {
        self.module.input_structure()
    }
}

/// A module with some of its inputs bound to tensors: [`bind_inputs`].
pub struct BindInputs<M, K: ?Sized> {
    module: M,
    inputs: Vec<(usize, Tensor)>,
    kind: PhantomData<fn(&K)>,
}

/// The module with some of its inputs, given by index, bound to tensors: partial application. They become constants of the traced graph, which is of
/// use for inputs that determine shapes.
///
/// ```
/// use ontrace::{DynModule, Tensor, module};
/// let x = Tensor::from(&[1.0f32, 2.0, 3.0, 4.0]);
/// let reshape = module::from_fn(|(x, shape): (Tensor, Tensor)| x.reshape(&[shape.to_vec::<i64>()?[0], -1]));
/// let halved = module::bind_inputs(reshape, vec![(1, Tensor::from(&[2i64]))]);
/// assert_eq!(halved.call(&x)?.shape().to_string(), "[2,2]");
/// # Ok::<(), ontrace::Error>(())
/// ```
pub fn bind_inputs<M: AsDynModule<K>, K: ?Sized>(module: M, mut inputs: Vec<(usize, Tensor)>) -> BindInputs<M, K> {
    inputs.sort_by_key(|input| input.0);
    BindInputs { module, inputs, kind: PhantomData }
}

impl<M: AsDynModule<K>, K: ?Sized> DynModule for BindInputs<M, K> {
    fn forward(&self, inputs: &[Tensor]) -> Result<Outputs> {
        let mut all = inputs.to_vec();
        for (index, tensor) in &self.inputs {
            if *index > all.len() {
                return Err(Error::input(format!(
                    "too few inputs: got {}, and {} are bound, the last of them at index {index}",
                    inputs.len(),
                    self.inputs.len()
                )));
            }
            all.insert(*index, tensor.clone());
        }
        self.module.as_dyn(None).forward(&all)
    }

    fn input_names(&self) -> Vec<String> {
        let names = self.module.as_dyn(None).input_names().into_iter().enumerate();
        names.filter(|(index, _)| self.inputs.iter().all(|input| input.0 != *index)).map(|input| input.1).collect()
    }
}
